//! Standard Webhooks signatures (specification 1.0.0, schemes `v1` and `v1a`) and the older hex one beside them.

pub mod debug;
mod ed25519;

use std::fmt::{self, Write as _};

use aws_lc_rs::{constant_time, hmac, rand};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

pub use self::ed25519::{PublicKey, SigningPair};

const PREFIX: &str = "whsec_";

/// Random bytes in a secret made here.
const GENERATED_BYTES: usize = 32;

/// Random bytes that the specification allows in a secret.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How far a timestamp may be from the clock, in seconds, in the reference libraries; exactly 300 passes.
pub const TOLERANCE_SECONDS: i64 = 300;

/// Signatures read from one header; the rest is not looked at.
const MAX_SIGNATURES: usize = 16;

/// A signing secret: the `whsec_` text and the key inside it. Both are wiped when it is dropped.
#[derive(Clone)]
pub struct SigningSecret {
    text: Zeroizing<String>,
    key: Zeroizing<Vec<u8>>,
}

/// The text is no key of the form asked for. What the text was is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "A signing secret is whsec_ and 24 to 64 bytes in padded standard base64, a public key whpk_ and 32 bytes."
)]
pub struct SecretError;

impl SigningSecret {
    /// A new secret of 32 random bytes.
    pub fn generate() -> Self {
        let mut key = Zeroizing::new(vec![0; GENERATED_BYTES]);
        // AWS-LC ends the process sooner than return from RAND_bytes without randomness, so this cannot fail.
        rand::fill(&mut key).expect("RAND_bytes of AWS-LC always succeeds");
        let encoded = Zeroizing::new(STANDARD.encode(&*key));
        Self { text: Zeroizing::new([PREFIX, encoded.as_str()].concat()), key }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// When the prefix, the base64 or the length is wrong.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError)?;
        let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| SecretError)?);
        if !KEY_BYTES.contains(&key.len()) {
            return Err(SecretError);
        }
        Ok(Self { text: Zeroizing::new(text.to_owned()), key })
    }

    /// The secret itself, `whsec_…`, for the partner who owns it and for sealing at rest; never for a log.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn tag(&self, webhook_id: &str, timestamp: &str, body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.key));
        for part in [webhook_id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        context.sign()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

/// What makes one signature of the `webhook-signature` header.
#[derive(Debug)]
pub enum SigningKey {
    /// `v1`
    Secret(SigningSecret),
    /// `v1a`
    Pair(SigningPair),
}

impl SigningKey {
    /// Reads the text form of either: `whsec_…` or `whsk_…`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        SigningSecret::parse(text).map(Self::Secret).or_else(|_| SigningPair::parse(text).map(Self::Pair))
    }
}

/// The values of the two signature headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    /// `webhook-signature`: `v1,<base64>` or `v1a,<base64>`, one for each key, separated by spaces.
    pub standard: String,
    /// `X-Webhook-Signature`: lower-case hex HMAC-SHA256 of the raw body under the whole text of the secret.
    pub legacy: String,
}

/// Signs one attempt with the current key, which comes first, and those still valid after a rotation. The older
/// signature is by `secret`, the endpoint's current one.
///
/// `timestamp_seconds` is the time of this attempt, since 1970; `body` the exact bytes sent. The id holds no
/// `.`, which separates the signed parts. No keys give an empty text, which every receiver refuses.
pub fn sign(
    keys: &[SigningKey],
    secret: &SigningSecret,
    webhook_id: &str,
    timestamp_seconds: i64,
    body: &[u8],
) -> Signatures {
    let timestamp = timestamp_seconds.to_string();
    let mut standard = String::new();
    for key in keys {
        let separator = if standard.is_empty() { "" } else { " " };
        let (version, signature) = match key {
            SigningKey::Secret(secret) => ("v1", STANDARD.encode(secret.tag(webhook_id, &timestamp, body))),
            SigningKey::Pair(pair) => {
                ("v1a", STANDARD.encode(pair.sign(&content(webhook_id, &timestamp, body))))
            }
        };
        // Writing to a String returns no error.
        let _ = write!(standard, "{separator}{version},{signature}");
    }
    Signatures { standard, legacy: older(secret.as_str(), body) }
}

/// What is signed.
fn content(webhook_id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [webhook_id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

/// The older scheme's signature.
fn older(secret: &str, body: &[u8]) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body))
}

