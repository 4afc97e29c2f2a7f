//! The URL of an endpoint, checked once when it is registered.
//!
//! Parsing is WHATWG's (crate `url`), which brings every spelling of an IPv4 address (`127.1`, `0x7f.1`,
//! `2130706433`) to one form. What a name resolves to is checked by [`crate::connector`] at every connection.

use std::fmt;
use std::net::IpAddr;

use ::url::{Host, ParseError, Url};
use http::Uri;
use rustls::pki_types::ServerName;

use crate::guard::{self, AddressPolicy, AddressRefusal};

/// The longest URL accepted, in bytes, as given and as normalised.
pub const LONGEST_URL: usize = 2048;

/// How long a registration waits for the name to resolve.
const RESOLVE_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

/// Top-level names of private networks: `internal` (ICANN), `local` (RFC 6762, and its appendix G for those that are
/// customary), and `onion` (RFC 7686). Their answers are vetted like all others; this refuses them before somebody waits
/// for a delivery.
const PRIVATE_SUFFIXES: [&str; 11] = [
    "internal",
    "local",
    "localdomain",
    "localdomain6",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "onion",
    "home.arpa",
];

/// The URL that an endpoint's events are posted to, normalised.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    text: String,
    uri: Uri,
}

/// Why a URL is not accepted, as a sentence for the partner. It never repeats the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefusal {
    /// Longer than [`LONGEST_URL`].
    #[error("The URL is longer than {LONGEST_URL} characters.")]
    TooLong,
    /// Not an absolute URL, or one with spaces, backslashes or control characters.
    #[error("The URL is not a valid absolute URL.")]
    Malformed,
    /// Another scheme than https.
    #[error("The URL must begin with https://.")]
    Scheme,
    /// A user name or password.
    #[error("The URL must not hold a user name or password.")]
    Credentials,
    /// A `#` part, which is never sent.
    #[error("The URL must not hold a fragment (#).")]
    Fragment,
    /// No host.
    #[error("The URL names no host.")]
    HostMissing,
    /// A host that is neither a DNS name nor an IP address.
    #[error("The host of the URL is neither a valid DNS name nor an IP address.")]
    HostInvalid,
    /// A name that only a private network has.
    #[error("The host name is one of a private network.")]
    Internal,
    /// A port that could reach a service other than a web server.
    #[error("The port must be 443 or at least 1024.")]
    Port,
    /// An address that is not public.
    #[error("Webhooks are sent only to public addresses. {0}")]
    Address(AddressRefusal),
}

impl EndpointUrl {
    /// Checks and normalises a URL. Plain http is accepted only where the policy allows loopback and the host
    /// is loopback, then also on port 80.
    ///
    /// # Errors
    /// The first rule that the URL breaks.
    pub fn parse(text: &str, policy: AddressPolicy) -> Result<Self, UrlRefusal> {
        if text.len() > LONGEST_URL {
            return Err(UrlRefusal::TooLong);
        }
        // WHATWG parsing would drop or replace these, and take `https:host` for `https://host`.
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if text.contains(odd) || !text.contains("://") {
            return Err(UrlRefusal::Malformed);
        }
        let url = Url::parse(text).map_err(refusal)?;
        check_parts(&url, policy)?;
        if url.as_str().len() > LONGEST_URL {
            return Err(UrlRefusal::TooLong);
        }
        let uri = url.as_str().parse().map_err(|_| UrlRefusal::Malformed)?;
        Ok(Self { text: url.into(), uri })
    }

    /// The normalised text. It may hold a token in its path or query: not for logs.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host: a DNS name in lower-case ASCII or an IP address, IPv6 in brackets.
    pub fn host(&self) -> &str {
        // `parse` accepts no URL without a host.
        self.uri.host().unwrap_or_default()
    }

    /// Whether the host has an address today. Whether that is an allowed one is checked at every connection.
    pub async fn resolves(&self) -> bool {
        let host = self.host().trim_matches(['[', ']']).to_owned();
        let found = tokio::time::timeout(RESOLVE_WITHIN, tokio::net::lookup_host((host, 443))).await;
        found.is_ok_and(|found| found.is_ok_and(|mut addresses| addresses.next().is_some()))
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointUrl").field("host", &self.host()).finish_non_exhaustive()
    }
}

