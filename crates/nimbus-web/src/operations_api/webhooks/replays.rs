//! Replays of a clinic's webhook, as staff begin, watch and end them.

use axum::extract::State;
use nimbus_app::{
    actor::CLINIC_SENDERS,
    replays::{self, One},
};

use super::named;
use crate::{
    Web,
    body::Incoming,
    failure::Answer,
    partner_api::{
        envelope::{self, Success},
        webhooks::replays::{
            FIELDS, NOUN_OF_ONE, ReplayCreate, ReplayView, render_cancelled, render_started,
        },
    },
};

/// Sends again what was sent before, behind everything else that waits. `dry_run` counts and changes nothing. A webhook
/// has one replay at a time, whoever has begun it.
#[utoipa::path(post, path = "/admin/clinics/{id}/webhooks/{webhookId}/replay", tag = "Webhooks",
    operation_id = "replayClinicWebhook",
    security(("OpsToken" = ["super_admin", "pharmacist", "support", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("webhookId" = String, Path, description = "The webhook's id")),
    request_body(content = ReplayCreate, description = "What to send again"),
    responses((status = 200, description = "It has begun, or was counted", body = Success<ReplayView>)))]
pub(crate) async fn start(State(web): State<Web>, mut request: Incoming) -> Answer {
    let (mut call, clinic) = web.staff_of_clinic(&request, CLINIC_SENDERS).await?;
    let of = named(&request, clinic)?;
    let command = request.json(&mut call, |f| FIELDS.read(f, of)).await?;
    Ok(envelope::reply(replays::start(&web.app, &call, command, render_started).await?))
}

#[utoipa::path(get, path = "/admin/clinics/{id}/webhooks/{webhookId}/replay/{replayId}", tag = "Webhooks",
    operation_id = "getClinicWebhookReplay",
    security(("OpsToken" = ["super_admin", "pharmacist", "support", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("webhookId" = String, Path, description = "The webhook's id"),
        ("replayId" = String, Path, description = "The replay's id")),
    responses((status = 200, description = "How far it is", body = Success<ReplayView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let (call, clinic) = web.staff_of_clinic(&request, CLINIC_SENDERS).await?;
    let one = One { of: named(&request, clinic)?, id: request.id("replayId", NOUN_OF_ONE)? };
    Ok(envelope::found(ReplayView::from(&replays::get(&web.app, &call, one).await?)))
}

/// What it has made due and nobody has begun to send is as it was before.
#[utoipa::path(delete, path = "/admin/clinics/{id}/webhooks/{webhookId}/replay/{replayId}", tag = "Webhooks",
    operation_id = "cancelClinicWebhookReplay",
    security(("OpsToken" = ["super_admin", "pharmacist", "support", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("webhookId" = String, Path, description = "The webhook's id"),
        ("replayId" = String, Path, description = "The replay's id")),
    responses((status = 200, description = "It has ended", body = Success<ReplayView>)))]
pub(crate) async fn cancel(State(web): State<Web>, request: Incoming) -> Answer {
    let (call, clinic) = web.staff_of_clinic(&request, CLINIC_SENDERS).await?;
    let one = One { of: named(&request, clinic)?, id: request.id("replayId", NOUN_OF_ONE)? };
    Ok(envelope::reply(replays::cancel(&web.app, &call, one, render_cancelled).await?))
}
