//! What requests may hold, as their readers read it: texts that can be seen, blanks where a field may be left out,
//! identifiers in their form, and numbers that may be sent as text.

use nimbus_app::endpoints::Shape;
use nimbus_core::us::State;

use nimbus_webhooks::payload::known;
use serde_json::{Map, Value, json};

/// Control characters other than tab, line feed and carriage return, as `checks::text` refuses them.
const CONTROL: &str = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f";
/// Spaces, and marks that only join, separate or direct other characters.
const INVISIBLE: &str = r"\s\u0085\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff";

/// Ten digits, with or without `1` or `+1` before them, and with what people put between them.
pub(super) const PHONE: &str = r"(?:\+?[ ()./-]*1)?[ ()./-]*(?:\d[ ()./-]*){10}";
const ZIP: &str = r"\d{5}(?:-\d{4})?";
const TRACKING_NUMBER: &str = r"\s*(?:[0-9A-Za-z]\s*){6,40}";
const NPI: &str = r"[12]\d{9}";
const DEA: &str = r"[A-Za-z][A-Za-z9]\d{7}";
const NDC: &str = r"\d{11}|\d{4}-\d{4}-\d{2}|\d{5}-\d{3}-\d{2}|\d{5}-\d{4}-\d{1,2}|\d{6}-\d{4}-\d{2}";
/// A quantity as text, from 1 to a million, with at most three decimal places.
const QUANTITY: &str = r"1000000|[1-9]\d{0,5}(?:\.\d{1,3})?";
/// One below 1.
const FRACTION: &str = r"0\.(?:[1-9]\d{0,2}|0[1-9]\d?|00[1-9])";

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
            either(property, quantity(name), text.into());
        }
        (_, Some("number")) => {
            let form = if from_one(name) { QUANTITY.to_owned() } else { format!("{QUANTITY}|{FRACTION}") };
            either(property, quantity(name), json!({"type": "string", "pattern": format!("^(?:{form})$")}));
        }
        (_, Some("integer")) => {
            let bound = |property: &mut Map<String, Value>, name, otherwise| {
                property.remove(name).and_then(|limit| limit.as_u64()).unwrap_or(otherwise)
            };
            let least = bound(property, "minimum", 0);
            let most = bound(property, "maximum", u32::MAX.into());
            property.remove("format");
            let number = json!({"type": "integer", "minimum": least, "maximum": most});
            let form = format!("^(?:{})$", whole(least, most));
            either(property, number, json!({"type": "string", "pattern": form}));
        }
        ("dob", Some("string")) => {
            property.remove("format");
            property.insert("anyOf".to_owned(), json!([{"format": "date"}, {"format": "date-time"}]));
        }
        ("headers", Some("object")) => headers(property),
        (_, Some("string")) => string(name, property),
        ("event_types", Some("array")) => one_of(property, Shape::Partner),
        ("eventTypes", Some("array")) => one_of(property, Shape::Orders),
        (_, Some("array")) => {
            if let Some(items) = property.get_mut("items").and_then(Value::as_object_mut) {
                value("", items);
            }
        }
        _ => {}
    }
}

/// Makes a parameter of a query say what is accepted.
pub(super) fn in_query(name: &str, schema: &mut Value) {
    match name {
        "event_types" => schema["pattern"] = json!(list_of_events(Shape::Partner)),
        "eventTypes" => schema["pattern"] = json!(list_of_events(Shape::Orders)),
        _ if schema["type"] == "number" => *schema = quantity(name),
        _ => {}
    }
}

/// Names of events, separated by commas.
fn list_of_events(shape: Shape) -> String {
    let names: Vec<String> =
        known(shape).iter().map(|name| name.replace('*', r"\*").replace('.', r"\.")).collect();
    let name = names.join("|");
    format!("^(?:{name})(?: *, *(?:{name}))*$")
}

/// A list of names of events.
fn one_of(property: &mut Map<String, Value>, shape: Shape) {
    property.insert("items".to_owned(), json!({"type": "string", "enum": known(shape)}));
}

/// That there are at most three decimal places is not said: `multipleOf` fails on binary fractions.
fn quantity(name: &str) -> Value {
    let least = if from_one(name) { json!(1) } else { json!(0.001) };
    json!({"type": "number", "minimum": least, "maximum": 1_000_000})
}

fn from_one(name: &str) -> bool {
    name == "requestedQuantity"
}

/// The whole numbers from 0 or 1 to `most`, as text.
fn whole(least: u64, most: u64) -> String {
    // Those with fewer digits than the first number that is too large, then those of as many, by the first digit
    // that is smaller.
    let end = (most + 1).to_string();
    let mut forms = Vec::new();
    if least == 0 {
        forms.push("0".to_owned());
    }
    if let Some(more) = end.len().checked_sub(2) {
        forms.push(format!(r"[1-9]\d{{0,{more}}}"));
    }
    for (index, digit) in end.bytes().enumerate() {
        let first = if index == 0 { b'1' } else { b'0' };
        if digit > first {
            let (same, rest) = (&end[..index], end.len() - index - 1);
            forms.push(format!(r"{same}[{}-{}]\d{{{rest}}}", char::from(first), char::from(digit - 1)));
        }
    }
    forms.join("|")
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
        "tracking_number" => TRACKING_NUMBER.to_owned(),
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

/// Header fields (RFC 9110 section 5.1) that a webhook is sent with.
fn headers(property: &mut Map<String, Value>) {
    let name = json!({"type": "string", "maxLength": 100, "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"});
    property.insert("propertyNames".to_owned(), name);
    let value = json!({"type": "string", "maxLength": 1024, "pattern": "^[ -~]*$"});
    property.insert("additionalProperties".to_owned(), value);
    property.insert("maxProperties".to_owned(), json!(20));
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
        assert_eq!(refills["anyOf"][1]["pattern"], r"^(?:0|[1-9]\d{0,1})$");
        assert_eq!(refills.get("type"), None);
    }

    #[test]
    fn whole_numbers_as_text_are_bounded() {
        assert_eq!(whole(0, 7), r"0|[1-7]\d{0}");
        assert_eq!(whole(0, 99), r"0|[1-9]\d{0,1}");
        assert_eq!(whole(1, 365), r"[1-9]\d{0,1}|[1-2]\d{2}|3[0-5]\d{1}|36[0-5]\d{0}");
        assert_eq!(whole(1, 100_000), r"[1-9]\d{0,4}|10000[0-0]\d{0}");
    }
}
