//! Attempts to sign in that failed, by account and place.

use nimbus_core::time::Ts;

use crate::{
    engine::{Row, Tx},
    error::Result,
};

/// What was tried in vain for an account from a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub failures: i64,
    pub failed_at: Ts,
    /// Nobody may try again before this.
    pub blocked_until: Ts,
}

const COLUMNS: &str = "select failures, failed_at, blocked_until from staff_attempts
    where account = $1 and place = $2";

fn read(row: &Row) -> Result<Attempt> {
    let mut columns = row.columns();
    Ok(Attempt { failures: columns.take()?, failed_at: columns.take()?, blocked_until: columns.take()? })
}

/// What was tried in vain, if anything was of late.
pub async fn attempts_get(tx: &mut Tx, account: &[u8; 32], place: &str) -> Result<Option<Attempt>> {
    tx.query_opt(COLUMNS, &[account.as_slice().into(), place.into()]).await?.as_ref().map(read).transpose()
}

/// Counts an attempt, unless nobody may try now; how many there are, from 1. Those of before `since` count no more.
/// Whoever counts is alone with the row until the commit. Without a wait the row says that one ended long ago: who comes
/// next may have been told the time before who came first.
pub async fn attempt_count(
    tx: &mut Tx,
    account: &[u8; 32],
    place: &str,
    (since, now): (Ts, Ts),
) -> Result<Option<i64>> {
    let sql = "insert into staff_attempts (account, place, failures, failed_at, blocked_until)
        values ($1, $2, 1, $3, $4)
        on conflict (account, place) do update set
            failures = case when staff_attempts.failed_at < $4 then 1 else staff_attempts.failures + 1 end,
            failed_at = $3
            where staff_attempts.blocked_until <= $3
        returning failures";
    let args = [account.as_slice().into(), place.into(), now.into(), since.into()];
    tx.query_opt(sql, &args).await?.map(|row| row.columns().take()).transpose()
}

/// Has nobody try again before an instant.
pub async fn attempt_block(tx: &mut Tx, account: &[u8; 32], place: &str, until: Ts) -> Result<()> {
    let sql = "update staff_attempts set blocked_until = $3 where account = $1 and place = $2";
    tx.execute(sql, &[account.as_slice().into(), place.into(), until.into()]).await.map(drop)
}

/// Forgets what failed: the one who knows was right.
pub async fn attempt_clear(tx: &mut Tx, account: &[u8; 32], place: &str) -> Result<()> {
    let sql = "delete from staff_attempts where account = $1 and place = $2";
    tx.execute(sql, &[account.as_slice().into(), place.into()]).await.map(drop)
}

/// Takes one attempt back that did not fail, and the wait that came of it: it is one that ended at an instant, which is
/// long before anybody's present.
pub async fn attempt_forgive(tx: &mut Tx, account: &[u8; 32], place: &str, ended: Ts) -> Result<()> {
    let sql = "update staff_attempts set failures = failures - 1, blocked_until = $3
        where account = $1 and place = $2 and failures > 0";
    tx.execute(sql, &[account.as_slice().into(), place.into(), ended.into()]).await.map(drop)
}
