//! The two forms of a notification, read leniently: what a service sends beside what is asked for, and values that
//! cannot be read, are passed over, since a notification that is refused only comes again. Names of who signed for a
//! parcel are not kept.

use nimbus_app::tracking::{Notification, Seen};
use nimbus_carriers::tracking_words::{carrier_called, of_easypost, of_shipengine};
use nimbus_core::{
    shipment::ShipmentStatus,
    time::{Date, Ts, parse_date},
};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    checks::text,
    fields::{Checked, Fields},
};

/// The longest message and place that are kept.
const MAX_MESSAGE: usize = 300;
const MAX_PLACE: usize = 100;
const MAX_WORD: usize = 60;

/// ShipEngine's form has `resource_type` and `data`, EasyPost's `description` and `result`. What is in neither form
/// is taken and passed over.
#[derive(ToSchema)]
pub struct CarrierNotification {
    /// ShipEngine: `API_TRACK`.
    #[schema(example = "API_TRACK")]
    pub resource_type: Option<String>,
    pub data: Option<ShipEngineTracking>,
    /// EasyPost: `tracker.updated` or `tracker.created`.
    #[schema(example = "tracker.updated")]
    pub description: Option<String>,
    pub result: Option<EasyPostTracker>,
}

#[derive(ToSchema)]
pub struct ShipEngineTracking {
    #[schema(max_length = 100, example = "1Z999AA10123456784")]
    pub tracking_number: String,
    #[schema(example = "ups")]
    pub carrier_code: Option<String>,
    /// Where the parcel is now: that of its newest event, where the event does not say.
    #[schema(example = "IT")]
    pub status_code: Option<String>,
    pub status_detail_code: Option<String>,
    #[schema(example = "2026-01-20T00:00:00Z")]
    pub estimated_delivery_date: Option<String>,
    pub actual_delivery_date: Option<String>,
    pub events: Option<Vec<ShipEngineEvent>>,
}

#[derive(ToSchema)]
pub struct ShipEngineEvent {
    #[schema(example = "2026-01-15T10:30:00Z")]
    pub occurred_at: Option<String>,
    /// In the carrier's local time, read as UTC where `occurred_at` is missing.
    pub carrier_occurred_at: Option<String>,
    #[schema(example = "Arrived at facility")]
    pub description: Option<String>,
    #[schema(example = "Memphis")]
    pub city_locality: Option<String>,
    #[schema(example = "TN")]
    pub state_province: Option<String>,
    #[schema(example = "IT")]
    pub status_code: Option<String>,
    pub status_detail_code: Option<String>,
}

#[derive(ToSchema)]
pub struct EasyPostTracker {
    #[schema(max_length = 100, example = "1Z999AA10123456784")]
    pub tracking_code: String,
    #[schema(example = "UPS")]
    pub carrier: Option<String>,
    /// Where the parcel is now: that of its newest detail, where the detail does not say.
    #[schema(example = "in_transit")]
    pub status: Option<String>,
    pub status_detail: Option<String>,
    pub updated_at: Option<String>,
    #[schema(example = "2026-01-20T00:00:00Z")]
    pub est_delivery_date: Option<String>,
    pub tracking_details: Option<Vec<EasyPostDetail>>,
}

#[derive(ToSchema)]
pub struct EasyPostDetail {
    #[schema(example = "2026-01-15T10:30:00Z")]
    pub datetime: Option<String>,
    #[schema(example = "in_transit")]
    pub status: Option<String>,
    pub status_detail: Option<String>,
    #[schema(example = "Arrived at facility")]
    pub message: Option<String>,
    pub tracking_location: Option<EasyPostPlace>,
}

#[derive(ToSchema)]
pub struct EasyPostPlace {
    #[schema(example = "Memphis")]
    pub city: Option<String>,
    #[schema(example = "TN")]
    pub state: Option<String>,
}

/// A text that cannot be read is as if it were not there.
fn lenient(max: usize) -> impl Fn(&Value) -> Checked<Option<String>> {
    move |value| {
        let text = value.as_str().unwrap_or_default();
        let plain: String = text.chars().filter(|c| !c.is_control()).take(max).collect();
        Ok(Some(plain.trim().to_owned()).filter(|text| !text.is_empty()))
    }
}

/// A time, or a time without an offset, which is read as UTC.
fn time(value: &Value) -> Checked<Option<Ts>> {
    let text = value.as_str().unwrap_or_default().trim();
    Ok(Ts::parse(text).or_else(|| Ts::parse(&format!("{text}Z"))))
}

/// The day of a date or a time, as it is written.
fn day(value: &Value) -> Checked<Option<Date>> {
    Ok(value.as_str().and_then(|text| text.get(..10)).and_then(parse_date))
}

