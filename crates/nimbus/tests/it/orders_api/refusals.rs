//! Every refusal by a rule, with its code and its reasons.

use serde_json::{Value, json};

use super::{Scene, order_uuid, reasons};
use crate::support::{
    Engine, OrdersPartner,
    story::{line, order_body, text},
};

#[test]
fn a_fill_that_was_just_delivered_is_too_soon() {
    let scene = Scene::new(Engine::Sqlite);
    let (prescription, _) = scene.delivered(&line("Lisinopril"));
    for path in ["/orders", "/refills"] {
        let body = if path == "/orders" {
            scene.order_body(&prescription)
        } else {
            scene.refill_body(&prescription)
        };
        let refused = scene.orders.post(path, &body);
        assert_eq!(reasons(&refused), ["too_soon"], "{path}");
        let details = &refused.body["error"]["details"];
        assert_eq!(details["nextEligibleDate"], details["errors"][0]["passesOn"]);
        assert!(details["nextEligibleDate"].is_string() && details["field"].is_null(), "{details}");
    }
    assert_eq!(scene.refills_remaining(&prescription), 3);
}

#[test]
fn what_was_never_filled_is_ordered_and_not_refilled() {
    let scene = Scene::new(Engine::Sqlite);
    let prescription = scene.on_file();
    assert_eq!(reasons(&scene.orders.post("/refills", &scene.refill_body(&prescription))), ["not_shipped"]);
    scene.order(&prescription);
    let again = scene.orders.post("/orders", &scene.order_body(&prescription));
    assert_eq!(reasons(&again), ["not_shipped"]);
    assert!(again.body["error"]["details"].get("nextEligibleDate").is_none());
}

#[test]
fn without_refills_there_is_no_refill() {
    let scene = Scene::new(Engine::Sqlite);
    let mut none = line("Lisinopril");
    none["refills"] = json!(0);
    none["days_supply"] = json!(1);
    let (prescription, _) = scene.delivered(&none);
    let found = reasons(&scene.orders.post("/orders", &scene.order_body(&prescription)));
    assert!(found.contains(&"no_refills_left".to_owned()), "{found:?}");
    let mut never = line("Lisinopril");
    never["do_not_refill"] = json!(true);
    let (prescription, _) = scene.delivered(&never);
    let found = reasons(&scene.orders.post("/refills", &scene.refill_body(&prescription)));
    assert!(found.contains(&"do_not_refill".to_owned()), "{found:?}");
}

#[test]
fn a_prescription_that_staff_have_stopped_is_not_filled() {
    let scene = Scene::new(Engine::Sqlite);
    let (on_file, seeded) = (scene.on_file(), scene.seed.prescription_id.clone());
    for act in ["hold", "release", "discontinue"] {
        for prescription in [&on_file, &seeded] {
            scene.staff.act(&format!("/pharmacy/prescriptions/{prescription}/{act}")).data();
            if act != "release" {
                let refused = scene.orders.post("/orders", &scene.order_body(prescription));
                assert_eq!(reasons(&refused), ["discontinued"], "{act}");
            }
        }
    }
    let refused = scene.orders.post("/refills", &scene.refill_body(&seeded));
    assert_eq!(reasons(&refused), ["discontinued"]);
}

#[test]
fn the_people_of_a_prescription_must_be_active() {
    let scene = Scene::new(Engine::Sqlite);
    let (on_file, seeded) = (scene.on_file(), scene.seed.prescription_id.clone());
    let practitioner = format!("/admin/practitioners/{}", scene.seed.practitioner_id);
    scene.staff.act(&format!("{practitioner}/suspend")).data();
    for prescription in [&on_file, &seeded] {
        let refused = scene.orders.post("/orders", &scene.order_body(prescription));
        assert_eq!(reasons(&refused), ["practitioner_not_active"]);
    }
    scene.staff.act(&format!("{practitioner}/activate")).data();
    let patient = format!("/patient/{}", scene.seed.patient_id);
    scene.partner.patch(&patient, &json!({"status": "inactive"})).data();
    for prescription in [&on_file, &seeded] {
        let refused = scene.orders.post("/orders", &scene.order_body(prescription));
        assert_eq!(reasons(&refused), ["patient_inactive"]);
    }
    assert_eq!(reasons(&scene.orders.post("/refills", &scene.refill_body(&seeded))), ["patient_inactive"]);
    // The partner API's own refusal of such an order, told as this API tells it.
    scene
        .partner
        .post("/medication-order", &order_body(&scene.seed, &[line("x")]))
        .refused(400, "ORDER_REJECTED");
}

