//! What the processes of a deployment have admitted, so that they keep to one limit together.

use nimbus_core::rate::Class;
use uuid::Uuid;

use crate::{
    engine::{Engine, Row, Tx, Value},
    error::{Error, Result},
    rows::word,
};

/// The most rows of one report.
pub const REPORT_MAX: usize = 1000;
/// The most sums of one reading.
pub const SUMS_MAX: usize = 2000;

/// What was admitted of one owner's requests in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    pub owner: Uuid,
    pub class: Class,
    /// Seconds since 1970.
    pub window_start: i64,
    pub used: u64,
}

fn read(row: &Row) -> Result<Used> {
    let mut columns = row.columns();
    Ok(Used {
        owner: columns.take()?,
        class: word(&columns.take::<String>()?, Class::parse, "rate_usage.class")?,
        window_start: columns.take()?,
        used: u64::try_from(columns.take::<i64>()?).map_err(|_| Error::Corrupt("rate_usage.used"))?,
    })
}

/// The rows of a JSON array of arrays. They go in one order, so that two reports never wait for each other's rows
/// crosswise. `where true` tells SQLite that `on` does not belong to a join.
macro_rules! report {
    ($uuid:literal, $rows:literal) => {
        concat!(
            "insert into rate_usage (owner, class, window_start, used)
            select ",
            $uuid,
            ", r.value ->> 1, cast(r.value ->> 2 as bigint), cast(r.value ->> 3 as bigint)
            from ",
            $rows,
            " where true order by 1, 2, 3
            on conflict (owner, class, window_start) do update set used = rate_usage.used + excluded.used
            returning owner, class, window_start, used"
        )
    };
}

/// Adds what a process has admitted since its last report, at most [`REPORT_MAX`] rows and none twice; the sums of
/// all processes for the same rows, in any order.
pub async fn rate_usage_report(tx: &mut Tx, admitted: &[Used]) -> Result<Vec<Used>> {
    if admitted.len() > REPORT_MAX {
        return Err(Error::Job("a report is too long"));
    }
    let sql = match tx.engine() {
        Engine::Sqlite => report!("unhex(r.value ->> 0)", "json_each($1) as r"),
        Engine::Postgres => report!("cast(r.value ->> 0 as uuid)", "jsonb_array_elements($1) as r (value)"),
    };
    let rows: Vec<String> = admitted
        .iter()
        .map(|row| format!(r#"["{}","{}",{},{}]"#, row.owner.simple(), row.class, row.window_start, row.used))
        .collect();
    let rows = Value::Json(format!("[{}]", rows.join(",")));
    tx.query(sql, &[rows]).await?.iter().map(read).collect()
}

/// The sums of all processes for windows that began in this second or later, in one order: those after `last`, at
/// most [`SUMS_MAX`].
pub async fn rate_usage_sums(tx: &mut Tx, since: i64, last: Option<Used>) -> Result<Vec<Used>> {
    let sql = "select owner, class, window_start, used from rate_usage
        where window_start >= $1 and (window_start, owner, class) > ($2, $3, $4)
        order by window_start, owner, class limit $5";
    let (window_start, owner, class) =
        last.map_or((since, Uuid::nil(), ""), |last| (last.window_start, last.owner, last.class.as_str()));
    let args = [since.into(), window_start.into(), owner.into(), class.into(), (SUMS_MAX as i64).into()];
    tx.query(sql, &args).await?.iter().map(read).collect()
}

/// Forgets the windows that began before this second; how many rows that were.
pub async fn rate_usage_purge(tx: &mut Tx, before: i64) -> Result<u64> {
    tx.execute("delete from rate_usage where window_start < $1", &[before.into()]).await
}
