//! What callers and machines send, through the whole router: never a failure of ours, and nobody else's data.

use aws_lc_rs::hmac;
use http::{Method, StatusCode};
use nimbus_core::ids::{base62, from_base62};
use serde_json::{Value, json};

use crate::world::{EASYPOST_SECRET, FEED_SECRET, Reply, World};

const JSON: (&str, &[u8]) = ("content-type", b"application/json");
/// The longest `Idempotency-Key`, and how long one can be that gets a number behind it.
const LONGEST_KEY: usize = 255;
const LONGEST_OWN: usize = 230;

fn encoded(data: &[u8]) -> String {
    data.iter().map(|byte| format!("%{byte:02X}")).collect()
}

fn ids(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let listed = body["data"].as_array().into_iter().flatten();
    listed.filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
}

/// Bytes as a cursor: refused or read, it shows a caller no more than what is the caller's.
pub fn cursor(data: &[u8]) {
    let world = World::get();
    let (own, other) = (world.seed.integration_key.as_bytes(), world.seed.other_clinic_key.as_bytes());
    for list in ["medication-order", "patient", "prescription", "events"] {
        let path = format!("/api/external/{list}");
        let get = |key: &[u8], path: &str| {
            world.send(Method::GET, path, &[("x-api-key", key)], b"").expect("a request")
        };
        let mine = ids(&get(own, &format!("{path}?limit=100")));
        let asked = format!("{path}?limit=100&cursor={}", encoded(data));
        let (reply, others) = (get(own, &asked), get(other, &asked));
        assert!(matches!(reply.status.as_u16(), 200 | 400 | 410), "{list}: {}", reply.status);
        assert_eq!(reply.status, others.status, "{list}: a cursor says nothing of whose it is");
        assert!(ids(&reply).iter().all(|id| mine.contains(id)), "{list}: somebody else's");
        assert!(!ids(&others).iter().any(|id| mine.contains(id)), "{list}: to somebody else");
        if list != "events" && reply.status == StatusCode::OK {
            let text = std::str::from_utf8(data).expect("what was read is text");
            // A blank one counts as none, as in every field.
            let read = (!text.trim().is_empty()).then(|| from_base62(text).expect("what was read is base62"));
            assert!(read.is_none_or(|place| base62(place) == text), "one text for one place: {text}");
        }
    }
}

/// Bytes as an `Idempotency-Key` and a text in a body: sent again the reply is the first one, and with another body it is
/// a conflict.
pub fn idempotency(data: &[u8]) {
    let Some((length, rest)) = data.split_first() else { return };
    let (own, text) = rest.split_at(usize::from(*length).min(rest.len()));
    let world = World::get();
    let mut key = own.to_vec();
    if own.len() <= LONGEST_OWN {
        key.extend(world.number().to_string().bytes());
    }
    let is_valid = (1..=LONGEST_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    // An address, so that no name is looked up; the same endpoint each time, so that nothing grows.
    let mut body = json!({
        "clinic_id": world.seed.clinic_id.to_string(), "webhook_url": "https://93.184.215.14/hook",
        "event_types": ["shipment:created"],
        "description": String::from_utf8_lossy(text).chars().take(100).collect::<String>(),
    });
    let api_key = world.seed.integration_key.as_bytes();
    let post = |body: &Value| {
        let headers = [JSON, ("x-api-key", api_key), ("idempotency-key", key.as_slice())];
        world.send(Method::POST, "/api/external/webhook", &headers, body.to_string().as_bytes())
    };
    let Some(first) = post(&body) else { return };
    if !is_valid {
        assert_eq!(first.status, StatusCode::BAD_REQUEST, "a key that is none");
        return;
    }
    if first.status != StatusCode::OK || own.len() > LONGEST_OWN {
        return;
    }
    let again = post(&body).expect("the same request");
    assert_eq!((again.status, &again.bytes), (first.status, &first.bytes), "the first reply, byte by byte");
    assert!(
        again.headers.contains_key("idempotent-replayed")
            && !first.headers.contains_key("idempotent-replayed")
    );
    body["event_types"] = json!(["shipment:created", "shipment:cancelled"]);
    assert_eq!(post(&body).expect("a request").status, StatusCode::CONFLICT, "another body");
}

/// Bytes as a carrier's notification: taken or refused with a signature, and never without.
pub fn carrier_feed(data: &[u8]) {
    let world = World::get();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, EASYPOST_SECRET.as_bytes()), data);
    let signature = format!("hmac-sha256-hex={}", hex::encode(tag));
    for carrier in ["easypost", "ups"] {
        let path = format!("/api/carriers/{carrier}/events");
        let post = |signature: &[u8]| {
            world.send(Method::POST, &path, &[JSON, ("x-hmac-signature", signature)], data)
        };
        let reply = post(signature.as_bytes()).expect("a request");
        assert!(matches!(reply.status.as_u16(), 200 | 400), "{}", reply.status);
        let flipped = signature.replace(|digit| matches!(digit, '0'..='8'), "9");
        if flipped != signature {
            assert_eq!(post(flipped.as_bytes()).expect("a request").status, StatusCode::UNAUTHORIZED);
        }
        if let Some(reply) = post(data) {
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "the body is no signature of itself");
        }
    }
}

