//! Shipments as staff make, cancel and move them.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::{READERS, WORKERS},
    shipments::{self, Cancel, Create, Created, ListAny, MAX_LINES, MAX_ORDERS, MoveTo},
};
use nimbus_carriers::bears;
use nimbus_core::{
    ids::ShipmentId,
    shipment::{Shipment, ShipmentStatus},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    caching::{patched, versioned},
    checks::{count, flag, id, one_of, text, tracking_number},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    partner_api::{
        envelope::{self, List, Success},
        shipments::{NOUN, ShipmentView, TrackingView},
    },
    words,
};

#[derive(ToSchema)]
pub struct ShipmentCreate {
    /// The orders whose filled lines go into the parcel: one patient, one shipment group or one order.
    #[schema(min_items = 1, max_items = 50)]
    pub medication_orders: Vec<Uuid>,
    /// Which of their medication requests go into it, so that others can go in another parcel. Each must be filled
    /// and not packed yet; every such one, if not given.
    #[schema(min_items = 1, max_items = 250)]
    pub medication_request_ids: Option<Vec<Uuid>>,
    #[schema(example = "se-11226")]
    pub carrier_id: String,
    #[schema(example = "ups_2nd_day_air")]
    pub service_id: String,
    /// Of a label made elsewhere; a wrong check digit is refused. Left out, the label is made here, or bought from the
    /// provider that is configured.
    #[schema(example = "1Z999AA10123456784")]
    pub tracking_number: Option<String>,
    /// What the parcel weighs, in ounces; left out, what parcels are taken to weigh.
    #[schema(minimum = 1, maximum = 2400, example = 12)]
    pub weight_oz: Option<u32>,
    /// For the partner: they go into the event.
    #[schema(max_length = 500)]
    pub notes: Option<String>,
}

#[derive(ToSchema)]
pub struct ShipmentCancel {
    /// For the partner: it goes into the event.
    #[schema(max_length = 500)]
    pub reason: String,
}

#[derive(ToSchema)]
pub struct ShipmentMove {
    #[schema(value_type = words::ShipmentStatus)]
    pub status: String,
    /// For the partner.
    #[schema(max_length = 500)]
    pub note: Option<String>,
    #[schema(max_length = 200, example = "Memphis, TN")]
    pub location: Option<String>,
}

fn read_create(f: &mut Fields<'_>) -> Option<Create> {
    let orders = f.values(true, "medication_orders", 1..=MAX_ORDERS, id);
    let lines = f.values(false, "medication_request_ids", 1..=MAX_LINES, id);
    let carrier_id = f.required("carrier_id", text(1..=50));
    let service_id = f.required("service_id", text(1..=50));
    let tracking = f.optional("tracking_number", tracking_number);
    let weight_oz = f.optional("weight_oz", count(1..=2400));
    let notes = f.optional("notes", text(1..=500));
    let foreign = |carrier: &String| tracking.as_ref().is_some_and(|number| !bears(carrier, number));
    if carrier_id.as_ref().is_some_and(foreign) {
        f.warn("tracking_number", "it looks like another carrier's");
    }
    Some(Create {
        orders: orders?,
        lines,
        carrier_id: carrier_id?,
        service_id: service_id?,
        tracking_number: tracking.map(|number| number.as_str().to_owned()),
        weight_oz,
        notes,
        warnings: f.take_warnings(),
    })
}

fn read_cancel(f: &mut Fields<'_>) -> Option<String> {
    f.required("reason", text(1..=500))
}

fn read_move(f: &mut Fields<'_>, shipment: ShipmentId) -> Option<MoveTo> {
    let status = f.required("status", one_of(ShipmentStatus::ALL, ShipmentStatus::wire_word));
    let note = f.optional("note", text(1..=500));
    let location = f.optional("location", text(1..=200));
    Some(MoveTo { id: shipment, status: status?, note, location })
}

fn render(shipment: &Shipment) -> Rendered {
    envelope::written(ShipmentView::from(shipment), "OK").of_version(shipment.version)
}

