//! Medication orders: one fulfilment of 1–25 medication requests, each a fill of one prescription.

mod cancel;
mod holds;
mod status;
mod work;

use uuid::Uuid;

pub use cancel::{accept_cancellation, cancel, decline_cancellation, request_cancellation};
pub use holds::{
    Cause, RefusedAct, Stop, place_hold, place_stops, refused_before, release_holds, resolve_holds,
};
pub use status::{FillStatus, HoldReason, order_status};
pub use work::{Lines, Work, after_shipment, open_order, work, work_unless_stopped};

use crate::{
    access::By,
    event::{Event, Fact, MedicationChange, OrderChange, Parcel},
    gates::Field,
    history::{Subject, Transition},
    ids::{
        ClinicId, HoldId, LineId, OrderId, PatientId, PractitionerId, PrescriptionId, RefillId, ShipmentId,
    },
    patient::Address,
    phi::Phi,
    quantity::Quantity,
    time::{Date, Ts},
    words,
};

/// The most lines of one order.
pub const MAX_LINES: usize = 25;

words! {
    /// How fast a parcel is wanted, where no service is named.
    pub enum DeliverySpeed {
        NextDay = "next-day",
        BusinessDay = "business-day",
    }
}

/// How an order is to be shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shipping {
    Service { carrier_id: String, service_id: String },
    Speed(DeliverySpeed),
}

/// A medication request: a fill of one prescription.
#[derive(Debug, Clone)]
pub struct Line {
    pub id: LineId,
    pub prescription_id: PrescriptionId,
    pub position: u32,
    pub status: FillStatus,
    /// The state that a hold left, to which the last release returns.
    pub held_from: Option<FillStatus>,
    pub quantity: Quantity,
    pub days_supply: Option<u32>,
    /// The day of `filled` in the pharmacy's time zone: the fill date of refill rules.
    pub filled_on: Option<Date>,
    pub shipment_id: Option<ShipmentId>,
    /// The tracking number of its parcel, for payloads.
    pub tracking_number: Option<String>,
    pub rx_number: Option<String>,
    /// The pharmacy system's own word for the state, as last reported.
    pub pharmacy_word: Option<String>,
    pub updated_at: Ts,
}

impl Line {
    /// The state a line stands in for ranking: a held line ranks as the state it left.
    pub fn standing(&self) -> FillStatus {
        self.held_from.unwrap_or(self.status)
    }

    /// Takes the line out of the parcel that it is in.
    pub fn unpack(&mut self) {
        self.shipment_id = None;
        self.tracking_number = None;
    }
}

/// Something that keeps a line from going on until it is resolved.
#[derive(Debug, Clone)]
pub struct Hold {
    pub id: HoldId,
    pub line_id: LineId,
    pub reason: HoldReason,
    /// What a gate found, if one placed it.
    pub cause: Option<Cause>,
    /// What staff wrote about it for the partner.
    pub note: Option<Phi<String>>,
    pub placed_at: Ts,
    pub released_at: Option<Ts>,
}

impl Hold {
    /// What a partner sends to resolve it; nothing where the pharmacy does.
    pub fn fields(&self) -> &[Field] {
        self.cause.as_ref().map_or(self.reason.fields(), |cause| &cause.fields)
    }

    /// Whether a partner resolves it by API.
    pub fn is_partners(&self) -> bool {
        self.is_of_practitioner() || (self.reason.is_partners() && !self.fields().is_empty())
    }

    /// Whether a gate misses what is kept with the practitioner: their change resolves it, no answer to the hold.
    pub fn is_of_practitioner(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.fields.iter().any(|field| field.is_of_practitioner()))
    }

    /// How it is resolved, in a sentence for the partner.
    pub fn how(&self) -> &'static str {
        match self.is_of_practitioner() {
            true => {
                "Send the practitioner's dea_number by PATCH /api/external/practitioner/{id}; the order goes on by \
                 itself."
            }
            false => self.reason.how(),
        }
    }

    /// What is wrong, in a sentence for the partner.
    pub fn message(&self) -> &str {
        self.cause.as_ref().map_or(self.reason.message(), |cause| &cause.message)
    }
}

