//! Webhooks and deliveries on the wire. A secret is shown when it is made; values of headers never are.

use std::collections::BTreeMap;

use nimbus_app::endpoints::{self, AttemptTimes, AttemptView as Attempt, Endpoint, Resent};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{webhooks, wire::Time, words};

#[derive(ToSchema)]
pub struct WebhookCreate {
    /// The key's clinic.
    pub clinic_id: Uuid,
    /// https and a public host.
    #[schema(format = "uri", max_length = 2048, example = "https://partner.example.com/webhooks/nimbus")]
    pub webhook_url: String,
    /// Broad names, narrow names, `prefix:*` or `*`. The published three, if not given.
    #[schema(min_items = 1, max_items = 50)]
    pub event_types: Option<Vec<String>>,
    #[schema(max_length = 500)]
    pub description: Option<String>,
    /// Whether deliveries carry `X-API-Key`. True, if not given.
    pub send_api_key: Option<bool>,
    /// Sent with every delivery.
    #[schema(value_type = Option<webhooks::WebhookHeaders>)]
    pub headers: Option<BTreeMap<String, String>>,
    /// What signs deliveries: `hmac` (`v1`), if not given, or `ed25519` (`v1a`).
    #[schema(value_type = Option<words::SigningScheme>)]
    pub signing: Option<String>,
    /// Whether events of one ordering key (a shipment group, or an order where there is none) are sent one after the
    /// other. False, if not given.
    pub ordered: Option<bool>,
    /// What an ordered webhook does after a dead letter: `skip` goes on with the next event of its ordering key,
    /// `hold` waits until the dead one is sent again. `skip`, if not given.
    #[schema(value_type = Option<words::DeadLetterPolicy>)]
    pub after_dead_letter: Option<String>,
    /// `thin` sends ids and status only. `full`, if not given.
    #[schema(value_type = Option<words::WebhookPayload>)]
    pub payload: Option<String>,
    /// Deliveries a second at most. No limit, if not given.
    #[schema(minimum = 1, maximum = 1000)]
    pub rate_limit_per_second: Option<u32>,
    #[schema(value_type = Option<webhooks::RetrySchedule>)]
    pub retry_schedule: Option<Vec<u32>>,
}

/// Any of the fields. `null` removes the description, the headers, the rate or the schedule.
#[derive(ToSchema)]
pub struct WebhookUpdate {
    #[schema(nullable = false, format = "uri", max_length = 2048)]
    pub webhook_url: Option<String>,
    #[schema(nullable = false, min_items = 1, max_items = 50)]
    pub event_types: Option<Vec<String>>,
    #[schema(max_length = 500)]
    pub description: Option<String>,
    #[schema(nullable = false)]
    pub send_api_key: Option<bool>,
    #[schema(value_type = Option<webhooks::WebhookHeaders>)]
    pub headers: Option<BTreeMap<String, String>>,
    /// Turned on, it holds for what waits already.
    #[schema(nullable = false)]
    pub ordered: Option<bool>,
    /// What an ordered webhook does after a dead letter: `skip` or `hold`.
    #[schema(nullable = false, value_type = Option<words::DeadLetterPolicy>)]
    pub after_dead_letter: Option<String>,
    /// `thin` sends ids and status only, from the next attempt on.
    #[schema(nullable = false, value_type = Option<words::WebhookPayload>)]
    pub payload: Option<String>,
    /// Deliveries a second at most.
    #[schema(minimum = 1, maximum = 1000)]
    pub rate_limit_per_second: Option<u32>,
    #[schema(value_type = Option<webhooks::RetrySchedule>)]
    pub retry_schedule: Option<Vec<u32>>,
    #[schema(nullable = false, value_type = Option<words::SettableWebhookStatus>)]
    pub status: Option<String>,
    /// With another scheme both sign for 24 hours.
    #[schema(nullable = false, value_type = Option<words::SigningScheme>)]
    pub signing: Option<String>,
}

/// May be left out altogether.
#[derive(ToSchema)]
pub struct SecretRotation {
    /// How long what signed before signs too. 24, if not given; 0 ends every earlier secret at once.
    #[schema(minimum = 0, maximum = 168, example = 24)]
    pub overlap_hours: Option<u32>,
}

#[derive(ToSchema)]
pub struct WebhookDelete {
    /// Needed where the query does not name the webhook.
    pub webhook_id: Option<Uuid>,
}

