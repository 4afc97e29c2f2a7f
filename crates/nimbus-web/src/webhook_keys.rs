//! The public keys of webhooks that sign by key pairs, for whoever checks a signature: a JSON Web Key Set.

use axum::{extract::State, response::Response};
use http::{HeaderValue, StatusCode, header::CACHE_CONTROL};
use nimbus_app::endpoint_keys::{self, PublicKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Web, body::Incoming, checks::id, failure::Answer, partner_api::error::ErrorReply, wire::json_response,
};

/// A receiver asks again within the shortest time that a key is listed before it is the only one that signs.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookKeys {
    keys: Vec<WebhookKey>,
}

/// An ed25519 public key (RFC 8037).
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookKey {
    #[schema(pattern = "^OKP$", example = "OKP")]
    kty: &'static str,
    #[schema(pattern = "^Ed25519$", example = "Ed25519")]
    crv: &'static str,
    /// The 32 bytes of the key in base64url.
    #[schema(example = "1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4")]
    x: String,
    /// The key's thumbprint (RFC 7638).
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    kid: String,
    #[schema(pattern = "^EdDSA$", example = "EdDSA")]
    alg: &'static str,
    #[serde(rename = "use")]
    #[schema(pattern = "^sig$", example = "sig")]
    use_: &'static str,
}

impl From<PublicKey> for WebhookKey {
    fn from(key: PublicKey) -> Self {
        Self { kty: "OKP", crv: "Ed25519", x: key.jwk_x(), kid: key.kid(), alg: "EdDSA", use_: "sig" }
    }
}

/// Keys that retire stay listed as long as they sign. One webhook's are named by its id.
#[utoipa::path(get, path = "/.well-known/webhook-keys.json", tag = "Webhook keys", operation_id = "listWebhookKeys",
    security(()),
    params(("webhook_id" = Option<String>, Query, description = "Only the keys of this webhook")),
    responses(
        (status = 200, description = "The public keys that sign deliveries", body = WebhookKeys),
        (status = 400, description = "The query cannot be read", body = ErrorReply),
        (status = 429, description = "Too many requests from this address", body = ErrorReply),
        (status = 500, description = "Something went wrong on our side", body = ErrorReply),
        (status = 503, description = "Not available right now", body = ErrorReply)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    web.anybody(&request)?;
    let endpoint = request.query(|f| Some(f.optional("webhook_id", id)))?;
    let keys = endpoint_keys::public_keys(&web.app, endpoint).await?;
    let keys = WebhookKeys { keys: keys.into_iter().map(WebhookKey::from).collect() };
    Ok(cached(json_response(StatusCode::OK, &keys)))
}

fn cached(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, CACHED);
    response
}
