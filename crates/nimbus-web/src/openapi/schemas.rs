//! Schemas as partners read them: good names, named parts, plain nullability, and what is always there marked so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{conditions, texts};

const PREFIX: &str = "#/components/schemas/";

/// Calls `visit` with every object within a value.
pub(super) fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|value| walk(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

/// Calls `change` with every object within a value, the inner ones first.
fn walk_mut(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(|value| walk_mut(value, change));
            change(object);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk_mut(item, change)),
        _ => {}
    }
}

/// The name of the schema that a schema refers to.
pub(super) fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(PREFIX)
}

/// A reference to a schema.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{PREFIX}{name}") })
}

/// The schemas of a document, as utoipa collects them, made ready to be published. The paths refer to them by
/// their published names afterwards.
pub(super) fn published(
    mut schemas: Map<String, Value>,
    paths: &mut Map<String, Value>,
) -> Map<String, Value> {
    name_envelope_parts(&mut schemas);
    inline_values(&mut schemas, paths);
    rename(&mut schemas, paths);
    for value in schemas.values_mut().chain(paths.values_mut()) {
        walk_mut(value, &mut |object| {
            plain_examples(object);
            plain_nullability(object);
        });
    }
    let (requests, replies) =
        (reachable(&schemas, paths, "requestBody"), reachable(&schemas, paths, "responses"));
    for (name, schema) in &mut schemas {
        match (requests.contains(name), replies.contains(name)) {
            (false, true) => require_what_is_always_there(schema),
            (true, _) => {
                texts::as_they_are_read(schema);
                conditions::add(schema);
            }
            (false, false) => {}
        }
    }
    schemas
}

/// utoipa writes the argument of `Success<T>` and `List<T>` in place; it gets its own name back.
fn name_envelope_parts(schemas: &mut Map<String, Value>) {
    let generic: Vec<String> = schemas.keys().filter(|name| name.contains('_')).cloned().collect();
    for name in generic {
        let Some((envelope, part)) = name.split_once('_') else { continue };
        let schema = &mut schemas[&name];
        schema["description"] = json!(match envelope {
            "Success" => "A success.",
            _ => "A page of a list.",
        });
        if let Some(success) = schema.pointer_mut("/properties/success") {
            *success = json!({"type": "boolean", "const": true});
        }
        let place = schema
            .pointer_mut("/properties/data/items")
            .map_or("/properties/data", |_| "/properties/data/items");
        let Some(place) = schema.pointer_mut(place) else { continue };
        let inline = std::mem::replace(place, reference(part));
        schemas.entry(part).or_insert(inline);
    }
}

/// Values such as times and days are written where they stand, not as schemas of their own.
fn inline_values(schemas: &mut Map<String, Value>, paths: &mut Map<String, Value>) {
    let is_value = |schema: &Value| {
        schema["type"].as_str().is_some_and(|kind| kind != "object" && kind != "array")
            && schema.get("enum").is_none()
    };
    let values: BTreeMap<String, Value> = schemas
        .iter()
        .filter(|(_, schema)| is_value(schema))
        .map(|(name, schema)| (name.clone(), schema.clone()))
        .collect();
    schemas.retain(|name, _| !values.contains_key(name));
    for value in schemas.values_mut().chain(paths.values_mut()) {
        walk_mut(value, &mut |object| {
            let name = object.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(PREFIX));
            if let Some(Value::Object(found)) = name.and_then(|name| values.get(name)).cloned() {
                object.remove("$ref");
                let own = std::mem::replace(object, found);
                object.extend(own);
            }
        });
    }
}

