//! Webhooks of this API: the life of one, whom it belongs to, what is refused, and test sends.

use std::{thread, time::Duration};

use nimbus_core::ids::{EndpointId, EventId};
use serde_json::{Value, json};
use ureq::http::Method;

use super::Scene;
use crate::support::{
    Engine, OrdersPartner, PATIENCE, eventually,
    receiver::{Answer, Received, Receiver},
    story::text,
    two_engines,
    webhooks::{older_signature, verdict},
};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:65000/hook";

impl Scene {
    /// Registers a webhook; the resource with its secret.
    #[track_caller]
    fn hook(&self, url: &str, event_types: &[&str]) -> Value {
        let body = json!({"url": url, "eventTypes": event_types});
        self.orders.post("/webhooks", &body).resource(201).clone()
    }

    /// A page of a list, which must be the last.
    #[track_caller]
    fn listed(&self, path: &str) -> Vec<Value> {
        let reply = self.orders.get(path);
        assert_eq!(
            (&reply.resource(200)["hasMore"], &reply.body["nextCursor"]),
            (&json!(false), &Value::Null)
        );
        reply.body["data"].as_array().expect("a list").clone()
    }

    /// The states of a webhook's deliveries, oldest first.
    #[track_caller]
    fn states(&self, webhook: &str) -> Vec<String> {
        let deliveries = self.listed(&format!("{webhook}/deliveries"));
        deliveries.iter().rev().map(|delivery| text(&delivery["state"])).collect()
    }

    #[track_caller]
    fn test_send(&self, body: &Value) -> Value {
        self.orders.post("/webhooks/test", body).resource(200).clone()
    }
}

fn path_of(webhook: &Value) -> String {
    format!("/webhooks/{}", text(&webhook["id"]))
}

fn secret_of(webhook: &Value) -> String {
    text(&webhook["signingSecret"])
}

/// `(type, data.orderId)` of a request.
fn told(received: &Received) -> (String, String) {
    let body = received.json();
    (text(&body["type"]), text(&body["data"]["orderId"]))
}

