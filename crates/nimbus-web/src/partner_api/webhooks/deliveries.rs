//! What was, or is to be, sent to a webhook.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    endpoints::{self, Of, ResendEvent, Resent, RetryDelivery},
};
use nimbus_core::access::Scope;

use super::{
    NOUN,
    read::DIALECT,
    types::{DeliveryView, ResentDelivery},
};
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
    let of = Of::Own(DIALECT.one(request.id("id", NOUN)?));
    let query = request.query(|f| Some(DIALECT.read_deliveries(f, of)))?;
    let found = endpoints::deliveries(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |view| DeliveryView::from(view)))
}

pub(crate) fn render_retried(_: &Resent) -> Rendered {
    envelope::written(Nothing {}, "Delivery will be sent again")
}

pub(crate) fn render_resent(resent: &Resent) -> Rendered {
    envelope::written(ResentDelivery::from(resent), "Event will be sent again")
}

/// Sends it now, under the same `webhook-id`; to a webhook that is paused or disabled when it is active again.
#[utoipa::path(post, path = "/webhook/{id}/deliveries/{deliveryId}/retry", tag = "Webhooks",
    operation_id = "retryWebhookDelivery",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("deliveryId" = String, Path, description = "The delivery's id")),
    responses((status = 200, description = "It is sent again", body = Success<Nothing>)))]
pub(crate) async fn retry(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let of = Of::Own(DIALECT.one(request.id("id", NOUN)?));
    let command = RetryDelivery { of, delivery: request.id("deliveryId", "Delivery")? };
    request.no_body(&mut call).await?;
    Ok(envelope::reply(endpoints::retry_delivery(&web.app, &call, command, render_retried).await?))
}

/// Sends one event to one webhook, whatever it subscribes to, under the same `webhook-id`. Its delivery begins anew; a
/// webhook that has none of it, because it was registered later or did not list the event, gets one. One that is paused
/// or disabled is sent it when it is active again.
#[utoipa::path(post, path = "/webhook/{id}/events/{eventId}/resend", tag = "Webhooks",
    operation_id = "resendWebhookEvent",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("eventId" = String, Path, description = "The event's id")),
    responses((status = 200, description = "It is sent again", body = Success<ResentDelivery>)))]
pub(crate) async fn resend(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let of = Of::Own(DIALECT.one(request.id("id", NOUN)?));
    let command = ResendEvent { of, event: request.id("eventId", "Event")? };
    request.no_body(&mut call).await?;
    Ok(envelope::reply(endpoints::resend_event(&web.app, &call, command, render_resent).await?))
}
