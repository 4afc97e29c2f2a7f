//! One OpenAPI document: what it says of a path, and whether a value is as a schema in it says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jsonschema::{Draft, Registry, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value, json};

/// A document, its schemas closed: nothing may be in a value that its schema does not know.
pub(super) struct Document {
    pub(super) name: &'static str,
    value: Value,
    /// Each path from the server's root, in segments, with its key in the document.
    paths: Vec<(Vec<String>, String)>,
    registry: Registry<'static>,
    /// By the pointer of the schema. Compiled when it is first asked for.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Document {
    pub(super) fn new(name: &'static str, root: &str, mut value: Value) -> Self {
        close_all(&mut value);
        let paths = value["paths"].as_object().expect("a document has paths").keys();
        let paths = paths.map(|path| (segments(&format!("{root}{path}")), path.clone())).collect();
        let registry = Registry::new().draft(Draft::Draft202012).add(uri(name), value.clone());
        let registry = registry.and_then(|registry| registry.prepare()).expect("a document is a resource");
        Self { name, value, paths, registry, validators: Mutex::default() }
    }

    /// What the document says of a path, if it does. Words of a path go before its parameters.
    pub(super) fn path(&self, path: &str) -> Option<At<'_>> {
        let given = segments(path);
        let fits = |(wanted, _): &&(Vec<String>, String)| {
            wanted.len() == given.len()
                && wanted.iter().zip(&given).all(|(wanted, given)| match is_parameter(wanted) {
                    true => !given.is_empty(),
                    false => wanted == given,
                })
        };
        let parameters =
            |(wanted, _): &&(Vec<String>, String)| wanted.iter().filter(|it| is_parameter(it)).count();
        let (_, key) = self.paths.iter().filter(fits).min_by_key(parameters)?;
        self.root().get("paths")?.get(key)
    }

    /// The name of each webhook and its operation.
    pub(super) fn webhooks(&self) -> Vec<(&str, At<'_>)> {
        let Some(all) = self.root().get("webhooks") else { return Vec::new() };
        all.keys().filter_map(|name| Some((name, all.get(name)?.get("post")?))).collect()
    }

    /// Whether a value is as the schema says; if not, where and why.
    pub(super) fn check(&self, schema: &At<'_>, value: &Value) -> Result<(), String> {
        self.validator(&schema.pointer).validate(value).map_err(|error| {
            let error = innermost(&error);
            format!("at {:?}: {error} (by {})", error.instance_path().as_str(), error.schema_path())
        })
    }

    fn validator(&self, pointer: &str) -> Arc<Validator> {
        // A validator that could not be compiled fails that test; the others go on.
        let mut all = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let compile = || {
            let built = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .with_registry(&self.registry)
                .should_validate_formats(true)
                .build(&json!({ "$ref": format!("{}#{pointer}", uri(self.name)) }));
            Arc::new(built.unwrap_or_else(|error| panic!("{} {pointer}: {error}", self.name)))
        };
        Arc::clone(all.entry(pointer.to_owned()).or_insert_with(compile))
    }

    fn root(&self) -> At<'_> {
        At { document: &self.value, pointer: String::new(), value: &self.value }
    }
}

fn uri(name: &str) -> String {
    format!("urn:nimbus:{name}")
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

/// A place in a document, by its pointer; references have been followed.
pub(super) struct At<'a> {
    document: &'a Value,
    pointer: String,
    pub(super) value: &'a Value,
}

impl<'a> At<'a> {
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key)?;
        let pointer = format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1"));
        Some(Self { document: self.document, pointer, value }.followed())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.value.as_object().into_iter().flat_map(Map::keys).map(String::as_str)
    }

    pub(super) fn items(&self) -> impl Iterator<Item = Self> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(index, value)| {
            let pointer = format!("{}/{index}", self.pointer);
            Self { document: self.document, pointer, value }.followed()
        })
    }

    fn followed(self) -> Self {
        let Some(reference) = self.value["$ref"].as_str() else { return self };
        let pointer = reference.strip_prefix('#').expect("references stay in the document").to_owned();
        let value = self.document.pointer(&pointer).unwrap_or_else(|| panic!("{reference} is nowhere"));
        Self { document: self.document, pointer, value }.followed()
    }
}

/// The error that says most: within alternatives, of the one that a value comes nearest to.
fn innermost<'a>(error: &'a jsonschema::ValidationError<'a>) -> &'a jsonschema::ValidationError<'a> {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) =
        error.kind()
    else {
        return error;
    };
    let depth =
        |error: &&jsonschema::ValidationError<'_>| error.instance_path().as_str().matches('/').count();
    let all = context.iter().flatten().map(|error| innermost(error));
    all.max_by_key(depth).unwrap_or(error)
}

fn close_all(document: &mut Value) {
    let components = document["components"].as_object_mut().into_iter();
    let components = components.flat_map(|all| all.iter_mut());
    for (section, all) in components {
        for part in all.as_object_mut().into_iter().flat_map(Map::values_mut) {
            match section.as_str() {
                "schemas" => close(part),
                "responses" => close_content(part),
                _ => {}
            }
        }
    }
    let items = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in items.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let responses = operation["responses"].as_object_mut();
        responses.into_iter().flat_map(Map::values_mut).for_each(close_content);
    }
}

fn close_content(response: &mut Value) {
    let content = response.get_mut("content").and_then(Value::as_object_mut);
    for media_type in content.into_iter().flat_map(Map::values_mut) {
        close(&mut media_type["schema"]);
    }
}

/// Lets an object have no property but those that its schema names, here and in every schema within. Documents
/// leave that open, so that a client lives with what is added later; a reply must have nothing undocumented today.
fn close(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    // Beside properties, alternatives that are no objects of their own are conditions on them.
    let is_part = |schema: &Value| schema.get("type").or(schema.get("$ref")).is_some();
    let alternatives =
        ["oneOf", "anyOf"].iter().filter_map(|keyword| schema.get(*keyword)?.as_array()).flatten();
    let has_parts = alternatives.into_iter().any(is_part) && schema.contains_key("properties");
    let in_parts = schema.contains_key("allOf") || has_parts;
    assert!(!in_parts, "an object that is written in parts cannot be closed part by part: {schema:?}");
    for keyword in ["properties", "patternProperties"] {
        let all = schema.get_mut(keyword).and_then(Value::as_object_mut);
        all.into_iter().flat_map(Map::values_mut).for_each(close);
    }
    for keyword in ["oneOf", "anyOf", "prefixItems"] {
        schema.get_mut(keyword).and_then(Value::as_array_mut).into_iter().flatten().for_each(close);
    }
    for keyword in ["items", "additionalProperties"] {
        schema.get_mut(keyword).into_iter().for_each(close);
    }
    let kind = schema.get("type");
    let is_object = kind.is_some_and(|kind| match kind {
        Value::Array(kinds) => kinds.contains(&json!("object")),
        kind => kind == "object",
    });
    if is_object {
        schema.entry("additionalProperties").or_insert(json!(false));
    }
}
