//! The catalogue of events: what each is called, when it is sent, what it looks like. The one source for the
//! list that partners read, for the OpenAPI documents, and for samples.

use std::sync::LazyLock;

use nimbus_core::{access::Scope, event::Event, ids::ClinicId};
use nimbus_store::endpoints::Shape;
use serde_json::Value;
use utoipa::openapi::{
    Ref, RefOr,
    schema::{OneOfBuilder, Schema},
};

use super::{
    named, names, orders, partner, render, samples,
    thin::{thin, thin_schema},
};

/// One event of a shape.
#[derive(Clone)]
pub struct CatalogueEntry {
    /// The name that handlers read and endpoints subscribe to.
    pub name: &'static str,
    /// The narrow names under it; the name itself where it has none.
    pub types: Vec<&'static str>,
    /// Older spellings of narrow names, under which it can be subscribed to as well.
    pub older: Vec<&'static str>,
    /// What a key must hold to be sent it.
    pub scope: Scope,
    /// When it is sent.
    pub description: &'static str,
    /// The schema's name in an OpenAPI document, such as `ShipmentCreatedEvent`; no other event of either shape
    /// has it.
    pub schema_name: &'static str,
    /// The whole payload, envelope included. It refers to no other schema, so that it serves as a JSON Schema
    /// (2020-12) by itself.
    pub schema: RefOr<Schema>,
    /// A payload of an invented fact, rendered as real ones are.
    pub example: Value,
    /// The same as an endpoint with `payload: thin` is sent it.
    pub thin_example: Value,
    /// The schema of that, where it has less than the full form.
    pub thin_schema: Option<Value>,
}

/// What a shape says of one of its events.
pub(super) struct Described {
    pub(super) name: &'static str,
    pub(super) schema: &'static str,
    pub(super) when: &'static str,
    pub(super) data: fn() -> RefOr<Schema>,
}

fn described(shape: Shape) -> &'static [Described] {
    match shape {
        Shape::Partner => partner::DESCRIBED,
        Shape::Orders => orders::DESCRIBED,
    }
}

/// Every event of a shape, in the order in which it is to be shown.
pub fn catalogue(shape: Shape) -> Vec<CatalogueEntry> {
    described(shape).iter().filter_map(|described| entry(shape, described)).collect()
}

fn entry(shape: Shape, described: &Described) -> Option<CatalogueEntry> {
    let events: Vec<_> = names::all(shape).filter(|event| event.name == described.name).collect();
    let types: Vec<&'static str> = events.iter().map(|event| event.type_).collect();
    let older: Vec<&'static str> = events.iter().filter_map(|event| event.older).collect();
    let sample = sample(shape, described.name)?;
    let body = render(shape, &sample, samples::id(10), sample.ordering_key.map(|_| 7))?;
    let example: Value = serde_json::from_slice(&body).ok()?;
    let schema = match shape {
        Shape::Partner => partner::envelope_schema(described, &types, &older),
        Shape::Orders => orders::envelope_schema(described),
    };
    let schema: RefOr<Schema> = schema.description(Some(described.when)).examples([example.clone()]).into();
    let thin_example = serde_json::from_slice(&thin(shape, &body)).ok()?;
    Some(CatalogueEntry {
        name: described.name,
        scope: names::scope_of(described.name),
        description: described.when,
        schema_name: described.schema,
        thin_schema: thin_schema(shape, &serde_json::to_value(&schema).ok()?, &thin_example),
        schema,
        types,
        older,
        thin_example,
        example,
    })
}

/// The name and schema of any event of a shape: one of those in its catalogue, by reference.
pub fn any_event(shape: Shape) -> (&'static str, RefOr<Schema>) {
    let name = match shape {
        Shape::Partner => "WebhookEvent",
        Shape::Orders => "OrdersWebhookEvent",
    };
    let one_of = described(shape)
        .iter()
        .fold(OneOfBuilder::new(), |one_of, described| one_of.item(Ref::from_schema_name(described.schema)));
    let schema = one_of.description(Some("Any event that an endpoint may be sent.")).build();
    (name, RefOr::T(Schema::OneOf(schema)))
}

/// The invented fact that stands for an event; `None` if the shape has no event of this name.
pub fn sample(shape: Shape, name: &str) -> Option<Event> {
    samples::all()
        .into_iter()
        .find(|event| named(shape, &event.fact).is_some_and(|(event, _)| event.name == name))
}

/// The invented fact behind an event of either shape, as one of a clinic's; `None` if there is no event of this name.
/// Narrow names and older spellings are names too.
pub fn sample_of_clinic(event_type: &str, clinic: ClinicId) -> Option<Event> {
    let is_named = |event: &Event, by: fn(&names::EventName, &str) -> bool| {
        let told = Shape::ALL.iter().filter_map(|&shape| named(shape, &event.fact));
        told.into_iter().any(|(name, _)| by(&name, event_type))
    };
    static EACH: LazyLock<Vec<Event>> = LazyLock::new(samples::each);
    let each = &EACH;
    let broad = each.iter().find(|event| is_named(event, |name, wanted| name.name == wanted));
    let narrow = || {
        each.iter().find(|event| {
            is_named(event, |name, wanted| {
                name.type_ == wanted || name.older.is_some_and(|older| older == wanted)
            })
        })
    };
    broad.or_else(narrow).map(|event| samples::of_clinic(event.clone(), clinic))
}

