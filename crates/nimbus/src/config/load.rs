//! Reading the settings: flags before environment before the TOML file.

use std::path::PathBuf;

use nimbus_app::{
    labels::Pharmacy, limits::Rates, links::LABEL_HOURS, retention::Ages, staff::StaffSettings,
};
use nimbus_core::{
    access::Environment,
    eligibility::OwnThresholds,
    staff::{IDLE_MINUTES, LONGEST_IDLE_MINUTES},
};
use nimbus_web::Brand;
use serde::Deserialize;

use super::{Settings, origins::origins};
use crate::{
    Failure,
    cli::SettingsArgs,
    config_file,
    config_shipping::{self, ShippingArgs},
    config_transport::{self, TransportArgs},
};

/// The TOML file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    environment: Option<String>,
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    database_connections: Option<usize>,
    master_key_file: Option<PathBuf>,
    vault_url: Option<String>,
    vault_key: Option<String>,
    vault_token_file: Option<PathBuf>,
    vault_ca_file: Option<PathBuf>,
    allow_local_webhooks: Option<bool>,
    retry_scale: Option<String>,
    webhook_deadline: Option<u32>,
    behind_proxy: Option<bool>,
    pharmacy_time_zone: Option<String>,
    pharmacy_name: Option<String>,
    pharmacy_address_line_1: Option<String>,
    pharmacy_address_line_2: Option<String>,
    pharmacy_city: Option<String>,
    pharmacy_state: Option<String>,
    pharmacy_postal_code: Option<String>,
    pharmacy_phone: Option<String>,
    link_hours: Option<u32>,
    retention_body_days: Option<u32>,
    retention_attempt_days: Option<u32>,
    retention_metadata_days: Option<u32>,
    staff_idle_minutes: Option<u32>,
    rules_dir: Option<PathBuf>,
    formulary_file: Option<PathBuf>,
    refill_threshold: Option<u32>,
    refill_threshold_controlled: Option<u32>,
    onboarding_url: Option<String>,
    onboarding_token: Option<String>,
    pharmacy_feed_secret: Option<String>,
    shipengine_webhook_keys: Option<PathBuf>,
    easypost_webhook_secret: Option<String>,
    rate_limit_writes: Option<u32>,
    rate_limit_reads: Option<u32>,
    rate_limit_unauthenticated: Option<u32>,
    sandbox_auto_advance: Option<u32>,
    cors_origins: Option<String>,
    brand_name: Option<String>,
    integration_name: Option<String>,
    sandbox_host: Option<String>,
    production_host: Option<String>,
    support_email: Option<String>,
    developer_portal: Option<String>,
    terms_url: Option<String>,
    log: Option<String>,
    log_format: Option<String>,
}

/// Secrets come from the environment or the file, never from a flag that a process list would show.
fn secret(name: &str, file: Option<String>) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).or(file)
}

/// A share of a fill's days.
fn percent(given: Option<u32>) -> Result<Option<u32>, Failure> {
    match given {
        Some(percent) if !(1..=100).contains(&percent) => Err("a refill threshold must be 1 to 100".into()),
        given => Ok(given),
    }
}

/// How long what was told and delivered is kept.
fn retention(args: &SettingsArgs, file: &File) -> Result<Ages, Failure> {
    let usual = Ages::default();
    let ages = Ages {
        body_days: args.retention_body_days.or(file.retention_body_days).unwrap_or(usual.body_days),
        attempt_days: args
            .retention_attempt_days
            .or(file.retention_attempt_days)
            .unwrap_or(usual.attempt_days),
        metadata_days: args
            .retention_metadata_days
            .or(file.retention_metadata_days)
            .unwrap_or(usual.metadata_days),
    };
    match ages.fault() {
        Some((name, why)) => Err(format!("{name} {why}").into()),
        None => Ok(ages),
    }
}

/// How long staff stay signed in.
fn staff(args: &SettingsArgs, file: &File, environment: Environment) -> Result<StaffSettings, Failure> {
    let idle_minutes = args.staff_idle_minutes.or(file.staff_idle_minutes).unwrap_or(IDLE_MINUTES);
    if !(1..=LONGEST_IDLE_MINUTES).contains(&idle_minutes) {
        return Err(format!("staff_idle_minutes must be 1 to {LONGEST_IDLE_MINUTES}").into());
    }
    Ok(StaffSettings { idle_minutes, needs_second_factor: environment == Environment::Production })
}

/// The published names, but for those that are set.
fn brand(args: &SettingsArgs, file: &File) -> Brand {
    let published = Brand::default();
    let set = |arg: &Option<String>, file: &Option<String>, published: String| {
        arg.clone().or(file.clone()).filter(|text| !text.is_empty()).unwrap_or(published)
    };
    Brand {
        name: set(&args.brand_name, &file.brand_name, published.name),
        integration_name: set(&args.integration_name, &file.integration_name, published.integration_name),
        sandbox_host: set(&args.sandbox_host, &file.sandbox_host, published.sandbox_host),
        production_host: set(&args.production_host, &file.production_host, published.production_host),
        support_email: set(&args.support_email, &file.support_email, published.support_email),
        developer_portal: set(&args.developer_portal, &file.developer_portal, published.developer_portal),
        terms_url: args.terms_url.clone().or(file.terms_url.clone()).filter(|url| !url.is_empty()),
    }
}

