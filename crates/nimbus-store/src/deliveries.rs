//! Deliveries: one event to one endpoint, leased to whoever sends it, and its attempts.

mod reads;

use nimbus_core::{
    ids::{AttemptId, ClinicId, DeliveryId, EndpointId, EventId},
    time::Ts,
    words,
};
use uuid::Uuid;

use crate::{
    engine::{Engine, Statement, Tx, Value},
    error::{Error, Result, SealError},
    events::body_at,
    seal::SealedAt,
};

pub use reads::{
    AttemptView, DeliveryRow, Ledger, attempts_of, backlog, deliveries_of_endpoint, delivery_get,
};

words! {
    pub enum DeliveryState {
        Pending = "pending",
        Delivered = "delivered",
        /// Its last attempt failed.
        Dead = "dead",
        /// Its endpoint was deleted.
        Cancelled = "cancelled",
    }
}

/// A delivery to be written.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub clinic_id: ClinicId,
    pub endpoint_id: EndpointId,
    pub event_id: EventId,
    /// The name it is sent under.
    pub event_name: String,
    pub ordering_key: Option<Uuid>,
    /// Wall time, as every time of a delivery.
    pub due_at: Ts,
    pub created_at: Ts,
}

/// A delivery that the caller holds the lease of, with its event's payload. It has no `Debug`: the payload may be
/// patient data.
pub struct Claimed {
    pub id: DeliveryId,
    pub clinic_id: ClinicId,
    pub endpoint_id: EndpointId,
    pub event_id: EventId,
    pub event_name: String,
    pub ordering_key: Option<Uuid>,
    /// Attempts made.
    pub attempts: i64,
    pub token: Uuid,
    pub body: Vec<u8>,
}

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

/// What came of a claimed delivery.
pub struct Outcome {
    pub clinic_id: ClinicId,
    pub delivery_id: DeliveryId,
    pub token: Uuid,
    pub attempt: Option<AttemptRow>,
    pub next: Next,
}

/// The statements that write deliveries, to ride with their events.
pub fn delivery_statements(deliveries: &[NewDelivery]) -> Vec<Statement> {
    let sql = "insert into deliveries
            (clinic_id, id, endpoint_id, event_id, event_name, ordering_key, state, attempts, due_at, created_at)
        values ($1, $2, $3, $4, $5, $6, 'pending', 0, $7, $8)";
    let statement = |delivery: &NewDelivery| {
        let args = vec![
            delivery.clinic_id.into(),
            delivery.id.into(),
            delivery.endpoint_id.into(),
            delivery.event_id.into(),
            delivery.event_name.as_str().into(),
            delivery.ordering_key.into(),
            delivery.due_at.into(),
            delivery.created_at.into(),
        ];
        Statement::new(sql, args)
    };
    deliveries.iter().map(statement).collect()
}

/// The active endpoints that have a delivery due and not leased, at most 1,000. The index is read once for each
/// endpoint with a backlog, not once for each row of it.
pub async fn lanes_due(tx: &mut Tx, now: Ts) -> Result<Vec<EndpointId>> {
    let sql = "with recursive lane (endpoint_id) as (
            select (select endpoint_id from deliveries where state = 'pending' order by endpoint_id limit 1)
            union all
            select (select d.endpoint_id from deliveries d
                    where d.state = 'pending' and d.endpoint_id > lane.endpoint_id
                    order by d.endpoint_id limit 1)
            from lane where lane.endpoint_id is not null
        )
        select e.id from lane join webhook_endpoints e on e.id = lane.endpoint_id
        where e.status = 'active' and exists (
            select 1 from deliveries d
            where d.endpoint_id = e.id and d.state = 'pending' and d.due_at <= $1
                and (d.lease_until is null or d.lease_until < $1))
        limit 1000";
    tx.query(sql, &[now.into()]).await?.iter().map(|row| row.columns().take()).collect()
}

