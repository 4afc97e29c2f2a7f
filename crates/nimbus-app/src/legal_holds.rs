//! Legal holds: a clinic whose records have to be kept, whatever their age, until somebody says that they need not.

use nimbus_core::ids::{ClinicId, LegalHoldId};
pub use nimbus_store::legal_holds::LegalHold;
use nimbus_store::{Tx, legal_holds as store, tenants};
use uuid::Uuid;

use crate::{
    App,
    actor::{ADMINISTRATORS, AUDITORS, Call},
    error::{Error, RefusalCode, Result},
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

const NOT_FOUND: Error = Error::NotFound("Legal hold");

pub struct List {
    pub clinic: Option<ClinicId>,
    pub with_released: bool,
}

/// The holds of a clinic, or of all.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Vec<LegalHold>> {
    call.staff(AUDITORS)?;
    app.read(call, list, |tx, _, list| {
        Box::pin(async move {
            Ok((store::legal_hold_list(tx, list.clinic, list.with_released).await?, Vec::new()))
        })
    })
    .await
}

pub struct Place {
    pub clinic_id: ClinicId,
    pub matter: String,
}

/// Has everything of a clinic kept from now on, a deleted one's too.
pub async fn place(app: &App, call: &Call, command: Place, render: Render<LegalHold>) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            if tenants::clinic_get(tx, command.clinic_id).await?.is_none() {
                return Err(Error::field("clinic_id", "Clinic not found"));
            }
            let hold = LegalHold {
                id: LegalHoldId(Uuid::now_v7()),
                clinic_id: command.clinic_id,
                matter: command.matter.clone(),
                placed_at: cx.wall,
                released_at: None,
                release_reason: None,
            };
            store::legal_hold_insert(tx, &hold).await?;
            audited(tx, cx, "legal_hold.place", &hold).await?;
            Ok(hold)
        })
    })
    .await
}

pub struct Release {
    pub id: LegalHoldId,
    pub reason: String,
}

/// Ends a hold: what is past its age goes the next time that is looked for.
///
/// # Errors
/// `Refused` if it has ended.
pub async fn release(app: &App, call: &Call, command: Release, render: Render<LegalHold>) -> Result<Reply> {
    call.staff(ADMINISTRATORS)?;
    call.confirmed()?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let hold = store::legal_hold_get(tx, command.id).await?.ok_or(NOT_FOUND)?;
            if hold.released_at.is_some() {
                return Err(refused("The legal hold is released"));
            }
            store::legal_hold_release(tx, hold.id, &command.reason, cx.wall).await?;
            let hold = LegalHold {
                released_at: Some(cx.wall),
                release_reason: Some(command.reason.clone()),
                ..hold
            };
            audited(tx, cx, "legal_hold.release", &hold).await?;
            Ok(hold)
        })
    })
    .await
}

async fn audited(tx: &mut Tx, cx: &Cx, action: &'static str, hold: &LegalHold) -> Result<()> {
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(hold.clinic_id), action, "legal_hold", Some(hold.id.0)));
    changes.write(tx, cx).await
}

/// Keeps what is held from being erased.
///
/// # Errors
/// `Refused` if the clinic is under a hold.
pub(crate) async fn must_not_be_held(tx: &mut Tx, clinic: ClinicId) -> Result<()> {
    match store::clinic_is_held(tx, clinic).await? {
        true => Err(refused("The clinic is under a legal hold")),
        false => Ok(()),
    }
}

fn refused(message: &str) -> Error {
    Error::refused(RefusalCode::InvalidStatusTransition, message, Vec::new())
}
