//! Events sent through processes that may go at any moment, and the proof afterwards that each of them arrived: at least
//! once, always under the same id and as the same bytes, and in order where that was asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use ureq::http::Method;
use uuid::Uuid;

use crate::support::{
    Partner, Seed, Server, Staff, Store, eventually,
    load::SetOnDrop,
    random::Random,
    receiver::{Received, Receiver},
    story::text,
    webhooks::Ledger,
};

/// How long what waits may take once nothing fails any more.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// A clinic's endpoint, known by the query of its URL.
struct Lane {
    clinic: String,
    ordered: bool,
    path: String,
}

/// What was sent of one clinic, by the id that it carries.
#[derive(Default)]
struct Sent {
    /// Answered with success: it must arrive.
    answered: BTreeMap<String, String>,
    /// Not answered, or told to come again: it may arrive.
    open: BTreeMap<String, String>,
    refused: usize,
    /// Any other answer.
    wrong: Vec<String>,
}

/// Where a process listens now, if it does.
pub(super) type Address = Mutex<Option<Staff>>;

pub(super) struct Traffic {
    pub(super) receiver: Receiver,
    lanes: Vec<Lane>,
    sent: Mutex<Sent>,
    pub(super) stop: AtomicBool,
}

impl Traffic {
    /// Two clinics with two endpoints each, one of them in order.
    pub(super) fn new(server: &Server, seed: &Seed) -> Self {
        let receiver = Receiver::start();
        let stranger = Partner::new(&server.url(), &seed.keys.other_clinic);
        let clinics = [(server.partner(seed), &seed.clinic_id), (stranger, &seed.other_clinic_id)];
        let mut lanes = Vec::new();
        for (number, (partner, clinic)) in clinics.into_iter().enumerate() {
            for ordered in [true, false] {
                let query = format!("?clinic={number}&ordered={ordered}");
                let body = json!({
                    "clinic_id": clinic, "webhook_url": format!("{}{query}", receiver.url()),
                    "event_types": ["shipment:cancelled"], "ordered": ordered,
                });
                partner.post("/webhook", &body).said("Webhook created successfully");
                lanes.push(Lane {
                    clinic: clinic.clone(),
                    ordered,
                    path: format!("{}{query}", receiver.path()),
                });
            }
        }
        Self { receiver, lanes, sent: Mutex::default(), stop: AtomicBool::new(false) }
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one event of each clinic after the other, with short pauses, until it is told to stop.
    pub(super) fn send(&self, address: &Address, mut random: Random) {
        // Each clinic has two lanes.
        for clinic in self.lanes.iter().map(|lane| &lane.clinic).step_by(2).cycle() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_millis(random.within(5, 60)));
            let staff = address.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(staff) = staff {
                self.send_one(&staff, clinic);
            }
        }
    }

    pub(super) fn send_one(&self, staff: &Staff, clinic: &str) -> Option<String> {
        let id = Uuid::now_v7().to_string();
        let payload = json!({
            "shipment_id": id, "medication_orders": [], "cancellation_reason": "A test",
            "cancelled_at": "2026-01-15T10:30:00.000Z",
        });
        let body = json!({"clinic_id": clinic, "event_type": "shipment:cancelled", "payload": payload});
        self.sent().open.insert(id.clone(), clinic.to_owned());
        let headers = [("content-type", "application/json")];
        let path = "/sandbox/events/trigger";
        let reply = staff.try_send(Method::POST, path, &headers, Some(body.to_string().as_bytes())).ok()?;
        let mut sent = self.sent();
        match reply.status {
            200 => {
                sent.open.remove(&id);
                sent.answered.insert(id.clone(), clinic.to_owned());
                return Some(id);
            }
            503 => sent.refused += 1,
            _ => sent.wrong.push(format!("{} {}", reply.status, reply.body)),
        }
        None
    }

    /// How many were answered, and how many were told to come again.
    pub(super) fn counts(&self) -> (usize, usize) {
        let sent = self.sent();
        (sent.answered.len(), sent.refused)
    }

    /// Stops sending when it is dropped, so that a panic elsewhere does not wait for ever.
    pub(super) fn stop_after(&self) -> SetOnDrop<'_> {
        SetOnDrop(&self.stop)
    }

    /// Waits until nothing is pending, then looks at all that came.
    #[track_caller]
    pub(super) fn prove(&self, store: &Store) {
        let begun = Instant::now();
        let ledger = loop {
            let ledger = Ledger::of(store);
            if ledger.pending == 0 {
                break ledger;
            }
            assert!(begun.elapsed() < SETTLED_WITHIN, "it is still {ledger:?}");
            thread::sleep(Duration::from_millis(200));
        };
        assert_eq!((ledger.dead, ledger.cancelled), (0, 0), "{ledger:?}");
        let sent = self.sent();
        assert!(sent.wrong.is_empty(), "answered otherwise than by success or 503: {:?}", sent.wrong);
        let received = self.receiver.received();
        let (mut first_arrivals, mut doubles) = (0, 0);
        for lane in &self.lanes {
            let of_lane: Vec<&Received> = received.iter().filter(|one| one.path == lane.path).collect();
            let first = first_arrivals_of(&of_lane);
            first_arrivals += first.len();
            doubles += of_lane.len() - first.len();
            lane.nothing_is_lost_or_invented(&first, &sent);
            lane.its_numbers_have_no_gap(&first);
        }
        assert_eq!(ledger.accepted, first_arrivals as u64, "each delivery that was accepted has arrived");
        let (answered, open) = (sent.answered.len(), sent.open.len());
        eprintln!(
            "{answered} answered, {open} not ({} of them refused); {first_arrivals} deliveries, {doubles} of them again; \
             settled in {:?}",
            sent.refused,
            begun.elapsed()
        );
    }
}

