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
    /// Of `would_do`: the carrier of a service that is lawful instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "se-11226")]
    carrier_id: Option<String>,
    /// The service itself, as an order names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ups_2nd_day_air")]
    service_id: Option<String>,
    /// The day on which a rule will pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Date)]
    passes_on: Option<String>,
    /// Of an impossible transition: the status now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    from: Option<String>,
    /// The status that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    to: Option<String>,
}

impl From<&Detail> for OrdersErrorDetail {
    fn from(detail: &Detail) -> Self {
        let fact = |wanted| detail.facts.iter().find(|(name, _)| *name == wanted).map(|(_, it)| it.clone());
        let message = detail.message.clone();
        let (reason, message) = match detail.reason.clone() {
            Some(reason) => (reason, Some(message)),
            None => (message, None),
        };
        Self {
            field: detail.field.clone(),
            reason,
            message,
            citation: fact("citation"),
            carrier_id: fact("carrier_id"),
            service_id: fact("service_id"),
            passes_on: fact("passes_on"),
            from: fact("from"),
            to: fact("to"),
        }
    }
}

/// Fields that use cases name in the partner API's words, and their names here.
const NAMES: &[(&str, &str)] = &[
    ("patient_id", "patientId"),
    ("practitioner_id", "practitionerId"),
    ("prescription_id", "prescriptionId"),
    ("carrier_id", "carrierId"),
    ("service_id", "serviceId"),
    ("shipping_address", "shippingAddress"),
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
    use std::{collections::BTreeSet, fs, path::Path};

    use super::{NAMES, field_name};

    /// Use cases that no route of this API calls.
    const ELSEWHERE: &[&str] = &[
        "carrier_feed.rs",
        "carriers.rs",
        "holds.rs",
        "inventory.rs",
        "key_rotation.rs",
        "label_purchases.rs",
        "legal_holds.rs",
        "licenses.rs",
        "on_record.rs",
        "onboarding.rs",
        "operations.rs",
        "originals.rs",
        "patients.rs",
        "people.rs",
        "pharmacy.rs",
        "pharmacy_feed.rs",
        "practitioners.rs",
        "refill_thresholds.rs",
        "retention.rs",
        "sandbox.rs",
        "sealing.rs",
        "shipments.rs",
        "signatures.rs",
        "tenancy.rs",
        "tracking.rs",
    ];
    /// Fields of requests that this API does not have.
    const NOT_HERE: &[&str] = &["clinic_id", "hold_id", "medication_request_id", "medication_request_ids"];
    /// Words of the other modules that name no field: reasons of refusals, and what stands beside them.
    const NO_FIELDS: &[&str] = &[
        "break_glass",
        "cancellation_requested",
        "cursor_expired",
        "event_expired",
        "impossible_transition",
        "medication_request",
        "no_cancellation_requested",
        "not_served",
        "nothing_to_do",
        "passes_on",
        "patient_inactive",
        "practitioner_inactive",
        "prescription_not_active",
        "prescription_status",
        "replay_id",
        "replay_running",
        "unknown_carrier",
        "unknown_service",
        "would_do",
    ];

    /// Every text of a source that is words joined by underscores.
    fn joined_words(source: &str) -> impl Iterator<Item = &str> {
        let is_joined = |text: &&str| {
            text.contains('_')
                && text.split('_').all(|word| !word.is_empty())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        source.split('"').filter(is_joined)
    }

    #[test]
    fn every_field_that_a_use_case_names_has_its_name_here() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nimbus-app/src");
        let mut met = BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if !path.is_file() || ELSEWHERE.contains(&name) {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap();
            for word in joined_words(code) {
                let named = NAMES.iter().any(|(partner, _)| *partner == word);
                let known = named || NOT_HERE.contains(&word) || NO_FIELDS.contains(&word);
                assert!(known, "{name}: is {word} a field? Then it has a name here");
                met.insert(word.to_owned());
            }
        }
        let listed = NAMES.iter().map(|(partner, _)| partner).chain(NOT_HERE).chain(NO_FIELDS);
        let unmet: Vec<_> = listed.filter(|word| !met.contains(**word)).collect();
        assert!(unmet.is_empty(), "nothing says {unmet:?} any more");
    }

    #[test]
    fn names_here_are_in_camel_case() {
        for (partner, here) in NAMES {
            assert_ne!(partner, here);
            assert!(here.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{here}");
        }
    }

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
