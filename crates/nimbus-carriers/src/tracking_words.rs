//! The words of the two public styles of tracking notifications, and what they mean here.
//!
//! ShipEngine sends a status of two letters and, for most events, a detail code; EasyPost sends a status and a detail.
//! A word that is not here moves nothing.

use nimbus_core::shipment::ShipmentStatus;

use crate::{CARRIERS, Carrier};

/// The names by which notifications, and the path that they are sent to, call our carriers.
const NAMES: &[(&str, &str)] = &[
    ("ameriship", "ameriship"),
    ("fedex", "se-3818360"),
    ("stamps_com", "se-11225"),
    ("usps", "se-11225"),
    ("ups", "se-11226"),
];

/// The carrier of an id, or of one of the names that notifications use: `ups`, `FedEx`, `stamps_com`.
pub fn carrier_called(name: &str) -> Option<&'static Carrier> {
    let folded = name.trim().to_ascii_lowercase();
    let id = NAMES.iter().find(|(known, _)| *known == folded).map_or(folded.as_str(), |(_, id)| id);
    CARRIERS.iter().find(|carrier| carrier.id == id)
}

/// What ShipEngine's `status_code` and `status_detail_code` mean.
pub fn of_shipengine(code: &str, detail: Option<&str>) -> Option<ShipmentStatus> {
    use ShipmentStatus::{
        Attempted, AvailableForPickup, Delivered, Exception, InTransit, LabelCreated, Lost, OutForDelivery,
        Returned,
    };
    let broad = match code.trim().to_ascii_uppercase().as_str() {
        "NY" => LabelCreated,
        "AC" | "IT" => InTransit,
        "AT" => Attempted,
        "EX" => Exception,
        "SP" => AvailableForPickup,
        "DE" => Delivered,
        _ => return None,
    };
    // The details that our states tell apart and the two letters do not.
    let told_apart = match detail.unwrap_or_default().trim().to_ascii_uppercase().as_str() {
        "OUT_FOR_DELIVERY" => OutForDelivery,
        "AWAITING_COLLECTION_FROM_PICKUP_POINT"
        | "COLLECT_AT_LOCAL_PO"
        | "CUSTOMER_TO_COLLECT_FROM_CARRIER" => AvailableForPickup,
        "RETURN_TO_SENDER" => Returned,
        "PARCEL_LOST" => Lost,
        _ => return Some(broad),
    };
    // What was delivered is not told apart any more.
    Some(if broad == Delivered { broad } else { told_apart })
}

/// What EasyPost's `status` and `status_detail` mean.
pub fn of_easypost(status: &str, detail: Option<&str>) -> Option<ShipmentStatus> {
    use ShipmentStatus::{
        AvailableForPickup, Delivered, Exception, InTransit, LabelCreated, Lost, OutForDelivery, Returned,
    };
    Some(match (status.trim().to_ascii_lowercase().as_str(), detail.map(str::trim)) {
        ("pre_transit", _) => LabelCreated,
        ("in_transit", _) => InTransit,
        ("out_for_delivery", _) => OutForDelivery,
        ("available_for_pickup", _) => AvailableForPickup,
        ("delivered", _) => Delivered,
        ("return_to_sender", _) => Returned,
        ("failure", Some("lost")) => Lost,
        ("failure", _) => Exception,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ShipmentStatus::{
        Attempted, AvailableForPickup, Delivered, Exception, InTransit, LabelCreated, Lost, OutForDelivery,
        Returned,
    };

    #[test]
    fn the_letters_of_shipengine() {
        for (code, status) in [
            ("NY", Some(LabelCreated)),
            ("AC", Some(InTransit)),
            ("it", Some(InTransit)),
            ("AT", Some(Attempted)),
            ("EX", Some(Exception)),
            ("SP", Some(AvailableForPickup)),
            ("DE", Some(Delivered)),
            ("UN", None),
            ("QQ", None),
            ("", None),
        ] {
            assert_eq!(of_shipengine(code, None), status, "{code}");
            assert_eq!(of_shipengine(code, Some("HUB_SCAN_IN")), status, "{code}");
        }
        assert_eq!(of_shipengine("IT", Some("out_for_delivery")), Some(OutForDelivery));
        assert_eq!(of_shipengine("EX", Some("RETURN_TO_SENDER")), Some(Returned));
        assert_eq!(of_shipengine("EX", Some("PARCEL_LOST")), Some(Lost));
        assert_eq!(of_shipengine("IT", Some("COLLECT_AT_LOCAL_PO")), Some(AvailableForPickup));
        assert_eq!(of_shipengine("DE", Some("COLLECT_AT_LOCAL_PO")), Some(Delivered));
        assert_eq!(of_shipengine("UN", Some("OUT_FOR_DELIVERY")), None);
    }

    #[test]
    fn the_words_of_easypost() {
        for (word, status) in [
            ("pre_transit", Some(LabelCreated)),
            ("in_transit", Some(InTransit)),
            ("out_for_delivery", Some(OutForDelivery)),
            ("available_for_pickup", Some(AvailableForPickup)),
            ("delivered", Some(Delivered)),
            ("return_to_sender", Some(Returned)),
            ("failure", Some(Exception)),
            ("cancelled", None),
            ("error", None),
            ("unknown", None),
        ] {
            assert_eq!(of_easypost(word, Some("status_update")), status, "{word}");
        }
        assert_eq!(of_easypost("failure", Some("lost")), Some(Lost));
    }

    #[test]
    fn every_carrier_is_found_by_its_id_and_the_names_by_theirs() {
        for carrier in CARRIERS {
            assert_eq!(carrier_called(carrier.id), Some(carrier));
        }
        for (name, id) in NAMES {
            assert_eq!(carrier_called(&name.to_uppercase()).map(|carrier| carrier.id), Some(*id));
        }
        assert_eq!(carrier_called("dhl"), None);
    }
}
