//! API keys of clinics: issued, limited, confined to networks, revoked.

use nimbus_core::{
    access::{Environment, Profile, Scopes},
    ids::{ClinicId, KeyId},
    network::Networks,
    rate::KeyRates,
    time::Ts,
};
use nimbus_store::{Tx, keys, tenants};
use uuid::Uuid;

use super::{Key, NO_KEY, NO_PARTNER, PartnerStatus, audited, clinics::clinic_found};
use crate::{
    App,
    actor::Call,
    credentials,
    error::{Error, RefusalCode, Result},
    unit::Cx,
};

/// A key to issue.
#[derive(Debug, Clone)]
pub struct KeyOrder {
    pub clinic_id: ClinicId,
    pub name: String,
    pub scopes: Scopes,
    pub expires_at: Option<Ts>,
    pub rates: KeyRates,
    /// Where it works from.
    pub networks: Networks,
    /// The text of the key, where it is derived rather than random (a sandbox's seed).
    pub(crate) text: Option<String>,
}

impl KeyOrder {
    pub fn with_profile(clinic_id: ClinicId, name: &str, profile: Profile) -> Self {
        let scopes = Scopes::profile(profile);
        Self {
            clinic_id,
            name: name.to_owned(),
            scopes,
            expires_at: None,
            rates: KeyRates::default(),
            networks: Networks::default(),
            text: None,
        }
    }
}

/// A key and its text, which is shown this once.
pub struct IssuedKey {
    pub key: Key,
    pub text: String,
}

/// Issues a key of this deployment's environment. In production the partner must be approved and have a BAA in
/// force; in a sandbox, approved.
pub async fn key_issue(app: &App, call: &Call, order: KeyOrder) -> Result<IssuedKey> {
    app.act(call, order, |tx, cx, order| Box::pin(key_issue_in(tx, cx, order))).await
}

/// The state of the partner stands against it, not the form of the request.
fn not_served(message: &str) -> Error {
    Error::refused(RefusalCode::InvalidStatusTransition, message, Vec::new())
}

pub(crate) async fn key_issue_in(tx: &mut Tx, cx: &Cx, order: &KeyOrder) -> Result<IssuedKey> {
    let environment = cx.app.environment();
    let clinic = clinic_found(tx, order.clinic_id).await?;
    let partner = tenants::partner_get(tx, clinic.partner_id).await?.ok_or(NO_PARTNER)?;
    if partner.status != PartnerStatus::Approved {
        return Err(not_served("The partner is not approved"));
    }
    let agreed = tenants::baa_in_force(tx, partner.id, cx.wall.date()).await?;
    if environment == Environment::Production && !agreed {
        return Err(not_served("The partner has no business associate agreement in force"));
    }
    let text = match &order.text {
        Some(text) => text.clone(),
        None => credentials::generate(environment.key_prefix())?,
    };
    let key = Key {
        id: KeyId(Uuid::now_v7()),
        clinic_id: clinic.id,
        name: order.name.clone(),
        environment,
        prefix: credentials::shown(&text),
        scopes: order.scopes,
        created_at: cx.wall,
        expires_at: order.expires_at,
        revoked_at: None,
        last_used_at: None,
        rates: order.rates,
        networks: order.networks.clone(),
        successor_id: None,
    };
    keys::key_insert(tx, &key, &credentials::hash(&text), &text).await?;
    audited(tx, cx, Some(clinic.id), "key.issue", "key", key.id.0).await?;
    Ok(IssuedKey { key, text })
}

pub async fn key_list(app: &App, clinic: ClinicId) -> Result<Vec<Key>> {
    app.db().read(move |tx| Box::pin(async move { Ok::<_, Error>(keys::key_list(tx, clinic).await?) })).await
}

/// What a key is to be given. `None` leaves a limit as it is, `Some(None)` gives the deployment's default.
#[derive(Debug, Clone, Copy)]
pub struct KeyLimits {
    pub id: KeyId,
    pub reads: Option<Option<u32>>,
    pub writes: Option<Option<u32>>,
}

/// Changes the limits of a key, within a second on every node.
pub async fn key_limit(app: &App, call: &Call, limits: KeyLimits) -> Result<Key> {
    app.act(call, limits, |tx, cx, limits| {
        Box::pin(async move {
            let clinic = clinic_of(tx, limits.id).await?;
            key_limit_in(tx, cx, &(clinic, *limits)).await
        })
    })
    .await
}

pub(super) async fn key_limit_in(
    tx: &mut Tx,
    cx: &Cx,
    &(clinic, limits): &(ClinicId, KeyLimits),
) -> Result<Key> {
    for (field, given) in [("reads_per_minute", limits.reads), ("writes_per_minute", limits.writes)] {
        if given.flatten().is_some_and(|rate| !(1..=KeyRates::MAX).contains(&rate)) {
            return Err(Error::field(field, format!("must be 1 to {}", KeyRates::MAX)));
        }
    }
    let mut key = keys::key_get(tx, clinic, limits.id).await?.ok_or(NO_KEY)?;
    key.rates = KeyRates {
        reads: limits.reads.unwrap_or(key.rates.reads),
        writes: limits.writes.unwrap_or(key.rates.writes),
    };
    keys::key_set_rates(tx, clinic, key.id, key.rates).await?;
    audited(tx, cx, Some(clinic), "key.limits", "key", key.id.0).await?;
    Ok(key)
}

/// Revokes a key; it stops working within a second on every node.
pub async fn key_revoke(app: &App, call: &Call, id: KeyId) -> Result<()> {
    app.act(call, id, |tx, cx, &id| {
        Box::pin(async move {
            let clinic = clinic_of(tx, id).await?;
            key_revoke_in(tx, cx, &(clinic, id)).await.map(drop)
        })
    })
    .await
}

/// Revokes a key. One that is revoked already stays as it is.
pub(crate) async fn key_revoke_in(tx: &mut Tx, cx: &Cx, &(clinic, id): &(ClinicId, KeyId)) -> Result<Key> {
    let mut key = keys::key_get(tx, clinic, id).await?.ok_or(NO_KEY)?;
    if keys::key_revoke(tx, clinic, id, cx.wall).await? {
        key.revoked_at = Some(cx.wall);
        audited(tx, cx, Some(clinic), "key.revoke", "key", id.0).await?;
    }
    Ok(key)
}

/// The networks that a key is to work from; none is from anywhere.
#[derive(Debug, Clone)]
pub struct KeyNetworks {
    pub id: KeyId,
    pub networks: Networks,
}

/// Changes where a key works from, within a second on every node.
pub async fn key_networks(app: &App, call: &Call, command: KeyNetworks) -> Result<Key> {
    app.act(call, command, |tx, cx, command| {
        Box::pin(async move {
            let clinic = clinic_of(tx, command.id).await?;
            key_networks_in(tx, cx, clinic, command).await
        })
    })
    .await
}

pub(crate) async fn key_networks_in(
    tx: &mut Tx,
    cx: &Cx,
    clinic: ClinicId,
    command: &KeyNetworks,
) -> Result<Key> {
    let mut key = keys::key_get(tx, clinic, command.id).await?.ok_or(NO_KEY)?;
    keys::key_set_networks(tx, clinic, key.id, &command.networks).await?;
    key.networks = command.networks.clone();
    audited(tx, cx, Some(clinic), "key.networks", "key", key.id.0).await?;
    Ok(key)
}

/// The clinic of a key, whichever that is.
pub(crate) async fn clinic_of(tx: &mut Tx, id: KeyId) -> Result<ClinicId> {
    keys::key_clinic_any(tx, id).await?.ok_or(NO_KEY)
}
