//! The pharmacy's licences, as staff keep them.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::MANAGERS,
    licenses::{self, NewLicense, Update},
};
use nimbus_core::{
    ids::LicenseId,
    license::{License, LicenseCategory},
    us,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    caching::{patched, versioned},
    checks::{date, one_of, state, text},
    failure::Answer,
    fields::Fields,
    partner_api::envelope::{self, Nothing, Success},
    wire::{Day, Time},
    words,
};

const NOUN: &str = "License";

#[derive(ToSchema)]
pub struct LicenseCreate {
    /// Two letters.
    #[schema(example = "TX")]
    pub state: String,
    #[schema(value_type = words::LicenseCategory)]
    pub category: String,
    /// As the state's board writes it.
    #[schema(min_length = 1, max_length = 100, example = "TX-34567")]
    pub number: String,
    /// The last day on which it holds.
    #[schema(format = Date)]
    pub expires_on: String,
}

/// What is left out stays as it is.
#[derive(ToSchema)]
pub struct LicenseUpdate {
    #[schema(nullable = false, min_length = 1, max_length = 100, example = "TX-34567")]
    pub number: Option<String>,
    #[schema(nullable = false, format = Date)]
    pub expires_on: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct StateLicenseView {
    pub id: Uuid,
    #[schema(example = "TX")]
    pub state: &'static str,
    #[schema(value_type = words::LicenseCategory)]
    pub category: &'static str,
    #[schema(example = "TX-34567")]
    pub number: String,
    pub expires_on: Day,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<&License> for StateLicenseView {
    fn from(license: &License) -> Self {
        Self {
            id: license.id.0,
            state: license.state.code(),
            category: license.category.as_str(),
            number: license.number.clone(),
            expires_on: Day(license.expires_on),
            created_at: Time(license.created_at),
            updated_at: Time(license.updated_at),
        }
    }
}

/// A state that a check has passed.
fn parsed(code: Option<String>) -> Option<us::State> {
    code.and_then(|code| us::State::parse(&code).ok())
}

fn read_create(f: &mut Fields<'_>) -> Option<NewLicense> {
    let state = parsed(f.required("state", state));
    let category = f.required("category", one_of(LicenseCategory::ALL, LicenseCategory::as_str));
    let number = f.required("number", text(1..=100));
    let expires_on = f.required("expires_on", date);
    Some(NewLicense { state: state?, category: category?, number: number?, expires_on: expires_on? })
}

fn read_update(f: &mut Fields<'_>, id: LicenseId) -> Option<Update> {
    let number = f.change("number", text(1..=100));
    Some(Update { id, number, expires_on: f.change("expires_on", date) })
}

fn render(license: &License) -> Rendered {
    envelope::written(StateLicenseView::from(license), "OK").of_version(license.version)
}

/// By state, category and last day; at most 2,000.
#[utoipa::path(get, path = "/admin/licenses", tag = "Licenses", operation_id = "listLicenses",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(("state" = Option<String>, Query, description = "Only those of this state, by its two letters")),
    responses((status = 200, description = "The licenses", body = Success<Vec<StateLicenseView>>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, MANAGERS).await?;
    let of = request.query(|f| Some(parsed(f.optional("state", state))))?;
    let found = licenses::list(&web.app, &call, of).await?;
    Ok(envelope::found(found.iter().map(StateLicenseView::from).collect::<Vec<_>>()))
}

#[utoipa::path(get, path = "/admin/licenses/{id}", tag = "Licenses", operation_id = "getLicense",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(("id" = String, Path, description = "The license's id")),
    responses((status = 200, description = "The license", body = Success<StateLicenseView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, MANAGERS).await?;
    let found = licenses::get(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(versioned(envelope::found(StateLicenseView::from(&found)), found.version))
}

#[utoipa::path(post, path = "/admin/licenses", tag = "Licenses", operation_id = "createLicense",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    request_body(content = LicenseCreate, description = "The license"),
    responses((status = 200, description = "On record", body = Success<StateLicenseView>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, MANAGERS).await?;
    let new = request.json(&mut call, read_create).await?;
    Ok(envelope::reply(licenses::create(&web.app, &call, new, render).await?))
}

/// A renewal under another number is better recorded as a license of its own.
#[utoipa::path(patch, path = "/admin/licenses/{id}", tag = "Licenses", operation_id = "updateLicense",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(("id" = String, Path, description = "The license's id")),
    request_body(content = LicenseUpdate, description = "The fields to change"),
    responses((status = 200, description = "The license as it is now", body = Success<StateLicenseView>)))]
pub(crate) async fn update(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, MANAGERS).await?;
    let id = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_update(f, id)).await?;
    Ok(patched(licenses::update(&web.app, &call, command, render).await?))
}

#[utoipa::path(delete, path = "/admin/licenses/{id}", tag = "Licenses", operation_id = "deleteLicense",
    security(("OpsToken" = ["super_admin", "pharmacist"])),
    params(("id" = String, Path, description = "The license's id")),
    responses((status = 200, description = "Removed", body = Success<Nothing>)))]
pub(crate) async fn delete(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, MANAGERS).await?;
    let id = request.id("id", NOUN)?;
    let render = |(): &()| envelope::written(Nothing {}, "License deleted successfully");
    Ok(envelope::reply(licenses::delete(&web.app, &call, id, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<LicenseCreate, _>(read_create);
        assert_described::<LicenseUpdate, _>(|f| read_update(f, LicenseId(Uuid::nil())));
    }
}
