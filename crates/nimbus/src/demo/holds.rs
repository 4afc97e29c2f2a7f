//! The second half of the tour: what keeps an order from going on, who lifts it, and time that passes.

use http::Method;
use nimbus_core::sandbox_magic::MagicDea;
use serde_json::{Value, json};

use super::{client::As, tour::Tour};
use crate::Failure;

const ORDERS: &str = "/api/external/medication-order";

impl Tour<'_> {
    /// An order of one line and what is told of it; the ids of the order and of its prescription.
    async fn order_of(&mut self, change: Value, events: &[&str]) -> Result<(String, String), Failure> {
        let mut body = json!({
            "clinic_id": self.seed.clinic_id.to_string(),
            "patient_id": self.seed.patient_id.to_string(),
            "practitioner_id": self.seed.practitioner_id.to_string(),
            "delivery_speed": "next-day",
            "medication_requests": [{
                "medication": "Finasteride", "dose": "1mg", "quantity": 30, "days_supply": 30,
                "direction": "Take one tablet by mouth once daily",
            }],
        });
        merge(&mut body, change);
        let data = self.must(As::Partner, Method::POST, ORDERS, Some(body)).await?;
        self.webhooks(events).await?;
        Ok((text(&data["medication_order_id"])?, text(&data["medications"][0]["prescription_id"])?))
    }

    async fn staff(&mut self, order: &str, act: &str, body: Value) -> Result<(), Failure> {
        let path = format!("/api/pharmacy/orders/{order}/{act}");
        self.must(As::Staff, Method::POST, &path, Some(body)).await.map(drop)
    }

    /// The open hold of an order, as its partner reads it.
    async fn open_hold(&mut self, order: &str, reason: &str) -> Result<Value, Failure> {
        let data = self.must(As::Partner, Method::GET, &format!("{ORDERS}/{order}"), None).await?;
        let holds = data["holds"].as_array().map_or(&[][..], Vec::as_slice);
        let open = holds.iter().find(|hold| hold["released_at"].is_null() && hold["reason"] == reason);
        let open = open.ok_or("the order is not held as it should be")?;
        self.story.line(&format!(
            "held: {reason}, resolved by the {}: {}",
            open["resolvable_by"].as_str().unwrap_or_default(),
            open["message"].as_str().unwrap_or_default(),
        ));
        Ok(open.clone())
    }

    pub(super) async fn resolved_hold(&mut self) -> Result<(), Failure> {
        let (order, _) = self.order_of(json!({}), &["prescription:created"]).await?;
        self.staff(&order, "verify", json!({})).await?;
        let note = "The carrier does not know the street.";
        self.staff(&order, "hold", json!({ "reason": "address", "note": note })).await?;
        self.webhooks(&["medication:validated", "medication:on_hold"]).await?;
        let hold = text(&self.open_hold(&order, "address").await?["id"])?;
        let answer = json!({ "shipping_address": {
            "addressLine1": "12 Pine Rd", "city": "Dallas", "state": "TX", "postalCode": "75201",
        }});
        let path = format!("{ORDERS}/{order}/holds/{hold}/resolve");
        self.must(As::Partner, Method::POST, &path, Some(answer)).await?;
        self.webhooks(&["medication:released"]).await
    }

    pub(super) async fn bound_original(&mut self) -> Result<(), Failure> {
        let prescriber = format!("/api/external/practitioner/{}", self.seed.practitioner_id);
        let registration = json!({ "dea_number": MagicDea::Valid.as_str() });
        self.must(As::Partner, Method::PATCH, &prescriber, Some(registration)).await?;
        let line = json!({ "medication": "Test C3", "dose": "10mg" });
        let change = json!({ "medication_requests": [line] });
        let (order, prescription) =
            self.order_of(change, &["prescription:created", "medication:on_hold"]).await?;
        self.open_hold(&order, "awaiting_valid_prescription").await?;
        let original = json!({
            "kind": "electronic", "reference": "SCRIPT 4711", "received_at": "2026-01-15T10:30:00Z",
            "signature_verified": true,
        });
        let path = format!("/api/pharmacy/prescriptions/{prescription}/bind-original");
        self.must(As::Staff, Method::POST, &path, Some(original)).await?;
        self.webhooks(&["medication:released"]).await?;
        self.staff(&order, "verify", json!({})).await?;
        self.webhooks(&["medication:validated"]).await
    }

    pub(super) async fn refused_service(&mut self) -> Result<(), Failure> {
        let body = json!({
            "clinic_id": self.seed.clinic_id.to_string(),
            "patient_id": self.seed.patient_id.to_string(),
            "practitioner_id": self.seed.practitioner_id.to_string(),
            "carrier_id": "se-3818360", "service_id": "fedex_ground", "is_refrigerated": true,
            "medication_requests": [{
                "medication": "Test Cold", "dose": "1mg", "quantity": 4, "unit_of_measure": "mL",
                "days_supply": 28, "direction": "Inject once weekly",
            }],
        });
        let reply = self.call(As::Partner, Method::POST, ORDERS, Some(body)).await?;
        let error = &reply.body["error"];
        self.story.reply(reply.status, error["message"].as_str().unwrap_or_default());
        let details = error["details"].as_array().map_or(&[][..], Vec::as_slice);
        let lawful = details.iter().filter(|it| it["reason"] == "would_do");
        let names: Vec<&str> = lawful.filter_map(|it| it["service_id"].as_str()).collect();
        if reply.status != 400 || error["code"] != "SERVICE_NOT_AVAILABLE" || names.is_empty() {
            return Err("the slow service was not refused as it should be".into());
        }
        self.story.line(&format!("would do: {}", names.join(", ")));
        Ok(())
    }

    /// Moves the clinic's clock to noon, in the pharmacy's usual zone, of a day.
    pub(super) async fn move_clock(&mut self, day: &str) -> Result<(), Failure> {
        let to = json!({ "to": format!("{day}T18:00:00Z") });
        let data = self.must(As::Partner, Method::POST, "/api/external/sandbox/clock", Some(to)).await?;
        let (before, now) = (data["now_before"].as_str(), data["now"].as_str());
        self.story.line(&format!(
            "the clinic's time went from {} to {}; fell due on the way: {}",
            before.unwrap_or_default(),
            now.unwrap_or_default(),
            data["fired"],
        ));
        self.webhooks(&["prescription:refill_due"]).await
    }
}

/// Puts the members of one object into another, lines into lines.
fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(change)) => {
            into.iter_mut().zip(change).for_each(|(into, change)| merge(into, change));
        }
        (into, change) => *into = change,
    }
}

fn text(value: &Value) -> Result<String, Failure> {
    value.as_str().map(str::to_owned).ok_or_else(|| "a reply gave no id".into())
}
