//! `/metrics`: what became of webhooks, by class of endpoint, in Prometheus' text format.

use std::collections::BTreeMap;

use serde_json::json;
use ureq::http::Method;

use crate::support::{
    Anonymous, PATIENCE, Store, eventually,
    receiver::{Answer, Receiver},
    two_engines,
    webhooks::Scene,
};

/// The words that labels may have for values; those of `le` are numbers.
const WORDS: [&str; 16] = [
    "pending",
    "delivered",
    "dead",
    "cancelled",
    "partner",
    "orders",
    "true",
    "false",
    "handed_over",
    "claimed",
    "failed",
    "none",
    "transient",
    "permanent",
    "closed",
    "half_open",
];

/// A sandbox with an admin listener, and where that is.
fn start(store: Store) -> (Scene, Anonymous) {
    let scene =
        Scene::of(store.with("NIMBUS_ADMIN_LISTEN", "127.0.0.1:0").with("NIMBUS_RETRY_SCALE", "0.00001"));
    let admin = scene.server.admin();
    (scene, admin)
}

/// Every sample, by its name and labels as they are written.
fn samples(admin: &Anonymous) -> BTreeMap<String, String> {
    let reply = admin.send(Method::GET, "/metrics", &[], None);
    assert_eq!(reply.status, 200);
    let text = String::from_utf8(reply.bytes).expect("a text");
    let (mut found, mut families) = (BTreeMap::new(), Vec::new());
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            families.push(family.split(' ').next().expect("a name").to_owned());
        }
        if line.starts_with('#') {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
        assert!(families.iter().any(|family| sample.starts_with(family.as_str())), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(found.insert(sample.to_owned(), value.to_owned()).is_none(), "twice: {line}");
    }
    found
}

/// What the sample says, which must be there.
#[track_caller]
fn count(samples: &BTreeMap<String, String>, sample: &str) -> u64 {
    let value = samples.get(sample).unwrap_or_else(|| panic!("{sample} is not in {samples:?}"));
    value.parse().expect("a count")
}

two_engines! {
    fn figures_are_of_classes_and_of_nobody(engine) {
        let (scene, admin) = start(Store::sandbox(engine));
        let (works, fails) = (Receiver::start(), Receiver::answering(Answer::status(404)));
        scene.partner.register(
            &scene.seed, &works.url(), &json!({"event_types": ["prescription:created"], "ordered": true}));
        let failing = scene.register(&fails.url(), &["prescription:created"]);
        let orders = scene.server.orders(&scene.seed);
        let waits = json!({"url": "http://127.0.0.1:65000/hook", "eventTypes": ["order.created"]});
        let waits = orders.post("/webhooks", &waits).resource(201)["id"].as_str().expect("an id").to_owned();
        orders.patch(&format!("/webhooks/{waits}"), &json!({"status": "paused"})).resource(200);

        let before = samples(&admin);
        let ordered = "shape=\"partner\",ordered=\"true\"";
        let plain = "shape=\"partner\",ordered=\"false\"";
        assert_eq!(count(&before, &format!("nimbus_webhook_attempt_seconds_count{{{ordered}}}")), 0);
        scene.partner.order(&scene.seed);
        works.wait_for(1, PATIENCE);
        eventually("the other is dead", || {
            (scene.partner.delivery_states(&failing) == ["dead"]).then_some(())
        });

        let after = eventually("it is counted", || {
            let after = samples(&admin);
            let ended = format!("nimbus_webhook_attempts_total{{{ordered},outcome=\"delivered\",cause_class=\"none\"}}");
            (count(&after, &ended) == 1 && count(&after, "nimbus_webhook_recorded_total") == 9).then_some(after)
        });
        let failed = |class: &str| format!("nimbus_webhook_attempts_total{{{plain},outcome=\"failed\",cause_class=\"{class}\"}}");
        assert_eq!(count(&after, &failed("permanent")), 8, "404 eight times");
        assert_eq!(count(&after, &failed("transient")), 0);
        assert_eq!(count(&after, &format!("nimbus_webhook_attempt_seconds_bucket{{{plain},le=\"+Inf\"}}")), 8);
        let begun = |way: &str| count(&after, &format!("nimbus_webhook_attempts_begun_total{{{plain},way=\"{way}\"}}"));
        assert_eq!(begun("handed_over") + begun("claimed"), 8);
        assert!(begun("claimed") >= 7, "retries are claimed");
        assert!(count(&after, "nimbus_webhook_record_batches_total") <= 9);
        assert_eq!(count(&after, &format!("nimbus_webhook_in_flight{{{plain}}}")), 0);
        assert_eq!(count(&after, "nimbus_webhook_backlog{shape=\"orders\",ordered=\"false\"}"), 1);
        assert_eq!(count(&after, &format!("nimbus_webhook_backlog{{{plain}}}")), 0);
        assert_eq!(count(&after, "nimbus_deliveries{state=\"dead\"}"), 1);
        assert_eq!(count(&after, "nimbus_ledger_difference"), 0);
        eventually("the lanes are told", || {
            let lanes = format!("nimbus_webhook_lanes{{{ordered},breaker=\"closed\"}}");
            (count(&samples(&admin), &lanes) == 1).then_some(())
        });

        for sample in after.keys() {
            let labels = sample.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
            for (name, value) in labels.split(',').filter_map(|label| label.split_once('=')) {
                let value = value.trim_matches('"');
                let known = WORDS.contains(&value) || value == "open" || (name == "le" && value.len() < 7);
                assert!(known, "{sample}");
            }
        }
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "nothing grows");
    }
}
