//! The thin form of payloads, for endpoints that want to be told ids and status only and read the rest themselves.

use bytes::Bytes;
use nimbus_store::endpoints::Shape;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// The members of an event's data that are ids or a status. Whatever is not named here is left out, so that a member
/// added to the full form is not told by mistake.
const PARTNER: &[&str] = &[
    "agreement_id",
    "clinic_id",
    "id",
    "key_id",
    "medication_order_id",
    "medication_orders",
    "medication_request_id",
    "patient_id",
    "practitioner_id",
    "practitioner_status",
    "prescription_id",
    "previous_status",
    "refill_request_id",
    "shipment_id",
    "shipment_status",
    "status",
    "webhook_id",
];
const ORDERS: &[&str] = &[
    "orderId",
    "orderIds",
    "patientId",
    "prescriptionId",
    "prescriptionIds",
    "refillId",
    "shipmentId",
    "status",
    "webhookId",
];

/// The envelope's own members before the data, the data's name, and what is kept of them.
const fn form(shape: Shape) -> (&'static [&'static str], &'static str, &'static [&'static str]) {
    match shape {
        Shape::Partner => {
            (&["event_id", "event_name", "event_type", "created_at", "sequence"], "event_data", PARTNER)
        }
        Shape::Orders => (&["id", "type", "createdAt", "sequence"], "data", ORDERS),
    }
}

/// The thin form of a full payload. It is a function of the stored bytes, so every retry sends the same.
pub fn thin(shape: Shape, body: &[u8]) -> Bytes {
    // What is stored is an object that was rendered here; of anything else nothing is told.
    let whole: Value = serde_json::from_slice(body).unwrap_or_default();
    let (envelope, data, kept) = form(shape);
    let data_of = whole.get(data).unwrap_or(&Value::Null);
    let mut members: Members<'_> =
        envelope.iter().filter_map(|&name| Some((name, Member::Whole(whole.get(name)?)))).collect();
    let of_data = kept.iter().filter_map(|&name| {
        let value = data_of.get(name).filter(|value| is_plain(value))?;
        Some((name, Member::Whole(value)))
    });
    members.push((data, Member::Part(of_data.collect())));
    if let Some(triggered) = whole.get("triggered") {
        members.push(("triggered", Member::Whole(triggered)));
    }
    // Texts, numbers and lists: serialising them into memory has no way to fail.
    serde_json::to_vec(&Member::Part(members)).unwrap_or_default().into()
}

/// The schema of an event's thin form, out of that of its full one; `None` if the two are the same.
pub(super) fn thin_schema(shape: Shape, full: &Value, example: &Value) -> Option<Value> {
    let (_, data, kept) = form(shape);
    let mut thin = full.clone();
    let of_data = thin.get_mut("properties")?.get_mut(data)?;
    let properties = of_data.get_mut("properties")?.as_object_mut()?;
    let before = properties.len();
    properties.retain(|name, _| kept.contains(&name.as_str()));
    if properties.len() == before {
        return None;
    }
    let required = of_data.get_mut("required")?.as_array_mut()?;
    required.retain(|name| name.as_str().is_some_and(|name| kept.contains(&name)));
    let whole = thin.as_object_mut()?;
    whole.insert("examples".to_owned(), Value::Array(vec![example.clone()]));
    whole.insert(
        "description".to_owned(),
        "The same for a webhook with `payload: thin`: ids and status only.".into(),
    );
    Some(thin)
}

/// An id or a word, several of them, or none. A sandbox can be asked for events with other data than these.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::String(_) => true,
        Value::Array(items) => items.iter().all(Value::is_string),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

type Members<'a> = Vec<(&'static str, Member<'a>)>;

