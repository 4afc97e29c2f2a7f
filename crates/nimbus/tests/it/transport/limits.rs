//! Callers who are slow, idle, or too many: others are answered meanwhile, and they are not waited for.

use std::io::{Read, Write};

use super::raw::{Raw, replies, status};
use crate::support::{Engine, Server, Store, eventually};

const GET: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";

#[track_caller]
fn answers(server: &Server) {
    assert_eq!(server.anonymous().get("/health/live").status, 200);
}

fn serve(settings: &[(&str, &str)]) -> Server {
    let store =
        settings.iter().fold(Store::sandbox(Engine::Sqlite), |store, (name, value)| store.with(name, value));
    store.serve()
}

#[test]
fn headers_that_dribble_are_cut_off() {
    let server = serve(&[("NIMBUS_HEADER_SECONDS", "1")]);
    let slow = Raw::to(&server).send(b"GET /health/live HTTP/1.1\r\nHost: a\r\nX: ");
    answers(&server);
    assert_eq!(replies(&slow.dribble(b'a')), 0);
    let silent = Raw::to(&server);
    assert_eq!(replies(&silent.rest()), 0);
    // The second request of a connection has no more time than the first.
    let mut second = Raw::to(&server).send(GET);
    assert_eq!(status(&second.reply()), 200);
    assert_eq!(replies(&second.send(b"GET / HTTP/1.1\r\nX: ").dribble(b'a')), 0);
}

#[test]
fn a_connection_without_requests_ends() {
    let server = serve(&[("NIMBUS_IDLE_SECONDS", "1")]);
    let mut idle = Raw::to(&server).send(GET);
    assert_eq!(status(&idle.reply()), 200);
    assert_eq!(idle.rest(), b"");
    answers(&server);
}

#[test]
fn a_body_that_dribbles_is_given_up() {
    let store = Store::sandbox(Engine::Sqlite);
    let seed = store.seed();
    let server = store.with("NIMBUS_BODY_SECONDS", "1").serve();
    let post = format!(
        "POST /api/external/patient HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n\
         Content-Length: 100000\r\n\r\n{{",
        seed.keys.integration
    );
    let slow = Raw::to(&server).send(post.as_bytes());
    answers(&server);
    let all = slow.dribble(b' ');
    let text = String::from_utf8_lossy(&all);
    assert_eq!((replies(&all), status(&text)), (1, 503), "{text}");
    assert!(text.contains("UNAVAILABLE") && text.to_lowercase().contains("retry-after: 1"), "{text}");
}

#[test]
fn a_body_that_nobody_asked_for_and_never_ends_is_not_read_for_ever() {
    let server =
        serve(&[("NIMBUS_BODY_SECONDS", "1"), ("NIMBUS_IDLE_SECONDS", "1"), ("NIMBUS_HEADER_SECONDS", "1")]);
    let endless = "GET /health/live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n";
    let all = Raw::to(&server).send(endless.as_bytes()).dribble(b'a');
    assert!(replies(&all) <= 1, "{}", String::from_utf8_lossy(&all));
    answers(&server);
}

#[test]
fn a_thousand_idle_connections_keep_nobody_waiting() {
    let server = serve(&[("NIMBUS_CONNECTIONS_PER_ADDRESS", "2000"), ("NIMBUS_HEADER_SECONDS", "60")]);
    let idle: Vec<Raw> = (0..1000)
        .map(|number| {
            let raw = Raw::to(&server);
            // Some are silent, some have begun, some have come to rest.
            match number % 3 {
                0 => raw,
                1 => raw.send(b"GET / HTTP/1.1\r\nX: "),
                _ => raw.send(GET),
            }
        })
        .collect();
    for _ in 0..20 {
        answers(&server);
    }
    drop(idle);
}

/// A connection that has a place, for as long as it is kept.
#[track_caller]
fn placed(server: &Server) -> Raw {
    let mut raw = Raw::to(server).send(GET);
    assert_eq!(status(&raw.reply()), 200);
    raw
}

/// Whether a connection is closed without an answer.
fn is_refused(server: &Server) -> bool {
    let mut raw = Raw::to(server).send(GET);
    let mut byte = [0];
    !matches!(raw.0.read(&mut byte), Ok(1))
}

#[test]
fn one_address_has_so_many_connections() {
    let server = serve(&[("NIMBUS_CONNECTIONS_PER_ADDRESS", "3"), ("NIMBUS_IDLE_SECONDS", "600")]);
    let mut held: Vec<Raw> = (0..3).map(|_| placed(&server)).collect();
    assert!(is_refused(&server) && is_refused(&server));
    assert_eq!(server.log().matches("connections are refused").count(), 1, "it is told once in a while");
    held.pop();
    eventually("a place is free", || (!is_refused(&server)).then_some(()));
}

#[test]
fn a_proxy_has_as_many_as_there_are() {
    let server = serve(&[
        ("NIMBUS_BEHIND_PROXY", "true"),
        ("NIMBUS_CONNECTIONS_PER_ADDRESS", "1"),
        ("NIMBUS_CONNECTIONS", "4"),
        ("NIMBUS_IDLE_SECONDS", "600"),
    ]);
    let mut held: Vec<Raw> = (0..4).map(|_| placed(&server)).collect();
    assert!(is_refused(&server));
    held.pop();
    eventually("a place is free", || (!is_refused(&server)).then_some(()));
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[test]
fn streams_that_are_opened_and_reset_end_their_connection() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    const ENHANCE_YOUR_CALM: u8 = 11;
    let server = serve(&[]);
    let mut raw =
        Raw::to(&server).send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").send(&frame(SETTINGS, 0, 0, &[]));
    // GET, http, / and an :authority, by their places in HPACK's table (RFC 7541 appendix A).
    let request = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
    let mut burst = Vec::new();
    for stream in (0..5_000).map(|number| number * 2 + 1) {
        burst.extend(frame(HEADERS, 5, stream, &request));
        burst.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let mut reader = Raw(raw.0.try_clone().expect("a handle"));
    let writer = std::thread::spawn(move || drop(raw.0.write_all(&burst)));
    let mut all = Vec::new();
    // It ends with a reset where what was sent is not all read.
    let _ = reader.0.read_to_end(&mut all);
    writer.join().expect("it ends with the connection");
    let mut rest = all.as_slice();
    let mut ended_with = None;
    while rest.len() >= 9 {
        let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
        let (kind, payload) = (rest[3], rest.get(9..9 + length).expect("a whole frame"));
        if kind == GOAWAY {
            ended_with = payload.get(7).copied();
        }
        rest = &rest[9 + length..];
    }
    assert_eq!(ended_with, Some(ENHANCE_YOUR_CALM));
    answers(&server);
}
