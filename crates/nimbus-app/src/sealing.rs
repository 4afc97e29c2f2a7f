//! The keys that seal patient data: a clinic's own and the platform's are rotated, used to seal anew, and destroyed; and
//! another master key takes the place of the one over them all.

use nimbus_core::{ids::ClinicId, time::Ts};
use nimbus_store::{
    Tx, endpoints, keyring,
    reseal::{self, Sealed},
    roots, sandbox, tenants,
};
pub use nimbus_store::{
    custody::Custodian,
    roots::{Retired, Root},
};

use crate::{
    App,
    actor::Call,
    clock::wall,
    error::{Error, Result},
    legal_holds,
    tenancy::audited,
    unit::Cx,
};

/// Stored replies, which nobody seals anew, are gone after a day; another one for requests under way meanwhile.
const PRUNED_AFTER_DAYS: i64 = 2;

/// What was found in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub table: &'static str,
    pub column: &'static str,
    /// Values that older keys had sealed.
    pub outdated: u64,
    /// Of these, those that do not open.
    pub unreadable: u64,
}

/// Whose data keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Clinic(ClinicId),
    /// What is of no clinic: second factors of staff, the keys that sign the audit log, notes on lots.
    Platform,
}

impl Owner {
    const fn id(self) -> ClinicId {
        match self {
            Self::Clinic(id) => id,
            Self::Platform => keyring::PLATFORM,
        }
    }

    /// Puts on record what is done to its keys.
    async fn audited(self, tx: &mut Tx, cx: &Cx, of_clinic: Action, of_platform: Action) -> Result<()> {
        match self {
            Self::Clinic(id) => audited(tx, cx, Some(id), of_clinic, "clinic", id.0).await,
            Self::Platform => audited(tx, cx, None, of_platform, "platform", keyring::PLATFORM.0).await,
        }
    }
}

/// The word of the audit log.
type Action = &'static str;

/// The data keys of a clinic or of the platform, oldest first: version, and when it was made.
pub async fn data_keys(app: &App, owner: Owner) -> Result<Vec<(u32, Ts)>> {
    Ok(app.db().read(move |tx| Box::pin(reseal::data_keys(tx, owner.id()))).await?)
}

/// Makes a new data key, which seals from now on; its version. What older ones have sealed they open.
pub async fn data_key_rotate(app: &App, call: &Call, owner: Owner) -> Result<u32> {
    app.act(call, owner, |tx, cx, &owner| {
        Box::pin(async move {
            must_be(tx, owner).await?;
            let version = keyring::data_key_rotate(tx, owner.id(), cx.wall).await?;
            owner.audited(tx, cx, "clinic_key.rotate", "platform_key.rotate").await?;
            Ok(version)
        })
    })
    .await
}

async fn must_be(tx: &mut Tx, owner: Owner) -> Result<()> {
    if let Owner::Clinic(id) = owner {
        tenants::clinic_get(tx, id).await?.ok_or(Error::NotFound("Clinic"))?;
    }
    Ok(())
}

/// Seals anew what older data keys have sealed, column by column in small transactions, or only counts it. `progress`
/// hears of each column. Broken off, it can be begun again: what is done is passed over.
pub async fn reseal(
    app: &App,
    call: &Call,
    owner: Owner,
    count_only: bool,
    mut progress: impl FnMut(Column),
) -> Result<Vec<Column>> {
    if !count_only {
        app.act(call, owner, |tx, cx, &owner| {
            Box::pin(async move {
                must_be(tx, owner).await?;
                owner.audited(tx, cx, "clinic_key.reseal", "platform_key.reseal").await
            })
        })
        .await?;
    }
    let mut columns = Vec::new();
    for sealed in reseal::sealed_of(owner.id()) {
        let column = column(app, owner.id(), sealed, count_only).await?;
        progress(column);
        columns.push(column);
    }
    Ok(columns)
}

async fn column(app: &App, owner: ClinicId, sealed: &'static Sealed, count_only: bool) -> Result<Column> {
    let mut found = Column { table: sealed.table, column: sealed.column, outdated: 0, unreadable: 0 };
    let mut after = None;
    loop {
        let step = app
            .db()
            .write(move |tx| Box::pin(reseal::reseal_step(tx, owner, sealed, after, count_only)))
            .await?;
        found.outdated += step.outdated;
        found.unreadable += step.unreadable;
        after = step.last;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Destroys the data keys but the newest; how many those were.
///
/// # Errors
/// `Invalid` while something that is sealed by one of them opens, or the newest is younger than two days.
pub async fn data_keys_prune(app: &App, call: &Call, owner: Owner) -> Result<u64> {
    let keys = data_keys(app, owner).await?;
    let Some(&(newest, made_at)) = keys.last() else { return Err(Error::NotFound("Clinic")) };
    if made_at.plus_days(PRUNED_AFTER_DAYS) > wall() {
        return Err(Error::field("clinic_id", "has a data key that is younger than two days"));
    }
    let left = reseal(app, call, owner, true, |_| {}).await?;
    if left.iter().any(|column| column.outdated > column.unreadable) {
        return Err(Error::field(
            "clinic_id",
            "has values that older keys have sealed: seal them anew first",
        ));
    }
    app.act(call, (owner, newest), |tx, cx, &(owner, newest)| {
        Box::pin(async move {
            let gone = reseal::data_keys_prune(tx, owner.id(), newest).await?;
            owner.audited(tx, cx, "clinic_key.prune", "platform_key.prune").await?;
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