/// A member as it was, or an object of some of its members in their order.
enum Member<'a> {
    Whole(&'a Value),
    Part(Members<'a>),
}

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(value) => value.serialize(serializer),
            Self::Part(members) => {
                serializer.collect_map(members.iter().map(|(name, member)| (name, member)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::payload::{named, render, samples, triggered};

    fn full(shape: Shape) -> Vec<Vec<u8>> {
        let rendered = samples::each()
            .into_iter()
            .filter_map(|sample| render(shape, &sample, samples::id(10), sample.ordering_key.map(|_| 7)));
        rendered.collect()
    }

    /// Every text in a value.
    fn texts(value: &Value) -> Vec<&str> {
        match value {
            Value::String(text) => vec![text],
            Value::Array(items) => items.iter().flat_map(texts).collect(),
            Value::Object(members) => members.values().flat_map(texts).collect(),
            _ => Vec::new(),
        }
    }

    fn is_id(text: &str) -> bool {
        let prefixed = |prefix| text.strip_prefix(prefix).is_some_and(|rest: &str| rest.len() == 22);
        uuid::Uuid::parse_str(text).is_ok()
            || ["evt_", "ord_", "pat_", "rx_", "ref_", "shp_", "whk_"].into_iter().any(prefixed)
    }

    #[test]
    fn every_event_has_a_thin_form_of_ids_and_status() {
        for shape in Shape::ALL.iter().copied() {
            let (envelope, data, _) = form(shape);
            let mut told = BTreeSet::new();
            for body in full(shape) {
                let (before, after): (Value, Value) = (
                    serde_json::from_slice(&body).unwrap(),
                    serde_json::from_slice(&thin(shape, &body)).unwrap(),
                );
                for name in envelope {
                    assert_eq!(after[name], before[name], "{name}");
                }
                assert_eq!(after.as_object().unwrap().len(), envelope.len() + 1, "{after}");
                let kept = after[data].as_object().unwrap();
                assert!(!kept.is_empty(), "{after}");
                for (name, value) in kept {
                    assert_eq!(value, &before[data][name]);
                    let is_status = name.to_lowercase().ends_with("status");
                    for text in texts(value) {
                        let is_word =
                            text.bytes().all(|byte| byte.is_ascii_lowercase() || b"_- ".contains(&byte));
                        assert!(if is_status { is_word } else { is_id(text) }, "{name} says {text}");
                    }
                }
                told.insert(
                    before[if data == "data" { "type" } else { "event_type" }].as_str().unwrap().to_owned(),
                );
            }
            let all: BTreeSet<String> = samples::each()
                .iter()
                .filter_map(|sample| named(shape, &sample.fact))
                .map(|(name, _)| name.type_.to_owned())
                .collect();
            assert_eq!(told, all);
            let every: BTreeSet<String> =
                crate::payload::names::all(shape).map(|event| event.type_.to_owned()).collect();
            assert_eq!(told, every, "each event of the catalogue has a thin form");
        }
    }

    #[test]
    fn its_bytes_stay() {
        let body = full(Shape::Partner)
            .into_iter()
            .find(|body| body.windows(18).any(|window| window == b"practitioner_email"))
            .expect("a sample has contact data");
        let sent = thin(Shape::Partner, &body);
        let text = String::from_utf8(sent.to_vec()).unwrap();
        assert_eq!(
            text,
            "{\"event_id\":\"0194698e-5940-7000-8000-00000000000a\",\"event_name\":\"practitioner:activated\",\
             \"event_type\":\"practitioner:activated\",\"created_at\":\"2025-01-15T10:30:00.000Z\",\"sequence\":null,\
             \"event_data\":{\"practitioner_id\":\"0194698e-5940-7000-8000-000000000003\",\
             \"practitioner_status\":\"active\"}}"
        );
        assert_eq!(thin(Shape::Partner, &sent), sent, "the thin form of a thin form is itself");
    }

    #[test]
    fn asked_for_data_are_thinned_too() {
        for shape in Shape::ALL.iter().copied() {
            let body = full(shape).remove(0);
            let data =
                r#"{"status":{"name":"Jane"},"id":["x",{"y":1}],"delivery_location":{"city":"Austin"}}"#;
            let sent: Value =
                serde_json::from_slice(&thin(shape, &triggered(shape, body, Some(data)))).unwrap();
            let (_, data, _) = form(shape);
            assert_eq!((&sent[data], &sent["triggered"]), (&json!({}), &json!(true)));
        }
    }

    #[test]
    fn of_what_is_no_payload_nothing_is_told() {
        for body in [b"not json".as_slice(), b"[1]", b""] {
            assert_eq!(thin(Shape::Orders, body), b"{\"data\":{}}".as_slice());
        }
    }
}
