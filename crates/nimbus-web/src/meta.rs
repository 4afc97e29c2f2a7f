//! Around every request: its id, its time limit, its line in the log, and refusals in the surface's shape.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::CACHE_CONTROL};
use nimbus_core::{ids::base62, rate::Standing, time::Ts};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    Web,
    caching::{Asked, conditional},
    cookies::Cookie,
    failure::{Failed, Failure},
    surface::Surface,
    unread::Unread,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const KEY_EXPIRES: HeaderName = HeaderName::from_static("nimbus-key-expires");
const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The id of one request: always ours, in the reply, in the error body and in the log.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    fn new() -> Self {
        Self(format!("req_{}", base62(Uuid::now_v7().as_u128())))
    }
}

/// Where authentication leaves how the caller stands, whatever becomes of the request then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot(Arc<Left>);

#[derive(Debug, Default)]
struct Left {
    standing: OnceLock<Option<Standing>>,
    /// When the caller's key ends, if that is soon.
    key_ends: OnceLock<Ts>,
    /// The cookie of the caller's session is good for nothing.
    forgets_session: OnceLock<()>,
}

impl Slot {
    /// A request is counted once; `None` where there is no limit.
    pub(crate) fn fill(&self, standing: Option<Standing>) {
        let _ = self.0.standing.set(standing);
    }

    pub(crate) fn key_ends(&self, at: Ts) {
        let _ = self.0.key_ends.set(at);
    }

    pub(crate) fn forget_session(&self) {
        let _ = self.0.forgets_session.set(());
    }

    /// How the caller stands, or where none was asked for a credential, the address.
    fn standing(&self, of_stranger: impl FnOnce() -> Option<Standing>) -> Option<Standing> {
        self.0.standing.get().copied().unwrap_or_else(of_stranger)
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
    let slot = Slot::default();
    // Those who need no credential, or name no path, are told how their address stands.
    let is_api = Surface::is_api(request.uri().path());
    let asked = is_api.then(|| Asked::of(&method, request.headers())).flatten();
    let caller = web.caller(request.extensions(), request.headers());
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(slot.clone());
    let body_timeout = web.settings.body_timeout;
    let request = request.map(|body| Body::new(Unread::new(body, body_timeout)));

    async move {
        let work = AssertUnwindSafe(next.run(request)).catch_unwind();
        let response = match tokio::time::timeout(web.settings.request_timeout, work).await {
            Ok(Ok(response)) => response,
            Ok(Err(_panic)) => Failure::Panic.into_response(),
            Err(_elapsed) => Failure::Timeout.into_response(),
        };
        let mut response = in_shape(&web, surface, &id, &method, response);
        if let Some(asked) = asked {
            response = conditional(asked, response).await;
        }
        web.retiring.tell(&method, &route, response.headers_mut());
        if is_api {
            // Patient data, and other for each key: nothing on the way keeps it. Who asks again has the tag itself.
            response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
        // Made of letters, digits and an underscore.
        if let Ok(value) = HeaderValue::from_str(&id.0) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let stranger = || is_api.then(|| web.app.limits().of_stranger(caller)).flatten();
        if let Some(standing) = slot.standing(stranger) {
            show_standing(response.headers_mut(), standing);
        }
        if let Some(at) = slot.0.key_ends.get().and_then(|at| HeaderValue::try_from(at.to_string()).ok()) {
            response.headers_mut().insert(KEY_EXPIRES, at);
        }
        if slot.0.forgets_session.get().is_some() {
            Cookie::Session.forget(response.headers_mut(), web.has_secure_cookies());
        }
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(%method, route, status = response.status().as_u16(), elapsed_ms, "answered");
        response
    }
    .instrument(span)
    .await
}

fn show_standing(headers: &mut HeaderMap, standing: Standing) {
    headers.insert(RATE_LIMIT, HeaderValue::from(standing.limit));
    headers.insert(RATE_REMAINING, HeaderValue::from(standing.remaining));
    headers.insert(RATE_RESET, HeaderValue::from(standing.reset));
}

/// Puts a failure into the surface's shape; other replies pass as they are.
fn in_shape(web: &Web, surface: Surface, id: &RequestId, method: &Method, response: Response) -> Response {
    let failed = response.extensions().get::<Failed>().cloned();
    match failed {
        Some(Failed(failure)) => {
            failure.log();
            surface.refuse(&failure, web.environment(), &id.0)
        }
        // No handler answers 405: it is the router's, which sets `Allow` in the end.
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED && method == Method::OPTIONS => {
            StatusCode::NO_CONTENT.into_response()
        }
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED => {
            surface.refuse(&Failure::MethodNotAllowed, web.environment(), &id.0)
        }
        None => response,
    }
}
