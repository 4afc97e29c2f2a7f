//! Replays of a webhook: what was sent to it is sent again.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    endpoints::Of,
    replays::{self, One, View},
};
use nimbus_core::access::Scope;
use serde::Serialize;
use utoipa::ToSchema;

use super::{DIALECT, NOUN};
use crate::{
    Web, body::Incoming, failure::Answer, orders_api::envelope, replays::ReplayFields, webhooks, wire::Time,
    words,
};

const NOUN_OF_ONE: &str = "Replay";

const FIELDS: ReplayFields =
    ReplayFields { names: DIALECT.names, per_second: "perSecond", dry_run: "dryRun" };

/// What is sent again: deliveries by the time at which they were made, each under its `webhook-id`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ReplayRequest {
    /// Deliveries made at this time or later, within the last 29 days, or a day less than events are kept.
    #[schema(format = DateTime, example = "2026-01-15T10:30:00Z")]
    pub since: String,
    /// Deliveries made before this time. Now, if not given.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// `failed` sends those whose last attempt failed, `all` those that arrived too. `failed`, if not given.
    #[schema(value_type = Option<words::ReplayChoice>)]
    pub status: Option<String>,
    /// Only these; names as in a subscription.
    #[schema(min_items = 1, max_items = 50, value_type = Option<Vec<webhooks::OrdersSubscription>>)]
    pub event_types: Option<Vec<String>>,
    /// So many become due in a second. 50, if not given.
    #[schema(minimum = 1, maximum = 1000)]
    pub per_second: Option<u32>,
    /// Whether to count only. False, if not given.
    pub dry_run: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Null for a dry run.
    #[schema(example = "rpl_00FODtiM8TKCRUXNHNjZoy")]
    pub id: Option<String>,
    pub webhook_id: String,
    pub dry_run: bool,
    /// `running` while deliveries are made due, and `finished` when all are; null for a dry run.
    #[schema(value_type = Option<words::ReplayStatus>)]
    pub state: Option<&'static str>,
    pub since: Time,
    pub until: Time,
    #[schema(value_type = words::ReplayChoice)]
    pub status: &'static str,
    pub event_types: Option<Vec<String>>,
    pub per_second: u32,
    /// How many deliveries there were to send when it was asked for.
    pub total: i64,
    /// How many of them have been made due.
    pub queued: i64,
    /// How many of those have arrived.
    pub delivered: i64,
    /// How many of those have failed for good.
    pub dead: i64,
    /// How many of those are still to be sent.
    pub pending: i64,
    pub created_at: Option<Time>,
    /// When the last was made due, or when it was cancelled.
    pub finished_at: Option<Time>,
}

impl From<&View> for Replay {
    fn from(view: &View) -> Self {
        let View { replay, progress, dry_run } = view;
        let is_real = !dry_run;
        Self {
            id: is_real.then(|| replay.id.prefixed()),
            webhook_id: replay.endpoint_id.prefixed(),
            dry_run: *dry_run,
            state: is_real.then_some(replay.state.as_str()),
            since: Time(replay.since),
            until: Time(replay.until),
            status: replay.which.as_str(),
            event_types: replay.event_types.clone(),
            per_second: replay.per_second,
            total: replay.total,
            queued: replay.queued,
            delivered: progress.delivered,
            dead: progress.dead,
            pending: progress.pending,
            created_at: is_real.then_some(Time(replay.created_at)),
            finished_at: replay.finished_at.map(Time),
        }
    }
}

fn render_started(view: &View) -> Rendered {
    let (endpoint, id) = (view.replay.endpoint_id.prefixed(), view.replay.id.prefixed());
    match view.dry_run {
        true => envelope::written(Replay::from(view)),
        false => envelope::created(Replay::from(view), format!("/webhooks/{endpoint}/replay/{id}")),
    }
}

fn render_cancelled(view: &View) -> Rendered {
    envelope::written(Replay::from(view))
}

/// Sends again what was sent before, behind everything else that waits. `dryRun` counts and changes nothing. A webhook
/// has one replay at a time.
#[utoipa::path(post, path = "/webhooks/{webhookId}/replay", tag = "Webhooks", operation_id = "replayWebhookEndpoint",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(("webhookId" = String, Path, description = "The webhook's id")),
    request_body(content = ReplayRequest, description = "What to send again"),
    responses(
        (status = 201, description = "It has begun; `Location` is where it is read", body = Replay),
        (status = 200, description = "It was counted, and nothing is changed", body = Replay)))]
pub(crate) async fn start(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let of = Of::Own(DIALECT.one(request.id("webhookId", NOUN)?));
    let command = request.json(&mut call, |f| FIELDS.read(f, of)).await?;
    Ok(envelope::reply(replays::start(&web.app, &call, command, render_started).await?))
}

#[utoipa::path(get, path = "/webhooks/{webhookId}/replay/{replayId}", tag = "Webhooks", operation_id = "getWebhookEndpointReplay",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(
        ("webhookId" = String, Path, description = "The webhook's id"),
        ("replayId" = String, Path, description = "The replay's id")),
    responses((status = 200, description = "How far it is", body = Replay)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let of = Of::Own(DIALECT.one(request.id("webhookId", NOUN)?));
    let one = One { of, id: request.id("replayId", NOUN_OF_ONE)? };
    Ok(envelope::found(Replay::from(&replays::get(&web.app, &call, one).await?)))
}

/// What it has made due and nobody has begun to send is as it was before.
#[utoipa::path(delete, path = "/webhooks/{webhookId}/replay/{replayId}", tag = "Webhooks",
    operation_id = "cancelWebhookEndpointReplay",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(
        ("webhookId" = String, Path, description = "The webhook's id"),
        ("replayId" = String, Path, description = "The replay's id")),
    responses((status = 200, description = "It has ended", body = Replay)))]
pub(crate) async fn cancel(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksWrite).await?;
    let of = Of::Own(DIALECT.one(request.id("webhookId", NOUN)?));
    let one = One { of, id: request.id("replayId", NOUN_OF_ONE)? };
    Ok(envelope::reply(replays::cancel(&web.app, &call, one, render_cancelled).await?))
}

#[cfg(test)]
mod tests {
    use nimbus_core::ids::EndpointId;
    use uuid::Uuid;

    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        let of = Of::Own(DIALECT.one(EndpointId(Uuid::nil())));
        assert_described::<ReplayRequest, _>(|f| FIELDS.read(f, of));
    }
}