/// Why a received webhook is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The `webhook-id` header is missing or empty.
    #[error("The webhook-id header is missing.")]
    IdMissing,
    /// The `webhook-timestamp` header is missing or empty.
    #[error("The webhook-timestamp header is missing.")]
    TimestampMissing,
    /// The timestamp is not a whole number of seconds.
    #[error("The webhook-timestamp header is not a whole number of seconds.")]
    TimestampMalformed,
    /// The timestamp is older than the tolerance: a replay, or a slow clock at the sender.
    #[error("The webhook-timestamp is too old.")]
    TimestampOld,
    /// The timestamp is further ahead than the tolerance: compare the clocks.
    #[error("The webhook-timestamp is in the future.")]
    TimestampFuture,
    /// The `webhook-signature` header is missing or empty.
    #[error("The webhook-signature header is missing.")]
    SignatureMissing,
    /// The header holds no `v1` signature that could be read.
    #[error("The webhook-signature header holds no v1 signature.")]
    SignatureUnsupported,
    /// No `v1` signature matches: another secret, or the body was changed or re-encoded.
    #[error("No signature matches: check the secret, and that the raw body is verified.")]
    NoMatch,
}

/// Checks a received webhook against one secret, in constant time; any matching `v1` signature passes.
///
/// A missing header is given as an empty text. `tolerance_seconds` is usually [`TOLERANCE_SECONDS`].
///
/// # Errors
/// The first of: a missing header, a timestamp that is malformed, old or in the future, no match.
pub fn verify(
    secret: &SigningSecret,
    webhook_id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now_seconds: i64,
    tolerance_seconds: i64,
) -> Result<(), VerifyError> {
    for (value, missing) in [
        (webhook_id, VerifyError::IdMissing),
        (timestamp, VerifyError::TimestampMissing),
        (signatures, VerifyError::SignatureMissing),
    ] {
        if value.trim_ascii().is_empty() {
            return Err(missing);
        }
    }
    check_timestamp(timestamp, now_seconds, tolerance_seconds)?;

    let expected = secret.tag(webhook_id, timestamp, body);
    let (mut readable, mut matched) = (false, false);
    for signature in signatures.split_ascii_whitespace().take(MAX_SIGNATURES) {
        let Some(tag) = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok()) else {
            continue;
        };
        readable = true;
        matched |= constant_time::verify_slices_are_equal(expected.as_ref(), &tag).is_ok();
    }
    match (readable, matched) {
        (_, true) => Ok(()),
        (true, false) => Err(VerifyError::NoMatch),
        (false, false) => Err(VerifyError::SignatureUnsupported),
    }
}

