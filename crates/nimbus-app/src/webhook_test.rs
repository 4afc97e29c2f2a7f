//! A test send of the orders API: one signed sample, sent at once, with what came of it as the reply.

use std::sync::Arc;

use nimbus_core::{
    access::Scope,
    ids::{EndpointId, EventId},
    phi::Phi,
};
use nimbus_store::{
    Tx,
    endpoints::{self as store, AfterDeadLetter, EndpointStatus, Payload, Shape, Target},
    page::Page,
};
use nimbus_webhooks::{
    attempt::Ready,
    cause::Cause,
    client::{Answer, Outcome},
    payload::{as_sent, render as render_payload, sample},
    url::EndpointUrl,
};
use uuid::Uuid;

use crate::{
    App,
    actor::Call,
    clock::wall,
    endpoint_keys::new_secret,
    error::{Error, FieldError, Result},
    outbox::Changes,
    unit::{Cx, Prepared, Render, Reply},
};

/// What is sent where no event type is named.
const DEFAULT_EVENT_TYPE: &str = "order.created";

const EVENT_TYPE: &str = "eventType";
const WEBHOOK_URL: &str = "webhookUrl";

pub struct TestSend {
    /// `order.created`, if it is not given.
    pub event_type: Option<String>,
    /// The clinic's newest active endpoint, if it is not given.
    pub url: Option<String>,
}

/// What came of a test send.
pub struct TestSent {
    /// The id of the sample event.
    pub event_id: EventId,
    pub answer: Answer,
    /// The secret that it was signed with, where the URL is not registered: made for this one request.
    pub one_time_secret: Option<Phi<String>>,
}

impl TestSent {
    /// Why it failed, as a code; `None` for a success.
    pub fn cause(&self) -> Option<&'static str> {
        self.answer.cause().map(Cause::as_str)
    }

    /// What the owner of the URL can do about a failure; `None` for a success.
    pub fn hint(&self) -> Option<&'static str> {
        match self.answer.outcome {
            // Nothing is disabled by a test.
            Outcome::Gone => {
                Some("The endpoint answered 410 Gone. A delivery that is answered so disables it.")
            }
            _ => self.answer.hint(),
        }
    }
}

/// Where the sample goes.
struct Destination {
    target: Target,
    is_registered: bool,
}

/// What is sent.
struct Sample {
    command: TestSend,
    event_id: EventId,
    body: Vec<u8>,
}

/// Sends one sample, as a delivery would be sent. Nothing is recorded as one, and no transaction is open meanwhile.
///
/// Once it has begun it runs to its end, whether or not the caller waits: what was sent is on record, and a repeat
/// under the same idempotency key gets the reply and sends nothing.
pub async fn send(app: &App, call: &Call, mut command: TestSend, render: Render<TestSent>) -> Result<Reply> {
    call.partner(Scope::WebhooksWrite)?;
    let policy = app.config().address_policy;
    let mut errors = Vec::new();
    let name = command.event_type.as_deref().unwrap_or(DEFAULT_EVENT_TYPE);
    let event = sample(Shape::Orders, name);
    if event.is_none() {
        errors.push(FieldError::new(EVENT_TYPE, "is not an event type"));
    }
    if let Some(url) = &mut command.url {
        match EndpointUrl::parse(url, policy) {
            Ok(parsed) => parsed.as_str().clone_into(url),
            Err(refusal) => errors.push(FieldError::new(WEBHOOK_URL, refusal.to_string())),
        }
    }
    let Some(mut event) = event.filter(|_| errors.is_empty()) else { return Err(Error::Invalid(errors)) };
    let event_id = EventId(Uuid::now_v7());
    event.at = app.clock().now().plus_micros(call.actor.clock_ahead_us());
    let body = render_payload(Shape::Orders, &event, event_id, event.ordering_key.map(|_| 1));
    let body = body.ok_or(Error::Internal("a sample has no payload"))?;
    let sample = Arc::new(Sample { command, event_id, body });
    let sending = tokio::spawn(send_sample(app.clone(), call.clone(), sample, render));
    sending.await.unwrap_or(Err(Error::Internal("a test send broke off")))
}

