//! A key that takes the place of another.

use nimbus_core::{ids::KeyId, time::Ts};
use nimbus_store::{Tx, keys};

use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    tenancy::{IssuedKey, KeyOrder, audited, key_issue_in},
    unit::Cx,
};

/// The longest time that a key and its successor both work.
pub const MAX_OVERLAP_HOURS: u32 = 168;

/// Issues a key like another one, which works on until the overlap ends. Webhooks that carry the old key carry the new
/// one from its first use, or from then.
pub async fn rotate(app: &App, call: &Call, id: KeyId, overlap_hours: u32) -> Result<IssuedKey> {
    if overlap_hours > MAX_OVERLAP_HOURS {
        return Err(Error::field("overlap_hours", format!("must be 0 to {MAX_OVERLAP_HOURS}")));
    }
    app.act(call, (id, overlap_hours), |tx, cx, &(id, hours)| Box::pin(rotate_in(tx, cx, id, hours))).await
}

async fn rotate_in(tx: &mut Tx, cx: &Cx, id: KeyId, overlap_hours: u32) -> Result<IssuedKey> {
    let clinic = keys::key_clinic_any(tx, id).await?.ok_or(Error::NotFound("Key"))?;
    let old = keys::key_get(tx, clinic, id).await?.ok_or(Error::NotFound("Key"))?;
    let has_ended = |at: Option<Ts>| at.is_some_and(|at| at <= cx.wall);
    if has_ended(old.revoked_at) || has_ended(old.expires_at) {
        return Err(Error::field("key", "is revoked or expired"));
    }
    let order = KeyOrder {
        clinic_id: clinic,
        name: old.name,
        scopes: old.scopes,
        expires_at: old.expires_at,
        text: None,
    };
    let mut issued = key_issue_in(tx, cx, &order).await?;
    keys::key_set_rates(tx, clinic, issued.key.id, old.rates).await?;
    issued.key.rates = old.rates;
    let overlap_ends = cx.wall.plus_seconds(i64::from(overlap_hours) * 3600);
    let ends_at = old.expires_at.map_or(overlap_ends, |at| at.min(overlap_ends));
    if !keys::key_succeed(tx, clinic, id, issued.key.id, ends_at).await? {
        return Err(Error::field("key", "has been rotated before"));
    }
    audited(tx, cx, Some(clinic), "key.rotate", "key", id.0).await?;
    Ok(issued)
}
