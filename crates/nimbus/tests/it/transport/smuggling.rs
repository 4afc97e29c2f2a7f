//! Requests that end in one place for the server and may end in another for a proxy before it.

use serde_json::Value;

use super::raw::{Raw, replies, status};
use crate::support::{Engine, Server, Store};

/// What would be a second request, if the first ended where a proxy may think that it does.
const HIDDEN: &str = "GET /health/live?hidden HTTP/1.1\r\nHost: a\r\n\r\n";

/// The one reply to some bytes, after which the server closes.
#[track_caller]
fn one_reply(server: &Server, request: &str) -> String {
    let all = Raw::to(server).send(request.as_bytes()).rest();
    assert_eq!(replies(&all), 1, "{}", String::from_utf8_lossy(&all));
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_request_that_could_end_in_two_places_ends_its_connection() {
    let server = Store::sandbox(Engine::Sqlite).serve();
    let post = "POST /api/external/nothing HTTP/1.1\r\nHost: a\r\n";
    // Both ways to say where it ends: chunks count, and nothing behind them is read.
    for both in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let reply = one_reply(&server, &format!("{post}{both}\r\n0\r\n\r\n{HIDDEN}"));
        assert_eq!(status(&reply), 404, "{both}");
        assert!(reply.to_lowercase().contains("connection: close"), "{reply}");
    }
    // No way at all, or more than one.
    for wrong in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "X: a\r\n Transfer-Encoding: chunked\r\n",
        "X: a\r\n\tb\r\n",
        "X: a\0b\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
        "X\0: a\r\n",
        ": a\r\n",
        "X Y: a\r\n",
    ] {
        let reply = one_reply(&server, &format!("{post}{wrong}\r\nhello!{HIDDEN}"));
        assert_eq!(status(&reply), 400, "{wrong:?}: {reply}");
    }
    let old =
        format!("POST /api/external/nothing HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}");
    assert_eq!(status(&one_reply(&server, &old)), 400);
}

#[test]
fn chunks_that_are_none_end_the_request_and_the_connection() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let key = &seed.keys.integration;
    let post = format!(
        "POST /api/external/patient HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    for chunks in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}hello\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}",
    ] {
        let reply = one_reply(&server, &format!("{post}{chunks}{HIDDEN}"));
        assert_eq!(status(&reply), 400, "{chunks:?}: {reply}");
        let (_, body) = reply.split_once("\r\n\r\n").expect("a body");
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body["error"]["details"][0]["message"], "The body broke off.", "{chunks:?}");
    }
}

#[test]
fn a_request_is_for_one_host() {
    let server = Store::sandbox(Engine::Sqlite).serve();
    let asked = |target: &str, hosts: &str| {
        let request = format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        one_reply(&server, &request)
    };
    for (target, hosts) in [
        ("http://b.example/orders", "Host: a.example\r\n"),
        ("/orders", ""),
        ("/orders", "Host: a.example\r\nHost: a.example\r\n"),
        ("/orders", "Host: a.example, b.example\r\n"),
        ("/orders", "Host: user@a.example\r\n"),
    ] {
        let reply = asked(target, hosts);
        assert_eq!(status(&reply), 400, "{target} {hosts:?}");
        assert!(reply.contains("\"requestId\":\"req_"), "{reply}");
        assert!(!reply.contains("a.example"), "it is not repeated: {reply}");
    }
    assert_eq!(status(&asked("http://a.example/health/live", "Host: A.example\r\n")), 200);
    assert_eq!(status(&asked("/health/live", "Host: 127.0.0.1:8080\r\n")), 200);
}

#[test]
fn a_connection_never_becomes_another_protocol() {
    let server = Store::sandbox(Engine::Sqlite).serve();
    let get = "GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n";
    for upgrade in ["Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "Upgrade: websocket\r\n"] {
        let mut raw = Raw::to(&server).send(format!("{get}{upgrade}\r\n").as_bytes());
        assert_eq!(status(&raw.reply()), 200, "{upgrade}");
        // It still speaks HTTP/1.1, and takes the preface of HTTP/2 for no request.
        let rest = raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").rest();
        assert!(
            replies(&rest) <= 1 && !rest.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&rest)
        );
    }
    let tunnel = one_reply(
        &server,
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nConnection: close\r\n\r\n",
    );
    assert!((400..500).contains(&status(&tunnel)), "{tunnel}");
}

#[test]
fn headers_have_a_number_and_a_length() {
    let server = Store::sandbox(Engine::Sqlite).serve();
    let get = "GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let many = |count: usize| (0..count).map(|number| format!("X-{number}: a\r\n")).collect::<String>();
    assert_eq!(status(&one_reply(&server, &format!("{get}{}\r\n", many(90)))), 200);
    assert_eq!(status(&one_reply(&server, &format!("{get}{}\r\n", many(101)))), 431);
    let long = |length: usize| format!("{get}X: {}\r\n\r\n", "a".repeat(length));
    assert_eq!(status(&one_reply(&server, &long(20_000))), 200);
    assert_eq!(status(&one_reply(&server, &long(70_000))), 431);
}
