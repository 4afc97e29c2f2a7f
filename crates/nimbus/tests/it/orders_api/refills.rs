//! Refills by prescription: approved at once, put before a pharmacist, or refused; on both APIs.

use serde_json::{Value, json};

use super::{Scene, order_uuid, pat, reasons, rx};
use crate::support::{
    Engine,
    story::{line, text},
    two_engines,
};

/// A prescription for a week, so that the wait for its refill is within the window of a review.
fn weekly() -> Value {
    let mut line = line("Lisinopril");
    line["days_supply"] = json!(7);
    line
}

fn query(scene: &Scene, prescription: &str) -> String {
    format!(
        "/refills/eligibility?prescriptionId={}&patientId={}",
        rx(prescription),
        pat(&scene.seed.patient_id)
    )
}

two_engines! {
    fn a_clean_request_is_approved_at_once(engine) {
        let scene = Scene::new(engine);
        let seeded = &scene.seed.prescription_id;
        let answer = scene.orders.get(&query(&scene, seeded)).resource(200).clone();
        assert_eq!((&answer["eligible"], &answer["reasons"]), (&json!(true), &json!([])));
        assert_eq!((&answer["reason"], &answer["refillsRemaining"]), (&Value::Null, &json!(3)));
        let reply = scene.orders.post("/refills", &scene.refill_body(seeded));
        let refill = reply.resource(201).clone();
        let id = text(&refill["id"]);
        assert_eq!(reply.header("location"), Some(format!("/refills/{id}").as_str()));
        assert_eq!((&refill["status"], &refill["prescriptionId"]), (&json!("approved"), &json!(rx(seeded))));
        assert_eq!((&refill["requestedQuantity"], &refill["approvedQuantity"]), (&json!(20), &json!(20)));
        assert_eq!(refill["patientId"], json!(pat(&scene.seed.patient_id)));
        assert!(refill["estimatedShipDate"].is_string(), "{refill}");
        assert_eq!(scene.orders.get(&format!("/refills/{id}")).resource(200), &refill);
        assert_eq!(scene.refills_remaining(seeded), 2);
        // The partner API shows it, and the order reads on both.
        let there = scene.partner.get(&format!("/refill-request/{id}")).data().clone();
        let order = order_uuid(&refill["orderId"]);
        assert_eq!((&there["status"], &there["medication_order_id"]), (&json!("approved"), &json!(order)));
        assert_eq!(scene.partner.read_order(&order)["refill_request_id"], there["id"]);
        assert_eq!(reasons(&scene.orders.post("/refills", &scene.refill_body(seeded))), ["not_shipped", "already_open"]);
        assert_eq!(reasons(&scene.orders.post("/orders", &scene.order_body(seeded))), ["not_shipped", "already_open"]);

        // It reads its order, and ships on its parcel's day.
        let now = || scene.orders.get(&format!("/refills/{id}")).resource(200).clone();
        scene.staff.fill(&order);
        assert_eq!(now()["status"], "processing");
        assert_eq!(now()["cancellationRequestedAt"], Value::Null);
        let asked = scene.orders.act(&format!("/refills/{id}/cancel")).resource(200).clone();
        assert_eq!(asked["status"], "processing", "the pharmacy decides");
        assert!(asked["cancellationRequestedAt"].is_string());
        let list = scene.orders.get("/refills?status=processing").resource(200).clone();
        assert_eq!(list["data"], json!([asked]));
        scene.staff.act(&format!("/pharmacy/orders/{order}/decline-cancellation")).data();
        let parcel = scene.staff.ship(&[&order]);
        assert!(now()["estimatedShipDate"].is_string());
        scene.staff.shipment_is(&parcel, "in_transit");
        let list = scene.orders.get("/refills?status=shipped").resource(200).clone();
        assert_eq!(list["data"], json!([now()]));
        assert_eq!(now()["status"], "shipped");
        scene.orders.act(&format!("/refills/{id}/cancel")).orders_refused(409, "invalid_status_transition");
    }

    fn a_soft_finding_is_for_a_pharmacist(engine) {
        let scene = Scene::new(engine);
        let (prescription, _) = scene.delivered(&weekly());
        let answer = scene.orders.get(&query(&scene, &prescription)).resource(200).clone();
        assert_eq!((&answer["eligible"], &answer["requiresReview"]), (&json!(false), &json!(true)));
        assert_eq!((&answer["reason"], &answer["nextEligibleDate"]), (&json!("too_soon"), &answer["reasons"][0]["passesOn"]));
        // POST /orders has no review.
        let refused = scene.orders.post("/orders", &scene.order_body(&prescription));
        assert_eq!(reasons(&refused), ["too_soon"]);
        assert_eq!(refused.body["error"]["details"]["nextEligibleDate"], answer["nextEligibleDate"]);

        let refill = scene.orders.post("/refills", &scene.refill_body(&prescription)).resource(201).clone();
        assert_eq!((&refill["status"], &refill["reviewReason"]), (&json!("pending"), &json!("too_soon")));
        for name in ["orderId", "approvedQuantity", "estimatedShipDate", "denialReason"] {
            assert_eq!(refill[name], Value::Null, "{name}");
        }
        assert_eq!(scene.refills_remaining(&prescription), 3, "nothing is consumed yet");
        assert!(reasons(&scene.orders.post("/refills", &scene.refill_body(&prescription))).contains(&"already_open".to_owned()));
        // What no pharmacist can set aside comes first: waiting for the date would not help.
        let mut body = scene.refill_body(&prescription);
        body["requestedQuantity"] = json!(1000);
        assert_eq!(reasons(&scene.orders.post("/refills", &body)).last().map(String::as_str), Some("too_soon"));

        let id = text(&refill["id"]);
        let act = format!("/pharmacy/refill-requests/{id}");
        scene.staff.post(&format!("{act}/deny"), &json!({"reason": "Too early."})).data();
        let denied = scene.orders.get(&format!("/refills/{id}")).resource(200).clone();
        assert_eq!((&denied["status"], &denied["denialReason"]), (&json!("denied"), &json!("Too early.")));
        scene.orders.act(&format!("/refills/{id}/cancel")).orders_refused(409, "invalid_status_transition");

        let again = scene.orders.post("/refills", &scene.refill_body(&prescription)).resource(201).clone();
        let id = text(&again["id"]);
        scene.staff.act(&format!("/pharmacy/refill-requests/{id}/approve")).data();
        let approved = scene.orders.get(&format!("/refills/{id}")).resource(200).clone();
        assert_eq!((&approved["status"], &approved["approvedQuantity"]), (&json!("approved"), &json!(30)));
        assert!(approved["orderId"].is_string() && approved["estimatedShipDate"].is_string(), "{approved}");
        assert_eq!(scene.refills_remaining(&prescription), 2);
    }

    fn a_larger_quantity_is_reviewed_and_consumes_more(engine) {
        let scene = Scene::new(engine);
        let seeded = &scene.seed.prescription_id;
        let mut body = scene.refill_body(seeded);
        body["requestedQuantity"] = json!(61);
        assert_eq!(reasons(&scene.orders.post("/refills", &body)), ["quantity"], "over all that is left");
        body["requestedQuantity"] = json!(40);
        let refill = scene.orders.post("/refills", &body).resource(201).clone();
        assert_eq!((&refill["status"], &refill["reviewReason"]), (&json!("pending"), &json!("quantity")));
        let id = text(&refill["id"]);
        scene.staff.act(&format!("/pharmacy/refill-requests/{id}/approve")).data();
        assert_eq!(scene.refills_remaining(seeded), 1, "two fills' worth");
        let cancelled = scene.orders.act(&format!("/refills/{id}/cancel")).resource(200).clone();
        assert_eq!((&cancelled["status"], &cancelled["estimatedShipDate"]), (&json!("cancelled"), &Value::Null));
        assert_eq!(scene.refills_remaining(seeded), 3, "both given back");
    }

    fn a_request_is_cancelled_while_it_is_reviewed_or_with_its_order(engine) {
        let scene = Scene::new(engine);
        let (prescription, _) = scene.delivered(&weekly());
        let pending = scene.orders.post("/refills", &scene.refill_body(&prescription)).resource(201).clone();
        let cancel = |id: &Value| scene.orders.post(&format!("/refills/{}/cancel", text(id)), &json!({"reason": "moved"}));
        assert_eq!(cancel(&pending["id"]).resource(200)["status"], "cancelled");
        cancel(&pending["id"]).orders_refused(409, "invalid_status_transition");
        let seeded = &scene.seed.prescription_id;
        let approved = scene.orders.post("/refills", &scene.refill_body(seeded)).resource(201).clone();
        assert_eq!(cancel(&approved["id"]).resource(200)["status"], "cancelled");
        let order = scene.orders.get(&format!("/orders/{}", text(&approved["orderId"]))).resource(200).clone();
        assert_eq!(order["status"], "cancelled");
        assert_eq!(scene.refills_remaining(seeded), 3);
        let ids: Vec<Value> = scene.orders.get("/refills?status=cancelled").resource(200)["data"]
            .as_array().expect("data").iter().map(|refill| refill["id"].clone()).collect();
        assert_eq!(ids, [approved["id"].clone(), pending["id"].clone()]);
    }

    fn refills_of_either_api_stand_in_each_others_way(engine) {
        let scene = Scene::new(engine);
        let there = json!({"medication_request_id": scene.seed.medication_request_id});
        let seeded = &scene.seed.prescription_id;
        // An order that consumes a refill makes no request, and is in the way all the same.
        let order = scene.order(seeded);
        scene.partner.post("/refill-request", &there).refused(400, "REFILL_EXISTS");
        scene.orders.act(&format!("/orders/{}/cancel", text(&order["id"]))).resource(200);
        let made = scene.partner.post("/refill-request", &there).data().clone();
        let here = scene.orders.get(&format!("/refills/{}", text(&made["refill_request_id"]))).resource(200).clone();
        assert_eq!((&here["status"], &here["prescriptionId"]), (&json!("approved"), &json!(rx(seeded))));
        assert!(reasons(&scene.orders.post("/orders", &scene.order_body(seeded))).contains(&"already_open".to_owned()));
        assert_eq!(scene.orders.act(&format!("/refills/{}/cancel", text(&here["id"]))).resource(200)["status"], "cancelled");
        let there = scene.partner.get(&format!("/refill-request/{}", text(&here["id"]))).data().clone();
        assert_eq!(there["status"], "cancelled");
    }
}

