//! The admin listener: health, and metrics in Prometheus' text format.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use nimbus_app::{App, ledger, operations};

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
    let checked = ledger::check(&app).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let mut text =
        String::from("# HELP nimbus_deliveries Deliveries by state.\n# TYPE nimbus_deliveries gauge\n");
    for (state, count) in [
        ("pending", checked.total.pending),
        ("delivered", checked.total.delivered),
        ("dead", checked.total.dead),
        ("cancelled", checked.total.cancelled),
    ] {
        text.push_str(&format!("nimbus_deliveries{{state=\"{state}\"}} {count}\n"));
    }
    text.push_str(&format!(
        "# HELP nimbus_ledger_difference Deliveries that are unaccounted for, or accounted for twice.\n\
         # TYPE nimbus_ledger_difference gauge\n\
         nimbus_ledger_difference {}\n",
        checked.difference()
    ));
    Ok(text)
}
