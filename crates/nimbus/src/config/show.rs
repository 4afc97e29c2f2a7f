//! The settings as `nimbus config check` shows them.

use std::{fmt, path::PathBuf};

use super::Settings;
use crate::{Failure, transport};

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
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "(not set)".to_owned());
        writeln!(f, "{:<26} = {}", "vault_url", text(&self.vault_url))?;
        writeln!(f, "{:<26} = {}", "vault_key", text(&self.vault_key))?;
        writeln!(f, "{:<26} = {}", "vault_token", set(&self.vault_token))?;
        writeln!(f, "{:<26} = {}", "vault_token_file", path(&self.vault_token_file))?;
        writeln!(f, "{:<26} = {}", "vault_ca_file", path(&self.vault_ca_file))?;
        writeln!(f, "allow_local_webhooks       = {}", self.allow_local_webhooks)?;
        writeln!(f, "retry_scale                = {}", self.retry_scale.as_deref().unwrap_or("1"))?;
        writeln!(f, "{:<26} = {}", "webhook_deadline", self.webhook_deadline.unwrap_or(10))?;
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
        writeln!(f, "{:<26} = {}", "retention_body_days", self.retention.body_days)?;
        writeln!(f, "{:<26} = {}", "retention_attempt_days", self.retention.attempt_days)?;
        writeln!(f, "{:<26} = {}", "retention_metadata_days", self.retention.metadata_days)?;
        writeln!(f, "{:<26} = {}", "staff_idle_minutes", self.staff.idle_minutes)?;
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
        for (name, value) in self.transport.shown() {
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
    settings.webhook_deadline()?;
    settings.labels(None)?;
    settings.carrier_feeds()?;
    settings.proxies()?;
    settings.transport.limits()?;
    settings.transport.body_timeout()?;
    transport::certificates(settings)?;
    settings.refuse_unsafe()
}
