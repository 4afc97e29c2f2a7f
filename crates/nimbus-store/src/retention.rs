//! Retention: what is past its age is let go, class by class, but for what is still needed.
//!
//! The worker walks the events in the order of their commits, a few at a time, and remembers how far it is; what has to
//! stay is looked at again when the walk begins anew there. An event is needed, with its deliveries and their attempts,
//! while one of these waits, was made or ended lately, is the dead letter that an ordered endpoint holds a line for, or
//! belongs to a replay that runs, and while its clinic is under a legal hold. The newest event of SQLite stays: its number is what the next one's follows.

use nimbus_core::{time::Ts, words};
use uuid::Uuid;

use crate::{
    deliveries::first_id_at,
    engine::{Engine, Tx, Value},
    error::Result,
    legal_holds::is_held,
};

words! {
    /// What has an age of its own.
    pub enum Class {
        /// What events say: the bytes that were signed.
        Bodies = "bodies",
        /// Attempts, with what receivers answered.
        Attempts = "attempts",
        /// Events and deliveries themselves.
        Metadata = "metadata",
    }
}

/// Before every position.
pub(crate) const BEGINNING: i64 = -i64::MAX;
/// Positions that are looked at in one step. SQLite has one writer, which everybody waits for: a step takes it some ten
/// milliseconds.
const STEP: i64 = 200;
/// Where no event is near, so many times as many positions are looked through for the next.
const WIDER: i64 = 16;

/// What may go of a class. Times are wall time, as the ids that they are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub class: Class,
    /// Events made before this instant, none of whose deliveries was made since.
    pub before: Ts,
    /// None of their deliveries ended since.
    pub quiet_since: Ts,
}

/// A stretch of the walk, read and not yet worked: positions after `from`, up to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    due: Due,
    from: i64,
    to: i64,
    /// The last one of them that is due.
    last_due: i64,
}

/// How many rows there are to let go, or were let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    pub bodies: i64,
    pub attempts: i64,
    pub deliveries: i64,
    pub events: i64,
    /// Replays that ended.
    pub replays: i64,
    /// Events that are past the age and needed.
    pub kept: i64,
}

impl Count {
    pub fn add(&mut self, other: Self) {
        self.bodies += other.bodies;
        self.attempts += other.attempts;
        self.deliveries += other.deliveries;
        self.events += other.events;
        self.replays += other.replays;
        self.kept += other.kept;
    }

    /// Rows that go.
    pub const fn rows(&self) -> i64 {
        self.bodies + self.attempts + self.deliveries + self.events + self.replays
    }
}

/// The events `e` of a step that are past the age: `$1` and `$2` are positions, `$3` is the first id that stays.
macro_rules! past {
    () => {
        "e.position > $1 and e.position <= $2 and e.id < $3"
    };
}

/// Whether an ordered endpoint holds a line for the dead delivery `d`.
macro_rules! held {
    () => {
        "d.state = 'dead' and d.line is not null and exists (
            select 1 from webhook_endpoints w
            where w.clinic_id = d.clinic_id and w.id = d.endpoint_id and w.after_dead_letter = 'hold'
                and w.status <> 'deleted')"
    };
}
pub(crate) use held;

/// Whether the event `e` is needed: `$4` is when its deliveries must have been made before, `$5` when they must have
/// ended before.
macro_rules! needed {
    () => {
        concat!(
            "(",
            is_held!("e.clinic_id"),
            " or exists (
                select 1 from deliveries d
                where d.clinic_id = e.clinic_id and d.event_id = e.id and (
                    d.state = 'pending' or d.created_at >= $4 or d.finished_at >= $5 or (",
            held!(),
            ") or exists (
                        select 1 from replays r
                        where r.endpoint_id = d.endpoint_id and r.state = 'running' and r.clinic_id = d.clinic_id
                            and r.since <= d.created_at and r.until > d.created_at))))"
        )
    };
}

/// The deliveries of the events of a step that may go.
macro_rules! gone {
    ($columns:literal) => {
        concat!(
            "select ",
            $columns,
            " from events e join deliveries g on g.clinic_id = e.clinic_id and g.event_id = e.id
            where ",
            past!(),
            " and not ",
            needed!()
        )
    };
}

impl Due {
    /// The least id that stays.
    fn first_kept(&self) -> Uuid {
        first_id_at(self.before.micros().div_euclid(1000))
    }

