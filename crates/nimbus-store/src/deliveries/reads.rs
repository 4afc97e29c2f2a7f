//! Reading deliveries: lists and attempts.

use nimbus_core::{
    ids::{AttemptId, ClinicId, DeliveryId, EndpointId, EventId},
    time::Ts,
};
use uuid::Uuid;

use super::{
    DeliveryState,
    record::{AttemptTimes, headers_at, response_at},
};
use crate::{
    engine::{Row, Tx, Value},
    error::{Error, Result},
    ledger::Ledger,
    page::{Entry, Page, Slice},
    rows::{entry, opened, word},
    seal::ClinicKeys,
};

/// A delivery as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub clinic_id: ClinicId,
    pub endpoint_id: EndpointId,
    pub event_id: EventId,
    pub event_name: String,
    pub state: DeliveryState,
    pub attempts: i64,
    pub due_at: Ts,
    pub cause: Option<String>,
    pub status_code: Option<i64>,
    pub created_at: Ts,
    pub finished_at: Option<Ts>,
}

/// An attempt as it is listed.
#[derive(Clone)]
pub struct AttemptView {
    pub id: AttemptId,
    pub number: i64,
    pub started_at: Ts,
    pub elapsed_ms: i64,
    pub outcome: String,
    pub cause: Option<String>,
    pub status_code: Option<i64>,
    pub response: Vec<u8>,
    pub headers: Vec<(String, String)>,
    pub times: AttemptTimes,
}

impl std::fmt::Debug for AttemptView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttemptView")
            .field("id", &self.id)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

macro_rules! columns {
    () => {
        "id, clinic_id, endpoint_id, event_id, event_name, state, attempts, due_at, cause, status_code, created_at,
         finished_at"
    };
}
pub(super) use columns;

pub(super) fn read(row: &Row) -> Result<DeliveryRow> {
    let mut columns = row.columns();
    Ok(DeliveryRow {
        id: columns.take()?,
        clinic_id: columns.take()?,
        endpoint_id: columns.take()?,
        event_id: columns.take()?,
        event_name: columns.take()?,
        state: word(&columns.take::<String>()?, DeliveryState::parse, "deliveries.state")?,
        attempts: columns.take()?,
        due_at: columns.take()?,
        cause: columns.take()?,
        status_code: columns.take()?,
        created_at: columns.take()?,
        finished_at: columns.take()?,
    })
}

/// A delivery's id is made at most this long after its `created_at`, which is wall time as well.
const MADE_WITHIN_MS: i64 = 3_600_000;

/// The deliveries to an endpoint, newest first.
pub async fn deliveries_of_endpoint(
    tx: &mut Tx,
    clinic: ClinicId,
    endpoint: EndpointId,
    state: Option<DeliveryState>,
    page: &Page,
) -> Result<Slice<DeliveryRow>> {
    macro_rules! list {
        ($state:literal) => {
            concat!(
                "select ",
                columns!(),
                " from deliveries where clinic_id = $5 and endpoint_id = $6 and id >= $7 and ",
                $state,
                " and id < $2 and created_at >= $3 and created_at < $4
                  order by id desc limit $1"
            )
        };
    }
    // What was delivered is most of all rows; for the rest there is an index, which the second text names.
    let sql = match state {
        None | Some(DeliveryState::Delivered) => list!("(state = $8 or $8 is null)"),
        Some(_) => list!("state = $8 and state <> 'delivered'"),
    };
    let (mut args, first) = page_args(page);
    let state = state.map(DeliveryState::as_str);
    args.extend([clinic.into(), endpoint.into(), first.into(), state.into()]);
    let items = tx.query(sql, &args).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(page.slice_plain(items, |delivery| delivery.id.0))
}

/// `$1` to `$4` of a list of deliveries, and the least id that it can show: ids are in order of time, so that a range of
/// time is one of ids.
pub(super) fn page_args(page: &Page) -> (Vec<Value>, Uuid) {
    let first = page.created_from.map_or(Uuid::nil(), first_made);
    let last = page.created_until.map_or(Uuid::max(), last_made);
    let page = Page { before: Some(page.before.unwrap_or(Uuid::max()).min(last)), ..page.clone() };
    let mut args = page.args_any([]);
    // A delivery does not say when it was changed.
    args.truncate(4);
    (args, first)
}

