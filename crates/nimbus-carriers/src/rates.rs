//! What parcels cost: a table of prices by service, zone and weight, read and checked before anything is served.

mod file;

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use jiff::civil::{DateTime, Time};
use nimbus_core::{
    money::Cents,
    time::{Date, add_days},
    us::State,
};

use crate::{
    calendar::{Transit, first_working_day, transit_of},
    services::{Carrier, Service},
};

/// The name of the table in a folder of rates.
pub const FILE_NAME: &str = "rates.toml";

/// The table in the binary: examples, to be replaced by the pharmacy's own prices.
const EXAMPLE: &str = include_str!("../../../carriers/rates.toml");

/// Why a table cannot be: the file, its line from 1, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct RateError {
    pub file: String,
    pub line: usize,
    pub reason: String,
}

/// A checked table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateTable {
    /// As its keeper names it.
    pub version: String,
    /// Whether its prices are marked as examples, which nobody is to be charged.
    pub has_examples: bool,
    /// What a parcel is taken to weigh where nobody has said, in ounces.
    pub weight_oz: u32,
    /// What the cold pack adds, in ounces.
    pub cold_pack_oz: u32,
    areas: BTreeMap<State, usize>,
    /// From area, to area.
    zones: Vec<Vec<u8>>,
    services: BTreeMap<&'static str, ServiceRates>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ServiceRates {
    service: &'static Service,
    /// Parcels after this local time leave on the next working day.
    cut_off: Time,
    /// The zones that it serves; the columns of the rest.
    zones: Vec<u8>,
    transit_days: Vec<u32>,
    /// Lightest first.
    weights: Vec<WeightClass>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct WeightClass {
    up_to_oz: u32,
    /// For each zone.
    prices: Vec<Cents>,
}

/// When a parcel leaves and how long it takes. The gates, the estimate and the label all go by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    pub ships_on: Date,
    /// In business days, at most.
    pub transit_days: u32,
    pub transit: Transit,
}

/// What a service costs for a parcel, and how long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    pub service: &'static Service,
    pub price: Cents,
    /// Business days to that zone, at most.
    pub transit_days: u32,
}

impl Quote {
    /// The way of the parcel if it leaves on this day.
    pub fn transit(&self, ships_on: Date) -> Transit {
        transit_of(self.transit_days, self.service.holidays, ships_on)
    }
}

