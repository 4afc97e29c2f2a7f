//! What was, or is to be, sent to a webhook.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    endpoints::{self, RetryDelivery},
};
use nimbus_core::access::Scope;

use super::{NOUN, read::DIALECT, types::DeliveryView};
use crate::{
    Web,
    body::Incoming,
    failure::Answer,
    paging::PageParams,
    partner_api::envelope::{self, List, Nothing, Success},
    words,
};

#[utoipa::path(get, path = "/webhook/{id}/deliveries", tag = "Webhooks", operation_id = "listWebhookDeliveries",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(
        ("id" = String, Path, description = "The webhook's id"),
        PageParams,
        ("state" = Option<words::DeliveryStatus>, Query, description = "Only those in this state")),
    responses(
        (status = 200, description = "A page of deliveries with their attempts", body = List<DeliveryView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let endpoint = request.id("id", NOUN)?;
    let query = request.query(|f| Some(DIALECT.read_deliveries(f, endpoint)))?;
    let found = endpoints::deliveries(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |view| view.delivery.id.0, |view| DeliveryView::from(view)))
}

/// Sends it now, under the same `webhook-id`.
#[utoipa::path(post, path = "/webhook/{id}/deliveries/{deliveryId}/retry", tag = "Webhooks",
    operation_id = "retryWebhookDelivery",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("deliveryId" = String, Path, description = "The delivery's id")),
    responses((status = 200, description = "It is sent again", body = Success<Nothing>)))]
pub(crate) async fn retry(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let endpoint = DIALECT.one(request.id("id", NOUN)?);
    let command = RetryDelivery { endpoint, delivery: request.id("deliveryId", "Delivery")? };
    request.no_body(&mut call).await?;
    let render = |(): &()| -> Rendered { envelope::written(Nothing {}, "Delivery will be sent again") };
    Ok(envelope::reply(endpoints::retry_delivery(&web.app, &call, command, render).await?))
}
