//! One webhook request and what became of it: one deadline over everything, a bounded body, no redirects.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use crate::connector::{ConnectError, DialTimes, GuardedConnector};
use crate::guard::AddressPolicy;
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
    /// The `Retry-After` of a 429 or 503, unread; see [`crate::schedule::retry_after`].
    pub retry_after: Option<String>,
    /// From the start to the end or the deadline, in milliseconds.
    pub elapsed_ms: i64,
    /// What making the connection took; `None` where one was reused or none was made.
    pub dial: Option<DialTimes>,
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

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The name did not resolve.
    Dns,
    /// The host's address is not public, or the URL is plain http.
    AddressRefused,
    /// Nothing listens there, or the network has no route.
    Refused,
    /// The connection was closed before a response came.
    Reset,
    /// No TLS session: certificate, name, version, or no TLS at all.
    Tls,
    /// The deadline passed.
    Timeout,
    /// What came is not HTTP, or breaks its rules or the limits on a response's head.
    Protocol,
    /// A status other than 2xx.
    Status,
}

impl Cause {
    /// The code stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::AddressRefused => "address_refused",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Status => "status",
        }
    }

    /// What the owner of the endpoint can do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Dns => {
                "The host name could not be resolved. Check the spelling and its public DNS records."
            }
            Self::AddressRefused => {
                "The host has an address that is not public. Webhooks go over https to public addresses only; \
                 check its DNS records."
            }
            Self::Refused => {
                "The host refused the connection. Check that the server runs and its firewall is open."
            }
            Self::Reset => {
                "The connection was closed before a response came. Check the server's and its proxy's logs."
            }
            Self::Tls => {
                "TLS failed. Check that the certificate is valid for this host name, not expired, sent with its \
                 intermediate certificates, and that TLS 1.2 or later is enabled."
            }
            Self::Timeout => {
                "No complete response came in time. Answer 2xx as soon as the event is stored, and process it later."
            }
            Self::Protocol => "The response was not valid HTTP. Check that the port is that of a web server.",
            Self::Status => {
                "The endpoint did not answer with a 2xx status. Check its logs at the time of the attempt."
            }
        }
    }

    /// The cause of a code; 410, which ends a delivery's endpoint, is a status too.
    pub fn parse(code: &str) -> Option<Self> {
        const ALL: [Cause; 8] = [
            Cause::Dns,
            Cause::AddressRefused,
            Cause::Refused,
            Cause::Reset,
            Cause::Tls,
            Cause::Timeout,
            Cause::Protocol,
            Cause::Status,
        ];
        if code == "gone" {
            return Some(Self::Status);
        }
        ALL.into_iter().find(|cause| cause.as_str() == code)
    }

    /// What the owner of the endpoint can do about it, more closely where the status tells.
    pub const fn hint_for(self, status: Option<u16>) -> &'static str {
        match (self, status) {
            (Self::Status, Some(300..=399)) => {
                "The endpoint redirected. Redirects are not followed; register the final URL."
            }
            (Self::Status, Some(401 | 403)) => {
                "The endpoint refused the request. Check its signature or API key comparison, and any firewall \
                 or login in front of it."
            }
            (Self::Status, Some(404 | 405)) => {
                "The endpoint does not take POST at this path. Check the registered URL."
            }
            (Self::Status, Some(410)) => {
                "The endpoint answered 410 Gone and is disabled. Enable it again when it is ready."
            }
            (Self::Status, Some(413)) => {
                "The endpoint found the body too large. Raise its limit, or ask for thin payloads."
            }
            (Self::Status, Some(429)) => {
                "The endpoint asked for fewer requests. Set a rate limit on it here."
            }
            _ => self.hint(),
        }
    }
}

impl Answer {
    /// What the owner of the endpoint can do about it; `None` for a success.
    pub fn hint(&self) -> Option<&'static str> {
        match self.outcome {
            Outcome::Success => None,
            Outcome::Gone => Some(Cause::Status.hint_for(self.status)),
            Outcome::Failed(cause) => Some(cause.hint_for(self.status)),
        }
    }

    /// No answer came.
    pub fn failed(cause: Cause) -> Self {
        Self::new(Outcome::Failed(cause), None)
    }

    fn new(outcome: Outcome, status: Option<u16>) -> Self {
        Self { outcome, status, body: Vec::new(), retry_after: None, elapsed_ms: 0, dial: None }
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
        let connector = match tls {
            Some(tls) => GuardedConnector::with_tls(policy, tls),
            None => GuardedConnector::new(policy),
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
        let mut answer = match timeout_at(until, self.http.request(request(outgoing))).await {
            Err(_) => Answer::failed(Cause::Timeout),
            Ok(Err(error)) => Answer::failed(classify(&error)),
            Ok(Ok(response)) => judge(response, until).await,
        };
        answer.elapsed_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        answer
    }
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
    let dial =
        response.extensions().get::<crate::connector::FirstUse>().and_then(crate::connector::FirstUse::take);
    let retry_after = retry_after(&response);
    let mut body = Vec::new();
    let in_time = timeout_at(until, read_body(response.into_body(), &mut body)).await.is_ok();
    let outcome = match status {
        StatusCode::GONE => Outcome::Gone,
        _ if !status.is_success() => Outcome::Failed(Cause::Status),
        _ if !in_time => Outcome::Failed(Cause::Timeout),
        _ => Outcome::Success,
    };
    Answer { body, retry_after, dial, ..Answer::new(outcome, Some(status.as_u16())) }
}

fn retry_after(response: &Response<Incoming>) -> Option<String> {
    if !matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
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

fn classify(error: &ClientError) -> Cause {
    if let Some(error) = find::<ConnectError>(error) {
        return connect_cause(error);
    }
    // The dialer's own errors were above, so what failed while connecting was TLS.
    if error.is_connect() || find::<rustls::Error>(error).is_some() {
        return Cause::Tls;
    }
    if let Some(error) = find::<hyper::Error>(error) {
        if error.is_timeout() {
            return Cause::Timeout;
        }
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return Cause::Reset;
        }
        if error.is_parse() {
            return Cause::Protocol;
        }
    }
    find::<io::Error>(error).map_or(Cause::Protocol, io_cause)
}

fn connect_cause(error: &ConnectError) -> Cause {
    match error {
        ConnectError::NoHost | ConnectError::Resolve(_) | ConnectError::ResolveTimeout => Cause::Dns,
        ConnectError::Address(_) | ConnectError::PlainHttp => Cause::AddressRefused,
        ConnectError::Connect(error) if error.kind() == io::ErrorKind::TimedOut => Cause::Timeout,
        ConnectError::Connect(_) => Cause::Refused,
        ConnectError::ConnectTimeout | ConnectError::EstablishTimeout => Cause::Timeout,
    }
}

fn io_cause(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::TimedOut => Cause::Timeout,
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