impl RateTable {
    /// The table in the binary.
    pub fn example() -> &'static Self {
        static TABLE: LazyLock<RateTable> = LazyLock::new(|| {
            // A test reads it: a table that cannot be is not released.
            RateTable::parse(FILE_NAME, EXAMPLE).expect("the table in the binary was checked by its test")
        });
        &TABLE
    }

    /// Reads the table of a folder.
    ///
    /// # Errors
    /// When it cannot be read, or cannot be: with file, line and reason.
    pub fn read(folder: &Path) -> Result<Self, RateError> {
        let path = folder.join(FILE_NAME);
        let file = path.display().to_string();
        let unreadable =
            |error: std::io::Error| RateError { file: file.clone(), line: 1, reason: error.to_string() };
        let text = std::fs::read_to_string(&path).map_err(unreadable)?;
        Self::parse(&file, &text)
    }

    /// Reads and checks the text of a table; `file` is for the error.
    pub fn parse(file: &str, text: &str) -> Result<Self, RateError> {
        file::parse(text).map_err(|fault| RateError {
            file: file.to_owned(),
            line: 1 + text.bytes().take(fault.at).filter(|byte| *byte == b'\n').count(),
            reason: fault.reason,
        })
    }

    /// What a service costs between two states; `None` where it does not go, or not with this weight.
    pub fn quote(&self, service_id: &str, from: State, to: State, weight_oz: u32) -> Option<Quote> {
        let (rates, column) = self.column(service_id, from, to)?;
        let class = rates.weights.iter().find(|class| weight_oz <= class.up_to_oz)?;
        let (price, transit_days) = (*class.prices.get(column)?, *rates.transit_days.get(column)?);
        Some(Quote { service: rates.service, price, transit_days })
    }

    /// Whether a service goes from one state to another at all.
    pub fn serves(&self, service: &Service, from: State, to: State) -> bool {
        self.column(service.id, from, to).is_some()
    }

    /// The rates of a service with the place of its zone among them; `None` where it does not go.
    fn column(&self, service_id: &str, from: State, to: State) -> Option<(&ServiceRates, usize)> {
        let rates = self.services.get(service_id)?;
        let zone = *self.zones.get(*self.areas.get(&from)?)?.get(*self.areas.get(&to)?)?;
        let column = rates.zones.iter().position(|served| *served == zone)?;
        Some((rates, column))
    }

    /// What each service of a carrier that goes there costs, in the carrier's order.
    pub fn quotes(&self, carrier: &Carrier, from: State, to: State, weight_oz: u32) -> Vec<Quote> {
        let services = carrier.services.iter();
        services.filter_map(|service| self.quote(service.id, from, to, weight_oz)).collect()
    }

    /// The way of a parcel whose label is made at this local time. Where the state is not known, or the table has no
    /// price to it, it takes as long as the service does within the contiguous states.
    pub fn way(&self, service: &Service, from: State, to: Option<State>, made: DateTime) -> Way {
        let quote = to.and_then(|to| self.quote(service.id, from, to, self.weight_oz));
        let transit_days = quote.map_or(service.transit_days, |quote| quote.transit_days);
        self.way_of(service, transit_days, made)
    }

    /// The same for what must arrive in time: ground to a near zone is quick as a rule, and no carrier promises it,
    /// so that a way is never shorter than the service's standard.
    pub fn promised_way(&self, service: &Service, from: State, to: Option<State>, made: DateTime) -> Way {
        let usual = self.way(service, from, to, made).transit_days;
        self.way_of(service, usual.max(service.transit_days), made)
    }

    fn way_of(&self, service: &Service, transit_days: u32, made: DateTime) -> Way {
        let ships_on = self.ships_on(service, made);
        Way { ships_on, transit_days, transit: transit_of(transit_days, service.holidays, ships_on) }
    }

    /// The day on which a parcel leaves whose label is made at this local time.
    pub fn ships_on(&self, service: &Service, made: DateTime) -> Date {
        let late = self.services.get(service.id).is_some_and(|rates| made.time() > rates.cut_off);
        first_working_day(service.holidays, add_days(made.date(), i64::from(late)))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::services::{CARRIERS, carrier, service_of};

    const CONTIGUOUS: [State; 4] = [State::Tx, State::Ny, State::Ca, State::Mt];

    fn price(service: &str, from: State, to: State, weight_oz: u32) -> Option<i64> {
        RateTable::example().quote(service, from, to, weight_oz).map(|quote| quote.price.0)
    }

    #[test]
    fn the_table_in_the_binary_prices_every_service_between_contiguous_states() {
        let table = RateTable::parse(FILE_NAME, EXAMPLE).unwrap();
        for carrier in CARRIERS {
            for (from, to) in CONTIGUOUS.iter().flat_map(|from| CONTIGUOUS.map(|to| (*from, to))) {
                let quotes = table.quotes(carrier, from, to, table.weight_oz + table.cold_pack_oz);
                let ids: Vec<_> = quotes.iter().map(|quote| quote.service.id).collect();
                let all: Vec<_> = carrier.services.iter().map(|service| service.id).collect();
                assert_eq!(ids, all, "{} {from} {to}", carrier.id);
                for quote in quotes {
                    assert!(quote.price > Cents(300) && quote.transit_days <= quote.service.transit_days);
                }
            }
        }
    }

    #[test]
    fn alaska_and_hawaii_are_reached_by_express_and_the_post() {
        for (carrier_id, expected) in [
            ("ameriship", &[][..]),
            ("se-3818360", &["fedex_2day", "fedex_priority_overnight"]),
            ("se-11225", &["usps_ground_advantage", "usps_priority_mail", "usps_priority_mail_express"]),
            ("se-11226", &["ups_2nd_day_air", "ups_next_day_air"]),
        ] {
            for to in [State::Ak, State::Hi] {
                let quotes = RateTable::example().quotes(carrier(carrier_id).unwrap(), State::Tx, to, 12);
                assert_eq!(quotes.iter().map(|quote| quote.service.id).collect::<Vec<_>>(), expected, "{to}");
            }
        }
    }

    #[test]
    fn a_service_goes_to_a_zone_or_not_whatever_a_parcel_weighs() {
        let serves = |carrier, service, to| {
            RateTable::example().serves(service_of(carrier, service).unwrap(), State::Tx, to)
        };
        assert!(serves("se-11226", "ups_ground", State::Ny) && !serves("se-11226", "ups_ground", State::Hi));
        assert!(
            serves("se-3818360", "fedex_2day", State::Ak) && !serves("se-3818360", "fedex_2day", State::Pr)
        );
    }

    /// The gates go by this: no table makes ground or the post quick enough for what must stay cold, far or near.
    #[test]
    fn a_promise_is_never_shorter_than_the_services_standard_whatever_the_table_says() {
        let hopeful = EXAMPLE
            .replace(
                "transit_days = [2, 2, 3, 3, 4, 4, 5, 10, 12]",
                "transit_days = [1, 1, 1, 1, 1, 1, 1, 1, 1]",
            )
            .replace(
                "transit_days = [1, 2, 2, 2, 3, 3, 3, 5, 7]",
                "transit_days = [1, 1, 1, 1, 1, 1, 1, 1, 1]",
            );
        let table = RateTable::parse(FILE_NAME, &hopeful).unwrap();
        let made = date(2026, 11, 5).at(9, 0, 0, 0);
        for (service, promised) in [("usps_ground_advantage", 5), ("usps_priority_mail", 3)] {
            let service = service_of("se-11225", service).unwrap();
            for to in [State::Ak, State::Hi, State::Tx] {
                assert_eq!(
                    table.way(service, State::Tx, Some(to), made).transit_days,
                    1,
                    "the table is read"
                );
                let way = table.promised_way(service, State::Tx, Some(to), made);
                assert_eq!(way.transit_days, promised, "{} {to}", service.id);
            }
        }
    }

    #[test]
    fn a_class_reaches_to_its_last_ounce_and_none_beyond_the_last() {
        let at = |weight| price("ups_ground", State::Tx, State::Ny, weight);
        assert!(at(1) == at(16) && at(16) < at(17) && at(17) == at(48));
        assert!(at(1120).is_some());
        assert_eq!(at(1121), None);
        assert_eq!(price("pigeon", State::Tx, State::Ny, 1), None);
    }

    #[test]
    fn a_way_begins_after_the_cut_off_and_is_as_long_as_the_zone_is_far() {
        let table = RateTable::example();
        let way = |service, to, day: Date, hour| {
            table.way(service_of("se-3818360", service).unwrap(), State::Tx, to, day.at(hour, 0, 0, 0))
        };
        let thursday = date(2026, 11, 5);
        let told = |way: Way| {
            (way.ships_on.to_string(), way.transit.arrives_on.to_string(), way.transit.spans_weekend)
        };
        let overnight = |hour| told(way("fedex_priority_overnight", Some(State::Tx), thursday, hour));
        assert_eq!(overnight(17), ("2026-11-05".to_owned(), "2026-11-06".to_owned(), false));
        assert_eq!(overnight(18), ("2026-11-06".to_owned(), "2026-11-09".to_owned(), true));
        for (to, days) in [(Some(State::Ny), 2), (Some(State::Hi), 3), (Some(State::Ak), 3), (None, 2)] {
            assert_eq!(way("fedex_2day", to, thursday, 9).transit_days, days, "{to:?}");
        }
        let ground = service_of("se-3818360", "fedex_ground").unwrap();
        let made = thursday.at(9, 0, 0, 0);
        let near = table.way(ground, State::Tx, Some(State::Tx), made).transit_days;
        let promised = table.promised_way(ground, State::Tx, Some(State::Tx), made).transit_days;
        assert!(near < promised && promised == ground.transit_days, "{near}, {promised}");
    }

    #[test]
    fn a_parcel_after_the_cut_off_leaves_on_the_next_working_day() {
        let ground = service_of("se-11226", "ups_ground").unwrap();
        let leaves =
            |day: Date, hour| RateTable::example().ships_on(ground, day.at(hour, 0, 0, 0)).to_string();
        assert_eq!(leaves(date(2026, 11, 19), 17), "2026-11-19");
        assert_eq!(leaves(date(2026, 11, 19), 18), "2026-11-20");
        assert_eq!(leaves(date(2026, 11, 20), 18), "2026-11-23", "over the weekend");
        assert_eq!(leaves(date(2026, 11, 26), 9), "2026-11-27", "Thanksgiving");
    }

    #[test]
    fn far_away_takes_longer() {
        let quote = RateTable::example().quote("ups_next_day_air", State::Tx, State::Hi, 12).unwrap();
        assert_eq!(quote.transit(date(2026, 11, 17)).arrives_on, date(2026, 11, 19));
    }

    /// The example with one text replaced; the error's line and reason.
    fn broken(from: &str, to: &str) -> (usize, String) {
        let at = EXAMPLE.find(from).unwrap_or_else(|| panic!("{from} is not in the table"));
        let text = EXAMPLE.replacen(from, to, 1);
        let error = RateTable::parse("rates.toml", &text).expect_err(from);
        let shown = error.to_string();
        assert_eq!(shown, format!("rates.toml:{}: {}", error.line, error.reason));
        let expected = 1 + EXAMPLE[..at].matches('\n').count();
        assert!(error.line.abs_diff(expected) <= 1, "{shown}, but it was broken on line {expected}");
        (error.line, error.reason)
    }

    #[test]
    fn a_table_that_cannot_be_is_refused_with_line_and_reason() {
        for (from, to, reason) in [
            ("\"ups_ground\"", "\"ups_teleport\"", "the carrier has no such service"),
            ("carrier = \"ameriship\"", "carrier = \"amazon\"", "there is no such carrier"),
            ("over_oz = 16,", "over_oz = 20,", "a gap: the class before ends at 16 ounces"),
            ("over_oz = 16,", "over_oz = 10,", "an overlap: the class before ends at 16 ounces"),
            ("over_oz = 0,", "over_oz = 1,", "the first class must begin at 0 ounces"),
            ("up_to_oz = 16,", "up_to_oz = 0,", "a class must end after it begins"),
            ("cents = [925,", "cents = [-925,", "a price must be 0 to 1000000 cents"),
            ("cents = [925,", "cents = [705,", "the price falls as the weight grows"),
            ("cents = [925,", "cents = [925, 930,", "must have a value for each of the 7 zones"),
            ("cents = [925,", "cents = [9.25,", "invalid type"),
            ("transit_days = [2,", "transit_days = [0,", "transit must be 1 to 60 business days"),
            ("not_served   = [9, 10]", "not_served   = [9]", "zone 10 is neither priced nor left out"),
            ("not_served   = [9, 10]", "not_served   = [8, 9, 10]", "zone 8 is both priced and left out"),
            ("zones        = [2, 3,", "zones        = [2, 2,", "a zone is named twice"),
            ("\"CT\", ", "\"CT\", \"QQ\", ", "there is no such state"),
            ("\"CT\", ", "\"CT\", \"CT\", ", "the state lies in two areas"),
            ("alaska = 9, hawaii = 9, caribbean = 10,", "alaska = 9, hawaii = 9,", "no zone to caribbean"),
            (
                "alaska = 9, hawaii = 9, caribbean",
                "atlantis = 9, alaska = 9, hawaii = 9, caribbean",
                "no such area",
            ),
            ("northeast = 2,", "northeast = 0,", "a zone must be 1 to 99"),
            ("cut_off = \"16:00\"", "cut_off = \"25:00\"", "must be a time of day"),
            ("weight_oz = 12", "weight_oz = 0", "must weigh 1 to 2400 ounces"),
            ("version =", "verzion =", "unknown field `verzion`"),
        ] {
            let (_, found) = broken(from, to);
            assert!(found.contains(reason), "{from} -> {to}: {found}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = EXAMPLE.replacen("\"CT\", ", "", 1);
        let error = RateTable::parse("r", &text).unwrap_err();
        assert!(error.reason.contains("Connecticut lies in no area"), "{error}");

        let at = EXAMPLE.rfind("[[services]]").unwrap();
        let error = RateTable::parse("r", &EXAMPLE[..at]).unwrap_err();
        assert!(error.reason.contains("ups_next_day_air has no rates"), "{error}");

        let twice = format!("{EXAMPLE}\n{}", &EXAMPLE[at..]);
        let error = RateTable::parse("r", &twice).unwrap_err();
        assert!(error.reason.contains("has rates already"), "{error}");
        assert!(error.line > EXAMPLE.lines().count(), "{error}");

        let missing = RateTable::read(Path::new("/nonexistent")).unwrap_err();
        assert_eq!((missing.file.as_str(), missing.line), ("/nonexistent/rates.toml", 1));
    }
}
