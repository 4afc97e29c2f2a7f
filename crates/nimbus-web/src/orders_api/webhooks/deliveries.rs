//! What was, or is to be, sent to a webhook.

use axum::extract::State;
use nimbus_app::endpoints;
use nimbus_core::access::Scope;

use super::{DIALECT, NOUN, types::Delivery};
use crate::{
    Web,
    body::Incoming,
    failure::Answer,
    orders_api::envelope::{self, ListParams, Page},
    words,
};

#[utoipa::path(get, path = "/webhooks/{webhookId}/deliveries", tag = "Webhooks",
    operation_id = "listWebhookEndpointDeliveries",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(
        ("webhookId" = String, Path, description = "The webhook's id"),
        ListParams,
        ("state" = Option<words::DeliveryStatus>, Query, description = "Only those in this state")),
    responses(
        (status = 200, description = "A page of deliveries with their attempts", body = Page<Delivery>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let endpoint = request.id("webhookId", NOUN)?;
    let query = request.query(|f| Some(DIALECT.read_deliveries(f, endpoint)))?;
    let found = endpoints::deliveries(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |it| it.delivery.id.0, |it| Delivery::from(it)))
}
