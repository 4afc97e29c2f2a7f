//! The command line.

use std::{path::PathBuf, time::Duration};

pub(crate) const USAGE: &str =
    "usage: nimbus-bench [intake|delivery|webhooks|api|all|lists] [--seconds 10] [--connections 32] [--orders 1000000]
       [--past 10000000] [--engine sqlite|postgres] [--database-url URL] [--nimbus PATH] [--folder DIR]
  --database-url  a PostgreSQL server on which a database may be made and dropped
  --orders        how many orders the large list of `lists` has; `all` leaves that scenario out
  --past          how many deliveries the store of `webhooks` has in the end; 0 leaves that part out
  --nimbus        the binary to measure (default: beside this one)
  --folder        where temporary data goes, on the disk to measure (default: beside this binary)";

/// The most connections that a run opens.
const MAX_CONNECTIONS: usize = 1024;
/// The most orders that a store is filled with.
const MAX_ORDERS: u64 = 100_000_000;
/// The most deliveries of the past.
const MAX_PAST: u64 = 100_000_000;
/// The longest that a scenario posts.
const MAX_SECONDS: u64 = 3600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    Intake,
    Delivery,
    /// By itself, as it has limits of its own.
    Webhooks,
    Api,
    All,
    /// By itself, as it fills a store for minutes.
    Lists,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    /// With the URL of a server.
    Postgres(String),
}

impl Engine {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) scenario: Scenario,
    pub(crate) duration: Duration,
    pub(crate) connections: usize,
    pub(crate) engine: Engine,
    /// Of the large list.
    pub(crate) orders: u64,
    /// Deliveries of the past, beside which the webhook engine is measured again.
    pub(crate) past: u64,
    pub(crate) nimbus: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Options {
    pub(crate) fn runs(&self, scenario: Scenario) -> bool {
        self.scenario == Scenario::All || self.scenario == scenario
    }

    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let beside = std::env::current_exe().map_err(|error| format!("where this binary is: {error}"))?;
        let mut options = Self {
            scenario: Scenario::All,
            duration: Duration::from_secs(10),
            connections: 32,
            engine: Engine::Sqlite,
            orders: 1_000_000,
            past: 10_000_000,
            nimbus: beside.with_file_name("nimbus"),
            folder: beside.parent().map(PathBuf::from).unwrap_or_default(),
        };
        let (mut engine, mut url) = (None, None);
        let mut args = args;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "intake" => options.scenario = Scenario::Intake,
                "delivery" => options.scenario = Scenario::Delivery,
                "webhooks" => options.scenario = Scenario::Webhooks,
                "api" => options.scenario = Scenario::Api,
                "lists" => options.scenario = Scenario::Lists,
                "--orders" => options.orders = number(&arg, &value()?, 1, MAX_ORDERS)?,
                "--past" => options.past = number(&arg, &value()?, 0, MAX_PAST)?,
                "all" => options.scenario = Scenario::All,
                "--seconds" => {
                    options.duration = Duration::from_secs(number(&arg, &value()?, 1, MAX_SECONDS)?)
                }
                "--connections" => options.connections = number(&arg, &value()?, 1, MAX_CONNECTIONS)?,
                "--engine" => engine = Some(value()?),
                "--database-url" => url = Some(value()?),
                "--nimbus" => options.nimbus = value()?.into(),
                "--folder" => options.folder = value()?.into(),
                _ => return Err(format!("unknown argument {arg}")),
            }
        }
        options.engine = match (engine.as_deref(), url) {
            (None | Some("sqlite"), None) => Engine::Sqlite,
            (None | Some("postgres"), Some(url)) => Engine::Postgres(url),
            (Some("postgres"), None) => return Err("--engine postgres needs --database-url".to_owned()),
            (Some("sqlite"), Some(_)) => return Err("--engine sqlite takes no --database-url".to_owned()),
            (Some(_), _) => return Err("--engine must be sqlite or postgres".to_owned()),
        };
        Ok(options)
    }
}

fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    name: &str,
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    text.parse()
        .ok()
        .filter(|value| *value >= least && *value <= most)
        .ok_or_else(|| format!("{name} must be a whole number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn defaults_and_flags() {
        let options = parse("").unwrap();
        assert_eq!((options.scenario, options.connections), (Scenario::All, 32));
        assert_eq!(options.engine, Engine::Sqlite);
        let options = parse("intake --seconds 2 --connections 4 --database-url postgres://h/d").unwrap();
        assert_eq!((options.scenario, options.connections), (Scenario::Intake, 4));
        assert_eq!(options.duration, Duration::from_secs(2));
        assert_eq!(options.engine, Engine::Postgres("postgres://h/d".to_owned()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["--seconds 0", "--connections x", "--connections 2000", "--seconds", "other"] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in ["--engine postgres", "--engine sqlite --database-url postgres://h/d", "--engine x"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
