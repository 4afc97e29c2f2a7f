//! Settings of shipping: who makes labels, and the rate table.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use nimbus_carriers::{
    built_in::{ACCOUNT_FORMS, Accounts, EXAMPLES, NO_ACCOUNT},
    labels::Pharmacy,
    provider::{Provider, Shipping},
    rates::RateTable,
    shipengine::{PUBLIC_URL, ShipEngine},
};
use nimbus_core::{access::Environment, us::State};
use serde::Deserialize;

use crate::Failure;

/// What ShipEngine's keys for trying things out begin with.
const TEST_KEY: &str = "TEST_";

/// As given: flags, else environment, else the TOML file.
#[derive(Args, Default, Deserialize, Clone)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ShippingArgs {
    /// Folder with rates.toml, in the place of the example's prices
    #[arg(long, env = "NIMBUS_RATES_DIR", global = true)]
    pub(crate) rates_dir: Option<PathBuf>,
    /// Who makes labels: builtin or shipengine
    #[arg(long, env = "NIMBUS_SHIPPING_PROVIDER", global = true)]
    pub(crate) shipping_provider: Option<String>,
    /// From the environment or the file, never from a flag that a process list would show.
    #[arg(skip)]
    pub(crate) shipengine_api_key: Option<String>,
    /// Where ShipEngine is, if not at its public address
    #[arg(long, env = "NIMBUS_SHIPENGINE_URL", global = true)]
    pub(crate) shipengine_url: Option<String>,
    /// The UPS shipper number of built-in labels: six letters or digits, or none
    #[arg(long, env = "NIMBUS_UPS_ACCOUNT", global = true)]
    pub(crate) ups_account: Option<String>,
    /// What FedEx numbers of built-in labels begin with: one to four digits, or none
    #[arg(long, env = "NIMBUS_FEDEX_ACCOUNT", global = true)]
    pub(crate) fedex_account: Option<String>,
    /// The USPS Mailer ID of built-in labels: nine digits, or none
    #[arg(long, env = "NIMBUS_USPS_ACCOUNT", global = true)]
    pub(crate) usps_account: Option<String>,
    /// The Ameriship account of built-in labels: one to six letters or digits, or none
    #[arg(long, env = "NIMBUS_AMERISHIP_ACCOUNT", global = true)]
    pub(crate) ameriship_account: Option<String>,
}

/// The names of these settings in the TOML file.
pub(crate) const NAMES: [&str; 8] = [
    "rates_dir",
    "shipping_provider",
    "shipengine_api_key",
    "shipengine_url",
    "ups_account",
    "fedex_account",
    "usps_account",
    "ameriship_account",
];

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

impl ShippingArgs {
    /// What is given here, else there; the secret from the environment.
    pub(crate) fn or(&self, file: Self) -> Self {
        let of = self.clone();
        let key = std::env::var("NIMBUS_SHIPENGINE_API_KEY").ok();
        Self {
            rates_dir: of.rates_dir.or(file.rates_dir),
            shipping_provider: given(of.shipping_provider).or(file.shipping_provider),
            shipengine_api_key: given(key).or(file.shipengine_api_key),
            shipengine_url: given(of.shipengine_url).or(file.shipengine_url),
            ups_account: given(of.ups_account).or(file.ups_account),
            fedex_account: given(of.fedex_account).or(file.fedex_account),
            usps_account: given(of.usps_account).or(file.usps_account),
            ameriship_account: given(of.ameriship_account).or(file.ameriship_account),
        }
    }

    fn is_shipengine(&self) -> Result<bool, Failure> {
        match self.shipping_provider.as_deref() {
            None | Some("builtin") => Ok(false),
            Some("shipengine") => Ok(true),
            Some(_) => Err("shipping_provider must be builtin or shipengine".into()),
        }
    }

    /// The table of prices: of the folder set, or the example.
    fn rates(&self) -> Result<RateTable, Failure> {
        match &self.rates_dir {
            Some(folder) => Ok(RateTable::read(folder)?),
            None => Ok(RateTable::example().clone()),
        }
    }