#[derive(Serialize, ToSchema)]
pub struct WebhookView {
    pub webhook_id: Uuid,
    pub webhook_url: String,
    pub clinic_id: Uuid,
    pub event_types: Vec<String>,
    pub description: Option<String>,
    #[schema(value_type = words::WebhookStatus)]
    pub status: &'static str,
    /// What signs deliveries: `hmac` (`v1`) or `ed25519` (`v1a`).
    #[schema(value_type = words::SigningScheme)]
    pub signing: &'static str,
    /// What signatures of `v1a` are checked by: 32 bytes in base64 after `whpk_`. Null without `ed25519`.
    #[schema(example = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=")]
    pub public_key: Option<String>,
    pub send_api_key: bool,
    /// The names of the headers that are sent with every delivery.
    pub headers: Vec<String>,
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
    pub disabled_reason: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
    /// Shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "whsec_…")]
    pub signing_secret: Option<String>,
    /// Until then deliveries are signed with what signed before, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub previous_secret_until: Option<Time>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

impl From<&Endpoint> for WebhookView {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            webhook_id: endpoint.id.0,
            webhook_url: endpoint.url.clone(),
            clinic_id: endpoint.clinic_id.0,
            event_types: endpoint.event_types.clone(),
            description: endpoint.description.clone(),
            status: endpoint.status.as_str(),
            signing: endpoint.signing.as_str(),
            public_key: endpoint.public_key.clone(),
            send_api_key: endpoint.send_api_key,
            headers: endpoint.headers.expose().iter().map(|(name, _)| name.clone()).collect(),
            ordered: endpoint.ordered,
            after_dead_letter: endpoint.after_dead_letter.as_str(),
            payload: endpoint.payload.as_str(),
            rate_limit_per_second: endpoint.rate_limit_per_second,
            retry_schedule: endpoint.retry_schedule.clone(),
            disabled_reason: endpoint.disabled_reason.clone(),
            created_at: Time(endpoint.created_at),
            updated_at: Time(endpoint.updated_at),
            signing_secret: None,
            previous_secret_until: None,
            warnings: Vec::new(),
        }
    }
}

impl WebhookView {
    /// Shows the secret that was just made.
    pub(crate) fn with_secret(self, endpoint: &Endpoint) -> Self {
        Self {
            signing_secret: Some(endpoint.secret.expose().clone()),
            previous_secret_until: endpoint.retiring.iter().map(|retiring| retiring.until).max().map(Time),
            ..self
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct WebhookTested {
    pub webhook_id: Uuid,
}

#[derive(Serialize, ToSchema)]
pub struct DeliveryView {
    pub id: Uuid,
    pub event_id: Uuid,
    #[schema(example = "medication:updated")]
    pub event_name: String,
    #[schema(value_type = words::DeliveryStatus)]
    pub state: &'static str,
    /// Oldest first.
    pub attempts: Vec<AttemptView>,
    pub created_at: Time,
    /// When the next attempt is due, while it is pending.
    pub due_at: Time,
    pub finished_at: Option<Time>,
}

/// What an event is sent again as.
#[derive(Serialize, ToSchema)]
pub struct ResentDelivery {
    pub webhook_id: Uuid,
    pub delivery_id: Uuid,
    pub event_id: Uuid,
}

impl From<&Resent> for ResentDelivery {
    fn from(resent: &Resent) -> Self {
        Self {
            webhook_id: resent.endpoint_id.0,
            delivery_id: resent.delivery_id.0,
            event_id: resent.event_id.0,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct AttemptView {
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
    /// Fields of the receiver's answer, at most 50 and 4 KiB, without cookies and credentials.
    pub response_headers: BTreeMap<String, String>,
    /// The beginning of the receiver's answer.
    pub response_body: Option<String>,
    /// Null if nothing was sent.
    pub timing: Option<AttemptTiming>,
}

/// Microseconds that the parts of an attempt took, up to their end or to where they failed; null for what it did not
/// come to, or did not need.
#[derive(Serialize, ToSchema)]
pub struct AttemptTiming {
    /// Resolving the host's name.
    #[schema(example = 1840)]
    pub dns_us: Option<i64>,
    /// Making the connection.
    #[schema(example = 12100)]
    pub connect_us: Option<i64>,
    /// The TLS handshake.
    #[schema(example = 25300)]
    pub tls_us: Option<i64>,
    /// From the start of the attempt to the head of the answer.
    #[schema(example = 61250)]
    pub first_byte_us: Option<i64>,
    /// Whether it went over a connection that was there already.
    pub connection_reused: bool,
}

impl AttemptTiming {
    pub(crate) fn of(times: &AttemptTimes) -> Option<Self> {
        Some(Self {
            connection_reused: times.reused?,
            dns_us: times.dns_us,
            connect_us: times.connect_us,
            tls_us: times.tls_us,
            first_byte_us: times.first_byte_us,
        })
    }
}

impl From<&Attempt> for AttemptView {
    fn from(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at: Time(attempt.started_at),
            elapsed_ms: attempt.elapsed_ms,
            outcome: attempt.outcome.to_string(),
            cause: attempt.cause.clone(),
            cause_class: endpoints::cause_class(attempt),
            hint: endpoints::hint(attempt),
            status_code: attempt.status_code,
            response_headers: attempt.headers.iter().cloned().collect(),
            response_body: webhooks::answered(attempt),
            timing: AttemptTiming::of(&attempt.times),
        }
    }
}

impl From<&endpoints::DeliveryView> for DeliveryView {
    fn from(view: &endpoints::DeliveryView) -> Self {
        let delivery = &view.delivery;
        Self {
            id: delivery.id.0,
            event_id: delivery.event_id.0,
            event_name: delivery.event_name.clone(),
            state: delivery.state.as_str(),
            attempts: view.attempts.iter().map(AttemptView::from).collect(),
            created_at: Time(delivery.created_at),
            due_at: Time(delivery.due_at),
            finished_at: delivery.finished_at.map(Time),
        }
    }
}
