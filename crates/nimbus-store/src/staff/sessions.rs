//! Sessions, by the hash of their cookie.

use nimbus_core::{
    ids::{SessionId, UserId},
    staff::{Method, Stage},
    time::Ts,
};

use super::users::{User, read_user, user_columns};
use crate::{
    engine::{Columns, Tx},
    error::Result,
    rows::word,
};

/// A session, without what authenticates it. It may be over: the caller judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    pub stage: Stage,
    /// What was given last to sign in.
    pub method: Method,
    pub created_at: Ts,
    /// To about a minute.
    pub seen_at: Ts,
    /// When a factor was given last.
    pub confirmed_at: Ts,
    /// It ends then, used or not.
    pub expires_at: Ts,
    pub ended_at: Option<Ts>,
    /// Where it was begun.
    pub address: Option<String>,
    /// What the browser calls itself.
    pub agent: Option<String>,
}

/// A session with whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUser {
    pub session: Session,
    pub user: User,
}

/// The most sessions that a list shows.
const LIST_MAX: i64 = 100;

macro_rules! session_columns {
    () => {
        "s.id, s.user_id, s.stage, s.method, s.created_at, s.seen_at, s.confirmed_at, s.expires_at, s.ended_at,
         s.address, s.agent"
    };
}

fn read(columns: &mut Columns<'_>) -> Result<Session> {
    Ok(Session {
        id: columns.take()?,
        user_id: columns.take()?,
        stage: word(&columns.take::<String>()?, Stage::parse, "staff_sessions.stage")?,
        method: word(&columns.take::<String>()?, Method::parse, "staff_sessions.method")?,
        created_at: columns.take()?,
        seen_at: columns.take()?,
        confirmed_at: columns.take()?,
        expires_at: columns.take()?,
        ended_at: columns.take()?,
        address: columns.take()?,
        agent: columns.take()?,
    })
}

/// Begins a session. `hash` is the SHA-256 of its cookie, which is stored nowhere.
pub async fn session_insert(tx: &mut Tx, session: &Session, hash: &[u8; 32]) -> Result<()> {
    let sql =
        "insert into staff_sessions (id, user_id, hash, stage, method, created_at, seen_at, confirmed_at,
            expires_at, ended_at, address, agent)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let args = [
        session.id.into(),
        session.user_id.into(),
        hash.as_slice().into(),
        session.stage.as_str().into(),
        session.method.as_str().into(),
        session.created_at.into(),
        session.seen_at.into(),
        session.confirmed_at.into(),
        session.expires_at.into(),
        session.ended_at.into(),
        session.address.as_deref().into(),
        session.agent.as_deref().into(),
    ];
    tx.execute(sql, &args).await.map(drop)
}

/// The session of this hash with its account, if that is not deleted.
pub async fn session_authenticate(tx: &mut Tx, hash: &[u8; 32]) -> Result<Option<SessionUser>> {
    let sql = concat!(
        "select ",
        session_columns!(),
        ", ",
        user_columns!(),
        " from staff_sessions s join staff_users u on u.id = s.user_id
          where s.hash = $1 and u.deleted_at is null"
    );
    let Some(row) = tx.query_opt(sql, &[hash.as_slice().into()]).await? else { return Ok(None) };
    let mut columns = row.columns();
    Ok(Some(SessionUser { session: read(&mut columns)?, user: read_user(&mut columns)? }))
}

/// The sessions of an account that are not over for good, newest first: those that idle too long are among them.
pub async fn session_list(tx: &mut Tx, user: UserId, now: Ts) -> Result<Vec<Session>> {
    let sql = concat!(
        "select ",
        session_columns!(),
        " from staff_sessions s
          where s.user_id = $1 and s.expires_at > $2 and s.ended_at is null and s.stage = 'full'
          order by s.id desc limit $3"
    );
    let rows = tx.query(sql, &[user.into(), now.into(), LIST_MAX.into()]).await?;
    rows.iter().map(|row| read(&mut row.columns())).collect()
}

/// Notes that a session was used. Time does not go back: nodes may tell it late.
pub async fn session_touch(tx: &mut Tx, id: SessionId, now: Ts) -> Result<()> {
    let sql = "update staff_sessions set seen_at = $2 where id = $1 and seen_at < $2 and ended_at is null";
    tx.execute(sql, &[id.into(), now.into()]).await.map(drop)
}

/// Gives a session another cookie in the place of one, and notes that a factor was given; whether it had that one.
pub async fn session_rotate(
    tx: &mut Tx,
    id: SessionId,
    (before, after): (&[u8; 32], &[u8; 32]),
    now: Ts,
) -> Result<bool> {
    let sql = "update staff_sessions set hash = $3, confirmed_at = $4, seen_at = $4
        where id = $1 and hash = $2 and ended_at is null";
    let args = [id.into(), before.as_slice().into(), after.as_slice().into(), now.into()];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// Ends a session of an account; whether it had not ended.
pub async fn session_end(tx: &mut Tx, user: UserId, id: SessionId, now: Ts) -> Result<bool> {
    let sql = "update staff_sessions set ended_at = $3
        where id = $1 and user_id = $2 and ended_at is null and expires_at > $3";
    Ok(tx.execute(sql, &[id.into(), user.into(), now.into()]).await? == 1)
}

/// Ends the sessions of an account, all but one; how many.
pub async fn sessions_end(tx: &mut Tx, user: UserId, but: Option<SessionId>, now: Ts) -> Result<u64> {
    let sql = "update staff_sessions set ended_at = $2
        where user_id = $1 and ended_at is null and expires_at > $2 and id is distinct from $3";
    tx.execute(sql, &[user.into(), now.into(), but.into()]).await
}

/// Ends the oldest sessions of an account beyond the newest so many.
pub async fn sessions_bound(tx: &mut Tx, user: UserId, most: u32, now: Ts) -> Result<()> {
    let sql = "update staff_sessions set ended_at = $2 where id in (
        select id from staff_sessions
        where user_id = $1 and ended_at is null and expires_at > $2
        order by id desc limit 1000 offset $3)";
    tx.execute(sql, &[user.into(), now.into(), most.into()]).await.map(drop)
}
