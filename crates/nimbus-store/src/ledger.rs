//! The conservation ledger: what was accepted is delivered, pending, dead or cancelled, endpoint by endpoint.
//!
//! Its sides come from different places. `accepted` is what the events say was written with them (their `fanout`),
//! gathered by one worker that walks the events in the order of their commits. What has ended is counted in the
//! transactions in which it ends. What is pending are the rows that are there. A delivery that is lost, doubled, or
//! ended twice shows as a difference; one that was purged after its end does not.

use std::collections::BTreeMap;

use nimbus_core::{
    ids::{ClinicId, EndpointId, EventId},
    time::Ts,
};
use uuid::Uuid;

use crate::{
    deliveries::DeliveryState,
    engine::{Engine, Row, Statement, Tx},
    error::Result,
};

/// Positions that are looked at in one step: on SQLite events, on PostgreSQL transactions.
const STEP: i64 = 2000;
/// So many endpoints with a difference are told.
pub const MISMATCHES_MAX: usize = 100;

/// The ledger of one endpoint, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    pub accepted: i64,
    pub delivered: i64,
    pub pending: i64,
    pub dead: i64,
    pub cancelled: i64,
}

impl Ledger {
    /// How many more were accepted than are accounted for.
    pub const fn difference(&self) -> i64 {
        self.accepted - (self.delivered + self.pending + self.dead + self.cancelled)
    }

    /// Whether nothing is unaccounted for.
    pub const fn is_balanced(&self) -> bool {
        self.difference() == 0
    }
}

/// What a look at the ledger found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    pub total: Ledger,
    /// Endpoints that do not balance, at most [`MISMATCHES_MAX`]. `None` stands for what events say was written and
    /// no delivery was found for when they were first looked at.
    pub mismatches: Vec<(Option<EndpointId>, Ledger)>,
}

impl Checked {
    /// Whether each endpoint balances. Differences of two of them do not make up for each other.
    pub fn is_balanced(&self) -> bool {
        self.mismatches.is_empty() && self.total.is_balanced()
    }

    /// What is unaccounted for, or accounted for twice, in all that are told.
    pub fn difference(&self) -> i64 {
        self.mismatches.iter().map(|(_, ledger)| ledger.difference().abs()).sum()
    }
}

/// What is added to an endpoint's row, or taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Delta {
    accepted: i64,
    delivered: i64,
    dead: i64,
    cancelled: i64,
}

type Key = (ClinicId, EndpointId);

fn statement((clinic, endpoint): Key, delta: Delta) -> Statement {
    let sql = "insert into delivery_ledger (clinic_id, endpoint_id, accepted, delivered, dead, cancelled)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (clinic_id, endpoint_id) do update
        set accepted = delivery_ledger.accepted + excluded.accepted,
            delivered = delivery_ledger.delivered + excluded.delivered, dead = delivery_ledger.dead + excluded.dead,
            cancelled = delivery_ledger.cancelled + excluded.cancelled";
    let args = vec![
        clinic.into(),
        endpoint.into(),
        delta.accepted.into(),
        delta.delivered.into(),
        delta.dead.into(),
        delta.cancelled.into(),
    ];
    Statement::new(sql, args)
}

/// Deliveries that ended, or (less than none) that begin anew, by endpoint.
#[derive(Debug, Default)]
pub struct Moves(BTreeMap<Key, Delta>);

impl Moves {
    /// Notes so many deliveries more, or fewer, in a state. What is pending is counted as rows.
    pub fn add(&mut self, clinic: ClinicId, endpoint: EndpointId, state: DeliveryState, count: i64) {
        let of = |delta: &mut Delta| match state {
            DeliveryState::Pending => {}
            DeliveryState::Delivered => delta.delivered += count,
            DeliveryState::Dead => delta.dead += count,
            DeliveryState::Cancelled => delta.cancelled += count,
        };
        if state != DeliveryState::Pending && count != 0 {
            of(self.0.entry((clinic, endpoint)).or_default());
        }
    }

    /// Writes them, in the transaction in which the deliveries change: one statement for each endpoint, in their order,
    /// so that two who share endpoints do not wait for each other in a circle.
    pub async fn write(self, tx: &mut Tx) -> Result<()> {
        let moved = self.0.into_iter().filter(|(_, delta)| *delta != Delta::default());
        let statements: Vec<Statement> = moved.map(|(key, delta)| statement(key, delta)).collect();
        if !statements.is_empty() {
            tx.batch(statements).await?;
        }
        Ok(())
    }
}

