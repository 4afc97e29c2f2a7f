//! Ordered endpoints, and what an owner can do to one while events wait: pause, resume, order, dead letters.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    Engine, PATIENCE, eventually,
    receiver::{Answer, Received, Receiver},
    story::{WORK, text},
    two_engines,
    webhooks::{Endpoint, Scene},
};

/// Long enough for a look at what is due that nobody rang for.
const A_LOOK: Duration = Duration::from_millis(1500);

fn register(scene: &Scene, receiver: &Receiver, options: &Value) -> Endpoint {
    let mut body = options.clone();
    body["event_types"] = json!(["medication:*"]);
    body["ordered"] = json!(true);
    scene.partner.register(&scene.seed, &receiver.url(), &body)
}

fn sequence(received: &Received) -> i64 {
    received.json()["sequence"].as_i64().expect("a number")
}

fn in_order(received: &[Received]) -> Vec<i64> {
    received.iter().map(sequence).collect()
}

fn order_of(received: &Received) -> String {
    text(&received.json()["event_data"]["medication_order_id"])
}

/// That of each order the events came one after the other; an attempt may have been repeated in its place.
#[track_caller]
fn assert_no_inversion(received: &[Received]) {
    for one in received {
        let order = order_of(one);
        let of_order: Vec<i64> =
            received.iter().filter(|other| order_of(other) == order).map(sequence).collect();
        assert!(of_order.is_sorted(), "{order}: {of_order:?}");
    }
}

/// Everything pending is delivered.
#[track_caller]
fn settled(scene: &Scene, endpoint: &Endpoint, count: usize) {
    eventually("everything is delivered", || {
        let states = scene.partner.delivery_states(endpoint);
        (states.len() == count && states.iter().all(|state| state == "delivered")).then_some(())
    });
}

