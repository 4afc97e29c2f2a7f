//! The events that a surface sends: the `webhooks` section, from the catalogue that the deliveries follow.

use nimbus_app::endpoints::Shape;
use nimbus_core::access::{Profile, Scopes};
use nimbus_webhooks::payload::{CatalogueEntry, any_event, catalogue};
use serde_json::{Map, Value, json};

use super::{documents::Kind, operations::title, schemas};

/// The components that stand for any event of a shape.
pub(super) const ANY_EVENT: [&str; 2] = ["schemas/WebhookEvent", "schemas/OrdersWebhookEvent"];

/// The section. Its schemas are added to those of the document.
pub(super) fn section(kind: Kind, all: &mut Map<String, Value>) -> Map<String, Value> {
    let Some(shape) = shape(kind) else { return Map::new() };
    let scopes = match kind {
        Kind::Partner => Scopes::profile(Profile::PharmacyPartner),
        _ => Scopes::all(),
    };
    let entries: Vec<CatalogueEntry> =
        catalogue(shape).into_iter().filter(|entry| scopes.has(entry.scope)).collect();
    let any: Vec<Value> = entries.iter().map(|entry| schemas::reference(entry.schema_name)).collect();
    let (name, _) = any_event(shape);
    all.insert(
        name.to_owned(),
        json!({"oneOf": any, "description": "Any event that an endpoint may be sent."}),
    );
    entries
        .into_iter()
        .map(|entry| {
            let webhook = json!({ "post": delivery(&entry) });
            if let Some(thin) = &entry.thin_schema {
                all.insert(thin_name(&entry), thin.clone());
            }
            let schema = serde_json::to_value(entry.schema).expect("a schema has string keys");
            all.insert(entry.schema_name.to_owned(), schema);
            (entry.name.to_owned(), webhook)
        })
        .collect()
}

const fn shape(kind: Kind) -> Option<Shape> {
    match kind {
        Kind::Partner | Kind::Integration => Some(Shape::Partner),
        Kind::Orders => Some(Shape::Orders),
        Kind::Operations => None,
    }
}

/// One event as a request that the partner's endpoint receives.
fn delivery(entry: &CatalogueEntry) -> Value {
    let id = operation_id(entry.schema_name);
    let mut description = vec![format!("{}.", entry.description.trim_end_matches('.'))];
    if entry.types.iter().any(|name| *name != entry.name) {
        description.push(format!("Narrow names: {}.", names(&entry.types)));
    }
    if !entry.older.is_empty() {
        description.push(format!("Older names that can be subscribed to: {}.", names(&entry.older)));
    }
    description.push(format!("Sent where the endpoint's key has the scope `{}`.", entry.scope));
    json!({
        "operationId": id,
        "summary": title(&id),
        "description": description.join("\n\n"),
        "tags": ["Webhooks"],
        "security": [],
        "parameters": headers(),
        "requestBody": {
            "description": "The event. The signatures are of these very bytes.",
            "required": true,
            "content": {"application/json": content(entry)},
        },
        "responses": {
            "2XX": {"description": "Received. Answer within ten seconds; do the work afterwards."},
            "410": {"description": "Gone: the endpoint is disabled."},
            "429": {"description": "Not now: `Retry-After`, up to an hour, is honoured."},
            "4XX": {"description": "Not received: it is sent again on the schedule, then kept as a dead letter."},
            "5XX": {"description": "Not received: it is sent again on the schedule, then kept as a dead letter."},
        },
    })
}

/// The body in its full form, and in its thin one where that has less.
fn content(entry: &CatalogueEntry) -> Value {
    let full = schemas::reference(entry.schema_name);
    if entry.thin_schema.is_none() {
        return json!({"schema": full, "example": entry.example});
    }
    json!({
        "schema": {"anyOf": [full, schemas::reference(&thin_name(entry))]},
        "examples": {
            "full": {"summary": "All of it", "value": entry.example},
            "thin": {"summary": "For a webhook with `payload: thin`", "value": entry.thin_example},
        },
    })
}

/// `ShipmentCreatedThinEvent`.
fn thin_name(entry: &CatalogueEntry) -> String {
    format!("{}ThinEvent", entry.schema_name.strip_suffix("Event").unwrap_or(entry.schema_name))
}

/// `ShipmentCreatedEvent` is received by `onShipmentCreated`.
fn operation_id(schema_name: &str) -> String {
    format!("on{}", schema_name.strip_suffix("Event").unwrap_or(schema_name))
}

fn names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The headers of a delivery.
fn headers() -> Value {
    let header = |name: &str, required: bool, description: &str, example: &str| {
        json!({
            "name": name, "in": "header", "required": required, "description": description,
            "schema": {"type": "string"}, "example": example,
        })
    };
    json!([
        header(
            "webhook-id",
            true,
            "The same on every attempt: what you have seen before, you can ignore.",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"
        ),
        header(
            "webhook-timestamp",
            true,
            "When this attempt was signed, in seconds since 1970.",
            "1649367553"
        ),
        header(
            "webhook-signature",
            true,
            "Standard Webhooks, over `id.timestamp.body`: `v1,` and the HMAC-SHA256 in base64, or, with `signing: ed25519`, `v1a,` and the ed25519 signature; several, separated by a space, while a secret is rotated.",
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        ),
        header(
            "X-Webhook-Signature",
            true,
            "The older scheme: HMAC-SHA256 of the body under the whole signing secret, in hexadecimal.",
            "8b5f48702995c1598c573db1e21866a9b825d4a794d169d7060a03605796360b"
        ),
        header(
            "X-API-Key",
            false,
            "The key that registered the endpoint; once it is rotated, the new one from its first use. Left out with `send_api_key: false`, and once the key is revoked.",
            "dev_example"
        ),
        header("User-Agent", true, "Begins with `Nimbus-Webhooks/`.", "Nimbus-Webhooks/1.0"),
    ])
}
