//! From the commit to the dispatcher of the same process, through memory: no claim, no queue.
//!
//! Who writes a delivery asks for a place in its endpoint's lane. With one it writes the row leased to this process,
//! and hands the delivery over when the transaction is committed; without one the row is written due and free, and
//! the dispatcher's bell is rung. If the process dies in between, the lease runs out and any node claims the row.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use nimbus_core::{ids::EndpointId, time::Ts};
use nimbus_store::deliveries::{Claimed, Lease};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    deadline::Deadline,
    metrics::{Metrics, Way},
};

/// Deliveries held for one endpoint: waiting and in flight.
pub(crate) const LANE_WINDOW: usize = 256;

/// Deliveries held by this process, and the bytes of their payloads: what bounds its memory whatever the backlog.
pub(crate) const NODE_WINDOW: usize = 8192;
pub(crate) const NODE_BYTES: usize = 32 * 1024 * 1024;

/// Where commits leave what the dispatcher sends. Shared by all writers of a process and its dispatcher.
pub struct Handover {
    token: Uuid,
    deadline: Deadline,
    gates: Mutex<HashMap<EndpointId, Arc<Gate>>>,
    held: Arc<Held>,
    fresh: Mutex<Vec<Fresh>>,
    bell: Notify,
    /// Rung by writers whose rows are free to be claimed: something is due.
    due: AtomicBool,
    metrics: Arc<Metrics>,
}

/// What this process holds, of all lanes.
#[derive(Default)]
struct Held {
    rows: AtomicUsize,
    bytes: AtomicUsize,
}

/// The entrance of one lane.
struct Gate {
    /// Whether what is written now may be sent at once.
    open: AtomicBool,
    held: AtomicUsize,
}

/// A place in a lane, for one delivery. Dropping it makes room.
pub struct Place {
    gate: Arc<Gate>,
    held: Arc<Held>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.held.fetch_sub(1, Ordering::Relaxed);
        self.held.rows.fetch_sub(1, Ordering::Relaxed);
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Place {
    /// Counts the payload that the place is for.
    fn holding(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self.held.bytes.fetch_add(bytes, Ordering::Relaxed);
        self
    }
}

/// A delivery that was written leased to this process.
pub struct Fresh {
    pub(crate) row: Claimed,
    pub(crate) place: Place,
    /// When the lease began.
    pub(crate) at: Ts,
    /// The endpoint's, when it was written: it must not be sent by what was known before.
    pub(crate) version: i64,
}

impl Fresh {
    pub(crate) fn new(row: Claimed, place: Place, at: Ts, version: i64) -> Self {
        let place = place.holding(row.body.len());
        Self { row, place, at, version }
    }
}

impl Default for Handover {
    fn default() -> Self {
        Self::new(Deadline::default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handover {
    pub fn new(deadline: Deadline) -> Self {
        Self {
            token: Uuid::now_v7(),
            deadline,
            gates: Mutex::default(),
            held: Arc::default(),
            fresh: Mutex::default(),
            bell: Notify::new(),
            due: AtomicBool::new(false),
            metrics: Arc::default(),
        }
    }

    /// How long receivers have to answer what this process sends.
    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Says that rows are due which anybody may claim.
    pub fn ring(&self) {
        self.due.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Hands over deliveries whose transaction is committed.
    pub fn give(&self, fresh: Vec<Fresh>) {
        if !fresh.is_empty() {
            lock(&self.fresh).extend(fresh);
            self.bell.notify_one();
        }
    }

    /// What the dispatcher of this process has done.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// How a delivery came that is leased under this token.
    pub(crate) fn way(&self, token: Uuid) -> Way {
        if token == self.token { Way::HandedOver } else { Way::Claimed }
    }

    /// The lease of what is written now.
    pub(crate) fn lease(&self, now: Ts) -> Lease {
        Lease { token: self.token, until: now.plus_millis(self.deadline.lease_ms()) }
    }

    /// A place for a delivery that is being written, if its lane is open and has room.
    pub(crate) fn reserve(&self, endpoint: EndpointId) -> Option<Place> {
        let gate =
            lock(&self.gates).get(&endpoint).filter(|gate| gate.open.load(Ordering::Relaxed)).cloned()?;
        self.enter(gate)
    }

    /// A place for a delivery that was claimed, whether or not the lane is open.
    pub(crate) fn place(&self, endpoint: EndpointId, bytes: usize) -> Place {
        let gate = self.gate(endpoint);
        gate.held.fetch_add(1, Ordering::Relaxed);
        self.held.rows.fetch_add(1, Ordering::Relaxed);
        Place { gate, held: Arc::clone(&self.held), bytes: 0 }.holding(bytes)
    }

    fn enter(&self, gate: Arc<Gate>) -> Option<Place> {
        let full = |held: &AtomicUsize, most| held.fetch_add(1, Ordering::Relaxed) >= most;
        let lane_full = full(&gate.held, LANE_WINDOW);
        let node_full = full(&self.held.rows, NODE_WINDOW);
        // Dropped again, and uncounted, if there is no room.
        let place = Place { gate, held: Arc::clone(&self.held), bytes: 0 };
        let bytes_full = self.held.bytes.load(Ordering::Relaxed) >= NODE_BYTES;
        (!lane_full && !node_full && !bytes_full).then_some(place)
    }

    fn gate(&self, endpoint: EndpointId) -> Arc<Gate> {
        let new = || Arc::new(Gate { open: AtomicBool::new(false), held: AtomicUsize::new(0) });
        Arc::clone(lock(&self.gates).entry(endpoint).or_insert_with(new))
    }

    /// How many more deliveries may be claimed for an endpoint.
    pub(crate) fn room(&self, endpoint: EndpointId) -> usize {
        let held = lock(&self.gates).get(&endpoint).map_or(0, |gate| gate.held.load(Ordering::Relaxed));
        if self.held.bytes.load(Ordering::Relaxed) >= NODE_BYTES {
            return 0;
        }
        LANE_WINDOW.saturating_sub(held).min(self.node_room())
    }

    /// How many more deliveries this process may hold.
    pub(crate) fn node_room(&self) -> usize {
        NODE_WINDOW.saturating_sub(self.held.rows.load(Ordering::Relaxed))
    }

    /// Whether nothing is held for an endpoint, by a writer either.
    pub(crate) fn is_empty(&self, endpoint: EndpointId) -> bool {
        lock(&self.gates).get(&endpoint).is_none_or(|gate| gate.held.load(Ordering::Relaxed) == 0)
    }

    /// Lets writers in, or no longer.
    pub(crate) fn set_open(&self, endpoint: EndpointId, open: bool) {
        self.gate(endpoint).open.store(open, Ordering::Relaxed);
    }

    /// Forgets an endpoint of which nothing is held.
    pub(crate) fn forget(&self, endpoint: EndpointId) {
        lock(&self.gates).remove(&endpoint);
    }

    /// Lets nobody in any more.
    pub(crate) fn shut(&self) {
        lock(&self.gates).values().for_each(|gate| gate.open.store(false, Ordering::Relaxed));
    }

    /// Waits until something was handed over, or rows are due.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Whether rows are due, said since this was last asked.
    pub(crate) fn is_due(&self) -> bool {
        self.due.swap(false, Ordering::Acquire)
    }

    /// What was handed over since this was last asked.
    pub(crate) fn take(&self) -> Vec<Fresh> {
        std::mem::take(&mut *lock(&self.fresh))
    }
}