two_engines! {
    fn a_burst_arrives_in_order_key_by_key(engine) {
        let scene = Scene::start(engine);
        let receiver = Receiver::answering(Answer::status(200).after(Duration::from_millis(20)));
        // Whatever stands first fails: it holds its line through its retries.
        receiver.script((0..6).map(|_| Answer::status(500)));
        let endpoint = register(&scene, &receiver, &json!({}));
        let orders: Vec<String> = (0..3).map(|_| scene.partner.order(&scene.seed).id).collect();
        for act in WORK {
            orders.iter().for_each(|order| drop(scene.staff.work(order, act)));
        }
        let received = receiver.wait_for(12 + 6, PATIENCE);
        assert_no_inversion(&received);
        settled(&scene, &endpoint, 12);
        assert_eq!(receiver.received().len(), 18, "one more attempt for each failure, nothing else");
    }

    fn both_shapes_count_without_gaps_and_in_order(engine) {
        let (scene, receiver, theirs) = (Scene::start(engine), Receiver::start(), Receiver::start());
        scene.partner.register(&scene.seed, &receiver.url(), &json!({"event_types": ["*"], "ordered": true}));
        let hook = json!({"url": theirs.url(), "ordered": true});
        scene.server.orders(&scene.seed).post("/webhooks", &hook).resource(201);
        let order = scene.partner.order(&scene.seed);
        for act in WORK {
            scene.staff.work(&order.id, act);
        }
        eventually("everything is delivered", || (scene.ledger().pending == 0).then_some(()));
        for (received, least) in [(receiver.received(), 5), (theirs.received(), 2)] {
            let told = in_order(&received);
            assert!(told.len() >= least, "{told:?}");
            assert_eq!(told, (1..=told.len()).map(|number| number as i64).collect::<Vec<_>>());
        }
    }

    fn a_slow_head_holds_its_own_key_alone(engine) {
        const SLOW: Duration = Duration::from_secs(4);
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        receiver.script([Answer::status(200).after(SLOW)]);
        let endpoint = register(&scene, &receiver, &json!({}));
        let (held, other) = (scene.partner.order(&scene.seed).id, scene.partner.order(&scene.seed).id);
        scene.staff.work(&held, "verify");
        let first = receiver.wait_for(1, PATIENCE).remove(0);
        scene.staff.work(&held, "submit");
        scene.staff.work(&other, "verify");
        scene.staff.work(&other, "submit");
        let received = receiver.wait_for(4, PATIENCE);
        let orders: Vec<String> = received.iter().map(order_of).collect();
        assert_eq!(orders, [held.clone(), other.clone(), other, held]);
        assert!(received[3].at >= first.at + SLOW, "it waited for the one before it");
        settled(&scene, &endpoint, 4);
    }

    fn a_dead_letter_is_skipped(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = register(&scene, &receiver, &json!({"retry_schedule": [1]}));
        receiver.script([Answer::status(500), Answer::status(500)]);
        let order = scene.partner.order(&scene.seed).id;
        for act in ["verify", "submit", "acknowledge"] {
            scene.staff.work(&order, act);
        }
        let received = receiver.wait_for(4, PATIENCE);
        let told = in_order(&received);
        assert_eq!((told[0], told[1]), (told[0], told[0]), "its own schedule has two attempts");
        assert!(told[2] > told[1] && told[3] > told[2], "{told:?}");
        eventually("the others are delivered", || {
            (scene.partner.delivery_states(&endpoint) == ["dead", "delivered", "delivered"]).then_some(())
        });
    }

    fn a_dead_letter_holds_its_key_until_it_is_sent_again(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let options = json!({"retry_schedule": [1], "after_dead_letter": "hold"});
        let endpoint = register(&scene, &receiver, &options);
        receiver.script([Answer::status(500), Answer::status(500)]);
        let order = scene.partner.order(&scene.seed).id;
        scene.staff.work(&order, "verify");
        eventually("it is dead", || (scene.partner.delivery_states(&endpoint) == ["dead"]).then_some(()));
        for act in ["submit", "acknowledge"] {
            scene.staff.work(&order, act);
        }
        // Another key goes its way.
        let free = scene.partner.order(&scene.seed).id;
        scene.staff.work(&free, "verify");
        receiver.wait_for(3, PATIENCE);
        thread::sleep(A_LOOK);
        assert_eq!(scene.partner.delivery_states(&endpoint), ["dead", "pending", "pending", "delivered"]);

        let dead = text(&scene.partner.deliveries(&endpoint)[0]["id"]);
        scene.partner.act(&format!("{}/deliveries/{dead}/retry", endpoint.path())).data();
        let received = receiver.wait_for(6, PATIENCE);
        assert_no_inversion(&received);
        settled(&scene, &endpoint, 4);
    }

    fn a_held_key_goes_on_when_the_policy_changes(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let options = json!({"retry_schedule": [1], "after_dead_letter": "hold"});
        let endpoint = register(&scene, &receiver, &options);
        receiver.script([Answer::status(500), Answer::status(500)]);
        let order = scene.partner.order(&scene.seed).id;
        for act in ["verify", "submit", "acknowledge"] {
            scene.staff.work(&order, act);
        }
        eventually("the first is dead", || {
            (scene.partner.delivery_states(&endpoint) == ["dead", "pending", "pending"]).then_some(())
        });
        thread::sleep(A_LOOK);
        assert_eq!(receiver.received().len(), 2);
        scene.partner.patch(&endpoint.path(), &json!({"after_dead_letter": "skip"})).data();
        assert_no_inversion(&receiver.wait_for(4, PATIENCE));
        eventually("the others are delivered", || {
            (scene.partner.delivery_states(&endpoint) == ["dead", "delivered", "delivered"]).then_some(())
        });
    }

    fn order_turned_on_holds_for_what_waits_and_what_is_under_way(engine) {
        const SLOW: Duration = Duration::from_secs(3);
        let scene = Scene::start(engine);
        let receiver = Receiver::answering(Answer::status(200).after(Duration::from_millis(30)));
        receiver.script([Answer::status(200).after(SLOW)]);
        let types = json!({"event_types": ["medication:*"]});
        let endpoint = scene.partner.register(&scene.seed, &receiver.url(), &types);
        let order = scene.partner.order(&scene.seed).id;
        scene.staff.work(&order, "verify");
        let first = receiver.wait_for(1, PATIENCE).remove(0);
        scene.partner.patch(&endpoint.path(), &json!({"ordered": true})).data();
        for act in &WORK[1..] {
            scene.staff.work(&order, act);
        }
        let received = receiver.wait_for(4, PATIENCE);
        assert!(in_order(&received).is_sorted(), "{:?}", in_order(&received));
        assert!(received[1].at >= first.at + SLOW, "what was under way stands in line too");

        // What gathers unordered is in order after the switch.
        scene.partner.patch(&endpoint.path(), &json!({"ordered": false, "status": "paused"})).data();
        let more: Vec<String> = (0..2).map(|_| scene.partner.order(&scene.seed).id).collect();
        for act in WORK {
            more.iter().for_each(|order| drop(scene.staff.work(order, act)));
        }
        scene.partner.patch(&endpoint.path(), &json!({"ordered": true})).data();
        scene.partner.patch(&endpoint.path(), &json!({"status": "active"})).data();
        let received = receiver.wait_for(12, PATIENCE);
        assert_no_inversion(&received);
        settled(&scene, &endpoint, 12);
    }

    fn order_turned_off_lets_a_held_key_go(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let options = json!({"retry_schedule": [1], "after_dead_letter": "hold"});
        let endpoint = register(&scene, &receiver, &options);
        receiver.script([Answer::status(500), Answer::status(500)]);
        let order = scene.partner.order(&scene.seed).id;
        for act in ["verify", "submit"] {
            scene.staff.work(&order, act);
        }
        eventually("the first is dead", || {
            (scene.partner.delivery_states(&endpoint) == ["dead", "pending"]).then_some(())
        });
        scene.partner.patch(&endpoint.path(), &json!({"ordered": false})).data();
        receiver.wait_for(3, PATIENCE);
        eventually("the other is delivered", || {
            (scene.partner.delivery_states(&endpoint) == ["dead", "delivered"]).then_some(())
        });
    }

    fn an_endpoint_enabled_again_does_not_wait_for_its_old_breaker(engine) {
        let scene = Scene::start(engine);
        let receiver = Receiver::answering(Answer::status(500));
        let endpoint = scene.register(&receiver.url(), &["medication:*"]);
        let orders: Vec<String> = (0..3).map(|_| scene.partner.order(&scene.seed).id).collect();
        for act in WORK {
            orders.iter().for_each(|order| drop(scene.staff.work(order, act)));
        }
        // Ten failures in a row open the breaker, for longer than this test waits.
        receiver.wait_for(10, PATIENCE);
        thread::sleep(A_LOOK);
        receiver.otherwise(Answer::status(200));
        scene.partner.patch(&endpoint.path(), &json!({"status": "paused"})).data();
        scene.partner.patch(&endpoint.path(), &json!({"status": "active"})).data();
        settled(&scene, &endpoint, 12);
        assert_eq!((scene.ledger().dead, scene.ledger().pending), (0, 0));
    }
}

