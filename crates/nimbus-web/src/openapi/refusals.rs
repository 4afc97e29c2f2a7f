//! Refusals: which an operation can answer, in its surface's shape, each with an example that was rendered as a
//! real one is.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use http::HeaderMap;
use http_body_util::BodyExt;
use nimbus_app::{Error, FieldError, page::Page};
use nimbus_core::{
    access::{Environment, Scope},
    practitioner::ImageKind,
};
use serde_json::{Map, Value, json};

use super::{
    examples::Samples,
    headers::{self, REQUEST_ID},
    operations::Facts,
    rules, schemas,
};
use crate::{
    body, checks,
    failure::{Credential, Failure},
    images,
    partner_api::practitioners::signature,
    surface::Surface,
};

/// One refusal, with a name for its example.
struct Refusal {
    name: &'static str,
    failure: Failure,
    /// Whether other operations refuse in the very same way.
    common: bool,
}

impl Refusal {
    const fn common(name: &'static str, failure: Failure) -> Self {
        Self { name, failure, common: true }
    }

    const fn own(name: &'static str, failure: Failure) -> Self {
        Self { name, failure, common: false }
    }
}

/// The response of one status. One with a name is shared by the operations of the document.
pub(super) struct Response {
    name: Option<String>,
    value: Value,
}

/// A reference to the response if it is shared, or else the response.
pub(super) fn shared(all: &mut Map<String, Value>, response: Response) -> Value {
    match response.name {
        Some(name) => {
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            all.insert(name, response.value);
            reference
        }
        None => response.value,
    }
}

/// Every refusal of an operation, by status.
pub(super) fn responses(
    facts: &Facts<'_>,
    operation: &Value,
    samples: &Samples<'_>,
) -> BTreeMap<String, Response> {
    if facts.is_open() {
        return BTreeMap::new();
    }
    let mut by_status: BTreeMap<u16, Vec<(Refusal, HeaderMap, Value)>> = BTreeMap::new();
    for refusal in refusals(facts, operation, samples) {
        let (status, headers, body) = render(facts.surface, &refusal.failure);
        by_status.entry(status).or_default().push((refusal, headers, body));
    }
    by_status.into_iter().map(|(status, all)| (status.to_string(), response(facts, status, &all))).collect()
}

fn response(facts: &Facts<'_>, status: u16, all: &[(Refusal, HeaderMap, Value)]) -> Response {
    let examples: Map<String, Value> = all
        .iter()
        .map(|(refusal, _, body)| {
            (refusal.name.to_owned(), json!({"summary": summary(refusal.name), "value": body}))
        })
        .collect();
    let mut rendered = HeaderMap::new();
    for (_, headers, _) in all {
        rendered.extend(headers.clone());
    }
    let value = json!({
        "description": description(status),
        "headers": headers::of_refusal(facts, status, &rendered),
        "content": {"application/json": {"schema": schemas::reference("Error"), "examples": examples}},
    });
    let name = all.iter().all(|(refusal, ..)| refusal.common).then(|| shared_name(facts, status));
    Response { name, value }
}

/// A name for the response that operations share: `TooLarge`; a 401 differs by what is wanted.
fn shared_name(facts: &Facts<'_>, status: u16) -> String {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let name: String = reason.unwrap_or("Refused").split(' ').collect();
    match (status, facts.needs.credential()) {
        (401, Some(Credential::OpsToken)) => format!("{name}Staff"),
        (401, Some(Credential::Session)) => format!("{name}Session"),
        (401, Some(Credential::SignIn)) => format!("{name}SignIn"),
        // A cookie is believed of our own pages alone.
        (403, Some(Credential::OpsToken)) if !facts.is_read() => format!("{name}Change"),
        (403, Some(Credential::Session)) => {
            format!("{name}Session{}", if facts.is_read() { "" } else { "Change" })
        }
        (401, Some(Credential::FeedSecret)) => format!("{name}PharmacySystem"),
        (401, Some(Credential::OnboardingToken)) => format!("{name}Onboarding"),
        (401, Some(Credential::CarrierSignature)) => format!("{name}Carrier"),
        _ => name,
    }
}

fn render(surface: Surface, failure: &Failure) -> (u16, HeaderMap, Value) {
    let response = surface.refuse(failure, Environment::Sandbox, REQUEST_ID);
    let (parts, body) = response.into_parts();
    let bytes = body.collect().now_or_never().and_then(Result::ok).map(|body| body.to_bytes());
    let body = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    (parts.status.as_u16(), parts.headers, body.expect("a refusal is JSON that is there at once"))
}

