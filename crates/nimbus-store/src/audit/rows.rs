//! The audit log in the order in which its rows were committed.

use nimbus_core::ids::AuditId;
use uuid::Uuid;

use super::{AuditRow, columns, read_columns};
use crate::{
    engine::{Columns, Engine, Row, Tx},
    error::Result,
};

/// Positions that are looked at in one step on PostgreSQL, where they are numbers of transactions.
const STEP: i64 = 2000;
/// Where no row is near, so many times as many positions are looked through for the next.
const WIDER: i64 = 16;
/// The position, on PostgreSQL, of rows that are older than positions.
const OLD: i64 = 0;

/// Where a row is in the log. Rows are linked in the order of their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub position: i64,
    pub id: AuditId,
}

impl Place {
    /// Before every row.
    pub const START: Self = Self { position: -1, id: AuditId(Uuid::nil()) };
}

/// A row and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub place: Place,
    pub row: AuditRow,
}

pub(super) fn read_place(columns: &mut Columns<'_>) -> Result<Place> {
    Ok(Place { position: columns.take()?, id: columns.take()? })
}

/// A row that was made unreadable keeps nobody from reading on: it is one of nothing, which no link is of.
fn read_placed(row: &Row) -> Result<Placed> {
    let mut columns = row.columns();
    let position = columns.take()?;
    let row = read_columns(&mut columns).unwrap_or_else(|_| AuditRow::unreadable());
    Ok(Placed { place: Place { position, id: row.id }, row })
}

/// Rows after a place and of a position before `end`, in order; fewer than the limit only if there are no more.
pub(super) async fn rows_after(
    tx: &mut Tx,
    after: Place,
    end: i64,
    old_until: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Placed>> {
    match tx.engine() {
        Engine::Sqlite => {
            let sql = concat!(
                "select position, ",
                columns!(),
                " from audit where position > $1 and position < $2 order by position limit $3"
            );
            let args = [after.position.into(), end.into(), count(limit).into()];
            tx.query(sql, &args).await?.iter().map(read_placed).collect()
        }
        Engine::Postgres => rows_after_by_steps(tx, after, end, old_until, limit).await,
    }
}

pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Many rows may be older than positions: they are walked by their ids. Others are looked for some positions at a time,
/// so that what is sorted is small however far behind the caller is.
async fn rows_after_by_steps(
    tx: &mut Tx,
    mut after: Place,
    end: i64,
    old_until: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Placed>> {
    let mut found: Vec<Placed> = Vec::new();
    if after.position <= OLD {
        if let Some(until) = old_until {
            let sql = concat!(
                "select position, ",
                columns!(),
                " from audit where id > $1 and id <= $2 and position = $3 order by id limit $4"
            );
            let from = if after.position < OLD { Uuid::nil() } else { after.id.0 };
            let rows = tx.query(sql, &[from.into(), until.into(), OLD.into(), count(limit).into()]).await?;
            found = rows.iter().map(read_placed).collect::<Result<_>>()?;
        }
        after = Place { position: OLD, id: Uuid::max().into() };
    }
    while found.len() < limit && after.position < end {
        let sql = concat!(
            "select position, ",
            columns!(),
            " from audit
              where position >= $1 and position <= $2 and (position > $1 or id > $3)
              order by position, id limit $4"
        );
        let to = after.position.saturating_add(STEP).min(end - 1);
        let rest = count(limit - found.len());
        let rows = tx.query(sql, &[after.position.into(), to.into(), after.id.into(), rest.into()]).await?;
        let is_full = count(rows.len()) == rest;
        found.extend(rows.iter().map(read_placed).collect::<Result<Vec<_>>>()?);
        if is_full {
            break;
        }
        match next_position(tx, to, end).await? {
            // It is less than one, as there are no rows of it before the first.
            Some(next) => after = Place { position: next - 1, id: Uuid::max().into() },
            None => break,
        }
    }
    Ok(found)
}

/// The first position of a row after one and before another.
async fn next_position(tx: &mut Tx, after: i64, end: i64) -> Result<Option<i64>> {
    let sql = "select min(position) from audit where position > $1 and position <= $2";
    let (mut after, mut width) = (after, STEP);
    while after < end - 1 {
        let to = after.saturating_add(width).min(end - 1);
        let row = tx.query_one(sql, &[after.into(), to.into()]).await?;
        if let Some(found) = row.columns().take()? {
            return Ok(Some(found));
        }
        (after, width) = (to, width.saturating_mul(WIDER));
    }
    Ok(None)
}
