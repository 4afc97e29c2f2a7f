//! Clinics: made, renamed, deleted.

use nimbus_core::ids::{ClinicId, PartnerId};
use nimbus_store::{Tx, keys as credentials, staff, tenants};
use uuid::Uuid;

use super::{Clinic, NO_CLINIC, audited};
use crate::{
    App,
    actor::Call,
    endpoints,
    error::{Error, Result},
    practitioners::set,
    unit::Cx,
};

/// Makes a clinic of a partner, with its own data keys.
pub async fn clinic_create(app: &App, call: &Call, partner_id: PartnerId, name: String) -> Result<Clinic> {
    app.act(call, (partner_id, name), |tx, cx, command| Box::pin(clinic_create_in(tx, cx, command))).await
}

pub(super) async fn clinic_create_in(
    tx: &mut Tx,
    cx: &Cx,
    (partner_id, name): &(PartnerId, String),
) -> Result<Clinic> {
    let partner = tenants::partner_get(tx, *partner_id).await?;
    partner.ok_or_else(|| Error::field("partner_id", "Partner not found"))?;
    let clinic = Clinic {
        id: ClinicId(Uuid::now_v7()),
        partner_id: *partner_id,
        name: name.clone(),
        created_at: cx.wall,
        updated_at: cx.wall,
        version: 1,
        deleted_at: None,
        clock_ahead_us: 0,
    };
    tenants::clinic_insert(tx, &clinic).await?;
    audited(tx, cx, Some(clinic.id), "clinic.create", "clinic", clinic.id.0).await?;
    Ok(clinic)
}

pub async fn clinic_list(app: &App, partner: Option<PartnerId>) -> Result<Vec<Clinic>> {
    app.db()
        .read(move |tx| Box::pin(async move { Ok::<_, Error>(tenants::clinic_list(tx, partner).await?) }))
        .await
}

/// A clinic that is not deleted.
pub(super) async fn clinic_found(tx: &mut Tx, id: ClinicId) -> Result<Clinic> {
    let found = tenants::clinic_get(tx, id).await?;
    found.filter(|clinic| clinic.deleted_at.is_none()).ok_or(NO_CLINIC)
}

/// A change of a clinic; what is left out stays.
#[derive(Debug, Clone)]
pub struct ClinicUpdate {
    pub id: ClinicId,
    pub name: Option<String>,
}

pub async fn clinic_update(app: &App, call: &Call, command: ClinicUpdate) -> Result<Clinic> {
    app.act(call, command, |tx, cx, command| Box::pin(clinic_update_in(tx, cx, command))).await
}

pub(super) async fn clinic_update_in(tx: &mut Tx, cx: &Cx, command: &ClinicUpdate) -> Result<Clinic> {
    let mut clinic = clinic_found(tx, command.id).await?;
    cx.must_match(clinic.version)?;
    set(&mut clinic.name, &command.name);
    clinic.updated_at = cx.wall;
    tenants::clinic_update(tx, &clinic).await?;
    clinic.version += 1;
    audited(tx, cx, Some(clinic.id), "clinic.update", "clinic", clinic.id.0).await?;
    Ok(clinic)
}

pub async fn clinic_delete(app: &App, call: &Call, id: ClinicId) -> Result<()> {
    app.act(call, id, |tx, cx, id| Box::pin(clinic_delete_in(tx, cx, id))).await
}

/// Deletes a clinic: its keys, links and the tokens that reach it alone work no more, and its webhooks are deleted with
/// what waits for them. What is on record of it stays.
pub(super) async fn clinic_delete_in(tx: &mut Tx, cx: &Cx, &id: &ClinicId) -> Result<()> {
    if !tenants::clinic_delete_soft(tx, id, cx.wall).await? {
        return Err(NO_CLINIC);
    }
    credentials::ops_tokens_revoke_of(tx, id, cx.wall).await?;
    staff::users_suspend_of(tx, id, cx.wall).await?;
    endpoints::delete_all(tx, cx, id).await?;
    audited(tx, cx, Some(id), "clinic.delete", "clinic", id.0).await
}
