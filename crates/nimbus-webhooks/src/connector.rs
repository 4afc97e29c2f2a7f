//! The one place that dials partner hosts: resolve, vet every address, connect, TLS.
//!
//! The vetting happens between resolution and `connect`, on the very addresses dialled, so neither an IP
//! literal nor a name that re-resolves to a private address (DNS rebinding) gets past it.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::select_ok;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower::Service;

use crate::dial::{self, Dial, Phase};
use crate::guard::{self, AddressPolicy, AddressRefusal};
use crate::resolver::{ResolveError, Resolver};

/// How long a name may take to resolve.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the TCP connection may take, over all addresses of the host.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long resolution, TCP and TLS may take together. A request's own deadline ends sooner or with it; this
/// bounds the connections that the pool finishes after their request took another one.
pub const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses of one host that are dialled; all are vetted.
const MAX_DIALLED: usize = 8;

/// The head start of each address before the next is tried beside it (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL names no host; `EndpointUrl` makes none such.
    #[error("the URL names no host")]
    NoHost,
    /// The resolver answered with an error, or with no address.
    #[error("the host name could not be resolved")]
    Resolve(#[source] ResolveError),
    /// The resolver did not answer within [`DNS_TIMEOUT`].
    #[error("the host name was not resolved in time")]
    ResolveTimeout,
    /// One of the host's addresses is not allowed, so that none is dialled.
    #[error("the host has an address that is not allowed")]
    Address(#[source] AddressRefusal),
    /// Plain http to anything but loopback under a policy that allows it.
    #[error("plain http is not allowed to this host")]
    PlainHttp,
    /// No address accepted the connection; the last error.
    #[error("the host did not accept the connection")]
    Connect(#[source] io::Error),
    /// No address answered within [`CONNECT_TIMEOUT`].
    #[error("the host did not answer the connection in time")]
    ConnectTimeout,
    /// TLS was not established within [`ESTABLISH_TIMEOUT`].
    #[error("the connection was not established in time")]
    EstablishTimeout,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// A connector for hyper's client: TLS 1.2 or later over vetted addresses, HTTP/2 where the host offers it.
#[derive(Debug, Clone)]
pub struct GuardedConnector {
    https: HttpsConnector<TcpDialer>,
}

impl GuardedConnector {
    /// With the public roots (Mozilla's, compiled in).
    pub fn new(policy: AddressPolicy, resolver: Resolver) -> Self {
        Self::with_tls(policy, public_tls(), resolver)
    }

    /// With other roots or a client certificate. The protocols of `tls` (ALPN) are replaced.
    pub fn with_tls(policy: AddressPolicy, mut tls: ClientConfig, resolver: Resolver) -> Self {
        tls.alpn_protocols.clear();
        let dialer = TcpDialer { policy, resolver };
        // Plain http is refused by the dialer, which knows the address.
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(dialer);
        Self { https }
    }
}

fn public_tls() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        // Fails only where the provider has no cipher suite for a version; this one has them for both.
        .expect("aws-lc-rs supports TLS 1.2 and 1.3")
        .with_webpki_roots()
        .with_no_client_auth()
}

impl Service<Uri> for GuardedConnector {
    type Response = MaybeHttpsStream<Dialed>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dial = current();
        let establishing = self.https.call(uri);
        Box::pin(async move {
            let stream = timeout(ESTABLISH_TIMEOUT, establishing)
                .await
                .unwrap_or_else(|_| Err(ConnectError::EstablishTimeout.into()))?;
            dial.enter(Phase::Response);
            Ok(stream)
        })
    }
}

/// The dialling of the request that is being sent; one that nobody reads where the pool dials by itself.
fn current() -> Dial {
    dial::CURRENT.try_with(Dial::clone).unwrap_or_default()
}

/// Resolves, vets and connects; below TLS.
#[derive(Debug, Clone)]
struct TcpDialer {
    policy: AddressPolicy,
    resolver: Resolver,
}

impl Service<Uri> for TcpDialer {
    type Response = Dialed;
    type Error = ConnectError;
    type Future = BoxFuture<Dialed, ConnectError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (dialer, dial) = (self.clone(), current());
        Box::pin(async move { dialer.dial(&uri, dial).await })
    }
}

