//! Small pages of our own: one look, light and dark, no scripts, and a policy that forbids everything else.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::{IntoResponse, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("pages/style.css");

/// The one style sheet is allowed by its hash.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("base64 is visible ASCII")
});

/// What a reply that a link opens says to browsers and to whatever is on the way: its address is a secret.
pub(crate) fn private_headers(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// A page with this title and body.
pub(crate) fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex, nofollow";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    let mut response = (status, markup.into_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    private_headers(headers);
    response
}

/// The page of every link that opens nothing, whatever the reason.
pub(crate) fn no_such_link() -> Response {
    message(
        StatusCode::NOT_FOUND,
        "This link does not open",
        "It may have run out or been copied in part. Ask whoever sent it for a new one.",
    )
}

/// The page for a path of the documentation where nothing is.
pub(crate) fn no_such_page() -> Response {
    message(
        StatusCode::NOT_FOUND,
        "There is no such page",
        "Every page of the documentation is listed under /guides.",
    )
}

/// The page for an address that opens too many.
pub(crate) fn too_many(seconds: u32) -> Response {
    let text = "Too many links were opened from your network. Please try again in a minute.";
    let mut response = message(StatusCode::TOO_MANY_REQUESTS, "Please wait a moment", text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The page for a failure of ours.
pub(crate) fn out_of_order() -> Response {
    let text = "Something went wrong on our side. Please try again in a few minutes.";
    message(StatusCode::SERVICE_UNAVAILABLE, "Not available right now", text)
}

fn message(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &html! { h1 { (title) } p { (text) } })
}
