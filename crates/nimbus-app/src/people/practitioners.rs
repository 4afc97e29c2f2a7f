//! Practitioners in several clinics of a partner.

use nimbus_core::{
    access::Scope,
    ids::{ClinicId, PractitionerId},
    practitioner::{Practitioner, PractitionerStatus, assign, change_status, reassign},
    refusal::Refusal,
};
use nimbus_store::{
    Tx,
    people::{self as links, PersonKind, PersonLink},
    practitioners as store,
};
use uuid::Uuid;

use super::{
    Assignment, There, assigned_links, look_up, new_link, other_clinics, person_of, renew as renew_link,
};
use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    outbox::Changes,
    practitioners::{NOT_FOUND, release_held_orders},
    unit::{Cx, Render, Reply},
};

const KIND: PersonKind = PersonKind::Practitioner;
const LOST: Error = Error::Internal("a linked practitioner does not exist");

/// A practitioner in another clinic.
pub struct PractitionerThere {
    pub clinic_id: ClinicId,
    pub practitioner_id: PractitionerId,
    pub status: PractitionerStatus,
    /// The clinic had the practitioner: nothing was changed there.
    pub duplicate: bool,
}

/// Where a practitioner of the key's clinic was assigned to, or is assigned to no longer.
pub struct PractitionerAssigned {
    pub practitioner_id: PractitionerId,
    pub clinics: Vec<PractitionerThere>,
}

/// Assigns a practitioner to other clinics of the partner. Who is active here is active there at once; who is
/// pending is activated with the practitioner here. A clinic that has the NPI keeps its own row, linked.
pub async fn assign_practitioner(
    app: &App,
    call: &Call,
    command: Assignment<PractitionerId>,
    render: Render<PractitionerAssigned>,
) -> Result<Reply> {
    call.partner(Scope::PractitionersWrite)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::PractitionersWrite)?.clinic_id;
            let origin = store::practitioner_get(tx, clinic, command.id).await?.ok_or(NOT_FOUND)?;
            let named = other_clinics(tx, cx, Scope::PractitionersWrite, &command.clinics).await?;
            let (mut changes, mut clinics) = (Changes::default(), Vec::with_capacity(named.len()));
            for one in named {
                clinics.push(bring(tx, cx, &mut changes, &origin, one.clinic_id).await?);
            }
            changes.audit.push(audit(cx, clinic, "practitioner.assign", origin.id.0));
            changes.write(tx, cx).await?;
            Ok(PractitionerAssigned { practitioner_id: origin.id, clinics })
        })
    })
    .await
}

fn audit(cx: &Cx, clinic: ClinicId, action: &'static str, id: Uuid) -> nimbus_store::audit::AuditEntry {
    cx.audit(Some(clinic), action, "practitioner", Some(id))
}

/// Brings a practitioner to another clinic of the partner, or finds them there.
pub(super) async fn bring(
    tx: &mut Tx,
    cx: &Cx,
    changes: &mut Changes,
    origin: &Practitioner,
    clinic_id: ClinicId,
) -> Result<PractitionerThere> {
    let person = person_of(tx, KIND, origin.clinic_id, origin.id.0, cx.now).await?;
    let npi = origin.profile.expose().npi.clone();
    let same = match npi.as_deref() {
        Some(npi) => store::practitioner_by_npi(tx, clinic_id, npi).await?.map(|id| id.0),
        None => None,
    };
    let (practitioner_id, status, duplicate) =
        match look_up(tx, KIND, person, clinic_id, same, cx.now).await? {
            There::Known(id) => {
                let id = PractitionerId(id);
                (id, store::practitioner_status(tx, clinic_id, id).await?.ok_or(LOST)?, true)
            }
            There::Ended(link) => {
                let back = renew(tx, cx, changes, origin, &link).await?;
                (back.id, back.status, false)
            }
            There::Nothing => {
                let id = PractitionerId(Uuid::now_v7());
                let (copy, transition, events) = assign(origin, clinic_id, id, cx.by(), cx.now)?;
                store::practitioner_insert(tx, &copy, npi.as_deref()).await?;
                links::person_link_put(tx, KIND, &new_link(clinic_id, id.0, person, true), cx.now).await?;
                changes.history.push(transition);
                changes.events.extend(events);
                changes.audit.push(audit(cx, clinic_id, "practitioner.create", id.0));
                (id, copy.status, false)
            }
        };
    Ok(PractitionerThere { clinic_id, practitioner_id, status, duplicate })
}

