//! The figures of a webhook, from what its receiver did.

use serde_json::json;

use crate::support::{
    PATIENCE, eventually,
    receiver::{Answer, Receiver},
    two_engines,
    webhooks::Scene,
};

two_engines! {
    fn a_webhook_says_how_it_does(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["medication:*"]);
        let path = format!("{}/stats", endpoint.path());
        let fresh = scene.partner.get(&path).data().clone();
        assert_eq!(fresh["window"], "24h");
        assert_eq!(fresh["deliveries"]["accepted"], 0);
        assert!(fresh["success_rate"].is_null() && fresh["latency"].is_null());
        assert!(fresh["oldest_pending_seconds"].is_null());

        receiver.script([Answer::status(500), Answer::status(302)]);
        let order = scene.partner.order(&scene.seed);
        scene.staff.work(&order.id, "verify");
        receiver.wait_for(3, PATIENCE);
        let stats = eventually("all attempts are on record", || {
            let stats = scene.partner.get(&format!("{path}?window=1h")).data().clone();
            (stats["deliveries"]["pending"] == 0 && stats["deliveries"]["accepted"] != 0).then_some(stats)
        });
        let accepted = stats["deliveries"]["accepted"].as_u64().expect("a count");
        assert_eq!(stats["window"], "1h");
        assert_eq!(stats["complete"], true);
        assert_eq!(stats["deliveries"]["delivered"], accepted);
        assert_eq!(stats["success_rate"], 1.0);
        assert_eq!(stats["attempts"]["total"], accepted + 2);
        assert_eq!(stats["attempts"]["succeeded"], accepted);
        assert_eq!(stats["attempts"]["failed_by_cause"], json!({"server_error": 1, "redirect": 1}));
        let times: Vec<_> =
            ["p50_ms", "p95_ms", "p99_ms"].map(|name| stats["latency"][name].as_u64().expect("a time")).into();
        assert!(times.is_sorted() && times[2] < 10_000, "{times:?}");
        assert_eq!(stats["backlog"], 0);

        // What waits for a paused webhook is its backlog.
        scene.partner.patch(&endpoint.path(), &json!({"status": "paused"})).data();
        scene.staff.work(&order.id, "submit");
        let stats = scene.partner.get(&format!("{path}?window=7d")).data().clone();
        assert_eq!(stats["backlog"], stats["deliveries"]["pending"]);
        assert_ne!(stats["backlog"], 0);
        assert!(stats["oldest_pending_seconds"].is_u64());
        assert_eq!(scene.partner.get(&format!("{path}?window=1y")).invalid(), ["window"]);
    }
}
