//! What operators ask of a running platform: whether it is ready, and whether its ledger balances.

pub use nimbus_store::deliveries::Ledger;
use nimbus_store::{deliveries, migrate};

use crate::{
    App,
    error::{Error, Result},
};

/// The conservation ledger: accepted = delivered + pending + dead + cancelled.
pub async fn ledger(app: &App) -> Result<Ledger> {
    app.db().read(|tx| Box::pin(async move { Ok::<_, Error>(deliveries::backlog(tx).await?) })).await
}

/// Whether the database answers and is at this version; if not, what is missing, in a word for the operator.
pub async fn readiness(app: &App) -> std::result::Result<(), &'static str> {
    match migrate::pending(app.db()).await {
        Ok(0) => Ok(()),
        Ok(_) => Err("migrations"),
        Err(_) => Err("database"),
    }
}
