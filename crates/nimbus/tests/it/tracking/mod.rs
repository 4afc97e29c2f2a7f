//! Parcels: what goes into them, where carriers say they are, and what becomes of the orders in them.

mod feed;
mod parcels;

use serde_json::{Value, json};

use crate::support::{
    Engine, Partner, Seed, Server, Staff, eventually,
    story::{Ordered, line, order_body, text},
};

struct Scene {
    server: Server,
    seed: Seed,
    partner: Partner,
    staff: Staff,
}

impl Scene {
    #[track_caller]
    fn new(engine: Engine) -> Self {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        Self { server, seed, partner, staff }
    }

    /// A filled order with so many lines.
    #[track_caller]
    fn filled(&self, lines: usize) -> Ordered {
        let names = ["Lisinopril", "Metformin", "Atorvastatin"];
        let lines: Vec<Value> = names.iter().take(lines).map(|name| line(name)).collect();
        let order = self.partner.order_of(&self.seed, &lines);
        self.staff.fill(&order.id);
        order
    }

    /// A filled order of a shipment group.
    #[track_caller]
    fn filled_of_group(&self, group: &str) -> Ordered {
        let mut body = order_body(&self.seed, &[line("Lisinopril")]);
        body["shipment_group_id"] = json!(group);
        let reply = self.partner.post("/medication-order", &body);
        let order = Ordered::read(reply.said("Medication request created successfully"));
        self.staff.fill(&order.id);
        order
    }

    /// The label of a parcel with this tracking number; its id.
    #[track_caller]
    fn pack(&self, orders: &[&str], lines: &[&str], number: &str) -> String {
        text(&self.staff.post("/pharmacy/shipments", &parcel(orders, lines, number)).data()["shipment_id"])
    }

    #[track_caller]
    fn shipment(&self, id: &str) -> Value {
        self.partner.get(&format!("/shipment/{id}")).data().clone()
    }

    /// The statuses of an order's medication requests, in order.
    #[track_caller]
    fn lines(&self, order: &str) -> Vec<String> {
        let view = self.partner.read_order(order);
        let lines = view["medication_requests"].as_array().expect("medication_requests");
        lines.iter().map(|line| text(&line["status"])).collect()
    }

    #[track_caller]
    fn status(&self, order: &str) -> String {
        text(&self.partner.read_order(order)["status"])
    }

    /// The events of a name whose data are as wanted, oldest first: at least one. The log of PostgreSQL ends before
    /// the oldest transaction that is still running, so that one may come a moment late.
    #[track_caller]
    fn events(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        eventually(name, || {
            let reply = self.partner.get("/events?limit=100");
            assert_eq!(reply.body["has_more"], false, "a page holds them all");
            let all = reply.body["data"].as_array().expect("events");
            let found =
                all.iter().filter(|event| event["event_name"] == name && wanted(&event["event_data"]));
            Some(found.cloned().collect::<Vec<_>>()).filter(|found| !found.is_empty())
        })
    }

    /// The ids of the parcels that staff are asked to look at.
    #[track_caller]
    fn needing_attention(&self, filter: &str) -> Vec<String> {
        let reply = self.staff.get(&format!("/pharmacy/shipments?needs_attention=true{filter}"));
        let found = reply.data().as_array().expect("a list");
        found.iter().map(|parcel| text(&parcel["id"])).collect()
    }
}

/// The body of a parcel: of these lines or, with none named, of all that can be packed.
fn parcel(orders: &[&str], lines: &[&str], number: &str) -> Value {
    let mut body = json!({
        "medication_orders": orders, "carrier_id": "se-11226", "service_id": "ups_ground", "tracking_number": number,
    });
    if !lines.is_empty() {
        body["medication_request_ids"] = json!(lines);
    }
    body
}

/// Two numbers of UPS with a check digit that holds.
const ONE: &str = "1Z999AA10123456784";
const OTHER: &str = "1ZNIMBUS0300000016";
