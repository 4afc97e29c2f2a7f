//! The bare server beside which replies are measured: the router and middleware of the real one, in a process of its
//! own, answering bytes that are there already.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    sync::Arc,
};

use bytes::Bytes;
use http::HeaderValue;
use jiff::tz::TimeZone;
use nimbus_app::{App, Config, clock::Clock, formulary, limits::Rates};
use nimbus_core::access::Environment;
use nimbus_store::{Db, MasterKey};
use nimbus_web::{WebSettings, measure};
use nimbus_webhooks::guard::AddressPolicy;
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Child};
use tokio_util::sync::CancellationToken;

use crate::{
    Failure,
    database::Database,
    options::{Engine, Options},
    server::{RATE, command, end_of, seed, seeded, wait_for_port},
};

/// The first argument of the bench when it is to be the bare server.
pub(crate) const COMMAND: &str = "bare-server";

/// A running bare server. Dropping it kills it.
pub(crate) struct Bare {
    // Fields drop in this order: the process before what it holds open.
    pub(crate) process: Child,
    _folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) key: HeaderValue,
}

impl Bare {
    /// Starts one that answers so many bytes of JSON. Its keys are in a store of its own, an SQLite file.
    pub(crate) async fn start(options: &Options, size: usize) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("nimbus-bench-").tempdir_in(&options.folder)?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        let database = Database::fresh(&Engine::Sqlite, &data)?;
        let seed = seed(options, &data, &database).await?;
        let (port_file, log) = (folder.path().join("port"), folder.path().join("log"));
        let mut process = command(&std::env::current_exe()?, &data, &database)
            .arg(COMMAND)
            .args([&data, &port_file])
            .arg(size.to_string())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()?;
        let port = wait_for_port(&port_file, &mut process)
            .await
            .map_err(|failure| format!("{failure}: {}", end_of(&std::fs::read(&log).unwrap_or_default())))?;
        let key = HeaderValue::try_from(seeded(&seed, "/keys/integration")?)?;
        Ok(Self { process, _folder: folder, address: (Ipv4Addr::LOCALHOST, port).into(), key })
    }
}

/// What the bare server's process does: `arguments` are the data folder, the port file and the size of a reply.
pub(crate) async fn serve(arguments: &[String]) -> Result<(), Failure> {
    let [data, port_file, size] = arguments else { return Err("three arguments are needed".into()) };
    // As `nimbus serve` logs when its standard error is a file.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let data = Path::new(data);
    let master = MasterKey::load_or_create(&data.join("master.key"))?;
    let db = Db::open_sqlite(&data.join("nimbus.db"), master).await?;
    let settings = WebSettings::new(Arc::new(|| Box::pin(async { Ok(()) })));
    let router = measure::router(app(db), settings, reply(size.parse()?));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let beside = Path::new(port_file).with_extension("tmp");
    std::fs::write(&beside, listener.local_addr()?.port().to_string())?;
    std::fs::rename(beside, port_file)?;
    nimbus_web::serve(listener, router, CancellationToken::new()).await;
    Ok(())
}

/// The application as a sandbox has it.
pub(crate) fn app(db: Db) -> App {
    let config = Config {
        environment: Environment::Sandbox,
        pharmacy_zone: TimeZone::UTC,
        rules: nimbus_app::rules::shipped(),
        formulary: formulary::shipped(Environment::Sandbox),
        thresholds: Default::default(),
        rates: Rates { writes: RATE, reads: RATE, unauthenticated: 0 },
        address_policy: AddressPolicy { allow_loopback: true },
        deadline: Default::default(),
        onboarding: None,
        pharmacy_feed_secret: None,
        auto_advance: None,
        labels: nimbus_app::labels::LabelSettings::default(),
        carrier_feeds: nimbus_app::carrier_feed::CarrierFeeds::default(),
        retention: Default::default(),
        staff: Default::default(),
        shipping: Arc::default(),
        parcel_reply: nimbus_web::parcel_reply,
    };
    App::new(db, config, Clock::default())
}

/// JSON of so many bytes, at least 14.
fn reply(size: usize) -> Bytes {
    const FRAME: &str = r#"{"padding":""}"#;
    let padding = "x".repeat(size.saturating_sub(FRAME.len()));
    Bytes::from(FRAME.replace(r#""""#, &format!("\"{padding}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_is_json_of_the_size_asked_for() {
        for size in [14, 15, 1900] {
            let reply = reply(size);
            assert_eq!(reply.len(), size);
            assert!(serde_json::from_slice::<serde_json::Value>(&reply).is_ok());
        }
    }
}
