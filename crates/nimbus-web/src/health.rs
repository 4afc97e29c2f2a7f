//! Health: whether the process lives, and whether it can serve.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Web, wire::json_response};

#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `unavailable`.
    status: &'static str,
    /// What is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    missing: Option<&'static str>,
}

const OK: Health = Health { status: "ok", missing: None };

#[utoipa::path(get, path = "/health", tag = "Health", operation_id = "health", security(()),
    responses((status = 200, description = "The process lives", body = Health)))]
pub(crate) async fn health() -> Response {
    json_response(StatusCode::OK, &OK)
}

#[utoipa::path(get, path = "/health/live", tag = "Health", operation_id = "healthLive", security(()),
    responses((status = 200, description = "The process lives", body = Health)))]
pub(crate) async fn live() -> Response {
    json_response(StatusCode::OK, &OK)
}

#[utoipa::path(get, path = "/health/ready", tag = "Health", operation_id = "healthReady", security(()),
    responses(
        (status = 200, description = "The database answers and its migrations are current", body = Health),
        (status = 503, description = "Not ready to serve", body = Health)))]
pub(crate) async fn ready(State(web): State<Web>) -> Response {
    match (web.settings.ready)().await {
        Ok(()) => json_response(StatusCode::OK, &OK),
        Err(missing) => {
            let health = Health { status: "unavailable", missing: Some(missing) };
            json_response(StatusCode::SERVICE_UNAVAILABLE, &health)
        }
    }
}
