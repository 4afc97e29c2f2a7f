//! The clinic's keys, as a partner manages them.

use axum::extract::State;
use nimbus_app::own_keys;

use crate::{
    Web,
    api_keys::{
        ApiKey, KeyNetworksBody, KeyRotation, NOUN, NewApiKey, read_confinement, read_rotation, render,
        render_issued,
    },
    body::Incoming,
    failure::Answer,
    paging::{PageParams, page},
    partner_api::envelope::{self, List, Success},
};

/// The revoked and expired ones too, newest first.
#[utoipa::path(get, path = "/keys", tag = "Keys", operation_id = "listOwnKeys",
    security(("ApiKeyAuth" = [])),
    params(PageParams),
    responses((status = 200, description = "A page of the clinic's keys", body = List<ApiKey>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.any_partner(&request).await?;
    let page = request.query(|f| Some(page(f)))?;
    let found = own_keys::list(&web.app, &call, page).await?;
    Ok(envelope::page(&found, |key| ApiKey::from(key)))
}

/// A key like it takes its place: of the same name, scopes, limits and networks, and for as long as it was issued. Both
/// work until the overlap ends. A key rotates itself, and keys that may do nothing that it may not.
#[utoipa::path(post, path = "/keys/{id}/rotate", tag = "Keys", operation_id = "rotateOwnKey",
    security(("ApiKeyAuth" = [])),
    params(("id" = String, Path, description = "The key's id")),
    request_body(content = KeyRotation, description = "How long both work"),
    responses((status = 200, description = "The new key, which is shown this once", body = Success<NewApiKey>)))]
pub(crate) async fn rotate(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.any_partner(&request).await?;
    let key = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_rotation(f, key)).await?;
    Ok(envelope::reply(own_keys::rotate(&web.app, &call, command, render_issued).await?))
}

/// It stops within a second. One that is revoked already stays as it is. A key revokes itself, and keys that may do
/// nothing that it may not.
#[utoipa::path(post, path = "/keys/{id}/revoke", tag = "Keys", operation_id = "revokeOwnKey",
    security(("ApiKeyAuth" = [])),
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "Revoked", body = Success<ApiKey>)))]
pub(crate) async fn revoke(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.any_partner(&request).await?;
    let key = request.id("id", NOUN)?;
    request.no_body(&mut call).await?;
    Ok(envelope::reply(own_keys::revoke(&web.app, &call, key, render).await?))
}

/// They take the place of those before, within a second. From elsewhere the key is answered as one that nobody has. Those
/// of the key that asks must have the address that it asks from.
#[utoipa::path(put, path = "/keys/{id}/networks", tag = "Keys", operation_id = "confineOwnKey",
    security(("ApiKeyAuth" = [])),
    params(("id" = String, Path, description = "The key's id")),
    request_body(content = KeyNetworksBody, description = "The networks"),
    responses((status = 200, description = "The key as it is now", body = Success<ApiKey>)))]
pub(crate) async fn confine(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.any_partner(&request).await?;
    let key = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_confinement(f, key)).await?;
    Ok(envelope::reply(own_keys::confine(&web.app, &call, command, render).await?))
}