    /// The accounts of built-in labels as they are given, in the order of [`ACCOUNT_FORMS`].
    fn accounts(&self) -> [Option<&str>; 4] {
        [&self.ups_account, &self.fedex_account, &self.usps_account, &self.ameriship_account]
            .map(|account| account.as_deref())
    }

    /// Whether a label would be made here under an account that is nobody's. ShipEngine makes those of all carriers but
    /// the last.
    fn has_example_account(&self) -> bool {
        let is_example = |place: usize, given: Option<&str>| {
            given.is_none_or(|account| account.eq_ignore_ascii_case(EXAMPLES[place]))
        };
        let here = if self.is_shipengine().unwrap_or(false) { ACCOUNT_FORMS.len() - 1 } else { 0 };
        self.accounts().into_iter().enumerate().skip(here).any(|(place, given)| is_example(place, given))
    }

    /// What production refuses, each with whether it is so.
    pub(crate) fn problems(&self) -> [(bool, &'static str); 4] {
        let key = self.shipengine_api_key.as_deref().unwrap_or_default();
        let asked = self.is_shipengine().unwrap_or(false);
        let plain = self.shipengine_url.as_deref().is_some_and(|url| !url.starts_with("https://"));
        [
            (
                asked && key.starts_with(TEST_KEY),
                "shipengine_api_key is a test key: its labels carry no parcel",
            ),
            (asked && plain, "shipengine_url must be https"),
            (
                self.has_example_account(),
                "labels made here would bear example accounts, which are nobody's: set ups_account, fedex_account, \
                 usps_account and ameriship_account (with shipengine the last alone), each to the pharmacy's own or \
                 to none",
            ),
            (
                self.rates().is_ok_and(|rates| rates.has_examples),
                "the prices of parcels are examples: name the folder of the pharmacy's own table \
                 (NIMBUS_RATES_DIR), without its line examples = true",
            ),
        ]
    }

    /// Shipping as it is set, checked; parcels come from the pharmacy, or from an example's address.
    pub(crate) fn shipping(
        &self,
        environment: Environment,
        pharmacy: Option<&Pharmacy>,
    ) -> Result<Arc<Shipping>, Failure> {
        let rates = self.rates()?;
        let accounts = Accounts::default()
            .with(self.accounts())
            .map_err(|(name, form)| format!("{name}_account must be {form}, or {NO_ACCOUNT}"))?;
        let provider = match self.is_shipengine()? {
            false => Provider::BuiltIn,
            true => {
                let key = self.shipengine_api_key.as_deref();
                let key = key.ok_or("shipengine needs an API key (NIMBUS_SHIPENGINE_API_KEY)")?;
                let url = self.shipengine_url.as_deref().unwrap_or(PUBLIC_URL);
                let client = ShipEngine::new(url, key, environment == Environment::Sandbox);
                Provider::ShipEngine(Box::new(client.map_err(|error| format!("shipengine: {error}"))?))
            }
        };
        let pharmacy = pharmacy.cloned().unwrap_or_else(|| Shipping::default().pharmacy);
        let from = State::parse(&pharmacy.state).map_err(|error| format!("pharmacy_state {error}"))?;
        Ok(Arc::new(Shipping { provider, rates, accounts, pharmacy, from }))
    }

    /// Each setting with its value, secrets only as set or not.
    pub(crate) fn shown(&self) -> Vec<(&'static str, String)> {
        let set = |value: &Option<String>| if value.is_some() { "(set)" } else { "(not set)" }.to_owned();
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "(example)".to_owned());
        let rates =
            self.rates_dir.as_ref().map_or_else(|| "(example)".to_owned(), |dir| dir.display().to_string());
        vec![
            ("rates_dir", rates),
            ("shipping_provider", self.shipping_provider.clone().unwrap_or_else(|| "builtin".to_owned())),
            ("shipengine_api_key", set(&self.shipengine_api_key)),
            ("shipengine_url", self.shipengine_url.clone().unwrap_or_else(|| PUBLIC_URL.to_owned())),
            ("ups_account", text(&self.ups_account)),
            ("fedex_account", text(&self.fedex_account)),
            ("usps_account", text(&self.usps_account)),
            ("ameriship_account", text(&self.ameriship_account)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ShippingArgs {
        /// A pharmacy's own accounts, and a table of its own that is written to a folder.
        pub(crate) fn own(folder: &std::path::Path) -> Self {
            let text = |text: &str| Some(text.to_owned());
            let table = include_str!("../../../carriers/rates.toml").replace("examples = true\n", "");
            std::fs::write(folder.join("rates.toml"), table).unwrap();
            Self {
                rates_dir: Some(folder.to_owned()),
                ups_account: text("A1B2C3"),
                fedex_account: text("none"),
                usps_account: text("123456789"),
                ameriship_account: text("none"),
                ..Self::default()
            }
        }
    }

    fn refusal(args: &ShippingArgs, environment: Environment) -> String {
        args.shipping(environment, None).expect_err("refused").to_string()
    }

    #[test]
    fn the_file_names_every_setting() {
        let shown: Vec<&str> = ShippingArgs::default().shown().into_iter().map(|(name, _)| name).collect();
        assert_eq!(shown, NAMES);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_name() {
        let text = |text: &str| Some(text.to_owned());
        let none = ShippingArgs::default();
        let asked = ShippingArgs { shipping_provider: text("shipengine"), ..none.clone() };
        for (args, name) in [
            (ShippingArgs { shipping_provider: text("pigeon"), ..none.clone() }, "shipping_provider"),
            (ShippingArgs { ups_account: text("12"), ..none.clone() }, "ups_account"),
            (
                ShippingArgs { rates_dir: Some("/nonexistent".into()), ..none.clone() },
                "/nonexistent/rates.toml:1:",
            ),
            (asked.clone(), "NIMBUS_SHIPENGINE_API_KEY"),
        ] {
            assert!(refusal(&args, Environment::Sandbox).contains(name), "{name}");
        }
        let local = ShippingArgs {
            shipengine_api_key: text("TEST_key"),
            shipengine_url: text("http://127.0.0.1:9"),
            ..asked
        };
        assert!(local.shipping(Environment::Sandbox, None).is_ok());
        assert!(refusal(&local, Environment::Production).contains("URL"));
        assert!(local.problems().iter().all(|(is_problem, _)| *is_problem));
    }

    #[test]
    fn production_makes_no_label_under_an_account_that_is_nobodys() {
        let text = |text: &str| Some(text.to_owned());
        let folder = tempfile::tempdir().unwrap();
        let own = ShippingArgs::own(folder.path());
        assert!(own.shipping(Environment::Production, None).is_ok());
        let bought = |ameriship: Option<&str>| ShippingArgs {
            shipping_provider: text("shipengine"),
            ameriship_account: ameriship.map(str::to_owned),
            ..ShippingArgs::default()
        };
        for (args, expected) in [
            (own.clone(), false),
            (ShippingArgs { usps_account: None, ..own.clone() }, true),
            (ShippingArgs { ups_account: text("nimbus"), ..own }, true),
            (ShippingArgs::default(), true),
            (bought(None), true),
            (bought(Some("ACME")), false),
        ] {
            assert_eq!(args.has_example_account(), expected, "{:?}", args.accounts());
        }
    }

    #[test]
    fn production_takes_no_prices_that_are_examples() {
        let folder = tempfile::tempdir().unwrap();
        let own = ShippingArgs::own(folder.path());
        let refuses =
            |args: &ShippingArgs| args.problems().iter().any(|(is, why)| *is && why.contains("prices"));
        assert!(!refuses(&own));
        assert!(refuses(&ShippingArgs { rates_dir: None, ..own.clone() }));
        let example = include_str!("../../../carriers/rates.toml");
        std::fs::write(folder.path().join("rates.toml"), example).unwrap();
        assert!(refuses(&own), "a copy of the example that nobody has looked at");
    }
}
