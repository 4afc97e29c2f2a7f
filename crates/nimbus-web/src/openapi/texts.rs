//! What requests may hold, as their readers read it: texts that can be seen, blanks where a field may be left out,
//! identifiers in their form, and numbers that may be sent as text.

use nimbus_core::us::State;
use serde_json::{Map, Value, json};

/// Control characters other than tab, line feed and carriage return, as `checks::text` refuses them.
const CONTROL: &str = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f";
/// Spaces, and marks that only join, separate or direct other characters.
const INVISIBLE: &str = r"\s\u0085\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff";

/// Ten digits, with or without `1` or `+1` before them, and with what people put between them.
const PHONE: &str = r"(?:\+?[ ()./-]*1)?[ ()./-]*(?:\d[ ()./-]*){10}";
const ZIP: &str = r"\d{5}(?:-\d{4})?";
const NPI: &str = r"[12]\d{9}";
const DEA: &str = r"[A-Za-z][A-Za-z9]\d{7}";
const NDC: &str = r"\d{11}|\d{4}-\d{4}-\d{2}|\d{5}-\d{3}-\d{2}|\d{5}-\d{4}-\d{1,2}|\d{6}-\d{4}-\d{2}";
/// A quantity as text; that it is over 0 is a rule of its own.
const QUANTITY: &str = r"\d{1,6}(?:\.\d{1,3})?";

/// Makes every property of a request's schema say what its reader takes.
pub(super) fn as_they_are_read(schema: &mut Value) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        if let Some(property) = property.as_object_mut() {
            value(name, property);
        }
    }
}

fn value(name: &str, property: &mut Map<String, Value>) {
    match (name, kind(property)) {
        ("weight" | "height", Some("string")) => {
            let mut text =
                Map::from_iter([("type".to_owned(), json!("string")), ("maxLength".to_owned(), json!(50))]);
            written(&mut text, text_of(1), true);
            either(
                property,
                json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000}),
                text.into(),
            );
        }
        (_, Some("number")) => {
            let number = json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000});
            either(property, number, json!({"type": "string", "pattern": format!("^(?:{QUANTITY})$")}));
        }
        (_, Some("integer")) => {
            let mut number = json!({"type": "integer"});
            for bound in ["minimum", "maximum"] {
                if let Some(limit) = property.remove(bound) {
                    number[bound] = limit;
                }
            }
            property.remove("format");
            either(property, number, json!({"type": "string", "pattern": r"^\d{1,3}$"}));
        }
        ("dob", Some("string")) => {
            property.remove("format");
            property.insert("anyOf".to_owned(), json!([{"format": "date"}, {"format": "date-time"}]));
        }
        (_, Some("string")) => string(name, property),
        (_, Some("array")) => {
            if let Some(items) = property.get_mut("items").and_then(Value::as_object_mut) {
                value("", items);
            }
        }
        _ => {}
    }
}

/// A text, by its name where it has a form.
fn string(name: &str, property: &mut Map<String, Value>) {
    if ["enum", "const", "format", "pattern"].iter().any(|keyword| property.contains_key(*keyword)) {
        return;
    }
    let may_be_blank = is_nullable(property);
    let form = match name {
        "state" | "state_code" | "license_state" => {
            State::ALL.iter().map(|state| state.code()).collect::<Vec<_>>().join("|")
        }
        "zip" | "zip_code" | "postalCode" => ZIP.to_owned(),
        "npi" => NPI.to_owned(),
        "dea_number" => DEA.to_owned(),
        "ndc" => NDC.to_owned(),
        "phone" => {
            property.insert("maxLength".to_owned(), json!(32));
            PHONE.to_owned()
        }
        _ => text_of(property.get("minLength").and_then(Value::as_u64).unwrap_or(1)),
    };
    written(property, form, may_be_blank);
}

/// A text of so many characters that can be seen, at least.
fn text_of(visible: u64) -> String {
    let any = format!("[^{CONTROL}]*");
    let seen = format!("[^{CONTROL}{INVISIBLE}]{any}");
    (0..visible).fold(any, |text, _| text + &seen)
}

fn written(property: &mut Map<String, Value>, form: String, may_be_blank: bool) {
    let pattern = if may_be_blank { format!(r"^(?:\s*|{form})$") } else { format!("^(?:{form})$") };
    property.insert("pattern".to_owned(), json!(pattern));
    if !may_be_blank {
        property.entry("minLength").or_insert(json!(1));
    }
}

/// A number, or its text.
fn either(property: &mut Map<String, Value>, number: Value, text: Value) {
    let mut parts = vec![number, text];
    if is_nullable(property) {
        // What may be left out may be blank.
        parts.push(json!({"type": "string", "pattern": r"^\s*$"}));
        parts.push(json!({"type": "null"}));
    }
    for keyword in ["type", "pattern", "maxLength", "minLength"] {
        property.remove(keyword);
    }
    property.insert("anyOf".to_owned(), Value::Array(parts));
}

/// The one type that a schema has beside null.
fn kind(property: &Map<String, Value>) -> Option<&str> {
    match property.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => match kinds.as_slice() {
            [kind, null] if null == "null" => kind.as_str(),
            _ => None,
        },
        _ => None,
    }
}

fn is_nullable(property: &Map<String, Value>) -> bool {
    property.get("type").and_then(Value::as_array).is_some_and(|kinds| kinds.contains(&json!("null")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, property: Value) -> Value {
        let mut schema = json!({"properties": {name: property}});
        as_they_are_read(&mut schema);
        schema["properties"][name].clone()
    }

    #[test]
    fn a_text_that_may_be_left_out_may_be_blank() {
        let optional = read("notes", json!({"type": ["string", "null"], "maxLength": 9}));
        assert!(optional["pattern"].as_str().unwrap().starts_with(r"^(?:\s*|"));
        assert_eq!(optional.get("minLength"), None);
        let required = read("notes", json!({"type": "string", "maxLength": 9}));
        assert!(!required["pattern"].as_str().unwrap().contains(r"\s*|"));
        assert_eq!(required["minLength"], 1);
    }

    #[test]
    fn closed_words_and_formats_stay_as_they_are() {
        for schema in [
            json!({"type": "string", "enum": ["a"]}),
            json!({"type": "string", "format": "uuid"}),
            json!({"type": "string", "pattern": "^a$"}),
            json!({"type": "boolean"}),
        ] {
            assert_eq!(read("anything", schema.clone()), schema);
        }
    }

    #[test]
    fn a_number_may_be_sent_as_text() {
        let refills = read("refills", json!({"type": ["integer", "null"], "minimum": 0, "maximum": 99}));
        let kinds: Vec<&str> =
            refills["anyOf"].as_array().unwrap().iter().map(|part| part["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["integer", "string", "string", "null"]);
        assert_eq!(refills["anyOf"][0]["maximum"], 99);
        assert_eq!(refills.get("type"), None);
    }
}
