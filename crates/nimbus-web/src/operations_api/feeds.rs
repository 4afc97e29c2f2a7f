//! What machines report to us: the pharmacy system, and the robot that checks new practitioners.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    onboarding::{self, Report as Verdict},
    pharmacy_feed::{self, MAX_WORD, Report, Reported},
};
use nimbus_core::{ids::PractitionerId, practitioner::PractitionerStatus};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::practitioners::render;
use crate::{
    Web,
    body::Incoming,
    caching::patched,
    checks::{id, one_of, text},
    failure::{Answer, named_by},
    fields::Fields,
    partner_api::{
        envelope::{self, Success},
        practitioners::{NOUN, PractitionerView},
    },
    words,
};

#[derive(ToSchema)]
pub struct PharmacyReport {
    /// The order; or the medication request, or both.
    pub medication_order_id: Option<Uuid>,
    /// One medication request; every live one of the order, if not given.
    pub medication_request_id: Option<Uuid>,
    /// The pharmacy system's word. One that is not known is kept and shown, and moves nothing.
    #[schema(max_length = 100, example = "FILLED")]
    pub status: String,
    /// For the partner: it goes into the events.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct PharmacyReported {
    pub medication_order_id: Uuid,
    /// The order's status now.
    #[schema(value_type = words::OrderStatus)]
    pub status: &'static str,
    /// Whether the report moved anything.
    pub moved: bool,
}

#[derive(ToSchema)]
pub struct OnboardingSuccess {
    pub practitioner_id: Uuid,
}

#[derive(ToSchema)]
pub struct OnboardingStatus {
    #[schema(value_type = words::PractitionerStatus)]
    pub status: String,
    /// For the history.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

fn read_report(f: &mut Fields<'_>) -> Option<Report> {
    let order = f.optional("medication_order_id", id);
    let line = f.optional("medication_request_id", id);
    let word = f.required("status", text(1..=MAX_WORD));
    let note = f.optional("note", text(1..=1000));
    Some(Report { order, line, word: word?, note })
}

fn read_success(f: &mut Fields<'_>) -> Option<Verdict> {
    let practitioner_id = f.required("practitioner_id", id);
    Some(Verdict { practitioner_id: practitioner_id?, status: PractitionerStatus::Active, note: None })
}

fn read_status(f: &mut Fields<'_>, practitioner_id: PractitionerId) -> Option<Verdict> {
    let status = f.required("status", one_of(PractitionerStatus::ALL, PractitionerStatus::as_str));
    let note = f.optional("note", text(1..=1000));
    Some(Verdict { practitioner_id, status: status?, note })
}

fn render_reported(reported: &Reported) -> Rendered {
    let data = PharmacyReported {
        medication_order_id: reported.order.id.0,
        status: reported.order.status.read_word(),
        moved: reported.moved,
    };
    envelope::written(data, "OK")
}

#[utoipa::path(post, path = "/pharmetika/webhook", tag = "Inbound", operation_id = "pharmacySystemReport",
    security(("FeedSecret" = [])),
    request_body(content = PharmacyReport, description = "What the pharmacy system says of an order"),
    responses((status = 200, description = "Kept, and followed where known", body = Success<PharmacyReported>)))]
pub(crate) async fn pharmacy_report(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.pharmacy_system(&request)?;
    let report = request.json(&mut call, read_report).await?;
    Ok(envelope::reply(pharmacy_feed::report(&web.app, &call, report, render_reported).await?))
}

#[utoipa::path(post, path = "/rpa/practitioner/success", tag = "Inbound", operation_id = "onboardingSuccess",
    security(("OnboardingToken" = [])),
    request_body(content = OnboardingSuccess, description = "The practitioner who passed"),
    responses((status = 200, description = "Active", body = Success<PractitionerView>)))]
pub(crate) async fn onboarding_success(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.onboarding(&request)?;
    let verdict = request.json(&mut call, read_success).await?;
    let reported = onboarding::report(&web.app, &call, verdict, render).await;
    Ok(envelope::reply(named_by("practitioner_id", reported)?))
}

#[utoipa::path(patch, path = "/rpa/practitioner/{id}/status", tag = "Inbound", operation_id = "onboardingStatus",
    security(("OnboardingToken" = [])),
    params(("id" = String, Path, description = "The practitioner's id")),
    request_body(content = OnboardingStatus, description = "The verdict"),
    responses((status = 200, description = "The practitioner as it is now", body = Success<PractitionerView>)))]
pub(crate) async fn onboarding_status(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.onboarding(&request)?;
    let practitioner = request.id("id", NOUN)?;
    let verdict = request.json(&mut call, |f| read_status(f, practitioner)).await?;
    Ok(patched(onboarding::report(&web.app, &call, verdict, render).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<PharmacyReport, _>(read_report);
        assert_described::<OnboardingSuccess, _>(read_success);
        assert_described::<OnboardingStatus, _>(|f| read_status(f, PractitionerId(Uuid::nil())));
    }
}
