//! The listener for operators alone.

use std::net::TcpListener;

use crate::support::{Engine, Store, eventually};

#[track_caller]
fn refused(store: &Store, args: &[&str], word: &str) {
    let output = store.output(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(word), "{word} is not in: {said}");
}

#[test]
fn it_is_apart_from_the_api() {
    let server = Store::sandbox(Engine::Sqlite).serve_with(&["--admin-listen", "127.0.0.1:0"]);
    let admin = server.admin();
    let metrics = admin.get("/metrics");
    let text = String::from_utf8(metrics.bytes).expect("a text");
    assert!(
        text.contains("\nnimbus_connections ") && text.contains("\nnimbus_connections_refused_total 0\n"),
        "{text}"
    );
    assert!(text.contains("\nnimbus_tls_certificate_expires_timestamp_seconds 0\n"), "{text}");
    assert_eq!(server.anonymous().get("/metrics").status, 404);
    assert_eq!(admin.get("/api/external/nothing-of-the-api").status, 404);
}

#[test]
fn the_usual_place_is_taken_if_it_is_free() {
    // If another process of the machine has it, it may let it go before the server looks.
    let taken = TcpListener::bind("127.0.0.1:9464");
    let server = Store::sandbox(Engine::Sqlite).without("NIMBUS_ADMIN_LISTEN").serve();
    eventually("it is told", || {
        let log = server.log();
        let is_without = log.contains("no admin listener") && log.contains("127.0.0.1:9464");
        let is_there = log.contains("admin listens address=127.0.0.1:9464");
        (is_without || taken.is_err() && is_there).then_some(())
    });
    assert_eq!(server.anonymous().get("/health/live").status, 200, "the API serves in any case");
}

#[test]
fn a_place_that_was_asked_for_is_needed() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    refused(&Store::sandbox(Engine::Sqlite), &["--admin-listen", &address], "cannot listen on");
    refused(
        &Store::sandbox(Engine::Sqlite),
        &["--admin-listen", "9464"],
        "must be an address with a port, or off",
    );
}

#[test]
fn production_keeps_it_from_other_machines() {
    let store = || Store::production(Engine::Sqlite).with("NIMBUS_ADMIN_LISTEN", "0.0.0.0:0");
    refused(&store(), &[], "NIMBUS_ADMIN_REMOTE");
    let server = store().with("NIMBUS_ADMIN_REMOTE", "true").serve();
    eventually("it listens", || server.log().contains("admin listens").then_some(()));
}
