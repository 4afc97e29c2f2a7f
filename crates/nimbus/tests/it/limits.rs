//! Rate limits over the wire: what replies say, what is refused, and what several processes admit together.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nimbus_app::{credentials, limits::REPORT_EVERY};
use serde_json::json;
use ureq::http::Method;

use crate::support::{
    Engine, Partner, Reply, Seed, Server, Store,
    server::{FEED_SECRET, ONBOARDING_TOKEN},
    story::text,
    two_engines,
};

/// A changed limit is in force within a second.
const CHANGED_WITHIN: Duration = Duration::from_secs(1);

fn number(reply: &Reply, header: &str) -> u64 {
    let value = reply.header(header).unwrap_or_else(|| panic!("{header} of {}", reply.status));
    value.parse().expect("a number")
}

fn limit(reply: &Reply) -> u64 {
    number(reply, "x-ratelimit-limit")
}

fn remaining(reply: &Reply) -> u64 {
    number(reply, "x-ratelimit-remaining")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Waits until a window has so many seconds left, as a reply to `ask` says; most tests fit into a few.
fn with_time_left(seconds: u64, ask: impl Fn() -> Reply) {
    while number(&ask(), "x-ratelimit-reset") < now() + seconds {
        thread::sleep(Duration::from_millis(200));
    }
}

fn limited(engine: Engine, writes: &str, reads: &str) -> (Server, Seed) {
    let store = Store::sandbox(engine);
    let seed = store.seed();
    let store = store.with("NIMBUS_RATE_LIMIT_WRITES", writes).with("NIMBUS_RATE_LIMIT_READS", reads);
    (store.serve(), seed)
}

/// Sends until it is refused; how many were not, and the refusal.
fn until_refused(send: impl Fn() -> Reply) -> (u64, Reply) {
    for count in 0..1000 {
        let reply = send();
        if reply.status == 429 {
            return (count, reply);
        }
    }
    panic!("a thousand requests were not refused");
}

two_engines! {
    fn a_key_is_limited_by_class_and_told_so(engine) {
        let (server, seed) = limited(engine, "5", "8");
        let partner = server.partner(&seed);
        with_time_left(10, || partner.get("/clinic"));
        let first = partner.act("/webhook/nothing/test");
        assert_eq!((first.status, limit(&first), remaining(&first)), (404, 5, 4), "refusals count and tell");
        let reset = number(&first, "x-ratelimit-reset");
        assert!(reset > now() && reset <= now() + 60, "{reset}");

        let (admitted, refused) = until_refused(|| partner.post("/medication-order", &json!({})));
        assert_eq!(admitted, 4);
        let error = refused.refused(429, "RATE_LIMIT_EXCEEDED");
        let wait = number(&refused, "retry-after");
        assert_eq!(error["retry_after"], json!(wait));
        assert!((1..=60).contains(&wait) && now() + wait >= reset, "{wait}");
        assert_eq!((limit(&refused), remaining(&refused)), (5, 0));
        assert_eq!(number(&refused, "x-ratelimit-reset"), reset);

        let read = partner.get("/medication-order");
        assert_eq!((read.status, limit(&read)), (200, 8), "reads are counted apart");
        let head = partner.send(Method::HEAD, "/medication-order", &[], None);
        assert_eq!((head.status, head.bytes.len()), (200, 0));
        assert_eq!((limit(&head), remaining(&head)), (8, remaining(&read) - 1), "HEAD is a read");

        let other = server.pharmacy_partner(&seed).act("/webhook/nothing/test");
        assert_eq!((other.status, remaining(&other)), (404, 4), "another key of the same clinic");
        let staff = server.staff(&seed).get("/pharmacy/orders");
        assert_eq!((staff.status, limit(&staff)), (200, 80), "staff have ten times as much");
        let staff = server.staff(&seed).act("/pharmacy/orders/nothing/verify");
        assert_eq!((staff.status, limit(&staff), remaining(&staff)), (404, 50, 49));
    }

    fn an_admin_changes_the_limits_of_a_key(engine) {
        let (server, seed) = limited(engine, "5", "50");
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        assert_eq!(limit(&partner.get("/clinic")), 50);
        let keys = server.store().json(&["admin", "key", "list", "--clinic", &seed.clinic_id]);
        let of_partner = keys.as_array().expect("keys").iter().find(|key| {
            seed.keys.integration.starts_with(key["prefix"].as_str().expect("a prefix"))
        });
        let key = text(&of_partner.expect("the partner's key")["id"]);
        let path = format!("/admin/clinics/{}/keys/{key}/limits", seed.clinic_id);

        let changed = staff.post(&path, &json!({"reads_per_minute": 77, "writes_per_minute": 100_000}));
        assert_eq!(changed.data()["reads_per_minute"], 77);
        thread::sleep(CHANGED_WITHIN);
        assert_eq!(limit(&partner.get("/clinic")), 77);
        assert_eq!(limit(&partner.act("/webhook/nothing/test")), 100_000);

        let again = staff.post_keyed(&path, "limits-1", &json!({"writes_per_minute": null}));
        assert_eq!(again.data()["writes_per_minute"], json!(null));
        assert_eq!(again.data()["reads_per_minute"], 77, "what is left out stays");
        let replayed = staff.post_keyed(&path, "limits-1", &json!({"writes_per_minute": null}));
        assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
        thread::sleep(CHANGED_WITHIN);
        assert_eq!(limit(&partner.act("/webhook/nothing/test")), 5);

        let shown = server.store().json(&["admin", "key", "limits", &key, "--reads", "default", "--writes", "9"]);
        assert_eq!((&shown["reads_per_minute"], &shown["writes_per_minute"]), (&json!(null), &json!(9)));
        thread::sleep(CHANGED_WITHIN);
        assert_eq!(limit(&partner.get("/clinic")), 50);
        assert_eq!(limit(&partner.act("/webhook/nothing/test")), 9);

        let wrong = staff.post(&path, &json!({"reads_per_minute": 0, "writes_per_minute": 100_001}));
        assert_eq!(wrong.invalid(), ["reads_per_minute", "writes_per_minute"]);
        assert!(!server.store().output(&["admin", "key", "limits", &key, "--reads", "0"]).status.success());
        assert!(!server.store().output(&["admin", "key", "limits", &key]).status.success());
        let elsewhere = format!("/admin/clinics/{}/keys/{key}/limits", seed.other_clinic_id);
        staff.post(&elsewhere, &json!({})).refused(404, "NOT_FOUND");
    }

    fn attempts_without_a_credential_are_limited_by_address(engine) {
        let store = Store::sandbox(engine);
        let seed = store.seed();
        let store = store.with("NIMBUS_RATE_LIMIT_UNAUTHENTICATED", "6").with("NIMBUS_BEHIND_PROXY", "true");
        let server = store.serve();
        let from = |address: &str, key: &str, path: &str| {
            let headers = [("x-forwarded-for", address), ("x-api-key", key)];
            server.anonymous().send(Method::GET, path, &headers, None)
        };
        let path = "/api/external/clinic";
        let unknown = credentials::from_seed("dev_", b"nobody");
        let worked = from("192.0.2.1", &seed.keys.integration, path);
        assert_eq!((worked.status, worked.header("x-ratelimit-limit")), (200, None), "keys have no limit here");
        with_time_left(10, || from("192.0.2.1", "", "/api/nothing"));

        let first = from("192.0.2.1", &unknown, path);
        first.refused(401, "UNAUTHORIZED");
        assert_eq!((limit(&first), remaining(&first)), (6, 5));
        let elsewhere = from("192.0.2.1", &unknown, "/api/nothing");
        elsewhere.refused(404, "NOT_FOUND");
        assert_eq!(remaining(&elsewhere), 5, "who names no path is told and not counted");
        let (admitted, refused) = until_refused(|| from("192.0.2.1", "hello", path));
        assert_eq!(admitted, 5);
        refused.refused(429, "RATE_LIMIT_EXCEEDED");
        assert!(number(&refused, "retry-after") >= 1);
        for (name, value) in [("x-pharmetika-secret", "wrong"), ("authorization", "Bearer ops_x")] {
            let headers = [("x-forwarded-for", "192.0.2.1"), (name, value)];
            let path = if name == "authorization" { "/api/pharmacy/orders" } else { "/api/pharmetika/webhook" };
            let method = if name == "authorization" { Method::GET } else { Method::POST };
            assert_eq!(server.anonymous().send(method, path, &headers, None).status, 429, "{name}");
        }

        thread::sleep(CHANGED_WITHIN);
        assert_eq!(from("192.0.2.1", &seed.keys.integration, path).status, 200, "a key that worked goes on");
        assert_eq!(from("192.0.2.1", &seed.keys.pharmacy_partner, path).status, 200, "and a new one begins");
        assert_eq!(from("192.0.2.2", "hello", path).status, 401, "another address");

        let (admitted, _) = until_refused(|| from("2001:db8::1", "hello", path));
        assert_eq!(admitted, 6);
        assert_eq!(from("2001:db8::ffff:1", "hello", path).status, 429, "the same /64");
        assert_eq!(from("2001:db8:0:1::1", "hello", path).status, 401, "another /64");
    }
}

#[test]
fn feeds_are_counted_by_feed() {
    let (server, _) = limited(Engine::Sqlite, "1", "1");
    let feed = |path: &str, name: &str, value: &str| {
        server.anonymous().json(Method::POST, path, &[(name, value)], &json!({}))
    };
    let pharmacy = || feed("/api/pharmetika/webhook", "x-pharmetika-secret", FEED_SECRET);
    let robot = || feed("/api/rpa/practitioner/success", "x-rpa-token", ONBOARDING_TOKEN);
    with_time_left(10, pharmacy);
    let first = pharmacy();
    assert_eq!((first.status, limit(&first)), (400, 10), "ten times what a key may");
    let (_, refused) = until_refused(pharmacy);
    refused.refused(429, "RATE_LIMIT_EXCEEDED");
    with_time_left(10, robot);
    let other = robot();
    assert_eq!((other.status, limit(&other)), (400, 10));
}

#[test]
fn without_limits_nothing_is_said_of_them() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    for reply in [server.partner(&seed).get("/clinic"), server.anonymous().get("/api/external/clinic")] {
        for header in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
            assert_eq!(reply.header(header), None);
        }
    }
}

