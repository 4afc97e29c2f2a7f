//! The partner API's contract: the published samples, the exact texts and the shapes that clients read.

use std::{collections::BTreeSet, fs};

use nimbus_core::ids::{LineId, OrderId, PatientId, PrescriptionId};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    Engine, Partner, Seed, Server,
    story::{Ordered, line, order_body, text},
};

/// A published sample.
fn sample(name: &str) -> Value {
    let path = crate::support::repository("testdata/contract").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("the samples are JSON")
}

/// A published request sample, with the ids of the seed in the place of the sample's.
fn request(name: &str, seed: &Seed) -> Value {
    let mut body = sample(name);
    for (field, id) in [
        ("assigned_clinic", &seed.clinic_id),
        ("clinic_id", &seed.clinic_id),
        ("patient_id", &seed.patient_id),
        ("practitioner_id", &seed.practitioner_id),
        ("medication_request_id", &seed.medication_request_id),
    ] {
        if body.get(field).is_some() {
            body[field] = json!(id);
        }
    }
    body
}

fn names(object: &Value) -> BTreeSet<&str> {
    object
        .as_object()
        .unwrap_or_else(|| panic!("an object, not {object}"))
        .keys()
        .map(String::as_str)
        .collect()
}

/// Everything in the sample is there, with the same JSON type; more is allowed.
#[track_caller]
fn has_shape_of(value: &Value, sample: &Value, path: &str) {
    assert_eq!(
        std::mem::discriminant(value),
        std::mem::discriminant(sample),
        "{path}: {value} is not as {sample}"
    );
    if let Value::Object(fields) = sample {
        for (name, inner) in fields {
            let found = value.get(name).unwrap_or_else(|| panic!("{path}.{name} is missing in {value}"));
            has_shape_of(found, inner, &format!("{path}.{name}"));
        }
    }
}

struct Scene {
    server: Server,
    seed: Seed,
    partner: Partner,
}

fn scene() -> Scene {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let partner = server.partner(&seed);
    Scene { server, seed, partner }
}

#[test]
fn the_practitioner_sample_is_accepted() {
    let Scene { server: _server, partner, seed } = scene();
    let body = request("practitioner_request.json", &seed);
    let reply = partner.post("/practitioner", &body);
    let data = reply.said("Practitioner created successfully");
    assert_eq!(data["status"], "Pending verification");
    assert!(data.get("duplicate").is_none_or(|duplicate| *duplicate == json!(false)), "{data}");
    let warnings = data["warnings"].as_array().expect("warnings");
    assert!(
        warnings.iter().any(|warning| warning.as_str().is_some_and(|text| text.contains("npi"))),
        "{warnings:?}"
    );
    let again = partner.post("/practitioner", &body);
    assert_eq!(again.data()["practitioner_id"], data["practitioner_id"]);
    assert_eq!(again.data()["duplicate"], true);
    let list = partner.get("/practitioner").data().clone();
    assert_eq!(list.as_array().expect("a list").len(), 2, "the seeded one and this one");

    let mut wrong = body;
    wrong["npi"] = json!("1234567892");
    assert_eq!(partner.post("/practitioner", &wrong).invalid(), ["npi"]);
}

#[test]
fn the_patient_sample_is_accepted_once() {
    let Scene { server: _server, partner, seed } = scene();
    let body = request("patient_request.json", &seed);
    let reply = partner.post("/patient", &body);
    let id = text(&reply.said("Patient created successfully")["patient_id"]);
    let mut again = body.clone();
    again["first_name"] = json!("  JOHN ");
    again["last_name"] = json!("D\u{f6}e");
    let duplicate = partner.post("/patient", &again);
    let error = duplicate.refused(400, "DUPLICATE_PATIENT");
    assert_eq!(error["message"], "Patient already exists");
    assert_eq!(error["details"][0]["patient_id"], id);
    again["dob"] = json!("1985-03-16");
    assert_ne!(text(&partner.post("/patient", &again).data()["patient_id"]), id);
    let view = partner.get(&format!("/patient/{id}")).data().clone();
    assert_eq!((&view["dob"], &view["middle_name"]), (&json!("1985-03-15"), &json!("Michael")));
    assert_eq!(view["addresses"][0]["postalCode"], "10001");
}

