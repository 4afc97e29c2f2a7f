//! Deliveries that go, or come, behind the server's back: the ledger tells of them everywhere.

use std::time::Duration;

use nimbus_core::ids::DeliveryId;
use nimbus_store::testing::faults::{self, is_walked};
use serde_json::json;
use ureq::http::Method;

use crate::support::{
    Partner, Server, Store, eventually, receiver::Receiver, two_engines, webhooks::Endpoint,
};

two_engines! {
    fn a_delivery_that_was_deleted_or_doubled_raises_every_alarm(engine) {
        let store = Store::sandbox(engine);
        let seed = store.seed();
        let server = store.serve_with(&["--admin-listen", "127.0.0.1:0"]);
        let (partner, receiver) = (server.partner(&seed), Receiver::start());
        let paused = |number: usize| {
            let options = json!({"event_types": ["medication:filled"]});
            let made = partner.register(&seed, &format!("{}?n={number}", receiver.url()), &options);
            partner.patch(&made.path(), &json!({"status": "paused"})).data();
            made
        };
        let endpoints = [paused(0), paused(1), paused(2)];
        for _ in 0..4 {
            partner.post("/sandbox/trigger", &json!({"event_type": "medication:filled"})).data();
        }
        assert_eq!(difference(&server), 0);
        let report = doctor(&server);
        assert_eq!(report["ok"], true, "{report}");

        tamper(&server, &partner, &endpoints);
        let report = eventually("the doctor finds it", || {
            let report = doctor(&server);
            (report["ok"] == false && difference(&server) == 2).then_some(report)
        });
        let message = ledger_check(&report);
        for (endpoint, words) in [(&endpoints[0], "a difference of 1"), (&endpoints[1], "a difference of -1")] {
            assert!(message.contains(&format!("endpoint {}: {words}", endpoint.id)), "{message}");
        }
        assert!(!message.contains(&endpoints[2].id), "the third is sound: {message}");
        assert!(!server.store().output(&["doctor"]).status.success());

        // The server finds it by itself, and says so in its log; again when it starts anew.
        let (status, _, store) = server.stop();
        assert!(status.success());
        let server = store.serve_with(&["--admin-listen", "127.0.0.1:0"]);
        eventually("the alarm", || {
            let log = server.log();
            let told = |id: &str| log.lines().any(|line| {
                line.contains("ERROR") && line.contains("the ledger of deliveries does not balance") && line.contains(id)
            });
            (told(&endpoints[0].id) && told(&endpoints[1].id)).then_some(())
        });
        assert!(!server.log().contains(&endpoints[2].id));
        assert_eq!(difference(&server), 2);
    }
}

/// One of the first endpoint's pending deliveries goes, one of the second's is there twice.
fn tamper(server: &Server, partner: &Partner, endpoints: &[Endpoint; 3]) {
    let delivery = |endpoint: &Endpoint, number: usize| -> DeliveryId {
        let id = partner.deliveries(endpoint)[number]["id"].as_str().expect("an id").to_owned();
        id.parse().expect("a UUID")
    };
    let (gone, doubled) = (delivery(&endpoints[0], 0), delivery(&endpoints[1], 1));
    server.store().behind(async |db| {
        // What is not walked yet is known by its event, not by its endpoint.
        while !is_walked(db).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        faults::tamper(db, gone, doubled).await;
    });
}

fn doctor(server: &Server) -> serde_json::Value {
    let output = server.store().output(&["doctor", "--json"]);
    serde_json::from_slice(&output.stdout).expect("the doctor's report is JSON")
}

fn ledger_check(report: &serde_json::Value) -> String {
    let checks = report["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| check["check"] == "deliveries").expect("a check of deliveries");
    assert_eq!(found["ok"], false);
    found["message"].as_str().expect("a message").to_owned()
}

/// The metric of what is unaccounted for.
fn difference(server: &Server) -> i64 {
    let reply = server.admin().send(Method::GET, "/metrics", &[], None);
    let metrics = String::from_utf8(reply.bytes).expect("text");
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("nimbus_ledger_difference ")).expect("the metric");
    line.parse().expect("a number")
}
