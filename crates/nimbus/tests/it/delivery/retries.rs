//! What happens when a receiver does not take an event: retries, dead letters, `Retry-After`, 410, hanging.

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    Engine, PATIENCE, eventually,
    receiver::{Answer, Received, Receiver},
    story::text,
    two_engines,
    webhooks::{Scene, names, older_signature, verdict},
};

fn ids(received: &[Received]) -> BTreeSet<&str> {
    received.iter().map(Received::webhook_id).collect()
}

/// One member of each attempt of a delivery, in order.
fn attempts(delivery: &Value, member: &str) -> Vec<Value> {
    let list = delivery["attempts"].as_array().expect("attempts");
    list.iter().map(|attempt| attempt[member].clone()).collect()
}

two_engines! {
    fn a_failed_delivery_is_tried_again_under_its_id(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["medication:validated"]);
        receiver.script([
            Answer::status(500).body("out of order").header("X-Reason", "ink").header("Set-Cookie", "a=b"),
            Answer::status(500),
        ]);
        let order = scene.partner.order(&scene.seed);
        scene.staff.work(&order.id, "verify");

        let received = receiver.wait_for(3, PATIENCE);
        assert_eq!((received.len(), ids(&received).len()), (3, 1));
        for attempt in &received {
            assert_eq!(attempt.body, received[0].body);
            assert_eq!(verdict(attempt, &endpoint.secret), Ok(()));
            let older = older_signature(attempt, &endpoint.secret);
            assert_eq!(attempt.header("x-webhook-signature"), Some(older.as_str()));
        }
        let delivery = eventually("the delivery is recorded", || {
            let mut list = scene.partner.deliveries(&endpoint);
            assert_eq!(list.len(), 1);
            list.pop().filter(|delivery| delivery["state"] == "delivered")
        });
        assert_eq!(attempts(&delivery, "number"), [json!(1), json!(2), json!(3)]);
        assert_eq!(attempts(&delivery, "status_code"), [json!(500), json!(500), json!(200)]);
        assert_eq!(attempts(&delivery, "cause"), [json!("server_error"), json!("server_error"), Value::Null]);
        let (temporary, none) = (json!("transient"), Value::Null);
        assert_eq!(attempts(&delivery, "cause_class"), [temporary.clone(), temporary, none]);
        assert_eq!(attempts(&delivery, "response_body")[0], json!("out of order"));
        let fields = &attempts(&delivery, "response_headers")[0];
        assert_eq!((&fields["x-reason"], fields.get("set-cookie")), (&json!("ink"), None));
        let timing = &attempts(&delivery, "timing")[0];
        assert_eq!((&timing["connection_reused"], &timing["tls_us"]), (&json!(false), &Value::Null));
        assert!(timing["dns_us"].is_u64() && timing["connect_us"].is_u64(), "{timing}");
        assert!(timing["first_byte_us"].as_u64() >= timing["connect_us"].as_u64(), "{timing}");
        assert_eq!(delivery["event_id"], json!(received[0].webhook_id()));
        assert_eq!(receiver.received().len(), 3);
    }

    fn after_eight_attempts_it_is_dead_and_can_be_sent_again(engine) {
        let scene = Scene::with_retry_scale(engine, "0.00001");
        let receiver = Receiver::answering(Answer::status(500));
        let endpoint = scene.register(&receiver.url(), &["medication:validated"]);
        let order = scene.partner.order(&scene.seed);
        scene.staff.work(&order.id, "verify");

        let delivery = eventually("the delivery is dead", || {
            scene.partner.deliveries(&endpoint).pop().filter(|delivery| delivery["state"] == "dead")
        });
        assert_eq!(attempts(&delivery, "number"), (1..=8).map(|number| json!(number)).collect::<Vec<_>>());
        let dead = scene.partner.get(&format!("{}/deliveries?state=dead", endpoint.path()));
        assert_eq!(dead.data(), &json!([delivery]));
        let received = receiver.received();
        assert_eq!((received.len(), ids(&received).len()), (8, 1));
        let ledger = scene.ledger();
        assert_eq!((ledger.dead, ledger.pending), (1, 0));

        receiver.otherwise(Answer::status(200));
        let path = format!("{}/deliveries/{}/retry", endpoint.path(), text(&delivery["id"]));
        scene.partner.act(&path).data();
        let received = receiver.wait_for(9, PATIENCE);
        assert_eq!((received.len(), ids(&received).len()), (9, 1));
        eventually("the delivery is delivered", || {
            (scene.partner.delivery_states(&endpoint) == ["delivered"]).then_some(())
        });
        assert_eq!(scene.ledger().dead, 0);
    }

    fn gone_disables_the_endpoint_and_tells_the_others(engine) {
        let scene = Scene::start(engine);
        let (leaving, staying) = (Receiver::start(), Receiver::start());
        let endpoint = scene.register(&leaving.url(), &["medication:*"]);
        let other = scene.register(&staying.url(), &["shipment:created"]);
        leaving.script([Answer::status(410)]);
        let order = scene.partner.order(&scene.seed);
        scene.staff.work(&order.id, "verify");

        let disabled = staying.wait_for_type("webhook:disabled", PATIENCE);
        assert_eq!(verdict(&disabled, &other.secret), Ok(()));
        let data = &disabled.json()["event_data"];
        assert_eq!((&data["webhook_id"], data["reason"].is_string()), (&json!(endpoint.id), true));
        let read = scene.partner.get(&endpoint.path());
        assert_eq!(read.data()["status"], "disabled");
        assert_eq!(read.data()["disabled_reason"], data["reason"]);

        for act in ["submit", "acknowledge"] {
            scene.staff.work(&order.id, act);
        }
        assert_eq!(scene.partner.delivery_states(&endpoint), ["pending", "pending", "pending"]);
        assert_eq!(leaving.received().len(), 1);

        scene.partner.patch(&endpoint.path(), &json!({"status": "active"})).data();
        let received = leaving.wait_for(4, PATIENCE);
        assert_eq!((received.len(), ids(&received).len()), (4, 3));
        let told: Vec<String> = names(&received[1..]).into_iter().map(|(_, event_type)| event_type).collect();
        assert_eq!(told, ["medication:acknowledged", "medication:submitted", "medication:validated"]);
        assert_eq!(scene.partner.get(&endpoint.path()).data()["disabled_reason"], Value::Null);
    }
}

