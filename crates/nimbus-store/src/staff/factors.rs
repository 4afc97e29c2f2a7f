//! Second factors: the secret of an authenticator app, and codes for whoever has lost it.

use nimbus_core::{ids::UserId, time::Ts};
use zeroize::Zeroizing;

use crate::{engine::Tx, error::Result, keyring::PLATFORM, seal::SealedAt};

/// The secret of an authenticator app.
pub struct TotpSecret {
    pub secret: Zeroizing<Vec<u8>>,
    /// `None` while no code of it was shown.
    pub confirmed_at: Option<Ts>,
    /// The last time step of which a code was taken.
    pub step: i64,
}

const fn secret_at(user: UserId) -> SealedAt {
    SealedAt { table: "staff_users", column: "totp_secret", row: user.0 }
}

/// Keeps a secret that counts once a code of it was shown; whether there was none that counts.
pub async fn totp_begin(tx: &mut Tx, user: UserId, secret: &[u8]) -> Result<bool> {
    let sealed = tx.keys(PLATFORM).await?.seal(secret_at(user), secret);
    let sql = "update staff_users set totp_secret = $2, version = version + 1
        where id = $1 and totp_confirmed_at is null and deleted_at is null";
    Ok(tx.execute(sql, &[user.into(), sealed.into()]).await? == 1)
}

pub async fn totp_get(tx: &mut Tx, user: UserId) -> Result<Option<TotpSecret>> {
    let sql = "select totp_secret, totp_confirmed_at, totp_step from staff_users
        where id = $1 and totp_secret is not null and deleted_at is null";
    let Some(row) = tx.query_opt(sql, &[user.into()]).await? else { return Ok(None) };
    let mut columns = row.columns();
    let sealed: Vec<u8> = columns.take()?;
    let secret = Zeroizing::new(tx.keys(PLATFORM).await?.open(secret_at(user), &sealed)?);
    Ok(Some(TotpSecret { secret, confirmed_at: columns.take()?, step: columns.take()? }))
}

/// Takes a code of a time step, which must be later than that of the last one; whether it was.
pub async fn totp_use(tx: &mut Tx, user: UserId, step: i64) -> Result<bool> {
    let sql = "update staff_users set totp_step = $2
        where id = $1 and totp_step < $2 and totp_secret is not null and deleted_at is null";
    Ok(tx.execute(sql, &[user.into(), step.into()]).await? == 1)
}

/// Has the secret count from now on.
pub async fn totp_confirm(tx: &mut Tx, user: UserId, now: Ts) -> Result<()> {
    let sql =
        "update staff_users set totp_confirmed_at = $2, updated_at = $2, version = version + 1 where id = $1";
    tx.execute(sql, &[user.into(), now.into()]).await.map(drop)
}

/// Takes the secret away; whether there was one that counted. The last time step stays.
pub async fn totp_remove(tx: &mut Tx, user: UserId, now: Ts) -> Result<bool> {
    let sql = "update staff_users set totp_secret = null, totp_confirmed_at = null, updated_at = $2,
            version = version + 1
        where id = $1 and totp_confirmed_at is not null";
    Ok(tx.execute(sql, &[user.into(), now.into()]).await? == 1)
}

/// Gives an account these codes in the place of those before, by their hashes.
pub async fn recovery_codes_replace(tx: &mut Tx, user: UserId, hashes: &[[u8; 32]]) -> Result<()> {
    tx.execute("delete from staff_recovery_codes where user_id = $1", &[user.into()]).await?;
    for hash in hashes {
        let sql = "insert into staff_recovery_codes (user_id, hash) values ($1, $2)";
        tx.execute(sql, &[user.into(), hash.as_slice().into()]).await?;
    }
    Ok(())
}

/// Uses a code; whether it was there to be used.
pub async fn recovery_code_use(tx: &mut Tx, user: UserId, hash: &[u8; 32], now: Ts) -> Result<bool> {
    let sql =
        "update staff_recovery_codes set used_at = $3 where user_id = $1 and hash = $2 and used_at is null";
    Ok(tx.execute(sql, &[user.into(), hash.as_slice().into(), now.into()]).await? == 1)
}
