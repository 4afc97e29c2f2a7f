//! Around every request: its id, its time limit, its line in the log, and refusals in the surface's shape.

use std::{panic::AssertUnwindSafe, time::Instant};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode, header::ALLOW};
use nimbus_core::ids::base62;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    Web,
    failure::{Failed, Failure},
    surface::Surface,
    unread::Unread,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of one request: always ours, in the reply, in the error body and in the log.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    fn new() -> Self {
        Self(format!("req_{}", base62(Uuid::now_v7().as_u128())))
    }
}

/// The middleware around all routes.
pub(crate) async fn around(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::new();
    let span = tracing::info_span!("request", request_id = %id.0);
    let method = request.method().clone();
    let surface = Surface::of(request.uri().path());
    // The pattern, never the path: a path may carry what somebody should not have put there.
    let route =
        request.extensions().get::<MatchedPath>().map_or("-".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(id.clone());
    let request = request.map(|body| Body::new(Unread(body)));

    async move {
        let work = AssertUnwindSafe(next.run(request)).catch_unwind();
        let response = match tokio::time::timeout(web.settings.request_timeout, work).await {
            Ok(Ok(response)) => response,
            Ok(Err(_panic)) => Failure::Panic.into_response(),
            Err(_elapsed) => Failure::Timeout.into_response(),
        };
        let mut response = in_shape(&web, surface, &id, response);
        // Made of letters, digits and an underscore.
        if let Ok(value) = HeaderValue::from_str(&id.0) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(%method, route, status = response.status().as_u16(), elapsed_ms, "answered");
        response
    }
    .instrument(span)
    .await
}

/// Puts a failure into the surface's shape; other replies pass as they are.
fn in_shape(web: &Web, surface: Surface, id: &RequestId, response: Response) -> Response {
    let failed = response.extensions().get::<Failed>().cloned();
    match failed {
        Some(Failed(failure)) => {
            failure.log();
            surface.refuse(&failure, web.environment(), &id.0)
        }
        // No handler answers 405: this is the router's, which has set `Allow`.
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED => {
            let mut refused = surface.refuse(&Failure::MethodNotAllowed, web.environment(), &id.0);
            if let Some(allow) = response.headers().get(ALLOW) {
                refused.headers_mut().insert(ALLOW, allow.clone());
            }
            refused
        }
        None => response,
    }
}
