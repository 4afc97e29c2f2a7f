//! The event logs: an order's life in both shapes, what a key may see of it, and reading while others write.

use std::time::{Duration, Instant};

use nimbus_core::ids::{EventId, OrderId};
use nimbus_store::testing::{block_on, logs_settle};
use nimbus_webhooks::payload::catalogue;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    PATIENCE, Reply, Server, eventually, receiver::Receiver, story::text, two_engines, webhooks::Scene,
};

/// The log of one API, as one key reads it.
struct Log {
    server: String,
    key: String,
    path: &'static str,
    /// The member with an event's id.
    id: &'static str,
}

impl Log {
    fn of_partners(server: &Server, key: &str) -> Self {
        let path = "/api/external/events";
        Self { server: server.url(), key: key.to_owned(), path, id: "event_id" }
    }

    fn of_orders(server: &Server, key: &str) -> Self {
        Self { server: server.url(), key: key.to_owned(), path: "/events", id: "id" }
    }

    fn get(&self, rest: &str) -> Reply {
        let client = crate::support::Anonymous::new(&self.server, "");
        client.send(Method::GET, &format!("{}{rest}", self.path), &[("x-api-key", &self.key)], None)
    }

    /// Everything there is, page by page, from the oldest.
    fn all(&self, filter: &str) -> Vec<Value> {
        let mut seen: Vec<Value> = Vec::new();
        loop {
            let cursor = seen.last().map(|event| format!("&cursor={}", text(&event[self.id])));
            let reply = self.get(&format!("?limit=7{filter}{}", cursor.unwrap_or_default()));
            assert_eq!(reply.status, 200, "{}", reply.body);
            let page = reply.body["data"].as_array().expect("a page").clone();
            let (more, next) = match self.id {
                "id" => ("hasMore", "nextCursor"),
                _ => ("has_more", "next_cursor"),
            };
            let last = page.last().map(|event| event[self.id].clone());
            seen.extend(page);
            if reply.body[more] == false {
                assert_eq!(reply.body[next], Value::Null);
                return seen;
            }
            assert_eq!(Some(&reply.body[next]), last.as_ref());
        }
    }
}

/// Sequences of one ordering key count from one without a gap.
#[track_caller]
fn assert_gap_free(events: &[Value]) {
    let numbers: Vec<i64> =
        events.iter().map(|event| event["sequence"].as_i64().expect("a number")).collect();
    assert_eq!(numbers, (1..=events.len() as i64).collect::<Vec<_>>(), "{events:?}");
}

/// An order that was delivered, and its id in the orders API.
fn delivered(scene: &Scene) -> (String, String) {
    let order = scene.partner.order(&scene.seed).id;
    scene.staff.deliver(&order);
    let prefixed = order.parse::<OrderId>().expect("a UUID").prefixed();
    (order, prefixed)
}

/// A narrow key of the clinic: its id and itself.
fn issue(scene: &Scene) -> (String, String) {
    let args =
        ["admin", "key", "issue", "--clinic", &scene.seed.clinic_id, "--scopes", "webhooks:read,orders:read"];
    let key = scene.server.store().json(&args);
    (text(&key["id"]), text(&key["key"]))
}

/// A reply, and how long it took.
fn waited(log: &Log, rest: &str) -> (Reply, Duration) {
    let begun = Instant::now();
    let reply = log.get(rest);
    (reply, begun.elapsed())
}

