//! `Idempotency-Key` as a property: whatever is sent at once, repeated, broken off or cut short by a crash, a key
//! of a credential stands for one outcome.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    net::TcpStream,
    sync::Mutex,
    thread,
    time::Duration,
};

use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    Engine, Partner, Reply, Seed, Server,
    story::{line, order_body, text},
    two_engines,
};

const CREDENTIALS: usize = 2;
const KEYS: usize = 3;
/// Two orders that differ, and one that is never acceptable.
const BODIES: usize = 3;
const UNACCEPTABLE: usize = 2;
const CASES: u32 = 24;

/// One request of a round.
#[derive(Debug, Clone, Copy)]
struct Send {
    credential: usize,
    key: usize,
    body: usize,
    /// Closes the connection without waiting for the reply.
    hangs_up: bool,
    /// How long after the round began.
    after: Duration,
}

impl Send {
    const fn pair(self) -> (usize, usize) {
        (self.credential, self.key)
    }
}

/// Requests that run at the same time.
#[derive(Debug, Clone)]
struct Round {
    sends: Vec<Send>,
    /// When the server is killed and started again, if it is.
    killed_after: Option<Duration>,
}

fn sends() -> impl Strategy<Value = Send> {
    let choice = (0..CREDENTIALS, 0..KEYS, 0..BODIES, any::<bool>(), 0..30_000u64);
    choice.prop_map(|(credential, key, body, hangs_up, micros)| Send {
        credential,
        key,
        body,
        hangs_up,
        after: Duration::from_micros(micros),
    })
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let killed = proptest::option::weighted(0.4, 0..40_000u64);
    let round = (vec(sends(), 1..12), killed)
        .prop_map(|(sends, killed)| Round { sends, killed_after: killed.map(Duration::from_micros) });
    vec(round, 1..4)
}

/// A server with the credentials that ask it.
struct World {
    server: Server,
    seed: Seed,
    secrets: Vec<String>,
}

impl World {
    fn new(engine: Engine) -> Self {
        let (server, seed) = Server::seeded(engine);
        let issue = ["admin", "key", "issue", "--clinic", &seed.clinic_id, "--profile", "integration"];
        let second = text(&server.store().json(&issue)["key"]);
        let secrets = vec![seed.keys.integration.clone(), second];
        Self { server, seed, secrets }
    }

    fn partner(&self, credential: usize) -> Partner {
        Partner::new(&self.server.url(), &self.secrets[credential])
    }

    fn body(&self, label: &str, body: usize) -> Value {
        let mut order = order_body(&self.seed, &[line("Lisinopril")]);
        order["notes"] = json!(format!("{label} body {body}"));
        if body == UNACCEPTABLE {
            order["medication_requests"][0]["quantity"] = json!(0);
        }
        order
    }

