//! Refills: whether one is possible, asking for one, reading and cancelling them.

use axum::extract::State;
use nimbus_app::{
    prescription_refills::{self as refills, Planned, Request},
    refills::{Cancel, List},
};
use nimbus_core::{
    access::Scope,
    eligibility::{self, Finding, Verdict},
    ids::RefillId,
    quantity::Quantity,
    refill::RefillStatus,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    envelope::{self, ListParams, Page},
    orders::read_reason,
};
use crate::{
    Web,
    body::Incoming,
    checks::{id, one_of, quantity},
    failure::Answer,
    fields::{Checked, Fields},
    paging::camel_case_page,
    wire::{Amount, Day, Time},
    words,
};

const NOUN: &str = "Refill request";
/// The least that can be asked for, in thousandths.
const LEAST: i64 = 1000;

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RefillCreate {
    #[schema(example = "rx_00FODtiM8TKCRUXNHNjZoy", pattern = "^rx_[a-zA-Z0-9]+$")]
    pub prescription_id: String,
    #[schema(example = "pat_00FODtiM8TKCRUXNHNjZoy", pattern = "^pat_[a-zA-Z0-9]+$")]
    pub patient_id: String,
    /// At least 1, with at most three decimal places; the prescription's quantity if not given. More than that is
    /// put before a pharmacist.
    pub requested_quantity: Option<Amount>,
}

#[derive(ToSchema)]
pub struct CancelRefill {
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refill {
    #[schema(example = "ref_00FODtiM8TKCRUXNHNjZoy")]
    pub id: String,
    #[schema(example = "rx_00FODtiM8TKCRUXNHNjZoy")]
    pub prescription_id: String,
    #[schema(example = "pat_00FODtiM8TKCRUXNHNjZoy")]
    pub patient_id: String,
    /// The order that fills it; null while it is reviewed.
    #[schema(example = "ord_00FODtiM8TKCRUXNHNjZoy")]
    pub order_id: Option<String>,
    #[schema(value_type = words::RefillStatus)]
    pub status: &'static str,
    pub requested_quantity: Amount,
    pub approved_quantity: Option<Amount>,
    /// The rule for which a pharmacist reviews it.
    #[schema(value_type = Option<words::RefillRule>)]
    pub review_reason: Option<String>,
    /// Why a pharmacist denied it.
    pub denial_reason: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
    /// The day of its parcel, or the next business day while none is packed; null where nothing will be sent.
    pub estimated_ship_date: Option<Day>,
    /// A cancellation that the pharmacy has not decided on.
    pub cancellation_requested_at: Option<Time>,
}

impl From<&Planned> for Refill {
    fn from(found: &Planned) -> Self {
        let refill = &found.refill;
        Self {
            id: refill.id.prefixed(),
            prescription_id: refill.prescription_id.prefixed(),
            patient_id: refill.patient_id.prefixed(),
            order_id: refill.order_id.map(|id| id.prefixed()),
            status: refill.status.as_str(),
            requested_quantity: Amount(refill.requested_quantity),
            approved_quantity: refill.approved_quantity.map(Amount),
            review_reason: refill.review_reason.clone(),
            denial_reason: refill.decision_reason.as_ref().map(|reason| reason.expose().clone()),
            created_at: Time(refill.created_at),
            updated_at: Time(refill.updated_at),
            estimated_ship_date: found.ships_on.map(Day),
            cancellation_requested_at: found.cancellation_requested_at.map(Time),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Eligibility {
    /// Whether a refill would be approved at once.
    pub eligible: bool,
    /// Whether a pharmacist would review it: it is not eligible, and every reason is one to review.
    pub requires_review: bool,
    /// The code of the first rule that failed.
    #[schema(value_type = Option<words::RefillRule>)]
    pub reason: Option<&'static str>,
    /// Every rule that failed.
    pub reasons: Vec<Reason>,
    /// The first day on which the last fill is used up far enough.
    pub next_eligible_date: Option<Day>,
    pub refills_remaining: u32,
    /// The last day on which the prescription may be filled.
    pub expires_on: Day,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    #[schema(value_type = words::RefillRule)]
    pub code: &'static str,
    pub message: String,
    /// The regulation behind the rule, or the pharmacy's policy.
    pub citation: Option<String>,
    /// The day on which the rule will pass.
    pub passes_on: Option<Day>,
}

impl From<&Finding> for Reason {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.rule.as_str(),
            message: finding.message.clone(),
            citation: Some(finding.citation.clone()),
            passes_on: finding.passes_on.map(Day),
        }
    }
}

impl From<&eligibility::Eligibility> for Eligibility {
    fn from(answer: &eligibility::Eligibility) -> Self {
        let first = answer.first();
        Self {
            eligible: answer.is_eligible(),
            // A hard finding comes first.
            requires_review: first.is_some_and(|finding| finding.verdict == Verdict::Review),
            reason: first.map(|finding| finding.rule.as_str()),
            reasons: answer.findings.iter().map(Reason::from).collect(),
            next_eligible_date: answer.next_eligible_date.map(Day),
            refills_remaining: answer.refills_remaining,
            expires_on: Day(answer.expires_on),
        }
    }
}

fn read_request(f: &mut Fields<'_>) -> Option<Request> {
    let prescription_id = f.required("prescriptionId", id);
    let patient_id = f.required("patientId", id);
    let quantity = f.optional("requestedQuantity", requested_quantity);
    Some(Request { prescription_id: prescription_id?, patient_id: patient_id?, quantity })
}

fn requested_quantity(value: &Value) -> Checked<Quantity> {
    match quantity(value)? {
        wanted if wanted.thousandths() >= LEAST => Ok(wanted),
        _ => Err("must be at least 1".into()),
    }
}

/// A hard refusal is 422 `refill_not_eligible` with every reason. A soft one (a few days too early, or more than
/// one fill's quantity) is accepted as `pending` for a pharmacist to decide. A clean request is `approved` at once,
/// with the order that fills it.
#[utoipa::path(post, path = "/refills", tag = "Refills", operation_id = "createRefill",
    security(("ApiKeyAuth" = ["refills:write"])),
    request_body(content = RefillCreate, description = "Which prescription, whose, and how much"),
    responses(
        (status = 201, description = "Approved or to be reviewed; `Location` is where it is read", body = Refill)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::RefillsWrite).await?;
    let command = request.json(&mut call, read_request).await?;
    let render = |made: &Planned| {
        envelope::created(Refill::from(made), format!("/refills/{}", made.refill.id.prefixed()))
    };
    Ok(envelope::reply(refills::create(&web.app, &call, command, render).await?))
}

/// Whether a refill is possible now, and if not, every reason why.
#[utoipa::path(get, path = "/refills/eligibility", tag = "Refills", operation_id = "getPrescriptionRefillEligibility",
    security(("ApiKeyAuth" = ["refills:read"])),
    params(
        ("prescriptionId" = String, Query, description = "The prescription to refill"),
        ("patientId" = String, Query, description = "Whose it is"),
        ("requestedQuantity" = Option<Amount>, Query, minimum = 1, maximum = 1_000_000, multiple_of = 0.001,
            example = 30, description = "The prescription's quantity, if not given")),
    responses((status = 200, description = "The answer of every rule", body = Eligibility)))]