/// What is told of an event beside its status. Where a parcel met somebody, or may have, a carrier's sentence can
/// name them in any words, so ours stands for it; elsewhere it is the carrier's, unless it speaks of somebody.
fn message_of(status: Option<ShipmentStatus>, said: Option<String>) -> Option<String> {
    use ShipmentStatus as S;
    let ours = match status? {
        S::LabelCreated | S::InTransit | S::OutForDelivery | S::Exception | S::Lost | S::Cancelled => {
            return said.filter(|said| !speaks_of_somebody(said));
        }
        S::Delivered => "Delivered",
        S::Attempted => "Delivery was attempted",
        S::AvailableForPickup => "Ready to be picked up",
        S::Returned => "Returned to the sender",
    };
    Some(ours.to_owned())
}

fn speaks_of_somebody(said: &str) -> bool {
    let folded = said.to_lowercase();
    let words = [
        "sign",
        "received by",
        "left with",
        "released to",
        "accepted by",
        "refused by",
        "given to",
        "handed to",
        "delivered to",
        "neighbo",
    ];
    words.iter().any(|words| folded.contains(words))
}

fn place(city: Option<String>, state: Option<String>) -> Option<String> {
    match (city, state) {
        (Some(city), Some(state)) => Some(format!("{city}, {state}")),
        (city, state) => city.or(state),
    }
}

/// What a notification says before it is known to whom: the newest event says what the whole says, where it does not
/// say itself. Nobody who took a parcel is named in it.
fn with_newest(mut seen: Vec<Seen>, whole: Seen, whole_at: Option<Ts>) -> Vec<Seen> {
    match seen.iter_mut().max_by_key(|seen| seen.at) {
        Some(newest) if newest.word.is_none() => {
            newest.status = whole.status;
            newest.word = whole.word;
        }
        Some(_) => {}
        None => seen.extend(whole_at.filter(|_| whole.word.is_some()).map(|at| Seen { at, ..whole })),
    }
    seen.into_iter().map(|seen| Seen { message: message_of(seen.status, seen.message), ..seen }).collect()
}

/// A number without spaces, in capitals, as ours are kept. Its check digit is the carrier's matter here.
fn normalised(number: &str) -> String {
    number.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect()
}

/// The moment before time: of what has none of its own yet.
const NO_TIME: Ts = Ts::from_micros(0);

fn read_shipengine_event(f: &mut Fields<'_>) -> Option<Seen> {
    let utc = f.optional("occurred_at", time).flatten();
    let local = f.optional("carrier_occurred_at", time).flatten();
    let message = f.optional("description", lenient(MAX_MESSAGE)).flatten();
    let city = f.optional("city_locality", lenient(MAX_PLACE)).flatten();
    let state = f.optional("state_province", lenient(MAX_PLACE)).flatten();
    let word = f.optional("status_code", lenient(MAX_WORD)).flatten();
    let detail = f.optional("status_detail_code", lenient(MAX_WORD)).flatten();
    let status = word.as_deref().and_then(|word| of_shipengine(word, detail.as_deref()));
    Some(Seen { at: utc.or(local)?, status, word, place: place(city, state), message })
}

fn read_shipengine(f: &mut Fields<'_>) -> Option<Notification> {
    let number = f.required("tracking_number", text(1..=100));
    let carrier = f.optional("carrier_code", lenient(MAX_WORD)).flatten();
    let word = f.optional("status_code", lenient(MAX_WORD)).flatten();
    let detail = f.optional("status_detail_code", lenient(MAX_WORD)).flatten();
    let estimate = f.optional("estimated_delivery_date", day).flatten();
    let delivered_at = f.optional("actual_delivery_date", time).flatten();
    let events = f.objects_among("events", read_shipengine_event);
    let status = word.as_deref().and_then(|word| of_shipengine(word, detail.as_deref()));
    let whole = Seen { at: NO_TIME, status, word, place: None, message: None };
    Some(Notification {
        carrier_id: carrier.and_then(|name| carrier_called(&name)).map(|carrier| carrier.id),
        tracking_number: number.map(|number| normalised(&number)),
        seen: with_newest(events, whole, delivered_at),
        estimate,
    })
}

fn read_easypost_place(f: &mut Fields<'_>) -> Option<Option<String>> {
    let city = f.optional("city", lenient(MAX_PLACE)).flatten();
    let state = f.optional("state", lenient(MAX_PLACE)).flatten();
    Some(place(city, state))
}

