//! The event log, for polling and recovery, and the catalogue of events.

use axum::{extract::State, response::Response};
use http::StatusCode;
use nimbus_app::{
    events::{self, CatalogueEntry, FeedEvent, Get, Shape, catalogue},
    page::Slice,
};
use nimbus_core::access::Scope;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::envelope::{self, List, Success};
use crate::{
    Web,
    body::Incoming,
    event_feed::{Names, PartnerEvent, list_or_wait, read_waiting},
    event_stream::{self, StreamNames},
    failure::Answer,
    wire::{AnyObject, EventStream, json_response},
};

const NAMES: Names =
    Names { event_types: "event_types", created_from: "created_from", created_until: "created_until" };

/// The query parameters of the event log.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventParams {
    /// How many events, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<u32>,
    /// The id of the last event that you have; from the oldest, without it.
    pub cursor: Option<String>,
    /// Only these, separated by commas: broad or narrow names, or `prefix:*`.
    #[param(example = "shipment:*,medication:shipped")]
    pub event_types: Option<String>,
    /// Of this time or later (RFC 3339).
    #[param(format = DateTime)]
    pub created_from: Option<String>,
    /// Of before this time.
    #[param(format = DateTime)]
    pub created_until: Option<String>,
    /// Seconds to wait for an event where there is none yet, 0 to 15. At most 4 requests of a key wait at a time.
    #[param(minimum = 0, maximum = 15, default = 0)]
    pub wait: Option<u32>,
}

/// Oldest first, in the order in which they were committed. Nothing is added later before what was listed, so that
/// the id of the last event you have is where to go on, whether there are more now or not.
#[utoipa::path(get, path = "/events", tag = "Webhooks", operation_id = "listEvents",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(EventParams),
    responses((status = 200, description = "A page of events, oldest first", body = List<PartnerEvent>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let query = request.query(|f| Some(read_waiting(f, Shape::Partner, &NAMES)))?;
    Ok(page(&list_or_wait(&web, &request, &call, query).await?))
}

const STREAM: StreamNames = StreamNames { names: &NAMES, webhook: "webhook_id", max_seconds: "max_seconds" };

/// The query parameters of the stream.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventStreamParams {
    /// The id of the last event that you have; from the oldest, without it. `Last-Event-ID` goes before it.
    pub cursor: Option<String>,
    /// Only these, separated by commas: broad or narrow names, or `prefix:*`.
    #[param(example = "shipment:*,medication:shipped")]
    pub event_types: Option<String>,
    /// Of this time or later (RFC 3339).
    #[param(format = DateTime)]
    pub created_from: Option<String>,
    /// A webhook of yours: events are told as it would be sent them, with its signature; those to which it subscribes,
    /// if `event_types` is not given.
    pub webhook_id: Option<String>,
    /// Seconds after which the stream ends by itself, 1 to 3600.
    #[param(minimum = 1, maximum = 3600, default = 3600)]
    pub max_seconds: Option<u32>,
}

/// Events as they happen, as server-sent events: `id` is the event's id, `event` its `event_name`, `data` what is
/// signed, byte for byte. It begins like the log, and goes on where it was for a reader that sends `Last-Event-ID`, as
/// browsers do by themselves. With `webhook_id` each event has the fields `webhook-timestamp` and `webhook-signature`
/// besides. A line that is a colon comes every 15 seconds. It ends with the key, when the server stops, and after an
/// hour. At most 4 requests of a key wait or stream at a time.
#[utoipa::path(get, path = "/events/stream", tag = "Webhooks", operation_id = "streamEvents",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(
        EventStreamParams,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that you have")),
    responses((status = 200, description = "Events, oldest first, without an end",
        body = EventStream, content_type = "text/event-stream")))]
pub(crate) async fn stream(State(web): State<Web>, request: Incoming) -> Answer {
    event_stream::open(web, request, Shape::Partner, &STREAM).await
}

fn page(found: &Slice<FeedEvent>) -> Response {
    let data = found.items.iter().map(PartnerEvent::of).collect();
    let next_cursor = found.next().map(|last| last.to_string());
    json_response(StatusCode::OK, &List::new(found, data, next_cursor))
}

#[utoipa::path(get, path = "/events/{id}", tag = "Webhooks", operation_id = "getEvent",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(("id" = String, Path, description = "The event's id")),
    responses((status = 200, description = "The event", body = Success<PartnerEvent>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let get = Get { shape: Shape::Partner, id: request.id("id", "Event")? };
    Ok(envelope::found(PartnerEvent::of(&events::get(&web.app, &call, get).await?)))
}

/// An event of the catalogue.
#[derive(Serialize, ToSchema)]
pub struct EventType {
    /// What handlers read as `event_name`.
    #[schema(example = "medication:updated")]
    pub name: &'static str,
    /// What may stand in `event_type`; each can be subscribed to by itself.
    pub types: Vec<&'static str>,
    /// Older names, which can be subscribed to as well and then stand in `event_name`.
    pub older_names: Vec<&'static str>,
    /// What a key needs to be sent it.
    #[schema(example = "orders:read")]
    pub scope: &'static str,
    /// When it is sent.
    pub description: &'static str,
    /// A JSON Schema of the whole payload.
    #[schema(value_type = AnyObject)]
    pub schema: Value,
    /// A payload of an invented fact.
    #[schema(value_type = AnyObject)]
    pub example: Value,
    /// The same as a webhook with `payload: thin` is sent it: ids and status only.
    #[schema(value_type = AnyObject)]
    pub thin_example: Value,
}

impl From<CatalogueEntry> for EventType {
    fn from(entry: CatalogueEntry) -> Self {
        Self {
            name: entry.name,
            types: entry.types,
            older_names: entry.older,
            scope: entry.scope.as_str(),
            description: entry.description,
            // A schema is texts, numbers and maps with names: it has no way to fail.
            schema: serde_json::to_value(&entry.schema).unwrap_or_default(),
            example: entry.example,
            thin_example: entry.thin_example,
        }
    }
}

#[utoipa::path(get, path = "/event-types", tag = "Webhooks", operation_id = "listEventTypes",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    responses((status = 200, description = "Every event there is", body = Success<Vec<EventType>>)))]
pub(crate) async fn types(State(web): State<Web>, request: Incoming) -> Answer {
    web.partner(&request, Scope::WebhooksRead).await?;
    let entries: Vec<EventType> = catalogue(Shape::Partner).into_iter().map(EventType::from).collect();
    Ok(envelope::found(entries))
}
