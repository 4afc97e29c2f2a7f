//! Whether the server does what its OpenAPI documents say: every reply that a test reads and every delivery that a
//! receiver takes is held against each document that speaks of it.

mod document;

use std::{io::Read as _, sync::OnceLock};

use serde_json::{Value, json};
use ureq::http::{HeaderMap, Method};

use document::{At, Document};

use super::repository;

/// The documents and what their paths follow.
const DOCUMENTS: [(&str, &str); 4] =
    [("partner", "/api/external"), ("integration", "/api/external"), ("orders", ""), ("operations", "")];

/// Headers that no document has to name: those of HTTP itself, those that tell a browser or a proxy what it may do with
/// a reply, and those that depend on the settings of a deployment (the committed documents retire nothing; a served one
/// says `deprecated`).
const HEADERS_OF_ANY_REPLY: [&str; 21] = [
    "access-control-allow-origin",
    "access-control-expose-headers",
    "allow",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "date",
    "deprecation",
    "link",
    "referrer-policy",
    "strict-transport-security",
    "sunset",
    "transfer-encoding",
    "vary",
    "x-accel-buffering",
    "x-content-type-options",
];

fn documents() -> &'static [Document] {
    static DOCUMENTS_READ: OnceLock<Vec<Document>> = OnceLock::new();
    DOCUMENTS_READ.get_or_init(|| {
        let read = |(name, root)| {
            let file = repository(&format!("openapi/{name}.json"));
            let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
            Document::new(name, root, serde_json::from_str(&text).expect("a document is JSON"))
        };
        DOCUMENTS.map(read).into()
    })
}

/// A reply as it came, to what.
pub(crate) struct Answered<'a> {
    /// The type of the client that was answered.
    pub(crate) actor: &'a str,
    pub(crate) method: &'a Method,
    /// From the server's root, with its query.
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) bytes: &'a [u8],
}

impl Answered<'_> {
    /// Whether every document that has the operation says that it may be answered so. No document speaks of
    /// `OPTIONS`, nor of paths that are nobody's; a method that no document has is answered 405.
    pub(crate) fn check(&self) -> Result<(), String> {
        let path = self.path.split('?').next().unwrap_or_default();
        if *self.method == Method::OPTIONS {
            return Ok(());
        }
        // RFC 9110 section 9.3.2: as GET, without the body.
        let method = if *self.method == Method::HEAD { "get" } else { &self.method.as_str().to_lowercase() };
        let (mut is_path, mut is_operation) = (false, false);
        for document in documents() {
            let Some(item) = document.path(path) else { continue };
            is_path = true;
            let Some(operation) = item.get(method) else { continue };
            is_operation = true;
            if document.name == "partner" && is_event_log(path) && self.actor != "PharmacyPartner" {
                // Keys of other profiles are shown events that the partner document does not have.
                continue;
            }
            self.check_against(document, &operation).map_err(|why| {
                let (id, status) = (&operation.value["operationId"], self.status);
                format!("{} {id} answered {status} ({method} {path}): {why}", document.name)
            })?;
        }
        if is_path && !is_operation && self.status != 405 {
            return Err(format!("{method} {path} {}: no document has this method", self.status));
        }
        Ok(())
    }

    fn check_against(&self, document: &Document, operation: &At<'_>) -> Result<(), String> {
        let response = operation.get("responses").and_then(|all| all.get(&self.status.to_string()));
        let response = response.ok_or("the status is not documented")?;
        self.check_headers(document, &response)?;
        let content = response.get("content");
        if *self.method == Method::HEAD {
            return nothing_in(self.bytes);
        }
        let Some(content) = content else { return nothing_in(self.bytes) };
        let media_type = text_of(self.headers, "content-type").ok_or("there is no content type")?;
        let media_type = media_type.split(';').next().unwrap_or_default();
        let content = content.get(media_type).ok_or(format!("{media_type} is not documented"))?;
        if self.bytes.is_empty() {
            return Err("there is no body".to_owned());
        }
        if media_type != "application/json" {
            return Ok(());
        }
        let body = json_of(self.headers, self.bytes)?;
        document.check(&content.get("schema").ok_or("the body has no schema")?, &body)
    }

    fn check_headers(&self, document: &Document, response: &At<'_>) -> Result<(), String> {
        let documented = response.get("headers");
        let names = documented.iter().flat_map(At::keys);
        for (name, header) in names.filter_map(|name| Some((name, documented.as_ref()?.get(name)?))) {
            let Some(text) = text_of(self.headers, name) else {
                if header.value["required"] == true {
                    return Err(format!("there is no {name}"));
                }
                continue;
            };
            let schema = header.get("schema").ok_or(format!("{name} has no schema"))?;
            document.check(&schema, &header_value(&schema, text)).map_err(|why| format!("{name}: {why}"))?;
        }
        let is_documented =
            |name: &str| documented.iter().flat_map(At::keys).any(|known| known.eq_ignore_ascii_case(name));
        let others = self.headers.keys().map(|name| name.as_str());
        let mut unknown = others.filter(|name| !HEADERS_OF_ANY_REPLY.contains(name) && !is_documented(name));
        unknown.next().map_or(Ok(()), |name| Err(format!("the header {name} is not documented")))
    }
}

