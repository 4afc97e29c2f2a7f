//! One event sent again to one endpoint, and one delivery: by partners on both APIs.

use std::thread;

use nimbus_store::testing::{block_on, logs_settle};
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, eventually,
    receiver::{Answer, Receiver},
    story::text,
    two_engines,
    webhooks::{Endpoint, Scene, verdict},
};

/// The first event of a narrow name that the log has.
fn event(scene: &Scene, event_type: &str) -> String {
    let path = format!("/events?limit=1&event_types={event_type}");
    eventually("the event is told", || {
        scene.partner.get(&path).data().get(0).map(|event| text(&event["event_id"]))
    })
}

fn resend_path(endpoint: &Endpoint, event: &str) -> String {
    format!("{}/events/{event}/resend", endpoint.path())
}

two_engines! {
    fn an_event_from_before_its_endpoint_is_sent_to_it(engine) {
        let scene = Scene::start(engine);
        scene.partner.order(&scene.seed);
        let event = event(&scene, "prescription:created");
        let receiver = Receiver::start();
        // It lists nothing of the kind.
        let endpoint = scene.register(&receiver.url(), &["shipment:created"]);
        let before = scene.ledger();

        let path = resend_path(&endpoint, &event);
        let sent = scene.partner.act(&path);
        let sent = sent.said("Event will be sent again").clone();
        assert_eq!((&sent["event_id"], &sent["webhook_id"]), (&json!(event), &json!(endpoint.id)));
        let received = receiver.wait_for(1, PATIENCE);
        assert_eq!(received[0].webhook_id(), event);
        assert_eq!(verdict(&received[0], &endpoint.secret), Ok(()));
        let one = scene.partner.get(&format!("/events/{event}"));
        assert_eq!(&received[0].json(), one.data(), "as the log has it");
        eventually("it is delivered", || {
            (scene.partner.delivery_states(&endpoint) == ["delivered"]).then_some(())
        });
        let after = scene.ledger();
        assert_eq!((after.accepted, after.pending), (before.accepted + 1, 0));

        // Once more: the delivery that there is begins anew.
        let again = scene.partner.act(&path);
        assert_eq!(again.data(), &sent);
        let received = receiver.wait_for(2, PATIENCE);
        assert_eq!((received[1].webhook_id(), &received[1].body), (event.as_str(), &received[0].body));
        eventually("it is delivered again", || {
            (scene.partner.delivery_states(&endpoint) == ["delivered"]).then_some(())
        });
        assert_eq!(scene.ledger(), after);
    }

    fn two_at_once_and_a_repeat_make_one_delivery(engine) {
        let scene = Scene::start(engine);
        scene.partner.order(&scene.seed);
        let event = event(&scene, "prescription:created");
        let endpoint = scene.register("http://127.0.0.1:65000/hook", &["shipment:created"]);
        scene.partner.patch(&endpoint.path(), &json!({"status": "paused"})).data();
        let path = resend_path(&endpoint, &event);
        thread::scope(|scope| {
            let racing: Vec<_> = (0..8).map(|_| scope.spawn(|| scene.partner.act(&path))).collect();
            for reply in racing {
                reply.join().expect("it was answered").data();
            }
        });
        let keyed = || scene.partner.post_keyed(&path, "once", &json!({}));
        assert_eq!(keyed().data(), keyed().data());
        assert_eq!(scene.partner.delivery_states(&endpoint), ["pending"]);
        assert_eq!(scene.ledger().pending, 1);
    }

    fn a_paused_endpoint_is_sent_it_when_it_is_active_again(engine) {
        let scene = Scene::start(engine);
        scene.partner.order(&scene.seed);
        let event = event(&scene, "prescription:created");
        let receiver = Receiver::start();
        let endpoint = scene.register(&receiver.url(), &["prescription:created"]);
        scene.partner.patch(&endpoint.path(), &json!({"status": "paused"})).data();
        scene.partner.act(&resend_path(&endpoint, &event)).data();
        assert_eq!(scene.partner.delivery_states(&endpoint), ["pending"]);
        assert!(receiver.received().is_empty());
        scene.partner.patch(&endpoint.path(), &json!({"status": "active"})).data();
        assert_eq!(receiver.wait_for(1, PATIENCE)[0].webhook_id(), event);
    }

    fn on_an_ordered_endpoint_it_takes_its_place_in_the_line(engine) {
        let scene = Scene::start(engine);
        let order = scene.partner.order(&scene.seed);
        // Of the same order, and so of the same line.
        let event = eventually("the event is told", || {
            let told = scene.partner.get("/events?limit=100&event_types=prescription:created");
            let told = told.data().as_array()?.clone();
            let of_order = |event: &&Value| event["event_data"]["prescription_id"] == order.prescriptions[0];
            told.iter().find(of_order).map(|event| text(&event["event_id"]))
        });
        let receiver = Receiver::start();
        let options = json!({"event_types": ["medication:*"], "ordered": true});
        let endpoint = scene.partner.register(&scene.seed, &receiver.url(), &options);
        scene.partner.patch(&endpoint.path(), &json!({"status": "paused"})).data();
        scene.staff.work(&order.id, "verify");
        eventually("the next event waits", || {
            (scene.partner.delivery_states(&endpoint) == ["pending"]).then_some(())
        });
        scene.partner.act(&resend_path(&endpoint, &event)).data();
        scene.partner.patch(&endpoint.path(), &json!({"status": "active"})).data();
        let received = receiver.wait_for(2, PATIENCE);
        let numbers: Vec<i64> =
            received.iter().map(|one| one.json()["sequence"].as_i64().expect("a number")).collect();
        assert!(numbers[0] < numbers[1], "{numbers:?}");
        assert_eq!(received[0].webhook_id(), event);
    }

    fn what_is_not_its_own_is_not_found(engine) {
        let scene = Scene::start(engine);
        scene.partner.order(&scene.seed);
        let event = event(&scene, "prescription:created");
        let orders = scene.server.orders(&scene.seed);
        block_on(logs_settle());
        let other_shape = text(&orders.get("/events?limit=1").body["data"][0]["id"]);
        let endpoint = scene.register("http://127.0.0.1:65000/hook", &["*"]);
        let unknown = "01890000-0000-7000-8000-000000000001";
        for id in [other_shape.as_str(), unknown, "x"] {
            scene.partner.act(&resend_path(&endpoint, id)).refused(404, "NOT_FOUND");
        }
        let stranger = scene.server.stranger(&scene.seed);
        stranger.act(&resend_path(&endpoint, &event)).refused(404, "NOT_FOUND");
        let theirs = json!({"clinic_id": stranger.get("/clinic").data()["clinic_id"],
            "webhook_url": "http://127.0.0.1:65000/theirs"});
        let theirs = text(&stranger.post("/webhook", &theirs).data()["webhook_id"]);
        stranger.act(&format!("/webhook/{theirs}/events/{event}/resend")).refused(404, "NOT_FOUND");

        // It is not sent to an endpoint of a key that may not read it, whoever asks.
        let args = ["admin", "key", "issue", "--clinic", &scene.seed.clinic_id, "--scopes",
            "webhooks:read,webhooks:write,shipments:read"];
        let narrow = crate::support::Partner::new(
            &scene.server.url(), &text(&scene.server.store().json(&args)["key"]));
        let of_narrow = narrow.register(
            &scene.seed, "http://127.0.0.1:65000/narrow", &json!({"event_types": ["*"]}));
        for key in [&scene.partner, &narrow] {
            key.act(&resend_path(&of_narrow, &event)).refused(404, "NOT_FOUND");
        }
        assert!(scene.partner.delivery_states(&of_narrow).is_empty());
        assert_eq!(scene.ledger().accepted, 0);
    }

    fn the_orders_api_sends_an_event_and_a_delivery_again(engine) {
        let scene = Scene::with_retry_scale(engine, "0.00001");
        scene.partner.order(&scene.seed);
        let orders = scene.server.orders(&scene.seed);
        block_on(logs_settle());
        let event = text(&orders.get("/events?limit=1&eventTypes=order.created").body["data"][0]["id"]);
        let receiver = Receiver::answering(Answer::status(500));
        let made = orders.post("/webhooks", &json!({"url": receiver.url(), "eventTypes": ["refill.*"]}));
        let path = format!("/webhooks/{}", text(&made.resource(201)["id"]));

        let sent = orders.act(&format!("{path}/events/{event}/resend"));
        let sent = sent.resource(200);
        assert_eq!(sent["eventId"], json!(event));
        let state = || orders.get(&format!("{path}/deliveries")).body["data"][0]["state"].clone();
        eventually("it is dead", || (state() == "dead").then_some(()));
        receiver.otherwise(Answer::status(200));
        let delivery = text(&sent["deliveryId"]);
        let before = receiver.received().len();
        let again = orders.act(&format!("{path}/deliveries/{delivery}/retry"));
        assert_eq!(again.resource(200), sent);
        let received = receiver.wait_for(before + 1, PATIENCE);
        assert_eq!(received[before].webhook_id(), event);
        eventually("it is delivered", || (state() == "delivered").then_some(()));
        assert_eq!((scene.ledger().dead, scene.ledger().pending), (0, 0));
        let other = scene.register("http://127.0.0.1:65000/hook", &["*"]);
        // Neither API knows the webhooks of the other.
        orders.act(&format!("/webhooks/{}/events/{event}/resend", other.id)).orders_refused(404, "not_found");
        orders.act(&format!("/webhooks/{}/deliveries/{delivery}/retry", other.id)).orders_refused(404, "not_found");
        assert_eq!(orders.get(&format!("{path}/deliveries")).body["data"].as_array().map(Vec::len), Some(1));
        assert_ne!(sent["deliveryId"], Value::Null);
    }
}
