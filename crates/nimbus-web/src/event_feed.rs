//! What both surfaces share of the event log: reading its parameters, and events as they were signed.

use std::{borrow::Cow, time::Duration};

use nimbus_app::{
    Call,
    events::{self, FeedEvent, List, Shape, any_event, catalogue, is_known},
    news::{Full, Waiter},
    page::{Page, Slice},
};
use nimbus_core::access::Scope;
use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use tokio::time::Instant;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use crate::{
    Web,
    body::Incoming,
    checks::{count, id, timestamp},
    failure::Failure,
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

/// How long a request may wait for events, and how much sooner than it would run out it is answered.
const MAX_WAIT_SECONDS: u32 = 15;
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// When a request that finds no place to wait may ask again.
const FULL_SECONDS: u32 = 1;

/// A page of a list, or what comes first while the caller waits: an empty page where nothing did. The caller's key is
/// asked for again each time before it is told something.
pub(crate) async fn list_or_wait(
    web: &Web,
    request: &Incoming,
    call: &Call,
    (list, wait): (List, Option<u32>),
) -> Result<Slice<FeedEvent>, Failure> {
    let wait = Duration::from_secs(wait.unwrap_or(0).into());
    let until = Instant::now() + wait.min(web.settings.request_timeout.saturating_sub(ANSWER_WITHIN));
    // Before the first look, so that nothing is committed unseen between it and the waiting.
    let mut waiter = match wait.is_zero() {
        true => None,
        false => Some(enter(web, call)?),
    };
    let found = events::list(&web.app, call, list.clone()).await?;
    let Some(waiter) = waiter.as_mut().filter(|_| found.last.is_none()) else { return Ok(found) };
    while let Ok(true) = tokio::time::timeout_at(until, waiter.wait()).await {
        web.still_partner(request, Scope::WebhooksRead).await?;
        if events::is_any(&web.app, call, list.clone()).await? {
            return Ok(events::list(&web.app, call, list).await?);
        }
    }
    Ok(found)
}

/// A place to wait in for the caller's key.
pub(crate) fn enter(web: &Web, call: &Call) -> Result<Waiter, Failure> {
    let partner = call.partner(Scope::WebhooksRead)?;
    web.app.news().enter(partner.key_id).map_err(|full| match full {
        Full::Key => Failure::RateLimited(FULL_SECONDS),
        Full::Process => Failure::Full,
    })
}

/// Reads the parameters of a list, and how many seconds its caller waits.
pub(crate) fn read_waiting(f: &mut Fields<'_>, shape: Shape, names: &Names) -> (List, Option<u32>) {
    let wait = f.optional("wait", count(0..=MAX_WAIT_SECONDS));
    (read_list(f, shape, names), wait)
}

/// Reads from where a stream goes on: the events that it tells, and the last that its reader has seen.
pub(crate) fn read_following(f: &mut Fields<'_>, shape: Shape, names: &Names) -> List {
    List {
        shape,
        event_types: f.optional(names.event_types, event_types(shape)),
        after: f.optional("cursor", id),
        created_from: f.optional(names.created_from, timestamp),
        created_until: None,
        limit: Page::MAX,
    }
}

/// Reads the parameters of a list.
fn read_list(f: &mut Fields<'_>, shape: Shape, names: &Names) -> List {
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
