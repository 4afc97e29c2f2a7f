//! The server that is measured: seeded, started as its own process, stopped by a signal.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Uri};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{Failure, client::Load, database::Database, options::Options};

const START_WITHIN: Duration = Duration::from_secs(30);
/// The server itself stops within ten seconds.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// Requests a minute that a key may make: counted as in production, and never reached.
pub(crate) const RATE: u32 = 100_000_000;
/// As much of the end of the server's log is shown when it fails.
const SHOWN: usize = 2000;

/// A running server on an empty store, with the sandbox's seed in it. Dropping it kills it.
pub(crate) struct Server {
    // Fields drop in this order: the process before what it holds open.
    process: Child,
    pub(crate) database: Database,
    /// Temporary, on the disk that is measured.
    pub(crate) folder: TempDir,
    address: SocketAddr,
    seed: Value,
    /// Rows that the store had before the first request.
    pub(crate) seeded_rows: u64,
}

impl Server {
    pub(crate) async fn start(options: &Options) -> Result<Self, Failure> {
        if !options.nimbus.is_file() {
            let path = options.nimbus.display();
            return Err(
                format!("{path} is missing: cargo build --release -p nimbus, or --nimbus PATH").into()
            );
        }
        let folder = tempfile::Builder::new().prefix("nimbus-bench-").tempdir_in(&options.folder)?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        let database = Database::fresh(&options.engine, &data)?;
        eprintln!("  seeding");
        let seed = seed(options, &data, &database).await?;
        let seeded_rows = database.count_rows()?;
        let (process, address) = spawn(options, folder.path(), &database).await?;
        Ok(Self { process, database, folder, address, seed, seeded_rows })
    }

    /// Starts it again, after it was stopped, on the same store.
    pub(crate) async fn resume(&mut self, options: &Options) -> Result<(), Failure> {
        (self.process, self.address) = spawn(options, self.folder.path(), &self.database).await?;
        Ok(())
    }

    /// A POST by the partner whose key may do everything.
    pub(crate) fn post(&self, path: &'static str, body: &Value) -> Result<Load, Failure> {
        let key = HeaderValue::try_from(self.seeded("/keys/integration")?)?;
        Ok(Load::post(self.address, key, path, Bytes::from(body.to_string())))
    }

    /// A POST by staff.
    pub(crate) fn post_as_staff(&self, path: &'static str, body: &Value) -> Result<Load, Failure> {
        let token = HeaderValue::try_from(format!("Bearer {}", self.seeded("/ops_token")?))?;
        Ok(self.post(path, body)?.by_staff(token))
    }

    /// A PATCH by the partner.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<(), Failure> {
        let key = HeaderValue::try_from(self.seeded("/keys/integration")?)?;
        let load = Load::post(self.address, key, "/", Bytes::from(body.to_string()));
        let load = Load { method: http::Method::PATCH, paths: [Uri::try_from(path)?].into(), ..load };
        load.once().await.map(drop)
    }

    /// A DELETE by the partner.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        let load = self.get(path, &[String::new()])?;
        Load { method: http::Method::DELETE, ..load }.once().await.map(drop)
    }

    /// Reads of what `ids` name below `path`, in turn, by the same partner.
    pub(crate) fn get(&self, path: &str, ids: &[String]) -> Result<Load, Failure> {
        let key = HeaderValue::try_from(self.seeded("/keys/integration")?)?;
        let paths: Result<_, _> = ids.iter().map(|id| Uri::try_from(format!("{path}{id}"))).collect();
        Ok(Load::get(self.address, key, paths?))
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> Result<u32, Failure> {
        self.process.id().ok_or_else(|| "the server has ended by itself".into())
    }

    /// An order of one medication.
    pub(crate) fn order(&self) -> Result<Load, Failure> {
        let body = json!({
            "clinic_id": self.seeded("/clinic_id")?,
            "patient_id": self.seeded("/patient_id")?,
            "practitioner_id": self.seeded("/practitioner_id")?,
            "carrier_id": "se-3818360", "service_id": "fedex_ground", "is_refrigerated": true,
            "medication_requests": [{
                "medication": "Tretinoin 0.05% Cream", "dose": "0.05%", "unit_of_measure": "g", "quantity": 20,
                "direction": "Apply a pea-sized amount to the face at bedtime", "refills": "3", "days_supply": 30,
            }],
        });
        self.post("/api/external/medication-order", &body)
    }

    /// Where the server listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Text of the seed by its JSON pointer.
    pub(crate) fn seeded(&self, pointer: &str) -> Result<&str, Failure> {
        seeded(&self.seed, pointer)
    }

    /// Asks the server to stop and waits until it has.
    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        let asked = Command::new("kill").args(["-TERM", &self.pid()?.to_string()]).status().await?;
        let ended = tokio::time::timeout(STOP_WITHIN, self.process.wait()).await;
        match ended.map_err(|_| "the server does not stop")?? {
            status if asked.success() && status.success() => Ok(()),
            status => Err(self.failed(status).into()),
        }
    }

    fn failed(&self, status: ExitStatus) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        format!("the server ended with {status}: {}", end_of(&log))
    }
}

