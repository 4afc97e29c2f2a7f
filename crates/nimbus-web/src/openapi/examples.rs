//! Examples: the contract's own samples of requests, and values made from schemas for everything else.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{ids, operations::Facts, schemas, texts};
use crate::surface::Surface;

const INSTANT: &str = "2026-01-15T10:30:00.000Z";
const DAY: &str = "2026-01-15";
/// Deeper nesting than any schema has.
const MAX_DEPTH: usize = 12;

/// The contract's samples. Where one says what an id is of, instead of an id, it gets an id.
const CONTRACT: &[(&str, &str)] = &[
    ("createPractitioner request", include_str!("../../../../testdata/contract/practitioner_request.json")),
    ("createPatient request", include_str!("../../../../testdata/contract/patient_request.json")),
    (
        "createMedicationOrder request",
        include_str!("../../../../testdata/contract/medication_order_request.json"),
    ),
    ("createRefillRequest request", include_str!("../../../../testdata/contract/refill_request.json")),
    ("createWebhook request", include_str!("../../../../testdata/contract/webhook_register_request.json")),
    ("createOrder request", include_str!("../../../../testdata/contract/order_request.json")),
];

/// What fields hold in examples, by their names in snake case, where the schema does not say.
const TEXTS: &[(&str, &str)] = &[
    ("address", "456 Oak Ave, Apt 4B"),
    ("address_line1", "123 Main Street"),
    ("address_line_1", "123 Main Street"),
    ("barcode_url", "https://api-sandbox.nimbus-os.com/links/AQEBlGmOWUBwAIAAAAAAAAAAAQ/barcode.png"),
    ("bound_by", "019468f2-3b1c-7d5e-9a60-4f1e2b3c4d0f"),
    ("carrier", "FedEx"),
    ("carrier_id", "se-3818360"),
    ("cause", "timeout_first_byte"),
    ("citation", "21 CFR 1306.22"),
    ("city", "Austin"),
    ("code", "too_soon"),
    ("cursor", "02u5gCkRQeMMgEr1gRQNYv"),
    ("dea_number", "AB1234563"),
    ("description", "Status of our orders"),
    ("dose", "2.5mg/ml"),
    ("email", "john.doe@example.com"),
    ("event_name", "medication:updated"),
    ("event_types", "medication:updated"),
    ("first_name", "John"),
    ("headers", "X-Environment"),
    ("height", "170 cm"),
    ("how", "The pharmacy asks the prescriber."),
    ("last_name", "Doe"),
    ("license_number", "TX123456"),
    ("license_state", "TX"),
    ("location", "Memphis, TN"),
    ("medication", "Semaglutide"),
    ("medication_allergies", "Penicillin"),
    ("message", "OK"),
    ("name", "Main Street Clinic"),
    ("next_cursor", "02u5gCkRQeMMgEr1gRQNYv"),
    ("note", "Called the clinic"),
    ("notes", "Signature required"),
    ("npi", "1234567893"),
    ("older_names", "medication_order:verified"),
    ("partner_name", "Example Health"),
    ("pharmetika_status", "FILLED"),
    ("phone", "2125550123"),
    ("postal_code", "78702"),
    ("reason", "Asked for by the clinic"),
    ("reference", "SCRIPT-2026-004711"),
    ("resolvable_by", "pharmacy"),
    ("response_body", "{\"ok\": true}"),
    ("rx_number", "RX1000042"),
    ("service_id", "fedex_2day"),
    ("shipment_group_id", "group-2026-01-15"),
    ("shipping_label", "https://api-sandbox.nimbus-os.com/links/AQEBlGmOWUBwAIAAAAAAAAAAAQ/label.pdf"),
    ("shipping_partner", "FedEx"),
    ("sig", "Inject 0.1 ml subcutaneously once weekly"),
    ("signing_secret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
    ("state", "TX"),
    ("state_code", "TX"),
    ("status", "Pending verification"),
    ("street1", "456 Oak Ave"),
    ("to", "pending"),
    // Real ones are longer.
    ("token", "AQEBlGmOWUBwAIAAAAAAAAAAAQ"),
    ("tracking_number", "1Z999AA10123456784"),
    ("tracking_page_url", "https://api-sandbox.nimbus-os.com/track/AQEBlGmOWUBwAIAAAAAAAAAAAQ"),
    ("tracking_url", "https://tracking.example.com/1Z999AA10123456784"),
    ("types", "medication:shipped"),
    ("unit_of_measure", "ml"),
    ("url", "https://partner.example.com/webhooks/nimbus"),
    ("webhook_url", "https://partner.example.com/webhooks/nimbus"),
    ("weight", "70 kg"),
    ("zip", "78702"),
    ("zip_code", "78702"),
];

/// What is null, or empty, in the example of something that goes well.
const ABSENT: &[&str] = &[
    "address_line3",
    "address_line_2",
    "animal_owner_name",
    "cancellation_reason",
    "cancellation_requested_at",
    "cancelled_at",
    "cause_class",
    "delivery_speed",
    "denial_reason",
    "disabled_reason",
    "duplicate",
    "flavor",
    "from",
    "hint",
    "holds",
    "medical_history",
    "middle_name",
    "ndc",
    "other_clinics",
    "reason_for_compounding",
    "reason_for_compounding_additional_context",
    "refill_request_id",
    "released_at",
    "replaces",
    "review_reason",
    "warnings",
];

/// Makes examples of the schemas of a document.
pub(super) struct Samples<'a> {
    schemas: &'a Map<String, Value>,
    surface: Surface,
    /// Whether the operation makes the secrets that its reply shows.
    makes_secrets: bool,
}

