//! Events as the vocabularies tell them, and the sequence of each ordering key. Bodies are sealed.

use nimbus_core::{
    ids::{ClinicId, EventId},
    time::Ts,
};
use uuid::Uuid;

use crate::{
    deliveries,
    endpoints::Shape,
    engine::{Engine, Insert, Row, Statement, Tx, Value, With, insert_into},
    error::{Error, Result},
    page::{EARLIEST, LATEST, Page, Slice},
    rows::{entry, word},
    seal::{ClinicKeys, SealedAt},
};

/// An event to be written. It has no `Debug`: the body may be patient data.
#[derive(Clone)]
pub struct NewEvent {
    pub id: EventId,
    pub clinic_id: ClinicId,
    pub shape: Shape,
    /// The broad name, such as `medication:updated`.
    pub name: String,
    /// The narrow name, such as `medication:shipped`.
    pub type_: String,
    /// The record that it is about.
    pub subject_id: Uuid,
    pub ordering_key: Option<Uuid>,
    /// The number that [`sequences_take`] gave, if there is an ordering key.
    pub sequence: Option<i64>,
    /// The payload's bytes as they are signed and sent.
    pub body: Vec<u8>,
    /// How many deliveries are written with it.
    pub fanout: i64,
    pub created_at: Ts,
}

/// A stored event, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    pub id: EventId,
    pub clinic_id: ClinicId,
    pub shape: Shape,
    pub name: String,
    pub type_: String,
    pub subject_id: Uuid,
    pub ordering_key: Option<Uuid>,
    pub sequence: Option<i64>,
    pub created_at: Ts,
}

macro_rules! columns {
    () => {
        "id, clinic_id, shape, name, type, subject_id, ordering_key, sequence, created_at"
    };
}

fn read(row: &Row) -> Result<EventRow> {
    let mut columns = row.columns();
    Ok(EventRow {
        id: columns.take()?,
        clinic_id: columns.take()?,
        shape: word(&columns.take::<String>()?, Shape::parse, "events.shape")?,
        name: columns.take()?,
        type_: columns.take()?,
        subject_id: columns.take()?,
        ordering_key: columns.take()?,
        sequence: columns.take()?,
        created_at: columns.take()?,
    })
}

/// Where the body of an event is sealed.
pub(crate) const fn body_at(id: EventId) -> SealedAt {
    SealedAt { table: "events", column: "body", row: id.0 }
}

/// Takes consecutive numbers of an ordering key, so many in each shape (in the order of [`Shape::ALL`]); the first
/// of each. The rows stay locked until the transaction ends, so that a rollback leaves no gap.
pub async fn sequences_take(
    tx: &mut Tx,
    clinic: ClinicId,
    ordering_key: Uuid,
    counts: [i64; Shape::ALL.len()],
) -> Result<[i64; Shape::ALL.len()]> {
    let sql = "insert into event_sequences (clinic_id, shape, ordering_key, last)
        values ($1, $3, $2, $4), ($1, $5, $2, $6)
        on conflict (clinic_id, shape, ordering_key) do update set last = event_sequences.last + excluded.last
        returning shape, last";
    let mut args = vec![clinic.into(), ordering_key.into()];
    for (shape, count) in Shape::ALL.iter().zip(counts) {
        args.extend([shape.as_str().into(), count.into()]);
    }
    let mut firsts = counts.map(|count| 1 - count);
    for row in tx.query(sql, &args).await? {
        let mut columns = row.columns();
        let shape = word(&columns.take::<String>()?, Shape::parse, "event_sequences.shape")?;
        firsts[shape as usize] += columns.take::<i64>()?;
    }
    Ok(firsts)
}

/// The deliveries of events come right after them.
static DELIVERIES: With = With::new(&deliveries::INSERT);

static INSERT: Insert = Insert {
    with: Some(&DELIVERIES),
    ..insert_into!("events":
    1 "id" "uuid", 2 "clinic_id" "uuid", 3 "shape" "text", 4 "name" "text", 5 "type" "text", 6 "subject_id" "uuid",
    7 "ordering_key" "uuid", 8 "sequence" "bigint", 9 "created_at" "timestamptz", 10 "body" "bytea",
    11 "fanout" "bigint")
};

