//! The tour: an order from the partner's request to delivery, then a refill refused and a refill accepted.

use std::time::Duration;

use http::Method;
use nimbus_app::sandbox::{Seed, SeededFill};
use nimbus_webhooks::signing::SigningSecret;
use serde_json::{Value, json};

use super::{
    client::{As, Client, Reply},
    receiver::Receiver,
    story::Story,
};
use crate::Failure;

const CHAPTERS: usize = 9;
/// How long a webhook may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// By this the demo recognises an endpoint that an interrupted run left behind.
const DESCRIPTION: &str = "nimbus demo";

pub(super) struct Tour<'a> {
    pub(super) client: &'a Client,
    pub(super) receiver: Receiver,
    pub(super) story: &'a Story,
    pub(super) seed: &'a Seed,
    pub(super) old_fill: SeededFill,
}

impl Tour<'_> {
    pub(super) async fn run(&mut self) -> Result<(), Failure> {
        self.remove_endpoint().await?;
        self.story.chapter(1, CHAPTERS, "The partner registers a webhook");
        self.register().await?;
        self.story.chapter(2, CHAPTERS, "The partner sends a medication order, the pharmacy fills it");
        let (order, line) = self.order().await?;
        self.work(&order).await?;
        self.story.chapter(3, CHAPTERS, "The pharmacy ships, the parcel arrives");
        self.ship(&order).await?;
        self.story.chapter(4, CHAPTERS, "A refill asked for too soon is refused, with the day it will pass");
        let passes_on = self.refused_refill(&line).await?;
        self.story.chapter(5, CHAPTERS, "A refill of a fill from sixty days ago is approved");
        let old_line = self.old_fill.medication_request_id.to_string();
        self.accepted_refill(&old_line).await?;
        self.story.chapter(
            6,
            CHAPTERS,
            "The pharmacy holds an order for its address, the partner resolves it",
        );
        self.resolved_hold().await?;
        self.story.chapter(7, CHAPTERS, "A controlled drug waits for the original of its prescription");
        self.bound_original().await?;
        self.story.chapter(
            8,
            CHAPTERS,
            "A cold drug is refused a service that is too slow, and told which would do",
        );
        self.refused_service().await?;
        self.story.chapter(9, CHAPTERS, "The sandbox's clock moves until the refill of chapter 4 is due");
        self.move_clock(&passes_on).await?;
        self.accepted_refill(&line).await
    }

    pub(super) async fn call(
        &self,
        who: As,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Reply, Failure> {
        let name = match who {
            As::Partner => "partner",
            As::Staff => "staff",
        };
        self.story.request(name, method.as_str(), path);
        self.client.send(who, method, path, body.as_ref()).await
    }

    /// A request that must succeed; answers its data.
    pub(super) async fn must(
        &self,
        who: As,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Failure> {
        let reply = self.call(who, method, path, body).await?;
        let message = reply.body["message"].as_str().or_else(|| reply.body["error"]["message"].as_str());
        self.story.reply(reply.status, message.unwrap_or_default());
        if reply.status >= 400 {
            return Err(format!("{path} answered {}", reply.status).into());
        }
        Ok(reply.body["data"].clone())
    }

    /// Waits until the receiver has these events, in any order among others; each must be signed rightly.
    pub(super) async fn webhooks(&mut self, wanted: &[&str]) -> Result<(), Failure> {
        let mut missing: Vec<&str> = wanted.to_vec();
        while !missing.is_empty() {
            let next = tokio::time::timeout(PATIENCE, self.receiver.inbox.recv()).await;
            let Ok(Some(received)) = next else {
                return Err(format!("no webhook {} came in time", missing.join(", ")).into());
            };
            let data = &received.body["event_data"];
            let status = data["status"].as_str().or_else(|| data["shipment_status"].as_str());
            let detail = format!("{} #{}", status.unwrap_or("-"), received.body["sequence"]);
            self.story.webhook(&received.event_type, &detail, &received.verdict);
            received.verdict?;
            missing.retain(|event_type| *event_type != received.event_type);
        }
        Ok(())
    }

    async fn register(&mut self) -> Result<(), Failure> {
        let body = json!({
            "clinic_id": self.seed.clinic_id.to_string(), "webhook_url": self.receiver.url,
            "event_types": ["*"], "description": DESCRIPTION,
        });
        let data = self.must(As::Partner, Method::POST, "/api/external/webhook", Some(body)).await?;
        let secret = data["signing_secret"].as_str().ok_or("the registration gave no secret")?;
        self.receiver.expect_signed_with(SigningSecret::parse(secret)?);
        let path = format!("/api/external/webhook/{}/test", data["webhook_id"].as_str().unwrap_or_default());
        self.must(As::Partner, Method::POST, &path, None).await?;
        self.webhooks(&["webhook:test"]).await
    }

    /// Removes the demo's endpoints: this run's, or those of an interrupted one.
    pub(super) async fn remove_endpoint(&self) -> Result<(), Failure> {
        let listed =
            self.client.send(As::Partner, Method::GET, "/api/external/webhook?limit=100", None).await?;
        let endpoints = listed.body["data"].as_array().cloned().unwrap_or_default();
        for endpoint in endpoints.iter().filter(|endpoint| endpoint["description"] == DESCRIPTION) {
            let path =
                format!("/api/external/webhook/{}", endpoint["webhook_id"].as_str().unwrap_or_default());
            self.client.send(As::Partner, Method::DELETE, &path, None).await?;
        }
        Ok(())
    }

    async fn order(&mut self) -> Result<(String, String), Failure> {
        let body = json!({
            "clinic_id": self.seed.clinic_id.to_string(),
            "patient_id": self.seed.patient_id.to_string(),
            "practitioner_id": self.seed.practitioner_id.to_string(),
            "carrier_id": "se-11226", "service_id": "ups_2nd_day_air",
            "medication_requests": [{
                "medication": "Tretinoin 0.05% Cream", "dose": "0.05%", "quantity": 20, "unit_of_measure": "g",
                "direction": "Apply a pea-sized amount to the face at bedtime", "refills": "3", "days_supply": 30,
            }],
        });
        let data = self.must(As::Partner, Method::POST, "/api/external/medication-order", Some(body)).await?;
        let text = |name: &str| data[name].as_str().map(str::to_owned).ok_or("the order gave no id");
        let ids = (text("medication_order_id")?, text("medication_request_id")?);
        self.webhooks(&["prescription:created"]).await?;
        Ok(ids)
    }

    async fn work(&mut self, order: &str) -> Result<(), Failure> {
        for (act, event) in [
            ("verify", Some("medication:validated")),
            ("submit", Some("medication:submitted")),
            ("acknowledge", Some("medication:acknowledged")),
            ("start-fill", None),
            ("fill", Some("medication:filled")),
        ] {
            let path = format!("/api/pharmacy/orders/{order}/{act}");
            self.must(As::Staff, Method::POST, &path, Some(json!({}))).await?;
            if let Some(event) = event {
                self.webhooks(&[event]).await?;
            }
        }
        Ok(())
    }

    async fn ship(&mut self, order: &str) -> Result<(), Failure> {
        let body = json!({
            "medication_orders": [order], "carrier_id": "se-11226", "service_id": "ups_2nd_day_air",
            "tracking_number": "1Z999AA10123456784", "notes": "Signature required",
        });
        let data = self.must(As::Staff, Method::POST, "/api/pharmacy/shipments", Some(body)).await?;
        self.webhooks(&["shipment:created"]).await?;
        let path =
            format!("/api/pharmacy/shipments/{}/status", data["shipment_id"].as_str().unwrap_or_default());
        for (status, event) in [("in_transit", "medication:shipped"), ("delivered", "medication:delivered")] {
            self.must(As::Staff, Method::PATCH, &path, Some(json!({ "status": status }))).await?;
            self.webhooks(&["shipment:updated", event]).await?;
        }
        Ok(())
    }

    /// Answers the day on which it will pass.
    async fn refused_refill(&mut self, line: &str) -> Result<String, Failure> {
        let body = json!({ "medication_request_id": line });
        let reply = self.call(As::Partner, Method::POST, "/api/external/refill-request", Some(body)).await?;
        let error = &reply.body["error"];
        self.story.reply(reply.status, error["message"].as_str().unwrap_or_default());
        let passes_on = error["details"][0]["passes_on"].as_str();
        match (reply.status, error["code"].as_str(), passes_on) {
            (400, Some("REFILL_NOT_ELIGIBLE"), Some(day)) => {
                self.story.line(&format!("reason too_soon, passes on {day}"));
                Ok(day.to_owned())
            }
            _ => Err("the early refill was not refused as it should be".into()),
        }
    }

    async fn accepted_refill(&mut self, line: &str) -> Result<(), Failure> {
        let path = format!("/api/external/refill-request/eligibility?medication_request_id={line}");
        let eligible = self.must(As::Partner, Method::GET, &path, None).await?;
        self.story.line(&format!(
            "eligible: {}, refills remaining: {}",
            eligible["eligible"], eligible["refills_remaining"]
        ));
        let body = json!({ "medication_request_id": line });
        self.must(As::Partner, Method::POST, "/api/external/refill-request", Some(body)).await?;
        self.webhooks(&["refill:requested", "refill:approved"]).await
    }
}