two_engines! {
    fn who_waits_is_told_when_it_happens(engine) {
        let scene = Scene::start(engine);
        let order = scene.partner.order(&scene.seed).id;
        let partners = Log::of_partners(&scene.server, &scene.seed.keys.integration);
        let orders = Log::of_orders(&scene.server, &scene.seed.keys.integration);
        let last = |log: &Log| text(&log.all("").last().expect("an event")[log.id]);
        for (log, act) in [(&partners, "verify"), (&orders, "submit")] {
            let rest = format!("?wait=15&cursor={}", last(log));
            let reply = std::thread::scope(|scope| {
                let waiting = scope.spawn(|| waited(log, &rest));
                std::thread::sleep(Duration::from_millis(300));
                assert!(!waiting.is_finished());
                scene.staff.work(&order, act);
                waiting.join().expect("it was answered").0
            });
            let came = reply.body["data"].as_array().expect("a page");
            assert!(!came.is_empty(), "{}", reply.body);
            let one = log.get(&format!("/{}", text(&came[0][log.id])));
            assert!(one.body == came[0] || one.body["data"] == came[0], "{}", one.body);
        }
        // What is there already is not waited for, and what does not come ends in an empty page.
        let (reply, took) = waited(&partners, "?wait=15&limit=1");
        assert_eq!(reply.data().as_array().map(Vec::len), Some(1));
        assert!(took < Duration::from_secs(10), "{took:?}");
        let (reply, took) = waited(&partners, &format!("?wait=1&cursor={}", last(&partners)));
        assert_eq!(reply.data(), &json!([]));
        assert!(took >= Duration::from_secs(1), "{took:?}");
        assert_eq!(partners.get("?wait=16").invalid(), ["wait"]);
    }

    fn waiting_ends_with_the_key_and_has_few_places(engine) {
        let scene = Scene::start(engine);
        scene.partner.order(&scene.seed);
        let (id, key) = issue(&scene);
        let log = Log::of_partners(&scene.server, &key);
        let rest = format!("?wait=15&cursor={}", text(&log.all("").last().expect("an event")["event_id"]));
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..5).map(|_| scope.spawn(|| waited(&log, &rest))).collect();
            eventually("one finds no place", || waiting.iter().any(|one| one.is_finished()).then_some(()));
            let (refused, waiting): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|one| one.is_finished());
            assert_eq!((refused.len(), waiting.len()), (1, 4));
            for refused in refused {
                refused.join().expect("it was answered").0.refused(429, "RATE_LIMIT_EXCEEDED");
            }
            assert_eq!(log.get("?limit=1").status, 200, "who does not wait needs no place");
            scene.server.store().json(&["admin", "key", "revoke", &id]);
            let begun = Instant::now();
            for waiting in waiting {
                waiting.join().expect("it was answered").0.refused(401, "UNAUTHORIZED");
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        });
    }

    fn a_life_is_told_in_both_shapes(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        scene.register(&receiver.url(), &["*"]);
        let (order, prefixed) = delivered(&scene);
        let key = &scene.seed.keys.integration;

        let of_orders = Log::of_orders(&scene.server, key);
        let mine = |event: &Value| event["data"]["orderId"] == prefixed || event["data"]["orderIds"][0] == prefixed;
        let told = eventually("the whole life", || {
            let told: Vec<Value> = of_orders.all("").into_iter().filter(mine).collect();
            told.iter().any(|event| event["type"] == "order.delivered").then_some(told)
        });
        let types: Vec<&str> = told.iter().map(|event| event["type"].as_str().expect("a type")).collect();
        assert_eq!(types, [
            "order.created", "order.updated", "order.updated", "order.updated", "order.updated",
            "shipment.updated", "order.fulfilled", "shipment.updated", "order.delivered",
        ]);
        assert_gap_free(&told);
        let status = |index: usize| told[index]["data"]["status"].as_str().expect("a status");
        assert_eq!([0, 1, 2, 4, 6, 8].map(status), [
            "pending", "pending", "processing", "processing", "shipped", "delivered",
        ]);
        let fulfilled = &told[6]["data"];
        assert_eq!((&fulfilled["carrier"], &fulfilled["orderId"]), (&json!("UPS"), &json!(prefixed)));
        assert!(fulfilled["trackingNumber"].is_string() && fulfilled["estimatedDeliveryDate"].is_string());
        for event in &told {
            let one = of_orders.get(&format!("/{}", text(&event["id"])));
            assert_eq!((one.status, &one.body), (200, event));
        }

        // What is listed for partners is what was sent to them, byte for byte.
        let log = Log::of_partners(&scene.server, key);
        let told = eventually("as told to partners", || {
            let of_order = |event: &Value| {
                event["event_data"]["medication_order_id"] == order || event["event_data"]["medication_orders"][0] == order
            };
            let told: Vec<Value> = log.all("").into_iter().filter(of_order).collect();
            told.iter().any(|event| event["event_type"] == "medication:delivered").then_some(told)
        });
        let received = receiver.wait_until("all of it", PATIENCE, |received| {
            let came = |event: &Value| received.iter().any(|sent| event["event_id"] == sent.webhook_id());
            told.iter().all(came)
        });
        let page = log.get("?limit=100").bytes;
        for event in &told {
            let id = text(&event["event_id"]);
            let sent = received.iter().find(|sent| sent.webhook_id() == id).expect("it was sent");
            assert_eq!(&sent.json(), event);
            assert!(page.windows(sent.body.len()).any(|window| window == sent.body), "as it was signed");
        }
    }

    fn a_key_sees_what_its_scopes_allow(engine) {
        let scene = Scene::start(engine);
        let (order, _) = delivered(&scene);
        block_on(logs_settle());
        // Their document has the events of their profile alone: one besides would not be as documented.
        let theirs = scene.server.pharmacy_partner(&scene.seed);
        assert!(theirs.get("/events?limit=100").data().as_array().is_some_and(|told| told.len() > 5));
        let narrow = |scopes: &str| {
            let args = ["admin", "key", "issue", "--clinic", &scene.seed.clinic_id, "--scopes", scopes];
            text(&scene.server.store().json(&args)["key"])
        };
        let all = Log::of_orders(&scene.server, &scene.seed.keys.integration);
        eventually("the order is delivered", || {
            all.all("").iter().any(|event| event["type"] == "order.delivered").then_some(())
        });
        let shipments = Log::of_orders(&scene.server, &narrow("webhooks:read,shipments:read"));
        let seen = shipments.all("");
        assert!(!seen.is_empty() && seen.iter().all(|event| event["type"] == "shipment.updated"), "{seen:?}");
        let created = all.all("&eventTypes=order.created").pop().expect("it was created");
        let path = format!("/{}", text(&created["id"]));
        assert_eq!(all.get(&path).status, 200);
        shipments.get(&path).orders_refused(404, "not_found");
        let other_shape = Log::of_partners(&scene.server, &scene.seed.keys.integration);
        other_shape.get(&path).refused(404, "NOT_FOUND");

        let nothing = Log::of_partners(&scene.server, &narrow("webhooks:read"));
        assert_eq!(nothing.all(""), [] as [Value; 0]);
        let stranger = Log::of_partners(&scene.server, &scene.seed.keys.other_clinic);
        assert!(!stranger.all("").iter().any(|event| event.to_string().contains(&order)));
        Log::of_orders(&scene.server, &scene.seed.keys.other_clinic).get(&path).orders_refused(404, "not_found");
    }

    fn parameters_of_the_log(engine) {
        let scene = Scene::start(engine);
        let (_, order) = delivered(&scene);
        let key = &scene.seed.keys.integration;
        let (partners, orders) = (Log::of_partners(&scene.server, key), Log::of_orders(&scene.server, key));
        let told = eventually("the order is delivered", || {
            let told = orders.all("");
            let arrived = |event: &Value| event["type"] == "order.delivered" && event["data"]["orderId"] == order;
            told.iter().any(arrived).then_some(told)
        });
        // Either text of an id is a cursor.
        let second: EventId = text(&told[1]["id"]).parse().expect("an id");
        for cursor in [second.prefixed(), second.to_string()] {
            let after = orders.get(&format!("?limit=1&cursor={cursor}"));
            assert_eq!(after.body["data"][0], told[2]);
        }
        let filtered = orders.all("&eventTypes=order.fulfilled,shipment.*");
        let wanted = |event: &&Value| event["type"] == "order.fulfilled" || event["type"] == "shipment.updated";
        assert_eq!(filtered.iter().collect::<Vec<_>>(), told.iter().filter(wanted).collect::<Vec<_>>());
        let older = partners.all("&event_types=medication_order:filled");
        assert!(!older.is_empty() && older.iter().all(|event| event["event_type"] == "medication:filled"));
        assert_eq!(orders.all("&createdUntil=2020-01-01T00:00:00Z"), [] as [Value; 0]);
        assert_eq!(orders.all("&createdFrom=2020-01-01T00:00:00Z"), told);

        let wrong = partners.get("?cursor=x&limit=0&event_types=order.created&created_from=today");
        let mut fields = wrong.invalid();
        fields.sort_unstable();
        assert_eq!(fields, ["created_from", "cursor", "event_types", "limit"]);
        let error = orders.get("?eventTypes=medication:updated").orders_refused(422, "validation_error").clone();
        assert_eq!(error["details"]["field"], "eventTypes");
    }

    fn a_reader_misses_nothing_while_orders_come_in(engine) {
        const WRITERS: usize = 4;
        const EACH: usize = 6;
        let scene = Scene::start(engine);
        let log = Log::of_orders(&scene.server, &scene.seed.keys.integration);
        let (mut seen, mut written): (Vec<String>, Vec<String>) = Default::default();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|_| scope.spawn(|| (0..EACH).map(|_| scene.partner.order(&scene.seed).id).collect::<Vec<_>>()))
                .collect();
            // The log begins with what the seed told; each of the new orders comes after its cursor, once.
            let mut cursor = String::new();
            let mut orders: Vec<String> = Vec::new();
            eventually("all of them", || {
                let page = log.get(&format!("?limit=3&eventTypes=order.created{cursor}"));
                for event in page.body["data"].as_array().expect("a page") {
                    cursor = format!("&cursor={}", text(&event["id"]));
                    orders.push(text(&event["data"]["orderId"]));
                }
                let done = page.body["hasMore"] == false && writers.iter().all(|writer| writer.is_finished());
                (done && orders.len() >= WRITERS * EACH).then_some(())
            });
            seen = orders;
            written.extend(writers.into_iter().flat_map(|writer| writer.join().expect("orders were taken")));
        });
        let prefixed = |id: &String| id.parse::<OrderId>().expect("a UUID").prefixed();
        let mut written: Vec<String> = written.iter().map(prefixed).collect();
        seen.retain(|id| written.contains(id));
        seen.sort_unstable();
        written.sort_unstable();
        assert_eq!(seen, written);
    }

    fn the_catalogue_has_every_event_with_schema_and_example(engine) {
        let scene = Scene::start(engine);
        let listed = scene.partner.get("/event-types").data().as_array().expect("a list").clone();
        let all = catalogue(nimbus_store::endpoints::Shape::Partner);
        assert_eq!(listed.len(), all.len());
        for (entry, known) in listed.iter().zip(&all) {
            assert_eq!((&entry["name"], &entry["example"]), (&json!(known.name), &known.example));
            assert_eq!(entry["thin_example"], known.thin_example, "{}", known.name);
            assert_eq!(entry["schema"]["type"], "object", "{}", known.name);
            assert!(entry["schema"]["properties"]["event_data"]["properties"].is_object(), "{}", known.name);
            assert!(entry["scope"].as_str().is_some_and(|scope| scope.ends_with(":read")));
        }
        let medication = &listed[3];
        assert_eq!(medication["name"], "medication:updated");
        assert!(medication["types"].as_array().is_some_and(|types| types.contains(&json!("medication:lost"))));
        assert!(medication["older_names"].to_string().contains("medication_order:filled"));
    }
}