/// `field_missing` reads `Field missing`.
fn summary(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

const fn description(status: u16) -> &'static str {
    match status {
        400 => {
            "The request cannot be read, is not valid, or a rule of the pharmacy refuses it; the details name every reason."
        }
        401 => {
            "No valid credential was sent. The same answer for a missing, malformed, unknown, revoked or expired one."
        }
        403 => "The credential does not allow this operation.",
        404 => "The id in the path names nothing that the credential can see.",
        409 => "Another request is in the way, or the state of the resource.",
        410 => "It is past its retention: it was there, and what it said is not kept any more.",
        412 => "The resource is no longer what `If-Match` names.",
        413 => "The body is too large.",
        415 => "The body is of a type that is not taken here.",
        422 => {
            "A field or a parameter is not valid, or a rule of the pharmacy refuses it; the details name every reason."
        }
        429 => "Too many requests of this class in a minute; `Retry-After` says when to try again.",
        503 => "Nimbus cannot answer right now; `Retry-After` says when to try again.",
        _ => "Something went wrong on our side.",
    }
}

fn refusals(facts: &Facts<'_>, operation: &Value, samples: &Samples<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    who(facts, &mut all);
    if let Some(noun) = noun(facts.path) {
        all.push(Refusal::own("not_found", Failure::App(Error::NotFound(noun))));
    }
    if facts.path.contains("/sandbox/") {
        all.push(Refusal::own("not_in_production", Failure::UnknownPath));
    }
    body_and_query(facts, operation, samples, &mut all);
    match facts.method {
        "post" if facts.keeps_replies() => {
            all.push(Refusal::common("idempotency_key_conflict", Failure::App(Error::IdempotencyConflict)));
            all.push(Refusal::common("idempotency_key_in_use", Failure::App(Error::IdempotencyInUse)));
        }
        "patch" => all.push(Refusal::common("changed_meanwhile", Failure::App(Error::PreconditionFailed))),
        _ => {}
    }
    all.extend(rules::of(&facts.id).into_iter().map(|(name, error)| Refusal::own(name, Failure::App(error))));
    all.push(Refusal::common("rate_limit_exceeded", Failure::RateLimited(12)));
    all.push(Refusal::common("internal_error", Failure::Panic));
    all.push(Refusal::common("unavailable", Failure::Timeout));
    all
}

fn who(facts: &Facts<'_>, all: &mut Vec<Refusal>) {
    let Some(credential) = facts.needs.credential() else { return };
    all.push(Refusal::common("unauthorized", Failure::Unauthorized(credential)));
    let scope = facts.needs.words.first().and_then(|word| Scope::parse(word));
    match credential {
        Credential::ApiKey => {
            all.push(Refusal::common("other_environment", Failure::OtherEnvironment));
            all.extend(scope.map(|scope| Refusal::own("missing_scope", Failure::MissingScope(scope))));
        }
        Credential::SignIn => all.push(Refusal::common("other_page", Failure::OtherPage)),
        Credential::Session => all.push(Refusal::common("no_session", Failure::App(Error::Forbidden))),
        _ if facts.needs.words.is_empty() => {}
        _ => all.push(Refusal::common("missing_role", Failure::App(Error::Forbidden))),
    }
    if needs_step_up(&facts.id) {
        all.push(Refusal::own("step_up_required", Failure::App(Error::StepUpRequired)));
    }
    if credential == Credential::OpsToken || facts.id == "breakGlass" {
        all.push(Refusal::common("second_factor_required", Failure::App(Error::SecondFactorRequired)));
    }
    if matches!(credential, Credential::OpsToken | Credential::Session) && !facts.is_read() {
        all.push(Refusal::common("other_page", Failure::OtherPage));
    }
}

/// The operations for which a factor must have been given of late.
fn needs_step_up(operation_id: &str) -> bool {
    const DANGEROUS: [&str; 24] = [
        "approvePartner",
        "suspendPartner",
        "recordAgreement",
        "endAgreement",
        "deleteClinic",
        "createKey",
        "rotateKey",
        "revokeKey",
        "limitKey",
        "exportAudit",
        "inviteUser",
        "updateUser",
        "deleteUser",
        "resetUser",
        "revokeUserSessions",
        "startTotp",
        "confirmTotp",
        "removeTotp",
        "makeRecoveryCodes",
        "startPasskey",
        "addPasskey",
        "removePasskey",
        "breakGlass",
        "releaseLegalHold",
    ];
    DANGEROUS.contains(&operation_id)
}