/// The statements that write events, to ride with the fact itself.
pub async fn event_statements(tx: &mut Tx, events: &[NewEvent]) -> Result<Vec<Statement>> {
    let mut statements = Vec::with_capacity(events.len());
    for event in events {
        let body = tx.keys(event.clinic_id).await?.seal(body_at(event.id), &event.body);
        let args = vec![
            event.id.into(),
            event.clinic_id.into(),
            event.shape.as_str().into(),
            event.name.as_str().into(),
            event.type_.as_str().into(),
            event.subject_id.into(),
            event.ordering_key.into(),
            event.sequence.into(),
            event.created_at.into(),
            body.into(),
            event.fanout.into(),
        ];
        statements.push(Statement::row(&INSERT, args));
    }
    Ok(statements)
}

pub async fn event_get(tx: &mut Tx, clinic: ClinicId, id: EventId) -> Result<Option<EventRow>> {
    let sql = concat!("select ", columns!(), " from events where clinic_id = $1 and id = $2");
    tx.query_opt(sql, &[clinic.into(), id.into()]).await?.as_ref().map(read).transpose()
}

/// The payload's bytes; `None` if there is no such event, or its body is past its retention.
pub async fn event_body(tx: &mut Tx, clinic: ClinicId, id: EventId) -> Result<Option<Vec<u8>>> {
    let sql = "select body from events where clinic_id = $1 and id = $2";
    let Some(row) = tx.query_opt(sql, &[clinic.into(), id.into()]).await? else { return Ok(None) };
    let sealed: Vec<u8> = row.columns().take()?;
    if sealed.is_empty() {
        return Ok(None);
    }
    tx.keys(clinic).await?.open(body_at(id), &sealed).map(Some)
}

/// Whether an event can be sent: its body is there, and stays until the transaction ends.
pub async fn event_is_sendable(tx: &mut Tx, clinic: ClinicId, id: EventId) -> Result<bool> {
    macro_rules! body {
        ($tail:literal) => {
            concat!("select length(body) > 0 from events where clinic_id = $1 and id = $2", $tail)
        };
    }
    let sql = match tx.engine() {
        Engine::Sqlite => body!(""),
        Engine::Postgres => body!(" for share"),
    };
    let row = tx.query_opt(sql, &[clinic.into(), id.into()]).await?;
    row.map_or(Ok(false), |row| row.columns().take())
}

/// Which part of a clinic's events is wanted.
#[derive(Debug, Clone)]
pub struct Feed {
    pub shape: Shape,
    /// The last event that the reader has seen.
    pub after: Option<EventId>,
    /// The narrow names of those wanted.
    pub types: Vec<&'static str>,
    /// Created at this instant or later.
    pub created_from: Option<Ts>,
    /// Created earlier than this instant.
    pub created_until: Option<Ts>,
    /// What was settled when the reader looked before: of what was committed earlier there is no more.
    pub beyond: Option<Settled>,
    /// 1 to [`Page::MAX`]; others are brought within.
    pub limit: u32,
}

/// How far the log was settled at some time: nothing comes to stand before it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled(i64);

/// An event's id, its names and the payload's bytes. It has no `Debug`: the body may be patient data.
#[derive(Clone, PartialEq, Eq)]
pub struct FeedEvent {
    pub id: EventId,
    /// The broad name.
    pub name: String,
    /// The narrow name.
    pub type_: String,
    pub body: Vec<u8>,
}

/// A place in a clinic's events: `position` says when they were committed, and the id is unique.
type Place = (i64, Uuid);

/// So many events are looked through, before the bounds of a range of creation are looked up.
const NEAR: i64 = 1000;

/// Events in the order in which they were committed, oldest first. Nothing that is committed later comes to stand
/// before what was listed: an event is held back while a transaction that began before its own still runs. `None` if
/// some of what follows the last one seen may be past its retention: nothing is passed over without a word.
///
/// It walks them from where the reader is; types that few of them have are looked for among all. A range of creation
/// does not follow from the order (clocks differ, and a sandbox's is moved): where the next thousand events do not fill
/// the page, the index of creation tells the first and the last place of the range, and the walk is between them.
pub async fn event_feed(tx: &mut Tx, clinic: ClinicId, feed: &Feed) -> Result<Option<Slice<FeedEvent>>> {
    let end = tx.settled_below().await?;
    page(tx, clinic, feed, end).await
}

