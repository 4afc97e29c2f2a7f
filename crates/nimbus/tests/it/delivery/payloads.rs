//! What a delivery carries: the payloads of the contract's examples, the envelope, and the headers.

use serde_json::{Value, json};

use crate::support::{
    PATIENCE,
    receiver::{Received, Receiver},
    story::{WORK, order_body, text},
    two_engines,
    webhooks::{Scene, older_signature, verdict},
};

/// What no payload may hold: the seeded patient and the drug that the tests order.
const PATIENT_DATA: &[&str] =
    &["jamie", "rivera", "1988-04-12", "patient@example.com", "semaglutide", "inject"];

fn example(name: &str) -> Value {
    let path = crate::support::repository(&format!("testdata/contract/{name}.json"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).expect("an example is JSON")
}

/// Every member of the example is in the payload, with the same JSON type.
#[track_caller]
fn assert_like(example: &Value, actual: &Value, at: &str) {
    match (example, actual) {
        (Value::Object(example), Value::Object(actual)) => {
            for (name, value) in example {
                let found =
                    actual.get(name).unwrap_or_else(|| panic!("{at}.{name} is missing in {actual:?}"));
                assert_like(value, found, &format!("{at}.{name}"));
            }
        }
        (Value::Array(example), Value::Array(actual)) => {
            assert!(!actual.is_empty(), "{at} is empty");
            for (index, value) in actual.iter().enumerate() {
                assert_like(&example[0], value, &format!("{at}[{index}]"));
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(example),
            std::mem::discriminant(actual),
            "{at}: {actual} is not of the type of {example}"
        ),
    }
}

/// The envelope: what the example has, and the additive members.
#[track_caller]
fn assert_envelope(received: &Received, name: &str, event_type: &str) {
    let body = received.json();
    assert_like(&example(&name.replace(':', "_")), &body, name);
    assert_eq!(
        (&body["event_name"], &body["event_type"], &body["event_id"]),
        (&json!(name), &json!(event_type), &json!(received.webhook_id()))
    );
    let created_at = text(&body["created_at"]);
    assert!(
        created_at.ends_with('Z') && created_at.len() == "2024-01-15T10:30:00.000Z".len(),
        "{created_at}"
    );
    assert!(body["sequence"].is_u64(), "{body}");
    let bytes = String::from_utf8_lossy(&received.body).to_lowercase();
    for word in PATIENT_DATA {
        assert!(!bytes.contains(word), "{name} holds patient data: {word}");
    }
}

/// An order of a drug whose name no payload may hold.
fn order(scene: &Scene) -> (String, Value) {
    let line = json!({
        "medication": "Semaglutide", "dose": "2.5mg/ml", "quantity": 2, "unit_of_measure": "ml",
        "direction": "Inject once weekly", "refills": 3, "days_supply": 28,
    });
    let reply = scene.partner.post("/medication-order", &order_body(&scene.seed, &[line]));
    let data = reply.data().clone();
    (text(&data["medication_order_id"]), data)
}

fn ship(scene: &Scene, order: &str) -> String {
    let body = json!({
        "medication_orders": [order], "carrier_id": "se-11226", "service_id": "ups_2nd_day_air",
        "tracking_number": "1Z999AA10123456784", "notes": "Signature required",
    });
    text(&scene.staff.post("/pharmacy/shipments", &body).data()["shipment_id"])
}

two_engines! {
    fn a_parcel_and_its_medication_read_as_in_the_examples(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        scene.partner.register(&scene.seed, &receiver.url(), &json!({}));
        let (order, ordered) = order(&scene);
        scene.staff.fill(&order);
        let shipment = ship(&scene, &order);

        let created = receiver.wait_for_type("shipment:created", PATIENCE);
        assert_envelope(&created, "shipment:created", "shipment:created");
        let data = &created.json()["event_data"];
        let location = json!({
            "address": "456 Oak Ave", "city": "Austin", "state": "TX", "postal_code": "78702",
        });
        for (name, expected) in [
            ("shipment_id", json!(shipment)),
            ("medication_orders", json!([order])),
            ("shipment_status", json!("pending")),
            ("tracking_number", json!("1Z999AA10123456784")),
            ("shipping_partner", json!("UPS")),
            ("shipment_provider", json!("se-11226")),
            ("notes", json!("Signature required")),
            ("delivery_location", location),
            ("clinic_id", json!(scene.seed.clinic_id)),
            ("patient_id", json!(scene.seed.patient_id)),
            ("practitioner_id", json!(scene.seed.practitioner_id)),
        ] {
            assert_eq!(data[name], expected, "{name}");
        }
        let url = text(&data["tracking_url"]);
        assert!(url.contains("1Z999AA10123456784"), "{url}");

        let moved = json!({"status": "in_transit", "note": "Out for delivery"});
        scene.staff.patch(&format!("/pharmacy/shipments/{shipment}/status"), &moved).data();
        let shipped = receiver.wait_for_type("medication:shipped", PATIENCE);
        assert_envelope(&shipped, "medication:updated", "medication:shipped");
        let data = &shipped.json()["event_data"];
        let line = &ordered["medications"][0];
        for (name, expected) in [
            ("id", json!(order)),
            ("medication_order_id", json!(order)),
            ("medication_request_id", line["id"].clone()),
            ("prescription_id", line["prescription_id"].clone()),
            ("status", json!("shipped")),
            ("previous_status", json!("filled")),
            ("pharmetika_status", json!("shipped")),
            ("tracking_number", json!("1Z999AA10123456784")),
            ("notes", json!("Out for delivery")),
            ("clinic_id", json!(scene.seed.clinic_id)),
            ("patient_id", json!(scene.seed.patient_id)),
            ("practitioner_id", json!(scene.seed.practitioner_id)),
        ] {
            assert_eq!(data[name], expected, "{name}");
        }
        assert!(data["rx_number"].is_string(), "{data}");
    }

    fn a_cancelled_parcel_reads_as_in_the_example(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        scene.partner.register(&scene.seed, &receiver.url(), &json!({}));
        let (order, _) = order(&scene);
        scene.staff.fill(&order);
        let shipment = ship(&scene, &order);
        let path = format!("/pharmacy/shipments/{shipment}/cancel");
        scene.staff.post(&path, &json!({"reason": "Patient request"})).data();

        let cancelled = receiver.wait_for_type("shipment:cancelled", PATIENCE);
        assert_envelope(&cancelled, "shipment:cancelled", "shipment:cancelled");
        let data = &cancelled.json()["event_data"];
        assert_eq!(
            (&data["shipment_id"], &data["medication_orders"], &data["cancellation_reason"]),
            (&json!(shipment), &json!([order]), &json!("Patient request"))
        );
    }

    fn each_step_of_the_work_is_told_in_the_words_of_the_contract(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        scene.register(&receiver.url(), &["medication:updated"]);
        let (order, _) = order(&scene);
        for act in WORK {
            scene.staff.work(&order, act);
        }
        let mut told: Vec<(i64, Value)> = receiver
            .wait_for(4, PATIENCE)
            .iter()
            .map(|received| {
                let body = received.json();
                let data = &body["event_data"];
                let words = json!([body["event_type"], data["status"], data["previous_status"]]);
                (body["sequence"].as_i64().expect("a number"), words)
            })
            .collect();
        told.sort_by_key(|(sequence, _)| *sequence);
        let told: Vec<Value> = told.into_iter().map(|(_, words)| words).collect();
        let expected = [
            json!(["medication:validated", "validated", "pending"]),
            json!(["medication:submitted", "submitted", "validated"]),
            json!(["medication:acknowledged", "acknowledged", "submitted"]),
            json!(["medication:filled", "filled", "acknowledged"]),
        ];
        assert_eq!(told, expected);
    }

    fn every_attempt_is_signed_and_keyed(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["medication:updated"]);
        let (order, _) = order(&scene);
        scene.staff.work(&order, "verify");
        let received = receiver.wait_for(1, PATIENCE).remove(0);

        assert_eq!(received.path, receiver.path());
        assert_eq!(verdict(&received, &endpoint.secret), Ok(()));
        let another = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        assert!(verdict(&received, another).is_err(), "another secret verifies too");
        let older = older_signature(&received, &endpoint.secret);
        assert_eq!(received.header("x-webhook-signature"), Some(older.as_str()));
        assert_eq!(received.header("x-api-key"), Some(scene.seed.keys.integration.as_str()));
        assert_eq!(received.header("content-type"), Some("application/json"));
        let agent = received.header("user-agent").expect("a user agent");
        assert!(agent.starts_with("Nimbus-Webhooks/"), "{agent}");
    }

    fn the_key_of_the_registration_is_sent_and_can_be_kept_back(engine) {
        let scene = Scene::start(engine);
        let (theirs, none, tagged) = (Receiver::start(), Receiver::start(), Receiver::start());
        let types = json!({"event_types": ["medication:updated"]});
        let narrow = scene.server.pharmacy_partner(&scene.seed);
        narrow.register(&scene.seed, &theirs.url(), &types);
        let keyless = json!({"event_types": ["medication:updated"], "send_api_key": false});
        scene.partner.register(&scene.seed, &none.url(), &keyless);
        let endpoint = scene.partner.register(&scene.seed, &tagged.url(), &types);
        scene.partner.patch(&endpoint.path(), &json!({"headers": {"X-Tenant": "blue"}})).data();
        let (order, _) = order(&scene);
        scene.staff.work(&order, "verify");

        let received = theirs.wait_for(1, PATIENCE).remove(0);
        assert_eq!(received.header("x-api-key"), Some(scene.seed.keys.pharmacy_partner.as_str()));
        assert_eq!(none.wait_for(1, PATIENCE)[0].header("x-api-key"), None);
        assert_eq!(tagged.wait_for(1, PATIENCE)[0].header("x-tenant"), Some("blue"));
    }
}
