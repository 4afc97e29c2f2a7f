//! Refused requests: each in its surface's shape, with the id of the request, and without any effect.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    Client, Engine, Partner, Reply, Seed, Server, Staff,
    story::{line, order_body, text},
};

const JSON: (&str, &str) = ("content-type", "application/json");
/// No row has this id.
const UNKNOWN: &str = "01890000-0000-7000-8000-000000000001";

struct Scene {
    server: Server,
    seed: Seed,
    partner: Partner,
    staff: Staff,
}

fn scene() -> Scene {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let (partner, staff) = (server.partner(&seed), server.staff(&seed));
    Scene { server, seed, partner, staff }
}

/// A refusal without what differs from request to request.
fn apart_from_its_id(reply: &Reply) -> (u16, Value) {
    let mut body = reply.body.clone();
    body["error"]["request_id"] = Value::Null;
    (reply.status, body)
}

#[test]
fn a_malformed_body_is_placed_by_line_and_column() {
    let Scene { server: _server, partner, staff, seed } = scene();
    let before = partner.orders();
    let order = format!("/pharmacy/orders/{}/hold", seed.medication_order_id);
    let clients: [(&Client, &str); 2] = [(&partner, "/medication-order"), (&staff, &order)];
    for (client, path) in clients {
        let reply =
            client.send(Method::POST, path, &[JSON], Some(b"{\"reason\": \"Jane\",\n \"note\": Doe}"));
        let error = reply.refused(400, "VALIDATION_ERROR");
        let message = text(&error["message"]);
        assert!(message.contains("line 2 column"), "{message}");
        assert!(!reply.body.to_string().contains("Jane"), "{message}");
        for body in ["[]", "7", "null", "\"x\"", "{\"a\":1,\"a\":2}", "{\"a\":", "\u{feff}{}"] {
            client.send(Method::POST, path, &[JSON], Some(body.as_bytes())).refused(400, "VALIDATION_ERROR");
        }
        let deep = "[".repeat(5000);
        client.send(Method::POST, path, &[JSON], Some(deep.as_bytes())).refused(400, "VALIDATION_ERROR");
        client.send(Method::POST, path, &[JSON], Some(b"\"\xff\xfe\"")).refused(400, "VALIDATION_ERROR");
    }
    assert_eq!(partner.orders(), before);
}

#[test]
fn a_wrong_type_is_named() {
    let Scene { server: _server, partner, seed, .. } = scene();
    let before = partner.orders();
    for (field, value) in [
        ("patient_id", json!(7)),
        ("patient_id", json!("7")),
        ("clinic_id", json!([])),
        ("is_refrigerated", json!("yes")),
        ("medication_requests", json!({})),
        ("notes", json!({"a": 1})),
        ("shipping_address", json!("Main St")),
        ("delivery_speed", json!("slow")),
        ("notes", json!("a\u{0}b")),
    ] {
        let mut body = order_body(&seed, &[line("Lisinopril")]);
        if field == "delivery_speed" {
            let fields = body.as_object_mut().expect("an object");
            fields.remove("carrier_id");
            fields.remove("service_id");
        }
        body[field] = value;
        assert_eq!(partner.post("/medication-order", &body).invalid(), [field], "{body}");
    }
    for (field, value) in [
        ("medication", json!(1)),
        ("quantity", json!("many")),
        ("quantity", json!(-1)),
        ("quantity", json!(0.0001)),
        ("refills", json!(100)),
        ("refills", json!(1.5)),
        ("days_supply", json!(366)),
        ("direction", json!("  ")),
        ("do_not_refill", json!("true")),
        ("dose", json!("x".repeat(1000))),
    ] {
        let mut wrong = line("Lisinopril");
        wrong[field] = value;
        let reply = partner.post("/medication-order", &order_body(&seed, &[wrong.clone()]));
        assert_eq!(reply.invalid(), [format!("medication_requests[0].{field}")], "{wrong}");
    }
    assert_eq!(partner.orders(), before);
}

