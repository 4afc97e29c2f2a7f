//! Replays of an endpoint: which of its finished deliveries are made due again, how far that is, and the way back.

use nimbus_core::{
    ids::{ClinicId, DeliveryId, EndpointId, ReplayId},
    time::Ts,
    words,
};

use crate::{
    deliveries::{DeliveryState, ids_made_within},
    engine::{Engine, Row, Tx, Value},
    error::{Error, Result},
    ledger::Moves,
    rows::{changed_one, word},
};

/// So many replays go at once.
const LET_GO_MAX: i64 = 500;

words! {
    /// Which deliveries are sent again. What waits is sent anyway, and what was cancelled stays so.
    pub enum Which {
        /// Those whose last attempt failed.
        Failed = "failed",
        /// Those that arrived too.
        All = "all",
    }

    pub enum ReplayState {
        /// Deliveries are being made due.
        Running = "running",
        /// Every one was made due; they may still wait to be sent.
        Finished = "finished",
        /// What was not sent yet is as it was before.
        Cancelled = "cancelled",
    }
}

/// What was sent to an endpoint, to be sent again. Times are wall time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    pub id: ReplayId,
    pub clinic_id: ClinicId,
    pub endpoint_id: EndpointId,
    /// Deliveries made at this instant or later.
    pub since: Ts,
    /// Deliveries made before this instant.
    pub until: Ts,
    pub which: Which,
    /// As in a subscription; every event, if there is none.
    pub event_types: Option<Vec<String>>,
    pub per_second: u32,
    pub state: ReplayState,
    /// How many there were to send when it began.
    pub total: i64,
    /// How many it has made due and not taken back.
    pub queued: i64,
    /// The last of them.
    pub cursor: Option<DeliveryId>,
    pub version: i64,
    pub created_at: Ts,
    /// When the last was made due, or when it was cancelled.
    pub finished_at: Option<Ts>,
}

/// What became of the deliveries that a replay has made due. One that was retried by itself since is no longer its.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    pub delivered: i64,
    pub dead: i64,
    pub pending: i64,
}

macro_rules! columns {
    () => {
        "id, clinic_id, endpoint_id, since, until, which, event_types, per_second, state, total, queued, cursor,
         version, created_at, finished_at"
    };
}

fn read(row: &Row) -> Result<Replay> {
    let mut columns = row.columns();
    Ok(Replay {
        id: columns.take()?,
        clinic_id: columns.take()?,
        endpoint_id: columns.take()?,
        since: columns.take()?,
        until: columns.take()?,
        which: word(&columns.take::<String>()?, Which::parse, "replays.which")?,
        event_types: columns
            .take::<Option<String>>()?
            .map(|text| text.split(' ').map(str::to_owned).collect()),
        per_second: u32::try_from(columns.take::<i64>()?)
            .map_err(|_| Error::Corrupt("replays.per_second"))?,
        state: word(&columns.take::<String>()?, ReplayState::parse, "replays.state")?,
        total: columns.take()?,
        queued: columns.take()?,
        cursor: columns.take()?,
        version: columns.take()?,
        created_at: columns.take()?,
        finished_at: columns.take()?,
    })
}

/// Writes a replay.
///
/// # Errors
/// [`Error::Conflict`] if one of the endpoint is running.
pub async fn replay_insert(tx: &mut Tx, replay: &Replay) -> Result<()> {
    let sql = concat!(
        "insert into replays (",
        columns!(),
        ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
    );
    let args = [
        replay.id.into(),
        replay.clinic_id.into(),
        replay.endpoint_id.into(),
        replay.since.into(),
        replay.until.into(),
        replay.which.as_str().into(),
        replay.event_types.as_ref().map(|types| types.join(" ")).into(),
        i64::from(replay.per_second).into(),
        replay.state.as_str().into(),
        replay.total.into(),
        replay.queued.into(),
        replay.cursor.into(),
        replay.version.into(),
        replay.created_at.into(),
        replay.finished_at.into(),
    ];
    tx.execute(sql, &args).await.map(drop)
}

pub async fn replay_get(tx: &mut Tx, clinic: ClinicId, id: ReplayId) -> Result<Option<Replay>> {
    let sql = concat!("select ", columns!(), " from replays where clinic_id = $1 and id = $2");
    tx.query_opt(sql, &[clinic.into(), id.into()]).await?.as_ref().map(read).transpose()
}

