//! The rate table as a file: read with the place of every value, so that a fault can be shown.

use std::{collections::BTreeMap, ops::RangeInclusive};

use jiff::civil::Time;
use nimbus_core::{money::Cents, us::State};
use serde::Deserialize;
use toml::Spanned;

use super::{RateTable, ServiceRates, WeightClass};
use crate::services::{CARRIERS, carrier, service_of};

/// A hundred dollars a hundred times: no parcel costs more.
const MOST_CENTS: i64 = 1_000_000;
/// 150 pounds, the most that carriers take.
const MOST_OUNCES: u32 = 2400;
const ZONES: RangeInclusive<i64> = 1..=99;
const TRANSIT_DAYS: RangeInclusive<u32> = 1..=60;

/// What is wrong, and the byte where it stands.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) reason: String,
}

type Checked<T> = Result<T, Fault>;
/// The zone from each area (outer) to each area (inner), by their names.
type ZoneTable = Spanned<BTreeMap<String, Spanned<BTreeMap<String, Spanned<i64>>>>>;

fn fault<T, U>(at: &Spanned<T>, reason: impl Into<String>) -> Checked<U> {
    Err(Fault { at: at.span().start, reason: reason.into() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    #[serde(default)]
    examples: bool,
    parcel: Parcel,
    areas: Spanned<BTreeMap<String, Vec<Spanned<String>>>>,
    zones: ZoneTable,
    services: Spanned<Vec<ServiceEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parcel {
    weight_oz: Spanned<u32>,
    cold_pack_oz: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceEntry {
    carrier: Spanned<String>,
    service: Spanned<String>,
    cut_off: Spanned<String>,
    zones: Spanned<Vec<i64>>,
    not_served: Spanned<Vec<i64>>,
    transit_days: Spanned<Vec<u32>>,
    weights: Spanned<Vec<WeightEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightEntry {
    over_oz: Spanned<u32>,
    up_to_oz: Spanned<u32>,
    cents: Spanned<Vec<i64>>,
}

/// Reads and checks a table.
pub(super) fn parse(text: &str) -> Checked<RateTable> {
    let file: File = toml::from_str(text).map_err(|error| Fault {
        at: error.span().map_or(0, |span| span.start),
        reason: error.message().to_owned(),
    })?;
    let weight_oz = *file.parcel.weight_oz.get_ref();
    if weight_oz == 0 || weight_oz > MOST_OUNCES {
        return fault(&file.parcel.weight_oz, format!("a parcel must weigh 1 to {MOST_OUNCES} ounces"));
    }
    let names: Vec<&str> = file.areas.get_ref().keys().map(String::as_str).collect();
    let areas = areas(&file.areas)?;
    let zones = zones(&file.zones, &names)?;
    let services = services(&file.services, &zones)?;
    Ok(RateTable {
        version: file.version,
        has_examples: file.examples,
        weight_oz,
        cold_pack_oz: file.parcel.cold_pack_oz,
        areas,
        zones,
        services,
    })
}

/// The area of each state, by its place among the names.
fn areas(entry: &Spanned<BTreeMap<String, Vec<Spanned<String>>>>) -> Checked<BTreeMap<State, usize>> {
    let mut areas = BTreeMap::new();
    for (area, states) in entry.get_ref().values().enumerate() {
        for code in states {
            let Ok(state) = State::parse(code.get_ref()) else {
                return fault(code, "there is no such state");
            };
            if areas.insert(state, area).is_some() {
                return fault(code, "the state lies in two areas");
            }
        }
    }
    match State::ALL.iter().find(|state| !areas.contains_key(state)) {
        Some(missing) => fault(entry, format!("{} lies in no area", missing.name())),
        None => Ok(areas),
    }
}

/// The zone from each area to each area.
fn zones(entry: &ZoneTable, areas: &[&str]) -> Checked<Vec<Vec<u8>>> {
    if let Some((_, row)) = entry.get_ref().iter().find(|(name, _)| !areas.contains(&name.as_str())) {
        return fault(row, "there is no such area");
    }
    areas
        .iter()
        .map(|from| {
            let Some(row) = entry.get_ref().get(*from) else {
                return fault(entry, format!("no zones from {from}"));
            };
            if let Some((_, zone)) = row.get_ref().iter().find(|(name, _)| !areas.contains(&name.as_str())) {
                return fault(zone, "there is no such area");
            }
            areas
                .iter()
                .map(|to| {
                    let Some(zone) = row.get_ref().get(*to) else {
                        return fault(row, format!("no zone to {to}"));
                    };
                    zone_number(*zone.get_ref()).map_or_else(|| fault(zone, "a zone must be 1 to 99"), Ok)
                })
                .collect()
        })
        .collect()
}

fn zone_number(zone: i64) -> Option<u8> {
    u8::try_from(zone).ok().filter(|_| ZONES.contains(&zone))
}

fn services(
    entries: &Spanned<Vec<ServiceEntry>>,
    zones: &[Vec<u8>],
) -> Checked<BTreeMap<&'static str, ServiceRates>> {
    let mut all: Vec<u8> = zones.concat();
    all.sort_unstable();
    all.dedup();
    let mut services = BTreeMap::new();
    for entry in entries.get_ref() {
        let rates = service(entry, &all)?;
        if services.insert(rates.service.id, rates).is_some() {
            return fault(&entry.service, "the service has rates already");
        }
    }
    let known = CARRIERS.iter().flat_map(|carrier| carrier.services);
    match known.map(|service| service.id).find(|id| !services.contains_key(id)) {
        Some(missing) => fault(entries, format!("{missing} has no rates")),
        None => Ok(services),
    }
}

fn service(entry: &ServiceEntry, all: &[u8]) -> Checked<ServiceRates> {
    if carrier(entry.carrier.get_ref()).is_none() {
        return fault(&entry.carrier, "there is no such carrier");
    }
    let Some(service) = service_of(entry.carrier.get_ref(), entry.service.get_ref()) else {
        return fault(&entry.service, "the carrier has no such service");
    };
    let Some(cut_off) = time_of_day(entry.cut_off.get_ref()) else {
        return fault(&entry.cut_off, "must be a time of day such as 17:00");
    };
    let zones = served(entry, all)?;
    let transit_days = entry.transit_days.get_ref().clone();
    each_zone(&entry.transit_days, zones.len())?;
    if transit_days.iter().any(|days| !TRANSIT_DAYS.contains(days)) {
        return fault(&entry.transit_days, "transit must be 1 to 60 business days");
    }
    let weights = weights(&entry.weights, zones.len())?;
    Ok(ServiceRates { service, cut_off, zones, transit_days, weights })
}

fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':').filter(|_| text.len() == 5)?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// The zones that a service goes to. Every zone is priced or said to be left out.
fn served(entry: &ServiceEntry, all: &[u8]) -> Checked<Vec<u8>> {
    let read = |list: &Spanned<Vec<i64>>| -> Checked<Vec<u8>> {
        let mut zones = Vec::new();
        for &zone in list.get_ref() {
            match zone_number(zone).filter(|zone| all.contains(zone)) {
                Some(zone) if zones.contains(&zone) => return fault(list, "a zone is named twice"),
                Some(zone) => zones.push(zone),
                None => return fault(list, format!("there is no zone {zone}")),
            }
        }
        Ok(zones)
    };
    let (zones, left_out) = (read(&entry.zones)?, read(&entry.not_served)?);
    for zone in all {
        match (zones.contains(zone), left_out.contains(zone)) {
            (true, true) => {
                return fault(&entry.not_served, format!("zone {zone} is both priced and left out"));
            }
            (false, false) => {
                return fault(&entry.not_served, format!("zone {zone} is neither priced nor left out"));
            }
            _ => {}
        }
    }
    Ok(zones)
}

fn each_zone<T>(list: &Spanned<Vec<T>>, zones: usize) -> Checked<()> {
    match list.get_ref().len() == zones {
        true => Ok(()),
        false => fault(list, format!("must have a value for each of the {zones} zones")),
    }
}

/// The classes of weight, which follow each other without gap or overlap, none cheaper than a lighter one.
fn weights(entries: &Spanned<Vec<WeightEntry>>, zones: usize) -> Checked<Vec<WeightClass>> {
    let mut classes: Vec<WeightClass> = Vec::new();
    for entry in entries.get_ref() {
        let (over, up_to) = (*entry.over_oz.get_ref(), *entry.up_to_oz.get_ref());
        match classes.last().map(|class| class.up_to_oz) {
            None if over != 0 => return fault(&entry.over_oz, "the first class must begin at 0 ounces"),
            Some(end) if over > end => {
                return fault(&entry.over_oz, format!("a gap: the class before ends at {end} ounces"));
            }
            Some(end) if over < end => {
                return fault(&entry.over_oz, format!("an overlap: the class before ends at {end} ounces"));
            }
            _ => {}
        }
        if up_to <= over || up_to > MOST_OUNCES {
            let reason = format!("a class must end after it begins, and at {MOST_OUNCES} ounces at most");
            return fault(&entry.up_to_oz, reason);
        }
        each_zone(&entry.cents, zones)?;
        let prices: Vec<Cents> = entry.cents.get_ref().iter().copied().map(Cents).collect();
        if prices.iter().any(|price| !(0..=MOST_CENTS).contains(&price.0)) {
            return fault(&entry.cents, format!("a price must be 0 to {MOST_CENTS} cents"));
        }
        let lighter = classes.last().map_or(&[][..], |class| &class.prices);
        if lighter.iter().zip(&prices).any(|(lighter, heavier)| heavier < lighter) {
            return fault(&entry.cents, "the price falls as the weight grows");
        }
        classes.push(WeightClass { up_to_oz: up_to, prices });
    }
    if classes.is_empty() { fault(entries, "there are no weights") } else { Ok(classes) }
}
