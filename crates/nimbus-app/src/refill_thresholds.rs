//! When a refill is too soon for a clinic: its own thresholds over those of the deployment.

use nimbus_core::{
    eligibility::{OwnThresholds, Thresholds},
    ids::ClinicId,
};
use nimbus_store::{Tx, refill_thresholds as store, tenants};

use crate::{
    App,
    actor::{ADMINISTRATORS, Call},
    eligibility::default_thresholds,
    error::{Error, Result},
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

/// A clinic's thresholds, and what they come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClinicThresholds {
    pub clinic_id: ClinicId,
    pub own: OwnThresholds,
    /// What decides today.
    pub in_force: Thresholds,
}

/// The thresholds of a clinic.
pub async fn get(app: &App, call: &Call, clinic: ClinicId) -> Result<ClinicThresholds> {
    call.staff(ADMINISTRATORS)?;
    app.read(call, clinic, |tx, cx, &clinic| {
        Box::pin(async move {
            must_exist(tx, clinic).await?;
            let own = store::refill_thresholds_get(tx, clinic).await?;
            Ok((in_force(tx, cx, clinic, own).await?, Vec::new()))
        })
    })
    .await
}

/// What becomes of a clinic's thresholds.
#[derive(Debug, Clone, Copy)]
pub struct Put {
    pub clinic_id: ClinicId,
    pub thresholds: OwnThresholds,
}

/// Puts a clinic's thresholds in the place of those before. They decide what is asked from now on; decisions on
/// record keep theirs.
pub async fn put(app: &App, call: &Call, command: Put, render: Render<ClinicThresholds>) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(put_in(tx, cx, command))).await
}

/// [`put`] for the command line.
pub async fn set(app: &App, call: &Call, command: Put) -> Result<ClinicThresholds> {
    call.staff(ADMINISTRATORS)?;
    app.act(call, command, |tx, cx, command| Box::pin(put_in(tx, cx, command))).await
}

async fn put_in(tx: &mut Tx, cx: &Cx, command: &Put) -> Result<ClinicThresholds> {
    let Put { clinic_id: clinic, thresholds: own } = *command;
    for (field, given) in [("percent", own.percent), ("controlled_percent", own.controlled_percent)] {
        if given.is_some_and(|percent| !(1..=100).contains(&percent)) {
            return Err(Error::field(field, "must be 1 to 100"));
        }
    }
    must_exist(tx, clinic).await?;
    store::refill_thresholds_put(tx, clinic, own, cx.wall).await?;
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic), "clinic.refill_thresholds", "clinic", Some(clinic.0)));
    changes.write(tx, cx).await?;
    in_force(tx, cx, clinic, own).await
}

async fn must_exist(tx: &mut Tx, clinic: ClinicId) -> Result<()> {
    let found = tenants::clinic_get(tx, clinic).await?.filter(|clinic| clinic.deleted_at.is_none());
    found.map(|_| ()).ok_or(Error::NotFound("Clinic"))
}

async fn in_force(tx: &mut Tx, cx: &Cx, clinic: ClinicId, own: OwnThresholds) -> Result<ClinicThresholds> {
    let today = cx.of_clinic(tx, clinic).await?.today;
    Ok(ClinicThresholds { clinic_id: clinic, own, in_force: own.over(default_thresholds(&cx.app, today)) })
}
