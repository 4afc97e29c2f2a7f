//! Refusals as the orders API tells them: its statuses, its codes, its names of fields.

use std::borrow::Cow;

use axum::response::Response;
use http::StatusCode;
use nimbus_app::Detail;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{failure::Problem, wire::json_response};

#[derive(Serialize, ToSchema)]
pub struct OrdersErrorReply {
    error: OrdersError,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrdersError {
    /// A word for programs.
    #[schema(example = "validation_error")]
    code: &'static str,
    /// A sentence for people.
    #[schema(example = "shippingAddress.zip: must be a ZIP code such as 12345 or 12345-6789")]
    message: String,
    /// The same as in the `X-Request-Id` header.
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    details: Option<OrdersErrorDetails>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrdersErrorDetails {
    /// The first field that was refused, by its JSON path; null where no field is to blame.
    #[schema(example = "shippingAddress.zip")]
    field: Option<String>,
    /// What is wrong with it, or the code of the first rule that refused.
    #[schema(example = "must be a ZIP code such as 12345 or 12345-6789")]
    reason: String,
    /// Of `refill_not_eligible`: the day from which time is no longer in its way, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Date)]
    next_eligible_date: Option<String>,
    /// Everything that was refused.
    errors: Vec<OrdersErrorDetail>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrdersErrorDetail {
    field: Option<String>,
    /// What is wrong, or the code of a rule.
    reason: String,
    /// The sentence of a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<String>,
    /// The regulation behind a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    citation: Option<String>,
    /// The day on which a rule will pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Date)]
    passes_on: Option<String>,
}

impl From<&Detail> for OrdersErrorDetail {
    fn from(detail: &Detail) -> Self {
        let fact = |wanted| detail.facts.iter().find(|(name, _)| *name == wanted).map(|(_, it)| it.clone());
        let message = detail.message.clone();
        let (reason, message) = match detail.reason.clone() {
            Some(reason) => (reason, Some(message)),
            None => (message, None),
        };
        let (citation, passes_on) = (fact("citation"), fact("passes_on"));
        Self { field: detail.field.clone(), reason, message, citation, passes_on }
    }
}

/// Fields that use cases name in the partner API's words, and their names here.
const NAMES: &[(&str, &str)] = &[
    ("patient_id", "patientId"),
    ("prescription_id", "prescriptionId"),
    ("carrier_id", "carrierId"),
    ("service_id", "serviceId"),
];

/// A field's name here; an index after it stays.
pub(crate) fn field_name(field: &str) -> Cow<'_, str> {
    let (name, index) = field.split_at(field.find('[').unwrap_or(field.len()));
    match NAMES.iter().find(|(partner, _)| *partner == name) {
        Some((_, here)) => format!("{here}{index}").into(),
        None => field.into(),
    }
}

/// The status and code here of a refusal that all surfaces share.
fn status_and_code(problem: &Problem) -> (StatusCode, &'static str) {
    match problem.code {
        "validation_error" | "service_not_available" | "order_rejected" | "duplicate_patient" => {
            (StatusCode::UNPROCESSABLE_ENTITY, "validation_error")
        }
        "refill_not_eligible" | "refill_exists" => (StatusCode::UNPROCESSABLE_ENTITY, "refill_not_eligible"),
        "invalid_status_transition" => (StatusCode::CONFLICT, "invalid_status_transition"),
        other => (problem.status, other),
    }
}

fn details(problem: &Problem) -> Option<OrdersErrorDetails> {
    let errors: Vec<OrdersErrorDetail> = problem.details.iter().map(OrdersErrorDetail::from).collect();
    let first = errors.first()?;
    // They are ISO 8601: the greatest is the latest.
    let next_eligible_date = errors.iter().filter_map(|error| error.passes_on.clone()).max();
    Some(OrdersErrorDetails {
        field: first.field.clone(),
        reason: first.reason.clone(),
        next_eligible_date,
        errors,
    })
}

/// Writes a refusal.
pub(crate) fn render(problem: &Problem, request_id: &str) -> Response {
    let (status, code) = status_and_code(problem);
    let error = OrdersError {
        code,
        message: problem.message.clone(),
        request_id: request_id.to_owned(),
        details: details(problem),
    };
    json_response(status, &OrdersErrorReply { error })
}

#[cfg(test)]
mod tests {
    use super::field_name;

    #[test]
    fn fields_have_their_names_here() {
        for (partner, here) in [
            ("patient_id", "patientId"),
            ("prescription_id[3]", "prescriptionId[3]"),
            ("shippingAddress.zip", "shippingAddress.zip"),
            ("$", "$"),
        ] {
            assert_eq!(field_name(partner), here);
        }
    }
}
