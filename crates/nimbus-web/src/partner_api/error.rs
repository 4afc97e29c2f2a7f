//! Refusals as the partner API, and operations with it, tell them.

use axum::response::Response;
use nimbus_app::Detail;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{failure::Problem, wire::json_response};

#[derive(Serialize, ToSchema)]
pub struct ErrorReply {
    /// Always false.
    success: bool,
    error: ErrorBody,
}

#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    /// A word for programs, such as `VALIDATION_ERROR`.
    #[schema(example = "VALIDATION_ERROR")]
    code: String,
    /// A sentence for people.
    #[schema(example = "npi: the check digit does not match")]
    message: String,
    /// Every field that was refused, or every reason of a refusal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    details: Vec<ErrorDetail>,
    /// The same as in the `X-Request-Id` header.
    request_id: String,
    /// Seconds to wait before the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub struct ErrorDetail {
    /// The field, by its JSON path.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// A word for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    message: String,
    /// Further named facts, such as an id or a date.
    #[serde(flatten)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    facts: Map<String, Value>,
}

impl From<&Detail> for ErrorDetail {
    fn from(detail: &Detail) -> Self {
        let facts =
            detail.facts.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        let Detail { field, reason, message, .. } = detail.clone();
        Self { field, reason, message, facts }
    }
}

/// A request that cannot be read is a validation error here, like a value that cannot be accepted.
fn code(problem: &Problem) -> String {
    match problem.code {
        "invalid_request" => "VALIDATION_ERROR".to_owned(),
        other => other.to_ascii_uppercase(),
    }
}

/// Writes a refusal.
pub(crate) fn render(problem: &Problem, request_id: &str) -> Response {
    let error = ErrorBody {
        code: code(problem),
        message: problem.message.clone(),
        details: problem.details.iter().map(ErrorDetail::from).collect(),
        request_id: request_id.to_owned(),
        retry_after: problem.retry_after,
    };
    json_response(problem.status, &ErrorReply { success: false, error })
}
