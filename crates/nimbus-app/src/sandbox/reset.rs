//! A reset: what a sandbox clinic has gathered is deleted, and the seed's people and order are made anew.

use nimbus_core::{access::Scope, ids::ClinicId};
use nimbus_store::{Tx, sandbox as store, settings, tenants};

use super::{Ready, SEED, clinic_of, ready, renewed};
use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    label_purchases, legal_holds,
    outbox::Changes,
    unit::{Cx, Prepared, Render, Reply},
};

/// What the clinic has after a reset.
pub struct WasReset {
    pub clinic_id: ClinicId,
    pub ready: Ready,
}

/// Puts a clinic back to what the seed made. Keys, endpoints, the log of events, deliveries, the audit log and the
/// clinic's clock stay. Once it has begun it runs to its end, whether or not the caller waits.
pub async fn reset(
    app: &App,
    call: &Call,
    clinic: Option<ClinicId>,
    render: Render<WasReset>,
) -> Result<Reply> {
    let clinic = clinic_of(call, Scope::OrdersWrite, clinic)?;
    let running = tokio::spawn(run(app.clone(), call.clone(), clinic, render));
    running.await.unwrap_or(Err(Error::Internal("a reset broke off")))
}

async fn run(app: App, call: Call, clinic: ClinicId, render: Render<WasReset>) -> Result<Reply> {
    let prepared = app.prepare(&call, clinic, |tx, cx, &clinic| Box::pin(delete(tx, cx, clinic)));
    if let Prepared::Answered(reply) = prepared.await? {
        return Ok(reply);
    }
    let outcome = WasReset { clinic_id: clinic, ready: ready(&app, clinic).await? };
    app.conclude(&call, outcome, render, |tx, _, made| Box::pin(remember(tx, made))).await
}

async fn delete(tx: &mut Tx, cx: &Cx, clinic: ClinicId) -> Result<()> {
    let found = tenants::clinic_get(tx, clinic).await?;
    found.filter(|clinic| clinic.deleted_at.is_none()).ok_or(Error::NotFound("Clinic"))?;
    let held = cx.call.idempotency.as_ref().map(|held| (cx.call.actor.owner(), held.key.as_str()));
    legal_holds::must_not_be_held(tx, clinic).await?;
    label_purchases::give_back_all(tx, cx, clinic).await?;
    store::clinic_data_delete(tx, clinic, held).await?;
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic), "sandbox.reset", "clinic", Some(clinic.0)));
    changes.write(tx, cx).await
}

/// The store remembers its seed by what there is now, where this was the seed's own clinic.
async fn remember(tx: &mut Tx, made: &WasReset) -> Result<()> {
    let Some(text) = settings::setting_get(tx, SEED).await? else { return Ok(()) };
    match renewed(&text, made.clinic_id, made.ready) {
        Some(text) => Ok(settings::setting_set(tx, SEED, &text).await?),
        None => Ok(()),
    }
}
