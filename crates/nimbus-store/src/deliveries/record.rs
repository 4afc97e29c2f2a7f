//! Recording what came of deliveries: many at a time, each only under its lease, with their attempts.

use nimbus_core::{
    ids::{AttemptId, ClinicId, DeliveryId, EndpointId},
    time::Ts,
};
use uuid::Uuid;

use super::DeliveryState;
use crate::{
    engine::{Engine, Insert, Statement, Tx, Value, insert_into},
    error::Result,
    ledger::Moves,
    seal::SealedAt,
};

/// An attempt to be written. It has no `Debug`: a receiver may echo what it was sent.
pub struct AttemptRow {
    pub id: AttemptId,
    pub number: i64,
    pub started_at: Ts,
    pub elapsed_ms: i64,
    pub outcome: &'static str,
    pub cause: Option<String>,
    pub status_code: Option<i64>,
    /// The beginning of the answer's body.
    pub response: Vec<u8>,
    /// Fields of the answer.
    pub headers: Vec<(String, String)>,
    pub times: AttemptTimes,
}

/// How long the parts of an attempt took, in microseconds, each up to its end or to where it failed. A part that was
/// not come to has none, nor has an attempt from before they were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttemptTimes {
    pub dns_us: Option<i64>,
    pub connect_us: Option<i64>,
    pub tls_us: Option<i64>,
    /// From the start of the attempt to the head of the answer.
    pub first_byte_us: Option<i64>,
    /// Whether it went over a connection that was there already; `None` if nothing was sent.
    pub reused: Option<bool>,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Delivered,
    Retry {
        due_at: Ts,
    },
    Dead,
    /// Nothing was sent: the lease is given back and no attempt consumed.
    Release {
        due_at: Ts,
    },
}

impl Next {
    const fn state(self) -> DeliveryState {
        match self {
            Self::Delivered => DeliveryState::Delivered,
            Self::Dead => DeliveryState::Dead,
            Self::Retry { .. } | Self::Release { .. } => DeliveryState::Pending,
        }
    }
}

/// What came of a claimed delivery.
pub struct Outcome {
    pub clinic_id: ClinicId,
    pub endpoint_id: EndpointId,
    pub delivery_id: DeliveryId,
    pub token: Uuid,
    pub attempt: Option<AttemptRow>,
    pub next: Next,
}

/// The new values of a delivery whose lease ends.
pub(super) struct End {
    pub(super) clinic_id: ClinicId,
    pub(super) id: DeliveryId,
    pub(super) token: Uuid,
    /// `None` if no attempt was made.
    pub(super) attempts: Option<i64>,
    pub(super) status_code: Option<i64>,
    pub(super) cause: Option<String>,
}

/// The columns of [`END`] and [`RECORD`].
fn end_args(end: &End, next: Next, now: Ts) -> Vec<Value> {
    let state = next.state();
    let due_at = match next {
        Next::Delivered | Next::Dead => None,
        Next::Retry { due_at } | Next::Release { due_at } => Some(due_at),
    };
    let finished_at = (state != DeliveryState::Pending).then_some(now);
    vec![
        end.clinic_id.into(),
        end.id.into(),
        end.token.into(),
        state.as_str().into(),
        end.attempts.into(),
        end.status_code.into(),
        end.cause.clone().into(),
        due_at.into(),
        finished_at.into(),
    ]
}

/// A first attempt that failed becomes a retry.
const END: &str = "update deliveries
    set state = $4, attempts = coalesce($5, attempts),
        status_code = case when $5 is null then status_code else $6 end,
        cause = case when $5 is null then cause else $7 end,
        due_at = coalesce($8, due_at), finished_at = $9,
        rank = case when $4 = 'pending' and $5 is not null and rank = 0 then 1 else rank end,
        lease_token = null, lease_until = null
    where clinic_id = $1 and id = $2 and lease_token = $3 and state = 'pending'";

/// Ends a lease.
pub(super) fn end_statement(end: &End, next: Next, now: Ts) -> Statement {
    Statement::new(END, end_args(end, next, now))
}

