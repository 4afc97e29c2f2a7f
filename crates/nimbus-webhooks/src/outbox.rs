//! Events and their deliveries, written in the transaction of the fact that they tell.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry},
    sync::Arc,
};

use bytes::Bytes;
use nimbus_core::{
    event::{Event, Fact},
    ids::{ClinicId, DeliveryId, EndpointId, EventId},
    time::Ts,
};
use nimbus_store::{
    Result, Statement, Tx,
    deliveries::{self, Claimed, NewDelivery},
    endpoints::{self, AfterDeadLetter, EndpointStatus, Shape, Subscription},
    events::{self, NewEvent},
};
use uuid::Uuid;

use crate::{
    handover::{Fresh, Handover},
    payload::{self, EventName},
};

/// What is to be written.
pub struct Rows {
    pub statements: Vec<Statement>,
    /// Deliveries among them that are leased to this process: to be handed over once they are committed.
    pub fresh: Vec<Fresh>,
    /// Whether others are due which anybody may claim.
    pub is_due: bool,
}

/// The rows that tell these facts in each shape: each event rendered once, numbered within its ordering key, and
/// addressed to every endpoint that subscribes. `wall` is when they are due. With a `handover`, what can be sent at
/// once is leased to this process.
pub async fn rows(tx: &mut Tx, wall: Ts, facts: &[Event], handover: Option<&Handover>) -> Result<Rows> {
    let told = tell(tx, wall, facts, Tone::Real).await?;
    written(tx, wall, told, handover).await
}

/// An event that a sandbox was asked for: its payload says so, and may carry other data, the text of a JSON object.
pub struct Asked {
    pub event: Event,
    pub data: Option<Arc<str>>,
}

/// The rows of events that have not happened.
pub async fn triggered_rows(
    tx: &mut Tx,
    wall: Ts,
    asked: Vec<Asked>,
    handover: Option<&Handover>,
) -> Result<Rows> {
    let (facts, data): (Vec<Event>, Vec<_>) = asked.into_iter().map(|it| (it.event, it.data)).unzip();
    let told = tell(tx, wall, &facts, Tone::Triggered(&data)).await?;
    written(tx, wall, told, handover).await
}

/// Whether something has happened.
#[derive(Clone, Copy)]
enum Tone<'a> {
    Real,
    /// No: somebody wants to see what it would look like, each perhaps with its data.
    Triggered(&'a [Option<Arc<str>>]),
}

/// Events, and to whom each goes.
struct Told {
    events: Vec<NewEvent>,
    deliveries: Vec<Addressed>,
}

/// A delivery, and what decides whether this process may send it at once.
struct Addressed {
    row: NewDelivery,
    /// Of its event.
    index: usize,
    status: EndpointStatus,
    version: i64,
    hold: bool,
}

async fn written(tx: &mut Tx, wall: Ts, mut told: Told, handover: Option<&Handover>) -> Result<Rows> {
    let mut fresh = Vec::new();
    if let Some(handover) = handover {
        let blocked = blocked(tx, &told.deliveries).await?;
        let lease = handover.lease(wall);
        let mut bodies: HashMap<usize, Bytes> = HashMap::new();
        for Addressed { row, index, status, version, .. } in &mut told.deliveries {
            let line = row.ordering_key.filter(|_| row.ordered);
            let may = *status == EndpointStatus::Active
                && line.is_none_or(|line| !blocked.contains(&(row.endpoint_id, line)));
            let Some(place) = may.then(|| handover.reserve(row.endpoint_id)).flatten() else { continue };
            row.lease = Some(lease);
            let Some(event) = told.events.get(*index) else { continue };
            let body = bodies.entry(*index).or_insert_with(|| Bytes::copy_from_slice(&event.body)).clone();
            let claimed = Claimed {
                id: row.id,
                clinic_id: row.clinic_id,
                endpoint_id: row.endpoint_id,
                event_id: row.event_id,
                event_name: row.event_name.clone(),
                line,
                sequence: row.sequence,
                attempts: 0,
                token: lease.token,
                body,
            };
            fresh.push(Fresh::new(claimed, place, wall, *version));
        }
    }
    let is_due = fresh.len() < told.deliveries.len();
    let mut statements = events::event_statements(tx, &told.events).await?;
    let deliveries: Vec<NewDelivery> = told.deliveries.into_iter().map(|addressed| addressed.row).collect();
    statements.extend(deliveries::delivery_statements(&deliveries));
    Ok(Rows { statements, fresh, is_due })
}

