//! Invitations: what an account is opened with, once.

use nimbus_core::{
    ids::{InvitationId, UserId},
    time::Ts,
};

use crate::{engine::Tx, error::Result};

/// An invitation, without what it is accepted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    pub user_id: UserId,
    pub created_at: Ts,
    pub expires_at: Ts,
    pub used_at: Option<Ts>,
}

/// Adds an invitation. `hash` is the SHA-256 of its whole text, which is stored nowhere.
pub async fn invitation_insert(tx: &mut Tx, invitation: &Invitation, hash: &[u8; 32]) -> Result<()> {
    let sql = "insert into staff_invitations (id, user_id, hash, created_at, expires_at, used_at)
        values ($1, $2, $3, $4, $5, $6)";
    let args = [
        invitation.id.into(),
        invitation.user_id.into(),
        hash.as_slice().into(),
        invitation.created_at.into(),
        invitation.expires_at.into(),
        invitation.used_at.into(),
    ];
    tx.execute(sql, &args).await.map(drop)
}

/// The invitation of this hash. It may be used or past its time: the caller judges.
pub async fn invitation_get(tx: &mut Tx, hash: &[u8; 32]) -> Result<Option<Invitation>> {
    let sql = "select id, user_id, created_at, expires_at, used_at from staff_invitations where hash = $1";
    let Some(row) = tx.query_opt(sql, &[hash.as_slice().into()]).await? else { return Ok(None) };
    let mut columns = row.columns();
    Ok(Some(Invitation {
        id: columns.take()?,
        user_id: columns.take()?,
        created_at: columns.take()?,
        expires_at: columns.take()?,
        used_at: columns.take()?,
    }))
}

/// Uses an invitation; whether it was there to be used.
pub async fn invitation_use(tx: &mut Tx, id: InvitationId, now: Ts) -> Result<bool> {
    let sql =
        "update staff_invitations set used_at = $2 where id = $1 and used_at is null and expires_at > $2";
    Ok(tx.execute(sql, &[id.into(), now.into()]).await? == 1)
}

/// Ends the invitations of an account that nobody has accepted.
pub async fn invitations_void(tx: &mut Tx, user: UserId, now: Ts) -> Result<()> {
    let sql = "update staff_invitations set expires_at = $2
        where user_id = $1 and used_at is null and expires_at > $2";
    tx.execute(sql, &[user.into(), now.into()]).await.map(drop)
}
