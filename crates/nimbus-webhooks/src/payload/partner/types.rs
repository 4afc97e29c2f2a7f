//! `event_data` of each event of the partner shape.
//!
//! The members of each stand in the order of the alphabet: so they have always been sent, and a stored payload
//! and one rendered today are the same bytes.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::payload::wire::{Day, Time};

/// A medication request moved. One event for each that did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MedicationUpdated<'a> {
    pub(super) clinic_id: Uuid,
    /// The order, as `medication_order_id`.
    pub(super) id: Uuid,
    pub(super) medication_order_id: Uuid,
    pub(super) medication_request_id: Uuid,
    /// The pharmacy's own note about the change, written for partners.
    pub(super) notes: Option<&'a str>,
    pub(super) patient_id: Uuid,
    /// The pharmacy system's own word for the state, or else the platform's.
    pub(super) pharmetika_status: &'a str,
    pub(super) practitioner_id: Uuid,
    pub(super) prescription_id: Uuid,
    /// The status that it left; null for its first.
    pub(super) previous_status: Option<&'static str>,
    /// Assigned when the prescription is verified.
    pub(super) rx_number: Option<&'a str>,
    pub(super) status: &'static str,
    pub(super) tracking_number: Option<&'a str>,
    #[schema(value_type = String, format = DateTime)]
    pub(super) updated_at: Time,
}

/// The label of a parcel was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShipmentCreated<'a> {
    /// The tracking barcode as a PNG: a signed link that opens for 72 hours, without a key. Read the shipment for a
    /// fresh one.
    pub(super) barcode_url: &'a str,
    pub(super) clinic_id: Uuid,
    #[schema(inline)]
    pub(super) delivery_location: DeliveryLocation<'a>,
    /// `next-day` or `business-day`.
    pub(super) delivery_method: &'static str,
    /// The orders in the parcel.
    pub(super) medication_orders: Vec<Uuid>,
    /// The pharmacy's own note about the parcel.
    pub(super) notes: Option<&'a str>,
    pub(super) patient_id: Uuid,
    pub(super) practitioner_id: Uuid,
    pub(super) rx_number: Option<&'a str>,
    pub(super) shipment_id: Uuid,
    /// The carrier's id, as `/carriers` lists it.
    pub(super) shipment_provider: &'a str,
    pub(super) shipment_status: &'static str,
    /// When it is planned to leave.
    #[schema(value_type = String, format = DateTime)]
    pub(super) shipped_at: Time,
    /// The label as a PDF of 4 by 6 inches: a link like `barcode_url`. It bears a name and an address, and each
    /// opening is on record.
    pub(super) shipping_label: &'a str,
    /// The carrier's name.
    pub(super) shipping_partner: &'a str,
    pub(super) tracking_number: Option<&'a str>,
    pub(super) tracking_url: Option<&'a str>,
}

/// Where the parcel goes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryLocation<'a> {
    pub(super) address: String,
    pub(super) city: &'a str,
    pub(super) postal_code: &'a str,
    /// Two letters.
    pub(super) state: &'a str,
}

/// A parcel was seen somewhere else.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShipmentUpdated<'a> {
    #[schema(value_type = Option<String>, format = Date)]
    pub(super) estimated_delivery_date: Option<Day>,
    pub(super) location: Option<&'a str>,
    /// The orders in the parcel.
    pub(super) medication_orders: Vec<Uuid>,
    /// What the carrier, or staff, said of it.
    pub(super) message: Option<&'a str>,
    /// When it was seen there.
    #[schema(value_type = String, format = DateTime)]
    pub(super) occurred_at: Time,
    pub(super) previous_status: &'static str,
    pub(super) shipment_id: Uuid,
    pub(super) shipment_status: &'static str,
    pub(super) tracking_number: Option<&'a str>,
    pub(super) tracking_url: Option<&'a str>,
}

/// A parcel that had only a label was cancelled; its orders stay filled.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShipmentCancelled<'a> {
    pub(super) cancellation_reason: &'a str,
    #[schema(value_type = String, format = DateTime)]
    pub(super) cancelled_at: Time,
    /// The orders in the parcel.
    pub(super) medication_orders: Vec<Uuid>,
    pub(super) shipment_id: Uuid,
}

/// A prescription changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PrescriptionUpdated {
    /// The last day on which it may be filled.
    #[schema(value_type = String, format = Date)]
    pub(super) expires_on: Day,
    pub(super) prescription_id: Uuid,
    /// The status that it left; null for its first.
    pub(super) previous_status: Option<&'static str>,
    pub(super) refills_remaining: u32,
    pub(super) status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub(super) updated_at: Time,
}

/// A refill request moved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefillUpdated<'a> {
    /// The order that fills it; null while it is reviewed, and if it was denied.
    pub(super) medication_order_id: Option<Uuid>,
    /// The fill that it was asked for.
    pub(super) medication_request_id: Uuid,
    /// The status that it left; null for its first.
    pub(super) previous_status: Option<&'static str>,
    /// Why it is reviewed, or was denied.
    pub(super) reason: Option<&'a str>,
    pub(super) refill_request_id: Uuid,
    pub(super) status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub(super) updated_at: Time,
}

/// A practitioner may prescribe from now on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PractitionerActivated<'a> {
    pub(super) practitioner_email: &'a str,
    pub(super) practitioner_id: Uuid,
    pub(super) practitioner_name: String,
    /// Null for a veterinarian, who has none.
    pub(super) practitioner_npi: Option<&'a str>,
    pub(super) practitioner_phone: Option<&'a str>,
    pub(super) practitioner_status: &'static str,
}

/// Something happened to a webhook itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhook {
    pub(super) reason: &'static str,
    pub(super) webhook_id: Uuid,
}

/// A key ends soon. What is sent with it stops working then: rotate it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyEnding {
    pub(super) clinic_id: Uuid,
    /// It ends within so many days: 30, 7 or 1.
    pub(super) days: i64,
    #[schema(value_type = String, format = DateTime)]
    pub(super) ends_at: Time,
    /// As `GET /keys` lists it.
    pub(super) key_id: Uuid,
}

/// The business associate agreement ends soon. In production nothing is answered or sent after that.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgreementEnding {
    pub(super) agreement_id: Uuid,
    pub(super) clinic_id: Uuid,
    /// It ends within so many days: 30, 7 or 1.
    pub(super) days: i64,
    #[schema(value_type = String, format = DateTime)]
    pub(super) ends_at: Time,
}
