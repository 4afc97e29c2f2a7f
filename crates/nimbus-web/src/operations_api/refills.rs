//! Refill requests as staff review them.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::{PHARMACISTS, READERS},
    refills::{self, Approve, Deny, ListAny},
};
use nimbus_core::{
    quantity::Quantity,
    refill::{Refill, RefillStatus},
};
use utoipa::ToSchema;

use super::read_note;
use crate::{
    Web,
    body::Incoming,
    checks::{id, one_of, quantity, text},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    partner_api::{
        envelope::{self, List, Success},
        refills::{NOUN, RefillView},
    },
    wire::Amount,
    words,
};

#[derive(ToSchema)]
pub struct ApproveBody {
    /// What was asked for, if not given.
    pub quantity: Option<Amount>,
    /// For the history.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
    /// For the history too.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

#[derive(ToSchema)]
pub struct DenyBody {
    /// For the partner: it goes into the event.
    #[schema(max_length = 500)]
    pub reason: String,
}

fn read_approve(f: &mut Fields<'_>) -> Option<(Option<Quantity>, Option<String>)> {
    Some((f.optional("quantity", quantity), read_note(f)?))
}

fn read_deny(f: &mut Fields<'_>) -> Option<String> {
    f.required("reason", text(1..=500))
}

fn render(refill: &Refill) -> Rendered {
    envelope::written(RefillView::from(refill), "OK")
}

#[utoipa::path(get, path = "/pharmacy/refill-requests", tag = "Refills", operation_id = "listAnyRefillRequests",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(PageParams,
        ("clinic_id" = Option<String>, Query, description = "Only those of this clinic"),
        ("status" = Option<words::RefillStatus>, Query, description = "Only those of this status")),
    responses((status = 200, description = "A page of refill requests", body = List<RefillView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let query = request.query(|f| {
        let status = f.optional("status", one_of(RefillStatus::ALL, RefillStatus::as_str));
        Some(ListAny { clinic: f.optional("clinic_id", id), status, page: page(f) })
    })?;
    let found = refills::list_any(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| RefillView::from(item)))
}

#[utoipa::path(post, path = "/pharmacy/refill-requests/{id}/approve", tag = "Refills",
    operation_id = "approveRefillRequest",
    security(("OpsToken" = ["pharmacist"])),
    params(("id" = String, Path, description = "The refill request's id")),
    request_body(content = ApproveBody, description = "How much"),
    responses((status = 200, description = "Approved, with its order", body = Success<RefillView>)))]
pub(crate) async fn approve(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, PHARMACISTS).await?;
    let id = request.id("id", NOUN)?;
    let (quantity, note) = request.json(&mut call, read_approve).await?;
    Ok(envelope::reply(refills::approve(&web.app, &call, Approve { id, quantity, note }, render).await?))
}

#[utoipa::path(post, path = "/pharmacy/refill-requests/{id}/deny", tag = "Refills", operation_id = "denyRefillRequest",
    security(("OpsToken" = ["pharmacist"])),
    params(("id" = String, Path, description = "The refill request's id")),
    request_body(content = DenyBody, description = "Why"),
    responses((status = 200, description = "Denied", body = Success<RefillView>)))]
pub(crate) async fn deny(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, PHARMACISTS).await?;
    let id = request.id("id", NOUN)?;
    let reason = request.json(&mut call, read_deny).await?;
    Ok(envelope::reply(refills::deny(&web.app, &call, Deny { id, reason }, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<ApproveBody, _>(read_approve);
        assert_described::<DenyBody, _>(read_deny);
    }
}
