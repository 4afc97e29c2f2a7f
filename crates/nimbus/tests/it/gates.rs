//! The gates over HTTP: strict in production, and in a sandbox warnings unless a magic value asks for more.

mod production;

use nimbus_core::{license::LicenseCategory, us::State};
use serde_json::{Value, json};

use self::production::{Production, license, patient};
use crate::support::{
    Engine,
    story::{Ordered, WORK, line, text},
    two_engines,
    webhooks::Scene,
};

fn drug(name: &str, dose: &str) -> Value {
    let mut line = line(name);
    line["dose"] = json!(dose);
    if dose.ends_with("/mL") {
        line["unit_of_measure"] = json!("mL");
    }
    line
}

/// A tablet of the formulary that no gate minds.
fn plain() -> Value {
    drug("Finasteride", "1 mg")
}

fn testosterone() -> Value {
    json!({
        "medication": "Testosterone Cypionate", "dose": "200 mg/mL", "quantity": 4, "unit_of_measure": "mL",
        "refills": 2, "direction": "Inject 0.5 mL intramuscularly twice weekly", "days_supply": 28,
    })
}

fn reasons(holds: &[Value]) -> Vec<&str> {
    holds.iter().map(|hold| hold["reason"].as_str().expect("a reason")).collect()
}

#[track_caller]
fn only(holds: &[Value], reason: &str, gate: &str) -> Value {
    assert_eq!(reasons(holds), [reason], "{holds:?}");
    assert_eq!(holds[0]["gate"], gate);
    assert!(holds[0]["citation"].is_string() && holds[0]["message"].is_string());
    holds[0].clone()
}

/// The id of the one hold, which no gate placed.
#[track_caller]
fn only_by_staff(holds: &[Value]) -> String {
    assert!(matches!(holds, [hold] if hold["gate"].is_null()), "{holds:?}");
    text(&holds[0]["id"])
}

/// The services that a refusal says would do.
#[track_caller]
fn would_do(error: &Value) -> Vec<&str> {
    let details = error["details"].as_array().expect("details").iter();
    let named = details.filter(|it| it["reason"] == "would_do");
    named.map(|it| it["service_id"].as_str().expect("a service")).collect()
}

/// The reasons in the details of a refusal, each with its field.
#[track_caller]
fn told(error: &Value) -> Vec<(String, String)> {
    let details = error["details"].as_array().expect("details").iter();
    details.map(|it| (text(&it["field"]), text(&it["reason"]))).collect()
}

