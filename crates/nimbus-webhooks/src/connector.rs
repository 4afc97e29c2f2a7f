//! The one place that dials partner hosts: resolve, vet every address, connect, TLS.
//!
//! The vetting happens between resolution and `connect`, on the very addresses dialled, so neither an IP
//! literal nor a name that re-resolves to a private address (DNS rebinding) gets past it.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::select_ok;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tower::Service;

use crate::guard::{self, AddressPolicy, AddressRefusal};

/// How long a name may take to resolve.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the TCP connection may take, over all addresses of the host.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long resolution, TCP and TLS may take together. A request's own deadline ends sooner or with it; this
/// bounds the connections that the pool finishes after their request took another one.
pub const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(10);

/// Names resolved at once. Each occupies a thread of Tokio's blocking pool (512) until the system's resolver
/// returns, which may be long after [`DNS_TIMEOUT`]; the other half stays free for the rest of the process.
const MAX_LOOKUPS: usize = 256;

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
    Resolve(#[source] io::Error),
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

/// How long the parts of making a connection took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialTimes {
    /// Resolving the name; 0 for an address.
    pub dns_ms: i64,
    /// The TCP handshake.
    pub connect_ms: i64,
}

/// Rides in the extensions of every response of a connection; only the first takes the times.
#[derive(Debug, Clone)]
pub(crate) struct FirstUse {
    times: DialTimes,
    taken: Arc<AtomicBool>,
}

impl FirstUse {
    pub(crate) fn take(&self) -> Option<DialTimes> {
        (!self.taken.swap(true, Ordering::Relaxed)).then_some(self.times)
    }
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
    pub fn new(policy: AddressPolicy) -> Self {
        Self::with_tls(policy, public_tls())
    }

    /// With other roots or a client certificate. The protocols of `tls` (ALPN) are replaced.
    pub fn with_tls(policy: AddressPolicy, mut tls: ClientConfig) -> Self {
        tls.alpn_protocols.clear();
        let dialer = TcpDialer { policy, lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) };
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
        let establishing = self.https.call(uri);
        Box::pin(async move {
            timeout(ESTABLISH_TIMEOUT, establishing)
                .await
                .unwrap_or_else(|_| Err(ConnectError::EstablishTimeout.into()))
        })
    }
}

/// Resolves, vets and connects; below TLS.
#[derive(Debug, Clone)]
struct TcpDialer {
    policy: AddressPolicy,
    lookups: Arc<Semaphore>,
}

impl Service<Uri> for TcpDialer {
    type Response = Dialed;
    type Error = ConnectError;
    type Future = BoxFuture<Dialed, ConnectError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(&uri).await })
    }
}

impl TcpDialer {
    async fn dial(&self, uri: &Uri) -> Result<Dialed, ConnectError> {
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(ConnectError::NoHost)?;
        let plain = uri.scheme() != Some(&http::uri::Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });

        let started = Instant::now();
        let addresses = self.resolve(host, port).await?;
        vet_all(&addresses, plain, self.policy)?;
        let resolved = Instant::now();
        let stream = connect(&addresses).await?;
        let times = DialTimes { dns_ms: millis(resolved - started), connect_ms: millis(resolved.elapsed()) };

        // A webhook is one small write, which Nagle's algorithm would only hold back. Without it the
        // connection is slower, not wrong.
        let _ = stream.set_nodelay(true);
        let first = FirstUse { times, taken: Arc::new(AtomicBool::new(false)) };
        Ok(Dialed { stream: TokioIo::new(stream), first })
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let name = bare.to_owned();
        let lookups = Arc::clone(&self.lookups);
        let lookup = async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            // On its own task, so that the permit is held as long as the thread is, whoever stops waiting.
            let task = tokio::spawn(async move {
                let found = lookup_host((name, port)).await.map(Iterator::collect::<Vec<_>>);
                drop(permit);
                found
            });
            task.await.map_err(io::Error::other)?
        };
        match timeout(DNS_TIMEOUT, lookup).await {
            Err(_) => Err(ConnectError::ResolveTimeout),
            Ok(Err(error)) => Err(ConnectError::Resolve(error)),
            Ok(Ok(addresses)) if addresses.is_empty() => {
                Err(ConnectError::Resolve(io::ErrorKind::NotFound.into()))
            }
            Ok(Ok(addresses)) => Ok(addresses),
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

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A TCP connection to a vetted address.
#[derive(Debug)]
pub struct Dialed {
    stream: TokioIo<TcpStream>,
    first: FirstUse,
}

impl Connection for Dialed {
    fn connected(&self) -> Connected {
        self.stream.inner().connected().extra(self.first.clone())
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
        let dialer = TcpDialer { policy: STRICT, lookups: Arc::new(Semaphore::new(1)) };
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
            let error = dialer.dial(&uri.parse().unwrap()).await.unwrap_err();
            assert!(matches!(error, ConnectError::Address(AddressRefusal::Loopback)), "{uri}: {error:?}");
        }
    }
}
