//! One pass over every operation: what it is called, who may, how often, its headers, refusals and examples.

use serde_json::{Map, Value, json};

use super::{examples::Samples, headers, refusals, schemas, security};
use crate::surface::Surface;

/// What operations share, gathered while they are described.
pub(super) struct Parts {
    pub(super) schemas: Map<String, Value>,
    pub(super) responses: Map<String, Value>,
}

impl Parts {
    pub(super) fn new(schemas: Map<String, Value>) -> Self {
        Self { schemas, responses: Map::new() }
    }

    /// The components of the document.
    pub(super) fn into_components(self) -> Map<String, Value> {
        let sections = [
            ("schemas", self.schemas),
            ("responses", self.responses),
            ("parameters", headers::parameters()),
            ("headers", headers::headers()),
            ("securitySchemes", security::schemes()),
        ];
        sections.into_iter().map(|(name, all)| (name.to_owned(), Value::Object(all))).collect()
    }
}

/// What the rest of an operation's description follows from.
pub(super) struct Facts<'a> {
    pub(super) method: &'a str,
    /// From the server's root.
    pub(super) path: &'a str,
    pub(super) id: String,
    pub(super) surface: Surface,
    pub(super) needs: security::Needs,
}

impl Facts<'_> {
    pub(super) fn is_read(&self) -> bool {
        self.method == "get"
    }

    /// Whether the reply has a tag, so that what has not changed is not sent again. A stream has no end to be tagged, and
    /// an export is not held to be.
    pub(super) fn is_conditional(&self) -> bool {
        let is_streamed = self.path.ends_with("/stream") || self.path.ends_with("/export");
        self.is_read() && Surface::is_api(self.path) && !is_streamed
    }

    /// Whether the reply to a POST is kept under its `Idempotency-Key`. Those with cookies and secrets are not.
    pub(super) fn keeps_replies(&self) -> bool {
        !self.path.starts_with("/api/staff/")
    }

    /// Documents and health are open to everybody, and answer no refusals of their own.
    pub(super) fn is_open(&self) -> bool {
        self.needs.credential().is_none()
    }
}

/// Completes one operation.
pub(super) fn describe(parts: &mut Parts, path: &str, method: &str, operation: &mut Value) {
    let facts = Facts {
        method,
        path,
        id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
        surface: Surface::of(path),
        needs: security::of(path, operation),
    };
    security::with_sessions(&facts.needs, operation);
    words(&facts, operation);
    let samples = Samples::new(&parts.schemas, facts.surface, &facts.id);
    parameters(&facts, &samples, operation);
    if let Some(content) = operation.pointer_mut("/requestBody/content") {
        samples.fill(content, &format!("{} request", facts.id));
        if !needs_body(&parts.schemas, content) {
            operation["requestBody"]["required"] = json!(false);
        }
    }
    let refused = refusals::responses(&facts, operation, &samples);
    successes(&facts, operation, &samples);
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    responses.extend(
        refused
            .into_iter()
            .map(|(status, response)| (status, refusals::shared(&mut parts.responses, response))),
    );
}

/// Whether a body has fields that must be there: one without is read as an empty object.
fn needs_body(schemas: &Map<String, Value>, content: &Value) -> bool {
    let Some(schema) = content.pointer("/application~1json/schema") else { return true };
    let named = schemas::referred(schema).and_then(|name| schemas.get(name));
    needs_fields(named.unwrap_or(schema))
}

fn needs_fields(schema: &Value) -> bool {
    let by_itself = schema["required"].as_array().is_some_and(|names| !names.is_empty());
    let by_condition = schema["anyOf"].as_array().is_some_and(|parts| parts.iter().all(needs_fields));
    by_itself || by_condition
}

/// Title, description with scope and rate limit, and the rate limit for programs.
fn words(facts: &Facts<'_>, operation: &mut Value) {
    let said = ["summary", "description"].map(|name| operation[name].as_str().unwrap_or_default().to_owned());
    let mut said: Vec<String> = said.into_iter().filter(|text| !text.is_empty()).collect();
    if said.is_empty() {
        said.push(outcome(operation));
    }
    said.push(facts.needs.sentence());
    operation["summary"] = json!(title(&facts.id));
    if let Some(limit) = headers::rate_limit(facts) {
        said.push(limit.sentence());
        operation["x-rate-limit"] = limit.to_json();
    }
    operation["description"] = json!(said.join("\n\n"));
}

/// What a success means, as a sentence.
fn outcome(operation: &Value) -> String {
    let responses = operation["responses"].as_object();
    let success = responses.and_then(|all| all.iter().find(|(status, _)| status.starts_with('2')));
    let text = success.and_then(|(_, response)| response["description"].as_str()).unwrap_or_default();
    format!("{}.", text.trim_end_matches('.'))
}

/// `listMedicationOrders` reads `List medication orders`.
pub(super) fn title(operation_id: &str) -> String {
    let mut title = String::new();
    for (index, letter) in operation_id.chars().enumerate() {
        match index {
            0 => title.extend(letter.to_uppercase()),
            _ if letter.is_uppercase() => {
                title.push(' ');
                title.extend(letter.to_lowercase());
            }
            _ => title.push(letter),
        }
    }
    title
}

/// Examples for the operation's own parameters, and the request headers that its method takes.
fn parameters(facts: &Facts<'_>, samples: &Samples<'_>, operation: &mut Value) {
    let mut all = operation["parameters"].as_array().cloned().unwrap_or_default();
    for parameter in &mut all {
        super::examples::parameter(facts, samples, parameter);
    }
    all.extend(headers::of_request(facts));
    if !all.is_empty() {
        operation["parameters"] = Value::Array(all);
    }
}

/// Headers and examples of the replies that are no refusals. Refusals that an annotation lists are dropped: they
/// are derived.
fn successes(facts: &Facts<'_>, operation: &mut Value, samples: &Samples<'_>) {
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    responses.retain(|status, _| status.starts_with('2') || facts.is_open());
    for (status, response) in responses.iter_mut() {
        response["headers"] = headers::of_reply(facts, status);
        if let Some(content) = response.get_mut("content") {
            samples.fill(content, &facts.id);
        }
    }
    if facts.is_conditional() {
        responses.insert("304".to_owned(), headers::not_modified(facts));
    }
}
