//! Orders on the wire.

use std::collections::HashMap;

use nimbus_app::fills;
use nimbus_core::{
    ids::ShipmentId,
    order,
    patient::Address,
    shipment::{Scan, ShipmentStatus, shown_status},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    wire::{Day, Time},
    words,
};

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct OrderCreate {
    #[schema(example = "pat_00FODtiM8TKCRUXNHNjZoy", pattern = "^pat_[a-zA-Z0-9]+$")]
    pub patient_id: String,
    /// Of this patient.
    #[schema(example = "rx_00FODtiM8TKCRUXNHNjZoy", pattern = "^rx_[a-zA-Z0-9]+$")]
    pub prescription_id: String,
    pub shipping_address: ShippingAddress,
    #[schema(max_length = 1000, example = "Please leave at front door")]
    pub notes: Option<String>,
    /// With `serviceId`. Without the two it goes as the fill before.
    #[schema(example = "se-3818360")]
    pub carrier_id: Option<String>,
    #[schema(example = "fedex_2day")]
    pub service_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ShippingAddress {
    #[schema(max_length = 200, example = "123 Main St")]
    pub street1: String,
    #[schema(max_length = 200)]
    pub street2: Option<String>,
    #[schema(max_length = 100, example = "Austin")]
    pub city: String,
    /// A state, a territory or a military region of the US.
    #[schema(pattern = "^[A-Z]{2}$", example = "TX")]
    pub state: String,
    #[schema(pattern = r"^\d{5}(-\d{4})?$", example = "78701")]
    pub zip: String,
    /// Nothing is shipped to other countries.
    #[schema(pattern = "^[A-Z]{2}$", default = "US", example = "US")]
    pub country: Option<&'static str>,
}

impl From<&Address> for ShippingAddress {
    fn from(address: &Address) -> Self {
        let Address { line_1, line_2, line_3, city, state, postal_code } = address.clone();
        // Addresses of the partner API have a third line.
        let more: Vec<String> = line_2.into_iter().chain(line_3).collect();
        let street2 = (!more.is_empty()).then(|| more.join(", "));
        Self { street1: line_1, street2, city, state, zip: postal_code, country: Some("US") }
    }
}

#[derive(ToSchema)]
pub struct CancelOrder {
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    #[schema(pattern = "^ord_[a-zA-Z0-9]+$", example = "ord_00FODtiM8TKCRUXNHNjZoy")]
    pub id: String,
    #[schema(example = "pat_00FODtiM8TKCRUXNHNjZoy")]
    pub patient_id: String,
    /// What it fills; of an order of the partner API, what its first medication request fills.
    #[schema(example = "rx_00FODtiM8TKCRUXNHNjZoy")]
    pub prescription_id: Option<String>,
    /// Those of all its lines.
    pub prescription_ids: Vec<String>,
    #[schema(value_type = words::OrdersStatus)]
    pub status: &'static str,
    pub shipping_address: ShippingAddress,
    pub tracking_number: Option<String>,
    pub tracking_url: Option<String>,
    #[schema(example = "FedEx")]
    pub carrier: Option<String>,
    pub notes: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
    /// Known once it has a parcel.
    pub estimated_delivery_date: Option<Day>,
    /// A cancellation that the pharmacy has not decided on.
    pub cancellation_requested_at: Option<Time>,
}

impl From<&fills::Followed> for Order {
    fn from(found: &fills::Followed) -> Self {
        let (order, parcel) = (&found.order, found.parcel.as_ref());
        let prescription_ids: Vec<String> =
            order.lines.iter().map(|line: &order::Line| line.prescription_id.prefixed()).collect();
        Self {
            id: order.id.prefixed(),
            patient_id: order.patient_id.prefixed(),
            prescription_id: prescription_ids.first().cloned(),
            prescription_ids,
            status: order.standing().orders_word(),
            shipping_address: ShippingAddress::from(order.shipping_address.expose()),
            tracking_number: parcel.and_then(|parcel| parcel.tracking_number.clone()),
            tracking_url: parcel.and_then(|parcel| parcel.tracking_url.clone()),
            carrier: parcel.map(|parcel| parcel.carrier_name.clone()),
            notes: order.notes.as_ref().map(|notes| notes.expose().clone()),
            created_at: Time(order.created_at),
            updated_at: Time(order.updated_at),
            estimated_delivery_date: parcel.and_then(|parcel| parcel.estimated_delivery_date).map(Day),
            cancellation_requested_at: order.cancellation_requested_at.map(Time),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tracking {
    #[schema(example = "ord_00FODtiM8TKCRUXNHNjZoy")]
    pub order_id: String,
    #[schema(example = "FedEx")]
    pub carrier: Option<String>,
    pub tracking_number: Option<String>,
    pub tracking_url: Option<String>,
    /// Of the parcel: `pending` while it has a label alone. Null before there is a parcel.
    #[schema(value_type = Option<words::ShipmentStatus>)]
    pub status: Option<&'static str>,
    pub estimated_delivery_date: Option<Day>,
    /// The newest 500 reports, oldest first.
    pub events: Vec<TrackingEvent>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrackingEvent {
    /// The parcel: an order may have had several.
    #[schema(example = "shp_00FODtiM8TKCRUXNHNjZoy")]
    pub shipment_id: String,
    pub occurred_at: Time,
    /// What the carrier reported; that of the report before, where its word is not known to us.
    #[schema(value_type = words::ShipmentStatus)]
    pub status: &'static str,
    pub location: Option<String>,
    pub message: Option<String>,
}

impl TrackingEvent {
    fn new(shipment: ShipmentId, scan: &Scan, status: ShipmentStatus) -> Self {
        Self {
            shipment_id: shipment.prefixed(),
            occurred_at: Time(scan.occurred_at),
            status: status.wire_word(),
            location: scan.location.clone(),
            message: scan.message.clone(),
        }
    }
}

impl From<&fills::Tracking> for Tracking {
    fn from(found: &fills::Tracking) -> Self {
        let parcel = found.followed.parcel.as_ref();
        let mut last: HashMap<ShipmentId, Option<ShipmentStatus>> = HashMap::new();
        let mut event = |(shipment, scan): &(ShipmentId, Scan)| {
            let status = shown_status(scan, last.entry(*shipment).or_default());
            TrackingEvent::new(*shipment, scan, status)
        };
        Self {
            order_id: found.followed.order.id.prefixed(),
            carrier: parcel.map(|parcel| parcel.carrier_name.clone()),
            tracking_number: parcel.and_then(|parcel| parcel.tracking_number.clone()),
            tracking_url: parcel.and_then(|parcel| parcel.tracking_url.clone()),
            status: parcel.map(|parcel| parcel.status.wire_word()),
            estimated_delivery_date: parcel.and_then(|parcel| parcel.estimated_delivery_date).map(Day),
            events: found.scans.iter().map(&mut event).collect(),
        }
    }
}
