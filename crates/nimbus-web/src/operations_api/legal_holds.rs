//! Legal holds, as administrators place and release them.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::{ADMINISTRATORS, AUDITORS},
    legal_holds::{self, LegalHold, List, Place, Release},
};
use nimbus_core::ids::LegalHoldId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    checks::{flag, id, text},
    failure::Answer,
    fields::Fields,
    partner_api::envelope::{self, Success},
    wire::Time,
};

const NOUN: &str = "Legal hold";

#[derive(ToSchema)]
pub struct LegalHoldPlace {
    /// The clinic whose records have to be kept.
    #[schema(format = Uuid)]
    pub clinic_id: String,
    /// The name by which counsel knows it; no patient's.
    #[schema(min_length = 1, max_length = 200, example = "Matter 2026-114")]
    pub matter: String,
}

#[derive(ToSchema)]
pub struct LegalHoldRelease {
    /// Why nothing has to be kept any longer.
    #[schema(min_length = 1, max_length = 500, example = "Settled; counsel released it in writing")]
    pub reason: String,
}

/// A duty to keep what there is of a clinic.
#[derive(Serialize, ToSchema)]
pub struct LegalHoldView {
    pub id: Uuid,
    pub clinic_id: Uuid,
    #[schema(example = "Matter 2026-114")]
    pub matter: String,
    pub placed_at: Time,
    pub released_at: Option<Time>,
    #[schema(example = "Settled; counsel released it in writing")]
    pub release_reason: Option<String>,
}

impl From<&LegalHold> for LegalHoldView {
    fn from(hold: &LegalHold) -> Self {
        Self {
            id: hold.id.0,
            clinic_id: hold.clinic_id.0,
            matter: hold.matter.clone(),
            placed_at: Time(hold.placed_at),
            released_at: hold.released_at.map(Time),
            release_reason: hold.release_reason.clone(),
        }
    }
}

fn read_place(f: &mut Fields<'_>) -> Option<Place> {
    let (clinic_id, matter) = (f.required("clinic_id", id), f.required("matter", text(1..=200)));
    Some(Place { clinic_id: clinic_id?, matter: matter? })
}

fn read_release(f: &mut Fields<'_>, id: LegalHoldId) -> Option<Release> {
    Some(Release { id, reason: f.required("reason", text(1..=500))? })
}

fn render(hold: &LegalHold) -> Rendered {
    envelope::written(LegalHoldView::from(hold), "OK")
}

/// Those in force, newest first; at most 1,000.
#[utoipa::path(get, path = "/admin/legal-holds", tag = "Legal holds", operation_id = "listLegalHolds",
    security(("OpsToken" = ["super_admin", "auditor"])),
    params(
        ("clinic_id" = Option<String>, Query, description = "Only those of this clinic"),
        ("released" = Option<bool>, Query, description = "Those that were released too")),
    responses((status = 200, description = "The holds", body = Success<Vec<LegalHoldView>>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, AUDITORS).await?;
    let wanted = request.query(|f| {
        let (clinic, released) = (f.optional("clinic_id", id), f.optional("released", flag));
        Some(List { clinic, with_released: released.unwrap_or(false) })
    })?;
    let found = legal_holds::list(&web.app, &call, wanted).await?;
    Ok(envelope::found(found.iter().map(LegalHoldView::from).collect::<Vec<_>>()))
}

/// From now on nothing of the clinic is let go by its age, and its keys are not destroyed.
#[utoipa::path(post, path = "/admin/legal-holds", tag = "Legal holds", operation_id = "placeLegalHold",
    security(("OpsToken" = ["super_admin"])),
    request_body(content = LegalHoldPlace, description = "What has to be kept"),
    responses((status = 200, description = "In force", body = Success<LegalHoldView>)))]
pub(crate) async fn place(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    let command = request.json(&mut call, read_place).await?;
    Ok(envelope::reply(legal_holds::place(&web.app, &call, command, render).await?))
}

/// What is past its age goes within hours, and cannot be had again.
#[utoipa::path(post, path = "/admin/legal-holds/{id}/release", tag = "Legal holds",
    operation_id = "releaseLegalHold",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The hold's id")),
    request_body(content = LegalHoldRelease, description = "Why"),
    responses((status = 200, description = "Released", body = Success<LegalHoldView>)))]
pub(crate) async fn release(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    call.confirmed()?;
    let id = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_release(f, id)).await?;
    Ok(envelope::reply(legal_holds::release(&web.app, &call, command, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<LegalHoldPlace, _>(read_place);
        assert_described::<LegalHoldRelease, _>(|f| read_release(f, LegalHoldId(Uuid::nil())));
    }
}