/// As [`event_feed`], with how far it was looked: a reader for whom there is nothing more goes on beyond it.
pub async fn event_feed_settled(
    tx: &mut Tx,
    clinic: ClinicId,
    feed: &Feed,
) -> Result<Option<(Slice<FeedEvent>, Settled)>> {
    let end = tx.settled_below().await?;
    let settled = match tx.engine() {
        Engine::Postgres => end,
        // All that there is; what is committed next has the next number, or a greater one.
        Engine::Sqlite => {
            let row = tx.query_one("select coalesce(max(position), 0) + 1 from events", &[]).await?;
            row.columns().take()?
        }
    };
    Ok(page(tx, clinic, feed, end).await?.map(|page| (page, Settled(settled))))
}

async fn page(tx: &mut Tx, clinic: ClinicId, feed: &Feed, end: i64) -> Result<Option<Slice<FeedEvent>>> {
    for _ in 0..PURGES_MET {
        let Some(start) = feed_start(tx, clinic, feed).await? else { return Ok(None) };
        let start = feed.beyond.map_or(start, |Settled(beyond)| start.max((beyond, Uuid::nil())));
        match page_from(tx, clinic, feed, start, end).await? {
            Some(page) => return Ok(Some(page)),
            None if feed.after.is_some() => return Ok(None),
            // Bodies went between two statements: the beginning is elsewhere now.
            None => {}
        }
    }
    Err(Error::Busy)
}

/// So often the beginning may be looked for anew.
const PURGES_MET: u32 = 5;

async fn page_from(
    tx: &mut Tx,
    clinic: ClinicId,
    feed: &Feed,
    start: Place,
    end: i64,
) -> Result<Option<Slice<FeedEvent>>> {
    let is_range = feed.created_from.is_some() || feed.created_until.is_some();
    if is_range && let Some(near) = thousandth(tx, clinic, feed, start).await?.filter(|near| *near < end) {
        let page = walk(tx, clinic, feed, start, near).await?;
        if page.as_ref().is_none_or(|page| page.has_more) {
            return Ok(page);
        }
        let Some((first, last)) = range(tx, clinic, feed).await? else { return Ok(Some(Slice::empty())) };
        let start = start.max((first, Uuid::nil()));
        return walk(tx, clinic, feed, start, end.min(last.saturating_add(1))).await;
    }
    walk(tx, clinic, feed, start, end).await
}

/// The position of the thousandth event from a place on, if there are so many.
async fn thousandth(
    tx: &mut Tx,
    clinic: ClinicId,
    feed: &Feed,
    (position, id): Place,
) -> Result<Option<i64>> {
    let sql = "select position from events where clinic_id = $1 and shape = $2 and (position, id) > ($3, $4)
        order by position, id limit 1 offset $5";
    let args = [clinic.into(), feed.shape.as_str().into(), position.into(), id.into(), Value::from(NEAR - 1)];
    tx.query_opt(sql, &args).await?.map(|row| row.columns().take()).transpose()
}

/// The first and the last position of the events that were created in the feed's range, by their index alone.
async fn range(tx: &mut Tx, clinic: ClinicId, feed: &Feed) -> Result<Option<(i64, i64)>> {
    let sql = "select min(position), max(position) from events
        where clinic_id = $1 and shape = $2 and created_at >= $3 and created_at < $4";
    let (from, until) = (feed.created_from.unwrap_or(EARLIEST), feed.created_until.unwrap_or(LATEST));
    let row =
        tx.query_one(sql, &[clinic.into(), feed.shape.as_str().into(), from.into(), until.into()]).await?;
    let mut columns = row.columns();
    let (first, last): (Option<i64>, Option<i64>) = (columns.take()?, columns.take()?);
    Ok(first.zip(last))
}

