//! What a signed link opens, without a key: a label, its barcode, or the page that shows where a parcel is.
//!
//! A link that does not hold answers one and the same page, whatever is wrong with it.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use nimbus_app::{
    Error,
    labels::{self, Paper},
    links::LinkKind,
};

use crate::{
    Web,
    auth::LinkRefused,
    body::Incoming,
    failure::Failure,
    pages, tracking_page,
    wire::{Html, Image, Pdf},
};

#[utoipa::path(get, path = "/links/{token}/label.pdf", tag = "Links", operation_id = "openLabel", security(()),
    params(("token" = String, Path, description = "What the link was signed as")),
    responses(
        (status = 200, description = "The label, 4 by 6 inches; its opening is on record",
            body = Pdf, content_type = "application/pdf"),
        (status = 404, description = "The link does not open", body = Html, content_type = "text/html"),
        (status = 429, description = "Too many links from this address", body = Html, content_type = "text/html"),
        (status = 503, description = "Not available right now", body = Html, content_type = "text/html")))]
pub(crate) async fn label(State(web): State<Web>, request: Incoming) -> Response {
    paper(&web, &request, LinkKind::Label, Paper::Label).await
}

#[utoipa::path(get, path = "/links/{token}/barcode.png", tag = "Links", operation_id = "openBarcode", security(()),
    params(("token" = String, Path, description = "What the link was signed as")),
    responses(
        (status = 200, description = "The tracking barcode; its opening is on record",
            body = Image, content_type = "image/png"),
        (status = 404, description = "The link does not open", body = Html, content_type = "text/html"),
        (status = 429, description = "Too many links from this address", body = Html, content_type = "text/html"),
        (status = 503, description = "Not available right now", body = Html, content_type = "text/html")))]
pub(crate) async fn barcode(State(web): State<Web>, request: Incoming) -> Response {
    paper(&web, &request, LinkKind::Barcode, Paper::Barcode).await
}

#[utoipa::path(get, path = "/track/{token}", tag = "Links", operation_id = "openTrackingPage", security(()),
    params(("token" = String, Path, description = "What the link was signed as")),
    responses(
        (status = 200, description = "Where the parcel is; the page names nobody and no drug",
            body = Html, content_type = "text/html"),
        (status = 404, description = "The link does not open", body = Html, content_type = "text/html"),
        (status = 429, description = "Too many links from this address", body = Html, content_type = "text/html"),
        (status = 503, description = "Not available right now", body = Html, content_type = "text/html")))]
pub(crate) async fn tracking(State(web): State<Web>, request: Incoming) -> Response {
    let (call, opened) = match web.link_holder(&request, LinkKind::Tracking) {
        Ok(found) => found,
        Err(refused) => return refusal(refused),
    };
    match labels::open_tracking(&web.app, &call, opened).await {
        Ok(found) => tracking_page::render(&found, &web.settings.brand, &web.app.config().pharmacy_zone),
        Err(error) => failed(error),
    }
}

async fn paper(web: &Web, request: &Incoming, kind: LinkKind, paper: Paper) -> Response {
    let (call, opened) = match web.link_holder(request, kind) {
        Ok(found) => found,
        Err(refused) => return refusal(refused),
    };
    match labels::open_paper(&web.app, &call, opened, paper).await {
        Ok(bytes) => {
            let mut response = printed(paper, bytes);
            pages::private_headers(response.headers_mut());
            response
        }
        Err(error) => failed(error),
    }
}

/// The bytes of a paper, under the name that a browser saves them by.
pub(crate) fn printed(paper: Paper, bytes: Vec<u8>) -> Response {
    let (kind, name) = match paper {
        Paper::Label => ("application/pdf", "inline; filename=\"label.pdf\""),
        Paper::Barcode => ("image/png", "inline; filename=\"barcode.png\""),
        Paper::PackingSlip => ("application/pdf", "inline; filename=\"packing-slip.pdf\""),
    };
    let headers = [(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)];
    let headers = headers.map(|(header, value)| (header, HeaderValue::from_static(value)));
    (StatusCode::OK, headers, bytes).into_response()
}

fn refusal(refused: LinkRefused) -> Response {
    match refused {
        LinkRefused::Unknown => pages::no_such_link(),
        LinkRefused::TooMany(seconds) => pages::too_many(seconds),
    }
}

/// A cancelled parcel's link, or one whose clinic may be shown nothing more, is as one that was never made.
fn failed(error: Error) -> Response {
    match error {
        Error::NotFound(_) => pages::no_such_link(),
        error => {
            Failure::App(error).log();
            pages::out_of_order()
        }
    }
}
