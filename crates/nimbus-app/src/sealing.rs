//! The keys that seal patient data: a clinic's own are rotated, used to seal anew, and destroyed; and another master key
//! takes the place of the one over them all.

use nimbus_core::{ids::ClinicId, time::Ts};
pub use nimbus_store::{
    custody::Custodian,
    reseal::SEALED,
    roots::{Retired, Root},
};
use nimbus_store::{
    endpoints, keyring,
    reseal::{self, Sealed},
    roots, sandbox, tenants,
};

use crate::{
    App,
    actor::Call,
    clock::wall,
    error::{Error, Result},
    legal_holds,
    tenancy::audited,
};

/// Stored replies, which nobody seals anew, are gone after a day; another one for requests under way meanwhile.
const PRUNED_AFTER_DAYS: i64 = 2;

/// What was found in a column of a clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub table: &'static str,
    pub column: &'static str,
    /// Values that older keys had sealed.
    pub outdated: u64,
    /// Of these, those that do not open.
    pub unreadable: u64,
}

/// The data keys of a clinic, oldest first: version, and when it was made.
pub async fn data_keys(app: &App, clinic: ClinicId) -> Result<Vec<(u32, Ts)>> {
    Ok(app.db().read(move |tx| Box::pin(reseal::data_keys(tx, clinic))).await?)
}

/// Gives a clinic a new data key, which seals from now on; its version. What older ones have sealed they open.
pub async fn clinic_rotate(app: &App, call: &Call, clinic: ClinicId) -> Result<u32> {
    app.act(call, clinic, |tx, cx, &clinic| {
        Box::pin(async move {
            tenants::clinic_get(tx, clinic).await?.ok_or(Error::NotFound("Clinic"))?;
            let version = keyring::clinic_key_rotate(tx, clinic, cx.wall).await?;
            audited(tx, cx, Some(clinic), "clinic_key.rotate", "clinic", clinic.0).await?;
            Ok(version)
        })
    })
    .await
}

/// Seals anew what older data keys of a clinic have sealed, column by column in small transactions, or only counts it.
/// `progress` hears of each column. Broken off, it can be begun again: what is done is passed over.
pub async fn clinic_reseal(
    app: &App,
    call: &Call,
    clinic: ClinicId,
    count_only: bool,
    mut progress: impl FnMut(Column),
) -> Result<Vec<Column>> {
    if !count_only {
        app.act(call, clinic, |tx, cx, &clinic| {
            Box::pin(async move {
                tenants::clinic_get(tx, clinic).await?.ok_or(Error::NotFound("Clinic"))?;
                audited(tx, cx, Some(clinic), "clinic_key.reseal", "clinic", clinic.0).await
            })
        })
        .await?;
    }
    let mut columns = Vec::with_capacity(SEALED.len());
    for sealed in SEALED {
        let column = column(app, clinic, sealed, count_only).await?;
        progress(column);
        columns.push(column);
    }
    Ok(columns)
}

async fn column(app: &App, clinic: ClinicId, sealed: &'static Sealed, count_only: bool) -> Result<Column> {
    let mut found = Column { table: sealed.table, column: sealed.column, outdated: 0, unreadable: 0 };
    let mut after = None;
    loop {
        let step = app
            .db()
            .write(move |tx| Box::pin(reseal::reseal_step(tx, clinic, sealed, after, count_only)))
            .await?;
        found.outdated += step.outdated;
        found.unreadable += step.unreadable;
        after = step.last;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Destroys a clinic's data keys but the newest; how many those were.
///
/// # Errors
/// `Invalid` while something that is sealed by one of them opens, or the newest is younger than two days.
pub async fn clinic_prune(app: &App, call: &Call, clinic: ClinicId) -> Result<u64> {
    let keys = data_keys(app, clinic).await?;
    let Some(&(newest, made_at)) = keys.last() else { return Err(Error::NotFound("Clinic")) };
    if made_at.plus_days(PRUNED_AFTER_DAYS) > wall() {
        return Err(Error::field("clinic_id", "has a data key that is younger than two days"));
    }
    let left = clinic_reseal(app, call, clinic, true, |_| {}).await?;
    if left.iter().any(|column| column.outdated > column.unreadable) {
        return Err(Error::field(
            "clinic_id",
            "has values that older keys have sealed: seal them anew first",
        ));
    }
    app.act(call, (clinic, newest), |tx, cx, &(clinic, newest)| {
        Box::pin(async move {
            let gone = reseal::data_keys_prune(tx, clinic, newest).await?;
            audited(tx, cx, Some(clinic), "clinic_key.prune", "clinic", clinic.0).await?;
            Ok(gone)
        })
    })
    .await
}

/// Erases a deleted clinic: its people, prescriptions, orders and parcels are deleted, and its keys destroyed, so that
/// what they have sealed cannot be read again, wherever it is. Other processes forget the keys within a minute. The
/// audit log, events without what they say, and deliveries stay.
///
/// # Errors
/// `Invalid` if the clinic is not deleted, or has webhooks that are not; `Refused` if it is under a legal hold.
pub async fn clinic_destroy(app: &App, call: &Call, clinic: ClinicId) -> Result<()> {
    app.act(call, clinic, |tx, cx, &clinic| {
        Box::pin(async move {
            let found = tenants::clinic_get(tx, clinic).await?.ok_or(Error::NotFound("Clinic"))?;
            if found.deleted_at.is_none() {
                return Err(Error::field("clinic_id", "is not deleted"));
            }
            if endpoints::endpoints_live(tx, clinic).await? > 0 {
                return Err(Error::field("clinic_id", "has webhooks: delete them first"));
            }
            legal_holds::must_not_be_held(tx, clinic).await?;
            sandbox::clinic_data_delete(tx, clinic, None).await?;
            keyring::clinic_keys_destroy(tx, clinic).await?;
            audited(tx, cx, Some(clinic), "clinic_key.destroy", "clinic", clinic.0).await
        })
    })
    .await
}

/// The roots on record, oldest first.
pub async fn root_list(app: &App) -> Result<Vec<Root>> {
    Ok(app.db().read(|tx| Box::pin(roots::root_list(tx))).await?)
}

/// Has another master key take the place of the present one, beside which it opens the store from now on; the version
/// of the root that wraps every clinic's key at the end. `progress` hears how many are left. Broken off, it can be
/// begun again.
pub async fn master_rotate(
    app: &App,
    call: &Call,
    successor: &dyn Custodian,
    mut progress: impl FnMut(i64),
) -> Result<u32> {
    let version = roots::root_begin(app.db(), successor, wall()).await?;
    master_audited(app, call, "master_key.rotate").await?;
    loop {
        let left = roots::root_step(app.db()).await?;
        progress(left);
        if left == 0 {
            return Ok(version);
        }
    }
}

/// Lets a master key go that another one has taken the place of.
pub async fn master_retire(app: &App, call: &Call, key_id: &str) -> Result<Retired> {
    let retired = roots::master_retire(app.db(), key_id).await?;
    if retired == Retired::Done {
        master_audited(app, call, "master_key.retire").await?;
    }
    Ok(retired)
}

async fn master_audited(app: &App, call: &Call, action: &'static str) -> Result<()> {
    app.act(call, action, |tx, cx, &action| {
        Box::pin(async move { audited(tx, cx, None, action, "master_key", keyring::PLATFORM.0).await })
    })
    .await
}
