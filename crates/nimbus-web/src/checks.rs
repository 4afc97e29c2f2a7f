//! Checks of single values: what a field must look like, in sentences that never repeat what was sent.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use nimbus_core::{
    contact::{Email, Phone},
    formulary::Unit,
    identifiers::{dea::Dea, ndc::Ndc, npi::Npi, tracking::TrackingNumber},
    quantity::Quantity,
    time::{Date, Ts, parse_date},
    us::{State, Zip},
};
use serde_json::Value;

use crate::fields::Checked;

/// A text as it was sent.
fn string(value: &Value) -> Checked<&str> {
    value.as_str().ok_or_else(|| "must be text".into())
}

/// Spaces, and marks that only join, separate or direct other characters.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The bounds of a text, in characters, without the white space around it. Control characters other than line
/// feed, tab and carriage return are refused.
pub(crate) fn text(range: RangeInclusive<usize>) -> impl Fn(&Value) -> Checked<String> + Clone {
    move |value| {
        let text = string(value)?.trim();
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r')) {
            return Err("must not have control characters".into());
        }
        if text.chars().all(is_invisible) && !text.is_empty() {
            return Err("must have characters that can be seen".into());
        }
        // No character has more than four bytes: a long text is refused before it is counted.
        if text.len() > range.end() * 4 || !range.contains(&text.chars().count()) {
            return Err(format!("must have {} to {} characters", range.start(), range.end()).into());
        }
        Ok(text.to_owned())
    }
}

/// A text that a parser accepts; its error is the message.
fn parsed<T, E: Display>(
    parse: impl Fn(&str) -> Result<T, E> + Clone,
) -> impl Fn(&Value) -> Checked<T> + Clone {
    move |value| parse(string(value)?.trim()).map_err(|error| error.to_string().into())
}

pub(crate) fn email(value: &Value) -> Checked<String> {
    parsed(Email::parse)(value).map(|email| email.as_str().to_owned())
}

pub(crate) fn phone(value: &Value) -> Checked<Phone> {
    parsed(Phone::parse)(value)
}

pub(crate) fn state(value: &Value) -> Checked<String> {
    parsed(State::parse)(value).map(|state| state.code().to_owned())
}

pub(crate) fn zip(value: &Value) -> Checked<String> {
    parsed(Zip::parse)(value).map(|zip| zip.as_str().to_owned())
}

pub(crate) fn dea(value: &Value) -> Checked<String> {
    parsed(Dea::parse)(value).map(|dea| dea.as_str().to_owned())
}

pub(crate) fn ndc(value: &Value) -> Checked<String> {
    parsed(Ndc::parse)(value).map(|ndc| ndc.to_string())
}

pub(crate) fn tracking_number(value: &Value) -> Checked<TrackingNumber> {
    parsed(TrackingNumber::parse)(value)
}

/// An NPI. `sample_allowed` also accepts the documented sample, whose check digit fails.
pub(crate) fn npi(sample_allowed: bool) -> impl Fn(&Value) -> Checked<Npi> {
    move |value| match sample_allowed.then(|| value.as_str().and_then(Npi::parse_sample)).flatten() {
        Some(sample) => Ok(sample),
        None => parsed(Npi::parse)(value),
    }
}

/// What a drug is counted in, in any usual writing.
pub(crate) fn unit(value: &Value) -> Checked<Unit> {
    Unit::read(&text(1..=50)(value)?).ok_or_else(|| {
        let known: Vec<&str> = Unit::ALL.iter().map(|unit| unit.as_str()).collect();
        format!("must be one of {}", known.join(", ")).into()
    })
}

pub(crate) fn boolean(value: &Value) -> Checked<bool> {
    value.as_bool().ok_or_else(|| "must be true or false".into())
}

/// A boolean in a query string.
pub(crate) fn flag(value: &Value) -> Checked<bool> {
    match value.as_str() {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => Err("must be true or false".into()),
    }
}

/// A word of a closed set.
pub(crate) fn one_of<T: Copy>(
    all: &'static [T],
    word: fn(T) -> &'static str,
) -> impl Fn(&Value) -> Checked<T> {
    move |value| {
        let text = value.as_str().unwrap_or_default();
        all.iter().copied().find(|&member| word(member) == text).ok_or_else(|| {
            let words: Vec<&str> = all.iter().map(|&member| word(member)).collect();
            format!("must be one of: {}", words.join(", ")).into()
        })
    }
}

/// A whole number, or its digits as text.
pub(crate) fn count(range: RangeInclusive<u32>) -> impl Fn(&Value) -> Checked<u32> {
    move |value| {
        let number = match value {
            Value::Number(number) => {
                let text = number.to_string();
                digits(text.strip_suffix(".0").unwrap_or(&text))
            }
            Value::String(text) => digits(text.trim()),
            _ => None,
        };
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()).into())
    }
}

