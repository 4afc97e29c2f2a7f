//! Instants and days: UTC microseconds inside, RFC 3339 with milliseconds and `YYYY-MM-DD` on the wire.

use std::fmt;

use jiff::{Timestamp, civil, tz::TimeZone};

pub use jiff::civil::Date;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ts(i64);

impl Ts {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, as signatures carry them.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1000)))
    }

    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(1000))
    }

    pub const fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(MICROS_PER_DAY)))
    }

    /// 0001-01-01T00:00:00Z: RFC 3339 has no year before, and the databases need none.
    const FIRST: Self = Self(-62_135_596_800_000_000);

    /// Reads RFC 3339 with or without a fraction; `None` for anything else, a missing offset included.
    pub fn parse(text: &str) -> Option<Self> {
        let instant = text.parse::<Timestamp>().ok().map(|t| Self(t.as_microsecond()));
        instant.filter(|instant| *instant >= Self::FIRST)
    }

    fn timestamp(self) -> Timestamp {
        // Out of jiff's years (−9999…9999) only by a forged value; the nearest end is then as good as any.
        Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }

    /// The calendar day of this instant in a time zone.
    pub fn date_in(self, zone: &TimeZone) -> Date {
        zone.to_datetime(self.timestamp()).date()
    }

    /// The day and time of day of this instant in a time zone.
    pub fn datetime_in(self, zone: &TimeZone) -> civil::DateTime {
        zone.to_datetime(self.timestamp())
    }

    /// The calendar day of this instant in UTC.
    pub fn date(self) -> Date {
        self.date_in(&TimeZone::UTC)
    }

    /// The first instant of a day in a time zone.
    pub fn start_of(day: Date, zone: &TimeZone) -> Self {
        match day.to_zoned(zone.clone()) {
            Ok(start) => Self(start.timestamp().as_microsecond()),
            Err(_) => Self(Timestamp::MAX.as_microsecond()),
        }
    }
}

impl fmt::Display for Ts {
    /// RFC 3339 in UTC with milliseconds: `2026-01-15T10:30:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

impl fmt::Debug for Ts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Reads `YYYY-MM-DD`; `None` for another form or a day that does not exist.
pub fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let form = bytes.len() == 10
        && bytes
            .iter()
            .enumerate()
            .all(|(i, b)| if matches!(i, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
    form.then(|| text.parse::<civil::Date>().ok()).flatten()
}

/// A day so many days later (or earlier); the calendar's end if it would pass it.
pub fn add_days(day: Date, days: i64) -> Date {
    jiff::Span::new().try_days(days).and_then(|span| day.checked_add(span)).unwrap_or(Date::MAX)
}

/// The next day from Monday to Friday after this one.
pub fn next_business_day(day: Date) -> Date {
    use jiff::civil::Weekday;
    let next = add_days(day, 1);
    match next.weekday() {
        Weekday::Saturday => add_days(next, 2),
        Weekday::Sunday => add_days(next, 1),
        _ => next,
    }
}

/// A day so many months later; the month's last day where the day does not exist there.
pub fn add_months(day: Date, months: i64) -> Date {
    jiff::Span::new().try_months(months).and_then(|span| day.checked_add(span)).unwrap_or(Date::MAX)
}

/// Whole days from `from` until `to`, negative if `to` is earlier.
pub fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map(|span| i64::from(span.get_days())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_with_milliseconds_read_with_or_without() {
        let ts = Ts::parse("2026-01-15T10:30:00Z").unwrap();
        assert_eq!(ts.to_string(), "2026-01-15T10:30:00.000Z");
        assert_eq!(Ts::parse("2026-01-15T11:30:00.000+01:00"), Some(ts));
        assert_eq!(Ts::parse("2026-01-15T10:30:00"), None);
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        assert!(parse_date("2024-02-29").is_some());
        for text in ["2023-02-29", "2024-2-1", "20240201", "2024-13-01", "+2024-01-1"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_is_the_pharmacys() {
        let chicago = TimeZone::get("America/Chicago").unwrap();
        let late = Ts::parse("2026-01-16T03:00:00Z").unwrap();
        assert_eq!(late.date_in(&chicago).to_string(), "2026-01-15");
        assert_eq!(Ts::start_of(late.date_in(&chicago), &chicago).to_string(), "2026-01-15T06:00:00.000Z");
    }

    #[test]
    fn business_days_are_monday_to_friday() {
        for (day, next) in [
            ("2026-11-19", "2026-11-20"),
            ("2026-11-20", "2026-11-23"),
            ("2026-11-21", "2026-11-23"),
            ("2026-11-22", "2026-11-23"),
        ] {
            assert_eq!(next_business_day(parse_date(day).unwrap()).to_string(), next);
        }
    }

    #[test]
    fn a_month_later_keeps_within_the_month() {
        assert_eq!(add_months(parse_date("2026-08-31").unwrap(), 6).to_string(), "2027-02-28");
        assert_eq!(days_between(parse_date("2026-01-01").unwrap(), parse_date("2026-03-01").unwrap()), 59);
    }
}
