//! Ways to reach somebody: telephone numbers, e-mail addresses and web addresses.

use std::fmt;

use email_address::{EmailAddress, Options};
use thiserror::Error;

/// The longest telephone text that is looked at: ten digits with generous punctuation.
const PHONE_MAX_LEN: usize = 32;
/// RFC 5321, 4.5.3.1.3, less the angle brackets.
const EMAIL_MAX_LEN: usize = 254;
/// What common browsers and servers take.
const URL_MAX_LEN: usize = 2048;
/// RFC 1035, 2.3.4.
const HOST_MAX_LEN: usize = 253;
const HOST_LABEL_MAX_LEN: usize = 63;

/// A telephone number of the North American plan. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone {
    digits: String,
}

/// Why a text is not a telephone number. The message never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a telephone number of ten digits, with or without +1 and punctuation")]
pub struct PhoneError;

impl Phone {
    /// Reads ten digits, with or without `1` or `+1` before them and with spaces, parentheses, hyphens, dots or
    /// slashes among them. Extensions are refused. That the number can exist is [`Phone::is_possible`].
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let text = text.trim();
        if text.len() > PHONE_MAX_LEN {
            return Err(PhoneError);
        }
        let (plus, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
        if !rest.bytes().all(|byte| byte.is_ascii_digit() || b" ()-./".contains(&byte)) {
            return Err(PhoneError);
        }
        let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
        let national = match (plus, digits.len()) {
            (false, 10) => Some(digits.as_str()),
            (_, 11) => digits.strip_prefix('1'),
            _ => None,
        };
        national.map(|digits| Self { digits: digits.to_owned() }).ok_or(PhoneError)
    }

    /// The ten digits, without the country code.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Whether the numbering plan has such a number. Published samples fail this, so `false` deserves a warning
    /// and no refusal.
    pub fn is_possible(&self) -> bool {
        phonenumber::parse(None, format!("+1{}", self.digits)).is_ok_and(|number| number.is_valid())
    }
}

impl Phone {
    /// Whether the number is set aside for fiction, 555-0100 to 555-0199 of any area (NANPA), or cannot exist: nobody
    /// answers it.
    pub fn is_nobodys(&self) -> bool {
        self.digits[3..].starts_with("55501") || !self.is_possible()
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone")
    }
}

/// An e-mail address, kept as given. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// Why a text is not an e-mail address. The message never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an e-mail address such as name@example.com")]
pub struct EmailError;

impl Email {
    /// Reads a bare address (RFC 5321 and 6531) of at most 254 bytes whose domain has a dot: no display name,
    /// no IP literal.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.len() > EMAIL_MAX_LEN {
            return Err(EmailError);
        }
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        EmailAddress::parse_with_options(text, options).map_err(|_| EmailError)?;
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Domains that are nobody's (RFC 2606 and 6761), with all below them.
const RESERVED_DOMAINS: &[&str] =
    &["example.com", "example.org", "example.net", "example", "test", "invalid", "localhost"];

impl Email {
    /// Whether the domain is reserved for documents and tests: nobody reads mail there.
    pub fn is_nobodys(&self) -> bool {
        let domain = self.0.rsplit('@').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        RESERVED_DOMAINS.iter().any(|reserved| {
            domain.strip_suffix(reserved).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email")
    }
}

/// Whether the text is a plausible `http` or `https` address to show somebody: a host name with a dot, perhaps
/// a port, no user name, no spaces, at most 2048 bytes. It guards no connection: a webhook's address has
/// its own, stricter check.
pub fn web_url(text: &str) -> bool {
    if text.len() > URL_MAX_LEN || text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return false;
    }
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return false;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let port_holds = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    port_holds && host.len() <= HOST_MAX_LEN && host.contains('.') && host.split('.').all(host_label)
}

/// Letters of any script (RFC 5890), digits and inner hyphens.
fn host_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= HOST_LABEL_MAX_LEN
        && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_digits_are_a_phone_however_they_are_written() {
        for text in [
            "2025550123",
            "12025550123",
            "+12025550123",
            "+1 (202) 555-0123",
            "202.555.0123",
            "1-202-555-0123",
            "(202)555-0123",
            " 202/555 0123 ",
        ] {
            assert_eq!(Phone::parse(text).map(|phone| phone.digits), Ok("2025550123".to_owned()), "{text}");
        }
        // Ten digits whose first is 1 are not a country code and nine digits.
        assert_eq!(Phone::parse("1234567890").unwrap().digits(), "1234567890");
    }

