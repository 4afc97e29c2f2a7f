//! The server under test: the real binary as a child process, on a store of its own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use nimbus_store::{
    Db, MasterKey,
    testing::{PgCluster, block_on},
};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use super::client::{Anonymous, OrdersPartner, Partner, PharmacyPartner, Staff, Stranger};

/// A start on a machine that runs other tests at the same time.
const START_WITHIN: Duration = Duration::from_secs(30);
/// Beyond the ten seconds that a stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(20);

pub(crate) const FEED_SECRET: &str = "feed-secret-of-the-tests";
pub(crate) const EASYPOST_SECRET: &str = "easypost-secret-of-the-tests";
pub(crate) const ONBOARDING_TOKEN: &str = "onboarding-token-of-the-tests";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// What `nimbus seed --json` prints.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seed {
    pub(crate) clinic_id: String,
    pub(crate) other_clinic_id: String,
    pub(crate) keys: SeedKeys,
    pub(crate) ops_token: String,
    pub(crate) practitioner_id: String,
    pub(crate) patient_id: String,
    pub(crate) prescription_id: String,
    pub(crate) medication_request_id: String,
    pub(crate) medication_order_id: String,
}

#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedKeys {
    pub(crate) integration: String,
    pub(crate) pharmacy_partner: String,
    pub(crate) other_clinic: String,
}

/// A data folder, for PostgreSQL with a database, and the settings of whatever runs on it. Removed when dropped.
pub(crate) struct Store {
    pub(crate) folder: TempDir,
    pub(crate) database_url: Option<String>,
    settings: Vec<(String, String)>,
    runs: u32,
}

impl Store {
    /// An empty store for a sandbox that tests can send to and receive from.
    pub(crate) fn sandbox(engine: Engine) -> Self {
        let store = Self::of_nobody();
        match engine {
            Engine::Sqlite => store,
            Engine::Postgres => store.on(PgCluster::shared()),
        }
    }

    /// The same on a PostgreSQL of its own.
    pub(crate) fn sandbox_on(cluster: &PgCluster) -> Self {
        Self::of_nobody().on(cluster)
    }

    fn on(self, cluster: &PgCluster) -> Self {
        let url = block_on(cluster.create_database());
        Self { database_url: Some(url.clone()), ..self.with("NIMBUS_DATABASE_URL", &url) }
    }

