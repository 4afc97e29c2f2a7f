//! Accounts of staff over real HTTP: their life from the invitation on, their sessions, and who tries to be them.

mod accounts;
mod administration;
mod attempts;
mod factors;
mod glass;
mod sessions;

use nimbus_store::{
    Db, MasterKey,
    testing::{block_on, staff::sessions_age},
};

use crate::support::Store;

/// Has all sessions be older than they are, by so many seconds, while no server is on an embedded store.
fn grow_old(store: &Store, seconds: i64) {
    block_on(async {
        let key = MasterKey::from_file(&store.data_dir().join("master.key")).expect("the sandbox's key");
        let db = match &store.database_url {
            Some(url) => Db::open_postgres(url, key, 2).await,
            None => Db::open_sqlite(&store.data_dir().join("nimbus.db"), key).await,
        };
        let db = db.expect("the store opens");
        sessions_age(&db, seconds).await;
        db.close().await;
    });
}
