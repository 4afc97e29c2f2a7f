//! The dispatcher: claims due deliveries lane by lane, sends them, records what came of them in batches.
//!
//! Each endpoint has its own lane: a bounded window of claimed rows, a cap on what is in flight, a breaker. A
//! slow or dead receiver fills its own lane and nobody else's. Rows stay in the store; a lane holds only what
//! it leased. No transaction or connection of the store is held while a request is under way.

mod lane;
mod record;
mod send;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use nimbus_core::{ids::EndpointId, time::Ts};
use nimbus_store::{
    Db, Error,
    deliveries::{self, Claimed},
    endpoints::{self, Target},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{
    lane::{Lane, Leased},
    record::Finished,
};
use crate::{client::WebhookClient, guard::AddressPolicy, schedule::RetryScale};

/// How long claimed rows are kept from others, and so how long they wait after a crash.
const LEASE_MS: i64 = 30_000;
/// A delivery is sent only while its lease has this much left.
const LEASE_LEFT_MS: i64 = 12_000;
/// In flight to one endpoint (contract: 8).
const LANE_IN_FLIGHT: usize = 8;
/// Claimed for one endpoint and not yet sent.
const LANE_WINDOW: usize = 64;
/// In flight on this node.
const NODE_IN_FLIGHT: usize = 512;
/// Results recorded in one transaction.
const RECORD_BATCH: usize = 256;
/// How often the store is asked for work that nobody rang for: due retries, other nodes' orphans.
const POLL: Duration = Duration::from_millis(500);
/// How long a stop waits for what is in flight.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What differs between deployments.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub policy: AddressPolicy,
    pub retry_scale: RetryScale,
}

/// Sends what is due. One runs on each node that works deliveries.
pub struct Dispatcher {
    db: Db,
    client: WebhookClient,
    settings: Settings,
    bell: Arc<Notify>,
    now: fn() -> Ts,
    lanes: HashMap<EndpointId, Lane>,
    sending: JoinSet<Finished>,
    finished: VecDeque<Finished>,
}

/// What one claim took for one lane.
struct Haul {
    target: Arc<Target>,
    rows: Vec<Claimed>,
    /// Whether the endpoint likely has more.
    is_full: bool,
}

/// What the background tasks of the loop report.
enum Report {
    Claimed(Result<Vec<Haul>, Error>, Ts),
    Recorded(Vec<EndpointId>),
}

impl Dispatcher {
    /// `bell` is rung after each commit that wrote deliveries; `now` is wall time.
    pub fn new(db: Db, settings: Settings, bell: Arc<Notify>, now: fn() -> Ts) -> Self {
        Self {
            client: WebhookClient::new(settings.policy, None),
            db,
            settings,
            bell,
            now,
            lanes: HashMap::new(),
            sending: JoinSet::new(),
            finished: VecDeque::new(),
        }
    }

    /// Runs until it is stopped; then finishes what is in flight, records it, and gives leases back.
    pub async fn run(mut self, stop: CancellationToken) {
        let (reports, mut inbox) = mpsc::channel::<Report>(16);
        let (mut look, mut claiming, mut recording) = (true, false, false);
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let bell = Arc::clone(&self.bell);
        loop {
            self.start_sends();
            if look && !claiming && self.sending.len() < NODE_IN_FLIGHT {
                (look, claiming) = (false, true);
                self.start_claim(reports.clone());
            }
            if !recording && !self.finished.is_empty() {
                recording = true;
                self.start_record(reports.clone());
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = bell.notified() => look = true,
                _ = poll.tick() => look = true,
                Some(joined) = self.sending.join_next() => self.take_finished(joined),
                Some(report) = inbox.recv() => match report {
                    Report::Claimed(claimed, at) => {
                        claiming = false;
                        self.take_claimed(claimed, at);
                    }
                    Report::Recorded(endpoints) => {
                        recording = false;
                        look |= self.take_recorded(&endpoints);
                    }
                },
            }
        }
        self.finish(inbox, claiming, recording).await;
    }

    fn now_ms(&self) -> i64 {
        (self.now)().micros() / 1000
    }

    /// Sends from the front of each lane while it, its breaker and the node have room, one from each lane in
    /// turn, so that a long backlog does not keep others waiting.
    fn start_sends(&mut self) {
        let (now, now_ms) = ((self.now)(), self.now_ms());
        loop {
            let mut sent = false;
            for lane in self.lanes.values_mut() {
                if self.sending.len() >= NODE_IN_FLIGHT {
                    return;
                }
                let Some(leased) = lane.next(now, now_ms) else { continue };
                sent = true;
                self.sending.spawn(send::send(
                    self.db.clone(),
                    self.client.clone(),
                    self.settings.policy,
                    leased,
                    self.now,
                ));
            }
            if !sent {
                return;
            }
        }
    }

