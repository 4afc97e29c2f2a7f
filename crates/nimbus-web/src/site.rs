//! The documentation of `nimbus-site` over HTTP: open to everybody, and the same for everybody.

use std::sync::{Arc, OnceLock};

use axum::{Router, extract::State, response::Response, routing::get};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Uri,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use nimbus_core::access::Environment;
use nimbus_site::{Policy, Settings, Site};

use crate::{
    Web,
    caching::{Asked, conditional},
    pages,
    wire::bytes_response,
};

const STATIC: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// Swagger UI writes styles into what it draws, and pictures into its styles.
const REFERENCE: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The pages, which are written when the first of them is asked for.
#[derive(Clone, Default)]
pub(crate) struct Pages(Arc<OnceLock<Site>>);

pub(crate) fn routes() -> Router<Web> {
    let pages = ["/guides", "/guides/{guide}", "/api-reference", "/api-reference/{document}", "/api-terms"];
    let files = ["/changelog", "/assets/{file}"];
    pages.into_iter().chain(files).fold(Router::new(), |router, path| router.route(path, get(show)))
}

async fn show(State(web): State<Web>, method: Method, uri: Uri, asked: HeaderMap) -> Response {
    let site = web.pages.0.get_or_init(|| {
        let may_try = web.environment() == Environment::Sandbox;
        Site::new(&Settings { name: web.settings.brand.name.clone(), may_try })
    });
    let Some(page) = site.page(uri.path()) else { return pages::no_such_page() };
    let mut response = bytes_response(StatusCode::OK, page.body.clone());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.media_type));
    // They change with a release alone; asked for again, they are compared by their tag.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        match page.policy {
            Policy::Static => STATIC,
            Policy::Reference => REFERENCE,
        },
    );
    match Asked::of(&method, &asked) {
        Some(asked) => conditional(asked, response).await,
        None => response,
    }
}
