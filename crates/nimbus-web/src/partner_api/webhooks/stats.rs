//! How a webhook does, in figures.

use std::collections::BTreeMap;

use axum::extract::State;
use nimbus_app::{
    endpoints::Of,
    webhook_stats::{self, Ask, Stats, Window},
};
use nimbus_core::access::Scope;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{NOUN, read::DIALECT};
use crate::{
    Web,
    body::Incoming,
    checks::one_of,
    failure::Answer,
    fields::Fields,
    partner_api::envelope::{self, Success},
    wire::Time,
    words,
};

/// What became of the deliveries that were accepted within a window, and what waits now.
#[derive(Serialize, ToSchema)]
pub struct WebhookStats {
    pub webhook_id: Uuid,
    #[schema(value_type = words::StatsWindow)]
    pub window: &'static str,
    /// Deliveries accepted since then are counted.
    pub since: Time,
    /// False where the window had so many deliveries that only the latest 10,000 were looked at.
    pub complete: bool,
    pub deliveries: DeliveryCounts,
    /// The part of the deliveries which have ended that were delivered, from 0 to 1. `null` where none has ended.
    #[schema(minimum = 0, maximum = 1, example = 0.9975)]
    pub success_rate: Option<f64>,
    pub attempts: AttemptCounts,
    /// How long attempts took. `null` where there were none.
    pub latency: Option<AttemptLatency>,
    /// Deliveries that wait to be sent, whenever they were accepted. 100,000 stands for so many or more.
    #[schema(minimum = 0, maximum = 100000)]
    pub backlog: i64,
    /// How long the oldest of them has waited. `null` where none waits.
    #[schema(minimum = 0)]
    pub oldest_pending_seconds: Option<i64>,
}

/// Deliveries by what has become of them; together they are `accepted`.
#[derive(Serialize, ToSchema)]
pub struct DeliveryCounts {
    #[schema(minimum = 0)]
    pub accepted: i64,
    #[schema(minimum = 0)]
    pub delivered: i64,
    #[schema(minimum = 0)]
    pub pending: i64,
    #[schema(minimum = 0)]
    pub dead: i64,
    #[schema(minimum = 0)]
    pub cancelled: i64,
}

#[derive(Serialize, ToSchema)]
pub struct AttemptCounts {
    #[schema(minimum = 0)]
    pub total: i64,
    #[schema(minimum = 0)]
    pub succeeded: i64,
    /// Failed ones by their cause, as the list of deliveries names it.
    #[schema(example = json!({"status": 3, "timeout": 1}))]
    pub failed_by_cause: BTreeMap<String, i64>,
}

/// Milliseconds that so many of a hundred attempts took at most.
#[derive(Serialize, ToSchema)]
pub struct AttemptLatency {
    #[schema(minimum = 0)]
    pub p50_ms: i64,
    #[schema(minimum = 0)]
    pub p95_ms: i64,
    #[schema(minimum = 0)]
    pub p99_ms: i64,
}

impl From<&Stats> for WebhookStats {
    fn from(stats: &Stats) -> Self {
        let counts = &stats.deliveries;
        let failed: i64 = stats.failed.values().sum();
        // At most 10,000: each is a number that a float has.
        let rate = |hundredths: i64| f64::from(i32::try_from(hundredths).unwrap_or(0)) / 10_000.0;
        Self {
            webhook_id: stats.endpoint_id.0,
            window: stats.window.as_str(),
            since: Time(stats.since),
            complete: stats.is_complete,
            deliveries: DeliveryCounts {
                accepted: counts.accepted,
                delivered: counts.delivered,
                pending: counts.pending,
                dead: counts.dead,
                cancelled: counts.cancelled,
            },
            success_rate: stats.success_of_10_000().map(rate),
            attempts: AttemptCounts {
                total: stats.attempts,
                succeeded: stats.attempts - failed,
                failed_by_cause: stats.failed.clone(),
            },
            latency: stats.latency.map(|times| AttemptLatency {
                p50_ms: times.p50_ms,
                p95_ms: times.p95_ms,
                p99_ms: times.p99_ms,
            }),
            backlog: stats.backlog,
            oldest_pending_seconds: stats.oldest_pending_seconds,
        }
    }
}

pub(crate) fn read_window(f: &mut Fields<'_>) -> Option<Window> {
    Some(f.optional("window", one_of(Window::ALL, Window::as_str)).unwrap_or(Window::Day))
}

/// Of deliveries that were accepted within the window, with all their attempts. What waits is counted whenever it was
/// accepted.
#[utoipa::path(get, path = "/webhook/{id}/stats", tag = "Webhooks", operation_id = "getWebhookStats",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("window" = Option<words::StatsWindow>, Query, description = "How far back is looked; a day, if not given")),
    responses((status = 200, description = "How the webhook does", body = Success<WebhookStats>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let of = Of::Own(DIALECT.one(request.id("id", NOUN)?));
    let window = request.query(read_window)?;
    let found = webhook_stats::stats(&web.app, &call, Ask { of, window }).await?;
    Ok(envelope::found(WebhookStats::from(&found)))
}
