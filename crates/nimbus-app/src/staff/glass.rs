//! Breaking the glass: reads of patient data for a reason and a while, by who has none otherwise (45 CFR
//! 164.312(a)(2)(ii)). It opens what a pharmacist reads, and nothing that changes anything.

use nimbus_core::{
    access::Role,
    ids::{BreakGlassId, ClinicId},
};
pub use nimbus_store::staff::BreakGlass;
use nimbus_store::{
    page::{Page, Slice},
    staff as store, tenants,
};
use uuid::Uuid;

use super::{audited_of, record, sessions::owner};
use crate::{
    App,
    actor::{BREAKERS, Call, GLASS_READERS},
    clock::wall,
    error::{Error, Result},
};

/// The longest access, in minutes.
pub const LONGEST_MINUTES: u32 = 60;

/// An access that is asked for.
#[derive(Debug, Clone)]
pub struct Break {
    /// Why. It holds no patient data: it is on record with each read.
    pub reason: String,
    /// To what is of this clinic alone.
    pub clinic_id: Option<ClinicId>,
    pub minutes: u32,
}

/// Gives the caller what a pharmacist reads, in the place of what access they had so before.
pub async fn begin(app: &App, call: &Call, command: Break) -> Result<BreakGlass> {
    call.session()?;
    call.staff(BREAKERS)?;
    call.confirmed()?;
    let begun = app.act(call, command, |tx, cx, command| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            if let Some(clinic) = command.clinic_id {
                let found = tenants::clinic_get(tx, clinic).await?.filter(|it| it.deleted_at.is_none());
                found.ok_or(Error::field("clinic_id", "Clinic not found"))?;
            }
            store::break_glass_end(tx, user.id, cx.wall).await?;
            let glass = BreakGlass {
                id: BreakGlassId(Uuid::now_v7()),
                user_id: user.id,
                clinic_id: command.clinic_id,
                reason: command.reason.clone(),
                created_at: cx.wall,
                expires_at: cx.wall.plus_seconds(i64::from(command.minutes) * 60),
                ended_at: None,
            };
            store::break_glass_insert(tx, &glass).await?;
            let mut entry = cx.audit(glass.clinic_id, "break_glass.begin", "break_glass", Some(glass.id.0));
            entry.reason = Some(glass.reason.clone());
            record(tx, entry);
            Ok(glass)
        })
    });
    let glass = begun.await?;
    let (user_id, break_glass_id, until) = (glass.user_id, glass.id, glass.expires_at);
    // For whoever watches the logs: the reason stays with the audit log.
    tracing::warn!(%user_id, %break_glass_id, %until, "the glass was broken");
    Ok(glass)
}

/// Ends the access that the caller has, if there is one.
pub async fn end(app: &App, call: &Call) -> Result<()> {
    call.session()?;
    app.act(call, (), |tx, cx, ()| {
        Box::pin(async move {
            let user = owner(tx, cx).await?;
            let active = store::break_glass_active(tx, user.id, cx.wall).await?;
            if let Some(glass) = active {
                store::break_glass_end(tx, user.id, cx.wall).await?;
                audited_of(tx, cx, &user, "break_glass.end", ("break_glass", glass.id.0));
            }
            Ok(())
        })
    })
    .await
}

/// Every access there was, newest first.
pub async fn page(app: &App, call: &Call, page: Page) -> Result<Slice<BreakGlass>> {
    call.staff(GLASS_READERS)?;
    app.read(call, page, |tx, _, page| {
        Box::pin(async move { Ok((store::break_glass_page(tx, page).await?, Vec::new())) })
    })
    .await
}

/// How many such accesses there are now.
pub async fn active(app: &App) -> Result<i64> {
    let now = wall();
    let read = app.db().read(move |tx| Box::pin(store::break_glass_count(tx, now)));
    Ok(read.await?)
}

/// Whether roles are of those that may break the glass.
pub(crate) fn may_break(roles: &[Role]) -> bool {
    roles.iter().any(|role| BREAKERS.contains(role))
}
