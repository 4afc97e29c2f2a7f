//! What this machine can do at most, measured in the same run: raw POSTs, fsyncs, durable commits.

use std::{
    fs::File,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::HeaderValue;
use rusqlite::{Connection, params};

use crate::{
    Failure,
    client::{self, Load, Outcome, Until},
    database::psql,
    figures::per_second,
    receiver::Receiver,
};

/// How long each limit is measured.
const MEASURED: Duration = Duration::from_secs(3);
/// A page, as a log appends it.
const APPEND: [u8; 4096] = [7; 4096];
/// What a row carries beside its id: about as much as a sealed column.
const ROW: [u8; 200] = [7; 200];

/// Posts `body` to a bare server that answers 200; per second.
pub(crate) async fn raw_posts(body: Bytes, connections: usize) -> Result<f64, Failure> {
    let bare = Receiver::start(|_, _| {}).await?;
    let outcome = raw(&bare, body, connections, Until::Elapsed(MEASURED)).await?;
    Ok(per_second(outcome.done, outcome.elapsed))
}

/// Posts `body` to `receiver`.
pub(crate) async fn raw(
    receiver: &Receiver,
    body: Bytes,
    connections: usize,
    until: Until,
) -> Result<Outcome, Failure> {
    let load = Load::post(receiver.address, HeaderValue::from_static("none"), "/", body);
    let outcome = client::run(load, connections, until, |_, _| {}).await?;
    if outcome.errors > 0 {
        return Err(format!("{} raw POSTs failed", outcome.errors).into());
    }
    Ok(outcome)
}

/// Appends of 4 KiB, each made durable, per second.
pub(crate) fn fsyncs(folder: &Path) -> Result<f64, Failure> {
    let mut file = File::create(folder.join("fsync"))?;
    let rate = repeat(|_| {
        file.write_all(&APPEND)?;
        Ok(file.sync_data()?)
    })?;
    Ok(rate)
}

/// Durable commits of so many rows each by one SQLite connection, per second.
pub(crate) fn sqlite_commits(folder: &Path, rows: u64) -> Result<f64, Failure> {
    let mut db = Connection::open(folder.join(format!("commits_of_{rows}.db")))?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    db.execute_batch(
        "create table rows (id blob primary key, at integer not null, body blob not null) strict",
    )?;
    repeat(|turn| {
        let tx = db.transaction()?;
        {
            let mut insert = tx.prepare_cached("insert into rows (id, at, body) values ($1, $2, $3)")?;
            for row in 0..rows {
                // Ids grow, as time-ordered ones do.
                let id = u128::from(turn * rows + row).to_be_bytes();
                insert.execute(params![id, i64::try_from(turn)?, ROW])?;
            }
        }
        Ok(tx.commit()?)
    })
}

/// Calls `once` with the number of each turn for as long as a limit is measured; turns per second.
fn repeat(mut once: impl FnMut(u64) -> Result<(), Failure>) -> Result<f64, Failure> {
    let started = Instant::now();
    let mut turns = 0;
    while started.elapsed() < MEASURED {
        once(turns)?;
        turns += 1;
    }
    Ok(per_second(turns, started.elapsed()))
}

/// One-row insert commits by pgbench over as many connections, per second; or why there is no figure.
pub(crate) fn pgbench(url: &str, folder: &Path, connections: usize) -> Result<f64, String> {
    let table = "create table if not exists bench_rows (id bigserial primary key, at bigint not null, body bytea not null);\n";
    psql(url, table).map_err(|failure| failure.to_string())?;
    let script = folder.join("insert.sql");
    let insert = "insert into bench_rows (at, body) values (1, decode(repeat('07', 200), 'hex'));\n";
    std::fs::write(&script, insert).map_err(|error| error.to_string())?;
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .args([format!("--client={connections}"), format!("--time={}", MEASURED.as_secs())])
        .arg("--file")
        .arg(&script)
        .arg(url)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("pgbench: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    tps.ok_or_else(|| format!("pgbench: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