/// Says that a delivery was added to an event after its own commit, in the transaction that adds it.
pub async fn ledger_added(tx: &mut Tx, clinic: ClinicId, endpoint: EndpointId, event: EventId) -> Result<()> {
    let mark = "update delivery_ledger_mark set additions = additions + 1 where id = 1 returning position";
    let walked: i64 = tx.query_one(mark, &[]).await?.columns().take()?;
    let more = "update events set fanout = fanout + 1 where clinic_id = $1 and id = $2 returning position";
    let event = tx.query_opt(more, &[clinic.into(), event.into()]).await?;
    let position: Option<i64> = event.map(|row| row.columns().take()).transpose()?;
    if position.is_none_or(|position| position <= walked) {
        let delta = Delta { accepted: 1, ..Delta::default() };
        tx.batch(vec![statement((clinic, endpoint), delta)]).await?;
    }
    Ok(())
}

/// Makes the caller the one who walks, or stay it. False if another one is. A lease that ends twice as far ahead as the
/// one that is asked for is from before a clock was set back.
pub async fn ledger_lease(tx: &mut Tx, token: Uuid, until: Ts, now: Ts) -> Result<bool> {
    let sql = "update delivery_ledger_mark set lease_token = $1, lease_until = $2
        where id = 1 and (lease_token is null or lease_token = $1 or lease_until < $3 or lease_until > $4)";
    let longest = until.plus_micros(until.micros().saturating_sub(now.micros()));
    Ok(tx.execute(sql, &[token.into(), until.into(), now.into(), longest.into()]).await? == 1)
}

/// Lets another one walk.
pub async fn ledger_lease_end(tx: &mut Tx, token: Uuid) -> Result<()> {
    let sql = "update delivery_ledger_mark set lease_token = null, lease_until = null
        where id = 1 and lease_token = $1";
    tx.execute(sql, &[token.into()]).await?;
    Ok(())
}

/// A step of the walk, read and not yet written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    from: i64,
    to: i64,
    additions: i64,
    accepted: Vec<(ClinicId, EndpointId, i64)>,
    /// Events with another number of deliveries than they say, and how many are missing.
    pub odd: Vec<(ClinicId, EventId, i64)>,
    /// Whether there is more to look at.
    pub has_more: bool,
}

/// Reads what the next events have brought; `None` if there are none that nothing can come to stand before.
pub async fn ledger_step(tx: &mut Tx) -> Result<Option<Step>> {
    let end = match tx.engine() {
        Engine::Postgres => tx.settled_below().await?,
        // What is committed next may have the next number.
        Engine::Sqlite => {
            let row = tx.query_one("select coalesce(max(position), 0) + 1 from events", &[]).await?;
            row.columns().take()?
        }
    };
    let mark = "select position, additions from delivery_ledger_mark where id = 1";
    let row = tx.query_one(mark, &[]).await?;
    let mut columns = row.columns();
    let (from, additions): (i64, i64) = (columns.take()?, columns.take()?);
    // Positions that no event has are passed over; where there are events, the whole rest need not be looked at.
    let near = first_event(tx, from, from.saturating_add(STEP)).await?;
    let first = match near {
        None => first_event(tx, from, end).await?,
        some => some,
    };
    let Some(first) = first.filter(|first| *first < end) else { return Ok(None) };
    let to = first.saturating_add(STEP - 1).min(end - 1);
    let sql = "with found as materialized (
            select e.clinic_id, e.id, e.fanout, d.endpoint_id
            from events e left join deliveries d on d.clinic_id = e.clinic_id and d.event_id = e.id
            where e.position > $1 and e.position <= $2)
        select clinic_id, endpoint_id, count(*), 1 from found
        where endpoint_id is not null group by clinic_id, endpoint_id
        union all
        select clinic_id, id, max(fanout) - count(endpoint_id), 0 from found
        where fanout is not null group by clinic_id, id having max(fanout) <> count(endpoint_id)";
    let mut step =
        Step { from, to, additions, accepted: Vec::new(), odd: Vec::new(), has_more: to < end - 1 };
    for row in tx.query(sql, &[from.into(), to.into()]).await? {
        let mut columns = row.columns();
        let (clinic, id, count): (ClinicId, Uuid, i64) = (columns.take()?, columns.take()?, columns.take()?);
        match columns.take::<i32>()? {
            1 => step.accepted.push((clinic, EndpointId(id), count)),
            _ => step.odd.push((clinic, EventId(id), count)),
        }
    }
    Ok(Some(step))
}

