//! The documents over HTTP: each is written when it is asked for first, and then served as it is.

use std::sync::{Arc, OnceLock};

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
pub(crate) struct Documents(Arc<[(Kind, OnceLock<Bytes>)]>);

impl Documents {
    pub(crate) fn new() -> Self {
        Self(Kind::ALL.iter().map(|&kind| (kind, OnceLock::new())).collect())
    }

    fn reply(&self, wanted: Kind, settings: &WebSettings) -> Response {
        let written = || Document::new(wanted, &settings.brand, &settings.retiring).to_text().into();
        let place = self.0.iter().find(|(kind, _)| *kind == wanted).map(|(_, text)| text);
        let text = place.map_or_else(written, |place| place.get_or_init(written).clone());
        let mut response = bytes_response(StatusCode::OK, text);
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
            web.documents.reply(Kind::$kind, &web.settings)
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
    Ok(web.documents.reply(Kind::Operations, &web.settings))
}
