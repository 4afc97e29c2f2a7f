//! What goes into a parcel and what leaves it again; returned and lost parcels, and what replaces them.

use nimbus_core::ids::OrderId;
use nimbus_store::testing::{block_on, logs_settle};
use serde_json::{Value, json};

use super::{ONE, OTHER, Scene, parcel};
use crate::support::{eventually, story::text, two_engines};

two_engines! {
    fn an_order_goes_in_two_parcels(engine) {
        let scene = Scene::new(engine);
        let order = scene.filled(3);
        let [first, second, third] = [0, 1, 2].map(|index| order.lines[index].as_str());
        let one = scene.pack(&[&order.id], &[third, first], ONE);
        let again = parcel(&[&order.id], &[first], OTHER);
        scene.staff.post("/pharmacy/shipments", &again).refused(400, "INVALID_STATUS_TRANSITION");
        let rest = scene.pack(&[&order.id], &[], OTHER);

        scene.staff.shipment_is(&one, "in_transit");
        assert_eq!(scene.lines(&order.id), ["shipped", "filled", "shipped"]);
        assert_eq!(scene.status(&order.id), "filled", "an order stands where its least advanced line is");
        assert!(scene.order_events_now(&order.id, "order.fulfilled").is_empty());
        scene.staff.shipment_is(&one, "delivered");
        scene.staff.shipment_is(&rest, "out_for_delivery");
        assert_eq!(scene.lines(&order.id), ["delivered", "shipped", "delivered"]);
        assert_eq!(scene.status(&order.id), "shipped");
        assert_eq!(scene.order_events(&order.id, "order.fulfilled").len(), 1, "with the last of its parcels");

        let view = scene.partner.read_order(&order.id);
        let parcels: Vec<(String, String)> = view["shipments"].as_array().expect("shipments").iter()
            .map(|parcel| (text(&parcel["id"]), text(&parcel["status"]))).collect();
        assert_eq!(parcels.len(), 2, "{view}");
        assert!(parcels.contains(&(one.clone(), "delivered".to_owned())), "{parcels:?}");
        assert!(parcels.contains(&(rest.clone(), "out_for_delivery".to_owned())), "{parcels:?}");
        let orders = scene.server.orders(&scene.seed);
        let found = orders.get(&format!("/orders/{}", order.id)).resource(200).clone();
        assert_eq!((&found["status"], &found["trackingNumber"]), (&json!("shipped"), &json!(OTHER)));
        let tracking = orders.get(&format!("/orders/{}/tracking", order.id)).resource(200).clone();
        let seen: Vec<&Value> = tracking["events"].as_array().expect("events").iter().map(|it| &it["shipmentId"]).collect();
        assert_eq!(seen.len(), 3, "of both parcels: {tracking}");

        scene.staff.shipment_is(&rest, "delivered");
        assert_eq!(scene.status(&order.id), "delivered");
        assert_eq!(scene.order_events(&order.id, "order.delivered").len(), 1);
        for (line, number) in [(first, ONE), (second, OTHER), (third, ONE)] {
            let request = scene.partner.get(&format!("/medication-request/{line}")).data().clone();
            assert_eq!(request["tracking_number"], number, "{request}");
        }
    }

    fn only_filled_lines_of_the_orders_are_packed(engine) {
        let scene = Scene::new(engine);
        let (order, other) = (scene.filled(2), scene.filled(1));
        let unknown = parcel(&[&order.id], &[&order.lines[0], &other.lines[0]], ONE);
        assert_eq!(scene.staff.post("/pharmacy/shipments", &unknown).invalid(), ["medication_request_ids[1]"]);
        let hold = json!({"reason": "out_of_stock", "medication_request_ids": [order.lines[1]]});
        scene.staff.post(&format!("/pharmacy/orders/{}/hold", order.id), &hold).data();
        let held = parcel(&[&order.id], &[&order.lines[1]], ONE);
        scene.staff.post("/pharmacy/shipments", &held).refused(400, "INVALID_STATUS_TRANSITION");
        let packed = scene.pack(&[&order.id], &[], ONE);
        scene.staff.shipment_is(&packed, "delivered");
        assert_eq!(scene.lines(&order.id), ["delivered", "on_hold"]);
    }

    fn a_line_that_is_held_leaves_its_parcel(engine) {
        let scene = Scene::new(engine);
        let order = scene.filled(2);
        let both = scene.pack(&[&order.id], &[], ONE);
        let version = scene.shipment(&both)["updated_at"].clone();
        let hold = |line: &str| {
            let body = json!({"reason": "address", "medication_request_ids": [line]});
            scene.staff.post(&format!("/pharmacy/orders/{}/hold", order.id), &body).data();
        };
        hold(&order.lines[0]);
        let view = scene.shipment(&both);
        assert_eq!((&view["status"], &view["medication_orders"]), (&json!("pending"), &json!([order.id])));
        assert_ne!(view["updated_at"], version);
        scene.staff.shipment_is(&both, "in_transit");
        assert_eq!(scene.lines(&order.id), ["on_hold", "shipped"], "what is held does not leave");

        scene.staff.work(&order.id, "release");
        assert_eq!(scene.lines(&order.id), ["filled", "shipped"]);
        let later = scene.pack(&[&order.id], &[], OTHER);
        hold(&order.lines[0]);
        assert_eq!(scene.shipment(&later)["status"], "cancelled", "nothing is left in it");
        let told = scene.events("shipment:cancelled", |data| data["shipment_id"] == later.as_str());
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["event_data"]["medication_orders"], json!([order.id]));
        scene.staff.patch(&format!("/pharmacy/shipments/{later}/status"), &json!({"status": "in_transit"}))
            .refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(scene.lines(&order.id), ["on_hold", "shipped"]);
    }

    fn a_cancelled_order_leaves_the_shared_parcel(engine) {
        let scene = Scene::new(engine);
        let (stays, goes) = (scene.filled_of_group("group 7"), scene.filled_of_group("group 7"));
        let shared = scene.pack(&[&goes.id, &stays.id], &[], ONE);
        assert_eq!(scene.shipment(&shared)["medication_orders"], json!([goes.id, stays.id]));
        scene.staff.work(&goes.id, "cancel");
        assert_eq!(scene.shipment(&shared)["medication_orders"], json!([stays.id]));
        assert_eq!(scene.partner.read_order(&goes.id)["shipments"], json!([]));
        scene.staff.shipment_is(&shared, "in_transit");
        let told = scene.events("shipment:updated", |data| data["shipment_id"] == shared.as_str());
        assert_eq!(told[0]["event_data"]["medication_orders"], json!([stays.id]));
        assert_eq!((scene.status(&goes.id), scene.status(&stays.id)), ("cancelled".to_owned(), "shipped".to_owned()));
    }

    fn a_cancelled_label_is_made_again(engine) {
        let scene = Scene::new(engine);
        let order = scene.filled(2);
        let wrong = scene.pack(&[&order.id], &[], ONE);
        scene.staff.post(&format!("/pharmacy/shipments/{wrong}/cancel"), &json!({"reason": "Label torn"})).data();
        assert_eq!(scene.lines(&order.id), ["filled", "filled"]);
        let right = scene.pack(&[&order.id], &[], OTHER);
        scene.staff.shipment_is(&right, "delivered");
        assert_eq!(scene.lines(&order.id), ["delivered", "delivered"]);
        assert_eq!(scene.shipment(&wrong)["medication_orders"], json!([order.id]), "it still says what was in it");
        let view = scene.partner.read_order(&order.id);
        assert_eq!(view["shipments"].as_array().map(Vec::len), Some(2), "{view}");
        let followed = scene.server.orders(&scene.seed).get(&format!("/orders/{}", order.id)).resource(200).clone();
        assert_eq!(followed["trackingNumber"], OTHER);
    }

    fn what_comes_back_is_replaced_once_and_consumes_no_refill(engine) {
        let scene = Scene::new(engine);
        for end in ["returned", "lost"] {
            let order = scene.filled(2);
            let remaining = |index: usize| {
                let path = format!("/prescription/{}", order.prescriptions[index]);
                scene.partner.get(&path).data()["refills_remaining"].clone()
            };
            let gone = scene.pack(&[&order.id], &[&order.lines[0]], ONE);
            let arrives = scene.pack(&[&order.id], &[], OTHER);
            scene.staff.shipment_is(&arrives, "delivered");
            let replace = format!("/pharmacy/orders/{}/replace", order.id);
            scene.staff.post(&replace, &json!({})).refused(400, "INVALID_STATUS_TRANSITION");
            scene.staff.shipment_is(&gone, end);
            assert_eq!(scene.lines(&order.id), [end, "delivered"]);
            assert_eq!(scene.needing_attention(""), [gone.as_str()]);
            let of_line = |data: &Value| data["medication_request_id"] == order.lines[0].as_str() && data["status"] == end;
            let told = scene.events("medication:updated", of_line);
            assert_eq!((told.len(), &told[0]["event_type"]), (1, &json!(format!("medication:{end}"))));

            let before = (remaining(0), remaining(1));
            let new = scene.staff.post(&replace, &json!({"note": "Sent again"})).data().clone();
            let lines = new["medication_requests"].as_array().expect("lines");
            assert_eq!(lines.len(), 1, "only what is gone: {new}");
            assert_eq!(lines[0]["prescription_id"], order.prescriptions[0].as_str());
            assert_eq!((remaining(0), remaining(1)), before);
            assert!(scene.needing_attention("").is_empty(), "it is seen to");
            scene.staff.post(&replace, &json!({})).refused(400, "INVALID_STATUS_TRANSITION");

            let id = text(&new["id"]);
            scene.staff.deliver(&id);
            assert_eq!((scene.status(&id), (remaining(0), remaining(1))), ("delivered".to_owned(), before));
        }
    }

    fn staff_find_what_needs_their_attention(engine) {
        let scene = Scene::new(engine);
        let parcels: Vec<String> = [("in_transit", ONE), ("exception", OTHER), ("attempted", ONE)].iter().map(|(status, number)| {
            let order = scene.filled(1);
            let parcel = scene.pack(&[&order.id], &[], number);
            scene.staff.shipment_is(&parcel, status);
            parcel
        }).collect();
        assert_eq!(scene.needing_attention(""), [parcels[2].as_str(), &parcels[1]]);
        assert_eq!(scene.needing_attention("&status=exception"), [parcels[1].as_str()]);
        assert_eq!(scene.needing_attention(&format!("&clinic_id={}", scene.seed.clinic_id)).len(), 2);
        assert!(scene.needing_attention("&clinic_id=01890000-0000-7000-8000-000000000001").is_empty());
        assert_eq!(scene.staff.get("/pharmacy/shipments?needs_attention=maybe").invalid(), ["needs_attention"]);
        scene.staff.shipment_is(&parcels[1], "in_transit");
        assert_eq!(scene.needing_attention(""), [parcels[2].as_str()]);

        let parcel = scene.shipment(&parcels[0]);
        let order = &parcel["medication_orders"][0];
        let queued = |filter: &str| {
            let found = scene.staff.get(&format!("/pharmacy/orders?limit=100&{filter}"));
            found.data().as_array().expect("a list").iter().any(|queued| queued["id"] == *order)
        };
        assert!(queued("min_age_hours=0") && !queued("min_age_hours=1"), "it was made just now");
        assert_eq!(scene.staff.get("/pharmacy/orders?min_age_hours=-1").invalid(), ["min_age_hours"]);
    }
}

impl Scene {
    /// What the orders API has told of an order so far.
    #[track_caller]
    fn order_events_now(&self, order: &str, kind: &str) -> Vec<Value> {
        let order = order.parse::<OrderId>().expect("an order's id").prefixed();
        block_on(logs_settle());
        let reply = self.server.orders(&self.seed).get("/events?limit=100");
        let all = reply.body["data"].as_array().expect("events");
        all.iter()
            .filter(|it| it["type"] == kind && it["data"]["orderId"] == order.as_str())
            .cloned()
            .collect()
    }

    /// The same, of which there is at least one.
    #[track_caller]
    fn order_events(&self, order: &str, kind: &str) -> Vec<Value> {
        eventually(kind, || Some(self.order_events_now(order, kind)).filter(|found| !found.is_empty()))
    }
}
