//! Webhooks and deliveries as staff are shown them: no secrets, and nothing of what was sent or answered.

use nimbus_app::endpoints::{self, AttemptView as Attempt, DeliveryView, Endpoint};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{partner_api::webhooks::types::AttemptTiming, webhooks, wire::Time, words};

#[derive(Serialize, ToSchema)]
pub struct AnyWebhook {
    pub webhook_id: Uuid,
    pub clinic_id: Uuid,
    /// The API that registered it, whose event shape it is sent.
    #[schema(value_type = words::WebhookShape)]
    pub shape: &'static str,
    pub webhook_url: String,
    pub event_types: Vec<String>,
    pub description: Option<String>,
    #[schema(value_type = words::WebhookStatus)]
    pub status: &'static str,
    /// Why it is disabled.
    pub disabled_reason: Option<String>,
    /// Since when everything fails that is sent to it; null while it works.
    pub failing_since: Option<Time>,
    /// What signs deliveries: `hmac` (`v1`) or `ed25519` (`v1a`).
    #[schema(value_type = words::SigningScheme)]
    pub signing: &'static str,
    /// Whether events of one ordering key are sent one after the other.
    pub ordered: bool,
    #[schema(value_type = words::DeadLetterPolicy)]
    pub after_dead_letter: &'static str,
    /// How much it is told.
    #[schema(value_type = words::WebhookPayload)]
    pub payload: &'static str,
    /// Deliveries a second at most, if it has a limit of its own.
    #[schema(minimum = 1, maximum = 1000)]
    pub rate_limit_per_second: Option<u32>,
    /// Its own waits, if it has any.
    #[schema(value_type = Option<webhooks::RetrySchedule>)]
    pub retry_schedule: Option<Vec<u32>>,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<&Endpoint> for AnyWebhook {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            webhook_id: endpoint.id.0,
            clinic_id: endpoint.clinic_id.0,
            shape: endpoint.shape.as_str(),
            webhook_url: endpoint.url.clone(),
            event_types: endpoint.event_types.clone(),
            description: endpoint.description.clone(),
            status: endpoint.status.as_str(),
            disabled_reason: endpoint.disabled_reason.clone(),
            failing_since: endpoint.failing_since.map(Time),
            signing: endpoint.signing.as_str(),
            ordered: endpoint.ordered,
            after_dead_letter: endpoint.after_dead_letter.as_str(),
            payload: endpoint.payload.as_str(),
            rate_limit_per_second: endpoint.rate_limit_per_second,
            retry_schedule: endpoint.retry_schedule.clone(),
            created_at: Time(endpoint.created_at),
            updated_at: Time(endpoint.updated_at),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct AnyDelivery {
    pub id: Uuid,
    pub clinic_id: Uuid,
    pub webhook_id: Uuid,
    pub event_id: Uuid,
    #[schema(example = "medication:updated")]
    pub event_name: String,
    #[schema(value_type = words::DeliveryStatus)]
    pub state: &'static str,
    /// Oldest first.
    pub attempts: Vec<AnyAttempt>,
    pub created_at: Time,
    /// When the next attempt is due, while it is pending.
    pub due_at: Time,
    pub finished_at: Option<Time>,
}

/// An attempt without what the receiver answered.
#[derive(Serialize, ToSchema)]
pub struct AnyAttempt {
    pub number: i64,
    pub started_at: Time,
    pub elapsed_ms: i64,
    #[schema(value_type = words::AttemptOutcome)]
    pub outcome: String,
    /// A word for what went wrong.
    #[schema(example = "timeout_first_byte")]
    pub cause: Option<String>,
    /// Whether it may pass by itself. Both kinds are tried again.
    #[schema(value_type = Option<words::FailureClass>)]
    pub cause_class: Option<&'static str>,
    /// What can be done about it.
    pub hint: Option<&'static str>,
    pub status_code: Option<i64>,
    /// Null if nothing was sent.
    pub timing: Option<AttemptTiming>,
}

impl From<&Attempt> for AnyAttempt {
    fn from(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at: Time(attempt.started_at),
            elapsed_ms: attempt.elapsed_ms,
            outcome: attempt.outcome.clone(),
            cause: attempt.cause.clone(),
            cause_class: endpoints::cause_class(attempt),
            hint: endpoints::hint(attempt),
            status_code: attempt.status_code,
            timing: AttemptTiming::of(&attempt.times),
        }
    }
}

impl From<&DeliveryView> for AnyDelivery {
    fn from(view: &DeliveryView) -> Self {
        let delivery = &view.delivery;
        Self {
            id: delivery.id.0,
            clinic_id: delivery.clinic_id.0,
            webhook_id: delivery.endpoint_id.0,
            event_id: delivery.event_id.0,
            event_name: delivery.event_name.clone(),
            state: delivery.state.as_str(),
            attempts: view.attempts.iter().map(AnyAttempt::from).collect(),
            created_at: Time(delivery.created_at),
            due_at: Time(delivery.due_at),
            finished_at: delivery.finished_at.map(Time),
        }
    }
}
