//! Partitions by time of the tables that grow by events, on PostgreSQL: made ahead, and dropped whole by retention.
//!
//! To attach or detach one takes a lock that everybody else who uses the table waits behind. It is asked for briefly,
//! and again later.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use jiff::{ToSpan, tz::TimeZone};
use nimbus_core::time::{Date, Ts, add_months};
use tokio_postgres::{Error, GenericClient, Transaction, error::SqlState};
use uuid::Uuid;

use super::Db;
use crate::{deliveries::first_id_at, error::Result, retention::held};

/// How long a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// Rows stay up to so much longer than their age.
    Week,
    Month,
}

/// Partitioned `by range (id)`; the ids are UUID v7, whose first 48 bits are milliseconds since 1970.
const TABLES: [(&str, Length); 4] = [
    ("events", Length::Week),
    ("deliveries", Length::Week),
    ("attempts", Length::Week),
    ("audit", Length::Month),
];
/// Partitions are made for so many days ahead.
const DAYS_AHEAD: i64 = 28;
const MILLIS_A_DAY: i64 = 86_400_000;
/// Any number, as long as all releases use the same.
const LOCK: i64 = 0x006e_696d_6275_7370;
/// Everybody else waits so long, at most, before a lock is given up that is not free.
const LOCKS: &str = "set local lock_timeout = '200ms'; set local statement_timeout = '40s'";
/// So often a lock that was not free is asked for, with this between.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(500);
/// A default partition with more bytes than this stays as it is: what is in it would be moved, or looked through, while
/// everybody waits.
const DEFAULT_MOVED: i64 = 64 * 1024 * 1024;

/// Makes the partitions of the coming weeks, where they are missing; false if the lock for one was not to be had, or
/// what would have to be moved is too much. Safe to run on several nodes at once; does nothing on SQLite. Run it daily,
/// and again soon after a false.
pub async fn ensure_partitions(db: &Db, now: Ts) -> Result<bool> {
    let Some(mut conn) = db.postgres_connection().await? else { return Ok(true) };
    let mut all = true;
    for (table, length) in TABLES {
        all &= ensure(&mut conn, table, length, now).await?;
    }
    Ok(all)
}

