//! Holds as partners read and resolve them, and how the order goes on.

use serde_json::{Value, json};

use crate::support::{
    Engine, PATIENCE, Reply,
    receiver::{Received, Receiver},
    story::{Ordered, line, order_body, text},
    two_engines,
    webhooks::Scene,
};

impl Scene {
    /// Puts every live line of an order on hold; the id of the newest hold.
    #[track_caller]
    fn hold(&self, order: &str, reason: &str, note: &str) -> String {
        let body = json!({"reason": reason, "note": note});
        let held = self.staff.post(&format!("/pharmacy/orders/{order}/hold"), &body);
        let holds = held.data()["holds"].as_array().expect("holds").clone();
        text(&holds.last().expect("a hold")["id"])
    }

    fn resolve(&self, order: &str, hold: &str, answer: &Value) -> Reply {
        self.partner.post(&format!("/medication-order/{order}/holds/{hold}/resolve"), answer)
    }

    #[track_caller]
    fn prescription(&self, order: &Ordered) -> Value {
        self.partner.get(&format!("/prescription/{}", order.prescriptions[0])).data().clone()
    }
}

fn elsewhere() -> Value {
    json!({"addressLine1": "12 Pine Rd", "addressLine2": "Apt 4", "city": "Dallas", "state": "TX",
        "postalCode": "75201"})
}

