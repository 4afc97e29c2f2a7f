//! What was published, and the proof that it arrived: at least once, always under the same id and as the same bytes, and
//! in order where that was asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use nimbus_core::ids::ClinicId;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    receiver::{Arrival, Receiver},
    world::{EVENT, Lane},
};

#[derive(Default)]
pub(crate) struct Book {
    /// Each event's clinic, and whether it was answered with success.
    events: Mutex<BTreeMap<Uuid, (ClinicId, bool)>>,
}

impl Book {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, (ClinicId, bool)>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begun(&self, clinic: ClinicId) -> Uuid {
        let id = Uuid::now_v7();
        self.lock().insert(id, (clinic, false));
        id
    }

    pub(crate) fn answered(&self, id: Uuid) {
        if let Some((_, answered)) = self.lock().get_mut(&id) {
            *answered = true;
        }
    }

    pub(crate) fn count_answered(&self) -> usize {
        self.lock().values().filter(|(_, answered)| *answered).count()
    }

    /// Looks at all that came to an endpoint; how many deliveries that were, and how many came again.
    #[track_caller]
    pub(crate) fn prove(&self, lane: &Lane, receiver: &Receiver) -> (usize, usize) {
        let arrivals: Vec<Arrival> = receiver.arrivals(&lane.path);
        let (mut bodies, mut numbers, mut arrived) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        let events = self.lock();
        for one in &arrivals {
            if let Some(before) = bodies.get(&one.id) {
                assert!(*before == &one.body, "{}: {} came with other bytes", lane.path, one.id);
                continue;
            }
            bodies.insert(&one.id, &one.body);
            let body: Value = serde_json::from_slice(&one.body).expect("a webhook is JSON");
            if body["event_type"] != EVENT {
                continue;
            }
            assert_eq!(body["event_id"].as_str(), Some(one.id.as_str()));
            numbers.push(body["sequence"].as_i64().expect("a number"));
            let id: Uuid = body["event_data"]["id"].as_str().and_then(|id| id.parse().ok()).expect("its id");
            assert_eq!(
                events.get(&id).map(|(clinic, _)| *clinic),
                Some(lane.clinic),
                "{}: never published",
                lane.path
            );
            assert!(arrived.insert(id), "{}: one event has two ids", lane.path);
        }
        let expected = events.iter().filter(|(_, event)| **event == (lane.clinic, true)).map(|(id, _)| *id);
        let lost: Vec<Uuid> = expected.filter(|id| !arrived.contains(id)).collect();
        assert!(lost.is_empty(), "{}: {} were accepted and have not arrived", lane.path, lost.len());
        if lane.ordered {
            assert!(numbers.is_sorted(), "{}: out of order: {numbers:?}", lane.path);
        }
        numbers.sort_unstable();
        let wanted: Vec<i64> = (1..).take(numbers.len()).collect();
        assert_eq!(numbers, wanted, "{}: what was not committed has no number", lane.path);
        (numbers.len(), arrivals.len() - bodies.len())
    }
}
