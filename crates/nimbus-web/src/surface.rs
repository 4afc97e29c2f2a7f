//! Which surface a path belongs to, and so in which shape its refusals are told.

use axum::response::Response;
use http::HeaderValue;
use nimbus_core::access::Environment;

use crate::{
    failure::{Failure, Names},
    orders_api, partner_api,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `{"success": false, "error": {…}}`: `/api/*` and whatever belongs to no other surface.
    Partner,
    /// `{"error": {…}}`, in camel case.
    Orders,
}

impl Surface {
    pub(crate) fn of(path: &str) -> Self {
        if orders_api::ROOTS.contains(&root(path)) { Self::Orders } else { Self::Partner }
    }

    /// Whether a path is an API's: health, pages and documents are not.
    pub(crate) fn is_api(path: &str) -> bool {
        root(path) == "api" || Self::of(path) == Self::Orders
    }

    /// Writes a refusal in this surface's shape.
    pub(crate) fn refuse(self, failure: &Failure, environment: Environment, request_id: &str) -> Response {
        let names: Names = match self {
            Self::Partner => |field| field.into(),
            Self::Orders => orders_api::error::field_name,
        };
        let problem = failure.problem(environment, names);
        let mut response = match self {
            Self::Partner => partner_api::error::render(&problem, request_id),
            Self::Orders => orders_api::error::render(&problem, request_id),
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

/// The first segment of a path.
fn root(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
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
        for (path, is_api) in [("/api/x", true), ("/orders", true), ("/health", false), ("/apix", false)] {
            assert_eq!(Surface::is_api(path), is_api, "{path}");
        }
    }
}
