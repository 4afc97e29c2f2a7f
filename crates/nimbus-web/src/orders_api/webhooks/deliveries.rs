//! What was, or is to be, sent to a webhook.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    endpoints::{self, Of, ResendEvent, Resent, RetryDelivery},
};
use nimbus_core::{access::Scope, ids::DeliveryId};

use super::{
    DIALECT, NOUN,
    types::{Delivery, ResentDelivery},
};
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
    let of = Of::Own(DIALECT.one(request.id("webhookId", NOUN)?));
    let query = request.query(|f| Some(DIALECT.read_deliveries(f, of)))?;
    let found = endpoints::deliveries(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |id| DeliveryId(id).prefixed(), |it| Delivery::from(it)))
}

fn render_resent(resent: &Resent) -> Rendered {
    envelope::written(ResentDelivery::from(resent))
}

/// Sends it now, under the same `webhook-id`; to a webhook that is paused or disabled when it is active again.
#[utoipa::path(post, path = "/webhooks/{webhookId}/deliveries/{deliveryId}/retry", tag = "Webhooks",
    operation_id = "retryWebhookEndpointDelivery",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(
        ("webhookId" = String, Path, description = "The webhook's id"),
        ("deliveryId" = String, Path, description = "The delivery's id")),
    responses((status = 200, description = "It is sent again", body = ResentDelivery)))]
pub(crate) async fn retry(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let of = Of::Own(DIALECT.one(request.id("webhookId", NOUN)?));
    let command = RetryDelivery { of, delivery: request.id("deliveryId", "Delivery")? };
    request.no_body(&mut call).await?;
    Ok(envelope::reply(endpoints::retry_delivery(&web.app, &call, command, render_resent).await?))
}

/// Sends one event to one webhook, whatever it subscribes to, under the same `webhook-id`. Its delivery begins anew; a
/// webhook that has none of it, because it was registered later or did not list the event, gets one. One that is paused
/// or disabled is sent it when it is active again.
#[utoipa::path(post, path = "/webhooks/{webhookId}/events/{eventId}/resend", tag = "Webhooks",
    operation_id = "resendWebhookEndpointEvent",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(
        ("webhookId" = String, Path, description = "The webhook's id"),
        ("eventId" = String, Path, description = "The event's id")),
    responses((status = 200, description = "It is sent again", body = ResentDelivery)))]
pub(crate) async fn resend(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let of = Of::Own(DIALECT.one(request.id("webhookId", NOUN)?));
    let command = ResendEvent { of, event: request.id("eventId", "Event")? };
    request.no_body(&mut call).await?;
    Ok(envelope::reply(endpoints::resend_event(&web.app, &call, command, render_resent).await?))
}