async fn ensure(conn: &mut ClientWrapper, table: &str, length: Length, now: Ts) -> Result<bool> {
    let mut at = millis_of(length.first_day(now.date()));
    let until = now.micros() / 1000 + DAYS_AHEAD * MILLIS_A_DAY;
    let (mut all, mut tries) = (true, LOCK_TRIES);
    while at < until {
        match make(conn, table, length, at).await {
            Ok(Some((to, made))) => (at, all) = (to, all && made),
            // No such table yet, or not a partitioned one.
            Ok(None) => return Ok(true),
            Err(error) if is_locked(&error) && tries > 0 => {
                tries -= 1;
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            Err(error) if is_locked(&error) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

fn is_locked(error: &Error) -> bool {
    error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// Makes the partition of an instant, if there is none; where it ends, and whether it is there.
async fn make(
    conn: &mut ClientWrapper,
    table: &str,
    length: Length,
    at: i64,
) -> Result<Option<(i64, bool)>, Error> {
    let tx = conn.transaction().await?;
    tx.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    tx.batch_execute(LOCKS).await?;
    let default =
        "select p.partdefid::regclass::text from pg_partitioned_table p where p.partrelid = to_regclass($1)";
    let Some(row) = tx.query_opt(default, &[&table]).await? else { return Ok(None) };
    let default: Option<String> = row.try_get(0)?;
    let default = default.filter(|name| name != "-");
    let there = partitions(&*tx, table).await?;
    if let Some(is) = there.iter().find(|is| is.from <= at && at < is.to) {
        return Ok(Some((is.to, true)));
    }
    // What an earlier release made may be of another length.
    let next = there.iter().map(|is| is.from).filter(|from| *from > at).min();
    let day = Ts::from_micros(at * 1000).date();
    let to = millis_of(length.day_after(day)).min(next.unwrap_or(i64::MAX));
    let name = format!("{table}_p{:04}{:02}{:02}", day.year(), day.month(), day.day());
    let new = Partition { name, from: at, to };
    if let Some(default) = &default
        && is_too_much(&tx, default, &new).await?
    {
        return Ok(Some((to, false)));
    }
    tx.batch_execute(&attach_sql(table, &new, default.as_deref())).await?;
    tx.commit().await?;
    Ok(Some((to, true)))
}

/// Whether rows would have to be moved out of a default partition that is large.
async fn is_too_much(tx: &Transaction<'_>, default: &str, new: &Partition) -> Result<bool, Error> {
    let size: i64 =
        tx.query_one("select pg_relation_size(to_regclass($1))", &[&default]).await?.try_get(0)?;
    if size <= DEFAULT_MOVED {
        return Ok(false);
    }
    let (from, to) = (first_id_at(new.from), first_id_at(new.to));
    let sql = format!("select exists (select 1 from {default} where id >= $1 and id < $2)");
    tx.query_one(&sql, &[&from, &to]).await?.try_get(0)
}

/// Attaching a table takes a weaker lock on its parent than creating a partition there, and lets rows move out of
/// the default partition first, should a week have begun before its partition was made.
fn attach_sql(table: &str, new: &Partition, default: Option<&str>) -> String {
    let (name, from, to) = (&new.name, first_id_at(new.from), first_id_at(new.to));
    let moved = default.map_or_else(String::new, |default| {
        format!(
            "with moved as (delete from {default} where id >= '{from}' and id < '{to}' returning *)
             insert into {name} select * from moved;"
        )
    });
    format!(
        "create table {name} (like {table} including all);
         {moved}
         alter table {table} attach partition {name} for values from ('{from}') to ('{to}');"
    )
}

/// A partition and the milliseconds since 1970 of its ids: `from` and later, before `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Partition {
    name: String,
    from: i64,
    to: i64,
}

/// The partitions of a table but the default one, in order.
async fn partitions(client: &impl GenericClient, table: &str) -> Result<Vec<Partition>, Error> {
    let sql = "select cast(c.relname as text), pg_get_expr(c.relpartbound, c.oid)
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = to_regclass($1) and c.relpartbound is not null";
    let mut found = Vec::new();
    for row in client.query(sql, &[&table]).await? {
        let (name, bounds): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        found.extend(parse_bounds(&bounds).map(|(from, to)| Partition { name, from, to }));
    }
    found.sort_by_key(|partition| partition.from);
    Ok(found)
}

/// Reads the bounds as PostgreSQL shows them: two quoted ids. The default partition has none.
fn parse_bounds(text: &str) -> Option<(i64, i64)> {
    let mut quoted = text.split('\'').skip(1).step_by(2).map(|id| Uuid::parse_str(id).ok());
    let millis = |id: Uuid| i64::try_from(id.as_u128() >> 80).ok();
    Some((millis(quoted.next()??)?, millis(quoted.next()??)?))
}

/// Before which instant rows of a table go one by one, if those before `due` may go: a partition that is not past it
/// whole waits until it is, and is dropped then. SQLite has none.
pub async fn partition_boundary(db: &Db, table: &'static str, due: Ts) -> Result<Ts> {
    let Some(conn) = db.postgres_connection().await? else { return Ok(due) };
    let millis = due.micros().div_euclid(1000);
    let found = partitions(&*conn, table).await?;
    let around = found.iter().find(|is| is.from <= millis && millis < is.to);
    Ok(around.map_or(due, |is| Ts::from_micros(is.from * 1000)))
}

/// Partitions with more bytes than this are not looked through for what their neighbours left behind.
const TIDIED: i64 = 256 * 1024 * 1024;

/// Deletes what was left of rows that went with a neighbouring partition, from those partitions of a table before an
/// instant that had to stay, and from the default one: deliveries without their event, attempts without their delivery.
/// To be done when what can be found by its event has gone: little is left then. Nothing on SQLite.
pub async fn partitions_tidy(db: &Db, table: &'static str, before: Ts) -> Result<u64> {
    let Some(conn) = db.postgres_connection().await? else { return Ok(0) };
    let at = jiff::Timestamp::from_microsecond(before.micros()).unwrap_or(jiff::Timestamp::MIN);
    let first_kept = first_id_at(before.micros().div_euclid(1000));
    let which = match table {
        "deliveries" => format!(
            "d.created_at < '{at}' and d.finished_at < '{at}' and not ({WAITS})
             and not exists (select 1 from events e where e.clinic_id = d.clinic_id and e.id = d.event_id)"
        ),
        "attempts" => "not exists (
                select 1 from deliveries w where w.clinic_id = d.clinic_id and w.id = d.delivery_id)"
            .to_owned(),
        _ => return Ok(0),
    };
    let millis = before.micros().div_euclid(1000);
    let past = partitions(&*conn, table).await?.into_iter().filter(|is| is.to <= millis).map(|is| is.name);
    let mut count = 0;
    for name in past.chain([format!("{table}_default")]) {
        let sql = format!(
            "delete from {name} d where pg_relation_size('{name}') <= {TIDIED} and d.id < '{first_kept}' and {which}"
        );
        count += conn.execute(&sql, &[]).await?;
    }
    Ok(count)
}

/// What is in the way of dropping a partition of what was before an instant, asked while others may still write to it.
fn in_the_way(table: &str, partition: &Partition, before: Ts) -> Option<String> {
    let name = &partition.name;
    let before = jiff::Timestamp::from_microsecond(before.micros()).ok()?;
    let beside = name.strip_prefix(table).unwrap_or_default();
    let held = held_rows(name);
    let others = match table {
        // A body that went does not come back, and nothing is sent without one: such events are not needed any more. Those
        // of deliveries that have to stay lead to the others beside them, which go one by one.
        "events" => format!(
            "exists (select 1 from pg_class where relname = 'deliveries' || '{beside}') or exists (select 1 from {name} where length(body) > 0
                or position > (select position from delivery_ledger_mark where id = 1))"
        ),
        "deliveries" => format!(
            "exists (select 1 from {name} d where {WAITS}) or exists (select 1 from {name} where finished_at >= '{before}')
                or exists (select 1 from replays where state = 'running' and since < '{before}')
                or exists (select 1 from events where id < '{}'
                    and position > (select position from delivery_ledger_mark where id = 1))",
            first_id_at(partition.to)
        ),
        "attempts" => format!(
            "exists (
                select 1 from deliveries d join {name} a on a.clinic_id = d.clinic_id and a.delivery_id = d.id
                where {WAITS})"
        ),
        _ => return None,
    };
    Some(format!("select ({others}) or {held}"))
}

/// Whether a partition has rows of a clinic that is under a legal hold.
fn held_rows(partition: &str) -> String {
    format!(
        "exists (select 1 from legal_holds lh where lh.released_at is null
            and exists (select 1 from {partition} x where x.clinic_id = lh.clinic_id))"
    )
}

