//! Events on demand: a sample of any event, through the real outbox to the clinic's own endpoints.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use nimbus_core::{
    access::Scope,
    event::{Event, Fact},
    ids::ClinicId,
};
use nimbus_store::{
    Tx,
    audit::AuditEntry,
    endpoints::{self, EndpointStatus, Shape},
    tenants::{self, Clinic},
};
use nimbus_webhooks::payload::sample_of_clinic;
use uuid::Uuid;

use super::clinic_of;
use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    group::{Group, Member},
    outbox,
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

/// What one request writes in one transaction.
#[derive(Clone)]
pub(crate) struct Batch {
    clinic: ClinicId,
    sample: Event,
    count: u32,
    data: Option<Arc<str>>,
}

/// The requests for one event each, which are written together.
pub(crate) type Triggers = Group<Batch, ()>;

/// Writes events that have not happened. Once it has begun it runs to its end, whether or not the caller waits.
pub async fn trigger(app: &App, call: &Call, command: Trigger, render: Render<Triggered>) -> Result<Reply> {
    let clinic = clinic_of(call, Scope::WebhooksWrite, command.clinic)?;
    let Some(sample) = sample_of_clinic(&command.event_type, clinic) else {
        return Err(Error::field("event_type", "is not the name of an event: see the list of event types"));
    };
    if command.count > 1 && matches!(sample.fact, Fact::WebhookTest { .. }) {
        return Err(Error::field("count", "must be 1 for a test, which goes to each endpoint once"));
    }
    let Trigger { event_type, count, data, .. } = command;
    let batch = Batch { clinic, sample, count, data: data.map(Arc::from) };
    let outcome = Triggered { clinic_id: clinic, event_type, count };
    if count == 1 && call.idempotency.is_none() {
        Group::run(app, App::triggers, call.clone(), batch, |tx, cx, members| {
            Box::pin(each(tx, cx, members))
        })
        .await?;
        return Ok(Reply { rendered: render(&outcome), replayed: false });
    }
    let running = tokio::spawn(run(app.clone(), call.clone(), (batch, outcome), render));
    running.await.unwrap_or(Err(Error::Internal("the trigger of events broke off")))
}

/// So many events that they are written in several transactions, or under an idempotency key.
async fn run(
    app: App,
    call: Call,
    (batch, outcome): (Batch, Triggered),
    render: Render<Triggered>,
) -> Result<Reply> {
    let prepared = app.prepare(&call, batch.clinic, |tx, cx, &clinic| {
        Box::pin(async move {
            let clinic = existing(tx, clinic).await?;
            outbox::trigger(tx, cx, &[on_record(cx, clinic.id)], Vec::new()).await
        })
    });
    if let Prepared::Answered(reply) = prepared.await? {
        return Ok(reply);
    }
    let mut left = batch.count;
    while left > 0 {
        let now = left.min(BATCH);
        // Each concerns an order of its own, if there are several.
        let of_one = batch.count == 1;
        app.go_on(&call, (Batch { count: now, ..batch.clone() }, of_one), |tx, cx, (batch, of_one)| {
            Box::pin(async move {
                let clinic = existing(tx, batch.clinic).await?;
                let events = events(tx, &cx.ahead(clinic.clock_ahead_us), batch, *of_one).await?;
                outbox::trigger(tx, cx, &[], events).await
            })
        })
        .await?;
        left -= now;
    }
    app.conclude(&call, outcome, render, |_, _, _| Box::pin(async { Ok(()) })).await
}

/// One event of each request.
async fn each(tx: &mut Tx, cx: &Cx, members: &[Member<Batch>]) -> Result<Vec<Result<()>>> {
    let mut clinics: BTreeMap<ClinicId, Option<Clinic>> = BTreeMap::new();
    let (mut outcomes, mut audit, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for Member { call, command: batch } in members {
        let clinic = match clinics.entry(batch.clinic) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert(existing(tx, batch.clinic).await.map(Some).or_else(missing)?)
            }
        };
        let Some(clinic) = clinic else {
            outcomes.push(Err(NO_CLINIC));
            continue;
        };
        let cx = cx.of_call(call).ahead(clinic.clock_ahead_us);
        audit.push(on_record(&cx, clinic.id));
        all.extend(events(tx, &cx, batch, true).await?);
        outcomes.push(Ok(()));
    }
    outbox::trigger(tx, cx, &audit, all).await?;
    Ok(outcomes)
}

const NO_CLINIC: Error = Error::NotFound("Clinic");

/// A clinic that there is.
async fn existing(tx: &mut Tx, clinic: ClinicId) -> Result<Clinic> {
    let found = tenants::clinic_get(tx, clinic).await?;
    found.filter(|clinic| clinic.deleted_at.is_none()).ok_or(NO_CLINIC)
}

fn missing(error: Error) -> Result<Option<Clinic>> {
    if matches!(error, Error::NotFound(_)) { Ok(None) } else { Err(error) }
}

/// Who asks.
fn on_record(cx: &Cx, clinic: ClinicId) -> AuditEntry {
    cx.audit(Some(clinic), "sandbox.trigger", "clinic", Some(clinic.0))
}

async fn events(tx: &mut Tx, cx: &Cx, batch: &Batch, of_one: bool) -> Result<Vec<outbox::Asked>> {
    let sample = Event { at: cx.now, ..batch.sample.clone() };
    let events = match sample.fact {
        Fact::WebhookTest { .. } => tests(tx, &sample).await?,
        _ => {
            let key = |event: &Event| event.ordering_key.map(|key| if of_one { key } else { Uuid::now_v7() });
            (0..batch.count).map(|_| Event { ordering_key: key(&sample), ..sample.clone() }).collect()
        }
    };
    Ok(events.into_iter().map(|event| outbox::Asked { event, data: batch.data.clone() }).collect())
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
