//! Partners, their agreements, their clinics and their keys.

use nimbus_core::{
    access::{Environment, Profile, Role, Scopes},
    ids::{BaaId, ClinicId, KeyId, OpsTokenId, PartnerId},
    rate::KeyRates,
    time::{Date, Ts},
};
use nimbus_store::{
    Tx,
    keys::{self, OpsToken},
    tenants::{self, Baa},
};
pub use nimbus_store::{
    keys::Key,
    tenants::{Clinic, Partner, PartnerStatus},
};
use uuid::Uuid;

use crate::{
    App,
    actor::{ADMINISTRATORS, Call},
    clock::wall,
    credentials,
    error::{Error, Result},
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

/// What a key sees of its own clinic.
#[derive(Debug, Clone)]
pub struct ClinicOverview {
    pub clinic: Clinic,
    pub partner: Partner,
    pub environment: Environment,
    pub baa_in_force: bool,
    /// The partner's other clinics.
    pub other_clinics: Vec<Clinic>,
}

/// The key's clinic, and the partner's others.
pub async fn clinic_overview(app: &App, call: &Call) -> Result<ClinicOverview> {
    let partner = call.any_partner()?;
    app.read(call, (partner.clinic_id, partner.partner_id), |tx, cx, &(clinic_id, partner_id)| {
        Box::pin(async move {
            let clinic = tenants::clinic_get(tx, clinic_id).await?.ok_or(Error::NotFound("Clinic"))?;
            let partner = tenants::partner_get(tx, partner_id).await?.ok_or(Error::NotFound("Partner"))?;
            let baa_in_force = tenants::baa_in_force(tx, partner_id, cx.wall.date()).await?;
            let mut others = tenants::clinic_list(tx, Some(partner_id)).await?;
            others.retain(|other| other.id != clinic_id && other.deleted_at.is_none());
            let environment = cx.app.environment();
            let overview =
                ClinicOverview { clinic, partner, environment, baa_in_force, other_clinics: others };
            Ok((overview, Vec::new()))
        })
    })
    .await
}

/// Makes a partner, not yet approved.
pub async fn partner_create(app: &App, call: &Call, name: String) -> Result<Partner> {
    app.act(call, name, |tx, cx, name| {
        Box::pin(async move {
            let partner = Partner {
                id: PartnerId(Uuid::now_v7()),
                name: name.clone(),
                status: PartnerStatus::Pending,
                created_at: cx.wall,
                updated_at: cx.wall,
            };
            tenants::partner_insert(tx, &partner).await?;
            audited(tx, cx, None, "partner.create", "partner", partner.id.0).await?;
            Ok(partner)
        })
    })
    .await
}

/// Approves or suspends a partner.
pub async fn partner_set_status(app: &App, call: &Call, id: PartnerId, status: PartnerStatus) -> Result<()> {
    app.act(call, (id, status), |tx, cx, &(id, status)| {
        Box::pin(async move {
            if !tenants::partner_status_set(tx, id, status, cx.wall).await? {
                return Err(Error::NotFound("Partner"));
            }
            audited(tx, cx, None, "partner.set_status", "partner", id.0).await
        })
    })
    .await
}

pub async fn partner_list(app: &App) -> Result<Vec<Partner>> {
    app.db().read(|tx| Box::pin(async move { Ok::<_, Error>(tenants::partner_list(tx).await?) })).await
}

/// A business associate agreement to put on record. Days are UTC's.
#[derive(Debug, Clone)]
pub struct BaaRecord {
    pub partner_id: PartnerId,
    pub effective_on: Date,
    /// The last day on which it is in force.
    pub ends_on: Option<Date>,
    /// SHA-256 of the signed document, in hexadecimal.
    pub document_hash: String,
}

pub async fn baa_record(app: &App, call: &Call, record: BaaRecord) -> Result<Baa> {
    let is_sha256 =
        record.document_hash.len() == 64 && record.document_hash.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_sha256 {
        return Err(Error::field("document_hash", "must be 64 hexadecimal digits (SHA-256)"));
    }
    if record.ends_on.is_some_and(|end| end < record.effective_on) {
        return Err(Error::field("ends_on", "must not be before effective_on"));
    }
    app.act(call, record, |tx, cx, record| {
        Box::pin(async move {
            tenants::partner_get(tx, record.partner_id).await?.ok_or(Error::NotFound("Partner"))?;
            let baa = Baa {
                id: BaaId(Uuid::now_v7()),
                partner_id: record.partner_id,
                effective_on: record.effective_on,
                ends_on: record.ends_on,
                document_hash: record.document_hash.to_lowercase(),
                created_at: cx.wall,
            };
            tenants::baa_insert(tx, &baa).await?;
            audited(tx, cx, None, "baa.record", "baa", baa.id.0).await?;
            Ok(baa)
        })
    })
    .await
}

/// Ends an agreement: `ends_on` is its last day in force.
pub async fn baa_end(app: &App, call: &Call, id: BaaId, ends_on: Date) -> Result<()> {
    app.act(call, (id, ends_on), |tx, cx, &(id, ends_on)| {
        Box::pin(async move {
            if !tenants::baa_end(tx, id, ends_on).await? {
                return Err(Error::NotFound("BAA"));
            }
            audited(tx, cx, None, "baa.end", "baa", id.0).await
        })
    })
    .await
}

pub async fn baa_list(app: &App, partner: PartnerId) -> Result<Vec<Baa>> {
    app.db()
        .read(move |tx| Box::pin(async move { Ok::<_, Error>(tenants::baa_list(tx, partner).await?) }))
        .await
}

/// Makes a clinic of a partner, with its own data keys.
pub async fn clinic_create(app: &App, call: &Call, partner_id: PartnerId, name: String) -> Result<Clinic> {
    app.act(call, (partner_id, name), |tx, cx, (partner_id, name)| {
        Box::pin(async move {
            tenants::partner_get(tx, *partner_id).await?.ok_or(Error::NotFound("Partner"))?;
            let clinic = Clinic {
                id: ClinicId(Uuid::now_v7()),
                partner_id: *partner_id,
                name: name.clone(),
                created_at: cx.wall,
                deleted_at: None,
                clock_ahead_us: 0,
            };
            tenants::clinic_insert(tx, &clinic).await?;
            audited(tx, cx, Some(clinic.id), "clinic.create", "clinic", clinic.id.0).await?;
            Ok(clinic)
        })
    })
    .await
}

pub async fn clinic_list(app: &App, partner: Option<PartnerId>) -> Result<Vec<Clinic>> {
    app.db()
        .read(move |tx| Box::pin(async move { Ok::<_, Error>(tenants::clinic_list(tx, partner).await?) }))
        .await
}

/// A key to issue.
#[derive(Debug, Clone)]
pub struct KeyOrder {
    pub clinic_id: ClinicId,
    pub name: String,
    pub scopes: Scopes,
    pub expires_at: Option<Ts>,
    /// The text of the key, where it is derived rather than random (a sandbox's seed).
    pub(crate) text: Option<String>,
}

impl KeyOrder {
    pub fn with_profile(clinic_id: ClinicId, name: &str, profile: Profile) -> Self {
        let scopes = Scopes::profile(profile);
        Self { clinic_id, name: name.to_owned(), scopes, expires_at: None, text: None }
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

pub(crate) async fn key_issue_in(tx: &mut Tx, cx: &Cx, order: &KeyOrder) -> Result<IssuedKey> {
    let environment = cx.app.environment();
    let clinic = tenants::clinic_get(tx, order.clinic_id).await?.filter(|clinic| clinic.deleted_at.is_none());
    let clinic = clinic.ok_or(Error::NotFound("Clinic"))?;
    let partner = tenants::partner_get(tx, clinic.partner_id).await?.ok_or(Error::NotFound("Partner"))?;
    if partner.status != PartnerStatus::Approved {
        return Err(Error::field("partner", "is not approved"));
    }
    let agreed = tenants::baa_in_force(tx, partner.id, cx.wall.date()).await?;
    if environment == Environment::Production && !agreed {
        return Err(Error::field("partner", "has no business associate agreement in force"));
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
        rates: KeyRates::default(),
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
    app.act(call, (None, limits), |tx, cx, command| Box::pin(key_limit_in(tx, cx, command))).await
}

/// [`key_limit`] as staff ask for it, by clinic and key.
pub async fn clinic_key_limit(
    app: &App,
    call: &Call,
    clinic: ClinicId,
    limits: KeyLimits,
    render: Render<Key>,
) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    app.write(call, (Some(clinic), limits), render, |tx, cx, command| Box::pin(key_limit_in(tx, cx, command)))
        .await
}

async fn key_limit_in(tx: &mut Tx, cx: &Cx, (clinic, limits): &(Option<ClinicId>, KeyLimits)) -> Result<Key> {
    for (field, given) in [("reads_per_minute", limits.reads), ("writes_per_minute", limits.writes)] {
        if given.flatten().is_some_and(|rate| !(1..=KeyRates::MAX).contains(&rate)) {
            return Err(Error::field(field, format!("must be 1 to {}", KeyRates::MAX)));
        }
    }
    let clinic = match clinic {
        Some(clinic) => *clinic,
        None => keys::key_clinic_any(tx, limits.id).await?.ok_or(Error::NotFound("Key"))?,
    };
    let mut key = keys::key_get(tx, clinic, limits.id).await?.ok_or(Error::NotFound("Key"))?;
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
            if !keys::key_revoke(tx, id, cx.wall).await? {
                return Err(Error::NotFound("Key"));
            }
            audited(tx, cx, None, "key.revoke", "key", id.0).await
        })
    })
    .await
}