/// A delivery that waits, or that others wait for.
const WAITS: &str = concat!("d.state = 'pending' or (", held!(), ")");

/// Drops the partitions of a table that are wholly before an instant and hold nothing that is needed, the oldest
/// first; their names. With `dry_run` it only says which. Those that hold something stay: their other rows go one by
/// one. Nothing on SQLite.
pub async fn partitions_drop(db: &Db, table: &'static str, before: Ts, dry_run: bool) -> Result<Vec<String>> {
    let Some(mut conn) = db.postgres_connection().await? else { return Ok(Vec::new()) };
    let millis = before.micros().div_euclid(1000);
    let mut dropped = Vec::new();
    for partition in partitions(&*conn, table).await?.into_iter().filter(|is| is.to <= millis) {
        let mut tries = LOCK_TRIES;
        loop {
            match drop_one(&mut conn, table, &partition, before, dry_run).await {
                Ok(true) => dropped.push(partition.name),
                Ok(false) => {}
                Err(error) if is_locked(&error) && tries > 0 => {
                    tries -= 1;
                    tokio::time::sleep(LOCK_PAUSE).await;
                    continue;
                }
                // Another time.
                Err(error) if is_locked(&error) => {}
                Err(error) => return Err(error.into()),
            }
            break;
        }
    }
    Ok(dropped)
}