impl<'a> Samples<'a> {
    pub(super) fn new(schemas: &'a Map<String, Value>, surface: Surface, operation_id: &str) -> Self {
        let makes_secrets = ["create", "rotate", "test"].iter().any(|act| operation_id.starts_with(act));
        Self { schemas, surface, makes_secrets }
    }

    /// Gives each JSON content an example, under the name of the operation for contract samples.
    pub(super) fn fill(&self, content: &mut Value, what: &str) {
        let Some(json) = content.get_mut("application/json") else { return };
        if json.get("example").is_some() || json.get("examples").is_some() {
            return;
        }
        let sample = CONTRACT.iter().find(|(name, _)| *name == what);
        json["example"] = match sample.and_then(|(_, text)| serde_json::from_str(text).ok()) {
            Some(value) => self.with_ids(value, ""),
            None => self.value(&json["schema"], "", "", 0),
        };
    }

    /// The first field of an object, by name.
    pub(super) fn first_field(&self, schema: &Value) -> Option<String> {
        self.resolved(schema)["properties"].as_object()?.keys().next().cloned()
    }

    /// The names of the fields that an object must have.
    pub(super) fn required(&self, schema: &Value) -> Vec<String> {
        let schema = self.resolved(schema);
        let names = schema["required"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn resolved<'s>(&'s self, schema: &'s Value) -> &'s Value {
        schemas::referred(schema).and_then(|name| self.schemas.get(name)).unwrap_or(schema)
    }

    /// Puts ids where a contract sample says what stands there.
    fn with_ids(&self, value: Value, name: &str) -> Value {
        match value {
            Value::String(text) if is_id(name) => {
                let stands_for_one = Uuid::parse_str(&text).is_err();
                json!(self.id(name, "").filter(|_| stands_for_one).unwrap_or(text))
            }
            Value::Object(object) => Value::Object(
                object
                    .into_iter()
                    .map(|(name, value)| {
                        let value = self.with_ids(value, &name);
                        (name, value)
                    })
                    .collect(),
            ),
            Value::Array(items) => items.into_iter().map(|item| self.with_ids(item, name)).collect(),
            other => other,
        }
    }

    /// The id that a field of this name holds, in an object of the schema `owner`.
    fn id(&self, name: &str, owner: &str) -> Option<String> {
        let name = snake(name);
        let owner = snake(owner);
        let noun = match name.as_str() {
            "id" | "ids" => owner.strip_suffix("_reply").unwrap_or(&owner),
            other => other.strip_suffix("_id").or_else(|| other.strip_suffix("_ids")).unwrap_or(other),
        };
        ids::prefix(noun).map(|_| ids::text(noun, self.surface))
    }

    /// A value of a schema. `name` is the field that holds it, `owner` the schema of the object around it.
    fn value(&self, schema: &Value, name: &str, owner: &str, depth: usize) -> Value {
        if let Some(given) = schema.pointer("/examples/0").or_else(|| schema.get("const")) {
            return given.clone();
        }
        if ABSENT.contains(&snake(name).as_str()) && schemas::is_nullable(schema) || depth > MAX_DEPTH {
            return Value::Null;
        }
        if let Some(target) = schemas::referred(schema) {
            return self
                .schemas
                .get(target)
                .map_or(Value::Null, |schema| self.value(schema, name, target, depth + 1));
        }
        if let Some(first) = schema.pointer("/enum/0") {
            return first.clone();
        }
        // A condition on the fields of an object stands beside them.
        let is_object = schema.get("properties").is_some();
        let mut parts = ["oneOf", "anyOf", "allOf"].iter().filter(|_| !is_object);
        if let Some(first) = parts.find_map(|word| schema.get(word)?.get(0)) {
            return self.value(first, name, owner, depth + 1);
        }
        match kind(schema) {
            "object" => self.object(schema, owner, depth),
            "array" if ABSENT.contains(&snake(name).as_str()) => json!([]),
            "array" => json!([self.value(&schema["items"], name, owner, depth + 1)]),
            "boolean" => json!(false),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
            "string" => self.text(schema, name, owner),
            _ => Value::Null,
        }
    }

    fn object(&self, schema: &Value, owner: &str, depth: usize) -> Value {
        // Of what a condition allows, the first.
        let first = schema.pointer("/anyOf/0").unwrap_or(&Value::Null);
        let required = [self.required(schema), self.required(first)].concat();
        let properties = schema["properties"].as_object().into_iter().flatten();
        // What a request may leave out and nobody gave an example for is left out.
        let shown = properties
            .filter(|(name, property)| required.contains(name) || property.get("examples").is_some())
            .filter(|(name, _)| self.makes_secrets || snake(name) != "signing_secret");
        let object =
            shown.map(|(name, property)| (name.clone(), self.value(property, name, owner, depth + 1)));
        Value::Object(object.collect())
    }

    fn text(&self, schema: &Value, name: &str, owner: &str) -> Value {
        let known =
            |name: &str| TEXTS.iter().find(|(other, _)| *other == name).map(|(_, text)| (*text).to_owned());
        let text = match schema["format"].as_str() {
            Some("date-time") => INSTANT.to_owned(),
            Some("date") => DAY.to_owned(),
            Some("uuid") => self.id(name, owner).unwrap_or_else(|| ids::sample("").to_string()),
            _ => self
                .id(name, owner)
                .filter(|_| is_id(name))
                .or_else(|| known(&snake(name)))
                .unwrap_or_else(|| "text".to_owned()),
        };
        json!(text)
    }
}

fn is_id(name: &str) -> bool {
    let name = snake(name);
    name == "id" || name.ends_with("_id") || name.ends_with("_ids") || name == "replaces"
}

/// The type of a schema, `null` apart.
fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        other => other.as_str().unwrap_or_default(),
    }
}

