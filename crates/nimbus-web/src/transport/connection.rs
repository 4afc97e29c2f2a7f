//! One connection, from its handshake to its end.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{
    HeaderValue, Request, Response, Version,
    header::{CONNECTION, TRANSFER_ENCODING},
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    Connected, Limits, Transport,
    activity::{Activity, Answering, Verdict, Watched},
};

/// Headers of one request, by number and by all their bytes.
const MOST_HEADERS: usize = 100;
const MOST_HEADER_BYTES: u32 = 64 * 1024;
/// Requests at a time on one connection of HTTP/2.
const MOST_STREAMS: u32 = 100;
/// Streams that a caller opens and resets at once (CVE-2023-44487): so many before they are looked at, and so many that
/// the server had to reset itself. Behind that the connection ends.
const MOST_EARLY_RESETS: usize = 20;
const MOST_OWN_RESETS: usize = 200;
/// A connection of HTTP/2 that is silent is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// What all connections of a listener share.
pub(super) struct Server {
    router: Router,
    limits: Limits,
    acceptor: Option<TlsAcceptor>,
    http: Builder<TokioExecutor>,
    stop: CancellationToken,
}

impl Server {
    pub(super) fn new(router: Router, transport: &Transport, stop: CancellationToken) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .max_headers(MOST_HEADERS)
            .max_buf_size(MOST_HEADER_BYTES as usize);
        http.http1().header_read_timeout(None);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(MOST_HEADER_BYTES)
            .max_concurrent_streams(MOST_STREAMS)
            .max_pending_accept_reset_streams(MOST_EARLY_RESETS)
            .max_local_error_reset_streams(MOST_OWN_RESETS)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN);
        let acceptor = transport.certificates.as_ref().map(|certificates| certificates.acceptor());
        Self { router, limits: transport.limits, acceptor, http, stop }
    }

    pub(super) async fn serve(&self, stream: TcpStream, address: SocketAddr) {
        let Some(acceptor) = &self.acceptor else {
            return self.answer(stream, Connected { address, is_tls: false }).await;
        };
        let greeted = tokio::select! {
            () = self.stop.cancelled() => return,
            greeted = timeout(self.limits.header_timeout, acceptor.accept(stream)) => greeted,
        };
        match greeted {
            Ok(Ok(stream)) => self.answer(stream, Connected { address, is_tls: true }).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_elapsed) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    /// Answers the requests of a connection. hyper's own limit for headers would be one for idle connections too, so
    /// both are watched here.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        connected: Connected,
    ) {
        let activity = Arc::new(Activity::new());
        let watched = Watched { stream, activity: Arc::clone(&activity) };
        let router = self.router.clone();
        let of_requests = Arc::clone(&activity);
        let service = hyper::service::service_fn(move |request| {
            answered(router.clone(), request, connected, Arc::clone(&of_requests))
        });
        let mut connection = std::pin::pin!(self.http.serve_connection(TokioIo::new(watched), service));
        let shortest = self.limits.header_timeout.min(self.limits.idle_timeout);
        let mut watch = interval((shortest / 4).max(Duration::from_millis(10)));
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut is_stopping, mut is_ending) = (false, false);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "a connection ended");
                    }
                    return;
                }
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                _ = watch.tick() => match activity.verdict(&self.limits) {
                    Verdict::Stays => {}
                    Verdict::Idle if !is_ending => {
                        is_ending = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    Verdict::Idle | Verdict::TooSlow => return,
                }
            }
        }
    }
}

/// One request through the router.
async fn answered(
    router: Router,
    mut request: Request<Incoming>,
    connected: Connected,
    activity: Arc<Activity>,
) -> Result<Response<Answering>, Infallible> {
    let under_way = activity.begins(request.version() == Version::HTTP_2);
    // hyper drops a Content-Length beside a Transfer-Encoding. A proxy that went by the former thinks that the request
    // ends elsewhere: nothing behind it is read (RFC 9112 section 6.1).
    let is_last = request.headers().contains_key(TRANSFER_ENCODING);
    request.extensions_mut().insert(connected);
    let Ok(response) = router.oneshot(request.map(Body::new)).await;
    let mut response = response.map(|body| Answering { body, _under_way: under_way });
    if is_last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
