//! Keys of clinics as staff manage them: those of any clinic, or of their own.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::{ADMINISTRATORS, KEY_MANAGERS, KEY_READERS},
    tenancy::{Key, KeyLimits, KeyOrder, staff},
};
use nimbus_core::{
    access::{Profile, Scope, Scopes},
    ids::{ClinicId, KeyId},
    rate::KeyRates,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    api_keys::{
        ApiKey, KeyNetworksBody, KeyRotation, NOUN, NewApiKey, read_confinement, read_networks,
        read_rotation, render, render_issued,
    },
    body::Incoming,
    checks::{count, one_of, text, timestamp},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    partner_api::envelope::{self, List, Success},
    wire::Cidr,
    words,
};

#[derive(ToSchema)]
pub struct KeyCreate {
    /// For people.
    #[schema(min_length = 1, max_length = 100, example = "Backend")]
    pub name: String,
    /// A ready-made set of scopes; `pharmacy_partner`, if it is left out.
    #[schema(value_type = Option<words::KeyProfile>)]
    pub profile: Option<String>,
    /// The scopes, in the place of a profile.
    #[schema(min_items = 1, max_items = 11, value_type = Option<Vec<words::KeyScope>>)]
    pub scopes: Option<Vec<String>>,
    /// When it is to end by itself.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Where it is to work from: addresses, or networks in CIDR notation. From anywhere, if it is left out.
    #[schema(max_items = 50, value_type = Option<Vec<Cidr>>)]
    pub networks: Option<Vec<String>>,
}