two_engines! {
    fn a_webhook_lives_and_is_told_of_orders(engine) {
        let (scene, receiver, witness) = (Scene::new(engine), Receiver::start(), Receiver::start());
        let (first, second) = (scene.on_file(), scene.on_file());
        let body = json!({
            "url": receiver.url(), "eventTypes": ["order.created"], "description": "ours",
            "headers": {"X-Stage": "test"},
        });
        let made = scene.orders.post("/webhooks", &body);
        let hook = made.resource(201).clone();
        let path = path_of(&hook);
        assert_eq!(made.header("location"), Some(path.as_str()));
        assert!(text(&hook["id"]).starts_with("whk_") && hook["createdAt"].is_string(), "{hook}");
        assert_eq!((&hook["url"], &hook["eventTypes"]), (&body["url"], &body["eventTypes"]));
        let secret = secret_of(&hook);
        let everything = scene.orders.post("/webhooks", &json!({"url": witness.url()})).resource(201).clone();
        assert_eq!(everything["eventTypes"], json!(["*"]), "all of this API, if none are named");

        let order = scene.order(&first);
        let received = receiver.wait_for(1, PATIENCE).remove(0);
        assert_eq!(verdict(&received, &secret), Ok(()));
        assert_eq!(received.header("x-webhook-signature"), Some(older_signature(&received, &secret).as_str()));
        assert_eq!(received.header("x-api-key"), Some(scene.seed.keys.integration.as_str()));
        assert_eq!(received.header("x-stage"), Some("test"));
        assert_eq!(told(&received), ("order.created".to_owned(), text(&order["id"])));
        assert_eq!(received.json()["data"]["patientId"], order["patientId"]);

        eventually("it is recorded", || (scene.states(&path) == ["delivered"]).then_some(()));
        let delivery = scene.listed(&format!("{path}/deliveries")).remove(0);
        assert!(text(&delivery["id"]).starts_with("dlv_"), "{delivery}");
        assert_eq!(delivery["eventId"], received.webhook_id());
        assert_eq!((&delivery["eventType"], &delivery["attempts"][0]["statusCode"]), (&json!("order.created"), &json!(200)));
        assert!(delivery["finishedAt"].is_string() && delivery["attempts"][0]["elapsedMs"].is_number(), "{delivery}");
        assert_eq!(scene.listed(&format!("{path}/deliveries?state=dead")), [] as [Value; 0]);
        let event = scene.orders.get(&format!("/events/{}", text(&delivery["eventId"])));
        assert_eq!(event.resource(200), &received.json(), "the log has what was signed");

        let read = scene.orders.get(&path);
        assert_eq!(read.resource(200)["description"], "ours");
        assert_eq!((&read.body["headers"], &read.body["status"]), (&json!(["X-Stage"]), &json!("active")));
        for shown in [&read, &scene.orders.get("/webhooks")] {
            assert!(!String::from_utf8_lossy(&shown.bytes).contains("whsec_"), "a secret is shown once");
        }

        let tag = read.header("etag").expect("a tag").to_owned();
        let pause = |tag: &str| {
            scene.orders.json(Method::PATCH, &path, &[("if-match", tag)], &json!({"status": "paused"}))
        };
        let paused = pause(&tag);
        assert_eq!(paused.resource(200)["status"], "paused");
        assert_ne!(paused.header("etag"), Some(tag.as_str()));
        pause(&tag).orders_refused(412, "precondition_failed");
        let listed = scene.listed("/webhooks");
        let ids: Vec<&Value> = listed.iter().map(|hook| &hook["id"]).collect();
        assert_eq!(ids, [&everything["id"], &hook["id"]], "newest first");
        assert_eq!(scene.listed("/webhooks?status=paused"), [scene.orders.get(&path).body]);

        scene.order(&second);
        eventually("it waits", || (scene.states(&path) == ["delivered", "pending"]).then_some(()));
        let rotated = scene.orders.act(&format!("{path}/rotate-secret")).resource(200).clone();
        let new_secret = secret_of(&rotated);
        assert_ne!(new_secret, secret);
        assert!(rotated["previousSecretUntil"].is_string(), "{rotated}");
        let active = scene.orders.patch(&path, &json!({"status": "active", "description": null}));
        assert_eq!((&active.resource(200)["status"], &active.body["description"]), (&json!("active"), &Value::Null));
        let missed = receiver.wait_for(2, PATIENCE).remove(1);
        assert_eq!((verdict(&missed, &new_secret), verdict(&missed, &secret)), (Ok(()), Ok(())));

        let gone = scene.orders.delete(&path);
        assert_eq!((gone.status, gone.bytes.len()), (204, 0));
        assert_eq!(gone.header("content-type"), None);
        let last = scene.partner.order(&scene.seed).id;
        let last = last.parse::<nimbus_core::ids::OrderId>().expect("an id").prefixed();
        let of_last = |received: &Received| told(received) == ("order.created".to_owned(), last.clone());
        witness.wait_until("the last order", PATIENCE, |received| received.iter().any(of_last));
        assert_eq!(receiver.received().len(), 2);
        for rest in ["", "/deliveries"] {
            scene.orders.get(&format!("{path}{rest}")).orders_refused(404, "not_found");
        }
        scene.orders.delete(&path).orders_refused(404, "not_found");
        assert_eq!(scene.listed("/webhooks").len(), 1);
    }

    fn a_test_send_is_sent_once_for_each_key(engine) {
        let scene = Scene::new(engine);
        let receiver = Receiver::answering(Answer::status(200).after(Duration::from_secs(1)));
        let body = json!({"webhookUrl": receiver.url()});
        let send = || scene.orders.post_keyed("/webhooks/test", "key-1", &body);
        let first = thread::scope(|scope| {
            let first = scope.spawn(send);
            receiver.wait_for(1, PATIENCE);
            let meanwhile = send();
            meanwhile.orders_refused(409, "idempotency_key_in_use");
            assert!(meanwhile.header("retry-after").is_some());
            first.join().expect("it is answered")
        });
        assert_eq!(first.resource(200)["success"], true);
        let again = send();
        assert_eq!((again.status, &again.bytes), (200, &first.bytes));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let other = scene.orders.post_keyed("/webhooks/test", "key-1", &json!({}));
        other.orders_refused(409, "idempotency_key_conflict");
        assert_eq!(receiver.received().len(), 1);
    }
}

