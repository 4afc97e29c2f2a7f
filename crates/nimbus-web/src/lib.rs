//! All HTTP in: the partner API, the operations API, inbound feeds and health.
//!
//! A handler checks who calls, reads its request into a command, calls one use case of `nimbus-app` and writes
//! the outcome as its surface shows it. Refusals are written in one place, `meta`, in the surface's shape.

mod auth;
mod body;
mod checks;
mod event_feed;
mod failure;
mod fields;
mod images;
mod meta;
mod surface;
mod unread;

pub mod health;
pub mod openapi;
pub mod operations_api;
pub mod orders_api;
pub mod paging;
pub mod partner_api;
pub mod wire;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, middleware};
use nimbus_app::App;
use nimbus_core::{access::Environment, time::Date};

pub use openapi::{api_document, documents};

/// Asks whether this process can serve: the database answers and migrations are current. `Err` says what is
/// missing, in a word for the operator.
pub type Readiness =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), &'static str>> + Send>> + Send + Sync>;

/// What differs between deployments.
#[derive(Clone)]
pub struct WebSettings {
    /// A request that takes longer is answered 503.
    pub request_timeout: Duration,
    /// Whether a proxy that we trust stands before us: the caller's address is then the last one in
    /// `X-Forwarded-For`.
    pub behind_proxy: bool,
    pub ready: Readiness,
}

impl WebSettings {
    /// The usual settings: 30 seconds for a request, no proxy.
    pub fn new(ready: Readiness) -> Self {
        Self { request_timeout: Duration::from_secs(30), behind_proxy: false, ready }
    }
}

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) app: App,
    pub(crate) settings: Arc<WebSettings>,
}

impl Web {
    pub(crate) fn environment(&self) -> Environment {
        self.app.environment()
    }

    /// Today in the pharmacy's time zone.
    pub(crate) fn today(&self) -> Date {
        self.app.clock().now().date_in(&self.app.config().pharmacy_zone)
    }
}

/// Every route of the server.
pub fn router(app: App, settings: WebSettings) -> Router {
    let web = Web { app, settings: Arc::new(settings) };
    let (routes, _) = openapi::all_routes().split_for_parts();
    routes
        .fallback(failure::unknown_path)
        .layer(middleware::from_fn_with_state(web.clone(), meta::around))
        .with_state(web)
}