#[test]
fn prescriptions_say_what_may_be_ordered() {
    let scene = Scene::new(Engine::Sqlite);
    let on_file = scene.on_file();
    let found = scene.orders.get(&format!("/prescriptions/{}", rx(&on_file))).resource(200).clone();
    assert_eq!(
        (&found["id"], &found["patientId"]),
        (&json!(rx(&on_file)), &json!(pat(&scene.seed.patient_id)))
    );
    assert_eq!((&found["medication"], &found["quantity"]), (&json!("Lisinopril"), &json!(30)));
    assert_eq!((&found["status"], &found["refillsRemaining"]), (&json!("active"), &json!(3)));
    assert_eq!((&found["daysSupply"], &found["sig"]), (&json!(30), &json!("Take one tablet by mouth daily")));
    assert!(found["expiresOn"].is_string());
    let ids = |query: &str| -> Vec<String> {
        let reply = scene.orders.get(&format!("/prescriptions?{query}"));
        reply.resource(200)["data"].as_array().expect("data").iter().map(|it| text(&it["id"])).collect()
    };
    assert_eq!(ids("limit=1"), [rx(&on_file)]);
    assert!(
        ids(&format!("patientId={}&status=active", scene.seed.patient_id))
            .contains(&rx(&scene.seed.prescription_id))
    );
    assert_eq!(ids("status=expired"), Vec::<String>::new());
    assert_eq!(scene.server.stranger(&scene.seed).get("/prescription").data(), &json!([]));
}
