//! API keys and operations tokens: their text, its checksum, and the hash that authenticates.
//!
//! A key reads `dev_` or `prod_`, 32 random characters of base62, and 6 of checksum, so that a mistyped key
//! costs no look-up and secret scanners recognise one. Operations tokens are built the same after `ops_`.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use nimbus_core::access::Environment;

use crate::error::{Error, Result};

/// What every operations token begins with.
pub const OPS_PREFIX: &str = "ops_";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;
/// How much of a key is shown in lists: enough to recognise it, too little to guess it.
const SHOWN_LEN: usize = 6;

/// A new credential with this prefix. About 190 bits are random.
pub fn generate(prefix: &str) -> Result<String> {
    let mut seed = [0u8; 48];
    SystemRandom::new().fill(&mut seed).map_err(|_| Error::Internal("the system gave no random bytes"))?;
    Ok(from_seed(prefix, &seed))
}

/// The credential that a seed makes: the same seed gives the same text.
pub fn from_seed(prefix: &str, seed: &[u8]) -> String {
    let mut secret = String::with_capacity(SECRET_LEN);
    let mut block = digest(&SHA256, seed);
    while secret.len() < SECRET_LEN {
        // Bytes of 248 and more are passed over, so that every character is equally likely.
        for &byte in block.as_ref().iter().filter(|&&byte| byte < 248).take(SECRET_LEN - secret.len()) {
            secret.push(char::from(ALPHABET[usize::from(byte % 62)]));
        }
        block = digest(&SHA256, block.as_ref());
    }
    let body = format!("{prefix}{secret}");
    format!("{body}{}", checksum(&body))
}

fn checksum(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    let mut value = hash.as_ref()[..8].iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
    let mut checksum = String::with_capacity(CHECKSUM_LEN);
    for _ in 0..CHECKSUM_LEN {
        checksum.push(char::from(ALPHABET[(value % 62) as usize]));
        value /= 62;
    }
    checksum
}

/// Whether a text has the form and checksum of a credential with this prefix.
pub fn is_well_formed(prefix: &str, text: &str) -> bool {
    let length = prefix.len() + SECRET_LEN + CHECKSUM_LEN;
    text.len() == length
        && text.starts_with(prefix)
        && text.bytes().skip(prefix.len()).all(|byte| byte.is_ascii_alphanumeric())
        && checksum(&text[..length - CHECKSUM_LEN]) == text[length - CHECKSUM_LEN..]
}

/// The environment a key names by its prefix alone.
pub fn environment_of(text: &str) -> Option<Environment> {
    Environment::ALL.iter().copied().find(|environment| text.starts_with(environment.key_prefix()))
}

/// What is stored of a credential and authenticates it: SHA-256. The text is random enough to need no salt.
pub fn hash(text: &str) -> [u8; 32] {
    let mut hash = [0u8; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// The beginning of a key, for lists.
pub fn shown(text: &str) -> String {
    let prefix = text.find('_').map_or(0, |at| at + 1);
    text.chars().take(prefix + SHOWN_LEN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_is_seen_by_its_checksum() {
        let key = generate("dev_").unwrap();
        assert!(is_well_formed("dev_", &key));
        assert!(!is_well_formed("prod_", &key));
        for at in "dev_".len()..key.len() {
            let mut other: Vec<char> = key.chars().collect();
            other[at] = if other[at] == 'a' { 'b' } else { 'a' };
            assert!(!is_well_formed("dev_", &other.into_iter().collect::<String>()), "{at}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_key_again() {
        assert_eq!(from_seed("dev_", b"x"), from_seed("dev_", b"x"));
        assert_ne!(from_seed("dev_", b"x"), from_seed("dev_", b"y"));
        assert_eq!(environment_of("prod_abc"), Some(Environment::Production));
    }
}
