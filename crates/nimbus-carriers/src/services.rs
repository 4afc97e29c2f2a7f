//! The carriers that parcels go by, their services, and where a parcel can be followed.
//!
//! Ids and names are the partner contract's; transit days are the carriers' published service standards.

use nimbus_core::{
    identifiers::tracking::{TrackingFormat, TrackingNumber},
    order::DeliverySpeed,
};

use crate::calendar::Holidays;

/// A way of sending a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    pub id: &'static str,
    pub name: &'static str,
    /// Business days from hand-over to delivery within the contiguous states, at most.
    pub transit_days: u32,
    /// The days besides weekends on which nothing is delivered.
    pub holidays: Holidays,
}

/// A carrier, by the id that partners send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carrier {
    pub id: &'static str,
    pub name: &'static str,
    pub services: &'static [Service],
    tracking_url: &'static str,
}

impl Carrier {
    /// The carrier's public page of a parcel.
    pub fn tracking_url(&self, tracking_number: &str) -> String {
        format!("{}{tracking_number}", self.tracking_url)
    }
}

const fn service(id: &'static str, name: &'static str, transit_days: u32) -> Service {
    Service { id, name, transit_days, holidays: Holidays::Major }
}

/// A service of who observes all federal holidays.
const fn federal(id: &'static str, name: &'static str, transit_days: u32) -> Service {
    Service { holidays: Holidays::Federal, ..service(id, name, transit_days) }
}

pub const CARRIERS: &[Carrier] = &[
    Carrier {
        id: "ameriship",
        name: "Ameriship",
        services: &[
            federal("ameriship_ground", "Ameriship Ground", 5),
            federal("ameriship_overnight", "Ameriship Overnight", 1),
        ],
        tracking_url: "https://www.ameriship.com/track?number=",
    },
    Carrier {
        id: "se-3818360",
        name: "FedEx",
        services: &[
            service("fedex_ground", "FedEx Ground", 5),
            service("fedex_2day", "FedEx 2Day", 2),
            service("fedex_priority_overnight", "FedEx Priority Overnight", 1),
        ],
        tracking_url: "https://www.fedex.com/fedextrack/?trknbr=",
    },
    Carrier {
        id: "se-11225",
        name: "Stamps.com",
        services: &[
            federal("usps_ground_advantage", "USPS Ground Advantage", 5),
            federal("usps_priority_mail", "USPS Priority Mail", 3),
            federal("usps_priority_mail_express", "USPS Priority Mail Express", 2),
        ],
        tracking_url: "https://tools.usps.com/go/TrackConfirmAction?tLabels=",
    },
    Carrier {
        id: "se-11226",
        name: "UPS",
        services: &[
            service("ups_ground", "UPS Ground", 5),
            service("ups_2nd_day_air", "UPS 2nd Day Air", 2),
            service("ups_next_day_air", "UPS Next Day Air", 1),
        ],
        tracking_url: "https://www.ups.com/track?tracknum=",
    },
];

/// The carrier of an id.
pub fn carrier(id: &str) -> Option<&'static Carrier> {
    CARRIERS.iter().find(|carrier| carrier.id == id)
}

/// The service of an id, if the carrier offers it.
pub fn service_of(carrier_id: &str, service_id: &str) -> Option<&'static Service> {
    carrier(carrier_id)?.services.iter().find(|service| service.id == service_id)
}

/// Whether a number may be this carrier's: it has the form of one of its families, or a form that nobody has, which may
/// be anybody's.
pub fn bears(carrier_id: &str, number: &TrackingNumber) -> bool {
    number.formats().into_iter().any(|format| match format {
        TrackingFormat::Ups1Z => carrier_id == "se-11226",
        TrackingFormat::FedEx12
        | TrackingFormat::FedEx15
        | TrackingFormat::FedEx20
        | TrackingFormat::FedEx22 => carrier_id == "se-3818360",
        TrackingFormat::UspsImpb | TrackingFormat::S10 => carrier_id == "se-11225",
        TrackingFormat::Unknown => true,
    })
}

/// How a parcel travels, in the contract's two words: one transit day is `next-day`.
pub fn delivery_method(service: &Service) -> DeliverySpeed {
    if service.transit_days <= 1 { DeliverySpeed::NextDay } else { DeliverySpeed::BusinessDay }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_ids_are_unique_and_found_only_with_their_carrier() {
        let mut ids: Vec<_> = CARRIERS.iter().flat_map(|carrier| carrier.services).map(|s| s.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), count), (11, 11));
        assert!(service_of("se-3818360", "fedex_2day").is_some());
        assert!(service_of("se-11226", "fedex_2day").is_none());
    }

    #[test]
    fn a_number_is_one_carriers_or_anybodys() {
        let ups = TrackingNumber::parse("1Z999AA10123456784").unwrap();
        assert!(!bears("se-3818360", &ups) && bears("se-11226", &ups));
        assert!(bears("ameriship", &TrackingNumber::parse("AMERISHIP1").unwrap()));
    }

    #[test]
    fn overnight_is_next_day() {
        let express = service_of("se-11226", "ups_next_day_air").map(delivery_method);
        assert_eq!(express, Some(DeliverySpeed::NextDay));
    }
}
