//! Deliveries: one event to one endpoint, leased to whoever sends it, and its attempts.

mod claim;
mod reads;
mod record;
mod resend;
mod stats;

use std::collections::BTreeSet;

use bytes::Bytes;
use nimbus_core::{
    ids::{ClinicId, DeliveryId, EndpointId, EventId},
    time::Ts,
    words,
};
use uuid::Uuid;

use self::record::{End, end_statement};
use crate::{
    engine::{Engine, Insert, Statement, Tx, insert_into},
    error::Result,
    ledger::Moves,
    rows::word,
};

pub use claim::{Claim, LANES_MAX, deliveries_claim, lanes_due, line_claim};
pub use reads::{
    AttemptView, DeliveryRow, attempts_listed, attempts_of, backlog, deliveries_of_endpoint, delivery_get,
};
pub(crate) use reads::{first_id_at, ids_made_within};
pub use record::{AttemptRow, AttemptTimes, Next, Outcome, delivery_record};
pub use resend::{deliveries_dead, delivery_of_event};
pub use stats::{
    AttemptCount, LATEST_MAX, Stats, WAITING_MAX, Waiting, deliveries_waiting_any, delivery_stats,
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
    /// Its number within the ordering key.
    pub sequence: Option<i64>,
    /// Whether it waits for those before it of its ordering key.
    pub ordered: bool,
    /// Wall time, as every time of a delivery.
    pub due_at: Ts,
    pub created_at: Ts,
    /// Whose it is from the start, if the writer sends it.
    pub lease: Option<Lease>,
}

/// Whose a delivery is, and until when. A result is recorded only under the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub token: Uuid,
    pub until: Ts,
}

/// A delivery that the caller holds the lease of, with its event's payload. It has no `Debug`: the payload may be
/// patient data.
pub struct Claimed {
    pub id: DeliveryId,
    pub clinic_id: ClinicId,
    pub endpoint_id: EndpointId,
    pub event_id: EventId,
    pub event_name: String,
    /// The ordering key, if it waits for those before it.
    pub line: Option<Uuid>,
    /// Its number within the ordering key.
    pub sequence: Option<i64>,
    /// Attempts made.
    pub attempts: i64,
    pub token: Uuid,
    pub body: Bytes,
}

pub(crate) const INSERT: Insert = insert_into!("deliveries":
    1 "clinic_id" "uuid", 2 "id" "uuid", 3 "endpoint_id" "uuid", 4 "event_id" "uuid", 5 "event_name" "text",
    6 "ordering_key" "uuid", 7 "line" "uuid", 8 "sequence" "bigint", 9 "state" "text", 10 "attempts" "bigint",
    11 "rank" "bigint", 12 "due_at" "timestamptz", 13 "created_at" "timestamptz", 14 "lease_token" "uuid",
    15 "lease_until" "timestamptz");

/// The statements that write deliveries, to ride with their events.
pub fn delivery_statements(deliveries: &[NewDelivery]) -> Vec<Statement> {
    let statement = |delivery: &NewDelivery| {
        let args = vec![
            delivery.clinic_id.into(),
            delivery.id.into(),
            delivery.endpoint_id.into(),
            delivery.event_id.into(),
            delivery.event_name.as_str().into(),
            delivery.ordering_key.into(),
            delivery.ordering_key.filter(|_| delivery.ordered).into(),
            delivery.sequence.into(),
            DeliveryState::Pending.as_str().into(),
            0i64.into(),
            0i64.into(),
            delivery.due_at.into(),
            delivery.created_at.into(),
            delivery.lease.map(|lease| lease.token).into(),
            delivery.lease.map(|lease| lease.until).into(),
        ];
        Statement::row(&INSERT, args)
    };
    deliveries.iter().map(statement).collect()
}

/// Of these lines of an ordered endpoint, those in which nothing stands: what is written into one may be sent at once.
pub async fn lines_free(
    tx: &mut Tx,
    endpoint: EndpointId,
    hold: bool,
    lines: &BTreeSet<Uuid>,
) -> Result<BTreeSet<Uuid>> {
    let sql = "select 1 from deliveries
        where endpoint_id = $1 and line = $2 and line is not null and state in ('pending', 'dead')
            and (state = 'pending' or $3)
        limit 1";
    let query = |line: &Uuid| Statement::new(sql, vec![endpoint.into(), (*line).into(), hold.into()]);
    let found = tx.query_all(&lines.iter().map(query).collect::<Vec<_>>()).await?;
    Ok(lines.iter().zip(found).filter(|(_, rows)| rows.is_empty()).map(|(line, _)| *line).collect())
}

