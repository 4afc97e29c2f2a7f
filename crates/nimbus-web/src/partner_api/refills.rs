//! Refill requests: whether one is possible, asking for one, reading and cancelling them.

use axum::extract::State;
use nimbus_app::refills::{self, Cancel, Create, Created, List as ListQuery};
use nimbus_core::{
    access::Scope,
    eligibility::{Eligibility, Finding},
    ids::{LineId, RefillId},
    refill::{Refill, RefillStatus},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    envelope::{self, List, Success},
    orders::{read_reason, types::CancelBody},
};
use crate::{
    Web,
    body::Incoming,
    checks::{id, one_of, text},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    wire::{Amount, Day, Time},
    words,
};

pub(crate) const NOUN: &str = "Refill request";

#[derive(ToSchema)]
pub struct RefillCreate {
    /// The fill to refill: shipped or delivered.
    pub medication_request_id: Uuid,
    /// Orders of one patient with the same group ship together.
    #[schema(max_length = 100)]
    pub shipment_group_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct RefillCreated {
    pub refill_request_id: Uuid,
    pub medication_order_id: Uuid,
}

#[derive(Serialize, ToSchema)]
pub struct EligibilityView {
    pub eligible: bool,
    /// The code of the first rule that failed.
    #[schema(value_type = Option<words::RefillRule>)]
    pub reason: Option<&'static str>,
    /// Every rule that failed.
    pub reasons: Vec<ReasonView>,
    pub refills_remaining: u32,
    pub next_eligible_date: Option<Day>,
    pub expires_on: Day,
}

#[derive(Serialize, ToSchema)]
pub struct ReasonView {
    #[schema(value_type = words::RefillRule)]
    pub code: &'static str,
    pub message: String,
    /// The regulation behind the rule, or the pharmacy's policy.
    pub citation: Option<String>,
    /// The day on which the rule will pass.
    pub passes_on: Option<Day>,
}

impl From<&Finding> for ReasonView {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.rule.as_str(),
            message: finding.message.clone(),
            citation: Some(finding.citation.clone()),
            passes_on: finding.passes_on.map(Day),
        }
    }
}