/// Every name that [`sample_of_clinic`] knows: broad, narrow and older ones of both shapes, each once.
pub fn triggerable() -> Vec<&'static str> {
    let all = Shape::ALL.iter().flat_map(|&shape| names::all(shape));
    let mut names: Vec<&'static str> =
        all.flat_map(|event| [Some(event.name), Some(event.type_), event.older]).flatten().collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SHAPES: [Shape; 2] = [Shape::Partner, Shape::Orders];

    #[test]
    fn it_has_every_event_once() {
        let mut schemas = BTreeSet::new();
        for shape in SHAPES {
            let catalogue = catalogue(shape);
            assert_eq!(catalogue.len(), described(shape).len(), "each has a sample");
            let types: Vec<&str> = catalogue.iter().flat_map(|entry| entry.types.clone()).collect();
            let all: BTreeSet<&str> = names::all(shape).map(|event| event.type_).collect();
            assert_eq!(types.iter().copied().collect::<BTreeSet<_>>(), all);
            assert_eq!(types.len(), all.len());
            for entry in &catalogue {
                assert!(schemas.insert(entry.schema_name), "{} is taken", entry.schema_name);
                assert!(names::is_known(shape, entry.name), "{}", entry.name);
            }
        }
    }

    /// A value against the few words of JSON Schema that these schemas use.
    fn assert_fits(schema: &Value, value: &Value, at: &str) {
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => panic!("{at} has no type: {schema}"),
        };
        let kind = match value {
            Value::Null => "null",
            Value::String(_) => "string",
            Value::Number(_) => "integer",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Bool(_) => "boolean",
        };
        assert!(kinds.contains(&kind), "{at}: {value} is no {kinds:?}");
        if let Some(allowed) = schema["enum"].as_array() {
            assert!(allowed.contains(value), "{at}: {value} is not one of {allowed:?}");
        }
        if let Some(object) = value.as_object() {
            let names = |value: &Value| -> BTreeSet<String> {
                let listed = value.as_array().into_iter().flatten();
                listed.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            let members: BTreeSet<String> = object.keys().cloned().collect();
            assert_eq!(names(&schema["required"]), members, "{at}: always there");
            for (name, member) in object {
                assert_fits(&schema["properties"][name], member, &format!("{at}.{name}"));
            }
        }
        for item in value.as_array().into_iter().flatten() {
            assert_fits(&schema["items"], item, at);
        }
    }

    #[test]
    fn every_name_has_a_sample_that_is_told_by_it() {
        let clinic = ClinicId(uuid::Uuid::from_u128(7));
        for wanted in triggerable() {
            let event = sample_of_clinic(wanted, clinic).unwrap_or_else(|| panic!("{wanted} has a sample"));
            assert_eq!(event.clinic_id, clinic);
            let told: Vec<_> = SHAPES.iter().filter_map(|&shape| named(shape, &event.fact)).collect();
            let names = told.iter().flat_map(|(name, _)| [Some(name.name), Some(name.type_), name.older]);
            assert!(names.flatten().any(|name| name == wanted), "{wanted}");
        }
        assert!(sample_of_clinic("medication:eaten", clinic).is_none());
    }

    #[test]
    fn a_triggered_payload_says_so_and_fits_its_schema_all_the_same() {
        for shape in SHAPES {
            for sample in samples::each() {
                let Some(body) = render(shape, &sample, samples::id(10), Some(7)) else { continue };
                let before: Value = serde_json::from_slice(&body).unwrap();
                let plain: Value =
                    serde_json::from_slice(&crate::payload::triggered(shape, body.clone(), None)).unwrap();
                assert_eq!(plain["triggered"], true);
                let mut without = plain.clone();
                without.as_object_mut().unwrap().remove("triggered");
                assert_eq!(without, before);
                let data = Some(r#"{"size":[1,2]}"#);
                let other: Value =
                    serde_json::from_slice(&crate::payload::triggered(shape, body, data)).unwrap();
                let (member, id) = match shape {
                    Shape::Partner => ("event_data", "event_id"),
                    Shape::Orders => ("data", "id"),
                };
                assert_eq!(other[member], serde_json::json!({"size": [1, 2]}));
                assert_eq!(other[id], before[id]);
            }
        }
    }

    #[test]
    fn every_sample_fits_the_schema_of_its_event() {
        for shape in SHAPES {
            let catalogue = catalogue(shape);
            for sample in samples::each() {
                let Some((name, _)) = named(shape, &sample.fact) else { continue };
                let entry = catalogue.iter().find(|entry| entry.name == name.name).expect("it is described");
                let schema = serde_json::to_value(&entry.schema).unwrap();
                assert!(!schema.to_string().contains("$ref"), "{} stands by itself", entry.name);
                let body = render(shape, &sample, samples::id(10), None).expect("it is told");
                assert_fits(&schema, &serde_json::from_slice(&body).unwrap(), entry.name);
                let thin: Value = serde_json::from_slice(&thin(shape, &body)).unwrap();
                assert_fits(entry.thin_schema.as_ref().unwrap_or(&schema), &thin, entry.name);
            }
        }
    }
}
