//! Medication orders and requests on the wire.

use nimbus_app::orders::{self, Created, HistoryRow, LineView};
use nimbus_core::{
    history::Subject,
    order::{FillStatus, Hold, Line, Order, Shipping},
    prescription::Prescription,
    shipment::{Shipment, ShipmentStatus},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    partner_api::patients::types::AddressBody,
    wire::{Amount, Day, Time},
    words,
};

/// Who reads: partners do not see staff's notes, nor who of the staff acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Partner,
    Staff,
}

#[derive(ToSchema)]
pub struct OrderCreate {
    pub patient_id: Uuid,
    pub practitioner_id: Uuid,
    /// The key's clinic.
    pub clinic_id: Uuid,
    /// With `service_id`; or `delivery_speed` instead of the two.
    #[schema(example = "se-3818360")]
    pub carrier_id: Option<String>,
    #[schema(example = "fedex_2day")]
    pub service_id: Option<String>,
    #[schema(value_type = Option<words::DeliverySpeed>)]
    pub delivery_speed: Option<String>,
    pub is_refrigerated: Option<bool>,
    /// Orders of one patient with the same group ship together.
    #[schema(max_length = 100)]
    pub shipment_group_id: Option<String>,
    #[schema(max_length = 2000)]
    pub notes: Option<String>,
    /// The patient's, if not given.
    pub shipping_address: Option<AddressBody>,
    #[schema(min_items = 1, max_items = 25)]
    pub medication_requests: Vec<RequestBody>,
}

#[derive(ToSchema)]
pub struct RequestBody {
    #[schema(max_length = 200, example = "Semaglutide")]
    pub medication: String,
    #[schema(max_length = 100, example = "2.5mg/ml")]
    pub dose: String,
    /// Derived from the dose where it can be.
    #[schema(max_length = 50, example = "ml")]
    pub unit_of_measure: Option<String>,
    /// Over 0, at most three decimal places; a number or its text.
    pub quantity: Amount,
    /// The sig: how the patient uses it.
    #[schema(max_length = 1000, example = "Inject 0.1 ml subcutaneously once weekly")]
    pub direction: String,
    /// 0 (the default) to 99; a number or its text.
    #[schema(maximum = 99)]
    pub refills: Option<u32>,
    #[schema(minimum = 1, maximum = 365)]
    pub days_supply: Option<u32>,
    #[schema(max_length = 100)]
    pub flavor: Option<String>,
    #[schema(max_length = 2000)]
    pub notes: Option<String>,
    pub do_not_refill: Option<bool>,
    /// Keeps the prescription on file without filling it.
    pub do_not_fill: Option<bool>,
    pub patient_contact_requested: Option<bool>,
    #[schema(max_length = 500)]
    pub reason_for_compounding: Option<String>,
    #[schema(max_length = 2000)]
    pub reason_for_compounding_additional_context: Option<String>,
    /// With hyphens, or all eleven digits.
    pub ndc: Option<String>,
}