#[derive(Debug, Clone)]
pub struct Order {
    pub id: OrderId,
    pub clinic_id: ClinicId,
    pub patient_id: PatientId,
    pub practitioner_id: PractitionerId,
    pub status: FillStatus,
    pub shipping: Shipping,
    pub refrigerated: bool,
    /// What its events are ordered by: its shipment group, or the order itself.
    pub ordering_key: Uuid,
    pub shipment_group: Option<Phi<String>>,
    pub shipping_address: Phi<Address>,
    pub notes: Option<Phi<String>>,
    pub cancellation_requested_at: Option<Ts>,
    /// The refill request that it fills, if it is a refill.
    pub refill_id: Option<RefillId>,
    /// The returned or lost order that it replaces.
    pub replaces: Option<OrderId>,
    /// How many refills of its one prescription it consumes; they are given back if it comes to nothing.
    pub refills_consumed: u32,
    pub version: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
    pub lines: Vec<Line>,
    /// Every hold it ever had, oldest first.
    pub holds: Vec<Hold>,
}

impl Order {
    pub fn line(&self, id: LineId) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id)
    }

    /// The least advanced live line, a held one ranking as the state it left: what refills and the orders API
    /// read. It differs from `status` only while all live lines are on hold.
    pub fn standing(&self) -> FillStatus {
        self.lines
            .iter()
            .map(Line::standing)
            .filter(|status| status.is_live())
            .min_by_key(|status| status.rank())
            .unwrap_or(self.status)
    }

    /// What partners are told of the order as it now stands.
    pub fn event(&self, change: OrderChange, reason: Option<String>, now: Ts) -> Event {
        Event {
            clinic_id: self.clinic_id,
            ordering_key: Some(self.ordering_key),
            at: now,
            fact: Fact::OrderChanged {
                change,
                order_id: self.id,
                patient_id: self.patient_id,
                prescriptions: self.lines.iter().map(|line| line.prescription_id).collect(),
                status: match change {
                    OrderChange::Fulfilled => FillStatus::Shipped,
                    _ => self.standing(),
                },
                parcel: None,
                reason,
            },
        }
    }

    pub fn open_holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.iter().filter(|hold| hold.released_at.is_none())
    }
}

/// Who acts on an order, when and why.
#[derive(Debug, Clone)]
pub struct Act {
    pub now: Ts,
    /// Today in the pharmacy's time zone.
    pub today: Date,
    pub by: By,
    /// What the actor wrote for the history. It may hold patient data.
    pub reason: Option<String>,
    /// What staff wrote for the partner; it goes into the events of this change.
    pub note: Option<String>,
    /// Makes the ids of new holds; the caller brings the randomness.
    pub new_id: fn() -> Uuid,
}

/// A decided change: the order as it will be, and what is to be written with it.
#[derive(Debug, Clone)]
pub struct Decision {
    pub order: Order,
    pub history: Vec<Transition>,
    pub events: Vec<Event>,
}

impl Decision {
    fn unchanged(order: &Order) -> Self {
        Self { order: order.clone(), history: Vec::new(), events: Vec::new() }
    }

    /// Moves one line and keeps what that means: its history and, where partners are told of it, its event.
    fn move_line(
        &mut self,
        index: usize,
        to: FillStatus,
        change: Option<MedicationChange>,
        act: &Act,
        word: Option<&'static str>,
    ) {
        let from = self.order.lines[index].status;
        let line = &mut self.order.lines[index];
        line.status = to;
        line.updated_at = act.now;
        match to {
            FillStatus::OnHold => line.held_from = line.held_from.or(Some(from)),
            FillStatus::Filled if line.filled_on.is_none() => line.filled_on = Some(act.today),
            _ => {}
        }
        if to != FillStatus::OnHold {
            line.held_from = None;
        }
        let (line_id, order_id) = (line.id, self.order.id);
        self.history.push(Transition {
            clinic_id: self.order.clinic_id,
            subject: Subject::MedicationRequest,
            subject_id: line_id.0,
            order_id: Some(order_id),
            from: Some(from.as_str()),
            to: to.as_str(),
            by: act.by,
            reason: word,
            note: act.reason.clone().or_else(|| act.note.clone()).map(Phi::new),
            at: act.now,
        });
        if let Some(change) = change {
            self.tell(index, change, Some(from), act);
        }
    }

