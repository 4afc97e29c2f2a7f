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

words! {
    /// What the image of a signature is, by its media type.
    pub enum ImageKind {
        Png = "image/png",
        Svg = "image/svg+xml",
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
    /// Whether the image of a signature is on file.
    pub has_signature: bool,
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
    let moved = Practitioner { status: next, updated_at: now, ..practitioner.clone() };
    let transition = Transition {
        note: note.map(|note| Phi::new(note.to_owned())),
        ..entry(&moved, Some(practitioner.status), by, now)
    };
    let events = activation(&moved, now);
    Ok((moved, transition, events))
}

/// The practitioner as another clinic of the partner comes to know them. Who they are has been verified once, so
/// that they stand there as they stand here.
///
/// # Errors
/// An inactive practitioner is not assigned.
pub fn assign(
    practitioner: &Practitioner,
    clinic_id: ClinicId,
    id: PractitionerId,
    by: By,
    now: Ts,
) -> Result<(Practitioner, Transition, Vec<Event>), Refusal> {
    if practitioner.status == PractitionerStatus::Inactive {
        return Err(Refusal::Inactive("practitioner"));
    }
    let copy = Practitioner {
        id,
        clinic_id,
        has_signature: false,
        version: 1,
        created_at: now,
        updated_at: now,
        ..practitioner.clone()
    };
    let (transition, events) = (entry(&copy, None, by, now), activation(&copy, now));
    Ok((copy, transition, events))
}

/// Takes a practitioner out of `inactive`, which an ended assignment had put them into and which nothing else
/// leads out of: the assignment is made again.
pub fn reassign(
    practitioner: &Practitioner,
    status: PractitionerStatus,
    by: By,
    now: Ts,
) -> (Practitioner, Transition, Vec<Event>) {
    let moved = Practitioner { status, updated_at: now, ..practitioner.clone() };
    let (transition, events) = (entry(&moved, Some(practitioner.status), by, now), activation(&moved, now));
    (moved, transition, events)
}

fn entry(moved: &Practitioner, from: Option<PractitionerStatus>, by: By, now: Ts) -> Transition {
    Transition {
        clinic_id: moved.clinic_id,
        subject: Subject::Practitioner,
        subject_id: moved.id.0,
        order_id: None,
        from: from.map(PractitionerStatus::as_str),
        to: moved.status.as_str(),
        by,
        reason: None,
        note: None,
        at: now,
    }
}

/// What partners are told of a practitioner's entry to its status.
fn activation(moved: &Practitioner, now: Ts) -> Vec<Event> {
    match moved.status {
        PractitionerStatus::Active => vec![Event {
            clinic_id: moved.clinic_id,
            ordering_key: None,
            at: now,
            fact: Fact::PractitionerActivated { practitioner: moved.clone() },
        }],
        _ => Vec::new(),
    }
}
