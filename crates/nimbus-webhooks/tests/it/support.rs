//! Receivers for the client tests: a TCP server on loopback that does what the test writes.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use nimbus_webhooks::client::{Answer, Outgoing, WebhookClient};
use nimbus_webhooks::guard::AddressPolicy;
use nimbus_webhooks::url::EndpointUrl;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const LOCAL: AddressPolicy = AddressPolicy { allow_loopback: true };
pub(crate) const STRICT: AddressPolicy = AddressPolicy { allow_loopback: false };
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
pub(crate) const BODY: &[u8] = br#"{"event_id":"1"}"#;

/// A listening server and how many connections it has accepted.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    accepted: Arc<AtomicUsize>,
}

impl Receiver {
    /// Runs `handle` on every connection.
    pub(crate) async fn start<F, Fut>(handle: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(handle(stream));
            }
        });
        Self { port, accepted }
    }

    /// Answers every request on every connection with these bytes, keeping the connection open.
    pub(crate) async fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response: Arc<Vec<u8>> = Arc::new(response.into());
        Self::start(move |mut stream| {
            let response = Arc::clone(&response);
            async move {
                while read_request(&mut stream).await.is_some() {
                    if stream.write_all(&response).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }
}

/// Reads one request; `None` when the client has closed the connection.
pub(crate) async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

/// Posts [`BODY`] with a fresh client under the local policy.
pub(crate) async fn post(url: &str, deadline: Duration) -> Answer {
    post_with(&WebhookClient::new(LOCAL, None), url, deadline).await
}

pub(crate) async fn post_with(client: &WebhookClient, url: &str, deadline: Duration) -> Answer {
    let url = EndpointUrl::parse(url, LOCAL).unwrap();
    let body = Bytes::from_static(BODY);
    client.post(Outgoing { url: &url, headers: HeaderMap::new(), body, deadline }).await
}
