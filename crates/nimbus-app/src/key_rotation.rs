//! A key that takes the place of another.

use nimbus_core::{
    ids::{ClinicId, KeyId},
    refusal::Refusal,
    time::Ts,
};
use nimbus_store::{Tx, keys};

use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    tenancy::{IssuedKey, KeyOrder, NO_KEY, audited, clinic_of, key_issue_in},
    unit::Cx,
};

/// How long a key and its successor both work, unless another time is asked for.
pub const OVERLAP_HOURS: u32 = 24;
/// The longest.
pub const MAX_OVERLAP_HOURS: u32 = 168;

/// Which key, and how long it works beside its successor: not at all with 0.
#[derive(Debug, Clone, Copy)]
pub struct Rotate {
    pub id: KeyId,
    pub overlap_hours: u32,
}

impl Rotate {
    pub(crate) fn check(self) -> Result<()> {
        match self.overlap_hours {
            0..=MAX_OVERLAP_HOURS => Ok(()),
            _ => Err(Error::field("overlap_hours", format!("must be 0 to {MAX_OVERLAP_HOURS}"))),
        }
    }
}

/// Issues a key like another one, which works on until the overlap ends. Webhooks that carry the old key carry the new
/// one from its first use, or from then.
pub async fn rotate(app: &App, call: &Call, command: Rotate) -> Result<IssuedKey> {
    command.check()?;
    app.act(call, command, |tx, cx, &command| {
        Box::pin(async move {
            let clinic = clinic_of(tx, command.id).await?;
            rotate_in(tx, cx, clinic, command).await
        })
    })
    .await
}

pub(crate) async fn rotate_in(tx: &mut Tx, cx: &Cx, clinic: ClinicId, command: Rotate) -> Result<IssuedKey> {
    let Rotate { id, overlap_hours } = command;
    let old = keys::key_get(tx, clinic, id).await?.ok_or(NO_KEY)?;
    let has_ended = |at: Option<Ts>| at.is_some_and(|at| at <= cx.wall);
    if has_ended(old.revoked_at) || has_ended(old.expires_at) {
        return Err(Refusal::transition("revoked", "rotated").into());
    }
    if old.successor_id.is_some() {
        return Err(rotated_before());
    }
    let order = KeyOrder {
        clinic_id: clinic,
        name: old.name,
        scopes: old.scopes,
        expires_at: old.expires_at.map(|at| as_long(old.created_at, at, cx.wall)),
        rates: old.rates,
        networks: old.networks,
        text: None,
    };
    let issued = key_issue_in(tx, cx, &order).await?;
    let overlap_ends = cx.wall.plus_seconds(i64::from(overlap_hours) * 3600);
    let ends_at = old.expires_at.map_or(overlap_ends, |at| at.min(overlap_ends));
    // Another rotation of the same key may have come first.
    if !keys::key_succeed(tx, clinic, id, issued.key.id, ends_at).await? {
        return Err(rotated_before());
    }
    audited(tx, cx, Some(clinic), "key.rotate", "key", id.0).await?;
    Ok(issued)
}

/// Refuses to give a key a second successor.
pub fn rotated_before() -> Error {
    Refusal::transition("rotated", "rotated").into()
}

/// A key that was issued for so long is followed by one that lasts as long: its end is there to have it rotated.
const fn as_long(created_at: Ts, expires_at: Ts, now: Ts) -> Ts {
    now.plus_micros(expires_at.micros() - created_at.micros())
}