/// Ids between which those of deliveries are that were made in a range of time.
pub(crate) fn ids_made_within(since: Ts, until: Ts) -> (Uuid, Uuid) {
    (first_made(since), last_made(until))
}

fn first_made(from: Ts) -> Uuid {
    first_id_at(from.micros() / 1000)
}

fn last_made(until: Ts) -> Uuid {
    first_id_at((until.micros() / 1000).saturating_add(MADE_WITHIN_MS))
}

/// The least version 7 id of a millisecond (RFC 9562, 5.7), or of the nearest that has one.
pub(crate) fn first_id_at(millis: i64) -> Uuid {
    let millis = millis.clamp(0, (1 << 48) - 1);
    Uuid::from_u128(u128::from(millis.unsigned_abs()) << 80)
}

pub async fn delivery_get(tx: &mut Tx, clinic: ClinicId, id: DeliveryId) -> Result<Option<DeliveryRow>> {
    let sql = concat!("select ", columns!(), " from deliveries where clinic_id = $1 and id = $2");
    tx.query_opt(sql, &[clinic.into(), id.into()]).await?.as_ref().map(read).transpose()
}

/// The attempts of a delivery, oldest first, at most 100.
pub async fn attempts_of(tx: &mut Tx, clinic: ClinicId, delivery: DeliveryId) -> Result<Vec<AttemptView>> {
    let rows = attempt_rows(tx, clinic, delivery).await?;
    opened(tx, clinic, |keys| rows.iter().map(|row| read_attempt(row, keys)).collect()).await
}

/// The same for a list of deliveries: `None` if one cannot be opened.
pub async fn attempts_listed(
    tx: &mut Tx,
    clinic: ClinicId,
    delivery: DeliveryId,
) -> Result<Option<Vec<AttemptView>>> {
    let rows = attempt_rows(tx, clinic, delivery).await?;
    let read = |keys: &ClinicKeys| rows.iter().map(|row| read_attempt(row, keys)).collect();
    match entry(tx, clinic, read).await? {
        Entry::Whole(attempts) => Ok(Some(attempts)),
        Entry::Unreadable | Entry::Erased => Ok(None),
    }
}

async fn attempt_rows(tx: &mut Tx, clinic: ClinicId, delivery: DeliveryId) -> Result<Vec<Row>> {
    let sql = "select id, number, started_at, elapsed_ms, outcome, cause, status_code, response, dns_us,
            connect_us, tls_us, first_byte_us, reused, response_headers
        from attempts where clinic_id = $1 and delivery_id = $2 order by id limit 100";
    tx.query(sql, &[clinic.into(), delivery.into()]).await
}

fn read_attempt(row: &Row, keys: &ClinicKeys) -> Result<AttemptView> {
    let mut columns = row.columns();
    let id = columns.take()?;
    Ok(AttemptView {
        id,
        number: columns.take()?,
        started_at: columns.take()?,
        elapsed_ms: columns.take()?,
        outcome: columns.take()?,
        cause: columns.take()?,
        status_code: columns.take()?,
        response: match columns.take::<Option<Vec<u8>>>()? {
            Some(sealed) => keys.open(response_at(id), &sealed)?,
            None => Vec::new(),
        },
        times: AttemptTimes {
            dns_us: columns.take()?,
            connect_us: columns.take()?,
            tls_us: columns.take()?,
            first_byte_us: columns.take()?,
            reused: columns.take()?,
        },
        headers: match columns.take::<Option<Vec<u8>>>()? {
            Some(sealed) => serde_json::from_slice(&keys.open(headers_at(id), &sealed)?)
                .map_err(|_| Error::Corrupt("attempts.response_headers"))?,
            None => Vec::new(),
        },
    })
}

/// How many deliveries there are in each state, counted one by one.
pub async fn backlog(tx: &mut Tx) -> Result<Ledger> {
    let sql = "select count(*), count(*) filter (where state = 'delivered'),
            count(*) filter (where state = 'pending'), count(*) filter (where state = 'dead'),
            count(*) filter (where state = 'cancelled')
        from deliveries";
    let row = tx.query_one(sql, &[]).await?;
    let mut columns = row.columns();
    Ok(Ledger {
        accepted: columns.take()?,
        delivered: columns.take()?,
        pending: columns.take()?,
        dead: columns.take()?,
        cancelled: columns.take()?,
    })
}