/// Starts the server on the store in a folder; the process, and where it listens.
async fn spawn(
    options: &Options,
    folder: &Path,
    database: &Database,
) -> Result<(Child, SocketAddr), Failure> {
    let (port_file, log) = (folder.join("port"), folder.join("log"));
    if port_file.exists() {
        std::fs::remove_file(&port_file)?;
    }
    let mut process = command(&options.nimbus, &folder.join("data"), database)
        .args(["serve", "--listen", "127.0.0.1:0", "--port-file"])
        .arg(&port_file)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log)?)
        .spawn()?;
    let port = wait_for_port(&port_file, &mut process)
        .await
        .map_err(|failure| format!("{failure}: {}", end_of(&std::fs::read(&log).unwrap_or_default())))?;
    Ok((process, (Ipv4Addr::LOCALHOST, port).into()))
}

/// Seeds an empty store as a sandbox; what it printed.
pub(crate) async fn seed(options: &Options, data: &Path, database: &Database) -> Result<Value, Failure> {
    let seeded = command(&options.nimbus, data, database).args(["seed", "--json"]).output().await?;
    if !seeded.status.success() {
        return Err(format!("nimbus seed: {}", end_of(&seeded.stderr)).into());
    }
    Ok(serde_json::from_slice(&seeded.stdout)?)
}

/// Text of a seed by its JSON pointer.
pub(crate) fn seeded<'a>(seed: &'a Value, pointer: &str) -> Result<&'a str, Failure> {
    let text = seed.pointer(pointer).and_then(Value::as_str);
    text.ok_or_else(|| format!("the seed has no {pointer}").into())
}

/// The binary with settings of its own, whatever the environment of the bench says.
pub(crate) fn command(nimbus: &Path, data: &Path, database: &Database) -> Command {
    let mut command = Command::new(nimbus);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NIMBUS_")) {
        command.env_remove(name);
    }
    command
        .env("NIMBUS_DATA_DIR", data)
        .env("NIMBUS_ADMIN_LISTEN", "off")
        .env("NIMBUS_ALLOW_LOCAL_WEBHOOKS", "true")
        .env("NIMBUS_RATE_LIMIT_WRITES", RATE.to_string())
        .env("NIMBUS_RATE_LIMIT_READS", RATE.to_string())
        .env("NIMBUS_RATE_LIMIT_UNAUTHENTICATED", "0")
        .current_dir(data)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(url) = database.url() {
        command.env("NIMBUS_DATABASE_URL", url);
    }
    command
}

pub(crate) async fn wait_for_port(file: &PathBuf, process: &mut Child) -> Result<u16, Failure> {
    let until = Instant::now() + START_WITHIN;
    while Instant::now() < until {
        if let Ok(text) = std::fs::read_to_string(file) {
            return Ok(text.trim().parse()?);
        }
        if let Some(status) = process.try_wait()? {
            return Err(format!("the server ended with {status}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("the server does not listen in time".into())
}

pub(crate) fn end_of(log: &[u8]) -> String {
    String::from_utf8_lossy(&log[log.len().saturating_sub(SHOWN)..]).trim().to_owned()
}
