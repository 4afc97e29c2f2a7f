//! Who calls: partners by `X-API-Key`, staff by an operations token or a session, machines by a shared secret.
//!
//! Every handler asks here first, before it reads anything of the request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, header::AUTHORIZATION};
use nimbus_app::{
    Actor, Call, Error, auth, carrier_feed,
    error::Unauthorized,
    labels,
    links::{LinkKind, Opened},
    notices, onboarding, pharmacy_feed,
};
use nimbus_core::{
    access::{Role, Scope, SystemActor},
    ids::ClinicId,
    rate::Class,
};

use crate::{
    Web,
    body::{Incoming, MAX_JSON},
    failure::{Credential, Failure},
    meta::{RequestId, Slot},
    operations_api::carrier_events::signature_of,
    transport::Connected,
};

const API_KEY: &str = "X-API-Key";
const FEED_SECRET: &str = "X-Pharmetika-Secret";
/// What callers whose address is not known are counted as.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
pub(crate) const MISSING: Error = Error::Unauthorized(Unauthorized::Credential);
const ONBOARDING_TOKEN: &str = "X-RPA-Token";

/// Why a link opens nothing; its holder is told no more.
pub(crate) enum LinkRefused {
    /// Not ours, changed, of another kind or run out.
    Unknown,
    /// The seconds to wait.
    TooMany(u32),
}

impl Web {
    /// A partner whose key has the scope.
    pub(crate) async fn partner(&self, request: &Incoming, scope: Scope) -> Result<Call, Failure> {
        let call = self.any_partner(request).await?;
        match call.partner(scope) {
            Ok(_) => Ok(call),
            Err(_) => Err(Failure::MissingScope(scope)),
        }
    }

    /// A partner, whatever its key may do.
    pub(crate) async fn any_partner(&self, request: &Incoming) -> Result<Call, Failure> {
        let found = match only(request.headers(), API_KEY) {
            Some(key) => auth::authenticate_key(&self.app, key, self.caller_of(request)).await,
            None => Err(MISSING),
        };
        self.admitted(request, found.map(Actor::Partner), Credential::ApiKey)
    }

    /// Whether the caller of a request that takes long may still have what it asked for: its key may have been revoked
    /// meanwhile. It is not counted again.
    pub(crate) async fn still_partner(&self, request: &Incoming, scope: Scope) -> Result<(), Failure> {
        let key = only(request.headers(), API_KEY).ok_or(Failure::Unauthorized(Credential::ApiKey))?;
        let found = auth::authenticate_key(&self.app, key, self.caller_of(request)).await;
        let actor = found.map_err(|error| refused(error, Credential::ApiKey))?;
        if actor.scopes.has(scope) { Ok(()) } else { Err(Failure::MissingScope(scope)) }
    }

    /// Staff with one of the roles.
    pub(crate) async fn staff(&self, request: &Incoming, roles: &[Role]) -> Result<Call, Failure> {
        let call = self.staff_by(request, Credential::OpsToken).await?.through_glass(roles);
        call.staff(roles)?;
        Ok(call)
    }

    /// Staff with one of the roles, of all clinics or of one: the use case says which.
    pub(crate) async fn staff_reaching(&self, request: &Incoming, roles: &[Role]) -> Result<Call, Failure> {
        let call = self.any_staff(request).await?;
        call.reach(roles)?;
        Ok(call)
    }

    /// Staff with one of the roles, and the clinic that the path names, which they reach.
    pub(crate) async fn staff_of_clinic(
        &self,
        request: &Incoming,
        roles: &[Role],
    ) -> Result<(Call, ClinicId), Failure> {
        let call = self.any_staff(request).await?;
        call.reach(roles)?;
        let clinic = request.id("id", "Clinic")?;
        call.staff_of(roles, clinic)?;
        Ok((call, clinic))
    }

    /// Staff, whatever their roles.
    pub(crate) async fn any_staff(&self, request: &Incoming) -> Result<Call, Failure> {
        Ok(self.staff_by(request, Credential::OpsToken).await?.without_glass())
    }

    /// The pharmacy system, by its shared secret.
    pub(crate) fn pharmacy_system(&self, request: &Incoming) -> Result<Call, Failure> {
        let secret = only(request.headers(), FEED_SECRET);
        let found = pharmacy_feed::authenticate(&self.app, secret);
        let actor = found.map(|()| Actor::System(SystemActor::PharmacySystem));
        self.admitted(request, actor, Credential::FeedSecret)
    }

    /// The onboarding robot, by its token.
    pub(crate) fn onboarding(&self, request: &Incoming) -> Result<Call, Failure> {
        let token = bearer(request.headers()).or_else(|| only(request.headers(), ONBOARDING_TOKEN));
        let actor =
            onboarding::authenticate(&self.app, token).map(|()| Actor::System(SystemActor::Onboarding));
        self.admitted(request, actor, Credential::OnboardingToken)
    }

    /// Whoever holds a link that holds, within the limit of their address. One that does not hold counts as an attempt
    /// without a credential.
    pub(crate) fn link_holder(
        &self,
        request: &Incoming,
        kind: LinkKind,
    ) -> Result<(Call, Opened), LinkRefused> {
        let token = request.id::<String>("token", "Link").unwrap_or_default();
        let (limits, address) = (self.app.limits(), self.caller_of(request));
        let opened = labels::link(&self.app, &token, kind);
        let standing = if opened.is_ok() { limits.link_opened(address) } else { limits.refused(address) };
        if let Some(beyond) = standing.filter(|standing| !standing.admitted) {
            return Err(LinkRefused::TooMany(beyond.retry_after));
        }
        let opened = opened.map_err(|_| LinkRefused::Unknown)?;
        Ok((self.call(request, Actor::System(SystemActor::SignedLink)), opened))
    }

