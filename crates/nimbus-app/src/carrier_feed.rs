//! Who may report where parcels are: the two public services, by the signatures of their notifications.
//!
//! ShipEngine signs its time and the body by RSA (PKCS #1 v1.5, SHA-256) and publishes its keys; they are given here
//! as a file, so that nothing is fetched while a request waits. EasyPost signs the body by HMAC-SHA256 with a secret
//! that is shared with it.

use std::sync::Arc;

use aws_lc_rs::{
    hmac,
    signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use nimbus_core::time::Ts;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::{
    App,
    clock::wall,
    error::{Error, Result, Unauthorized},
};

/// How far a notification's time may be from ours, either way, in seconds: what ShipEngine advises.
const TOLERANCE_SECONDS: i64 = 300;
/// The most keys of one file.
const MAX_KEYS: usize = 16;

/// What passes the two services. Without it nothing of theirs passes.
#[derive(Clone, Default)]
pub struct CarrierFeeds {
    pub shipengine_keys: Option<Arc<PublicKeys>>,
    pub easypost_secret: Option<String>,
}

impl std::fmt::Debug for CarrierFeeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CarrierFeeds")
            .field("shipengine_keys", &self.shipengine_keys.is_some())
            .field("easypost_secret", &self.easypost_secret.is_some())
            .finish()
    }
}

/// The public keys of a file.
pub struct PublicKeys(Vec<PublicKey>);

struct PublicKey {
    /// Its name in a key set; a key in PEM has none, and is tried whatever name a notification gives.
    id: Option<String>,
    key: Key,
}

enum Key {
    Components(RsaPublicKeyComponents<Vec<u8>>),
    Encoded(ParsedPublicKey),
}

impl PublicKeys {
    /// Reads a JSON Web Key Set (RFC 7517) with RSA keys, or one or more PEM blocks of public keys.
    ///
    /// # Errors
    /// What is wrong with the text, for the operator.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let keys = match text.trim_start().starts_with('{') {
            true => key_set(text)?,
            false => pem_blocks(text)?,
        };
        match keys.len() {
            0 => Err("holds no RSA public key".to_owned()),
            1..=MAX_KEYS => Ok(Self(keys)),
            _ => Err(format!("holds more than {MAX_KEYS} keys")),
        }
    }

    fn verify(&self, key_id: &str, message: &[u8], signature: &[u8]) -> bool {
        let named = self.0.iter().filter(|key| key.id.as_deref().is_none_or(|id| id == key_id));
        named.into_iter().any(|key| match &key.key {
            Key::Components(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok(),
            Key::Encoded(key) => key.verify_sig(message, signature).is_ok(),
        })
    }
}

fn key_set(text: &str) -> std::result::Result<Vec<PublicKey>, String> {
    let set: Value = serde_json::from_str(text).map_err(|error| format!("is not valid JSON: {error}"))?;
    let keys = set["keys"].as_array().ok_or("has no list `keys`")?;
    let rsa = keys.iter().enumerate().filter(|(_, key)| key["kty"] == "RSA");
    rsa.map(|(index, key)| {
        let part = |name: &str| {
            let text = key[name].as_str().unwrap_or_default().trim_end_matches('=');
            let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| !bytes.is_empty());
            bytes.ok_or_else(|| format!("keys[{index}].{name} is not base64url"))
        };
        let (n, e) = (part("n")?, part("e")?);
        let bits = n.iter().skip_while(|byte| **byte == 0).count() * 8;
        if !(2048..=8192).contains(&bits) {
            return Err(format!("keys[{index}] is not of 2048 to 8192 bits"));
        }
        let id = key["kid"].as_str().ok_or_else(|| format!("keys[{index}] has no kid"))?;
        Ok(PublicKey { id: Some(id.to_owned()), key: Key::Components(RsaPublicKeyComponents { n, e }) })
    })
    .collect()
}

fn pem_blocks(text: &str) -> std::result::Result<Vec<PublicKey>, String> {
    const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
    const END: &str = "-----END PUBLIC KEY-----";
    let blocks = text.split(BEGIN).skip(1).enumerate();
    blocks
        .map(|(index, block)| {
            let body = block.split(END).next().unwrap_or_default();
            let body: String = body.split_whitespace().collect();
            let der = STANDARD.decode(body).map_err(|_| format!("PEM block {} is not base64", index + 1))?;
            let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
                .map_err(|_| format!("PEM block {} is no RSA public key of 2048 bits or more", index + 1))?;
            Ok(PublicKey { id: None, key: Key::Encoded(key) })
        })
        .collect()
}

/// A notification's signature, as its headers have it.
#[derive(Debug, Clone)]
pub enum Signature {
    ShipEngine { key_id: String, timestamp: String, signature: String },
    EasyPost { signature: String },
}

/// Whether there is anything at all by which a service can pass. A body need not be read where there is not.
pub fn takes(app: &App, signature: &Signature) -> Result<()> {
    let feeds = &app.config().carrier_feeds;
    let configured = match signature {
        Signature::ShipEngine { .. } => feeds.shipengine_keys.is_some(),
        Signature::EasyPost { .. } => feeds.easypost_secret.is_some(),
    };
    if configured { Ok(()) } else { Err(Error::Unauthorized(Unauthorized::Credential)) }
}

