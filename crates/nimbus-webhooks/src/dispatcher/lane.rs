//! One endpoint's lane: what is held for it, what is in flight, its breaker, its rate.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use nimbus_core::ids::{ClinicId, EndpointId};
use nimbus_store::{deliveries::Claimed, endpoints::EndpointStatus};
use uuid::Uuid;

use super::{LANE_IN_FLIGHT, TARGET_FRESH_MS, bucket::Bucket};
use crate::{
    attempt::Ready,
    breaker::{Admission, Breaker, Standing},
    handover::{LANE_WINDOW, Place},
    metrics::Class,
};

/// What a lane holds at first.
const FIRST_WINDOW: usize = 32;
/// Before any time of a dispatcher's.
const NEVER_MS: i64 = i64::MIN / 2;

/// A delivery that this process holds the lease of.
pub(super) struct Leased {
    pub(super) row: Claimed,
    /// Given up when it is dropped.
    pub(super) _place: Place,
    /// Until then the lease outlasts a request.
    pub(super) send_by_ms: i64,
    /// The endpoint's when it was leased.
    pub(super) version: i64,
}

/// A task that had taken it has failed: it was sent, or not.
pub(super) struct Lost {
    pub(super) endpoint: EndpointId,
    pub(super) line: Option<Uuid>,
}

impl Leased {
    /// What is known of it should the task fail that takes it.
    pub(super) fn if_lost(&self) -> Lost {
        Lost { endpoint: self.row.endpoint_id, line: self.row.line }
    }
}

/// What a lane does when its turn comes.
pub(super) enum Turn {
    Send(Box<Leased>, Arc<Ready>),
    /// Its target must be read first.
    Unknown,
    /// Not before this time.
    Later(i64),
    /// It has nothing, or as much in flight as it may.
    Nothing,
}

/// What an endpoint is known to be.
enum Known {
    /// Not read yet.
    Nothing,
    Ready(Arc<Ready>),
    /// It must not be sent to.
    Closed,
}

pub(super) struct Lane {
    pub(super) clinic: ClinicId,
    queue: VecDeque<Leased>,
    /// What stands behind the first of each ordering key; the first is in the queue or in flight.
    lines: HashMap<Uuid, VecDeque<Leased>>,
    /// Whether the store likely has more than is held.
    pub(super) has_more: bool,
    known: Known,
    read_at_ms: i64,
    /// How much is held at once: what is sent before its lease runs out.
    window: usize,
    in_flight: usize,
    /// How much may be in flight: less while a receiver that was down is tried out.
    allowed: usize,
    breaker: Breaker,
    bucket: Option<Bucket>,
}

impl Lane {
    pub(super) fn new(clinic: ClinicId) -> Self {
        Self {
            clinic,
            queue: VecDeque::new(),
            lines: HashMap::new(),
            has_more: false,
            known: Known::Nothing,
            read_at_ms: NEVER_MS,
            window: FIRST_WINDOW,
            in_flight: 0,
            allowed: LANE_IN_FLIGHT,
            breaker: Breaker::new(),
            bucket: None,
        }
    }

    /// Takes what was read of the endpoint. One that its owner has changed, or enabled again, gets a fresh start.
    pub(super) fn know(&mut self, ready: Option<Arc<Ready>>, now_ms: i64) {
        self.read_at_ms = now_ms;
        let active = ready.filter(|ready| ready.target.status == EndpointStatus::Active);
        let Some(ready) = active else {
            self.known = Known::Closed;
            return;
        };
        if self.target().is_none_or(|known| known.target.version != ready.target.version) {
            self.breaker = Breaker::new();
            // What has gathered while it was paused or disabled comes one at a time, then one more with each success.
            self.allowed = if self.is_closed() { 1 } else { LANE_IN_FLIGHT };
            self.bucket = ready.target.rate_limit_per_second.map(Bucket::new);
        }
        self.known = Known::Ready(ready);
    }

    pub(super) fn target(&self) -> Option<&Arc<Ready>> {
        match &self.known {
            Known::Ready(ready) => Some(ready),
            Known::Nothing | Known::Closed => None,
        }
    }

    /// Which figures it counts in, and how its breaker stands; `None` while its endpoint is not known.
    pub(super) fn standing(&self) -> Option<(Class, Standing)> {
        self.target().map(|ready| (Class::of(&ready.target), self.breaker.standing()))
    }

    /// Whether its events are sent in their order; `None` if it is not known.
    pub(super) fn is_ordered(&self) -> Option<bool> {
        self.target().map(|ready| ready.target.ordered)
    }