#[test]
fn a_body_over_one_mebibyte_is_refused() {
    let Scene { server, partner, seed, .. } = scene();
    let before = partner.orders();
    let mut body = order_body(&seed, &[line("Lisinopril")]);
    body["notes"] = json!("x".repeat(1024 * 1024));
    let body = body.to_string();
    let head = format!(
        "POST /api/external/medication-order HTTP/1.1\r\nhost: nimbus\r\nx-api-key: {}\r\nconnection: close\r\n\
         content-type: application/json\r\n",
        seed.keys.integration
    );
    for with_length in [true, false] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
        let framing = match with_length {
            true => format!("content-length: {}\r\n\r\n", body.len()),
            false => format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len()),
        };
        stream.write_all(head.as_bytes()).expect("the head is taken");
        stream.write_all(framing.as_bytes()).expect("the head is taken");
        // The server may answer and hang up before it has read everything.
        let _ = stream.write_all(body.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 413 "), "length {with_length}: {answer:.200}");
        assert!(answer.contains("PAYLOAD_TOO_LARGE"), "{answer:.400}");
    }
    assert_eq!(partner.orders(), before);
    let mut nearly = order_body(&seed, &[line("Lisinopril")]);
    nearly["padding"] = json!("x".repeat(1024 * 1024 - 2000));
    assert_ne!(partner.post("/medication-order", &nearly).status, 413, "just under a mebibyte is read");
}

#[test]
fn only_json_is_read() {
    let Scene { server: _server, partner, staff, seed } = scene();
    let before = partner.orders();
    let body = order_body(&seed, &[line("Lisinopril")]).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json", ""] {
        let reply =
            partner.send(Method::POST, "/medication-order", &[("content-type", kind)], Some(body.as_bytes()));
        reply.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let without = partner.send(Method::POST, "/medication-order", &[], Some(body.as_bytes()));
    without.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let hold = format!("/pharmacy/orders/{}/hold", seed.medication_order_id);
    let reply = staff.send(Method::POST, &hold, &[("content-type", "text/plain")], Some(b"{}"));
    reply.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(partner.orders(), before);
    for kind in ["Application/JSON; charset=utf-8", "application/vnd.partner+json"] {
        let headers = [("content-type", kind), ("accept", "*/*")];
        partner.send(Method::POST, "/medication-order", &headers, Some(body.as_bytes())).data();
    }
    let order = partner.order(&seed);
    let path = format!("/medication-order/{}/cancel", order.id);
    partner.send(Method::POST, &path, &[("content-type", "text/plain")], None).data();
}

#[test]
fn an_unknown_path_is_told_in_its_surfaces_shape() {
    let Scene { server, seed, .. } = scene();
    let (anonymous, key) = (server.anonymous(), ("x-api-key", seed.keys.integration.as_str()));
    for path in
        ["/", "/api", "/api/external", "/api/external/nothing", "/api/pharmacy/nothing", "/favicon.ico"]
    {
        for headers in [&[][..], &[key]] {
            anonymous.send(Method::GET, path, headers, None).refused(404, "NOT_FOUND");
        }
    }
    for path in ["/orders/x/y/z", "/refills/x/y/z", "/prescriptions/x/y/z", "/events/x/y/z"] {
        let reply = anonymous.get(path);
        assert_eq!(reply.status, 404);
        assert_eq!(reply.body["error"]["requestId"].as_str(), reply.header("x-request-id"));
        assert!(reply.body.get("success").is_none(), "{}", reply.body);
    }
}

