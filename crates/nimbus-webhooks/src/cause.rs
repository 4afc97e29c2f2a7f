//! Why an attempt failed: a code for programs, a class, and a hint for whoever runs the receiver.

/// Whether a failure may pass by itself. Both kinds are tried again by the schedule; this is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Somebody has to change something first.
    Permanent,
    /// It may be over at the next attempt.
    Transient,
}

impl Class {
    /// The word shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
        }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The name did not resolve; on record from before the next two were told apart.
    Dns,
    /// Name servers say that the name, or an address for it, does not exist.
    DnsNotFound,
    /// Name servers failed, or could not be reached.
    DnsUnanswered,
    /// The host's address is not public, or the URL is plain http.
    AddressRefused,
    /// Nothing listens there.
    Refused,
    /// The network has no route to the host.
    Unreachable,
    /// The connection was closed before a response came.
    Reset,
    /// No TLS session; on record from before the next four were told apart.
    Tls,
    /// The certificate has run out, or is not valid yet.
    CertificateExpired,
    /// The certificate is for other names.
    CertificateName,
    /// The certificate does not lead to a public root, or is unsound in another way.
    CertificateUntrusted,
    /// TLS broke off for another reason than the certificate: versions, or no TLS at all.
    Handshake,
    /// The deadline passed; on record from before the next five were told apart.
    Timeout,
    /// … while the name was being resolved.
    TimeoutDns,
    /// … while the connection was being made.
    TimeoutConnect,
    /// … during the TLS handshake.
    TimeoutTls,
    /// … before the head of a response was complete.
    TimeoutFirstByte,
    /// … before the body of a 2xx response was complete.
    TimeoutBody,
    /// What came is not HTTP, or breaks its rules or the limits on a response's head.
    Protocol,
    /// 3xx: redirects are not followed.
    Redirect,
    /// 401, 403 and 407.
    Auth,
    /// 404 and 405.
    NotFound,
    /// 410: the endpoint wants no more events.
    Gone,
    /// 429.
    RateLimited,
    /// Any other 4xx.
    ClientError,
    /// 5xx.
    ServerError,
    /// A status outside of all classes; on record from before they were told apart also for any but 2xx.
    Status,
}

/// Every cause, for reading codes.
const ALL: [Cause; 27] = [
    Cause::Dns,
    Cause::DnsNotFound,
    Cause::DnsUnanswered,
    Cause::AddressRefused,
    Cause::Refused,
    Cause::Unreachable,
    Cause::Reset,
    Cause::Tls,
    Cause::CertificateExpired,
    Cause::CertificateName,
    Cause::CertificateUntrusted,
    Cause::Handshake,
    Cause::Timeout,
    Cause::TimeoutDns,
    Cause::TimeoutConnect,
    Cause::TimeoutTls,
    Cause::TimeoutFirstByte,
    Cause::TimeoutBody,
    Cause::Protocol,
    Cause::Redirect,
    Cause::Auth,
    Cause::NotFound,
    Cause::Gone,
    Cause::RateLimited,
    Cause::ClientError,
    Cause::ServerError,
    Cause::Status,
];

impl Cause {
    /// The cause in a status that is not 2xx.
    pub const fn of_status(status: u16) -> Self {
        match status {
            300..=399 => Self::Redirect,
            401 | 403 | 407 => Self::Auth,
            404 | 405 => Self::NotFound,
            410 => Self::Gone,
            429 => Self::RateLimited,
            400..=499 => Self::ClientError,
            500..=599 => Self::ServerError,
            _ => Self::Status,
        }
    }

    /// The cause of a code that was stored.
    pub fn parse(code: &str) -> Option<Self> {
        ALL.into_iter().find(|cause| cause.as_str() == code)
    }

