//! What a seeded server has to name in paths: one of each kind of thing.

use serde_json::json;
use ureq::http::Method;

use super::Operation;
use crate::support::{
    Seed, Server, eventually,
    receiver::{Answer, Receiver},
    story::text,
};

/// Everything there is to name in a path.
pub(super) struct World {
    pub(super) seed: Seed,
    pub(super) refill: String,
    pub(super) shipment: String,
    /// What the links of its parcel were signed as, by the operation that each opens.
    pub(super) links: Vec<(&'static str, String)>,
    /// A hold of a partner's own order.
    pub(super) hold: String,
    pub(super) webhook: String,
    pub(super) delivery: String,
    /// A webhook of the orders API.
    pub(super) orders_webhook: String,
    pub(super) orders_delivery: String,
    /// A replay of each webhook.
    pub(super) replay: String,
    pub(super) orders_replay: String,
    /// A key that may do nothing, so that every key of its clinic manages it; it is revoked on the way.
    pub(super) key: String,
    /// A partner of its own that may come to any end, with an agreement and a clinic.
    pub(super) partner: String,
    pub(super) baa: String,
    pub(super) clinic: String,
    /// An account of the seeded clinic, so that all who manage accounts reach it.
    pub(super) user: String,
    /// A session of the account that asks, other than the one that it asks by.
    pub(super) session: String,
    /// Of whoever asks.
    pub(super) passkey: String,
    pub(super) license: String,
    pub(super) legal_hold: String,
    pub(super) lot: String,
    /// An event of each shape that needs no scope but that of the log itself.
    pub(super) event: String,
    pub(super) orders_event: String,
}

impl World {
    pub(super) fn new(server: &Server, seed: Seed) -> Self {
        let partner = server.partner(&seed);
        let refill = json!({"medication_request_id": seed.medication_request_id});
        let refill = text(&partner.post("/refill-request", &refill).data()["refill_request_id"]);
        let shipment = text(&partner.read_order(&seed.medication_order_id)["shipments"][0]["id"]);
        let hold = hold(server, &seed);
        let (webhook, delivery) = webhook(server, &seed, 1);
        let orders_webhook = orders_webhook(server, &seed, 1);
        let (replay, orders_replay) = replays(server, &seed, &webhook, &orders_webhook);
        sign(server, &seed);
        let key = ["admin", "key", "issue", "--clinic", &seed.clinic_id, "--scopes", ""];
        let key = text(&server.store().json(&key)["id"]);
        let staff = server.staff(&seed);
        let partner = text(&staff.post("/admin/partners", &json!({"name": "Another"})).data()["partner_id"]);
        let baa = json!({"effective_on": "2026-01-01", "document_hash": "00".repeat(32)});
        let baa = text(&staff.post(&format!("/admin/partners/{partner}/baa"), &baa).data()["baa_id"]);
        let clinic = clinic(server, &seed, &partner);
        let (event, orders_event) = disabled_events(server, &seed);
        let orders_delivery = orders_delivery(server, &seed, &orders_webhook, &orders_event);
        let links = signed(server, &seed, &shipment);
        let user = user(server, &seed);
        let (license, lot) = (license(server, &seed, 1), lot(server, &seed));
        let legal_hold = legal_hold(server, &seed);
        list_drug(server, &seed);
        Self {
            seed,
            refill,
            shipment,
            links,
            hold,
            webhook,
            delivery,
            orders_webhook,
            orders_delivery,
            replay,
            orders_replay,
            event,
            orders_event,
            key,
            partner,
            baa,
            clinic,
            user,
            session: String::new(),
            passkey: super::UNKNOWN.to_owned(),
            license,
            legal_hold,
            lot,
        }
    }

    /// What stands in the place of a parameter: the id that follows a segment, or what a link was signed as.
    pub(super) fn named(&self, operation: &Operation, parameter: &str, segment: &str) -> &str {
        if parameter != "{token}" {
            return self.id_after(operation, segment);
        }
        let found = self.links.iter().find(|(template, _)| *template == operation.template);
        found.map(|(_, token)| token.as_str()).unwrap_or_else(|| panic!("{}: which link?", operation.name))
    }

