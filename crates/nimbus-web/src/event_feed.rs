//! What both surfaces share of the event log: reading its parameters, and events as they were signed.

use std::borrow::Cow;

use nimbus_app::{
    events::{FeedEvent, List, Shape, any_event, catalogue, is_known},
    page::Page,
};
use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use crate::{
    checks::{count, id, timestamp},
    fields::{Checked, Fields},
};

/// The most event types of one request.
const MAX_EVENT_TYPES: usize = 50;

/// What a surface calls the parameters.
pub(crate) struct Names {
    pub(crate) event_types: &'static str,
    pub(crate) created_from: &'static str,
    pub(crate) created_until: &'static str,
}

/// Reads the parameters of a list.
pub(crate) fn read_list(f: &mut Fields<'_>, shape: Shape, names: &Names) -> List {
    List {
        shape,
        event_types: f.optional(names.event_types, event_types(shape)),
        after: f.optional("cursor", id),
        created_from: f.optional(names.created_from, timestamp),
        created_until: f.optional(names.created_until, timestamp),
        limit: f.optional("limit", count(1..=Page::MAX)).unwrap_or(Page::DEFAULT),
    }
}

/// Names as in a subscription, separated by commas.
fn event_types(shape: Shape) -> impl Fn(&Value) -> Checked<Vec<String>> + Clone {
    move |value| {
        let names: Vec<String> =
            value.as_str().unwrap_or_default().split(',').map(|name| name.trim().to_owned()).collect();
        match names.iter().all(|name| is_known(shape, name)) {
            true if names.len() <= MAX_EVENT_TYPES => Ok(names),
            true => Err(format!("must name at most {MAX_EVENT_TYPES} event types").into()),
            false => Err("must name event types, separated by commas".into()),
        }
    }
}

macro_rules! stored {
    ($($(#[$doc:meta])* $name:ident: $shape:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name(Box<RawValue>);

        impl $name {
            /// The stored bytes, which are JSON because they were written as such.
            pub(crate) fn of(event: &FeedEvent) -> Self {
                let text = String::from_utf8_lossy(&event.body).into_owned();
                Self(RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                any_event($shape).1
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                any_event($shape).0.into()
            }

            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                let events = catalogue($shape).into_iter();
                schemas.extend(events.map(|entry| (entry.schema_name.to_owned(), entry.schema)));
            }
        }
    )*};
}

stored! {
    /// An event of the partner shape, exactly as it was signed.
    PartnerEvent: Shape::Partner;
    /// An event of the orders shape, exactly as it was signed.
    OrdersEvent: Shape::Orders;
}
