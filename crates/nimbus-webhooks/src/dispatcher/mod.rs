//! The dispatcher: sends what commits hand over and what it claims, lane by lane, and records what came of it.
//!
//! Each endpoint has its own lane: a bounded window of leased rows, a cap on what is in flight, a breaker, a rate. A
//! slow or dead receiver fills its own lane and nobody else's, and clinics take turns. Rows stay in the store; a lane
//! holds only what this process leased. No transaction or connection of the store is held while a request is under
//! way, and results are recorded many at a time.

mod bucket;
mod claim;
mod lane;
mod record;
mod send;
mod turns;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use nimbus_core::{ids::EndpointId, time::Ts};
use nimbus_store::{Db, Error, tenants::Gate};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use self::{
    claim::{Haul, Targets, Terms},
    lane::{Lane, Leased, Lost, Turn},
    record::{Finished, Recorded},
    turns::Turns,
};
use crate::{
    attempt::Ready,
    client::{Outcome, WebhookClient},
    guard::AddressPolicy,
    handover::Handover,
    metrics::{Class, Ending},
    schedule::RetryScale,
};

/// In flight to one endpoint (contract: 8).
const LANE_IN_FLIGHT: usize = 8;
/// In flight on this node.
const NODE_IN_FLIGHT: usize = 512;
/// What is known of an endpoint may be so old when something is sent to it.
const TARGET_FRESH_MS: i64 = 1000;
/// An endpoint that could not be read is read again after this.
const READ_AGAIN_MS: i64 = 500;
/// A lane with nothing to do is kept so long.
const LANE_KEPT_MS: i64 = 600_000;
/// Results recorded in one transaction at most; fewer than so many wait for others, but no longer than so long.
const RECORD_MOST: usize = 512;
const RECORD_ENOUGH: usize = 64;
const RECORD_WITHIN_MS: i64 = 10;
/// How often the store is asked for work that nobody rang for: due retries, other nodes' orphans.
const POLL: Duration = Duration::from_millis(500);
/// How long a stop waits for what is in flight.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What differs between deployments.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub policy: AddressPolicy,
    pub retry_scale: RetryScale,
    /// What is asked of partners before anything is sent to them.
    pub gate: Gate,
}

/// Sends what is due. One runs on each node that works deliveries.
pub struct Dispatcher {
    db: Db,
    client: WebhookClient,
    settings: Settings,
    handover: Arc<Handover>,
    now: fn() -> Ts,
    /// What is measured here is measured from then: wall time may be set back.
    begun: Instant,
    lanes: HashMap<EndpointId, Lane>,
    turns: Turns,
    /// Endpoints to be read before more is sent to them.
    unknown: BTreeSet<EndpointId>,
    sending: JoinSet<Result<Finished, Lost>>,
    finished: VecDeque<Finished>,
    /// When the first of the finished ended.
    finished_since_ms: i64,
    /// What goes back to the store.
    returned: Vec<Leased>,
    /// Where the next look for due lanes begins, if there are too many for one.
    look_after: Option<EndpointId>,
    /// Rows may be due that nothing is known of here.
    look: bool,
    claiming: bool,
    recording: bool,
    reading: bool,
}

/// What the background tasks of the loop report.
enum Report {
    Claimed(Result<Haul, Error>, i64),
    Recorded(Vec<Recorded>),
    Known(Result<Targets, (Error, BTreeSet<EndpointId>)>, i64),
}

/// Whoever waits for a task of the loop is told that it has failed.
const FAILED: Error = Error::Job("its task failed");

/// What a task comes to; `None` if it fails. Nothing that it held is used any more then.
async fn caught<T>(task: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(task).catch_unwind().await.ok()
}

impl Dispatcher {
    /// `handover` is that of the writers of this process; `now` is wall time.
    pub fn new(db: Db, settings: Settings, handover: Arc<Handover>, now: fn() -> Ts) -> Self {
        Self {
            client: WebhookClient::new(settings.policy, None),
            db,
            settings,
            handover,
            now,
            begun: Instant::now(),
            lanes: HashMap::new(),
            turns: Turns::default(),
            unknown: BTreeSet::new(),
            sending: JoinSet::new(),
            finished: VecDeque::new(),
            finished_since_ms: 0,
            returned: Vec::new(),
            look_after: None,
            look: false,
            claiming: false,
            recording: false,
            reading: false,
        }
    }