two_engines! {
    fn a_controlled_line_waits_for_its_original_and_then_goes_on_by_itself(engine) {
        let scene = Production::start(engine);
        let dea = json!({"dea_number": "BT1234563"});
        scene.partner.patch(&format!("/practitioner/{}", scene.practitioner), &dea).data();
        let (order, holds) = scene.taken(&[testosterone(), plain()], &json!({}));
        let hold = only(&holds, "awaiting_valid_prescription", "controlled");
        assert_eq!((&hold["resolvable_by"], &hold["required_fields"]), (&json!("pharmacy"), &json!([])));
        assert_eq!(hold["medication_request_id"], order.lines[0]);
        let path = format!("/medication-order/{}/holds/{}/resolve", order.id, text(&hold["id"]));
        scene.partner.post(&path, &json!({"note": "it is valid"})).refused(400, "INVALID_STATUS_TRANSITION");
        let released = scene.staff.act(&format!("/pharmacy/orders/{}/release", order.id));
        released.refused(400, "INVALID_STATUS_TRANSITION");

        // The other line is not held up, and its steps do not move this one.
        scene.staff.work(&order.id, "verify");
        assert_eq!(reasons(&scene.open_holds(&order.id)), ["awaiting_valid_prescription"]);
        let original = json!({"kind": "written", "reference": "paper 12", "received_at": "2026-01-15T10:30:00Z",
            "signature_verified": true});
        let path = format!("/pharmacy/prescriptions/{}/bind-original", order.prescriptions[0]);
        let bound = scene.staff.post(&path, &original);
        assert_eq!(bound.data()["medication_orders"], json!([order.id]));
        assert!(scene.open_holds(&order.id).is_empty());
        for act in WORK {
            let lines = json!({"medication_request_ids": [order.lines[0]]});
            scene.staff.post(&format!("/pharmacy/orders/{}/{act}", order.id), &lines).data();
        }
    }

    fn what_is_cold_is_refused_by_services_that_are_too_slow(engine) {
        let scene = Production::start(engine);
        let cold = json!({"is_refrigerated": true});
        let refused = scene.order(&[plain()], &cold);
        let error = refused.refused(400, "SERVICE_NOT_AVAILABLE");
        assert_eq!(error["message"], "Service not available");
        let told = told(error);
        assert_eq!(told[0], ("service_id".to_owned(), "temperature".to_owned()));
        assert!(error["details"][0]["citation"].is_string());
        let lawful: Vec<&Value> = error["details"].as_array().expect("details")[1..].iter().collect();
        let ids: Vec<&str> = lawful.iter().map(|it| it["service_id"].as_str().expect("an id")).collect();
        assert!(ids.contains(&"ups_2nd_day_air") && ids.contains(&"fedex_priority_overnight"), "{ids:?}");
        assert!(!ids.contains(&"ups_ground"), "{ids:?}");
        assert!(lawful.iter().all(|it| it["reason"] == "would_do"));

        let boxed = json!({"is_refrigerated": true, "service_id": "ups_next_day_air", "shipping_address":
            {"addressLine1": "PO Box 12", "city": "Dallas", "state": "TX", "postalCode": "75201"}});
        let refused = scene.order(&[plain()], &boxed);
        let error = refused.refused(400, "SERVICE_NOT_AVAILABLE");
        assert_eq!(self::told(error), [("shipping_address".to_owned(), "temperature".to_owned())]);
        let slow = json!({"is_refrigerated": true, "carrier_id": null, "service_id": null,
            "delivery_speed": "business-day"});
        scene.order(&[plain()], &slow).refused(400, "SERVICE_NOT_AVAILABLE");

        // Each service that is named would do.
        for detail in lawful {
            let by = json!({"is_refrigerated": true, "carrier_id": detail["carrier_id"],
                "service_id": detail["service_id"]});
            assert!(scene.taken(&[plain()], &by).1.is_empty());
        }
        let next = json!({"is_refrigerated": true, "carrier_id": null, "service_id": null,
            "delivery_speed": "next-day"});
        let (order, _) = scene.taken(&[plain()], &next);
        scene.staff.fill(&order.id);
        let parcel = json!({"medication_orders": [order.id], "carrier_id": "se-11226", "service_id": "ups_ground",
            "tracking_number": "1Z999AA10123456784"});
        let refused = scene.staff.post("/pharmacy/shipments", &parcel);
        assert_eq!(self::told(refused.refused(400, "SERVICE_NOT_AVAILABLE"))[0].1, "temperature");
        assert_eq!(scene.status(&order.id), "filled", "another service can be chosen");
    }

    fn compounding_and_animals_are_refused_until_they_are_described(engine) {
        let scene = Production::start(engine);
        let mut compound = drug("Enclomiphene", "12.5 mg");
        compound["unit_of_measure"] = json!("capsule");
        let refused = scene.order(&[plain(), compound.clone()], &json!({}));
        let error = refused.refused(400, "ORDER_REJECTED");
        let field = "medication_requests[1].reason_for_compounding".to_owned();
        assert_eq!(told(error), [(field, "compounding".to_owned())]);
        compound["reason_for_compounding"] = json!("No such strength is on the market");
        assert!(scene.taken(&[plain(), compound.clone()], &json!({})).1.is_empty());

        let species = json!({"first_name": "Rex", "species": "canine", "animal_owner_name": "Robin Vale"});
        let made = scene.partner.post("/patient", &patient(&scene.clinic, &scene.practitioner, &species));
        let rex = text(&made.data()["patient_id"]);
        let refused = scene.order(&[plain()], &json!({"patient_id": rex}));
        let error = refused.refused(400, "ORDER_REJECTED");
        assert_eq!(told(error), [("patient_id".to_owned(), "veterinary".to_owned())]);
        scene.partner.patch(&format!("/patient/{rex}"), &json!({"weight": "12 kg"})).data();
        assert!(scene.taken(&[plain()], &json!({"patient_id": rex})).1.is_empty());

        let pig = json!({"first_name": "Peg", "species": "swine", "animal_owner_name": "Robin Vale", "weight": "90 kg"});
        let made = scene.partner.post("/patient", &patient(&scene.clinic, &scene.practitioner, &pig));
        let pig = json!({"patient_id": made.data()["patient_id"]});
        let refused = scene.order(&[compound.clone()], &pig);
        assert_eq!(told(refused.refused(400, "ORDER_REJECTED"))[0].1, "veterinary");
        let horse = json!({"first_name": "Max", "species": "equine", "animal_owner_name": "Robin Vale", "weight": "500 kg"});
        let made = scene.partner.post("/patient", &patient(&scene.clinic, &scene.practitioner, &horse));
        let (order, holds) = scene.taken(&[compound], &json!({"patient_id": made.data()["patient_id"]}));
        let hold = only(&holds, "clarification", "veterinary");
        assert_eq!(hold["required_fields"], json!(["note"]));
        let path = format!("/medication-order/{}/holds/{}/resolve", order.id, text(&hold["id"]));
        let answer = json!({"note": "It will never be slaughtered for food."});
        assert_eq!(scene.partner.post(&path, &answer).data()["status"], "pending");
        assert_eq!(scene.staff.work(&order.id, "verify")["status"], "verified", "it is not asked twice");
    }

    fn a_destination_without_a_licence_holds_until_there_is_one(engine) {
        let scene = Production::start(engine);
        let to_new_york = json!({"shipping_address":
            {"addressLine1": "1 Main St", "city": "Albany", "state": "NY", "postalCode": "12207"}});
        let (order, holds) = scene.taken(&[plain()], &to_new_york);
        let hold = only(&holds, "license", "license");
        assert!(hold["message"].as_str().expect("a message").contains("retail"));
        assert_eq!(scene.status(&order.id), "on_hold");
        // Released by hand it comes to the same gate again.
        assert_eq!(scene.staff.work(&order.id, "release")["status"], "pending");
        assert_eq!(scene.staff.work(&order.id, "verify")["status"], "on_hold");
        license(scene.server.store(), State::Ny, LicenseCategory::Retail);
        // The step that was refused is tried again.
        assert_eq!(scene.staff.work(&order.id, "release")["status"], "verified");
        assert!(scene.open_holds(&order.id).is_empty());
        scene.staff.work(&order.id, "submit");
    }

    fn figures_that_contradict_each_other_are_the_partners_to_clear_up(engine) {
        let scene = Production::start(engine);
        let mut wrong = plain();
        wrong["quantity"] = json!(5);
        let (order, holds) = scene.taken(&[wrong], &json!({}));
        let hold = only(&holds, "clarification", "days_supply");
        assert_eq!(hold["required_fields"], json!(["days_supply", "quantity", "direction"]));
        let path = format!("/medication-order/{}/holds/{}/resolve", order.id, text(&hold["id"]));
        assert_eq!(scene.partner.post(&path, &json!({"note": "it is right"})).invalid(), ["days_supply"]);
        assert_eq!(scene.partner.post(&path, &json!({"days_supply": 60})).invalid(), ["days_supply"]);
        assert_eq!(scene.status(&order.id), "on_hold", "the hold stays");
        let prescription = scene.partner.get(&format!("/prescription/{}", order.prescriptions[0])).data().clone();
        assert_eq!(prescription["days_supply"], 30, "nothing of a refused answer is kept");
        assert_eq!(scene.partner.post(&path, &json!({"days_supply": 5})).data()["status"], "pending");
        scene.staff.work(&order.id, "verify");
    }

    fn a_quantity_that_cannot_be_counted_is_the_partners_to_clear_up(engine) {
        let scene = Production::start(engine);
        let said = |unit: &str| {
            let mut line = plain();
            line["unit_of_measure"] = json!(unit);
            line["quantity"] = json!(30);
            line
        };
        assert!(scene.taken(&[said("Tabs")], &json!({})).1.is_empty());
        let (order, holds) = scene.taken(&[said("vial")], &json!({}));
        let hold = only(&holds, "clarification", "unit");
        assert_eq!(hold["required_fields"], json!(["unit_of_measure", "quantity"]));
        assert_eq!(hold["resolvable_by"], "partner");
        let path = format!("/medication-order/{}/holds/{}/resolve", order.id, text(&hold["id"]));
        assert_eq!(scene.partner.post(&path, &json!({"unit_of_measure": "mL"})).invalid(), ["unit_of_measure"]);
        assert_eq!(scene.partner.post(&path, &json!({"quantity": 10})).invalid(), ["quantity"]);
        assert_eq!(scene.status(&order.id), "on_hold", "the hold stays");
        let resolved = scene.partner.post(&path, &json!({"unit_of_measure": "tablets"}));
        assert_eq!(resolved.data()["status"], "pending");

        // A pharmacist who knows what is meant lets another go on, and stock is not touched by a guess.
        let lot = json!({"drug_id": "finasteride-1", "lot_number": "F", "expires_on": "2098-12-31", "quantity": 100});
        scene.staff.post("/pharmacy/inventory/receive", &lot).data();
        scene.staff.fill(&order.id);
        let (guessed, _) = scene.taken(&[said("vial")], &json!({}));
        scene.staff.work(&guessed.id, "release");
        scene.staff.fill(&guessed.id);
        let stock = scene.staff.get("/pharmacy/inventory?drug_id=finasteride-1").data().clone();
        assert_eq!(stock[0]["on_hand"], 70, "only what was counted was taken");
    }

    fn an_unknown_drug_is_asked_about(engine) {
        let scene = Production::start(engine);
        let (order, holds) = scene.taken(&[drug("Xyzzyprazole", "1 mg")], &json!({}));
        let hold = only(&holds, "clarification", "drug");
        assert_eq!(hold["required_fields"], json!(["medication", "ndc"]));
        let path = format!("/medication-order/{}/holds/{}/resolve", order.id, text(&hold["id"]));
        assert_eq!(scene.partner.post(&path, &json!({"medication": "Plughazole"})).invalid(), ["medication"]);
        let known = scene.partner.post(&path, &json!({"medication": "Finasteride"}));
        assert_eq!(known.data()["status"], "pending");
        assert_eq!(scene.staff.work(&order.id, "verify")["status"], "verified");
    }

    fn a_practitioner_without_a_dea_number_is_asked_for_it(engine) {
        let scene = Production::start(engine);
        let (order, holds) = scene.taken(&[testosterone()], &json!({}));
        assert_eq!(reasons(&holds), ["awaiting_valid_prescription", "prescriber_outreach"]);
        let hold = &holds[1];
        assert_eq!((&hold["resolvable_by"], &hold["required_fields"]), (&json!("partner"), &json!(["dea_number"])));
        let how = hold["how"].as_str().expect("how");
        assert!(how.contains("dea_number") && how.contains("PATCH /api/external/practitioner/"), "{how}");
        // The number is the practitioner's, and the hold's own request says so.
        let dea = json!({"dea_number": "BT1234563"});
        let path = format!("/medication-order/{}/holds/{}/resolve", order.id, text(&hold["id"]));
        let refused = scene.partner.post(&path, &dea);
        let error = refused.refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(error["details"][0]["reason"], "resolved_at_practitioner");
        assert_eq!(error["details"][0]["practitioner_id"], scene.practitioner.as_str());
        assert_eq!(error["message"], how);
        assert_eq!(scene.open_holds(&order.id).len(), 2);
        scene.partner.patch(&format!("/practitioner/{}", scene.practitioner), &dea).data();
        only(&scene.open_holds(&order.id), "awaiting_valid_prescription", "controlled");
    }

    fn a_service_that_does_not_go_there_is_refused_with_those_that_do(engine) {
        let scene = Production::start(engine);
        let to_hawaii = |change: Value| {
            let mut body = json!({"shipping_address":
                {"addressLine1": "1 Main St", "city": "Honolulu", "state": "HI", "postalCode": "96813"}});
            for (name, value) in change.as_object().expect("an object") {
                body[name] = value.clone();
            }
            body
        };
        let warm = scene.order(&[plain()], &to_hawaii(json!({})));
        let error = warm.refused(400, "SERVICE_NOT_AVAILABLE");
        assert_eq!(told(error)[0], ("service_id".to_owned(), "not_served".to_owned()));
        let all = ["fedex_2day", "fedex_priority_overnight", "usps_ground_advantage", "usps_priority_mail",
            "usps_priority_mail_express", "ups_2nd_day_air", "ups_next_day_air"];
        assert_eq!(would_do(error), all);
        // Of what is refrigerated, only services that are quick enough would do as well.
        let by_ground = to_hawaii(json!({"is_refrigerated": true}));
        let cold = scene.order(&[plain()], &by_ground);
        assert_eq!(would_do(cold.refused(400, "SERVICE_NOT_AVAILABLE")), ["fedex_priority_overnight", "ups_next_day_air"]);
        let by_post = json!({"is_refrigerated": true, "carrier_id": "se-11225", "service_id": "usps_priority_mail"});
        let slow = scene.order(&[plain()], &to_hawaii(by_post));
        let error = slow.refused(400, "SERVICE_NOT_AVAILABLE");
        assert_eq!(told(error)[0].1, "temperature");
        assert_eq!(would_do(error), ["fedex_priority_overnight", "ups_next_day_air"]);

        // Each of them is taken; the pharmacy has no licence there.
        for detail in warm.body["error"]["details"].as_array().expect("details").iter().skip(1) {
            let by = json!({"carrier_id": detail["carrier_id"], "service_id": detail["service_id"]});
            only(&scene.taken(&[plain()], &to_hawaii(by)).1, "license", "license");
        }

        // Another address is the order's later: whoever makes the label chooses a service that goes there.
        let (order, _) = scene.taken(&[plain()], &json!({}));
        let held = json!({"reason": "address"});
        scene.staff.post(&format!("/pharmacy/orders/{}/hold", order.id), &held).data();
        let hold = only_by_staff(&scene.open_holds(&order.id));
        let path = format!("/medication-order/{}/holds/{hold}/resolve", order.id);
        let moved = json!({"shipping_address": to_hawaii(json!({}))["shipping_address"]});
        assert_eq!(scene.partner.post(&path, &moved).data()["status"], "pending");
        assert_eq!(scene.staff.work(&order.id, "verify")["status"], "on_hold");
        only(&scene.open_holds(&order.id), "license", "license");
    }
}

