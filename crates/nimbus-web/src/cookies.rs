//! The cookies of staff: one for the session, one for a sign-in that waits for its second factor, one by which a browser
//! is known.
//!
//! A name that begins with `__Host-` binds a cookie to this host, to TLS and to the whole of it (RFC 6265bis, 4.1.3.2).
//! A sandbox that is served over plain HTTP has names without it: browsers would not keep the others.

use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};
use nimbus_core::staff::DEVICE_DAYS;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    Session,
    /// Between the password and the second factor.
    SignIn,
    Device,
}

const DEVICE_SECONDS: i64 = DEVICE_DAYS * 86_400;

impl Cookie {
    const fn plain_name(self) -> &'static str {
        match self {
            Self::Session => "nimbus_session",
            Self::SignIn => "nimbus_sign_in",
            Self::Device => "nimbus_device",
        }
    }

    fn name(self, secure: bool) -> String {
        format!("{}{}", if secure { "__Host-" } else { "" }, self.plain_name())
    }

    /// What a request has in this cookie; nothing, if it has it twice.
    pub(crate) fn of(self, headers: &HeaderMap, secure: bool) -> Option<&str> {
        let name = self.name(secure);
        let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut found = pairs.filter(|(other, _)| *other == name).map(|(_, value)| value);
        let first = found.next().filter(|value| !value.is_empty())?;
        found.next().is_none().then_some(first)
    }

    /// Whether a request has this cookie, however often.
    pub(crate) fn is_there(self, headers: &HeaderMap, secure: bool) -> bool {
        let (name, all) =
            (self.name(secure), headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()));
        all.flat_map(|text| text.split(';'))
            .any(|pair| pair.trim().split_once('=').is_some_and(|(other, _)| other == name))
    }

    /// What has a browser keep a value in this cookie. That of a session goes with the browser.
    pub(crate) fn keep(self, headers: &mut HeaderMap, secure: bool, value: &str) {
        let age = (self == Self::Device).then_some(DEVICE_SECONDS);
        self.set(headers, secure, value, age);
    }

    /// What has a browser forget this cookie.
    pub(crate) fn forget(self, headers: &mut HeaderMap, secure: bool) {
        self.set(headers, secure, "", Some(0));
    }

    fn set(self, headers: &mut HeaderMap, secure: bool, value: &str, age: Option<i64>) {
        let name = self.name(secure);
        let secure = if secure { "; Secure" } else { "" };
        let age = age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}");
        // Values are ours: base64url.
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(SET_COOKIE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for text in cookies {
            headers.append(COOKIE, text.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_is_there_once_or_not_at_all() {
        let of = |cookies: &[&str], secure| Cookie::Session.of(&with(cookies), secure).map(str::to_owned);
        assert_eq!(of(&["a=1; nimbus_session=xyz; b=2"], false).as_deref(), Some("xyz"));
        assert_eq!(of(&["__Host-nimbus_session=xyz"], true).as_deref(), Some("xyz"));
        for refused in
            [&["nimbus_session=xyz"][..], &["__Host-nimbus_session="], &["__host-nimbus_session=x"], &[]]
        {
            assert_eq!(of(refused, true), None, "{refused:?}");
        }
        assert_eq!(of(&["nimbus_session=1; nimbus_session=2"], false), None);
        assert_eq!(of(&["nimbus_session=1", "nimbus_session=1"], false), None);
        assert_eq!(of(&["nimbus_session=a=b"], false).as_deref(), Some("a=b"));
    }

    #[test]
    fn a_cookie_is_for_this_host_and_no_script() {
        let mut headers = HeaderMap::new();
        Cookie::Session.keep(&mut headers, true, "xyz");
        Cookie::Device.keep(&mut headers, false, "abc");
        Cookie::SignIn.forget(&mut headers, true);
        let all: Vec<&str> =
            headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(
            all,
            [
                "__Host-nimbus_session=xyz; Path=/; HttpOnly; SameSite=Strict; Secure",
                "nimbus_device=abc; Path=/; HttpOnly; SameSite=Strict; Max-Age=15552000",
                "__Host-nimbus_sign_in=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0",
            ]
        );
    }
}