/// The reply to whoever made a parcel: also kept for one whose label was bought later.
pub fn parcel_reply(created: &Created) -> Rendered {
    let view = ShipmentView { warnings: created.warnings.clone(), ..ShipmentView::from(&created.shipment) };
    envelope::written(view, "Shipment created successfully")
}

#[utoipa::path(post, path = "/pharmacy/shipments", tag = "Shipments", operation_id = "createShipment",
    security(("OpsToken" = ["pharmacist", "technician"])),
    request_body(content = ShipmentCreate, description = "What goes into the parcel, and how it goes"),
    responses((status = 200, description = "The label is made", body = Success<ShipmentView>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, WORKERS).await?;
    let command = request.json(&mut call, read_create).await?;
    Ok(envelope::reply(shipments::create(&web.app, &call, command, parcel_reply).await?))
}

#[utoipa::path(get, path = "/pharmacy/shipments", tag = "Shipments", operation_id = "listShipments",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(PageParams,
        ("clinic_id" = Option<String>, Query, description = "Only those of this clinic"),
        ("status" = Option<words::ShipmentStatus>, Query, description = "Only those of this status"),
        ("needs_attention" = Option<bool>, Query, description = "Only those that somebody should look at: an \
            exception or a failed attempt; returned or lost within 30 days and not replaced; under way and not seen \
            for 5 days")),
    responses((status = 200, description = "A page of shipments", body = List<ShipmentView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let query = request.query(|f| {
        let status = f.optional("status", one_of(ShipmentStatus::ALL, ShipmentStatus::wire_word));
        let needs_attention = f.optional("needs_attention", flag).unwrap_or(false);
        Some(ListAny { clinic: f.optional("clinic_id", id), status, needs_attention, page: page(f) })
    })?;
    let found = shipments::list_any(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| ShipmentView::from(item)))
}

#[utoipa::path(get, path = "/pharmacy/shipments/{id}", tag = "Shipments", operation_id = "getAnyShipment",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The shipment's id")),
    responses((status = 200, description = "The shipment", body = Success<ShipmentView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let found = shipments::get_any(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(versioned(envelope::found(ShipmentView::from(&found)), found.version))
}

#[utoipa::path(get, path = "/pharmacy/shipments/{id}/tracking", tag = "Shipments",
    operation_id = "getAnyShipmentTracking", security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The shipment's id")),
    responses((status = 200, description = "Every scan of the parcel", body = Success<TrackingView>)))]
pub(crate) async fn tracking(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let found = shipments::tracking_any(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(envelope::found(TrackingView::from(&found)))
}

/// Only while it has a label and nothing more. Its orders stay filled.
#[utoipa::path(post, path = "/pharmacy/shipments/{id}/cancel", tag = "Shipments", operation_id = "cancelShipment",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The shipment's id")),
    request_body(content = ShipmentCancel, description = "Why"),
    responses((status = 200, description = "Cancelled", body = Success<ShipmentView>)))]
pub(crate) async fn cancel(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, WORKERS).await?;
    let id = request.id("id", NOUN)?;
    let reason = request.json(&mut call, read_cancel).await?;
    Ok(envelope::reply(shipments::cancel(&web.app, &call, Cancel { id, reason }, render).await?))
}

/// Forward jumps are allowed.
#[utoipa::path(patch, path = "/pharmacy/shipments/{id}/status", tag = "Shipments", operation_id = "moveShipment",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The shipment's id")),
    request_body(content = ShipmentMove, description = "Where it is"),
    responses((status = 200, description = "The shipment as it is now", body = Success<ShipmentView>)))]
pub(crate) async fn set_status(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, WORKERS).await?;
    let shipment = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_move(f, shipment)).await?;
    Ok(patched(shipments::move_to(&web.app, &call, command, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<ShipmentCreate, _>(read_create);
        assert_described::<ShipmentCancel, _>(read_cancel);
        assert_described::<ShipmentMove, _>(|f| read_move(f, ShipmentId(Uuid::nil())));
    }
}
