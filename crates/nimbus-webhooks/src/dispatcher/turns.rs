//! Whose turn it is to send: one delivery of each clinic in turn, and within a clinic one of each of its lanes, so that
//! neither a long backlog nor many endpoints keep others waiting.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use nimbus_core::ids::{ClinicId, EndpointId};

/// The lanes that have something to send, and those that will at a time.
#[derive(Default)]
pub(super) struct Turns {
    clinics: VecDeque<ClinicId>,
    lanes: HashMap<ClinicId, VecDeque<EndpointId>>,
    waiting: HashSet<EndpointId>,
    timers: BTreeSet<(i64, EndpointId)>,
}

impl Turns {
    /// A lane has something to send, perhaps.
    pub(super) fn add(&mut self, clinic: ClinicId, lane: EndpointId) {
        if !self.waiting.insert(lane) {
            return;
        }
        let lanes = self.lanes.entry(clinic).or_default();
        if lanes.is_empty() {
            self.clinics.push_back(clinic);
        }
        lanes.push_back(lane);
    }

    /// The lane whose turn it is; its clinic's next turn comes after those of the others.
    pub(super) fn next(&mut self) -> Option<EndpointId> {
        let clinic = self.clinics.pop_front()?;
        let lanes = self.lanes.get_mut(&clinic)?;
        let lane = lanes.pop_front();
        if lanes.is_empty() {
            self.lanes.remove(&clinic);
        } else {
            self.clinics.push_back(clinic);
        }
        if let Some(lane) = lane {
            self.waiting.remove(&lane);
        }
        lane
    }

    /// A lane may send again at a time.
    pub(super) fn wake_at(&mut self, at_ms: i64, lane: EndpointId) {
        self.timers.insert((at_ms, lane));
    }

    /// The next such time.
    pub(super) fn next_timer(&self) -> Option<i64> {
        self.timers.first().map(|(at_ms, _)| *at_ms)
    }

    /// The lanes whose time has come.
    pub(super) fn due(&mut self, now_ms: i64) -> Vec<EndpointId> {
        let later = self.timers.split_off(&(now_ms.saturating_add(1), EndpointId(uuid::Uuid::nil())));
        let due = std::mem::replace(&mut self.timers, later);
        due.into_iter().map(|(_, lane)| lane).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn clinic(n: u128) -> ClinicId {
        ClinicId(Uuid::from_u128(n))
    }

    fn lane(n: u128) -> EndpointId {
        EndpointId(Uuid::from_u128(n))
    }

    #[test]
    fn clinics_take_turns_and_so_do_their_lanes() {
        let mut turns = Turns::default();
        for n in 10..13 {
            turns.add(clinic(1), lane(n));
        }
        turns.add(clinic(2), lane(20));
        turns.add(clinic(1), lane(10));
        let order: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(order, [10, 20, 11, 12].map(lane));
        turns.add(clinic(2), lane(20));
        assert_eq!(turns.next(), Some(lane(20)), "it may come again");
    }

    #[test]
    fn timers_come_in_order_and_once() {
        let mut turns = Turns::default();
        turns.wake_at(50, lane(1));
        turns.wake_at(20, lane(2));
        turns.wake_at(20, lane(2));
        assert_eq!(turns.next_timer(), Some(20));
        assert_eq!(turns.due(49), [lane(2)]);
        assert_eq!(turns.due(50), [lane(1)]);
        assert_eq!(turns.next_timer(), None);
    }
}
