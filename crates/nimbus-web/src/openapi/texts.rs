//! What requests may hold, as their readers read it: numbers may be sent as text, texts must have something to
//! see and no control characters, and an empty text in an optional field is as if it were left out.

use serde_json::{Map, Value, json};

use super::schemas::is_nullable;

/// A text with something to see: no control characters but line feed, tab and carriage return, and a character
/// that is neither white space nor an invisible mark. As `checks::text` has it.
const VISIBLE: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff][^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";
/// The same, or nothing.
const VISIBLE_OR_BLANK: &str = r"^(\s*|[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff][^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*)$";
const WHOLE_NUMBER: &str = r"^\s*[0-9]+\s*$";
const QUANTITY: &str = r"^\s*[0-9]+(\.[0-9]{1,3})?\s*$";

/// Makes the schema of a request body as wide, and as narrow, as its reader.
pub(super) fn as_they_are_read(schema: &mut Value) {
    let required: Vec<String> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        let optional = !required.contains(name) && is_nullable(property);
        if let Some(items) = property.get_mut("items") {
            field(items, false);
        }
        field(property, optional);
    }
}

fn field(schema: &mut Value, optional: bool) {
    match kind(schema) {
        Some("integer") => number(schema, "integer", WHOLE_NUMBER),
        Some("number") => number(schema, "number", QUANTITY),
        Some("string") if is_plain(schema) => {
            plain_text(schema, optional);
            return;
        }
        Some("array" | "object") => return,
        _ => {}
    }
    if optional {
        or_blank(schema);
    }
}

/// The type beside `null`.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        other => other.as_str(),
    }
}

/// A text that is bounded by its length alone.
fn is_plain(schema: &Value) -> bool {
    ["format", "pattern", "enum", "const"].iter().all(|word| schema.get(word).is_none())
}

fn plain_text(schema: &mut Value, optional: bool) {
    let Some(object) = schema.as_object_mut() else { return };
    if !object.contains_key("maxLength") {
        return;
    }
    if optional {
        object.remove("minLength");
        object.insert("pattern".to_owned(), json!(VISIBLE_OR_BLANK));
    } else {
        object.entry("minLength").or_insert(json!(1));
        object.insert("pattern".to_owned(), json!(VISIBLE));
    }
}

/// A number, or its text.
fn number(schema: &mut Value, kind: &str, pattern: &str) {
    let nullable = is_nullable(schema);
    let Some(object) = schema.as_object_mut() else { return };
    let mut bounds = Map::from_iter([("type".to_owned(), json!(kind))]);
    for word in ["minimum", "maximum", "exclusiveMinimum", "multipleOf"] {
        bounds.extend(object.remove(word).map(|bound| (word.to_owned(), bound)));
    }
    if kind == "integer" {
        bounds.entry("minimum").or_insert(json!(0));
    } else {
        bounds.entry("exclusiveMinimum").or_insert(json!(0));
        bounds.entry("maximum").or_insert(json!(1_000_000));
        bounds.entry("multipleOf").or_insert(json!(0.001));
    }
    object.remove("type");
    object.remove("format");
    let mut either = vec![Value::Object(bounds), json!({"type": "string", "pattern": pattern})];
    if nullable {
        either.push(json!({"type": "null"}));
    }
    object.insert("anyOf".to_owned(), Value::Array(either));
}

/// The same, or an empty text.
fn or_blank(schema: &mut Value) {
    let blank = json!({"type": "string", "const": ""});
    let Some(object) = schema.as_object_mut() else { return };
    for word in ["anyOf", "oneOf"] {
        if let Some(Value::Array(parts)) = object.remove(word) {
            let mut parts = parts;
            parts.insert(parts.len() - 1, blank);
            object.insert("anyOf".to_owned(), Value::Array(parts));
            return;
        }
    }
    let mut inner = Map::new();
    for word in ["type", "format", "pattern", "minLength", "maxLength", "enum"] {
        inner.extend(object.remove(word).map(|value| (word.to_owned(), value)));
    }
    if let Some(kind) = kind(&Value::Object(inner.clone())).map(str::to_owned) {
        inner.insert("type".to_owned(), json!(kind));
    }
    let parts = json!([inner, blank, {"type": "null"}]);
    object.insert("anyOf".to_owned(), parts);
}
