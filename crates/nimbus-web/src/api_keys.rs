//! API keys as partners and staff are shown them, and how rotating and confining one is asked for.

use nimbus_app::{
    Rendered,
    key_rotation::{MAX_OVERLAP_HOURS, OVERLAP_HOURS, Rotate},
    tenancy::{IssuedKey, Key, KeyNetworks},
};
use nimbus_core::{
    access::Scope,
    ids::KeyId,
    network::{Network, Networks},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    checks::{count, text},
    fields::{Checked, Fields},
    partner_api::envelope,
    wire::{Cidr, Time},
    words,
};

pub(crate) const NOUN: &str = "API key";

#[derive(Serialize, ToSchema)]
pub struct ApiKey {
    pub key_id: Uuid,
    pub clinic_id: Uuid,
    #[schema(example = "Backend")]
    pub name: String,
    #[schema(value_type = words::Environment)]
    pub environment: &'static str,
    /// The beginning of the key, by which people tell keys apart.
    #[schema(example = "dev_4kQzEx")]
    pub prefix: String,
    #[schema(value_type = Vec<words::KeyScope>)]
    pub scopes: Vec<&'static str>,
    /// Where it works from; empty: from anywhere.
    #[schema(value_type = Vec<Cidr>)]
    pub networks: Vec<String>,
    pub created_at: Time,
    /// When it ends by itself; null if it does not.
    pub expires_at: Option<Time>,
    pub revoked_at: Option<Time>,
    /// To a minute; null if it was never used.
    pub last_used_at: Option<Time>,
    /// The key that takes its place; null if none does.
    pub successor_id: Option<Uuid>,
    /// `null`: the deployment's default.
    pub reads_per_minute: Option<u32>,
    /// `null`: the deployment's default.
    pub writes_per_minute: Option<u32>,
}

impl From<&Key> for ApiKey {
    fn from(key: &Key) -> Self {
        Self {
            key_id: key.id.0,
            clinic_id: key.clinic_id.0,
            name: key.name.clone(),
            environment: key.environment.as_str(),
            prefix: key.prefix.clone(),
            scopes: key.scopes.iter().map(Scope::as_str).collect(),
            networks: key.networks.iter().map(|network| network.to_string()).collect(),
            created_at: Time(key.created_at),
            expires_at: key.expires_at.map(Time),
            revoked_at: key.revoked_at.map(Time),
            last_used_at: key.last_used_at.map(Time),
            successor_id: key.successor_id.map(|id| id.0),
            reads_per_minute: key.rates.reads,
            writes_per_minute: key.rates.writes,
        }
    }
}

/// A key that was made for this request.
#[derive(Serialize, ToSchema)]
pub struct NewApiKey {
    pub key_id: Uuid,
    /// The whole key. It is shown this once.
    #[schema(example = "dev_4kQzExampleOfAKeyThatIsShownThisOnce")]
    pub key: String,
    pub details: ApiKey,
}

/// For how long the key works beside the one that takes its place.
#[derive(ToSchema)]
pub struct KeyRotation {
    /// 24, if it is left out; with 0 the key ends at once.
    #[schema(maximum = 168)]
    pub overlap_hours: Option<u32>,
}

/// Where a key works from.
#[derive(ToSchema)]
pub struct KeyNetworksBody {
    /// Addresses, or networks in CIDR notation, of IPv4 or IPv6; none: from anywhere.
    #[schema(max_items = 50, value_type = Vec<Cidr>)]
    pub networks: Vec<String>,
}

pub(crate) fn read_rotation(f: &mut Fields<'_>, id: KeyId) -> Option<Rotate> {
    let overlap_hours = f.optional("overlap_hours", count(0..=MAX_OVERLAP_HOURS)).unwrap_or(OVERLAP_HOURS);
    Some(Rotate { id, overlap_hours })
}

pub(crate) fn read_confinement(f: &mut Fields<'_>, id: KeyId) -> Option<KeyNetworks> {
    let networks = read_networks(f, true)?;
    Some(KeyNetworks { id, networks })
}

pub(crate) fn read_networks(f: &mut Fields<'_>, needed: bool) -> Option<Networks> {
    let networks = f.values(needed, "networks", 0..=Networks::MAX, network)?;
    Networks::new(networks)
}

fn network(value: &Value) -> Checked<Network> {
    text(1..=64)(value)?.parse().map_err(|error: nimbus_core::network::NetworkError| error.to_string().into())
}

pub(crate) fn render(key: &Key) -> Rendered {
    envelope::written(ApiKey::from(key), "OK")
}

pub(crate) fn render_issued(issued: &IssuedKey) -> Rendered {
    let (key_id, key) = (issued.key.id.0, issued.text.clone());
    envelope::written(NewApiKey { key_id, key, details: ApiKey::from(&issued.key) }, "OK")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<KeyRotation, _>(|f| read_rotation(f, KeyId(Uuid::nil())));
        assert_described::<KeyNetworksBody, _>(|f| read_confinement(f, KeyId(Uuid::nil())));
    }
}