fn read_easypost_detail(f: &mut Fields<'_>) -> Option<Seen> {
    let at = f.optional("datetime", time).flatten();
    let word = f.optional("status", lenient(MAX_WORD)).flatten();
    let detail = f.optional("status_detail", lenient(MAX_WORD)).flatten();
    let message = f.optional("message", lenient(MAX_MESSAGE)).flatten();
    let place = f.object_if_any("tracking_location", read_easypost_place).flatten();
    let status = word.as_deref().and_then(|word| of_easypost(word, detail.as_deref()));
    Some(Seen { at: at?, status, word, place, message })
}

fn read_easypost(f: &mut Fields<'_>) -> Option<Notification> {
    let number = f.required("tracking_code", text(1..=100));
    let carrier = f.optional("carrier", lenient(MAX_WORD)).flatten();
    let word = f.optional("status", lenient(MAX_WORD)).flatten();
    let detail = f.optional("status_detail", lenient(MAX_WORD)).flatten();
    let updated_at = f.optional("updated_at", time).flatten();
    let estimate = f.optional("est_delivery_date", day).flatten();
    let details = f.objects_among("tracking_details", read_easypost_detail);
    let status = word.as_deref().and_then(|word| of_easypost(word, detail.as_deref()));
    let whole = Seen { at: NO_TIME, status, word, place: None, message: None };
    Some(Notification {
        carrier_id: carrier.and_then(|name| carrier_called(&name)).map(|carrier| carrier.id),
        tracking_number: number.map(|number| normalised(&number)),
        seen: with_newest(details, whole, updated_at),
        estimate,
    })
}

