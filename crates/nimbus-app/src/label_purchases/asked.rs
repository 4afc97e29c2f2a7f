//! The request that asked for a label under an idempotency key: it gets its reply when timed work makes the parcel.
//!
//! Its claim of the key stands as long as its purchase is open. With the parcel the reply is stored that the request
//! would have had; where nothing comes of it, the key is free, and the next request with it acts anew.

use std::sync::Arc;

use nimbus_core::label::{Asked, LabelPurchase};
use nimbus_store::{
    Tx,
    idempotency::{Stored, idempotency_keep, idempotency_put},
    keyring::PLATFORM,
    label_purchases as store,
};

use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    shipments::Created,
    unit::{Cx, IDEMPOTENCY_HOURS},
};

/// Refuses a repeat of a request whose label is still being bought.
///
/// # Errors
/// `IdempotencyInUse` while the request itself is under way, `LabelPending` when its outcome is being found out, and
/// `IdempotencyConflict` if that was another request.
pub(crate) async fn must_not_be_pending(app: &App, call: &Call) -> Result<()> {
    if call.idempotency.is_none() {
        return Ok(());
    }
    let cx = Arc::new(Cx::new(app, call));
    let asked = app.db().read(move |tx| {
        let cx = Arc::clone(&cx);
        Box::pin(async move { must_be_new(tx, &cx).await })
    });
    asked.await
}

/// The same within a transaction.
pub(super) async fn must_be_new(tx: &mut Tx, cx: &Cx) -> Result<()> {
    let Some(idempotency) = &cx.call.idempotency else { return Ok(()) };
    let (owner, _) = cx.call.idempotency_owner();
    let open = store::label_purchase_asked(tx, owner, &idempotency.key).await?;
    let Some((open, asked)) = open.as_ref().and_then(|open| Some((open, open.asked.as_ref()?))) else {
        return Ok(());
    };
    let is_under_way = open.attempts == 0 && open.busy_until > cx.wall;
    Err(match asked.fingerprint == idempotency.fingerprint {
        false => Error::IdempotencyConflict,
        true if is_under_way => Error::IdempotencyInUse,
        true => Error::LabelPending,
    })
}

/// The key of this request, if it has one, which is its own for as long as replies are kept: its purchase comes to an
/// end before, and gives it back if it comes to nothing.
pub(super) async fn keep_key(tx: &mut Tx, cx: &Cx) -> Result<Option<Asked>> {
    let Some(idempotency) = &cx.call.idempotency else { return Ok(None) };
    let (owner, _) = cx.call.idempotency_owner();
    let expires = cx.wall.plus_seconds(IDEMPOTENCY_HOURS * 3600);
    idempotency_keep(tx, owner, &idempotency.key, expires).await?;
    Ok(Some(Asked { owner, key: idempotency.key.clone(), fingerprint: idempotency.fingerprint }))
}

/// Stores the reply that the request would have had, in the transaction that made its parcel.
pub(super) async fn reply(tx: &mut Tx, cx: &Cx, purchase: &LabelPurchase, created: &Created) -> Result<()> {
    let Some(asked) = &purchase.asked else { return Ok(()) };
    let rendered = (cx.app.config().parcel_reply)(created);
    let stored = Stored {
        fingerprint: asked.fingerprint.to_vec(),
        status: rendered.status,
        reply: rendered.body,
        location: rendered.location,
        subject: Some(("shipment".to_owned(), created.shipment.id.0)),
    };
    let expires = cx.wall.plus_seconds(IDEMPOTENCY_HOURS * 3600);
    // Staff alone ask for labels, and their replies are sealed by the platform.
    if !idempotency_put(tx, (asked.owner, &asked.key), PLATFORM, &stored, cx.wall, expires).await? {
        tracing::warn!(purchase_id = %purchase.id, "another request has taken the key of a label's purchase");
    }
    Ok(())
}
