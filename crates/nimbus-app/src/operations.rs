//! What operators ask of a running platform: whether it is ready.

use nimbus_store::migrate;

use crate::App;

/// Whether the database answers and is at this version; if not, what is missing, in a word for the operator.
pub async fn readiness(app: &App) -> std::result::Result<(), &'static str> {
    match migrate::pending(app.db()).await {
        Ok(0) => Ok(()),
        Ok(_) => Err("migrations"),
        Err(_) => Err("database"),
    }
}
