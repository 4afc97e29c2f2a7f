//! The chain beside the audit log: rows are linked in the order of their commits, in small batches, and what the chain
//! is gets signed from time to time.
//!
//! Nothing of this is in anybody's way: rows are read and hashed outside the transaction that writes their links, and a
//! batch is written only if nobody else has gone on meanwhile. A worker may die anywhere; the next one goes on from the
//! head.

use nimbus_core::{ids::ClinicId, time::Ts};
use uuid::Uuid;

use super::{
    checkpoints::checkpoint_last,
    encode::{Hash, link_hash, row_hash},
    rows::{Place, Placed, count, read_place, rows_after},
};
use crate::{
    engine::{Columns, Engine, Insert, Row, Statement, Tx, insert_into},
    error::Result,
};

/// Rows that are linked in one transaction. SQLite has one writer, which everybody waits for: a batch takes it some two
/// milliseconds. On PostgreSQL it is one statement.
const fn batch(engine: Engine) -> usize {
    match engine {
        Engine::Sqlite => 250,
        Engine::Postgres => 1000,
    }
}

/// A link of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub sequence: i64,
    pub place: Place,
    pub hash: Hash,
    pub clinic_id: Option<ClinicId>,
    pub subject_id: Option<Uuid>,
}

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Of the last link; 0 where there is none.
    pub sequence: i64,
    pub place: Place,
    pub hash: Hash,
    /// The times of rows since the newest checkpoint.
    pub(super) times: Option<(Ts, Ts)>,
    /// The number of the newest checkpoint.
    pub checkpoint: i64,
    pub(super) base: i64,
    pub(super) old_until: Option<Uuid>,
}

/// A hash as a column has it. What is of another length is the hash of nothing, and is found as such.
pub(super) fn read_hash(columns: &mut Columns<'_>) -> Result<Hash> {
    let bytes: Vec<u8> = columns.take()?;
    Ok(bytes.as_slice().try_into().unwrap_or([0xff; 32]))
}

/// Where the chain ends.
pub async fn chain_head(tx: &mut Tx) -> Result<Head> {
    let sql = "select sequence, position, audit_id, hash, earliest_at, latest_at, checkpoint, base, old_until
        from audit_chain where id = 1";
    let row = tx.query_one(sql, &[]).await?;
    let mut columns = row.columns();
    Ok(Head {
        sequence: columns.take()?,
        place: read_place(&mut columns)?,
        hash: read_hash(&mut columns)?,
        times: columns.take::<Option<Ts>>()?.zip(columns.take()?),
        checkpoint: columns.take()?,
        base: columns.take()?,
        old_until: columns.take()?,
    })
}

/// Makes the caller the one who links, or stay it. False if another one is. A lease that ends twice as far ahead as the
/// one that is asked for is from before a clock was set back.
pub async fn chain_lease(tx: &mut Tx, token: Uuid, until: Ts, now: Ts) -> Result<bool> {
    let sql = "update audit_chain set lease_token = $1, lease_until = $2
        where id = 1 and (lease_token is null or lease_token = $1 or lease_until < $3 or lease_until > $4)";
    let longest = until.plus_micros(until.micros().saturating_sub(now.micros()));
    Ok(tx.execute(sql, &[token.into(), until.into(), now.into(), longest.into()]).await? == 1)
}

/// Lets another one link.
pub async fn chain_lease_end(tx: &mut Tx, token: Uuid) -> Result<()> {
    let sql =
        "update audit_chain set lease_token = null, lease_until = null where id = 1 and lease_token = $1";
    tx.execute(sql, &[token.into()]).await.map(drop)
}

/// A batch of links, computed and not yet written.
#[derive(Debug, Clone)]
pub struct Step {
    from: Head,
    to: Head,
    links: Vec<Link>,
    /// Whether there may be more to link.
    pub has_more: bool,
}

/// Computes the next links; `None` if there are no rows that nothing can come to stand before. Its first statement must be
/// the transaction's.
pub async fn chain_step(tx: &mut Tx) -> Result<Option<Step>> {
    tx.plan_by_arguments();
    // Asked before the rows are read, so that those of all that had ended are seen.
    let settled = tx.settled_below().await?;
    let from = chain_head(tx).await?;
    let limit = batch(tx.engine());
    let end = settled.saturating_add(from.base);
    let rows = rows_after(tx, from.place, end, from.old_until, limit).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let (mut to, mut links, has_more) = (from.clone(), Vec::with_capacity(rows.len()), rows.len() == limit);
    for Placed { place, row } in rows {
        let sequence = to.sequence + 1;
        let hash = link_hash(sequence, &to.hash, &row_hash(&row));
        let (earliest, latest) = to.times.unwrap_or((row.at, row.at));
        to = Head { sequence, place, hash, times: Some((earliest.min(row.at), latest.max(row.at))), ..to };
        links.push(Link { sequence, place, hash, clinic_id: row.clinic_id, subject_id: row.subject_id });
    }
    Ok(Some(Step { from, to, links, has_more }))
}