    /// The code stored and shown. Codes are never taken away, since attempts on record have them.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::DnsNotFound => "dns_not_found",
            Self::DnsUnanswered => "dns_unanswered",
            Self::AddressRefused => "address_refused",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateName => "certificate_name",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::Handshake => "handshake",
            Self::Timeout => "timeout",
            Self::TimeoutDns => "timeout_dns",
            Self::TimeoutConnect => "timeout_connect",
            Self::TimeoutTls => "timeout_tls",
            Self::TimeoutFirstByte => "timeout_first_byte",
            Self::TimeoutBody => "timeout_body",
            Self::Protocol => "protocol",
            Self::Redirect => "redirect",
            Self::Auth => "auth",
            Self::NotFound => "not_found",
            Self::Gone => "gone",
            Self::RateLimited => "rate_limited",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Status => "status",
        }
    }

    /// Whether it may pass by itself.
    pub const fn class(self) -> Class {
        match self {
            Self::DnsNotFound
            | Self::AddressRefused
            | Self::Tls
            | Self::CertificateExpired
            | Self::CertificateName
            | Self::CertificateUntrusted
            | Self::Handshake
            | Self::Protocol
            | Self::Redirect
            | Self::Auth
            | Self::NotFound
            | Self::Gone
            | Self::ClientError
            | Self::Status => Class::Permanent,
            Self::Dns
            | Self::DnsUnanswered
            | Self::Refused
            | Self::Unreachable
            | Self::Reset
            | Self::Timeout
            | Self::TimeoutDns
            | Self::TimeoutConnect
            | Self::TimeoutTls
            | Self::TimeoutFirstByte
            | Self::TimeoutBody
            | Self::RateLimited
            | Self::ServerError => Class::Transient,
        }
    }

    /// What the owner of the endpoint can do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Dns => {
                "The host name could not be resolved. Check the spelling and its public DNS records."
            }
            Self::DnsNotFound => {
                "The host name does not exist or has no address. Check the spelling and its public A and AAAA records."
            }
            Self::DnsUnanswered => {
                "The name servers of the host failed to answer. Check that each of them answers, and DNSSEC if it \
                 is used."
            }
            Self::AddressRefused => {
                "The host has an address that is not public. Webhooks go over https to public addresses only; \
                 check its DNS records."
            }
            Self::Refused => {
                "The host refused the connection. Check that the server runs and its firewall is open."
            }
            Self::Unreachable => {
                "The network has no route to the host. Check its A and AAAA records, and that its network is up."
            }
            Self::Reset => {
                "The connection was closed before a response came. Check the server's and its proxy's logs."
            }
            Self::Tls => {
                "TLS failed. Check that the certificate is valid for this host name, not expired, sent with its \
                 intermediate certificates, and that TLS 1.2 or later is enabled."
            }
            Self::CertificateExpired => {
                "The certificate has expired or is not valid yet. Renew it, and reload the server."
            }
            Self::CertificateName => {
                "The certificate is for other host names. Install one that names this host, or register the URL \
                 with a name that it has."
            }
            Self::CertificateUntrusted => {
                "The certificate does not lead to a public root. Send the intermediate certificates with it; a \
                 self-signed one is not accepted."
            }
            Self::Handshake => {
                "TLS broke off. Check that TLS 1.2 or later is enabled, and that the port is that of the https server."
            }
            Self::Timeout | Self::TimeoutFirstByte => {
                "No complete response came in time. Answer 2xx as soon as the event is stored, and process it later."
            }
            Self::TimeoutDns => "The name servers of the host did not answer in time. Check each of them.",
            Self::TimeoutConnect => {
                "The host did not answer the connection in time. Check that its firewall lets it in, and that the \
                 server is not out of capacity."
            }
            Self::TimeoutTls => {
                "TLS was not established in time. Check that the port is that of the https server, and its load."
            }
            Self::TimeoutBody => {
                "A 2xx status came, but not the end of the body. Answer with an empty body, or one with its true \
                 Content-Length."
            }
            Self::Protocol => "The response was not valid HTTP. Check that the port is that of a web server.",
            Self::Redirect => "The endpoint redirected. Redirects are not followed; register the final URL.",
            Self::Auth => {
                "The endpoint refused the request. Check its signature or API key comparison, and any firewall \
                 or login in front of it."
            }
            Self::NotFound => "The endpoint does not take POST at this path. Check the registered URL.",
            Self::Gone => "The endpoint answered 410 Gone and is disabled. Enable it again when it is ready.",
            Self::RateLimited => "The endpoint asked for fewer requests. Set a rate limit on it here.",
            Self::ClientError => {
                "The endpoint found fault with the request. Check its logs at the time of the attempt."
            }
            Self::ServerError => {
                "The endpoint or a proxy before it failed. Check its logs at the time of the attempt."
            }
            Self::Status => {
                "The endpoint did not answer with a 2xx status. Check its logs at the time of the attempt."
            }
        }
    }

    /// The hint, more closely where the status tells more than its class.
    pub const fn hint_for(self, status: Option<u16>) -> &'static str {
        match (self, status) {
            (Self::ClientError, Some(413)) => {
                "The endpoint found the body too large. Raise its limit, or ask for thin payloads."
            }
            (Self::ClientError, Some(415)) => {
                "The endpoint does not take JSON. Let it read bodies of the type application/json."
            }
            (Self::Status, Some(status)) => match Self::of_status(status) {
                Self::Status => Self::Status.hint(),
                closer => closer.hint(),
            },
            _ => self.hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_read_again_and_stands_once() {
        let codes: HashSet<&str> = ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(codes.len(), ALL.len());
        for cause in ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(cause));
            assert!(cause.hint().ends_with('.') && cause.hint().len() > 30, "{cause:?}");
        }
        for code in
            ["dns", "address_refused", "refused", "reset", "tls", "timeout", "protocol", "status", "gone"]
        {
            assert!(Cause::parse(code).is_some(), "{code} is on record");
        }
        assert_eq!(Cause::parse("unreadable"), None);
    }

    #[test]
    fn statuses_are_told_apart() {
        for (status, code, class) in [
            (100, "status", Class::Permanent),
            (301, "redirect", Class::Permanent),
            (400, "client_error", Class::Permanent),
            (401, "auth", Class::Permanent),
            (403, "auth", Class::Permanent),
            (404, "not_found", Class::Permanent),
            (410, "gone", Class::Permanent),
            (413, "client_error", Class::Permanent),
            (429, "rate_limited", Class::Transient),
            (500, "server_error", Class::Transient),
            (599, "server_error", Class::Transient),
            (999, "status", Class::Permanent),
        ] {
            let cause = Cause::of_status(status);
            assert_eq!((cause.as_str(), cause.class()), (code, class), "{status}");
            // What was recorded as `status` is hinted at as closely.
            let closer = Cause::Status.hint_for(Some(status));
            assert_eq!(closer, cause.hint(), "{status}");
        }
        assert!(Cause::ClientError.hint_for(Some(413)).contains("too large"));
    }
}
