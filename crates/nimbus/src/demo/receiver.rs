//! The demo's webhook receiver: checks the signature and the key of every delivery, as a partner would.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use nimbus_app::clock::wall;
use nimbus_webhooks::signing::{SigningSecret, TOLERANCE_SECONDS, verify};
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// Deliveries that nobody read yet, at most.
const INBOX: usize = 1024;

/// A delivery, and what the receiver found.
pub(super) struct Received {
    pub(super) event_type: String,
    pub(super) body: Value,
    pub(super) verdict: Result<(), String>,
}

#[derive(Clone)]
struct Checks {
    secret: Arc<Mutex<Option<SigningSecret>>>,
    key: Arc<str>,
    inbox: mpsc::Sender<Received>,
}

pub(super) struct Receiver {
    pub(super) url: String,
    pub(super) inbox: mpsc::Receiver<Received>,
    secret: Arc<Mutex<Option<SigningSecret>>>,
}

impl Receiver {
    pub(super) async fn start(key: String, stop: CancellationToken) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address: SocketAddr = listener.local_addr()?;
        let (sender, inbox) = mpsc::channel(INBOX);
        let secret = Arc::new(Mutex::new(None));
        let checks = Checks { secret: Arc::clone(&secret), key: key.into(), inbox: sender };
        let router = Router::new().route("/webhooks", post(receive)).with_state(checks);
        tokio::spawn(nimbus_web::serve(listener, router, stop));
        Ok(Self { url: format!("http://{address}/webhooks"), inbox, secret })
    }

    /// The secret that the registration answered.
    pub(super) fn expect_signed_with(&self, secret: SigningSecret) {
        *self.secret.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret);
    }
}

async fn receive(State(checks): State<Checks>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let verdict = checks.check(&headers, &body);
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let event_type = body["event_type"].as_str().unwrap_or("?").to_owned();
    let status = if verdict.is_ok() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    // A full inbox means that the tour stopped reading; the delivery is answered all the same.
    let _ = checks.inbox.try_send(Received { event_type, body, verdict });
    status
}

impl Checks {
    fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = secret.as_ref().ok_or("no secret is known")?;
        let (id, timestamp, signature) =
            (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
        verify(secret, id, timestamp, signature, body, wall().seconds(), TOLERANCE_SECONDS)
            .map_err(|error| error.to_string())?;
        if text("x-api-key") != &*self.key {
            return Err("the X-API-Key is not ours".to_owned());
        }
        Ok(())
    }
}