const INSERT: Insert = insert_into!("audit_links":
    1 "sequence" "bigint", 2 "audit_id" "uuid", 3 "position" "bigint", 4 "hash" "bytea", 5 "clinic_id" "uuid",
    6 "subject_id" "uuid");

/// Writes a step; false if the caller is not the one who links any more, or somebody has gone on meanwhile.
///
/// # Errors
/// `Conflict` if there are links beyond the head: then somebody has tampered with the store.
pub async fn chain_advance(tx: &mut Tx, step: &Step, token: Uuid) -> Result<bool> {
    let Step { from, to, .. } = step;
    let sql = "update audit_chain
        set sequence = $3, position = $4, audit_id = $5, hash = $6, earliest_at = $7, latest_at = $8
        where id = 1 and sequence = $1 and checkpoint = $2 and lease_token = $9";
    let (earliest, latest) = to.times.unzip();
    let args = [
        from.sequence.into(),
        from.checkpoint.into(),
        to.sequence.into(),
        to.place.position.into(),
        to.place.id.into(),
        to.hash.as_slice().into(),
        earliest.into(),
        latest.into(),
        token.into(),
    ];
    if tx.execute(sql, &args).await? == 0 {
        return Ok(false);
    }
    let row = |link: &Link| {
        let args = vec![
            link.sequence.into(),
            link.place.id.into(),
            link.place.position.into(),
            link.hash.as_slice().into(),
            link.clinic_id.into(),
            link.subject_id.into(),
        ];
        Statement::row(&INSERT, args)
    };
    tx.batch(step.links.iter().map(row).collect()).await?;
    Ok(true)
}

macro_rules! link_columns {
    () => {
        "sequence, position, audit_id, hash, clinic_id, subject_id"
    };
}

pub(super) fn read_link(columns: &mut Columns<'_>) -> Result<Link> {
    Ok(Link {
        sequence: columns.take()?,
        place: read_place(columns)?,
        hash: read_hash(columns)?,
        clinic_id: columns.take()?,
        subject_id: columns.take()?,
    })
}

fn of_row(row: &Row) -> Result<Link> {
    read_link(&mut row.columns())
}

/// Links after a sequence, in order, at most so many.
pub(super) async fn links_after(tx: &mut Tx, sequence: i64, limit: usize) -> Result<Vec<Link>> {
    let sql = concat!(
        "select ",
        link_columns!(),
        " from audit_links where sequence > $1 order by sequence limit $2"
    );
    tx.query(sql, &[sequence.into(), count(limit).into()]).await?.iter().map(of_row).collect()
}

/// The last link up to a sequence.
pub(super) async fn link_until(tx: &mut Tx, sequence: i64) -> Result<Option<Link>> {
    let sql = concat!(
        "select ",
        link_columns!(),
        " from audit_links where sequence <= $1 order by sequence desc limit 1"
    );
    tx.query_opt(sql, &[sequence.into()]).await?.as_ref().map(of_row).transpose()
}

/// How the chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Rows that are linked.
    pub linked: i64,
    /// The time of the first row that is not.
    pub unlinked_since: Option<Ts>,
    /// The newest checkpoint's number and time.
    pub checkpoint: Option<(i64, Ts)>,
    /// When the log was last compared with the chain from its beginning to its end.
    pub walked_at: Option<Ts>,
    /// The differences that were found, in the last whole comparison or since.
    pub differences: i64,
}

/// Tells how the chain stands.
pub async fn chain_standing(tx: &mut Tx) -> Result<Standing> {
    tx.plan_by_arguments();
    let head = chain_head(tx).await?;
    let end = match tx.engine() {
        Engine::Sqlite => i64::MAX,
        // What waits for others to end waits too: every transaction that has begun.
        Engine::Postgres => {
            let sql = "select cast(cast(pg_snapshot_xmax(pg_current_snapshot()) as text) as bigint)";
            let begun: i64 = tx.query_one(sql, &[]).await?.columns().take()?;
            begun.saturating_add(head.base)
        }
    };
    let first = rows_after(tx, head.place, end, head.old_until, 1).await?;
    let sql = "select walked_at, differences, differences_now from audit_chain where id = 1";
    let row = tx.query_one(sql, &[]).await?;
    let mut columns = row.columns();
    let (walked_at, before, now): (Option<Ts>, i64, i64) =
        (columns.take()?, columns.take()?, columns.take()?);
    let last = checkpoint_last(tx).await?;
    Ok(Standing {
        linked: head.sequence,
        unlinked_since: first.first().map(|placed| placed.row.at),
        checkpoint: last.map(|checkpoint| (checkpoint.number, checkpoint.at)),
        walked_at,
        differences: before.max(now),
    })
}
