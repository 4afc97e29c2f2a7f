//! `ETag`, `If-None-Match`, `If-Match`, and replies that are compressed.

use std::{io::Read, sync::Barrier, thread};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    Client, Engine, Reply, Server,
    story::{line, order_body, text},
    two_engines,
};

const SIGNATURE: &str = r#"<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>"#;

fn tag(reply: &Reply) -> String {
    reply.header("etag").unwrap_or_else(|| panic!("a tag of {} {}", reply.status, reply.body)).to_owned()
}

fn if_none_match(client: &Client, path: &str, tag: &str) -> Reply {
    client.send(Method::GET, path, &[("if-none-match", tag)], None)
}

fn if_match(client: &Client, path: &str, tag: &str, body: &Value) -> Reply {
    client.json(Method::PATCH, path, &[("if-match", tag)], body)
}

two_engines! {
    fn what_was_read_is_not_sent_again(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let order = format!("/medication-order/{}", seed.medication_order_id);
        let practitioner = format!("/practitioner/{}", seed.practitioner_id);
        let queue = "/pharmacy/orders";
        let asks: [(&Client, &str); 4] =
            [(&partner, &order), (&partner, &practitioner), (&partner, "/clinic"), (&staff, queue)];
        for (client, path) in asks {
            let first = client.get(path);
            first.data();
            let tag = tag(&first);
            assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong one: {tag}");
            for asked in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
                let same = if_none_match(client, path, &asked);
                assert_eq!((same.status, same.bytes.len()), (304, 0), "{path} {asked}");
                assert_eq!(same.header("etag"), Some(tag.as_str()));
                assert_eq!(same.header("content-type"), None);
                assert!(same.header("x-request-id").is_some());
            }
            for asked in ["\"other\"", "not a list", ""] {
                let sent = if_none_match(client, path, asked);
                assert_eq!((sent.status, &sent.bytes), (200, &first.bytes), "{path} {asked}");
            }
            let head = client.send(Method::HEAD, path, &[], None);
            assert_eq!((head.status, head.bytes.len()), (200, 0));
            assert_eq!(head.header("etag"), Some(tag.as_str()));
            let length = first.bytes.len().to_string();
            assert_eq!(head.header("content-length"), Some(length.as_str()));
        }
        let before = tag(&partner.get("/medication-order"));
        partner.post("/medication-order", &order_body(&seed, &[line("Lisinopril")])).data();
        assert_eq!(if_none_match(&partner, "/medication-order", &before).status, 200, "another page now");
        assert_eq!(partner.get("/medication-order/nothing").header("etag"), None, "refusals have none");
        assert_eq!(server.anonymous().get("/health").header("etag"), None);
    }

    fn an_image_that_was_read_is_not_sent_again(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, path) = (server.partner(&seed), format!("/practitioner/{}/signature", seed.practitioner_id));
        let put = |image: &str| {
            let svg = [("content-type", "image/svg+xml")];
            partner.send(Method::PUT, &path, &svg, Some(image.as_bytes())).data();
        };
        put(SIGNATURE);
        let first = partner.get(&path);
        assert_eq!((first.status, first.bytes.as_slice()), (200, SIGNATURE.as_bytes()));
        let same = if_none_match(&partner, &path, &tag(&first));
        assert_eq!((same.status, same.bytes.len()), (304, 0));
        put(&SIGNATURE.replace("M0 0", "M0 1"));
        assert_eq!(if_none_match(&partner, &path, &tag(&first)).status, 200, "another image");
    }

    fn a_change_is_of_what_was_read(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let body = json!({"clinic_id": seed.clinic_id, "webhook_url": "http://127.0.0.1:65000/x"});
        let webhook = text(&partner.post("/webhook", &body).data()["webhook_id"]);
        let shipment = text(&partner.read_order(&seed.medication_order_id)["shipments"][0]["id"]);
        let (read, move_it) =
            (format!("/pharmacy/shipments/{shipment}"), format!("/pharmacy/shipments/{shipment}/status"));
        for (path, change) in [
            (format!("/practitioner/{}", seed.practitioner_id), json!({"city": "Austin"})),
            (format!("/patient/{}", seed.patient_id), json!({"first_name": "Janet"})),
            (format!("/webhook/{webhook}"), json!({"description": "ours"})),
        ] {
            let read = tag(&partner.get(&path));
            assert!(read.starts_with("\"v"), "{path}: {read}");
            let changed = if_match(&partner, &path, &read, &change);
            changed.data();
            let told = tag(&changed);
            let now = tag(&partner.get(&path));
            let version = |tag: &str| tag.trim_matches('"').split('-').next().map(str::to_owned);
            assert_ne!(version(&now), version(&read), "{path}");
            assert_eq!(version(&told), version(&now), "{path}");
            assert_eq!(if_none_match(&partner, &path, &read).status, 200);
            assert_eq!(if_none_match(&partner, &path, &now).status, 304);

            let late = if_match(&partner, &path, &read, &change);
            late.refused(412, "PRECONDITION_FAILED");
            if_match(&partner, &path, "\"not-ours\"", &change).refused(412, "PRECONDITION_FAILED");
            assert_eq!(tag(&partner.get(&path)), now, "nothing was changed: {path}");
            for malformed in ["", "v1", "\"v1", "\"v1\" \"v2\""] {
                assert_eq!(if_match(&partner, &path, malformed, &change).invalid(), ["If-Match"], "{malformed}");
            }
            let next = tag(&if_match(&partner, &path, &format!("W/{told}"), &change));
            let next = tag(&if_match(&partner, &path, &format!("\"other\", {next}"), &change));
            assert_ne!(next, told);
            if_match(&partner, &path, "*", &change).data();
        }
        let version = tag(&staff.get(&read));
        // The seeded parcel has arrived, so that any move is refused; one of another version is refused before.
        let stale = if_match(&staff, &move_it, "\"v0\"", &json!({"status": "in_transit"}));
        stale.refused(412, "PRECONDITION_FAILED");
        let current = if_match(&staff, &move_it, &version, &json!({"status": "in_transit"}));
        current.refused(400, "INVALID_STATUS_TRANSITION");
        let nobody = if_match(&partner, "/webhook/01890000-0000-7000-8000-000000000001", "*", &json!({}));
        nobody.refused(404, "NOT_FOUND");
    }

    fn of_changes_at_once_one_is_of_what_was_read(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let path = format!("/patient/{}", seed.patient_id);
        let read = tag(&partner.get(&path));
        let start = Barrier::new(8);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let send = |number: usize| {
                let (partner, path, read, start) = (&partner, &path, &read, &start);
                move || {
                    let name = ["Ann", "Bea", "Cleo", "Dora", "Eve", "Fay", "Gail", "Hope"][number];
                    start.wait();
                    if_match(partner, path, read, &json!({"first_name": name})).status
                }
            };
            let running: Vec<_> = (0..8).map(|number| scope.spawn(send(number))).collect();
            running.into_iter().map(|sender| sender.join().expect("no sender fails")).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 412)), "{statuses:?}");
    }
}

