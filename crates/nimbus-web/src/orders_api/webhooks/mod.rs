//! Webhooks: endpoints that receive this API's event shape, and what was sent to them.

pub mod deliveries;
pub mod replays;
pub mod test_send;
pub mod types;

use axum::extract::State;
use nimbus_app::{
    Rendered,
    endpoints::{self, Created, Endpoint, FieldNames, Of, Shape},
};
use nimbus_core::{access::Scope, ids::EndpointId};

use self::types::{SecretRotation, Webhook, WebhookCreate, WebhookUpdate};
use super::envelope::{self, ListParams, Page};
use crate::{
    Web,
    body::Incoming,
    caching::{patched, versioned},
    failure::Answer,
    paging,
    webhooks::Dialect,
    words,
};

const NOUN: &str = "Webhook";

const NAMES: FieldNames = FieldNames {
    url: "url",
    event_types: "eventTypes",
    headers: "headers",
    rate_limit_per_second: "rateLimitPerSecond",
    retry_schedule: "retrySchedule",
    status: "status",
    // Requests name no clinic: it is the key's.
    clinic: "$",
};

const DIALECT: Dialect = Dialect {
    shape: Shape::Orders,
    names: &NAMES,
    send_api_key: "sendApiKey",
    after_dead_letter: "afterDeadLetter",
    overlap_hours: "overlapHours",
    paces: false,
    page: paging::camel_case_page,
};

fn render_created(created: &Created) -> Rendered {
    let endpoint = &created.endpoint;
    let view = Webhook { warnings: created.warnings.clone(), ..Webhook::from(endpoint) };
    match created.existing {
        true => envelope::written(view),
        false => {
            envelope::created(view.with_secret(endpoint), format!("/webhooks/{}", endpoint.id.prefixed()))
        }
    }
}

/// The same URL again answers the endpoint there is, with 200 and without its secret.
#[utoipa::path(post, path = "/webhooks", tag = "Webhooks", operation_id = "createWebhookEndpoint",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    request_body(content = WebhookCreate, description = "Where to send what"),
    responses(
        (status = 201, description = "Registered; the secret is shown this once, and `Location` is where it is read",
            body = Webhook),
        (status = 200, description = "The URL was registered before; nothing is changed", body = Webhook)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let command = request.json(&mut call, |f| DIALECT.read_create(f)).await?;
    Ok(envelope::reply(endpoints::create(&web.app, &call, command, render_created).await?))
}

#[utoipa::path(get, path = "/webhooks", tag = "Webhooks", operation_id = "listWebhookEndpoints",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(ListParams, ("status" = Option<words::WebhookStatus>, Query, description = "Only those of this status")),
    responses((status = 200, description = "A page of webhooks", body = Page<Webhook>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let query = request.query(|f| Some(DIALECT.read_list(f)))?;
    let found = endpoints::list(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |id| EndpointId(id).prefixed(), |it| Webhook::from(it)))
}

#[utoipa::path(get, path = "/webhooks/{webhookId}", tag = "Webhooks", operation_id = "getWebhookEndpoint",
    security(("ApiKeyAuth" = ["webhooks:read"])),
    params(("webhookId" = String, Path, description = "The webhook's id")),
    responses((status = 200, description = "The webhook", body = Webhook)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let found = endpoints::get(&web.app, &call, Of::Own(DIALECT.one(request.id("webhookId", NOUN)?))).await?;
    Ok(versioned(envelope::found(Webhook::from(&found)), found.version))
}

/// `status: active` also enables a disabled webhook again. What it missed while it was paused or disabled is sent
/// then.
#[utoipa::path(patch, path = "/webhooks/{webhookId}", tag = "Webhooks", operation_id = "updateWebhookEndpoint",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(("webhookId" = String, Path, description = "The webhook's id")),
    request_body(content = WebhookUpdate, description = "The fields to change"),
    responses((status = 200, description = "The webhook as it is now", body = Webhook)))]
pub(crate) async fn update(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let endpoint = request.id("webhookId", NOUN)?;
    let command = request.json(&mut call, |f| DIALECT.read_update(f, endpoint)).await?;
    let render = |found: &Endpoint| envelope::written(Webhook::from(found)).of_version(found.version);
    Ok(patched(endpoints::update(&web.app, &call, command, render).await?))
}

/// Deliveries stop at once; what was sent stays on record.
#[utoipa::path(delete, path = "/webhooks/{webhookId}", tag = "Webhooks", operation_id = "deleteWebhookEndpoint",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(("webhookId" = String, Path, description = "The webhook's id")),
    responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::WebhooksWrite).await?;
    let endpoint = DIALECT.one(request.id("webhookId", NOUN)?);
    Ok(envelope::reply(endpoints::delete(&web.app, &call, endpoint, |()| envelope::nothing()).await?))
}

/// Deliveries are signed with what signed before, too, for the next 24 hours or as long as is asked for; at most five
/// sign at once. A webhook that signs by a key pair gets a new pair as well.
#[utoipa::path(post, path = "/webhooks/{webhookId}/rotate-secret", tag = "Webhooks",
    operation_id = "rotateWebhookEndpointSecret",
    security(("ApiKeyAuth" = ["webhooks:write"])),
    params(("webhookId" = String, Path, description = "The webhook's id")),
    request_body(content = SecretRotation, description = "How long the old secret signs"),
    responses((status = 200, description = "The new secret, shown this once", body = Webhook)))]
pub(crate) async fn rotate_secret(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::WebhooksWrite).await?;
    let endpoint = request.id("webhookId", NOUN)?;
    let command = request.json(&mut call, |f| Some(DIALECT.read_rotation(f, endpoint))).await?;
    let render = |found: &Endpoint| envelope::written(Webhook::from(found).with_secret(found));
    Ok(envelope::reply(endpoints::rotate_secret(&web.app, &call, command, render).await?))
}

#[cfg(test)]
mod tests {
    use nimbus_core::ids::EndpointId;
    use uuid::Uuid;

    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<WebhookCreate, _>(|f| DIALECT.read_create(f));
        assert_described::<WebhookUpdate, _>(|f| DIALECT.read_update(f, EndpointId(Uuid::nil())));
        assert_described::<SecretRotation, _>(|f| Some(DIALECT.read_rotation(f, EndpointId(Uuid::nil()))));
    }
}
