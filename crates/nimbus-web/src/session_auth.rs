//! Sessions of staff as requests carry them: a cookie, and for what changes something the word of the browser that a page
//! of ours asks for it.

use http::{
    HeaderMap, Method,
    header::{AUTHORIZATION, HOST, ORIGIN, USER_AGENT},
    uri::Authority,
};
use nimbus_app::{Actor, Call, Error, StaffCredential, auth, error::Unauthorized, staff};
use nimbus_core::access::SystemActor;

use crate::{
    Web,
    auth::{MISSING, bearer},
    body::Incoming,
    cookies::Cookie,
    failure::{Credential, Failure},
    meta::Slot,
};

const FETCH_SITE: &str = "Sec-Fetch-Site";

impl Web {
    /// Whether browsers reach us over TLS alone, by the address that we tell others.
    pub(crate) fn has_secure_cookies(&self) -> bool {
        self.app.config().labels.public_url.starts_with("https://")
    }

    /// Whoever has signed in. An operations token has no account.
    pub(crate) async fn session(&self, request: &Incoming) -> Result<Call, Failure> {
        let call = self.staff_by(request, Credential::Session).await?.without_glass();
        call.session()?;
        Ok(call)
    }

    /// Staff by their operations token or, if they send none, by their session.
    pub(crate) async fn staff_by(&self, request: &Incoming, wanted: Credential) -> Result<Call, Failure> {
        let (headers, address) = (request.headers(), self.caller_of(request));
        let cookie = Cookie::Session.of(headers, self.has_secure_cookies());
        let has_token = headers.contains_key(AUTHORIZATION);
        let found = match (bearer(headers), cookie) {
            (Some(token), _) => auth::authenticate_staff(&self.app, token, address).await,
            (None, Some(cookie)) if !has_token => {
                staff::sessions::authenticate(&self.app, cookie, address).await
            }
            _ => Err(MISSING),
        };
        let has_cookie = Cookie::Session.is_there(headers, self.has_secure_cookies());
        if matches!(found, Err(Error::Unauthorized(_))) && !has_token && has_cookie {
            self.forget_session(request);
        }
        let call = self.admitted(request, found.map(Actor::Staff), wanted)?;
        if is_safe(&request.parts.method) {
            return Ok(call);
        }
        if by_session(&call) {
            self.of_own_page(headers)?;
        }
        // What is open to be read for a while is not open to be changed.
        Ok(call.without_glass())
    }

    /// Has the browser forget a cookie that is good for nothing.
    fn forget_session(&self, request: &Incoming) {
        if let Some(slot) = request.parts.extensions.get::<Slot>() {
            slot.forget_session();
        }
    }

    /// Whoever is about to say who they are, within the limit of their address. A page of somebody else's does not do it
    /// for them; what is no browser says nothing of a page.
    pub(crate) fn stranger(&self, request: &Incoming) -> Result<Call, Failure> {
        let standing = self.app.limits().of_stranger(self.caller_of(request));
        if let Some(beyond) = standing.filter(|standing| !standing.admitted) {
            return Err(Failure::RateLimited(beyond.retry_after));
        }
        let headers = request.headers();
        if headers.contains_key(ORIGIN) || headers.contains_key(FETCH_SITE) {
            self.of_own_page(headers)?;
        }
        Ok(self.call(request, Actor::System(SystemActor::SignIn)))
    }

    /// A stranger who wants something to sign. It is kept until it runs out, so that an address has so many of them.
    pub(crate) fn asks_for_challenge(&self, request: &Incoming) -> Result<Call, Failure> {
        let call = self.stranger(request)?;
        let standing = self.app.limits().challenged(self.caller_of(request));
        match standing.filter(|standing| !standing.admitted) {
            Some(beyond) => Err(Failure::RateLimited(beyond.retry_after)),
            None => Ok(call),
        }
    }

    /// Where somebody signs in from.
    pub(crate) fn signs_in_from(&self, request: &Incoming) -> staff::sign_in::From {
        let headers = request.headers();
        let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let device = Cookie::Device.of(headers, self.has_secure_cookies()).map(str::to_owned);
        staff::sign_in::From { address: self.caller_of(request), agent, device }
    }

    /// What a stranger is told who was not let in, which counts as an attempt of their address.
    pub(crate) fn not_let_in(&self, request: &Incoming, error: Error) -> Failure {
        let Error::Unauthorized(Unauthorized::Credential) = error else { return error.into() };
        let standing = self.app.limits().refused(self.caller_of(request));
        if let Some(slot) = request.parts.extensions.get::<Slot>() {
            slot.fill(standing);
        }
        match standing.filter(|standing| !standing.admitted) {
            Some(beyond) => Failure::RateLimited(beyond.retry_after),
            None => Failure::Unauthorized(Credential::SignIn),
        }
    }

    /// Refuses what another host's page has a browser send: cookies go with it although nobody meant it. Browsers that
    /// tell how page and host stand to each other are believed; others name the page's origin (Fetch Metadata; RFC 6454).
    fn of_own_page(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let is_own = match headers.get(FETCH_SITE) {
            Some(site) => site == "same-origin",
            None => headers.get(ORIGIN).and_then(|value| value.to_str().ok()).is_some_and(|origin| {
                origin == self.app.config().labels.public_url.trim_end_matches('/')
                    || is_host(origin, headers)
            }),
        };
        if is_own { Ok(()) } else { Err(Failure::OtherPage) }
    }
}

/// Whether an origin is of the host that the request was sent to.
fn is_host(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    match (host, authority) {
        (Some(host), Some(authority)) => {
            authority.parse::<Authority>().is_ok() && authority.eq_ignore_ascii_case(host)
        }
        _ => false,
    }
}

fn by_session(call: &Call) -> bool {
    matches!(&call.actor, Actor::Staff(staff) if matches!(staff.credential, StaffCredential::Session(_)))
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_of_the_host_to_the_letter() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "api.example.com:8443".parse().unwrap());
        assert!(is_host("https://api.example.com:8443", &headers));
        assert!(is_host("https://API.example.com:8443", &headers));
        for other in [
            "https://api.example.com",
            "https://api.example.com:8443.evil.example",
            "https://evil.example",
            "null",
            "",
            "api.example.com:8443",
            "https://",
        ] {
            assert!(!is_host(other, &headers), "{other}");
        }
        assert!(!is_host("https://", &HeaderMap::new()));
    }
}