#[test]
fn an_unknown_method_is_told_the_known_ones() {
    let Scene { server, partner, staff, seed } = scene();
    let before = partner.orders();
    let order = format!("/medication-order/{}", seed.medication_order_id);
    let cases: [(&Client, Method, &str, &[&str]); 5] = [
        (&partner, Method::PUT, "/medication-order", &["GET", "POST"]),
        (&partner, Method::DELETE, &order, &["GET"]),
        (&partner, Method::PATCH, "/clinic", &["GET"]),
        (&staff, Method::DELETE, "/pharmacy/orders", &["GET"]),
        (&server.anonymous(), Method::POST, "/health", &["GET"]),
    ];
    for (client, method, path, known) in cases {
        let reply = client.send(method, path, &[], None);
        reply.refused(405, "METHOD_NOT_ALLOWED");
        let allow = reply.header("allow").expect("Allow").to_owned();
        for method in known {
            assert!(allow.split(',').any(|word| word.trim() == *method), "{path}: {allow}");
        }
    }
    assert_eq!(partner.orders(), before);
}

#[test]
fn an_ill_formed_id_names_nothing() {
    let Scene { server: _server, partner, staff, .. } = scene();
    for id in
        ["7", "x", "ord_", "00000000-0000-0000-0000-00000000000g", "%00", "%ff", "'%20or%201=1", "pat_1"]
    {
        for kind in
            ["medication-order", "patient", "practitioner", "prescription", "shipment", "refill-request"]
        {
            partner.get(&format!("/{kind}/{id}")).refused(404, "NOT_FOUND");
        }
        staff.get(&format!("/pharmacy/orders/{id}")).refused(404, "NOT_FOUND");
        staff.act(&format!("/pharmacy/orders/{id}/verify")).refused(404, "NOT_FOUND");
    }
}

#[test]
fn another_clinics_id_is_as_one_that_never_existed() {
    let Scene { server, partner, staff, seed } = scene();
    let stranger = server.stranger(&seed);
    let refill =
        partner.post("/refill-request", &json!({"medication_request_id": seed.medication_request_id}));
    let refill = text(&refill.data()["refill_request_id"]);
    let hook = json!({"clinic_id": seed.clinic_id, "webhook_url": "http://127.0.0.1:65000/hook"});
    let hook = text(&partner.post("/webhook", &hook).data()["webhook_id"]);
    let shipment = text(&partner.read_order(&seed.medication_order_id)["shipments"][0]["id"]);
    let snapshot = || {
        let lists = [
            "/medication-order",
            "/patient",
            "/practitioner",
            "/prescription",
            "/refill-request",
            "/webhook",
        ];
        lists.map(|path| partner.get(path).body)
    };
    let before = snapshot();
    let get = Method::GET;
    let cases: [(Method, &str, &str, Option<Value>); 17] = [
        (get.clone(), "/practitioner/{}", &seed.practitioner_id, None),
        (Method::PATCH, "/practitioner/{}", &seed.practitioner_id, Some(json!({"first_name": "Mallory"}))),
        (get.clone(), "/patient/{}", &seed.patient_id, None),
        (Method::PATCH, "/patient/{}", &seed.patient_id, Some(json!({"first_name": "Mallory"}))),
        (get.clone(), "/medication-order/{}", &seed.medication_order_id, None),
        (
            Method::POST,
            "/medication-order/{}/cancel",
            &seed.medication_order_id,
            Some(json!({"reason": "x"})),
        ),
        (get.clone(), "/medication-request/{}", &seed.medication_request_id, None),
        (get.clone(), "/prescription/{}", &seed.prescription_id, None),
        (get.clone(), "/refill-request/{}", &refill, None),
        (Method::POST, "/refill-request/{}/cancel", &refill, Some(json!({}))),
        (get.clone(), "/shipment/{}", &shipment, None),
        (get.clone(), "/shipment/{}/tracking", &shipment, None),
        (get.clone(), "/webhook/{}", &hook, None),
        (Method::PATCH, "/webhook/{}", &hook, Some(json!({"status": "paused"}))),
        (Method::DELETE, "/webhook/{}", &hook, None),
        (Method::POST, "/webhook/{}/test", &hook, None),
        (get, "/webhook/{}/deliveries", &hook, None),
    ];
    for (method, path, id, body) in cases {
        let send = |id: &str| {
            let path = path.replace("{}", id);
            match &body {
                Some(body) => stranger.json(method.clone(), &path, &[], body),
                None => stranger.send(method.clone(), &path, &[], None),
            }
        };
        let (theirs, none) = (send(id), send(UNKNOWN));
        theirs.refused(404, "NOT_FOUND");
        assert_eq!(apart_from_its_id(&theirs), apart_from_its_id(&none), "{method} {path}");
    }
    for (path, field, id) in [
        ("/refill-request", "medication_request_id", &seed.medication_request_id),
        ("/medication-order", "patient_id", &seed.patient_id),
        ("/medication-order", "practitioner_id", &seed.practitioner_id),
    ] {
        let send = |id: &str| {
            let mut body = order_body(&seed, &[line("Lisinopril")]);
            body["clinic_id"] = json!(seed.other_clinic_id);
            body[field] = json!(id);
            stranger.post(path, &body)
        };
        let (theirs, none) = (send(id), send(UNKNOWN));
        assert!(theirs.invalid().contains(&field), "{}", theirs.body);
        assert_eq!(apart_from_its_id(&theirs), apart_from_its_id(&none), "{path} {field}");
    }
    assert_eq!(snapshot(), before);
    for path in ["/pharmacy/orders/{}", "/pharmacy/prescriptions/{}", "/pharmacy/shipments/{}"] {
        staff.get(&path.replace("{}", UNKNOWN)).refused(404, "NOT_FOUND");
    }
    for act in ["verify", "submit", "fill", "reject", "cancel", "replace", "release"] {
        staff.act(&format!("/pharmacy/orders/{UNKNOWN}/{act}")).refused(404, "NOT_FOUND");
    }
}

