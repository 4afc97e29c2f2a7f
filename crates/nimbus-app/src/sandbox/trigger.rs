//! Events on demand: a sample of any event, through the real outbox to the clinic's own endpoints.

use nimbus_core::{
    access::Scope,
    event::{Event, Fact},
    ids::ClinicId,
};
use nimbus_store::{
    Tx,
    endpoints::{self, EndpointStatus, Shape},
};
use nimbus_webhooks::payload::sample_of_clinic;
use uuid::Uuid;

use super::clinic_of;
use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    outbox::{self, Changes},
    unit::{Cx, Prepared, Render, Reply},
};

/// The most events of one request.
pub const MAX_COUNT: u32 = 10_000;
/// Events written in one transaction.
const BATCH: u32 = 100;

pub struct Trigger {
    /// Staff name a clinic; a partner triggers its own clinic's events.
    pub clinic: Option<ClinicId>,
    /// Any name in the catalogue, broad or narrow, of either shape.
    pub event_type: String,
    /// How many; each concerns an order of its own, if there are several.
    pub count: u32,
    /// The text of a JSON object that is sent instead of the sample's data.
    pub data: Option<String>,
}

pub struct Triggered {
    pub clinic_id: ClinicId,
    pub event_type: String,
    pub count: u32,
}

/// Writes events that have not happened. Once it has begun it runs to its end, whether or not the caller waits.
pub async fn trigger(app: &App, call: &Call, command: Trigger, render: Render<Triggered>) -> Result<Reply> {
    let clinic = clinic_of(call, Scope::WebhooksWrite, command.clinic)?;
    let Some(sample) = sample_of_clinic(&command.event_type, clinic) else {
        return Err(Error::field("event_type", "is not the name of an event: see the list of event types"));
    };
    if command.count > 1 && matches!(sample.fact, Fact::WebhookTest { .. }) {
        return Err(Error::field("count", "must be 1 for a test, which goes to each endpoint once"));
    }
    let running = tokio::spawn(run(app.clone(), call.clone(), (clinic, command), render));
    running.await.unwrap_or(Err(Error::Internal("the trigger of events broke off")))
}

async fn run(app: App, call: Call, command: (ClinicId, Trigger), render: Render<Triggered>) -> Result<Reply> {
    let (clinic, trigger) = command;
    let prepared = app.prepare(&call, clinic, |tx, cx, &clinic| Box::pin(on_record(tx, cx, clinic)));
    if let Prepared::Answered(reply) = prepared.await? {
        return Ok(reply);
    }
    let Trigger { event_type, count, data, .. } = trigger;
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        let of_one = count == 1;
        let command = (clinic, event_type.clone(), data.clone(), batch, of_one);
        app.act(&call, command, |tx, cx, (clinic, event_type, data, batch, of_one)| {
            Box::pin(async move {
                let cx = &cx.of_clinic(tx, *clinic).await?;
                let events = events(tx, cx, *clinic, event_type, *batch, *of_one).await?;
                outbox::trigger(tx, cx, &events, data.as_deref()).await
            })
        })
        .await?;
        left -= batch;
    }
    let outcome = Triggered { clinic_id: clinic, event_type, count };
    app.conclude(&call, outcome, render, |_, _, _| Box::pin(async { Ok(()) })).await
}

/// A clinic that there is, and who asks, on record.
async fn on_record(tx: &mut Tx, cx: &Cx, clinic: ClinicId) -> Result<()> {
    let found = nimbus_store::tenants::clinic_get(tx, clinic).await?;
    found.filter(|clinic| clinic.deleted_at.is_none()).ok_or(Error::NotFound("Clinic"))?;
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(Some(clinic), "sandbox.trigger", "clinic", Some(clinic.0)));
    changes.write(tx, cx).await
}

async fn events(
    tx: &mut Tx,
    cx: &Cx,
    clinic: ClinicId,
    event_type: &str,
    count: u32,
    of_one: bool,
) -> Result<Vec<Event>> {
    let sample = sample_of_clinic(event_type, clinic).ok_or(Error::Internal("a sample is gone"))?;
    let sample = Event { at: cx.now, ..sample };
    if let Fact::WebhookTest { .. } = sample.fact {
        return tests(tx, &sample).await;
    }
    let key = |event: &Event| event.ordering_key.map(|key| if of_one { key } else { Uuid::now_v7() });
    Ok((0..count).map(|_| Event { ordering_key: key(&sample), ..sample.clone() }).collect())
}

/// A test goes to the endpoint that it names alone, so there is one for each.
async fn tests(tx: &mut Tx, sample: &Event) -> Result<Vec<Event>> {
    let subscribed = endpoints::subscriptions(tx, sample.clinic_id).await?;
    let here = |status: EndpointStatus| status != EndpointStatus::Deleted;
    let named = subscribed.iter().filter(|it| it.shape == Shape::Partner && here(it.status));
    let test = |it: &endpoints::Subscription| Event {
        fact: Fact::WebhookTest { endpoint_id: it.endpoint_id },
        ..sample.clone()
    };
    let tests: Vec<Event> = named.map(test).collect();
    // Without an endpoint the log alone has it.
    Ok(if tests.is_empty() { vec![sample.clone()] } else { tests })
}
