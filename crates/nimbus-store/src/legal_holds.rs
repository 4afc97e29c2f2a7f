//! Legal holds of clinics: what is held is neither let go by age nor erased.

use nimbus_core::{
    ids::{ClinicId, LegalHoldId},
    time::Ts,
};

use crate::{
    engine::{Row, Tx},
    error::Result,
    rows::changed_one,
};

/// The most holds that are listed.
pub const MAX_HOLDS: usize = 1000;

/// A duty to keep what there is of a clinic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegalHold {
    pub id: LegalHoldId,
    pub clinic_id: ClinicId,
    /// The name by which counsel knows it.
    pub matter: String,
    /// Wall time.
    pub placed_at: Ts,
    pub released_at: Option<Ts>,
    pub release_reason: Option<String>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, clinic_id, matter, placed_at, released_at, release_reason from legal_holds ",
            $rest
        )
    };
}

/// Whether a clinic is held, by an expression that is its id.
macro_rules! is_held {
    ($clinic:literal) => {
        concat!(
            "exists (select 1 from legal_holds lh where lh.clinic_id = ",
            $clinic,
            " and lh.released_at is null)"
        )
    };
}
pub(crate) use is_held;

fn read(row: &Row) -> Result<LegalHold> {
    let mut columns = row.columns();
    Ok(LegalHold {
        id: columns.take()?,
        clinic_id: columns.take()?,
        matter: columns.take()?,
        placed_at: columns.take()?,
        released_at: columns.take()?,
        release_reason: columns.take()?,
    })
}

pub async fn legal_hold_insert(tx: &mut Tx, hold: &LegalHold) -> Result<()> {
    let sql = "insert into legal_holds (clinic_id, id, matter, placed_at) values ($1, $2, $3, $4)";
    let args = [hold.clinic_id.into(), hold.id.into(), hold.matter.as_str().into(), hold.placed_at.into()];
    tx.execute(sql, &args).await.map(drop)
}

/// Ends a hold.
///
/// # Errors
/// `Conflict` if it has ended.
pub async fn legal_hold_release(tx: &mut Tx, id: LegalHoldId, reason: &str, now: Ts) -> Result<()> {
    let sql =
        "update legal_holds set released_at = $2, release_reason = $3 where id = $1 and released_at is null";
    changed_one(tx.execute(sql, &[id.into(), now.into(), reason.into()]).await?)
}

pub async fn legal_hold_get(tx: &mut Tx, id: LegalHoldId) -> Result<Option<LegalHold>> {
    tx.query_opt(select!("where id = $1"), &[id.into()]).await?.as_ref().map(read).transpose()
}

/// The newest [`MAX_HOLDS`] of a clinic or of all, newest first; those that were released too, if asked for.
pub async fn legal_hold_list(
    tx: &mut Tx,
    clinic: Option<ClinicId>,
    with_released: bool,
) -> Result<Vec<LegalHold>> {
    let sql = select!(
        "where (clinic_id = $1 or $1 is null) and (released_at is null or $2) order by id desc limit 1000"
    );
    tx.query(sql, &[clinic.into(), with_released.into()]).await?.iter().map(read).collect()
}

pub async fn clinic_is_held(tx: &mut Tx, clinic: ClinicId) -> Result<bool> {
    let sql = concat!("select ", is_held!("$1"));
    tx.query_one(sql, &[clinic.into()]).await?.columns().take()
}
