//! The demo's HTTP client: plain requests to the API on loopback, as a partner or as staff.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use crate::Failure;

const DEADLINE: Duration = Duration::from_secs(10);

/// Who sends a request.
#[derive(Clone, Copy)]
pub(super) enum As {
    Partner,
    Staff,
}

pub(super) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    base: String,
    key: String,
    token: String,
}

/// A reply: its status and its JSON.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Client {
    pub(super) fn new(base: &str, key: &str, token: &str) -> Self {
        let http = HttpClient::builder(TokioExecutor::new()).build_http();
        Self { http, base: base.to_owned(), key: key.to_owned(), token: token.to_owned() }
    }

    pub(super) async fn send(
        &self,
        who: As,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Failure> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let request = match who {
            As::Partner => request.header("x-api-key", &self.key),
            As::Staff => request.header("authorization", format!("Bearer {}", self.token)),
        };
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from(body.to_string())))?,
            None => request.body(Full::default())?,
        };
        let response = tokio::time::timeout(DEADLINE, self.http.request(request)).await??;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok(Reply { status, body: serde_json::from_slice(&bytes)? })
    }
}
