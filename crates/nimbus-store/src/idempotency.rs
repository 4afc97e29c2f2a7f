//! Replies of requests with an `Idempotency-Key`, so that a repeat gets the same answer and changes nothing.

use aws_lc_rs::digest::{Context, SHA256};
use nimbus_core::{ids::ClinicId, time::Ts};
use uuid::Uuid;

use crate::{
    engine::{Engine, Statement, Tx},
    error::{Error, Result},
    seal::SealedAt,
};

/// What was answered before. It has no `Debug`: the reply may be patient data.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    pub fingerprint: Vec<u8>,
    /// The HTTP status.
    pub status: u16,
    pub reply: Vec<u8>,
    /// The path that the reply's `Location` header named.
    pub location: Option<String>,
    /// What the request was about: the audit log's word for the kind of record, and its id.
    pub subject: Option<(String, Uuid)>,
}

/// What a request is answered.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    pub reply: &'a [u8],
    pub location: Option<&'a str>,
    /// As [`Stored::subject`].
    pub subject: Option<(&'a str, Uuid)>,
}

/// Owners count up keys of their own, so a row's place is a hash of both. The owner's length is fixed: no two
/// pairs are hashed alike.
fn reply_at(owner: Uuid, key: &str) -> SealedAt {
    let mut context = Context::new(&SHA256);
    context.update(owner.as_bytes());
    context.update(key.as_bytes());
    let digest = context.finish();
    let mut row = [0; 16];
    row.copy_from_slice(&digest.as_ref()[..16]);
    SealedAt { table: "idempotency", column: "reply", row: Uuid::from_bytes(row) }
}

/// The stored reply, unless it has expired or its request is still being answered. `clinic` is the one it was
/// sealed with: the owner's, or [`crate::keyring::PLATFORM`].
pub async fn idempotency_get(
    tx: &mut Tx,
    owner: Uuid,
    key: &str,
    clinic: ClinicId,
    now: Ts,
) -> Result<Option<Stored>> {
    // A claim has the status 0 until it is completed.
    let sql = "select fingerprint, status, location, subject, subject_id, reply from idempotency
        where owner = $1 and key = $2 and expires_at > $3 and status <> 0";
    let Some(row) = tx.query_opt(sql, &[owner.into(), key.into(), now.into()]).await? else {
        return Ok(None);
    };
    let mut columns = row.columns();
    let (fingerprint, status, location) = (columns.take()?, columns.take()?, columns.take()?);
    let subject: (Option<String>, Option<Uuid>) = (columns.take()?, columns.take()?);
    let reply = tx.keys(clinic).await?.open(reply_at(owner, key), &columns.take::<Vec<u8>>()?)?;
    Ok(Some(Stored { fingerprint, status, reply, location, subject: subject.0.zip(subject.1) }))
}

/// Takes a key for this transaction, which is to complete it; an expired one is taken anew. False if the key is
/// taken: on PostgreSQL that is known only once the transaction that took it has ended.
///
/// # Errors
/// `Busy` if that takes longer than five seconds: a waiting claim holds a connection.
pub async fn idempotency_claim(
    tx: &mut Tx,
    owner: Uuid,
    key: &str,
    _clinic: ClinicId,
    fingerprint: &[u8],
    now: Ts,
    expires_at: Ts,
) -> Result<bool> {
    let sql = "insert into idempotency (owner, key, fingerprint, status, reply, created_at, expires_at)
        values ($1, $2, $3, 0, $4, $5, $6)
        on conflict (owner, key) do update
        set fingerprint = excluded.fingerprint, status = excluded.status, reply = excluded.reply,
            location = null, subject = null, subject_id = null, created_at = excluded.created_at, expires_at = excluded.expires_at
        where idempotency.expires_at <= excluded.created_at";
    let args = [
        owner.into(),
        key.into(),
        fingerprint.into(),
        Vec::<u8>::new().into(),
        now.into(),
        expires_at.into(),
    ];
    let claimed = match tx.engine() {
        Engine::Sqlite => tx.execute(sql, &args).await?,
        Engine::Postgres => {
            let bounded = Statement::new("set local lock_timeout = '5s'", Vec::new());
            let unbounded = Statement::new("set local lock_timeout to default", Vec::new());
            tx.batch(vec![bounded, Statement::new(sql, args.into()), unbounded]).await?[1]
        }
    };
    Ok(claimed == 1)
}

