//! Which surface a path belongs to, and so in which shape its refusals are told.

use axum::response::Response;
use http::HeaderValue;
use nimbus_core::access::Environment;
use serde_json::json;

use crate::{
    failure::{Failure, Problem},
    partner_api,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `{"success": false, "error": {…}}`: `/api/*` and whatever belongs to no other surface.
    Partner,
    /// `{"error": {…}}`, in camel case.
    Orders,
}

/// The first segments of the orders API.
const ORDERS_ROOTS: [&str; 5] = ["orders", "refills", "webhooks", "events", "prescriptions"];

impl Surface {
    pub(crate) fn of(path: &str) -> Self {
        let root = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if ORDERS_ROOTS.contains(&root) { Self::Orders } else { Self::Partner }
    }

    /// Writes a refusal in this surface's shape.
    pub(crate) fn refuse(self, failure: &Failure, environment: Environment, request_id: &str) -> Response {
        let problem = failure.problem(environment);
        let mut response = match self {
            Self::Partner => partner_api::error::render(&problem, request_id),
            Self::Orders => orders_shape(&problem, request_id),
        };
        let headers = response.headers_mut();
        if let Some(seconds) = problem.retry_after {
            headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = problem.challenge {
            headers.insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

fn orders_shape(problem: &Problem, request_id: &str) -> Response {
    let body = json!({ "error": {
        "code": problem.code,
        "message": problem.message,
        "requestId": request_id,
    }});
    crate::wire::json_response(problem.status, &body)
}

#[cfg(test)]
mod tests {
    use super::Surface;

    #[test]
    fn paths_belong_to_their_surface() {
        for path in ["/orders", "/orders/ord_1", "/webhooks", "/events/x"] {
            assert_eq!(Surface::of(path), Surface::Orders, "{path}");
        }
        for path in ["/", "/api/external/orders", "/ordersx", "/health"] {
            assert_eq!(Surface::of(path), Surface::Partner, "{path}");
        }
    }
}
