//! What the bench measures a reply against: the same router and the same bytes, without a use case behind them.

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use http::StatusCode;
use nimbus_app::App;
use nimbus_core::access::Scope;

use crate::{Web, WebSettings, body::Incoming, failure::Answer, openapi, surrounded, wire::bytes_response};

/// Answers the bytes to whoever asks.
pub const BARE: &str = "/api/external/measure/bare";
/// Answers the bytes to a partner whose key may read orders.
pub const GUARDED: &str = "/api/external/measure/guarded";

/// Every route of the server, and the two that answer `body`.
pub fn router(app: App, settings: WebSettings, body: Bytes) -> Router {
    let (guarded, bare) = (body.clone(), body);
    let routes = openapi::all_routes()
        .split_for_parts()
        .0
        .route(BARE, get(async move |_: Request| answer(&bare)))
        .route(
            GUARDED,
            get(async move |State(web): State<Web>, request: Incoming| -> Answer {
                web.partner(&request, Scope::OrdersRead).await?;
                Ok(answer(&guarded))
            }),
        );
    surrounded(app, settings, routes)
}

fn answer(body: &Bytes) -> Response {
    bytes_response(StatusCode::OK, body.to_vec())
}