/// The first position of an event after one and up to another.
async fn first_event(tx: &mut Tx, after: i64, last: i64) -> Result<Option<i64>> {
    let sql = "select min(position) from events where position > $1 and position <= $2";
    tx.query_one(sql, &[after.into(), last.into()]).await?.columns().take()
}

/// Writes a step; false if another one has gone on meanwhile, or a delivery was added to an event: then it is read
/// again.
pub async fn ledger_advance(tx: &mut Tx, step: &Step) -> Result<bool> {
    let sql = "update delivery_ledger_mark set position = $2
        where id = 1 and position = $1 and additions = $3";
    if tx.execute(sql, &[step.from.into(), step.to.into(), step.additions.into()]).await? == 0 {
        return Ok(false);
    }
    let mut deltas: BTreeMap<Key, Delta> = BTreeMap::new();
    let odd = step.odd.iter().map(|&(clinic, _, missing)| (clinic, EndpointId(Uuid::nil()), missing));
    for (clinic, endpoint, count) in step.accepted.iter().copied().chain(odd) {
        deltas.entry((clinic, endpoint)).or_default().accepted += count;
    }
    let statements: Vec<Statement> = deltas.into_iter().map(|(key, delta)| statement(key, delta)).collect();
    if !statements.is_empty() {
        tx.batch(statements).await?;
    }
    Ok(true)
}

/// Compares both sides, in one statement and so on one snapshot: what was walked and what stands beyond it, with what
/// has ended and what is pending. It reads as many rows as are pending, and those beyond the mark.
pub async fn ledger_check(tx: &mut Tx) -> Result<Checked> {
    let sql = "with entries as (
            select endpoint_id, accepted, delivered, 0 as pending, dead, cancelled from delivery_ledger
            union all
            select d.endpoint_id, count(*), 0, 0, 0, 0
            from events e join deliveries d on d.clinic_id = e.clinic_id and d.event_id = e.id
            where e.position > (select position from delivery_ledger_mark where id = 1)
            group by d.endpoint_id
            union all
            select endpoint_id, 0, 0, count(*), 0, 0 from deliveries where state = 'pending' group by endpoint_id
        ), sums as materialized (
            select endpoint_id, cast(sum(accepted) as bigint) as accepted,
                cast(sum(delivered) as bigint) as delivered, cast(sum(pending) as bigint) as pending,
                cast(sum(dead) as bigint) as dead, cast(sum(cancelled) as bigint) as cancelled
            from entries group by endpoint_id
        )
        select 0 as kind, null as endpoint_id, cast(coalesce(sum(accepted), 0) as bigint),
            cast(coalesce(sum(delivered), 0) as bigint), cast(coalesce(sum(pending), 0) as bigint),
            cast(coalesce(sum(dead), 0) as bigint), cast(coalesce(sum(cancelled), 0) as bigint)
        from sums
        union all
        select * from (
            select 1, endpoint_id, accepted, delivered, pending, dead, cancelled from sums
            where accepted <> delivered + pending + dead + cancelled order by endpoint_id limit $1) as wrong";
    let limit = i64::try_from(MISMATCHES_MAX).unwrap_or(i64::MAX);
    let mut checked = Checked::default();
    for row in tx.query(sql, &[limit.into()]).await? {
        match read(&row)? {
            (None, ledger) => checked.total = ledger,
            (Some(id), ledger) => {
                let endpoint = Some(EndpointId(id)).filter(|_| !id.is_nil());
                checked.mismatches.push((endpoint, ledger));
            }
        }
    }
    Ok(checked)
}

fn read(row: &Row) -> Result<(Option<Uuid>, Ledger)> {
    let mut columns = row.columns();
    let _kind: i32 = columns.take()?;
    let endpoint = columns.take()?;
    let ledger = Ledger {
        accepted: columns.take()?,
        delivered: columns.take()?,
        pending: columns.take()?,
        dead: columns.take()?,
        cancelled: columns.take()?,
    };
    Ok((endpoint, ledger))
}