#[test]
fn each_api_has_its_own_webhooks() {
    let (scene, receiver) = (Scene::new(Engine::Sqlite), Receiver::start());
    let hook = scene.hook(&receiver.url(), &["*"]);
    let theirs = scene.partner.register(&scene.seed, &receiver.url(), &json!({}));
    let ours = text(&hook["id"]).parse::<EndpointId>().expect("an id").to_string();
    assert_ne!(ours, theirs.id, "one URL, registered at both");
    assert_eq!(scene.orders.get(&format!("/webhooks/{ours}")).resource(200)["id"], hook["id"]);
    assert_eq!(scene.listed("/webhooks").len(), 1);
    let listed = scene.partner.get("/webhook");
    assert_eq!(listed.data().as_array().map(Vec::len), Some(1));
    scene.partner.get(&format!("/webhook/{ours}")).refused(404, "NOT_FOUND");

    let stranger = OrdersPartner::new(&scene.server.url(), &scene.seed.keys.other_clinic);
    let their_path = format!("/webhooks/{}", theirs.id);
    for (client, path) in [(&scene.orders, their_path), (&stranger, path_of(&hook))] {
        client.get(&path).orders_refused(404, "not_found");
        client.get(&format!("{path}/deliveries")).orders_refused(404, "not_found");
        client.patch(&path, &json!({"status": "paused"})).orders_refused(404, "not_found");
        client.act(&format!("{path}/rotate-secret")).orders_refused(404, "not_found");
        client.delete(&path).orders_refused(404, "not_found");
    }
    assert_eq!(stranger.get("/webhooks").resource(200)["data"], json!([]));
    assert_eq!(scene.orders.get(&path_of(&hook)).resource(200)["status"], "active");
    scene.partner.get(&theirs.path()).data();
}

#[test]
fn a_url_that_is_registered_answers_its_webhook() {
    let scene = Scene::new(Engine::Sqlite);
    let body = json!({"url": NOWHERE, "eventTypes": ["refill.*"]});
    let first = scene.orders.post_keyed("/webhooks", "key-1", &body);
    let replayed = scene.orders.post_keyed("/webhooks", "key-1", &body);
    assert_eq!((replayed.status, &replayed.bytes), (201, &first.bytes));
    assert_eq!(replayed.header("location"), first.header("location"));
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    let again = scene.orders.post("/webhooks", &json!({"url": NOWHERE, "eventTypes": ["order.*"]}));
    assert_eq!(again.resource(200)["id"], first.body["id"]);
    assert_eq!(again.body["eventTypes"], json!(["refill.*"]), "nothing is changed");
    assert_eq!((again.body.get("signingSecret"), again.header("location")), (None, None));

    let rotate = format!("{}/rotate-secret", path_of(&first.body));
    let keyed = || scene.orders.send(Method::POST, &rotate, &[("idempotency-key", "key-2")], None);
    assert_eq!(keyed().body["signingSecret"], keyed().body["signingSecret"]);
    assert_ne!(keyed().body["signingSecret"], first.body["signingSecret"]);
}