    /// The id that follows a segment of a path. A new kind of id must be named here.
    pub(super) fn id_after(&self, operation: &Operation, segment: &str) -> &str {
        match segment {
            "practitioner" | "practitioners" => &self.seed.practitioner_id,
            "patient" | "patients" => &self.seed.patient_id,
            "medication-order" | "orders" => &self.seed.medication_order_id,
            "medication-request" => &self.seed.medication_request_id,
            "prescription" | "prescriptions" => &self.seed.prescription_id,
            "refill-request" | "refill-requests" | "refills" => &self.refill,
            "shipment" | "shipments" => &self.shipment,
            "holds" => &self.hold,
            "webhooks" if operation.is_of_orders() => &self.orders_webhook,
            "webhook" | "webhooks" => &self.webhook,
            "deliveries" if operation.is_of_orders() => &self.orders_delivery,
            "deliveries" => &self.delivery,
            "replay" if operation.is_of_orders() => &self.orders_replay,
            "replay" => &self.replay,
            "clinics" if operation.method == Method::DELETE && operation.template.ends_with("{id}") => {
                &self.clinic
            }
            "clinics" => &self.seed.clinic_id,
            "users" => &self.user,
            "sessions" => &self.session,
            "passkeys" => &self.passkey,
            "partners" => &self.partner,
            "baa" => &self.baa,
            "carriers" if operation.template.ends_with("/events") => "ups",
            "carriers" => "se-11226",
            "keys" => &self.key,
            "formulary" => LISTED_DRUG,
            "licenses" => &self.license,
            "legal-holds" => &self.legal_hold,
            "inventory" => &self.lot,
            "events" if operation.is_of_orders() => &self.orders_event,
            "events" => &self.event,
            other => panic!("{}: which id follows {other}?", operation.name),
        }
    }

