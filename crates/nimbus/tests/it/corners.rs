//! Where an order's parts come into each other's way: parcels, cancellations, replacements, prescriptions.

use serde_json::json;

use crate::support::{
    Server,
    story::{line, text},
    two_engines,
};

two_engines! {
    fn a_parcel_ends_with_its_last_live_line(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let order = partner.order_of(&seed, &[line("Lisinopril"), line("Metformin")]);
        let path = format!("/pharmacy/orders/{}", order.id);
        let first = json!({"medication_request_ids": [order.lines[0]]});
        staff.work(&order.id, "verify");
        for act in ["submit", "acknowledge", "start-fill", "fill"] {
            staff.post(&format!("{path}/{act}"), &first).data();
        }
        let shipment = staff.ship(&[&order.id]);
        staff.post(&format!("{path}/cancel"), &first).data();
        assert_eq!(partner.get(&format!("/shipment/{shipment}")).data()["status"], "cancelled");
        assert_eq!(partner.read_order(&order.id)["status"], "verified", "the other line goes on");
    }

    fn a_parcel_that_leaves_answers_a_cancellation(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let order = partner.order(&seed);
        staff.fill(&order.id);
        let shipment = staff.ship(&[&order.id]);
        let asked = partner.post(&format!("/medication-order/{}/cancel", order.id), &json!({"reason": "moved"}));
        assert!(asked.data()["cancellation_requested_at"].is_string());
        staff.shipment_is(&shipment, "in_transit");
        assert!(partner.read_order(&order.id)["cancellation_requested_at"].is_null(), "it has left");

        let second = partner.order(&seed);
        staff.fill(&second.id);
        partner.post(&format!("/medication-order/{}/cancel", second.id), &json!({})).data();
        let body = json!({
            "medication_orders": [second.id], "carrier_id": "se-11226", "service_id": "ups_ground",
        });
        let refused = staff.post("/pharmacy/shipments", &body);
        let error = refused.refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(error["details"][0]["reason"], "cancellation_requested");
        let ids = json!({"medication_request_ids": [second.lines[0]]});
        let accept = format!("/pharmacy/orders/{}/accept-cancellation", second.id);
        assert_eq!(staff.post(&accept, &ids).invalid(), ["medication_request_ids"]);
        staff.work(&second.id, "accept-cancellation");
        assert_eq!(partner.read_order(&second.id)["status"], "cancelled");
    }

    fn each_lost_parcel_is_replaced_once(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let order = partner.order_of(&seed, &[line("Lisinopril"), line("Metformin")]);
        let path = format!("/pharmacy/orders/{}", order.id);
        staff.work(&order.id, "verify");
        for id in &order.lines {
            let one = json!({"medication_request_ids": [id]});
            for act in ["submit", "acknowledge", "start-fill", "fill"] {
                staff.post(&format!("{path}/{act}"), &one).data();
            }
            let shipment = staff.ship(&[&order.id]);
            staff.shipment_is(&shipment, "lost");
            let new = staff.post(&format!("{path}/replace"), &json!({"note": "lost on the way"})).data().clone();
            let view = partner.read_order(&text(&new["medication_order_id"]));
            assert_eq!(view["medication_requests"].as_array().map(Vec::len), Some(1));
            staff.act(&format!("{path}/replace")).refused(400, "INVALID_STATUS_TRANSITION");
        }
    }

    fn nothing_is_filled_on_a_prescription_that_was_stopped(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let order = partner.order(&seed);
        staff.work(&order.id, "verify");
        let prescription = format!("/pharmacy/prescriptions/{}", order.prescriptions[0]);
        staff.post(&format!("{prescription}/hold"), &json!({"reason": "interaction"})).data();
        let refused = staff.act(&format!("/pharmacy/orders/{}/submit", order.id));
        let error = refused.refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(error["details"][0]["prescription_status"], "on_hold");
        staff.act(&format!("{prescription}/release")).data();
        staff.work(&order.id, "submit");
    }
}