/// Reads either form. What is of neither, or not about a parcel, is of no parcel.
pub(super) fn read_notification(f: &mut Fields<'_>) -> Option<Notification> {
    let resource = f.optional("resource_type", lenient(MAX_WORD)).flatten();
    let description = f.optional("description", lenient(MAX_WORD)).flatten();
    let tracks = resource.as_deref().is_none_or(|kind| matches!(kind, "API_TRACK" | "TRACK_EVENT_V2"));
    let is_tracker = description.as_deref().is_none_or(|kind| kind.starts_with("tracker."));
    let shipengine = if tracks { f.object_if_any("data", read_shipengine) } else { None };
    let easypost = if is_tracker { f.object_if_any("result", read_easypost) } else { None };
    let of_no_parcel =
        Notification { carrier_id: None, tracking_number: None, seen: Vec::new(), estimate: None };
    Some(shipengine.or(easypost).unwrap_or(of_no_parcel))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fields::{self, assert_described};

    fn read(body: Value) -> Notification {
        fields::read(&body, read_notification).unwrap()
    }

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<CarrierNotification, _>(read_notification);
        assert_described::<ShipEngineTracking, _>(read_shipengine);
        assert_described::<ShipEngineEvent, _>(read_shipengine_event);
        assert_described::<EasyPostTracker, _>(read_easypost);
        assert_described::<EasyPostDetail, _>(read_easypost_detail);
        assert_described::<EasyPostPlace, _>(read_easypost_place);
    }

    #[test]
    fn shipengines_form() {
        let told = read(json!({
            "resource_url": "https://api.shipengine.com/v1/tracking?carrier_code=ups&tracking_number=1z",
            "resource_type": "API_TRACK",
            "data": {
                "tracking_number": " 1z 999aa10123456784", "carrier_code": "ups", "status_code": "DE",
                "estimated_delivery_date": "2026-01-20T00:00:00", "actual_delivery_date": null,
                "events": [
                    {"occurred_at": "2026-01-19T16:00:00Z", "description": "Delivered, signed for by J DOE",
                     "city_locality": "AUSTIN", "state_province": "TX", "signer": "J DOE", "status_code": null},
                    {"carrier_occurred_at": "2026-01-18T09:00:00", "description": "Departed", "city_locality": "",
                     "status_code": "IT", "event_code": "DP", "latitude": 37.8},
                    {"description": "no time at all", "status_code": "IT"},
                ],
            },
        }));
        assert_eq!(
            (told.carrier_id, told.tracking_number.as_deref()),
            (Some("se-11226"), Some("1Z999AA10123456784"))
        );
        assert_eq!(told.estimate, parse_date("2026-01-20"));
        let [arrived, departed] = told.seen.as_slice() else { panic!("{:?}", told.seen) };
        assert_eq!((arrived.status, arrived.word.as_deref()), (Some(ShipmentStatus::Delivered), Some("DE")));
        assert_eq!(
            (arrived.place.as_deref(), arrived.message.as_deref()),
            (Some("AUSTIN, TX"), Some("Delivered"))
        );
        assert_eq!(
            (departed.status, departed.message.as_deref()),
            (Some(ShipmentStatus::InTransit), Some("Departed"))
        );
        assert_eq!(departed.at, Ts::parse("2026-01-18T09:00:00Z").unwrap());
    }

    #[test]
    fn easyposts_form() {
        let told = read(json!({
            "object": "Event", "description": "tracker.updated", "mode": "production",
            "result": {
                "object": "Tracker", "tracking_code": "9400111899223197428497", "carrier": "USPS",
                "status": "in_transit", "est_delivery_date": "2026-01-21T00:00:00Z", "weight": 3.5,
                "tracking_details": [
                    {"datetime": "2026-01-17T09:00:00Z", "status": "in_transit", "status_detail": "arrived_at_facility",
                     "message": "Arrived", "tracking_location": {"city": "MEMPHIS", "state": "TN", "zip": "38101"}},
                    {"datetime": "2026-01-18T09:00:00Z", "status": "mystery", "message": null,
                     "tracking_location": null},
                ],
            },
        }));
        assert_eq!(told.carrier_id, Some("se-11225"));
        assert_eq!(told.seen[0].place.as_deref(), Some("MEMPHIS, TN"));
        assert_eq!((told.seen[1].status, told.seen[1].word.as_deref()), (None, Some("mystery")));
    }

    #[test]
    fn nobody_who_took_a_parcel_is_named() {
        let told = |status: &str, said: &str| {
            let detail = json!({"datetime": "2026-01-17T09:00:00Z", "status": status, "message": said});
            let body = json!({"result": {"tracking_code": "1", "tracking_details": [detail]}});
            read(body).seen.remove(0).message
        };
        for said in ["DELIVERED TO J SMITH", "Handed to neighbour", "J SMITH, FRONT DESK", ""] {
            assert_eq!(told("delivered", said).as_deref(), Some("Delivered"));
            assert_eq!(told("available_for_pickup", said).as_deref(), Some("Ready to be picked up"));
            assert_eq!(told("return_to_sender", said).as_deref(), Some("Returned to the sender"));
            assert_eq!(told("unheard_of", said), None);
        }
        for said in ["Handed to J SMITH", "Delivered to neighbor", "Signed: J SMITH"] {
            assert_eq!(told("in_transit", said), None, "{said}");
        }
        assert_eq!(told("in_transit", "Arrived at facility").as_deref(), Some("Arrived at facility"));
    }

    #[test]
    fn an_event_that_takes_its_status_from_the_whole_names_nobody() {
        let event = json!({"occurred_at": "2026-01-19T16:00:00Z", "description": "DELIVERED TO J SMITH"});
        let seen =
            read(json!({"data": {"tracking_number": "1", "status_code": "DE", "events": [event]}})).seen;
        assert_eq!(seen[0].message.as_deref(), Some("Delivered"));
    }

    #[test]
    fn an_odd_event_costs_itself_alone() {
        let whole = |events: Value| {
            read(json!({"data": {"tracking_number": "1", "status_code": "IT", "events": events}})).seen
        };
        let event = json!({"occurred_at": "2026-01-19T16:00:00Z", "status_code": "IT"});
        assert_eq!(whole(json!([null, event, "x", [], {"occurred_at": 7}])).len(), 1);
        assert_eq!(whole(json!("x")), []);
        assert_eq!(whole(Value::Array(vec![event; 3_000])).len(), 3_000);
        let detail =
            json!({"datetime": "2026-01-17T09:00:00Z", "status": "in_transit", "tracking_location": "x"});
        let tracker = |details: Value| {
            read(json!({"result": {"tracking_code": "1", "tracking_details": details}})).seen
        };
        assert_eq!(tracker(json!([detail, 1])).len(), 1);
        assert_eq!(tracker(json!("x")), []);
        assert_eq!(read(json!({"data": "x", "result": [1]})).tracking_number, None);
    }

    #[test]
    fn a_whole_without_events_is_an_event_where_it_has_a_time() {
        let told = |whole: Value| read(json!({"resource_type": "API_TRACK", "data": whole})).seen;
        let bare = json!({"tracking_number": "1", "status_code": "DE"});
        assert!(told(bare.clone()).is_empty());
        let mut timed = bare;
        timed["actual_delivery_date"] = json!("2026-01-19T16:00:00Z");
        assert_eq!(told(timed)[0].status, Some(ShipmentStatus::Delivered));
    }

    #[test]
    fn what_is_not_of_a_parcel_is_passed_over() {
        for body in [
            json!({}),
            json!({"resource_type": "BATCH", "data": [1]}),
            json!({"resource_type": "BATCH", "data": {"tracking_number": "1"}}),
            json!({"description": "batch.created", "result": {"tracking_code": "1"}}),
        ] {
            assert_eq!(read(body).tracking_number, None);
        }
        assert!(fields::read(&json!({"data": {"events": []}}), read_notification).is_err());
    }
}