/// Each delivery where it arrived first. Whatever came again under its id has the same bytes.
#[track_caller]
fn first_arrivals_of<'a>(received: &[&'a Received]) -> Vec<&'a Received> {
    let (mut known, mut first): (BTreeMap<&str, &Received>, _) = (BTreeMap::new(), Vec::new());
    for one in received {
        match known.get(one.webhook_id()) {
            Some(before) => assert!(before.body == one.body, "{} came with other bytes", one.webhook_id()),
            None => {
                known.insert(one.webhook_id(), one);
                first.push(*one);
            }
        }
    }
    first
}

impl Lane {
    #[track_caller]
    fn nothing_is_lost_or_invented(&self, first: &[&Received], sent: &Sent) {
        let mut arrived = BTreeSet::new();
        for one in first {
            let id = text(&one.json()["event_data"]["shipment_id"]);
            let clinic = sent.answered.get(&id).or(sent.open.get(&id));
            assert_eq!(clinic, Some(&self.clinic), "{}: what was never sent of this clinic", self.path);
            assert!(arrived.insert(id), "{}: one event has two ids", self.path);
        }
        let of_clinic = sent.answered.iter().filter(|(_, clinic)| **clinic == self.clinic);
        let lost: Vec<&String> = of_clinic.map(|(id, _)| id).filter(|id| !arrived.contains(*id)).collect();
        assert!(
            lost.is_empty(),
            "{}: {} were answered and have not arrived: {lost:?}",
            self.path,
            lost.len()
        );
    }

    /// What was not committed has no number; an ordered endpoint has seen them one after the other.
    #[track_caller]
    fn its_numbers_have_no_gap(&self, first: &[&Received]) {
        let mut numbers: Vec<i64> =
            first.iter().map(|one| one.json()["sequence"].as_i64().expect("a number")).collect();
        if self.ordered {
            assert!(numbers.is_sorted(), "{}: out of order: {numbers:?}", self.path);
        }
        numbers.sort_unstable();
        let wanted: Vec<i64> = (1..).take(numbers.len()).collect();
        assert_eq!(numbers, wanted, "{}", self.path);
    }
}

/// Whether a server answers that it is ready.
pub(super) fn is_ready(server: &Server) -> bool {
    let reply = server.anonymous().try_send(Method::GET, "/health/ready", &[], None);
    reply.is_ok_and(|reply| reply.status == 200)
}

#[track_caller]
pub(super) fn wait_until_ready(server: &Server) {
    eventually("the server is ready", || is_ready(server).then_some(()));
}
