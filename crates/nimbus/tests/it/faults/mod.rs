//! What the webhook engine must survive: processes that are killed, a database that stops, rows that are tampered with.

mod outage;
mod processes;
mod roles;
mod tampering;
mod traffic;

use crate::support::{Engine, Store, random::Random};

/// By this a failed run's choices are made again.
const SEED: &str = "NIMBUS_TEST_FAULT_SEED";

/// A store whose leases last three seconds, so that what a dead process held is sent soon.
fn short_leases(store: Store) -> Store {
    store
        .with("NIMBUS_WEBHOOK_DEADLINE", "1")
        .with("NIMBUS_RETRY_SCALE", "0.001")
        .with("NIMBUS_DATABASE_CONNECTIONS", "12")
}

fn sandbox(engine: Engine) -> Store {
    short_leases(Store::sandbox(engine))
}

fn random() -> Random {
    Random::seeded(SEED)
}
