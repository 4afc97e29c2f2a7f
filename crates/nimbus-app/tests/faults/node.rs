//! A node: what a process of the server runs, on a runtime of its own, which can be ended at any await as `kill -9` would.

use std::{sync::Arc, time::Instant};

use nimbus_app::{App, audit, jobs, ledger, signals};
use nimbus_core::time::Ts;
use nimbus_store::{
    Db,
    fault::{Plan, Tally},
    testing::{Place, master_key},
};
use nimbus_webhooks::{
    dispatcher::{Dispatcher, Settings},
    guard::AddressPolicy,
};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::world::{PATIENCE, app};

/// Connections of one node, of the many that a test has.
const CONNECTIONS: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes events and sends them.
    All,
    /// Takes events and wakes those who send them.
    Api,
}

/// What a node is started with.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) place: Place,
    /// The embedded store, which all nodes share.
    pub(crate) embedded: Option<Db>,
    pub(crate) role: Role,
    /// Wall time as its dispatcher takes it.
    pub(crate) now: fn() -> Ts,
}

pub(crate) struct Node {
    runtime: Option<Runtime>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) app: App,
}

impl Node {
    pub(crate) async fn start(setup: &Setup, seed: u64, tally: &Arc<Tally>) -> Self {
        let plan = Plan::new(seed, Arc::clone(tally));
        let entered = Arc::clone(&plan);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .on_thread_start(move || Arc::clone(&entered).enter())
            .build()
            .expect("a runtime starts");
        let started = Setup::clone(setup);
        let app = runtime.spawn(started.start()).await.expect("a node starts");
        Self { runtime: Some(runtime), plan, app }
    }

    /// A node in which nothing goes wrong by itself.
    pub(crate) async fn sound(setup: &Setup) -> Self {
        let node = Self::start(setup, 0, &Arc::default()).await;
        node.plan.end();
        node
    }

    /// Runs something in the node, which ends with it.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.as_ref().expect("it runs until it is dropped").spawn(task)
    }
}

impl Drop for Node {
    /// As `kill -9` would: whatever waits anywhere is dropped there.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Setup {
    async fn start(self) -> App {
        let db = match (&self.place, self.embedded) {
            (Place::Url(url), _) => open(url).await,
            (Place::File(_), embedded) => embedded.expect("one process has the file"),
        };
        let app = app(&db);
        // Nobody asks it to stop.
        let stop = CancellationToken::new();
        match self.role {
            Role::Api => drop(tokio::spawn(signals::wake_others(app.clone(), stop))),
            Role::All => {
                let settings = Settings {
                    policy: AddressPolicy { allow_loopback: true },
                    retry_scale: "0.0005".parse().expect("a scale"),
                    gate: app.gate(),
                };
                let dispatcher = Dispatcher::new(db, settings, Arc::clone(app.handover()), self.now);
                tokio::spawn(dispatcher.run(stop.clone()));
                tokio::spawn(signals::hear_others(app.clone(), stop.clone()));
                tokio::spawn(jobs::run(app.clone(), stop.clone()));
                tokio::spawn(ledger::run(app.clone(), stop.clone()));
                tokio::spawn(audit::run(app.clone(), stop));
            }
        }
        app
    }
}

/// On a busy machine a connection may take longer than it should.
async fn open(url: &str) -> Db {
    let begun = Instant::now();
    loop {
        match Db::open_postgres(url, master_key(), CONNECTIONS).await {
            Ok(db) => return db,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "the database does not answer: {error}"),
        }
    }
}
