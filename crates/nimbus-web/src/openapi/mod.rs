//! The OpenAPI documents of every surface, read off the routes themselves and made complete in one pass.
//!
//! Routes say what only they know: what they are called, who may, what they take and answer. What follows from
//! that (refusals, headers, rate limits, examples, links) is added by `operations`, for every route alike.

mod conditions;
mod documents;
mod examples;
mod headers;
mod ids;
mod links;
mod operations;
mod refusals;
mod rules;
mod schemas;
mod security;
pub(crate) mod serve;
mod texts;
mod webhooks;

use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Web, health, links as signed_links, operations_api, orders_api, partner_api, webhook_keys};

pub use documents::{Document, Kind};

/// One document with every route of the server, as the routes describe themselves.
pub fn api_document() -> OpenApi {
    all_routes().into_openapi()
}

pub(crate) fn all_routes() -> OpenApiRouter<Web> {
    open_routes()
        .nest(partner_api::ROOT, partner_api::routes())
        .nest(operations_api::ROOT, operations_api::routes())
        .merge(orders_api::routes())
}

/// The routes that belong to no surface: health and the documents themselves.
fn open_routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(signed_links::label))
        .routes(routes!(signed_links::barcode))
        .routes(routes!(signed_links::tracking))
        .routes(routes!(webhook_keys::list))
        .routes(routes!(serve::partner))
        .routes(routes!(serve::integration))
        .routes(routes!(serve::orders))
        .routes(routes!(serve::operations))
}

#[cfg(test)]
mod tests;
