//! The event log as a stream: the bytes and signatures of webhooks, gone on with where it was, ended with its key.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    thread,
    time::{Duration, Instant},
};

use nimbus_store::testing::{block_on, logs_settle};
use nimbus_webhooks::signing::{SigningSecret, TOLERANCE_SECONDS, verify};
use serde_json::json;
use ureq::{
    Agent, BodyReader,
    http::{HeaderMap, Method},
};

use crate::support::{
    Anonymous, PATIENCE, Reply, Server, eventually, receiver::Receiver, story::text, two_engines,
    webhooks::Scene,
};

const PARTNERS: &str = "/api/external/events/stream";
const ORDERS: &str = "/events/stream";
/// The key's revocation and the like end a stream within this.
const SOON: Duration = Duration::from_secs(10);

/// One who reads a stream over a connection of its own.
struct Reader {
    lines: BufReader<BodyReader<'static>>,
    headers: HeaderMap,
}

/// An event as it came, field by field; `data` with the line ends that were in it.
type Came = BTreeMap<String, String>;

impl Reader {
    fn open(server: &Server, path: &str, key: &str, last: Option<&str>) -> Self {
        let config =
            Agent::config_builder().proxy(None).timeout_global(Some(Duration::from_secs(90))).build();
        let mut request = Agent::from(config).get(format!("{}{path}", server.url())).header("x-api-key", key);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.call().expect("a stream");
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], "text/event-stream");
        Self { lines: BufReader::new(response.into_body().into_reader()), headers }
    }

    /// The next event; `None` where the stream has ended.
    fn next(&mut self) -> Option<Came> {
        let mut came = Came::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("a stream ends by itself") == 0 {
                return None;
            }
            let line = line.strip_suffix('\n').expect("a line ends");
            if line.is_empty() && came.contains_key("data") {
                return Some(came);
            }
            if let Some((field, value)) = line.split_once(": ") {
                let value = match came.remove(field) {
                    Some(before) => format!("{before}\n{value}"),
                    None => value.to_owned(),
                };
                came.insert(field.to_owned(), value);
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<Came> {
        (0..count).map(|_| self.next().expect("an event")).collect()
    }

    /// How long it takes until the stream ends; events that come before are nothing of interest.
    fn end(mut self) -> Duration {
        let begun = Instant::now();
        while self.next().is_some() {}
        begun.elapsed()
    }
}

fn get(server: &Server, path: &str, key: &str) -> Reply {
    server.anonymous().send(Method::GET, path, &[("x-api-key", key)], None)
}

fn ids(came: &[Came]) -> Vec<&str> {
    came.iter().map(|event| event["id"].as_str()).collect()
}

/// The whole log of the partner API, from the oldest on.
fn log(scene: &Scene) -> Vec<String> {
    block_on(logs_settle());
    let mut ids: Vec<String> = Vec::new();
    loop {
        let cursor = ids.last().map(|last| format!("&cursor={last}")).unwrap_or_default();
        let page = scene.partner.get(&format!("/events?limit=100{cursor}"));
        ids.extend(page.data().as_array().expect("a page").iter().map(|event| text(&event["event_id"])));
        if page.body["has_more"] == false {
            return ids;
        }
    }
}

/// So many events that have not happened.
fn trigger(scene: &Scene, count: usize) {
    let body = json!({"clinic_id": scene.seed.clinic_id, "event_type": "medication:shipped", "count": count});
    scene.staff.post("/sandbox/events/trigger", &body).data();
}

/// A narrow key of the clinic: its id and itself.
fn issue(scene: &Scene) -> (String, String) {
    let scopes = "webhooks:read,orders:read,shipments:read,refills:read";
    let args = ["admin", "key", "issue", "--clinic", &scene.seed.clinic_id, "--scopes", scopes];
    let key = scene.server.store().json(&args);
    (text(&key["id"]), text(&key["key"]))
}

two_engines! {
    fn what_happens_is_told_as_a_webhook_is_sent_it(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["medication:*", "medication_order:submitted"]);
        let key = &scene.seed.keys.integration;
        let last = log(&scene).pop();
        let path = format!("{PARTNERS}?webhook_id={}", endpoint.id);
        let mut signed = Reader::open(&scene.server, &path, key, last.as_deref());
        assert_eq!(signed.headers["cache-control"], "no-store");
        assert!(signed.headers.contains_key("x-request-id"));
        let order = scene.partner.order(&scene.seed).id;
        for act in ["verify", "submit", "acknowledge"] {
            scene.staff.work(&order, act);
        }
        // Nothing but what it subscribes to, in its names.
        let told = signed.take(3);
        let names: Vec<&str> = told.iter().map(|event| event["event"].as_str()).collect();
        assert_eq!(names, ["medication:updated", "medication_order:submitted", "medication:updated"]);
        let received = receiver.wait_for(3, PATIENCE);
        let secret = SigningSecret::parse(&endpoint.secret).expect("a secret");
        for event in &told {
            let sent = received.iter().find(|sent| sent.webhook_id() == event["id"]).expect("it was sent");
            assert_eq!(event["data"].as_bytes(), sent.body, "byte for byte");
            let now = event["webhook-timestamp"].parse().expect("seconds");
            let (id, signature) = (&event["id"], &event["webhook-signature"]);
            let verdict = verify(
                &secret, id, &event["webhook-timestamp"], signature, event["data"].as_bytes(), now, TOLERANCE_SECONDS);
            assert_eq!(verdict, Ok(()));
        }

        // The other API's shape, without signatures: what its log has.
        let mut plain = Reader::open(&scene.server, &format!("{ORDERS}?eventTypes=order.*"), key, None);
        let log = get(&scene.server, "/events?limit=100&eventTypes=order.*", key);
        let listed = log.body["data"].as_array().expect("a page").clone();
        let told = plain.take(listed.len());
        for (event, listed) in told.iter().zip(&listed) {
            assert_eq!((json!(event["id"]), json!(event["event"])), (listed["id"].clone(), listed["type"].clone()));
            let data = event["data"].as_bytes();
            assert!(log.bytes.windows(data.len()).any(|window| window == data), "as it was signed");
            assert!(!event.contains_key("webhook-signature"));
        }
        scene.partner.order(&scene.seed);
        assert_eq!(plain.next().expect("an event")["event"], "order.created");
    }

    fn who_comes_again_goes_on_where_it_was(engine) {
        let scene = Scene::start(engine);
        let key = &scene.seed.keys.integration;
        let mut seen: Vec<String> = Vec::new();
        let first = log(&scene).remove(0);
        // The address stays what it was: what the reader has seen since goes before it.
        let path = format!("{PARTNERS}?cursor={first}");
        thread::scope(|scope| {
            let writing = scope.spawn(|| (0..8).for_each(|_| drop(scene.partner.order(&scene.seed))));
            let mut last: Option<String> = None;
            while !writing.is_finished() || seen.len() < 20 {
                let mut reader = Reader::open(&scene.server, &path, key, last.as_deref());
                seen.extend(ids(&reader.take(2)).into_iter().map(str::to_owned));
                last = seen.last().cloned();
                if writing.is_finished() && log(&scene).last() == last.as_ref() {
                    break;
                }
            }
            writing.join().expect("orders were taken");
        });
        let last = seen.last().cloned();
        let all = log(&scene);
        let rest = all.len() - 1 - seen.len();
        let mut reader = Reader::open(&scene.server, &path, key, last.as_deref());
        seen.extend(ids(&reader.take(rest)).into_iter().map(str::to_owned));
        assert_eq!(seen, all[1..], "each once, in the order of the log");
    }

    fn it_ends_with_the_key_and_with_the_partner(engine) {
        let scene = Scene::start(engine);
        let (id, key) = issue(&scene);
        let mut revoked = Reader::open(&scene.server, PARTNERS, &key, None);
        let suspended = Reader::open(&scene.server, ORDERS, &scene.seed.keys.integration, None);
        revoked.next().expect("an event");
        scene.server.store().json(&["admin", "key", "revoke", &id]);
        let took = revoked.end();
        assert!(took < SOON, "{took:?}");
        let refused = get(&scene.server, PARTNERS, &key);
        assert_eq!(refused.status, 401, "{}", refused.body);

        let partner = text(&scene.partner.get("/clinic").data()["partner_id"]);
        scene.server.store().json(&["admin", "partner", "suspend", &partner]);
        let took = suspended.end();
        assert!(took < SOON, "{took:?}");
    }

    fn a_key_has_few_at_a_time_and_each_has_an_end(engine) {
        let scene = Scene::start(engine);
        let (_, key) = issue(&scene);
        let mut open: Vec<Reader> =
            (0..4).map(|_| Reader::open(&scene.server, PARTNERS, &key, None)).collect();
        get(&scene.server, PARTNERS, &key).refused(429, "RATE_LIMIT_EXCEEDED");
        get(&scene.server, "/api/external/events?wait=15", &key).refused(429, "RATE_LIMIT_EXCEEDED");
        let other = Reader::open(&scene.server, &format!("{PARTNERS}?max_seconds=1"), &scene.seed.keys.integration, None);
        let took = other.end();
        assert!(took < SOON, "{took:?}");
        open.pop();
        // That a connection is gone is noticed when something is sent over it, or it is closed.
        eventually("its place is free", || {
            (get(&scene.server, &format!("{PARTNERS}?max_seconds=1"), &key).status == 200).then_some(())
        });
    }

    fn a_reader_that_takes_nothing_holds_nobody_up_and_misses_nothing(engine) {
        const EVENTS: usize = 3000;
        let scene = Scene::start(engine);
        let key = &scene.seed.keys.integration;
        let path = format!("{PARTNERS}?event_types=medication:shipped");
        let mut slow = Reader::open(&scene.server, &path, key, None);
        let mut quick = Reader::open(&scene.server, &path, key, None);
        trigger(&scene, EVENTS);
        let told = quick.take(EVENTS);
        let mut different: Vec<&str> = ids(&told);
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), EVENTS);
        // Whoever else asks is answered.
        scene.partner.order(&scene.seed);
        let late = slow.take(EVENTS);
        assert_eq!(ids(&late), ids(&told));
    }

    fn a_stop_ends_it_at_once_and_waits_for_no_reader_that_takes_nothing(engine) {
        let scene = Scene::start(engine);
        let key = &scene.seed.keys.integration.clone();
        let path = format!("{PARTNERS}?event_types=medication:shipped");
        let idle = Reader::open(&scene.server, &path, key, None);
        let (status, took, store) = thread::scope(|scope| {
            let ending = scope.spawn(|| idle.end());
            thread::sleep(Duration::from_millis(300));
            let stopped = scene.server.stop();
            ending.join().expect("the stream ended");
            stopped
        });
        assert!(status.success() && took < Duration::from_secs(3), "{status} after {took:?}");

        let scene = Scene::serving(store, scene.seed);
        let stuck = Reader::open(&scene.server, &path, key, None);
        // More than the buffers between the two of them take.
        trigger(&scene, 10_000);
        trigger(&scene, 10_000);
        let (status, took, store) = scene.server.stop();
        assert!(status.success() && took < Duration::from_secs(9), "{status} after {took:?}");
        drop(stuck);
        // The workers had their time: what they had leased is free.
        let scene = Scene::serving(store, scene.seed);
        assert_eq!(scene.ledger().pending, 0);
    }

    fn what_cannot_be_followed_is_refused_by_field(engine) {
        let scene = Scene::start(engine);
        let key = &scene.seed.keys.integration;
        let client = Anonymous::new(&scene.server.url(), "");
        let unknown = "01890000-0000-7000-8000-000000000001";
        for (query, field) in [
            ("cursor=x", "cursor"),
            ("event_types=order.created", "event_types"),
            ("max_seconds=0", "max_seconds"),
            ("max_seconds=3601", "max_seconds"),
            (&format!("webhook_id={unknown}"), "webhook_id"),
        ] {
            assert_eq!(get(&scene.server, &format!("{PARTNERS}?{query}"), key).invalid(), [field], "{query}");
        }
        let last = [("x-api-key", key.as_str()), ("last-event-id", "yesterday")];
        assert_eq!(client.send(Method::GET, PARTNERS, &last, None).invalid(), ["Last-Event-ID"]);
        let stranger = scene.server.stranger(&scene.seed);
        let theirs = json!({"clinic_id": stranger.get("/clinic").data()["clinic_id"],
            "webhook_url": "http://127.0.0.1:65000/theirs"});
        let theirs = text(&stranger.post("/webhook", &theirs).data()["webhook_id"]);
        assert_eq!(get(&scene.server, &format!("{PARTNERS}?webhook_id={theirs}"), key).invalid(), ["webhook_id"]);
    }
}
