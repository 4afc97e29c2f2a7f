//! Orders: placed for prescriptions on file, read on both APIs, followed and cancelled.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Scene, order_uuid, pat, rx};
use crate::support::{
    Engine, repository,
    story::{WORK, line, text},
    two_engines,
};

/// The fields of an order.
const FIELDS: [&str; 14] = [
    "id",
    "patientId",
    "prescriptionId",
    "prescriptionIds",
    "status",
    "shippingAddress",
    "trackingNumber",
    "trackingUrl",
    "carrier",
    "notes",
    "createdAt",
    "updatedAt",
    "estimatedDeliveryDate",
    "cancellationRequestedAt",
];

/// The ids and statuses of a list, newest first.
#[track_caller]
fn listed(scene: &Scene, query: &str) -> Vec<(String, String)> {
    let reply = scene.orders.get(&format!("/orders?{query}"));
    let list = reply.resource(200)["data"].as_array().expect("data");
    list.iter().map(|order| (text(&order["id"]), text(&order["status"]))).collect()
}

two_engines! {
    fn the_published_request_is_an_order(engine) {
        let scene = Scene::new(engine);
        let prescription = scene.on_file();
        let sample = std::fs::read_to_string(repository("testdata/contract/order_request.json")).expect("the sample");
        let mut sample: Value = serde_json::from_str(&sample).expect("JSON");
        sample["patientId"] = json!(pat(&scene.seed.patient_id));
        sample["prescriptionId"] = json!(rx(&prescription));
        let reply = scene.orders.post("/orders", &sample);
        let order = reply.resource(201);
        let id = text(&order["id"]);
        assert_eq!(reply.header("location"), Some(format!("/orders/{id}").as_str()));
        let base62 = id.strip_prefix("ord_").expect("its prefix");
        assert!(base62.len() == 22 && base62.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        let names: BTreeSet<&str> = order.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(FIELDS));
        assert_eq!(order["patientId"], sample["patientId"]);
        assert_eq!(order["prescriptionId"], sample["prescriptionId"]);
        assert_eq!(order["prescriptionIds"], json!([sample["prescriptionId"]]));
        assert_eq!((&order["status"], &order["notes"]), (&json!("pending"), &sample["notes"]));
        let mut address = sample["shippingAddress"].clone();
        address["street2"] = Value::Null;
        assert_eq!(order["shippingAddress"], address);
        for name in ["trackingNumber", "trackingUrl", "carrier", "estimatedDeliveryDate", "cancellationRequestedAt"] {
            assert_eq!(order[name], Value::Null, "{name}");
        }
        for form in [id.clone(), order_uuid(&order["id"])] {
            assert_eq!(scene.orders.get(&format!("/orders/{form}")).resource(200), order);
        }
    }

    fn an_order_is_followed_to_the_door(engine) {
        let scene = Scene::new(engine);
        let order = scene.order(&scene.on_file());
        let (id, uuid) = (text(&order["id"]), order_uuid(&order["id"]));
        let status = || text(&scene.orders.get(&format!("/orders/{id}")).resource(200)["status"]);
        let tracking = || scene.orders.get(&format!("/orders/{id}/tracking")).resource(200).clone();
        let before = tracking();
        assert_eq!((&before["orderId"], &before["status"], &before["events"]), (&json!(id), &Value::Null, &json!([])));
        for (act, word) in WORK.iter().zip(["pending", "processing", "processing", "processing", "processing"]) {
            scene.staff.work(&uuid, act);
            assert_eq!(status(), word, "{act}");
            assert_eq!(listed(&scene, &format!("status={word}&limit=1")), [(id.clone(), word.to_owned())]);
        }
        let parcel = scene.staff.ship(&[&uuid]);
        let packed = scene.orders.get(&format!("/orders/{id}")).resource(200).clone();
        assert_eq!((&packed["status"], &packed["carrier"]), (&json!("processing"), &json!("UPS")));
        assert_eq!(packed["trackingNumber"], "1Z999AA10123456784");
        assert!(text(&packed["trackingUrl"]).ends_with("1Z999AA10123456784"));
        assert!(packed["estimatedDeliveryDate"].is_string(), "{packed}");
        assert_eq!(tracking()["status"], "pending");
        for (word, expected) in
            [("in_transit", "shipped"), ("out_for_delivery", "shipped"), ("delivered", "delivered")]
        {
            scene.staff.shipment_is(&parcel, word);
            assert_eq!(status(), expected, "{word}");
            let now = tracking();
            assert_eq!(now["status"], word);
            assert_eq!(now["trackingNumber"], packed["trackingNumber"]);
            assert_eq!(now["events"].as_array().expect("events").last().expect("one")["status"], word);
        }
        let events = tracking()["events"].clone();
        let words: Vec<&str> = events.as_array().expect("events").iter().map(|it| it["status"].as_str().expect("a word")).collect();
        assert_eq!(words, ["in_transit", "out_for_delivery", "delivered"]);
        assert!(!events[0]["occurredAt"].as_str().expect("a time").is_empty());
        scene.orders.act(&format!("/orders/{id}/cancel")).orders_refused(409, "invalid_status_transition");
    }

    fn a_held_order_reads_as_the_state_it_left(engine) {
        let scene = Scene::new(engine);
        let order = scene.order(&scene.on_file());
        let (id, uuid) = (text(&order["id"]), order_uuid(&order["id"]));
        scene.staff.work(&uuid, "verify");
        scene.staff.work(&uuid, "submit");
        let hold = format!("/pharmacy/orders/{uuid}/hold");
        scene.staff.post(&hold, &json!({"reason": "out_of_stock"})).data();
        assert_eq!(scene.partner.read_order(&uuid)["status"], "on_hold");
        assert_eq!(scene.orders.get(&format!("/orders/{id}")).resource(200)["status"], "processing");
        let mine = |query: &str| listed(&scene, query).iter().any(|(other, _)| *other == id);
        assert!(mine("status=processing") && !mine("status=pending"));
        scene.staff.act(&format!("/pharmacy/orders/{uuid}/release")).data();
        assert!(mine("status=processing"));
    }

    fn lists_are_filtered_and_paged(engine) {
        let scene = Scene::new(engine);
        let made: Vec<String> = (0..5).map(|_| text(&scene.order(&scene.on_file())["id"])).collect();
        scene.staff.work(&order_uuid(&json!(made[0])), "reject");
        scene.orders.act(&format!("/orders/{}/cancel", made[1])).resource(200);
        let ids = |query: &str| -> Vec<String> { listed(&scene, query).into_iter().map(|(id, _)| id).collect() };
        // Those that only put a prescription on file are cancelled as well.
        let cancelled: Vec<String> =
            ids("status=cancelled").into_iter().filter(|id| made.contains(id)).collect();
        assert_eq!(cancelled, [made[1].clone(), made[0].clone()]);
        assert_eq!(ids("status=pending"), [made[4].clone(), made[3].clone(), made[2].clone()]);
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let reply = scene.orders.get(&format!("/orders?status=pending&limit=2{cursor}"));
            let page = reply.resource(200);
            seen.extend(page["data"].as_array().expect("data").iter().map(|order| text(&order["id"])));
            assert_eq!(page["hasMore"], page["nextCursor"].is_string());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, [made[4].clone(), made[3].clone(), made[2].clone()]);
        let of_patient = format!("patientId={}", pat(&scene.seed.patient_id));
        assert_eq!(ids(&format!("{of_patient}&status=pending")).len(), 3);
        assert_eq!(ids("patientId=01890000-0000-7000-8000-000000000001&status=pending"), Vec::<String>::new());
        let third = scene.orders.get(&format!("/orders/{}", made[2])).resource(200)["createdAt"].clone();
        assert_eq!(ids(&format!("status=pending&createdFrom={}", text(&third))).len(), 3);
        assert_eq!(ids(&format!("status=pending&createdUntil={}", text(&third))).len(), 0);
    }

    fn both_apis_show_the_same_orders(engine) {
        let scene = Scene::new(engine);
        // Made there, read and cancelled here.
        let there = scene.partner.order_of(&scene.seed, &[line("Lisinopril"), line("Losartan")]);
        let here = scene.orders.get(&format!("/orders/{}", there.id)).resource(200).clone();
        let both: Vec<String> = there.prescriptions.iter().map(|id| rx(id)).collect();
        assert_eq!((&here["prescriptionId"], &here["prescriptionIds"]), (&json!(both[0]), &json!(both)));
        assert_eq!(here["shippingAddress"]["country"], "US");
        let reason = json!({"reason": "no longer needed"});
        let cancelled = scene.orders.post(&format!("/orders/{}/cancel", text(&here["id"])), &reason);
        assert_eq!(cancelled.resource(200)["status"], "cancelled");
        assert_eq!(scene.partner.read_order(&there.id)["status"], "cancelled");
        // Made here, read and cancelled there; one history.
        let made = scene.order(&scene.on_file());
        let uuid = order_uuid(&made["id"]);
        let read = scene.partner.read_order(&text(&made["id"]));
        assert_eq!((&read["id"], &read["status"]), (&json!(uuid), &json!("pending")));
        assert_eq!(read["shipping_address"]["addressLine1"], made["shippingAddress"]["street1"]);
        scene.staff.work(&uuid, "verify");
        scene.partner.act(&format!("/medication-order/{uuid}/cancel")).data();
        assert_eq!(scene.orders.get(&format!("/orders/{uuid}")).resource(200)["status"], "cancelled");
        let history = scene.partner.read_order(&uuid)["status_history"].clone();
        let of_order = history.as_array().expect("rows").iter().filter(|row| row["subject"] == "order");
        let words: Vec<&str> = of_order.map(|row| row["to"].as_str().expect("a word")).collect();
        assert_eq!(words, ["pending", "verified", "cancelled"]);
    }

    fn cancelling_while_it_is_filled_is_a_request(engine) {
        let scene = Scene::new(engine);
        let id = text(&scene.order(&scene.on_file())["id"]);
        let uuid = order_uuid(&json!(id));
        for act in &WORK[..4] {
            scene.staff.work(&uuid, act);
        }
        let asked = scene.orders.act(&format!("/orders/{id}/cancel")).resource(200).clone();
        assert_eq!(asked["status"], "processing");
        assert!(asked["cancellationRequestedAt"].is_string(), "{asked}");
        assert_eq!(scene.orders.act(&format!("/orders/{id}/cancel")).resource(200), &asked, "asking again");
        scene.staff.work(&uuid, "decline-cancellation");
        let declined = scene.orders.get(&format!("/orders/{id}")).resource(200).clone();
        assert_eq!((&declined["status"], &declined["cancellationRequestedAt"]), (&json!("processing"), &Value::Null));
        scene.orders.act(&format!("/orders/{id}/cancel")).resource(200);
        scene.staff.work(&uuid, "accept-cancellation");
        assert_eq!(scene.orders.get(&format!("/orders/{id}")).resource(200)["status"], "cancelled");
        scene.orders.act(&format!("/orders/{id}/cancel")).orders_refused(409, "invalid_status_transition");
    }

    fn a_first_fill_consumes_no_refill_and_the_next_does(engine) {
        let scene = Scene::new(engine);
        let prescription = scene.on_file();
        let first = scene.order(&prescription);
        assert_eq!(scene.refills_remaining(&prescription), 3);
        // Cancelled, it can be ordered again: still the first.
        scene.orders.act(&format!("/orders/{}/cancel", text(&first["id"]))).resource(200);
        scene.order(&prescription);
        assert_eq!(scene.refills_remaining(&prescription), 3);

        // The seeded one was filled 60 days ago.
        let seeded = &scene.seed.prescription_id;
        for end in ["cancel", "reject"] {
            let refill = scene.order(seeded);
            assert_eq!(scene.refills_remaining(seeded), 2);
            let uuid = order_uuid(&refill["id"]);
            match end {
                "cancel" => scene.orders.act(&format!("/orders/{uuid}/cancel")).resource(200).clone(),
                _ => scene.staff.work(&uuid, end),
            };
            assert_eq!(scene.refills_remaining(seeded), 3, "given back by {end}");
        }
        assert_eq!(scene.partner.get("/refill-request").data(), &json!([]), "no refill request stands behind it");
    }

    fn a_fill_goes_as_the_one_before_unless_it_is_told(engine) {
        let scene = Scene::new(engine);
        let shipping = |order: &Value| scene.partner.read_order(&text(&order["id"]))["shipping"].clone();
        let like_before = scene.order(&scene.seed.prescription_id);
        assert_eq!(shipping(&like_before)["service_id"], "fedex_2day");
        let mut body = scene.order_body(&scene.on_file());
        body["carrierId"] = json!("se-11225");
        body["serviceId"] = json!("usps_priority_mail");
        let chosen = scene.orders.post("/orders", &body).resource(201).clone();
        assert_eq!(shipping(&chosen)["service_id"], "usps_priority_mail");
    }
}

#[test]
fn a_repeated_request_is_answered_as_before() {
    let scene = Scene::new(Engine::Sqlite);
    let body = scene.order_body(&scene.on_file());
    let first = scene.orders.post_keyed("/orders", "the-same", &body);
    let again = scene.orders.post_keyed("/orders", "the-same", &body);
    assert_eq!((first.status, &first.bytes), (201, &again.bytes));
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(first.header("location"), again.header("location"));
    assert!(first.header("location").is_some());
    let other = scene.order_body(&scene.on_file());
    scene.orders.post_keyed("/orders", "the-same", &other).orders_refused(409, "idempotency_key_conflict");
    let refill = scene.refill_body(&scene.seed.prescription_id);
    let first = scene.orders.post_keyed("/refills", "a-refill", &refill);
    let again = scene.orders.post_keyed("/refills", "a-refill", &refill);
    assert_eq!((first.status, &first.bytes), (201, &again.bytes));
    let cancel = format!("/refills/{}/cancel", text(&first.body["id"]));
    let first = scene.orders.post_keyed(&cancel, "cancelled", &json!({}));
    let again = scene.orders.post_keyed(&cancel, "cancelled", &json!({}));
    assert_eq!((first.status, &first.bytes), (200, &again.bytes));
}