/// As on the partner API: taken, and on hold until the practitioner is active.
#[test]
fn a_first_fill_waits_for_a_pending_practitioner() {
    let scene = Scene::new(Engine::Sqlite);
    let clinic = &scene.seed.clinic_id;
    let practitioner = json!({
        "first_name": "Ada", "last_name": "Sorensen", "email": "ada@example.com", "npi": "1000000004",
        "is_veterinarian": false, "assigned_clinic": clinic, "address_line_1": "1 Main St", "city": "Austin",
        "state_code": "TX", "zip_code": "78701",
    });
    let practitioner = text(&scene.partner.post("/practitioner", &practitioner).data()["practitioner_id"]);
    let mut kept = line("Lisinopril");
    kept["do_not_fill"] = json!(true);
    let mut order = order_body(&scene.seed, &[kept]);
    order["practitioner_id"] = json!(practitioner);
    let kept = scene.partner.post("/medication-order", &order).data().clone();
    let kept = scene.partner.read_order(&text(&kept["medication_order_id"]));
    let prescription = text(&kept["medication_requests"][0]["prescription_id"]);
    let made = scene.order(&prescription);
    let id = order_uuid(&made["id"]);
    for act in ["verify", "submit"] {
        scene.staff.act(&format!("/pharmacy/orders/{id}/{act}")).data();
    }
    let held = scene.partner.read_order(&id);
    assert_eq!(held["status"], "on_hold");
    assert_eq!(held["holds"][0]["reason"], "practitioner_not_active");
    assert_eq!(scene.orders.get(&format!("/orders/{id}")).resource(200)["status"], "pending");
}

#[test]
fn a_patient_is_filled_their_own_prescriptions() {
    let scene = Scene::new(Engine::Sqlite);
    let other = json!({
        "first_name": "Robin", "last_name": "Vale", "gender": "female", "dob": "1990-05-17",
        "practitioner_id": scene.seed.practitioner_id, "assigned_clinic": scene.seed.clinic_id,
        "addresses": [{"addressLine1": "9 Elm St", "city": "Dallas", "state": "TX", "postalCode": "75201"}],
    });
    let other = text(&scene.partner.post("/patient", &other).data()["patient_id"]);
    let (on_file, seeded) = (scene.on_file(), scene.seed.prescription_id.clone());
    for (path, mut body) in [
        ("/orders", scene.order_body(&on_file)),
        ("/orders", scene.order_body(&seeded)),
        ("/refills", scene.refill_body(&seeded)),
    ] {
        body["patientId"] = json!(other);
        assert_eq!(reasons(&scene.orders.post(path, &body)), ["wrong_patient"], "{path}");
    }
    let asked = format!("/refills/eligibility?prescriptionId={seeded}&patientId={other}");
    let answer = scene.orders.get(&asked).resource(200).clone();
    assert_eq!((&answer["eligible"], &answer["reason"]), (&json!(false), &json!("wrong_patient")));
    assert_eq!(answer["requiresReview"], false);
}

#[test]
fn a_service_must_be_one_of_its_carrier() {
    let scene = Scene::new(Engine::Sqlite);
    let mut body = scene.order_body(&scene.on_file());
    for (carrier, service, field) in
        [("se-11226", "fedex_2day", "serviceId"), ("nobody", "ups_ground", "carrierId")]
    {
        body["carrierId"] = json!(carrier);
        body["serviceId"] = json!(service);
        assert_eq!(scene.orders.post("/orders", &body).orders_invalid(), [field]);
    }
}

#[test]
fn ids_that_name_nothing_are_fields_in_a_body_and_nothing_in_a_path() {
    let scene = Scene::new(Engine::Sqlite);
    let nobody = "01890000-0000-7000-8000-000000000001";
    let unknown = "rx_00FODtiM8TKCRUXNHNjZoy";
    let mut body = scene.order_body(unknown);
    for path in ["/orders", "/refills"] {
        body["patientId"] = json!(scene.seed.patient_id);
        assert_eq!(scene.orders.post(path, &body).orders_invalid(), ["prescriptionId"]);
        body["patientId"] = json!(nobody);
        assert_eq!(scene.orders.post(path, &body).orders_invalid(), ["patientId", "prescriptionId"]);
    }
    for path in [
        "/orders/ord_00FODtiM8TKCRUXNHNjZoy",
        "/orders/pat_00FODtiM8TKCRUXNHNjZoy",
        "/orders/1/tracking",
        "/refills/x",
        "/prescriptions/%00",
        "/orders/%ff",
        "/orders/1/2/3",
    ] {
        scene.orders.get(path).orders_refused(404, "not_found");
    }
    // Another clinic's ids are no ids.
    let stranger = OrdersPartner::new(&scene.server.url(), &scene.seed.keys.other_clinic);
    let order = text(&scene.order(&scene.on_file())["id"]);
    for path in [
        format!("/orders/{order}"),
        format!("/orders/{order}/tracking"),
        format!("/prescriptions/{}", scene.seed.prescription_id),
    ] {
        stranger.get(&path).orders_refused(404, "not_found");
    }
    stranger.act(&format!("/orders/{order}/cancel")).orders_refused(404, "not_found");
    let theirs = scene.order_body(&scene.seed.prescription_id);
    assert_eq!(stranger.post("/orders", &theirs).orders_invalid(), ["patientId", "prescriptionId"]);
    assert_eq!(stranger.get("/orders").resource(200)["data"], json!([]));
}

