//! One webhook request and what became of it: one deadline over everything, a bounded body, no redirects.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{Connected, capture_connection};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{CertificateError, ClientConfig};
use tokio::time::{Instant, timeout_at};

use crate::cause::Cause;
use crate::connector::{ConnectError, GuardedConnector};
use crate::dial::{self, Dial, DialTimes, Phase};
use crate::guard::AddressPolicy;
use crate::kept;
use crate::resolver::{ResolveError, Resolver};
use crate::url::EndpointUrl;

/// What the client calls itself.
pub const USER_AGENT: &str = "Nimbus-Webhooks/1.0";

/// The longest deadline a request may have; a longer one is cut to it.
pub const LONGEST_DEADLINE: Duration = Duration::from_secs(60);

/// Bytes of a response's body that are read; at more the connection is closed.
pub const BODY_READ_LIMIT: usize = 16 * 1024;

/// Bytes of a response's body that are kept for the log.
pub const BODY_KEPT: usize = 1024;

/// The longest `Retry-After` kept, in bytes.
const LONGEST_RETRY_AFTER: usize = 64;

/// Idle connections kept for a host: the default concurrency of an endpoint.
const IDLE_PER_HOST: usize = 8;

/// How long a connection is kept idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that the head of an HTTP/1 response may have, and its fields; for HTTP/2, the list of fields.
const HEAD_LIMIT: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;
const HTTP2_HEADER_LIST: u32 = 32 * 1024;

/// An HTTP/2 connection in use is pinged, so that a dead one fails no more than the requests on it.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(5);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Fields that frame or route the message (RFC 9110 §7.6.1): the client's own, whatever an endpoint asks for.
const OWN_HEADERS: [header::HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// One request to send.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Where to.
    pub url: &'a EndpointUrl,
    /// The signature, the id and the endpoint's own fields. `Content-Type` is JSON if not given, `User-Agent`
    /// always [`USER_AGENT`], and fields that frame or route the message are dropped.
    pub headers: HeaderMap,
    /// The exact bytes that were signed.
    pub body: Bytes,
    /// For everything, from resolving the name to the end of the response's body.
    pub deadline: Duration,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the endpoint took the event.
    pub outcome: Outcome,
    /// The status, where one came before the deadline.
    pub status: Option<u16>,
    /// The beginning of the body, at most [`BODY_KEPT`] bytes, of any encoding.
    pub body: Vec<u8>,
    /// The fields of the response, within the bounds of [`kept`].
    pub headers: Vec<(String, String)>,
    /// The `Retry-After` of a 429, 502, 503 or 504, unread; see [`crate::schedule::retry_after`].
    pub retry_after: Option<String>,
    /// From the start to the end or the deadline, in milliseconds.
    pub elapsed_ms: i64,
    /// From the start to the head of the response, in microseconds, where one came.
    pub first_byte_us: Option<i64>,
    /// What making the connection took; `None` where one was reused or nothing was sent.
    pub dial: Option<DialTimes>,
    /// Whether it went over a connection that was there already; `None` if nothing was sent.
    pub reused: Option<bool>,
}

/// The verdict on one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Any 2xx within the deadline.
    Success,
    /// 410: the endpoint wants no more events and is to be disabled.
    Gone,
    /// Everything else: to be tried again.
    Failed(Cause),
}

impl Answer {
    /// Why it failed; `None` for a success.
    pub fn cause(&self) -> Option<Cause> {
        match self.outcome {
            Outcome::Success => None,
            Outcome::Gone => Some(Cause::Gone),
            Outcome::Failed(cause) => Some(cause),
        }
    }

    /// What the owner of the endpoint can do about it; `None` for a success.
    pub fn hint(&self) -> Option<&'static str> {
        self.cause().map(|cause| cause.hint_for(self.status))
    }

    /// No answer came.
    pub fn failed(cause: Cause) -> Self {
        Self::new(Outcome::Failed(cause), None)
    }

    fn new(outcome: Outcome, status: Option<u16>) -> Self {
        Self {
            outcome,
            status,
            body: Vec::new(),
            headers: Vec::new(),
            retry_after: None,
            elapsed_ms: 0,
            first_byte_us: None,
            dial: None,
            reused: None,
        }
    }
}

/// The client that sends every webhook: pooled keep-alive, no proxies, no cookies, no redirects. Cloning it is
/// cheap and shares the pool.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    http: Client<GuardedConnector, Full<Bytes>>,
}

impl WebhookClient {
    /// A client under an address policy; `tls` replaces the public roots.
    pub fn new(policy: AddressPolicy, tls: Option<ClientConfig>) -> Self {
        Self::resolving(policy, tls, Resolver::system())
    }

    /// The same with another resolver than the system's.
    pub fn resolving(policy: AddressPolicy, tls: Option<ClientConfig>, resolver: Resolver) -> Self {
        let connector = match tls {
            Some(tls) => GuardedConnector::with_tls(policy, tls, resolver),
            None => GuardedConnector::new(policy, resolver),
        };
        let http = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http1_max_buf_size(HEAD_LIMIT)
            .http1_max_headers(MAX_HEADERS)
            .http2_max_header_list_size(HTTP2_HEADER_LIST)
            .http2_keep_alive_interval(HTTP2_PING_INTERVAL)
            .http2_keep_alive_timeout(HTTP2_PING_TIMEOUT)
            .build(connector);
        Self { http }
    }

