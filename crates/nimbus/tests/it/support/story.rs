//! Steps that many stories share: an order as a partner sends it, and the pharmacy's work on it.

use serde_json::{Value, json};

use super::{Partner, Seed, Staff};

/// The words of the pharmacy's work from received to filled, in order.
pub(crate) const WORK: [&str; 5] = ["verify", "submit", "acknowledge", "start-fill", "fill"];

/// A medication request that no gate minds.
pub(crate) fn line(medication: &str) -> Value {
    json!({
        "medication": medication, "dose": "10mg", "quantity": 30, "unit_of_measure": "tablet", "refills": 3,
        "direction": "Take one tablet by mouth daily", "days_supply": 30,
    })
}

/// The body of an order of the seeded people.
pub(crate) fn order_body(seed: &Seed, lines: &[Value]) -> Value {
    json!({
        "clinic_id": seed.clinic_id, "patient_id": seed.patient_id, "practitioner_id": seed.practitioner_id,
        "carrier_id": "se-11226", "service_id": "ups_ground", "medication_requests": lines,
    })
}

/// An order that was accepted: its id and its medication requests, in order.
pub(crate) struct Ordered {
    pub(crate) id: String,
    pub(crate) lines: Vec<String>,
    pub(crate) prescriptions: Vec<String>,
}

impl Ordered {
    #[track_caller]
    pub(crate) fn read(data: &Value) -> Self {
        let list = data["medications"].as_array().expect("medications");
        let texts = |name: &str| list.iter().map(|line| text(&line[name])).collect();
        Self {
            id: text(&data["medication_order_id"]),
            lines: texts("id"),
            prescriptions: texts("prescription_id"),
        }
    }
}

/// A JSON string.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}

impl Partner {
    /// Sends an order of one line of lisinopril.
    #[track_caller]
    pub(crate) fn order(&self, seed: &Seed) -> Ordered {
        self.order_of(seed, &[line("Lisinopril")])
    }

    #[track_caller]
    pub(crate) fn order_of(&self, seed: &Seed, lines: &[Value]) -> Ordered {
        let reply = self.post("/medication-order", &order_body(seed, lines));
        Ordered::read(reply.said("Medication request created successfully"))
    }

    /// An order as it reads now.
    #[track_caller]
    pub(crate) fn read_order(&self, id: &str) -> Value {
        self.get(&format!("/medication-order/{id}")).data().clone()
    }

    /// The ids and statuses of every order of the clinic, newest first.
    #[track_caller]
    pub(crate) fn orders(&self) -> Vec<(String, String)> {
        let reply = self.get("/medication-order?limit=100");
        let list = reply.data().as_array().expect("a list");
        list.iter().map(|order| (text(&order["id"]), text(&order["status"]))).collect()
    }
}

impl Staff {
    /// One step of work on every live line of an order.
    #[track_caller]
    pub(crate) fn work(&self, order: &str, act: &str) -> Value {
        self.act(&format!("/pharmacy/orders/{order}/{act}")).data().clone()
    }

    /// From received to filled.
    #[track_caller]
    pub(crate) fn fill(&self, order: &str) {
        for act in WORK {
            self.work(order, act);
        }
    }

    /// Makes the label of a shipment of these orders; the shipment's id.
    #[track_caller]
    pub(crate) fn ship(&self, orders: &[&str]) -> String {
        let body = json!({
            "medication_orders": orders, "carrier_id": "se-11226", "service_id": "ups_ground",
            "tracking_number": "1Z999AA10123456784",
        });
        text(&self.post("/pharmacy/shipments", &body).data()["shipment_id"])
    }

    /// Reports a shipment's new status.
    #[track_caller]
    pub(crate) fn shipment_is(&self, shipment: &str, status: &str) {
        self.patch(&format!("/pharmacy/shipments/{shipment}/status"), &json!({ "status": status })).data();
    }

    /// From received to delivered; the shipment's id.
    #[track_caller]
    pub(crate) fn deliver(&self, order: &str) -> String {
        self.fill(order);
        let shipment = self.ship(&[order]);
        self.shipment_is(&shipment, "in_transit");
        self.shipment_is(&shipment, "delivered");
        shipment
    }
}
