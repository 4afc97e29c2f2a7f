//! What was, or is to be, sent to webhooks, as staff see it and send it again.

use axum::extract::State;
use nimbus_app::{
    actor::CLINIC_SENDERS,
    endpoints::{self, Deliveries, DeliveryState, ResendEvent, RetryDelivery},
};

use super::{named, types::AnyDelivery};
use crate::{
    Web,
    body::Incoming,
    checks::one_of,
    failure::Answer,
    paging::{PageParams, page},
    partner_api::{
        envelope::{self, List, Nothing, Success},
        webhooks::{
            deliveries::{render_resent, render_retried},
            types::ResentDelivery,
        },
    },
    words,
};

#[utoipa::path(get, path = "/admin/clinics/{id}/webhooks/{webhookId}/deliveries", tag = "Webhooks",
    operation_id = "listClinicWebhookDeliveries",
    security(("OpsToken" = ["super_admin", "pharmacist", "support", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("webhookId" = String, Path, description = "The webhook's id"),
        PageParams,
        ("state" = Option<words::DeliveryStatus>, Query, description = "Only those in this state")),
    responses(
        (status = 200, description = "A page of deliveries with their attempts", body = List<AnyDelivery>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let (call, clinic) = web.staff_of_clinic(&request, CLINIC_SENDERS).await?;
    let of = named(&request, clinic)?;
    let query = request.query(|f| {
        let state = f.optional("state", one_of(DeliveryState::ALL, DeliveryState::as_str));
        Some(Deliveries { of, state, page: page(f) })
    })?;
    let found = endpoints::deliveries(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |view| AnyDelivery::from(view)))
}

/// Deliveries whose last attempt failed, for whichever webhook of the clinic, newest first: for those that were deleted
/// too, which nothing can be sent to any more.
#[utoipa::path(get, path = "/admin/clinics/{id}/dead-letters", tag = "Webhooks", operation_id = "listDeadLetters",
    security(("OpsToken" = ["super_admin", "pharmacist", "support", "clinic_admin"])),
    params(("id" = String, Path, description = "The clinic's id"), PageParams),
    responses(
        (status = 200, description = "A page of deliveries with their attempts", body = List<AnyDelivery>)))]
pub(crate) async fn dead_letters(State(web): State<Web>, request: Incoming) -> Answer {
    let (call, clinic) = web.staff_of_clinic(&request, CLINIC_SENDERS).await?;
    let wanted = request.query(|f| Some(page(f)))?;
    let found = endpoints::dead_letters(&web.app, &call, clinic, wanted).await?;
    Ok(envelope::page(&found, |view| AnyDelivery::from(view)))
}

/// Sends it now, under the same `webhook-id`; to a webhook that is paused or disabled when it is active again.
#[utoipa::path(post, path = "/admin/clinics/{id}/webhooks/{webhookId}/deliveries/{deliveryId}/retry", tag = "Webhooks",
    operation_id = "retryClinicWebhookDelivery",
    security(("OpsToken" = ["super_admin", "pharmacist", "support", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("webhookId" = String, Path, description = "The webhook's id"),
        ("deliveryId" = String, Path, description = "The delivery's id")),
    responses((status = 200, description = "It is sent again", body = Success<Nothing>)))]
pub(crate) async fn retry(State(web): State<Web>, mut request: Incoming) -> Answer {
    let (mut call, clinic) = web.staff_of_clinic(&request, CLINIC_SENDERS).await?;
    let command =
        RetryDelivery { of: named(&request, clinic)?, delivery: request.id("deliveryId", "Delivery")? };
    request.no_body(&mut call).await?;
    Ok(envelope::reply(endpoints::retry_delivery(&web.app, &call, command, render_retried).await?))
}

/// Sends one event to one webhook, whatever it subscribes to, under the same `webhook-id`. Its delivery begins anew; a
/// webhook that has none of it gets one.
#[utoipa::path(post, path = "/admin/clinics/{id}/webhooks/{webhookId}/events/{eventId}/resend", tag = "Webhooks",
    operation_id = "resendClinicWebhookEvent",
    security(("OpsToken" = ["super_admin", "pharmacist", "support", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("webhookId" = String, Path, description = "The webhook's id"),
        ("eventId" = String, Path, description = "The event's id")),
    responses((status = 200, description = "It is sent again", body = Success<ResentDelivery>)))]
pub(crate) async fn resend(State(web): State<Web>, mut request: Incoming) -> Answer {
    let (mut call, clinic) = web.staff_of_clinic(&request, CLINIC_SENDERS).await?;
    let command = ResendEvent { of: named(&request, clinic)?, event: request.id("eventId", "Event")? };
    request.no_body(&mut call).await?;
    Ok(envelope::reply(endpoints::resend_event(&web.app, &call, command, render_resent).await?))
}
