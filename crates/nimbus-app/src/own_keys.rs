//! A clinic's keys as its partner manages them: listed, rotated, confined to networks, revoked.
//!
//! A key manages itself and those of its clinic that may do nothing that it may not: a rotation answers the text of a
//! key, and must not give its caller more than it had. One that has a successor is on its way out and manages only
//! itself: whoever has found it does not end the key in its place.

use std::net::IpAddr;

use nimbus_core::ids::KeyId;
use nimbus_store::{
    Tx, keys,
    page::{Page, Slice},
};

use crate::{
    App,
    actor::{Call, PartnerActor},
    error::{Error, Result},
    key_rotation::{self, Rotate},
    tenancy::{IssuedKey, Key, KeyNetworks, NO_KEY, key_networks_in, key_revoke_in},
    unit::{Cx, Render, Reply},
};

/// The keys of the caller's clinic, newest first.
pub async fn list(app: &App, call: &Call, page: Page) -> Result<Slice<Key>> {
    let clinic = call.any_partner()?.clinic_id;
    app.read(call, (clinic, page), |tx, _, (clinic, page)| {
        Box::pin(async move { Ok((keys::key_page(tx, *clinic, page).await?, Vec::new())) })
    })
    .await
}

pub async fn rotate(app: &App, call: &Call, command: Rotate, render: Render<IssuedKey>) -> Result<Reply> {
    call.any_partner()?;
    command.check()?;
    app.write(call, command, render, |tx, cx, &command| {
        Box::pin(async move {
            let clinic = managed_by(tx, cx, command.id).await?.clinic_id;
            key_rotation::rotate_in(tx, cx, clinic, command).await
        })
    })
    .await
}

pub async fn revoke(app: &App, call: &Call, id: KeyId, render: Render<Key>) -> Result<Reply> {
    call.any_partner()?;
    app.write(call, id, render, |tx, cx, &id| {
        Box::pin(async move {
            let clinic = managed_by(tx, cx, id).await?.clinic_id;
            key_revoke_in(tx, cx, &(clinic, id)).await
        })
    })
    .await
}

/// Changes where a key works from. A key is not confined to where its caller is not: that would lock it out.
pub async fn confine(app: &App, call: &Call, command: KeyNetworks, render: Render<Key>) -> Result<Reply> {
    let caller = call.any_partner()?.key_id;
    let address: Option<IpAddr> = call.address.as_deref().and_then(|text| text.parse().ok());
    let stays = address.is_some_and(|address| command.networks.admit(address));
    if caller == command.id && !stays {
        return Err(Error::field("networks", "must have the address that this request comes from"));
    }
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let clinic = managed_by(tx, cx, command.id).await?.clinic_id;
            key_networks_in(tx, cx, clinic, command).await
        })
    })
    .await
}

/// The partner that calls, if its key manages this one.
async fn managed_by<'a>(tx: &mut Tx, cx: &'a Cx, id: KeyId) -> Result<&'a PartnerActor> {
    let partner = cx.call.any_partner()?;
    let (clinic, caller) = (partner.clinic_id, partner.key_id);
    let key = keys::key_get(tx, clinic, id).await?.ok_or(NO_KEY)?;
    if caller == id {
        return Ok(partner);
    }
    let caller = keys::key_get(tx, clinic, caller).await?.ok_or(Error::Forbidden)?;
    let is_current = caller.revoked_at.is_none() && caller.successor_id.is_none();
    match is_current && caller.scopes.includes(key.scopes) {
        true => Ok(partner),
        false => Err(Error::Forbidden),
    }
}
