//! The sandbox: clinics' own clocks, the simulated pharmacy and carrier, magic values, events on demand, reset.

mod clocks;
mod controls;
mod magic;

use serde_json::{Value, json};

use crate::support::{Client, Seed, story::text};

/// An order of the seeded people with this many days' supply; the order and its medication request.
fn order(partner: &Client, seed: &Seed, patient: &str, days_supply: u32) -> (String, String) {
    let body = json!({
        "clinic_id": seed.clinic_id, "patient_id": patient, "practitioner_id": seed.practitioner_id,
        "carrier_id": "se-11226", "service_id": "ups_2nd_day_air",
        "medication_requests": [{
            "medication": "Lisinopril", "dose": "10mg", "quantity": days_supply, "unit_of_measure": "tablet",
            "refills": 3, "direction": "Take one tablet by mouth daily", "days_supply": days_supply,
        }],
    });
    let reply = partner.post("/medication-order", &body);
    let data = reply.data();
    (text(&data["medication_order_id"]), text(&data["medication_request_id"]))
}

/// An order of the seeded patient for thirty days.
fn monthly(partner: &Client, seed: &Seed) -> (String, String) {
    order(partner, seed, &seed.patient_id, 30)
}

/// A new patient of a surname.
fn patient(partner: &Client, seed: &Seed, last_name: &str) -> String {
    text(&partner.post("/patient", &patient_body(seed, last_name)).data()["patient_id"])
}

fn patient_body(seed: &Seed, last_name: &str) -> Value {
    json!({
        "first_name": "Robin", "last_name": last_name, "gender": "unknown", "dob": "1990-02-03",
        "practitioner_id": seed.practitioner_id, "assigned_clinic": seed.clinic_id,
        "contacts": [{"key": "email", "value": "robin@example.com"}],
        "addresses": [{"addressLine1": "1 Elm St", "city": "Austin", "state": "TX", "postalCode": "78702"}],
    })
}

/// Has the simulation bring an order to a state, or as far as it goes: `(step, status)` of each, and what keeps it.
fn advance(client: &Client, order: &str, to: Option<&str>) -> (Vec<(String, String)>, Vec<String>) {
    let body = to.map_or_else(|| json!({}), |to| json!({ "to": to }));
    let reply = client.post(&format!("/sandbox/orders/{order}/advance"), &body);
    let data = reply.data();
    let steps = data["steps"].as_array().expect("steps").iter();
    let steps = steps.map(|step| (text(&step["step"]), text(&step["status"]))).collect();
    (steps, data["waiting_for"].as_array().expect("reasons").iter().map(text).collect())
}

fn names(steps: &[(String, String)]) -> Vec<&str> {
    steps.iter().map(|(step, _)| step.as_str()).collect()
}

/// The event log once it has come to rest: on PostgreSQL it ends before the oldest transaction of the whole cluster,
/// and other tests have theirs.
fn log(partner: &Client) -> Vec<Value> {
    let mut seen = log_now(partner);
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(700));
        let again = log_now(partner);
        if again.len() == seen.len() {
            return again;
        }
        seen = again;
    }
    seen
}

/// What the clinic's log of events has, oldest first.
fn log_now(partner: &Client) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let reply = partner.get(&format!("/events?limit=100{cursor}"));
        all.extend(reply.data().as_array().expect("a list").clone());
        if reply.body["has_more"] != true {
            return all;
        }
        cursor = format!("&cursor={}", text(&reply.body["next_cursor"]));
    }
}

/// The types of the events about one thing, in order.
fn told(log: &[Value], member: &str, id: &str) -> Vec<String> {
    log.iter()
        .filter(|event| event["event_data"][member] == id)
        .map(|event| text(&event["event_type"]))
        .collect()
}
