//! How single values are written on the wire, and JSON replies.

use std::borrow::Cow;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use nimbus_app::Reply;
use nimbus_core::{
    money::Cents,
    quantity::Quantity,
    time::{Date, Ts},
};
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, SchemaFormat,
        schema::{AdditionalProperties, Schema, Type},
    },
};

/// An instant: RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub Ts);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A day: `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy)]
pub struct Day(pub Date);

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A quantity: a number with at most three places, an integer when it is whole.
#[derive(Debug, Clone, Copy)]
pub struct Amount(pub Quantity);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0.thousandths() / 1000, self.0.thousandths() % 1000) {
            (whole, 0) => serializer.serialize_i64(whole),
            // Below 2^53, so that the shortest decimal of the float is the quantity.
            _ => serializer.serialize_f64(self.0.thousandths() as f64 / 1000.0),
        }
    }
}

/// An amount of stock, or of a change of it, in thousandths: a number with at most three places, an integer when it is
/// whole.
#[derive(Debug, Clone, Copy)]
pub struct Stock(pub i64);

impl Serialize for Stock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 % 1000 {
            0 => serializer.serialize_i64(self.0 / 1000),
            // Below 2^53, so that the shortest decimal of the float is the amount.
            _ => serializer.serialize_f64(self.0 as f64 / 1000.0),
        }
    }
}

/// An amount of money: a number of dollars with two places, written from its cents.
#[derive(Debug, Clone, Copy)]
pub struct Dollars(pub Cents);

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

macro_rules! value_schema {
    ($($name:ident: $kind:expr, $format:expr, $example:expr;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let examples = [serde_json::json!($example)];
                ObjectBuilder::new().schema_type($kind).format($format).examples(examples).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

value_schema! {
    Time: Type::String, Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)), "2026-01-15T10:30:00.000Z";
    Day: Type::String, Some(SchemaFormat::KnownFormat(KnownFormat::Date)), "2026-01-15";
    Amount: Type::Number, None, 2.5;
    Stock: Type::Number, None, 12.5;
    Dollars: Type::Number, None, 18.95;
}

/// An address, or a network in CIDR notation, of IPv4 or IPv6.
pub(crate) struct Cidr;

impl PartialSchema for Cidr {
    fn schema() -> RefOr<Schema> {
        let form = ObjectBuilder::new().schema_type(Type::String).max_length(Some(64));
        form.pattern(Some("^[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?$")).examples(["203.0.113.0/24"]).into()
    }
}

impl ToSchema for Cidr {
    fn name() -> Cow<'static, str> {
        "Network".into()
    }
}

/// An object whose fields are not for this API to say: a schema, an example, a document.
pub(crate) struct AnyObject;

impl PartialSchema for AnyObject {
    fn schema() -> RefOr<Schema> {
        let anything = AdditionalProperties::FreeForm(true);
        let any = ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(anything));
        any.description(Some("Any JSON object.")).into()
    }
}

impl ToSchema for AnyObject {}

macro_rules! file_schema {
    ($($(#[$doc:meta])* $name:ident: $format:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).format($format).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

file_schema! {
    /// The bytes of an image.
    Image: Some(SchemaFormat::KnownFormat(KnownFormat::Binary));
    /// The bytes of a PDF.
    Pdf: Some(SchemaFormat::KnownFormat(KnownFormat::Binary));
    /// A page for people.
    Html: None;
    /// Events as they come, in the format of `text/event-stream` (HTML standard, section 9.2).
    EventStream: None;
    /// JSON objects, one a line.
    Lines: None;
}

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The bytes of a reply.
pub(crate) fn json_bytes(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("replies have string keys and nothing in them fails to serialise")
}

pub(crate) fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    bytes_response(status, json_bytes(body))
}

/// A reply of JSON that is already written.
pub(crate) fn bytes_response(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.into()).into_response()
}

/// Sends the reply of a change: the one just written, or the stored one of the same request before. One that says
/// where its resource is has it in `Location`.
pub(crate) fn reply(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.rendered.status).unwrap_or(StatusCode::OK);
    let mut response = match reply.rendered.body.is_empty() {
        true => status.into_response(),
        false => bytes_response(status, reply.rendered.body),
    };
    // A path of ids is visible ASCII.
    if let Some(location) = reply.rendered.location.and_then(|path| HeaderValue::try_from(path).ok()) {
        response.headers_mut().insert(LOCATION, location);
    }
    if reply.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_a_number_with_two_places() {
        for (cents, text) in [(1895, "18.95"), (900, "9.00"), (5, "0.05"), (0, "0.00")] {
            assert_eq!(serde_json::to_string(&Dollars(Cents(cents))).unwrap(), text);
        }
    }

    #[test]
    fn amounts_are_plain_numbers() {
        for (thousandths, text) in [(1000, "1"), (2500, "2.5"), (125, "0.125"), (999_999_999, "999999.999")] {
            let quantity = Quantity::from_thousandths(thousandths).unwrap();
            assert_eq!(serde_json::to_string(&Amount(quantity)).unwrap(), text);
        }
        for (thousandths, text) in [(0, "0"), (-2500, "-2.5"), (-7000, "-7"), (1, "0.001")] {
            assert_eq!(serde_json::to_string(&Stock(thousandths)).unwrap(), text);
        }
    }
}