#[test]
fn retry_after_is_honoured_and_each_attempt_has_its_own_timestamp() {
    let (scene, receiver) = (Scene::start(Engine::Sqlite), Receiver::start());
    let endpoint = scene.register(&receiver.url(), &["medication:validated"]);
    receiver.script([
        Answer::status(429).header("Retry-After", "2"),
        Answer::status(503).header("Retry-After", "2"),
        Answer::status(500).header("Retry-After", "3600"),
    ]);
    let order = scene.partner.order(&scene.seed);
    scene.staff.work(&order.id, "verify");

    let received = receiver.wait_for(4, PATIENCE);
    for pair in received.windows(2).take(2) {
        let gap = pair[1].at - pair[0].at;
        assert!(gap >= Duration::from_secs(2), "asked to wait two seconds, came after {gap:?}");
    }
    let timestamps: Vec<i64> = received
        .iter()
        .map(|one| one.header("webhook-timestamp").and_then(|text| text.parse().ok()).expect("a timestamp"))
        .collect();
    for (timestamp, one) in timestamps.iter().zip(&received) {
        assert!((one.unix_seconds - timestamp).abs() <= 2, "{timestamp} is not the time of the attempt");
        assert_eq!(verdict(one, &endpoint.secret), Ok(()));
    }
    assert!(timestamps[0] < timestamps[1] && timestamps[1] < timestamps[2], "{timestamps:?}");
    assert_eq!(ids(&received).len(), 1);
}

#[test]
fn redirects_are_not_followed() {
    let (scene, receiver, elsewhere) = (Scene::start(Engine::Sqlite), Receiver::start(), Receiver::start());
    let endpoint = scene.register(&receiver.url(), &["medication:validated"]);
    receiver.script(
        [301, 302, 307, 308].map(|status| Answer::status(status).header("Location", elsewhere.url())),
    );
    let order = scene.partner.order(&scene.seed);
    scene.staff.work(&order.id, "verify");

    let received = receiver.wait_for(5, PATIENCE);
    assert_eq!(ids(&received).len(), 1);
    let delivery = eventually("the delivery is recorded", || {
        scene.partner.deliveries(&endpoint).pop().filter(|delivery| delivery["state"] == "delivered")
    });
    let statuses = [301, 302, 307, 308, 200].map(|status| json!(status));
    assert_eq!(attempts(&delivery, "status_code"), statuses);
    assert_eq!(elsewhere.received().len(), 0);
}

#[test]
fn a_hanging_receiver_delays_nobody_else() {
    const ORDERS: usize = 12;
    /// The contract's concurrency of one endpoint.
    const LANE: usize = 8;
    let scene = Scene::start(Engine::Sqlite);
    let (hanging, healthy) = (Receiver::answering(Answer::hang()), Receiver::start());
    scene.register(&hanging.url(), &["prescription:created"]);
    scene.register(&healthy.url(), &["prescription:created"]);
    for _ in 0..ORDERS {
        scene.partner.order(&scene.seed);
    }
    // Before the first request to the hanging receiver can have timed out.
    healthy.wait_for(ORDERS, Duration::from_secs(9));
    assert_eq!(healthy.received().len(), ORDERS);
    assert!(hanging.received().len() <= LANE, "more than {LANE} in flight");
    assert_eq!(hanging.answered(), 0);
}

#[test]
fn a_large_answer_is_cut_and_a_closed_port_is_named() {
    let scene = Scene::start(Engine::Sqlite);
    let talkative = Receiver::start();
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed_url = format!("http://{}/hook", free.local_addr().expect("an address"));
    drop(free);
    talkative.script([
        Answer::status(500).body(vec![b'x'; 300_000]),
        Answer::status(200).body(vec![b'y'; 300_000]),
    ]);
    let endpoint = scene.register(&talkative.url(), &["prescription:created"]);
    let closed = scene.register(&closed_url, &["prescription:created"]);
    scene.partner.order(&scene.seed);

    let delivery = eventually("the delivery is recorded", || {
        scene.partner.deliveries(&endpoint).pop().filter(|delivery| delivery["state"] == "delivered")
    });
    for body in attempts(&delivery, "response_body") {
        let kept = body.as_str().expect("the beginning of the answer").len();
        assert_eq!(kept, 1024);
    }
    let refused = eventually("an attempt is recorded", || {
        scene.partner.deliveries(&closed).pop().filter(|delivery| !attempts(delivery, "cause").is_empty())
    });
    assert_eq!(refused["state"], "pending");
    assert_eq!(attempts(&refused, "cause")[0], "refused");
    assert_eq!(attempts(&refused, "status_code")[0], Value::Null);
}