    fn args(&self, from: i64, to: i64) -> [Value; 5] {
        [from.into(), to.into(), self.first_kept().into(), self.before.into(), self.quiet_since.into()]
    }
}

/// Has the walk of a class begin anew at what had to stay, if it last did so before an instant.
pub async fn retention_sweep(tx: &mut Tx, class: Class, last_before: Ts, now: Ts) -> Result<()> {
    let sql = "update retention_marks
        set position = case when behind <= position then behind - 1 else position end, behind = null, swept_at = $3
        where class = $1 and behind is not null and (swept_at is null or swept_at < $2)";
    tx.execute(sql, &[class.as_str().into(), last_before.into(), now.into()]).await.map(drop)
}

/// Notes that the walk of a class came to its end.
pub async fn retention_end(tx: &mut Tx, class: Class, now: Ts) -> Result<()> {
    let sql = "update retention_marks set ended_at = $2 where class = $1";
    tx.execute(sql, &[class.as_str().into(), now.into()]).await.map(drop)
}

/// When the walks last came to their ends; `None` while one never did.
pub async fn retention_ended(tx: &mut Tx) -> Result<Option<Ts>> {
    let sql = "select case when count(*) = count(ended_at) then min(ended_at) end from retention_marks";
    tx.query_one(sql, &[]).await?.columns().take()
}

/// Reads where the walk goes on; `None` at its end.
pub async fn retention_step(tx: &mut Tx, due: Due) -> Result<Option<Step>> {
    let sql = "select position from retention_marks where class = $1";
    let from: i64 = tx.query_one(sql, &[due.class.as_str().into()]).await?.columns().take()?;
    retention_step_after(tx, due, from).await
}

/// As [`retention_step`], from a position on: `None` stands for the beginning.
pub async fn retention_look(tx: &mut Tx, due: Due, after: Option<Step>) -> Result<Option<Step>> {
    retention_step_after(tx, due, after.map_or(BEGINNING, |step| step.to)).await
}

async fn retention_step_after(tx: &mut Tx, due: Due, from: i64) -> Result<Option<Step>> {
    let end = walked_end(tx, due.class).await?;
    let Some(first) = next_event(tx, from, end).await? else { return Ok(None) };
    let to = first.saturating_add(STEP - 1).min(end);
    let sql = "select min(position) filter (where id >= $3), max(position) filter (where id < $3) from events
        where position > $1 and position <= $2";
    let args = [Value::from(first - 1), to.into(), due.first_kept().into()];
    let row = tx.query_one(sql, &args).await?;
    let mut columns = row.columns();
    let (young, last_due): (Option<i64>, Option<i64>) = (columns.take()?, columns.take()?);
    let to = young.map_or(to, |young| young - 1);
    let Some(last_due) = last_due.map(|last| last.min(to)).filter(|last| *last >= first) else {
        return Ok(None);
    };
    Ok(Some(Step { due, from, to, last_due }))
}

/// Nothing goes that the ledger's walk has not seen.
async fn walked_end(tx: &mut Tx, class: Class) -> Result<i64> {
    let sql = match (tx.engine(), class) {
        (Engine::Sqlite, Class::Metadata) => {
            "select min(position, (select coalesce(max(position), 0) - 1 from events))
            from delivery_ledger_mark where id = 1"
        }
        _ => "select position from delivery_ledger_mark where id = 1",
    };
    tx.query_one(sql, &[]).await?.columns().take()
}

/// The first position of an event after one and up to another.
async fn next_event(tx: &mut Tx, after: i64, end: i64) -> Result<Option<i64>> {
    let sql = "select min(position) from events where position > $1 and position <= $2";
    let (mut after, mut width) = (after, STEP);
    while after < end {
        let to = after.saturating_add(width).min(end);
        let row = tx.query_one(sql, &[after.into(), to.into()]).await?;
        if let Some(found) = row.columns().take()? {
            return Ok(Some(found));
        }
        (after, width) = (to, width.saturating_mul(WIDER));
    }
    Ok(None)
}