async fn send_sample(app: App, call: Call, sample: Arc<Sample>, render: Render<TestSent>) -> Result<Reply> {
    let prepared = app.prepare(&call, Arc::clone(&sample), |tx, cx, sample| Box::pin(begin(tx, cx, sample)));
    let Destination { target, is_registered } = match prepared.await? {
        Prepared::Begun(destination) => destination,
        Prepared::Answered(reply) => return Ok(reply),
    };
    let event_id = sample.event_id;
    let name = sample.command.event_type.as_deref().unwrap_or(DEFAULT_EVENT_TYPE);
    let body = as_sent(target.shape, target.payload, sample.body.clone().into(), name);
    let (client, policy) = (app.webhook_client(), app.config().address_policy);
    let secret = (!is_registered).then(|| target.secret.clone());
    let ready = Ready::new(target, policy);
    let sent = ready.send(client, app.config().deadline, &event_id.prefixed(), body, wall()).await;
    // Its URL or a header was taken under other rules than today's.
    let answer = sent.unwrap_or_else(|| Answer::failed(Cause::AddressRefused));
    let outcome = TestSent { event_id, answer, one_time_secret: secret };
    app.conclude(&call, outcome, render, |tx, cx, sent| {
        Box::pin(on_record(tx, cx, "webhook.test_send", sent.event_id))
    })
    .await
}

async fn on_record(tx: &mut Tx, cx: &Cx, action: &'static str, event: EventId) -> Result<()> {
    let clinic = cx.call.partner(Scope::WebhooksWrite)?.clinic_id;
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic), action, "event", Some(event.0)));
    changes.write(tx, cx).await
}

/// Finds where it goes, and has it on record before anything is sent: should the process die meanwhile, that is all
/// that is known.
async fn begin(tx: &mut Tx, cx: &Cx, sample: &Sample) -> Result<Destination> {
    let destination = destination(tx, cx, &sample.command).await?;
    on_record(tx, cx, "webhook.test_attempt", sample.event_id).await?;
    Ok(destination)
}

async fn destination(tx: &mut Tx, cx: &Cx, command: &TestSend) -> Result<Destination> {
    let clinic = cx.call.partner(Scope::WebhooksWrite)?.clinic_id;
    let endpoint = match &command.url {
        Some(url) => store::endpoint_by_url(tx, clinic, Shape::Orders, url).await?,
        None => {
            let newest = Page { limit: 1, ..Page::default() };
            let active = Some(EndpointStatus::Active);
            let found = store::endpoint_list(tx, clinic, Some(Shape::Orders), active, &newest).await?;
            let none = || Error::field(WEBHOOK_URL, "is required: there is no active webhook to send to");
            Some(found.items.into_iter().next().ok_or_else(none)?)
        }
    };
    let secret = new_secret();
    let registered = match endpoint {
        Some(endpoint) => store::endpoint_target(tx, endpoint.id, cx.wall, cx.app.gate()).await?,
        None => None,
    };
    let is_registered = registered.is_some();
    let target = registered.unwrap_or_else(|| Target {
        endpoint_id: EndpointId(Uuid::nil()),
        clinic_id: clinic,
        shape: Shape::Orders,
        url: command.url.clone().unwrap_or_default(),
        keys: vec![secret.clone()],
        secret,
        headers: Phi::default(),
        api_key: None,
        ordered: false,
        after_dead_letter: AfterDeadLetter::Skip,
        rate_limit_per_second: None,
        payload: Payload::Full,
        retry_schedule: None,
        status: EndpointStatus::Active,
        failing_since: None,
        version: 0,
    });
    Ok(Destination { target, is_registered })
}
