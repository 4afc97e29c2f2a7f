//! Orders step by step, events on demand, reset; and none of it in production.

use serde_json::{Value, json};
use ureq::http::Method;

use super::{advance, log, monthly, names, patient, patient_body};
use crate::support::{
    Engine, OrdersPartner, PATIENCE, Server, Store, eventually, receiver::Receiver, story::text, two_engines,
    webhooks::Scene,
};

#[test]
fn an_order_advances_step_by_step_or_up_to_a_state() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let partner = server.partner(&seed);
    let (id, _) = monthly(&partner, &seed);
    assert_eq!(advance(&partner, &id, None).0, [("verify".to_owned(), "verified".to_owned())]);
    let (steps, waits) = advance(&partner, &id, Some("filled"));
    assert_eq!(names(&steps), ["submit", "acknowledge", "start_fill", "fill"]);
    assert!(waits.is_empty());
    assert!(advance(&partner, &id, Some("submitted")).0.is_empty(), "it is further on");
    let (steps, _) = advance(&partner, &id, Some("delivered"));
    assert_eq!(names(&steps), ["pack", "scan", "scan", "scan"]);
    assert_eq!(partner.read_order(&id)["status"], "delivered");
    assert!(advance(&partner, &id, None).0.is_empty(), "nothing more happens");
    // Another clinic's order is as good as none.
    let path = format!("/sandbox/orders/{id}/advance");
    server.stranger(&seed).post(&path, &json!({})).refused(404, "NOT_FOUND");
    assert_eq!(partner.post(&path, &json!({"to": "pending"})).invalid(), ["to"]);
}

#[test]
fn a_cancellation_that_a_partner_asks_for_is_accepted() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let partner = server.partner(&seed);
    let (id, _) = monthly(&partner, &seed);
    advance(&partner, &id, Some("filling"));
    partner.post(&format!("/medication-order/{id}/cancel"), &json!({"reason": "changed"})).data();
    assert_eq!(advance(&partner, &id, None).0, [("accept_cancellation".to_owned(), "cancelled".to_owned())]);
}

