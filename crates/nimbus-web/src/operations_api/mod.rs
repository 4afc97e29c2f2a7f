//! The operations API: staff and machines of the pharmacy, under `/api`. Never open to partners.
//!
//! The partner API's envelope and errors.

pub mod audit;
pub mod carrier_events;
pub mod clinics;
pub mod feeds;
pub mod formulary;
pub mod free_shipping;
pub mod inventory;
pub mod keys;
pub mod label_purchases;
pub mod legal_holds;
pub mod licenses;
pub mod notices;
pub mod orders;
pub mod originals;
pub mod papers;
pub mod partners;
pub mod practitioners;
pub mod prescriptions;
pub mod refills;
pub mod rules;
pub mod rules_view;
pub mod sandbox;
pub mod shipments;
pub mod staff;
pub mod users;
pub mod webhooks;

use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Web, checks::text, fields::Fields};

pub(crate) const ROOT: &str = "/api";

/// The routes, relative to [`ROOT`].
pub(crate) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(orders::list))
        .routes(routes!(orders::show))
        .routes(routes!(orders::verify))
        .routes(routes!(orders::submit))
        .routes(routes!(orders::acknowledge))
        .routes(routes!(orders::start_fill))
        .routes(routes!(orders::fill))
        .routes(routes!(orders::hold))
        .routes(routes!(orders::release))
        .routes(routes!(orders::reject))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::accept_cancellation))
        .routes(routes!(orders::decline_cancellation))
        .routes(routes!(orders::replace))
        .routes(routes!(prescriptions::show))
        .routes(routes!(prescriptions::hold))
        .routes(routes!(prescriptions::release))
        .routes(routes!(prescriptions::discontinue))
        .routes(routes!(originals::bind))
        .routes(routes!(refills::list))
        .routes(routes!(refills::approve))
        .routes(routes!(refills::deny))
        .routes(routes!(shipments::create, shipments::list))
        .routes(routes!(shipments::show))
        .routes(routes!(shipments::tracking))
        .routes(routes!(shipments::cancel))
        .routes(routes!(shipments::set_status))
        .routes(routes!(label_purchases::list))
        .routes(routes!(papers::label))
        .routes(routes!(papers::barcode))
        .routes(routes!(papers::manifest))
        .routes(routes!(papers::vials))
        .routes(routes!(practitioners::list))
        .routes(routes!(practitioners::activate))
        .routes(routes!(practitioners::suspend))
        .routes(routes!(practitioners::deactivate))
        .routes(routes!(partners::list, partners::create))
        .routes(routes!(partners::show))
        .routes(routes!(partners::approve))
        .routes(routes!(partners::suspend))
        .routes(routes!(partners::list_baas, partners::record_baa))
        .routes(routes!(partners::end_baa))
        .routes(routes!(notices::list))
        .routes(routes!(clinics::list, clinics::create))
        .routes(routes!(clinics::show, clinics::update, clinics::delete))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::show))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::confine))
        .routes(routes!(keys::limit))
        .routes(routes!(rules::show))
        .routes(routes!(rules::thresholds, rules::put_thresholds))
        .routes(routes!(formulary::list, formulary::add))
        .routes(routes!(formulary::remove))
        .routes(routes!(licenses::list, licenses::create))
        .routes(routes!(licenses::show, licenses::update, licenses::delete))
        .routes(routes!(inventory::list))
        .routes(routes!(inventory::receive))
        .routes(routes!(inventory::adjust))
        .routes(routes!(inventory::moves))
        .routes(routes!(inventory::of_order))
        .routes(routes!(free_shipping::show, free_shipping::set, free_shipping::end))
        .routes(routes!(webhooks::list))
        .routes(routes!(webhooks::list_of_clinic))
        .routes(routes!(webhooks::show))
        .routes(routes!(webhooks::stats))
        .routes(routes!(webhooks::deliveries::list))
        .routes(routes!(webhooks::deliveries::retry))
        .routes(routes!(webhooks::deliveries::resend))
        .routes(routes!(webhooks::deliveries::dead_letters))
        .routes(routes!(webhooks::replays::start))
        .routes(routes!(webhooks::replays::show, webhooks::replays::cancel))
        .routes(routes!(staff::session::sign_in, staff::session::show, staff::session::sign_out))
        .routes(routes!(staff::session::list))
        .routes(routes!(staff::session::end))
        .routes(routes!(staff::factors::second_factor))
        .routes(routes!(staff::factors::step_up))
        .routes(routes!(staff::factors::start_totp, staff::factors::remove_totp))
        .routes(routes!(staff::factors::confirm_totp))
        .routes(routes!(staff::factors::make_recovery_codes))
        .routes(routes!(staff::passkeys::list))
        .routes(routes!(staff::passkeys::start))
        .routes(routes!(staff::passkeys::finish))
        .routes(routes!(staff::passkeys::remove))
        .routes(routes!(staff::passkeys::start_sign_in))
        .routes(routes!(staff::passkeys::sign_in))
        .routes(routes!(staff::passkeys::start_step_up))
        .routes(routes!(staff::passkeys::step_up))
        .routes(routes!(staff::glass::begin, staff::glass::end, staff::glass::list))
        .routes(routes!(staff::account::change_password))
        .routes(routes!(staff::account::accept))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::update, users::delete))
        .routes(routes!(users::reset))
        .routes(routes!(users::sessions))
        .routes(routes!(users::revoke_sessions))
        .routes(routes!(audit::search))
        .routes(routes!(audit::verify))
        .routes(routes!(audit::export))
        .routes(routes!(audit::disclosures))
        .routes(routes!(legal_holds::list, legal_holds::place))
        .routes(routes!(legal_holds::release))
        .routes(routes!(sandbox::fixtures))
        .routes(routes!(sandbox::clock))
        .routes(routes!(sandbox::advance))
        .routes(routes!(sandbox::trigger))
        .routes(routes!(sandbox::reset))
        .routes(routes!(feeds::pharmacy_report))
        .routes(routes!(feeds::onboarding_success))
        .routes(routes!(feeds::onboarding_status))
        .routes(routes!(carrier_events::report))
}

/// The body of acts that need no more than a word of explanation.
#[derive(ToSchema)]
pub struct NoteBody {
    /// For the history.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
    /// For the history too: these acts tell partners no words.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// The words for the history: the reason, else the note, or both.
fn read_note(f: &mut Fields<'_>) -> Option<Option<String>> {
    let (reason, note) = (f.optional("reason", text(1..=1000)), f.optional("note", text(1..=1000)));
    Some(match (reason, note) {
        (Some(reason), Some(note)) => Some(format!("{reason}: {note}")),
        (reason, note) => reason.or(note),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<NoteBody, _>(read_note);
    }
}
