//! Medication orders and their medication requests: placing, reading and cancelling them.

pub mod holds;
mod read;
pub mod types;

use axum::extract::State;
use nimbus_app::orders::{self, Cancel, Created, List as ListQuery};
use nimbus_core::{
    access::Scope,
    ids::{LineId, OrderId},
    order::Order,
};

use self::{
    read::read_create,
    types::{Audience, OrderCreate, OrderCreated, OrderView, RequestView},
};
use super::envelope::{self, List, Success};
use crate::{
    Web,
    body::Incoming,
    checks::{id, text},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    words,
};

pub(crate) use read::order_status;

pub(crate) const NOUN: &str = "Medication order";

fn render_created(created: &Created) -> nimbus_app::Rendered {
    envelope::written(OrderCreated::from(created), "Medication request created successfully")
}

fn render_cancelled(order: &Order) -> nimbus_app::Rendered {
    let message = match order.cancellation_requested_at {
        None => "Medication order cancelled successfully",
        Some(_) => "Cancellation requested; the pharmacy decides, since the order is being filled",
    };
    envelope::written(OrderView::of_order(order), message)
}

/// All or nothing: one line that is refused refuses the order, and is named (`medication_requests[1].quantity`).
#[utoipa::path(post, path = "/medication-order", tag = "Medication Requests", operation_id = "createMedicationOrder",
    security(("ApiKeyAuth" = ["orders:write"])),
    request_body(content = OrderCreate, description = "The order with its medication requests"),
    responses((status = 200, description = "Accepted", body = Success<OrderCreated>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::OrdersWrite).await?;
    let command = request.json(&mut call, read_create).await?;
    Ok(envelope::reply(orders::create(&web.app, &call, command, render_created).await?))
}

#[utoipa::path(get, path = "/medication-order", tag = "Medication Requests", operation_id = "listMedicationOrders",
    security(("ApiKeyAuth" = ["orders:read"])),
    params(PageParams,
        ("status" = Option<words::OrderStatus>, Query, description = "Only orders of this status"),
        ("patient_id" = Option<String>, Query, description = "Only orders of this patient")),
    responses(
        (status = 200, description = "A page of orders, without drugs and history", body = List<OrderView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::OrdersRead).await?;
    let query = request.query(|f| {
        let status = f.optional("status", order_status);
        Some(ListQuery { status, patient: f.optional("patient_id", id), page: page(f) })
    })?;
    let found = orders::list(&web.app, &call, query).await?;
    Ok(envelope::page(&found, OrderView::of_order))
}

#[utoipa::path(get, path = "/medication-order/{id}", tag = "Medication Requests", operation_id = "getMedicationOrder",
    security(("ApiKeyAuth" = ["orders:read"])),
    params(("id" = String, Path, description = "The order's id")),
    responses(
        (status = 200, description = "The order with its lines, shipments and history", body = Success<OrderView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::OrdersRead).await?;
    let found = orders::get(&web.app, &call, request.id::<OrderId>("id", NOUN)?).await?;
    Ok(envelope::found(OrderView::of_view(&found, Audience::Partner)))
}

/// Takes effect at once until the pharmacy fills it; then it is a request, and the status stays until staff
/// decide. Not possible once it is shipped.
#[utoipa::path(post, path = "/medication-order/{id}/cancel", tag = "Medication Requests",
    operation_id = "cancelMedicationOrder",
    security(("ApiKeyAuth" = ["orders:write"])),
    params(("id" = String, Path, description = "The order's id")),
    request_body(content = types::CancelBody, description = "Why"),
    responses(
        (status = 200, description = "Cancelled, or the cancellation requested", body = Success<OrderView>)))]
pub(crate) async fn cancel(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::OrdersWrite).await?;
    let order = request.id("id", NOUN)?;
    let reason = request.json(&mut call, read_reason).await?;
    let command = Cancel { id: order, reason };
    Ok(envelope::reply(orders::cancel(&web.app, &call, command, render_cancelled).await?))
}

/// A body of an optional `reason`.
pub(in crate::partner_api) fn read_reason(f: &mut Fields<'_>) -> Option<Option<String>> {
    Some(f.optional("reason", text(1..=500)))
}

#[utoipa::path(get, path = "/medication-request/{id}", tag = "Medication Requests",
    operation_id = "getMedicationRequest",
    security(("ApiKeyAuth" = ["orders:read"])),
    params(("id" = String, Path, description = "The medication request's id")),
    responses((status = 200, description = "The medication request", body = Success<RequestView>)))]
pub(crate) async fn show_request(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::OrdersRead).await?;
    let found = orders::line(&web.app, &call, request.id::<LineId>("id", "Medication request")?).await?;
    Ok(envelope::found(RequestView::from(&found)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<types::CancelBody, _>(read_reason);
    }
}
