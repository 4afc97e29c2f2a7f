//! Webhook endpoints of the partner shape, and what was sent to them.

pub mod deliveries;
mod read;
pub mod replays;
pub mod stats;
pub mod types;

use axum::extract::State;
use nimbus_app::{
    Rendered,
    endpoints::{self, Created, Endpoint, Of, Tested},
};
use nimbus_core::{access::Scope, ids::EndpointId};

use self::{
    read::{DIALECT, read_create, read_delete},
    types::{SecretRotation, WebhookCreate, WebhookDelete, WebhookTested, WebhookUpdate, WebhookView},
};
use super::envelope::{self, List, Nothing, Success};
use crate::{
    Web,
    body::Incoming,
    caching::{patched, versioned},
    checks::id,
    failure::{Answer, named_by},
    paging::PageParams,
    words,
};

pub(crate) const NOUN: &str = "Webhook";

fn render_created(created: &Created) -> Rendered {
    let endpoint = &created.endpoint;
    let view = WebhookView { warnings: created.warnings.clone(), ..WebhookView::from(endpoint) };
    match created.existing {
        true => envelope::written(view, "Webhook already exists"),
        false => envelope::written(view.with_secret(endpoint), "Webhook created successfully"),
    }
}

fn render_deleted((): &()) -> Rendered {
    envelope::written(Nothing {}, "Webhook deleted successfully")
}

fn render_tested(tested: &Tested) -> Rendered {
    let data = WebhookTested { webhook_id: tested.endpoint_id.0 };
    envelope::written(data, "Test event sent; deliveries show what became of it")
}

/// The same clinic and URL again answer the endpoint there is, without its secret.
#[utoipa::path(post, path = "/webhook", tag = "Webhooks", operation_id = "createWebhook",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    request_body(content = WebhookCreate, description = "Where to send what"),
    responses(
        (status = 200, description = "Registered; the secret is shown this once", body = Success<WebhookView>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let command = request.json(&mut call, read_create).await?;
    Ok(envelope::reply(endpoints::create(&web.app, &call, command, render_created).await?))
}

#[utoipa::path(get, path = "/webhook", tag = "Webhooks", operation_id = "listWebhooks",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(PageParams, ("status" = Option<words::WebhookStatus>, Query, description = "Only those of this status")),
    responses((status = 200, description = "A page of webhooks", body = List<WebhookView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let query = request.query(|f| Some(DIALECT.read_list(f)))?;
    let found = endpoints::list(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| WebhookView::from(item)))
}

#[utoipa::path(get, path = "/webhook/{id}", tag = "Webhooks", operation_id = "getWebhook",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, description = "The webhook", body = Success<WebhookView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let found = endpoints::get(&web.app, &call, Of::Own(DIALECT.one(request.id("id", NOUN)?))).await?;
    Ok(versioned(envelope::found(WebhookView::from(&found)), found.version))
}

/// `status: active` also enables a disabled webhook again.
#[utoipa::path(patch, path = "/webhook/{id}", tag = "Webhooks", operation_id = "updateWebhook",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(("id" = String, Path, description = "The webhook's id")),
    request_body(content = WebhookUpdate, description = "The fields to change"),
    responses((status = 200, description = "The webhook as it is now", body = Success<WebhookView>)))]
pub(crate) async fn update(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let endpoint = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| DIALECT.read_update(f, endpoint)).await?;
    let render = |found: &Endpoint| {
        envelope::written(WebhookView::from(found), "Webhook updated successfully").of_version(found.version)
    };
    Ok(patched(endpoints::update(&web.app, &call, command, render).await?))
}

/// Deliveries stop at once; what was sent stays on record.
#[utoipa::path(delete, path = "/webhook/{id}", tag = "Webhooks", operation_id = "deleteWebhook",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, description = "Deleted", body = Success<Nothing>)))]
pub(crate) async fn delete(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksWrite).await?;
    let endpoint = request.id("id", NOUN)?;
    Ok(envelope::reply(endpoints::delete(&web.app, &call, DIALECT.one(endpoint), render_deleted).await?))
}

/// Names the webhook by the query (`?id=`) or by the body (`{"webhook_id": …}`).
#[utoipa::path(delete, path = "/webhook", tag = "Webhooks", operation_id = "deleteNamedWebhook",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(("id" = Option<String>, Query, description = "The webhook's id")),
    request_body(content = WebhookDelete, description = "The webhook, where the query does not name it"),
    responses((status = 200, description = "Deleted", body = Success<Nothing>)))]
pub(crate) async fn delete_named(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let named: Option<EndpointId> = request.query(|f| Some(f.optional("id", id)))?;
    let (field, endpoint) = match named {
        Some(endpoint) => {
            request.json(&mut call, |f| Some(f.optional::<EndpointId>("webhook_id", id))).await?;
            ("id", endpoint)
        }
        None => ("webhook_id", request.json(&mut call, read_delete).await?),
    };
    let deleted = endpoints::delete(&web.app, &call, DIALECT.one(endpoint), render_deleted).await;
    Ok(envelope::reply(named_by(field, deleted)?))
}

#[utoipa::path(post, path = "/webhook/{id}/test", tag = "Webhooks", operation_id = "testWebhook",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(("id" = String, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "A `webhook:test` event is on its way", body = Success<WebhookTested>)))]
pub(crate) async fn test(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let endpoint = request.id("id", NOUN)?;
    request.no_body(&mut call).await?;
    Ok(envelope::reply(endpoints::test(&web.app, &call, endpoint, render_tested).await?))
}

/// Deliveries are signed with what signed before, too, for the next 24 hours or as long as is asked for; at most five
/// sign at once. A webhook that signs by a key pair gets a new pair as well.
#[utoipa::path(post, path = "/webhook/{id}/rotate-secret", tag = "Webhooks", operation_id = "rotateWebhookSecret",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(("id" = String, Path, description = "The webhook's id")),
    request_body(content = SecretRotation, description = "How long the old secret signs"),
    responses(
        (status = 200, description = "The new secret, shown this once", body = Success<WebhookView>)))]
pub(crate) async fn rotate_secret(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let endpoint = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| Some(DIALECT.read_rotation(f, endpoint))).await?;
    let render = |found: &Endpoint| {
        envelope::written(WebhookView::from(found).with_secret(found), "Signing secret rotated successfully")
    };
    Ok(envelope::reply(endpoints::rotate_secret(&web.app, &call, command, render).await?))
}