/// Stores the reply under a claimed key, sealed by `clinic`.
///
/// # Errors
/// `Corrupt` if the key was not claimed.
pub async fn idempotency_complete(
    tx: &mut Tx,
    owner: Uuid,
    key: &str,
    clinic: ClinicId,
    answer: Answer<'_>,
) -> Result<()> {
    let sealed = tx.keys(clinic).await?.seal(reply_at(owner, key), answer.reply);
    let sql = "update idempotency set status = $3, reply = $4, location = $5, subject = $6, subject_id = $7
        where owner = $1 and key = $2";
    let (subject, subject_id) = answer.subject.unzip();
    let args = [
        owner.into(),
        key.into(),
        answer.status.into(),
        sealed.into(),
        answer.location.into(),
        subject.into(),
        subject_id.into(),
    ];
    match tx.execute(sql, &args).await? {
        1 => Ok(()),
        _ => Err(Error::Corrupt("an idempotency key was completed and never claimed")),
    }
}

/// Stores the reply of a request whose claim may have run out: under the key that it claimed, unless another request has
/// taken that since. Whether it was stored.
pub async fn idempotency_put(
    tx: &mut Tx,
    (owner, key): (Uuid, &str),
    clinic: ClinicId,
    stored: &Stored,
    now: Ts,
    expires_at: Ts,
) -> Result<bool> {
    let sealed = tx.keys(clinic).await?.seal(reply_at(owner, key), &stored.reply);
    let (subject, subject_id) = stored.subject.as_ref().map(|(subject, id)| (subject.as_str(), *id)).unzip();
    let sql =
        "insert into idempotency (owner, key, fingerprint, status, reply, location, created_at, expires_at,
            subject, subject_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict (owner, key) do update
        set fingerprint = excluded.fingerprint, status = excluded.status, reply = excluded.reply,
            location = excluded.location, created_at = excluded.created_at, expires_at = excluded.expires_at,
            subject = excluded.subject, subject_id = excluded.subject_id
        where idempotency.status = 0 and idempotency.fingerprint = excluded.fingerprint
            or idempotency.expires_at <= excluded.created_at";
    let args = [
        owner.into(),
        key.into(),
        stored.fingerprint.as_slice().into(),
        stored.status.into(),
        sealed.into(),
        stored.location.as_deref().into(),
        now.into(),
        expires_at.into(),
        subject.into(),
        subject_id.into(),
    ];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// Frees a key that was claimed for a request and has no reply: whoever claims it next decides anew.
pub async fn idempotency_release(tx: &mut Tx, owner: Uuid, key: &str, fingerprint: &[u8]) -> Result<()> {
    let sql = "delete from idempotency where owner = $1 and key = $2 and status = 0 and fingerprint = $3";
    tx.execute(sql, &[owner.into(), key.into(), fingerprint.into()]).await.map(drop)
}

/// Keeps what stands under a claimed key until another time.
pub async fn idempotency_keep(tx: &mut Tx, owner: Uuid, key: &str, expires_at: Ts) -> Result<()> {
    let sql = "update idempotency set expires_at = $3 where owner = $1 and key = $2";
    tx.execute(sql, &[owner.into(), key.into(), expires_at.into()]).await.map(drop)
}

/// Deletes expired replies, at most `limit`; how many.
pub async fn idempotency_purge(tx: &mut Tx, now: Ts, limit: u32) -> Result<u64> {
    let sql = "delete from idempotency where (owner, key) in (
        select owner, key from idempotency where expires_at <= $1 order by expires_at limit $2)";
    tx.execute(sql, &[now.into(), limit.into()]).await
}