#[test]
fn what_is_held_for_a_slow_endpoint_goes_back_when_it_is_paused() {
    let (scene, receiver) = (Scene::start(Engine::Sqlite), Receiver::start());
    let options = json!({"event_types": ["medication:*"], "rate_limit_per_second": 1});
    let endpoint = scene.partner.register(&scene.seed, &receiver.url(), &options);
    let orders: Vec<String> = (0..3).map(|_| scene.partner.order(&scene.seed).id).collect();
    for act in WORK {
        orders.iter().for_each(|order| drop(scene.staff.work(order, act)));
    }
    receiver.wait_for(1, PATIENCE);
    scene.partner.patch(&endpoint.path(), &json!({"status": "paused"})).data();
    thread::sleep(A_LOOK);
    let before = receiver.received().len();
    assert!(before < 12, "all went out at one a second");
    thread::sleep(2 * A_LOOK);
    assert_eq!(receiver.received().len(), before, "nothing goes to a paused endpoint");
    let states = scene.partner.delivery_states(&endpoint);
    assert_eq!(states.iter().filter(|state| *state == "pending").count(), 12 - before);
    // It was given back: nobody waits for the leases of what was held.
    let change = json!({"status": "active", "rate_limit_per_second": null});
    scene.partner.patch(&endpoint.path(), &change).data();
    settled(&scene, &endpoint, 12);
    assert_eq!(receiver.received().len(), 12, "nothing was sent twice");
}

#[test]
fn one_clinics_backlog_does_not_keep_another_waiting() {
    const ENDPOINTS: usize = 50;
    const EVENTS: usize = 300;
    let scene = Scene::start(Engine::Sqlite);
    let busy = Receiver::answering(Answer::status(200).after(Duration::from_millis(500)));
    let types = json!({"event_types": ["medication:*"]});
    let endpoints: Vec<Endpoint> = (0..ENDPOINTS)
        .map(|number| scene.partner.register(&scene.seed, &format!("{}?n={number}", busy.url()), &types))
        .collect();
    let set = |status: &str| {
        for endpoint in &endpoints {
            scene.partner.patch(&endpoint.path(), &json!({ "status": status })).data();
        }
    };
    set("paused");
    for _ in 0..EVENTS {
        scene.partner.post("/sandbox/trigger", &json!({"event_type": "medication:filled"})).data();
    }
    assert_eq!(scene.ledger().pending, (ENDPOINTS * EVENTS) as u64);
    let (theirs, stranger) = (Receiver::start(), scene.server.stranger(&scene.seed));
    let body = json!({
        "clinic_id": scene.seed.other_clinic_id, "webhook_url": theirs.url(), "event_types": ["medication:*"],
    });
    stranger.post("/webhook", &body).said("Webhook created successfully");

    set("active");
    busy.wait_for(1, PATIENCE);
    stranger.post("/sandbox/trigger", &json!({"event_type": "medication:filled"})).data();
    theirs.wait_for(1, PATIENCE);
    let sent = busy.received().len();
    assert!(sent < ENDPOINTS * EVENTS / 2, "it came when {sent} of the backlog were sent");
}
