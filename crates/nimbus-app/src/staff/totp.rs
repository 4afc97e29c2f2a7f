//! Codes of authenticator apps (RFC 6238): six digits of HMAC-SHA-1 over the half minute, which every app does.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use nimbus_core::time::Ts;
use totp_rs::{Algorithm, Builder, Totp};

use crate::error::{Error, Result};

/// What RFC 4226, section 4, asks for.
const SECRET_LEN: usize = 20;
const DIGITS: u8 = 6;
const STEP_SECONDS: u64 = 30;
/// A code is good for one step longer, and from one step earlier: clocks differ, and people type.
const SKEW: u16 = 1;

/// A new secret.
pub(super) fn secret() -> Result<[u8; SECRET_LEN]> {
    let mut secret = [0u8; SECRET_LEN];
    SystemRandom::new().fill(&mut secret).map_err(|_| Error::Internal("the system gave no random bytes"))?;
    Ok(secret)
}

fn totp(secret: &[u8], issuer: Option<&str>, account: &str) -> Result<Totp> {
    let built = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_step_duration(STEP_SECONDS)
        .with_skew(SKEW)
        .with_secret(secret.to_vec())
        .with_issuer(issuer)
        .with_account_name(account)
        .build();
    built.map_err(|_| Error::Internal("the secret of an authenticator app is not valid"))
}

/// A secret as people type it, and as apps read it from a picture.
pub(super) fn shown(secret: &[u8], issuer: &str, account: &str) -> Result<(String, String)> {
    // What parts the two in a URI must be in neither.
    let (issuer, account) = (issuer.replace(':', " "), account.replace(':', " "));
    let totp = totp(secret, Some(&issuer), &account)?;
    let uri = totp.to_url().map_err(|_| Error::Internal("an account has no name for its codes"))?;
    Ok((totp.secret().to_base32(), uri))
}

/// The time step that a code is of, if it is one of about now.
pub(super) fn step_of(secret: &[u8], code: &str, now: Ts) -> Result<Option<i64>> {
    let plain: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let is_code = plain.len() == usize::from(DIGITS) && plain.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = u64::try_from(now.seconds()).unwrap_or_default();
    let totp = totp(secret, None, "")?;
    Ok(is_code.then(|| totp.check(&plain, seconds)).flatten().and_then(|step| i64::try_from(step).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, for SHA-1: the last six of the eight digits there.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let at = |shift: i64| Ts::from_micros(0).plus_seconds(seconds + shift);
            let step = seconds / 30;
            assert_eq!(step_of(secret, code, at(0)).unwrap(), Some(step), "{seconds}");
            assert_eq!(step_of(secret, code, at(30)).unwrap(), Some(step), "a step late");
            assert_eq!(step_of(secret, code, at(-30)).unwrap(), Some(step), "a step early");
            assert_eq!(step_of(secret, code, at(90)).unwrap(), None, "{seconds}");
            let spaced = format!("{} {}", &code[..3], &code[3..]);
            assert_eq!(step_of(secret, &spaced, at(0)).unwrap(), Some(step));
        }
        for no_code in ["", "28708", "2870822", "28708a", "٢٨٧٠٨٢"] {
            assert_eq!(step_of(secret, no_code, Ts::from_micros(59_000_000)).unwrap(), None, "{no_code}");
        }
    }

    #[test]
    fn apps_read_whose_secret_it_is() {
        let (text, uri) = shown(b"12345678901234567890", "Nimbus", "ada@example.com").unwrap();
        assert_eq!(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(uri.starts_with("otpauth://totp/Nimbus:ada%40example.com?secret=GEZDG"), "{uri}");
        assert!(uri.ends_with("&issuer=Nimbus"), "{uri}");
        assert_ne!(secret().unwrap(), secret().unwrap());
    }
}
