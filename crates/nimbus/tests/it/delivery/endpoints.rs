//! An endpoint's life: paused, deleted, its secret rotated, tested.

use serde_json::{Value, json};

use crate::support::{
    Engine, PATIENCE, eventually,
    receiver::Receiver,
    story::text,
    two_engines,
    webhooks::{Scene, older_signature, verdict},
};

two_engines! {
    fn a_paused_endpoint_gets_everything_later(engine) {
        let (scene, receiver, witness) = (Scene::start(engine), Receiver::start(), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["medication:*"]);
        scene.register(&witness.url(), &["medication:*"]);
        let paused = scene.partner.patch(&endpoint.path(), &json!({"status": "paused"}));
        assert_eq!(paused.data()["status"], "paused");
        let order = scene.partner.order(&scene.seed);
        for act in ["verify", "submit"] {
            scene.staff.work(&order.id, act);
        }
        witness.wait_for(2, PATIENCE);
        assert_eq!(scene.partner.delivery_states(&endpoint), ["pending", "pending"]);
        assert_eq!(receiver.received().len(), 0);

        scene.partner.patch(&endpoint.path(), &json!({"status": "active"})).data();
        assert_eq!(receiver.wait_for(2, PATIENCE).len(), 2);
        eventually("both are delivered", || {
            (scene.partner.delivery_states(&endpoint) == ["delivered", "delivered"]).then_some(())
        });
    }

    fn a_deleted_endpoint_gets_nothing_more(engine) {
        let (scene, receiver, witness) = (Scene::start(engine), Receiver::start(), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["medication:*"]);
        scene.register(&witness.url(), &["medication:*"]);
        scene.partner.patch(&endpoint.path(), &json!({"status": "paused"})).data();
        let order = scene.partner.order(&scene.seed);
        scene.staff.work(&order.id, "verify");
        assert_eq!(scene.partner.delivery_states(&endpoint), ["pending"]);

        scene.partner.delete(&endpoint.path()).said("Webhook deleted successfully");
        for act in ["submit", "acknowledge"] {
            scene.staff.work(&order.id, act);
        }
        witness.wait_for(3, PATIENCE);
        assert_eq!(receiver.received().len(), 0);
        let settled = || Some(scene.ledger()).filter(|ledger| ledger.pending == 0);
        let ledger = eventually("nothing is pending", settled);
        assert_eq!((ledger.accepted, ledger.cancelled, ledger.dead), (4, 1, 0));
        scene.partner.get(&endpoint.path()).refused(404, "NOT_FOUND");
        scene.partner.act(&format!("{}/test", endpoint.path())).refused(404, "NOT_FOUND");
        let listed = scene.partner.get("/webhook");
        assert_eq!(listed.data().as_array().map(Vec::len), Some(1), "{}", listed.body);
        // The URL is free again.
        let again = scene.register(&receiver.url(), &["medication:*"]);
        assert_ne!(again.id, endpoint.id);
        scene.staff.work(&order.id, "start-fill");
        scene.staff.work(&order.id, "fill");
        assert_eq!(receiver.wait_for(1, PATIENCE)[0].event_type(), "medication:filled");
    }
}

#[test]
fn both_secrets_sign_after_a_rotation() {
    let (scene, receiver) = (Scene::start(Engine::Sqlite), Receiver::start());
    let endpoint = scene.register(&receiver.url(), &["medication:*"]);
    let rotated = scene.partner.act(&format!("{}/rotate-secret", endpoint.path()));
    let secret = text(&rotated.data()["signing_secret"]);
    assert_ne!(secret, endpoint.secret);
    let order = scene.partner.order(&scene.seed);
    scene.staff.work(&order.id, "verify");

    let received = receiver.wait_for(1, PATIENCE).remove(0);
    assert_eq!(verdict(&received, &secret), Ok(()));
    assert_eq!(verdict(&received, &endpoint.secret), Ok(()));
    let signatures: Vec<&str> =
        received.header("webhook-signature").expect("signatures").split(' ').collect();
    assert_eq!(signatures.len(), 2);
    assert!(signatures.iter().all(|signature| signature.starts_with("v1,")), "{signatures:?}");
    let older = older_signature(&received, &secret);
    assert_eq!(received.header("x-webhook-signature"), Some(older.as_str()));
    // The secret is shown at registration and rotation only.
    for path in [endpoint.path(), "/webhook".to_owned()] {
        let reply = scene.partner.get(&path);
        assert!(!String::from_utf8_lossy(&reply.bytes).contains("whsec_"), "{path} shows a secret");
    }
}

#[test]
fn a_test_goes_to_its_endpoint_alone_whatever_it_reads() {
    let (scene, receiver, other) = (Scene::start(Engine::Sqlite), Receiver::start(), Receiver::start());
    let endpoint = scene.register(&receiver.url(), &["shipment:created"]);
    let everything = scene.register(&other.url(), &["*"]);
    scene.partner.act(&format!("{}/test", endpoint.path())).data();

    let received = receiver.wait_for(1, PATIENCE).remove(0);
    assert_eq!(verdict(&received, &endpoint.secret), Ok(()));
    let body = received.json();
    assert_eq!((&body["event_name"], &body["event_type"]), (&json!("webhook:test"), &json!("webhook:test")));
    assert_eq!((&body["event_data"]["webhook_id"], &body["sequence"]), (&json!(endpoint.id), &Value::Null));
    assert_eq!(scene.partner.deliveries(&everything).len(), 0);
}

#[test]
fn a_changed_url_and_event_list_hold_for_what_comes_next() {
    let (scene, before, after) = (Scene::start(Engine::Sqlite), Receiver::start(), Receiver::start());
    let endpoint = scene.register(&before.url(), &["medication:validated"]);
    let order = scene.partner.order(&scene.seed);
    scene.staff.work(&order.id, "verify");
    before.wait_for(1, PATIENCE);
    let change = json!({"webhook_url": after.url(), "event_types": ["medication:filled"]});
    let changed = scene.partner.patch(&endpoint.path(), &change);
    assert_eq!(changed.data()["event_types"], json!(["medication:filled"]));
    for act in ["submit", "acknowledge", "start-fill", "fill"] {
        scene.staff.work(&order.id, act);
    }
    let received = after.wait_for(1, PATIENCE);
    assert_eq!((received.len(), received[0].event_type().as_str()), (1, "medication:filled"));
    assert_eq!(verdict(&received[0], &endpoint.secret), Ok(()));
    assert_eq!(scene.partner.deliveries(&endpoint).len(), 2);
    assert_eq!(before.received().len(), 1);
}