#[test]
fn health_is_not_limited() {
    let store = Store::sandbox(Engine::Sqlite).with("NIMBUS_RATE_LIMIT_UNAUTHENTICATED", "1");
    let server = store.serve();
    for _ in 0..5 {
        let reply = server.anonymous().get("/health");
        assert_eq!((reply.status, reply.header("x-ratelimit-limit")), (200, None));
    }
}

#[test]
fn defaults_are_those_of_the_environment() {
    let shown = |store: Store| {
        let output = store.output(&["config", "check"]);
        assert!(output.status.success());
        let shown = String::from_utf8(output.stdout).expect("text");
        let of = |name: &str| {
            let line = shown.lines().find(|line| line.split_whitespace().next() == Some(name));
            line.and_then(|line| line.split('=').nth(1)).map(|value| value.trim().to_owned())
        };
        ["rate_limit_writes", "rate_limit_reads", "rate_limit_unauthenticated"].map(of)
    };
    let some = |words: [&str; 3]| words.map(|word| Some(word.to_owned()));
    let sandbox = Store::sandbox(Engine::Sqlite)
        .without("NIMBUS_RATE_LIMIT_WRITES")
        .without("NIMBUS_RATE_LIMIT_READS")
        .without("NIMBUS_RATE_LIMIT_UNAUTHENTICATED");
    assert_eq!(shown(sandbox), some(["100", "1000", "60"]));
    assert_eq!(shown(Store::production(Engine::Sqlite)), some(["60", "600", "60"]));
    let off = Store::production(Engine::Sqlite).with("NIMBUS_RATE_LIMIT_UNAUTHENTICATED", "0");
    assert!(!off.output(&["config", "check"]).status.success());
}

