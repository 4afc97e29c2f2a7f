//! Migrations: a folder for each dialect, embedded, run at start under a lock.

use std::path::Path;

use nimbus_core::time::Ts;
use refinery::{Migration, Runner};
use refinery_core::traits::sync;
use rusqlite::Connection;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    engine::{Db, Engine, Tx, partitions, positions, sqlite_connect},
    error::{Error, Result},
    inventory, keyring, roots,
};

mod sqlite {
    refinery::embed_migrations!("../../migrations/sqlite");
}
mod postgres {
    refinery::embed_migrations!("../../migrations/postgres");
}

/// Any number, as long as all releases use the same.
const LOCK: i64 = 0x6e69_6d62_7573;

fn runner(engine: Engine) -> Runner {
    match engine {
        Engine::Sqlite => sqlite::migrations::runner(),
        Engine::Postgres => postgres::migrations::runner(),
    }
}

/// Brings the schema up to date, makes the first root and the platform's keys and the coming weeks' partitions,
/// and seals what an earlier release left in the clear. May be run by any number of processes at once, and again.
///
/// # Errors
/// `Database` if a migration fails, or one that was applied has another text now; `Seal(WrongMasterKey)`.
pub async fn run(db: &Db) -> Result<()> {
    let runner = runner(db.engine());
    if let Some(path) = db.sqlite_path() {
        let path = path.to_owned();
        let done = tokio::task::spawn_blocking(move || run_sqlite(&path, &runner));
        done.await.unwrap_or_else(|_| Err(Error::closed()))?;
    } else if let Some(mut conn) = db.postgres_connection().await? {
        // The lock ends with the connection.
        conn.execute("select pg_advisory_lock($1)", &[&LOCK]).await?;
        runner.run_async(&mut *conn).await.map_err(Error::database)?;
        positions::follow_cluster(&mut conn).await?;
    }
    let now = Ts::from_micros(jiff::Timestamp::now().as_microsecond());
    roots::roots_ensure(db, now).await?;
    // Staff's and machines' stored replies belong to no clinic: the platform's own keys seal them.
    db.write(move |tx: &mut Tx| Box::pin(keyring::clinic_keys_create(tx, keyring::PLATFORM, now))).await?;
    // No SQL seals: what V24 found in the clear is sealed once there are keys.
    inventory::reasons_seal(db).await?;
    partitions::ensure_partitions(db, now).await.map(drop)
}

/// How many migrations this release has and the database has not.
pub async fn pending(db: &Db) -> Result<usize> {
    let applied = db
        .read(|tx: &mut Tx| {
            Box::pin(async move {
                if !tx.table_exists("refinery_schema_history").await? {
                    return Ok::<_, Error>(Vec::new());
                }
                let rows = tx.query("select version from refinery_schema_history", &[]).await?;
                rows.iter().map(|row| row.columns().take::<i32>()).collect()
            })
        })
        .await?;
    let runner = runner(db.engine());
    Ok(runner.get_migrations().iter().filter(|migration| !applied.contains(&migration.version())).count())
}

/// All in one transaction, which is the lock.
fn run_sqlite(path: &Path, runner: &Runner) -> Result<()> {
    let conn = sqlite_connect(path, true)?;
    // A table that is rebuilt must not take the rows that refer to it along; the check below makes up for it. What is
    // sorted for an index may be far more than fits into memory.
    conn.execute_batch("pragma foreign_keys = off; pragma temp_store = file; begin immediate")?;
    let mut open = Open(conn);
    runner.run(&mut open).map_err(Error::database)?;
    let broken = open.0.prepare("pragma foreign_key_check")?.exists([])?;
    if broken {
        return Err(Error::Corrupt("a migration left a reference to a row that does not exist"));
    }
    Ok(open.0.execute_batch("commit")?)
}

/// An SQLite connection within a transaction: refinery's own implementation would begin another.
struct Open(Connection);

impl sync::Transaction for Open {
    type Error = rusqlite::Error;

    fn execute<'a, T: Iterator<Item = &'a str>>(&mut self, queries: T) -> Result<usize, Self::Error> {
        let mut count = 0;
        for query in queries {
            self.0.execute_batch(query)?;
            count += 1;
        }
        Ok(count)
    }
}

impl sync::Query<Vec<Migration>> for Open {
    fn query(&mut self, query: &str) -> Result<Vec<Migration>, Self::Error> {
        let unreadable = |column| {
            rusqlite::Error::InvalidColumnType(
                column,
                "schema history".to_owned(),
                rusqlite::types::Type::Text,
            )
        };
        let mut statement = self.0.prepare(query)?;
        let mut rows = statement.query([])?;
        let mut applied = Vec::new();
        while let Some(row) = rows.next()? {
            let at = OffsetDateTime::parse(&row.get::<_, String>(2)?, &Rfc3339).map_err(|_| unreadable(2))?;
            let checksum = row.get::<_, String>(3)?.parse().map_err(|_| unreadable(3))?;
            applied.push(Migration::applied(row.get(0)?, row.get(1)?, at, checksum));
        }
        Ok(applied)
    }
}

impl sync::Migrate for Open {}