#[test]
fn a_sandbox_warns_and_goes_on() {
    let scene = Scene::start(Engine::Sqlite);
    let mut body =
        crate::support::story::order_body(&scene.seed, &[testosterone(), drug("Semaglutide", "2.5 mg/mL")]);
    body["is_refrigerated"] = json!(true);
    let reply = scene.partner.post("/medication-order", &body);
    let order = Ordered::read(reply.data());
    assert_eq!(reply.data()["status"], "pending");
    let warnings = reply.data()["warnings"].to_string();
    for sentence in
        ["service_id: What is refrigerated", "medication_requests[0].medication: A request by API"]
    {
        assert!(warnings.contains(sentence), "{sentence} in {warnings}");
    }
    let found = reply.data()["warnings"].as_array().expect("a list").iter();
    assert_eq!(
        found.filter(|it| it.to_string().contains("refrigerated")).count(),
        1,
        "once, not for each line"
    );
    scene.staff.deliver(&order.id);
}

#[test]
fn magic_values_ask_a_sandbox_for_the_strict_path() {
    let scene = Scene::start(Engine::Sqlite);
    let order = |line: Value, change: &Value| {
        let mut body = crate::support::story::order_body(&scene.seed, &[line]);
        for (name, value) in change.as_object().expect("an object") {
            body[name] = value.clone();
        }
        scene.partner.post("/medication-order", &body)
    };
    let c3 = order(drug("Test C3", "10 mg"), &json!({}));
    assert_eq!(c3.data()["status"], "on_hold");
    let holds = scene.partner.read_order(&text(&c3.data()["medication_order_id"]))["holds"].clone();
    assert!(holds.to_string().contains("awaiting_valid_prescription"), "{holds}");

    let cold = order(drug("Test Cold", "1 mg/mL"), &json!({}));
    assert_eq!(told(cold.refused(400, "SERVICE_NOT_AVAILABLE"))[0].1, "temperature");
    order(drug("Test Cold", "1 mg/mL"), &json!({"service_id": "ups_next_day_air"})).data();

    let mut copy = drug("Test Copy503A", "10 mg");
    for refused in [Value::Null, json!("N/A"), json!("because")] {
        copy["reason_for_compounding"] = refused;
        let error = order(copy.clone(), &json!({}));
        let error = error.refused(400, "ORDER_REJECTED");
        let field = "medication_requests[0].reason_for_compounding".to_owned();
        assert_eq!(told(error), [(field, "compounding".to_owned())]);
    }
    copy["reason_for_compounding"] = json!("allergy");
    order(copy, &json!({})).data();

    let alaska = json!({"service_id": "ups_2nd_day_air", "shipping_address":
        {"addressLine1": "1 Main St", "city": "Juneau", "state": "AK", "postalCode": "99801"}});
    let held = order(line("Lisinopril"), &alaska);
    let holds = scene.partner.read_order(&text(&held.data()["medication_order_id"]))["holds"].clone();
    assert!(holds.to_string().contains("\"license\""), "{holds}");
}