fn refusal(error: ParseError) -> UrlRefusal {
    match error {
        ParseError::EmptyHost => UrlRefusal::HostMissing,
        ParseError::InvalidPort => UrlRefusal::Port,
        ParseError::IdnaError
        | ParseError::InvalidIpv4Address
        | ParseError::InvalidIpv6Address
        | ParseError::InvalidDomainCharacter => UrlRefusal::HostInvalid,
        _ => UrlRefusal::Malformed,
    }
}

fn check_parts(url: &Url, policy: AddressPolicy) -> Result<(), UrlRefusal> {
    if !matches!(url.scheme(), "https" | "http") {
        return Err(UrlRefusal::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlRefusal::Credentials);
    }
    if url.fragment().is_some() {
        return Err(UrlRefusal::Fragment);
    }
    let loopback = check_host(&url.host().ok_or(UrlRefusal::HostMissing)?, policy)?;
    let plain = url.scheme() == "http";
    if plain && !(loopback && policy.allow_loopback) {
        return Err(UrlRefusal::Scheme);
    }
    match url.port_or_known_default() {
        Some(80) if plain => Ok(()),
        Some(443 | 1024..) => Ok(()),
        _ => Err(UrlRefusal::Port),
    }
}

/// Whether the host is loopback by its text.
fn check_host(host: &Host<&str>, policy: AddressPolicy) -> Result<bool, UrlRefusal> {
    let ip = match *host {
        Host::Ipv4(v4) => IpAddr::V4(v4),
        Host::Ipv6(v6) => IpAddr::V6(v6),
        Host::Domain(name) => return check_name(name, policy),
    };
    guard::vet(ip, policy).map_err(UrlRefusal::Address)?;
    Ok(guard::is_loopback(ip))
}

fn check_name(name: &str, policy: AddressPolicy) -> Result<bool, UrlRefusal> {
    let absolute = name.strip_suffix('.').unwrap_or(name);
    // RFC 6761 §6.3: localhost and every name under it are loopback.
    let loopback = absolute == "localhost" || absolute.ends_with(".localhost");
    if loopback && !policy.allow_loopback {
        return Err(UrlRefusal::Address(AddressRefusal::Loopback));
    }
    // What TLS could not verify as a server name would fail at every delivery.
    ServerName::try_from(name).map_err(|_| UrlRefusal::HostInvalid)?;
    if !loopback && is_internal(absolute) {
        return Err(UrlRefusal::Internal);
    }
    Ok(loopback)
}

