//! What tests of faults do to a store, or ask of it, behind the back of those who work on it.

use nimbus_core::ids::{ClinicId, DeliveryId, EndpointId};
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::{Db, Error, Result, Row, Tx, reseal::Sealed};

/// Has the leases on jobs and on the ledger's walk run out, as time would.
pub async fn leases_end(db: &Db) {
    let written = db.write(|tx: &mut Tx| {
        Box::pin(async move {
            tx.execute("update jobs set lease_token = null, lease_until = null", &[]).await?;
            tx.execute("update audit_chain set lease_token = null, lease_until = null", &[]).await?;
            tx.execute("update delivery_ledger_mark set lease_token = null, lease_until = null", &[]).await
        })
    });
    written.await.map_err(|error: Error| error).expect("the leases end");
}

/// Jobs that are not done; those of retention and of notices never are, and come again by the hour.
pub async fn jobs_left(db: &Db) -> i64 {
    count(db, "select count(*) from jobs where kind not in ('retention', 'notices')").await
}

/// Whether the walk along the events has come to the last of them.
pub async fn is_walked(db: &Db) -> bool {
    let sql = "select count(*) from events
        where position > (select position from delivery_ledger_mark where id = 1)";
    count(db, sql).await == 0
}

async fn count(db: &Db, sql: &'static str) -> i64 {
    let read = db.read(move |tx: &mut Tx| {
        Box::pin(async move { tx.query_one(sql, &[]).await?.columns().take::<i64>() })
    });
    read.await.map_err(|error: Error| error).expect("rows are counted")
}

/// The state of each delivery of an endpoint, and whether it stands in a line.
pub async fn states_and_lines(db: &Db, endpoint: EndpointId) -> Vec<(String, bool)> {
    let read = db.read(move |tx: &mut Tx| {
        Box::pin(async move {
            let sql = "select state, line is not null from deliveries where endpoint_id = $1 order by id";
            let rows = tx.query(sql, &[endpoint.into()]).await?;
            let row = |row: &Row| {
                let mut columns = row.columns();
                Ok((columns.take()?, columns.take()?))
            };
            rows.iter().map(row).collect()
        })
    });
    read.await.map_err(|error: Error| error).expect("deliveries are read")
}

/// Keeps a transaction of PostgreSQL open for a second.
pub async fn linger(tx: &mut Tx) -> Result<()> {
    tx.query("select 1 from pg_sleep(1)", &[]).await.map(drop)
}

/// Deletes one delivery and doubles another.
pub async fn tamper(db: &Db, gone: DeliveryId, doubled: DeliveryId) {
    let written = db.write(move |tx: &mut Tx| {
        Box::pin(async move {
            let deleted = tx.execute("delete from deliveries where id = $1", &[gone.into()]).await?;
            let again = "insert into deliveries (clinic_id, id, endpoint_id, event_id, event_name, ordering_key, line,
                    sequence, state, attempts, rank, due_at, created_at)
                select clinic_id, $2, endpoint_id, event_id, event_name, ordering_key, line, sequence, state,
                    attempts, rank, due_at, created_at
                from deliveries where id = $1";
            Ok::<_, Error>((deleted, tx.execute(again, &[doubled.into(), Uuid::now_v7().into()]).await?))
        })
    });
    assert_eq!(written.await.expect("the rows change"), (1, 1));
}

/// Flips one bit of a clinic's first value in a sealed column, `from_end` bytes before its last one; the row, and `None`
/// where there is no value. What it did once it undoes when it is called again.
pub async fn bit_flipped(
    db: &Db,
    clinic: ClinicId,
    sealed: &'static Sealed,
    from_end: usize,
) -> Option<Uuid> {
    let written = db.write(move |tx: &mut Tx| {
        Box::pin(async move {
            let args = [Uuid::nil().into(), 1i64.into(), clinic.into()];
            let Some(row) = tx.query_opt(sealed.read, &args).await? else { return Ok(None) };
            let mut columns = row.columns();
            let (row, old): (Uuid, Vec<u8>) = (columns.take()?, columns.take()?);
            let mut new = old.clone();
            let at = new.len() - 1 - from_end.min(new.len() - 1);
            new[at] ^= 1;
            let args = [row.into(), old.into(), new.into(), clinic.into()];
            Ok::<_, Error>((tx.execute(sealed.write, &args).await? == 1).then_some(row))
        })
    });
    written.await.expect("the value changes")
}

/// Changes what the audit log says of one row; its link.
pub async fn audit_row_edited(db: &Db, sequence: i64) {
    let written = db.write(move |tx: &mut Tx| {
        Box::pin(async move {
            let sql = "update audit set action = 'nothing'
                where id = (select audit_id from audit_links where sequence = $1)";
            tx.execute(sql, &[sequence.into()]).await
        })
    });
    assert_eq!(written.await.map_err(|error: Error| error).expect("the row changes"), 1);
}

/// Ends the connections over which signals are heard as soon as they are there, until it is over. `cut` is told of each
/// time that it has.
pub async fn listeners_cut(url: &str, is_over: impl Fn() -> bool, cut: impl Fn()) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the cluster answers");
    let connection = tokio::spawn(connection);
    let sql = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query = 'listen nimbus_deliveries'";
    while !is_over() {
        if !client.query(sql, &[]).await.expect("a statement").is_empty() {
            cut();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    drop(client);
    connection.await.expect("the connection's task ends").expect("the connection ends well");
}
