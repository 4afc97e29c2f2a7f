//! `Idempotency-Key`: a repeat gets the first reply, whatever happened between, and never a second resource.

use std::{sync::Barrier, thread};

use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    Engine, Server,
    browser::signed_in,
    server::{FEED_SECRET, ONBOARDING_TOKEN},
    story::{line, order_body},
    two_engines,
};

/// How many requests race for one key.
const AT_ONCE: usize = 16;

two_engines! {
    fn a_repeat_replays_the_first_reply(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let body = order_body(&seed, &[line("Lisinopril")]);
        let before = partner.orders().len();
        let first = partner.post_keyed("/medication-order", "key-1", &body);
        first.data();
        assert_eq!(first.header("idempotent-replayed"), None);
        for _ in 0..2 {
            let again = partner.post_keyed("/medication-order", "key-1", &body);
            assert_eq!((again.status, &again.bytes), (first.status, &first.bytes));
            assert_eq!(again.header("idempotent-replayed"), Some("true"));
            assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
        }
        assert_eq!(partner.orders().len(), before + 1);

        let mut other = body.clone();
        other["notes"] = json!("another");
        let conflict = partner.post_keyed("/medication-order", "key-1", &other);
        conflict.refused(409, "IDEMPOTENCY_KEY_CONFLICT");
        let refill = json!({"medication_request_id": seed.medication_request_id});
        let elsewhere = partner.post_keyed("/refill-request", "key-1", &refill);
        elsewhere.refused(409, "IDEMPOTENCY_KEY_CONFLICT");
        assert_eq!(partner.orders().len(), before + 1);
        partner.post_keyed("/medication-order", "key-2", &body).data();
        assert_eq!(partner.orders().len(), before + 2);
    }

    fn a_restart_replays_too(engine) {
        let (server, seed) = Server::seeded(engine);
        let body = order_body(&seed, &[line("Lisinopril")]);
        let first = server.partner(&seed).post_keyed("/medication-order", "key-1", &body);
        first.data();
        let server = server.kill().serve();
        let again = server.partner(&seed).post_keyed("/medication-order", "key-1", &body);
        assert_eq!((again.status, &again.bytes), (first.status, &first.bytes));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }

    fn requests_at_once_make_one_order(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let before = partner.orders().len();
        let body = order_body(&seed, &[line("Lisinopril")]);
        let start = Barrier::new(AT_ONCE);
        let replies: Vec<_> = thread::scope(|scope| {
            let send = || {
                start.wait();
                // A reply that says "still running" is allowed by the contract; the client then asks again.
                loop {
                    let reply = partner.post_keyed("/medication-order", "key-1", &body);
                    if reply.status != 409 {
                        return reply;
                    }
                    reply.refused(409, "IDEMPOTENCY_KEY_IN_USE");
                    assert!(reply.header("retry-after").is_some());
                    thread::yield_now();
                }
            };
            let running: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(send)).collect();
            running.into_iter().map(|sender| sender.join().expect("no sender fails")).collect()
        });
        for reply in &replies {
            reply.data();
            assert_eq!(reply.bytes, replies[0].bytes);
        }
        let replayed = replies.iter().filter(|reply| reply.header("idempotent-replayed") == Some("true")).count();
        assert_eq!(replayed, AT_ONCE - 1);
        assert_eq!(partner.orders().len(), before + 1);
    }

    fn a_refusal_is_decided_again(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let ask = json!({"medication_request_id": seed.medication_request_id});
        let hold = format!("/pharmacy/prescriptions/{}", seed.prescription_id);
        staff.act(&format!("{hold}/hold")).data();
        partner.post_keyed("/refill-request", "key-1", &ask).refused(400, "REFILL_NOT_ELIGIBLE");
        staff.act(&format!("{hold}/release")).data();
        let now = partner.post_keyed("/refill-request", "key-1", &ask);
        now.data();
        assert_eq!(now.header("idempotent-replayed"), None);

        let nothing = json!({});
        assert!(!partner.post_keyed("/medication-order", "key-2", &nothing).invalid().is_empty());
        partner.post_keyed("/medication-order", "key-2", &order_body(&seed, &[line("Lisinopril")])).data();
    }

    fn keys_are_each_credentials_own(engine) {
        let (server, seed) = Server::seeded(engine);
        let ask = json!({"medication_request_id": seed.medication_request_id});
        let first = server.partner(&seed).post_keyed("/refill-request", "shared", &ask);
        first.data();
        let other = server.pharmacy_partner(&seed).post_keyed("/refill-request", "shared", &ask);
        other.refused(400, "REFILL_EXISTS");
        let stranger = server.stranger(&seed).post_keyed("/refill-request", "shared", &ask);
        assert_eq!(stranger.invalid(), ["medication_request_id"]);
    }
}

