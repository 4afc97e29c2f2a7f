//! The options of an endpoint on both APIs: taken, shown, changed, reset, and refused by the name of the field.

use serde_json::{Value, json};

use crate::support::{
    Engine, PATIENCE,
    receiver::Receiver,
    story::text,
    two_engines,
    webhooks::{Scene, verdict},
};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:65000/hook";

/// These members of a view.
fn of(view: &Value, names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| view[name].clone()).collect()
}

const PARTNER: [&str; 5] =
    ["ordered", "after_dead_letter", "payload", "rate_limit_per_second", "retry_schedule"];
const ORDERS: [&str; 3] = ["ordered", "afterDeadLetter", "payload"];

two_engines! {
    fn options_are_kept_and_shown_by_the_partner_api(engine) {
        let scene = Scene::start(engine);
        let usual = scene.register(NOWHERE, &["*"]);
        let read = |path: &str| scene.partner.get(path).data().clone();
        let defaults = [json!(false), json!("skip"), json!("full"), Value::Null, Value::Null];
        assert_eq!(of(&read(&usual.path()), &PARTNER), defaults);

        let own = [json!(true), json!("hold"), json!("thin"), json!(25), json!([30, 300, 900])];
        let options = json!({
            "ordered": true, "after_dead_letter": "hold", "payload": "thin", "rate_limit_per_second": 25,
            "retry_schedule": [30, 300, 900], "headers": {"X-Stage": "test"},
        });
        let url = format!("{NOWHERE}/own");
        let made = scene.partner.register(&scene.seed, &url, &options);
        assert_eq!(of(&read(&made.path()), &PARTNER), own);
        // A change of something else leaves them, and `null` takes away what can be absent.
        scene.partner.patch(&made.path(), &json!({"description": "ours"})).data();
        assert_eq!(of(&read(&made.path()), &PARTNER), own);
        let reset = json!({"rate_limit_per_second": null, "retry_schedule": null, "payload": "full", "ordered": false});
        let changed = scene.partner.patch(&made.path(), &reset).data().clone();
        let after = [json!(false), json!("hold"), json!("full"), Value::Null, Value::Null];
        assert_eq!(of(&changed, &PARTNER), after);
        assert_eq!(of(&read(&made.path()), &PARTNER), after);
        assert_eq!(read(&made.path())["headers"], json!(["X-Stage"]));
    }

    fn options_are_kept_and_shown_by_the_orders_api(engine) {
        let scene = Scene::start(engine);
        let orders = scene.server.orders(&scene.seed);
        let usual = orders.post("/webhooks", &json!({"url": NOWHERE})).resource(201).clone();
        assert_eq!(of(&usual, &ORDERS), [json!(false), json!("skip"), json!("full")]);
        let url = format!("{NOWHERE}/own");
        let body = json!({"url": url, "ordered": true, "payload": "thin", "afterDeadLetter": "hold"});
        let made = orders.post("/webhooks", &body).resource(201).clone();
        assert_eq!(of(&made, &ORDERS), [json!(true), json!("hold"), json!("thin")]);
        let path = format!("/webhooks/{}", text(&made["id"]));
        let changed = orders.patch(&path, &json!({"payload": "full"})).resource(200).clone();
        assert_eq!(of(&changed, &ORDERS), [json!(true), json!("hold"), json!("full")]);
        assert_eq!(of(orders.get(&path).resource(200), &ORDERS), [json!(true), json!("hold"), json!("full")]);
    }

    fn a_thin_endpoint_is_told_ids_and_status_signed_as_sent(engine) {
        let (scene, thin, full) = (Scene::start(engine), Receiver::start(), Receiver::start());
        let orders = scene.server.orders(&scene.seed);
        let types = ["shipment:*", "medication_order:verified", "practitioner:activated"];
        let endpoint = scene.partner.register(&scene.seed, &thin.url(), &json!({"event_types": types, "payload": "thin"}));
        scene.register(&full.url(), &types);
        let theirs = Receiver::start();
        let body = json!({"url": theirs.url(), "eventTypes": ["order.fulfilled"], "payload": "thin"});
        let hook = orders.post("/webhooks", &body).resource(201).clone();
        let trigger = |name: &str| scene.partner.post("/sandbox/trigger", &json!({"event_type": name})).data().clone();
        for name in ["shipment:created", "medication_order:verified", "practitioner:activated", "order.fulfilled"] {
            trigger(name);
        }
        let whole = full.wait_for(3, PATIENCE);
        for received in thin.wait_for(3, PATIENCE) {
            assert_eq!(verdict(&received, &endpoint.secret), Ok(()));
            let sent = received.json();
            let name = text(&sent["event_name"]);
            let told = whole.iter().find(|told| told.webhook_id() == received.webhook_id()).expect("both are told").json();
            for member in ["event_id", "event_name", "event_type", "created_at", "sequence", "triggered"] {
                assert_eq!(sent[member], told[member], "{name}: {member}");
            }
            let kept: Vec<&String> = sent["event_data"].as_object().expect("data").keys().collect();
            for gone in ["delivery_location", "notes", "practitioner_email", "practitioner_name", "practitioner_phone",
                "practitioner_npi", "tracking_number", "shipping_label", "rx_number"] {
                assert!(!kept.iter().any(|member| *member == gone), "{name} has {gone}");
            }
            for member in kept {
                assert_eq!(sent["event_data"][member], told["event_data"][member], "{name}: {member}");
            }
        }
        let sent = theirs.wait_for(1, PATIENCE).remove(0);
        assert_eq!(verdict(&sent, &text(&hook["signingSecret"])), Ok(()));
        let data = sent.json()["data"].as_object().expect("data").keys().cloned().collect::<Vec<_>>();
        assert_eq!(data, ["orderId", "prescriptionId", "prescriptionIds", "status"]);

        // From the next attempt on it is told all.
        scene.partner.patch(&endpoint.path(), &json!({"payload": "full"})).data();
        trigger("shipment:created");
        let all = thin.wait_for(4, PATIENCE).pop().expect("four").json();
        assert!(all["event_data"]["delivery_location"].is_object(), "{all}");
    }
}