/// Sends a read every few milliseconds for so long; when each was admitted, and whether the last was.
fn hammer(partner: &Partner, pause: Duration, length: Duration) -> (Vec<Instant>, bool) {
    let (start, mut admitted, mut last) = (Instant::now(), Vec::new(), true);
    while start.elapsed() < length {
        let reply = partner.get("/clinic");
        last = reply.status != 429;
        if last {
            reply.data();
            admitted.push(Instant::now());
        }
        thread::sleep(pause);
    }
    (admitted, last)
}

/// The most that were admitted within any such interval.
fn most_within(admitted: &[Instant], interval: Duration) -> usize {
    let within = |(index, from): (usize, &Instant)| {
        admitted[index..].iter().take_while(|at| **at <= *from + interval).count()
    };
    admitted.iter().enumerate().map(within).max().unwrap_or_default()
}

/// The tolerance is what the module of the limits says: what the other process admits within two reports, here
/// with as much again for the way to the database on a busy machine.
#[test]
fn two_processes_keep_one_limit_together() {
    const LIMIT: usize = 400;
    let store = Store::sandbox(Engine::Postgres).with("NIMBUS_RATE_LIMIT_READS", &LIMIT.to_string());
    let seed = store.seed();
    let beside = store.beside();
    let (one, two) = (store.serve(), beside.serve());
    let (first, second) = (one.partner(&seed), two.partner(&seed));
    with_time_left(30, || first.get("/clinic"));
    // What finding that out has used, the other process must have heard of too.
    thread::sleep(2 * REPORT_EVERY);
    let before = LIMIT - remaining(&first.get("/clinic")) as usize;

    let (pause, length) = (Duration::from_millis(4), Duration::from_secs(8));
    let (here, there) = thread::scope(|scope| {
        let there = scope.spawn(|| hammer(&second, pause, length));
        (hammer(&first, pause, length), there.join().expect("no sender fails"))
    });
    assert!(!here.1 && !there.1, "in the end both refuse");
    assert!(here.0.len() > LIMIT / 8 && there.0.len() > LIMIT / 8, "both took part");
    let total = before + here.0.len() + there.0.len();
    let tolerance = most_within(&here.0, 4 * REPORT_EVERY).max(most_within(&there.0, 4 * REPORT_EVERY));
    assert!(tolerance < LIMIT, "slow enough to tell: {tolerance}");
    assert!((LIMIT..=LIMIT + tolerance).contains(&total), "{total} of {LIMIT}, tolerance {tolerance}");
    for partner in [&first, &second] {
        partner.get("/clinic").refused(429, "RATE_LIMIT_EXCEEDED");
    }
}

#[test]
fn a_request_is_counted_once_whoever_has_heard_of_it() {
    let store = Store::sandbox(Engine::Postgres).with("NIMBUS_RATE_LIMIT_READS", "50");
    let seed = store.seed();
    let server = store.serve();
    let partner = server.partner(&seed);
    with_time_left(20, || partner.get("/clinic"));
    let used = 50 - remaining(&partner.get("/clinic"));
    let counted: Vec<u64> = (0..5)
        .map(|_| {
            thread::sleep(REPORT_EVERY + REPORT_EVERY / 2);
            50 - remaining(&partner.get("/clinic"))
        })
        .collect();
    assert_eq!(counted, (1..=5).map(|more| used + more).collect::<Vec<_>>());
}
