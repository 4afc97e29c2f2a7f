//! Signatures that anybody can check by a public key: ed25519 (Standard Webhooks, scheme `v1a`).

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use super::SecretError;

const PRIVATE_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";

/// Bytes of a seed, and of a public key (RFC 8032).
const HALF: usize = 32;

/// An ed25519 key pair, and its text: `whsk_` and base64 of the seed and the public key after it, as the published
/// tools write it. The text is wiped when it is dropped.
pub struct SigningPair {
    text: Zeroizing<String>,
    pair: Ed25519KeyPair,
}

impl SigningPair {
    /// A new pair.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; 2 * HALF]);
        let (seed, public) = bytes.split_at_mut(HALF);
        // AWS-LC ends the process sooner than return from RAND_bytes without randomness, so this cannot fail.
        rand::fill(seed).expect("RAND_bytes of AWS-LC always succeeds");
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are a seed");
        public.copy_from_slice(pair.public_key().as_ref());
        let encoded = Zeroizing::new(STANDARD.encode(&bytes[..]));
        Self { text: Zeroizing::new([PRIVATE_PREFIX, encoded.as_str()].concat()), pair }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// When the prefix, the base64 or the length is wrong, or the two halves do not belong together.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PRIVATE_PREFIX).ok_or(SecretError)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| SecretError)?);
        if bytes.len() != 2 * HALF {
            return Err(SecretError);
        }
        let (seed, public) = bytes.split_at(HALF);
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| SecretError)?;
        Ok(Self { text: Zeroizing::new(text.to_owned()), pair })
    }

    /// The private key, `whsk_…`, for sealing at rest; never for a log or a reply.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; HALF];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(bytes)
    }

    pub(super) fn sign(&self, content: &[u8]) -> impl AsRef<[u8]> {
        self.pair.sign(content)
    }
}

impl fmt::Debug for SigningPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningPair(..)")
    }
}

/// The public half of a key pair; its text is `whpk_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; HALF]);

impl PublicKey {
    /// Reads the text form.
    ///
    /// # Errors
    /// When the prefix, the base64 or the length is wrong.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PUBLIC_PREFIX).ok_or(SecretError)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError)?;
        bytes.try_into().map(Self).map_err(|_| SecretError)
    }

    /// The key as a JSON Web Key writes it (`x` of RFC 8037).
    pub fn jwk_x(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// A name that follows from the key itself: its JWK thumbprint (RFC 7638, RFC 8037 appendix A.3).
    pub fn kid(&self) -> String {
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.jwk_x());
        URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
    }

    /// Whether the key's other half signed this content: id, timestamp and body, with a `.` between them.
    pub fn has_signed(&self, content: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(content, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", STANDARD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_read_back_and_shows_nothing() {
        let made = SigningPair::generate();
        assert_eq!(SigningPair::parse(made.as_str()).unwrap().public(), made.public());
        assert_eq!(PublicKey::parse(&made.public().to_string()), Ok(made.public()));
        assert_ne!(SigningPair::generate().as_str(), made.as_str());
        assert_eq!(format!("{made:?}"), "SigningPair(..)");
        let (one, other) = (made.as_str(), SigningPair::generate());
        // The seed of one and the public key of another.
        let mut mixed = STANDARD.decode(&one[5..]).unwrap();
        mixed[HALF..].copy_from_slice(&other.public().0);
        let mixed = format!("whsk_{}", STANDARD.encode(mixed));
        for text in ["", "whsk_", &one[5..], &one[..60], &one.replace("whsk_", "whsec_"), &mixed] {
            assert_eq!(SigningPair::parse(text).err(), Some(SecretError));
        }
        for text in ["", "whpk_", "whpk_AAAA", one] {
            assert_eq!(PublicKey::parse(text), Err(SecretError));
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_the_standard() {
        // RFC 8037, appendices A.2 and A.3.
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let key = PublicKey(x.try_into().unwrap());
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