/// Lets go of what may go of a step, and notes it; `None` if another one has gone on meanwhile: then it is read again.
pub async fn retention_apply(tx: &mut Tx, step: &Step) -> Result<Option<Count>> {
    let Step { due, from, to, last_due } = *step;
    let class = Value::from(due.class.as_str());
    let sql = "update retention_marks
        set position = $3, reached = case when reached < $4 then $4 else reached end,
            before = case when before < $5 then $5 else before end
        where class = $1 and position = $2";
    let args = [class.clone(), from.into(), to.into(), last_due.into(), due.first_kept().into()];
    if tx.execute(sql, &args).await? == 0 {
        return Ok(None);
    }
    let count = match due.class {
        Class::Bodies => let_go_bodies(tx, step).await?,
        Class::Attempts => let_go_attempts(tx, step).await?,
        Class::Metadata => let_go_metadata(tx, step).await?,
    };
    let stays = concat!(
        "update retention_marks set behind = (
            select min(e.position) from events e where ",
        past!(),
        " and ",
        needed!(),
        ") where class = $6 and behind is null"
    );
    let mut args = due.args(from, to).to_vec();
    args.push(class);
    tx.execute(stays, &args).await?;
    Ok(Some(count))
}

/// Whoever has a delivery sent again holds its event: they wait for each other, and what is decided after that is
/// decided on what the other one did. SQLite has one writer.
async fn lock_events(tx: &mut Tx, step: &Step) -> Result<()> {
    if tx.engine() == Engine::Postgres {
        let sql = concat!("select 1 from events e where ", past!(), " order by e.clinic_id, e.id for update");
        tx.query(sql, &[step.from.into(), step.to.into(), step.due.first_kept().into()]).await?;
    }
    Ok(())
}

/// A body that was let go is empty, which no sealed one is.
async fn let_go_bodies(tx: &mut Tx, step: &Step) -> Result<Count> {
    lock_events(tx, step).await?;
    let sql = concat!(
        "update events as e set body = $6 where ",
        past!(),
        " and length(e.body) > 0 and not ",
        needed!()
    );
    let mut args = step.due.args(step.from, step.to).to_vec();
    args.push(Value::Bytes(Vec::new()));
    Ok(Count { bodies: signed(tx.execute(sql, &args).await?), ..Count::default() })
}

async fn let_go_attempts(tx: &mut Tx, step: &Step) -> Result<Count> {
    let sql =
        concat!("delete from attempts where (clinic_id, delivery_id) in (", gone!("g.clinic_id, g.id"), ")");
    let args = step.due.args(step.from, step.to);
    Ok(Count { attempts: signed(tx.execute(sql, &args).await?), ..Count::default() })
}

/// An event goes only when none of its deliveries is left.
async fn let_go_metadata(tx: &mut Tx, step: &Step) -> Result<Count> {
    lock_events(tx, step).await?;
    let attempts = let_go_attempts(tx, step).await?.attempts;
    let deliveries =
        concat!("delete from deliveries where (clinic_id, id) in (", gone!("g.clinic_id, g.id"), ")");
    let deliveries = tx.execute(deliveries, &step.due.args(step.from, step.to)).await?;
    let events = concat!(
        "delete from events as e where ",
        past!(),
        " and not ",
        is_held!("e.clinic_id"),
        " and not exists (select 1 from deliveries d where d.clinic_id = e.clinic_id and d.event_id = e.id)"
    );
    let args = [step.from.into(), step.to.into(), step.due.first_kept().into()];
    let events = tx.execute(events, &args).await?;
    Ok(Count { attempts, deliveries: signed(deliveries), events: signed(events), ..Count::default() })
}

/// Counts what would go of a step, and what is needed of it.
pub async fn retention_count(tx: &mut Tx, step: &Step) -> Result<Count> {
    let args = step.due.args(step.from, step.to);
    let kept = concat!("select count(*) from events e where ", past!(), " and ", needed!());
    let kept = one(tx, kept, &args).await?;
    let bodies = concat!(
        "select count(*) from events e where ",
        past!(),
        " and length(e.body) > 0 and not ",
        needed!()
    );
    let attempts = concat!(
        "select count(*) from attempts where (clinic_id, delivery_id) in (",
        gone!("g.clinic_id, g.id"),
        ")"
    );
    let events = concat!("select count(*) from events e where ", past!(), " and not ", needed!());
    Ok(match step.due.class {
        Class::Bodies => Count { bodies: one(tx, bodies, &args).await?, kept, ..Count::default() },
        Class::Attempts => Count { attempts: one(tx, attempts, &args).await?, kept, ..Count::default() },
        Class::Metadata => Count {
            deliveries: one(tx, gone!("count(*)"), &args).await?,
            events: one(tx, events, &args).await?,
            kept,
            ..Count::default()
        },
    })
}

async fn one(tx: &mut Tx, sql: &'static str, args: &[Value]) -> Result<i64> {
    tx.query_one(sql, args).await?.columns().take()
}

fn signed(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
