//! Headers of requests and replies, and the rate limit of an operation.

use nimbus_app::limits::Rates;
use nimbus_core::{access::Environment, rate::Class};
use serde_json::{Map, Value, json};

use super::operations::Facts;
use crate::failure::Credential;

pub(super) const REQUEST_ID: &str = "req_01JF8ZK3V9Q4T7W2X5Y8A1B3C6";

/// An entity tag in visible ASCII (RFC 9110 section 8.8.3).
const TAG: &str = r#"(?:W/)?"[!#-~]*""#;

fn component(section: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{section}/{name}") })
}

/// The headers of requests, as components.
pub(super) fn parameters() -> Map<String, Value> {
    let header = |name: &str, description: &str, schema: Value, example: &str| json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema, "example": example});
    let all = [
        (
            "IdempotencyKey",
            header(
                "Idempotency-Key",
                "Makes the request safe to repeat for 24 hours: the same request with the same key is answered with the first reply, and changes nothing. A UUID is a good choice.",
                json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
                "4f1c7b1e-52a4-4a0e-9a43-0f5d7a3c9b11",
            ),
        ),
        (
            "IfMatch",
            header(
                "If-Match",
                "The `ETag` of what was read: the change is refused with 412 if it is no longer that.",
                json!({"type": "string", "pattern": format!(r"^(?:\*|{TAG}(?: *, *{TAG})*)$"), "examples": ["\"v7\""]}),
                "\"v7\"",
            ),
        ),
        (
            "IfNoneMatch",
            header(
                "If-None-Match",
                "The `ETag` of what was read before: 304 if it is still that.",
                json!({"type": "string"}),
                "\"v7\"",
            ),
        ),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The headers of replies, as components.
pub(super) fn headers() -> Map<String, Value> {
    let header = |description: &str, required: bool, schema: Value| json!({"description": description, "required": required, "schema": schema});
    let text = |example: &str| json!({"type": "string", "examples": [example]});
    let number = |example: u32| json!({"type": "integer", "minimum": 0, "examples": [example]});
    let all = [
        (
            "RequestId",
            header(
                "Names the request in our logs, and in the error if there is one.",
                true,
                json!({"type": "string", "pattern": "^req_[0-9A-Za-z]+$", "examples": [REQUEST_ID]}),
            ),
        ),
        ("RateLimitLimit", header("How many requests of this class a minute may have.", false, number(100))),
        ("RateLimitRemaining", header("How many are left of this minute.", false, number(97))),
        (
            "RateLimitReset",
            header("When the next minute begins, in seconds since 1970.", false, number(1_768_473_060)),
        ),
        (
            "KeyExpires",
            header(
                "When the API key ends by itself, if that is within 30 days.",
                false,
                json!({"type": "string", "format": "date-time", "examples": ["2026-01-15T10:30:00.000Z"]}),
            ),
        ),
        ("RetryAfter", header("Seconds to wait before the next attempt.", true, number(1))),
        (
            "RetryAfterInUse",
            header(
                "Seconds to wait before the next attempt, where the first request with the key is still running.",
                false,
                number(1),
            ),
        ),
        (
            "ETag",
            header(
                "Names this state of the resource, for `If-None-Match` and `If-Match`.",
                true,
                text("\"v7\""),
            ),
        ),
        (
            "Location",
            header(
                "Where the new resource is read.",
                true,
                json!({"type": "string", "format": "uri-reference", "examples": ["/orders/ord_02u5gCkRQeMMgEr1gRQNYv"]}),
            ),
        ),
        (
            "IdempotentReplayed",
            header(
                "There, and `true`, if this is the stored reply of the first request with the key.",
                false,
                json!({"type": "string", "const": "true"}),
            ),
        ),
        (
            "SetCookie",
            header(
                "The cookie of a session, or what has the browser forget one that is good for nothing.",
                false,
                text("__Host-nimbus_session=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0"),
            ),
        ),
        (
            "WWWAuthenticate",
            header("The scheme of the credential that is wanted (RFC 9110).", true, text("ApiKey")),
        ),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn named(headers: &[(&str, &str)]) -> Value {
    let named = headers.iter().map(|(name, part)| ((*name).to_owned(), component("headers", part)));
    Value::Object(named.collect())
}

const ALWAYS: [(&str, &str); 1] = [("X-Request-Id", "RequestId")];
const LIMITED: [(&str, &str); 3] = [
    ("X-RateLimit-Limit", "RateLimitLimit"),
    ("X-RateLimit-Remaining", "RateLimitRemaining"),
    ("X-RateLimit-Reset", "RateLimitReset"),
];

fn common(facts: &Facts<'_>) -> Vec<(&'static str, &'static str)> {
    let mut headers = ALWAYS.to_vec();
    if !facts.is_open() {
        headers.extend(LIMITED);
    }
    if facts.needs.credential() == Some(Credential::ApiKey) {
        headers.push(("Nimbus-Key-Expires", "KeyExpires"));
    }
    if facts.path.starts_with("/api/staff/") {
        headers.push(("Set-Cookie", "SetCookie"));
    }
    headers
}

/// The request headers of an operation, by its method.
pub(super) fn of_request(facts: &Facts<'_>) -> Vec<Value> {
    let name = match facts.method {
        "post" if facts.keeps_replies() => "IdempotencyKey",
        "patch" => "IfMatch",
        "get" if facts.is_conditional() => "IfNoneMatch",
        _ => return Vec::new(),
    };
    vec![component("parameters", name)]
}

/// The headers of a success.
pub(super) fn of_reply(facts: &Facts<'_>, status: &str) -> Value {
    let mut headers = common(facts);
    match (facts.method, status) {
        ("get", "200") if facts.is_conditional() => headers.push(("ETag", "ETag")),
        ("patch", "200") => headers.push(("ETag", "ETag")),
        ("post", _) if facts.keeps_replies() => headers.push(("Idempotent-Replayed", "IdempotentReplayed")),
        _ => {}
    }
    if facts.is_open() && status == "429" {
        headers.push(("Retry-After", "RetryAfter"));
    }
    if status == "201" {
        headers.push(("Location", "Location"));
    }
    named(&headers)
}

/// The reply to a read of what has not changed.
pub(super) fn not_modified(facts: &Facts<'_>) -> Value {
    let mut headers = common(facts);
    headers.push(("ETag", "ETag"));
    json!({"description": "What `If-None-Match` names is still the state of it.", "headers": named(&headers)})
}

/// The headers of a refusal, from those that it was rendered with.
pub(super) fn of_refusal(facts: &Facts<'_>, status: u16, rendered: &http::HeaderMap) -> Value {
    let mut headers = common(facts);
    if rendered.contains_key(http::header::RETRY_AFTER) {
        // Of the conflicts, one alone passes by waiting.
        let part = if status == 409 { "RetryAfterInUse" } else { "RetryAfter" };
        headers.push(("Retry-After", part));
    }
    if status == 401 && facts.needs.credential() == Some(Credential::OpsToken) {
        headers.push(("Set-Cookie", "SetCookie"));
    }
    if rendered.contains_key(http::header::WWW_AUTHENTICATE) {
        headers.push(("WWW-Authenticate", "WWWAuthenticate"));
    }
    named(&headers)
}

/// How often an operation may be called, unless an admin has given a key another limit.
pub(super) struct RateLimit {
    class: Class,
    sandbox_per_minute: u32,
    production_per_minute: u32,
}

/// The limit of an operation's class; none where no credential is asked for.
pub(super) fn rate_limit(facts: &Facts<'_>) -> Option<RateLimit> {
    let class = if facts.is_read() { Class::Reads } else { Class::Writes };
    let credential = facts.needs.credential().filter(|credential| *credential != Credential::SignIn)?;
    let by_key = credential == Credential::ApiKey;
    let per_minute = |environment| {
        let rates = Rates::of(environment);
        if by_key { rates.of_class(class) } else { rates.of_staff(class) }
    };
    Some(RateLimit {
        class,
        sandbox_per_minute: per_minute(Environment::Sandbox),
        production_per_minute: per_minute(Environment::Production),
    })
}

impl RateLimit {
    pub(super) fn sentence(&self) -> String {
        let Self { class, sandbox_per_minute, production_per_minute } = self;
        format!(
            "Rate limit ({class}): {sandbox_per_minute} a minute in the sandbox, {production_per_minute} in production."
        )
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "class": self.class.as_str(),
            "sandbox_per_minute": self.sandbox_per_minute,
            "production_per_minute": self.production_per_minute,
        })
    }
}
