//! The command line: seed, migrate, doctor, serve and the demo, as an operator meets them.

use std::{
    process::Output,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    Engine, Server, Store,
    server::{EASYPOST_SECRET, FEED_SECRET, ONBOARDING_TOKEN},
    two_engines,
};

const READY_WITHIN: Duration = Duration::from_secs(2);
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

two_engines! {
    fn seeding_again_prints_the_same(engine) {
        let store = Store::sandbox(engine);
        let first = store.seed();
        assert_eq!(store.seed(), first);
        assert!(first.keys.integration.starts_with("dev_") && first.ops_token.starts_with("ops_"));
        let server = store.serve();
        let (partner, staff) = (server.partner(&first), server.staff(&first));
        assert_eq!(partner.orders(), [(first.medication_order_id.clone(), "delivered".to_owned())]);
        let order = partner.read_order(&first.medication_order_id);
        let line = &order["medication_requests"][0];
        assert_eq!((&line["refills_remaining"], &line["days_supply"]), (&json!(3), &json!(30)));
        assert_eq!(line["id"], first.medication_request_id);
        assert_eq!(line["prescription_id"], first.prescription_id);
        assert_eq!((&order["patient_id"], &order["clinic_id"]), (&json!(first.patient_id), &json!(first.clinic_id)));
        assert_eq!(server.store().seed(), first, "beside a running server too");
        staff.get("/pharmacy/orders").data();
    }

    fn the_doctor_finds_a_seeded_store_sound(engine) {
        let store = Store::sandbox(engine);
        assert!(store.output(&["migrate"]).status.success());
        assert!(store.output(&["migrate"]).status.success(), "again is fine");
        store.seed();
        let (server, found) = {
            let server = store.serve();
            let found = server.store().json(&["doctor", "--json"]);
            (server, found)
        };
        assert_eq!(found["ok"], true, "{found}");
        let checks = found["checks"].as_array().expect("checks");
        assert!(checks.len() >= 4 && checks.iter().all(|check| check["ok"] == true), "{found}");
        drop(server);
    }

    fn a_server_is_ready_soon_and_stops_when_asked(engine) {
        let (mut server, seed) = Server::seeded(engine);
        let mut starts = vec![server.started_in];
        for path in ["/health", "/health/live", "/health/ready"] {
            let reply = server.anonymous().get(path);
            assert_eq!((reply.status, &reply.body["status"]), (200, &json!("ok")), "{path}");
        }
        for _ in 0..2 {
            let partner = server.partner(&seed);
            partner.order(&seed);
            let (status, took, store) = server.stop();
            assert!(status.success(), "{status}");
            assert!(took < STOPPED_WITHIN, "{took:?}");
            server = store.serve();
            starts.push(server.started_in);
        }
        assert_eq!(server.partner(&seed).orders().len(), 3, "what was answered is there");
        // The machine may be busy with other tests in one of the starts.
        let best = starts.iter().min().expect("it was started");
        assert!(*best < READY_WITHIN, "{starts:?}");
    }
}

#[test]
fn the_doctor_says_what_is_wrong() {
    let store =
        Store::sandbox(Engine::Sqlite).with("NIMBUS_DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    let output = store.output(&["doctor", "--json"]);
    assert!(!output.status.success());
    let found: Value = serde_json::from_str(&out(&output)).expect("JSON even then");
    assert_eq!(found["ok"], false);
    let checks = found["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|check| check["check"] == "database" && check["ok"] == false), "{found}");
}

#[test]
fn settings_are_shown_without_secrets() {
    let store = Store::sandbox(Engine::Sqlite).with("NIMBUS_DATABASE_URL", "postgres://u:hidden-word@h/d");
    let output = store.output(&["config", "check"]);
    assert!(output.status.success());
    let shown = out(&output);
    assert!(shown.contains("environment") && shown.contains("sandbox"), "{shown}");
    for secret in [FEED_SECRET, ONBOARDING_TOKEN, EASYPOST_SECRET, "hidden-word"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn flags_go_before_environment_before_file() {
    let store = Store::sandbox(Engine::Sqlite).without("NIMBUS_RATE_LIMIT_READS");
    let file = store.folder.path().join("nimbus.toml");
    std::fs::write(&file, "rate_limit_reads = 7\nrate_limit_writes = 7\nlog = \"warn\"\n")
        .expect("our folder");
    let store = store.with("NIMBUS_CONFIG", &file.display().to_string()).with("NIMBUS_LOG", "error");
    let shown = out(&store.output(&["config", "check", "--log", "debug"]));
    let value = |name: &str| {
        let line = shown.lines().find(|line| line.split('=').next().is_some_and(|word| word.trim() == name));
        line.and_then(|line| line.split('=').nth(1)).map(|value| value.trim().to_owned())
    };
    assert_eq!(value("log").as_deref(), Some("debug"), "{shown}");
    assert_eq!(value("rate_limit_writes").as_deref(), Some("0"), "{shown}");
    assert_eq!(value("rate_limit_reads").as_deref(), Some("7"), "{shown}");
    for (wrong, told) in [("no_such_setting = 1", "unknown field"), ("usps_account = 9", "usps_account: ")] {
        std::fs::write(&file, format!("log = \"warn\"\n{wrong}\n")).expect("our folder");
        let output = store.output(&["config", "check"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{wrong}");
        assert!(said.contains(&format!("{}:2: {told}", file.display())), "{said}");
    }
}

#[test]
fn the_demo_tells_its_story_twice() {
    let store = Store::sandbox(Engine::Sqlite);
    for run in 0..2 {
        let started = Instant::now();
        let output = store.output(&["demo", "--once"]);
        let story = out(&output);
        assert!(output.status.success(), "run {run}: {story}\n{}", String::from_utf8_lossy(&output.stderr));
        for event in [
            "webhook:test",
            "medication:validated",
            "medication:submitted",
            "medication:acknowledged",
            "medication:filled",
            "shipment:created",
            "medication:shipped",
            "medication:delivered",
            "refill:approved",
            "medication:on_hold",
            "medication:released",
            "prescription:refill_due",
        ] {
            let told = |line: &str| line.contains(event) && line.contains("signature ok");
            assert!(story.lines().any(told), "run {run}: {event} in\n{story}");
        }
        assert!(!story.contains("REFUSED"), "{story}");
        assert!(story.contains("would do: ameriship_overnight, fedex_2day"), "{story}");
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }
}
