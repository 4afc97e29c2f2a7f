//! Settings of connections: certificates, the proxy, and what a caller may cost.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::Args;
use nimbus_core::network::Network;
use nimbus_web::Limits;
use serde::Deserialize;

use crate::Failure;

/// Where a proxy is taken to be if nobody says: on this machine, or in a private network (RFC 1918, RFC 4193).
const NEAR: &str = "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7";
const RELOAD_SECONDS: u32 = 10;
const BODY_SECONDS: u32 = 20;
/// Seconds that a setting may give, at most; a body's are less than a request's thirty.
const LONGEST_HEADERS: u32 = 60;
const LONGEST_BODY: u32 = 25;
const LONGEST_IDLE: u32 = 3600;

/// As given: flags, else environment, else the TOML file.
#[derive(Args, Default, Deserialize, Clone)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TransportArgs {
    /// File with the certificate and its chain (PEM): the API then speaks TLS alone
    #[arg(long, alias = "tls-cert", env = "NIMBUS_TLS_CERT_FILE", global = true)]
    pub(crate) tls_cert_file: Option<PathBuf>,
    /// File with its private key (PEM)
    #[arg(long, alias = "tls-key", env = "NIMBUS_TLS_KEY_FILE", global = true)]
    pub(crate) tls_key_file: Option<PathBuf>,
    /// Seconds between two looks at these files (default 10); SIGHUP looks at once
    #[arg(long, env = "NIMBUS_TLS_RELOAD_SECONDS", global = true)]
    pub(crate) tls_reload_seconds: Option<NonZeroU32>,
    /// Networks of the proxy, separated by commas (default: this machine and private ones); nobody else's X-Forwarded-For
    /// is read
    #[arg(long, env = "NIMBUS_PROXY_NETWORKS", global = true)]
    pub(crate) proxy_networks: Option<String>,
    /// Connections to the API at a time (default 10000)
    #[arg(long, env = "NIMBUS_CONNECTIONS", global = true)]
    pub(crate) connections: Option<NonZeroU32>,
    /// Connections of one address at a time, but for the proxy's (default 512)
    #[arg(long, env = "NIMBUS_CONNECTIONS_PER_ADDRESS", global = true)]
    pub(crate) connections_per_address: Option<NonZeroU32>,
    /// Seconds for a TLS handshake, and for the headers of a request, 1 to 60 (default 10)
    #[arg(long, env = "NIMBUS_HEADER_SECONDS", global = true)]
    pub(crate) header_seconds: Option<u32>,
    /// Seconds for the body of a request, 1 to 25 (default 20)
    #[arg(long, env = "NIMBUS_BODY_SECONDS", global = true)]
    pub(crate) body_seconds: Option<u32>,
    /// Seconds that a connection may be without a request, 1 to 3600 (default 75)
    #[arg(long, env = "NIMBUS_IDLE_SECONDS", global = true)]
    pub(crate) idle_seconds: Option<u32>,
}

/// The names of these settings in the TOML file.
pub(crate) const NAMES: [&str; 9] = [
    "tls_cert_file",
    "tls_key_file",
    "tls_reload_seconds",
    "proxy_networks",
    "connections",
    "connections_per_address",
    "header_seconds",
    "body_seconds",
    "idle_seconds",
];

/// A certificate's file and its key's.
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) look_every: Duration,
}

impl TransportArgs {
    /// What is given here, else there.
    pub(crate) fn or(&self, file: Self) -> Self {
        let of = self.clone();
        let path = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
        Self {
            tls_cert_file: path(of.tls_cert_file).or(file.tls_cert_file),
            tls_key_file: path(of.tls_key_file).or(file.tls_key_file),
            tls_reload_seconds: of.tls_reload_seconds.or(file.tls_reload_seconds),
            proxy_networks: of.proxy_networks.filter(|list| !list.is_empty()).or(file.proxy_networks),
            connections: of.connections.or(file.connections),
            connections_per_address: of.connections_per_address.or(file.connections_per_address),
            header_seconds: of.header_seconds.or(file.header_seconds),
            body_seconds: of.body_seconds.or(file.body_seconds),
            idle_seconds: of.idle_seconds.or(file.idle_seconds),
        }
    }

    /// Plain HTTP.
    pub(crate) fn without_tls(self) -> Self {
        Self { tls_cert_file: None, tls_key_file: None, ..self }
    }

    pub(crate) const fn has_tls(&self) -> bool {
        self.tls_cert_file.is_some()
    }

