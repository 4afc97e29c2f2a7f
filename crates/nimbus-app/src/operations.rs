//! What operators ask of a running platform: whether it is ready, and what it has done.

pub use nimbus_store::{deliveries::Waiting, endpoints::Shape};
use nimbus_store::{deliveries::deliveries_waiting_any, migrate};
pub use nimbus_webhooks::{
    breaker::Standing,
    metrics::{BUCKETS_MS, Class, Ending, Metrics, Way},
};

use crate::{
    App,
    error::{Error, Result},
};

/// Whether the database answers and is at this version; if not, what is missing, in a word for the operator.
pub async fn readiness(app: &App) -> std::result::Result<(), &'static str> {
    match migrate::pending(app.db()).await {
        Ok(0) => Ok(()),
        Ok(_) => Err("migrations"),
        Err(_) => Err("database"),
    }
}

/// What waits to be sent, by class of endpoint, of all clinics and processes.
pub async fn waiting(app: &App) -> Result<Vec<Waiting>> {
    app.db().read(|tx| Box::pin(async move { Ok::<_, Error>(deliveries_waiting_any(tx).await?) })).await
}