    /// Claims for every lane with room, in one transaction.
    fn start_claim(&mut self, reports: mpsc::Sender<Report>) {
        self.lanes.retain(|_, lane| !lane.is_forgettable());
        let now = (self.now)();
        let rooms: HashMap<EndpointId, usize> =
            self.lanes.iter().map(|(&id, lane)| (id, lane.room())).collect();
        let db = self.db.clone();
        tokio::spawn(async move {
            let claimed = claim(&db, now, rooms).await;
            // The loop outlives this task, or has stopped and lets the leases run out.
            let _ = reports.send(Report::Claimed(claimed, now)).await;
        });
    }

    fn take_claimed(&mut self, claimed: Result<Vec<Haul>, Error>, at: Ts) {
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::error!(%error, "deliveries could not be claimed");
                return;
            }
        };
        for Haul { target, rows, is_full } in claimed {
            let lane = self.lanes.entry(target.endpoint_id).or_insert_with(Lane::new);
            lane.wants_more = is_full;
            lane.know(target.version);
            lane.queue.extend(rows.into_iter().map(|row| Leased { row, target: Arc::clone(&target), at }));
        }
    }

    fn take_finished(&mut self, joined: Result<Finished, tokio::task::JoinError>) {
        match joined {
            Ok(finished) => {
                let now_ms = self.now_ms();
                if let Some(lane) = self.lanes.get_mut(&finished.leased.row.endpoint_id) {
                    lane.done(finished.alive, now_ms);
                }
                self.finished.push_back(finished);
            }
            // The lease of what was being sent runs out, and the row is claimed again.
            Err(error) => tracing::error!(%error, "a sending task failed"),
        }
    }

    fn start_record(&mut self, reports: mpsc::Sender<Report>) {
        let count = self.finished.len().min(RECORD_BATCH);
        let batch: Vec<Finished> = self.finished.drain(..count).collect();
        let (db, scale, now) = (self.db.clone(), self.settings.retry_scale, self.now);
        tokio::spawn(async move {
            let endpoints = record::record(&db, batch, scale, now).await;
            let _ = reports.send(Report::Recorded(endpoints)).await;
        });
    }

    /// Whether a lane whose results were recorded has room and likely more waiting.
    fn take_recorded(&mut self, endpoints: &[EndpointId]) -> bool {
        endpoints.iter().any(|id| {
            self.lanes.get(id).is_some_and(|lane| lane.wants_more && lane.queue.len() < LANE_WINDOW / 2)
        })
    }

    /// Finishes what is in flight and records it; what was claimed and not sent is given back.
    async fn finish(mut self, mut inbox: mpsc::Receiver<Report>, mut claiming: bool, mut recording: bool) {
        let until = tokio::time::Instant::now() + STOP_WITHIN;
        while !self.sending.is_empty() || claiming || recording {
            tokio::select! {
                () = tokio::time::sleep_until(until) => break,
                Some(joined) = self.sending.join_next() => self.take_finished(joined),
                Some(report) = inbox.recv() => match report {
                    Report::Claimed(claimed, at) => {
                        claiming = false;
                        self.take_claimed(claimed, at);
                    }
                    Report::Recorded(_) => recording = false,
                },
            }
        }
        let rest: Vec<Finished> = self.finished.drain(..).collect();
        record::record(&self.db, rest, self.settings.retry_scale, self.now).await;
        let unsent: Vec<Leased> = self.lanes.into_values().flat_map(|lane| lane.queue).collect();
        record::give_back(&self.db, unsent, (self.now)()).await;
    }
}

/// Claims due rows for each lane that has room and an active endpoint.
async fn claim(db: &Db, now: Ts, rooms: HashMap<EndpointId, usize>) -> Result<Vec<Haul>, Error> {
    let due = db.read(move |tx| Box::pin(deliveries::lanes_due(tx, now))).await?;
    let wanted: Vec<(EndpointId, usize)> = due
        .into_iter()
        .map(|id| (id, rooms.get(&id).copied().unwrap_or(LANE_WINDOW)))
        .filter(|(_, room)| *room > 0)
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = Arc::new(wanted);
    db.write(move |tx| {
        let wanted = Arc::clone(&wanted);
        Box::pin(async move {
            let mut claimed = Vec::with_capacity(wanted.len());
            for &(endpoint, room) in wanted.iter() {
                let Some(target) = endpoints::endpoint_target(tx, endpoint, now).await? else { continue };
                let limit = i64::try_from(room).unwrap_or(i64::MAX);
                let (until, token) = (now.plus_millis(LEASE_MS), Uuid::now_v7());
                let rows = deliveries::deliveries_claim(tx, endpoint, now, until, token, limit).await?;
                if !rows.is_empty() {
                    let is_full = rows.len() == room;
                    claimed.push(Haul { target: Arc::new(target), rows, is_full });
                }
            }
            Ok::<_, Error>(claimed)
        })
    })
    .await
}