    #[test]
    fn other_phones_are_refused() {
        for text in [
            "",
            "+",
            "202555012",
            "22025550123",
            "+442079460123",
            "+1234567890",
            "+2025550123",
            "202-555-0123 x4",
            "2025550123;",
            "++12025550123",
            "1+2025550123",
            "٢٠٢٥٥٥٠١٢٣",
            "(2) (0) (2) (5) (5) (5) (0) (1) (2) (3)",
        ] {
            assert_eq!(Phone::parse(text), Err(PhoneError), "{text}");
        }
    }

    #[test]
    fn a_phone_that_cannot_exist_is_told_apart() {
        for (text, possible) in [
            ("2025550123", true),
            ("6502530000", true),
            ("7877650000", true),  // Puerto Rico
            ("8002345678", true),  // toll free
            ("1234567890", false), // no area code begins with 1
            ("0005550123", false),
            ("2020550123", false), // no exchange begins with 0
            ("2021550123", false),
        ] {
            assert_eq!(Phone::parse(text).unwrap().is_possible(), possible, "{text}");
        }
    }

    #[test]
    fn numbers_of_fiction_and_reserved_domains_are_nobodys() {
        for (text, nobodys) in
            [("2125550123", true), ("1234567890", true), ("2125550223", false), ("6502530000", false)]
        {
            assert_eq!(Phone::parse(text).unwrap().is_nobodys(), nobodys, "{text}");
        }
        for (text, nobodys) in [
            ("jane@example.com", true),
            ("jane@Clinic.Example.ORG", true),
            ("jane@clinic.test", true),
            ("jane@mail.invalid", true),
            ("jane@notexample.com", false),
            ("jane@example.com.evil.co", false),
            ("jane@gmail.com", false),
        ] {
            assert_eq!(Email::parse(text).unwrap().is_nobodys(), nobodys, "{text}");
        }
    }

    #[test]
    fn addresses_are_read() {
        for text in
            ["jane@example.com", "john.doe@example.com", "a+b@sub.example.org", "o'neil@example.co.uk"]
        {
            assert_eq!(Email::parse(text).map(|email| email.as_str().to_owned()), Ok(text.to_owned()));
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "example.".repeat(40));
        for text in [
            "",
            "jane",
            "@example.com",
            "jane@",
            "jane@example",
            "jane@@example.com",
            "Jane <jane@example.com>",
            "jane@[127.0.0.1]",
            "jane doe@example.com",
            "jane@example.com\r\nBcc: x@example.com",
            " jane@example.com",
            "jane@exa mple.com",
            "jane@example..com",
            &long,
            &longer,
        ] {
            assert_eq!(Email::parse(text), Err(EmailError), "{text}");
        }
    }

    #[test]
    fn debug_is_silent() {
        assert_eq!(format!("{:?}", Phone::parse("2025550123").unwrap()), "Phone");
        assert_eq!(format!("{:?}", Email::parse("jane@example.com").unwrap()), "Email");
    }

    #[test]
    fn web_addresses_are_told_from_others() {
        for text in [
            "https://example.com",
            "HTTP://example.com/a?b=c#d",
            "https://sub.example.com:8443/",
            "https://bücher.example",
            "https://example.com?x=1",
            "http://192.0.2.1/x",
        ] {
            assert!(web_url(text), "{text}");
        }
        let long = format!("https://example.com/{}", "a".repeat(2048));
        for text in [
            "",
            "example.com",
            "https://",
            "https:///path",
            "ftp://example.com",
            "javascript:alert(1)",
            "https://localhost",
            "https://user@example.com",
            "https://user:pass@example.com",
            "https://example.com:0",
            "https://example.com:99999",
            "https://example.com:",
            "https://exa mple.com",
            "https://example..com",
            "https://-a.example",
            "https://a.example\n",
            "javascript://example.com/%0aalert(1)",
            "https://example.com\\@evil.example",
            &long,
        ] {
            assert!(!web_url(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (Phone::parse(&text), Email::parse(&text), web_url(&text));
        }

        #[test]
        fn no_ten_digits_panic(text in "[0-9]{10}") {
            Phone::parse(&text).unwrap().is_possible();
        }

        #[test]
        fn no_near_address_panics(text in "https?://[a-z.:@/\\[\\]-]{0,20}|[a-z.\"\\\\@ <>-]{0,20}") {
            let _ = (Email::parse(&text), web_url(&text));
        }
    }
}