/// The replay of an endpoint that is running.
pub async fn replay_running(tx: &mut Tx, clinic: ClinicId, endpoint: EndpointId) -> Result<Option<ReplayId>> {
    let sql = "select id from replays where clinic_id = $1 and endpoint_id = $2 and state = 'running'";
    let row = tx.query_opt(sql, &[clinic.into(), endpoint.into()]).await?;
    row.map(|row| row.columns().take()).transpose()
}

/// Writes how far a replay is, if it is still at the version given.
///
/// # Errors
/// [`Error::Conflict`] if it has changed meanwhile.
pub async fn replay_update(tx: &mut Tx, replay: &Replay) -> Result<()> {
    let sql =
        "update replays set state = $4, queued = $5, cursor = $6, finished_at = $7, version = version + 1
        where clinic_id = $1 and id = $2 and version = $3";
    let args = [
        replay.clinic_id.into(),
        replay.id.into(),
        replay.version.into(),
        replay.state.as_str().into(),
        replay.queued.into(),
        replay.cursor.into(),
        replay.finished_at.into(),
    ];
    changed_one(tx.execute(sql, &args).await?)
}

/// The deliveries of a replay, `$1` to `$7`, by the index of those that did not arrive, or by that of all to an
/// endpoint: compared as pairs, its ids cannot be looked for among those of the whole clinic.
macro_rules! chosen {
    (failed) => {
        chosen!("endpoint_id = $2 and state = 'dead' and state <> 'delivered' and id > $3 and id < $4")
    };
    (all) => {
        chosen!(
            "(endpoint_id, id) > ($2, $3) and (endpoint_id, id) < ($2, $4) and state in ('delivered', 'dead')"
        )
    };
    ($which:literal) => {
        concat!(
            "clinic_id = $1 and ",
            $which,
            " and created_at >= $5 and created_at < $6
              and (cast($7 as text) is null or exists (
                select 1 from events e
                where e.clinic_id = d.clinic_id and e.id = d.event_id
                    and coalesce($7 like ('% ' || e.type || ' %'), false)))"
        )
    };
}

/// `types` are the narrow names of events.
fn chosen_args(replay: &Replay, types: Option<&[&str]>) -> Vec<Value> {
    let (first, last) = ids_made_within(replay.since, replay.until);
    vec![
        replay.clinic_id.into(),
        replay.endpoint_id.into(),
        replay.cursor.map_or(first, |cursor| cursor.0).into(),
        last.into(),
        replay.since.into(),
        replay.until.into(),
        types.map(|types| format!(" {} ", types.join(" "))).into(),
    ]
}

/// How many deliveries a replay has before it. `types` are the narrow names of events, if it is not for all.
pub async fn replay_count(tx: &mut Tx, replay: &Replay, types: Option<&[&str]>) -> Result<i64> {
    let sql = match replay.which {
        Which::Failed => concat!("select count(*) from deliveries d where ", chosen!(failed)),
        Which::All => concat!("select count(*) from deliveries d where ", chosen!(all)),
    };
    tx.query_one(sql, &chosen_args(replay, types)).await?.columns().take()
}

macro_rules! queue {
    ($which:ident) => {
        concat!(
            "with next as materialized (
                select id from deliveries d where ",
            chosen!($which),
            " order by endpoint_id, id limit $8)
            update deliveries
            set replay_id = $9, was_state = deliveries.state, was_attempts = deliveries.attempts,
                was_finished_at = deliveries.finished_at, state = 'pending', attempts = 0, rank = 2, due_at = $10,
                finished_at = null
            from next
            where deliveries.clinic_id = $1 and deliveries.id = next.id and deliveries.state in ('delivered', 'dead')
            returning deliveries.id, deliveries.was_state"
        )
    };
}