    /// Where the certificate is, if the API speaks TLS.
    pub(crate) fn tls(&self) -> Result<Option<TlsFiles>, Failure> {
        let seconds = self.tls_reload_seconds.map_or(RELOAD_SECONDS, NonZeroU32::get);
        match (&self.tls_cert_file, &self.tls_key_file) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
                look_every: Duration::from_secs(seconds.into()),
            })),
            _ => Err("tls_cert_file and tls_key_file are given together".into()),
        }
    }

    /// Whose word counts for the address of a caller.
    pub(crate) fn proxies(&self, behind_proxy: bool) -> Result<Vec<Network>, Failure> {
        if !behind_proxy && self.proxy_networks.is_some() {
            return Err(
                "proxy_networks says where a proxy is, and behind_proxy that there is one: set both".into()
            );
        }
        let list = self.proxy_networks.as_deref().unwrap_or(NEAR);
        let networks = list.split(',').map(str::trim).filter(|_| behind_proxy);
        let networks = networks.map(str::parse).collect::<Result<Vec<Network>, _>>();
        Ok(networks.map_err(|error| format!("proxy_networks {error}"))?)
    }

    /// Whether anybody could say that a request is of another address.
    pub(crate) fn trusts_everybody(&self) -> bool {
        self.proxy_networks.as_deref().is_some_and(|list| list.split(',').any(|it| it.trim().ends_with("/0")))
    }

    pub(crate) fn limits(&self) -> Result<Limits, Failure> {
        let usual = Limits::default();
        let count = |given: Option<NonZeroU32>, usual| given.map_or(usual, |given| given.get() as usize);
        Ok(Limits {
            connections: count(self.connections, usual.connections),
            connections_per_address: count(self.connections_per_address, usual.connections_per_address),
            header_timeout: seconds(
                "header_seconds",
                self.header_seconds,
                usual.header_timeout,
                LONGEST_HEADERS,
            )?,
            idle_timeout: seconds("idle_seconds", self.idle_seconds, usual.idle_timeout, LONGEST_IDLE)?,
        })
    }

    /// How long the body of a request may take.
    pub(crate) fn body_timeout(&self) -> Result<Duration, Failure> {
        seconds("body_seconds", self.body_seconds, Duration::from_secs(BODY_SECONDS.into()), LONGEST_BODY)
    }

    /// The settings as they are shown, with what stands for those that are not given.
    pub(crate) fn shown(&self) -> [(&'static str, String); 9] {
        let path = |path: &Option<PathBuf>| {
            path.as_ref().map_or("(not set)".to_owned(), |path| path.display().to_string())
        };
        let usual = Limits::default();
        let count =
            |given: Option<NonZeroU32>, usual: usize| given.map_or(usual.to_string(), |it| it.to_string());
        let time = |given: Option<u32>, usual: u64| given.map_or(usual.to_string(), |it| it.to_string());
        [
            ("tls_cert_file", path(&self.tls_cert_file)),
            ("tls_key_file", path(&self.tls_key_file)),
            ("tls_reload_seconds", count(self.tls_reload_seconds, RELOAD_SECONDS as usize)),
            ("proxy_networks", self.proxy_networks.clone().unwrap_or_else(|| NEAR.to_owned())),
            ("connections", count(self.connections, usual.connections)),
            ("connections_per_address", count(self.connections_per_address, usual.connections_per_address)),
            ("header_seconds", time(self.header_seconds, usual.header_timeout.as_secs())),
            ("body_seconds", time(self.body_seconds, BODY_SECONDS.into())),
            ("idle_seconds", time(self.idle_seconds, usual.idle_timeout.as_secs())),
        ]
    }
}

fn seconds(name: &str, given: Option<u32>, usual: Duration, longest: u32) -> Result<Duration, Failure> {
    match given {
        None => Ok(usual),
        Some(seconds) if (1..=longest).contains(&seconds) => Ok(Duration::from_secs(seconds.into())),
        Some(_) => Err(format!("{name} must be 1 to {longest}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_near_unless_somebody_says_where() {
        let args = TransportArgs::default();
        let near = args.proxies(true).unwrap();
        let is_near = |address: &str| near.iter().any(|network| network.contains(address.parse().unwrap()));
        assert!(
            ["127.0.0.1", "::1", "10.1.2.3", "172.31.0.1", "192.168.7.7", "fd00::1"].into_iter().all(is_near)
        );
        assert!(!["172.32.0.1", "192.0.2.1", "2001:db8::1"].into_iter().any(is_near));
        assert!(args.proxies(false).unwrap().is_empty());
        let given = TransportArgs { proxy_networks: Some("192.0.2.1, 2001:db8::/32".to_owned()), ..args };
        let told: Vec<String> = given.proxies(true).unwrap().iter().map(Network::to_string).collect();
        assert_eq!(told, ["192.0.2.1/32", "2001:db8::/32"]);
        assert!(given.proxies(false).unwrap_err().to_string().contains("behind_proxy"));
        let wrong =
            TransportArgs { proxy_networks: Some("192.0.2.1/24".to_owned()), ..TransportArgs::default() };
        let told = wrong.proxies(true).unwrap_err().to_string();
        assert!(told.contains("first address") && !told.contains("192.0.2.1"), "{told}");
    }

    #[test]
    fn a_certificate_comes_with_its_key() {
        let half = TransportArgs { tls_cert_file: Some("cert.pem".into()), ..TransportArgs::default() };
        assert!(half.tls().is_err());
        assert!(TransportArgs::default().tls().unwrap().is_none());
    }

    #[test]
    fn times_have_bounds() {
        for (header, body, idle, fits) in
            [(1, 1, 1, true), (60, 25, 3600, true), (0, 1, 1, false), (1, 26, 1, false)]
        {
            let args = TransportArgs {
                header_seconds: Some(header),
                body_seconds: Some(body),
                idle_seconds: Some(idle),
                ..TransportArgs::default()
            };
            assert_eq!(args.limits().is_ok() && args.body_timeout().is_ok(), fits, "{header} {body} {idle}");
        }
    }
}
