//! What a licence of the pharmacy sets free, and what it leaves alone.

use serde_json::{Value, json};

use crate::support::{
    Client, Seed, Server, Staff,
    story::{line, order_body, text},
    two_engines,
};

/// An order to a state where gates of a sandbox are as strict as in production.
#[track_caller]
fn order_to(client: &Client, people: &Value, medication: &str, state: &str) -> String {
    let mut body = json!({
        "carrier_id": "se-11226", "service_id": "ups_2nd_day_air", "medication_requests": [line(medication)],
        "shipping_address": {"addressLine1": "1 Main St", "city": "Town", "state": state, "postalCode": "99801"},
    });
    for (name, value) in people.as_object().expect("an object") {
        body[name] = value.clone();
    }
    text(&client.post("/medication-order", &body).data()["medication_order_id"])
}

fn of_the_seed(seed: &Seed) -> Value {
    let body = order_body(seed, &[]);
    ["clinic_id", "patient_id", "practitioner_id"].iter().map(|name| (*name, body[*name].clone())).collect()
}

/// People of the other partner's clinic, which begins with none.
#[track_caller]
fn of_the_other(stranger: &Client, seed: &Seed) -> Value {
    let practitioner = json!({
        "first_name": "Alex", "last_name": "Doe", "email": "alex@example.com", "npi": "1234567893",
        "is_veterinarian": false, "assigned_clinic": seed.other_clinic_id, "phone": "2125550123",
        "address_line_1": "1 Main St", "city": "Austin", "state_code": "TX", "zip_code": "78701",
    });
    let practitioner = stranger.post("/practitioner", &practitioner).data()["practitioner_id"].clone();
    let patient = json!({
        "first_name": "Robin", "last_name": "Vale", "gender": "unknown", "dob": "1990-02-03",
        "practitioner_id": practitioner, "assigned_clinic": seed.other_clinic_id,
        "addresses": [{"addressLine1": "1 Elm St", "city": "Austin", "state": "TX", "postalCode": "78702"}],
    });
    let patient = stranger.post("/patient", &patient).data()["patient_id"].clone();
    json!({"clinic_id": seed.other_clinic_id, "patient_id": patient, "practitioner_id": practitioner})
}

/// Where an order stands, and the reasons of its open holds.
#[track_caller]
fn stands(client: &Client, order: &str) -> (String, Vec<String>) {
    let read = client.get(&format!("/medication-order/{order}")).data().clone();
    let holds = read["holds"].as_array().expect("holds").iter();
    let open = holds.filter(|hold| hold["released_at"].is_null());
    (text(&read["status"]), open.map(|hold| text(&hold["reason"])).collect())
}

fn held(by: &[&str]) -> (String, Vec<String>) {
    ("on_hold".to_owned(), by.iter().map(|reason| (*reason).to_owned()).collect())
}

fn free(status: &str) -> (String, Vec<String>) {
    (status.to_owned(), Vec::new())
}

#[track_caller]
fn record(staff: &Staff, state: &str, category: &str, expires_on: &str) -> String {
    let body = json!({"state": state, "category": category, "number": format!("{state}-{category}-9"),
        "expires_on": expires_on});
    text(&staff.post("/admin/licenses", &body).data()["id"])
}

/// Takes every licence of a state away.
#[track_caller]
fn remove_all(staff: &Staff, state: &str) {
    let found = staff.get(&format!("/admin/licenses?state={state}")).data().clone();
    for license in found.as_array().expect("a list") {
        staff
            .delete(&format!("/admin/licenses/{}", text(&license["id"])))
            .said("License deleted successfully");
    }
}

two_engines! {
    fn a_licence_lets_the_lines_go_on_that_it_covers_and_no_others(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff, stranger) = (server.partner(&seed), server.staff(&seed), server.stranger(&seed));
        let (ours, theirs) = (of_the_seed(&seed), of_the_other(&stranger, &seed));
        remove_all(&staff, "HI");
        let waiting = order_to(&partner, &ours, "Lisinopril", "AK");
        let controlled = order_to(&partner, &ours, "Test C3", "AK");
        let by_staff = order_to(&partner, &ours, "Lisinopril", "AK");
        staff.post(&format!("/pharmacy/orders/{by_staff}/hold"), &json!({"reason": "license"})).data();
        let same_state = order_to(&stranger, &theirs, "Lisinopril", "AK");
        let elsewhere = order_to(&stranger, &theirs, "Lisinopril", "HI");
        let untouched = stranger.get(&format!("/medication-order/{elsewhere}")).data().clone();
        // The hold of this one refused a step, which is tried again.
        let verified = order_to(&partner, &ours, "Lisinopril", "AK");
        staff.work(&verified, "release");
        assert_eq!(staff.work(&verified, "verify")["status"], "on_hold");

        // One that is over, and one for another kind of line, change nothing.
        let over = record(&staff, "AK", "retail", "2020-01-31");
        record(&staff, "AK", "veterinary", "2999-12-31");
        for order in [&waiting, &verified] {
            assert_eq!(stands(&partner, order), held(&["license"]));
        }
        // It is renewed.
        staff.patch(&format!("/admin/licenses/{over}"), &json!({"expires_on": "2999-12-31"})).data();
        assert_eq!(stands(&partner, &waiting), free("pending"));
        assert_eq!(stands(&partner, &verified), free("verified"));
        assert_eq!(stands(&partner, &by_staff), held(&["license"]), "staff may have another reason");
        assert_eq!(stands(&stranger, &same_state), free("pending"), "the licence is the pharmacy's");
        let gates = ["awaiting_valid_prescription", "license", "prescriber_outreach"];
        assert_eq!(stands(&partner, &controlled), held(&gates), "it needs another licence");
        let read = stranger.get(&format!("/medication-order/{elsewhere}"));
        assert_eq!(read.data(), &untouched, "another clinic's order to another state");

        // Other holds are others' to resolve.
        record(&staff, "AK", "controlled", "2999-12-31");
        let (status, left) = stands(&partner, &controlled);
        assert_eq!((status.as_str(), left.len()), ("on_hold", 2), "{left:?}");
        assert!(!left.contains(&"license".to_owned()), "{left:?}");
        staff.work(&waiting, "verify");
    }

    fn an_address_in_a_licensed_state_is_all_that_a_line_waited_for(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let order = order_to(&partner, &of_the_seed(&seed), "Lisinopril", "AK");
        staff.post(&format!("/pharmacy/orders/{order}/hold"), &json!({"reason": "address"})).data();
        let read = partner.get(&format!("/medication-order/{order}")).data().clone();
        let holds = read["holds"].as_array().expect("holds").iter();
        let hold = holds.filter(|hold| hold["reason"] == "address").map(|hold| text(&hold["id"])).next();
        let path = format!("/medication-order/{order}/holds/{}/resolve", hold.expect("an address hold"));
        let to = json!({"shipping_address":
            {"addressLine1": "9 Elm St", "city": "Dallas", "state": "TX", "postalCode": "75201"}});
        partner.post(&path, &to).data();
        assert_eq!(stands(&partner, &order), free("pending"));
    }

    fn a_licence_by_the_command_line_lets_lines_go_on_too(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let order = order_to(&partner, &of_the_seed(&seed), "Lisinopril", "AK");
        assert_eq!(stands(&partner, &order), held(&["license"]));
        let add = ["admin", "license", "add", "--state", "AK", "--category", "retail", "--number", "AK-7"];
        server.store().json(&[&add[..], &["--expires", "2999-12-31"]].concat());
        assert_eq!(stands(&partner, &order), free("pending"));
    }
}