#[test]
fn options_out_of_their_range_are_refused_by_name() {
    let scene = Scene::start(Engine::Sqlite);
    let hook = scene.register(NOWHERE, &["*"]).path();
    let base = json!({"clinic_id": scene.seed.clinic_id, "webhook_url": format!("{NOWHERE}/other")});
    for (name, value, field) in [
        ("ordered", json!("yes"), "ordered"),
        ("ordered", json!(1), "ordered"),
        ("payload", json!("small"), "payload"),
        ("payload", json!(["thin"]), "payload"),
        ("after_dead_letter", json!("stop"), "after_dead_letter"),
        ("rate_limit_per_second", json!(0), "rate_limit_per_second"),
        ("rate_limit_per_second", json!(1001), "rate_limit_per_second"),
        ("rate_limit_per_second", json!(-1), "rate_limit_per_second"),
        ("rate_limit_per_second", json!(1.5), "rate_limit_per_second"),
        ("rate_limit_per_second", json!("ten"), "rate_limit_per_second"),
        ("rate_limit_per_second", json!(4_294_967_297_u64), "rate_limit_per_second"),
        ("retry_schedule", json!([]), "retry_schedule"),
        ("retry_schedule", json!("60"), "retry_schedule"),
        ("retry_schedule", json!(60), "retry_schedule"),
        ("retry_schedule", json!([1, 1, 1, 1, 1, 1, 1, 1]), "retry_schedule"),
        ("retry_schedule", json!([61]), "retry_schedule[0]"),
        ("retry_schedule", json!([60, 301]), "retry_schedule[1]"),
        ("retry_schedule", json!([60, 0]), "retry_schedule[1]"),
        ("retry_schedule", json!([60, null]), "retry_schedule[1]"),
        ("retry_schedule", json!([60, "300"]), "retry_schedule[1]"),
        ("retry_schedule", json!([60, 300, 900, 3600, 14400, 28800, 86401]), "retry_schedule[6]"),
        ("event_types", json!(["order.created"]), "event_types[0]"),
        ("event_types", json!(["medication:*", "nothing:*"]), "event_types[1]"),
        ("event_types", json!(["*", 5]), "event_types[1]"),
        ("event_types", json!([]), "event_types"),
        ("headers", json!({"Host": "elsewhere"}), "headers.Host"),
        ("headers", json!({"WebHook-Signature": "v1,x"}), "headers.WebHook-Signature"),
        ("headers", json!({"X-A": "one\r\nX-B: two"}), "headers.X-A"),
        ("headers", json!({"X-A": "one\ntwo"}), "headers.X-A"),
        ("headers", json!({"X-A": "one\u{0}"}), "headers.X-A"),
        ("headers", json!({"X-A": "é"}), "headers.X-A"),
        ("headers", json!({"X-A": "x".repeat(1025)}), "headers.X-A"),
        ("headers", json!({"X-A": 5}), "headers"),
        ("headers", json!(["X-A"]), "headers"),
        ("headers", json!("X-A: b"), "headers"),
        ("headers", json!({"X-A\r\nX-B": "x"}), "headers"),
        ("headers", json!({"X-A": "x", "X A": "x"}), "headers"),
        ("headers", json!({"X-A": "x", "x-a": "y"}), "headers.x-a"),
        ("headers", json!({"": "x"}), "headers"),
        ("headers", json!({"X-É": "x"}), "headers"),
        ("headers", Value::Object((0..21).map(|n| (format!("X-{n}"), json!("x"))).collect()), "headers"),
    ] {
        let mut body = base.clone();
        body[name] = value.clone();
        let shown = value.to_string();
        assert_eq!(scene.partner.post("/webhook", &body).invalid(), [field], "{name} {shown}");
        let change = json!({ name: value });
        assert_eq!(scene.partner.patch(&hook, &change).invalid(), [field], "{name} {shown}");
    }
    for name in ["ordered", "payload", "after_dead_letter", "status", "event_types"] {
        let change = json!({ name: null });
        assert_eq!(scene.partner.patch(&hook, &change).invalid(), [name]);
    }
    assert_eq!(scene.partner.get("/webhook").data().as_array().map(Vec::len), Some(1));
}

