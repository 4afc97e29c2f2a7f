//! Load on a server that may die at any moment, and the proof afterwards that nothing was lost or doubled.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use ureq::http::Method;

use super::{
    Engine, Partner, Staff, Store,
    receiver::{Received, Receiver},
    story::{Ordered, WORK, line, order_body, text},
    webhooks::Scene,
};

const PARTNERS: usize = 3;
const STAFF: usize = 2;
/// Orders that one partner's thread sends in a round at most, so that a fast machine does not check too long.
const ORDERS_EACH: usize = 250;
/// A lease of the dead server runs out after 3 s; what it held is sent then.
const ARRIVES_WITHIN: Duration = Duration::from_secs(60);

/// One order under its idempotency key.
#[derive(Default)]
struct Sent {
    /// The answer's bytes, if one came.
    answer: Option<Vec<u8>>,
    /// How many steps of the pharmacy's work were answered with success.
    steps: usize,
}

/// Everything that was sent and answered, over all rounds.
pub(crate) struct Load {
    pub(crate) receiver: Receiver,
    sent: Mutex<BTreeMap<String, Sent>>,
}

impl Load {
    /// A seeded store that serves, with a receiver registered for everything.
    pub(crate) fn start(engine: Engine) -> (Self, Scene) {
        let scene = Scene::of(
            Store::sandbox(engine).with("NIMBUS_RETRY_SCALE", "0.001").with("NIMBUS_WEBHOOK_DEADLINE", "1"),
        );
        let receiver = Receiver::start();
        scene.register(&receiver.url(), &["*"]);
        (Self { receiver, sent: Mutex::new(BTreeMap::new()) }, scene)
    }

    /// Partners and staff work on the server while `meanwhile` runs; it may end the server.
    pub(crate) fn while_working<T>(
        &self,
        round: usize,
        scene: Scene,
        meanwhile: impl FnOnce(Scene) -> T,
    ) -> T {
        let stop = AtomicBool::new(false);
        let body = order_body(&scene.seed, &[line("Lisinopril")]).to_string();
        thread::scope(|scope| {
            for number in 0..PARTNERS {
                let (partner, body, stop) = (scene.partner.clone(), body.as_str(), &stop);
                scope.spawn(move || self.order(&partner, &format!("r{round}-p{number}"), body, stop));
            }
            for number in 0..STAFF {
                let (staff, stop) = (scene.staff.clone(), &stop);
                scope.spawn(move || self.work(&staff, number, stop));
            }
            // Set also when `meanwhile` panics: the scope waits for its threads before it passes that on.
            let _ended = SetOnDrop(&stop);
            meanwhile(scene)
        })
    }

    fn order(&self, partner: &Partner, prefix: &str, body: &str, stop: &AtomicBool) {
        for number in 0..ORDERS_EACH {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let key = format!("{prefix}-{number}");
            self.sent.lock().expect("no thread panicked").insert(key.clone(), Sent::default());
            let answer = post_order(partner, &key, body);
            if let Some(answer) = answer {
                let mut sent = self.sent.lock().expect("no thread panicked");
                sent.get_mut(&key).expect("it was put there").answer = Some(answer);
            }
        }
    }

