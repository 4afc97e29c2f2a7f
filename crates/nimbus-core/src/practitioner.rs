//! Practitioners: who they are, and whether they may prescribe here.

use crate::{
    access::By,
    event::{Event, Fact},
    history::{Subject, Transition},
    ids::{ClinicId, PractitionerId},
    phi::Phi,
    refusal::Refusal,
    time::Ts,
    words,
};

words! {
    /// `pending → active ⇄ suspended`, any → `inactive`.
    pub enum PractitionerStatus {
        Pending = "pending",
        Active = "active",
        Suspended = "suspended",
        Inactive = "inactive",
    }
}

impl PractitionerStatus {
    /// Whether staff or onboarding may move a practitioner from here to `next`.
    pub fn can_become(self, next: Self) -> bool {
        use PractitionerStatus::{Active, Inactive, Pending, Suspended};
        matches!(
            (self, next),
            (Pending | Suspended, Active) | (Active, Suspended) | (Pending | Active | Suspended, Inactive)
        )
    }
}

/// A practitioner's details and credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct PractitionerProfile {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub npi: Option<String>,
    pub is_veterinarian: bool,
    pub phone: Option<String>,
    pub address_line_1: String,
    pub address_line_2: Option<String>,
    pub city: String,
    pub state_code: String,
    pub zip_code: String,
    pub dea_number: Option<String>,
    pub license_number: Option<String>,
    pub license_state: Option<String>,
}

/// A practitioner, as one clinic knows them.
#[derive(Debug, Clone)]
pub struct Practitioner {
    pub id: PractitionerId,
    pub clinic_id: ClinicId,
    pub status: PractitionerStatus,
    pub profile: Phi<PractitionerProfile>,
    pub version: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
}

/// Moves a practitioner. Every entry to `active` is told to partners.
pub fn change_status(
    practitioner: &Practitioner,
    next: PractitionerStatus,
    by: By,
    note: Option<&str>,
    now: Ts,
) -> Result<(Practitioner, Transition, Vec<Event>), Refusal> {
    if !practitioner.status.can_become(next) {
        return Err(Refusal::transition(practitioner.status.as_str(), next.as_str()));
    }
    let transition = Transition {
        clinic_id: practitioner.clinic_id,
        subject: Subject::Practitioner,
        subject_id: practitioner.id.0,
        order_id: None,
        from: Some(practitioner.status.as_str()),
        to: next.as_str(),
        by,
        reason: None,
        note: note.map(|note| Phi::new(note.to_owned())),
        at: now,
    };
    let moved = Practitioner { status: next, updated_at: now, ..practitioner.clone() };
    let events = match next {
        PractitionerStatus::Active => vec![Event {
            clinic_id: moved.clinic_id,
            ordering_key: None,
            at: now,
            fact: Fact::PractitionerActivated { practitioner: moved.clone() },
        }],
        _ => Vec::new(),
    };
    Ok((moved, transition, events))
}
