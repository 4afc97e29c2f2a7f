//! The orders API: `/orders`, `/refills`, `/prescriptions` and what goes with them, in camel case, with prefixed
//! ids and bare resources.

pub mod envelope;
pub mod error;
pub mod events;
pub mod orders;
pub mod prescriptions;
pub mod refills;
pub mod webhooks;

use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Web;

/// The first segments of its paths, which begin at the root.
pub(crate) const ROOTS: [&str; 5] = ["orders", "refills", "webhooks", "events", "prescriptions"];

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(error::OrdersErrorReply)))]
struct Shared;

/// The routes, from the root.
pub(crate) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::with_openapi(Shared::openapi())
        .routes(routes!(orders::create, orders::list))
        .routes(routes!(orders::show))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::tracking))
        .routes(routes!(refills::create, refills::list))
        .routes(routes!(refills::eligibility))
        .routes(routes!(refills::show))
        .routes(routes!(refills::cancel))
        .routes(routes!(prescriptions::list))
        .routes(routes!(prescriptions::show))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::test_send::send))
        .routes(routes!(webhooks::show, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::rotate_secret))
        .routes(routes!(webhooks::deliveries::list))
        .routes(routes!(webhooks::deliveries::retry))
        .routes(routes!(webhooks::deliveries::resend))
        .routes(routes!(webhooks::replays::start))
        .routes(routes!(webhooks::replays::show, webhooks::replays::cancel))
        .routes(routes!(events::list))
        .routes(routes!(events::stream))
        .routes(routes!(events::show))
}

#[cfg(test)]
mod tests {
    use super::{ROOTS, routes};

    #[test]
    fn every_path_has_one_of_the_roots() {
        for path in routes().into_openapi().paths.paths.keys() {
            let root = path.split('/').nth(1).unwrap_or_default();
            assert!(ROOTS.contains(&root), "{path}");
        }
    }
}