/// Makes an ended assignment again. What its end did to the row is undone; what staff did to it stays.
async fn renew(
    tx: &mut Tx,
    cx: &Cx,
    changes: &mut Changes,
    origin: &Practitioner,
    link: &PersonLink,
) -> Result<Practitioner> {
    let id = PractitionerId(link.id);
    let there = store::practitioner_get(tx, link.clinic_id, id).await?.ok_or(LOST)?;
    renew_link(tx, KIND, link, cx.now).await?;
    let before = link.ended_from.as_deref().and_then(PractitionerStatus::parse);
    let status = match (before, origin.status) {
        _ if there.status != PractitionerStatus::Inactive => return Ok(there),
        (None, _) => return Ok(there),
        (_, PractitionerStatus::Inactive) => return Err(Refusal::Inactive("practitioner").into()),
        (Some(PractitionerStatus::Suspended), _) => PractitionerStatus::Suspended,
        (Some(_), status) => status,
    };
    let (mut back, transition, events) = reassign(&there, status, cx.by(), cx.now);
    let npi = back.profile.expose().npi.clone();
    store::practitioner_update(tx, &back, npi.as_deref()).await?;
    back.version += 1;
    changes.history.push(transition);
    changes.events.extend(events);
    changes.audit.push(audit(cx, back.clinic_id, "practitioner.set_status", back.id.0));
    if status == PractitionerStatus::Active {
        let (history, events) = release_held_orders(tx, cx, &back).await?;
        changes.history.extend(history);
        changes.events.extend(events);
    }
    Ok(back)
}

/// Ends assignments: a row that an assignment made becomes inactive, and one that the clinic had by itself is
/// only no longer linked. Ending what has ended changes nothing.
pub async fn end_practitioner(
    app: &App,
    call: &Call,
    command: Assignment<PractitionerId>,
    render: Render<PractitionerAssigned>,
) -> Result<Reply> {
    call.partner(Scope::PractitionersWrite)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::PractitionersWrite)?.clinic_id;
            store::practitioner_status(tx, clinic, command.id).await?.ok_or(NOT_FOUND)?;
            let named = other_clinics(tx, cx, Scope::PractitionersWrite, &command.clinics).await?;
            let (mut changes, mut clinics) = (Changes::default(), Vec::with_capacity(named.len()));
            for link in assigned_links(tx, clinic, command.id.0, named).await? {
                clinics.push(end(tx, cx, &mut changes, &link).await?);
            }
            changes.audit.push(audit(cx, clinic, "practitioner.unassign", command.id.0));
            changes.write(tx, cx).await?;
            Ok(PractitionerAssigned { practitioner_id: command.id, clinics })
        })
    })
    .await
}

async fn end(tx: &mut Tx, cx: &Cx, changes: &mut Changes, link: &PersonLink) -> Result<PractitionerThere> {
    let (clinic_id, id) = (link.clinic_id, PractitionerId(link.id));
    let there = store::practitioner_get(tx, clinic_id, id).await?.ok_or(LOST)?;
    let stands = there.status != PractitionerStatus::Inactive;
    let (mut status, mut ended_from) = (there.status, None);
    if link.is_live() && link.copied && stands {
        let (moved, transition, events) =
            change_status(&there, PractitionerStatus::Inactive, cx.by(), None, cx.now)?;
        let npi = moved.profile.expose().npi.clone();
        store::practitioner_update(tx, &moved, npi.as_deref()).await?;
        changes.history.push(transition);
        changes.events.extend(events);
        changes.audit.push(audit(cx, clinic_id, "practitioner.set_status", id.0));
        (status, ended_from) = (moved.status, Some(there.status.as_str()));
    }
    if link.is_live() {
        links::person_link_end(tx, clinic_id, link.id, ended_from, cx.now).await?;
    }
    Ok(PractitionerThere { clinic_id, practitioner_id: id, status, duplicate: false })
}

/// The copies of a practitioner that wait to be activated with it.
pub(crate) async fn waiting_copies(tx: &mut Tx, origin: &Practitioner) -> Result<Vec<PractitionerId>> {
    let mut waiting = Vec::new();
    // The person may have begun with a row of another clinic.
    let person = links::person_link(tx, origin.clinic_id, origin.id.0).await?;
    for link in links::person_links(tx, person.map_or(origin.id.0, |link| link.person_id)).await? {
        let id = PractitionerId(link.id);
        if link.copied
            && link.is_live()
            && store::practitioner_status(tx, link.clinic_id, id).await? == Some(PractitionerStatus::Pending)
        {
            waiting.push(id);
        }
    }
    Ok(waiting)
}
