//! One row of the append-only history: who moved what, when, from where to where, and why.

use uuid::Uuid;

use crate::{
    access::By,
    ids::{ClinicId, OrderId},
    phi::Phi,
    time::Ts,
    words,
};

words! {
    /// What a row of history is about.
    pub enum Subject {
        MedicationRequest = "medication_request",
        Order = "order",
        Prescription = "prescription",
        Refill = "refill",
        Shipment = "shipment",
        Practitioner = "practitioner",
    }
}

/// One transition.
#[derive(Debug, Clone)]
pub struct Transition {
    pub clinic_id: ClinicId,
    pub subject: Subject,
    pub subject_id: Uuid,
    /// The order in whose history it is shown, if it belongs to one.
    pub order_id: Option<OrderId>,
    /// Where it stood before; `None` for its beginning.
    pub from: Option<&'static str>,
    pub to: &'static str,
    pub by: By,
    /// A word from a closed set, such as a hold's reason.
    pub reason: Option<&'static str>,
    /// What the actor wrote. It may hold patient data.
    pub note: Option<Phi<String>>,
    pub at: Ts,
}
