//! Bad input: always refused in this API's shape, naming what is wrong, and never with an effect.

use serde_json::{Value, json};
use ureq::http::Method;

use super::Scene;
use crate::support::{Engine, story::text};

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn a_request_that_cannot_be_read_is_an_invalid_request() {
    let scene = Scene::new(Engine::Sqlite);
    let deep = format!("{{\"shippingAddress\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    for body in ["{", "[]", "7", "null", "{\"notes\":\"a\",\"notes\":\"b\"}", "{\"a\":\u{1}}", deep.as_str()]
    {
        for path in ["/orders", "/refills", "/orders/ord_00FODtiM8TKCRUXNHNjZoy/cancel"] {
            let reply = scene.orders.send(Method::POST, path, &[JSON], Some(body.as_bytes()));
            let error = reply.orders_refused(400, "invalid_request");
            assert_eq!(error["details"]["field"], "$", "{path} {body:.20}");
        }
    }
    let bad = [JSON, ("idempotency-key", "with space")];
    let reply = scene.orders.send(Method::POST, "/orders", &bad, Some(b"{}"));
    assert_eq!(reply.orders_refused(400, "invalid_request")["details"]["field"], "Idempotency-Key");
    for (query, field) in [
        ("patient_id=01890000-0000-7000-8000-000000000001", "patientId"),
        ("Limit=5", "limit"),
        ("createdFrom=-005000-01-01T00:00:00Z", "createdFrom"),
        ("createdUntil=0000-12-31T00:00:00Z", "createdUntil"),
    ] {
        let reply = scene.orders.get(&format!("/orders?{query}"));
        assert_eq!(reply.orders_refused(422, "validation_error")["details"]["field"], field);
    }
    for query in ["status=pending&status=shipped", "patientId=%ff%fe"] {
        let reply = scene.orders.get(&format!("/orders?{query}"));
        assert!(matches!(reply.status, 400 | 422), "{query}: {}", reply.body);
    }
}

#[test]
fn every_field_that_is_wrong_is_named_at_once() {
    let scene = Scene::new(Engine::Sqlite);
    let reply = scene.orders.post("/orders", &json!({}));
    assert_eq!(reply.orders_invalid(), ["patientId", "prescriptionId", "shippingAddress"]);
    let body = json!({
        "patientId": "x", "prescriptionId": 7, "notes": "n".repeat(1001), "carrierId": "ups",
        "shippingAddress": {"street1": "", "city": 1, "state": "Tx", "zip": "7870A", "country": "CA"},
    });
    let reply = scene.orders.post("/orders", &body);
    assert_eq!(
        reply.orders_invalid(),
        [
            "patientId",
            "prescriptionId",
            "shippingAddress.street1",
            "shippingAddress.city",
            "shippingAddress.state",
            "shippingAddress.zip",
            "shippingAddress.country",
            "notes",
            "serviceId",
        ]
    );
    // What was sent is not repeated.
    assert!(!reply.body.to_string().contains("7870A"), "{}", reply.body);
    let likely = scene.orders.post("/orders", &json!({"patient_id": scene.seed.patient_id}));
    assert!(text(&likely.body["error"]["details"]["reason"]).contains("patient_id"), "{}", likely.body);
}

#[test]
fn values_out_of_bounds_are_refused() {
    let scene = Scene::new(Engine::Sqlite);
    let prescription = scene.on_file();
    let with = |pointer: &str, value: Value| {
        let mut body = scene.order_body(&prescription);
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        body.pointer_mut(parent).expect("its parent")[name] = value;
        let reply = scene.orders.post("/orders", &body);
        reply.orders_invalid().iter().map(|field| (*field).to_owned()).collect::<Vec<_>>()
    };
    let cases = [
        ("/patientId", json!("pat_zzzzzzzzzzzzzzzzzzzzzz"), "patientId"),
        ("/patientId", json!("ord_00FODtiM8TKCRUXNHNjZoy"), "patientId"),
        ("/prescriptionId", json!(["rx"]), "prescriptionId"),
        ("/shippingAddress", json!("1 Elm St"), "shippingAddress"),
        ("/shippingAddress/street1", json!("a\u{0}b"), "shippingAddress.street1"),
        ("/shippingAddress/street1", json!("\u{200b}\u{feff}"), "shippingAddress.street1"),
        ("/shippingAddress/street2", json!("x".repeat(201)), "shippingAddress.street2"),
        ("/shippingAddress/city", json!({"name": "Austin"}), "shippingAddress.city"),
        ("/shippingAddress/state", json!("ZZ"), "shippingAddress.state"),
        ("/shippingAddress/zip", json!(78701), "shippingAddress.zip"),
        ("/shippingAddress/zip", json!("78701-12"), "shippingAddress.zip"),
        ("/shippingAddress/country", json!("MX"), "shippingAddress.country"),
        ("/notes", json!("\u{7}"), "notes"),
        ("/notes", json!(1e300), "notes"),
    ];
    for (pointer, value, field) in cases {
        assert_eq!(with(pointer, value), [field], "{pointer}");
    }
    for quantity in [json!(0), json!(-1), json!(0.5), json!(1.0001), json!(1e30), json!("NaN"), json!(true)] {
        let mut body = scene.refill_body(&scene.seed.prescription_id);
        body["requestedQuantity"] = quantity;
        assert_eq!(scene.orders.post("/refills", &body).orders_invalid(), ["requestedQuantity"]);
    }
    // Nothing was made of any of them.
    let pending = scene.orders.get("/orders?status=pending").resource(200)["data"].clone();
    assert_eq!(pending, json!([]));
    // Letters of any script are letters.
    let mut body = scene.order_body(&prescription);
    body["shippingAddress"]["street1"] = json!("Straße ñ 東京 🏠 1");
    body["notes"] = json!("لطفاً");
    let made = scene.orders.post("/orders", &body).resource(201).clone();
    assert_eq!(made["shippingAddress"]["street1"], body["shippingAddress"]["street1"]);
    assert_eq!(made["notes"], body["notes"]);
}

#[test]
fn queries_are_checked_like_bodies() {
    let scene = Scene::new(Engine::Sqlite);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("cursor=x", "cursor"),
        ("status=received", "status"),
        ("status=on_hold", "status"),
        ("patientId=1", "patientId"),
        ("createdFrom=2026-02-30T00:00:00Z", "createdFrom"),
        ("createdUntil=yesterday", "createdUntil"),
        ("updatedFrom=2026-13-01T00:00:00Z", "updatedFrom"),
        ("updatedUntil=2026-01-01", "updatedUntil"),
    ] {
        assert_eq!(scene.orders.get(&format!("/orders?{query}")).orders_invalid(), [field], "{query}");
    }
    assert_eq!(scene.orders.get("/refills?status=verified").orders_invalid(), ["status"]);
    assert_eq!(scene.orders.get("/prescriptions?status=new&limit=a").orders_invalid(), ["status", "limit"]);
    let asked = scene.orders.get("/refills/eligibility?requestedQuantity=0");
    assert_eq!(asked.orders_invalid(), ["prescriptionId", "patientId", "requestedQuantity"]);
}
