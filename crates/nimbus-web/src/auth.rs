//! Who calls: partners by `X-API-Key`, staff by an operations token, machines by a shared secret.
//!
//! Every handler asks here first, before it reads anything of the request.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{HeaderMap, header::AUTHORIZATION};
use nimbus_app::{Actor, Call, Error, auth, error::Unauthorized, onboarding, pharmacy_feed};
use nimbus_core::access::{Role, Scope, SystemActor};

use crate::{
    Web,
    body::Incoming,
    failure::{Credential, Failure},
    meta::RequestId,
};

const API_KEY: &str = "X-API-Key";
const FEED_SECRET: &str = "X-Pharmetika-Secret";
const ONBOARDING_TOKEN: &str = "X-RPA-Token";

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
        let key = only(request.headers(), API_KEY).ok_or(Failure::Unauthorized(Credential::ApiKey))?;
        match auth::authenticate_key(&self.app, key).await {
            Ok(partner) => Ok(self.call(request, Actor::Partner(partner))),
            Err(error) => Err(refused(error, Credential::ApiKey)),
        }
    }

    /// Staff with one of the roles.
    pub(crate) async fn staff(&self, request: &Incoming, roles: &[Role]) -> Result<Call, Failure> {
        let token = bearer(request.headers()).ok_or(Failure::Unauthorized(Credential::OpsToken))?;
        match auth::authenticate_staff(&self.app, token).await {
            Ok(staff) => {
                let call = self.call(request, Actor::Staff(staff));
                call.staff(roles)?;
                Ok(call)
            }
            Err(error) => Err(refused(error, Credential::OpsToken)),
        }
    }

    /// The pharmacy system, by its shared secret.
    pub(crate) fn pharmacy_system(&self, request: &Incoming) -> Result<Call, Failure> {
        let secret = only(request.headers(), FEED_SECRET);
        match pharmacy_feed::authenticate(&self.app, secret) {
            Ok(()) => Ok(self.call(request, Actor::System(SystemActor::PharmacySystem))),
            Err(error) => Err(refused(error, Credential::FeedSecret)),
        }
    }

    /// The onboarding robot, by its token.
    pub(crate) fn onboarding(&self, request: &Incoming) -> Result<Call, Failure> {
        let token = bearer(request.headers()).or_else(|| only(request.headers(), ONBOARDING_TOKEN));
        match onboarding::authenticate(&self.app, token) {
            Ok(()) => Ok(self.call(request, Actor::System(SystemActor::Onboarding))),
            Err(error) => Err(refused(error, Credential::OnboardingToken)),
        }
    }

    fn call(&self, request: &Incoming, actor: Actor) -> Call {
        let request_id =
            request.parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        Call { actor, request_id, address: self.address(request).map(|ip| ip.to_string()), idempotency: None }
    }

    /// The caller's network address: the connection's, or what our proxy says it is.
    fn address(&self, request: &Incoming) -> Option<IpAddr> {
        let connected = request.parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        if !self.settings.behind_proxy {
            return connected;
        }
        let forwarded = request.headers().get_all("X-Forwarded-For").iter().next_back();
        let last = forwarded.and_then(|value| value.to_str().ok()).and_then(|text| text.rsplit(',').next());
        last.and_then(|text| text.trim().parse().ok()).or(connected)
    }
}

/// A header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
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