/// Dispatchers on PostgreSQL pass by the rows that another one is taking; SQLite has one writer. First attempts
/// and retries are two walks of an index, so that a backlog of either is not sorted for each claim.
macro_rules! claim {
    ($tail:literal) => {
        concat!(
            "with first as materialized (
                select clinic_id, id from deliveries
                where endpoint_id = $1 and state = 'pending' and attempts = 0 and due_at <= $2
                    and (lease_until is null or lease_until < $2)
                order by due_at, id limit $5",
            $tail,
            "), again as materialized (
                select clinic_id, id from deliveries
                where endpoint_id = $1 and state = 'pending' and attempts > 0 and due_at <= $2
                    and (lease_until is null or lease_until < $2)
                order by due_at, id limit $5 - (select count(*) from first)",
            $tail,
            "), due as materialized (select clinic_id, id from first union all select clinic_id, id from again)
            update deliveries set lease_token = $4, lease_until = $3
            from due where deliveries.clinic_id = due.clinic_id and deliveries.id = due.id
            returning deliveries.id, deliveries.clinic_id, deliveries.endpoint_id, deliveries.event_id,
                deliveries.event_name, deliveries.ordering_key, deliveries.attempts,
                (select e.body from events e
                 where e.clinic_id = deliveries.clinic_id and e.id = deliveries.event_id)"
        )
    };
}

