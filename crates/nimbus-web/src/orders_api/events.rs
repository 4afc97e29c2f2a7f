//! The event log, for polling and recovery.

use axum::{extract::State, response::Response};
use http::StatusCode;
use nimbus_app::{
    events::{self, FeedEvent, Get, Shape},
    page::Slice,
};
use nimbus_core::{access::Scope, ids::EventId};
use utoipa::IntoParams;

use super::envelope::{self, Page};
use crate::{
    Web,
    body::Incoming,
    event_feed::{Names, OrdersEvent, list_or_wait, read_waiting},
    event_stream::{self, StreamNames},
    failure::Answer,
    wire::{EventStream, json_response},
};

const NAMES: Names =
    Names { event_types: "eventTypes", created_from: "createdFrom", created_until: "createdUntil" };

/// The query parameters of the event log.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct EventListParams {
    /// How many events, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: Option<u32>,
    /// The id of the last event that you have; from the oldest, without it.
    pub cursor: Option<String>,
    /// Only these, separated by commas: names, or `prefix.*`.
    #[param(example = "refill.*,order.fulfilled")]
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
#[utoipa::path(get, path = "/events", tag = "Events", operation_id = "listOrderEvents",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(EventListParams),
    responses((status = 200, description = "A page of events, oldest first", body = Page<OrdersEvent>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let query = request.query(|f| Some(read_waiting(f, Shape::Orders, &NAMES)))?;
    Ok(page(&list_or_wait(&web, &request, &call, query).await?))
}

const STREAM: StreamNames = StreamNames { names: &NAMES, webhook: "webhookId", max_seconds: "maxSeconds" };

/// The query parameters of the stream.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct EventStreamParams {
    /// The id of the last event that you have; from the oldest, without it. `Last-Event-ID` goes before it.
    pub cursor: Option<String>,
    /// Only these, separated by commas: names, or `prefix.*`.
    #[param(example = "refill.*,order.fulfilled")]
    pub event_types: Option<String>,
    /// Of this time or later (RFC 3339).
    #[param(format = DateTime)]
    pub created_from: Option<String>,
    /// A webhook of yours: events are told as it would be sent them, with its signature; those to which it subscribes,
    /// if `eventTypes` is not given.
    pub webhook_id: Option<String>,
    /// Seconds after which the stream ends by itself, 1 to 3600.
    #[param(minimum = 1, maximum = 3600, default = 3600)]
    pub max_seconds: Option<u32>,
}

/// Events as they happen, as server-sent events: `id` is the event's id, `event` its `type`, `data` what is signed,
/// byte for byte. It begins like the log, and goes on where it was for a reader that sends `Last-Event-ID`, as browsers
/// do by themselves. With `webhookId` each event has the fields `webhook-timestamp` and `webhook-signature` besides. A
/// line that is a colon comes every 15 seconds. It ends with the key, when the server stops, and after an hour. At most
/// 4 requests of a key wait or stream at a time.
#[utoipa::path(get, path = "/events/stream", tag = "Events", operation_id = "streamOrderEvents",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(
        EventStreamParams,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that you have")),
    responses((status = 200, description = "Events, oldest first, without an end",
        body = EventStream, content_type = "text/event-stream")))]
pub(crate) async fn stream(State(web): State<Web>, request: Incoming) -> Answer {
    event_stream::open(web, request, Shape::Orders, &STREAM).await
}

fn page(found: &Slice<FeedEvent>) -> Response {
    let data = found.items.iter().map(OrdersEvent::of).collect();
    let id = |id| EventId(id).prefixed();
    json_response(StatusCode::OK, &Page::new(found, id, data, found.next().map(id)))
}

#[utoipa::path(get, path = "/events/{eventId}", tag = "Events", operation_id = "getOrderEvent",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(("eventId" = String, Path, description = "The event's id")),
    responses((status = 200, description = "The event", body = OrdersEvent)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let get = Get { shape: Shape::Orders, id: request.id("eventId", "Event")? };
    Ok(envelope::found(OrdersEvent::of(&events::get(&web.app, &call, get).await?)))
}