/// Whether the public DNS has no such name: a single label, or one under a private suffix.
fn is_internal(name: &str) -> bool {
    let under =
        |suffix: &&str| name.strip_suffix(*suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.contains('.') || PRIVATE_SUFFIXES.iter().any(under)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: AddressPolicy = AddressPolicy { allow_loopback: false };
    const LOCAL: AddressPolicy = AddressPolicy { allow_loopback: true };
    const LOOPBACK: UrlRefusal = UrlRefusal::Address(AddressRefusal::Loopback);

    fn check(text: &str, policy: AddressPolicy) -> Result<String, UrlRefusal> {
        EndpointUrl::parse(text, policy).map(|url| url.as_str().to_owned())
    }

    #[test]
    fn public_https_urls_are_normalised() {
        for (text, expected) in [
            ("https://example.com", "https://example.com/"),
            ("HTTPS://Example.COM:443/Hook?a=b%20c", "https://example.com/Hook?a=b%20c"),
            ("https://example.com:8443/x/../y", "https://example.com:8443/y"),
            ("https://bücher.example/ü?q=ü", "https://xn--bcher-kva.example/%C3%BC?q=%C3%BC"),
            (
                "https://hooks.example.com/{tenant}?k=[1]|'x'&\"z\"^`",
                "https://hooks.example.com/%7Btenant%7D?k=[1]|%27x%27&%22z%22^`",
            ),
            ("https://134744072/", "https://8.8.8.8/"),
            ("https://[2606:4700:4700::1111]:1024/", "https://[2606:4700:4700::1111]:1024/"),
            ("https://under_score.example.com/", "https://under_score.example.com/"),
        ] {
            assert_eq!(check(text, STRICT).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn each_rule_refuses_with_its_own_reason() {
        for (text, expected) in [
            ("", UrlRefusal::Malformed),
            ("example.com/hook", UrlRefusal::Malformed),
            ("https:example.com", UrlRefusal::Malformed),
            ("https:\\\\example.com", UrlRefusal::Malformed),
            ("https://exa\tmple.com/", UrlRefusal::Malformed),
            (" https://example.com/", UrlRefusal::Malformed),
            ("https://", UrlRefusal::HostMissing),
            ("https://exa mple.com/", UrlRefusal::Malformed),
            ("https://exa%00mple.com/", UrlRefusal::HostInvalid),
            ("https://256.256.256.256/", UrlRefusal::HostInvalid),
            ("https://a..b/", UrlRefusal::HostInvalid),
            ("https://./", UrlRefusal::HostInvalid),
            ("ftp://example.com/", UrlRefusal::Scheme),
            ("file:///etc/passwd", UrlRefusal::Scheme),
            ("gopher://example.com/", UrlRefusal::Scheme),
            ("http://example.com/", UrlRefusal::Scheme),
            ("https://user:p@x/", UrlRefusal::Credentials),
            ("https://user@example.com/", UrlRefusal::Credentials),
            ("https://:p@example.com/", UrlRefusal::Credentials),
            ("https://example.com/#a", UrlRefusal::Fragment),
            ("https://example.com/#", UrlRefusal::Fragment),
            ("https://example.com:22/", UrlRefusal::Port),
            ("https://example.com:80/", UrlRefusal::Port),
            ("https://example.com:0/", UrlRefusal::Port),
            ("https://example.com:1023/", UrlRefusal::Port),
            ("https://example.com:70000/", UrlRefusal::Port),
            ("http://127.1", LOOPBACK),
            ("https://2130706433/", LOOPBACK),
            ("https://0x7f.1", LOOPBACK),
            ("https://0177.0.0.1/", LOOPBACK),
            ("https://１２７.0.0.1/", LOOPBACK),
            ("https://[::1]/", LOOPBACK),
            ("https://[::ffff:127.0.0.1]/", LOOPBACK),
            ("https://localhost/", LOOPBACK),
            ("https://LOCALHOST./", LOOPBACK),
            ("https://a.localhost/", LOOPBACK),
            ("https://169.254.169.254/latest", UrlRefusal::Address(AddressRefusal::Metadata)),
            ("https://10.1/", UrlRefusal::Address(AddressRefusal::Private)),
            ("https://[64:ff9b::a00:1]/", UrlRefusal::Address(AddressRefusal::Private)),
        ] {
            assert_eq!(check(text, STRICT), Err(expected), "{text}");
        }
        let long = |length: usize| format!("https://example.com/{}", "a".repeat(length - 20));
        assert!(check(&long(2048), STRICT).is_ok());
        assert_eq!(check(&long(2049), STRICT), Err(UrlRefusal::TooLong));
        let grows = format!("https://example.com/{}", "ü".repeat(500));
        assert_eq!(check(&grows, STRICT), Err(UrlRefusal::TooLong));
    }

    #[test]
    fn the_local_policy_takes_http_to_loopback_only() {
        for (text, expected) in [
            ("http://127.1", Ok("http://127.0.0.1/")),
            ("http://localhost:3000/hook", Ok("http://localhost:3000/hook")),
            ("http://[::1]:8080/", Ok("http://[::1]:8080/")),
            ("https://localhost/", Ok("https://localhost/")),
            ("http://example.com/", Err(UrlRefusal::Scheme)),
            ("http://8.8.8.8/", Err(UrlRefusal::Scheme)),
            ("http://localhost:22/", Err(UrlRefusal::Port)),
            ("https://localhost:80/", Err(UrlRefusal::Port)),
            ("http://192.168.0.1/", Err(UrlRefusal::Address(AddressRefusal::Private))),
        ] {
            assert_eq!(check(text, LOCAL).as_deref(), expected.as_ref().copied(), "{text}");
        }
    }

    #[test]
    fn debug_shows_the_host_alone() {
        let url = EndpointUrl::parse("https://example.com/secret?token=1", STRICT).unwrap();
        assert_eq!(format!("{url:?}"), r#"EndpointUrl { host: "example.com", .. }"#);
    }
}
