//! Keys of clinics as staff manage them.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::ADMINISTRATORS,
    tenancy::{self, Key, KeyLimits},
};
use nimbus_core::{
    ids::{ClinicId, KeyId},
    rate::KeyRates,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    checks::count,
    failure::Answer,
    fields::Fields,
    partner_api::envelope::{self, Success},
};

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

fn read_limits(f: &mut Fields<'_>, id: KeyId) -> Option<KeyLimits> {
    let reads = f.clearable("reads_per_minute", count(1..=KeyRates::MAX));
    let writes = f.clearable("writes_per_minute", count(1..=KeyRates::MAX));
    Some(KeyLimits { id, reads, writes })
}

fn render(key: &Key) -> Rendered {
    envelope::written(KeyLimitsView::from(key), "OK")
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
    let clinic: ClinicId = request.id("id", "Clinic")?;
    let key: KeyId = request.id("key_id", "Key")?;
    let limits = request.json(&mut call, |f| read_limits(f, key)).await?;
    Ok(envelope::reply(tenancy::clinic_key_limit(&web.app, &call, clinic, limits, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<KeyLimitsBody, _>(|f| read_limits(f, KeyId(Uuid::nil())));
    }
}