/// Makes an endpoint's pending deliveries wait for those before them of their ordering key, or no longer: leased ones
/// too, so that what follows waits for them. Dead ones are not put in line, since nobody asked for their order when
/// they died.
pub async fn deliveries_line_up(
    tx: &mut Tx,
    clinic: ClinicId,
    endpoint: EndpointId,
    ordered: bool,
) -> Result<()> {
    let sql = match ordered {
        true => {
            "update deliveries set line = ordering_key
            where clinic_id = $1 and endpoint_id = $2 and state = 'pending' and ordering_key is not null"
        }
        false => {
            "update deliveries set line = null
            where clinic_id = $1 and endpoint_id = $2 and line is not null and state in ('pending', 'dead')"
        }
    };
    tx.execute(sql, &[clinic.into(), endpoint.into()]).await.map(drop)
}

/// Gives a lease back; false if it was lost.
pub async fn delivery_release(
    tx: &mut Tx,
    clinic: ClinicId,
    id: DeliveryId,
    token: Uuid,
    due_at: Ts,
) -> Result<bool> {
    let end = End { clinic_id: clinic, id, token, attempts: None, status_code: None, cause: None };
    let statement = end_statement(&end, Next::Release { due_at }, due_at);
    Ok(tx.batch(vec![statement]).await?.first() == Some(&1))
}

/// The state of a delivery that is about to change; nobody else changes it meanwhile.
macro_rules! state_of {
    ($tail:literal) => {
        concat!("select state from deliveries where clinic_id = $1 and endpoint_id = $2 and id = $3", $tail)
    };
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
    let key = [clinic.into(), endpoint.into(), id.into()];
    let was = match tx.engine() {
        Engine::Sqlite => state_of!(""),
        Engine::Postgres => state_of!(" for update"),
    };
    let Some(row) = tx.query_opt(was, &key).await? else { return Ok(false) };
    let was = word(&row.columns().take::<String>()?, DeliveryState::parse, "deliveries.state")?;
    let sql = "update deliveries
        set attempts = case when state = 'pending' then attempts else 0 end, rank = 1, state = 'pending',
            due_at = $4, cause = null, status_code = null, finished_at = null, replay_id = null
        where clinic_id = $1 and endpoint_id = $2 and id = $3 and lease_token is null";
    if tx.execute(sql, &[clinic.into(), endpoint.into(), id.into(), now.into()]).await? == 0 {
        return Ok(false);
    }
    let mut moves = Moves::default();
    moves.add(clinic, endpoint, was, -1);
    moves.write(tx).await?;
    Ok(true)
}

/// What only waits to be sent once more is what it was before.
const TAKEN_BACK: &str = "update deliveries
    set state = was_state, finished_at = was_finished_at, attempts = was_attempts, replay_id = null,
        lease_token = null, lease_until = null
    where clinic_id = $1 and endpoint_id = $2 and state = 'pending' and replay_id is not null and attempts = 0
        and was_state = $3";

/// Cancels what waits for an endpoint, and takes back what only waits to be sent once more; how many that were.
pub async fn deliveries_cancel(tx: &mut Tx, clinic: ClinicId, endpoint: EndpointId, now: Ts) -> Result<u64> {
    let sql = "update deliveries
        set state = 'cancelled', finished_at = $3, lease_token = null, lease_until = null
        where clinic_id = $1 and endpoint_id = $2 and state = 'pending'";
    let (mut moves, mut count) = (Moves::default(), 0);
    for state in [DeliveryState::Delivered, DeliveryState::Dead] {
        let args = [clinic.into(), endpoint.into(), state.as_str().into()];
        let back = tx.execute(TAKEN_BACK, &args).await?;
        moves.add(clinic, endpoint, state, i64::try_from(back).unwrap_or(i64::MAX));
        count += back;
    }
    let cancelled = tx.execute(sql, &[clinic.into(), endpoint.into(), now.into()]).await?;
    moves.add(clinic, endpoint, DeliveryState::Cancelled, i64::try_from(cancelled).unwrap_or(i64::MAX));
    moves.write(tx).await?;
    Ok(count + cancelled)
}