/// The services that a refusal says would do, as an order names them.
#[track_caller]
fn would_do(details: &Value) -> Vec<(String, String)> {
    let errors = details["errors"].as_array().expect("errors").iter();
    let named = errors.filter(|it| it["reason"] == "would_do");
    named.map(|it| (text(&it["carrierId"]), text(&it["serviceId"]))).collect()
}

#[test]
fn a_refused_service_is_told_with_those_that_would_do() {
    let scene = Scene::new(Engine::Sqlite);
    let to_hawaii = |prescription: &str, service: Option<(&str, &str)>| {
        let mut body = scene.order_body(prescription);
        body["shippingAddress"] =
            json!({"street1": "1 Main St", "city": "Hilo", "state": "HI", "zip": "96720"});
        if let Some((carrier, service)) = service {
            (body["carrierId"], body["serviceId"]) = (json!(carrier), json!(service));
        }
        body
    };
    // Chosen here, or as the order went that the prescription came with.
    let mut lawful = Vec::new();
    for service in [Some(("se-11226", "ups_ground")), None] {
        let refused = scene.orders.post("/orders", &to_hawaii(&scene.on_file(), service));
        let details = &refused.orders_refused(422, "validation_error")["details"];
        assert_eq!((&details["field"], &details["reason"]), (&json!("serviceId"), &json!("not_served")));
        lawful = would_do(details);
        assert_eq!(lawful.len(), 7, "{lawful:?}");
    }
    for (carrier, service) in &lawful {
        let body = to_hawaii(&scene.on_file(), Some((carrier, service)));
        scene.orders.post("/orders", &body).resource(201);
    }

    // A gate's refusal names them, too.
    let mut cold = line("Test Cold");
    cold["do_not_fill"] = json!(true);
    let cold = scene.partner.order_of(&scene.seed, &[cold]).prescriptions[0].clone();
    let slow = scene.orders.post("/orders", &to_hawaii(&cold, Some(("se-11226", "ups_2nd_day_air"))));
    let details = &slow.orders_refused(422, "validation_error")["details"];
    assert_eq!((&details["field"], &details["reason"]), (&json!("serviceId"), &json!("temperature")));
    let overnight = [("se-3818360", "fedex_priority_overnight"), ("se-11226", "ups_next_day_air")];
    assert_eq!(
        would_do(details),
        overnight.map(|(carrier, service)| (carrier.to_owned(), service.to_owned()))
    );
    scene.orders.post("/orders", &to_hawaii(&cold, Some(overnight[1]))).resource(201);
}

#[test]
fn the_http_of_this_api_is_refused_in_its_shape() {
    use ureq::http::Method;
    let scene = Scene::new(Engine::Sqlite);
    scene.server.anonymous().get("/orders").orders_refused(401, "unauthorized");
    let read_only = OrdersPartner::new(&scene.server.url(), &scene.seed.keys.pharmacy_partner);
    read_only.post("/orders", &scene.order_body(&scene.on_file())).orders_refused(403, "forbidden");
    let wrong = scene.orders.delete("/orders");
    wrong.orders_refused(405, "method_not_allowed");
    assert!(wrong.header("allow").expect("Allow").contains("POST"));
    let xml = scene.orders.send(Method::POST, "/orders", &[("content-type", "text/xml")], Some(b"<a/>"));
    xml.orders_refused(415, "unsupported_media_type");
    let large = vec![b' '; 1024 * 1024 + 1];
    let json = [("content-type", "application/json")];
    scene.orders.send(Method::POST, "/orders", &json, Some(&large)).orders_refused(413, "payload_too_large");
}
