//! Decisions on record, for operators who tell them again.

use nimbus_core::{
    decision::Decision,
    ids::{OrderId, RefillId},
};
use nimbus_store::{Tx, decisions as store, orders, refills};
use uuid::Uuid;

use crate::{
    App,
    actor::{Call, PHARMACISTS},
    error::{Error, Result},
    unit::Cx,
};

/// The decision of this id, or those about the refill or order of this id, oldest first. An order that fills a refill
/// request has the decisions about the request.
pub async fn find(app: &App, call: &Call, id: Uuid) -> Result<Vec<Decision>> {
    call.staff(PHARMACISTS)?;
    app.read(call, id, |tx, cx, &id| {
        Box::pin(async move {
            let found = find_in(tx, id).await?;
            let audit = found.iter().map(|decision| audited(cx, decision)).collect();
            Ok((found, audit))
        })
    })
    .await
}

async fn find_in(tx: &mut Tx, id: Uuid) -> Result<Vec<Decision>> {
    let found = store::decision_find_any(tx, id).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    let order = orders::order_get_any(tx, OrderId(id)).await?;
    if let Some(refill) = order.as_ref().and_then(|order| order.refill_id) {
        return Ok(store::decision_find_any(tx, refill.0).await?);
    }
    if order.is_none() && refills::refill_get_any(tx, RefillId(id)).await?.is_none() {
        return Err(Error::NotFound("Decision, refill or order"));
    }
    Ok(found)
}

fn audited(cx: &Cx, decision: &Decision) -> nimbus_store::audit::AuditEntry {
    cx.audit(Some(decision.clinic_id), "decision.read", "decision", Some(decision.id.0))
}
