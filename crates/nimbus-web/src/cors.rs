//! Requests of pages from other origins (the Fetch standard's CORS): off, or for the origins that settings name.

use std::time::Duration;

use crate::meta::KEY_EXPIRES;
use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK,
        LOCATION, ORIGIN, RETRY_AFTER,
    },
};
use tower::{Layer, ServiceExt};
use tower_http::cors::CorsLayer;

/// A browser may remember what a preflight said for so long.
const REMEMBERED: Duration = Duration::from_secs(600);

const ALLOWED: [HeaderName; 6] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    IF_MATCH,
    IF_NONE_MATCH,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("idempotency-key"),
];

/// The headers of replies that a page may read.
const EXPOSED: [HeaderName; 12] = [
    ETAG,
    LINK,
    LOCATION,
    RETRY_AFTER,
    HeaderName::from_static("deprecation"),
    HeaderName::from_static("sunset"),
    HeaderName::from_static("idempotent-replayed"),
    HeaderName::from_static("x-request-id"),
    KEY_EXPIRES,
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// Any origin; not in production.
const ANY: &str = "*";

/// The layer for these origins. Credentials of the browser's own (cookies) are never allowed: keys are sent as
/// headers.
pub(crate) fn layer(origins: &[HeaderValue]) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(ALLOWED)
        .expose_headers(EXPOSED)
        .max_age(REMEMBERED);
    match origins.iter().any(|origin| origin == ANY) {
        true => layer.allow_origin(tower_http::cors::Any),
        false => layer.allow_origin(origins.to_vec()),
    }
}

/// The middleware outside of all others. A preflight gets what `OPTIONS` of the path gets, and the answer to its
/// origin; the layer alone would answer it for paths that are not there.
pub(crate) async fn around(State(cors): State<CorsLayer>, request: Request, next: Next) -> Response {
    if request.method() != Method::OPTIONS {
        return infallible(cors.layer(next).oneshot(request).await);
    }
    let is_preflight = request.headers().contains_key(ORIGIN)
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut asked = Request::new(Body::empty());
    *asked.method_mut() = Method::OPTIONS;
    asked.headers_mut().clone_from(request.headers());
    let mut response = next.clone().run(request).await;
    if is_preflight && response.status() == StatusCode::NO_CONTENT {
        let answered = infallible(cors.layer(next).oneshot(asked).await);
        response.headers_mut().extend(answered.headers().clone());
    }
    response
}

fn infallible(answered: Result<Response, std::convert::Infallible>) -> Response {
    match answered {
        Ok(response) => response,
    }
}
