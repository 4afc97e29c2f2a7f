//! What an operation asks of its caller, read from its `security` entry; and the security schemes.

use serde_json::{Map, Value, json};

use crate::failure::Credential;

/// The credential of an operation, and the scopes or roles of which it needs one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) scheme: Option<String>,
    pub(super) words: Vec<String>,
    /// Whether its callers are about to say who they are.
    signs_in: bool,
}

/// Reads the `security` entry: exactly one scheme, or none.
pub(super) fn of(path: &str, operation: &Value) -> Needs {
    let entry = operation.pointer("/security/0").and_then(Value::as_object);
    let (scheme, words) = match entry.and_then(|entry| entry.iter().next()) {
        Some((scheme, words)) => (Some(scheme.clone()), words.as_array().cloned().unwrap_or_default()),
        None => (None, Vec::new()),
    };
    let signs_in = scheme.is_none() && path.starts_with("/api/staff/");
    Needs { scheme, words: words.iter().filter_map(Value::as_str).map(str::to_owned).collect(), signs_in }
}

/// The name of the scheme of sessions.
const SESSION: &str = "StaffSession";

/// Says that what staff do by an operations token they do by their session as well.
pub(super) fn with_sessions(needs: &Needs, operation: &mut Value) {
    if needs.credential() == Some(Credential::OpsToken)
        && let Some(entries) = operation["security"].as_array_mut()
    {
        entries.push(json!({SESSION: needs.words}));
    }
}

/// The schemes that operations name.
pub(super) fn named(operation: &Value) -> impl Iterator<Item = String> {
    let entries = operation["security"].as_array().cloned().unwrap_or_default();
    entries.into_iter().filter_map(|entry| entry.as_object()?.keys().next().cloned())
}

impl Needs {
    pub(super) fn credential(&self) -> Option<Credential> {
        if self.signs_in {
            return Some(Credential::SignIn);
        }
        match self.scheme.as_deref()? {
            "ApiKeyAuth" => Some(Credential::ApiKey),
            SESSION => Some(Credential::Session),
            "OpsToken" => Some(Credential::OpsToken),
            "FeedSecret" => Some(Credential::FeedSecret),
            "OnboardingToken" => Some(Credential::OnboardingToken),
            "CarrierSignature" => Some(Credential::CarrierSignature),
            _ => None,
        }
    }

    /// A sentence for the operation's description; empty if everybody may.
    pub(super) fn sentence(&self) -> String {
        let words: Vec<String> = self.words.iter().map(|word| format!("`{word}`")).collect();
        match (self.credential(), words.is_empty()) {
            (Some(Credential::ApiKey), false) => format!("Scope: {}.", words.join(" and ")),
            (Some(Credential::ApiKey), true) => "Any API key.".to_owned(),
            (Some(Credential::OpsToken), false) => format!("Role: {}.", words.join(" or ")),
            (Some(Credential::OpsToken), true) => "Any operations token or session.".to_owned(),
            (Some(Credential::Session), true) => "For whoever has signed in.".to_owned(),
            (Some(Credential::Session), false) => {
                format!("For whoever has signed in. Role: {}.", words.join(" or "))
            }
            (Some(Credential::SignIn), _) => "Needs no credential but what is sent.".to_owned(),
            (Some(Credential::FeedSecret), _) => "For the pharmacy system.".to_owned(),
            (Some(Credential::OnboardingToken), _) => "For the onboarding robot.".to_owned(),
            (Some(Credential::CarrierSignature), _) => {
                "For the services that report where parcels are.".to_owned()
            }
            (None, _) => "Needs no credential.".to_owned(),
        }
    }
}

/// Every scheme; documents keep those that they use.
pub(super) fn schemes() -> Map<String, Value> {
    let header = |name: &str, description: &str| json!({"type": "apiKey", "in": "header", "name": name, "description": description});
    let bearer = |description: &str| json!({"type": "http", "scheme": "bearer", "description": description});
    let schemes = [
        (
            "ApiKeyAuth",
            header(
                "X-API-Key",
                "A key of one clinic and one environment: `dev_…` in the sandbox, `prod_…` in production.",
            ),
        ),
        ("OpsToken", bearer("An operations token (`ops_…`) of one or more roles.")),
        (
            SESSION,
            json!({
                "type": "apiKey", "in": "cookie", "name": "__Host-nimbus_session",
                "description": "The session of an account, from signing in. What changes something must come from a page \
                    of the same host. A sandbox that is served over plain HTTP has `nimbus_session` in its place.",
            }),
        ),
        ("FeedSecret", header("X-Pharmetika-Secret", "The secret that the pharmacy system shares with us.")),
        ("OnboardingToken", bearer("The token of the onboarding robot.")),
        (
            "CarrierSignature",
            header(
                "X-Hmac-Signature",
                "EasyPost's signature, `hmac-sha256-hex=…` over the body. ShipEngine signs by RSA-SHA256 in the headers \
                 `x-shipengine-rsa-sha256-key-id`, `x-shipengine-rsa-sha256-signature` and `x-shipengine-timestamp`.",
            ),
        ),
    ];
    schemes.into_iter().map(|(name, scheme)| (name.to_owned(), scheme)).collect()
}