fn body_and_query(facts: &Facts<'_>, operation: &Value, samples: &Samples<'_>, all: &mut Vec<Refusal>) {
    let media_types = operation.pointer("/requestBody/content").and_then(Value::as_object);
    if let Some(schema) = media_types.and_then(|types| types.get("application/json")?.get("schema")) {
        let missing = samples.required(schema);
        if !missing.is_empty() {
            let fields = missing.iter().take(2).map(|name| FieldError::new(name, "is required")).collect();
            all.push(Refusal::own("fields_missing", Failure::App(Error::Invalid(fields))));
        } else if let Some(name) = samples.first_field(schema) {
            let message = checks::text(0..=1)(&Value::Null).err().unwrap_or_default();
            all.push(Refusal::own("field_not_valid", Failure::App(Error::field(&name, message))));
        }
        let malformed = body::parse(b"{\"quantity\": 1,}").err();
        all.extend(malformed.map(|failure| Refusal::own("not_json", failure)));
        all.push(Refusal::common("unsupported_media_type", Failure::UnsupportedMediaType(body::JSON)));
        all.push(Refusal::common("payload_too_large", Failure::PayloadTooLarge(body::MAX_JSON.words)));
    } else if media_types.is_some() {
        let why = images::check(ImageKind::Png, b"GIF89a").err().unwrap_or_default();
        all.push(Refusal::own("not_an_image", Failure::App(Error::field("$", why))));
        all.push(Refusal::own("unsupported_media_type", Failure::UnsupportedMediaType(signature::IMAGE)));
        all.push(Refusal::own("payload_too_large", Failure::PayloadTooLarge(signature::MAX_IMAGE.words)));
    } else if facts.method == "post" {
        all.push(Refusal::common("payload_too_large", Failure::PayloadTooLarge(body::MAX_JSON.words)));
    }
    if facts.method == "post" {
        let mut headers = HeaderMap::new();
        headers.insert("Idempotency-Key", http::HeaderValue::from_static("two words"));
        all.extend(
            body::idempotency_key(&headers)
                .err()
                .map(|failure| Refusal::own("idempotency_key_not_valid", failure)),
        );
    }
    if let Some(parameter) = own_parameters(operation).find(|parameter| parameter["in"] == "query") {
        all.push(Refusal::own("parameter_not_valid", Failure::App(not_valid(parameter))));
        all.push(Refusal::own("parameter_given_twice", body::given_twice()));
    }
}

fn own_parameters(operation: &Value) -> impl Iterator<Item = &Value> {
    operation["parameters"].as_array().into_iter().flatten()
}

/// How a query is refused, told by its first parameter.
fn not_valid(parameter: &Value) -> Error {
    let name = parameter["name"].as_str().unwrap_or_default();
    let message = match (name, parameter["required"] == true) {
        ("limit", _) => checks::count(1..=Page::MAX)(&json!("0")).err().unwrap_or_default(),
        (_, true) => "is required".into(),
        (_, false) => checks::id::<uuid::Uuid>(&json!("?")).err().unwrap_or_default(),
    };
    Error::field(name, message)
}

/// What the last id of a path names.
fn noun(path: &str) -> Option<&'static str> {
    let mut before = "";
    let mut found = None;
    for segment in path.split('/') {
        if segment.starts_with('{') {
            found = Some(match before {
                "practitioner" | "practitioners" => "Practitioner",
                "patient" => "Patient",
                "medication-order" | "orders" => "Medication order",
                "medication-request" => "Medication request",
                "prescription" | "prescriptions" => "Prescription",
                "refill-request" | "refill-requests" | "refills" => "Refill request",
                "shipment" | "shipments" => "Shipment",
                "webhook" | "webhooks" => "Webhook",
                "deliveries" => "Delivery",
                "replay" => "Replay",
                "events" => "Event",
                "clinics" => "Clinic",
                "keys" => "API key",
                "partners" => "Partner",
                "baa" => "Agreement",
                "users" => "User",
                "sessions" => "Session",
                "passkeys" => "Passkey",
                _ => "Resource",
            });
        }
        before = segment;
    }
    found
}