impl TcpDialer {
    async fn dial(&self, uri: &Uri, dial: Dial) -> Result<Dialed, ConnectError> {
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(ConnectError::NoHost)?;
        let plain = uri.scheme() != Some(&http::uri::Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });

        dial.enter(Phase::Dns);
        let addresses = self.resolve(host, port).await?;
        vet_all(&addresses, plain, self.policy)?;
        dial.enter(Phase::Connect);
        let stream = connect(&addresses).await?;
        dial.enter(if plain { Phase::Response } else { Phase::Tls });

        // A webhook is one small write, which Nagle's algorithm would only hold back. Without it the
        // connection is slower, not wrong.
        let _ = stream.set_nodelay(true);
        Ok(Dialed { stream: TokioIo::new(stream), dial })
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        match timeout(DNS_TIMEOUT, self.resolver.addresses(bare)).await {
            Err(_) => Err(ConnectError::ResolveTimeout),
            Ok(found) => {
                let found = found.map_err(ConnectError::Resolve)?;
                Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
            }
        }
    }
}

/// One refused address refuses the host: an honest public endpoint has no private address beside it.
fn vet_all(addresses: &[SocketAddr], plain: bool, policy: AddressPolicy) -> Result<(), ConnectError> {
    for address in addresses {
        guard::vet(address.ip(), policy).map_err(ConnectError::Address)?;
        // Where loopback is not allowed it did not pass the line above.
        if plain && !guard::is_loopback(address.ip()) {
            return Err(ConnectError::PlainHttp);
        }
    }
    Ok(())
}

/// The first connection made, each address starting a little after the one before.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
    let attempts = addresses.iter().take(MAX_DIALLED).zip(0_u32..).map(|(address, index)| {
        Box::pin(async move {
            sleep(STAGGER * index).await;
            TcpStream::connect(address).await
        })
    });
    match timeout(CONNECT_TIMEOUT, select_ok(attempts)).await {
        Err(_) => Err(ConnectError::ConnectTimeout),
        Ok(Err(error)) => Err(ConnectError::Connect(error)),
        Ok(Ok((stream, _others))) => Ok(stream),
    }
}

/// A TCP connection to a vetted address.
#[derive(Debug)]
pub struct Dialed {
    stream: TokioIo<TcpStream>,
    dial: Dial,
}

impl Connection for Dialed {
    fn connected(&self) -> Connected {
        self.stream.inner().connected().extra(self.dial.clone())
    }
}

impl Read for Dialed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Dialed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: AddressPolicy = AddressPolicy { allow_loopback: false };
    const LOCAL: AddressPolicy = AddressPolicy { allow_loopback: true };

    fn vetted(addresses: &[&str], plain: bool, policy: AddressPolicy) -> Result<(), String> {
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|a| SocketAddr::new(a.parse().unwrap(), 443)).collect();
        vet_all(&addresses, plain, policy).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn one_private_address_refuses_the_name() {
        assert_eq!(vetted(&["8.8.8.8", "2606:4700:4700::1111"], false, STRICT), Ok(()));
        assert_eq!(vetted(&["8.8.8.8", "10.0.0.1"], false, STRICT), Err("Address(Private)".into()));
        assert_eq!(vetted(&["8.8.8.8", "::1"], false, STRICT), Err("Address(Loopback)".into()));
    }

    #[test]
    fn plain_http_reaches_loopback_only() {
        assert_eq!(vetted(&["127.0.0.1", "::1"], true, LOCAL), Ok(()));
        assert_eq!(vetted(&["8.8.8.8"], true, LOCAL), Err("PlainHttp".into()));
        assert_eq!(vetted(&["127.0.0.1", "8.8.8.8"], true, LOCAL), Err("PlainHttp".into()));
        assert_eq!(vetted(&["8.8.8.8"], true, STRICT), Err("PlainHttp".into()));
    }

    /// Spellings that only the system's resolver reads as addresses are vetted after it did.
    #[tokio::test]
    async fn odd_spellings_of_loopback_are_refused_when_dialled() {
        let dialer = TcpDialer { policy: STRICT, resolver: Resolver::system() };
        for uri in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://localhost/",
            "http://localhost/",
        ] {
            let error = dialer.dial(&uri.parse().unwrap(), Dial::default()).await.unwrap_err();
            assert!(matches!(error, ConnectError::Address(AddressRefusal::Loopback)), "{uri}: {error:?}");
        }
    }
}
