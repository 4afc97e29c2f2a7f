//! Clinics of partners, as staff keep them.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::{ADMINISTRATORS, OVERSEERS},
    tenancy::{Clinic, ClinicUpdate, staff},
};
use nimbus_core::ids::{ClinicId, PartnerId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    caching::{patched, versioned},
    checks::{id, text},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    partner_api::envelope::{self, List, Nothing, Success},
    wire::Time,
};

const NOUN: &str = "Clinic";

#[derive(ToSchema)]
pub struct ClinicCreate {
    #[schema(format = Uuid)]
    pub partner_id: String,
    #[schema(min_length = 1, max_length = 200, example = "Main Street Clinic")]
    pub name: String,
}

/// What is left out stays as it is.
#[derive(ToSchema)]
pub struct ClinicChange {
    #[schema(nullable = false, min_length = 1, max_length = 200, example = "Main Street Clinic")]
    pub name: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct AnyClinic {
    pub clinic_id: Uuid,
    pub partner_id: Uuid,
    pub name: String,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<&Clinic> for AnyClinic {
    fn from(clinic: &Clinic) -> Self {
        Self {
            clinic_id: clinic.id.0,
            partner_id: clinic.partner_id.0,
            name: clinic.name.clone(),
            created_at: Time(clinic.created_at),
            updated_at: Time(clinic.updated_at),
        }
    }
}

fn read_create(f: &mut Fields<'_>) -> Option<(PartnerId, String)> {
    let (partner, name) = (f.required("partner_id", id), f.required("name", text(1..=200)));
    Some((partner?, name?))
}

fn read_change(f: &mut Fields<'_>, id: ClinicId) -> Option<ClinicUpdate> {
    Some(ClinicUpdate { id, name: f.change("name", text(1..=200)) })
}

fn render(clinic: &Clinic) -> Rendered {
    envelope::written(AnyClinic::from(clinic), "OK").of_version(clinic.version)
}

/// Those that are not deleted.
#[utoipa::path(get, path = "/admin/clinics", tag = "Clinics", operation_id = "listClinics",
    security(("OpsToken" = ["super_admin", "support"])),
    params(PageParams, ("partner_id" = Option<String>, Query, description = "Only those of this partner")),
    responses((status = 200, description = "A page of clinics", body = List<AnyClinic>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, OVERSEERS).await?;
    let (partner, page) = request.query(|f| Some((f.optional("partner_id", id), page(f))))?;
    let found = staff::clinic_page(&web.app, &call, partner, page).await?;
    Ok(envelope::page(&found, |clinic| AnyClinic::from(clinic)))
}

#[utoipa::path(post, path = "/admin/clinics", tag = "Clinics", operation_id = "createClinic",
    security(("OpsToken" = ["super_admin"])),
    request_body(content = ClinicCreate, description = "The clinic"),
    responses((status = 200, description = "Made", body = Success<AnyClinic>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    let command = request.json(&mut call, read_create).await?;
    Ok(envelope::reply(staff::clinic_create(&web.app, &call, command, render).await?))
}

#[utoipa::path(get, path = "/admin/clinics/{id}", tag = "Clinics", operation_id = "getAnyClinic",
    security(("OpsToken" = ["super_admin", "support"])),
    params(("id" = String, Path, description = "The clinic's id")),
    responses((status = 200, description = "The clinic", body = Success<AnyClinic>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, OVERSEERS).await?;
    let found = staff::clinic_get(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(versioned(envelope::found(AnyClinic::from(&found)), found.version))
}

#[utoipa::path(patch, path = "/admin/clinics/{id}", tag = "Clinics", operation_id = "updateClinic",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The clinic's id")),
    request_body(content = ClinicChange, description = "The fields to change"),
    responses((status = 200, description = "The clinic as it is now", body = Success<AnyClinic>)))]
pub(crate) async fn update(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    let id = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_change(f, id)).await?;
    Ok(patched(staff::clinic_update(&web.app, &call, command, render).await?))
}

/// Its keys and links, and tokens that reach it alone, stop within a second; its webhooks are deleted, with what waits
/// for them. The pharmacy goes on with its orders, and what is on record stays.
#[utoipa::path(delete, path = "/admin/clinics/{id}", tag = "Clinics", operation_id = "deleteClinic",
    security(("OpsToken" = ["super_admin"])),
    params(("id" = String, Path, description = "The clinic's id")),
    responses((status = 200, description = "Deleted", body = Success<Nothing>)))]
pub(crate) async fn delete(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, ADMINISTRATORS).await?;
    call.confirmed()?;
    let id = request.id("id", NOUN)?;
    let render = |(): &()| envelope::written(Nothing {}, "Clinic deleted successfully");
    Ok(envelope::reply(staff::clinic_delete(&web.app, &call, id, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<ClinicCreate, _>(read_create);
        assert_described::<ClinicChange, _>(|f| read_change(f, ClinicId(Uuid::nil())));
    }
}
