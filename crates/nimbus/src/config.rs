//! Settings: flags before environment before the TOML file; what is unsafe in production is refused.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderValue, Uri};
use jiff::tz::TimeZone;
use nimbus_app::{
    carrier_feed::{CarrierFeeds, PublicKeys},
    formulary,
    labels::{LabelSettings, Pharmacy},
    limits::Rates,
    links::{LABEL_HOURS, LONGEST_LABEL_HOURS, outlives_retries},
    rules::{self, Source},
};
use nimbus_carriers::provider::Shipping;
use nimbus_core::{access::Environment, eligibility::OwnThresholds, formulary::Formulary, rules::Packs};
use nimbus_store::MasterKey;
use nimbus_web::Brand;
use nimbus_webhooks::{guard::AddressPolicy, schedule::RetryScale};
use serde::Deserialize;

use crate::{
    Failure,
    cli::SettingsArgs,
    config_file,
    config_shipping::{self, ShippingArgs},
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
    allow_local_webhooks: Option<bool>,
    retry_scale: Option<String>,
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

/// The settings in force.
pub(crate) struct Settings {
    pub(crate) environment: Environment,
    pub(crate) data_dir: PathBuf,
    pub(crate) database_url: Option<String>,
    pub(crate) database_connections: usize,
    master_key_file: Option<PathBuf>,
    master_key: Option<String>,
    pub(crate) allow_local_webhooks: bool,
    retry_scale: Option<String>,
    pub(crate) behind_proxy: bool,
    pharmacy_time_zone: String,
    /// As labels name it; `None` where not all of it is given.
    pharmacy: Option<Pharmacy>,
    link_hours: u32,
    rules_dir: Option<PathBuf>,
    formulary_file: Option<PathBuf>,
    /// Over those of the rules pack; 1 to 100.
    pub(crate) thresholds: OwnThresholds,
    pub(crate) onboarding_url: Option<String>,
    pub(crate) onboarding_token: Option<String>,
    pub(crate) pharmacy_feed_secret: Option<String>,
    shipengine_webhook_keys: Option<PathBuf>,
    easypost_webhook_secret: Option<String>,
    /// Requests a minute.
    pub(crate) rates: Rates,
    /// Seconds between two steps of an order in a sandbox; 0 is off.
    sandbox_auto_advance: u32,
    shipping: ShippingArgs,
    /// Origins whose pages may call; checked.
    cors_origins: Vec<String>,
    pub(crate) brand: Brand,
    /// Whether the sandbox's host is set, and not the published one.
    names_sandbox: bool,
    pub(crate) log: Option<String>,
    pub(crate) log_json: bool,
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
        let (shipping, file): (ShippingArgs, File) = match &args.config {
            Some(path) => config_file::read(path, &config_shipping::NAMES)?,
            None => Default::default(),
        };
        let shipping = args.shipping.or(shipping);
        let (brand, pharmacy) = (brand(args, &file), pharmacy(args, &file));
        let names_sandbox = args.sandbox_host.as_ref().or(file.sandbox_host.as_ref());
        let names_sandbox = names_sandbox.is_some_and(|host| !host.is_empty());
        let environment = args.environment.clone().or(file.environment);
        let environment = match environment.as_deref() {
            None => Environment::Sandbox,
            Some(text) => Environment::parse(text).ok_or("environment must be sandbox or production")?,
        };
        let rates = Rates::of(environment);
        let log_format = args.log_format.clone().or(file.log_format);
        Ok(Self {
            environment,
            data_dir: args.data_dir.clone().or(file.data_dir).unwrap_or_else(|| PathBuf::from("nimbus-data")),
            database_url: args.database_url.clone().or(file.database_url).filter(|url| !url.is_empty()),
            database_connections: args.database_connections.or(file.database_connections).unwrap_or(16),
            master_key_file: args.master_key_file.clone().or(file.master_key_file),
            master_key: secret("NIMBUS_MASTER_KEY", None),
            allow_local_webhooks: args.allow_local_webhooks.or(file.allow_local_webhooks).unwrap_or(false),
            retry_scale: args.retry_scale.clone().or(file.retry_scale),
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

    /// The settings of the demo: a sandbox of its own on the embedded store.
    pub(crate) fn for_demo(mut self) -> Self {
        self.environment = Environment::Sandbox;
        self.database_url = None;
        self.allow_local_webhooks = true;
        self.sandbox_auto_advance = 0;
        (self.names_sandbox, self.behind_proxy) = (false, false);
        self.data_dir = self.data_dir.join("demo");
        self
    }

    /// Everything that makes these settings unsafe, in production; nothing in a sandbox.
    fn problems(&self) -> Vec<&'static str> {
        if self.environment == Environment::Sandbox {
            return Vec::new();
        }
        let found = [
            (self.allow_local_webhooks, "allow_local_webhooks is for a sandbox only"),
            (self.retry_scale.is_some(), "retry_scale is for a sandbox only"),
            (self.sandbox_auto_advance > 0, "sandbox_auto_advance is for a sandbox only"),
            (
                self.master_key.is_none() && self.master_key_file.is_none(),
                "a master key must be given (NIMBUS_MASTER_KEY_FILE or NIMBUS_MASTER_KEY)",
            ),
            (
                !self.behind_proxy,
                "this server speaks plain HTTP: a proxy that ends TLS must be declared (NIMBUS_BEHIND_PROXY=true)",
            ),
            (
                self.pharmacy.is_none(),
                "the pharmacy's name, address and phone must be given: labels bear them (NIMBUS_PHARMACY_NAME, …)",
            ),
            (
                [self.rates.writes, self.rates.reads, self.rates.unauthenticated].contains(&0),
                "rate limits cannot be switched off",
            ),
        ];
        found
            .into_iter()
            .chain(self.shipping.problems())
            .filter(|(is_problem, _)| *is_problem)
            .map(|(_, text)| text)
            .collect()
    }

    /// Refuses unsafe settings and says why.
    pub(crate) fn refuse_unsafe(&self) -> Result<(), Failure> {
        let problems = self.problems();
        if problems.is_empty() {
            return Ok(());
        }
        Err(format!("production refuses these settings:\n  - {}", problems.join("\n  - ")).into())
    }

    /// The master key: from the environment, a file, or (a sandbox's own) the data folder.
    pub(crate) fn master_key(&self) -> Result<MasterKey, Failure> {
        if let Some(text) = &self.master_key {
            return Ok(MasterKey::from_base64(text)?);
        }
        match (&self.master_key_file, self.environment) {
            (Some(path), _) => Ok(MasterKey::from_file(path)?),
            (None, Environment::Sandbox) => {
                std::fs::create_dir_all(&self.data_dir)?;
                Ok(MasterKey::load_or_create(&self.data_dir.join("master.key"))?)
            }
            (None, Environment::Production) => Err("a master key must be given".into()),
        }
    }

    pub(crate) fn pharmacy_zone(&self) -> Result<TimeZone, Failure> {
        TimeZone::get(&self.pharmacy_time_zone).map_err(|_| {
            "pharmacy_time_zone must be a name of the IANA database, such as America/Chicago".into()
        })
    }

    /// The rules packs of the folder set, or those of the program.
    pub(crate) fn rules(&self) -> Result<Packs, Failure> {
        Ok(rules::read(&self.rules_sources()?)?)
    }

    pub(crate) fn rules_sources(&self) -> Result<Vec<Source>, Failure> {
        match &self.rules_dir {
            Some(folder) => Ok(rules::sources_of(folder)?),
            None => Ok(rules::shipped_sources()),
        }
    }

    /// Whether there is a database: one of PostgreSQL is taken to be.
    pub(crate) fn has_store(&self) -> bool {
        self.database_url.is_some() || self.sqlite_file().exists()
    }

    pub(crate) fn sqlite_file(&self) -> PathBuf {
        self.data_dir.join("nimbus.db")
    }

    /// The drugs that the pharmacy dispenses: of the file, or the built-in list.
    pub(crate) fn formulary(&self) -> Result<Arc<Formulary>, Failure> {
        let Some(path) = &self.formulary_file else { return Ok(formulary::shipped(self.environment)) };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("the formulary {name} cannot be read: {error}"))?;
        Ok(formulary::parse(&name, &text, self.environment)?)
    }

    /// Who sends parcels, and where links to labels lead from a server that listens there.
    pub(crate) fn labels(&self, listens: Option<SocketAddr>) -> Result<LabelSettings, Failure> {
        if !outlives_retries(self.link_hours) || self.link_hours > LONGEST_LABEL_HOURS {
            return Err(format!(
                "link_hours must outlast the last retry of a webhook and be at most {LONGEST_LABEL_HOURS}"
            )
            .into());
        }
        let example = LabelSettings::default();
        Ok(LabelSettings {
            pharmacy: self.pharmacy.clone().unwrap_or(example.pharmacy),
            public_url: self.public_url(listens),
            link_hours: self.link_hours,
        })
    }

    /// The host of the environment over TLS, or over HTTP on this machine. A sandbox whose host nobody set is where it
    /// listens, unless it has a proxy before it. What a request says of its host is not asked: links are told to others.
    fn public_url(&self, listens: Option<SocketAddr>) -> String {
        let host = match self.environment {
            Environment::Production => return format!("https://{}", self.brand.production_host),
            Environment::Sandbox => &self.brand.sandbox_host,
        };
        match listens.filter(|_| !self.names_sandbox && !self.behind_proxy) {
            Some(address) if address.ip().is_unspecified() => format!("http://localhost:{}", address.port()),
            Some(address) => format!("http://{address}"),
            None => {
                let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
                let is_local = is_local(name) || is_local(host);
                format!("{}://{host}", if is_local { "http" } else { "https" })
            }
        }
    }

    /// Who makes labels, what parcels cost, and where they come from.
    pub(crate) fn shipping(&self) -> Result<Arc<Shipping>, Failure> {
        self.shipping.shipping(self.environment, self.pharmacy.as_ref())
    }

    pub(crate) fn cors_origins(&self) -> Result<Vec<HeaderValue>, Failure> {
        let values = self.cors_origins.iter().map(HeaderValue::try_from);
        Ok(values.collect::<Result<_, _>>()?)
    }

    /// What passes the services that report where parcels are. The file of keys is read here, once.
    pub(crate) fn carrier_feeds(&self) -> Result<CarrierFeeds, Failure> {
        let keys = match &self.shipengine_webhook_keys {
            None => None,
            Some(path) => {
                let told = |why: String| format!("shipengine_webhook_keys: {} {why}", path.display());
                let text = std::fs::read_to_string(path)
                    .map_err(|error| told(format!("cannot be read: {error}")))?;
                Some(Arc::new(PublicKeys::parse(&text).map_err(told)?))
            }
        };
        Ok(CarrierFeeds { shipengine_keys: keys, easypost_secret: self.easypost_webhook_secret.clone() })
    }

    pub(crate) const fn address_policy(&self) -> AddressPolicy {
        AddressPolicy { allow_loopback: self.allow_local_webhooks }
    }

    /// How much time is between two steps of an order, where orders advance by themselves.
    pub(crate) fn auto_advance(&self) -> Option<Duration> {
        (self.sandbox_auto_advance > 0).then(|| Duration::from_secs(self.sandbox_auto_advance.into()))
    }

    pub(crate) fn retry_scale(&self) -> Result<RetryScale, Failure> {
        match &self.retry_scale {
            None => Ok(RetryScale::FULL),
            Some(text) => Ok(text.parse::<RetryScale>().map_err(|error| format!("retry_scale: {error}"))?),
        }
    }
}

/// The origins of a list separated by commas: exact ones of https and, in a sandbox, of http on this machine, or `*`.
fn origins(list: Option<&str>, environment: Environment) -> Result<Vec<String>, Failure> {
    let list = list.unwrap_or_default().split(',').map(str::trim).filter(|origin| !origin.is_empty());
    list.map(|origin| {
        if is_origin(origin, environment) {
            return Ok(origin.to_owned());
        }
        let local = match environment {
            Environment::Sandbox => " (a sandbox also takes http://localhost:port, and *)",
            Environment::Production => "",
        };
        Err(format!("cors_origins takes exact origins such as https://app.example.com{local}").into())
    })
    .collect()
}

fn is_origin(text: &str, environment: Environment) -> bool {
    let sandbox = environment == Environment::Sandbox;
    if text == "*" {
        return sandbox;
    }
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    // As browsers write it: no path, no user, no port left empty, in lower case.
    let is_exact = text == format!("{scheme}://{authority}").to_lowercase()
        && !authority.as_str().contains(['@', '*'])
        && !authority.as_str().ends_with(':');
    is_exact && (scheme == "https" || scheme == "http" && is_local(authority.host()) && sandbox)
}

fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

impl fmt::Display for Settings {
    /// Every setting, secrets only as set or not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |value: &Option<String>| if value.is_some() { "(set)" } else { "(not set)" };
        let path = |value: &Option<PathBuf>| {
            value.as_ref().map_or("(not set)".to_owned(), |p| p.display().to_string())
        };
        writeln!(f, "environment                = {}", self.environment)?;
        writeln!(f, "data_dir                   = {}", self.data_dir.display())?;
        writeln!(f, "database_url               = {}", set(&self.database_url))?;
        writeln!(f, "database_connections       = {}", self.database_connections)?;
        writeln!(f, "master_key_file            = {}", path(&self.master_key_file))?;
        writeln!(f, "master_key                 = {}", set(&self.master_key))?;
        writeln!(f, "allow_local_webhooks       = {}", self.allow_local_webhooks)?;
        writeln!(f, "retry_scale                = {}", self.retry_scale.as_deref().unwrap_or("1"))?;
        writeln!(f, "behind_proxy               = {}", self.behind_proxy)?;
        writeln!(f, "pharmacy_time_zone         = {}", self.pharmacy_time_zone)?;
        writeln!(f, "rules_dir                  = {}", path(&self.rules_dir))?;
        writeln!(f, "formulary_file             = {}", path(&self.formulary_file))?;
        let percent = |own: Option<u32>| own.map_or("(the pack's)".to_owned(), |percent| percent.to_string());
        writeln!(f, "{:<26} = {}", "refill_threshold", percent(self.thresholds.percent))?;
        let controlled = percent(self.thresholds.controlled_percent);
        writeln!(f, "{:<26} = {controlled}", "refill_threshold_controlled")?;
        let pharmacy = self.pharmacy.as_ref().map_or("(not set)", |pharmacy| pharmacy.name.as_str());
        writeln!(f, "pharmacy_name              = {pharmacy}")?;
        writeln!(f, "link_hours                 = {}", self.link_hours)?;
        writeln!(f, "pharmacy_feed_secret       = {}", set(&self.pharmacy_feed_secret))?;
        writeln!(f, "shipengine_webhook_keys    = {}", path(&self.shipengine_webhook_keys))?;
        writeln!(f, "easypost_webhook_secret    = {}", set(&self.easypost_webhook_secret))?;
        writeln!(
            f,
            "onboarding_url             = {}",
            self.onboarding_url.as_deref().unwrap_or("(not set)")
        )?;
        writeln!(f, "onboarding_token           = {}", set(&self.onboarding_token))?;
        writeln!(f, "rate_limit_writes          = {}", self.rates.writes)?;
        writeln!(f, "rate_limit_reads           = {}", self.rates.reads)?;
        writeln!(f, "rate_limit_unauthenticated = {}", self.rates.unauthenticated)?;
        writeln!(f, "{:<26} = {}", "sandbox_auto_advance", self.sandbox_auto_advance)?;
        for (name, value) in self.shipping.shown() {
            writeln!(f, "{name:<26} = {value}")?;
        }
        writeln!(f, "{:<26} = {}", "cors_origins", self.cors_origins.join(","))?;
        writeln!(f, "brand_name                 = {}", self.brand.name)?;
        writeln!(f, "integration_name           = {}", self.brand.integration_name)?;
        writeln!(f, "sandbox_host               = {}", self.brand.sandbox_host)?;
        writeln!(f, "production_host            = {}", self.brand.production_host)?;
        writeln!(f, "support_email              = {}", self.brand.support_email)?;
        writeln!(f, "developer_portal           = {}", self.brand.developer_portal)?;
        writeln!(f, "terms_url                  = {}", self.brand.terms())?;
        writeln!(f, "log                        = {}", self.log.as_deref().unwrap_or("info"))?;
        write!(f, "log_format                 = {}", if self.log_json { "json" } else { "text" })
    }
}

/// `nimbus config check`.
pub(crate) fn check(settings: &Settings) -> Result<(), Failure> {
    println!("{settings}");
    settings.pharmacy_zone()?;
    settings.shipping()?;
    settings.rules()?;
    settings.formulary()?;
    settings.retry_scale()?;
    settings.labels(None)?;
    settings.carrier_feeds()?;
    settings.refuse_unsafe()
}

#[cfg(test)]
mod tests;