/// What is left out stays as it is; `null` gives the deployment's default.
#[derive(ToSchema)]
pub struct KeyLimitsBody {
    #[schema(minimum = 1, maximum = 100_000, example = 5000)]
    pub reads_per_minute: Option<u32>,
    #[schema(minimum = 1, maximum = 100_000, example = 500)]
    pub writes_per_minute: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub struct KeyLimitsView {
    pub key_id: Uuid,
    pub clinic_id: Uuid,
    pub name: String,
    /// The beginning of the key, by which people tell keys apart.
    #[schema(example = "dev_4kQzEx")]
    pub prefix: String,
    /// `null`: the deployment's default.
    pub reads_per_minute: Option<u32>,
    /// `null`: the deployment's default.
    pub writes_per_minute: Option<u32>,
}

impl From<&Key> for KeyLimitsView {
    fn from(key: &Key) -> Self {
        Self {
            key_id: key.id.0,
            clinic_id: key.clinic_id.0,
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            reads_per_minute: key.rates.reads,
            writes_per_minute: key.rates.writes,
        }
    }
}

fn read_create(f: &mut Fields<'_>, clinic: ClinicId) -> Option<KeyOrder> {
    let name = f.required("name", text(1..=100));
    let profile = f.optional("profile", one_of(Profile::ALL, Profile::as_str));
    let scopes = f.values(false, "scopes", 1..=Scope::ALL.len(), one_of(Scope::ALL, Scope::as_str));
    let expires_at = f.optional("expires_at", timestamp);
    let networks = read_networks(f, false);
    let mut order = KeyOrder::with_profile(clinic, &name?, profile.unwrap_or(Profile::PharmacyPartner));
    if let Some(scopes) = scopes {
        order.scopes = Scopes::of(&scopes);
    }
    (order.expires_at, order.networks) = (expires_at, networks.unwrap_or_default());
    Some(order)
}

fn read_limits(f: &mut Fields<'_>, id: KeyId) -> Option<KeyLimits> {
    let reads = f.clearable("reads_per_minute", count(1..=KeyRates::MAX));
    let writes = f.clearable("writes_per_minute", count(1..=KeyRates::MAX));
    Some(KeyLimits { id, reads, writes })
}

fn render_limits(key: &Key) -> Rendered {
    envelope::written(KeyLimitsView::from(key), "OK")
}

/// The revoked and expired ones too, newest first.
#[utoipa::path(get, path = "/admin/clinics/{id}/keys", tag = "Keys", operation_id = "listKeys",
    security(("OpsToken" = ["super_admin", "support", "clinic_admin"])),
    params(("id" = String, Path, description = "The clinic's id"), PageParams),
    responses((status = 200, description = "A page of keys", body = List<ApiKey>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let (call, clinic) = web.staff_of_clinic(&request, KEY_READERS).await?;
    let page = request.query(|f| Some(page(f)))?;
    let found = staff::key_page(&web.app, &call, clinic, page).await?;
    Ok(envelope::page(&found, |key| ApiKey::from(key)))
}

/// A key of this deployment's environment. In production the partner must be approved and have an agreement in force,
/// in a sandbox it must be approved.
#[utoipa::path(post, path = "/admin/clinics/{id}/keys", tag = "Keys", operation_id = "createKey",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(("id" = String, Path, description = "The clinic's id")),
    request_body(content = KeyCreate, description = "What the key may do"),
    responses((status = 200, description = "The key, which is shown this once", body = Success<NewApiKey>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let (mut call, clinic) = web.staff_of_clinic(&request, KEY_MANAGERS).await?;
    call.confirmed()?;
    let order = request.json(&mut call, |f| read_create(f, clinic)).await?;
    Ok(envelope::reply(staff::key_issue(&web.app, &call, order, render_issued).await?))
}

#[utoipa::path(get, path = "/admin/clinics/{id}/keys/{key_id}", tag = "Keys", operation_id = "getKey",
    security(("OpsToken" = ["super_admin", "support", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("key_id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = Success<ApiKey>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let (call, clinic) = web.staff_of_clinic(&request, KEY_READERS).await?;
    let found = staff::key_get(&web.app, &call, clinic, request.id("key_id", NOUN)?).await?;
    Ok(envelope::found(ApiKey::from(&found)))
}

/// A key like it takes its place: of the same name, scopes, limits and networks, and for as long as it was issued. Both
/// work until the overlap ends.
#[utoipa::path(post, path = "/admin/clinics/{id}/keys/{key_id}/rotate", tag = "Keys", operation_id = "rotateKey",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("key_id" = String, Path, description = "The key's id")),
    request_body(content = KeyRotation, description = "How long both work"),
    responses((status = 200, description = "The new key, which is shown this once", body = Success<NewApiKey>)))]
pub(crate) async fn rotate(State(web): State<Web>, mut request: Incoming) -> Answer {
    let (mut call, clinic) = web.staff_of_clinic(&request, KEY_MANAGERS).await?;
    call.confirmed()?;
    let key = request.id("key_id", NOUN)?;
    let command = request.json(&mut call, |f| read_rotation(f, key)).await?;
    Ok(envelope::reply(staff::key_rotate(&web.app, &call, clinic, command, render_issued).await?))
}

/// It stops within a second on every node. One that is revoked already stays as it is.
#[utoipa::path(post, path = "/admin/clinics/{id}/keys/{key_id}/revoke", tag = "Keys", operation_id = "revokeKey",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("key_id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "Revoked", body = Success<ApiKey>)))]
pub(crate) async fn revoke(State(web): State<Web>, mut request: Incoming) -> Answer {
    let (mut call, clinic) = web.staff_of_clinic(&request, KEY_MANAGERS).await?;
    call.confirmed()?;
    let key = request.id("key_id", NOUN)?;
    request.no_body(&mut call).await?;
    Ok(envelope::reply(staff::key_revoke(&web.app, &call, clinic, key, render).await?))
}

/// They take the place of those before, within a second on every node. From elsewhere the key is answered as one that
/// nobody has.
#[utoipa::path(put, path = "/admin/clinics/{id}/keys/{key_id}/networks", tag = "Keys", operation_id = "confineKey",
    security(("OpsToken" = ["super_admin", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("key_id" = String, Path, description = "The key's id")),
    request_body(content = KeyNetworksBody, description = "The networks"),
    responses((status = 200, description = "The key as it is now", body = Success<ApiKey>)))]
pub(crate) async fn confine(State(web): State<Web>, mut request: Incoming) -> Answer {
    let (mut call, clinic) = web.staff_of_clinic(&request, KEY_MANAGERS).await?;
    let key = request.id("key_id", NOUN)?;
    let command = request.json(&mut call, |f| read_confinement(f, key)).await?;
    Ok(envelope::reply(staff::key_networks(&web.app, &call, clinic, command, render).await?))
}

/// In force within a second on every node.
#[utoipa::path(post, path = "/admin/clinics/{id}/keys/{key_id}/limits", tag = "Keys", operation_id = "limitKey",
    security(("OpsToken" = ["super_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("key_id" = String, Path, description = "The key's id")),
    request_body(content = KeyLimitsBody, description = "Requests a minute, by class"),
    responses((status = 200, description = "The key's limits now", body = Success<KeyLimitsView>)))]
pub(crate) async fn limit(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, ADMINISTRATORS).await?;
    call.confirmed()?;
    let clinic: ClinicId = request.id("id", "Clinic")?;
    let key: KeyId = request.id("key_id", NOUN)?;
    let limits = request.json(&mut call, |f| read_limits(f, key)).await?;
    Ok(envelope::reply(staff::key_limit(&web.app, &call, clinic, limits, render_limits).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<KeyCreate, _>(|f| read_create(f, ClinicId(Uuid::nil())));
        assert_described::<KeyLimitsBody, _>(|f| read_limits(f, KeyId(Uuid::nil())));
    }
}