fn check_timestamp(timestamp: &str, now_seconds: i64, tolerance_seconds: i64) -> Result<(), VerifyError> {
    if !timestamp.bytes().all(|b| b.is_ascii_digit()) {
        return Err(VerifyError::TimestampMalformed);
    }
    let sent: i64 = timestamp.parse().map_err(|_| VerifyError::TimestampMalformed)?;
    let age = now_seconds.saturating_sub(sent);
    if age > tolerance_seconds {
        return Err(VerifyError::TimestampOld);
    }
    if age < -tolerance_seconds {
        return Err(VerifyError::TimestampFuture);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vector published with the Standard Webhooks libraries (libraries/rust/src/lib.rs, `test_sign`).
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const TIME: i64 = 1_649_367_553;
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

    fn check(timestamp: &str, signatures: &str, now: i64) -> Result<(), VerifyError> {
        let secret = SigningSecret::parse(SECRET).unwrap();
        verify(&secret, ID, timestamp, signatures, BODY, now, TOLERANCE_SECONDS)
    }

    #[test]
    fn signs_the_published_vector() {
        let secret = SigningSecret::parse(SECRET).unwrap();
        let signatures = sign(&[SigningKey::Secret(secret.clone())], &secret, ID, TIME, BODY);
        assert_eq!(signatures.standard, SIGNATURE);
        assert_eq!(check(&TIME.to_string(), SIGNATURE, TIME), Ok(()));
    }

    #[test]
    fn legacy_is_keyed_by_the_whole_text() {
        // printf '{"a":1}' | openssl dgst -sha256 -hmac whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD
        let secret = SigningSecret::parse(SECRET).unwrap();
        assert_eq!(
            sign(&[], &secret, ID, TIME, br#"{"a":1}"#).legacy,
            "03048224d6df6ae681e2c17f2cbc069167fbe9f7d79b487d5a213faad40300a2"
        );
    }

    #[test]
    fn a_rotation_signs_with_both_and_either_verifies() {
        let (new, old) = (SigningSecret::generate(), SigningSecret::parse(SECRET).unwrap());
        let keys = [&new, &old].map(|secret| SigningKey::Secret(secret.clone()));
        let signatures = sign(&keys, &new, ID, TIME, BODY);
        assert!(signatures.standard.ends_with(&format!(" {SIGNATURE}")));
        assert_eq!(signatures.legacy, older(new.as_str(), BODY));
        for secret in [&new, &old] {
            let time = TIME.to_string();
            assert_eq!(
                verify(secret, ID, &time, &signatures.standard, BODY, TIME, TOLERANCE_SECONDS),
                Ok(())
            );
        }
        assert_eq!(sign(&[], &new, ID, TIME, BODY).standard, "");
    }

    #[test]
    fn signs_the_published_vectors_of_both_schemes() {
        // svix-webhooks, server/svix-server/src/worker.rs, `test_sign_message` and its asymmetric sibling.
        const PAIR: &str =
            "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
        let body = br#"{"test": 2432232314}"#;
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let keys = [PAIR, secret.as_str()].map(|text| SigningKey::parse(text).unwrap());
        let signed = sign(&keys, &secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).standard;
        let (asymmetric, symmetric) = signed.split_once(' ').unwrap();
        assert_eq!(
            asymmetric,
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
        );
        assert_eq!(symmetric, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

        let public = PublicKey::parse("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=").unwrap();
        assert_eq!(SigningPair::parse(PAIR).unwrap().public(), public);
        let message = content("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        let signature = STANDARD.decode(&asymmetric[4..]).unwrap();
        assert!(public.has_signed(&message, &signature));
        assert!(!public.has_signed(&message[1..], &signature) && !public.has_signed(&message, &[]));
        assert!(SigningKey::parse("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=").is_err());
    }

    #[test]
    fn secrets_are_24_to_64_bytes_of_padded_base64() {
        let made = SigningSecret::generate();
        assert_eq!(made.key.len(), 32);
        assert_eq!(*SigningSecret::parse(made.as_str()).unwrap().key, *made.key);
        assert_ne!(made.as_str(), SigningSecret::generate().as_str());
        assert_eq!(format!("{made:?}"), "SigningSecret(..)");
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7_u8; bytes]));
        assert!(SigningSecret::parse(&of(24)).is_ok() && SigningSecret::parse(&of(64)).is_ok());
        let unpadded = of(32).trim_end_matches('=').to_owned();
        for text in
            ["", "whsec_", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_!!", &of(23), &of(65), &unpadded]
        {
            assert_eq!(SigningSecret::parse(text).err(), Some(SecretError));
        }
    }

    #[test]
    fn verification_says_what_is_wrong() {
        let time = TIME.to_string();
        let wrong = SIGNATURE.replace("tZ1", "tZ2");
        for (timestamp, signatures, now, expected) in [
            (time.as_str(), SIGNATURE, TIME + 300, Ok(())),
            (&time, SIGNATURE, TIME - 300, Ok(())),
            (&time, SIGNATURE, TIME + 301, Err(VerifyError::TimestampOld)),
            (&time, SIGNATURE, TIME - 301, Err(VerifyError::TimestampFuture)),
            ("", SIGNATURE, TIME, Err(VerifyError::TimestampMissing)),
            ("+1649367553", SIGNATURE, TIME, Err(VerifyError::TimestampMalformed)),
            ("99999999999999999999", SIGNATURE, TIME, Err(VerifyError::TimestampMalformed)),
            (&time, " ", TIME, Err(VerifyError::SignatureMissing)),
            (&time, "v1a,abcd v2,x v1,*", TIME, Err(VerifyError::SignatureUnsupported)),
            (&time, &wrong, TIME, Err(VerifyError::NoMatch)),
            (&time, "v1,", TIME, Err(VerifyError::NoMatch)),
            (&time, &format!("v1a,abcd {wrong} {SIGNATURE}"), TIME, Ok(())),
        ] {
            assert_eq!(check(timestamp, signatures, now), expected, "{timestamp} {signatures} {now}");
        }
        let secret = SigningSecret::parse(SECRET).unwrap();
        let verdict = |id, body| verify(&secret, id, &time, SIGNATURE, body, TIME, TOLERANCE_SECONDS);
        assert_eq!(verdict("", BODY), Err(VerifyError::IdMissing));
        assert_eq!(verdict("msg_other", BODY), Err(VerifyError::NoMatch));
        assert_eq!(verdict(ID, b"{}"), Err(VerifyError::NoMatch));
    }
}