/// `patientId` and `PatientId` as `patient_id`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Completes a parameter: an example, and for ids their form.
pub(super) fn parameter(facts: &Facts<'_>, samples: &Samples<'_>, parameter: &mut Value) {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    let noun = match (name.as_str(), &parameter["in"]) {
        ("id", _) => segment_before(facts.path, "{id}").to_owned(),
        // An HTTP request's, not a medication request's.
        ("request_id", _) => String::new(),
        (other, _) => snake(other).strip_suffix("_id").unwrap_or_default().to_owned(),
    };
    let noun = noun.replace('-', "_");
    if ids::prefix(&noun).is_some() {
        parameter["example"] = json!(ids::text(&noun, facts.surface));
        parameter["schema"] = id_of(&noun, facts.surface);
    }
    let is_feed = ["/events", "/events/stream"].iter().any(|path| facts.path.ends_with(path));
    if name == "Last-Event-ID" || (name == "cursor" && is_feed) {
        parameter["schema"] = id_of("event", facts.surface);
        parameter["example"] = json!(ids::text("event", facts.surface));
    } else if name == "cursor" {
        // The id of the last item of the page before, in base62; that of a 128-bit number begins below 7.
        parameter["schema"] = json!({"type": "string", "pattern": "^[0-6][0-9A-Za-z]{21}$"});
    }
    texts::in_query(&name, &mut parameter["schema"]);
    if parameter.get("example").is_none() {
        parameter["example"] = match name.as_str() {
            "limit" => json!(25),
            _ => samples.value(&parameter["schema"], &name, "", 0),
        };
    }
    if parameter["in"] == "query" && parameter["required"] != true {
        // An empty one is as if it were left out.
        parameter["allowEmptyValue"] = json!(true);
    }
}

/// The ids of what a noun names, as a surface writes them.
fn id_of(noun: &str, surface: Surface) -> Value {
    match (surface, ids::prefix(noun)) {
        (Surface::Orders, Some(prefix)) => {
            json!({"type": "string", "pattern": format!("^{prefix}_[a-zA-Z0-9]+$")})
        }
        _ => json!({"type": "string", "format": "uuid"}),
    }
}

fn segment_before<'p>(path: &'p str, wanted: &str) -> &'p str {
    let mut before = "";
    for segment in path.split('/') {
        if segment == wanted {
            break;
        }
        before = segment;
    }
    before
}