impl Outcome {
    fn end(&self) -> End {
        let attempt = self.attempt.as_ref();
        End {
            clinic_id: self.clinic_id,
            id: self.delivery_id,
            token: self.token,
            attempts: attempt.map(|attempt| attempt.number),
            status_code: attempt.and_then(|attempt| attempt.status_code),
            cause: attempt.and_then(|attempt| attempt.cause.clone()),
        }
    }
}

/// Records outcomes, each only under its lease; answers which leases still held. The attempts of the others are
/// not kept: whoever has the row now makes its own.
pub async fn delivery_record(tx: &mut Tx, outcomes: &[Outcome], now: Ts) -> Result<Vec<bool>> {
    match tx.engine() {
        Engine::Sqlite => record_each(tx, outcomes, now).await,
        Engine::Postgres => record_all(tx, outcomes, now).await,
    }
}

async fn record_each(tx: &mut Tx, outcomes: &[Outcome], now: Ts) -> Result<Vec<bool>> {
    let ends = outcomes.iter().map(|outcome| end_statement(&outcome.end(), outcome.next, now)).collect();
    let held: Vec<bool> = tx.batch(ends).await?.into_iter().map(|rows| rows == 1).collect();
    let (mut attempts, mut moves) = (Vec::with_capacity(outcomes.len()), Moves::default());
    for (outcome, held) in outcomes.iter().zip(&held) {
        if *held {
            moves.add(outcome.clinic_id, outcome.endpoint_id, outcome.next.state(), 1);
        }
        if let (Some(attempt), true) = (&outcome.attempt, held) {
            attempts.push(Statement::row(&INSERT_ATTEMPT, attempt_args(tx, outcome, attempt).await?));
        }
    }
    if !attempts.is_empty() {
        tx.batch(attempts).await?;
    }
    moves.write(tx).await?;
    Ok(held)
}

/// One statement for all: on PostgreSQL each costs more than a row.
async fn record_all(tx: &mut Tx, outcomes: &[Outcome], now: Ts) -> Result<Vec<bool>> {
    let ends = outcomes.iter().map(|outcome| end_args(&outcome.end(), outcome.next, now));
    let mut args = columns(ends.collect(), 9);
    let mut attempts = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        if let Some(attempt) = &outcome.attempt {
            attempts.push(attempt_args(tx, outcome, attempt).await?);
        }
    }
    args.extend(columns(attempts, 16));
    tx.plan_by_arguments();
    let rows = tx.query(RECORD, &args).await?;
    let mut held = std::collections::HashSet::with_capacity(rows.len());
    for row in &rows {
        held.insert(row.columns().take::<DeliveryId>()?);
    }
    Ok(outcomes.iter().map(|outcome| held.contains(&outcome.delivery_id)).collect())
}

/// Rows of so many values turned into columns.
fn columns(rows: Vec<Vec<Value>>, width: usize) -> Vec<Value> {
    let mut columns: Vec<Vec<Value>> = (0..width).map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    columns.into_iter().map(Value::List).collect()
}