#[test]
fn what_is_not_valid_is_named_as_it_was_sent() {
    let scene = Scene::new(Engine::Sqlite);
    let hook = path_of(&scene.hook(NOWHERE, &["*"]));
    let other = "http://127.0.0.1:65000/other";
    scene.hook(other, &["*"]);
    let cases = [
        (json!({"url": "http://example.com/hook"}), "url"),
        (json!({"url": "https://192.168.1.1/hook"}), "url"),
        (json!({"url": "https://user:pw@example.com/hook"}), "url"),
        (json!({"url": 7}), "url"),
        (json!({"url": other, "eventTypes": ["order.created", "medication:updated"]}), "eventTypes[1]"),
        (json!({"url": other, "eventTypes": ["shipment:*"]}), "eventTypes[0]"),
        (json!({"url": other, "eventTypes": []}), "eventTypes"),
        (json!({"url": other, "headers": {"Host": "x"}}), "headers.Host"),
        (json!({"url": other, "headers": ["x"]}), "headers"),
        (json!({"url": other, "sendApiKey": "yes"}), "sendApiKey"),
        (json!({"url": other, "signing": "rsa"}), "signing"),
        (json!({"url": other, "description": "x".repeat(501)}), "description"),
    ];
    for (body, field) in &cases {
        assert_eq!(scene.orders.post("/webhooks", body).orders_invalid(), [*field], "{body}");
        let mut change = body.clone();
        if change["url"] == other {
            change.as_object_mut().expect("an object").remove("url");
        }
        assert_eq!(scene.orders.patch(&hook, &change).orders_invalid(), [*field], "{change}");
    }
    assert_eq!(scene.orders.post("/webhooks", &json!({})).orders_invalid(), ["url"]);
    for (change, field) in [
        (json!({"url": other}), "url"),
        (json!({"url": null}), "url"),
        (json!({"eventTypes": null}), "eventTypes"),
        (json!({"signing": null}), "signing"),
        (json!({"status": "disabled"}), "status"),
        (json!({"afterDeadLetter": "retry"}), "afterDeadLetter"),
    ] {
        assert_eq!(scene.orders.patch(&hook, &change).orders_invalid(), [field], "{change}");
    }
    for hours in [json!(169), json!(-1), json!("a day"), json!(1.5)] {
        let refused = scene.orders.post(&format!("{hook}/rotate-secret"), &json!({"overlapHours": hours}));
        assert_eq!(refused.orders_invalid(), ["overlapHours"], "{hours}");
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=nothing", "cursor"),
        ("createdFrom=yesterday", "createdFrom"),
    ] {
        for list in ["/webhooks", &format!("{hook}/deliveries")] {
            assert_eq!(scene.orders.get(&format!("{list}?{query}")).orders_invalid(), [field], "{list}");
        }
    }
    assert_eq!(scene.orders.get("/webhooks?status=deleted").orders_invalid(), ["status"]);
    assert_eq!(scene.orders.get(&format!("{hook}/deliveries?state=lost")).orders_invalid(), ["state"]);
    assert_eq!(scene.listed("/webhooks").len(), 2);
}

#[test]
fn pages_of_webhooks_follow_each_other() {
    let scene = Scene::new(Engine::Sqlite);
    let made: Vec<Value> =
        (0..3).map(|number| scene.hook(&format!("{NOWHERE}/{number}"), &["*"])["id"].clone()).collect();
    let first = scene.orders.get("/webhooks?limit=2").resource(200).clone();
    assert_eq!((&first["data"][0]["id"], &first["data"][1]["id"]), (&made[2], &made[1]));
    assert_eq!(first["hasMore"], true);
    let rest = scene.listed(&format!("/webhooks?limit=2&cursor={}", text(&first["nextCursor"])));
    assert_eq!((rest.len(), &rest[0]["id"]), (1, &made[0]));
}