#[test]
fn every_reply_has_its_own_request_id() {
    let Scene { server, partner, .. } = scene();
    let replies = [
        partner.get("/clinic"),
        partner.get("/medication-order/x"),
        partner.post("/medication-order", &json!({})),
        server.anonymous().get("/api/external/clinic"),
        server.anonymous().get("/health"),
        server.anonymous().send(Method::GET, "/nothing", &[("x-request-id", "req_mine")], None),
    ];
    let mut ids: Vec<&str> =
        replies.iter().map(|reply| reply.header("x-request-id").expect("an id")).collect();
    assert!(ids.iter().all(|id| id.starts_with("req_") && *id != "req_mine"), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), replies.len());
    let log = server.log();
    for id in ids {
        assert!(log.contains(id), "the log names {id}");
    }
}

/// A client that keeps its connections must not find one closed because a refusal came before its body was read.
#[test]
fn a_refusal_before_the_body_leaves_the_connection_open() {
    let Scene { server, seed, .. } = scene();
    let key = &seed.keys.pharmacy_partner;
    let head = |method: &str, path: &str, length: usize| {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: nimbus\r\nx-api-key: {key}\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    for path in
        ["/api/external/medication-order", "/api/external/refill-request/7/cancel", "/api/external/nothing"]
    {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
        stream.set_read_timeout(Some(crate::support::PATIENCE)).expect("a time limit");
        stream.write_all(head("POST", path, 2).as_bytes()).expect("the head is taken");
        let refused = read_reply(&mut stream);
        assert!(
            refused.starts_with("HTTP/1.1 403 ") || refused.starts_with("HTTP/1.1 404 "),
            "{path}: {refused}"
        );
        stream.write_all(b"{}").expect("the body is taken");
        stream
            .write_all(head("GET", "/api/external/clinic", 0).as_bytes())
            .expect("the next request is taken");
        let next = read_reply(&mut stream);
        assert!(next.starts_with("HTTP/1.1 200 "), "after {path}: {next:?}");
    }
}

/// One reply with a `Content-Length`, as text; less if the connection ends.
fn read_reply(stream: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    let mut byte = [0];
    let whole = |reply: &[u8]| {
        let text = String::from_utf8_lossy(reply).to_lowercase();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
        (body.len() >= length).then_some(())
    };
    while whole(&reply).is_none() && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        reply.extend(byte);
    }
    String::from_utf8_lossy(&reply).into_owned()
}
