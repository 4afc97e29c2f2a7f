//! The load: keep-alive HTTP/1.1 connections, one task each, every one sending as soon as it is answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::{Failure, figures::Latencies};

/// A request that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(30);
/// A connection gives up after so many failures in a row.
const FAILURES_IN_A_ROW: u32 = 20;
/// As much of a refusal is shown.
const SHOWN: usize = 300;

/// The request that is sent again and again.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) method: Method,
    /// At least one; they take turns.
    pub(crate) paths: Arc<[Uri]>,
    /// The credential, and the header that it goes in.
    pub(crate) header: HeaderName,
    pub(crate) key: HeaderValue,
    pub(crate) body: Bytes,
    /// Each request carries an `Idempotency-Key` of its own.
    pub(crate) idempotent: bool,
}

/// When a run ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    Count(u64),
}

/// What came of a run.
pub(crate) struct Outcome {
    /// Answered with 2xx.
    pub(crate) done: u64,
    pub(crate) errors: u64,
    pub(crate) started: Instant,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Latencies,
}

struct Shared<F> {
    load: Load,
    stop_at: Option<Instant>,
    left: AtomicI64,
    on_reply: F,
    shown: Mutex<bool>,
}

/// Sends until it is time to end; `on_reply` gets the time and the body of each 2xx answer.
pub(crate) async fn run<F>(
    load: Load,
    connections: usize,
    until: Until,
    on_reply: F,
) -> Result<Outcome, Failure>
where
    F: Fn(Instant, &Bytes) + Send + Sync + 'static,
{
    let started = Instant::now();
    let (stop_at, count) = match until {
        Until::Elapsed(duration) => (Some(started + duration), i64::MAX),
        Until::Count(count) => (None, i64::try_from(count)?),
    };
    let shared =
        Arc::new(Shared { load, stop_at, left: AtomicI64::new(count), on_reply, shown: Mutex::new(false) });
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(keep_sending(Arc::clone(&shared)));
    }
    let mut outcome =
        Outcome { done: 0, errors: 0, started, elapsed: Duration::ZERO, latencies: Latencies::new() };
    while let Some(joined) = tasks.join_next().await {
        let (done, errors, latencies) = joined?;
        outcome.done += done;
        outcome.errors += errors;
        outcome.latencies.add(&latencies);
    }
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

async fn keep_sending<F>(shared: Arc<Shared<F>>) -> (u64, u64, Latencies)
where
    F: Fn(Instant, &Bytes) + Send + Sync,
{
    let (mut done, mut errors, mut latencies) = (0, 0, Latencies::new());
    let (mut connection, mut in_a_row) = (None, 0);
    while in_a_row < FAILURES_IN_A_ROW && shared.goes_on() {
        let begun = Instant::now();
        match tokio::time::timeout(DEADLINE, send(&shared.load, &mut connection)).await {
            Ok(Ok((200..=299, body))) => {
                let now = Instant::now();
                latencies.record(now - begun);
                (shared.on_reply)(now, &body);
                (done, in_a_row) = (done + 1, 0);
                continue;
            }
            Ok(Ok((status, body))) => shared.show(&format!("{status}: {}", beginning(&body))),
            Ok(Err(failure)) => {
                shared.show(&failure.to_string());
                connection = None;
            }
            Err(_) => {
                shared.show("no answer in time");
                connection = None;
            }
        }
        (errors, in_a_row) = (errors + 1, in_a_row + 1);
    }
    (done, errors, latencies)
}

impl<F> Shared<F> {
    fn goes_on(&self) -> bool {
        self.stop_at.is_none_or(|stop_at| Instant::now() < stop_at)
            && self.left.fetch_sub(1, Ordering::Relaxed) > 0
    }

    /// Shows the first error alone; the others are counted.
    fn show(&self, error: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut shown, true) {
            eprintln!("  the first error: {error}");
        }
    }
}

fn beginning(body: &Bytes) -> String {
    String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned()
}

pub(crate) type Connection = SendRequest<Full<Bytes>>;

/// Sends once, over the connection there is or a new one; the body of a 2xx answer.
pub(crate) async fn send_once(load: &Load, connection: &mut Option<Connection>) -> Result<Bytes, Failure> {
    match tokio::time::timeout(DEADLINE, send(load, connection)).await?? {
        (200..=299, body) => Ok(body),
        (status, body) => Err(format!("answered {status}: {}", beginning(&body)).into()),
    }
}

/// Sends once, over the connection there is or a new one.
async fn send(load: &Load, connection: &mut Option<Connection>) -> Result<(u16, Bytes), Failure> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => connect(load.address).await?,
    };
    open.ready().await?;
    let response = open.send_request(load.request()?).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    *connection = Some(open);
    Ok((status, body))
}

async fn connect(address: SocketAddr) -> Result<Connection, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Its end is seen by the sender.
    tokio::spawn(connection);
    Ok(sender)
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Requests that this process has made.
static MADE: AtomicU64 = AtomicU64::new(0);

impl Load {
    pub(crate) fn get(address: SocketAddr, key: HeaderValue, paths: Arc<[Uri]>) -> Self {
        Self {
            address,
            method: Method::GET,
            paths,
            header: API_KEY,
            key,
            body: Bytes::new(),
            idempotent: false,
        }
    }

    pub(crate) fn post(address: SocketAddr, key: HeaderValue, path: &'static str, body: Bytes) -> Self {
        let paths = Arc::new([Uri::from_static(path)]);
        Self { address, method: Method::POST, paths, header: API_KEY, key, body, idempotent: false }
    }

    /// The same by staff, whose token `key` then is: `Bearer …`.
    pub(crate) fn by_staff(self, key: HeaderValue) -> Self {
        Self { header: header::AUTHORIZATION, key, ..self }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, http::Error> {
        let turn = MADE.fetch_add(1, Ordering::Relaxed);
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.paths[turn as usize % self.paths.len()].clone())
            .header(header::HOST, "localhost")
            .header(&self.header, &self.key);
        if self.method != Method::GET {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if self.idempotent {
            // Unique in a run, which begins with an empty store.
            request = request.header("idempotency-key", format!("bench-{turn}"));
        }
        request.body(Full::new(self.body.clone()))
    }

    /// The same with another body.
    pub(crate) fn with_body(&self, body: Bytes) -> Self {
        Self { body, ..self.clone() }
    }

    /// Sends it once; the body of a 2xx answer.
    pub(crate) async fn once(&self) -> Result<Bytes, Failure> {
        match tokio::time::timeout(DEADLINE, send(self, &mut None)).await?? {
            (200..=299, body) => Ok(body),
            (status, body) => {
                Err(format!("{} answered {status}: {}", self.paths[0].path(), beginning(&body)).into())
            }
        }
    }
}
