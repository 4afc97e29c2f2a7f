//! The page that shows a patient where a parcel is. It names nobody, no street and no drug, so that a forwarded link
//! tells nothing about a person.

use axum::response::Response;
use http::StatusCode;
use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};
use nimbus_app::shipments::Tracking;
use nimbus_core::{
    shipment::{Scan, ShipmentStatus, shown_status},
    time::{Date, Ts},
    us::State,
};

use crate::{brand::Brand, pages};

/// The way of a parcel that nothing happens to.
const STEPS: [&str; 4] = ["Label made", "On its way", "Out for delivery", "Delivered"];

/// What a status means to whoever waits for the parcel: a heading, a sentence, and the step that it stands at.
struct Told {
    heading: &'static str,
    sentence: &'static str,
    step: Option<usize>,
}

const fn told(status: ShipmentStatus) -> Told {
    let (heading, sentence, step) = match status {
        ShipmentStatus::LabelCreated => {
            ("Label made", "The pharmacy has packed the parcel. The carrier does not have it yet.", Some(0))
        }
        ShipmentStatus::InTransit => ("On its way", "The carrier has the parcel.", Some(1)),
        ShipmentStatus::OutForDelivery => {
            ("Out for delivery", "The parcel is on the vehicle that delivers it.", Some(2))
        }
        ShipmentStatus::Attempted => {
            ("Delivery attempted", "The carrier could not hand the parcel over and will try again.", Some(2))
        }
        ShipmentStatus::AvailableForPickup => {
            ("Ready for pickup", "The parcel can be picked up from the carrier.", Some(2))
        }
        ShipmentStatus::Exception => {
            ("Delayed", "Something holds the parcel up. The pharmacy has been told.", Some(1))
        }
        ShipmentStatus::Delivered => ("Delivered", "The parcel has arrived.", Some(3)),
        ShipmentStatus::Returned => {
            ("Returned", "The parcel is going back to the pharmacy. Please contact your clinic.", None)
        }
        ShipmentStatus::Lost => {
            ("Lost", "The carrier cannot find the parcel. Please contact your clinic.", None)
        }
        ShipmentStatus::Cancelled => ("Cancelled", "This parcel will not be sent.", None),
    };
    Told { heading, sentence, step }
}

/// The page of a parcel. Times are those of the pharmacy.
pub(crate) fn render(tracking: &Tracking, brand: &Brand, zone: &TimeZone) -> Response {
    let told = told(tracking.shipment.status);
    let title = format!("{}: your parcel", told.heading);
    pages::page(StatusCode::OK, &title, &body(tracking, &told, brand, zone))
}

fn body(tracking: &Tracking, told: &Told, brand: &Brand, zone: &TimeZone) -> Markup {
    let shipment = &tracking.shipment;
    let expected = shipment.estimated_delivery_date.filter(|_| !shipment.status.is_final());
    html! {
        p.eyebrow { (brand.name) " \u{b7} Your parcel" }
        h1 { (told.heading) }
        p { (told.sentence) }
        @match told.step {
            Some(step) => (steps(step)),
            None => p.notice { "If you are waiting for this parcel, your clinic can tell you what happens next." },
        }
        dl {
            @if let Some(day) = expected {
                dt { "Expected" }
                dd { time datetime=(day) { (long_day(day)) } }
            }
            dt { "Carrier" }
            dd { (shipment.carrier_name) }
            @for order in shipment.orders().iter().take(ORDERS_SHOWN) {
                dt { "Order" }
                dd.reference { (order.prefixed()) }
            }
        }
        h2 { "What happened" }
        ol.scans {
            @for (scan, status) in seen(&tracking.scans).iter().rev() { (scanned(scan, *status, zone)) }
            li {
                strong { "Label made" }
                span { (moment(shipment.created_at, zone)) }
            }
        }
        footer { "This page shows no names, addresses or medications. The link to it runs out by itself." }
    }
}

/// So many orders of a parcel are named.
const ORDERS_SHOWN: usize = 5;

fn steps(reached: usize) -> Markup {
    html! {
        ol.steps aria-label="Progress" {
            @for (index, step) in STEPS.iter().enumerate() {
                li.done[index <= reached] aria-current=[(index == reached).then_some("step")] { (step) }
            }
        }
    }
}

/// Each report with the status that it is shown with.
fn seen(scans: &[Scan]) -> Vec<(&Scan, ShipmentStatus)> {
    let mut last = None;
    scans.iter().map(|scan| (scan, shown_status(scan, &mut last))).collect()
}

fn scanned(scan: &Scan, status: ShipmentStatus, zone: &TimeZone) -> Markup {
    html! {
        li {
            strong { (told(status).heading) }
            span {
                (moment(scan.occurred_at, zone))
                @if let Some(place) = scan.location.as_deref().and_then(city_of) { ", " (place) }
            }
        }
    }
}

fn moment(at: Ts, zone: &TimeZone) -> Markup {
    // Out of the calendar's years only by a forged value; the epoch is then as good as any.
    let instant = Timestamp::from_second(at.seconds()).unwrap_or_default();
    let local = instant.to_zoned(zone.clone());
    html! { time datetime=(instant) { (local.strftime("%b %-d, %Y, %-I:%M %p %Z")) } }
}

fn long_day(day: Date) -> String {
    day.strftime("%A, %B %-d").to_string()
}

/// The city and state of a place, as carriers write them; nothing of what is closer, and nothing where it does not
/// read as a city in a state: staff write places by hand.
fn city_of(place: &str) -> Option<String> {
    let mut parts = place.split(',').rev().map(str::trim);
    let state = parts.find(|part| !is_country(part))?;
    let state = State::parse(state.split_whitespace().next()?).ok()?;
    let city = parts.next()?;
    let is_plain = |letter: char| letter.is_alphabetic() || " .'-".contains(letter);
    let reads_as_city = (2..=40).contains(&city.chars().count()) && city.chars().all(is_plain);
    reads_as_city.then(|| format!("{city}, {}", state.code()))
}

fn is_country(part: &str) -> bool {
    ["us", "usa", "united states"].contains(&part.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_cities_or_nothing() {
        for (place, shown) in [
            ("Memphis, TN", Some("Memphis, TN")),
            ("MEMPHIS, TN, US", Some("MEMPHIS, TN")),
            ("Winston-Salem, NC 27101", Some("Winston-Salem, NC")),
            ("456 Oak Ave, Austin, TX 78702", Some("Austin, TX")),
            ("456 Oak Ave Austin, TX", None),
            ("Front door", None),
            ("Left with Jane Doe at the desk", None),
            ("Jane Doe, apartment 3", None),
            ("", None),
        ] {
            assert_eq!(city_of(place).as_deref(), shown, "{place}");
        }
    }

    #[test]
    fn every_status_is_told_and_only_a_good_end_is_the_last_step() {
        for &status in ShipmentStatus::ALL {
            let told = told(status);
            assert!(!told.heading.is_empty() && told.sentence.ends_with('.'), "{status}");
            let last = STEPS.len() - 1;
            assert_eq!(told.step == Some(last), status == ShipmentStatus::Delivered, "{status}");
        }
    }
}
