//! Practitioners as staff see, activate, suspend and deactivate them.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::MANAGERS,
    practitioners::{self, ListAny, SetStatus},
};
use nimbus_core::practitioner::{Practitioner, PractitionerStatus};

use super::{NoteBody, read_note};
use crate::{
    Web,
    body::Incoming,
    checks::{id, one_of},
    failure::Answer,
    paging::{PageParams, page},
    partner_api::{
        envelope::{self, List, Success},
        practitioners::{NOUN, PractitionerView},
    },
    words,
};

#[utoipa::path(get, path = "/admin/practitioners", tag = "Practitioners", operation_id = "listAnyPractitioners",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(PageParams,
        ("clinic_id" = Option<String>, Query, description = "Only those of this clinic"),
        ("status" = Option<words::PractitionerStatus>, Query, description = "Only those of this status")),
    responses((status = 200, description = "A page of practitioners", body = List<PractitionerView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, MANAGERS).await?;
    let query = request.query(|f| {
        let status = f.optional("status", one_of(PractitionerStatus::ALL, PractitionerStatus::as_str));
        Some(ListAny { clinic: f.optional("clinic_id", id), status, page: page(f) })
    })?;
    let found = practitioners::list_any(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| PractitionerView::from(item)))
}

pub(super) fn render(practitioner: &Practitioner) -> Rendered {
    envelope::written(PractitionerView::from(practitioner), "OK").of_version(practitioner.version)
}

async fn set_status(web: Web, mut request: Incoming, status: PractitionerStatus) -> Answer {
    let mut call = web.staff(&request, MANAGERS).await?;
    let id = request.id("id", NOUN)?;
    let note = request.json(&mut call, read_note).await?;
    let command = SetStatus { id, status, note };
    Ok(envelope::reply(practitioners::set_status(&web.app, &call, command, render).await?))
}

/// Orders that waited for it go on, and partners are told.
#[utoipa::path(post, path = "/admin/practitioners/{id}/activate", tag = "Practitioners",
    operation_id = "activatePractitioner",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(("id" = String, Path, description = "The practitioner's id")),
    request_body(content = NoteBody, description = "Why"),
    responses((status = 200, description = "Active", body = Success<PractitionerView>)))]
pub(crate) async fn activate(State(web): State<Web>, request: Incoming) -> Answer {
    set_status(web, request, PractitionerStatus::Active).await
}

#[utoipa::path(post, path = "/admin/practitioners/{id}/suspend", tag = "Practitioners",
    operation_id = "suspendPractitioner",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(("id" = String, Path, description = "The practitioner's id")),
    request_body(content = NoteBody, description = "Why"),
    responses((status = 200, description = "Suspended", body = Success<PractitionerView>)))]
pub(crate) async fn suspend(State(web): State<Web>, request: Incoming) -> Answer {
    set_status(web, request, PractitionerStatus::Suspended).await
}

#[utoipa::path(post, path = "/admin/practitioners/{id}/deactivate", tag = "Practitioners",
    operation_id = "deactivatePractitioner",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(("id" = String, Path, description = "The practitioner's id")),
    request_body(content = NoteBody, description = "Why"),
    responses((status = 200, description = "Inactive", body = Success<PractitionerView>)))]
pub(crate) async fn deactivate(State(web): State<Web>, request: Incoming) -> Answer {
    set_status(web, request, PractitionerStatus::Inactive).await
}
