//! The rules of the pharmacy that an operation may run into, as examples.

use nimbus_app::{
    Detail, Error, RefusalCode,
    events::{cursor_expired, expired},
    key_rotation::rotated_before,
    replays::running_already,
    staff::passkeys::too_many,
};
use nimbus_core::{
    eligibility::{Finding, Rule, Verdict},
    refusal::Refusal,
    time::parse_date,
};

use super::ids;

/// Refusals by rules, each with a name, of the operation with this id.
pub(super) fn of(operation_id: &str) -> Vec<(&'static str, Error)> {
    match operation_id {
        "createPatient" => vec![("duplicate_patient", duplicate_patient())],
        "createMedicationOrder" => {
            vec![
                ("service_not_available", service_not_available()),
                ("clinic_not_found", clinic_not_found("clinic_id")),
            ]
        }
        "replayWebhook" | "replayWebhookEndpoint" | "replayClinicWebhook" => {
            vec![("replay_running", replay_running())]
        }
        "listEvents" | "listOrderEvents" | "streamEvents" | "streamOrderEvents" => {
            vec![("cursor_expired", cursor_expired())]
        }
        "getEvent" | "getOrderEvent" => vec![("event_expired", expired())],
        "createWebhook" => vec![("clinic_not_found", clinic_not_found("clinic_id"))],
        "rotateKey" => vec![("invalid_status_transition", rotated_before())],
        "rotateOwnKey" => {
            vec![("invalid_status_transition", rotated_before()), ("key_may_more", Error::Forbidden)]
        }
        "revokeOwnKey" | "confineOwnKey" => vec![("key_may_more", Error::Forbidden)],
        "resetUser" => vec![("invalid_status_transition", suspended()), ("last_one", last_one())],
        "deleteUser" => vec![("last_one", last_one())],
        "startTotp" => vec![("invalid_status_transition", app_confirmed("started"))],
        "confirmTotp" => vec![
            ("invalid_status_transition", app_confirmed("confirmed")),
            ("too_many_attempts", Error::TooManyAttempts(30)),
        ],
        "signIn" | "giveSecondFactor" | "stepUp" | "changePassword" | "signInWithPasskey"
        | "stepUpWithPasskey" => vec![("too_many_attempts", Error::TooManyAttempts(30))],
        "startPasskey" | "addPasskey" => vec![("too_many_passkeys", too_many())],
        "createPractitioner" => vec![("clinic_not_found", clinic_not_found("assigned_clinic"))],
        "createRefillRequest" => {
            vec![("refill_not_eligible", too_soon()), ("refill_exists", refill_exists())]
        }
        "createOrder" | "createRefill" => vec![("refill_not_eligible", too_soon())],
        id if id.starts_with("retry") || id.starts_with("resend") => {
            vec![("invalid_status_transition", being_sent()), ("event_expired", expired())]
        }
        id if changes_status(id) => vec![("invalid_status_transition", shipped())],
        _ => Vec::new(),
    }
}

/// The operations that move something to another status.
fn changes_status(id: &str) -> bool {
    const ACTS: [&str; 16] = [
        "cancel",
        "verify",
        "submit",
        "acknowledge",
        "startFilling",
        "fill",
        "hold",
        "release",
        "reject",
        "accept",
        "decline",
        "replace",
        "approve",
        "deny",
        "discontinue",
        "moveShipment",
    ];
    ACTS.iter().any(|act| id.starts_with(act))
}

fn refused(code: RefusalCode, detail: Detail) -> Error {
    Error::Refused { code, message: detail.message.clone(), details: vec![detail] }
}

fn duplicate_patient() -> Error {
    let detail = Detail {
        field: None,
        reason: Some("duplicate_patient".to_owned()),
        message: "Patient already exists".to_owned(),
        facts: vec![("patient_id", ids::sample("patient").to_string())],
    };
    refused(RefusalCode::DuplicatePatient, detail)
}

fn service_not_available() -> Error {
    let detail = Detail {
        field: Some("service_id".to_owned()),
        reason: Some("unknown_service".to_owned()),
        message: "Service not available".to_owned(),
        facts: Vec::new(),
    };
    refused(RefusalCode::ServiceNotAvailable, detail)
}

fn clinic_not_found(field: &str) -> Error {
    Error::field(field, "Clinic not found")
}

fn too_soon() -> Error {
    let finding = Finding {
        rule: Rule::TooSoon,
        verdict: Verdict::Refuse,
        message: "The last fill is not used up yet; a refill is possible from 2026-02-05".to_owned(),
        citation: "Policy refill-threshold, after Mississippi 23-214-1.7".to_owned(),
        passes_on: parse_date("2026-02-05"),
    };
    refused(RefusalCode::RefillNotEligible, Detail::from(&finding))
}

fn refill_exists() -> Error {
    let finding = Finding {
        rule: Rule::AlreadyOpen,
        verdict: Verdict::Refuse,
        message: "Refill request already exists".to_owned(),
        citation: "Policy one-open-refill".to_owned(),
        passes_on: None,
    };
    refused(RefusalCode::RefillExists, Detail::from(&finding))
}

fn replay_running() -> Error {
    running_already(ids::sample("replay").into())
}

fn app_confirmed(to: &'static str) -> Error {
    Error::from(Refusal::transition("confirmed", to))
}

fn last_one() -> Error {
    Error::field("id", "the last active super_admin must stay")
}

fn suspended() -> Error {
    Error::from(Refusal::transition("suspended", "invited"))
}

fn being_sent() -> Error {
    Error::from(Refusal::transition("sending", "pending"))
}

fn shipped() -> Error {
    Error::from(Refusal::transition("shipped", "cancelled"))
}