    /// Whoever asks for what is public, within the limit of their address for signed links.
    pub(crate) fn anybody(&self, request: &Incoming) -> Result<(), Failure> {
        let standing = self.app.limits().link_opened(self.caller_of(request));
        match standing.filter(|standing| !standing.admitted) {
            Some(beyond) => Err(Failure::RateLimited(beyond.retry_after)),
            None => Ok(()),
        }
    }

    /// A service that reports where parcels are, by the signature of what it sends: with the body, which is read for
    /// that alone, and only where there is a signature that could be right.
    pub(crate) async fn carrier_service(&self, request: &mut Incoming) -> Result<(Call, Bytes), Failure> {
        let wanted = Credential::CarrierSignature;
        let signature = signature_of(request.headers())
            .filter(|signature| carrier_feed::takes(&self.app, signature).is_ok());
        let Some(signature) = signature else {
            return match self.admitted(request, Err(MISSING), wanted) {
                Err(refused) => Err(refused),
                Ok(_) => Err(Failure::Unauthorized(wanted)),
            };
        };
        let actor = Actor::System(SystemActor::Carrier);
        let mut read = self.call(request, actor.clone());
        let body = request.bytes(&mut read, MAX_JSON).await?;
        let found = carrier_feed::authenticate(&self.app, &signature, &body).map(|()| actor);
        let call = self.admitted(request, found, wanted)?;
        Ok((Call { idempotency: read.idempotency, ..call }, body))
    }

    /// Counts the request against the limit of whom its credential stands for or, where that is nobody, of its
    /// address. The one place where requests are limited: after authentication, before anything else.
    pub(crate) fn admitted(
        &self,
        request: &Incoming,
        found: nimbus_app::Result<Actor>,
        wanted: Credential,
    ) -> Result<Call, Failure> {
        let (standing, outcome) = match found {
            Ok(actor) => {
                let standing = self.app.limits().admit(&actor, class_of(&request.parts.method));
                (standing, Ok(actor))
            }
            Err(error @ Error::Unauthorized(_)) => {
                (self.app.limits().refused(self.caller_of(request)), Err(refused(error, wanted)))
            }
            Err(other) => return Err(other.into()),
        };
        if let Some(slot) = request.parts.extensions.get::<Slot>() {
            slot.fill(standing);
            if let Some(at) = outcome.as_ref().ok().and_then(notices::key_ends_soon) {
                slot.key_ends(at);
            }
        }
        if let Some(beyond) = standing.filter(|standing| !standing.admitted) {
            return Err(Failure::RateLimited(beyond.retry_after));
        }
        outcome.map(|actor| self.call(request, actor))
    }

    pub(crate) fn call(&self, request: &Incoming, actor: Actor) -> Call {
        let request_id =
            request.parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let address = self.address(&request.parts.extensions, request.headers()).map(|ip| ip.to_string());
        Call { actor, request_id, address, idempotency: None, if_match: None }
    }

    pub(crate) fn caller_of(&self, request: &Incoming) -> IpAddr {
        self.caller(&request.parts.extensions, request.headers())
    }

    /// Whose unauthenticated attempts a request counts among.
    pub(crate) fn caller(&self, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
        self.address(extensions, headers).unwrap_or(NOWHERE)
    }

    /// The caller's network address: the connection's, or if that is a proxy of ours, what the proxy says it is. What
    /// stands before the last in the list is the caller's own word.
    fn address(&self, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
        let connected = extensions.get::<Connected>()?.address.ip();
        if !self.settings.proxies.iter().any(|proxy| proxy.contains(connected)) {
            return Some(connected);
        }
        let forwarded = headers.get_all("X-Forwarded-For").iter().next_back();
        let last = forwarded.and_then(|value| value.to_str().ok()).and_then(|text| text.rsplit(',').next());
        Some(last.and_then(forwarded_address).unwrap_or(connected))
    }
}

/// An address as a proxy writes it: some add the port, and brackets with it or without.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
}

/// `HEAD` is a `GET` whose body nobody wants.
fn class_of(method: &Method) -> Class {
    if matches!(*method, Method::GET | Method::HEAD) { Class::Reads } else { Class::Writes }
}

/// A header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only(headers, AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refused(error: Error, wanted: Credential) -> Failure {
    match error {
        Error::Unauthorized(Unauthorized::WrongEnvironment) => Failure::OtherEnvironment,
        Error::Unauthorized(Unauthorized::Credential) => Failure::Unauthorized(wanted),
        other => Failure::App(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_may_write_the_port_of_a_caller() {
        let read = |text| forwarded_address(text).map(|address| address.to_string());
        for text in ["203.0.113.5", " 203.0.113.5 ", "203.0.113.5:51234"] {
            assert_eq!(read(text).as_deref(), Some("203.0.113.5"), "{text}");
        }
        for text in ["2001:db8::1", "[2001:db8::1]", " [2001:db8::1]:443"] {
            assert_eq!(read(text).as_deref(), Some("2001:db8::1"), "{text}");
        }
        for text in ["", "unknown", "203.0.113.5:", "203.0.113.5:99999", "[203.0.113", "_hidden:80"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
