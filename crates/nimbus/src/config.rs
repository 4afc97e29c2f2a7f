//! Settings: flags before environment before the TOML file; what is unsafe in production is refused.

mod load;
mod origins;
mod show;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use http::HeaderValue;
use jiff::tz::TimeZone;
use nimbus_app::{
    carrier_feed::{CarrierFeeds, PublicKeys},
    formulary,
    labels::{LabelSettings, Pharmacy},
    limits::Rates,
    links::{LONGEST_LABEL_HOURS, outlives_retries},
    retention::Ages,
    rules::{self, Source},
    staff::StaffSettings,
};
use nimbus_carriers::provider::Shipping;
use nimbus_core::{
    access::Environment, eligibility::OwnThresholds, formulary::Formulary, network::Network, rules::Packs,
};
use nimbus_store::{MasterKey, custody::Custodian};
use nimbus_web::Brand;
use nimbus_webhooks::{deadline::Deadline, guard::AddressPolicy, schedule::RetryScale};

use self::origins::is_local;
use crate::{
    Failure,
    config_shipping::ShippingArgs,
    config_transport::TransportArgs,
    vault::{Token, Vault, VaultSettings},
};

pub(crate) use show::check;

/// The settings in force.
pub(crate) struct Settings {
    pub(crate) environment: Environment,
    pub(crate) data_dir: PathBuf,
    pub(crate) database_url: Option<String>,
    pub(crate) database_connections: usize,
    master_key_file: Option<PathBuf>,
    master_key: Option<String>,
    vault_url: Option<String>,
    vault_key: Option<String>,
    vault_token: Option<String>,
    vault_token_file: Option<PathBuf>,
    vault_ca_file: Option<PathBuf>,
    pub(crate) allow_local_webhooks: bool,
    retry_scale: Option<String>,
    /// Seconds.
    webhook_deadline: Option<u32>,
    pub(crate) behind_proxy: bool,
    pharmacy_time_zone: String,
    /// As labels name it; `None` where not all of it is given.
    pharmacy: Option<Pharmacy>,
    link_hours: u32,
    /// Checked.
    pub(crate) retention: Ages,
    /// Checked.
    pub(crate) staff: StaffSettings,
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
    pub(crate) transport: TransportArgs,
    /// Origins whose pages may call; checked.
    cors_origins: Vec<String>,
    pub(crate) brand: Brand,
    /// Whether the sandbox's host is set, and not the published one.
    names_sandbox: bool,
    pub(crate) log: Option<String>,
    pub(crate) log_json: bool,
}

impl Settings {
    /// The settings of the demo: a sandbox of its own on the embedded store.
    pub(crate) fn for_demo(mut self) -> Self {
        self.environment = Environment::Sandbox;
        self.database_url = None;
        self.allow_local_webhooks = true;
        self.sandbox_auto_advance = 0;
        (self.names_sandbox, self.behind_proxy) = (false, false);
        self.transport = TransportArgs { proxy_networks: None, ..self.transport.without_tls() };
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
            (self.webhook_deadline.is_some(), "webhook_deadline is for a sandbox only"),
            (self.sandbox_auto_advance > 0, "sandbox_auto_advance is for a sandbox only"),
            (
                self.master_key.is_none() && self.master_key_file.is_none() && self.vault_url.is_none(),
                "a master key must be given (NIMBUS_MASTER_KEY_FILE, NIMBUS_MASTER_KEY or NIMBUS_VAULT_URL)",
            ),
            (
                !self.behind_proxy && !self.transport.has_tls(),
                "this server speaks plain HTTP: give it a certificate (NIMBUS_TLS_CERT_FILE and NIMBUS_TLS_KEY_FILE), or \
                 declare the proxy that ends TLS (NIMBUS_BEHIND_PROXY=true)",
            ),
            (
                self.transport.trusts_everybody(),
                "proxy_networks must be those of the proxy: from everywhere, any caller can claim any address",
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

    /// Who has the master key: a Vault, or this process.
    pub(crate) fn custodian(&self) -> Result<Arc<dyn Custodian>, Failure> {
        match (&self.vault_url, self.master_key.is_some() || self.master_key_file.is_some()) {
            (Some(_), true) => Err("the master key is in a Vault or given, not both".into()),
            (Some(_), false) => self.vault(None, None),
            (None, _) => Ok(self.master_key()?.into()),
        }
    }

    /// A key in a Vault: that of the settings, but for what is given.
    pub(crate) fn vault(&self, url: Option<&str>, key: Option<&str>) -> Result<Arc<dyn Custodian>, Failure> {
        let url = url.or(self.vault_url.as_deref()).ok_or("vault_url must be given")?;
        let key = key.or(self.vault_key.as_deref()).ok_or("vault_key must be given")?;
        let token = match (&self.vault_token, &self.vault_token_file) {
            (Some(text), _) => Token::Text(text.clone()),
            (None, Some(path)) => Token::File(path.clone()),
            (None, None) => {
                return Err(
                    "Vault's token must be given (NIMBUS_VAULT_TOKEN_FILE or NIMBUS_VAULT_TOKEN)".into()
                );
            }
        };
        let (url, key, ca_file) = (url.to_owned(), key.to_owned(), self.vault_ca_file.clone());
        Ok(Arc::new(Vault::new(&VaultSettings { url, key, token, ca_file })?))
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
        let scheme = if self.transport.has_tls() { "https" } else { "http" };
        match listens.filter(|_| !self.names_sandbox && !self.behind_proxy) {
            Some(address) if address.ip().is_unspecified() => {
                format!("{scheme}://localhost:{}", address.port())
            }
            Some(address) => format!("{scheme}://{address}"),
            None => {
                let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
                let is_local = is_local(name) || is_local(host);
                format!("{}://{host}", if is_local { scheme } else { "https" })
            }
        }
    }

    /// Where the proxies before this server are; none, if there is none.
    pub(crate) fn proxies(&self) -> Result<Vec<Network>, Failure> {
        self.transport.proxies(self.behind_proxy)
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

    /// How long a receiver of webhooks has to answer.
    pub(crate) fn webhook_deadline(&self) -> Result<Deadline, Failure> {
        let Some(seconds) = self.webhook_deadline else { return Ok(Deadline::CONTRACT) };
        Ok(Deadline::of_seconds(seconds).ok_or("webhook_deadline must be 1 to 10")?)
    }

    pub(crate) fn retry_scale(&self) -> Result<RetryScale, Failure> {
        match &self.retry_scale {
            None => Ok(RetryScale::FULL),
            Some(text) => Ok(text.parse::<RetryScale>().map_err(|error| format!("retry_scale: {error}"))?),
        }
    }
}

#[cfg(test)]
mod tests;
