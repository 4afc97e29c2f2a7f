//! An order's life, from a new practitioner to delivery, with every way that it can leave the straight road.

use serde_json::{Value, json};

use crate::support::{
    Engine, Partner, Reply, Seed, Server, Staff,
    server::{FEED_SECRET, ONBOARDING_TOKEN},
    story::{Ordered, line, order_body, text},
    two_engines,
};

/// A running sandbox with its partner and its pharmacy.
struct Scene {
    server: Server,
    seed: Seed,
    partner: Partner,
    staff: Staff,
}

impl Scene {
    fn new(engine: Engine) -> Self {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        Self { server, seed, partner, staff }
    }

    /// The onboarding robot's good news.
    #[track_caller]
    fn onboarded(&self, practitioner: &str) -> Reply {
        let headers = [("authorization", format!("Bearer {ONBOARDING_TOKEN}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = json!({ "practitioner_id": practitioner });
        self.server.anonymous().json(
            ureq::http::Method::POST,
            "/api/rpa/practitioner/success",
            &headers,
            &body,
        )
    }

    /// A report of the pharmacy system.
    #[track_caller]
    fn pharmetika(&self, body: &Value) -> Reply {
        let headers = [("x-pharmetika-secret", FEED_SECRET)];
        self.server.anonymous().json(ureq::http::Method::POST, "/api/pharmetika/webhook", &headers, body)
    }

    #[track_caller]
    fn status(&self, order: &str) -> String {
        text(&self.partner.read_order(order)["status"])
    }

    /// The statuses of an order's medication requests, in order.
    #[track_caller]
    fn lines(&self, order: &str) -> Vec<String> {
        let view = self.partner.read_order(order);
        let lines = view["medication_requests"].as_array().expect("medication_requests");
        lines.iter().map(|line| text(&line["status"])).collect()
    }

    #[track_caller]
    fn new_practitioner(&self) -> String {
        let body = json!({
            "first_name": "Avery", "last_name": "Stone", "email": "avery.stone@example.com", "npi": "1245319599",
            "is_veterinarian": false, "assigned_clinic": self.seed.clinic_id, "phone": "5125550143",
            "address_line_1": "1 Main St", "city": "Austin", "state_code": "TX", "zip_code": "78701",
        });
        let reply = self.partner.post("/practitioner", &body);
        let data = reply.said("Practitioner created successfully");
        assert_eq!(data["status"], "Pending verification");
        text(&data["practitioner_id"])
    }

    #[track_caller]
    fn new_patient(&self, practitioner: &str) -> String {
        let body = json!({
            "first_name": "Robin", "last_name": "Vale", "gender": "female", "dob": "1990-05-17",
            "practitioner_id": practitioner, "assigned_clinic": self.seed.clinic_id,
            "addresses": [{"addressLine1": "9 Elm St", "city": "Dallas", "state": "TX", "postalCode": "75201"}],
        });
        text(&self.partner.post("/patient", &body).said("Patient created successfully")["patient_id"])
    }
}

/// Each `(subject, from, to)` of an order's history.
fn history(order: &Value) -> Vec<(String, String, String)> {
    let rows = order["status_history"].as_array().expect("status_history");
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    rows.iter().map(|row| (word(&row["subject"]), word(&row["from"]), word(&row["to"]))).collect()
}

two_engines! {
    fn from_a_new_practitioner_to_delivery(engine) {
        let scene = Scene::new(engine);
        let practitioner = scene.new_practitioner();
        assert_eq!(scene.partner.get(&format!("/practitioner/{practitioner}")).data()["status"], "pending");
        scene.onboarded(&practitioner).data();
        assert_eq!(scene.partner.get(&format!("/practitioner/{practitioner}")).data()["status"], "active");
        let patient = scene.new_patient(&practitioner);

        let mut body = order_body(&scene.seed, &[line("Lisinopril")]);
        body["practitioner_id"] = json!(practitioner);
        body["patient_id"] = json!(patient);
        let reply = scene.partner.post("/medication-order", &body);
        let order = Ordered::read(reply.said("Medication request created successfully"));
        assert_eq!(reply.data()["status"], "pending");
        assert!(scene.partner.get(&format!("/prescription/{}", order.prescriptions[0])).data()["rx_number"].is_null());

        for (act, status) in [
            ("verify", "verified"), ("submit", "submitted"), ("acknowledge", "acknowledged"),
            ("start-fill", "filling"), ("fill", "filled"),
        ] {
            assert_eq!(scene.staff.work(&order.id, act)["status"], status);
            assert_eq!(scene.status(&order.id), status);
            let request = scene.partner.get(&format!("/medication-request/{}", order.lines[0]));
            assert_eq!(request.data()["status"], status);
            assert_eq!(request.data()["pharmetika_status"], status);
            assert_eq!(request.data()["medication_order_id"], order.id);
        }
        let prescription = scene.partner.get(&format!("/prescription/{}", order.prescriptions[0])).data().clone();
        let rx_number = text(&prescription["rx_number"]);
        assert!(rx_number.bytes().all(|byte| byte.is_ascii_digit()), "{rx_number}");
        assert_eq!(prescription["refills_remaining"], 3);

        let shipment = scene.staff.ship(&[&order.id]);
        let path = format!("/shipment/{shipment}");
        let view = scene.partner.get(&path).data().clone();
        assert_eq!((&view["status"], &view["shipping_partner"]), (&json!("pending"), &json!("UPS")));
        assert_eq!(view["medication_orders"], json!([order.id]));
        assert_eq!(view["tracking_number"], "1Z999AA10123456784");
        assert_eq!(view["delivery_location"]["city"], "Dallas");
        assert_eq!(scene.status(&order.id), "filled", "a label ships nothing");
        for (status, order_status) in [("in_transit", "shipped"), ("delivered", "delivered")] {
            scene.staff.shipment_is(&shipment, status);
            assert_eq!(scene.partner.get(&path).data()["status"], status);
            assert_eq!(scene.status(&order.id), order_status);
        }
        let tracking = scene.partner.get(&format!("{path}/tracking")).data().clone();
        assert!(tracking["estimated_delivery_date"].is_string(), "{tracking}");
        let scans = tracking["scans"].as_array().or(tracking["events"].as_array()).expect("the scans").clone();
        let seen: Vec<&str> = scans.iter().filter_map(|scan| scan["status"].as_str()).collect();
        assert_eq!(seen, ["in_transit", "delivered"]);

        let view = scene.partner.read_order(&order.id);
        assert_eq!(view["medication_requests"][0]["rx_number"], rx_number);
        assert_eq!(view["shipments"][0]["id"], shipment);
        let all = ["pending", "verified", "submitted", "acknowledged", "filling", "filled", "shipped", "delivered"];
        let of_order: Vec<String> =
            history(&view).into_iter().filter(|row| row.0 == "order").map(|row| row.2).collect();
        assert_eq!(of_order, all);
        let shown = view.to_string();
        assert!(!shown.contains("\"actor\""), "partners do not see who of the staff acted");
    }

    fn lines_go_their_own_ways(engine) {
        let scene = Scene::new(engine);
        let order = scene.partner.order_of(&scene.seed, &[line("Lisinopril"), line("Metformin"), line("Atorvastatin")]);
        let path = format!("/pharmacy/orders/{}", order.id);
        scene.staff.work(&order.id, "verify");
        let note = "Backordered until Monday";
        let held = json!({"reason": "out_of_stock", "note": note, "medication_request_ids": [order.lines[1]]});
        assert_eq!(scene.staff.post(&format!("{path}/hold"), &held).data()["status"], "verified");
        let rejected = json!({"reason": "interaction", "medication_request_ids": [order.lines[2]]});
        scene.staff.post(&format!("{path}/reject"), &rejected).data();
        for act in ["submit", "acknowledge", "start-fill", "fill"] {
            scene.staff.work(&order.id, act);
        }
        assert_eq!(scene.lines(&order.id), ["filled", "on_hold", "rejected"]);
        assert_eq!(scene.status(&order.id), "verified", "a held line ranks as the state it left");
        let hold = scene.partner.read_order(&order.id)["holds"][0].clone();
        assert_eq!((&hold["reason"], &hold["resolvable_by"]), (&json!("out_of_stock"), &json!("pharmacy")));
        assert_eq!(hold["medication_request_id"], order.lines[1]);
        assert_eq!((&hold["released_at"], &hold["note"]), (&serde_json::Value::Null, &json!(note)), "{hold}");

        let first = scene.staff.ship(&[&order.id]);
        scene.staff.shipment_is(&first, "in_transit");
        assert_eq!(scene.lines(&order.id), ["shipped", "on_hold", "rejected"]);
        scene.staff.work(&order.id, "release");
        assert_eq!(scene.lines(&order.id), ["shipped", "verified", "rejected"]);
        for act in ["submit", "acknowledge", "start-fill", "fill"] {
            scene.staff.work(&order.id, act);
        }
        assert_eq!(scene.status(&order.id), "filled");
        let second = scene.staff.ship(&[&order.id]);
        scene.staff.shipment_is(&second, "delivered");
        assert_eq!(scene.lines(&order.id), ["shipped", "delivered", "rejected"]);
        scene.staff.shipment_is(&first, "delivered");
        assert_eq!(scene.status(&order.id), "delivered");
    }

    fn an_order_is_on_hold_when_every_live_line_is(engine) {
        let scene = Scene::new(engine);
        let order = scene.partner.order_of(&scene.seed, &[line("Lisinopril"), line("Metformin")]);
        let path = format!("/pharmacy/orders/{}", order.id);
        let held = scene.staff.post(&format!("{path}/hold"), &json!({"reason": "clarification"}));
        assert_eq!(held.data()["status"], "on_hold");
        scene.staff.act(&format!("{path}/verify")).refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(scene.lines(&order.id), ["on_hold", "on_hold"]);
        scene.staff.work(&order.id, "release");
        assert_eq!(scene.lines(&order.id), ["pending", "pending"]);
        let twice = scene.staff.act(&format!("{path}/release"));
        twice.refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(scene.staff.work(&order.id, "reject")["status"], "rejected");
    }

    fn a_pending_practitioner_holds_the_order_before_submitted(engine) {
        let scene = Scene::new(engine);
        let practitioner = scene.new_practitioner();
        let mut body = order_body(&scene.seed, &[line("Lisinopril")]);
        body["practitioner_id"] = json!(practitioner);
        let reply = scene.partner.post("/medication-order", &body);
        let order = Ordered::read(reply.data());
        assert!(reply.data()["warnings"][0].as_str().expect("a warning").contains("not active"));
        assert_eq!(scene.staff.work(&order.id, "verify")["status"], "verified");
        assert_eq!(scene.staff.work(&order.id, "submit")["status"], "on_hold");
        let hold = scene.partner.read_order(&order.id)["holds"][0].clone();
        assert_eq!(hold["reason"], "practitioner_not_active");
        let released = scene.staff.act(&format!("/pharmacy/orders/{}/release", order.id));
        released.refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(scene.status(&order.id), "on_hold");
        scene.onboarded(&practitioner).data();
        assert_eq!(scene.status(&order.id), "verified", "activation releases it");
        assert!(scene.partner.read_order(&order.id)["holds"][0]["released_at"].is_string());
        assert_eq!(scene.staff.work(&order.id, "submit")["status"], "submitted");
    }

    fn a_line_not_to_fill_is_kept_on_file(engine) {
        let scene = Scene::new(engine);
        let mut kept = line("Metformin");
        kept["do_not_fill"] = json!(true);
        let order = scene.partner.order_of(&scene.seed, &[line("Lisinopril"), kept]);
        assert_eq!(scene.lines(&order.id), ["pending", "profiled"]);
        scene.staff.deliver(&order.id);
        assert_eq!(scene.lines(&order.id), ["delivered", "profiled"]);
        assert_eq!(scene.status(&order.id), "delivered");
        let prescription = scene.partner.get(&format!("/prescription/{}", order.prescriptions[1])).data().clone();
        assert_eq!((&prescription["status"], &prescription["rx_number"]), (&json!("active"), &Value::Null));
    }

    fn cancelling_depends_on_how_far_it_is(engine) {
        let scene = Scene::new(engine);
        let cancel = |order: &Ordered| {
            scene.partner.post(&format!("/medication-order/{}/cancel", order.id), &json!({"reason": "patient asked"}))
        };
        let early = scene.partner.order(&scene.seed);
        assert_eq!(cancel(&early).data()["status"], "cancelled");
        cancel(&early).refused(400, "INVALID_STATUS_TRANSITION");

        let late = scene.partner.order(&scene.seed);
        scene.staff.fill(&late.id);
        let asked = cancel(&late).data().clone();
        assert_eq!(asked["status"], "filled");
        assert!(asked["cancellation_requested_at"].is_string(), "{asked}");
        let declined = scene.staff.work(&late.id, "decline-cancellation");
        assert!(declined["cancellation_requested_at"].is_null());
        assert_eq!(scene.status(&late.id), "filled");
        let again = format!("/pharmacy/orders/{}/decline-cancellation", late.id);
        scene.staff.act(&again).refused(400, "INVALID_STATUS_TRANSITION");
        cancel(&late).data();
        scene.staff.work(&late.id, "accept-cancellation");
        assert_eq!(scene.status(&late.id), "cancelled");

        let shipped = scene.partner.order(&scene.seed);
        scene.staff.fill(&shipped.id);
        let shipment = scene.staff.ship(&[&shipped.id]);
        scene.staff.shipment_is(&shipment, "in_transit");
        cancel(&shipped).refused(400, "INVALID_STATUS_TRANSITION");
        let by_staff = format!("/pharmacy/orders/{}/cancel", shipped.id);
        scene.staff.act(&by_staff).refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(scene.status(&shipped.id), "shipped");
    }

    fn a_cancelled_shipment_leaves_its_orders_filled(engine) {
        let scene = Scene::new(engine);
        let order = scene.partner.order(&scene.seed);
        scene.staff.fill(&order.id);
        let first = scene.staff.ship(&[&order.id]);
        let again = json!({"medication_orders": [order.id], "carrier_id": "se-11226", "service_id": "ups_ground"});
        scene.staff.post("/pharmacy/shipments", &again).refused(400, "INVALID_STATUS_TRANSITION");
        let cancelled =
            scene.staff.post(&format!("/pharmacy/shipments/{first}/cancel"), &json!({"reason": "wrong box"}));
        assert_eq!(cancelled.data()["status"], "cancelled");
        assert_eq!(scene.status(&order.id), "filled");
        assert_eq!(scene.partner.get(&format!("/shipment/{first}")).data()["cancellation_reason"], "wrong box");
        let second = text(&scene.staff.post("/pharmacy/shipments", &again).data()["shipment_id"]);
        scene.staff.shipment_is(&second, "in_transit");
        let too_late = scene.staff.post(&format!("/pharmacy/shipments/{second}/cancel"), &json!({"reason": "no"}));
        too_late.refused(400, "INVALID_STATUS_TRANSITION");
        let backwards = json!({"status": "pending"});
        let path = format!("/pharmacy/shipments/{second}/status");
        assert_eq!(scene.staff.patch(&path, &backwards).status, 400);
        assert_eq!(scene.partner.get(&format!("/shipment/{second}")).data()["status"], "in_transit");
    }

    fn a_returned_order_is_replaced_once(engine) {
        let scene = Scene::new(engine);
        let order = scene.partner.order(&scene.seed);
        let replace = format!("/pharmacy/orders/{}/replace", order.id);
        scene.staff.act(&replace).refused(400, "INVALID_STATUS_TRANSITION");
        scene.staff.fill(&order.id);
        let shipment = scene.staff.ship(&[&order.id]);
        scene.staff.shipment_is(&shipment, "in_transit");
        scene.staff.shipment_is(&shipment, "returned");
        assert_eq!(scene.status(&order.id), "returned");
        let new = scene.staff.act(&replace).data().clone();
        let new_id = text(&new["medication_order_id"]);
        assert_ne!(new_id, order.id);
        let view = scene.partner.read_order(&new_id);
        assert_eq!((&view["replaces"], &view["status"]), (&json!(order.id), &json!("pending")));
        assert_eq!(view["medication_requests"][0]["refills_remaining"], 3, "it consumes no refill");
        scene.staff.act(&replace).refused(400, "INVALID_STATUS_TRANSITION");
        scene.staff.deliver(&new_id);
        assert_eq!((scene.status(&order.id), scene.status(&new_id)), ("returned".to_owned(), "delivered".to_owned()));
    }

    fn a_refill_is_refused_with_every_reason(engine) {
        let scene = Scene::new(engine);
        let ask = |line: &str| scene.partner.post("/refill-request", &json!({"medication_request_id": line}));
        let mut spent = line("Lisinopril");
        spent["refills"] = json!(0);
        spent["do_not_refill"] = json!(true);
        let pending = scene.partner.order_of(&scene.seed, &[spent]);
        let reply = ask(&pending.lines[0]);
        let error = reply.refused(400, "REFILL_NOT_ELIGIBLE");
        assert_eq!(error["message"], "Refills are not possible for pending medication requests");
        assert_eq!(reasons(error), ["not_shipped", "no_refills_left", "do_not_refill"]);

        let fresh = scene.partner.order(&scene.seed);
        scene.staff.deliver(&fresh.id);
        let reply = ask(&fresh.lines[0]);
        let error = reply.refused(400, "REFILL_NOT_ELIGIBLE");
        assert_eq!(reasons(error), ["too_soon"]);
        let filled_on = text(&scene.partner.read_order(&fresh.id)["medication_requests"][0]["filled_on"]);
        let filled_on: jiff::civil::Date = filled_on.parse().expect("a date");
        // 75% of thirty days, rounded up.
        let due = filled_on.checked_add(jiff::Span::new().days(23)).expect("a date").to_string();
        assert_eq!(error["details"][0]["passes_on"], due);
        let path = format!("/refill-request/eligibility?medication_request_id={}", fresh.lines[0]);
        let answer = scene.partner.get(&path).data().clone();
        assert_eq!((&answer["eligible"], &answer["reason"]), (&json!(false), &json!("too_soon")));
        assert_eq!(answer["reasons"][0]["code"], "too_soon");
        assert_eq!((&answer["reasons"][0]["passes_on"], &answer["next_eligible_date"]), (&json!(due), &json!(due)));
        assert_eq!(answer["refills_remaining"], 3);
        assert_eq!(scene.partner.get("/refill-request").data(), &json!([]), "a refusal creates nothing");
    }

    fn a_refill_is_made_once_and_given_back_when_cancelled(engine) {
        let scene = Scene::new(engine);
        let body = json!({"medication_request_id": scene.seed.medication_request_id});
        let prescription = format!("/prescription/{}", scene.seed.prescription_id);
        let left = || scene.partner.get(&prescription).data()["refills_remaining"].clone();
        let path =
            format!("/refill-request/eligibility?medication_request_id={}", scene.seed.medication_request_id);
        assert_eq!(scene.partner.get(&path).data()["eligible"], true);
        let made = scene.partner.post("/refill-request", &body);
        let made = made.said("Refill request was created successfully.");
        let (refill, order) = (text(&made["refill_request_id"]), text(&made["medication_order_id"]));
        assert_eq!(left(), 2);
        let view = scene.partner.get(&format!("/refill-request/{refill}")).data().clone();
        assert_eq!((&view["status"], &view["medication_order_id"]), (&json!("approved"), &json!(order)));
        assert_eq!(scene.partner.read_order(&order)["refill_request_id"], refill);

        let second = scene.partner.post("/refill-request", &body);
        let error = second.refused(400, "REFILL_EXISTS");
        assert_eq!(error["message"], "Refill request already exists");
        assert_eq!(left(), 2);

        let cancelled = scene.partner.post(&format!("/refill-request/{refill}/cancel"), &json!({"reason": "moved"}));
        assert_eq!(cancelled.data()["status"], "cancelled");
        assert_eq!(scene.status(&order), "cancelled");
        assert_eq!(left(), 3, "given back");

        let again = scene.partner.post("/refill-request", &body).data().clone();
        let order = text(&again["medication_order_id"]);
        let refill = format!("/refill-request/{}", text(&again["refill_request_id"]));
        let status = || text(&scene.partner.get(&refill).data()["status"]);
        for (act, word) in [("verify", "approved"), ("submit", "processing"), ("acknowledge", "processing")] {
            scene.staff.work(&order, act);
            assert_eq!(status(), word, "{act}");
        }
        scene.staff.work(&order, "start-fill");
        scene.staff.work(&order, "fill");
        let shipment = scene.staff.ship(&[&order]);
        scene.staff.shipment_is(&shipment, "in_transit");
        assert_eq!(status(), "shipped");
        scene.staff.shipment_is(&shipment, "delivered");
        assert_eq!(status(), "delivered");
        assert_eq!(left(), 2);
    }

    fn the_pharmacy_system_speaks_its_own_words(engine) {
        let scene = Scene::new(engine);
        let order = scene.partner.order(&scene.seed);
        let word = || text(&scene.partner.read_order(&order.id)["medication_requests"][0]["pharmetika_status"]);
        assert_eq!(word(), "received");
        scene.pharmetika(&json!({"medication_order_id": order.id, "status": "Ready to Ship"})).data();
        assert_eq!((scene.status(&order.id), word()), ("filled".to_owned(), "Ready to Ship".to_owned()));
        scene.pharmetika(&json!({"medication_request_id": order.lines[0], "status": "Awaiting RPh"})).data();
        assert_eq!((scene.status(&order.id), word()), ("filled".to_owned(), "Awaiting RPh".to_owned()));
        scene.pharmetika(&json!({"medication_order_id": order.id, "status": "verified"})).data();
        assert_eq!((scene.status(&order.id), word()), ("filled".to_owned(), "verified".to_owned()), "never back");
        let of_order: Vec<String> = history(&scene.partner.read_order(&order.id))
            .into_iter()
            .filter(|row| row.0 == "medication_request")
            .map(|row| row.2)
            .collect();
        assert_eq!(of_order, ["pending", "verified", "submitted", "acknowledged", "filling", "filled"]);

        let unknown = scene.pharmetika(&json!({"medication_order_id": scene.seed.clinic_id, "status": "filled"}));
        assert_eq!(unknown.invalid(), ["medication_order_id"]);
        assert_eq!(scene.pharmetika(&json!({"status": "filled"})).invalid(), ["medication_order_id"]);
        let wrong = [("x-pharmetika-secret", "another")];
        let body = json!({"medication_order_id": order.id, "status": "cancelled"});
        let refused =
            scene.server.anonymous().json(ureq::http::Method::POST, "/api/pharmetika/webhook", &wrong, &body);
        refused.refused(401, "UNAUTHORIZED");
        assert_eq!(scene.status(&order.id), "filled");
    }

    fn a_prescription_is_held_released_and_discontinued(engine) {
        let scene = Scene::new(engine);
        let id = &scene.seed.prescription_id;
        let ask = json!({"medication_request_id": scene.seed.medication_request_id});
        let act = |act: &str| scene.staff.act(&format!("/pharmacy/prescriptions/{id}/{act}"));
        let read = || text(&scene.partner.get(&format!("/prescription/{id}")).data()["status"]);
        act("hold").data();
        assert_eq!(read(), "on_hold");
        act("hold").refused(400, "INVALID_STATUS_TRANSITION");
        let held = scene.partner.post("/refill-request", &ask);
        assert_eq!(reasons(held.refused(400, "REFILL_NOT_ELIGIBLE")), ["discontinued"]);
        act("release").data();
        assert_eq!(read(), "active");
        act("release").refused(400, "INVALID_STATUS_TRANSITION");
        act("discontinue").data();
        assert_eq!(read(), "discontinued");
        act("release").refused(400, "INVALID_STATUS_TRANSITION");
        let gone = scene.partner.post("/refill-request", &ask);
        assert_eq!(reasons(gone.refused(400, "REFILL_NOT_ELIGIBLE")), ["discontinued"]);
    }
}

/// The codes of a refusal's reasons.
fn reasons(error: &Value) -> Vec<&str> {
    let details = error["details"].as_array().expect("details");
    details.iter().map(|detail| detail["reason"].as_str().expect("a reason")).collect()
}

#[test]
fn a_shipment_group_ships_together() {
    let scene = Scene::new(Engine::Sqlite);
    let mut body = order_body(&scene.seed, &[line("Lisinopril")]);
    body["shipment_group_id"] = json!("group 1");
    let grouped = [(); 2].map(|()| Ordered::read(scene.partner.post("/medication-order", &body).data()).id);
    let alone = scene.partner.order(&scene.seed).id;
    for order in grouped.iter().chain([&alone]) {
        scene.staff.fill(order);
    }
    let mixed = json!({
        "medication_orders": [grouped[0], alone], "carrier_id": "se-11226", "service_id": "ups_ground",
    });
    assert_eq!(scene.staff.post("/pharmacy/shipments", &mixed).invalid(), ["medication_orders[1]"]);
    let shipment = scene.staff.ship(&[&grouped[0], &grouped[1]]);
    scene.staff.shipment_is(&shipment, "delivered");
    let statuses = [&grouped[0], &grouped[1], &alone].map(|order| scene.status(order));
    assert_eq!(statuses, ["delivered", "delivered", "filled"]);
}