#[test]
fn a_test_goes_to_a_webhook_as_its_deliveries_do() {
    let (scene, receiver) = (Scene::new(Engine::Sqlite), Receiver::start());
    assert_eq!(scene.orders.post("/webhooks/test", &json!({})).orders_invalid(), ["webhookUrl"]);
    let hook = scene.hook(&receiver.url(), &["refill.*"]);
    let path = path_of(&hook);
    for body in [json!({}), json!({"webhookUrl": receiver.url(), "eventType": "refill.ready"})] {
        let sent = scene.test_send(&body);
        assert_eq!((&sent["success"], &sent["statusCode"]), (&json!(true), &json!(200)), "{sent}");
        assert!(sent["latencyMs"].is_u64() && sent["message"].is_string(), "{sent}");
        assert_eq!((&sent["cause"], sent.get("signingSecret")), (&Value::Null, None));
        let received = receiver.received().pop().expect("it was sent before the reply");
        assert_eq!(verdict(&received, &secret_of(&hook)), Ok(()));
        assert_eq!(received.header("x-api-key"), Some(scene.seed.keys.integration.as_str()));
        let event = received.json();
        assert_eq!(event["type"], body.get("eventType").unwrap_or(&json!("order.created")).clone());
        let id = received.webhook_id().parse::<EventId>().expect("an event's id").prefixed();
        assert_eq!(
            (&event["id"], text(&sent["webhookId"])),
            (&json!(id), id.replacen("evt_", "wh_test_", 1))
        );
        scene.orders.get(&format!("/events/{id}")).orders_refused(404, "not_found");
    }
    assert_eq!(scene.states(&path), [] as [String; 0], "a test is no delivery");

    scene.orders.patch(&path, &json!({"status": "paused"})).resource(200);
    assert_eq!(scene.orders.post("/webhooks/test", &json!({})).orders_invalid(), ["webhookUrl"]);
    assert_eq!(receiver.received().len(), 2);
}

#[test]
fn a_test_of_any_other_url_has_a_secret_of_its_own_and_no_key() {
    let (scene, receiver) = (Scene::new(Engine::Sqlite), Receiver::start());
    // A registration at the other API is none here.
    scene.partner.register(&scene.seed, &receiver.url(), &json!({"event_types": ["webhook:test"]}));
    let send = || scene.test_send(&json!({"webhookUrl": receiver.url()}));
    let (first, second) = (send(), send());
    assert_ne!(secret_of(&first), secret_of(&second));
    for (sent, received) in [&first, &second].into_iter().zip(receiver.received()) {
        assert_eq!(verdict(&received, &secret_of(sent)), Ok(()));
        assert_eq!(received.header("x-api-key"), None);
    }
    assert_eq!(scene.listed("/webhooks"), [] as [Value; 0]);
}

#[test]
fn a_test_that_fails_says_why() {
    let scene = Scene::new(Engine::Sqlite);
    let receiver = Receiver::answering(Answer::status(503));
    for (url, status, cause) in
        [(receiver.url(), json!(503), "server_error"), (NOWHERE.to_owned(), Value::Null, "refused")]
    {
        let sent = scene.test_send(&json!({"webhookUrl": url}));
        assert_eq!((&sent["success"], &sent["statusCode"]), (&json!(false), &status), "{sent}");
        assert_eq!(sent["cause"], cause);
        assert!(text(&sent["message"]).len() > 20, "{sent}");
        assert!(sent["latencyMs"].is_u64(), "{sent}");
    }
    // Gone is gone for deliveries alone.
    receiver.otherwise(Answer::status(410));
    let hook = path_of(&scene.hook(&receiver.url(), &["*"]));
    let sent = scene.test_send(&json!({}));
    assert_eq!((&sent["cause"], &sent["statusCode"]), (&json!("gone"), &json!(410)));
    assert_eq!(scene.orders.get(&hook).resource(200)["status"], "active");

    for (body, field) in [
        (json!({"webhookUrl": "https://10.0.0.1/hook"}), "webhookUrl"),
        (json!({"webhookUrl": "https://169.254.169.254/latest/meta-data"}), "webhookUrl"),
        (json!({"webhookUrl": receiver.url(), "eventType": "medication:updated"}), "eventType"),
        (json!({"webhookUrl": receiver.url(), "eventType": "order.*"}), "eventType"),
    ] {
        assert_eq!(scene.orders.post("/webhooks/test", &body).orders_invalid(), [field], "{body}");
    }
    assert_eq!(receiver.received().len(), 2);
}
