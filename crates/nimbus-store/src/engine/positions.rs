//! The positions of events and audit rows on PostgreSQL, which are numbers of transactions, across clusters.

use deadpool_postgres::{ClientWrapper, Transaction};

use crate::{error::Result, retention::BEGINNING};

/// The setting that names the cluster whose transactions the positions are numbered by.
const CLUSTER: &str = "postgres.system_identifier";

/// A dump that is restored into another cluster meets other numbers, which may be smaller than those of its events:
/// then the events it brought move below every number, in the order they have. Runs under the migrations' lock.
pub(crate) async fn follow_cluster(conn: &mut ClientWrapper) -> Result<()> {
    let tx = conn.transaction().await?;
    let here: String = tx
        .query_one("select cast(system_identifier as text) from pg_control_system()", &[])
        .await?
        .try_get(0)?;
    let known = tx.query_opt("select value from platform_settings where name = $1", &[&CLUSTER]).await?;
    let known = known.map(|row| row.try_get::<_, String>(0)).transpose()?;
    if known.as_ref() == Some(&here) {
        return Ok(tx.rollback().await?);
    }
    if known.is_some() {
        // The walk of the ledger goes on where it was; the greatest becomes -1.
        let sql = "update delivery_ledger_mark
            set position = least(-1, coalesce(position - (select max(position) + 1 from events), -1))";
        tx.execute(sql, &[]).await?;
        // So does that of retention, from the beginning; what it let go of stays behind it.
        let sql = "update retention_marks
            set position = $1, behind = null,
                reached = case when reached = $1 then $1
                    else reached - coalesce((select max(position) + 1 from events), 0) end";
        tx.execute(sql, &[&BEGINNING]).await?;
        let sql = "update events set position = position - (select max(position) + 1 from events)";
        tx.execute(sql, &[]).await?;
        number_audit_on(&tx).await?;
    }
    let sql = "insert into platform_settings (name, value) values ($1, $2)
        on conflict (name) do update set value = excluded.value";
    tx.execute(sql, &[&CLUSTER, &here]).await?;
    Ok(tx.commit().await?)
}

/// The audit log stays as it is, and its chain with it: rows are numbered on from the last, by a number that is added to
/// those of transactions.
async fn number_audit_on(tx: &Transaction<'_>) -> Result<()> {
    let sql =
        "update audit_chain set base = (select coalesce(max(position), 0) + 1 from audit) returning base";
    let base: i64 = tx.query_one(sql, &[]).await?.try_get(0)?;
    let default = format!(
        "alter table audit alter column position
         set default cast(cast(pg_current_xact_id() as text) as bigint) + {base}"
    );
    Ok(tx.batch_execute(&default).await?)
}
