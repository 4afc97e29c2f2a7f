//! Replays over HTTP: counted, begun, watched, cancelled, and gone on with after a crash.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    PATIENCE, eventually,
    receiver::{Answer, Receiver},
    story::text,
    two_engines,
    webhooks::{Endpoint, Scene},
};

const LONG_AGO: i64 = 3600;

/// The wall time so many seconds ago.
fn ago(seconds: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds)).to_string()
}

fn replay_path(endpoint: &Endpoint, replay: &Value) -> String {
    format!("{}/replay/{}", endpoint.path(), text(&replay["replay_id"]))
}

/// Orders so many, and waits until everything told of them has come to its end.
fn deliver(scene: &Scene, endpoint: &Endpoint, orders: usize, state: &str) -> usize {
    for _ in 0..orders {
        scene.partner.order(&scene.seed);
    }
    eventually("everything is delivered or dead", || {
        let states = scene.partner.delivery_states(endpoint);
        (states.len() == orders && states.iter().all(|it| it == state)).then_some(states.len())
    })
}

two_engines! {
    fn what_a_dry_run_counts_is_sent_again_under_the_same_ids(engine) {
        let scene = Scene::start(engine);
        let (receiver, bystander) = (Receiver::start(), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["prescription:created"]);
        let other = scene.register(&bystander.url(), &["prescription:created"]);
        deliver(&scene, &endpoint, 4, "delivered");
        bystander.wait_for(4, PATIENCE);
        let before = scene.ledger();

        let path = format!("{}/replay", endpoint.path());
        let body = json!({
            "since": ago(LONG_AGO), "status": "all", "event_types": ["prescription:*"], "dry_run": true,
        });
        let dry = scene.partner.post(&path, &body);
        let dry = dry.said("Nothing was changed");
        assert_eq!((&dry["total"], &dry["replay_id"], &dry["state"]), (&json!(4), &Value::Null, &Value::Null));
        let none = json!({"since": ago(LONG_AGO), "event_types": ["shipment:*"], "dry_run": true});
        assert_eq!(scene.partner.post(&path, &none).data()["total"], 0);
        let none = json!({"since": ago(LONG_AGO), "dry_run": true});
        assert_eq!(scene.partner.post(&path, &none).data()["total"], 0, "nothing has failed");
        assert_eq!(receiver.received().len(), 4);
        assert_eq!(scene.ledger(), before);

        let body = json!({"since": ago(LONG_AGO), "status": "all"});
        let replay = scene.partner.post(&path, &body);
        let replay = replay.said("Replay started");
        assert_eq!((&replay["total"], &replay["state"]), (&json!(4), &json!("running")));
        let received = receiver.wait_for(8, PATIENCE);
        let ids = |part: &[crate::support::receiver::Received]| {
            let mut ids: Vec<String> = part.iter().map(|it| it.webhook_id().to_owned()).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&received[..4]), ids(&received[4..]));
        let done = eventually("the replay is finished", || {
            let reply = scene.partner.get(&replay_path(&endpoint, replay));
            let view = reply.data().clone();
            (view["state"] == "finished" && view["delivered"] == 4).then_some(view)
        });
        assert_eq!((&done["queued"], &done["pending"], &done["dead"]), (&json!(4), &json!(0), &json!(0)));
        assert_eq!(scene.ledger(), before);
        assert_eq!(bystander.received().len(), 4);
        scene.partner.get(&replay_path(&other, replay)).refused(404, "NOT_FOUND");
        scene.partner.delete(&replay_path(&endpoint, replay)).said("Replay cancelled");
        assert_eq!(scene.partner.delivery_states(&endpoint), ["delivered"; 4]);
    }

    fn what_has_failed_is_sent_again_by_the_orders_api(engine) {
        let scene = Scene::with_retry_scale(engine, "0.00001");
        let receiver = Receiver::answering(Answer::status(500));
        let orders = scene.server.orders(&scene.seed);
        let made = orders.post("/webhooks", &json!({"url": receiver.url(), "eventTypes": ["order.created"]}));
        let path = format!("/webhooks/{}", text(&made.resource(201)["id"]));
        // One: after ten failures in a row an endpoint rests.
        scene.partner.order(&scene.seed);
        let dead = format!("{path}/deliveries?state=dead");
        eventually("it is dead", || {
            (orders.get(&dead).body["data"].as_array()?.len() == 1).then_some(())
        });
        receiver.otherwise(Answer::status(200));
        let sent = receiver.received().len();

        let dry = json!({"since": ago(LONG_AGO), "dryRun": true, "eventTypes": ["order.*"]});
        assert_eq!(orders.post(&format!("{path}/replay"), &dry).resource(200)["total"], 1);
        let replay = orders.post(&format!("{path}/replay"), &json!({"since": ago(LONG_AGO), "perSecond": 1000}));
        let id = text(&replay.resource(201)["id"]);
        assert!(id.starts_with("rpl_"), "{id}");
        receiver.wait_for(sent + 1, PATIENCE);
        eventually("the replay is finished", || {
            let view = orders.get(&format!("{path}/replay/{id}")).body;
            (view["state"] == "finished" && view["delivered"] == 1).then_some(())
        });
        assert_eq!(scene.ledger().dead, 0);
    }

    fn one_at_a_time_and_cancelled_midway_the_rest_is_as_it_was(engine) {
        const ORDERS: usize = 6;
        let scene = Scene::start(engine);
        let receiver = Receiver::start();
        let endpoint = scene.register(&receiver.url(), &["prescription:created"]);
        deliver(&scene, &endpoint, ORDERS, "delivered");
        let before = scene.ledger();
        // What is made due waits: nothing is sent to a paused endpoint.
        scene.partner.patch(&endpoint.path(), &json!({"status": "paused"})).data();

        let path = format!("{}/replay", endpoint.path());
        let body = json!({"since": ago(LONG_AGO), "status": "all", "per_second": 1});
        let replay = scene.partner.post(&path, &body);
        let replay = replay.data();
        let view = replay_path(&endpoint, replay);
        let running = scene.partner.post(&path, &body);
        let refused = running.refused(409, "REPLAY_RUNNING");
        assert_eq!(refused["details"][0]["replay_id"], replay["replay_id"]);
        eventually("some are due", || {
            (scene.partner.get(&view).data()["pending"].as_i64()? >= 2).then_some(())
        });

        let ended = scene.partner.delete(&view);
        let ended = ended.said("Replay cancelled");
        assert_eq!((&ended["state"], &ended["queued"]), (&json!("cancelled"), &json!(0)));
        assert_eq!(scene.partner.delete(&view).data(), ended);
        thread::sleep(Duration::from_secs(3));
        assert_eq!(scene.partner.delivery_states(&endpoint), ["delivered"; ORDERS]);
        assert_eq!(scene.ledger(), before);
        scene.partner.patch(&endpoint.path(), &json!({"status": "active"})).data();

        // Another may begin now, and a repeat of its request is the same one.
        let again = || scene.partner.post_keyed(&path, "again", &body);
        assert_eq!(again().data(), again().data());
        receiver.wait_for(ORDERS + 1, PATIENCE);
    }

    fn a_killed_server_goes_on_where_it_was(engine) {
        const ORDERS: usize = 8;
        let scene = Scene::start(engine);
        let receiver = Receiver::start();
        let endpoint = scene.register(&receiver.url(), &["prescription:created"]);
        deliver(&scene, &endpoint, ORDERS, "delivered");
        let before = scene.ledger();
        let body = json!({"since": ago(LONG_AGO), "status": "all", "per_second": 2});
        let replay = scene.partner.post(&format!("{}/replay", endpoint.path()), &body).data().clone();
        receiver.wait_for(ORDERS + 2, PATIENCE);

        let seed = scene.seed.clone();
        let scene = Scene::serving(scene.server.kill(), seed);
        let view = replay_path(&endpoint, &replay);
        // A job whose worker has died is taken up again after a minute, and a delivery as well.
        let mut done = Value::Null;
        for _ in 0..300 {
            done = scene.partner.get(&view).data().clone();
            if done["state"] == "finished" && done["delivered"] == ORDERS {
                break;
            }
            thread::sleep(Duration::from_millis(500));
        }
        assert_eq!((&done["state"], &done["queued"]), (&json!("finished"), &json!(ORDERS)), "{done}");
        assert_eq!(done["delivered"], json!(ORDERS), "{done}");
        assert_eq!(scene.ledger(), before);
    }

    fn a_range_that_cannot_be_is_refused_by_field(engine) {
        let scene = Scene::start(engine);
        let endpoint = scene.register("http://127.0.0.1:65000/hook", &["*"]);
        let path = format!("{}/replay", endpoint.path());
        let later = ago(-600);
        for (body, field) in [
            (json!({}), "since"),
            (json!({"since": "yesterday"}), "since"),
            (json!({"since": later}), "since"),
            (json!({"since": ago(91 * 86_400)}), "since"),
            (json!({"since": ago(60), "until": later}), "until"),
            (json!({"since": ago(60), "until": ago(120)}), "until"),
            (json!({"since": ago(60), "status": "dead"}), "status"),
            (json!({"since": ago(60), "event_types": ["no:such"]}), "event_types[0]"),
            (json!({"since": ago(60), "per_second": 1001}), "per_second"),
            (json!({"since": ago(60), "dry_run": "perhaps"}), "dry_run"),
        ] {
            let reply = scene.partner.post(&path, &body);
            let refused = reply.refused(400, "VALIDATION_ERROR");
            assert_eq!(refused["details"][0]["field"], field, "{body}");
        }
    }
}
