//! How single values are written in payloads.

use nimbus_core::time::{Date, Ts};
use serde::{Serialize, Serializer};
use utoipa::openapi::{
    KnownFormat, ObjectBuilder, RefOr, SchemaFormat,
    schema::{Schema, SchemaType, Type},
};

/// An instant: RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) Ts);

/// A day: `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day(pub(super) Date);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The schema of a text.
pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// The schema of an instant.
pub(super) fn time() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// The schema of one of a set of texts.
pub(super) fn one_of(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    text().enum_values(Some(words))
}

/// The schema of `sequence`, the same in both shapes.
pub(super) fn sequence() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(1))
        .description(Some(
            "The event's place among those of its shipment group, or of its order where there is none: without \
             gaps, and counted before subscriptions filter. Null where there is no such order.",
        ))
}

/// The schema of `triggered`, the same in both shapes. Real events do not have it.
pub(super) fn triggered() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean).description(Some(
        "Only in a sandbox, and only where the event was asked for: true. Nothing has happened.",
    ))
}

/// The schema of an object whose members are always there: null is written, not left out.
pub(super) fn complete(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.required = object.properties.keys().cloned().collect();
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}

/// A payload's bytes.
pub(super) fn bytes<T: Serialize>(payload: &T) -> Vec<u8> {
    // Texts, numbers and lists in structs: serialising them into memory has no way to fail.
    serde_json::to_vec(payload).unwrap_or_default()
}
