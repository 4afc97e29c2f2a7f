//! The admin listener: health, and metrics in Prometheus' text format.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use nimbus_app::{App, operations};

pub(crate) fn router(app: App) -> Router {
    Router::new().route("/metrics", get(metrics)).route("/health", get(health)).with_state(app)
}

async fn health(State(app): State<App>) -> StatusCode {
    match operations::readiness(&app).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn metrics(State(app): State<App>) -> Result<String, StatusCode> {
    let ledger = operations::ledger(&app).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let mut text =
        String::from("# HELP nimbus_deliveries Deliveries by state.\n# TYPE nimbus_deliveries gauge\n");
    for (state, count) in [
        ("pending", ledger.pending),
        ("delivered", ledger.delivered),
        ("dead", ledger.dead),
        ("cancelled", ledger.cancelled),
    ] {
        text.push_str(&format!("nimbus_deliveries{{state=\"{state}\"}} {count}\n"));
    }
    Ok(text)
}
