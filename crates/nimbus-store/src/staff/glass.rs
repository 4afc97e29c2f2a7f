//! Access to patient data for a reason and a while, by who has none otherwise.

use nimbus_core::{
    ids::{BreakGlassId, ClinicId, UserId},
    time::Ts,
};

use crate::{
    engine::{Columns, Tx},
    error::Result,
    page::{Page, Slice, page_end_any, page_where_made},
};

/// One such access. Its reason holds no patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlass {
    pub id: BreakGlassId,
    pub user_id: UserId,
    /// To what is of this clinic alone; `None`: of all.
    pub clinic_id: Option<ClinicId>,
    pub reason: String,
    pub created_at: Ts,
    pub expires_at: Ts,
    pub ended_at: Option<Ts>,
}

macro_rules! columns {
    () => {
        "id, user_id, clinic_id, reason, created_at, expires_at, ended_at"
    };
}

fn read(columns: &mut Columns<'_>) -> Result<BreakGlass> {
    Ok(BreakGlass {
        id: columns.take()?,
        user_id: columns.take()?,
        clinic_id: columns.take()?,
        reason: columns.take()?,
        created_at: columns.take()?,
        expires_at: columns.take()?,
        ended_at: columns.take()?,
    })
}

pub async fn break_glass_insert(tx: &mut Tx, glass: &BreakGlass) -> Result<()> {
    let sql =
        "insert into staff_break_glass (id, user_id, clinic_id, reason, created_at, expires_at, ended_at)
        values ($1, $2, $3, $4, $5, $6, $7)";
    let args = [
        glass.id.into(),
        glass.user_id.into(),
        glass.clinic_id.into(),
        glass.reason.as_str().into(),
        glass.created_at.into(),
        glass.expires_at.into(),
        glass.ended_at.into(),
    ];
    tx.execute(sql, &args).await.map(drop)
}

/// The access that an account has now, if it has one.
pub async fn break_glass_active(tx: &mut Tx, user: UserId, now: Ts) -> Result<Option<BreakGlass>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from staff_break_glass where user_id = $1 and expires_at > $2 and ended_at is null
          order by expires_at desc limit 1"
    );
    tx.query_opt(sql, &[user.into(), now.into()]).await?.map(|row| read(&mut row.columns())).transpose()
}

/// Ends what access an account has; how many there were.
pub async fn break_glass_end(tx: &mut Tx, user: UserId, now: Ts) -> Result<u64> {
    let sql = "update staff_break_glass set ended_at = $2
        where user_id = $1 and expires_at > $2 and ended_at is null";
    tx.execute(sql, &[user.into(), now.into()]).await
}

/// How many such accesses there are now.
pub async fn break_glass_count(tx: &mut Tx, now: Ts) -> Result<i64> {
    let sql = "select count(*) from staff_break_glass where expires_at > $1 and ended_at is null";
    tx.query_one(sql, &[now.into()]).await?.columns().take()
}

/// Every access there was, newest first.
pub async fn break_glass_page(tx: &mut Tx, page: &Page) -> Result<Slice<BreakGlass>> {
    let sql =
        concat!("select ", columns!(), " from staff_break_glass where ", page_where_made!(), page_end_any!());
    let rows = tx.query(sql, &page.args_any([])).await?;
    let found: Vec<BreakGlass> = rows.iter().map(|row| read(&mut row.columns())).collect::<Result<_>>()?;
    Ok(page.slice_plain(found, |glass: &BreakGlass| glass.id.0))
}
