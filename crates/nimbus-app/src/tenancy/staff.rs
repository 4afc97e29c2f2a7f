//! Partners, agreements, clinics and keys as staff manage them: each by the roles that may, with a reply.

use nimbus_core::{
    ids::{BaaId, ClinicId, KeyId, PartnerId},
    time::Date,
};
use nimbus_store::{
    keys,
    page::{Page, Slice},
    tenants,
};

use super::{
    Baa, BaaRecord, Clinic, ClinicUpdate, IssuedKey, Key, KeyLimits, KeyNetworks, KeyOrder, NO_KEY,
    NO_PARTNER, Partner, PartnerStatus,
    agreements::{baa_end_in, baa_record_in, partner_create_in, partner_set_status_in},
    clinics::{clinic_create_in, clinic_delete_in, clinic_found, clinic_update_in},
    keys::{key_issue_in, key_limit_in, key_networks_in, key_revoke_in},
};
use crate::{
    App,
    actor::{ADMINISTRATORS, Call, KEY_MANAGERS, KEY_READERS, OVERSEERS},
    error::{Error, Result},
    key_rotation::{self, Rotate},
    unit::{Render, Reply},
};

pub async fn partner_create(app: &App, call: &Call, name: String, render: Render<Partner>) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    app.write(call, name, render, |tx, cx, name| Box::pin(partner_create_in(tx, cx, name))).await
}

/// Partners, newest first: all, or those of one status.
pub async fn partner_page(
    app: &App,
    call: &Call,
    status: Option<PartnerStatus>,
    page: Page,
) -> Result<Slice<Partner>> {
    call.staff(OVERSEERS)?;
    app.read(call, (status, page), |tx, _, (status, page)| {
        Box::pin(async move { Ok((tenants::partner_page(tx, *status, page).await?, Vec::new())) })
    })
    .await
}

pub async fn partner_get(app: &App, call: &Call, id: PartnerId) -> Result<Partner> {
    call.staff(OVERSEERS)?;
    app.read(call, id, |tx, _, &id| {
        Box::pin(async move { Ok((tenants::partner_get(tx, id).await?.ok_or(NO_PARTNER)?, Vec::new())) })
    })
    .await
}

/// Approves or suspends a partner. Its keys stop, or work again, within a second.
pub async fn partner_set_status(
    app: &App,
    call: &Call,
    id: PartnerId,
    status: PartnerStatus,
    render: Render<Partner>,
) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    call.confirmed()?;
    app.write(call, (id, status), render, |tx, cx, command| Box::pin(partner_set_status_in(tx, cx, command)))
        .await
}

pub async fn baa_record(app: &App, call: &Call, record: BaaRecord, render: Render<Baa>) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    call.confirmed()?;
    app.write(call, record, render, |tx, cx, record| Box::pin(baa_record_in(tx, cx, record))).await
}

/// The agreements with a partner, newest first.
pub async fn baa_page(app: &App, call: &Call, partner: PartnerId, page: Page) -> Result<Slice<Baa>> {
    call.staff(OVERSEERS)?;
    app.read(call, (partner, page), |tx, _, (partner, page)| {
        Box::pin(async move {
            tenants::partner_get(tx, *partner).await?.ok_or(NO_PARTNER)?;
            Ok((tenants::baa_page(tx, *partner, page).await?, Vec::new()))
        })
    })
    .await
}

/// The end of an agreement.
#[derive(Debug, Clone, Copy)]
pub struct BaaEnd {
    pub partner: PartnerId,
    pub id: BaaId,
    /// Its last day in force.
    pub ends_on: Date,
}

pub async fn baa_end(app: &App, call: &Call, end: BaaEnd, render: Render<Baa>) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    call.confirmed()?;
    let command = (Some(end.partner), end.id, end.ends_on);
    app.write(call, command, render, |tx, cx, command| Box::pin(baa_end_in(tx, cx, command))).await
}

pub async fn clinic_create(
    app: &App,
    call: &Call,
    (partner, name): (PartnerId, String),
    render: Render<Clinic>,
) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    app.write(call, (partner, name), render, |tx, cx, command| Box::pin(clinic_create_in(tx, cx, command)))
        .await
}

