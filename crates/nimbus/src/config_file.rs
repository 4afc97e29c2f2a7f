//! The TOML file of settings: what is wrong with it is told by file and line.

use std::{fmt::Display, ops::Range, path::Path};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, Deserializer, Error},
};

use crate::Failure;

/// The settings of the file whose values no message may show.
const SECRETS: [&str; 5] = [
    "database_url",
    "onboarding_token",
    "pharmacy_feed_secret",
    "easypost_webhook_secret",
    "shipengine_api_key",
];

/// The file's settings: those of the first names as an `A`, of the second as a `B`, all others as a `C`.
///
/// # Errors
/// A file that cannot be read, is no TOML, or has a setting that nobody knows or of another type.
pub(crate) fn read<A: DeserializeOwned, B: DeserializeOwned, C: DeserializeOwned>(
    path: &Path,
    names: [&[&str]; 2],
) -> Result<(A, B, C), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the configuration {} cannot be read: {error}", path.display()))?;
    Ok(parse(&path.display().to_string(), &text, names)?)
}

fn parse<A: DeserializeOwned, B: DeserializeOwned, C: DeserializeOwned>(
    file: &str,
    text: &str,
    names: [&[&str]; 2],
) -> Result<(A, B, C), String> {
    let whole = DeTable::parse(text).map_err(|error| told(file, text, error.span(), error.message()))?;
    let wrong = |error: Error| {
        let at = error.span();
        match setting_at(whole.get_ref(), at.as_ref()) {
            Some(name) if SECRETS.contains(&name) => told(file, text, at, format!("{name} must be a text")),
            Some(name) => told(file, text, at, format!("{name}: {}", error.message())),
            None => told(file, text, at, error.message()),
        }
    };
    let mut others = whole.get_ref().clone();
    let [first, second] = names.map(|names| {
        let mut own = DeTable::new();
        own.extend(names.iter().filter_map(|name| others.remove_entry(*name)));
        own
    });
    let table = |table| Deserializer::from(Spanned::new(whole.span(), table));
    Ok((
        A::deserialize(table(first)).map_err(wrong)?,
        B::deserialize(table(second)).map_err(wrong)?,
        C::deserialize(table(others)).map_err(wrong)?,
    ))
}

fn told(file: &str, text: &str, at: Option<Range<usize>>, reason: impl Display) -> String {
    let before = text.as_bytes().iter().take(at.map_or(0, |at| at.start));
    let line = before.filter(|byte| **byte == b'\n').count() + 1;
    format!("the configuration is not valid:\n{file}:{line}: {reason}")
}

/// The setting whose value stands there.
fn setting_at<'t>(table: &'t DeTable<'_>, at: Option<&Range<usize>>) -> Option<&'t str> {
    let at = at?;
    let mut settings = table.iter();
    let found = settings.find(|(_, value)| value.span().start <= at.start && at.end <= value.span().end);
    found.map(|(name, _)| name.get_ref().as_ref())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Own {
        ups_account: Option<String>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Transport {
        connections: Option<u32>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Others {
        log: Option<String>,
        link_hours: Option<u32>,
        pharmacy_feed_secret: Option<String>,
    }

    fn read(text: &str) -> Result<(Own, Transport, Others), String> {
        parse("nimbus.toml", text, [&["ups_account"], &["connections"]])
    }

    #[test]
    fn settings_go_to_whom_they_belong() {
        let text = "log = \"info\"\nconnections = 7\nups_account = \"A1B2C3\"\n";
        let (own, transport, others) = read(text).unwrap();
        assert_eq!((own.ups_account.as_deref(), transport.connections), (Some("A1B2C3"), Some(7)));
        assert_eq!(others, Others { log: Some("info".to_owned()), ..Others::default() });
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (text, expected) in [
            ("log = \"info\"\n\nlink_hours = \"two\"\n", "nimbus.toml:3: link_hours: invalid type"),
            ("# settings\nlog = 1\n", "nimbus.toml:2: log: invalid type"),
            ("log = \"info\"\nups_account = 7\n", "nimbus.toml:2: ups_account: invalid type"),
            ("log = \"info\"\n\n\nlink_days = 3\n", "nimbus.toml:4: unknown field `link_days`"),
            ("log = \"info\"\nlog = \"warn\"\n", "nimbus.toml:2: duplicate key"),
            ("log = \"info\"\nlink_hours =\n", "nimbus.toml:2: "),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(expected), "{expected} is missing in: {said}");
        }
    }

    #[test]
    fn a_secret_of_another_type_is_not_shown() {
        let said = read("pharmacy_feed_secret = 8675309\n").unwrap_err();
        assert!(said.ends_with("nimbus.toml:1: pharmacy_feed_secret must be a text"), "{said}");
    }
}