/// The page of what is wanted from a place on, up to a position that is not reached; `None` if bodies of it are gone.
async fn walk(
    tx: &mut Tx,
    clinic: ClinicId,
    feed: &Feed,
    (position, id): Place,
    end: i64,
) -> Result<Option<Slice<FeedEvent>>> {
    // Bare, the comparison of types looks to PostgreSQL as if it let next to nothing through, so that it would
    // read and sort all that follows instead of walking the index to the limit.
    let sql = "select id, name, type, body from events
        where clinic_id = $1 and shape = $2 and (position, id) > ($3, $4) and position < $5
            and coalesce($6 like ('% ' || type || ' %'), false)
            and (created_at >= $7 or $7 is null) and (created_at < $8 or $8 is null)
        order by position, id limit $9";
    let page = Page { limit: feed.limit, ..Page::default() };
    let args = [
        clinic.into(),
        feed.shape.as_str().into(),
        position.into(),
        id.into(),
        end.into(),
        format!(" {} ", feed.types.join(" ")).into(),
        feed.created_from.into(),
        feed.created_until.into(),
        page.limit_and_one(),
    ];
    let rows = tx.query(sql, &args).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = row.columns();
        let (id, name, type_): (EventId, String, String) =
            (columns.take()?, columns.take()?, columns.take()?);
        let sealed: Vec<u8> = columns.take()?;
        if sealed.is_empty() {
            return Ok(None);
        }
        let read = |keys: &ClinicKeys| {
            let body = keys.open(body_at(id), &sealed)?;
            Ok(FeedEvent { id, name: name.clone(), type_: type_.clone(), body })
        };
        entries.push((id.0, entry(tx, clinic, read).await?));
    }
    Ok(Some(page.slice(entries)))
}

/// The place after which a feed goes on: the last event seen, or the last one of which the body went. `None` if what
/// follows the last one seen may be gone.
///
/// Where the event that the reader saw last is not there, nobody knows its place: then it is before all events of which
/// an id was made later, or less than [`OVERLAP_MS`] before. Some may be told again; none is passed over.
async fn feed_start(tx: &mut Tx, clinic: ClinicId, feed: &Feed) -> Result<Option<Place>> {
    let marks = "select
            (select reached from retention_marks where class = 'bodies'),
            (select before from retention_marks where class = 'metadata'),
            (select position from events where clinic_id = $1 and id = $2)";
    let after = feed.after.map(|after| after.0);
    let row = tx.query_one(marks, &[clinic.into(), after.into()]).await?;
    let mut columns = row.columns();
    let (reached, gone_before, seen): (i64, Uuid, Option<i64>) =
        (columns.take()?, columns.take()?, columns.take()?);
    let begins = (reached, Uuid::max());
    let Some(after) = after else { return Ok(Some(begins)) };
    if after < gone_before {
        return Ok(None);
    }
    let start = match seen {
        Some(position) => (position, after),
        None => {
            let later = "select min(position) from events where clinic_id = $1 and id >= $2";
            let row = tx.query_one(later, &[clinic.into(), overlapping(after).into()]).await?;
            let first: Option<i64> = row.columns().take()?;
            first.map_or((i64::MAX, Uuid::max()), |first| (first, Uuid::nil()))
        }
    };
    if start < begins && is_any_gone(tx, clinic, feed, start, reached).await? {
        return Ok(None);
    }
    Ok(Some(start.max(begins)))
}

/// Whether something wanted lies after a place, up to the last event of which the body went.
async fn is_any_gone(
    tx: &mut Tx,
    clinic: ClinicId,
    feed: &Feed,
    (position, id): Place,
    reached: i64,
) -> Result<bool> {
    let sql = "select 1 from events
        where clinic_id = $1 and shape = $2 and (position, id) > ($3, $4) and position <= $5
            and coalesce($6 like ('% ' || type || ' %'), false)
            and (created_at >= $7 or $7 is null) and (created_at < $8 or $8 is null)
        order by position, id limit 1";
    let args = [
        clinic.into(),
        feed.shape.as_str().into(),
        position.into(),
        id.into(),
        reached.into(),
        format!(" {} ", feed.types.join(" ")).into(),
        feed.created_from.into(),
        feed.created_until.into(),
    ];
    Ok(tx.query_opt(sql, &args).await?.is_some())
}

/// An event may be committed so much later than its id was made, and its neighbours in time before it: as long as a
/// transaction can take.
const OVERLAP_MS: u128 = 60_000;

/// The least id of the time so much before this one's: the first 48 bits of a UUID v7 are milliseconds.
const fn overlapping(id: Uuid) -> Uuid {
    Uuid::from_u128((id.as_u128() >> 80).saturating_sub(OVERLAP_MS) << 80)
}
