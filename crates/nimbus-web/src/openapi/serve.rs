//! The documents over HTTP: written once at the start, then served as they are.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header::CACHE_CONTROL};
use nimbus_core::access::Role;

use super::{Document, Kind};
use crate::{
    Web, WebSettings,
    body::Incoming,
    failure::Answer,
    wire::{AnyObject, bytes_response},
};

/// The documents of this deployment, as they are served.
#[derive(Clone)]
pub(crate) struct Documents(Arc<[(Kind, Bytes)]>);

impl Documents {
    pub(crate) fn new(settings: &WebSettings) -> Self {
        let written =
            |&kind| (kind, Bytes::from(Document::new(kind, &settings.brand, &settings.retiring).to_text()));
        Self(Kind::ALL.iter().map(written).collect())
    }

    fn reply(&self, wanted: Kind) -> Response {
        let text = self.0.iter().find(|(kind, _)| *kind == wanted).map(|(_, text)| text.clone());
        let mut response = bytes_response(StatusCode::OK, text.unwrap_or_default());
        // They change with a release or a setting alone.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        response
    }
}

macro_rules! open_documents {
    ($($name:ident, $path:literal, $id:literal, $kind:ident;)*) => {$(
        /// Open to everybody.
        #[utoipa::path(get, path = $path, tag = "Documents", operation_id = $id, security(()),
            responses((status = 200, description = "The document", body = inline(AnyObject))))]
        pub(crate) async fn $name(State(web): State<Web>) -> Response {
            web.documents.reply(Kind::$kind)
        }
    )*};
}

open_documents! {
    partner, "/openapi/partner.json", "getPartnerDocument", Partner;
    integration, "/openapi/integration.json", "getIntegrationDocument", Integration;
    orders, "/openapi/orders.json", "getOrdersDocument", Orders;
}

/// For staff alone: it tells what partners need not know.
#[utoipa::path(get, path = "/openapi/operations.json", tag = "Documents", operation_id = "getOperationsDocument",
    security(("OpsToken" = ["super_admin", "pharmacist", "technician", "support", "auditor", "clinic_admin"])),
    responses((status = 200, description = "The document", body = inline(AnyObject))))]
pub(crate) async fn operations(State(web): State<Web>, request: Incoming) -> Answer {
    web.any_staff(&request).await?.reach(Role::ALL)?;
    Ok(web.documents.reply(Kind::Operations))
}