/// What is in the way is looked for first without a lock, as that may take a while; then with one whether anything
/// has come to wait meanwhile, which indexes tell.
async fn drop_one(
    conn: &mut ClientWrapper,
    table: &str,
    partition: &Partition,
    before: Ts,
    dry_run: bool,
) -> Result<bool, Error> {
    let Some(in_the_way) = in_the_way(table, partition, before) else { return Ok(false) };
    if conn.query_one(&in_the_way, &[]).await?.try_get(0)? {
        return Ok(false);
    }
    if dry_run {
        return Ok(true);
    }
    let (name, to) = (&partition.name, first_id_at(partition.to));
    let tx = conn.transaction().await?;
    tx.batch_execute(LOCKS).await?;
    tx.batch_execute(&format!("lock table {name} in share mode")).await?;
    let held = held_rows(name);
    let comes = match table {
        "deliveries" => format!("select exists (select 1 from {name} d where {WAITS}) or {held}"),
        _ => format!("select {held}"),
    };
    if tx.query_one(&comes, &[]).await?.try_get(0)? {
        return Ok(false);
    }
    tx.batch_execute(&format!("alter table {table} detach partition {name}; drop table {name}")).await?;
    if table == "events" {
        let sql = "update retention_marks set before = $1 where class = 'metadata' and before < $1";
        tx.execute(sql, &[&to]).await?;
    }
    tx.commit().await?;
    Ok(true)
}

impl Length {
    /// Weeks begin on Monday.
    fn first_day(self, of: Date) -> Date {
        match self {
            Self::Week => of.saturating_sub(i64::from(of.weekday().to_monday_zero_offset()).days()),
            Self::Month => of.first_of_month(),
        }
    }

    /// The first day of the next.
    fn day_after(self, of: Date) -> Date {
        match self {
            Self::Week => self.first_day(of).saturating_add(7i64.days()),
            Self::Month => add_months(of.first_of_month(), 1),
        }
    }
}

/// When a day begins in UTC, in milliseconds since 1970.
fn millis_of(day: Date) -> i64 {
    Ts::start_of(day, &TimeZone::UTC).micros() / 1000
}

#[cfg(test)]
mod tests {
    use nimbus_core::time::parse_date;

    use super::*;

    #[test]
    fn bounds_are_read_as_they_were_written() {
        let (from, to) = (1_700_000_000_000, 1_700_604_800_000);
        let text = format!("for values from ('{}') to ('{}')", first_id_at(from), first_id_at(to));
        assert_eq!(parse_bounds(&text), Some((from, to)));
        for other in ["DEFAULT", "for values from (minvalue) to ('x')", ""] {
            assert_eq!(parse_bounds(other), None, "{other}");
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_their_first() {
        let day = |text| parse_date(text).unwrap();
        for (of, week, after, month) in [
            ("2026-11-22", "2026-11-16", "2026-11-23", "2026-11-01"),
            ("2026-11-23", "2026-11-23", "2026-11-30", "2026-11-01"),
            ("2026-12-31", "2026-12-28", "2027-01-04", "2026-12-01"),
        ] {
            assert_eq!(Length::Week.first_day(day(of)), day(week));
            assert_eq!(Length::Week.day_after(day(of)), day(after));
            assert_eq!(Length::Month.first_day(day(of)), day(month));
        }
        assert_eq!(Length::Month.day_after(day("2026-12-31")), day("2027-01-01"));
    }
}
