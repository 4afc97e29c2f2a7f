//! Shipments: one parcel with one or more orders of one patient, and the scans of its way.

mod observe;

use uuid::Uuid;

pub use observe::{
    Observed, QUIET_DAYS, addressee, contradicts, is_of, observe, seen_after_end, shown_status,
};

use crate::{
    access::By,
    event::{Event, Fact, Parcel},
    history::{Subject, Transition},
    ids::{ClinicId, LineId, OrderId, PatientId, ScanId, ShipmentId},
    order::{DeliverySpeed, FillStatus},
    patient::Address,
    phi::Phi,
    refusal::Refusal,
    time::{Date, Ts},
    words,
};

words! {
    pub enum ShipmentStatus {
        LabelCreated = "label_created",
        InTransit = "in_transit",
        OutForDelivery = "out_for_delivery",
        Attempted = "attempted",
        AvailableForPickup = "available_for_pickup",
        Exception = "exception",
        Delivered = "delivered",
        Returned = "returned",
        Lost = "lost",
        Cancelled = "cancelled",
    }
}

impl ShipmentStatus {
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Returned | Self::Lost | Self::Cancelled)
    }

    /// The word on the wire: `pending` for a parcel that has only a label, then the canonical ones.
    pub const fn wire_word(self) -> &'static str {
        match self {
            Self::LabelCreated => "pending",
            other => other.as_str(),
        }
    }

    /// Reads a word of the wire.
    pub fn from_wire_word(word: &str) -> Option<Self> {
        match word {
            "pending" => Some(Self::LabelCreated),
            other => Self::parse(other),
        }
    }

    /// Whether staff may say that a parcel went from here to `next`: forward, with jumps.
    pub const fn can_become(self, next: Self) -> bool {
        use ShipmentStatus::{
            Attempted, AvailableForPickup, Cancelled, Delivered, Exception, InTransit, LabelCreated, Lost,
            OutForDelivery, Returned,
        };
        match self {
            LabelCreated => !matches!(next, LabelCreated),
            InTransit => !matches!(next, LabelCreated | InTransit | Cancelled),
            OutForDelivery => {
                matches!(next, Attempted | AvailableForPickup | Exception | Delivered | Returned | Lost)
            }
            Attempted => {
                matches!(next, OutForDelivery | AvailableForPickup | Exception | Delivered | Returned | Lost)
            }
            AvailableForPickup => matches!(next, Exception | Delivered | Returned | Lost),
            Exception => !matches!(next, LabelCreated | Exception | Cancelled),
            Delivered | Returned | Lost | Cancelled => false,
        }
    }

    /// What this means for the orders in the parcel, once it has left.
    pub const fn order_goal(self) -> Option<FillStatus> {
        match self {
            Self::LabelCreated | Self::Cancelled => None,
            Self::Delivered => Some(FillStatus::Delivered),
            Self::Returned => Some(FillStatus::Returned),
            Self::Lost => Some(FillStatus::Lost),
            _ => Some(FillStatus::Shipped),
        }
    }
}

/// A line in a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    pub order_id: OrderId,
    pub line_id: LineId,
}

/// One report of where a parcel was.
#[derive(Debug, Clone)]
pub struct Scan {
    pub id: ScanId,
    pub occurred_at: Ts,
    /// `None` where the carrier's word is not known: such a report is kept and moves nothing.
    pub status: Option<ShipmentStatus>,
    /// The carrier's own word, as it was sent.
    pub word: Option<String>,
    pub location: Option<String>,
    pub message: Option<String>,
    /// When the platform learnt of it.
    pub recorded_at: Ts,
}

#[derive(Debug, Clone)]
pub struct Shipment {
    pub id: ShipmentId,
    pub clinic_id: ClinicId,
    pub patient_id: PatientId,
    pub ordering_key: Uuid,
    pub status: ShipmentStatus,
    pub carrier_id: String,
    pub carrier_name: String,
    pub service_id: String,
    pub tracking_number: Option<String>,
    pub tracking_url: Option<String>,
    pub delivery_method: DeliverySpeed,
    pub delivery_location: Phi<Address>,
    pub notes: Option<Phi<String>>,
    /// The planned ship time.
    pub ships_at: Ts,
    pub estimated_delivery_date: Option<Date>,
    /// The newest time that a carrier, or staff, reported.
    pub latest_scan_at: Option<Ts>,
    pub cancellation_reason: Option<Phi<String>>,
    pub cancelled_at: Option<Ts>,
    pub version: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
    pub packed: Vec<Packed>,
}

