//! The days on which carriers deliver: no weekends, no federal holidays or, with private carriers, only no major ones.
//!
//! Holidays are those of 5 U.S.C. 6103(a), and are observed as 6103(b) and Executive Order 11582 say: on the Friday
//! before a Saturday, on the Monday after a Sunday. Both the day itself and the day of observance count, since
//! carriers differ; an estimate is then late by a day rather than early.

use jiff::civil::Weekday;
use nimbus_core::time::{Date, add_days};

use crate::services::Service;

/// The days besides weekends on which a carrier delivers nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holidays {
    /// All federal ones, as the Postal Service observes them.
    Federal,
    /// Those on which UPS and FedEx both rest: New Year, Memorial Day, Independence Day, Labor Day, Thanksgiving and
    /// Christmas.
    Major,
}

/// How long a parcel is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transit {
    /// The day it arrives at the latest.
    pub arrives_on: Date,
    /// Whether a weekend lies between the day it leaves and the day it arrives, or on either.
    pub spans_weekend: bool,
    /// Whether a federal holiday does.
    pub spans_holiday: bool,
}

/// The way of a parcel within the contiguous states that is handed over on `ships_on`.
pub fn transit(service: &Service, ships_on: Date) -> Transit {
    transit_of(service.transit_days, service.holidays, ships_on)
}

/// The way of a parcel that takes so many business days. Weekends and holidays do not count, nor the day it leaves.
pub fn transit_of(business_days: u32, holidays: Holidays, ships_on: Date) -> Transit {
    let mut day = ships_on;
    let is_rest = |day| (is_weekend(day), is_holiday(Holidays::Federal, day));
    let (mut spans_weekend, mut spans_holiday) = is_rest(day);
    let mut left = business_days;
    while left > 0 && day < Date::MAX {
        day = add_days(day, 1);
        let (weekend, holiday) = is_rest(day);
        (spans_weekend, spans_holiday) = (spans_weekend || weekend, spans_holiday || holiday);
        if delivers(holidays, day) {
            left -= 1;
        }
    }
    Transit { arrives_on: day, spans_weekend, spans_holiday }
}

/// The day on which a parcel handed over on `ships_on` arrives at the latest.
pub fn estimated_delivery(service: &Service, ships_on: Date) -> Date {
    transit(service, ships_on).arrives_on
}

/// Whether a carrier of these holidays delivers on this day.
pub fn delivers(holidays: Holidays, day: Date) -> bool {
    !is_weekend(day) && !is_holiday(holidays, day)
}

