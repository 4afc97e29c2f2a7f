//! Retention as partners and operators see it: what is gone is said to be gone, and the books still balance.

use std::{process::Stdio, time::Duration};

use nimbus_store::testing::{block_on, bodies_expire, ledger_walks, logs_settle, told_days_ago, told_rows};
use serde_json::{Value, json};

use crate::support::{
    Engine, PATIENCE, Store, eventually,
    random::Random,
    receiver::Receiver,
    story::text,
    two_engines,
    webhooks::{Ledger, Scene},
};

/// How many events, deliveries and attempts there are.
fn rows(store: &Store) -> Vec<i64> {
    store.behind(async |db| told_rows(db).await)
}

two_engines! {
    fn what_is_past_its_retention_is_said_to_be(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["medication:*"]);
        let order = scene.partner.order(&scene.seed);
        scene.staff.work(&order.id, "verify");
        receiver.wait_for(1, PATIENCE);
        let deliveries = format!("{}/deliveries", endpoint.path());
        let delivered = eventually("it is on record", || {
            let listed = scene.partner.get(&format!("{deliveries}?state=delivered")).data().clone();
            listed.get(0).cloned()
        });
        block_on(logs_settle());
        let events = scene.partner.get("/events").data().clone();
        let (first, last) = (text(&events[0]["event_id"]), text(&events[events.as_array().expect("a list").len() - 1]["event_id"]));
        let of_orders = scene.server.orders(&scene.seed).get("/events").resource(200)["data"][0]["id"].clone();
        let ledger = scene.ledger();
        let Scene { server, seed, .. } = scene;
        let (_, _, store) = server.stop();
        store.behind(async |db| bodies_expire(db).await);

        let scene = Scene::serving(store, seed);
        scene.partner.get(&format!("/events/{first}")).refused(410, "EVENT_EXPIRED");
        let retry = format!("{deliveries}/{}/retry", text(&delivered["id"]));
        scene.partner.act(&retry).refused(410, "EVENT_EXPIRED");
        let expired = scene.partner.get(&format!("/events?cursor={first}"));
        assert_eq!(expired.refused(410, "CURSOR_EXPIRED")["details"][0]["field"], "cursor");
        scene.partner.get(&format!("/events?cursor={first}&wait=5")).refused(410, "CURSOR_EXPIRED");
        assert_eq!(*scene.partner.get(&format!("/events?cursor={last}")).data(), json!([]));
        assert_eq!(*scene.partner.get("/events").data(), json!([]));
        let orders = scene.server.orders(&scene.seed);
        orders.get(&format!("/events/{}", text(&of_orders))).orders_refused(410, "event_expired");
        orders.get(&format!("/events?cursor={}", text(&of_orders))).orders_refused(410, "cursor_expired");

        // The list and the books are as they were, and what comes is told.
        let listed = scene.partner.get(&format!("{deliveries}?state=delivered")).data().clone();
        assert_eq!(listed[0]["id"], delivered["id"]);
        assert_eq!(scene.ledger(), ledger);
        scene.staff.work(&order.id, "submit");
        let next = eventually("what comes is told", || {
            let page = scene.partner.get(&format!("/events?cursor={last}")).data().clone();
            page.get(0).cloned()
        });
        assert!(next["event_id"].is_string());
    }

    fn a_replay_reaches_as_far_as_bodies_are_kept(engine) {
        let store = Store::sandbox(engine).with("NIMBUS_RETENTION_BODY_DAYS", "10");
        let (scene, receiver) = (Scene::of(store), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["medication:*"]);
        let ask = |days: i64| {
            let since = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days - 1);
            let body = json!({"since": since.to_string(), "dry_run": true});
            scene.partner.post(&format!("{}/replay", endpoint.path()), &body)
        };
        assert_eq!(ask(9).status, 200);
        assert_eq!(ask(11).invalid(), ["since"]);
    }

    fn killed_at_any_time_it_goes_on_where_it_was(engine) {
        const EVENTS: usize = 2000;
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        scene.register(&receiver.url(), &["medication:shipped"]);
        for _ in 0..2 {
            let body = json!({
                "clinic_id": scene.seed.clinic_id, "event_type": "medication:shipped", "count": EVENTS / 2,
            });
            scene.staff.post("/sandbox/events/trigger", &body).data();
        }
        eventually("all is delivered", || {
            let ledger = scene.ledger();
            (ledger.accepted == EVENTS as u64 && ledger.pending == 0).then_some(())
        });
        let Scene { server, .. } = scene;
        let (_, _, store) = server.stop();
        let ledger = Ledger::of(&store);
        store.behind(async |db| {
            // Nothing goes that the ledger has not counted.
            ledger_walks(db).await;
            told_days_ago(db, 100).await;
        });
        let before = rows(&store);
        assert!(before[1..].iter().all(|count| *count == EVENTS as i64), "{before:?}");

        let mut random = Random::seeded("RETENTION_SEED");
        let mut seen = vec![before];
        for _ in 0..12 {
            let mut run = store.command(&["retention", "run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
            std::thread::sleep(Duration::from_millis(random.within(20, 250)));
            run.kill().expect("it is ours");
            run.wait().expect("it ends");
            seen.push(rows(&store));
            assert_eq!(Ledger::of(&store), ledger, "the books balance at any time");
        }
        assert!(seen.is_sorted_by(|one, next| one >= next), "nothing comes back: {seen:?}");
        store.json(&["retention", "run", "--json"]);
        let left = store.json(&["retention", "run", "--dry-run", "--json"]);
        assert_eq!(left["classes"][2]["events"], 0, "{left}");
        // Positions of events go on where they were: SQLite keeps the last one, and what was sent of it.
        assert_eq!(rows(&store)[1..], [i64::from(engine == Engine::Sqlite), 0]);
        assert_eq!(Ledger::of(&store), ledger);
    }

    fn what_is_under_a_legal_hold_stays_until_it_is_released(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        scene.register(&receiver.url(), &["prescription:created"]);
        scene.partner.order(&scene.seed);
        scene.partner.order(&scene.seed);
        let clinic = scene.seed.clinic_id.clone();
        let place = json!({"clinic_id": clinic, "matter": "Matter 2026-114"});
        let hold = scene.staff.post("/admin/legal-holds", &place).data().clone();
        assert_eq!((&hold["clinic_id"], &hold["released_at"]), (&json!(clinic), &Value::Null));
        let listed = scene.staff.get("/admin/legal-holds").data().clone();
        assert_eq!(listed, json!([hold]));
        receiver.wait_for(2, PATIENCE);
        eventually("all is delivered", || (scene.ledger().pending == 0).then_some(()));
        let reset = scene.staff.post("/sandbox/reset", &json!({"clinic_id": clinic}));
        reset.refused(400, "INVALID_STATUS_TRANSITION");
        let ledger = scene.ledger();
        let Scene { server, seed, .. } = scene;
        let (_, _, store) = server.stop();
        store.behind(async |db| {
            ledger_walks(db).await;
            told_days_ago(db, 100).await;
        });
        let before = rows(&store);
        let report = store.json(&["retention", "run", "--json"]);
        assert_eq!(rows(&store), before, "{report}");
        assert!(report["partitions"].as_array().is_none_or(Vec::is_empty), "{report}");
        let needed = store.json(&["retention", "run", "--dry-run", "--json"]);
        assert!(needed["classes"][0]["needed_events"].as_i64() > Some(2), "{needed}");

        // What a deleted clinic left cannot be erased either.
        let server = store.serve();
        let staff = server.staff(&seed);
        let release = format!("/admin/legal-holds/{}/release", text(&hold["id"]));
        assert_eq!(staff.post(&release, &json!({})).invalid(), ["reason"]);
        let (_, _, store) = server.stop();
        store.json(&["admin", "clinic", "delete", &clinic]);
        let destroy = ["keys", "clinic", "destroy", clinic.as_str(), "--confirm", clinic.as_str()];
        let refused = store.output(&destroy);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("is under a legal hold"), "{said}");

        let server = store.serve();
        let staff = server.staff(&seed);
        let released = staff.post(&release, &json!({"reason": "Settled"})).data().clone();
        assert_eq!((released["released_at"].is_string(), &released["release_reason"]), (true, &json!("Settled")));
        staff.post(&release, &json!({"reason": "Again"})).refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(*staff.get("/admin/legal-holds").data(), json!([]));
        assert_eq!(*staff.get("/admin/legal-holds?released=true").data(), json!([released]));
        let (_, _, store) = server.stop();
        store.json(&["retention", "run", "--json"]);
        assert!(rows(&store) < before, "it goes now");
        assert_eq!(Ledger::of(&store), ledger);
        assert_eq!(store.json(&destroy)["destroyed"], true);
    }

    fn operators_see_what_would_go(engine) {
        let scene = Scene::start(engine);
        scene.partner.order(&scene.seed);
        let store = scene.server.store();
        let report = store.json(&["retention", "run", "--dry-run", "--json"]);
        assert_eq!(report["dry_run"], true);
        let classes: Vec<&Value> = report["classes"].as_array().expect("classes").iter().collect();
        let names: Vec<&str> = classes.iter().filter_map(|class| class["class"].as_str()).collect();
        assert_eq!(names, ["bodies", "attempts", "metadata"]);
        assert_eq!(classes[0], &json!({"class": "bodies", "days": 30, "bodies": 0, "needed_events": 0}));
        let done = store.json(&["retention", "run", "--json"]);
        assert_eq!(done["classes"][2], json!({"class": "metadata", "days": 90, "events": 0, "deliveries": 0, "replays": 0}));
        // The worker of a server has come to its end as well.
        eventually("doctor tells of it", || {
            let doctor = store.json(&["doctor", "--json"]);
            let checks = doctor["checks"].as_array().expect("checks").clone();
            let told = checks.into_iter().find(|check| check["check"] == "retention")?;
            assert_eq!(told["ok"], true, "{told}");
            told["message"].as_str().is_some_and(|text| text.contains("30, 30 and 90 days")).then_some(())
        });
    }
}

#[test]
fn ages_that_make_no_sense_are_refused() {
    let refused = |name: &str, days: &str| {
        let output =
            Store::sandbox(crate::support::Engine::Sqlite).with(name, days).output(&["config", "check"]);
        assert!(!output.status.success(), "{name}={days}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (name, days, setting) in [
        ("NIMBUS_RETENTION_BODY_DAYS", "6", "retention_body_days"),
        ("NIMBUS_RETENTION_BODY_DAYS", "91", "retention_metadata_days"),
        ("NIMBUS_RETENTION_ATTEMPT_DAYS", "0", "retention_attempt_days"),
        ("NIMBUS_RETENTION_METADATA_DAYS", "29", "retention_metadata_days"),
    ] {
        let said = refused(name, days);
        assert!(said.contains(setting), "{said}");
    }
}