/// The pharmacy as labels name it, if all that they need is set.
fn pharmacy(args: &SettingsArgs, file: &File) -> Option<Pharmacy> {
    let set = |arg: &Option<String>, file: &Option<String>| {
        arg.clone().or(file.clone()).filter(|text| !text.trim().is_empty())
    };
    Some(Pharmacy {
        name: set(&args.pharmacy_name, &file.pharmacy_name)?,
        line_1: set(&args.pharmacy_address_line_1, &file.pharmacy_address_line_1)?,
        line_2: set(&args.pharmacy_address_line_2, &file.pharmacy_address_line_2),
        city: set(&args.pharmacy_city, &file.pharmacy_city)?,
        state: set(&args.pharmacy_state, &file.pharmacy_state)?,
        postal_code: set(&args.pharmacy_postal_code, &file.pharmacy_postal_code)?,
        phone: set(&args.pharmacy_phone, &file.pharmacy_phone)?,
    })
}

impl Settings {
    pub(crate) fn load(args: &SettingsArgs) -> Result<Self, Failure> {
        let (shipping, transport, file): (ShippingArgs, TransportArgs, File) = match &args.config {
            Some(path) => config_file::read(path, [&config_shipping::NAMES, &config_transport::NAMES])?,
            None => Default::default(),
        };
        let (shipping, transport) = (args.shipping.or(shipping), args.transport.or(transport));
        let (brand, pharmacy) = (brand(args, &file), pharmacy(args, &file));
        let retention = retention(args, &file)?;
        let names_sandbox = args.sandbox_host.as_ref().or(file.sandbox_host.as_ref());
        let names_sandbox = names_sandbox.is_some_and(|host| !host.is_empty());
        let environment = args.environment.clone().or(file.environment.clone());
        let environment = match environment.as_deref() {
            None => Environment::Sandbox,
            Some(text) => Environment::parse(text).ok_or("environment must be sandbox or production")?,
        };
        let (rates, staff) = (Rates::of(environment), staff(args, &file, environment)?);
        let log_format = args.log_format.clone().or(file.log_format);
        Ok(Self {
            environment,
            data_dir: args.data_dir.clone().or(file.data_dir).unwrap_or_else(|| PathBuf::from("nimbus-data")),
            database_url: args.database_url.clone().or(file.database_url).filter(|url| !url.is_empty()),
            database_connections: args.database_connections.or(file.database_connections).unwrap_or(16),
            master_key_file: args.master_key_file.clone().or(file.master_key_file),
            master_key: secret("NIMBUS_MASTER_KEY", None),
            vault_url: args.vault_url.clone().or(file.vault_url).filter(|url| !url.is_empty()),
            vault_key: args.vault_key.clone().or(file.vault_key),
            vault_token: secret("NIMBUS_VAULT_TOKEN", None),
            vault_token_file: args.vault_token_file.clone().or(file.vault_token_file),
            vault_ca_file: args.vault_ca_file.clone().or(file.vault_ca_file),
            allow_local_webhooks: args.allow_local_webhooks.or(file.allow_local_webhooks).unwrap_or(false),
            retry_scale: args.retry_scale.clone().or(file.retry_scale),
            webhook_deadline: args.webhook_deadline.or(file.webhook_deadline),
            behind_proxy: args.behind_proxy.or(file.behind_proxy).unwrap_or(false),
            pharmacy_time_zone: args
                .pharmacy_time_zone
                .clone()
                .or(file.pharmacy_time_zone)
                .unwrap_or_else(|| "America/Chicago".to_owned()),
            rules_dir: args.rules_dir.clone().or(file.rules_dir),
            formulary_file: args.formulary_file.clone().or(file.formulary_file),
            thresholds: OwnThresholds {
                percent: percent(args.refill_threshold.or(file.refill_threshold))?,
                controlled_percent: percent(
                    args.refill_threshold_controlled.or(file.refill_threshold_controlled),
                )?,
            },
            pharmacy,
            retention,
            staff,
            link_hours: args.link_hours.or(file.link_hours).unwrap_or(LABEL_HOURS),
            onboarding_url: args.onboarding_url.clone().or(file.onboarding_url),
            onboarding_token: secret("NIMBUS_ONBOARDING_TOKEN", file.onboarding_token),
            pharmacy_feed_secret: secret("NIMBUS_PHARMACY_FEED_SECRET", file.pharmacy_feed_secret),
            shipengine_webhook_keys: args.shipengine_webhook_keys.clone().or(file.shipengine_webhook_keys),
            easypost_webhook_secret: secret("NIMBUS_EASYPOST_WEBHOOK_SECRET", file.easypost_webhook_secret),
            rates: Rates {
                writes: args.rate_limit_writes.or(file.rate_limit_writes).unwrap_or(rates.writes),
                reads: args.rate_limit_reads.or(file.rate_limit_reads).unwrap_or(rates.reads),
                unauthenticated: args
                    .rate_limit_unauthenticated
                    .or(file.rate_limit_unauthenticated)
                    .unwrap_or(rates.unauthenticated),
            },
            sandbox_auto_advance: args.sandbox_auto_advance.or(file.sandbox_auto_advance).unwrap_or(0),
            cors_origins: origins(
                args.cors_origins.as_deref().or(file.cors_origins.as_deref()),
                environment,
            )?,
            shipping,
            transport,
            brand,
            names_sandbox,
            log: args.log.clone().or(file.log),
            log_json: match log_format.as_deref() {
                None | Some("text") => false,
                Some("json") => true,
                Some(_) => return Err("log_format must be text or json".into()),
            },
        })
    }
}