/// The name that partners read: `OrderView` is an `Order`, `Success<OrderView>` an `OrderReply`, `List<OrderView>`
/// an `OrderList`.
fn public_name(name: &str) -> String {
    if let Some((envelope, part)) = name.split_once('_') {
        let ending = if envelope == "Success" { "Reply" } else { "List" };
        return format!("{}{ending}", public_name(part));
    }
    let published = match name {
        "AddressBody" => "Address",
        "AttemptView" => "DeliveryAttempt",
        "ContactBody" => "Contact",
        "ErrorReply" | "OrdersErrorReply" => "Error",
        "HistoryView" => "StatusChange",
        "Nothing" => "Empty",
        "PreferredContactBody" => "PreferredContact",
        "ReasonView" => "EligibilityReason",
        "RequestBody" => "MedicationRequestCreate",
        "RequestView" => "MedicationRequest",
        other => other.strip_suffix("View").unwrap_or(other),
    };
    published.to_owned()
}

fn rename(schemas: &mut Map<String, Value>, paths: &mut Map<String, Value>) {
    let all = std::mem::take(schemas);
    for (name, schema) in all {
        let taken = schemas.insert(public_name(&name), schema).is_some();
        assert!(!taken, "two schemas would be called {}", public_name(&name));
    }
    for value in schemas.values_mut().chain(paths.values_mut()) {
        walk_mut(value, &mut |object| {
            if let Some(Value::String(text)) = object.get_mut("$ref")
                && let Some(name) = text.strip_prefix(PREFIX)
            {
                *text = format!("{PREFIX}{}", public_name(name));
            }
        });
    }
}

/// `example` in a schema was OpenAPI 3.0; JSON Schema has `examples`.
fn plain_examples(object: &mut Map<String, Value>) {
    if object.contains_key("type")
        && let Some(example) = object.remove("example")
    {
        object.insert("examples".to_owned(), json!([example]));
    }
}

/// `oneOf [{type: string, …}, null]` is `type: [string, null]`; the description of a part that may be null stands
/// where the part does.
fn plain_nullability(object: &mut Map<String, Value>) {
    let Some([part, null]) = object.get("oneOf").and_then(Value::as_array).map(Vec::as_slice) else { return };
    if null != &json!({"type": "null"}) {
        return;
    }
    let mut part = part.clone();
    if let Some(kind) = part["type"].as_str().map(str::to_owned) {
        object.remove("oneOf");
        part["type"] = json!([kind, "null"]);
        let Value::Object(part) = part else { return };
        for (key, value) in part {
            object.entry(key).or_insert(value);
        }
        return;
    }
    if let Some(description) = part.as_object_mut().and_then(|part| part.remove("description")) {
        object.entry("description").or_insert(description);
        object["oneOf"][0] = part;
    }
}

/// Whether `null` may stand for a schema.
pub(super) fn is_nullable(schema: &Value) -> bool {
    let null = json!("null");
    let listed = schema["type"].as_array().is_some_and(|kinds| kinds.contains(&null));
    listed || schema["oneOf"].as_array().is_some_and(|parts| parts.iter().any(|part| part["type"] == null))
}

/// Whatever may be null in a reply is written as null; what may be left out is never null.
fn require_what_is_always_there(schema: &mut Value) {
    walk_mut(schema, &mut |object| {
        let Some(properties) = object.get("properties").and_then(Value::as_object) else { return };
        let nullable =
            properties.iter().filter(|(_, property)| is_nullable(property)).map(|(name, _)| json!(name));
        let mut required: Vec<Value> = nullable.collect();
        for name in object.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !required.contains(name) {
                required.push(name.clone());
            }
        }
        required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        if !required.is_empty() {
            object.insert("required".to_owned(), Value::Array(required));
        }
    });
}

/// The names of the schemas that one part of the operations refers to, directly or through others.
fn reachable(schemas: &Map<String, Value>, paths: &Map<String, Value>, part: &str) -> BTreeSet<String> {
    let operations = paths.values().filter_map(Value::as_object).flat_map(Map::values);
    let mut open: Vec<&Value> = operations.filter_map(|operation| operation.get(part)).collect();
    let mut found = BTreeSet::new();
    while let Some(value) = open.pop() {
        walk(value, &mut |object| {
            let name = object.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(PREFIX));
            if let Some((name, schema)) = name.and_then(|name| schemas.get_key_value(name))
                && found.insert(name.clone())
            {
                open.push(schema);
            }
        });
    }
    found
}
