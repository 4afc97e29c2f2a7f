//! The orders API: golden request, life of an order, refills, refusals, races, and what both APIs show of each other.

mod input;
mod orders;
mod races;
mod refills;
mod refusals;
mod webhooks;

use nimbus_core::ids::{OrderId, PatientId, PrescriptionId};
use serde_json::{Value, json};

use crate::support::{
    Engine, OrdersPartner, Partner, Reply, Seed, Server, Staff,
    story::{line, text},
};

/// The seeded clinic on both APIs, and the pharmacy.
struct Scene {
    server: Server,
    seed: Seed,
    orders: OrdersPartner,
    partner: Partner,
    staff: Staff,
}

impl Scene {
    #[track_caller]
    fn new(engine: Engine) -> Self {
        let (server, seed) = Server::seeded(engine);
        let (orders, partner, staff) = (server.orders(&seed), server.partner(&seed), server.staff(&seed));
        Self { server, seed, orders, partner, staff }
    }

    /// A new prescription that is kept on file; its UUID.
    #[track_caller]
    fn on_file(&self) -> String {
        let mut kept = line("Lisinopril");
        kept["do_not_fill"] = json!(true);
        self.partner.order_of(&self.seed, &[kept]).prescriptions[0].clone()
    }

    /// A prescription whose first fill was delivered today; its UUID and the fill's.
    #[track_caller]
    fn delivered(&self, line: &Value) -> (String, String) {
        let order = self.partner.order_of(&self.seed, std::slice::from_ref(line));
        self.staff.deliver(&order.id);
        (order.prescriptions[0].clone(), order.lines[0].clone())
    }

    /// The body of an order for one of the seeded patient's prescriptions.
    fn order_body(&self, prescription: &str) -> Value {
        json!({
            "patientId": self.seed.patient_id, "prescriptionId": prescription,
            "shippingAddress": {"street1": "1 Elm St", "city": "Austin", "state": "TX", "zip": "78701"},
        })
    }

    #[track_caller]
    fn order(&self, prescription: &str) -> Value {
        self.orders.post("/orders", &self.order_body(prescription)).resource(201).clone()
    }

    /// The body of a request for a refill.
    fn refill_body(&self, prescription: &str) -> Value {
        json!({"patientId": self.seed.patient_id, "prescriptionId": prescription})
    }

    #[track_caller]
    fn refills_remaining(&self, prescription: &str) -> u64 {
        let found = self.orders.get(&format!("/prescriptions/{prescription}"));
        found.resource(200)["refillsRemaining"].as_u64().expect("a number")
    }
}

/// The codes of a refusal by the refill rules.
#[track_caller]
fn reasons(reply: &Reply) -> Vec<String> {
    let details = &reply.orders_refused(422, "refill_not_eligible")["details"];
    let errors = details["errors"].as_array().expect("reasons");
    assert_eq!(details["reason"], errors[0]["reason"], "{}", reply.body);
    errors.iter().map(|error| text(&error["reason"])).collect()
}

fn order_uuid(prefixed: &Value) -> String {
    text(prefixed).parse::<OrderId>().expect("an order's id").to_string()
}

fn rx(uuid: &str) -> String {
    uuid.parse::<PrescriptionId>().expect("a prescription's id").prefixed()
}

fn pat(uuid: &str) -> String {
    uuid.parse::<PatientId>().expect("a patient's id").prefixed()
}
