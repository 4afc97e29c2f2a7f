//! All HTTP in: the partner API, the orders API, the operations API, inbound feeds, health and the API documents.
//!
//! A handler checks who calls, reads its request into a command, calls one use case of `nimbus-app` and writes
//! the outcome as its surface shows it. Refusals are written in one place, `meta`, in the surface's shape.

pub mod api_keys;
mod auth;
mod body;
mod caching;
mod checks;
mod compression;
mod cors;
mod event_feed;
mod event_stream;
mod failure;
mod fields;
mod images;
mod links;
mod meta;
mod pages;
mod replays;
mod surface;
mod tracking_page;
mod unread;
mod webhook_keys;
mod webhooks;
mod words;

pub mod brand;
pub mod health;
pub mod lifecycle;
pub mod measure;
pub mod openapi;
pub mod operations_api;
pub mod orders_api;
pub mod paging;
pub mod partner_api;
pub mod sandbox;
pub mod wire;

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, middleware, serve::ListenerExt};
use http::HeaderValue;
use nimbus_app::{App, Call};
use nimbus_core::{access::Environment, time::Date};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::{Retirement, Retiring};

pub use brand::Brand;
pub use openapi::api_document;
pub use operations_api::shipments::parcel_reply;

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
    /// The origins whose pages may call, or `*` for any; none, if it is empty.
    pub cors_origins: Vec<HeaderValue>,
    /// Operations that are being retired.
    pub retiring: Vec<Retirement>,
    pub brand: Brand,
}

impl WebSettings {
    /// The usual settings: 30 seconds for a request, no proxy, the published names.
    pub fn new(ready: Readiness) -> Self {
        Self {
            brand: Brand::default(),
            request_timeout: Duration::from_secs(30),
            behind_proxy: false,
            ready,
            cors_origins: Vec::new(),
            retiring: lifecycle::retirements(),
        }
    }
}

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) app: App,
    pub(crate) settings: Arc<WebSettings>,
    pub(crate) retiring: Arc<Retiring>,
    pub(crate) documents: openapi::serve::Documents,
}

impl Web {
    pub(crate) fn environment(&self) -> Environment {
        self.app.environment()
    }

    /// Today for the caller, in the pharmacy's time zone.
    pub(crate) fn today(&self, call: &Call) -> Date {
        self.app.now_for(call).date_in(&self.app.config().pharmacy_zone)
    }
}

/// Every route of the server.
pub fn router(app: App, settings: WebSettings) -> Router {
    surrounded(app, settings, openapi::all_routes().split_for_parts().0)
}

/// Routes with what is around every request.
fn surrounded(app: App, settings: WebSettings, routes: Router<Web>) -> Router {
    let cors = (!settings.cors_origins.is_empty()).then(|| cors::layer(&settings.cors_origins));
    let retiring = Arc::new(Retiring::new(&settings.retiring));
    let documents = openapi::serve::Documents::new(&settings);
    let web = Web { app, settings: Arc::new(settings), retiring, documents };
    let router = routes
        .fallback(failure::unknown_path)
        .layer(middleware::from_fn_with_state(web.clone(), meta::around))
        .layer(compression::layer())
        .layer(middleware::from_fn(compression::around))
        .with_state(web);
    match cors {
        Some(cors) => router.layer(middleware::from_fn_with_state(cors, cors::around)),
        None => router,
    }
}

/// Serves until it is stopped; requests under way are finished.
///
/// # Errors
/// Of the listener.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    // A reply that hyper writes in two parts would wait for the client's delayed acknowledgement.
    let listener = listener.tap_io(|stream| {
        // It fails on a connection that is gone already.
        let _ = stream.set_nodelay(true);
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(async move { stop.cancelled().await }).await
}
