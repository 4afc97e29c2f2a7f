//! The queue of orders, and what staff do with them.

use axum::{extract::State, response::Response};
use nimbus_app::{
    Rendered,
    actor::{PHARMACISTS, READERS},
    pharmacy::{self, Queue, Replace, StaffAct, Task},
};
use nimbus_core::{
    ids::{HoldId, LineId, OrderId},
    order::{HoldReason, MAX_LINES, Order},
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{NoteBody, read_note};
use crate::{
    Web,
    body::Incoming,
    checks::{count, flag, id, one_of, text},
    failure::{Answer, Failure},
    fields::Fields,
    paging::{PageParams, page},
    partner_api::{
        envelope::{self, List, Success},
        orders::{
            NOUN, order_status,
            types::{Audience, OrderView},
        },
    },
    words,
};

/// The longest age that is asked for: ten years.
const MAX_AGE_HOURS: u32 = 87_600;

/// Why, and for which medication requests.
#[derive(ToSchema)]
pub struct ActBody {
    /// For the history alone.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
    /// For the partner: it goes into the events.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
    /// Every live one, if not given.
    #[schema(min_items = 1, max_items = 25)]
    pub medication_request_ids: Option<Vec<Uuid>>,
}

#[derive(ToSchema)]
pub struct ReleaseBody {
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
    /// For the partner.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
    #[schema(min_items = 1, max_items = 25)]
    pub medication_request_ids: Option<Vec<Uuid>>,
    /// One hold; every open one, if not given.
    pub hold_id: Option<Uuid>,
}

#[derive(ToSchema)]
pub struct HoldBody {
    #[schema(value_type = words::HoldReason)]
    pub reason: String,
    /// For the partner.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
    #[schema(min_items = 1, max_items = 25)]
    pub medication_request_ids: Option<Vec<Uuid>>,
}

/// What every act takes besides its own fields.
struct Said {
    reason: Option<String>,
    note: Option<String>,
    lines: Option<Vec<LineId>>,
}

fn read_lines(f: &mut Fields<'_>) -> Option<Vec<LineId>> {
    f.values(false, "medication_request_ids", 1..=MAX_LINES, id)
}

fn read_act(f: &mut Fields<'_>) -> Option<Said> {
    let reason = f.optional("reason", text(1..=1000));
    let note = f.optional("note", text(1..=1000));
    Some(Said { reason, note, lines: read_lines(f) })
}

fn read_release(f: &mut Fields<'_>) -> Option<(Said, Option<HoldId>)> {
    let said = read_act(f)?;
    Some((said, f.optional("hold_id", id)))
}

fn read_hold(f: &mut Fields<'_>) -> Option<(Said, HoldReason)> {
    let reason = f.required("reason", one_of(HoldReason::ALL, HoldReason::as_str));
    let note = f.optional("note", text(1..=1000));
    let lines = read_lines(f);
    Some((Said { reason: None, note, lines }, reason?))
}

fn read_queue(f: &mut Fields<'_>) -> Option<Queue> {
    Some(Queue {
        clinic: f.optional("clinic_id", id),
        status: f.optional("status", order_status),
        hold: f.optional("hold_reason", one_of(HoldReason::ALL, HoldReason::as_str)),
        refrigerated: f.optional("refrigerated", flag),
        controlled: f.optional("controlled", flag),
        min_age_hours: f.optional("min_age_hours", count(0..=MAX_AGE_HOURS)),
        page: page(f),
    })
}

/// Oldest first.
#[utoipa::path(get, path = "/pharmacy/orders", tag = "Orders", operation_id = "listQueue",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(PageParams,
        ("clinic_id" = Option<String>, Query, description = "Only orders of this clinic"),
        ("status" = Option<words::OrderStatus>, Query, description = "Only orders of this status"),
        ("hold_reason" = Option<words::HoldReason>, Query, description = "Only orders with an open hold of this reason"),
        ("refrigerated" = Option<bool>, Query, description = "Only orders that are, or are not, refrigerated"),
        ("controlled" = Option<bool>, Query, description = "Only orders with, or without, a controlled drug"),
        ("min_age_hours" = Option<u32>, Query, minimum = 0, maximum = 87600,
            description = "Only orders taken in at least so many hours ago")),
    responses((status = 200, description = "A page of the queue", body = List<OrderView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let query = request.query(read_queue)?;
    let found = pharmacy::queue(&web.app, &call, query).await?;
    Ok(envelope::page(&found, OrderView::of_order))
}

#[utoipa::path(get, path = "/pharmacy/orders/{id}", tag = "Orders", operation_id = "getQueuedOrder",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The order's id")),
    responses(
        (status = 200, description = "The order with everything about it", body = Success<OrderView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let found = pharmacy::order(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(envelope::found(OrderView::of_view(&found, Audience::Staff)))
}

fn render(order: &Order) -> Rendered {
    envelope::written(OrderView::of_order(order), "OK")
}

/// Runs one act: the role first, then the body.
async fn act<T>(
    web: Web,
    mut request: Incoming,
    likely: StaffAct,
    read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    chosen: impl FnOnce(T) -> (Said, StaffAct),
) -> Result<Response, Failure> {
    let mut call = web.staff(&request, likely.role_needed()).await?;
    let id: OrderId = request.id("id", NOUN)?;
    let (said, act) = chosen(request.json(&mut call, read).await?);
    let task = Task { id, act, lines: said.lines, reason: said.reason, note: said.note };
    Ok(envelope::reply(pharmacy::work_on(&web.app, &call, task, render).await?))
}

/// The acts whose body is an [`ActBody`].
macro_rules! acts {
    ($($name:ident, $path:literal, $id:literal, $act:ident, [$($role:literal),*], $description:literal;)*) => {$(
        #[utoipa::path(post, path = $path, tag = "Orders", operation_id = $id,
            security(("OpsToken" = [$($role),*])),
            params(("id" = String, Path, description = "The order's id")),
            request_body(content = ActBody, description = "Why, and for which medication requests"),
            responses((status = 200, description = $description, body = Success<OrderView>)))]
        pub(crate) async fn $name(State(web): State<Web>, request: Incoming) -> Answer {
            act(web, request, StaffAct::$act, read_act, |said| (said, StaffAct::$act)).await
        }
    )*};
}

acts! {
    verify, "/pharmacy/orders/{id}/verify", "verifyOrder", Verify, ["pharmacist"],
        "Verified by a pharmacist; new prescriptions have their Rx numbers";
    submit, "/pharmacy/orders/{id}/submit", "submitOrder", Submit, ["pharmacist"],
        "Submitted to the pharmacy system";
    acknowledge, "/pharmacy/orders/{id}/acknowledge", "acknowledgeOrder", Acknowledge,
        ["pharmacist", "technician"], "Acknowledged";
    start_fill, "/pharmacy/orders/{id}/start-fill", "startFillingOrder", StartFill, ["pharmacist", "technician"],
        "Being filled";
    fill, "/pharmacy/orders/{id}/fill", "fillOrder", Fill, ["pharmacist", "technician"],
        "Filled, ready to ship";
    reject, "/pharmacy/orders/{id}/reject", "rejectOrder", Reject, ["pharmacist"], "Rejected";
    cancel, "/pharmacy/orders/{id}/cancel", "cancelQueuedOrder", Cancel, ["pharmacist"], "Cancelled";
    accept_cancellation, "/pharmacy/orders/{id}/accept-cancellation", "acceptCancellation", AcceptCancellation,
        ["pharmacist"], "Cancelled, as the partner asked";
    decline_cancellation, "/pharmacy/orders/{id}/decline-cancellation", "declineCancellation",
        DeclineCancellation, ["pharmacist"], "It goes on; the partner is told";
}

#[utoipa::path(post, path = "/pharmacy/orders/{id}/hold", tag = "Orders", operation_id = "holdOrder",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The order's id")),
    request_body(content = HoldBody, description = "Why, and for which medication requests"),
    responses((status = 200, description = "On hold", body = Success<OrderView>)))]