/// An operations token to issue.
#[derive(Debug, Clone)]
pub struct TokenOrder {
    pub name: String,
    pub roles: Vec<Role>,
    pub expires_at: Option<Ts>,
    /// The text of the token, where it is derived rather than random (a sandbox's seed).
    pub(crate) text: Option<String>,
}

impl TokenOrder {
    pub fn new(name: &str, roles: Vec<Role>, expires_at: Option<Ts>) -> Self {
        Self { name: name.to_owned(), roles, expires_at, text: None }
    }
}

/// Issues an operations token; its text is shown this once.
pub async fn token_issue(app: &App, call: &Call, order: TokenOrder) -> Result<(OpsToken, String)> {
    app.act(call, order, |tx, cx, order| {
        Box::pin(async move {
            let text = match &order.text {
                Some(text) => text.clone(),
                None => credentials::generate(credentials::OPS_PREFIX)?,
            };
            let token = OpsToken {
                id: OpsTokenId(Uuid::now_v7()),
                name: order.name.clone(),
                roles: order.roles.clone(),
                created_at: wall(),
                expires_at: order.expires_at,
                revoked_at: None,
            };
            keys::ops_token_insert(tx, &token, &credentials::hash(&text)).await?;
            audited(tx, cx, None, "token.issue", "token", token.id.0).await?;
            Ok((token, text))
        })
    })
    .await
}

pub async fn token_list(app: &App) -> Result<Vec<OpsToken>> {
    app.db().read(|tx| Box::pin(async move { Ok::<_, Error>(keys::ops_token_list(tx).await?) })).await
}

pub async fn token_revoke(app: &App, call: &Call, id: OpsTokenId) -> Result<()> {
    app.act(call, id, |tx, cx, &id| {
        Box::pin(async move {
            if !keys::ops_token_revoke(tx, id, cx.wall).await? {
                return Err(Error::NotFound("Token"));
            }
            audited(tx, cx, None, "token.revoke", "token", id.0).await
        })
    })
    .await?;
    app.tokens().clear();
    Ok(())
}

pub(crate) async fn audited(
    tx: &mut Tx,
    cx: &Cx,
    clinic: Option<ClinicId>,
    action: &'static str,
    subject: &'static str,
    id: Uuid,
) -> Result<()> {
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(clinic, action, subject, Some(id)));
    changes.write(tx, cx).await
}
