//! Accounts of staff over real HTTP: their life from the invitation on, their sessions, and who tries to be them.

mod accounts;
mod administration;
mod attempts;
pub(crate) mod factors;
mod glass;
mod passkeys;
mod sessions;

use nimbus_store::testing::staff::{challenges_age, sessions_age};

use crate::support::Store;

/// Has all sessions and challenges be older than they are, by so many seconds, while no server is on an embedded store.
fn grow_old(store: &Store, seconds: i64) {
    store.behind(async |db| {
        sessions_age(db, seconds).await;
        challenges_age(db, seconds).await;
    });
}