    /// Writes a whole request and closes the connection at once.
    fn send_and_hang_up(&self, send: Send, key: &str, body: &Value) {
        let body = body.to_string();
        let request = format!(
            "POST /api/external/medication-order HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\n\
             idempotency-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.secrets[send.credential],
            body.len(),
        );
        // A server that is down just now has not heard of it.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.server.port)) {
            stream.write_all(request.as_bytes()).ok();
        }
    }

    fn label(case: u32, (credential, key): (usize, usize)) -> String {
        format!("case {case} credential {credential} key {key}")
    }

    /// Sends one request; its reply if it waited for one and the server lived to give it.
    fn send(&self, case: u32, send: Send) -> Option<Reply> {
        thread::sleep(send.after);
        let (key, label) = (format!("case-{case}-key-{}", send.key), Self::label(case, send.pair()));
        let body = self.body(&label, send.body);
        if send.hangs_up {
            self.send_and_hang_up(send, &key, &body);
            return None;
        }
        let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
        let (partner, body) = (self.partner(send.credential), body.to_string());
        partner.try_send(Method::POST, "/medication-order", &headers, Some(body.as_bytes())).ok()
    }

    /// Runs a round; what was answered, and the world as it goes on.
    fn run(self, case: u32, round: &Round) -> (Self, Vec<(Send, Reply)>) {
        let answered = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for &send in &round.sends {
                let (world, answered) = (&self, &answered);
                scope.spawn(move || {
                    if let Some(reply) = world.send(case, send) {
                        answered.lock().expect("no sender panics").push((send, reply));
                    }
                });
            }
            if let Some(moment) = round.killed_after {
                thread::sleep(moment);
                self.server.kill_now();
            }
        });
        let world = match round.killed_after {
            Some(_) => Self { server: self.server.kill().serve(), ..self },
            None => self,
        };
        (world, answered.into_inner().expect("no sender panics"))
    }

    /// Asks until the reply is not "still running".
    fn settled(&self, case: u32, send: Send) -> Reply {
        loop {
            let reply = self.send(case, send).expect("the server lives");
            if reply.body["error"]["code"] != "IDEMPOTENCY_KEY_IN_USE" {
                return reply;
            }
            assert!(reply.header("retry-after").is_some(), "it says when to come again");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What is known of one key of one credential.
#[derive(Default)]
struct Known {
    winner: Option<usize>,
    bytes: Vec<u8>,
    first_replies: usize,
    /// Bodies that were told that the key belongs to another.
    conflicted: BTreeSet<usize>,
}

impl Known {
    /// Takes in a reply, which must agree with all before it.
    fn learn(&mut self, body: usize, reply: &Reply) -> Result<(), TestCaseError> {
        let fail = |what: &str| Err(TestCaseError::fail(format!("{what}: {}", reply.body)));
        let code = reply.body["error"]["code"].as_str().unwrap_or_default();
        match (reply.status, code) {
            (200, _) => {
                if *self.winner.get_or_insert(body) != body || self.conflicted.contains(&body) {
                    return fail("two bodies under one key");
                }
                if !self.bytes.is_empty() && self.bytes != reply.bytes {
                    return fail("another reply than before");
                }
                self.bytes.clone_from(&reply.bytes);
                self.first_replies += usize::from(reply.header("idempotent-replayed").is_none());
                if self.first_replies > 1 { fail("made twice") } else { Ok(()) }
            }
            (409, "IDEMPOTENCY_KEY_IN_USE") => Ok(()),
            (409, "IDEMPOTENCY_KEY_CONFLICT") if self.winner != Some(body) => {
                self.conflicted.insert(body);
                Ok(())
            }
            (400, "VALIDATION_ERROR") if body == UNACCEPTABLE => Ok(()),
            _ => fail("an unexpected reply"),
        }
    }
}

fn check(world: World, case: u32, rounds: &[Round]) -> (World, Result<(), TestCaseError>) {
    let mut world = world;
    let mut answered = Vec::new();
    for round in rounds {
        let (next, replies) = world.run(case, round);
        world = next;
        answered.extend(replies);
    }
    let asked = rounds.iter().flat_map(|round| &round.sends);
    let judged = judge(&world, case, &answered, asked.copied());
    (world, judged)
}

/// After the storm: every key that was used stands for one order, told in the same bytes to whoever asks again.
fn judge(
    world: &World,
    case: u32,
    answered: &[(Send, Reply)],
    asked: impl Iterator<Item = Send>,
) -> Result<(), TestCaseError> {
    let mut known: BTreeMap<(usize, usize), Known> = BTreeMap::new();
    // Successes first: a conflict is judged by who won in the end.
    let (won, rest): (Vec<_>, Vec<_>) = answered.iter().partition(|(_, reply)| reply.status == 200);
    for (send, reply) in won.into_iter().chain(rest) {
        known.entry(send.pair()).or_default().learn(send.body, reply)?;
    }
    for send in asked.filter(|send| send.body != UNACCEPTABLE) {
        let again = Send { hangs_up: false, after: Duration::ZERO, ..send };
        let reply = world.settled(case, again);
        known.entry(send.pair()).or_default().learn(send.body, &reply)?;
    }
    let orders = world.partner(0).get("/medication-order?limit=100").data().clone();
    for (&pair, known) in known.iter().filter(|(_, known)| known.winner.is_some()) {
        let label = format!("{} body", World::label(case, pair));
        let notes = |order: &&Value| order["notes"].as_str().is_some_and(|notes| notes.starts_with(&label));
        let made: Vec<&Value> = orders.as_array().expect("a list").iter().filter(notes).collect();
        let told: Value = serde_json::from_slice(&known.bytes).expect("a reply is JSON");
        let ids: Vec<&Value> = made.iter().map(|order| &order["id"]).collect();
        if ids != [&told["data"]["medication_order_id"]] {
            return Err(TestCaseError::fail(format!("{label}: {} orders were made", made.len())));
        }
    }
    Ok(())
}

two_engines! {
    fn a_key_stands_for_one_outcome(engine) {
        let mut runner = TestRunner::new(Config { cases: CASES, max_shrink_iters: 0, failure_persistence: None, ..Config::default() });
        let world = std::cell::RefCell::new(Some(World::new(engine)));
        let case = std::cell::Cell::new(0);
        runner
            .run(&rounds(), |rounds| {
                case.set(case.get() + 1);
                let taken = world.take().expect("the world goes from case to case");
                let (next, judged) = check(taken, case.get(), &rounds);
                world.replace(Some(next));
                judged
            })
            .unwrap_or_else(|failure| panic!("{failure}"));
    }
}