pub(crate) async fn eligibility(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::RefillsRead).await?;
    let asked = request.query(read_request)?;
    let answer = refills::eligibility(&web.app, &call, asked).await?;
    Ok(envelope::found(Eligibility::from(&answer)))
}

#[utoipa::path(get, path = "/refills", tag = "Refills", operation_id = "listRefills",
    security(("ApiKeyAuth" = ["refills:read"])),
    params(ListParams,
        ("status" = Option<words::RefillStatus>, Query, description = "Only those of this status"),
        ("patientId" = Option<String>, Query, description = "Only those of this patient")),
    responses((status = 200, description = "A page of refills", body = Page<Refill>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::RefillsRead).await?;
    let query = request.query(|f| {
        let status = f.optional("status", one_of(RefillStatus::ALL, RefillStatus::as_str));
        Some(List { status, patient: f.optional("patientId", id), page: camel_case_page(f) })
    })?;
    let found = refills::list(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |id| RefillId(id).prefixed(), |it| Refill::from(it)))
}

#[utoipa::path(get, path = "/refills/{refillId}", tag = "Refills", operation_id = "getRefill",
    security(("ApiKeyAuth" = ["refills:read"])),
    params(("refillId" = String, Path, description = "The refill's id")),
    responses((status = 200, description = "The refill", body = Refill)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::RefillsRead).await?;
    let found = refills::get(&web.app, &call, request.id::<RefillId>("refillId", NOUN)?).await?;
    Ok(envelope::found(Refill::from(&found)))
}

/// While it is reviewed, the request is cancelled by itself; afterwards, as its order is: at once until the pharmacy
/// fills it, then by request.
#[utoipa::path(post, path = "/refills/{refillId}/cancel", tag = "Refills", operation_id = "cancelRefill",
    security(("ApiKeyAuth" = ["refills:write"])),
    params(("refillId" = String, Path, description = "The refill's id")),
    request_body(content = CancelRefill, description = "Why"),
    responses((status = 200, description = "The refill as it is now", body = Refill)))]
pub(crate) async fn cancel(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::RefillsWrite).await?;
    let id = request.id("refillId", NOUN)?;
    let reason = request.json(&mut call, read_reason).await?;
    let render = |refill: &Planned| envelope::written(Refill::from(refill));
    Ok(envelope::reply(refills::cancel(&web.app, &call, Cancel { id, reason }, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<RefillCreate, _>(read_request);
        assert_described::<CancelRefill, _>(read_reason);
    }
}
