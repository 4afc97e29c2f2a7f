//! The partner API: `/api/external`, in snake case, with UUIDs and the envelope `{success, data, message}`.

pub mod carriers;
pub mod clinic;
pub mod envelope;
pub mod error;
pub mod events;
pub mod keys;
pub mod orders;
pub mod patients;
pub mod people;
pub mod practitioners;
pub mod prescriptions;
pub mod refills;
pub mod sandbox;
pub mod shipments;
pub mod webhooks;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Web;

pub(crate) const ROOT: &str = "/api/external";

/// The routes, relative to [`ROOT`].
pub(crate) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(clinic::show))
        .routes(routes!(keys::list))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::confine))
        .routes(routes!(practitioners::create, practitioners::list))
        .routes(routes!(practitioners::show, practitioners::update))
        .routes(routes!(practitioners::clinics::assign, practitioners::clinics::end))
        .routes(routes!(
            practitioners::signature::put,
            practitioners::signature::show,
            practitioners::signature::delete
        ))
        .routes(routes!(patients::create, patients::list))
        .routes(routes!(patients::show, patients::update))
        .routes(routes!(patients::clinics::assign, patients::clinics::end))
        .routes(routes!(orders::create, orders::list))
        .routes(routes!(orders::show))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::holds::resolve))
        .routes(routes!(orders::show_request))
        .routes(routes!(prescriptions::list))
        .routes(routes!(prescriptions::show))
        .routes(routes!(refills::eligibility))
        .routes(routes!(refills::create, refills::list))
        .routes(routes!(refills::show))
        .routes(routes!(refills::cancel))
        .routes(routes!(carriers::list))
        .routes(routes!(carriers::services))
        .routes(routes!(shipments::show))
        .routes(routes!(shipments::tracking))
        .routes(routes!(webhooks::create, webhooks::list, webhooks::delete_named))
        .routes(routes!(webhooks::show, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::rotate_secret))
        .routes(routes!(webhooks::deliveries::list))
        .routes(routes!(webhooks::stats::show))
        .routes(routes!(webhooks::replays::start))
        .routes(routes!(webhooks::replays::show, webhooks::replays::cancel))
        .routes(routes!(webhooks::deliveries::retry))
        .routes(routes!(webhooks::deliveries::resend))
        .routes(routes!(events::list))
        .routes(routes!(events::stream))
        .routes(routes!(events::show))
        .routes(routes!(events::types))
        .routes(routes!(sandbox::fixtures))
        .routes(routes!(sandbox::clock))
        .routes(routes!(sandbox::advance))
        .routes(routes!(sandbox::trigger))
        .routes(routes!(sandbox::reset))
}