/// The lines of ordered endpoints in which something stands: what is written into one waits for it.
async fn blocked(tx: &mut Tx, deliveries: &[Addressed]) -> Result<BTreeSet<(EndpointId, Uuid)>> {
    let mut lines: BTreeMap<(EndpointId, bool), BTreeSet<Uuid>> = BTreeMap::new();
    for Addressed { row, hold, .. } in deliveries {
        if let Some(line) = row.ordering_key.filter(|_| row.ordered) {
            lines.entry((row.endpoint_id, *hold)).or_default().insert(line);
        }
    }
    let mut blocked = BTreeSet::new();
    for ((endpoint, hold), lines) in lines {
        let free = deliveries::lines_free(tx, endpoint, hold, &lines).await?;
        blocked.extend(lines.difference(&free).map(|&line| (endpoint, line)));
    }
    Ok(blocked)
}

async fn tell(tx: &mut Tx, wall: Ts, facts: &[Event], tone: Tone<'_>) -> Result<Told> {
    let mut sequences = Sequences::default();
    let mut subscriptions: BTreeMap<ClinicId, Vec<Subscription>> = BTreeMap::new();
    sequences.take_all(tx, facts).await?;
    let mut told = Told { events: Vec::with_capacity(facts.len()), deliveries: Vec::new() };
    for (place, fact) in facts.iter().enumerate() {
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
                Tone::Triggered(data) => {
                    payload::triggered(shape, body, data.get(place).and_then(|data| data.as_deref()))
                }
            };
            let event = NewEvent {
                id,
                clinic_id: fact.clinic_id,
                shape,
                name: name.name.to_owned(),
                type_: name.type_.to_owned(),
                subject_id,
                ordering_key: fact.ordering_key,
                sequence,
                body,
                fanout: 0,
                created_at: fact.at,
            };
            let of_shape = subscribed.iter().filter(|subscription| subscription.shape == shape);
            let deliveries = addressed(of_shape, &name, fact, &event, wall);
            let index = told.events.len();
            let fanout = i64::try_from(deliveries.len()).unwrap_or(i64::MAX);
            told.events.push(NewEvent { fanout, ..event });
            told.deliveries.extend(deliveries.into_iter().map(|(row, subscription)| Addressed {
                row,
                index,
                status: subscription.status,
                version: subscription.version,
                hold: subscription.after_dead_letter == AfterDeadLetter::Hold,
            }));
        }
    }
    Ok(told)
}

/// One delivery for each endpoint that subscribes. A paused or disabled endpoint's wait for it; a test goes to
/// its own endpoint alone, and the news that an endpoint was disabled to the others.
fn addressed<'a>(
    subscribed: impl Iterator<Item = &'a Subscription>,
    name: &EventName,
    fact: &Event,
    event: &NewEvent,
    wall: Ts,
) -> Vec<(NewDelivery, &'a Subscription)> {
    let wanted = |subscription: &&Subscription| match &fact.fact {
        Fact::WebhookTest { endpoint_id } => subscription.endpoint_id == *endpoint_id,
        Fact::WebhookDisabled { endpoint_id, .. } => subscription.endpoint_id != *endpoint_id,
        _ => true,
    };
    let name = |subscription: &Subscription| match &fact.fact {
        Fact::WebhookTest { .. } => Some(name.name),
        _ => payload::subscribed_name(name, &subscription.event_types, subscription.scopes),
    };
    subscribed
        .filter(|subscription| subscription.status != EndpointStatus::Deleted)
        .filter(wanted)
        .filter_map(|subscription| {
            let delivery = NewDelivery {
                id: DeliveryId(Uuid::now_v7()),
                clinic_id: fact.clinic_id,
                endpoint_id: subscription.endpoint_id,
                event_id: event.id,
                event_name: name(subscription)?.to_owned(),
                ordering_key: fact.ordering_key,
                sequence: event.sequence,
                ordered: subscription.ordered,
                due_at: wall,
                created_at: wall,
                lease: None,
            };
            Some((delivery, subscription))
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
