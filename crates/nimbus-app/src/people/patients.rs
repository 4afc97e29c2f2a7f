//! Patients in several clinics of a partner.

use nimbus_core::{
    access::Scope,
    ids::{ClinicId, PatientId, PractitionerId},
    patient::{Patient, PatientStatus, identity},
};
use nimbus_store::{
    Tx, patients as store,
    people::{self as links, PersonKind, PersonLink},
    practitioners,
};
use uuid::Uuid;

use super::{
    Assignment, Named, There, assigned_links, look_up, new_link, other_clinics, person_of,
    practitioners::bring as bring_practitioner, renew as renew_link,
};
use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    outbox::Changes,
    patients::NOT_FOUND,
    unit::{Cx, Render, Reply},
};

const KIND: PersonKind = PersonKind::Patient;
const LOST: Error = Error::Internal("a linked patient does not exist");

/// A patient in another clinic.
pub struct PatientThere {
    pub clinic_id: ClinicId,
    pub patient_id: PatientId,
    /// The patient's practitioner there.
    pub practitioner_id: PractitionerId,
    pub status: PatientStatus,
    /// The clinic had the patient: nothing was changed there.
    pub duplicate: bool,
    /// The patient's practitioner was assigned to the clinic along with the patient.
    pub practitioner_assigned: bool,
}

/// Where a patient of the key's clinic was assigned to, or is assigned to no longer.
pub struct PatientAssigned {
    pub patient_id: PatientId,
    pub clinics: Vec<PatientThere>,
}

/// Assigns a patient to other clinics of the partner. The patient's practitioner is assigned along where they are
/// missing, if the key may write practitioners. A clinic that has the patient keeps its own row, linked.
pub async fn assign_patient(
    app: &App,
    call: &Call,
    command: Assignment<PatientId>,
    render: Render<PatientAssigned>,
) -> Result<Reply> {
    call.partner(Scope::PatientsWrite)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::PatientsWrite)?.clinic_id;
            let origin = store::patient_get(tx, clinic, command.id).await?.ok_or(NOT_FOUND)?;
            let named = other_clinics(tx, cx, Scope::PatientsWrite, &command.clinics).await?;
            let (mut changes, mut clinics) = (Changes::default(), Vec::with_capacity(named.len()));
            for one in named {
                clinics.push(bring(tx, cx, &mut changes, &origin, one).await?);
            }
            changes.audit.push(audit(cx, clinic, "patient.assign", origin.id.0));
            changes.write(tx, cx).await?;
            Ok(PatientAssigned { patient_id: origin.id, clinics })
        })
    })
    .await
}

fn audit(cx: &Cx, clinic: ClinicId, action: &'static str, id: Uuid) -> nimbus_store::audit::AuditEntry {
    cx.audit(Some(clinic), action, "patient", Some(id))
}

async fn bring(
    tx: &mut Tx,
    cx: &Cx,
    changes: &mut Changes,
    origin: &Patient,
    named: &Named,
) -> Result<PatientThere> {
    let clinic_id = named.clinic_id;
    let person = person_of(tx, KIND, origin.clinic_id, origin.id.0, cx.now).await?;
    let profile = origin.profile.expose();
    let identity = identity(&profile.first_name, &profile.last_name, profile.dob);
    let same = store::patient_by_identity(tx, clinic_id, &identity).await?.map(|id| id.0);
    match look_up(tx, KIND, person, clinic_id, same, cx.now).await? {
        There::Known(id) => {
            let there = get(tx, clinic_id, PatientId(id)).await?;
            Ok(PatientThere { duplicate: true, ..shown(&there) })
        }
        There::Ended(link) => Ok(shown(&renew(tx, cx, changes, origin, &link).await?)),
        There::Nothing => {
            let (practitioner_id, practitioner_assigned) =
                practitioner_there(tx, cx, changes, origin, named).await?;
            let copy = Patient {
                id: PatientId(Uuid::now_v7()),
                clinic_id,
                practitioner_id,
                version: 1,
                created_at: cx.now,
                updated_at: cx.now,
                ..origin.clone()
            };
            store::patient_insert(tx, &copy).await?;
            links::person_link_put(tx, KIND, &new_link(clinic_id, copy.id.0, person, true), cx.now).await?;
            changes.audit.push(audit(cx, clinic_id, "patient.create", copy.id.0));
            Ok(PatientThere { practitioner_assigned, ..shown(&copy) })
        }
    }
}