    /// The event of one line as it now stands.
    fn tell(&mut self, index: usize, change: MedicationChange, from: Option<FillStatus>, act: &Act) {
        let (order, line) = (&self.order, &self.order.lines[index]);
        self.events.push(Event {
            clinic_id: order.clinic_id,
            ordering_key: Some(order.ordering_key),
            at: act.now,
            fact: Fact::MedicationChanged {
                change,
                order_id: order.id,
                line_id: line.id,
                prescription_id: line.prescription_id,
                patient_id: order.patient_id,
                practitioner_id: order.practitioner_id,
                status: line.status,
                previous_status: from,
                pharmacy_word: line.pharmacy_word.clone(),
                rx_number: line.rx_number.clone(),
                tracking_number: line.tracking_number.clone(),
                notes: act.note.clone(),
            },
        });
    }

    /// Reads the order's own status off its lines, with a row of history if it changed, and tells of the order
    /// if partners were told of a line.
    fn settle(mut self, act: &Act) -> Self {
        let from = self.order.status;
        let to = order_status(self.order.lines.iter().map(|line| (line.status, line.standing())));
        if !self.history.is_empty() {
            self.order.updated_at = act.now;
        }
        if matches!(to, FillStatus::Cancelled | FillStatus::Rejected) {
            self.order.cancellation_requested_at = None;
        }
        if from != to {
            self.order.status = to;
            self.history.push(Transition {
                clinic_id: self.order.clinic_id,
                subject: Subject::Order,
                subject_id: self.order.id.0,
                order_id: Some(self.order.id),
                from: Some(from.as_str()),
                to: to.as_str(),
                by: act.by,
                reason: None,
                note: None,
                at: act.now,
            });
        }
        let concerns_order = |event: &Event| match &event.fact {
            Fact::MedicationChanged { change, .. } => change.is_told_of_order(),
            _ => false,
        };
        if self.events.iter().any(concerns_order) {
            for &change in told_of_order(from, to) {
                self.events.push(self.order.event(change, act.note.clone(), act.now));
            }
        }
        self
    }

    /// Names the parcel that the order left in, where it is told that it left.
    fn in_parcel(mut self, parcel: &Parcel) -> Self {
        for event in &mut self.events {
            if let Fact::OrderChanged { change: OrderChange::Fulfilled, parcel: told, .. } = &mut event.fact {
                *told = Some(parcel.clone());
            }
        }
        self
    }
}

/// What is told of an order whose status went from one to the other. A parcel that is first heard of when it has
/// arrived has left as well.
const fn told_of_order(from: FillStatus, to: FillStatus) -> &'static [OrderChange] {
    match (from.has_shipped(), to) {
        (false, FillStatus::Delivered) => &[OrderChange::Fulfilled, OrderChange::Delivered],
        (false, FillStatus::Shipped | FillStatus::Returned | FillStatus::Lost) => &[OrderChange::Fulfilled],
        (true, FillStatus::Delivered) if !matches!(from, FillStatus::Delivered) => &[OrderChange::Delivered],
        (_, FillStatus::Cancelled) if !matches!(from, FillStatus::Cancelled) => &[OrderChange::Cancelled],
        (_, FillStatus::Rejected) if !matches!(from, FillStatus::Rejected) => &[OrderChange::Cancelled],
        _ => &[OrderChange::Updated],
    }
}

#[cfg(test)]
pub(crate) mod tests;