/// Rows are found by their keys, whatever the planner knows of the table: `state = 'pending'` would have it believe that
/// there are few, before there are statistics, and walk them all for each. `is true` keeps the look for what has ended from being
/// a join, each row with each: it is a look into a hash.
const RECORD: &str = "with ended as (
        update deliveries
        set state = r.state, attempts = coalesce(r.attempts, deliveries.attempts),
            status_code = case when r.attempts is null then deliveries.status_code else r.status_code end,
            cause = case when r.attempts is null then deliveries.cause else r.cause end,
            due_at = coalesce(r.due_at, deliveries.due_at), finished_at = r.finished_at,
            rank = case when r.state = 'pending' and r.attempts is not null and deliveries.rank = 0 then 1
                else deliveries.rank end,
            lease_token = null, lease_until = null
        from unnest(cast($1 as uuid[]), cast($2 as uuid[]), cast($3 as uuid[]), cast($4 as text[]),
            cast($5 as bigint[]), cast($6 as bigint[]), cast($7 as text[]), cast($8 as timestamptz[]),
            cast($9 as timestamptz[]))
            as r (clinic_id, id, token, state, attempts, status_code, cause, due_at, finished_at)
        where deliveries.clinic_id = r.clinic_id and deliveries.id = r.id and deliveries.lease_token = r.token
            and deliveries.state || '' not in ('delivered', 'dead', 'cancelled')
        returning deliveries.id, deliveries.clinic_id, deliveries.endpoint_id, deliveries.state
    ), counted as (
        insert into delivery_ledger (clinic_id, endpoint_id, accepted, delivered, dead, cancelled)
        select clinic_id, endpoint_id, 0, count(*) filter (where state = 'delivered'),
            count(*) filter (where state = 'dead'), 0
        from ended where state <> 'pending' group by clinic_id, endpoint_id order by clinic_id, endpoint_id
        on conflict (clinic_id, endpoint_id) do update
        set delivered = delivery_ledger.delivered + excluded.delivered, dead = delivery_ledger.dead + excluded.dead
    ), kept as (
        insert into attempts
            (clinic_id, id, delivery_id, number, started_at, elapsed_ms, outcome, cause, status_code, response,
                dns_us, connect_us, tls_us, first_byte_us, reused, response_headers)
        select a.* from unnest(cast($10 as uuid[]), cast($11 as uuid[]), cast($12 as uuid[]), cast($13 as bigint[]),
            cast($14 as timestamptz[]), cast($15 as bigint[]), cast($16 as text[]), cast($17 as text[]),
            cast($18 as bigint[]), cast($19 as bytea[]), cast($20 as bigint[]), cast($21 as bigint[]),
            cast($22 as bigint[]), cast($23 as bigint[]), cast($24 as boolean[]), cast($25 as bytea[]))
            as a (clinic_id, id, delivery_id, number, started_at, elapsed_ms, outcome, cause, status_code, response,
                dns_us, connect_us, tls_us, first_byte_us, reused, response_headers)
        where (a.delivery_id in (select id from ended)) is true
    )
    select id from ended";

const INSERT_ATTEMPT: Insert = insert_into!("attempts":
    1 "clinic_id" "uuid", 2 "id" "uuid", 3 "delivery_id" "uuid", 4 "number" "bigint", 5 "started_at" "timestamptz",
    6 "elapsed_ms" "bigint", 7 "outcome" "text", 8 "cause" "text", 9 "status_code" "bigint", 10 "response" "bytea",
    11 "dns_us" "bigint", 12 "connect_us" "bigint", 13 "tls_us" "bigint", 14 "first_byte_us" "bigint",
    15 "reused" "boolean", 16 "response_headers" "bytea");

pub(super) const fn response_at(id: AttemptId) -> SealedAt {
    SealedAt { table: "attempts", column: "response", row: id.0 }
}

pub(super) const fn headers_at(id: AttemptId) -> SealedAt {
    SealedAt { table: "attempts", column: "response_headers", row: id.0 }
}

async fn attempt_args(tx: &mut Tx, outcome: &Outcome, attempt: &AttemptRow) -> Result<Vec<Value>> {
    let response = match attempt.response.is_empty() {
        true => None,
        false => Some(tx.keys(outcome.clinic_id).await?.seal(response_at(attempt.id), &attempt.response)),
    };
    let headers = match attempt.headers.is_empty() {
        true => None,
        false => {
            // Pairs of texts cannot fail to serialise.
            let text = serde_json::to_vec(&attempt.headers).unwrap_or_default();
            Some(tx.keys(outcome.clinic_id).await?.seal(headers_at(attempt.id), &text))
        }
    };
    let times = &attempt.times;
    Ok(vec![
        outcome.clinic_id.into(),
        attempt.id.into(),
        outcome.delivery_id.into(),
        attempt.number.into(),
        attempt.started_at.into(),
        attempt.elapsed_ms.into(),
        attempt.outcome.into(),
        attempt.cause.clone().into(),
        attempt.status_code.into(),
        response.into(),
        times.dns_us.into(),
        times.connect_us.into(),
        times.tls_us.into(),
        times.first_byte_us.into(),
        times.reused.into(),
        headers.into(),
    ])
}
