//! Browsers in which somebody has signed in.

use nimbus_core::{ids::UserId, time::Ts};

use crate::{engine::Tx, error::Result};

/// Remembers a browser. `hash` is the SHA-256 of its cookie, which is stored nowhere.
pub async fn device_insert(tx: &mut Tx, hash: &[u8; 32], user: UserId, now: Ts) -> Result<()> {
    let sql = "insert into staff_devices (hash, user_id, created_at, seen_at) values ($1, $2, $3, $3)";
    tx.execute(sql, &[hash.as_slice().into(), user.into(), now.into()]).await.map(drop)
}

/// Whether an account has signed in in a browser, since an instant.
pub async fn device_known(tx: &mut Tx, hash: &[u8; 32], user: UserId, since: Ts) -> Result<bool> {
    let sql = "select 1 from staff_devices where hash = $1 and user_id = $2 and seen_at >= $3";
    Ok(tx.query_opt(sql, &[hash.as_slice().into(), user.into(), since.into()]).await?.is_some())
}

/// Notes that somebody has signed in in a browser again.
pub async fn device_seen(tx: &mut Tx, hash: &[u8; 32], now: Ts) -> Result<()> {
    let sql = "update staff_devices set seen_at = $2 where hash = $1 and seen_at < $2";
    tx.execute(sql, &[hash.as_slice().into(), now.into()]).await.map(drop)
}
