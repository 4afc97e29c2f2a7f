//! Orders: each a fill of a prescription on file, followed to the patient's door.

mod read;
pub mod types;

use axum::extract::State;
use nimbus_app::{
    fills::{self, Followed, List},
    orders::Cancel,
};
use nimbus_core::{access::Scope, ids::OrderId};

use self::{
    read::{read_create, standings},
    types::{CancelOrder, Order, OrderCreate, Tracking},
};
use super::envelope::{self, ListParams, Page};
use crate::{
    Web,
    body::Incoming,
    checks::{id, text},
    failure::Answer,
    fields::Fields,
    paging::camel_case_page,
    words,
};

const NOUN: &str = "Medication order";

/// Orders a fill of a prescription on file: the first one, or one that consumes a refill. Every refill rule must
/// pass; nothing goes to review here. The parcel goes as the fill before it, unless a service is chosen.
#[utoipa::path(post, path = "/orders", tag = "Orders", operation_id = "createOrder",
    security(("ApiKeyAuth" = ["orders:write"])),
    request_body(content = OrderCreate, description = "Which prescription, and where it goes"),
    responses((status = 201, description = "Accepted; `Location` is where it is read", body = Order)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::OrdersWrite).await?;
    let command = request.json(&mut call, read_create).await?;
    let render = |made: &Followed| {
        envelope::created(Order::from(made), format!("/orders/{}", made.order.id.prefixed()))
    };
    Ok(envelope::reply(fills::create(&web.app, &call, command, render).await?))
}

#[utoipa::path(get, path = "/orders", tag = "Orders", operation_id = "listOrders",
    security(("ApiKeyAuth" = ["orders:read"])),
    params(ListParams,
        ("status" = Option<words::OrdersStatus>, Query, description = "Only orders of this status"),
        ("patientId" = Option<String>, Query, description = "Only orders of this patient")),
    responses((status = 200, description = "A page of orders", body = Page<Order>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::OrdersRead).await?;
    let query = request.query(|f| {
        let standings = f.optional("status", standings).unwrap_or_default();
        Some(List { standings, patient: f.optional("patientId", id), page: camel_case_page(f) })
    })?;
    let found = fills::list(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |id| OrderId(id).prefixed(), |it| Order::from(it)))
}

#[utoipa::path(get, path = "/orders/{orderId}", tag = "Orders", operation_id = "getOrder",
    security(("ApiKeyAuth" = ["orders:read"])),
    params(("orderId" = String, Path, description = "The order's id")),
    responses((status = 200, description = "The order", body = Order)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::OrdersRead).await?;
    let found = fills::get(&web.app, &call, request.id::<OrderId>("orderId", NOUN)?).await?;
    Ok(envelope::found(Order::from(&found)))
}

/// Takes effect at once until the pharmacy fills it; then it is a request (`cancellationRequestedAt`), and the
/// status stays until staff decide. Not possible once it is shipped.
#[utoipa::path(post, path = "/orders/{orderId}/cancel", tag = "Orders", operation_id = "cancelOrder",
    security(("ApiKeyAuth" = ["orders:write"])),
    params(("orderId" = String, Path, description = "The order's id")),
    request_body(content = CancelOrder, description = "Why"),
    responses((status = 200, description = "Cancelled, or the cancellation requested", body = Order)))]
pub(crate) async fn cancel(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::OrdersWrite).await?;
    let id = request.id("orderId", NOUN)?;
    let reason = request.json(&mut call, read_reason).await?;
    let render = |order: &Followed| envelope::written(Order::from(order));
    Ok(envelope::reply(fills::cancel(&web.app, &call, Cancel { id, reason }, render).await?))
}

/// A body of an optional `reason`.
pub(super) fn read_reason(f: &mut Fields<'_>) -> Option<Option<String>> {
    Some(f.optional("reason", text(1..=500)))
}

/// The parcel that the order is followed by, and every report of where its parcels were.
#[utoipa::path(get, path = "/orders/{orderId}/tracking", tag = "Orders", operation_id = "getOrderTracking",
    security(("ApiKeyAuth" = ["orders:read"])),
    params(("orderId" = String, Path, description = "The order's id")),
    responses((status = 200, description = "Where it is and was", body = Tracking)))]
pub(crate) async fn tracking(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::OrdersRead).await?;
    let found = fills::tracking(&web.app, &call, request.id::<OrderId>("orderId", NOUN)?).await?;
    Ok(envelope::found(Tracking::from(&found)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<CancelOrder, _>(read_reason);
    }
}
