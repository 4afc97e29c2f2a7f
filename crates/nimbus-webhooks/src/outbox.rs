//! Events and their deliveries, written in the transaction of the fact that they tell.

use std::collections::{BTreeMap, btree_map::Entry};

use nimbus_core::{
    event::{Event, Fact},
    ids::{ClinicId, DeliveryId, EventId},
    time::Ts,
};
use nimbus_store::{
    Result, Statement, Tx,
    deliveries::{self, NewDelivery},
    endpoints::{self, EndpointStatus, Shape, Subscription},
    events::{self, NewEvent},
};
use uuid::Uuid;

use crate::payload::{self, EventName};

/// What is to be written.
pub struct Rows {
    pub statements: Vec<Statement>,
    /// How many of them are deliveries: with none, no dispatcher need be woken.
    pub deliveries: usize,
}

/// The rows that tell these facts in each shape: each event rendered once, numbered within its ordering key, and
/// addressed to every endpoint that subscribes. `wall` is when they are due.
pub async fn rows(tx: &mut Tx, wall: Ts, facts: &[Event]) -> Result<Rows> {
    let told = tell(tx, wall, facts, Tone::Real).await?;
    written(tx, told).await
}

/// The same of events that a sandbox was asked for: their payloads say so, and may carry other data, the text of a
/// JSON object.
pub async fn triggered_rows(tx: &mut Tx, wall: Ts, facts: &[Event], data: Option<&str>) -> Result<Rows> {
    let told = tell(tx, wall, facts, Tone::Triggered(data)).await?;
    written(tx, told).await
}

/// Whether something has happened.
#[derive(Clone, Copy)]
enum Tone<'a> {
    Real,
    /// No: somebody wants to see what it would look like, perhaps with these data.
    Triggered(Option<&'a str>),
}

async fn written(tx: &mut Tx, (events, deliveries): (Vec<NewEvent>, Vec<NewDelivery>)) -> Result<Rows> {
    let mut statements = events::event_statements(tx, &events).await?;
    statements.extend(deliveries::delivery_statements(&deliveries));
    Ok(Rows { statements, deliveries: deliveries.len() })
}

async fn tell(
    tx: &mut Tx,
    wall: Ts,
    facts: &[Event],
    tone: Tone<'_>,
) -> Result<(Vec<NewEvent>, Vec<NewDelivery>)> {
    let mut sequences = Sequences::default();
    let mut subscriptions: BTreeMap<ClinicId, Vec<Subscription>> = BTreeMap::new();
    sequences.take_all(tx, facts).await?;
    let (mut events, mut deliveries) = (Vec::with_capacity(facts.len()), Vec::new());
    for fact in facts {
        let subscribed = match subscriptions.entry(fact.clinic_id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(endpoints::subscriptions(tx, fact.clinic_id).await?),
        };
        for &shape in Shape::ALL {
            let Some((name, subject_id)) = payload::named(shape, &fact.fact) else { continue };
            let id = EventId(Uuid::now_v7());
            let sequence = fact.ordering_key.map(|key| sequences.next(fact.clinic_id, key, shape));
            let Some(body) = payload::render(shape, fact, id, sequence) else { continue };
            let body = match tone {
                Tone::Real => body,
                Tone::Triggered(data) => payload::triggered(shape, body, data),
            };
            let of_shape = subscribed.iter().filter(|subscription| subscription.shape == shape);
            deliveries.extend(addressed(of_shape, &name, fact, id, wall));
            events.push(NewEvent {
                id,
                clinic_id: fact.clinic_id,
                shape,
                name: name.name.to_owned(),
                type_: name.type_.to_owned(),
                subject_id,
                ordering_key: fact.ordering_key,
                sequence,
                body,
                created_at: fact.at,
            });
        }
    }
    Ok((events, deliveries))
}

/// One delivery for each endpoint that subscribes. A paused or disabled endpoint's wait for it; a test goes to
/// its own endpoint alone, and the news that an endpoint was disabled to the others.
fn addressed<'a>(
    subscribed: impl Iterator<Item = &'a Subscription>,
    event: &EventName,
    fact: &Event,
    event_id: EventId,
    wall: Ts,
) -> Vec<NewDelivery> {
    let wanted = |subscription: &&Subscription| match &fact.fact {
        Fact::WebhookTest { endpoint_id } => subscription.endpoint_id == *endpoint_id,
        Fact::WebhookDisabled { endpoint_id, .. } => subscription.endpoint_id != *endpoint_id,
        _ => true,
    };
    let name = |subscription: &Subscription| match &fact.fact {
        Fact::WebhookTest { .. } => Some(event.name),
        _ => payload::subscribed_name(event, &subscription.event_types, subscription.scopes),
    };
    subscribed
        .filter(|subscription| subscription.status != EndpointStatus::Deleted)
        .filter(wanted)
        .filter_map(|subscription| {
            Some(NewDelivery {
                id: DeliveryId(Uuid::now_v7()),
                clinic_id: fact.clinic_id,
                endpoint_id: subscription.endpoint_id,
                event_id,
                event_name: name(subscription)?.to_owned(),
                ordering_key: fact.ordering_key,
                due_at: wall,
                created_at: wall,
            })
        })
        .collect()
}

/// The places in each ordering key that a change takes in each shape: taken together, handed out in order.
#[derive(Default)]
struct Sequences(BTreeMap<(ClinicId, Uuid), [Places; Shape::ALL.len()]>);

#[derive(Default, Clone, Copy)]
struct Places {
    next: i64,
    count: i64,
}

impl Sequences {
    async fn take_all(&mut self, tx: &mut Tx, facts: &[Event]) -> Result<()> {
        for fact in facts {
            let Some(key) = fact.ordering_key else { continue };
            for &shape in Shape::ALL {
                if payload::named(shape, &fact.fact).is_some() {
                    self.of(fact.clinic_id, key)[shape as usize].count += 1;
                }
            }
        }
        // In key order, so that two changes that share keys cannot wait for each other in a circle.
        for (&(clinic, key), shapes) in &mut self.0 {
            let counts = shapes.map(|places| places.count);
            let firsts = events::sequences_take(tx, clinic, key, counts).await?;
            for (places, first) in shapes.iter_mut().zip(firsts) {
                places.next = first;
            }
        }
        Ok(())
    }

    fn of(&mut self, clinic: ClinicId, key: Uuid) -> &mut [Places; Shape::ALL.len()] {
        self.0.entry((clinic, key)).or_default()
    }

    fn next(&mut self, clinic: ClinicId, key: Uuid, shape: Shape) -> i64 {
        let places = &mut self.of(clinic, key)[shape as usize];
        places.next += 1;
        places.next - 1
    }
}
