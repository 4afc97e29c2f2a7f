//! What sealing and the audit log take of an order, and how long a list is unsealed: the server's processor time for an
//! order is known from the run before, and each part is done again by itself on the store that it left.

use std::{path::Path, time::Instant};

use nimbus_core::{
    access::{By, SystemActor},
    ids::ClinicId,
};
use nimbus_store::{
    ClinicKeys, Db, Error as StoreError, MasterKey, SealedAt, Tx,
    audit::{AuditEntry, audit_append},
    reseal::SEALED,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Failure, bare,
    figures::{decimals, ratio},
    process,
};

/// Orders whose values are sealed, and rows that are put on record, for one figure.
const REPEATS: u64 = 20_000;
/// Rows in one commit, as many as a busy server puts there.
const TOGETHER: usize = 100;
/// A list of patients.
const LIST: usize = 100;
const PROFILE: usize = 700;

/// What one order left in the store.
struct Left {
    /// How many sealed values of which mean length.
    values: Vec<(f64, usize)>,
    audit_rows: f64,
}

/// The parts of an order on a SQLite store: `cpu_us` is what it took the server, of `orders` that are there.
pub(crate) async fn measure(folder: &Path, clinic: &str, cpu_us: f64, orders: u64) -> Result<Value, Failure> {
    eprintln!("  sealing and the audit log by themselves");
    let data = folder.join("data");
    let left = left(&data.join("nimbus.db"), orders)?;
    let master = MasterKey::from_file(&data.join("master.key"))?;
    let db = Db::open_sqlite(&data.join("nimbus.db"), master).await?;
    let clinic: ClinicId = clinic.parse().map_err(|_| "a clinic's id")?;
    let keys = db.read(move |tx: &mut Tx| Box::pin(async move { tx.keys(clinic).await }));
    let keys = keys.await.map_err(|error: StoreError| error)?;
    let sealing_us = sealing_us(&keys, &left)?;
    let (recording_us, linking_us) = on_record_us(&db, clinic).await?;
    let list_ms = list_ms(&keys)?;
    db.close().await;
    let audit_us = left.audit_rows * (recording_us + linking_us);
    let sealed: f64 = left.values.iter().map(|(count, _)| count).sum();
    Ok(json!({
        "server_cpu_us_per_order": decimals(cpu_us, 1),
        "sealed_values_per_order": decimals(sealed, 2),
        "sealing_us_per_order": decimals(sealing_us, 2),
        "audit_rows_per_order": decimals(left.audit_rows, 2),
        "recording_us_per_row": decimals(recording_us, 2),
        "linking_us_per_row": decimals(linking_us, 2),
        "sealing_and_audit_of_order": ratio(sealing_us + audit_us, cpu_us),
        "unsealing_100_rows_ms": decimals(list_ms, 3),
    }))
}

fn left(database: &Path, orders: u64) -> Result<Left, Failure> {
    let db = Connection::open(database)?;
    let orders = orders.max(1) as f64;
    let mut values = Vec::new();
    for sealed in SEALED {
        let sql = format!(
            "select count({0}), coalesce(avg(length({0})), 0) from {1} where length({0}) > 0",
            sealed.column, sealed.table
        );
        let (count, length): (i64, f64) = db.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        values.push((count as f64 / orders, length as usize));
    }
    let rows: i64 = db.query_row("select count(*) from audit", [], |row| row.get(0))?;
    Ok(Left { values, audit_rows: rows as f64 / orders })
}

const fn at(row: Uuid) -> SealedAt {
    SealedAt { table: "orders", column: "notes", row }
}

/// Processor time of what an order's values take to be sealed.
fn sealing_us(keys: &ClinicKeys, left: &Left) -> Result<f64, Failure> {
    let before = process::cpu_us(std::process::id())?;
    for (count, length) in &left.values {
        let plain = vec![b'x'; *length];
        for _ in 0..(count * REPEATS as f64) as u64 {
            std::hint::black_box(keys.seal(at(Uuid::now_v7()), &plain));
        }
    }
    Ok((process::cpu_us(std::process::id())? - before) as f64 / REPEATS as f64)
}

/// Processor time of a row in the log, and of its link in the chain.
async fn on_record_us(db: &Db, clinic: ClinicId) -> Result<(f64, f64), Failure> {
    let app = bare::app(db.clone());
    nimbus_app::audit::settle(&app).await?;
    let entry = || AuditEntry {
        clinic_id: Some(clinic),
        at: nimbus_app::clock::wall(),
        by: By::System(SystemActor::CommandLine),
        action: "order.create",
        subject: "order".into(),
        subject_id: Some(Uuid::now_v7()),
        request_id: Some("req_0351vIf8n8i2a3NMhAeNdO".to_owned()),
        address: Some("127.0.0.1".to_owned()),
        reason: None,
    };
    let begun = process::cpu_us(std::process::id())?;
    for _ in 0..REPEATS / TOGETHER as u64 {
        let entries: Vec<_> = std::iter::repeat_with(entry).take(TOGETHER).collect();
        audit_append(db, &entries).await?;
    }
    let recorded = process::cpu_us(std::process::id())?;
    nimbus_app::audit::settle(&app).await?;
    let linked = process::cpu_us(std::process::id())?;
    let each = |us: u64| us as f64 / REPEATS as f64;
    Ok((each(recorded - begun), each(linked - recorded)))
}

/// The median time in which the profiles of a list are unsealed, of a hundred lists.
fn list_ms(keys: &ClinicKeys) -> Result<f64, Failure> {
    let rows: Vec<(Uuid, Vec<u8>)> = std::iter::repeat_with(Uuid::now_v7)
        .take(LIST)
        .map(|row| (row, keys.seal(at(row), &vec![b'x'; PROFILE])))
        .collect();
    let mut times = Vec::with_capacity(100);
    for _ in 0..100 {
        let begun = Instant::now();
        for (row, sealed) in &rows {
            std::hint::black_box(keys.open(at(*row), sealed)?);
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1000.0)
}
