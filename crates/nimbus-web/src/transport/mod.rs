//! Connections: who may have one, for how long, and what it is told before a route sees a request.
//!
//! A caller who is slow, idle or too many costs a place among [`Limits`], never an answer to somebody else.

mod activity;
mod admission;
mod connection;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use nimbus_core::network::Network;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{admission::Admission, connection::Server};

pub use self::{
    admission::Counts,
    tls::{CertificateError, Certificates, Reload},
};

/// After an accept that failed for want of files or memory, the next one waits so long.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time of one address, or of one /64 of IPv6. Those of a proxy are not counted so.
    pub connections_per_address: usize,
    /// For the TLS handshake, and then for the headers of a request.
    pub header_timeout: Duration,
    /// How long a connection may be without a request, and how long a reply may wait to be taken.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 512,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
        }
    }
}

/// How a listener takes connections.
#[derive(Debug, Clone, Default)]
pub struct Transport {
    pub limits: Limits,
    /// Where the proxy before it is, if there is one.
    pub proxies: Vec<Network>,
    /// Speaks TLS alone, if there are any.
    pub certificates: Option<Arc<Certificates>>,
    pub counts: Arc<Counts>,
}

/// What a request is told of the connection that it came by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connected {
    pub(crate) address: SocketAddr,
    pub(crate) is_tls: bool,
}

/// Serves plain HTTP within the usual limits until it is stopped; requests under way are finished.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    serve_by(listener, router, Transport::default(), stop).await;
}

/// Serves until it is stopped; requests under way are finished. No connection, and none that could not be accepted,
/// ends it.
pub async fn serve_by(listener: TcpListener, router: Router, transport: Transport, stop: CancellationToken) {
    let admission = Arc::new(Admission::new(&transport));
    let server = Arc::new(Server::new(router, &transport, stop.clone()));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_caller(&error) && transport.counts.tells_failure() {
                    tracing::error!(%error, "connections cannot be accepted");
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_AGAIN) => continue,
                }
            }
        };
        let Some(place) = admission.admit(address.ip()) else { continue };
        prepare(&stream);
        let server = Arc::clone(&server);
        connections.spawn(async move {
            server.serve(stream, address).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// A reply that is written in two parts would wait for the client's delayed acknowledgement.
fn prepare(stream: &TcpStream) {
    // It fails on a connection that is gone already.
    let _ = stream.set_nodelay(true);
}

/// Whether the caller was gone before it was accepted.
fn is_of_caller(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