    /// The path of an operation with ids that its clinic has.
    pub(super) fn path(&self, operation: &Operation) -> String {
        let segments: Vec<&str> = operation.template.split('/').collect();
        let mut path = Vec::with_capacity(segments.len());
        for (index, segment) in segments.iter().enumerate() {
            let after = segments.get(index.wrapping_sub(1)).copied().unwrap_or_default();
            path.push(match segment.starts_with('{') {
                true => self.named(operation, segment, after),
                false => segment,
            });
        }
        let query = operation.query.iter().map(|name| match name.as_str() {
            "medication_request_id" => format!("{name}={}", self.seed.medication_request_id),
            "prescriptionId" => format!("{name}={}", self.seed.prescription_id),
            "patientId" => format!("{name}={}", self.seed.patient_id),
            other => panic!("{}: what is {other}?", operation.name),
        });
        let mut query: Vec<String> = query.collect();
        if operation.template.ends_with("/stream") {
            // It would not end by itself for an hour.
            query.push(if operation.is_of_orders() { "maxSeconds=1" } else { "max_seconds=1" }.to_owned());
        }
        format!("{}?{}", path.join("/"), query.join("&"))
    }
}

/// A new clinic.
pub(super) fn clinic(server: &Server, seed: &Seed, partner: &str) -> String {
    let body = json!({"partner_id": partner, "name": "Another"});
    text(&server.staff(seed).post("/admin/clinics", &body).data()["clinic_id"])
}

/// A new account, of whoever administers the seeded clinic.
pub(super) fn user(server: &Server, seed: &Seed) -> String {
    let email = format!("{}@example.com", uuid::Uuid::now_v7());
    let body = json!({"email": email, "name": "New", "roles": ["clinic_admin"], "clinic_id": seed.clinic_id});
    text(&server.staff(seed).post("/admin/users", &body).data()["user"]["user_id"])
}

/// A hold on another order; what is sent about it here is not read that far.
pub(super) fn hold(server: &Server, seed: &Seed) -> String {
    let order = server.partner(seed).order(seed);
    let path = format!("/pharmacy/orders/{}/hold", order.id);
    let held = server.staff(seed).post(&path, &json!({"reason": "address"}));
    text(&held.data()["holds"][0]["id"])
}

/// What the links of a shipment were signed as, by the operation that each opens.
pub(super) fn signed(server: &Server, seed: &Seed, shipment: &str) -> Vec<(&'static str, String)> {
    let parcel = server.partner(seed).get(&format!("/shipment/{shipment}"));
    let links = [
        ("shipping_label", "/links/{token}/label.pdf"),
        ("barcode_url", "/links/{token}/barcode.png"),
        ("tracking_page_url", "/track/{token}"),
    ];
    let token = |field: &str| {
        let url = text(&parcel.data()[field]);
        url.split('/').nth(4).expect("a link has a token").to_owned()
    };
    links.map(|(field, template)| (template, token(field))).to_vec()
}

/// A new webhook and a delivery of it that is dead, so that it can be sent again.
pub(super) fn webhook(server: &Server, seed: &Seed, number: usize) -> (String, String) {
    let partner = server.partner(seed);
    let body =
        json!({"clinic_id": seed.clinic_id, "webhook_url": format!("http://127.0.0.1:65000/{number}")});
    let id = text(&partner.post("/webhook", &body).data()["webhook_id"]);
    partner.act(&format!("/webhook/{id}/test")).data();
    let dead = format!("/webhook/{id}/deliveries?state=dead");
    let delivery =
        eventually("the delivery is dead", || partner.get(&dead).data().get(0).map(|row| text(&row["id"])));
    (id, delivery)
}

/// A new webhook of the orders API.
pub(super) fn orders_webhook(server: &Server, seed: &Seed, number: usize) -> String {
    let body = json!({"url": format!("http://127.0.0.1:65000/{number}")});
    text(&server.orders(seed).post("/webhooks", &body).resource(201)["id"])
}

/// A delivery to a webhook of the orders API.
pub(super) fn orders_delivery(server: &Server, seed: &Seed, webhook: &str, event: &str) -> String {
    let sent = server.orders(seed).act(&format!("/webhooks/{webhook}/events/{event}/resend"));
    text(&sent.resource(200)["deliveryId"])
}

/// A replay of a webhook of the partner API, and of one of the orders API.
pub(super) fn replays(server: &Server, seed: &Seed, webhook: &str, orders_webhook: &str) -> (String, String) {
    let body = json!({"since": (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(60)).to_string()});
    let path = format!("/webhook/{webhook}/replay");
    let replay = text(&server.partner(seed).post(&path, &body).data()["replay_id"]);
    let path = format!("/webhooks/{orders_webhook}/replay");
    (replay, text(&server.orders(seed).post(&path, &body).resource(201)["id"]))
}

/// The drug on the clinic's list.
const LISTED_DRUG: &str = "lisinopril-10";

pub(super) fn list_drug(server: &Server, seed: &Seed) {
    let path = format!("/admin/clinics/{}/formulary", seed.clinic_id);
    server.staff(seed).post(&path, &json!({"drug_id": LISTED_DRUG})).data();
}

/// A hold on the seeded clinic.
pub(super) fn legal_hold(server: &Server, seed: &Seed) -> String {
    let body = json!({"clinic_id": seed.clinic_id, "matter": "A matter"});
    text(&server.staff(seed).post("/admin/legal-holds", &body).data()["id"])
}

/// A new licence.
pub(super) fn license(server: &Server, seed: &Seed, number: usize) -> String {
    let body = json!({
        "state": "TX", "category": "retail", "number": format!("TX-{number}"), "expires_on": "2099-01-01",
    });
    text(&server.staff(seed).post("/admin/licenses", &body).data()["id"])
}

/// A lot of a drug that nothing here fills.
pub(super) fn lot(server: &Server, seed: &Seed) -> String {
    let body = json!({
        "drug_id": "modafinil-200", "lot_number": "A1", "expires_on": "2099-01-01", "quantity": 1,
    });
    text(&server.staff(seed).post("/pharmacy/inventory/receive", &body).data()["lot_id"])
}

/// Puts the signature of the practitioner on file.
pub(super) fn sign(server: &Server, seed: &Seed) {
    let path = format!("/practitioner/{}/signature", seed.practitioner_id);
    let image = b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    server.partner(seed).send(Method::PUT, &path, &[("content-type", "image/svg+xml")], Some(image)).data();
}

/// The events that tell of an endpoint that answered 410, in each shape.
pub(super) fn disabled_events(server: &Server, seed: &Seed) -> (String, String) {
    let partner = server.partner(seed);
    let gone = Receiver::answering(Answer::status(410));
    let id = partner.register(seed, &gone.url(), &json!({})).id;
    partner.act(&format!("/webhook/{id}/test")).data();
    let event = |path: &str, id: &str| {
        eventually("the endpoint is disabled", || {
            let log =
                server.anonymous().send(Method::GET, path, &[("x-api-key", &seed.keys.integration)], None);
            log.body["data"].get(0).map(|event| text(&event[id]))
        })
    };
    (
        event("/api/external/events?event_types=webhook:disabled", "event_id"),
        event("/events?eventTypes=webhook.disabled", "id"),
    )
}