#[test]
fn the_order_sample_is_accepted() {
    let Scene { server: _server, partner, seed } = scene();
    let reply = partner.post("/medication-order", &request("medication_order_request.json", &seed));
    let data = reply.said("Medication request created successfully");
    let mut wanted =
        BTreeSet::from(["medication_order_id", "medication_request_id", "status", "medications"]);
    if data.get("warnings").is_some() {
        wanted.insert("warnings");
    }
    assert_eq!(names(data), wanted);
    let medication = &data["medications"][0];
    assert_eq!(data["medication_request_id"], medication["id"]);
    let issued = text(&medication["date_issued"]);
    assert_eq!(issued.len(), "2026-01-15".len(), "{issued}");
    let expected = json!({
        "id": medication["id"], "prescription_id": medication["prescription_id"],
        "medication": "Testosterone Cypionate", "dose": "200mg/ml", "quantity_authorized": 1, "days_supply": 30,
        "refills_authorized": 3, "sig": "Inject 0.5ml (100mg) intramuscularly twice weekly", "date_issued": issued,
    });
    assert_eq!(*medication, expected);
    assert_eq!(data["status"], "pending");
}

#[test]
fn the_refill_sample_is_accepted() {
    let Scene { server, seed, .. } = scene();
    let reply =
        server.pharmacy_partner(&seed).post("/refill-request", &request("refill_request.json", &seed));
    reply.data();
    has_shape_of(&reply.body, &sample("refill_request_response.json"), "$");
    assert_eq!(reply.body["message"], sample("refill_request_response.json")["message"]);
    assert_eq!(names(reply.data()), BTreeSet::from(["refill_request_id", "medication_order_id"]));
}

#[test]
fn the_webhook_sample_is_accepted() {
    let Scene { server, seed, .. } = scene();
    let partner = server.pharmacy_partner(&seed);
    let body = request("webhook_register_request.json", &seed);
    let reply = partner.post("/webhook", &body);
    let data = reply.said("Webhook created successfully");
    has_shape_of(&reply.body, &sample("webhook_register_response.json"), "$");
    assert!(data["signing_secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")), "{data}");
    assert_eq!((&data["webhook_url"], &data["clinic_id"]), (&body["webhook_url"], &body["clinic_id"]));
    assert!(data["created_at"].is_string());
    assert_eq!(data["event_types"], json!(["shipment:created", "shipment:cancelled", "medication:updated"]));
    let again = partner.post("/webhook", &body);
    assert_eq!(again.data()["webhook_id"], data["webhook_id"]);
    assert!(again.data().get("signing_secret").is_none());
    let list = partner.get("/webhook").data().clone();
    assert_eq!(list.as_array().expect("a list").len(), 1);
    assert!(!list.to_string().contains("whsec_"));
}

#[test]
fn refusals_have_the_texts_that_clients_compare() {
    let Scene { server, seed, partner } = scene();
    let message = |reply: &crate::support::Reply| {
        assert_eq!(reply.status, 400, "{}", reply.body);
        text(&reply.body["error"]["message"])
    };
    for (path, field, mut body) in [
        ("/practitioner", "assigned_clinic", request("practitioner_request.json", &seed)),
        ("/patient", "assigned_clinic", request("patient_request.json", &seed)),
        ("/medication-order", "clinic_id", request("medication_order_request.json", &seed)),
        ("/webhook", "clinic_id", request("webhook_register_request.json", &seed)),
    ] {
        for clinic in [&seed.other_clinic_id, &seed.patient_id] {
            body[field] = json!(clinic);
            let reply = partner.post(path, &body);
            assert_eq!(
                (message(&reply).as_str(), reply.invalid()),
                ("Clinic not found", vec![field]),
                "{path}"
            );
        }
    }
    let unknown = partner.post("/refill-request", &json!({"medication_request_id": seed.clinic_id}));
    assert_eq!(message(&unknown), "Medication request not found");
    let order = partner.order(&seed);
    let pending = partner.post("/refill-request", &json!({"medication_request_id": order.lines[0]}));
    assert_eq!(message(&pending), "Refills are not possible for pending medication requests");
    for (carrier, service) in [("se-11226", "fedex_ground"), ("nobody", "ups_ground")] {
        let mut body = order_body(&seed, &[line("Lisinopril")]);
        body["carrier_id"] = json!(carrier);
        body["service_id"] = json!(service);
        let reply = partner.post("/medication-order", &body);
        reply.refused(400, "SERVICE_NOT_AVAILABLE");
        assert_eq!(message(&reply), "Service not available");
    }
    let anonymous = server.anonymous().get("/api/external/clinic");
    let error = anonymous.refused(401, "UNAUTHORIZED");
    assert!(text(&error["message"]).starts_with("Unauthorized"), "{error}");
}

