//! What staff print: a parcel's label, its barcode and packing slip, and the labels of containers.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use nimbus_app::{
    actor::READERS,
    labels::{self, Paper},
};

use crate::{
    Web,
    body::Incoming,
    checks::id,
    failure::Answer,
    links::printed,
    partner_api::{orders::NOUN as ORDER, shipments::NOUN},
    wire::{Image, Pdf},
};

/// The provider's own where one sold it, and else drawn here.
#[utoipa::path(get, path = "/pharmacy/shipments/{id}/label", tag = "Shipments", operation_id = "getShipmentLabel",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The shipment's id")),
    responses((status = 200, description = "The shipping label, 4 by 6 inches",
        body = Pdf, content_type = "application/pdf")))]
pub(crate) async fn label(State(web): State<Web>, request: Incoming) -> Answer {
    paper(&web, &request, Paper::Label).await
}

#[utoipa::path(get, path = "/pharmacy/shipments/{id}/barcode", tag = "Shipments",
    operation_id = "getShipmentBarcode",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The shipment's id")),
    responses((status = 200, description = "The tracking barcode as the carrier scans it",
        body = Image, content_type = "image/png")))]
pub(crate) async fn barcode(State(web): State<Web>, request: Incoming) -> Answer {
    paper(&web, &request, Paper::Barcode).await
}

#[utoipa::path(get, path = "/pharmacy/shipments/{id}/manifest", tag = "Shipments",
    operation_id = "getShipmentManifest",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The shipment's id")),
    responses((status = 200, description = "The packing slip, on letter paper",
        body = Pdf, content_type = "application/pdf")))]
pub(crate) async fn manifest(State(web): State<Web>, request: Incoming) -> Answer {
    paper(&web, &request, Paper::PackingSlip).await
}

async fn paper(web: &Web, request: &Incoming, paper: Paper) -> Answer {
    let call = web.staff(request, READERS).await?;
    let shipment = request.id("id", NOUN)?;
    Ok(printed(paper, labels::paper(&web.app, &call, shipment, paper).await?))
}

/// One page, or more where the directions are long, for each live line with an Rx number.
#[utoipa::path(get, path = "/pharmacy/orders/{id}/vial-labels", tag = "Orders", operation_id = "getVialLabels",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The order's id"),
        ("medication_request_id" = Option<String>, Query, description = "Only that of this line")),
    responses((status = 200, description = "The labels of the containers, 4 by 2 inches",
        body = Pdf, content_type = "application/pdf")))]
pub(crate) async fn vials(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let order = request.id("id", ORDER)?;
    let line = request.query(|f| Some(f.optional("medication_request_id", id)))?;
    Ok(pdf(labels::vials(&web.app, &call, order, line).await?))
}

fn pdf(bytes: Vec<u8>) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/pdf")),
        (CONTENT_DISPOSITION, HeaderValue::from_static("inline; filename=\"vial-labels.pdf\"")),
    ];
    (headers, bytes).into_response()
}