    fn of_nobody() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data_dir = folder.path().join("data");
        let store = Self { folder, database_url: None, settings: Vec::new(), runs: 0 };
        store
            .with("NIMBUS_DATA_DIR", &data_dir.display().to_string())
            .with("NIMBUS_ALLOW_LOCAL_WEBHOOKS", "true")
            .with("NIMBUS_PHARMACY_FEED_SECRET", FEED_SECRET)
            .with("NIMBUS_ONBOARDING_TOKEN", ONBOARDING_TOKEN)
            .with("NIMBUS_EASYPOST_WEBHOOK_SECRET", EASYPOST_SECRET)
            .with("NIMBUS_RATE_LIMIT_WRITES", "0")
            .with("NIMBUS_RATE_LIMIT_READS", "0")
            .with("NIMBUS_RATE_LIMIT_UNAUTHENTICATED", "0")
            // Its usual port is one for all the processes of a machine.
            .with("NIMBUS_ADMIN_LISTEN", "off")
    }

    /// An empty store for a production deployment behind a proxy, with a master key file.
    pub(crate) fn production(engine: Engine) -> Self {
        let store = Self::sandbox(engine);
        let key_file = store.folder.path().join("production.key");
        let rates = store.folder.path().join("own-rates");
        std::fs::create_dir(&rates).expect("the folder is ours");
        let table = std::fs::read_to_string(super::repository("carriers/rates.toml")).expect("it is there");
        let table = table.replace("examples = true\n", "");
        std::fs::write(rates.join("rates.toml"), table).expect("the folder is ours");
        std::fs::write(&key_file, "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=\n")
            .expect("the folder is ours");
        store
            .without("NIMBUS_ALLOW_LOCAL_WEBHOOKS")
            .without("NIMBUS_RATE_LIMIT_WRITES")
            .without("NIMBUS_RATE_LIMIT_READS")
            .without("NIMBUS_RATE_LIMIT_UNAUTHENTICATED")
            .with("NIMBUS_ENVIRONMENT", "production")
            .with("NIMBUS_MASTER_KEY_FILE", &key_file.display().to_string())
            .with("NIMBUS_BEHIND_PROXY", "true")
            .with("NIMBUS_RATES_DIR", &rates.display().to_string())
            .with("NIMBUS_UPS_ACCOUNT", "A1B2C3")
            .with("NIMBUS_FEDEX_ACCOUNT", "1234")
            .with("NIMBUS_USPS_ACCOUNT", "123456789")
            .with("NIMBUS_AMERISHIP_ACCOUNT", "none")
            .with("NIMBUS_PHARMACY_NAME", "Example Pharmacy")
            .with("NIMBUS_PHARMACY_ADDRESS_LINE_1", "1 Sample Street")
            .with("NIMBUS_PHARMACY_CITY", "Austin")
            .with("NIMBUS_PHARMACY_STATE", "TX")
            .with("NIMBUS_PHARMACY_POSTAL_CODE", "78701")
            .with("NIMBUS_PHARMACY_PHONE", "(512) 555-0199")
    }

    /// Settings of another process on the same database, which must be PostgreSQL and stays with this store.
    pub(crate) fn beside(&self) -> Self {
        assert!(self.database_url.is_some(), "an embedded database has one process");
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder, database_url: self.database_url.clone(), settings: self.settings.clone(), runs: 0 }
    }

    /// The same with a setting, by its environment variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.settings.retain(|(other, _)| other != name);
        self
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn master_key(&self) -> MasterKey {
        let named = self.settings.iter().find(|(name, _)| name == "NIMBUS_MASTER_KEY_FILE");
        let file = named.map_or_else(|| self.data_dir().join("master.key"), |(_, file)| file.into());
        MasterKey::from_file(&file).expect("the deployment's master key")
    }

    /// The store itself, behind the server's back.
    pub(crate) async fn open(&self) -> Db {
        let opened = match &self.database_url {
            Some(url) => Db::open_postgres(url, self.master_key(), 2).await,
            None => Db::open_sqlite(&self.data_dir().join("nimbus.db"), self.master_key()).await,
        };
        opened.expect("the store opens")
    }

    /// Does something to the store that no command does, and no route.
    pub(crate) fn behind<T>(&self, act: impl AsyncFnOnce(&Db) -> T) -> T {
        block_on(async {
            let db = self.open().await;
            let outcome = act(&db).await;
            db.close().await;
            outcome
        })
    }

    /// `nimbus` with these arguments on this store, and nothing of the caller's own environment for it.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nimbus"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NIMBUS_"))
        {
            command.env_remove(name);
        }
        command.args(args).envs(self.settings.iter().cloned()).current_dir(self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }

    /// Runs a command that must succeed; what it prints is JSON.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.output(args);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "nimbus {args:?}: {}\n{out}\n{err}", output.status);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("nimbus {args:?}: {error} in\n{out}"))
    }

    /// Seeds the sandbox, or reads again what it was seeded with.
    #[track_caller]
    pub(crate) fn seed(&self) -> Seed {
        serde_json::from_value(self.json(&["seed", "--json"])).expect("the seed has its documented shape")
    }

    /// Serves this store on a free port; back when it listens.
    #[track_caller]
    pub(crate) fn serve(self) -> Server {
        self.serve_with(&[])
    }

    /// The same with other flags besides.
    #[track_caller]
    pub(crate) fn serve_with(mut self, flags: &[&str]) -> Server {
        self.runs += 1;
        let port_file = self.folder.path().join(format!("port-{}", self.runs));
        let started = Instant::now();
        let place = port_file.display().to_string();
        let args = ["serve", "--listen", "127.0.0.1:0", "--port-file", &place];
        let mut server = self.spawn(&[&args, flags].concat());
        loop {
            if let Some(port) = port_in(&port_file) {
                server.port = port;
                server.started_in = started.elapsed();
                return server;
            }
            let ended = server.child().try_wait().expect("the child is ours");
            assert!(ended.is_none(), "the server ended with {ended:?}\n{}", server.log());
            assert!(started.elapsed() < START_WITHIN, "the server did not start\n{}", server.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A process that sends webhooks and works jobs, and does not listen; it may not be ready yet.
    pub(crate) fn work(mut self) -> Server {
        self.runs += 1;
        self.spawn(&["serve", "--role", "worker"])
    }

    fn spawn(self, args: &[&str]) -> Server {
        let log = self.folder.path().join(format!("log-{}", self.runs));
        let writer = File::create(&log).expect("the folder is ours");
        let child = self
            .command(args)
            .stdout(Stdio::from(writer.try_clone().expect("a file handle")))
            .stderr(Stdio::from(writer))
            .spawn()
            .expect("the binary runs");
        Server { child: Some(child), port: 0, log, store: Some(self), started_in: Duration::ZERO }
    }
}

fn port_in(file: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.trim().parse().expect("the port file holds a port"))
}

/// A running server. Dropping it kills it; a test that fails prints its log.
pub(crate) struct Server {
    child: Option<Child>,
    pub(crate) port: u16,
    log: PathBuf,
    store: Option<Store>,
    pub(crate) started_in: Duration,
}

impl Server {
    /// A seeded sandbox that serves.
    #[track_caller]
    pub(crate) fn seeded(engine: Engine) -> (Self, Seed) {
        let store = Store::sandbox(engine);
        let seed = store.seed();
        (store.serve(), seed)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn partner(&self, seed: &Seed) -> Partner {
        Partner::new(&self.url(), &seed.keys.integration)
    }

    pub(crate) fn pharmacy_partner(&self, seed: &Seed) -> PharmacyPartner {
        PharmacyPartner::new(&self.url(), &seed.keys.pharmacy_partner)
    }

    /// The seeded clinic on the orders API.
    pub(crate) fn orders(&self, seed: &Seed) -> OrdersPartner {
        OrdersPartner::new(&self.url(), &seed.keys.integration)
    }

    pub(crate) fn stranger(&self, seed: &Seed) -> Stranger {
        Stranger::new(&self.url(), &seed.keys.other_clinic)
    }

    pub(crate) fn staff(&self, seed: &Seed) -> Staff {
        Staff::new(&self.url(), &seed.ops_token)
    }

    pub(crate) fn anonymous(&self) -> Anonymous {
        Anonymous::new(&self.url(), "")
    }

    /// The admin listener, which is told to take a free port: its log says which.
    pub(crate) fn admin(&self) -> Anonymous {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("admin listens")).expect("it says where");
        let after = line.rsplit("127.0.0.1:").next().expect("an address");
        let port: String = after.chars().take_while(char::is_ascii_digit).collect();
        Anonymous::new(&format!("http://127.0.0.1:{port}"), "")
    }

    /// The store, for commands beside the server.
    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().expect("the store is there while the server runs")
    }

    /// Everything this run of the server has logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Kills the server as a crash would, with `SIGKILL`; its store, to serve again.
    pub(crate) fn kill(mut self) -> Store {
        self.child().kill().expect("the child is ours");
        self.child().wait().expect("the child is ours");
        self.child = None;
        self.store.take().expect("the store is there while the server runs")
    }

    /// Kills the server while others still talk to it; [`Self::kill`] then gives its store.
    pub(crate) fn kill_now(&self) {
        self.signal("KILL");
    }

    /// Sends the server a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("the server runs").id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill runs").success(), "the server was gone before it got a signal");
    }

    /// Asks the server to stop, with `SIGTERM`, without waiting for it.
    pub(crate) fn ask_to_stop(&self) {
        self.signal("TERM");
    }

    /// Asks the server to stop and waits for its end: how it ended, after how long, and its store.
    pub(crate) fn stop(mut self) -> (ExitStatus, Duration, Store) {
        self.ask_to_stop();
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child().try_wait().expect("the child is ours") {
                self.child = None;
                return (status, asked.elapsed(), self.store.take().expect("the store is still there"));
            }
            assert!(asked.elapsed() < STOP_WITHIN, "the server does not stop\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("the server runs")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}---", self.log());
        }
    }
}