impl Shipment {
    /// The orders in the parcel, each once, in the order in which they were packed.
    pub fn orders(&self) -> Vec<OrderId> {
        let mut orders: Vec<OrderId> = Vec::new();
        for packed in &self.packed {
            if !orders.contains(&packed.order_id) {
                orders.push(packed.order_id);
            }
        }
        orders
    }

    /// What is told of it with an order that left in it.
    pub fn told(&self) -> Parcel {
        Parcel {
            tracking_number: self.tracking_number.clone(),
            carrier_name: self.carrier_name.clone(),
            tracking_url: self.tracking_url.clone(),
            estimated_delivery_date: self.estimated_delivery_date,
        }
    }

    fn transition(&self, from: Option<ShipmentStatus>, by: By, note: Option<&str>, now: Ts) -> Transition {
        Transition {
            clinic_id: self.clinic_id,
            subject: Subject::Shipment,
            subject_id: self.id.0,
            order_id: self.packed.first().map(|packed| packed.order_id),
            from: from.map(ShipmentStatus::as_str),
            to: self.status.as_str(),
            by,
            reason: None,
            note: note.map(|note| Phi::new(note.to_owned())),
            at: now,
        }
    }

    fn event(&self, now: Ts, fact: Fact) -> Event {
        Event { clinic_id: self.clinic_id, ordering_key: Some(self.ordering_key), at: now, fact }
    }

    /// The history of a new parcel.
    pub fn opened(&self, by: By) -> Transition {
        self.transition(None, by, None, self.created_at)
    }
}

/// A decided change of a parcel.
#[derive(Debug, Clone)]
pub struct Moved {
    pub shipment: Shipment,
    pub history: Transition,
    pub event: Event,
}

/// A parcel was seen: it moves to the scan's status, unless that is impossible from where it is.
pub fn move_to(shipment: &Shipment, scan: &Scan, by: By) -> Result<Moved, Refusal> {
    let from = shipment.status;
    match scan.status {
        Some(next) if next != ShipmentStatus::Cancelled && from.can_become(next) => {
            Ok(moved(shipment, next, scan, by, scan.occurred_at))
        }
        next => Err(Refusal::transition(from.as_str(), next.unwrap_or(from).as_str())),
    }
}

/// The parcel at its next status. `now` is when the platform learns of it, which may be later than the scan.
fn moved(shipment: &Shipment, next: ShipmentStatus, scan: &Scan, by: By, now: Ts) -> Moved {
    let from = shipment.status;
    let seen_at = shipment.latest_scan_at.map_or(scan.occurred_at, |latest| latest.max(scan.occurred_at));
    let moved = Shipment { status: next, latest_scan_at: Some(seen_at), updated_at: now, ..shipment.clone() };
    let history = moved.transition(Some(from), by, scan.message.as_deref(), now);
    let event = moved.event(
        now,
        Fact::ShipmentMoved {
            shipment: moved.clone(),
            previous_status: from,
            location: scan.location.clone(),
            message: scan.message.clone(),
            occurred_at: scan.occurred_at,
        },
    );
    Moved { shipment: moved, history, event }
}

/// Cancels a parcel that has only a label. `reason` is staff's, and goes to partners.
pub fn cancel(shipment: &Shipment, by: By, reason: &str, now: Ts) -> Result<Moved, Refusal> {
    let from = shipment.status;
    if from != ShipmentStatus::LabelCreated {
        return Err(Refusal::transition(from.as_str(), ShipmentStatus::Cancelled.as_str()));
    }
    let moved = Shipment {
        status: ShipmentStatus::Cancelled,
        cancellation_reason: Some(Phi::new(reason.to_owned())),
        cancelled_at: Some(now),
        updated_at: now,
        ..shipment.clone()
    };
    let history = moved.transition(Some(from), by, Some(reason), now);
    let event = moved.event(
        now,
        Fact::ShipmentCancelled { shipment_id: moved.id, orders: moved.orders(), reason: reason.to_owned() },
    );
    Ok(Moved { shipment: moved, history, event })
}

#[cfg(test)]
mod tests {
    use super::ShipmentStatus;

    #[test]
    fn a_final_state_stays() {
        for &from in ShipmentStatus::ALL.iter().filter(|status| status.is_final()) {
            assert!(ShipmentStatus::ALL.iter().all(|&to| !from.can_become(to)), "{from}");
        }
    }

    #[test]
    fn nothing_returns_to_a_label_and_only_a_label_is_cancelled() {
        for &from in ShipmentStatus::ALL {
            assert!(!from.can_become(ShipmentStatus::LabelCreated), "{from}");
            assert_eq!(
                from.can_become(ShipmentStatus::Cancelled),
                from == ShipmentStatus::LabelCreated,
                "{from}"
            );
        }
    }
}