/// Makes the next deliveries of a replay due, the oldest first, behind everything else that waits; their ids. None are
/// left when there are none.
pub async fn replay_queue(
    tx: &mut Tx,
    replay: &Replay,
    types: Option<&[&str]>,
    limit: u32,
    now: Ts,
) -> Result<Vec<DeliveryId>> {
    let sql = match replay.which {
        Which::Failed => queue!(failed),
        Which::All => queue!(all),
    };
    let mut args = chosen_args(replay, types);
    args.extend([i64::from(limit).into(), replay.id.into(), now.into()]);
    let (mut queued, mut moves) = (Vec::new(), Moves::default());
    for row in tx.query(sql, &args).await? {
        let mut columns = row.columns();
        queued.push(columns.take()?);
        let was = word(&columns.take::<String>()?, DeliveryState::parse, "deliveries.was_state")?;
        moves.add(replay.clinic_id, replay.endpoint_id, was, -1);
    }
    moves.write(tx).await?;
    Ok(queued)
}

/// A dispatcher on PostgreSQL that is leasing a row has it.
macro_rules! take_back {
    ($tail:literal) => {
        concat!(
            "with unsent as materialized (
                select id from deliveries
                where clinic_id = $1 and replay_id = $2 and replay_id is not null and state = 'pending'
                    and attempts = 0 and lease_token is null
                limit $3",
            $tail,
            ")
            update deliveries
            set state = was_state, attempts = was_attempts, finished_at = was_finished_at, replay_id = null
            from unsent
            where deliveries.clinic_id = $1 and deliveries.id = unsent.id
            returning deliveries.endpoint_id, deliveries.state"
        )
    };
}

/// Makes deliveries of a replay that nobody has begun to send what they were before it; how many. Where that is the
/// limit, there may be more.
pub async fn replay_take_back(tx: &mut Tx, clinic: ClinicId, id: ReplayId, limit: u32) -> Result<u32> {
    let sql = match tx.engine() {
        Engine::Sqlite => take_back!(""),
        Engine::Postgres => take_back!(" for update skip locked"),
    };
    let rows = tx.query(sql, &[clinic.into(), id.into(), i64::from(limit).into()]).await?;
    let mut moves = Moves::default();
    for row in &rows {
        let mut columns = row.columns();
        let endpoint = columns.take()?;
        let state = word(&columns.take::<String>()?, DeliveryState::parse, "deliveries.state")?;
        moves.add(clinic, endpoint, state, 1);
    }
    moves.write(tx).await?;
    Ok(u32::try_from(rows.len()).unwrap_or(limit))
}

/// What became of the deliveries of a replay.
pub async fn replay_progress(tx: &mut Tx, clinic: ClinicId, id: ReplayId) -> Result<Progress> {
    let sql = "select state, count(*) from deliveries
        where clinic_id = $1 and replay_id = $2 and replay_id is not null group by state";
    let mut progress = Progress::default();
    for row in tx.query(sql, &[clinic.into(), id.into()]).await? {
        let mut columns = row.columns();
        let state = word(&columns.take::<String>()?, DeliveryState::parse, "deliveries.state")?;
        let count = columns.take()?;
        match state {
            DeliveryState::Delivered => progress.delivered = count,
            DeliveryState::Dead => progress.dead = count,
            DeliveryState::Pending => progress.pending = count,
            DeliveryState::Cancelled => {}
        }
    }
    Ok(progress)
}

/// The replays `r` that ended before `$1`, and of whose deliveries none waits.
macro_rules! past {
    () => {
        "r.finished_at < $1 and r.state <> 'running' and not exists (
            select 1 from deliveries d
            where d.clinic_id = r.clinic_id and d.replay_id = r.id and d.replay_id is not null
                and d.state = 'pending')
         and not exists (
            select 1 from legal_holds lh where lh.clinic_id = r.clinic_id and lh.released_at is null)"
    };
}

/// How many replays are past their age: they ended before an instant, and so did their deliveries.
pub async fn replays_past(tx: &mut Tx, before: Ts) -> Result<i64> {
    let sql = concat!("select count(*) from replays r where ", past!());
    tx.query_one(sql, &[before.into()]).await?.columns().take()
}

/// Lets go of some of them; how many.
pub async fn replays_let_go(tx: &mut Tx, before: Ts) -> Result<i64> {
    let sql = concat!(
        "delete from replays where (clinic_id, id) in (
            select r.clinic_id, r.id from replays r where ",
        past!(),
        " limit $2)"
    );
    let gone = tx.execute(sql, &[before.into(), LET_GO_MAX.into()]).await?;
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}
