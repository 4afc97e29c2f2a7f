//! All HTTP in: the partner API, the orders API, the operations API, inbound feeds, health, the API documents and the
//! documentation.
//!
//! A handler checks who calls, reads its request into a command, calls one use case of `nimbus-app` and writes
//! the outcome as its surface shows it. Refusals are written in one place, `meta`, in the surface's shape.

pub mod api_keys;
mod auth;
mod body;
mod caching;
mod checks;
mod compression;
mod cookies;
mod cors;
mod event_feed;
mod event_stream;
mod failure;
mod fields;
mod headers;
mod images;
mod links;
mod meta;
mod pages;
mod replays;
mod session_auth;
mod site;
mod surface;
mod tracking_page;
mod transport;
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

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, middleware};
use http::HeaderValue;
use nimbus_app::{App, Call};
use nimbus_core::{access::Environment, network::Network, time::Date};

use crate::lifecycle::{Retirement, Retiring};

pub use brand::Brand;
pub use openapi::api_document;
pub use operations_api::shipments::parcel_reply;
pub use transport::{CertificateError, Certificates, Counts, Limits, Reload, Transport, serve, serve_by};

/// Asks whether this process can serve: the database answers and migrations are current. `Err` says what is
/// missing, in a word for the operator.
pub type Readiness =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), &'static str>> + Send>> + Send + Sync>;

/// What differs between deployments.
#[derive(Clone)]
pub struct WebSettings {
    /// A request that takes longer is answered 503.
    pub request_timeout: Duration,
    /// A body that takes longer to come is given up, and its request answered 503.
    pub body_timeout: Duration,
    /// Where the proxies are that stand before us, if any do: the caller's address is then the last one in their
    /// `X-Forwarded-For`. Nobody else is asked.
    pub proxies: Vec<Network>,
    pub ready: Readiness,
    /// The origins whose pages may call, or `*` for any; none, if it is empty.
    pub cors_origins: Vec<HeaderValue>,
    /// Operations that are being retired.
    pub retiring: Vec<Retirement>,
    pub brand: Brand,
}

impl WebSettings {
    /// The usual settings: 30 seconds for a request, of them 20 for its body, no proxy, the published names.
    pub fn new(ready: Readiness) -> Self {
        Self {
            brand: Brand::default(),
            request_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(20),
            proxies: Vec::new(),
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
    pub(crate) pages: site::Pages,
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
    surrounded(app, settings, openapi::all_routes().split_for_parts().0.merge(site::routes()))
}

/// Routes with what is around every request.
fn surrounded(app: App, settings: WebSettings, routes: Router<Web>) -> Router {
    let cors = (!settings.cors_origins.is_empty()).then(|| cors::layer(&settings.cors_origins));
    let retiring = Arc::new(Retiring::new(&settings.retiring));
    let proxies: Arc<[Network]> = settings.proxies.clone().into();
    let documents = openapi::serve::Documents::new();
    let pages = site::Pages::default();
    let web = Web { app, settings: Arc::new(settings), retiring, documents, pages };
    let router = routes
        .fallback(failure::unknown_path)
        .layer(middleware::from_fn(headers::one_authority))
        .layer(middleware::from_fn_with_state(web.clone(), meta::around))
        .layer(compression::layer())
        .layer(middleware::from_fn(compression::around))
        .with_state(web);
    let router = match cors {
        Some(cors) => router.layer(middleware::from_fn_with_state(cors, cors::around)),
        None => router,
    };
    router.layer(middleware::from_fn_with_state(proxies, headers::strict))
}