#[test]
fn the_orders_api_refuses_them_in_its_own_words() {
    let scene = Scene::start(Engine::Sqlite);
    let orders = scene.server.orders(&scene.seed);
    let made = orders.post("/webhooks", &json!({"url": NOWHERE})).resource(201).clone();
    let hook = format!("/webhooks/{}", text(&made["id"]));
    for (name, value, field) in [
        ("ordered", json!("yes"), "ordered"),
        ("payload", json!("small"), "payload"),
        ("afterDeadLetter", json!("stop"), "afterDeadLetter"),
        ("sendApiKey", json!("no"), "sendApiKey"),
        ("eventTypes", json!(["medication:updated"]), "eventTypes[0]"),
        ("eventTypes", json!("*"), "eventTypes"),
        ("headers", json!({"X-A": "one\r\nX-B: two"}), "headers.X-A"),
        ("headers", json!({"Content-Length": "5"}), "headers.Content-Length"),
        ("headers", json!({"X-A\u{0}": "x"}), "headers"),
    ] {
        let mut body = json!({"url": format!("{NOWHERE}/other")});
        body[name] = value.clone();
        assert_eq!(orders.post("/webhooks", &body).orders_invalid(), [field], "{name} {value}");
        assert_eq!(orders.patch(&hook, &json!({ name: value })).orders_invalid(), [field], "{name}");
    }
}