#[test]
fn a_key_must_be_visible_ascii() {
    let (server, seed) = Server::seeded(crate::support::Engine::Sqlite);
    let partner = server.partner(&seed);
    let before = partner.orders();
    let body = order_body(&seed, &[line("Lisinopril")]);
    let long = "k".repeat(256);
    for key in ["", "with space", "tab\there", "caf\u{e9}", &long] {
        let reply = partner.post_keyed("/medication-order", key, &body);
        assert_eq!(reply.invalid(), ["Idempotency-Key"], "{key:?}");
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let reply = partner.json(Method::POST, "/medication-order", &twice, &body);
    assert_eq!(reply.invalid(), ["Idempotency-Key"]);
    assert_eq!(partner.orders(), before);
    partner.post_keyed("/medication-order", &long[..255], &body).data();
}

#[test]
fn staff_have_it_too() {
    let (server, seed) = Server::seeded(crate::support::Engine::Sqlite);
    let (partner, staff) = (server.partner(&seed), server.staff(&seed));
    let order = partner.order(&seed);
    let path = format!("/pharmacy/orders/{}/verify", order.id);
    let first = staff.post_keyed(&path, "verify-1", &json!({}));
    first.data();
    let again = staff.post_keyed(&path, "verify-1", &json!({}));
    assert_eq!((again.status, &again.bytes), (200, &first.bytes));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    staff.post(&path, &json!({})).refused(400, "INVALID_STATUS_TRANSITION");
}

/// No POST of any surface leaves the key unread: each refuses one that is ill-formed.
#[test]
fn every_post_reads_its_key() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let client = server.orders(&seed);
    let session = signed_in(&server, "ada@example.com", &["super_admin"]).cookie().expect("cookies");
    let origin = server.url();
    let document = serde_json::to_value(nimbus_web::api_document()).expect("the document is JSON");
    let mut posts = 0;
    for (template, item) in document["paths"].as_object().expect("paths") {
        let Some(operation) = item.get("post") else { continue };
        let path: Vec<&str> = template
            .split('/')
            .map(|part| if part.starts_with('{') { "01890000-0000-7000-8000-000000000001" } else { part })
            .collect();
        let onboarding = operation["security"][0].get("OnboardingToken").is_some();
        let bearer = format!("Bearer {}", if onboarding { ONBOARDING_TOKEN } else { &seed.ops_token });
        let by_session = operation["security"][0].get("StaffSession").is_some();
        let staff = [("cookie", session.as_str()), ("origin", origin.as_str())];
        let mut headers = vec![
            ("x-pharmetika-secret", FEED_SECRET),
            ("x-hmac-signature", "hmac-sha256-hex=00"),
            ("content-type", "application/json"),
            ("idempotency-key", "two words"),
        ];
        if by_session {
            headers.extend(staff);
        } else {
            headers.push(("authorization", bearer.as_str()));
        }
        let reply = client.send(Method::POST, &path.join("/"), &headers, Some(b"{}"));
        let details = &reply.body["error"]["details"];
        let first = if details.is_array() { &details[0] } else { details };
        assert_eq!((reply.status, &first["field"]), (400, &Value::from("Idempotency-Key")), "{template}");
        posts += 1;
    }
    assert!(posts > 25, "{posts}");
}
