//! Every magic value does what its sentence says, driven from the list that partners read; likely patient data is
//! warned of.

use nimbus_core::{sandbox_magic::MagicTracking, us::State};
use serde_json::{Value, json};

use super::{advance, log, names, order, patient, patient_body, told};
use crate::support::{
    Engine, Reply, Seed, Server, repository,
    story::{Ordered, line, order_body, text},
    webhooks::Scene,
};

/// A practitioner of the other partner's clinic, which has none of its own.
fn practitioner(seed: &Seed, extra: &Value) -> Value {
    let mut body = json!({
        "first_name": "Alex", "last_name": "Doe", "email": "alex@example.com", "npi": "1003000126",
        "is_veterinarian": false, "assigned_clinic": seed.other_clinic_id, "phone": "2125550123",
        "address_line_1": "1 Main St", "city": "Austin", "state_code": "TX", "zip_code": "78701",
    });
    for (name, value) in extra.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

/// Shows what a magic value does. A new one is not known here, and fails.
fn show(scene: &Scene, kind: &str, value: &str) {
    match kind {
        "npi" => npi(scene, value),
        "dea_number" => {
            let stranger = scene.server.stranger(&scene.seed);
            let body = practitioner(&scene.seed, &json!({"dea_number": value}));
            let reply = stranger.post("/practitioner", &body);
            match value {
                "BT1234563" => drop(reply.data()),
                "BT1234564" => assert_eq!(reply.invalid(), ["dea_number"]),
                other => panic!("{other} is not tried"),
            }
        }
        "patient_last_name" => surname(scene, value),
        "tracking_number" => tracking(scene, value),
        "medication" => medication(scene, value),
        "ship_to_state" => ship_to_state(scene, value),
        other => panic!("a {other} is not tried"),
    }
}

fn npi(scene: &Scene, value: &str) {
    let stranger = scene.server.stranger(&scene.seed);
    let made =
        stranger.post("/practitioner", &practitioner(&scene.seed, &json!({"npi": value}))).data().clone();
    let id = text(&made["practitioner_id"]);
    let read = stranger.get(&format!("/practitioner/{id}")).data().clone();
    let activated = told(&log(&stranger), "practitioner_id", &id);
    match value {
        "1234567893" => {
            assert_eq!((&made["status"], &read["status"]), (&json!("active"), &json!("active")));
            assert_eq!(activated, ["practitioner:activated"]);
        }
        "1999999992" => {
            assert_eq!(
                (&made["status"], &read["status"]),
                (&json!("Pending verification"), &json!("pending"))
            );
            assert!(activated.is_empty());
        }
        "1999999919" => {
            assert_eq!(read["status"], "inactive");
            let warning = text(&made["warnings"][0]);
            assert!(warning.contains("registry") && !warning.contains(value), "{warning}");
            let mut body = patient_body(&scene.seed, "Mismatch");
            body["practitioner_id"] = json!(id);
            body["assigned_clinic"] = json!(scene.seed.other_clinic_id);
            let patient = text(&stranger.post("/patient", &body).data()["patient_id"]);
            let order = json!({
                "clinic_id": scene.seed.other_clinic_id, "patient_id": patient, "practitioner_id": id,
                "delivery_speed": "next-day", "medication_requests": [line("Lisinopril")],
            });
            stranger.post("/medication-order", &order).refused(400, "ORDER_REJECTED");
        }
        other => panic!("{other} is not tried"),
    }
}

fn surname(scene: &Scene, value: &str) {
    let partner = &scene.partner;
    if value == "Duplicate" {
        let refused = partner.post("/patient", &patient_body(&scene.seed, value));
        let error = refused.refused(400, "DUPLICATE_PATIENT");
        let named = text(&error["details"][0]["patient_id"]);
        partner.get(&format!("/patient/{named}")).data();
        return;
    }
    // Letter case does not matter.
    let patient = patient(partner, &scene.seed, &value.to_uppercase());
    let (id, request) = order(partner, &scene.seed, &patient, 30);
    let (steps, waits) = advance(partner, &id, Some("delivered"));
    let steps = names(&steps);
    let read = partner.read_order(&id);
    match value {
        "Hold-Address" => {
            assert_eq!((steps.as_slice(), waits.as_slice()), (&["hold"][..], &["address".to_owned()][..]));
            assert_eq!(read["status"], "on_hold");
            assert_eq!(read["holds"][0]["resolvable_by"], "partner");
            scene.staff.act(&format!("/pharmacy/orders/{id}/release")).data();
            let (steps, waits) = advance(partner, &id, Some("delivered"));
            assert_eq!((steps.len(), waits.len()), (9, 0), "it is held once: {steps:?}");
        }
        "Hold-PriorAuth" => {
            assert_eq!(steps[..4], ["verify", "hold", "release", "submit"]);
            assert_eq!(read["holds"][0]["reason"], "prior_authorization");
            assert_eq!(read["status"], "delivered");
        }
        "Hold-Stock" => {
            assert_eq!(steps[4..7], ["hold", "release", "fill"]);
            assert_eq!(read["holds"][0]["reason"], "out_of_stock");
            assert_eq!(read["status"], "delivered");
        }
        "Reject-Interaction" => {
            assert_eq!(steps, ["verify", "reject"]);
            assert_eq!(read["status"], "rejected");
            assert!(
                told(&log(partner), "medication_request_id", &request)
                    .contains(&"medication:rejected".to_owned())
            );
        }
        _ => {
            let (number, status, parcel) = match value {
                "Parcel-Exception" => ("1ZNIMBUS0300000025", "shipped", "exception"),
                "Parcel-Returned" => ("1ZNIMBUS0300000034", "returned", "returned"),
                "Parcel-Lost" => ("1ZNIMBUS0300000043", "lost", "lost"),
                "Parcel-Stuck" => ("1ZNIMBUS0300000052", "shipped", "in_transit"),
                other => panic!("{other} is not tried"),
            };
            assert_eq!(read["shipments"][0]["tracking_number"], number);
            assert_eq!((&read["status"], &read["shipments"][0]["status"]), (&json!(status), &json!(parcel)));
            let (steps, waits) = advance(partner, &id, Some("delivered"));
            assert!(steps.is_empty() && waits.is_empty(), "nothing more happens: {steps:?}");
        }
    }
}

/// Where a parcel from Texas is on its way for five days by ground.
fn far() -> Value {
    json!({"shipping_address":
        {"addressLine1": "1 Pine St", "city": "Seattle", "state": "WA", "postalCode": "98101"}})
}

/// An order of one line, changed.
fn try_order(scene: &Scene, line: Value, change: &Value) -> Reply {
    let mut body = order_body(&scene.seed, &[line]);
    for (name, value) in change.as_object().expect("an object") {
        body[name] = value.clone();
    }
    scene.partner.post("/medication-order", &body)
}

/// The refusal's first reason, and every service that it names.
fn reason_and_services(error: &Value) -> (String, Vec<(String, String)>) {
    let details = error["details"].as_array().expect("details");
    let named = details.iter().filter(|it| it["reason"] == "would_do");
    let services = named.map(|it| (text(&it["carrier_id"]), text(&it["service_id"]))).collect();
    (text(&details[0]["reason"]), services)
}

fn open_holds(read: &Value) -> Vec<String> {
    let holds = read["holds"].as_array().expect("holds").iter();
    holds.filter(|hold| hold["released_at"].is_null()).map(|hold| text(&hold["reason"])).collect()
}

fn medication(scene: &Scene, value: &str) {
    // Letter case does not matter.
    let mut wanted = line(&value.to_uppercase());
    let unit = match value {
        "Test Cold" => "mL",
        "Test Copy503A" => "capsule",
        _ => "tablet",
    };
    wanted["unit_of_measure"] = json!(unit);
    match value {
        "Test C3" => {
            let order = Ordered::read(try_order(scene, wanted, &json!({})).data());
            let read = || scene.partner.read_order(&order.id);
            assert_eq!(open_holds(&read()), ["awaiting_valid_prescription", "prescriber_outreach"]);
            let registration = json!({"dea_number": "BT1234563"});
            scene
                .partner
                .patch(&format!("/practitioner/{}", scene.seed.practitioner_id), &registration)
                .data();
            assert_eq!(open_holds(&read()), ["awaiting_valid_prescription"]);
            let (steps, waits) = advance(&scene.partner, &order.id, Some("filled"));
            assert_eq!((steps.len(), waits.as_slice()), (0, &["awaiting_valid_prescription".to_owned()][..]));
            let original = json!({"kind": "electronic", "reference": "erx 7", "signature_verified": true,
                "received_at": "2026-01-15T10:30:00Z"});
            let bind = format!("/pharmacy/prescriptions/{}/bind-original", order.prescriptions[0]);
            scene.staff.post(&bind, &original).data();
            assert!(open_holds(&read()).is_empty());
            advance(&scene.partner, &order.id, Some("filled"));
            assert_eq!(read()["status"], "filled");
        }
        "Test Cold" => {
            let refused = try_order(scene, wanted.clone(), &far());
            let (reason, services) = reason_and_services(refused.refused(400, "SERVICE_NOT_AVAILABLE"));
            assert_eq!(reason, "temperature");
            assert!(services.len() > 3, "{services:?}");
            for (carrier, service) in services {
                let mut by = far();
                (by["carrier_id"], by["service_id"]) = (json!(carrier), json!(service));
                let taken = try_order(scene, wanted.clone(), &by);
                assert_eq!(taken.data()["status"], "pending", "{service}");
            }
        }
        "Test Copy503A" => {
            let refused = try_order(scene, wanted.clone(), &json!({}));
            let (reason, _) = reason_and_services(refused.refused(400, "ORDER_REJECTED"));
            assert_eq!(reason, "compounding");
            for reason in ["allergy", "The strength that is needed is not sold"] {
                wanted["reason_for_compounding"] = json!(reason);
                assert_eq!(try_order(scene, wanted.clone(), &json!({})).data()["status"], "pending");
            }
        }
        other => panic!("{other} is not tried"),
    }
}

fn ship_to_state(scene: &Scene, value: &str) {
    let address = json!({"addressLine1": "1 Main St", "city": "Town", "state": value, "postalCode": "99801"});
    let by_ground = try_order(scene, line("Lisinopril"), &json!({"shipping_address": address}));
    let (reason, services) = reason_and_services(by_ground.refused(400, "SERVICE_NOT_AVAILABLE"));
    assert_eq!((reason.as_str(), services.len()), ("not_served", 7), "{services:?}");
    let there = json!({"shipping_address": address, "service_id": "ups_2nd_day_air"});
    let taken = Ordered::read(try_order(scene, line("Lisinopril"), &there).data());
    let read = scene.partner.read_order(&taken.id);
    match value {
        "AK" => {
            assert_eq!((&read["status"], open_holds(&read)), (&json!("on_hold"), vec!["license".to_owned()]));
            let (steps, waits) = advance(&scene.partner, &taken.id, Some("delivered"));
            assert_eq!((steps.len(), waits), (0, vec!["license".to_owned()]));
        }
        "HI" => {
            assert_eq!((&read["status"], open_holds(&read)), (&json!("pending"), Vec::new()));
            let mut body = patient_body(&scene.seed, "Islander");
            body["addresses"] = json!([address]);
            let islander = text(&scene.partner.post("/patient", &body).data()["patient_id"]);
            for (carrier, expected) in [
                ("se-11226", ["ups_2nd_day_air", "ups_next_day_air"]),
                ("se-3818360", ["fedex_2day", "fedex_priority_overnight"]),
            ] {
                let listed = scene.partner.get(&format!("/carriers/{carrier}/services?patientId={islander}"));
                let ids: Vec<_> =
                    listed.data().as_array().expect("a list").iter().map(|it| text(&it["id"])).collect();
                assert_eq!(ids, expected);
            }
            // What is refrigerated is refused by slow services here, and warned of elsewhere.
            let cold = json!({"shipping_address": address, "is_refrigerated": true,
                "service_id": "ups_2nd_day_air"});
            let refused = try_order(scene, line("Lisinopril"), &cold);
            let (reason, _) = reason_and_services(refused.refused(400, "SERVICE_NOT_AVAILABLE"));
            assert_eq!(reason, "temperature");
            let mut cold = far();
            cold["is_refrigerated"] = json!(true);
            let warned = try_order(scene, line("Lisinopril"), &cold);
            assert!(warned.data()["warnings"].to_string().contains("refrigerated"), "{}", warned.body);
        }
        other => panic!("{other} is not tried"),
    }
}

/// The number typed by staff decides, whatever the patient is called.
fn tracking(scene: &Scene, value: &str) {
    let (id, _) = order(&scene.partner, &scene.seed, &scene.seed.patient_id, 30);
    scene.staff.fill(&id);
    let body = json!({
        "medication_orders": [id], "carrier_id": "se-11226", "service_id": "ups_2nd_day_air",
        "tracking_number": value,
    });
    let shipment = text(&scene.staff.post("/pharmacy/shipments", &body).data()["shipment_id"]);
    let (steps, _) = advance(&scene.staff, &id, Some("delivered"));
    assert!(steps.iter().all(|(step, _)| step == "scan"), "{steps:?}");
    let read = scene.partner.get(&format!("/shipment/{shipment}")).data().clone();
    let expected = match value {
        "1ZNIMBUS0300000016" => "delivered",
        "1ZNIMBUS0300000025" => "exception",
        "1ZNIMBUS0300000034" => "returned",
        "1ZNIMBUS0300000043" => "lost",
        "1ZNIMBUS0300000052" => "in_transit",
        other => panic!("{other} is not tried"),
    };
    assert_eq!(read["status"], expected, "{read}");
}

#[test]
fn every_value_does_what_its_sentence_says() {
    let scene = Scene::start(Engine::Sqlite);
    let found = scene.partner.get("/sandbox/fixtures").data().clone();
    let fixtures = found["fixtures"].as_array().expect("a list");
    assert!(fixtures.len() >= 20, "{fixtures:?}");
    for fixture in fixtures {
        show(&scene, &text(&fixture["kind"]), &text(&fixture["value"]));
    }
    let ready = &found["ready_made"];
    assert_eq!(ready["patient_id"], scene.seed.patient_id.as_str());
    assert_eq!(ready["medication_order_id"], scene.seed.medication_order_id.as_str());
    let strangers = scene.server.stranger(&scene.seed).get("/sandbox/fixtures").data().clone();
    assert_eq!((&strangers["fixtures"], &strangers["ready_made"]), (&found["fixtures"], &Value::Null));
}

/// Numbers that are made here count on past the magic ones, and what bears them is delivered.
#[test]
fn ordinary_parcels_have_ordinary_numbers_of_their_carrier() {
    let scene = Scene::start(Engine::Sqlite);
    let mut numbers = Vec::new();
    for (carrier, service, begins) in [
        ("se-11226", "ups_ground", "1ZNIMBUS03"),
        ("se-11226", "ups_ground", "1ZNIMBUS03"),
        ("se-3818360", "fedex_2day", "7900"),
        ("se-11225", "usps_priority_mail", "94"),
        ("ameriship", "ameriship_ground", "AMSNIMBUS"),
    ] {
        let by = json!({"carrier_id": carrier, "service_id": service});
        let made = Ordered::read(try_order(&scene, line("Lisinopril"), &by).data());
        advance(&scene.partner, &made.id, Some("delivered"));
        let read = scene.partner.read_order(&made.id);
        let number = text(&read["shipments"][0]["tracking_number"]);
        assert!(number.starts_with(begins) && MagicTracking::parse(&number).is_none(), "{number}");
        assert_eq!(read["status"], "delivered");
        numbers.push(number);
    }
    assert_ne!(numbers[0], numbers[1]);
}

/// The seed gives the pharmacy every licence everywhere but in Alaska.
#[test]
fn a_sandbox_has_licences_for_every_state_but_one() {
    let scene = Scene::start(Engine::Sqlite);
    for state in State::ALL {
        let address = json!({"addressLine1": "1 Main St", "city": "Town", "state": state.code(), "postalCode": "78702"});
        // The Postal Service goes everywhere.
        let by = json!({"shipping_address": address, "carrier_id": "se-11225", "service_id": "usps_priority_mail"});
        let made = try_order(&scene, line("Lisinopril"), &by);
        let read = scene.partner.read_order(&text(&made.data()["medication_order_id"]));
        let warned = made.data()["warnings"].to_string().to_lowercase().contains("licen");
        let is_held = open_holds(&read) == ["license"];
        assert_eq!((warned, is_held), (false, *state == State::Ak), "{state}: {}", made.body);
    }
}

/// The guide's table is the list.
#[test]
fn the_guide_lists_every_value() {
    let guide = std::fs::read_to_string(repository("docs/guides/sandbox.md")).expect("the guide is there");
    let rows: Vec<&str> = guide.lines().filter(|line| line.starts_with("| `")).collect();
    let fixtures = nimbus_core::sandbox_magic::fixtures();
    for fixture in &fixtures {
        let row = format!("| `{}` | `{}` | {} |", fixture.kind, fixture.value, fixture.effect);
        assert!(rows.contains(&row.as_str()), "the guide lacks: {row}");
    }
    let values = rows.iter().filter(|row| row.matches(" | ").count() == 2).count();
    assert_eq!(values, fixtures.len(), "the guide has rows that the code does not");
}

#[test]
fn likely_patient_data_is_warned_of_and_not_repeated() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let partner = server.partner(&seed);
    let mut body = patient_body(&seed, "Rowe");
    body["contacts"] = json!([
        {"key": "email", "value": "robin.rowe@gmail.com"}, {"key": "phone", "value": "650-253-0000"},
        {"key": "email", "value": "robin@clinic.example.org"}, {"key": "sms", "value": "2125550199"},
    ]);
    let made = partner.post("/patient", &body).data().clone();
    let warnings: Vec<String> = made["warnings"].as_array().expect("warnings").iter().map(text).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("contacts[0].value: ") && warnings[1].starts_with("contacts[1].value: "));
    for leaked in ["gmail", "robin", "650", "253"] {
        assert!(warnings.iter().all(|warning| !warning.contains(leaked)), "{warnings:?}");
    }
    let path = format!("/patient/{}", text(&made["patient_id"]));
    let contacts = json!({"contacts": [{"key": "email", "value": "someone@yahoo.com"}]});
    assert_eq!(partner.patch(&path, &contacts).data()["warnings"].as_array().map(Vec::len), Some(1));

    let stranger = server.stranger(&seed);
    let real = json!({"email": "dr.real@hospital.org", "phone": "6502530000"});
    let made = stranger.post("/practitioner", &practitioner(&seed, &real)).data().clone();
    assert_eq!(made["warnings"].as_array().map(Vec::len), Some(2), "{made}");
    let path = format!("/practitioner/{}", text(&made["practitioner_id"]));
    let changed = stranger.patch(&path, &json!({"phone": "6502530001"})).data().clone();
    assert_eq!(changed["warnings"].as_array().map(Vec::len), Some(1), "{changed}");
    let changed = stranger.patch(&path, &json!({"email": "dr@example.net"})).data().clone();
    assert!(changed["warnings"].is_null(), "{changed}");
}