/// Clinics that are not deleted, newest first: all, or those of one partner.
pub async fn clinic_page(
    app: &App,
    call: &Call,
    partner: Option<PartnerId>,
    page: Page,
) -> Result<Slice<Clinic>> {
    call.staff(OVERSEERS)?;
    app.read(call, (partner, page), |tx, _, (partner, page)| {
        Box::pin(async move { Ok((tenants::clinic_page(tx, *partner, page).await?, Vec::new())) })
    })
    .await
}

pub async fn clinic_get(app: &App, call: &Call, id: ClinicId) -> Result<Clinic> {
    call.staff(OVERSEERS)?;
    app.read(call, id, |tx, _, &id| Box::pin(async move { Ok((clinic_found(tx, id).await?, Vec::new())) }))
        .await
}

pub async fn clinic_update(
    app: &App,
    call: &Call,
    command: ClinicUpdate,
    render: Render<Clinic>,
) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(clinic_update_in(tx, cx, command))).await
}

pub async fn clinic_delete(app: &App, call: &Call, id: ClinicId, render: Render<()>) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    call.confirmed()?;
    let reply = app.write(call, id, render, |tx, cx, id| Box::pin(clinic_delete_in(tx, cx, id))).await?;
    app.tokens().clear();
    Ok(reply)
}

/// The keys of a clinic, newest first, the revoked and expired ones too.
pub async fn key_page(app: &App, call: &Call, clinic: ClinicId, page: Page) -> Result<Slice<Key>> {
    call.staff_of(KEY_READERS, clinic)?;
    app.read(call, (clinic, page), |tx, _, (clinic, page)| {
        Box::pin(async move {
            clinic_found(tx, *clinic).await?;
            Ok((keys::key_page(tx, *clinic, page).await?, Vec::new()))
        })
    })
    .await
}

pub async fn key_get(app: &App, call: &Call, clinic: ClinicId, id: KeyId) -> Result<Key> {
    call.staff_of(KEY_READERS, clinic)?;
    app.read(call, (clinic, id), |tx, _, &(clinic, id)| {
        Box::pin(async move { Ok((keys::key_get(tx, clinic, id).await?.ok_or(NO_KEY)?, Vec::new())) })
    })
    .await
}

/// Issues a key, as [`super::key_issue`] does.
pub async fn key_issue(app: &App, call: &Call, order: KeyOrder, render: Render<IssuedKey>) -> Result<Reply> {
    call.staff_of(KEY_MANAGERS, order.clinic_id)?;
    call.confirmed()?;
    app.write(call, order, render, |tx, cx, order| {
        Box::pin(async move {
            if order.expires_at.is_some_and(|at| at <= cx.wall) {
                return Err(Error::field("expires_at", "must be in the future"));
            }
            key_issue_in(tx, cx, order).await
        })
    })
    .await
}

pub async fn key_rotate(
    app: &App,
    call: &Call,
    clinic: ClinicId,
    command: Rotate,
    render: Render<IssuedKey>,
) -> Result<Reply> {
    call.staff_of(KEY_MANAGERS, clinic)?;
    call.confirmed()?;
    command.check()?;
    app.write(call, (clinic, command), render, |tx, cx, &(clinic, command)| {
        Box::pin(key_rotation::rotate_in(tx, cx, clinic, command))
    })
    .await
}

pub async fn key_revoke(
    app: &App,
    call: &Call,
    clinic: ClinicId,
    id: KeyId,
    render: Render<Key>,
) -> Result<Reply> {
    call.staff_of(KEY_MANAGERS, clinic)?;
    call.confirmed()?;
    app.write(call, (clinic, id), render, |tx, cx, command| Box::pin(key_revoke_in(tx, cx, command))).await
}

pub async fn key_networks(
    app: &App,
    call: &Call,
    clinic: ClinicId,
    command: KeyNetworks,
    render: Render<Key>,
) -> Result<Reply> {
    call.staff_of(KEY_MANAGERS, clinic)?;
    app.write(call, (clinic, command), render, |tx, cx, (clinic, command)| {
        Box::pin(key_networks_in(tx, cx, *clinic, command))
    })
    .await
}

/// Changes the limits of a key, within a second on every node.
pub async fn key_limit(
    app: &App,
    call: &Call,
    clinic: ClinicId,
    limits: KeyLimits,
    render: Render<Key>,
) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    call.confirmed()?;
    app.write(call, (clinic, limits), render, |tx, cx, command| Box::pin(key_limit_in(tx, cx, command))).await
}