fn digits(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A quantity: a number over zero with at most three places, or its text.
pub(crate) fn quantity(value: &Value) -> Checked<Quantity> {
    let quantity = match value {
        Value::Number(number) => Quantity::parse(&number.to_string()),
        Value::String(text) => Quantity::parse(text.trim()),
        _ => None,
    };
    quantity
        .ok_or_else(|| "must be a number over 0, at most 1000000, with at most three decimal places".into())
}

/// A measure that partners send as a number or as text with its unit.
pub(crate) fn measure(value: &Value) -> Checked<String> {
    match value {
        Value::Number(number) if Quantity::parse(&number.to_string()).is_some() => Ok(number.to_string()),
        Value::Number(_) => Err("must be over 0, with at most three decimal places, or a text".into()),
        other => text(1..=50)(other),
    }
}

/// An id in either of its texts.
pub(crate) fn id<I: FromStr>(value: &Value) -> Checked<I> {
    string(value)?.trim().parse().map_err(|_| "must be a valid id".into())
}

pub(crate) fn date(value: &Value) -> Checked<Date> {
    parse_date(string(value)?.trim()).ok_or_else(|| "must be a date such as 2026-01-15".into())
}

pub(crate) fn timestamp(value: &Value) -> Checked<Ts> {
    Ts::parse(string(value)?.trim()).ok_or_else(|| "must be a time such as 2026-01-15T10:30:00Z".into())
}

/// The oldest age that a date of birth can mean, in years.
const OLDEST_YEARS: i16 = 130;

/// A date of birth: a day, or the day of a time as it was written.
pub(crate) fn birth_date(today: Date) -> impl Fn(&Value) -> Checked<Date> {
    move |value| {
        let text = string(value)?.trim();
        let day = match Ts::parse(text) {
            Some(_) => text.get(..10).and_then(parse_date),
            None => parse_date(text),
        };
        match day {
            None => Err("must be a date such as 1985-03-15".into()),
            Some(day) if day > today => Err("must not be in the future".into()),
            Some(day) if day.year() < today.year() - OLDEST_YEARS => {
                Err(format!("must not be over {OLDEST_YEARS} years ago").into())
            }
            Some(day) => Ok(day),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_trimmed_bounded_and_printable() {
        assert_eq!(text(1..=3)(&json!("  abc\n")), Ok("abc".to_owned()));
        for refused in [json!(""), json!("   "), json!("abcd"), json!("a\u{0}"), json!("a\u{1b}"), json!(1)] {
            assert!(text(1..=3)(&refused).is_err(), "{refused}");
        }
        assert_eq!(text(1..=3)(&json!("a\tb")), Ok("a\tb".to_owned()));
        assert_eq!(text(1..=3)(&json!("äöü")), Ok("äöü".to_owned()));
    }

    #[test]
    fn numbers_may_be_text() {
        for value in [json!(3), json!("3"), json!(" 3 ")] {
            assert_eq!(count(0..=99)(&value), Ok(3));
        }
        for refused in [json!(100), json!(-1), json!("+3"), json!("3.0"), json!(3.5), json!(""), json!(null)]
        {
            assert!(count(0..=99)(&refused).is_err(), "{refused}");
        }
        for (value, thousandths) in
            [(json!(1), 1000), (json!(0.1), 100), (json!("2.50"), 2500), (json!(10.0), 10_000)]
        {
            assert_eq!(quantity(&value).map(Quantity::thousandths), Ok(thousandths));
        }
        for refused in [json!(0), json!(-1), json!("NaN"), json!(1e30), json!(0.0001), json!("1e3")] {
            assert!(quantity(&refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn births_are_in_the_past() {
        let today = parse_date("2026-06-01").unwrap();
        for good in ["2026-06-01", "1985-03-15", "1985-03-15T23:30:00-05:00", "1985-03-15T00:00:00.000Z"] {
            assert!(birth_date(today)(&json!(good)).is_ok(), "{good}");
        }
        for refused in ["2026-06-02", "1890-01-01", "15.03.1985", "1985-02-30", "1985-03-15T00:00:00"] {
            assert!(birth_date(today)(&json!(refused)).is_err(), "{refused}");
        }
        assert_eq!(
            birth_date(today)(&json!("1985-03-15T23:30:00-05:00")),
            Ok(parse_date("1985-03-15").unwrap())
        );
    }

    #[test]
    fn the_documented_sample_is_for_the_sandbox() {
        assert!(npi(true)(&json!("1234567890")).is_ok());
        assert!(npi(false)(&json!("1234567890")).is_err());
        assert!(npi(false)(&json!("1234567893")).is_ok());
    }
}