    /// Runs until it is stopped; then finishes what is in flight, records it, and gives leases back.
    pub async fn run(mut self, stop: CancellationToken) {
        let (reports, mut inbox) = mpsc::channel::<Report>(16);
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let handover = Arc::clone(&self.handover);
        loop {
            self.take_fresh();
            self.send_all();
            self.start_tasks(&reports);
            let wake = self.next_wake();
            tokio::select! {
                () = stop.cancelled() => break,
                () = handover.rung() => {}
                _ = poll.tick() => self.tick(),
                Some(joined) = self.sending.join_next() => self.take_finished(joined),
                Some(report) = inbox.recv() => self.take_report(report),
                () = sleep(wake) => {}
            }
            while let Some(joined) = self.sending.try_join_next() {
                self.take_finished(joined);
            }
        }
        self.finish(inbox).await;
    }

    /// Milliseconds since it was made.
    fn now_ms(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Nobody may have rung: retries fall due by themselves, and other nodes leave rows behind.
    fn tick(&mut self) {
        self.look = true;
        let now_ms = self.now_ms();
        let unread = self.lanes.iter().filter(|(_, lane)| lane.waits_unread(now_ms));
        self.unknown.extend(unread.map(|(&endpoint, _)| endpoint));
        let handover = &self.handover;
        self.lanes.retain(|&endpoint, lane| {
            let keep = !lane.is_forgettable(now_ms) || !handover.is_empty(endpoint);
            if !keep {
                handover.forget(endpoint);
            }
            keep
        });
        handover.metrics().lanes(self.lanes.values().filter_map(Lane::standing));
    }

    /// How long nothing is to be done, if nothing happens.
    fn next_wake(&self) -> Option<Duration> {
        let timer = self.turns.next_timer();
        let record =
            (!self.recording && !self.finished.is_empty()).then(|| self.finished_since_ms + RECORD_WITHIN_MS);
        let at_ms = timer.into_iter().chain(record).min()?;
        Some(Duration::from_millis(at_ms.saturating_sub(self.now_ms()).max(0).unsigned_abs()))
    }

    fn start_tasks(&mut self, reports: &mpsc::Sender<Report>) {
        self.look |= self.handover.is_due();
        if self.look && !self.claiming && self.sending.len() < NODE_IN_FLIGHT {
            (self.look, self.claiming) = (false, true);
            self.start_claim(reports.clone());
        }
        if !self.reading && !self.unknown.is_empty() {
            self.reading = true;
            self.start_read(reports.clone());
        }
        if !self.recording && self.is_time_to_record() {
            self.recording = true;
            self.start_record(reports.clone());
        }
    }

    /// What commits of this process have handed over.
    fn take_fresh(&mut self) {
        let (now, now_ms) = ((self.now)(), self.now_ms());
        let held_ms = self.handover.deadline().held_ms();
        for fresh in self.handover.take() {
            let age_ms = ((now.micros() - fresh.at.micros()) / 1000).max(0);
            let send_by_ms = now_ms.saturating_add(held_ms).saturating_sub(age_ms);
            let lane =
                self.lanes.entry(fresh.row.endpoint_id).or_insert_with(|| Lane::new(fresh.row.clinic_id));
            self.turns.add(lane.clinic, fresh.row.endpoint_id);
            lane.add(Leased { row: fresh.row, _place: fresh.place, send_by_ms, version: fresh.version });
        }
    }

    /// Sends while lanes, their breakers and the node have room.
    fn send_all(&mut self) {
        let (now_ms, deadline) = (self.now_ms(), self.handover.deadline());
        for endpoint in self.turns.due(now_ms) {
            if let Some(lane) = self.lanes.get(&endpoint) {
                self.turns.add(lane.clinic, endpoint);
            }
        }
        while self.sending.len() < NODE_IN_FLIGHT
            && let Some(endpoint) = self.turns.next()
        {
            let Some(lane) = self.lanes.get_mut(&endpoint) else { continue };
            match lane.turn(now_ms) {
                Turn::Send(leased, ready) => {
                    if lane.is_stale(now_ms) {
                        self.unknown.insert(endpoint);
                    }
                    if lane.has_work() {
                        self.turns.add(lane.clinic, endpoint);
                    }
                    let way = self.handover.way(leased.row.token);
                    let in_flight = self.handover.metrics().begin(Class::of(&ready.target), way);
                    let lost = leased.if_lost();
                    let sent = send::send(self.client.clone(), deadline, *leased, ready, self.now);
                    self.sending.spawn(async move {
                        let _in_flight = in_flight;
                        caught(sent).await.ok_or(lost)
                    });
                }
                Turn::Unknown => {
                    self.unknown.insert(endpoint);
                }
                Turn::Later(at_ms) => self.turns.wake_at(at_ms, endpoint),
                Turn::Nothing => {}
            }
        }
    }

    /// Claims for every lane with room, in one transaction.
    fn start_claim(&mut self, reports: mpsc::Sender<Report>) {
        let (now, at_ms, handover) = ((self.now)(), self.now_ms(), Arc::clone(&self.handover));
        let Settings { policy, gate, .. } = self.settings;
        let terms = Terms { policy, deadline: handover.deadline(), gate, now };
        let room =
            |(&endpoint, lane): (&EndpointId, &Lane)| (endpoint, lane.may_hold(handover.room(endpoint)));
        let rooms = self.lanes.iter().map(room).collect();
        let (db, after, node) = (self.db.clone(), self.look_after, self.handover.node_room());
        tokio::spawn(async move {
            let claimed = caught(claim::claim(&db, terms, after, rooms, node)).await.unwrap_or(Err(FAILED));
            // The loop outlives this task, or has stopped and lets the leases run out.
            let _ = reports.send(Report::Claimed(claimed, at_ms)).await;
        });
    }

    fn start_read(&mut self, reports: mpsc::Sender<Report>) {
        let (endpoints, now, at_ms) = (std::mem::take(&mut self.unknown), (self.now)(), self.now_ms());
        let (db, Settings { policy, gate, .. }) = (self.db.clone(), self.settings);
        tokio::spawn(async move {
            let known = caught(claim::targets(&db, policy, gate, now, endpoints.clone())).await;
            let known = known.unwrap_or(Err(FAILED)).map_err(|error| (error, endpoints));
            let _ = reports.send(Report::Known(known, at_ms)).await;
        });
    }

    fn is_time_to_record(&self) -> bool {
        !self.returned.is_empty()
            || self.finished.len() >= RECORD_ENOUGH
            || self.finished.front().is_some_and(|first| {
                // Others of its ordering key wait for it.
                first.leased.row.line.is_some() || self.now_ms() >= self.finished_since_ms + RECORD_WITHIN_MS
            })
    }

    fn start_record(&mut self, reports: mpsc::Sender<Report>) {
        let count = self.finished.len().min(RECORD_MOST);
        let batch: Vec<Finished> = self.finished.drain(..count).collect();
        self.finished_since_ms = self.now_ms();
        let returned = std::mem::take(&mut self.returned);
        let (db, scale, now) = (self.db.clone(), self.settings.retry_scale, self.now);
        tokio::spawn(async move {
            // An endpoint that is gone is disabled before what was held for it is free again.
            let given_up: Vec<Recorded> = batch.iter().map(Finished::given_up).collect();
            let recorded = caught(record::record(&db, batch, scale, now)).await.unwrap_or(given_up);
            // What is not given back runs out by itself.
            let _ = caught(record::give_back(&db, returned, now())).await;
            let _ = reports.send(Report::Recorded(recorded)).await;
        });
    }

    fn take_report(&mut self, report: Report) {
        match report {
            Report::Claimed(claimed, at_ms) => {
                self.claiming = false;
                match claimed {
                    Ok(haul) => self.take_claimed(haul, at_ms),
                    Err(error) => tracing::error!(%error, "deliveries could not be claimed"),
                }
            }
            Report::Recorded(recorded) => {
                self.recording = false;
                if !recorded.is_empty() {
                    self.handover.metrics().recorded(recorded.len());
                }
                self.take_recorded(recorded);
            }
            Report::Known(known, at_ms) => {
                self.reading = false;
                match known {
                    Ok(known) => known.into_iter().for_each(|(id, ready)| self.know(id, ready, at_ms)),
                    Err((error, endpoints)) => {
                        tracing::error!(%error, "endpoints could not be read");
                        let again_ms = self.now_ms() + READ_AGAIN_MS;
                        endpoints.into_iter().for_each(|id| self.turns.wake_at(again_ms, id));
                    }
                }
            }
        }
    }

    fn take_claimed(&mut self, haul: Haul, at_ms: i64) {
        let send_by_ms = at_ms.saturating_add(self.handover.deadline().held_ms());
        self.look_after = haul.rest_after;
        self.look |= haul.rest_after.is_some();
        for catch in haul.lanes {
            let endpoint = catch.ready.target.endpoint_id;
            let (clinic, version) = (catch.ready.target.clinic_id, catch.ready.target.version);
            let lane = self.lanes.entry(endpoint).or_insert_with(|| Lane::new(clinic));
            lane.has_more = catch.is_full;
            for row in catch.rows {
                let place = self.handover.place(endpoint, row.body.len());
                lane.add(Leased { row, _place: place, send_by_ms, version });
            }
            self.know(endpoint, Some(catch.ready), at_ms);
        }
        // Of the other lanes nothing is due.
        for endpoint in haul.without {
            if let Some(lane) = self.lanes.get_mut(&endpoint) {
                lane.has_more = false;
            }
            self.open_or_close(endpoint);
        }
    }

    /// Takes what was read of an endpoint. What is held for one that must not be sent to goes back, and so does what
    /// was leased in another order than is asked for now.
    fn know(&mut self, endpoint: EndpointId, ready: Option<Arc<Ready>>, at_ms: i64) {
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        let was_ordered = lane.is_ordered();
        lane.know(ready, at_ms);
        let reordered = was_ordered.is_some_and(|was| lane.is_ordered().is_some_and(|is| is != was));
        if lane.is_closed() || reordered {
            self.returned.extend(lane.empty());
        }
        self.turns.add(lane.clinic, endpoint);
        self.open_or_close(endpoint);
    }

    fn open_or_close(&self, endpoint: EndpointId) {
        if let Some(lane) = self.lanes.get(&endpoint) {
            self.handover.set_open(endpoint, lane.is_open());
        }
    }

    fn take_finished(&mut self, joined: Result<Result<Finished, Lost>, JoinError>) {
        let now_ms = self.now_ms();
        let finished = match joined {
            Ok(Ok(finished)) => finished,
            Ok(Err(lost)) => return self.take_lost(&lost),
            // Nobody cancels one.
            Err(error) => {
                tracing::error!(%error, "a sending task broke off");
                return;
            }
        };
        let endpoint = finished.leased.row.endpoint_id;
        self.handover.metrics().end(
            Class::of(&finished.ready.target),
            Ending::of(finished.answer.cause()),
            finished.answer.elapsed_ms.max(0).unsigned_abs(),
        );
        if let Some(lane) = self.lanes.get_mut(&endpoint) {
            let opened = lane.done(finished.alive, now_ms);
            let gone = finished.answer.outcome == Outcome::Gone;
            if gone {
                // It is disabled when this is recorded: nothing more goes out meanwhile.
                lane.close();
            }
            if gone || opened {
                // It will not be sent soon: others may use the room.
                self.returned.extend(lane.empty());
            }
            self.look |= lane.wants_more();
            self.turns.add(lane.clinic, endpoint);
            self.open_or_close(endpoint);
        }
        if self.finished.is_empty() {
            self.finished_since_ms = now_ms;
        }
        self.finished.push_back(finished);
    }

    /// The lease of what was being sent runs out, and the row is claimed again; what stands behind it goes back.
    fn take_lost(&mut self, lost: &Lost) {
        tracing::error!(endpoint_id = %lost.endpoint, "a sending task failed");
        let Some(lane) = self.lanes.get_mut(&lost.endpoint) else { return };
        lane.lost();
        lane.has_more = true;
        self.returned.extend(lost.line.map(|line| lane.line_stopped(line)).unwrap_or_default());
        self.turns.add(lane.clinic, lost.endpoint);
        self.open_or_close(lost.endpoint);
    }

    /// What stood behind a recorded delivery of its ordering key goes on, or back.
    fn take_recorded(&mut self, recorded: Vec<Recorded>) {
        for Recorded { endpoint, line, moves_on } in recorded {
            let Some(lane) = self.lanes.get_mut(&endpoint) else { continue };
            let Some(line) = line else { continue };
            if moves_on {
                lane.line_moved(line);
                self.turns.add(lane.clinic, endpoint);
            } else {
                self.returned.extend(lane.line_stopped(line));
            }
            // What came after it was written free.
            self.look = true;
        }
    }

    /// Finishes what is in flight and records it; what is held and was not sent is given back.
    async fn finish(mut self, mut inbox: mpsc::Receiver<Report>) {
        self.handover.shut();
        let until = tokio::time::Instant::now() + STOP_WITHIN;
        while !self.sending.is_empty() || self.claiming || self.recording || self.reading {
            tokio::select! {
                () = tokio::time::sleep_until(until) => break,
                Some(joined) = self.sending.join_next() => self.take_finished(joined),
                Some(report) = inbox.recv() => self.take_report(report),
            }
        }
        self.take_fresh();
        let rest: Vec<Finished> = self.finished.drain(..).collect();
        record::record(&self.db, rest, self.settings.retry_scale, self.now).await;
        let mut unsent = self.returned;
        unsent.extend(self.lanes.values_mut().flat_map(Lane::empty));
        record::give_back(&self.db, unsent, (self.now)()).await;
    }
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