    /// Works answered orders step by step; each thread takes its share. A step that was not answered is asked
    /// for again, and refused if it had been done.
    fn work(&self, staff: &Staff, number: usize, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let todo: Vec<(String, String, usize)> = {
                let sent = self.sent.lock().expect("no thread panicked");
                let answered =
                    sent.iter().filter_map(|(key, sent)| Some((key, sent.answer.as_ref()?, sent.steps)));
                answered
                    .filter(|(.., steps)| *steps < WORK.len())
                    .skip(number)
                    .step_by(STAFF)
                    .map(|(key, answer, steps)| (key.clone(), order_id(answer), steps))
                    .take(20)
                    .collect()
            };
            if todo.is_empty() {
                // Paces a loop that has nothing to do; nothing waits for it.
                thread::sleep(Duration::from_millis(5));
            }
            for (key, id, steps) in todo {
                let path = format!("/pharmacy/orders/{id}/{}", WORK[steps]);
                let Ok(reply) = staff.try_send(Method::POST, &path, &[], None) else { continue };
                // A step that was done before a crash and not answered is refused as done.
                let done = reply.status == 200 || reply.body["error"]["code"] == "INVALID_STATUS_TRANSITION";
                assert!(done || reply.status == 503, "{path}: {}", reply.body);
                if done {
                    let mut sent = self.sent.lock().expect("no thread panicked");
                    let sent = sent.get_mut(&key).expect("it was put there");
                    sent.steps = sent.steps.max(steps + 1);
                }
            }
        }
    }

    /// How many orders were answered and how many were not.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let sent = self.sent.lock().expect("no thread panicked");
        let answered = sent.values().filter(|sent| sent.answer.is_some()).count();
        (answered, sent.len() - answered)
    }

    /// On the restarted server: what was answered is there, what was not is made exactly once under its key,
    /// nothing is there twice, and every event of every committed change arrives.
    pub(crate) fn assert_nothing_lost(&self, scene: &Scene) {
        let orders = self.one_order_for_each_key(scene);
        self.nothing_besides(scene, &orders);
        let expected = expected_events(scene, &orders);
        self.wait_for_events(&expected);
        self.sequences_have_no_gaps(&expected);
        let ledger = scene.ledger();
        assert_eq!((ledger.dead, ledger.cancelled), (0, 0), "{ledger:?}");
        assert!(ledger.accepted >= expected.len() as u64, "{ledger:?} for {} events", expected.len());
    }

    /// Repeats every request under its key.
    fn one_order_for_each_key(&self, scene: &Scene) -> Vec<(Ordered, usize)> {
        let body = order_body(&scene.seed, &[line("Lisinopril")]);
        let sent = self.sent.lock().expect("no thread panicked");
        let repeat = |(key, sent): (&String, &Sent)| {
            let reply = scene.partner.post_keyed("/medication-order", key, &body);
            let ordered = Ordered::read(reply.data());
            if let Some(answer) = &sent.answer {
                assert_eq!(reply.header("idempotent-replayed"), Some("true"), "{key} made a second order");
                assert_eq!(reply.bytes, *answer, "{key} is answered otherwise than before");
            }
            let again = scene.partner.post_keyed("/medication-order", key, &body);
            assert_eq!(Ordered::read(again.data()).id, ordered.id, "{key} has two orders");
            (ordered, sent.steps)
        };
        sent.iter().map(repeat).collect()
    }

    /// The clinic has these orders and the seeded one, and no other.
    fn nothing_besides(&self, scene: &Scene, orders: &[(Ordered, usize)]) {
        let mut wanted: BTreeSet<String> = orders.iter().map(|(order, _)| order.id.clone()).collect();
        assert_eq!(wanted.len(), orders.len(), "two keys share an order");
        wanted.insert(scene.seed.medication_order_id.clone());
        let (mut found, mut cursor) = (BTreeSet::new(), String::new());
        loop {
            let page = scene.partner.get(&format!("/medication-order?limit=100{cursor}"));
            let list = page.data().as_array().expect("a list");
            found.extend(list.iter().map(|order| text(&order["id"])));
            if page.body["has_more"] == false {
                break;
            }
            cursor = format!("&cursor={}", text(&page.body["next_cursor"]));
        }
        assert_eq!(found, wanted);
    }

    fn wait_for_events(&self, expected: &BTreeSet<Event>) {
        let (mut missing, mut read) = (expected.clone(), 0);
        // Each request is read once, however often the condition is asked.
        let mut arrived = |received: &[Received]| {
            for one in &received[read..] {
                missing.remove(&event(one));
            }
            read = received.len();
            missing.is_empty()
        };
        self.receiver.wait_until("every event of a committed change", ARRIVES_WITHIN, &mut arrived);
    }

    /// The same place in a sequence is always the same event, and no place is empty.
    fn sequences_have_no_gaps(&self, expected: &BTreeSet<Event>) {
        let mut of_prescription: BTreeMap<String, BTreeMap<i64, String>> = BTreeMap::new();
        for one in self.receiver.received() {
            let body = one.json();
            let (prescription, sequence) =
                (text(&body["event_data"]["prescription_id"]), body["sequence"].as_i64());
            let places = of_prescription.entry(prescription).or_default();
            let id = one.webhook_id().to_owned();
            let before = places.insert(sequence.expect("a number"), id.clone());
            assert!(before.is_none_or(|before| before == id), "two events in place {sequence:?}");
        }
        for (prescription, places) in &of_prescription {
            let count = expected.iter().filter(|event| event.prescription == *prescription).count();
            let wanted: Vec<i64> = (1..).take(count).collect();
            assert_eq!(places.keys().copied().collect::<Vec<i64>>(), wanted, "of {prescription}");
        }
    }
}

/// Set also when whoever holds it panics.
pub(crate) struct SetOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The bytes of a success; `None` if none came, or the server is too busy or stopping.
fn post_order(partner: &Partner, key: &str, body: &str) -> Option<Vec<u8>> {
    let headers = [("idempotency-key", key), ("content-type", "application/json")];
    let reply = partner.try_send(Method::POST, "/medication-order", &headers, Some(body.as_bytes())).ok()?;
    assert!(matches!(reply.status, 200 | 503), "{key}: {}", reply.body);
    (reply.status == 200).then_some(reply.bytes)
}

fn order_id(answer: &[u8]) -> String {
    let body: Value = serde_json::from_slice(answer).expect("an answer is JSON");
    text(&body["data"]["medication_order_id"])
}

/// What must arrive at least once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    prescription: String,
    event_type: String,
}

fn event(received: &Received) -> Event {
    let body = received.json();
    Event {
        prescription: text(&body["event_data"]["prescription_id"]),
        event_type: text(&body["event_type"]),
    }
}

/// The events of each order, read off the status that it has reached.
fn expected_events(scene: &Scene, orders: &[(Ordered, usize)]) -> BTreeSet<Event> {
    const STATUSES: [&str; 6] = ["pending", "verified", "submitted", "acknowledged", "filling", "filled"];
    const TOLD: [&[&str]; 6] = [
        &["prescription:created"],
        &["medication:validated", "prescription:verified"],
        &["medication:submitted"],
        &["medication:acknowledged"],
        &[],
        &["medication:filled"],
    ];
    let mut expected = BTreeSet::new();
    for (order, steps) in orders {
        let status = text(&scene.partner.read_order(&order.id)["status"]);
        let reached = STATUSES.iter().position(|word| *word == status);
        let reached = reached.unwrap_or_else(|| panic!("{status} is not a status of the work"));
        assert!(reached >= *steps, "{} steps were answered and it is {status}", steps);
        for event_type in TOLD[..=reached].iter().copied().flatten() {
            let prescription = order.prescriptions[0].clone();
            expected.insert(Event { prescription, event_type: (*event_type).to_owned() });
        }
    }
    expected
}