/// The patient's practitioner in another clinic, and whether they were assigned to it just now.
async fn practitioner_there(
    tx: &mut Tx,
    cx: &Cx,
    changes: &mut Changes,
    patient: &Patient,
    named: &Named,
) -> Result<(PractitionerId, bool)> {
    let found = practitioners::practitioner_get(tx, patient.clinic_id, patient.practitioner_id).await?;
    let practitioner = found.ok_or(Error::Internal("a patient's practitioner does not exist"))?;
    if cx.call.partner(Scope::PractitionersWrite).is_ok() {
        let there = bring_practitioner(tx, cx, changes, &practitioner, named.clinic_id).await?;
        return Ok((there.practitioner_id, !there.duplicate));
    }
    let link = links::person_link(tx, practitioner.clinic_id, practitioner.id.0).await?;
    let there = match link.filter(PersonLink::is_live) {
        Some(link) => links::person_link_in(tx, link.person_id, named.clinic_id).await?,
        None => None,
    };
    let message = "The patient's practitioner is not assigned to this clinic";
    match there.filter(PersonLink::is_live) {
        Some(there) => Ok((PractitionerId(there.id), false)),
        None => Err(Error::field(&named.field, message)),
    }
}

async fn get(tx: &mut Tx, clinic: ClinicId, id: PatientId) -> Result<Patient> {
    store::patient_get(tx, clinic, id).await?.ok_or(LOST)
}

const fn shown(there: &Patient) -> PatientThere {
    PatientThere {
        clinic_id: there.clinic_id,
        patient_id: there.id,
        practitioner_id: there.practitioner_id,
        status: there.status,
        duplicate: false,
        practitioner_assigned: false,
    }
}

/// Makes an ended assignment again. What its end did to the row is undone; what the clinic did to it stays.
async fn renew(
    tx: &mut Tx,
    cx: &Cx,
    changes: &mut Changes,
    origin: &Patient,
    link: &PersonLink,
) -> Result<Patient> {
    let mut there = get(tx, link.clinic_id, PatientId(link.id)).await?;
    renew_link(tx, KIND, link, cx.now).await?;
    if link.ended_from.is_some() && there.status != origin.status {
        set_status(tx, cx, changes, &mut there, origin.status).await?;
    }
    Ok(there)
}

async fn set_status(
    tx: &mut Tx,
    cx: &Cx,
    changes: &mut Changes,
    patient: &mut Patient,
    status: PatientStatus,
) -> Result<()> {
    (patient.status, patient.updated_at) = (status, cx.now);
    store::patient_update(tx, patient).await?;
    patient.version += 1;
    changes.audit.push(audit(cx, patient.clinic_id, "patient.update", patient.id.0));
    Ok(())
}

/// Ends assignments: a row that an assignment made becomes inactive, and one that the clinic had by itself is
/// only no longer linked. Ending what has ended changes nothing.
pub async fn end_patient(
    app: &App,
    call: &Call,
    command: Assignment<PatientId>,
    render: Render<PatientAssigned>,
) -> Result<Reply> {
    call.partner(Scope::PatientsWrite)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::PatientsWrite)?.clinic_id;
            store::patient_status(tx, clinic, command.id).await?.ok_or(NOT_FOUND)?;
            let named = other_clinics(tx, cx, Scope::PatientsWrite, &command.clinics).await?;
            let (mut changes, mut clinics) = (Changes::default(), Vec::with_capacity(named.len()));
            for link in assigned_links(tx, clinic, command.id.0, named).await? {
                clinics.push(end(tx, cx, &mut changes, &link).await?);
            }
            changes.audit.push(audit(cx, clinic, "patient.unassign", command.id.0));
            changes.write(tx, cx).await?;
            Ok(PatientAssigned { patient_id: command.id, clinics })
        })
    })
    .await
}

async fn end(tx: &mut Tx, cx: &Cx, changes: &mut Changes, link: &PersonLink) -> Result<PatientThere> {
    let mut there = get(tx, link.clinic_id, PatientId(link.id)).await?;
    if link.is_live() {
        let before = there.status;
        let ends = link.copied && before != PatientStatus::Inactive;
        if ends {
            set_status(tx, cx, changes, &mut there, PatientStatus::Inactive).await?;
        }
        let ended_from = ends.then(|| before.as_str());
        links::person_link_end(tx, link.clinic_id, link.id, ended_from, cx.now).await?;
    }
    Ok(shown(&there))
}
