//! Webhooks of clinics as staff see to them: how they do, what was sent to them, and sending it again.
//!
//! What receivers answered is not shown: it may hold what they were sent, and so a patient's address.

pub mod deliveries;
pub mod replays;
pub mod types;

use axum::extract::State;
use nimbus_app::{
    actor::{CLINIC_SENDERS, SENDERS},
    endpoints::{self, EndpointStatus, ListAny, Of, Whose},
    webhook_stats::{self, Ask},
};

use nimbus_core::ids::ClinicId;

use self::types::AnyWebhook;
use crate::{
    Web,
    body::Incoming,
    checks::{id, one_of},
    failure::{Answer, Failure},
    fields::Fields,
    paging::{PageParams, page},
    partner_api::{
        envelope::{self, List, Success},
        webhooks::{
            NOUN,
            stats::{WebhookStats, read_window},
        },
    },
    words,
};

/// The webhook that a path names, of the clinic that it names before.
fn named(request: &Incoming, clinic: ClinicId) -> Result<Of, Failure> {
    Ok(Of::Clinic(clinic, request.id("webhookId", NOUN)?))
}

fn read_list(f: &mut Fields<'_>, of: Whose) -> Option<ListAny> {
    let known = &[EndpointStatus::Active, EndpointStatus::Paused, EndpointStatus::Disabled];
    let status = f.optional("status", one_of(known, EndpointStatus::as_str));
    Some(ListAny { of, status, page: page(f) })
}

/// Those of both partner APIs, newest first: with `status=disabled`, all that no longer take anything.
#[utoipa::path(get, path = "/admin/webhooks", tag = "Webhooks", operation_id = "listAnyWebhooks",
    security(("OpsToken" = ["super_admin", "pharmacist", "support"])),
    params(PageParams,
        ("clinic_id" = Option<String>, Query, description = "Only those of this clinic"),
        ("status" = Option<words::WebhookStatus>, Query, description = "Only those of this status")),
    responses((status = 200, description = "A page of webhooks", body = List<AnyWebhook>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, SENDERS).await?;
    let query = request.query(|f| {
        let clinic = f.optional("clinic_id", id);
        read_list(f, clinic.map_or(Whose::Any, Whose::Filtered))
    })?;
    let found = endpoints::list_any(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| AnyWebhook::from(item)))
}

/// Those of both partner APIs, newest first.
#[utoipa::path(get, path = "/admin/clinics/{id}/webhooks", tag = "Webhooks", operation_id = "listClinicWebhooks",
    security(("OpsToken" = ["super_admin", "pharmacist", "support", "clinic_admin"])),
    params(("id" = String, Path, description = "The clinic's id"),
        PageParams,
        ("status" = Option<words::WebhookStatus>, Query, description = "Only those of this status")),
    responses((status = 200, description = "A page of webhooks", body = List<AnyWebhook>)))]
pub(crate) async fn list_of_clinic(State(web): State<Web>, request: Incoming) -> Answer {
    let (call, clinic) = web.staff_of_clinic(&request, CLINIC_SENDERS).await?;
    let query = request.query(|f| read_list(f, Whose::Clinic(clinic)))?;
    let found = endpoints::list_any(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| AnyWebhook::from(item)))
}

#[utoipa::path(get, path = "/admin/clinics/{id}/webhooks/{webhookId}", tag = "Webhooks",
    operation_id = "getClinicWebhook",
    security(("OpsToken" = ["super_admin", "pharmacist", "support", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("webhookId" = String, Path, description = "The webhook's id")),
    responses((status = 200, description = "The webhook", body = Success<AnyWebhook>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let (call, clinic) = web.staff_of_clinic(&request, CLINIC_SENDERS).await?;
    let found = endpoints::get(&web.app, &call, named(&request, clinic)?).await?;
    Ok(envelope::found(AnyWebhook::from(&found)))
}

/// Of deliveries that were accepted within the window, with all their attempts. What waits is counted whenever it was
/// accepted.
#[utoipa::path(get, path = "/admin/clinics/{id}/webhooks/{webhookId}/stats", tag = "Webhooks",
    operation_id = "getClinicWebhookStats",
    security(("OpsToken" = ["super_admin", "pharmacist", "support", "clinic_admin"])),
    params(
        ("id" = String, Path, description = "The clinic's id"),
        ("webhookId" = String, Path, description = "The webhook's id"),
        ("window" = Option<words::StatsWindow>, Query, description = "How far back is looked; a day, if not given")),
    responses((status = 200, description = "How the webhook does", body = Success<WebhookStats>)))]
pub(crate) async fn stats(State(web): State<Web>, request: Incoming) -> Answer {
    let (call, clinic) = web.staff_of_clinic(&request, CLINIC_SENDERS).await?;
    let of = named(&request, clinic)?;
    let window = request.query(read_window)?;
    let found = webhook_stats::stats(&web.app, &call, Ask { of, window }).await?;
    Ok(envelope::found(WebhookStats::from(&found)))
}
