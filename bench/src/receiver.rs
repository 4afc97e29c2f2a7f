//! A bare HTTP/1.1 server inside the bench: it answers 200 at once, and says what came.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::Failure;

/// Serves until it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Receiver {
    /// `on_request` gets the headers and the body of every request before it is answered.
    pub(crate) async fn start<F>(on_request: F) -> Result<Self, Failure>
    where
        F: Fn(&HeaderMap, &Bytes) + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let on_request = Arc::new(on_request);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Without it answers only wait longer.
                let _ = stream.set_nodelay(true);
                let on_request = Arc::clone(&on_request);
                let service = service_fn(move |request: Request<Incoming>| {
                    let on_request = Arc::clone(&on_request);
                    async move {
                        let (head, body) = request.into_parts();
                        if let Ok(body) = body.collect().await {
                            on_request(&head.headers, &body.to_bytes());
                        }
                        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { address, accepting })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The text of a UUID.
pub(crate) type Subject = [u8; 36];

/// The prescription that a body names first: what an order's reply and its webhook have in common.
pub(crate) fn prescription_of(body: &[u8]) -> Option<Subject> {
    const NAME: &[u8] = b"\"prescription_id\":";
    let at = body.windows(NAME.len()).position(|window| window == NAME)?;
    let value = body[at + NAME.len()..].trim_ascii_start().strip_prefix(b"\"")?;
    value.get(..36)?.try_into().ok()
}

/// What the receiver of webhooks saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Deliveries by `webhook-id`.
    pub(crate) ids: HashSet<HeaderValue>,
    /// Deliveries that came again.
    pub(crate) duplicates: u64,
    /// When each prescription was first told.
    pub(crate) first: HashMap<Subject, Instant>,
    pub(crate) last: Option<Instant>,
    /// One delivery's body.
    pub(crate) sample: Bytes,
}

/// Shared between the receiver and whoever waits for it.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Seen>>);

impl Arrivals {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, headers: &HeaderMap, body: &Bytes) {
        let now = Instant::now();
        let Some(id) = headers.get("webhook-id") else { return };
        let mut seen = self.seen();
        if !seen.ids.insert(id.clone()) {
            seen.duplicates += 1;
            return;
        }
        if let Some(subject) = prescription_of(body) {
            seen.first.entry(subject).or_insert(now);
        }
        if seen.sample.is_empty() {
            seen.sample = body.clone();
        }
        seen.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::client::{self, Load, Until};

    const BODY: &[u8] = br#"{"data":{"prescription_id": "01890a5d-ac96-774b-bcce-b302099a8057"}}"#;

    #[test]
    fn a_prescription_is_found_in_a_body() {
        assert_eq!(prescription_of(BODY).as_ref(), Some(b"01890a5d-ac96-774b-bcce-b302099a8057"));
        for body in [&b"{}"[..], b"\"prescription_id\":null", b"\"prescription_id\":\"short\""] {
            assert_eq!(prescription_of(body), None);
        }
    }

    #[tokio::test]
    async fn the_client_sends_as_many_as_asked_and_the_receiver_sees_them() {
        let bodies = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&bodies);
        let receiver = Receiver::start(move |_, body| {
            assert_eq!(body, BODY);
            *counted.lock().unwrap() += 1;
        })
        .await
        .unwrap();
        let load = Load::post(receiver.address, HeaderValue::from_static("k"), "/", Bytes::from_static(BODY));
        let outcome = client::run(load, 4, Until::Count(100), |_, _| {}).await.unwrap();
        assert_eq!((outcome.done, outcome.errors, *bodies.lock().unwrap()), (100, 0, 100));
    }

    #[test]
    fn a_delivery_that_comes_again_is_a_duplicate() {
        let arrivals = Arrivals::default();
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
        arrivals.record(&headers, &Bytes::from_static(BODY));
        arrivals.record(&headers, &Bytes::from_static(BODY));
        let seen = arrivals.seen();
        assert_eq!((seen.ids.len(), seen.duplicates, seen.first.len()), (1, 1, 1));
    }
}
