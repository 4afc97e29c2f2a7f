//! Shipments: where a parcel is.

use axum::extract::State;
use nimbus_app::{
    clock::wall,
    shipments::{self, Tracking},
};
use nimbus_core::{
    access::Scope,
    ids::ShipmentId,
    shipment::{Scan, Shipment, ShipmentStatus, shown_status},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::envelope::{self, Success};
use crate::{
    Web,
    body::Incoming,
    caching::versioned,
    failure::Answer,
    wire::{Day, Time},
    words,
};

pub(crate) const NOUN: &str = "Shipment";

#[derive(Serialize, ToSchema)]
pub struct ShipmentView {
    pub id: Uuid,
    pub shipment_id: Uuid,
    pub clinic_id: Uuid,
    pub patient_id: Uuid,
    pub medication_orders: Vec<Uuid>,
    #[schema(value_type = words::ShipmentStatus)]
    pub status: &'static str,
    #[schema(value_type = words::ShipmentStatus)]
    pub shipment_status: &'static str,
    #[schema(example = "FedEx")]
    pub shipping_partner: String,
    pub carrier_id: String,
    pub service_id: String,
    #[schema(value_type = words::DeliverySpeed)]
    pub delivery_method: &'static str,
    pub tracking_number: Option<String>,
    pub tracking_url: Option<String>,
    pub delivery_location: DeliveryLocation,
    pub notes: Option<String>,
    /// The planned ship time.
    pub shipped_at: Time,
    pub estimated_delivery_date: Option<Day>,
    /// The newest time at which the carrier, or staff, saw it.
    pub last_seen_at: Option<Time>,
    /// The tracking barcode as a PNG: a signed link that opens for 72 hours, without a key. Null for staff, who read
    /// `/barcode`.
    pub barcode_url: Option<String>,
    /// The label as a PDF of 4 by 6 inches: a link like `barcode_url`. It bears a name and an address, and each opening
    /// is on record. Null for staff, who read `/label`.
    pub shipping_label: Option<String>,
    /// A page that shows where the parcel is, for the patient: it names nobody and no drug, and opens for 30 days.
    /// Null for staff.
    pub tracking_page_url: Option<String>,
    pub cancellation_reason: Option<String>,
    pub cancelled_at: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct DeliveryLocation {
    /// The lines of the address, joined by a comma.
    pub address: String,
    pub city: String,
    pub state: String,
    pub postal_code: String,
}

impl From<&Shipment> for ShipmentView {
    fn from(shipment: &Shipment) -> Self {
        let place = shipment.delivery_location.expose();
        let lines = [Some(&place.line_1), place.line_2.as_ref(), place.line_3.as_ref()];
        let lines: Vec<&str> = lines.into_iter().flatten().map(String::as_str).collect();
        Self {
            id: shipment.id.0,
            shipment_id: shipment.id.0,
            clinic_id: shipment.clinic_id.0,
            patient_id: shipment.patient_id.0,
            medication_orders: shipment.orders().iter().map(|order| order.0).collect(),
            status: shipment.status.wire_word(),
            shipment_status: shipment.status.wire_word(),
            shipping_partner: shipment.carrier_name.clone(),
            carrier_id: shipment.carrier_id.clone(),
            service_id: shipment.service_id.clone(),
            delivery_method: shipment.delivery_method.as_str(),
            tracking_number: shipment.tracking_number.clone(),
            tracking_url: shipment.tracking_url.clone(),
            delivery_location: DeliveryLocation {
                address: lines.join(", "),
                city: place.city.clone(),
                state: place.state.clone(),
                postal_code: place.postal_code.clone(),
            },
            notes: shipment.notes.as_ref().map(|notes| notes.expose().clone()),
            shipped_at: Time(shipment.ships_at),
            estimated_delivery_date: shipment.estimated_delivery_date.map(Day),
            last_seen_at: shipment.latest_scan_at.map(Time),
            barcode_url: None,
            shipping_label: None,
            tracking_page_url: None,
            cancellation_reason: shipment.cancellation_reason.as_ref().map(|reason| reason.expose().clone()),
            cancelled_at: shipment.cancelled_at.map(Time),
            created_at: Time(shipment.created_at),
            updated_at: Time(shipment.updated_at),
            warnings: Vec::new(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct TrackingView {
    pub shipment_id: Uuid,
    #[schema(value_type = words::ShipmentStatus)]
    pub status: &'static str,
    #[schema(example = "FedEx")]
    pub shipping_partner: String,
    pub tracking_number: Option<String>,
    pub tracking_url: Option<String>,
    pub estimated_delivery_date: Option<Day>,
    /// Every scan, oldest first.
    pub events: Vec<ScanView>,
}

#[derive(Serialize, ToSchema)]
pub struct ScanView {
    pub occurred_at: Time,
    pub location: Option<String>,
    /// What the carrier reported; that of the report before, where its word is not known to us.
    #[schema(value_type = words::ShipmentStatus)]
    pub status: &'static str,
    /// The carrier's own word, where a carrier reported it.
    #[schema(example = "IT")]
    pub carrier_status: Option<String>,
    pub message: Option<String>,
}

impl ScanView {
    fn new(scan: &Scan, status: ShipmentStatus) -> Self {
        Self {
            occurred_at: Time(scan.occurred_at),
            location: scan.location.clone(),
            status: status.wire_word(),
            carrier_status: scan.word.clone(),
            message: scan.message.clone(),
        }
    }
}

impl From<&Tracking> for TrackingView {
    fn from(tracking: &Tracking) -> Self {
        let shipment = &tracking.shipment;
        let mut last = None;
        Self {
            shipment_id: shipment.id.0,
            status: shipment.status.wire_word(),
            shipping_partner: shipment.carrier_name.clone(),
            tracking_number: shipment.tracking_number.clone(),
            tracking_url: shipment.tracking_url.clone(),
            estimated_delivery_date: shipment.estimated_delivery_date.map(Day),
            events: tracking
                .scans
                .iter()
                .map(|scan| ScanView::new(scan, shown_status(scan, &mut last)))
                .collect(),
        }
    }
}

#[utoipa::path(get, path = "/shipment/{id}", tag = "Shipments", operation_id = "getShipment",
    security(("ApiKeyAuth" = ["shipments:read"])),
    params(("id" = String, Path, description = "The shipment's id")),
    responses((status = 200, description = "The shipment", body = Success<ShipmentView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::ShipmentsRead).await?;
    let found = shipments::get(&web.app, &call, request.id::<ShipmentId>("id", NOUN)?).await?;
    Ok(versioned(envelope::found(linked(&web, &found)), found.version))
}

/// As partners read it: with links to its papers, while it has any.
fn linked(web: &Web, shipment: &Shipment) -> ShipmentView {
    let (clinic, id, now) = (shipment.clinic_id, shipment.id, wall());
    let links = web.app.links();
    let papers = (shipment.status != ShipmentStatus::Cancelled).then(|| links.of_parcel(clinic, id, now));
    let (label, barcode) =
        papers.map(|papers| (papers.label.into_inner(), papers.barcode.into_inner())).unzip();
    ShipmentView {
        barcode_url: barcode,
        shipping_label: label,
        tracking_page_url: Some(links.of_tracking(clinic, id, now)),
        ..ShipmentView::from(shipment)
    }
}

#[utoipa::path(get, path = "/shipment/{id}/tracking", tag = "Shipments", operation_id = "getShipmentTracking",
    security(("ApiKeyAuth" = ["shipments:read"])),
    params(("id" = String, Path, description = "The shipment's id")),
    responses((status = 200, description = "Every scan of the parcel", body = Success<TrackingView>)))]
pub(crate) async fn tracking(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::ShipmentsRead).await?;
    let found = shipments::tracking(&web.app, &call, request.id::<ShipmentId>("id", NOUN)?).await?;
    Ok(envelope::found(TrackingView::from(&found)))
}