#[test]
fn an_order_is_taken_whole_or_not_at_all() {
    let Scene { server: _server, seed, partner } = scene();
    let (orders, prescriptions) = (partner.orders(), partner.get("/prescription").body.clone());
    let mut wrong = line("Metformin");
    wrong["quantity"] = json!(0);
    let reply = partner.post("/medication-order", &order_body(&seed, &[line("Lisinopril"), wrong]));
    assert_eq!(reply.invalid(), ["medication_requests[1].quantity"]);
    let mut body = order_body(&seed, &[]);
    assert_eq!(partner.post("/medication-order", &body).invalid(), ["medication_requests"]);
    body["medication_requests"] = json!(vec![line("Lisinopril"); 26]);
    assert_eq!(partner.post("/medication-order", &body).invalid(), ["medication_requests"]);
    assert_eq!(partner.orders(), orders);
    assert_eq!(partner.get("/prescription").body, prescriptions);
    body["medication_requests"] = json!(vec![line("Lisinopril"); 25]);
    assert_eq!(Ordered::read(partner.post("/medication-order", &body).data()).lines.len(), 25);
}

#[test]
fn every_failing_field_is_named_at_once() {
    let Scene { server: _server, seed, partner } = scene();
    let mut body = request("patient_request.json", &seed);
    body["gender"] = json!("x");
    body["dob"] = json!("2999-01-01");
    body["contacts"][1]["value"] = json!("12");
    body["addresses"][0]["postalCode"] = json!("1");
    body.as_object_mut().expect("an object").remove("last_name");
    let reply = partner.post("/patient", &body);
    let found: BTreeSet<&str> = reply.invalid().into_iter().collect();
    let wanted = ["gender", "dob", "contacts[1].value", "addresses[0].postalCode", "last_name"];
    assert_eq!(found, BTreeSet::from(wanted));
    for value in ["2999", "Michael", "Apt 4B"] {
        assert!(!reply.body.to_string().contains(value), "a refusal repeats no value: {}", reply.body);
    }
    let nothing = partner.post("/medication-order", &json!({}));
    for field in ["patient_id", "practitioner_id", "clinic_id", "medication_requests"] {
        assert!(nothing.invalid().contains(&field), "{}", nothing.body);
    }
    let no_body = partner.act("/medication-order");
    assert_eq!(no_body.invalid(), nothing.invalid());
}

#[test]
fn a_likely_name_is_suggested() {
    let Scene { server: _server, seed, partner } = scene();
    let mut body = request("practitioner_request.json", &seed);
    let fields = body.as_object_mut().expect("an object");
    let npi = fields.remove("npi").expect("the sample has one");
    fields.insert("npi_number".to_owned(), npi);
    fields.insert("is_veterinarian".to_owned(), json!(false));
    let reply = partner.post("/practitioner", &body);
    assert!(reply.invalid().contains(&"npi"), "{}", reply.body);
    let details = reply.body["error"]["details"].as_array().expect("details");
    let npi = details.iter().find(|detail| detail["field"] == "npi").expect("npi");
    assert!(text(&npi["message"]).contains("npi_number"), "{npi}");
}

