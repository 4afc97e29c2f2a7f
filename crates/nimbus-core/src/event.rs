//! Facts that partners are told of. One event per fact, written in the transaction of the fact itself.

use uuid::Uuid;

use crate::{
    ids::{
        BaaId, ClinicId, EndpointId, KeyId, LineId, OrderId, PatientId, PractitionerId, PrescriptionId,
        RefillId, ShipmentId,
    },
    order::FillStatus,
    phi::Phi,
    practitioner::Practitioner,
    prescription::PrescriptionStatus,
    refill::RefillStatus,
    shipment::{Shipment, ShipmentStatus},
    time::{Date, Ts},
    words,
};

words! {
    /// What happened to a medication request; the word follows `medication:`.
    pub enum MedicationChange {
        Validated = "validated",
        Submitted = "submitted",
        Acknowledged = "acknowledged",
        Filled = "filled",
        Shipped = "shipped",
        Delivered = "delivered",
        Cancelled = "cancelled",
        Rejected = "rejected",
        OnHold = "on_hold",
        Released = "released",
        Returned = "returned",
        Lost = "lost",
        CancellationDeclined = "cancellation_declined",
    }
}

words! {
    /// What happened to a prescription; the word follows `prescription:`.
    pub enum PrescriptionChange {
        Created = "created",
        Verified = "verified",
        OnHold = "on_hold",
        Released = "released",
        Completed = "completed",
        Expired = "expired",
        Discontinued = "discontinued",
        RefillDue = "refill_due",
    }
}

words! {
    /// What happened to a refill request; the word follows `refill:`.
    pub enum RefillChange {
        Requested = "requested",
        Approved = "approved",
        Denied = "denied",
        Processing = "processing",
        Shipped = "shipped",
        Delivered = "delivered",
        Cancelled = "cancelled",
    }
}

impl MedicationChange {
    /// Whether the orders API tells of it: holds, and what becomes of a parcel after it left, are not told there.
    pub const fn is_told_of_order(self) -> bool {
        !matches!(self, Self::OnHold | Self::Released | Self::Returned | Self::Lost)
    }
}

words! {
    /// What happened to an order as a whole; the word follows `order.`.
    pub enum OrderChange {
        Created = "created",
        /// Any progress that is none of the others.
        Updated = "updated",
        /// It left the pharmacy.
        Fulfilled = "fulfilled",
        Delivered = "delivered",
        /// Cancelled or rejected.
        Cancelled = "cancelled",
    }
}

/// What an order left in, as far as it is told with the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub tracking_number: Option<String>,
    pub carrier_name: String,
    pub tracking_url: Option<String>,
    pub estimated_delivery_date: Option<Date>,
}

/// Where a parcel's label and barcode can be opened for a while. Whoever has such a link may open it, so that it is
/// kept as patient data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParcelLinks {
    pub label: Phi<String>,
    pub barcode: Phi<String>,
}

/// A fact, when it became one, and what it is ordered by.
#[derive(Debug, Clone)]
pub struct Event {
    pub clinic_id: ClinicId,
    /// The shipment group or the order; `None` where there is no such key.
    pub ordering_key: Option<Uuid>,
    pub at: Ts,
    pub fact: Fact,
}

#[derive(Debug, Clone)]
pub enum Fact {
    /// An order changed: told once for each decision, however many of its lines it moved.
    OrderChanged {
        change: OrderChange,
        order_id: OrderId,
        patient_id: PatientId,
        /// Those of its lines, in their order.
        prescriptions: Vec<PrescriptionId>,
        /// The order's standing.
        status: FillStatus,
        /// Of [`OrderChange::Fulfilled`], where a parcel was made.
        parcel: Option<Parcel>,
        /// What staff wrote for the partner.
        reason: Option<String>,
    },
    MedicationChanged {
        change: MedicationChange,
        order_id: OrderId,
        line_id: LineId,
        prescription_id: PrescriptionId,
        patient_id: PatientId,
        practitioner_id: PractitionerId,
        status: FillStatus,
        previous_status: Option<FillStatus>,
        pharmacy_word: Option<String>,
        rx_number: Option<String>,
        tracking_number: Option<String>,
        /// What staff wrote for the partner.
        notes: Option<String>,
    },
    ShipmentCreated {
        shipment: Shipment,
        practitioner_id: PractitionerId,
        rx_number: Option<String>,
        links: ParcelLinks,
    },
    ShipmentMoved {
        shipment: Shipment,
        previous_status: ShipmentStatus,
        location: Option<String>,
        message: Option<String>,
        occurred_at: Ts,
    },
    ShipmentCancelled {
        shipment_id: ShipmentId,
        orders: Vec<OrderId>,
        reason: String,
    },
    PrescriptionChanged {
        change: PrescriptionChange,
        prescription_id: PrescriptionId,
        status: PrescriptionStatus,
        previous_status: Option<PrescriptionStatus>,
        refills_remaining: u32,
        expires_on: Date,
    },
    RefillChanged {
        change: RefillChange,
        refill_id: RefillId,
        prescription_id: PrescriptionId,
        line_id: LineId,
        order_id: Option<OrderId>,
        status: RefillStatus,
        previous_status: Option<RefillStatus>,
        reason: Option<String>,
    },
    PractitionerActivated {
        practitioner: Practitioner,
    },
    WebhookTest {
        endpoint_id: EndpointId,
    },
    WebhookDisabled {
        endpoint_id: EndpointId,
        reason: &'static str,
    },
    /// A key of the clinic ends soon, and none takes its place.
    KeyEnding {
        key_id: KeyId,
        /// Wall time.
        ends_at: Ts,
        /// At most so many days before.
        days: i64,
    },
    /// The agreement of the clinic's partner ends soon, and no other follows it.
    AgreementEnding {
        agreement_id: BaaId,
        ends_at: Ts,
        days: i64,
    },
}