/// The first day, this one included, on which such a carrier takes parcels and delivers them.
pub fn first_working_day(holidays: Holidays, day: Date) -> Date {
    let mut day = day;
    while !delivers(holidays, day) && day < Date::MAX {
        day = add_days(day, 1);
    }
    day
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Whether this is such a holiday, or the day on which one is observed.
pub fn is_holiday(holidays: Holidays, day: Date) -> bool {
    // New Year that falls on a Saturday is observed in the year before.
    [day.year(), day.year().saturating_add(1)].into_iter().any(|year| {
        holidays_of(year)
            .into_iter()
            .filter(|(_, major)| *major || holidays == Holidays::Federal)
            .filter_map(|(holiday, _)| holiday)
            .any(|holiday| day == holiday || day == observed(holiday))
    })
}

/// When a holiday that falls on a weekend is kept.
fn observed(holiday: Date) -> Date {
    match holiday.weekday() {
        Weekday::Saturday => add_days(holiday, -1),
        Weekday::Sunday => add_days(holiday, 1),
        _ => holiday,
    }
}

/// The federal holidays of a year, and which of them are major; none past the calendar's end.
fn holidays_of(year: i16) -> [(Option<Date>, bool); 11] {
    const MONDAY: Weekday = Weekday::Monday;
    let on = |month, day| Date::new(year, month, day).ok();
    let nth =
        |nth, weekday, month| on(month, 1).and_then(|first| first.nth_weekday_of_month(nth, weekday).ok());
    [
        (on(1, 1), true),                      // New Year
        (nth(3, MONDAY, 1), false),            // Martin Luther King, Jr.
        (nth(3, MONDAY, 2), false),            // Washington's Birthday
        (nth(-1, MONDAY, 5), true),            // Memorial Day
        (on(6, 19), false),                    // Juneteenth
        (on(7, 4), true),                      // Independence Day
        (nth(1, MONDAY, 9), true),             // Labor Day
        (nth(2, MONDAY, 10), false),           // Columbus Day
        (on(11, 11), false),                   // Veterans Day
        (nth(4, Weekday::Thursday, 11), true), // Thanksgiving
        (on(12, 25), true),                    // Christmas
    ]
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use nimbus_core::time::parse_date;

    use super::*;
    use crate::services::service_of;

    fn day(text: &str) -> Date {
        parse_date(text).unwrap()
    }

    /// The day of arrival, and whether a weekend and a holiday are on the way.
    fn arrives(carrier: &str, service: &str, ships_on: &str) -> (String, bool, bool) {
        let way = transit(service_of(carrier, service).unwrap(), day(ships_on));
        (way.arrives_on.to_string(), way.spans_weekend, way.spans_holiday)
    }

    #[test]
    fn federal_holidays_of_2026_and_2027() {
        // opm.gov, Federal Holidays; in 2026 Independence Day is a Saturday, in 2027 Juneteenth, Christmas and
        // the next New Year are Saturdays and Independence Day is a Sunday.
        let published = [
            "2026-01-01",
            "2026-01-19",
            "2026-02-16",
            "2026-05-25",
            "2026-06-19",
            "2026-07-03",
            "2026-07-04",
            "2026-09-07",
            "2026-10-12",
            "2026-11-11",
            "2026-11-26",
            "2026-12-25",
            "2027-01-01",
            "2027-01-18",
            "2027-02-15",
            "2027-05-31",
            "2027-06-18",
            "2027-06-19",
            "2027-07-04",
            "2027-07-05",
            "2027-09-06",
            "2027-10-11",
            "2027-11-11",
            "2027-11-25",
            "2027-12-24",
            "2027-12-25",
            "2027-12-31",
        ];
        let mut found = Vec::new();
        let mut at = day("2026-01-01");
        while at < day("2028-01-01") {
            if is_holiday(Holidays::Federal, at) {
                found.push(at.to_string());
            }
            at = add_days(at, 1);
        }
        assert_eq!(found, published);
    }

    #[test]
    fn private_carriers_work_on_lesser_holidays() {
        let veterans = day("2026-11-11");
        assert!(is_holiday(Holidays::Federal, veterans) && !is_holiday(Holidays::Major, veterans));
        assert!(is_holiday(Holidays::Major, day("2026-11-26")));
    }

    #[test]
    fn weekends_and_holidays_do_not_count() {
        let friday = "2026-01-16";
        let cases = [
            // The Monday is Martin Luther King's: FedEx delivers, the Postal Service does not.
            ("se-3818360", "fedex_priority_overnight", friday, "2026-01-19", (true, true)),
            ("se-3818360", "fedex_ground", friday, "2026-01-23", (true, true)),
            ("se-11225", "usps_priority_mail_express", friday, "2026-01-21", (true, true)),
            ("se-11226", "ups_next_day_air", "2026-11-25", "2026-11-27", (false, true)),
            ("se-11226", "ups_2nd_day_air", "2026-11-17", "2026-11-19", (false, false)),
            ("se-11226", "ups_next_day_air", "2026-11-20", "2026-11-23", (true, false)),
            ("ameriship", "ameriship_overnight", "2026-12-31", "2027-01-04", (true, true)),
        ];
        for (carrier, service, ships_on, arrives_on, (weekend, holiday)) in cases {
            assert_eq!(
                arrives(carrier, service, ships_on),
                (arrives_on.to_owned(), weekend, holiday),
                "{service} {ships_on}"
            );
        }
    }

    #[test]
    fn the_calendars_end_is_an_end() {
        let way = transit_of(5, Holidays::Federal, Date::MAX);
        assert_eq!(way.arrives_on, Date::MAX);
        assert!(first_working_day(Holidays::Major, date(9999, 12, 25)) > date(9999, 12, 25));
    }
}
