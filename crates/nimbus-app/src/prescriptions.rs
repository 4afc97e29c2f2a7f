//! Prescriptions: read by partners, held, released and discontinued by staff.

use nimbus_core::{
    access::Scope,
    ids::{PatientId, PrescriptionId},
    prescription::{Prescription, PrescriptionAct, PrescriptionStatus, change_status},
};
use nimbus_store::{
    page::{Page, Slice},
    prescriptions as store,
};

use crate::{
    App,
    actor::{Call, PHARMACISTS, READERS},
    error::{Error, Result},
    outbox::Changes,
    unit::{Render, Reply},
};

pub(crate) const NOT_FOUND: Error = Error::NotFound("Prescription");

/// One prescription of the key's clinic.
pub async fn get(app: &App, call: &Call, id: PrescriptionId) -> Result<Prescription> {
    let clinic = call.partner(Scope::OrdersRead)?.clinic_id;
    app.look_up(call, (clinic, id), |tx, cx, &(clinic, id)| {
        Box::pin(async move {
            let found = store::prescription_get(tx, clinic, id).await?.ok_or(NOT_FOUND)?;
            Ok((found, vec![cx.audit(Some(clinic), "prescription.read", "prescription", Some(id.0))]))
        })
    })
    .await
}

pub struct List {
    pub patient: Option<PatientId>,
    pub status: Option<PrescriptionStatus>,
    pub page: Page,
}

/// The prescriptions of the key's clinic, newest first.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Slice<Prescription>> {
    call.partner(Scope::OrdersRead)?;
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::OrdersRead)?.clinic_id;
            let found = store::prescription_list(tx, clinic, list.patient, list.status, &list.page).await?;
            let shown = found.items.iter().map(|it| (it.clinic_id, it.patient_id));
            let audit = cx.audit_list(Some(clinic), "prescription.list", "prescription", shown);
            Ok((found, audit))
        })
    })
    .await
}

/// One prescription of any clinic, for staff.
pub async fn get_any(app: &App, call: &Call, id: PrescriptionId) -> Result<Prescription> {
    call.staff(READERS)?;
    app.read(call, id, |tx, cx, &id| {
        Box::pin(async move {
            let found = store::prescription_get_any(tx, id).await?.ok_or(NOT_FOUND)?;
            let audit = cx.audit(Some(found.clinic_id), "prescription.read", "prescription", Some(id.0));
            Ok((found, vec![audit]))
        })
    })
    .await
}

pub struct StaffAct {
    pub id: PrescriptionId,
    pub act: PrescriptionAct,
    pub note: Option<String>,
}

/// Staff hold, release or discontinue a prescription.
pub async fn staff_act(
    app: &App,
    call: &Call,
    command: StaffAct,
    render: Render<Prescription>,
) -> Result<Reply> {
    call.staff(PHARMACISTS)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let found = store::prescription_get_any(tx, command.id).await?.ok_or(NOT_FOUND)?;
            let cx = &cx.of_clinic(tx, found.clinic_id).await?;
            let note = command.note.as_deref();
            let (mut moved, transition, event) =
                change_status(&found, command.act, None, cx.by(), note, cx.now)?;
            store::prescription_update(tx, &moved).await?;
            moved.version += 1;
            let clinic = Some(moved.clinic_id);
            let audit = cx.audit(clinic, "prescription.set_status", "prescription", Some(moved.id.0));
            let changes = Changes { history: vec![transition], events: vec![event], audit: vec![audit] };
            changes.write(tx, cx).await?;
            Ok(moved)
        })
    })
    .await
}