two_engines! {
    fn a_partner_reads_what_holds_a_line_and_gives_another_address(engine) {
        let scene = Scene::start(engine);
        let receiver = Receiver::start();
        scene.register(&receiver.url(), &["medication:updated"]);
        let order = scene.partner.order_of(&scene.seed, &[line("Lisinopril"), line("Metformin")]);
        scene.staff.work(&order.id, "verify");
        let hold = scene.hold(&order.id, "address", "The carrier does not know the street.");

        let read = scene.partner.read_order(&order.id);
        let held = &read["holds"][0];
        assert_eq!((&held["reason"], &held["resolvable_by"]), (&json!("address"), &json!("partner")));
        assert_eq!(held["required_fields"], json!(["shipping_address"]));
        assert_eq!(held["message"], "The parcel cannot be sent to the address as it stands.");
        assert_eq!(held["note"], "The carrier does not know the street.");
        assert_eq!((&held["gate"], &held["citation"]), (&Value::Null, &Value::Null));
        let queued = scene.staff.get(&format!("/pharmacy/orders/{}", order.id)).data().clone();
        assert_eq!(queued["holds"], read["holds"], "staff read the same");

        for (answer, field) in [
            (json!({}), "shipping_address"),
            (json!({"shipping_address": read["shipping_address"]}), "shipping_address"),
            (json!({"shipping_address": elsewhere(), "days_supply": 30}), "days_supply"),
            (json!({"shipping_address": {"city": "Dallas"}}), "shipping_address.addressLine1"),
        ] {
            assert_eq!(scene.resolve(&order.id, &hold, &answer).invalid()[0], field, "{answer}");
        }
        assert_eq!(scene.partner.read_order(&order.id)["status"], "on_hold", "the hold stays");

        let answer = json!({"shipping_address": elsewhere(), "note": "They have moved."});
        let resolved = scene.resolve(&order.id, &hold, &answer);
        let data = resolved.said("Hold resolved; the order goes on");
        assert_eq!((&data["status"], &data["shipping_address"]["city"]), (&json!("verified"), &json!("Dallas")));
        let after = scene.partner.read_order(&order.id);
        let released = after["holds"].as_array().expect("holds").iter().all(|hold| hold["released_at"].is_string());
        assert!(released, "one address, so every hold about it: {after}");
        let words = |word: &str| {
            let rows = after["status_history"].as_array().expect("history").iter();
            rows.filter(|row| row["reason"] == word).count()
        };
        assert_eq!((words("address"), words("hold_resolved")), (2, 2));
        let queued = scene.staff.get(&format!("/pharmacy/orders/{}", order.id)).data().clone();
        let noted = queued["status_history"].as_array().expect("history").iter();
        assert!(noted.clone().any(|row| row["note"] == "They have moved." && row["actor_kind"] == "key"));
        // Two lines verified, held and released.
        let told: Vec<String> = receiver.wait_for(6, PATIENCE).iter().map(Received::event_type).collect();
        assert_eq!(told.iter().filter(|it| *it == "medication:released").count(), 2, "{told:?}");

        scene.resolve(&order.id, &hold, &answer).refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(scene.staff.work(&order.id, "submit")["status"], "submitted");
    }

    fn a_clarification_takes_what_answers_it(engine) {
        let scene = Scene::start(engine);
        let order = scene.partner.order(&scene.seed);
        let hold = scene.hold(&order.id, "clarification", "Which strength, and for how long?");
        assert_eq!(scene.partner.read_order(&order.id)["holds"][0]["required_fields"], json!(["note"]));
        for (answer, field) in [
            (json!({}), "note"),
            (json!({"days_supply": 400}), "days_supply"),
            (json!({"note": "10 mg", "shipping_address": elsewhere()}), "shipping_address"),
            (json!({"note": "10 mg", "medication": "Metformin"}), "medication"),
            (json!({"note": "10 mg", "weight": "12 kg"}), "weight"),
        ] {
            assert_eq!(scene.resolve(&order.id, &hold, &answer).invalid(), [field], "{answer}");
        }
        let path = format!("/medication-order/{}/holds/{hold}/resolve", order.id);
        let answer = json!({"days_supply": 60, "quantity": "60", "direction": "Take one tablet by mouth each morning"});
        let first = scene.partner.post_keyed(&path, "once", &answer);
        assert_eq!(first.data()["status"], "pending");
        let again = scene.partner.post_keyed(&path, "once", &answer);
        assert_eq!((&again.bytes, again.header("idempotent-replayed")), (&first.bytes, Some("true")));
        let prescription = scene.prescription(&order);
        assert_eq!((&prescription["days_supply"], &prescription["quantity"]), (&json!(60), &json!(60)));
        assert_eq!(prescription["sig"], "Take one tablet by mouth each morning");
        let request = scene.partner.get(&format!("/medication-request/{}", order.lines[0])).data().clone();
        assert_eq!((&request["quantity"], &request["days_supply"]), (&json!(60), &json!(60)));
        scene.staff.deliver(&order.id);
    }

    fn the_pharmacys_holds_and_what_is_filled_are_not_the_partners(engine) {
        let scene = Scene::start(engine);
        let order = scene.partner.order(&scene.seed);
        let other = scene.partner.order(&scene.seed);
        let stock = scene.hold(&order.id, "out_of_stock", "Back on Monday.");
        let refused = scene.resolve(&order.id, &stock, &json!({"note": "please"}));
        let error = refused.refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(error["details"][0]["reason"], "resolved_by_pharmacy");
        assert_eq!(error["details"][0]["hold_reason"], "out_of_stock");
        scene.resolve(&other.id, &stock, &json!({"note": "x"})).refused(404, "NOT_FOUND");
        let stranger = scene.server.stranger(&scene.seed);
        let path = format!("/medication-order/{}/holds/{stock}/resolve", order.id);
        stranger.post(&path, &json!({"note": "x"})).refused(404, "NOT_FOUND");
        scene.server.pharmacy_partner(&scene.seed).post(&path, &json!({"note": "x"})).refused(403, "FORBIDDEN");

        scene.staff.fill(&other.id);
        let late = scene.hold(&other.id, "clarification", "Is the flavour right?");
        let answer = json!({"quantity": 90});
        assert_eq!(scene.resolve(&other.id, &late, &answer).invalid(), ["quantity"]);
        assert_eq!(scene.resolve(&other.id, &late, &json!({"note": "yes"})).data()["status"], "filled");
    }

    fn two_answers_at_once_release_a_hold_once(engine) {
        let scene = Scene::start(engine);
        let order = scene.partner.order(&scene.seed);
        let hold = scene.hold(&order.id, "clarification", "?");
        let replies: Vec<Reply> = std::thread::scope(|scope| {
            let answers = [30, 60].map(|days| json!({"days_supply": days}));
            let sent = answers.map(|answer| {
                let (scene, order, hold) = (&scene, &order, &hold);
                scope.spawn(move || scene.resolve(&order.id, hold, &answer))
            });
            sent.into_iter().map(|it| it.join().expect("no panic")).collect()
        });
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400]);
        let read = scene.partner.read_order(&order.id);
        let rows = read["status_history"].as_array().expect("history").iter();
        assert_eq!(rows.filter(|row| row["reason"] == "hold_resolved").count(), 1);
    }

    fn an_original_is_bound_once_and_only_to_a_controlled_drug(engine) {
        let scene = Scene::start(engine);
        let mut testosterone = line("Testosterone Cypionate");
        testosterone["dose"] = json!("200mg/ml");
        let order = scene.partner.order_of(&scene.seed, &[testosterone, line("Lisinopril")]);
        let bind = |prescription: &str, change: &[(&str, Value)]| {
            let mut body = json!({"kind": "electronic", "reference": "SCRIPT 4711",
                "received_at": "2026-01-15T10:30:00Z", "signature_verified": true, "note": "archived"});
            for (name, value) in change {
                body[*name] = value.clone();
            }
            scene.staff.post(&format!("/pharmacy/prescriptions/{prescription}/bind-original"), &body)
        };
        let controlled = &order.prescriptions[0];
        assert_eq!(bind(controlled, &[("signature_verified", json!(false))]).invalid(), ["signature_verified"]);
        assert_eq!(bind(controlled, &[("kind", json!("fax"))]).invalid(), ["kind"]);
        assert_eq!(bind(controlled, &[("received_at", json!("2999-01-01T00:00:00Z"))]).invalid(), ["received_at"]);
        let plain = bind(&order.prescriptions[1], &[]);
        let why = &plain.refused(400, "INVALID_STATUS_TRANSITION")["details"][0]["reason"];
        assert_eq!(why, "not_controlled");

        let bound = bind(controlled, &[]);
        let data = bound.said("OK");
        assert_eq!((&data["kind"], &data["reference"]), (&json!("electronic"), &json!("SCRIPT 4711")));
        assert_eq!(data["medication_orders"], json!([]), "nothing waited");
        assert!(data["bound_by"].is_string() && data["bound_at"].is_string());
        let again = bind(controlled, &[("kind", json!("written"))]);
        let why = &again.refused(400, "INVALID_STATUS_TRANSITION")["details"][0]["reason"];
        assert_eq!(why, "original_bound");
    }
}

#[test]
fn a_hold_of_one_line_leaves_the_others_alone() {
    let scene = Scene::start(Engine::Sqlite);
    let body = order_body(&scene.seed, &[line("Lisinopril"), line("Metformin")]);
    let order = Ordered::read(scene.partner.post("/medication-order", &body).data());
    let path = format!("/pharmacy/orders/{}/hold", order.id);
    let one = json!({"reason": "clarification", "medication_request_ids": [order.lines[1]]});
    let hold = text(&scene.staff.post(&path, &one).data()["holds"][0]["id"]);
    assert_eq!(scene.staff.work(&order.id, "verify")["status"], "pending", "the held line ranks as it stood");
    let data = scene.resolve(&order.id, &hold, &json!({"note": "as written"})).data().clone();
    let statuses: Vec<&Value> =
        data["medication_requests"].as_array().expect("lines").iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, ["verified", "pending"]);
}
