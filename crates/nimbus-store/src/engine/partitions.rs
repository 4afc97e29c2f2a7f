//! Monthly partitions of the tables that grow by events, on PostgreSQL. Retention drops whole ones.

use nimbus_core::time::{Date, Ts, add_months};
use uuid::Uuid;

use super::Db;
use crate::error::Result;

/// Partitioned `by range (id)`; the ids are UUID v7, whose first 48 bits are milliseconds since 1970.
const TABLES: [&str; 4] = ["events", "deliveries", "attempts", "audit"];
/// The month of `now` and so many after it.
const MONTHS_AHEAD: i64 = 2;
/// Any number, as long as all releases use the same.
const LOCK: i64 = 0x006e_696d_6275_7370;

/// Makes the partitions of this month and the next two, where they are missing. Safe to run on several nodes at
/// once; does nothing on SQLite. Run it daily.
pub async fn ensure_partitions(db: &Db, now: Ts) -> Result<()> {
    ensure_partitions_of(db, &TABLES, now).await
}

pub(crate) async fn ensure_partitions_of(db: &Db, tables: &[&str], now: Ts) -> Result<()> {
    let Some(mut conn) = db.postgres_connection().await? else { return Ok(()) };
    let today = now.date();
    let this_month = today.first_of_month();
    for table in tables {
        for ahead in 0..=MONTHS_AHEAD {
            let month = add_months(this_month, ahead);
            let tx = conn.transaction().await?;
            tx.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await?;
            let name = format!("{table}_p{:04}{:02}", month.year(), month.month());
            // No such table yet, or not a partitioned one, or the partition exists: no row.
            let missing = tx
                .query_opt(
                    "select p.partdefid::regclass::text from pg_partitioned_table p
                     where p.partrelid = to_regclass($1) and to_regclass($2) is null",
                    &[table, &name],
                )
                .await?;
            if let Some(row) = missing {
                let default = row.try_get::<_, Option<String>>(0)?;
                tx.batch_execute(&partition_sql(table, &name, month, default.as_deref())).await?;
            }
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Attaching a table takes a weaker lock on its parent than creating a partition there, and lets rows move out of
/// the default partition first, should a month have begun before its partition was made.
fn partition_sql(table: &str, name: &str, month: Date, default: Option<&str>) -> String {
    let (from, to) = (month_start(month), month_start(add_months(month, 1)));
    let moved = default.filter(|default| *default != "-").map_or_else(String::new, |default| {
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

/// The least UUID v7 of a month in UTC.
fn month_start(month: Date) -> Uuid {
    let millis = Ts::start_of(month, &jiff::tz::TimeZone::UTC).micros() / 1000;
    // Months of this era are after 1970.
    Uuid::from_u128(u128::from(millis.unsigned_abs()) << 80)
}