/// Leases due deliveries of an endpoint, at most `limit`: first attempts before retries, then the longest due.
/// One whose payload cannot be read any more is dead, so that it does not stand in the way of the others.
pub async fn deliveries_claim(
    tx: &mut Tx,
    endpoint: EndpointId,
    now: Ts,
    lease_until: Ts,
    token: Uuid,
    limit: i64,
) -> Result<Vec<Claimed>> {
    let sql = match tx.engine() {
        Engine::Sqlite => claim!(""),
        Engine::Postgres => claim!(" for update skip locked"),
    };
    let args = [endpoint.into(), now.into(), lease_until.into(), token.into(), limit.into()];
    let rows = tx.query(sql, &args).await?;
    let (mut claimed, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in &rows {
        let mut columns = row.columns();
        let (id, clinic_id): (DeliveryId, ClinicId) = (columns.take()?, columns.take()?);
        let (endpoint_id, event_id): (EndpointId, EventId) = (columns.take()?, columns.take()?);
        let (event_name, ordering_key) = (columns.take()?, columns.take()?);
        let attempts = columns.take()?;
        let sealed: Option<Vec<u8>> = columns.take()?;
        match open_body(tx, clinic_id, event_id, sealed).await? {
            Some(body) => claimed.push(Claimed {
                id,
                clinic_id,
                endpoint_id,
                event_id,
                event_name,
                ordering_key,
                attempts,
                token,
                body,
            }),
            None => unreadable.push(unreadable_statement(clinic_id, id, token, attempts, now)),
        }
    }
    if !unreadable.is_empty() {
        tx.batch(unreadable).await?;
    }
    // `returning` promises no order; ids are time-ordered.
    claimed.sort_by_key(|row| (row.attempts > 0, row.id));
    Ok(claimed)
}

/// A payload, or `None` if it is gone or is not what was sealed. A key that is not known here yet is an error: the
/// next claim knows it.
async fn open_body(
    tx: &mut Tx,
    clinic: ClinicId,
    event: EventId,
    sealed: Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>> {
    let Some(sealed) = sealed else { return Ok(None) };
    match tx.keys(clinic).await?.open(body_at(event), &sealed) {
        Err(Error::Seal(SealError::Authentication | SealError::Format)) => Ok(None),
        opened => opened.map(Some),
    }
}

fn unreadable_statement(clinic: ClinicId, id: DeliveryId, token: Uuid, attempts: i64, now: Ts) -> Statement {
    let none: Option<i64> = None;
    let args = vec![
        clinic.into(),
        id.into(),
        token.into(),
        attempts.into(),
        none.into(),
        now.into(),
        "unreadable".into(),
    ];
    Statement::new(DEAD, args)
}

const DELIVERED: &str = "update deliveries
    set state = 'delivered', attempts = $4, cause = null, status_code = $5, finished_at = $6, lease_token = null,
        lease_until = null
    where clinic_id = $1 and id = $2 and lease_token = $3 and state = 'pending'";
const DEAD: &str = "update deliveries
    set state = 'dead', attempts = $4, status_code = $5, finished_at = $6, cause = $7, lease_token = null,
        lease_until = null
    where clinic_id = $1 and id = $2 and lease_token = $3 and state = 'pending'";
const RETRY: &str = "update deliveries
    set attempts = $4, status_code = $5, due_at = $6, cause = $7, lease_token = null, lease_until = null
    where clinic_id = $1 and id = $2 and lease_token = $3 and state = 'pending'";
const RELEASE: &str = "update deliveries set due_at = $4, lease_token = null, lease_until = null
    where clinic_id = $1 and id = $2 and lease_token = $3 and state = 'pending'";

impl Outcome {
    fn statement(&self, now: Ts) -> Statement {
        let mut args: Vec<Value> = vec![self.clinic_id.into(), self.delivery_id.into(), self.token.into()];
        let attempt = self.attempt.as_ref();
        let (number, status) = (attempt.map(|a| a.number), attempt.and_then(|a| a.status_code));
        let cause = attempt.and_then(|a| a.cause.clone());
        let sql = match self.next {
            Next::Delivered => {
                args.extend([number.into(), status.into(), now.into()]);
                DELIVERED
            }
            Next::Dead => {
                args.extend([number.into(), status.into(), now.into(), cause.into()]);
                DEAD
            }
            Next::Retry { due_at } => {
                args.extend([number.into(), status.into(), due_at.into(), cause.into()]);
                RETRY
            }
            Next::Release { due_at } => {
                args.push(due_at.into());
                RELEASE
            }
        };
        Statement::new(sql, args)
    }
}

/// Records outcomes, each only under its lease; answers which leases still held. The attempts of the others are
/// not kept: whoever has the row now makes its own.
pub async fn delivery_record(tx: &mut Tx, outcomes: &[Outcome], now: Ts) -> Result<Vec<bool>> {
    let statements = outcomes.iter().map(|outcome| outcome.statement(now)).collect();
    let held: Vec<bool> = tx.batch(statements).await?.into_iter().map(|rows| rows == 1).collect();
    let mut attempts = Vec::with_capacity(outcomes.len());
    for (outcome, held) in outcomes.iter().zip(&held) {
        if let (Some(attempt), true) = (&outcome.attempt, held) {
            attempts.push(attempt_statement(tx, outcome, attempt).await?);
        }
    }
    if !attempts.is_empty() {
        tx.batch(attempts).await?;
    }
    Ok(held)
}

const fn response_at(id: AttemptId) -> SealedAt {
    SealedAt { table: "attempts", column: "response", row: id.0 }
}

async fn attempt_statement(tx: &mut Tx, outcome: &Outcome, attempt: &AttemptRow) -> Result<Statement> {
    let sql = "insert into attempts
            (clinic_id, id, delivery_id, number, started_at, elapsed_ms, outcome, cause, status_code, response)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let response = match attempt.response.is_empty() {
        true => None,
        false => Some(tx.keys(outcome.clinic_id).await?.seal(response_at(attempt.id), &attempt.response)),
    };
    let args = vec![
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
    ];
    Ok(Statement::new(sql, args))
}

/// Gives a lease back; false if it was lost.
pub async fn delivery_release(
    tx: &mut Tx,
    clinic: ClinicId,
    id: DeliveryId,
    token: Uuid,
    due_at: Ts,
) -> Result<bool> {
    let args = [clinic.into(), id.into(), token.into(), due_at.into()];
    Ok(tx.execute(RELEASE, &args).await? == 1)
}

/// Makes a delivery due now: one that waits for its next attempt goes on, a finished one begins anew. False if there
/// is none, or it is being sent.
pub async fn delivery_retry(
    tx: &mut Tx,
    clinic: ClinicId,
    endpoint: EndpointId,
    id: DeliveryId,
    now: Ts,
) -> Result<bool> {
    let sql = "update deliveries
        set attempts = case when state = 'pending' then attempts else 0 end, state = 'pending', due_at = $4,
            cause = null, status_code = null, finished_at = null
        where clinic_id = $1 and endpoint_id = $2 and id = $3 and lease_token is null";
    Ok(tx.execute(sql, &[clinic.into(), endpoint.into(), id.into(), now.into()]).await? == 1)
}

/// Cancels what waits for an endpoint; how many that were.
pub async fn deliveries_cancel(tx: &mut Tx, clinic: ClinicId, endpoint: EndpointId, now: Ts) -> Result<u64> {
    let sql = "update deliveries
        set state = 'cancelled', finished_at = $3, lease_token = null, lease_until = null
        where clinic_id = $1 and endpoint_id = $2 and state = 'pending'";
    tx.execute(sql, &[clinic.into(), endpoint.into(), now.into()]).await
}
