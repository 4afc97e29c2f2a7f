//! What a browser says that it was asked for, by whom, and where (W3C Web Authentication Level 3, 5.8.1).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ceremony::Fault;

/// Client data. Members that are not known are passed over, as 5.8.1 demands; one of these twice is refused.
#[derive(Deserialize)]
pub(super) struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    /// Whether it was in a frame of another origin's page.
    #[serde(rename = "crossOrigin")]
    cross_origin: Option<bool>,
    /// That page's.
    #[serde(rename = "topOrigin")]
    top_origin: Option<IgnoredAny>,
}

impl ClientData {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(bytes).map_err(|_| Fault::Malformed)
    }

    /// The challenge that was signed, if it can be one of ours.
    pub(super) fn challenge(&self) -> Result<[u8; 32], Fault> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.challenge).map_err(|_| Fault::Challenge)?;
        bytes.try_into().map_err(|_| Fault::Challenge)
    }

    /// That it is about this ceremony, this challenge and our own page, in a frame of nobody else's.
    pub(super) fn check(&self, kind: &str, challenge: &[u8; 32], origin: &str) -> Result<(), Fault> {
        if self.kind != kind {
            return Err(Fault::Ceremony);
        }
        if self.challenge()? != *challenge {
            return Err(Fault::Challenge);
        }
        if self.origin != origin {
            return Err(Fault::Origin);
        }
        match self.cross_origin == Some(true) || self.top_origin.is_some() {
            true => Err(Fault::Framed),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"type":"webauthn.get","challenge":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","origin":"https://nimbus.test","crossOrigin":false}"#;

    fn check(text: &str) -> Result<(), Fault> {
        ClientData::read(text.as_bytes())?.check("webauthn.get", &[7; 32], "https://nimbus.test")
    }

    #[test]
    fn it_is_about_this_and_nothing_else() {
        let with = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            check(&GOOD.replacen(from, to, 1))
        };
        assert_eq!(check(GOOD), Ok(()));
        assert_eq!(with(r#","crossOrigin":false"#, ""), Ok(()));
        assert_eq!(with("false}", r#"false,"other":{"deep":[1]}}"#), Ok(()));
        for (from, to, fault) in [
            ("webauthn.get", "webauthn.create", Fault::Ceremony),
            ("webauthn.get", "payment.get", Fault::Ceremony),
            ("BwcH", "BwcI", Fault::Challenge),
            (r#"BwcHBwc","#, r#"BwcHBwcHBw","#, Fault::Challenge),
            (r#"wc","#, r#"wc=","#, Fault::Challenge),
            ("https://nimbus.test", "http://nimbus.test", Fault::Origin),
            ("https://nimbus.test", "https://nimbus.test:8443", Fault::Origin),
            ("https://nimbus.test", "https://nimbus.test.evil.example", Fault::Origin),
            ("https://nimbus.test", "https://NIMBUS.test", Fault::Origin),
            ("https://nimbus.test", "https://nimbus.test/", Fault::Origin),
            ("false", "true", Fault::Framed),
            ("false", r#"false,"topOrigin":"https://nimbus.test""#, Fault::Framed),
            ("false", r#""no""#, Fault::Malformed),
            (r#"{"type""#, r#"{"type":"webauthn.get","type""#, Fault::Malformed),
            ("}", "}}", Fault::Malformed),
            (r#""type":"webauthn.get","#, "", Fault::Malformed),
            ("{", "\u{feff}{", Fault::Malformed),
        ] {
            assert_eq!(with(from, to), Err(fault), "{from} {to}");
        }
        for none in ["", "null", "[]", "{", &"[".repeat(100_000)] {
            assert_eq!(check(none), Err(Fault::Malformed), "{}", none.len());
        }
    }
}
