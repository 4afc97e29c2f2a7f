//! Refill requests: asked for, decided, and then as far along as the order that fills them.

use crate::{
    access::By,
    event::{Event, Fact, RefillChange},
    history::{Subject, Transition},
    ids::{ClinicId, LineId, OrderId, PatientId, PrescriptionId, RefillId},
    order::FillStatus,
    phi::Phi,
    quantity::Quantity,
    time::Ts,
    words,
};

words! {
    pub enum RefillStatus {
        Pending = "pending",
        Approved = "approved",
        Processing = "processing",
        Shipped = "shipped",
        Delivered = "delivered",
        Denied = "denied",
        Cancelled = "cancelled",
    }
}

impl RefillStatus {
    /// Whether another refill of the prescription must wait for this one.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Approved | Self::Processing)
    }

    /// What an approved refill reads off its order's standing.
    pub const fn of_order(standing: FillStatus) -> Self {
        match standing {
            FillStatus::Received | FillStatus::Verified | FillStatus::OnHold | FillStatus::Profiled => {
                Self::Approved
            }
            FillStatus::Submitted | FillStatus::Acknowledged | FillStatus::Filling | FillStatus::Filled => {
                Self::Processing
            }
            FillStatus::Shipped | FillStatus::Lost | FillStatus::Returned => Self::Shipped,
            FillStatus::Delivered => Self::Delivered,
            FillStatus::Cancelled | FillStatus::Rejected => Self::Cancelled,
        }
    }

    const fn change(self) -> RefillChange {
        match self {
            Self::Pending => RefillChange::Requested,
            Self::Approved => RefillChange::Approved,
            Self::Processing => RefillChange::Processing,
            Self::Shipped => RefillChange::Shipped,
            Self::Delivered => RefillChange::Delivered,
            Self::Denied => RefillChange::Denied,
            Self::Cancelled => RefillChange::Cancelled,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Refill {
    pub id: RefillId,
    pub clinic_id: ClinicId,
    pub patient_id: PatientId,
    pub prescription_id: PrescriptionId,
    /// The fill that it was asked for.
    pub line_id: LineId,
    /// The order that fills it; none while it is reviewed.
    pub order_id: Option<OrderId>,
    pub status: RefillStatus,
    pub requested_quantity: Quantity,
    pub approved_quantity: Option<Quantity>,
    /// The code of the rule for which it is reviewed.
    pub review_reason: Option<String>,
    /// Staff's reason of a denial, written for partners.
    pub decision_reason: Option<Phi<String>>,
    pub shipment_group: Option<Phi<String>>,
    pub version: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
}

impl Refill {
    /// The event of the refill as it now stands, ordered with its order if it has one.
    pub fn event(&self, previous: Option<RefillStatus>, ordering_key: Option<uuid::Uuid>, now: Ts) -> Event {
        self.event_of(self.status.change(), self.status, previous, ordering_key, now)
    }

    /// The event that every creation emits, whatever was decided in the same moment.
    pub fn requested_event(&self, ordering_key: Option<uuid::Uuid>, now: Ts) -> Event {
        self.event_of(RefillChange::Requested, RefillStatus::Pending, None, ordering_key, now)
    }

    fn event_of(
        &self,
        change: RefillChange,
        status: RefillStatus,
        previous: Option<RefillStatus>,
        ordering_key: Option<uuid::Uuid>,
        now: Ts,
    ) -> Event {
        Event {
            clinic_id: self.clinic_id,
            ordering_key,
            at: now,
            fact: Fact::RefillChanged {
                change,
                refill_id: self.id,
                prescription_id: self.prescription_id,
                line_id: self.line_id,
                order_id: self.order_id,
                status,
                previous_status: previous,
                reason: match change {
                    RefillChange::Requested => self.review_reason.clone(),
                    RefillChange::Denied => {
                        self.decision_reason.as_ref().map(|reason| reason.expose().clone())
                    }
                    _ => None,
                },
            },
        }
    }

    /// The row of history that a change of status leaves.
    pub fn transition(&self, from: Option<RefillStatus>, by: By, note: Option<&str>, now: Ts) -> Transition {
        Transition {
            clinic_id: self.clinic_id,
            subject: Subject::Refill,
            subject_id: self.id.0,
            order_id: self.order_id,
            from: from.map(RefillStatus::as_str),
            to: self.status.as_str(),
            by,
            reason: None,
            note: note.map(|note| Phi::new(note.to_owned())),
            at: now,
        }
    }
}