#[test]
fn large_replies_are_compressed_when_asked_for() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let partner = server.partner(&seed);
    for number in 0..3 {
        let mut body = order_body(&seed, &[line("Lisinopril")]);
        body["notes"] = json!(format!("order {number}"));
        partner.post("/medication-order", &body).data();
    }
    let gzip = [("accept-encoding", "gzip")];
    let path = "/medication-order";
    let plain = partner.send(Method::GET, path, &[("accept-encoding", "identity")], None);
    assert!(plain.bytes.len() > 2048);
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.header("vary").map(str::to_lowercase).as_deref(), Some("accept-encoding"));
    let packed = partner.send(Method::GET, path, &gzip, None);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.bytes.len() < plain.bytes.len() / 2);
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.bytes.as_slice()).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.bytes);
    let weak = format!("W/{}", plain.header("etag").expect("a tag"));
    assert_eq!(packed.header("etag"), Some(weak.as_str()), "the tag of the plain form, as a weak one");
    let same = [("accept-encoding", "gzip"), ("if-none-match", weak.as_str())];
    let unchanged = partner.send(Method::GET, path, &same, None);
    assert_eq!((unchanged.status, unchanged.header("vary")), (304, Some("accept-encoding")));
    for reply in [&plain, &packed, &unchanged, &partner.get("/nowhere")] {
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{}", reply.status);
    }

    let small = partner.send(Method::GET, "/clinic", &gzip, None);
    assert!(small.bytes.len() < 1024);
    assert_eq!((small.header("content-encoding"), small.header("vary")), (None, None));

    // What can be sent in no way that is acceptable is sent as it is: the request has been carried out by then.
    for nothing in ["br, *;q=0", "identity;q=0"] {
        let order = order_body(&seed, &[line("Lisinopril")]);
        let made = partner.json(Method::POST, path, &[("accept-encoding", nothing)], &order);
        assert_eq!((made.status, made.header("content-encoding")), (200, None));
    }

    let body = order_body(&seed, &[line("Lisinopril"), line("Atorvastatin"), line("Metformin")]);
    let keyed = |encoding: &str| {
        let headers = [("idempotency-key", "packed"), ("accept-encoding", encoding)];
        partner.json(Method::POST, path, &headers, &body)
    };
    let first = keyed("identity");
    let replayed = keyed("gzip");
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    let mut unpacked = replayed.bytes.clone();
    if replayed.header("content-encoding") == Some("gzip") {
        unpacked.clear();
        GzDecoder::new(replayed.bytes.as_slice()).read_to_end(&mut unpacked).expect("gzip");
    }
    assert_eq!(unpacked, first.bytes);
}