#[test]
fn both_texts_of_an_id_are_read() {
    let Scene { server: _server, seed, partner } = scene();
    let order: OrderId = seed.medication_order_id.parse().expect("an id");
    let by_prefix = partner.get(&format!("/medication-order/{}", order.prefixed()));
    assert_eq!(by_prefix.data()["id"], seed.medication_order_id);
    let prescription: PrescriptionId = seed.prescription_id.parse().expect("an id");
    let by_prefix = partner.get(&format!("/prescription/{}", prescription.prefixed()));
    assert_eq!(by_prefix.data()["id"], seed.prescription_id);
    let patient: PatientId = seed.patient_id.parse().expect("an id");
    let mut body = order_body(&seed, &[line("Lisinopril")]);
    body["patient_id"] = json!(patient.prefixed());
    partner.post("/medication-order", &body).data();
    let request: LineId = seed.medication_request_id.parse().expect("an id");
    let path = format!("/refill-request/eligibility?medication_request_id={}", request.prefixed());
    assert_eq!(partner.get(&path).data()["eligible"], true);
}

#[test]
fn a_webhook_is_deleted_in_each_of_three_ways() {
    let Scene { server, seed, partner } = scene();
    let make = |port: u16| {
        let body =
            json!({"clinic_id": seed.clinic_id, "webhook_url": format!("http://127.0.0.1:{port}/hook")});
        text(&partner.post("/webhook", &body).data()["webhook_id"])
    };
    let by_body = |id: &str| json!({ "webhook_id": id });
    let [first, second, third] = [make(9001), make(9002), make(9003)];
    let stranger = server.stranger(&seed);
    assert_eq!(stranger.delete(&format!("/webhook/{first}")).status, 404);
    assert_eq!(stranger.delete(&format!("/webhook?id={first}")).invalid(), ["id"]);
    assert_eq!(stranger.json(Method::DELETE, "/webhook", &[], &by_body(&first)).invalid(), ["webhook_id"]);
    partner.get(&format!("/webhook/{first}")).data();

    partner.delete(&format!("/webhook/{first}")).said("Webhook deleted successfully");
    partner.delete(&format!("/webhook?id={second}")).said("Webhook deleted successfully");
    partner.json(Method::DELETE, "/webhook", &[], &by_body(&third)).said("Webhook deleted successfully");
    for id in [&first, &second, &third] {
        partner.get(&format!("/webhook/{id}")).refused(404, "NOT_FOUND");
        partner.delete(&format!("/webhook/{id}")).refused(404, "NOT_FOUND");
    }
    assert_eq!(*partner.get("/webhook").data(), json!([]));
    assert_ne!(make(9001), first, "a deleted endpoint's URL can be registered anew");
}

#[test]
fn a_webhook_takes_its_options_and_its_changes() {
    let Scene { server: _server, seed, partner } = scene();
    let url = "http://127.0.0.1:9001/hook";
    let options = [
        ("signing", json!("ed25519")),
        ("ordered", json!(true)),
        ("rate_limit_per_second", json!(5)),
        ("payload", json!("thin")),
        ("retry_schedule", json!([60])),
    ];
    let mut body = json!({"clinic_id": seed.clinic_id, "webhook_url": url, "event_types": ["medication:shipped", "refill:*"]});
    for (name, value) in &options {
        body[*name] = value.clone();
    }
    let made = partner.post("/webhook", &body).data().clone();
    let path = format!("/webhook/{}", text(&made["webhook_id"]));
    let found = partner.get(&path).data().clone();
    for (name, value) in &options {
        assert_eq!(found[*name], *value, "{name}");
    }
    let unknown =
        json!({"clinic_id": seed.clinic_id, "webhook_url": "http://127.0.0.1:9002/", "event_types": ["x:y"]});
    assert_eq!(partner.post("/webhook", &unknown).invalid(), ["event_types[0]"]);
    let paused = partner.patch(&path, &json!({"status": "paused", "event_types": ["*"], "description": "d"}));
    assert_eq!(paused.data()["status"], "paused");
    assert_eq!(paused.data()["event_types"], json!(["*"]));
    assert_eq!(partner.patch(&path, &json!({"status": "disabled"})).invalid(), ["status"]);
}

