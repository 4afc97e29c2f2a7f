//! The command line.

mod admin;
mod keys;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::{
    admin::{
        AdminCommand, BaaCommand, ClinicCommand, KeyCommand, LicenseCommand, PartnerCommand, TokenCommand,
        UserCommand,
    },
    keys::{ClinicKeyCommand, KeysCommand, MasterKeyCommand, NewMasterKey, PlatformKeyCommand},
};
use crate::{config_shipping::ShippingArgs, config_transport::TransportArgs, transport::AdminListen};

/// A pharmacy-operations platform: partner API, signed webhooks and the pharmacy's workflow.
#[derive(Parser)]
#[command(name = "nimbus", version, about)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Settings that every command reads: flags, else environment, else the TOML file.
#[derive(Args, Default)]
pub(crate) struct SettingsArgs {
    #[command(flatten)]
    pub(crate) shipping: ShippingArgs,
    #[command(flatten)]
    pub(crate) transport: TransportArgs,
    /// TOML file with settings, named as the environment variables without NIMBUS_ and in lower case
    #[arg(long, env = "NIMBUS_CONFIG", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// sandbox or production
    #[arg(long, env = "NIMBUS_ENVIRONMENT", global = true)]
    pub(crate) environment: Option<String>,
    /// Folder of the embedded database and, in a sandbox, of its master key
    #[arg(long, env = "NIMBUS_DATA_DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// PostgreSQL instead of the embedded database
    #[arg(long, env = "NIMBUS_DATABASE_URL", global = true, hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// Connections to PostgreSQL, at most
    #[arg(long, env = "NIMBUS_DATABASE_CONNECTIONS", global = true)]
    pub(crate) database_connections: Option<usize>,
    /// File with the master key: 32 bytes in base64
    #[arg(long, env = "NIMBUS_MASTER_KEY_FILE", global = true)]
    pub(crate) master_key_file: Option<PathBuf>,
    /// Vault whose transit engine has the master key, in place of a file; its token is in NIMBUS_VAULT_TOKEN or a file
    #[arg(long, env = "NIMBUS_VAULT_URL", global = true)]
    pub(crate) vault_url: Option<String>,
    /// Mount and name of the key there, as transit/nimbus
    #[arg(long, env = "NIMBUS_VAULT_KEY", global = true)]
    pub(crate) vault_key: Option<String>,
    /// File in which an agent keeps the token
    #[arg(long, env = "NIMBUS_VAULT_TOKEN_FILE", global = true)]
    pub(crate) vault_token_file: Option<PathBuf>,
    /// File with the certificates (PEM) that vouch for the Vault, in place of the public ones
    #[arg(long, env = "NIMBUS_VAULT_CA_FILE", global = true)]
    pub(crate) vault_ca_file: Option<PathBuf>,
    /// Lets webhook endpoints be on http and loopback; a sandbox only
    #[arg(long, env = "NIMBUS_ALLOW_LOCAL_WEBHOOKS", global = true, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) allow_local_webhooks: Option<bool>,
    /// Shortens every retry delay, as 1/60 or 0.001; a sandbox only
    #[arg(long, env = "NIMBUS_RETRY_SCALE", global = true)]
    pub(crate) retry_scale: Option<String>,
    /// Seconds that a receiver of webhooks has to answer, 1 to 10 (default 10); leases are three times as long, so it
    /// must be the same for all processes on one database; less is for a sandbox only
    #[arg(long, env = "NIMBUS_WEBHOOK_DEADLINE", global = true)]
    pub(crate) webhook_deadline: Option<u32>,
    /// A proxy stands before this server; production needs it, or a certificate
    #[arg(long, env = "NIMBUS_BEHIND_PROXY", global = true, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) behind_proxy: Option<bool>,
    /// Time zone of the pharmacy, whose days are fill dates
    #[arg(long, env = "NIMBUS_PHARMACY_TIME_ZONE", global = true)]
    pub(crate) pharmacy_time_zone: Option<String>,
    /// Name of the pharmacy, for labels
    #[arg(long, env = "NIMBUS_PHARMACY_NAME", global = true)]
    pub(crate) pharmacy_name: Option<String>,
    /// The pharmacy's street
    #[arg(long, env = "NIMBUS_PHARMACY_ADDRESS_LINE_1", global = true)]
    pub(crate) pharmacy_address_line_1: Option<String>,
    /// More of its address, such as a suite
    #[arg(long, env = "NIMBUS_PHARMACY_ADDRESS_LINE_2", global = true)]
    pub(crate) pharmacy_address_line_2: Option<String>,
    /// Its city
    #[arg(long, env = "NIMBUS_PHARMACY_CITY", global = true)]
    pub(crate) pharmacy_city: Option<String>,
    /// Its state, two letters
    #[arg(long, env = "NIMBUS_PHARMACY_STATE", global = true)]
    pub(crate) pharmacy_state: Option<String>,
    /// Its ZIP code
    #[arg(long, env = "NIMBUS_PHARMACY_POSTAL_CODE", global = true)]
    pub(crate) pharmacy_postal_code: Option<String>,
    /// Its phone, as patients call it
    #[arg(long, env = "NIMBUS_PHARMACY_PHONE", global = true)]
    pub(crate) pharmacy_phone: Option<String>,
    /// Hours that links to labels and barcodes open (default 72)
    #[arg(long, env = "NIMBUS_LINK_HOURS", global = true)]
    pub(crate) link_hours: Option<u32>,
    /// Days that events can be read and sent again (default 30)
    #[arg(long, env = "NIMBUS_RETENTION_BODY_DAYS", global = true)]
    pub(crate) retention_body_days: Option<u32>,
    /// Days that attempts are kept (default 30)
    #[arg(long, env = "NIMBUS_RETENTION_ATTEMPT_DAYS", global = true)]
    pub(crate) retention_attempt_days: Option<u32>,
    /// Days that events and deliveries themselves are kept (default 90)
    #[arg(long, env = "NIMBUS_RETENTION_METADATA_DAYS", global = true)]
    pub(crate) retention_metadata_days: Option<u32>,
    /// Minutes after which a session of staff that nobody uses ends, 1 to 60 (default 15)
    #[arg(long, env = "NIMBUS_STAFF_IDLE_MINUTES", global = true)]
    pub(crate) staff_idle_minutes: Option<u32>,
    /// Folder of rules packs (*.toml) that replace those of the program
    #[arg(long, env = "NIMBUS_RULES_DIR", global = true)]
    pub(crate) rules_dir: Option<PathBuf>,
    /// TOML file with the drugs that the pharmacy dispenses, instead of the list that is built in
    #[arg(long, env = "NIMBUS_FORMULARY_FILE", global = true)]
    pub(crate) formulary_file: Option<PathBuf>,
    /// How much of a fill must be used up before a refill, in percent; the rules pack's if not set
    #[arg(long, env = "NIMBUS_REFILL_THRESHOLD", global = true)]
    pub(crate) refill_threshold: Option<u32>,
    /// The same for controlled drugs
    #[arg(long, env = "NIMBUS_REFILL_THRESHOLD_CONTROLLED", global = true)]
    pub(crate) refill_threshold_controlled: Option<u32>,
    /// File with the public keys of ShipEngine's notifications: a JSON Web Key Set, or PEM
    #[arg(long, env = "NIMBUS_SHIPENGINE_WEBHOOK_KEYS", global = true)]
    pub(crate) shipengine_webhook_keys: Option<PathBuf>,
    /// Where the onboarding robot is told of new practitioners
    #[arg(long, env = "NIMBUS_ONBOARDING_URL", global = true)]
    pub(crate) onboarding_url: Option<String>,
    /// Writes a minute for each key (0 = no limit, a sandbox only)
    #[arg(long, env = "NIMBUS_RATE_LIMIT_WRITES", global = true)]
    pub(crate) rate_limit_writes: Option<u32>,
    /// Reads a minute for each key (0 = no limit, a sandbox only)
    #[arg(long, env = "NIMBUS_RATE_LIMIT_READS", global = true)]
    pub(crate) rate_limit_reads: Option<u32>,
    /// Requests a minute of one address without a valid credential (0 = no limit, a sandbox only)
    #[arg(long, env = "NIMBUS_RATE_LIMIT_UNAUTHENTICATED", global = true)]
    pub(crate) rate_limit_unauthenticated: Option<u32>,
    /// Seconds between two steps of the simulated pharmacy and carrier, which work every order; a sandbox only, 0 = off
    #[arg(long, env = "NIMBUS_SANDBOX_AUTO_ADVANCE", global = true)]
    pub(crate) sandbox_auto_advance: Option<u32>,
    /// Origins (scheme, host, port) whose pages may call the API, separated by commas
    #[arg(long, env = "NIMBUS_CORS_ORIGINS", global = true)]
    pub(crate) cors_origins: Option<String>,
    /// The platform's name in documents
    #[arg(long, env = "NIMBUS_BRAND_NAME", global = true)]
    pub(crate) brand_name: Option<String>,
    /// The integration API's name in documents
    #[arg(long, env = "NIMBUS_INTEGRATION_NAME", global = true)]
    pub(crate) integration_name: Option<String>,
    /// Host of the sandbox, in documents
    #[arg(long, env = "NIMBUS_SANDBOX_HOST", global = true)]
    pub(crate) sandbox_host: Option<String>,
    /// Host of production, in documents
    #[arg(long, env = "NIMBUS_PRODUCTION_HOST", global = true)]
    pub(crate) production_host: Option<String>,
    /// Where partners write to
    #[arg(long, env = "NIMBUS_SUPPORT_EMAIL", global = true)]
    pub(crate) support_email: Option<String>,
    /// Host of the developer portal
    #[arg(long, env = "NIMBUS_DEVELOPER_PORTAL", global = true)]
    pub(crate) developer_portal: Option<String>,
    /// Page with the terms of service
    #[arg(long, env = "NIMBUS_TERMS_URL", global = true)]
    pub(crate) terms_url: Option<String>,
    /// What is logged, such as info or nimbus_webhooks=debug
    #[arg(long, env = "NIMBUS_LOG", global = true)]
    pub(crate) log: Option<String>,
    /// text or json
    #[arg(long, env = "NIMBUS_LOG_FORMAT", global = true)]
    pub(crate) log_format: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve the API and work deliveries and jobs
    Serve(ServeOptions),
    /// Bring the database to this version
    Migrate,
    /// Fill a sandbox with something to start from
    Seed {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Watch an order go from the API through the pharmacy to a signed webhook
    Demo {
        /// Leave after the tour
        #[arg(long)]
        once: bool,
    },
    /// Check configuration, database, keys and the ledger of deliveries
    Doctor {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print an API document, or write all of them into a folder
    Openapi {
        /// partner, integration, orders or operations
        document: Option<String>,
        /// Folder to write to
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Partners, agreements, clinics, keys, tokens and accounts of staff
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Webhooks as their receiver sees them
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// The pharmacy's rules: check packs, show the one in force, explain decisions
    #[command(subcommand)]
    Rules(RulesCommand),
    /// What is past its age
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// The master key, and the keys that seal the clinics' patient data
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The audit log: prove that it is what was written, take it elsewhere
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
pub(crate) enum RetentionCommand {
    /// Let go of what is past its age now, as workers do every hour
    Run {
        /// Only count what would go, and what is past its age and needed
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Compare the log with its chain, or check an export, and say where they differ
    Verify(AuditVerifyOptions),
    /// Sign what the chain is now and print that, with the public key: to be kept elsewhere
    Checkpoint,
    /// Print rows with their chain, a JSON object a line, and a signed checkpoint at the end
    Export(AuditExportOptions),
    /// Print who had to do with a patient's records: an accounting of disclosures
    Disclosures(AuditDisclosuresOptions),
}

#[derive(Args)]
pub(crate) struct AuditDisclosuresOptions {
    /// The patient's id
    #[arg(long)]
    pub(crate) patient: String,
    /// Of this time or later, RFC 3339; six years ago, if not given
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Of before this time
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// Only what went to others than the pharmacy: partners, and whoever opened a signed link
    #[arg(long)]
    pub(crate) outside: bool,
    /// Print a JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct AuditVerifyOptions {
    /// File with a checkpoint that was kept elsewhere, which the chain must have come by
    #[arg(long)]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Begin at this link; at the first, if not given
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) from: i64,
    /// Check this export instead, without the store; - is the standard input
    #[arg(long, conflicts_with = "from")]
    pub(crate) file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct AuditExportOptions {
    /// Rows of this time or later, RFC 3339
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Rows of before this time, RFC 3339
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// Rows of this clinic; of others there are hashes alone
    #[arg(long)]
    pub(crate) clinic: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum WebhookCommand {
    /// Check a request as it came, and say why its signature does not match
    Verify(VerifyOptions),
}

#[derive(Args)]
pub(crate) struct VerifyOptions {
    /// File with the headers, one a line as curl shows them, or a JSON object; - is the standard input
    #[arg(long)]
    pub(crate) headers: PathBuf,
    /// File with the raw body; - is the standard input
    #[arg(long)]
    pub(crate) body: PathBuf,
    /// File with secrets (whsec_) or public keys (whpk_), one a line; NIMBUS_SIGNING_SECRET, if not given
    #[arg(long)]
    pub(crate) keys: Option<PathBuf>,
    /// Seconds that the timestamp may be from the clock
    #[arg(long, default_value_t = 300)]
    pub(crate) tolerance: u32,
    /// The time to check at, in seconds since 1970; now, if not given
    #[arg(long)]
    pub(crate) at: Option<i64>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// Read packs and say everything that is wrong with them, by file and line
    Check {
        /// Packs that are to stand side by side; those in force if none is named
        files: Vec<PathBuf>,
    },
    /// Print the pack in force as JSON
    Show {
        /// Another day than today, YYYY-MM-DD
        #[arg(long)]
        on: Option<String>,
    },
    /// Tell a decision again: what every rule said, by the pack of its day
    Explain {
        /// A decision, a refill or an order
        id: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the settings in force, secrets hidden, and refuse unsafe ones
    Check,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServeRole {
    All,
    Api,
    Worker,
}

#[derive(Args)]
pub(crate) struct ServeOptions {
    /// Address of the API; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", env = "NIMBUS_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Address of health and metrics, for operators alone, or off (default 127.0.0.1:9464, if it is free)
    #[arg(long, env = "NIMBUS_ADMIN_LISTEN")]
    pub(crate) admin_listen: Option<AdminListen>,
    /// Lets that address be one that other machines reach, in production
    #[arg(long, env = "NIMBUS_ADMIN_REMOTE", num_args = 0..=1, default_missing_value = "true", default_value_t = false)]
    pub(crate) admin_remote: bool,
    /// File to write the API's port to once it listens
    #[arg(long)]
    pub(crate) port_file: Option<PathBuf>,
    /// What this process does
    #[arg(long, value_enum, default_value = "all", env = "NIMBUS_ROLE")]
    pub(crate) role: ServeRole,
}