    /// Posts once and says what came of it. It never fails otherwise, and dropping it closes the connection.
    pub async fn post(&self, outgoing: Outgoing<'_>) -> Answer {
        let started = Instant::now();
        let until = started + outgoing.deadline.min(LONGEST_DEADLINE);
        let own = Dial::default();
        let mut request = request(outgoing);
        let connection = capture_connection(&mut request);
        let sent = timeout_at(until, dial::CURRENT.scope(own.clone(), self.http.request(request))).await;
        let first_byte_us = matches!(sent, Ok(Ok(_))).then(|| dial::micros(started));
        // The connection that it went over need not be the one that was dialled for it.
        let given = connection.connection_metadata().as_ref().and_then(dial_of);
        let waited_for = match &given {
            Some(_) => Phase::Response,
            None => own.phase().unwrap_or(Phase::Connect),
        };
        let mut answer = match sent {
            Err(_) => Answer::failed(out_of_time(waited_for)),
            Ok(Err(error)) => Answer::failed(classify(&error, waited_for)),
            Ok(Ok(response)) => judge(response, until).await,
        };
        answer.first_byte_us = first_byte_us;
        answer.dial = given.unwrap_or(own).take();
        answer.reused = Some(answer.dial.is_none());
        answer.elapsed_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        answer
    }
}

/// The dialling that made a connection.
fn dial_of(connection: &Connected) -> Option<Dial> {
    let mut extras = Extensions::new();
    connection.get_extras(&mut extras);
    extras.remove()
}

fn request(outgoing: Outgoing<'_>) -> Request<Full<Bytes>> {
    let mut headers = outgoing.headers;
    for name in OWN_HEADERS {
        headers.remove(name);
    }
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));

    let mut request = Request::new(Full::new(outgoing.body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = outgoing.url.uri().clone();
    *request.headers_mut() = headers;
    request
}

async fn judge(response: Response<Incoming>, until: Instant) -> Answer {
    let status = response.status();
    let retry_after = retry_after(&response);
    let headers = kept::fields(response.headers());
    let mut body = Vec::new();
    let in_time = timeout_at(until, read_body(response.into_body(), &mut body)).await.is_ok();
    let outcome = match status {
        StatusCode::GONE => Outcome::Gone,
        _ if !status.is_success() => Outcome::Failed(Cause::of_status(status.as_u16())),
        _ if !in_time => Outcome::Failed(Cause::TimeoutBody),
        _ => Outcome::Success,
    };
    Answer { body, headers, retry_after, ..Answer::new(outcome, Some(status.as_u16())) }
}

fn retry_after(response: &Response<Incoming>) -> Option<String> {
    // A proxy sends it with 502 and 504 when what is behind it restarts.
    if !matches!(response.status().as_u16(), 429 | 502 | 503 | 504) {
        return None;
    }
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    (value.len() <= LONGEST_RETRY_AFTER).then(|| value.to_owned())
}

/// Reads to the end, so that the connection can be used again, or to the limit, which closes it. A body cut
/// off by the other side ends here as well: the status was given, and the status decides.
async fn read_body(mut body: Incoming, kept: &mut Vec<u8>) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(data) = frame.data_ref() else { continue };
        let room = BODY_KEPT - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        read += data.len();
        if read > BODY_READ_LIMIT {
            return;
        }
    }
}

fn classify(error: &ClientError, waited_for: Phase) -> Cause {
    if let Some(error) = find::<ConnectError>(error) {
        return connect_cause(error, waited_for);
    }
    if let Some(error) = find::<rustls::Error>(error) {
        return tls_cause(error);
    }
    // The dialer's own errors were above, so what failed while connecting was TLS.
    if error.is_connect() {
        return Cause::Handshake;
    }
    if let Some(error) = find::<hyper::Error>(error) {
        if error.is_timeout() {
            return out_of_time(waited_for);
        }
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return Cause::Reset;
        }
        if error.is_parse() {
            return Cause::Protocol;
        }
    }
    find::<io::Error>(error).map_or(Cause::Protocol, |error| io_cause(error, waited_for))
}

const fn out_of_time(waited_for: Phase) -> Cause {
    match waited_for {
        Phase::Dns => Cause::TimeoutDns,
        Phase::Connect => Cause::TimeoutConnect,
        Phase::Tls => Cause::TimeoutTls,
        Phase::Response => Cause::TimeoutFirstByte,
    }
}

fn connect_cause(error: &ConnectError, waited_for: Phase) -> Cause {
    match error {
        ConnectError::NoHost | ConnectError::Resolve(ResolveError::NotFound) => Cause::DnsNotFound,
        ConnectError::Resolve(ResolveError::Unanswered) => Cause::DnsUnanswered,
        ConnectError::ResolveTimeout => Cause::TimeoutDns,
        ConnectError::Address(_) | ConnectError::PlainHttp => Cause::AddressRefused,
        ConnectError::Connect(error) => match error.kind() {
            io::ErrorKind::TimedOut => Cause::TimeoutConnect,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Cause::Reset,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Cause::Unreachable,
            _ => Cause::Refused,
        },
        ConnectError::ConnectTimeout => Cause::TimeoutConnect,
        ConnectError::EstablishTimeout => out_of_time(waited_for),
    }
}

fn tls_cause(error: &rustls::Error) -> Cause {
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Cause::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Cause::CertificateName
            }
            _ => Cause::CertificateUntrusted,
        },
        rustls::Error::NoCertificatesPresented => Cause::CertificateUntrusted,
        _ => Cause::Handshake,
    }
}

fn io_cause(error: &io::Error, waited_for: Phase) -> Cause {
    match error.kind() {
        io::ErrorKind::TimedOut => out_of_time(waited_for),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Cause::Protocol,
        _ => Cause::Reset,
    }
}

/// The first error of this type in the chain of sources. `io::Error::source` skips the error that it wraps,
/// so that is looked at too.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    None
}