/// Bytes as a notification of the pharmacy system, and as its word for the status of an order.
pub fn pharmacy_feed(data: &[u8]) {
    let world = World::get();
    let post = |secret: &[u8], body: &[u8]| {
        world.send(Method::POST, "/api/pharmetika/webhook", &[JSON, ("x-pharmetika-secret", secret)], body)
    };
    let reply = post(FEED_SECRET.as_bytes(), data).expect("a request");
    assert!(matches!(reply.status.as_u16(), 200 | 400), "{}", reply.status);
    if let Some(reply) = post(data, b"{}") {
        let is_secret = data == FEED_SECRET.as_bytes();
        assert_eq!(reply.status == StatusCode::UNAUTHORIZED, !is_secret, "the secret alone opens it");
    }
    let word = String::from_utf8_lossy(data);
    let order = world.seed.fill.medication_order_id.0.to_string();
    let body = json!({"medication_order_id": order, "status": word}).to_string();
    let reply = post(FEED_SECRET.as_bytes(), body.as_bytes()).expect("a request");
    assert!(matches!(reply.status.as_u16(), 200 | 400), "{}", reply.status);
    if reply.json()["data"]["moved"] == json!(true) {
        assert!(word.trim().len() < 40 && word.is_ascii(), "a word that nobody knows moved an order");
    }
}

/// Bytes as a medication order, and as the texts of one that is whole otherwise.
pub fn order_document(data: &[u8]) {
    let world = World::get();
    let post = |body: &[u8]| {
        let headers = [JSON, ("x-api-key", world.seed.integration_key.as_bytes())];
        world.send(Method::POST, "/api/external/medication-order", &headers, body).expect("a request")
    };
    let reply = post(data);
    assert!(matches!(reply.status.as_u16(), 200 | 400 | 413), "{}", reply.status);
    if reply.json()["error"]["code"] == "VALIDATION_ERROR" {
        assert!(
            reply.json()["error"]["details"].as_array().is_some_and(|details| !details.is_empty()),
            "what is wrong"
        );
    }
    let text = String::from_utf8_lossy(data);
    let part = |index: usize| text.split('\n').nth(index).unwrap_or_default();
    let body = json!({
        "clinic_id": world.seed.clinic_id.to_string(), "patient_id": world.seed.patient_id.0.to_string(),
        "practitioner_id": world.seed.practitioner_id.0.to_string(), "delivery_speed": "business-day",
        "notes": part(3),
        "medication_requests": [{
            "medication": part(0), "dose": part(1), "quantity": part(2), "direction": text, "refills": part(4),
            "days_supply": 30,
        }],
    });
    let reply = post(body.to_string().as_bytes());
    assert!(matches!(reply.status.as_u16(), 200 | 400), "{}", reply.status);
    if reply.status == StatusCode::OK {
        let order = reply.json();
        assert_eq!(
            order["data"]["medications"][0]["medication"],
            json!(part(0).trim()),
            "what was asked for"
        );
    }
}
