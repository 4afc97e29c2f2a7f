//! What every command starts with: logging, the store, the application.

use std::{io::IsTerminal, net::SocketAddr};

use nimbus_app::{
    App, Config, Onboarding,
    clock::Clock,
    inventory,
    rules::{self, Problems},
};
use nimbus_core::rules::Packs;
use nimbus_store::{Db, migrate as migrations};
use tracing_subscriber::EnvFilter;

use crate::{Failure, config::Settings};

/// Log lines go to standard error, so that what a command prints can be read by a program.
pub(crate) fn start_logging(settings: &Settings, default_filter: &str) {
    let filter = settings.log.as_deref().unwrap_or(default_filter);
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(default_filter));
    let colours = std::io::stderr().is_terminal();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    if settings.log_json { builder.json().init() } else { builder.init() }
}

/// Opens the store and brings it to this version.
pub(crate) async fn open_store(settings: &Settings) -> Result<Db, Failure> {
    settings.refuse_unsafe()?;
    let db = connect(settings).await?;
    migrations::run(&db).await?;
    Ok(db)
}

/// Opens the store as it is.
pub(crate) async fn connect(settings: &Settings) -> Result<Db, Failure> {
    let master = settings.custodian()?;
    if let Some(url) = &settings.database_url {
        return Ok(Db::open_postgres(url, master, settings.database_connections).await?);
    }
    std::fs::create_dir_all(&settings.data_dir)?;
    Ok(Db::open_sqlite(&settings.sqlite_file(), master).await?)
}

/// The application of a server that listens there, or of what writes as one, over a store of this version. The rules
/// that it decides by from now on are put on record, and lots of before they had a unit get theirs.
///
/// # Errors
/// `Problems` of packs that are on record with other rules.
pub(crate) async fn start(settings: &Settings, db: &Db, listens: Option<SocketAddr>) -> Result<App, Failure> {
    let sources = settings.rules_sources()?;
    let app = app_by(settings, db.clone(), rules::read(&sources)?, listens)?;
    let problems = rules::keep(&app, rules::marks(&sources)?).await?;
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    inventory::settle_units(&app).await?;
    Ok(app)
}

/// The application over a store.
pub(crate) fn app(settings: &Settings, db: Db) -> Result<App, Failure> {
    app_by(settings, db, settings.rules()?, None)
}

fn app_by(settings: &Settings, db: Db, rules: Packs, listens: Option<SocketAddr>) -> Result<App, Failure> {
    let onboarding = settings
        .onboarding_token
        .clone()
        .map(|token| Onboarding { url: settings.onboarding_url.clone(), token });
    let config = Config {
        environment: settings.environment,
        pharmacy_zone: settings.pharmacy_zone()?,
        rules,
        formulary: settings.formulary()?,
        thresholds: settings.thresholds,
        address_policy: settings.address_policy(),
        deadline: settings.webhook_deadline()?,
        onboarding,
        labels: settings.labels(listens)?,
        pharmacy_feed_secret: settings.pharmacy_feed_secret.clone(),
        carrier_feeds: settings.carrier_feeds()?,
        rates: settings.rates,
        auto_advance: settings.auto_advance(),
        retention: settings.retention,
        staff: settings.staff,
        shipping: settings.shipping()?,
        parcel_reply: nimbus_web::parcel_reply,
    };
    Ok(App::new(db, config, Clock::default()))
}

/// `nimbus migrate`.
pub(crate) async fn migrate(settings: &Settings) -> Result<(), Failure> {
    let db = open_store(settings).await?;
    println!("The database is at this version.");
    db.close().await;
    Ok(())
}
