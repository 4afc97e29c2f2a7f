//! What the fields of a request have to do with each other, where one is needed because of another.

use nimbus_core::patient::ContactKind;
use serde_json::{Map, Value, json};

use super::texts::PHONE;

/// Adds what the reader of a request asks of several fields together.
pub(super) fn add(schema: &mut Value) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is_optional = |name: &str| properties.contains_key(name) && !required.contains(&name);
    let condition = if is_optional("delivery_speed") {
        by_service_or_by_speed()
    } else if is_optional("carrierId") {
        both_or_neither("carrierId", "serviceId")
    } else if required.contains(&"is_veterinarian") {
        one_of_two(json!({"is_veterinarian": {"const": true}}), "npi")
    } else if is_optional("animal_owner_name") && required.contains(&"gender") {
        one_of_two(json!({"species": {"enum": ["human", null]}}), "animal_owner_name")
    } else if is_optional("advance_days") {
        one_way(&[("advance_days", "integer"), ("advance_hours", "integer"), ("to", "string")])
    } else if is_optional("clinic_ids") {
        one_clinic_or_many()
    } else if is_optional("medication_order_id") && is_optional("medication_request_id") {
        json!([all_given(&["medication_order_id"]), all_given(&["medication_request_id"])])
    } else if properties.keys().eq(["key", "value"]) {
        contact()
    } else {
        return;
    };
    schema["anyOf"] = condition;
}

/// A text that is there.
fn given() -> Value {
    json!({"type": "string", "pattern": r"\S"})
}

/// A text that is left out, or as good as.
fn absent() -> Value {
    json!({"type": ["string", "null"], "pattern": r"^\s*$"})
}

fn all(names: &[&str], schema: fn() -> Value) -> Map<String, Value> {
    names.iter().map(|name| ((*name).to_owned(), schema())).collect()
}

fn all_given(names: &[&str]) -> Value {
    json!({"required": names, "properties": all(names, given)})
}

fn both_or_neither(one: &str, other: &str) -> Value {
    let names = [one, other];
    json!([all_given(&names), {"properties": all(&names, absent)}])
}

/// A carrier's service, or a delivery speed.
fn by_service_or_by_speed() -> Value {
    let service = ["carrier_id", "service_id"];
    let mut by_service = all_given(&service);
    by_service["properties"]["delivery_speed"] = json!({"type": "null"});
    let mut by_speed = json!({"required": ["delivery_speed"], "properties": all(&service, absent)});
    by_speed["properties"]["delivery_speed"] = json!({"type": "string"});
    json!([by_service, by_speed])
}

/// Clinics by one of the two fields.
fn one_clinic_or_many() -> Value {
    let one = json!({"required": ["clinic_id"], "properties": {
        "clinic_id": {"type": "string"}, "clinic_ids": {"type": "null"},
    }});
    let many = json!({"required": ["clinic_ids"], "properties": {
        "clinic_ids": {"type": "array"}, "clinic_id": {"type": "null"},
    }});
    json!([one, many])
}

/// Exactly one of these fields, each of this type.
fn one_way(fields: &[(&str, &str)]) -> Value {
    let way = |(chosen, kind): &(&str, &str)| {
        let others = fields.iter().filter(|(name, _)| name != chosen);
        let mut properties: Map<String, Value> =
            others.map(|(name, _)| ((*name).to_owned(), json!({"type": "null"}))).collect();
        properties.insert((*chosen).to_owned(), json!({"type": kind}));
        json!({"required": [chosen], "properties": properties})
    };
    fields.iter().map(way).collect()
}

/// In this case, or with this field.
fn one_of_two(case: Value, field: &str) -> Value {
    json!([{"properties": case}, all_given(&[field])])
}

/// The value of a contact, by its kind.
fn contact() -> Value {
    let mut kinds = Vec::new();
    for kind in ContactKind::ALL {
        let value = match kind {
            ContactKind::Email => json!({"format": "email"}),
            ContactKind::Url => json!({"format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}),
            ContactKind::Phone | ContactKind::Sms | ContactKind::Fax => {
                json!({"pattern": format!("^(?:{PHONE})$"), "maxLength": 32})
            }
        };
        kinds.push(json!({"properties": {"key": {"const": kind.as_str()}, "value": value}}));
    }
    Value::Array(kinds)
}
