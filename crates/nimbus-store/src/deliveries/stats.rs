//! How an endpoint does: what became of its latest deliveries, how long their attempts took, what waits.

use nimbus_core::{
    ids::{ClinicId, EndpointId},
    time::Ts,
};
use uuid::Uuid;

use super::{DeliveryState, reads::first_id_at};
use crate::{
    endpoints::Shape,
    engine::{Row, Tx},
    error::Result,
    ledger::Ledger,
    rows::word,
};

/// The most deliveries that are looked at, the latest first.
pub const LATEST_MAX: i64 = 10_000;
/// The most waiting deliveries that are counted.
pub const WAITING_MAX: i64 = 100_000;

/// Attempts that came to the same in the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptCount {
    /// What failed, if it did.
    pub cause: Option<String>,
    pub elapsed_ms: i64,
    pub count: i64,
}

/// What is known of an endpoint's deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Those accepted since the instant that was asked for, or the latest [`LATEST_MAX`] of them.
    pub deliveries: Ledger,
    /// When the oldest that was looked at was accepted, if not all were looked at.
    pub looked_at_since: Option<Ts>,
    /// Their attempts, by what they came to and how long they took, the quickest first.
    pub attempts: Vec<AttemptCount>,
    /// All that wait, whenever they were accepted, at most [`WAITING_MAX`].
    pub waiting: i64,
    /// When the oldest of them was accepted.
    pub waiting_since: Option<Ts>,
}

/// What waits for endpoints of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub shape: Shape,
    pub ordered: bool,
    pub count: i64,
    /// When the oldest of them was accepted; wall time.
    pub since: Ts,
}

/// What waits, of all clinics: it reads as many rows as there are.
pub async fn deliveries_waiting_any(tx: &mut Tx) -> Result<Vec<Waiting>> {
    let sql = "with waiting as materialized (
            select endpoint_id, count(*) as waiting, min(created_at) as since
            from deliveries where state = 'pending' group by endpoint_id)
        select e.shape, e.ordered, cast(sum(w.waiting) as bigint), min(w.since)
        from waiting w join webhook_endpoints e on e.id = w.endpoint_id
        group by e.shape, e.ordered";
    let read = |row: &Row| {
        let mut columns = row.columns();
        Ok(Waiting {
            shape: word(&columns.take::<String>()?, Shape::parse, "webhook_endpoints.shape")?,
            ordered: columns.take()?,
            count: columns.take()?,
            since: columns.take()?,
        })
    };
    tx.query(sql, &[]).await?.iter().map(read).collect()
}

/// The latest deliveries to an endpoint, newest first: its own index is walked, and no further than the limit.
macro_rules! latest {
    ($then:literal) => {
        concat!(
            "with latest as materialized (
                select id, state, created_at from deliveries
                where clinic_id = $1 and endpoint_id = $2 and id >= $3 order by id desc limit $4) ",
            $then
        )
    };
}

/// Looks at the deliveries to an endpoint that were accepted since an instant (wall time).
pub async fn delivery_stats(tx: &mut Tx, clinic: ClinicId, endpoint: EndpointId, since: Ts) -> Result<Stats> {
    // Ids are in order of time.
    let first: Uuid = first_id_at(since.micros() / 1000);
    let args = [clinic.into(), endpoint.into(), first.into(), LATEST_MAX.into()];
    let mut stats = Stats::default();
    let states = latest!("select state, count(*), min(created_at) from latest group by state");
    let mut oldest: Option<Ts> = None;
    for row in tx.query(states, &args).await? {
        let mut columns = row.columns();
        let state = word(&columns.take::<String>()?, DeliveryState::parse, "deliveries.state")?;
        let count: i64 = columns.take()?;
        let at: Ts = columns.take()?;
        oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
        stats.deliveries.accepted += count;
        match state {
            DeliveryState::Pending => stats.deliveries.pending = count,
            DeliveryState::Delivered => stats.deliveries.delivered = count,
            DeliveryState::Dead => stats.deliveries.dead = count,
            DeliveryState::Cancelled => stats.deliveries.cancelled = count,
        }
    }
    stats.looked_at_since = oldest.filter(|_| stats.deliveries.accepted == LATEST_MAX);
    let attempts = latest!(
        "select a.cause, a.elapsed_ms, count(*)
        from latest join attempts a on a.clinic_id = $1 and a.delivery_id = latest.id
        group by a.cause, a.elapsed_ms order by a.elapsed_ms, a.cause"
    );
    for row in tx.query(attempts, &args).await? {
        let mut columns = row.columns();
        let (cause, elapsed_ms, count) = (columns.take()?, columns.take()?, columns.take()?);
        stats.attempts.push(AttemptCount { cause, elapsed_ms, count });
    }
    let waiting = "select count(*), min(created_at) from (
            select created_at from deliveries
            where clinic_id = $1 and endpoint_id = $2 and state = 'pending'
            order by rank, due_at, id limit $3) as waiting";
    let row = tx.query_one(waiting, &[clinic.into(), endpoint.into(), WAITING_MAX.into()]).await?;
    let mut columns = row.columns();
    (stats.waiting, stats.waiting_since) = (columns.take()?, columns.take()?);
    Ok(stats)
}