pub(crate) async fn hold(State(web): State<Web>, request: Incoming) -> Answer {
    let likely = StaffAct::Hold(HoldReason::Clarification);
    act(web, request, likely, read_hold, |(said, reason)| (said, StaffAct::Hold(reason))).await
}

#[utoipa::path(post, path = "/pharmacy/orders/{id}/release", tag = "Orders", operation_id = "releaseOrder",
    security(("OpsToken" = ["pharmacist"])),
    params(("id" = String, Path, description = "The order's id")),
    request_body(content = ReleaseBody, description = "Which hold, and for which medication requests"),
    responses((status = 200, description = "Released", body = Success<OrderView>)))]
pub(crate) async fn release(State(web): State<Web>, request: Incoming) -> Answer {
    let likely = StaffAct::Release { hold: None };
    act(web, request, likely, read_release, |(said, hold)| (said, StaffAct::Release { hold })).await
}

/// A new order for a returned or lost one. It consumes no refill.
#[utoipa::path(post, path = "/pharmacy/orders/{id}/replace", tag = "Orders", operation_id = "replaceOrder",
    security(("OpsToken" = ["pharmacist"])),
    params(("id" = String, Path, description = "The returned or lost order's id")),
    request_body(content = NoteBody, description = "Why"),
    responses((status = 200, description = "The new order", body = Success<OrderView>)))]
pub(crate) async fn replace(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, PHARMACISTS).await?;
    let id = request.id("id", NOUN)?;
    let note = request.json(&mut call, read_note).await?;
    Ok(envelope::reply(pharmacy::replace(&web.app, &call, Replace { id, note }, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<ActBody, _>(read_act);
        assert_described::<ReleaseBody, _>(read_release);
        assert_described::<HoldBody, _>(read_hold);
    }
}
