//! Prescriptions as staff see, hold, release and discontinue them.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::{PHARMACISTS, READERS},
    prescriptions::{self, StaffAct},
};
use nimbus_core::prescription::{Prescription, PrescriptionAct};

use super::{NoteBody, read_note};
use crate::{
    Web,
    body::Incoming,
    failure::Answer,
    partner_api::{
        envelope::{self, Success},
        prescriptions::{NOUN, PrescriptionView},
    },
};

#[utoipa::path(get, path = "/pharmacy/prescriptions/{id}", tag = "Prescriptions", operation_id = "getAnyPrescription",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The prescription's id")),
    responses((status = 200, description = "The prescription", body = Success<PrescriptionView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let found = prescriptions::get_any(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(envelope::found(PrescriptionView::from(&found)))
}

fn render(prescription: &Prescription) -> Rendered {
    envelope::written(PrescriptionView::from(prescription), "OK")
}

async fn act(web: Web, mut request: Incoming, act: PrescriptionAct) -> Answer {
    let mut call = web.staff(&request, PHARMACISTS).await?;
    let id = request.id("id", NOUN)?;
    let note = request.json(&mut call, read_note).await?;
    let command = StaffAct { id, act, note };
    Ok(envelope::reply(prescriptions::staff_act(&web.app, &call, command, render).await?))
}

#[utoipa::path(post, path = "/pharmacy/prescriptions/{id}/hold", tag = "Prescriptions",
    operation_id = "holdPrescription",
    security(("OpsToken" = ["pharmacist"])),
    params(("id" = String, Path, description = "The prescription's id")),
    request_body(content = NoteBody, description = "Why"),
    responses((status = 200, description = "On hold", body = Success<PrescriptionView>)))]
pub(crate) async fn hold(State(web): State<Web>, request: Incoming) -> Answer {
    act(web, request, PrescriptionAct::Hold).await
}

#[utoipa::path(post, path = "/pharmacy/prescriptions/{id}/release", tag = "Prescriptions",
    operation_id = "releasePrescription",
    security(("OpsToken" = ["pharmacist"])),
    params(("id" = String, Path, description = "The prescription's id")),
    request_body(content = NoteBody, description = "Why"),
    responses((status = 200, description = "Active again", body = Success<PrescriptionView>)))]
pub(crate) async fn release(State(web): State<Web>, request: Incoming) -> Answer {
    act(web, request, PrescriptionAct::Release).await
}

#[utoipa::path(post, path = "/pharmacy/prescriptions/{id}/discontinue", tag = "Prescriptions",
    operation_id = "discontinuePrescription",
    security(("OpsToken" = ["pharmacist"])),
    params(("id" = String, Path, description = "The prescription's id")),
    request_body(content = NoteBody, description = "Why"),
    responses((status = 200, description = "Discontinued", body = Success<PrescriptionView>)))]
pub(crate) async fn discontinue(State(web): State<Web>, request: Incoming) -> Answer {
    act(web, request, PrescriptionAct::Discontinue).await
}
