//! One endpoint's lane: what is claimed for it, what is in flight, and its breaker.

use std::{collections::VecDeque, sync::Arc};

use nimbus_core::time::Ts;
use nimbus_store::{deliveries::Claimed, endpoints::Target};

use super::{LANE_IN_FLIGHT, LANE_WINDOW, LEASE_LEFT_MS, LEASE_MS};
use crate::breaker::{Admission, Breaker};

/// A claimed delivery and where it goes.
pub(super) struct Leased {
    pub(super) row: Claimed,
    pub(super) target: Arc<Target>,
    /// When it was claimed.
    pub(super) at: Ts,
}

impl Leased {
    /// Whether the lease still outlasts a request.
    fn can_be_sent(&self, now: Ts) -> bool {
        self.at.plus_millis(LEASE_MS - LEASE_LEFT_MS) > now
    }
}

pub(super) struct Lane {
    pub(super) queue: VecDeque<Leased>,
    pub(super) wants_more: bool,
    in_flight: usize,
    breaker: Breaker,
    /// The version of the endpoint that the breaker judges.
    version: i64,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self { queue: VecDeque::new(), wants_more: false, in_flight: 0, breaker: Breaker::new(), version: 0 }
    }

    /// An endpoint that its owner has changed, or enabled again, gets a fresh start.
    pub(super) fn know(&mut self, version: i64) {
        if self.version != version {
            self.version = version;
            self.breaker = Breaker::new();
        }
    }

    /// The next delivery to send, if the lane may send one now. Rows whose lease no longer outlasts a request
    /// are dropped: they are claimed again when it has run out.
    pub(super) fn next(&mut self, now: Ts, now_ms: i64) -> Option<Leased> {
        while self.queue.front().is_some_and(|leased| !leased.can_be_sent(now)) {
            self.queue.pop_front();
        }
        if self.in_flight >= LANE_IN_FLIGHT || self.queue.is_empty() {
            return None;
        }
        if matches!(self.breaker.admit(now_ms), Admission::Wait { .. }) {
            return None;
        }
        self.in_flight += 1;
        self.queue.pop_front()
    }

    /// A request ended. `alive` says whether the receiver answered; `None` if nothing was sent.
    pub(super) fn done(&mut self, alive: Option<bool>, now_ms: i64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(alive) = alive {
            self.breaker.record(alive, now_ms);
        }
    }

    /// How many more rows to claim: one window, and one row to probe with while the breaker is open.
    pub(super) fn room(&self) -> usize {
        let window = if self.breaker.is_open() { 1 } else { LANE_WINDOW };
        window.saturating_sub(self.queue.len() + self.in_flight)
    }

    /// Whether nothing would be lost by forgetting the lane.
    pub(super) fn is_forgettable(&self) -> bool {
        self.queue.is_empty() && self.in_flight == 0 && !self.breaker.has_failed()
    }
}