    /// Takes it that nothing may be sent any more, until the endpoint is read again.
    pub(super) fn close(&mut self) {
        self.known = Known::Closed;
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.known, Known::Closed)
    }

    /// Whether what is known of the endpoint must be read again: half of its time is over.
    pub(super) fn is_stale(&self, now_ms: i64) -> bool {
        self.read_at_ms + TARGET_FRESH_MS / 2 < now_ms
    }

    /// Whether it holds something that has waited long enough for its owner to have paused the endpoint, or to have
    /// enabled it again.
    pub(super) fn waits_unread(&self, now_ms: i64) -> bool {
        !self.queue.is_empty() && self.read_at_ms + 2 * TARGET_FRESH_MS < now_ms
    }

    fn is_outdated(&self, now_ms: i64) -> bool {
        self.read_at_ms + TARGET_FRESH_MS < now_ms
    }

    /// Whether what is written now may be sent at once: nothing older waits in the store, and the receiver works.
    pub(super) fn is_open(&self) -> bool {
        self.target().is_some() && !self.has_more && !self.breaker.is_open()
    }

    /// Takes what is held for it from now on. What follows another of its ordering key waits behind it.
    pub(super) fn add(&mut self, leased: Leased) {
        if let Some(followers) = leased.row.line.and_then(|line| self.lines.get_mut(&line)) {
            followers.push_back(leased);
            return;
        }
        if let Some(line) = leased.row.line {
            self.lines.insert(line, VecDeque::new());
        }
        self.queue.push_back(leased);
    }

    /// What to do now. Rows whose lease no longer outlasts a request are dropped: they are claimed again when it has
    /// run out.
    pub(super) fn turn(&mut self, now_ms: i64) -> Turn {
        while let Some(late) = self.queue.pop_front_if(|leased| leased.send_by_ms <= now_ms) {
            self.has_more = true;
            self.window = FIRST_WINDOW;
            drop(late.row.line.and_then(|line| self.lines.remove(&line)));
        }
        if self.in_flight >= self.allowed || self.queue.is_empty() {
            return Turn::Nothing;
        }
        if self.is_outdated(now_ms) {
            return Turn::Unknown;
        }
        let Known::Ready(ready) = &self.known else { return Turn::Unknown };
        if self.queue.front().is_some_and(|leased| leased.version > ready.target.version) {
            return Turn::Unknown;
        }
        if let Some(Err(until_ms)) = self.bucket.as_mut().map(|bucket| bucket.take(now_ms)) {
            return Turn::Later(until_ms);
        }
        if let Admission::Wait { until_ms } = self.breaker.admit(now_ms) {
            self.bucket.iter_mut().for_each(Bucket::give_back);
            return Turn::Later(until_ms);
        }
        match self.queue.pop_front() {
            Some(leased) => {
                self.in_flight += 1;
                Turn::Send(Box::new(leased), Arc::clone(ready))
            }
            None => Turn::Nothing,
        }
    }

    /// A request ended. `alive` says whether the receiver answered. Whether the breaker opened now.
    pub(super) fn done(&mut self, alive: bool, now_ms: i64) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        let was_open = self.breaker.is_open();
        self.breaker.record(alive, now_ms);
        self.allowed = match (was_open, alive) {
            // It answers again: one at a time, then one more with each success.
            (true, true) => 1,
            (false, true) => (self.allowed + 1).min(LANE_IN_FLIGHT),
            (_, false) => self.allowed,
        };
        !was_open && self.breaker.is_open()
    }

    /// A task that was to send something has failed, and will not say how that ended.
    pub(super) fn lost(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The first of an ordering key is on record as finished: the next may go.
    pub(super) fn line_moved(&mut self, line: Uuid) {
        let Some(followers) = self.lines.get_mut(&line) else { return };
        match followers.pop_front() {
            Some(next) => self.queue.push_back(next),
            None => {
                self.lines.remove(&line);
            }
        }
    }

    /// The first of an ordering key was not delivered: what stands behind it goes back to the store.
    pub(super) fn line_stopped(&mut self, line: Uuid) -> VecDeque<Leased> {
        self.lines.remove(&line).unwrap_or_default()
    }

    /// Whether anything is held that could be sent.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty() && self.in_flight < self.allowed
    }

    /// Whether more should be claimed. A lane that empties what it holds may hold more.
    pub(super) fn wants_more(&mut self) -> bool {
        if !self.has_more || self.breaker.is_open() || self.queue.len() > self.window / 2 {
            return false;
        }
        if self.queue.is_empty() {
            self.window = (self.window * 2).min(LANE_WINDOW);
        }
        true
    }

    /// How many more rows to claim: many at once, or none. While the breaker is open, one is enough to probe with.
    pub(super) fn may_hold(&self, room: usize) -> usize {
        let held = self.queue.len() + self.in_flight;
        match self.breaker.is_open() {
            true => room.min(1usize.saturating_sub(held)),
            false if self.queue.len() > self.window / 2 => 0,
            false => room.min(self.window.saturating_sub(held)),
        }
    }

    /// Everything that waits, taken out.
    pub(super) fn empty(&mut self) -> Vec<Leased> {
        let lines = std::mem::take(&mut self.lines);
        let in_queue: HashSet<Uuid> = self.queue.iter().filter_map(|leased| leased.row.line).collect();
        // The lines of what is in flight stay known, so that nothing overtakes it.
        self.lines = lines
            .keys()
            .filter(|line| !in_queue.contains(line))
            .map(|&line| (line, VecDeque::new()))
            .collect();
        std::mem::take(&mut self.queue).into_iter().chain(lines.into_values().flatten()).collect()
    }

    /// Whether nothing would be lost by forgetting the lane.
    pub(super) fn is_forgettable(&self, now_ms: i64) -> bool {
        self.queue.is_empty()
            && self.lines.is_empty()
            && self.in_flight == 0
            && !self.breaker.has_failed()
            && self.allowed == LANE_IN_FLIGHT
            && self.read_at_ms + super::LANE_KEPT_MS < now_ms
    }
}

#[cfg(test)]
mod owner_tests;
#[cfg(test)]
mod tests;
