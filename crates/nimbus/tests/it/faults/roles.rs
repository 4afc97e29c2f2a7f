//! The API in one process and the deliveries in another, over one PostgreSQL.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{sandbox, traffic::Traffic};
use crate::support::{Engine, PATIENCE, Seed, Server, load::SetOnDrop, receiver::Received};
use nimbus_store::testing::{block_on, faults::listeners_cut};

/// How often a dispatcher looks by itself.
const POLL: Duration = Duration::from_millis(500);
const EVENTS: usize = 21;

#[test]
fn what_one_process_accepts_another_sends_at_once_and_later_without_signals() {
    let store = sandbox(Engine::Postgres);
    let (seed, other) = (store.seed(), store.beside());
    let api = store.serve_with(&["--role", "api"]);
    let traffic = Traffic::new(&api, &seed);
    let worker = other.work();
    // The worker is there, and listens, when something came.
    let started = delays(&api, &seed, &traffic, 1);
    eprintln!("the first took {started:?}");
    thread::sleep(2 * POLL);

    let signalled = delays(&api, &seed, &traffic, EVENTS);
    assert!(signalled[EVENTS / 2] < POLL / 4, "they were not woken: {signalled:?}");

    let (over, cut) = (AtomicBool::new(false), AtomicBool::new(false));
    let url = api.store().database_url.clone().expect("it is PostgreSQL");
    let polled = thread::scope(|scope| {
        let (over, cut, url) = (&over, &cut, url.as_str());
        let (is_over, note) = (|| over.load(Ordering::Relaxed), || cut.store(true, Ordering::Relaxed));
        scope.spawn(move || block_on(listeners_cut(url, is_over, note)));
        let _over = SetOnDrop(over);
        while !cut.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        delays(&api, &seed, &traffic, 5)
    });
    assert!(polled[4] < 10 * POLL, "without signals they are looked for: {polled:?}");
    // Once nobody cuts them off any more, they are woken as before.
    thread::sleep(Duration::from_secs(2));
    let again = delays(&api, &seed, &traffic, EVENTS);
    assert!(again[EVENTS / 2] < POLL / 4, "they are no longer woken: {again:?}");
    traffic.prove(api.store());
    assert!(worker.log().contains("signals of other processes are not heard"), "{}", worker.log());
}

/// How long each of so many events took from its answer to its arrivals, the quickest first.
fn delays(api: &Server, seed: &Seed, traffic: &Traffic, count: usize) -> Vec<Duration> {
    let staff = api.staff(seed);
    let delay = |_| {
        let id = traffic.send_one(&staff, &seed.clinic_id).expect("it is accepted");
        let answered = Instant::now();
        let arrived = |received: &[Received]| {
            let of_it = received
                .iter()
                .rev()
                .take(8)
                .filter(|one| one.json()["event_data"]["shipment_id"] == id.as_str());
            of_it.count() == 2
        };
        let received = traffic.receiver.wait_until("both endpoints have it", PATIENCE, arrived);
        received.last().expect("it came").at.saturating_duration_since(answered)
    };
    let mut delays: Vec<Duration> = (0..count).map(delay).collect();
    delays.sort_unstable();
    delays
}