/// Passes a notification whose signature is right, and of ShipEngine's one that is not old.
pub fn authenticate(app: &App, signature: &Signature, body: &[u8]) -> Result<()> {
    let feeds = &app.config().carrier_feeds;
    let right = match signature {
        Signature::ShipEngine { key_id, timestamp, signature } => {
            let keys = feeds.shipengine_keys.as_deref();
            keys.is_some_and(|keys| shipengine_signed(keys, key_id, timestamp, signature, body, wall()))
        }
        Signature::EasyPost { signature } => {
            feeds.easypost_secret.as_deref().is_some_and(|secret| easypost_signed(secret, signature, body))
        }
    };
    if right { Ok(()) } else { Err(Error::Unauthorized(Unauthorized::Credential)) }
}

fn shipengine_signed(
    keys: &PublicKeys,
    key_id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: Ts,
) -> bool {
    let fresh = Ts::parse(timestamp)
        .is_some_and(|sent| sent.seconds().abs_diff(now.seconds()) <= TOLERANCE_SECONDS.unsigned_abs());
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let message = [timestamp.as_bytes(), b".", body].concat();
    fresh && keys.verify(key_id, &message, &signature)
}

fn easypost_signed(secret: &str, signature: &str, body: &[u8]) -> bool {
    let hex = signature.strip_prefix("hmac-sha256-hex=").map(hex::decode);
    let Some(Ok(tag)) = hex else { return false };
    // Its own libraries normalise the secret, so that it is the same however it was typed.
    let secret: String = secret.nfkd().collect();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body, &tag).is_ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, PublicKeyX509Der},
        rand::SystemRandom,
        rsa::KeySize,
        signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
    };

    use super::*;

    fn at(text: &str) -> Ts {
        Ts::parse(text).unwrap()
    }

    fn sign(pair: &RsaKeyPair, message: &str) -> String {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        STANDARD.encode(signature)
    }

    fn jwks(pair: &RsaKeyPair, id: &str) -> String {
        // PKCS #1's encoding of a key of 2048 bits: its modulus lies behind nine bytes, its exponent at the end.
        let der = pair.public_key().as_ref();
        let [n, e] = [&der[9..265], &der[der.len() - 3..]].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!(
            r#"{{"keys": [{{"kty": "EC", "kid": "x"}}, {{"kty": "RSA", "kid": "{id}", "n": "{n}", "e": "{e}"}}]}}"#
        )
    }

    #[test]
    fn shipengines_signature_binds_time_and_body_under_a_named_key() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let keys = PublicKeys::parse(&jwks(&pair, "key-1")).unwrap();
        let (sent, body) = ("2026-01-15T10:30:00Z", r#"{"resource_type": "API_TRACK"}"#);
        let signature = sign(&pair, &format!("{sent}.{body}"));
        let passes = |keys: &PublicKeys, id: &str, sent: &str, signature: &str, body: &str, now: &str| {
            shipengine_signed(keys, id, sent, signature, body.as_bytes(), at(now))
        };
        let now = "2026-01-15T10:34:59Z";
        assert!(passes(&keys, "key-1", sent, &signature, body, now));
        assert!(passes(&keys, "key-1", sent, &signature, body, "2026-01-15T10:25:01Z"), "clocks differ");
        assert!(!passes(&keys, "key-1", sent, &signature, body, "2026-01-15T10:35:01Z"), "too old");
        assert!(!passes(&keys, "key-1", sent, &signature, body, "2026-01-15T10:24:59Z"), "too early");
        assert!(!passes(&keys, "key-2", sent, &signature, body, now), "another key's name");
        assert!(!passes(&keys, "key-1", "2026-01-15T10:30:01Z", &signature, body, now), "another time");
        assert!(!passes(&keys, "key-1", sent, &signature, "{}", now), "another body");
        assert!(!passes(&keys, "key-1", sent, "not base64", body, now));
        let other = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        assert!(!passes(&keys, "key-1", sent, &sign(&other, &format!("{sent}.{body}")), body, now));

        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        let pem = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n");
        assert!(passes(&PublicKeys::parse(&pem).unwrap(), "any", sent, &signature, body, now));
    }

    #[test]
    fn a_file_without_usable_keys_says_why() {
        let why = |text: &str| PublicKeys::parse(text).err().unwrap_or_default();
        assert!(why("").contains("no RSA"), "{}", why(""));
        assert!(why(r#"{"keys": []}"#).contains("no RSA"));
        assert!(why(r#"{"keys": 1}"#).contains("keys"));
        assert!(why("{").contains("JSON"));
        assert!(
            why(r#"{"keys": [{"kty": "RSA", "kid": "a", "n": "!", "e": "AQAB"}]}"#).contains("keys[0].n")
        );
        assert!(why(r#"{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}"#).contains("2048"));
        assert!(why("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").contains("block 1"));
    }

    #[test]
    fn easyposts_signature_binds_the_body_under_a_normalised_secret() {
        let body = r#"{"description":"tracker.updated"}"#;
        let signed = |secret: &str| {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
            format!("hmac-sha256-hex={}", hex::encode(tag))
        };
        assert!(easypost_signed("plain", &signed("plain"), body.as_bytes()));
        // Written composed here, and decomposed by the service.
        assert!(easypost_signed("s\u{e9}same", &signed("se\u{301}same"), body.as_bytes()));
        assert!(!easypost_signed("other", &signed("plain"), body.as_bytes()));
        assert!(!easypost_signed("plain", &signed("plain"), b"{}"));
        let bare = signed("plain").replace("hmac-sha256-hex=", "");
        assert!(!easypost_signed("plain", &bare, body.as_bytes()));
        assert!(!easypost_signed("plain", "hmac-sha256-hex=zz", body.as_bytes()));
        assert!(!easypost_signed("plain", "hmac-sha256-hex=", body.as_bytes()));
    }
}