impl From<&Eligibility> for EligibilityView {
    fn from(answer: &Eligibility) -> Self {
        Self {
            eligible: answer.is_eligible(),
            reason: answer.first().map(|finding| finding.rule.as_str()),
            reasons: answer.findings.iter().map(ReasonView::from).collect(),
            refills_remaining: answer.refills_remaining,
            next_eligible_date: answer.next_eligible_date.map(Day),
            expires_on: Day(answer.expires_on),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct RefillView {
    pub id: Uuid,
    pub refill_request_id: Uuid,
    pub clinic_id: Uuid,
    pub patient_id: Uuid,
    pub prescription_id: Uuid,
    pub medication_request_id: Uuid,
    /// The order that fills it; null while it is reviewed.
    pub medication_order_id: Option<Uuid>,
    #[schema(value_type = words::RefillStatus)]
    pub status: &'static str,
    pub requested_quantity: Amount,
    pub approved_quantity: Option<Amount>,
    /// The code of the rule for which it is reviewed.
    #[schema(value_type = Option<words::RefillRule>)]
    pub review_reason: Option<String>,
    /// Why it was denied.
    pub reason: Option<String>,
    pub shipment_group_id: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<&Refill> for RefillView {
    fn from(refill: &Refill) -> Self {
        Self {
            id: refill.id.0,
            refill_request_id: refill.id.0,
            clinic_id: refill.clinic_id.0,
            patient_id: refill.patient_id.0,
            prescription_id: refill.prescription_id.0,
            medication_request_id: refill.line_id.0,
            medication_order_id: refill.order_id.map(|id| id.0),
            status: refill.status.as_str(),
            requested_quantity: Amount(refill.requested_quantity),
            approved_quantity: refill.approved_quantity.map(Amount),
            review_reason: refill.review_reason.clone(),
            reason: refill.decision_reason.as_ref().map(|reason| reason.expose().clone()),
            shipment_group_id: refill.shipment_group.as_ref().map(|group| group.expose().clone()),
            created_at: Time(refill.created_at),
            updated_at: Time(refill.updated_at),
        }
    }
}

fn read_create(f: &mut Fields<'_>) -> Option<Create> {
    let line_id = f.required("medication_request_id", id);
    let shipment_group = f.optional("shipment_group_id", text(0..=100)).filter(|group| !group.is_empty());
    Some(Create { line_id: line_id?, shipment_group })
}

fn render_created(created: &Created) -> nimbus_app::Rendered {
    let data =
        RefillCreated { refill_request_id: created.refill.id.0, medication_order_id: created.order.id.0 };
    envelope::written(data, "Refill request was created successfully.")
}

/// Whether a medication request can be refilled now, and if not, every reason why.
#[utoipa::path(get, path = "/refill-request/eligibility", tag = "Refills", operation_id = "getRefillEligibility",
    security(("ApiKeyAuth" = ["refills:read"])),
    params(("medication_request_id" = String, Query, description = "The fill to refill")),
    responses((status = 200, description = "The answer of every rule", body = Success<EligibilityView>)))]
pub(crate) async fn eligibility(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::RefillsRead).await?;
    let line: LineId = request.query(|f| f.required("medication_request_id", id))?;
    let answer = refills::eligibility(&web.app, &call, line).await?;
    Ok(envelope::found(EligibilityView::from(&answer)))
}

#[utoipa::path(post, path = "/refill-request", tag = "Refills", operation_id = "createRefillRequest",
    security(("ApiKeyAuth" = ["refills:write"])),
    request_body(content = RefillCreate, description = "The fill to refill"),
    responses(
        (status = 200, description = "Approved, with the new order that fills it", body = Success<RefillCreated>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::RefillsWrite).await?;
    let command = request.json(&mut call, read_create).await?;
    Ok(envelope::reply(refills::create(&web.app, &call, command, render_created).await?))
}

#[utoipa::path(get, path = "/refill-request", tag = "Refills", operation_id = "listRefillRequests",
    security(("ApiKeyAuth" = ["refills:read"])),
    params(PageParams,
        ("status" = Option<words::RefillStatus>, Query, description = "Only those of this status"),
        ("patient_id" = Option<String>, Query, description = "Only those of this patient")),
    responses((status = 200, description = "A page of refill requests", body = List<RefillView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::RefillsRead).await?;
    let query = request.query(|f| {
        let status = f.optional("status", one_of(RefillStatus::ALL, RefillStatus::as_str));
        Some(ListQuery { status, patient: f.optional("patient_id", id), page: page(f) })
    })?;
    let found = refills::list(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| RefillView::from(item)))
}

#[utoipa::path(get, path = "/refill-request/{id}", tag = "Refills", operation_id = "getRefillRequest",
    security(("ApiKeyAuth" = ["refills:read"])),
    params(("id" = String, Path, description = "The refill request's id")),
    responses((status = 200, description = "The refill request", body = Success<RefillView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::RefillsRead).await?;
    let found = refills::get(&web.app, &call, request.id::<RefillId>("id", NOUN)?).await?;
    Ok(envelope::found(RefillView::from(&found)))
}

#[utoipa::path(post, path = "/refill-request/{id}/cancel", tag = "Refills", operation_id = "cancelRefillRequest",
    security(("ApiKeyAuth" = ["refills:write"])),
    params(("id" = String, Path, description = "The refill request's id")),
    request_body(content = CancelBody, description = "Why"),
    responses((status = 200, description = "The refill request as it is now", body = Success<RefillView>)))]
pub(crate) async fn cancel(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::RefillsWrite).await?;
    let refill = request.id("id", NOUN)?;
    let reason = request.json(&mut call, read_reason).await?;
    let render = |refill: &Refill| {
        let message = match refill.status {
            RefillStatus::Cancelled => "Refill request cancelled successfully",
            _ => "Cancellation requested; the pharmacy decides, since the order is being filled",
        };
        envelope::written(RefillView::from(refill), message)
    };
    Ok(envelope::reply(refills::cancel(&web.app, &call, Cancel { id: refill, reason }, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<RefillCreate, _>(read_create);
    }
}
