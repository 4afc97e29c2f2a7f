//! Passkeys: their public keys, and the challenges that they are to sign.

use nimbus_core::{
    ids::{ChallengeId, PasskeyId, UserId},
    staff::Ceremony,
    time::Ts,
};

use crate::{
    engine::{Columns, Tx},
    error::{Error, Result},
};

/// A passkey of an account. Nothing of it is secret: the private key stays with its authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    pub id: PasskeyId,
    pub user_id: UserId,
    /// What its authenticator knows it by.
    pub credential_id: Vec<u8>,
    /// The key as its authenticator gave it (COSE).
    pub public_key: Vec<u8>,
    /// How many signatures it has made, as it said last; always 0 where the authenticator does not count.
    pub sign_count: u32,
    pub name: String,
    pub created_at: Ts,
    pub used_at: Option<Ts>,
    /// Whether it may be copied to other devices; that never changes.
    pub backup_eligible: bool,
    /// Whether it was, as it said last.
    pub backed_up: bool,
    /// When its count last failed to grow.
    pub copied_at: Option<Ts>,
}

/// Something that is to be signed, once, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub id: ChallengeId,
    pub ceremony: Ceremony,
    /// Whose passkey is to sign it; `None` where that tells who it is.
    pub user_id: Option<UserId>,
    pub bytes: [u8; 32],
    pub expires_at: Ts,
}

macro_rules! passkey_columns {
    () => {
        "id, user_id, credential_id, public_key, sign_count, name, created_at, used_at, backup_eligible, backed_up,
         copied_at"
    };
}

fn read(columns: &mut Columns<'_>) -> Result<Passkey> {
    Ok(Passkey {
        id: columns.take()?,
        user_id: columns.take()?,
        credential_id: columns.take()?,
        public_key: columns.take()?,
        sign_count: u32::try_from(columns.take::<i64>()?)
            .map_err(|_| Error::Corrupt("staff_passkeys.sign_count"))?,
        name: columns.take()?,
        created_at: columns.take()?,
        used_at: columns.take()?,
        backup_eligible: columns.take()?,
        backed_up: columns.take()?,
        copied_at: columns.take()?,
    })
}

/// Writes that the factors of an account are others now. Whoever did is alone with them until the commit.
async fn factors_changed(tx: &mut Tx, user: UserId, now: Ts) -> Result<()> {
    let sql = "update staff_users set updated_at = $2, version = version + 1 where id = $1";
    tx.execute(sql, &[user.into(), now.into()]).await.map(drop)
}

/// Adds a passkey to an account that has fewer than so many; `false` if it has as many, or the credential is on file
/// already, whoever's it is.
pub async fn passkey_insert(tx: &mut Tx, passkey: &Passkey, most: usize) -> Result<bool> {
    factors_changed(tx, passkey.user_id, passkey.created_at).await?;
    if passkeys_of(tx, passkey.user_id).await?.len() >= most {
        return Ok(false);
    }
    let sql =
        "insert into staff_passkeys (id, user_id, credential_id, public_key, sign_count, name, created_at,
            used_at, backup_eligible, backed_up, copied_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (credential_id) do nothing";
    let args = [
        passkey.id.into(),
        passkey.user_id.into(),
        passkey.credential_id.as_slice().into(),
        passkey.public_key.as_slice().into(),
        i64::from(passkey.sign_count).into(),
        passkey.name.as_str().into(),
        passkey.created_at.into(),
        passkey.used_at.into(),
        passkey.backup_eligible.into(),
        passkey.backed_up.into(),
        passkey.copied_at.into(),
    ];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// The passkeys of an account, newest first.
pub async fn passkeys_of(tx: &mut Tx, user: UserId) -> Result<Vec<Passkey>> {
    let sql = concat!(
        "select ",
        passkey_columns!(),
        " from staff_passkeys where user_id = $1 order by id desc limit 100"
    );
    let rows = tx.query(sql, &[user.into()]).await?;
    rows.iter().map(|row| read(&mut row.columns())).collect()
}

/// The passkey that an authenticator knows by this id.
pub async fn passkey_by_credential(tx: &mut Tx, credential_id: &[u8]) -> Result<Option<Passkey>> {
    let sql = concat!("select ", passkey_columns!(), " from staff_passkeys where credential_id = $1");
    let row = tx.query_opt(sql, &[credential_id.into()]).await?;
    row.map(|row| read(&mut row.columns())).transpose()
}

/// Notes a signature: the count of it, and whether the passkey is backed up. `false` if another one was noted since it
/// was read, or it is gone.
pub async fn passkey_use(
    tx: &mut Tx,
    before: &Passkey,
    count: u32,
    backed_up: bool,
    now: Ts,
) -> Result<bool> {
    let sql = "update staff_passkeys set sign_count = $3, backed_up = $4, used_at = $5
        where id = $1 and sign_count = $2";
    let (stored, count) = (i64::from(before.sign_count), i64::from(count));
    let args = [before.id.into(), stored.into(), count.into(), backed_up.into(), now.into()];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// Notes that there is likely a copy of a passkey.
pub async fn passkey_copied(tx: &mut Tx, id: PasskeyId, now: Ts) -> Result<()> {
    let sql = "update staff_passkeys set copied_at = $2 where id = $1";
    tx.execute(sql, &[id.into(), now.into()]).await.map(drop)
}

/// Takes a passkey from an account; whether it had it.
pub async fn passkey_remove(tx: &mut Tx, user: UserId, id: PasskeyId, now: Ts) -> Result<bool> {
    let sql = "delete from staff_passkeys where id = $1 and user_id = $2";
    let had = tx.execute(sql, &[id.into(), user.into()]).await? == 1;
    if had {
        factors_changed(tx, user, now).await?;
    }
    Ok(had)
}

/// Keeps a challenge. One for an account takes the place of the one before it for the same.
pub async fn challenge_insert(tx: &mut Tx, challenge: &Challenge) -> Result<()> {
    let sql = "delete from staff_challenges where user_id = $1 and ceremony = $2";
    tx.execute(sql, &[challenge.user_id.into(), challenge.ceremony.as_str().into()]).await?;
    let sql = "insert into staff_challenges (id, ceremony, user_id, challenge, expires_at)
        values ($1, $2, $3, $4, $5)";
    let args = [
        challenge.id.into(),
        challenge.ceremony.as_str().into(),
        challenge.user_id.into(),
        challenge.bytes.as_slice().into(),
        challenge.expires_at.into(),
    ];
    tx.execute(sql, &args).await.map(drop)
}

/// Takes a challenge, which is gone then; whether it was there, for this and for nobody else, and not past its time.
pub async fn challenge_take(
    tx: &mut Tx,
    bytes: &[u8; 32],
    ceremony: Ceremony,
    user: Option<UserId>,
    now: Ts,
) -> Result<bool> {
    let sql = "delete from staff_challenges
        where challenge = $1 and ceremony = $2 and user_id is not distinct from $3 and expires_at > $4";
    let args = [bytes.as_slice().into(), ceremony.as_str().into(), user.into(), now.into()];
    Ok(tx.execute(sql, &args).await? == 1)
}
