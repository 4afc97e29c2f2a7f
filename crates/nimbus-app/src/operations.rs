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

/// Whether the database answers and is at this version.
pub async fn is_ready(app: &App) -> bool {
    app.db().ping().await.is_ok() && matches!(migrate::pending(app.db()).await, Ok(0))
}