#[derive(ToSchema)]
pub struct CancelBody {
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

/// What resolves a hold: the fields that it names.
#[derive(ToSchema)]
pub struct ResolveBody {
    /// Of an `address` hold: where the order goes instead.
    pub shipping_address: Option<AddressBody>,
    /// Only where the pharmacy does not know the drug.
    #[schema(max_length = 200)]
    pub medication: Option<String>,
    pub ndc: Option<String>,
    #[schema(max_length = 1000, example = "Take one tablet by mouth daily")]
    pub direction: Option<String>,
    pub quantity: Option<Amount>,
    #[schema(max_length = 50)]
    pub unit_of_measure: Option<String>,
    #[schema(minimum = 1, maximum = 365)]
    pub days_supply: Option<u32>,
    #[schema(max_length = 500)]
    pub reason_for_compounding: Option<String>,
    #[schema(max_length = 2000)]
    pub reason_for_compounding_additional_context: Option<String>,
    #[schema(max_length = 200)]
    pub animal_owner_name: Option<String>,
    /// A number, or text with a unit.
    #[schema(max_length = 50)]
    pub weight: Option<String>,
    /// For the pharmacy.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct OrderCreated {
    pub medication_order_id: Uuid,
    /// The first medication request's.
    pub medication_request_id: Option<Uuid>,
    #[schema(value_type = words::OrderStatus)]
    pub status: &'static str,
    pub medications: Vec<MedicationCreated>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct MedicationCreated {
    /// The medication request's id.
    pub id: Uuid,
    pub prescription_id: Uuid,
    pub medication: String,
    pub dose: String,
    pub quantity_authorized: Amount,
    pub days_supply: Option<u32>,
    pub refills_authorized: u32,
    pub sig: String,
    pub date_issued: Day,
}

impl From<&Created> for OrderCreated {
    fn from(created: &Created) -> Self {
        let medication = |line: &Line| {
            let prescription = created.prescriptions.iter().find(|it| it.id == line.prescription_id)?;
            let detail = prescription.detail.expose();
            Some(MedicationCreated {
                id: line.id.0,
                prescription_id: prescription.id.0,
                medication: detail.medication.clone(),
                dose: detail.dose.clone(),
                quantity_authorized: Amount(prescription.quantity),
                days_supply: prescription.days_supply,
                refills_authorized: prescription.refills_authorized,
                sig: detail.direction.clone(),
                date_issued: Day(prescription.date_issued),
            })
        };
        Self {
            medication_order_id: created.order.id.0,
            medication_request_id: created.order.lines.first().map(|line| line.id.0),
            status: created.order.status.read_word(),
            medications: created.order.lines.iter().filter_map(medication).collect(),
            warnings: created.warnings.clone(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct OrderView {
    pub id: Uuid,
    pub medication_order_id: Uuid,
    #[schema(value_type = words::OrderStatus)]
    pub status: &'static str,
    pub clinic_id: Uuid,
    pub patient_id: Uuid,
    pub practitioner_id: Uuid,
    pub medication_requests: Vec<RequestView>,
    pub holds: Vec<HoldView>,
    /// Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub shipments: Option<Vec<ShipmentSummary>>,
    pub shipping: ShippingView,
    pub shipping_address: AddressBody,
    pub is_refrigerated: bool,
    pub shipment_group_id: Option<String>,
    pub notes: Option<String>,
    pub cancellation_requested_at: Option<Time>,
    /// The refill request that it fills.
    pub refill_request_id: Option<Uuid>,
    /// The returned or lost order that it replaces.
    pub replaces: Option<Uuid>,
    /// Oldest first. Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status_history: Option<Vec<HistoryView>>,
    pub created_at: Time,
    pub updated_at: Time,
}

impl OrderView {
    /// An order by itself.
    pub(crate) fn of_order(order: &Order) -> Self {
        Self {
            id: order.id.0,
            medication_order_id: order.id.0,
            status: order.status.read_word(),
            clinic_id: order.clinic_id.0,
            patient_id: order.patient_id.0,
            practitioner_id: order.practitioner_id.0,
            medication_requests: order.lines.iter().map(|line| RequestView::of_line(line, None)).collect(),
            holds: order.holds.iter().map(HoldView::from).collect(),
            shipments: None,
            shipping: ShippingView::from(&order.shipping),
            shipping_address: AddressBody::from(order.shipping_address.expose()),
            is_refrigerated: order.refrigerated,
            shipment_group_id: order.shipment_group.as_ref().map(|group| group.expose().clone()),
            notes: order.notes.as_ref().map(|notes| notes.expose().clone()),
            cancellation_requested_at: order.cancellation_requested_at.map(Time),
            refill_request_id: order.refill_id.map(|id| id.0),
            replaces: order.replaces.map(|id| id.0),
            status_history: None,
            created_at: Time(order.created_at),
            updated_at: Time(order.updated_at),
        }
    }

    /// An order with everything about it.
    pub(crate) fn of_view(view: &orders::OrderView, audience: Audience) -> Self {
        let prescription = |line: &Line| view.prescriptions.iter().find(|it| it.id == line.prescription_id);
        let lines = view.order.lines.iter();
        Self {
            medication_requests: lines.map(|line| RequestView::of_line(line, prescription(line))).collect(),
            shipments: Some(view.shipments.iter().map(ShipmentSummary::from).collect()),
            status_history: Some(view.history.iter().map(|row| HistoryView::of(row, audience)).collect()),
            ..Self::of_order(&view.order)
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct RequestView {
    pub id: Uuid,
    pub medication_request_id: Uuid,
    pub prescription_id: Uuid,
    /// Where it is read by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub medication_order_id: Option<Uuid>,
    /// The words of an order, and `profiled`.
    #[schema(value_type = words::OrderStatus)]
    pub status: &'static str,
    /// Left out in lists, like `dose`, `sig` and `refills_remaining`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub medication: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dose: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sig: Option<String>,
    pub quantity: Amount,
    pub days_supply: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refills_remaining: Option<u32>,
    pub rx_number: Option<String>,
    /// The pharmacy system's own word for the state.
    pub pharmetika_status: String,
    pub shipment_id: Option<Uuid>,
    pub tracking_number: Option<String>,
    pub filled_on: Option<Day>,
    pub updated_at: Time,
    /// Where it is read by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub holds: Option<Vec<HoldView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status_history: Option<Vec<HistoryView>>,
}

impl RequestView {
    fn of_line(line: &Line, prescription: Option<&Prescription>) -> Self {
        let detail = prescription.map(|prescription| prescription.detail.expose());
        Self {
            id: line.id.0,
            medication_request_id: line.id.0,
            prescription_id: line.prescription_id.0,
            medication_order_id: None,
            status: line.status.read_word(),
            medication: detail.map(|detail| detail.medication.clone()),
            dose: detail.map(|detail| detail.dose.clone()),
            sig: detail.map(|detail| detail.direction.clone()),
            quantity: Amount(line.quantity),
            days_supply: line.days_supply,
            refills_remaining: prescription.map(Prescription::refills_remaining),
            rx_number: line.rx_number.clone(),
            pharmetika_status: line.pharmacy_word.clone().unwrap_or_else(|| line.status.as_str().to_owned()),
            shipment_id: line.shipment_id.map(|id| id.0),
            tracking_number: line.tracking_number.clone(),
            filled_on: line.filled_on.map(Day),
            updated_at: Time(line.updated_at),
            holds: None,
            status_history: None,
        }
    }
}

impl From<&LineView> for RequestView {
    fn from(view: &LineView) -> Self {
        let holds = view.order.holds.iter().filter(|hold| hold.line_id == view.line.id);
        let history = view.history.iter().map(|row| HistoryView::of(row, Audience::Partner));
        Self {
            medication_order_id: Some(view.order.id.0),
            holds: Some(holds.map(HoldView::from).collect()),
            status_history: Some(history.collect()),
            ..Self::of_line(&view.line, Some(&view.prescription))
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct HoldView {
    pub id: Uuid,
    pub medication_request_id: Uuid,
    #[schema(value_type = words::HoldReason)]
    pub reason: &'static str,
    /// What is wrong, in a sentence.
    pub message: String,
    #[schema(value_type = words::Resolver)]
    pub resolvable_by: &'static str,
    /// How it is resolved, in a sentence.
    pub how: &'static str,
    /// What to send to resolve it: one of these at least. Empty where the pharmacy resolves it. `dea_number` is sent
    /// as a change of the practitioner.
    #[schema(value_type = Vec<words::HoldField>)]
    pub required_fields: Vec<&'static str>,
    /// The gate that placed it; null where staff or the platform did.
    #[schema(value_type = Option<words::Gate>)]
    pub gate: Option<&'static str>,
    /// The regulation or policy behind it.
    pub citation: Option<String>,
    pub placed_at: Time,
    pub released_at: Option<Time>,
    /// What the pharmacy wrote about it for the partner.
    pub note: Option<String>,
}

impl From<&Hold> for HoldView {
    fn from(hold: &Hold) -> Self {
        let cause = hold.cause.as_ref();
        Self {
            id: hold.id.0,
            medication_request_id: hold.line_id.0,
            reason: hold.reason.as_str(),
            message: hold.message().to_owned(),
            resolvable_by: if hold.is_partners() { "partner" } else { "pharmacy" },
            how: hold.how(),
            required_fields: hold.fields().iter().map(|field| field.as_str()).collect(),
            gate: cause.map(|cause| cause.gate.as_str()),
            citation: cause.and_then(|cause| cause.citation.clone()),
            placed_at: Time(hold.placed_at),
            released_at: hold.released_at.map(Time),
            note: hold.note.as_ref().map(|note| note.expose().clone()),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ShipmentSummary {
    pub id: Uuid,
    #[schema(value_type = words::ShipmentStatus)]
    pub status: &'static str,
    pub carrier: String,
    pub tracking_number: Option<String>,
    pub tracking_url: Option<String>,
    pub estimated_delivery_date: Option<Day>,
}

impl From<&Shipment> for ShipmentSummary {
    fn from(shipment: &Shipment) -> Self {
        Self {
            id: shipment.id.0,
            status: shipment.status.wire_word(),
            carrier: shipment.carrier_name.clone(),
            tracking_number: shipment.tracking_number.clone(),
            tracking_url: shipment.tracking_url.clone(),
            estimated_delivery_date: shipment.estimated_delivery_date.map(Day),
        }
    }
}

/// A carrier's service, or a delivery speed.
#[derive(Serialize, ToSchema)]
pub struct ShippingView {
    pub carrier_id: Option<String>,
    pub service_id: Option<String>,
    #[schema(value_type = Option<words::DeliverySpeed>)]
    pub delivery_speed: Option<&'static str>,
}

impl From<&Shipping> for ShippingView {
    fn from(shipping: &Shipping) -> Self {
        match shipping.clone() {
            Shipping::Service { carrier_id, service_id } => {
                Self { carrier_id: Some(carrier_id), service_id: Some(service_id), delivery_speed: None }
            }
            Shipping::Speed(speed) => {
                Self { carrier_id: None, service_id: None, delivery_speed: Some(speed.as_str()) }
            }
        }
    }
}

/// One change of a status.
#[derive(Serialize, ToSchema)]
pub struct HistoryView {
    #[schema(value_type = words::HistorySubject)]
    pub subject: &'static str,
    pub subject_id: Uuid,
    pub from: Option<String>,
    pub to: String,
    /// A word, such as the reason of a hold.
    pub reason: Option<String>,
    pub at: Time,
    #[schema(value_type = words::ActorKind)]
    pub actor_kind: String,
    /// For staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub actor: Option<String>,
    /// For staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub note: Option<String>,
}

impl HistoryView {
    fn of(row: &HistoryRow, audience: Audience) -> Self {
        let staff = audience == Audience::Staff;
        Self {
            subject: row.subject.as_str(),
            subject_id: row.subject_id,
            from: row.from.as_deref().map(|word| read_word(row.subject, word).to_owned()),
            to: read_word(row.subject, &row.to).to_owned(),
            reason: row.reason.clone(),
            at: Time(row.at),
            actor_kind: words::actor_kind(&row.actor_kind),
            actor: staff.then(|| row.actor.clone()),
            note: row.note.as_ref().filter(|_| staff).map(|note| note.expose().clone()),
        }
    }
}

/// A stored word of a history as reads show it.
fn read_word(subject: Subject, word: &str) -> &str {
    match subject {
        Subject::Order | Subject::MedicationRequest => {
            FillStatus::parse(word).map_or(word, |status| status.read_word())
        }
        Subject::Shipment => ShipmentStatus::parse(word).map_or(word, |status| status.wire_word()),
        Subject::Prescription | Subject::Refill | Subject::Practitioner => word,
    }
}