/// Whether a document says that an endpoint may be sent this. `header` finds a header in whatever case it came.
pub(crate) fn check_delivery<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    bytes: &[u8],
) -> Result<(), String> {
    let body: Value = serde_json::from_slice(bytes).map_err(|error| format!("a delivery: {error}"))?;
    let field = if body["event_type"].is_string() { "event_type" } else { "type" };
    let event_type = body[field].as_str().ok_or("a delivery has no event type")?;
    let mut is_event = false;
    for document in documents() {
        for (name, operation) in document.webhooks() {
            let content = operation.get("requestBody").and_then(|body| body.get("content"));
            let schema = content.and_then(|content| content.get("application/json")?.get("schema"));
            let schema = schema.ok_or(format!("{name}: no schema"))?;
            // Where there is a thin form besides, both have the same types; the full one is the first.
            let forms: Vec<At<'_>> = match schema.get("anyOf") {
                Some(forms) => forms.items().collect(),
                None => vec![schema],
            };
            let types = &forms[0].value["properties"][field]["enum"];
            if !types.as_array().is_some_and(|types| types.contains(&json!(event_type))) {
                continue;
            }
            is_event = true;
            let check = || {
                if header("content-type") != Some("application/json") {
                    return Err(format!("its content type is {:?}", header("content-type")));
                }
                check_parameters(document, &operation, &header)?;
                let found: Vec<_> = forms.iter().map(|form| document.check(form, &body)).collect();
                match found.iter().any(Result::is_ok) {
                    true => Ok(()),
                    // What the full form finds.
                    false => found.into_iter().next().unwrap_or(Ok(())),
                }
            };
            check().map_err(|why| format!("{} delivery of {event_type}: {why}", document.name))?;
        }
    }
    if is_event { Ok(()) } else { Err(format!("no document has the event {event_type}")) }
}

/// The headers of a delivery are the parameters of the webhook's operation.
fn check_parameters<'a>(
    document: &Document,
    operation: &At<'_>,
    header: impl Fn(&str) -> Option<&'a str>,
) -> Result<(), String> {
    let parameters = operation.get("parameters").ok_or("no headers are documented")?;
    for parameter in parameters.items() {
        let name = parameter.value["name"].as_str().ok_or("a parameter has no name")?;
        match header(name) {
            Some(text) => {
                let schema = parameter.get("schema").ok_or(format!("{name} has no schema"))?;
                document.check(&schema, &json!(text)).map_err(|why| format!("{name}: {why}"))?;
            }
            None if parameter.value["required"] == true => return Err(format!("there is no {name}")),
            None => {}
        }
    }
    Ok(())
}

fn is_event_log(path: &str) -> bool {
    path.starts_with("/api/external/events")
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().expect("our headers are ASCII"))
}

/// A header's text as the value that its schema is about.
fn header_value(schema: &At<'_>, text: &str) -> Value {
    let number = (schema.value["type"] == "integer").then(|| text.parse::<i64>().ok()).flatten();
    number.map_or_else(|| json!(text), |number| json!(number))
}

fn nothing_in(bytes: &[u8]) -> Result<(), String> {
    if bytes.is_empty() { Ok(()) } else { Err(format!("a body of {} bytes is not documented", bytes.len())) }
}

fn json_of(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, String> {
    let mut plain = Vec::new();
    let bytes = if text_of(headers, "content-encoding") == Some("gzip") {
        let read = flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain);
        read.map_err(|error| format!("the body is not gzip: {error}"))?;
        &plain
    } else {
        bytes
    };
    serde_json::from_slice(bytes).map_err(|error| format!("the body is not JSON: {error}"))
}
