//! Partners, and the business associate agreements with them.

use nimbus_core::{
    ids::{BaaId, PartnerId},
    time::Date,
};
use nimbus_store::{Tx, tenants};
use uuid::Uuid;

use super::{Baa, NO_AGREEMENT, NO_PARTNER, Partner, PartnerStatus, audited};
use crate::{
    App,
    actor::Call,
    error::{Error, FieldError, Result},
    unit::Cx,
};

/// Makes a partner, not yet approved.
pub async fn partner_create(app: &App, call: &Call, name: String) -> Result<Partner> {
    app.act(call, name, |tx, cx, name| Box::pin(partner_create_in(tx, cx, name))).await
}

pub(super) async fn partner_create_in(tx: &mut Tx, cx: &Cx, name: &str) -> Result<Partner> {
    let partner = Partner {
        id: PartnerId(Uuid::now_v7()),
        name: name.to_owned(),
        status: PartnerStatus::Pending,
        created_at: cx.wall,
        updated_at: cx.wall,
    };
    tenants::partner_insert(tx, &partner).await?;
    audited(tx, cx, None, "partner.create", "partner", partner.id.0).await?;
    Ok(partner)
}

/// Approves or suspends a partner.
pub async fn partner_set_status(app: &App, call: &Call, id: PartnerId, status: PartnerStatus) -> Result<()> {
    app.act(call, (id, status), |tx, cx, command| Box::pin(partner_set_status_in(tx, cx, command)))
        .await
        .map(drop)
}

/// What waited while nothing might be sent goes out.
pub(super) async fn partner_set_status_in(
    tx: &mut Tx,
    cx: &Cx,
    &(id, status): &(PartnerId, PartnerStatus),
) -> Result<Partner> {
    if !tenants::partner_status_set(tx, id, status, cx.wall).await? {
        return Err(NO_PARTNER);
    }
    audited(tx, cx, None, "partner.set_status", "partner", id.0).await?;
    cx.wake_dispatcher();
    tenants::partner_get(tx, id).await?.ok_or(NO_PARTNER)
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

impl BaaRecord {
    fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let is_digit = |byte: u8| byte.is_ascii_hexdigit();
        if self.document_hash.len() != 64 || !self.document_hash.bytes().all(is_digit) {
            wrong.push(FieldError::new("document_hash", "must be 64 hexadecimal digits (SHA-256)"));
        }
        if self.ends_on.is_some_and(|end| end < self.effective_on) {
            wrong.push(FieldError::new("ends_on", "must not be before effective_on"));
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
    }
}

pub async fn baa_record(app: &App, call: &Call, record: BaaRecord) -> Result<Baa> {
    app.act(call, record, |tx, cx, record| Box::pin(baa_record_in(tx, cx, record))).await
}

pub(super) async fn baa_record_in(tx: &mut Tx, cx: &Cx, record: &BaaRecord) -> Result<Baa> {
    tenants::partner_get(tx, record.partner_id).await?.ok_or(NO_PARTNER)?;
    record.check()?;
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
    cx.wake_dispatcher();
    Ok(baa)
}

/// Ends an agreement: `ends_on` is its last day in force.
pub async fn baa_end(app: &App, call: &Call, id: BaaId, ends_on: Date) -> Result<()> {
    app.act(call, (None, id, ends_on), |tx, cx, command| Box::pin(baa_end_in(tx, cx, command)))
        .await
        .map(drop)
}

/// Ends an agreement, of a partner if one is named.
pub(super) async fn baa_end_in(
    tx: &mut Tx,
    cx: &Cx,
    &(partner, id, ends_on): &(Option<PartnerId>, BaaId, Date),
) -> Result<Baa> {
    let mut baa = tenants::baa_get(tx, id).await?.ok_or(NO_AGREEMENT)?;
    if partner.is_some_and(|partner| partner != baa.partner_id) {
        return Err(NO_AGREEMENT);
    }
    baa.ends_on = Some(ends_on);
    tenants::baa_end(tx, id, ends_on).await?;
    audited(tx, cx, None, "baa.end", "baa", id.0).await?;
    Ok(baa)
}

pub async fn baa_list(app: &App, partner: PartnerId) -> Result<Vec<Baa>> {
    app.db()
        .read(move |tx| Box::pin(async move { Ok::<_, Error>(tenants::baa_list(tx, partner).await?) }))
        .await
}