two_engines! {
    fn every_event_in_the_catalogue_is_sent_on_demand(engine) {
        let scene = Scene::start(engine);
        let (partner_side, orders_side) = (Receiver::start(), Receiver::start());
        scene.register(&partner_side.url(), &["*"]);
        let orders: OrdersPartner = scene.server.orders(&scene.seed);
        orders.post("/webhooks", &json!({"url": orders_side.url(), "eventTypes": ["*"]})).resource(201);
        let before = log(&scene.partner).len();
        let all = nimbus_webhooks::payload::triggerable();
        assert!(all.len() > 40, "{all:?}");
        for event_type in &all {
            let reply = scene.partner.post("/sandbox/trigger", &json!({ "event_type": event_type }));
            assert_eq!(reply.data(), &json!({"event_type": event_type, "count": 1}));
        }
        // Each is in the log and says what it is.
        let triggered = eventually("the log has the last of them", || {
            let all = log(&scene.partner).split_off(before);
            all.iter().any(|event| event["event_type"] == "webhook:test").then_some(all)
        });
        assert!(triggered.iter().all(|event| event["triggered"] == true), "{triggered:?}");
        let catalogue = scene.partner.get("/event-types").data().clone();
        for entry in catalogue.as_array().expect("a list") {
            for event_type in entry["types"].as_array().expect("types") {
                assert!(triggered.iter().any(|event| event["event_type"] == *event_type), "{event_type}");
            }
        }
        let own_clinic = |event: &&Value| event["event_data"]["clinic_id"].is_string();
        for event in triggered.iter().filter(own_clinic) {
            assert_eq!(event["event_data"]["clinic_id"], scene.seed.clinic_id.as_str());
        }
        let told = partner_side.wait_for(triggered.len(), PATIENCE);
        assert!(told.iter().all(|request| request.json()["triggered"] == true));
        for event_type in all.iter().filter(|name| name.contains('.')) {
            orders_side.wait_until(event_type, PATIENCE, |received| {
                received.iter().any(|request| request.json()["type"] == *event_type)
            });
        }
        assert_eq!(scene.ledger().dead, 0);
        let unknown = scene.partner.post("/sandbox/trigger", &json!({"event_type": "medication:eaten"}));
        assert_eq!(unknown.invalid(), ["event_type"]);
    }

    fn staff_trigger_many_events_for_a_load_test(engine) {
        let scene = Scene::start(engine);
        let receiver = Receiver::start();
        scene.register(&receiver.url(), &["shipment:cancelled"]);
        let payload = json!({
            "shipment_id": "01890000-0000-7000-8000-000000000001", "medication_orders": [],
            "cancellation_reason": "A load test", "cancelled_at": "2026-01-15T10:30:00.000Z",
        });
        let body = json!({
            "clinic_id": scene.seed.clinic_id, "event_type": "shipment:cancelled", "count": 250, "payload": payload,
        });
        let first = scene.staff.post_keyed("/sandbox/events/trigger", "load", &body);
        assert_eq!(first.data()["count"], 250);
        let told = receiver.wait_for(250, PATIENCE);
        assert!(told.iter().all(|request| request.json()["event_data"] == payload));
        // The repeat sends nothing.
        scene.staff.post_keyed("/sandbox/events/trigger", "load", &body).data();
        assert_eq!(scene.ledger().accepted, 250);
        let nobody = json!({"clinic_id": "01890000-0000-7000-8000-000000000001", "event_type": "order.created"});
        assert_eq!(scene.staff.post("/sandbox/events/trigger", &nobody).invalid(), ["clinic_id"]);
    }

    fn a_reset_puts_the_clinic_back_to_the_seed(engine) {
        let scene = Scene::start(engine);
        let receiver = Receiver::start();
        scene.register(&receiver.url(), &["*"]);
        let partner = &scene.partner;
        let (id, _) = monthly(partner, &scene.seed);
        let added = patient(partner, &scene.seed, "Added");
        partner.post_keyed("/patient", "made", &patient_body(&scene.seed, "Other")).data();
        advance(partner, &id, Some("shipped"));
        partner.post("/sandbox/clock", &json!({"advance_days": 40})).data();
        let told = log(partner).len();

        let was = partner.post_keyed("/sandbox/reset", "reset", &json!({}));
        let ready = was.data()["ready_made"].clone();
        for (kind, id) in [("patient", &added), ("medication-order", &id), ("patient", &scene.seed.patient_id)] {
            partner.get(&format!("/{kind}/{id}")).refused(404, "NOT_FOUND");
        }
        let orders = partner.orders();
        assert_eq!(orders, [(text(&ready["medication_order_id"]), "delivered".to_owned())]);
        for kind in ["patient", "practitioner"] {
            let list = partner.get(&format!("/{kind}")).data().clone();
            assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
            assert_eq!(list[0]["id"], ready[format!("{kind}_id")]);
        }
        // A refill of the order that is there is possible, by the clinic's own time.
        let request = text(&ready["medication_request_id"]);
        let eligible = partner.get(&format!("/refill-request/eligibility?medication_request_id={request}"));
        assert_eq!(eligible.data()["eligible"], true, "{}", eligible.body);
        // What was told stays told; webhooks stay.
        assert!(log(partner).len() > told);
        assert_eq!(partner.get("/webhook").data().as_array().map(Vec::len), Some(1));
        assert_eq!(scene.ledger().dead, 0);
        // A repeat changes nothing, and a key of what is gone is free again.
        assert_eq!(partner.post_keyed("/sandbox/reset", "reset", &json!({})).data()["ready_made"], ready);
        let again = patient_body(&scene.seed, "Other");
        assert_eq!(partner.post_keyed("/patient", "made", &again).invalid(), ["practitioner_id"]);
        // The store's seed is what there is now.
        assert_eq!(scene.server.store().seed().patient_id, text(&ready["patient_id"]));
        let found = partner.get("/sandbox/fixtures").data()["ready_made"].clone();
        assert_eq!(found, ready);
    }
}

#[test]
fn a_reset_touches_no_other_clinic() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let (partner, staff) = (server.partner(&seed), server.staff(&seed));
    let body = json!({"clinic_id": seed.other_clinic_id});
    staff.post("/sandbox/reset", &body).data();
    partner.get(&format!("/patient/{}", seed.patient_id)).data();
    let theirs = server.stranger(&seed).get("/medication-order").data().clone();
    assert_eq!(theirs.as_array().map(Vec::len), Some(1), "{theirs}");
}

#[test]
fn production_has_no_such_paths() {
    let server = Store::production(Engine::Sqlite).serve();
    let nobody = server.anonymous();
    for (method, path) in [
        (Method::GET, "/api/external/sandbox/fixtures"),
        (Method::POST, "/api/external/sandbox/clock"),
        (Method::POST, "/api/external/sandbox/orders/01890000-0000-7000-8000-000000000001/advance"),
        (Method::POST, "/api/external/sandbox/trigger"),
        (Method::POST, "/api/external/sandbox/reset"),
        (Method::GET, "/api/sandbox/fixtures"),
        (Method::POST, "/api/sandbox/clock"),
        (Method::POST, "/api/sandbox/orders/01890000-0000-7000-8000-000000000001/advance"),
        (Method::POST, "/api/sandbox/events/trigger"),
        (Method::POST, "/api/sandbox/reset"),
    ] {
        let there = nobody.send(method.clone(), path, &[], None);
        let nowhere = nobody.send(method, "/api/external/nowhere", &[], None);
        let message = text(&there.refused(404, "NOT_FOUND")["message"]);
        assert_eq!(nowhere.refused(404, "NOT_FOUND")["message"], message.as_str(), "{path}");
    }
}