#[test]
fn lists_are_read_page_by_page() {
    let Scene { server, seed, partner } = scene();
    for _ in 0..5 {
        partner.order(&seed);
    }
    let all: Vec<String> = partner.orders().into_iter().map(|(id, _)| id).collect();
    assert_eq!(all.len(), 6, "the seeded one, and five");
    let mut newest_first = all.clone();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(all, newest_first);
    let mut paged = Vec::new();
    let mut path = "/medication-order?limit=4".to_owned();
    loop {
        let page = partner.get(&path);
        let ids = page.data().as_array().expect("a list").iter().map(|order| text(&order["id"]));
        paged.extend(ids);
        if page.body["has_more"] == false {
            assert_eq!(page.body["next_cursor"], Value::Null);
            break;
        }
        path = format!("/medication-order?limit=4&cursor={}", text(&page.body["next_cursor"]));
    }
    assert_eq!(paged, all);

    let ids = |query: &str| {
        let reply = partner.get(&format!("/medication-order?{query}"));
        reply.data().as_array().expect("a list").iter().map(|order| text(&order["id"])).collect::<Vec<_>>()
    };
    assert_eq!(ids("status=delivered"), std::slice::from_ref(&seed.medication_order_id));
    assert_eq!(ids("status=pending").len(), 5);
    assert_eq!(ids(&format!("patient_id={}", seed.patient_id)).len(), 6);
    assert_eq!(ids(&format!("patient_id={}", seed.practitioner_id)).len(), 0);
    assert_eq!(ids("created_until=2020-01-01T00:00:00Z").len(), 0);
    assert_eq!(ids("created_from=2020-01-01T00:00:00.000Z").len(), 6);
    assert_eq!(ids("updated_from=2999-01-01T00:00:00Z").len(), 0);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("cursor=!", "cursor"),
        ("status=received", "status"),
        ("patient_id=7", "patient_id"),
        ("created_from=yesterday", "created_from"),
    ] {
        assert_eq!(partner.get(&format!("/medication-order?{query}")).invalid(), [field], "{query}");
    }
    for path in ["/practitioner", "/patient", "/prescription", "/refill-request", "/webhook"] {
        let reply = partner.get(path);
        reply.data();
        assert_eq!(
            names(&reply.body),
            BTreeSet::from(["success", "data", "has_more", "next_cursor"]),
            "{path}"
        );
    }
    let none = server.stranger(&seed).get("/medication-order");
    assert_eq!((none.data(), &none.body["has_more"]), (&json!([]), &json!(false)));
}

#[test]
fn the_clinic_of_the_key_is_shown() {
    let Scene { server, seed, partner } = scene();
    let clinic = partner.get("/clinic").data().clone();
    assert_eq!(clinic["clinic_id"], seed.clinic_id);
    assert_eq!((&clinic["environment"], &clinic["other_clinics"]), (&json!("sandbox"), &json!([])));
    assert_eq!(server.stranger(&seed).get("/clinic").data()["clinic_id"], seed.other_clinic_id);
}

#[test]
fn people_are_changed_field_by_field() {
    let Scene { server: _server, seed, partner } = scene();
    let path = format!("/patient/{}", seed.patient_id);
    let changed =
        partner.patch(&path, &json!({"middle_name": "Lee", "notes": "knows the courier"})).data().clone();
    assert_eq!((&changed["middle_name"], &changed["first_name"]), (&json!("Lee"), &json!("Jamie")));
    let cleared = partner.patch(&path, &json!({"middle_name": null})).data().clone();
    assert_eq!((&cleared["middle_name"], &cleared["notes"]), (&Value::Null, &json!("knows the courier")));
    assert_eq!(partner.patch(&path, &json!({"first_name": null})).invalid(), ["first_name"]);
    let path = format!("/practitioner/{}", seed.practitioner_id);
    let changed =
        partner.patch(&path, &json!({"phone": "+1 (512) 555-0199", "dea_number": null})).data().clone();
    assert_eq!(changed["phone"], "5125550199");
    assert_eq!(partner.patch(&path, &json!({"npi": "1234567890x"})).invalid(), ["npi"]);
}
