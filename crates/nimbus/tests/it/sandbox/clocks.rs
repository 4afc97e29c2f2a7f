//! Clinics' own clocks: forward only, each for itself, and everything due on the way done in order, once.

use std::{collections::BTreeMap, thread};

use nimbus_core::time::Ts;
use serde_json::{Value, json};

use super::{advance, log, monthly, order, patient, told};
use crate::support::{Client, Engine, Server, Store, eventually, story::text, two_engines, webhooks::Scene};

/// Orders advance by themselves, an hour of the clinic's time between two steps.
fn hourly(engine: Engine) -> Scene {
    Scene::of(Store::sandbox(engine).with("NIMBUS_SANDBOX_AUTO_ADVANCE", "3600"))
}

fn now(client: &Client) -> Ts {
    time(&client.get("/sandbox/fixtures").data()["now"])
}

#[track_caller]
fn time(value: &Value) -> Ts {
    Ts::parse(&text(value)).expect("a time")
}

#[track_caller]
fn move_by(client: &Client, days: u32) -> Value {
    client.post("/sandbox/clock", &json!({ "advance_days": days })).data().clone()
}

two_engines! {
    fn a_refill_becomes_eligible_as_the_clock_moves(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let (id, request) = monthly(&partner, &seed);
        advance(&partner, &id, Some("delivered"));
        let eligibility = format!("/refill-request/eligibility?medication_request_id={request}");
        let before = partner.get(&eligibility).data().clone();
        assert_eq!((&before["eligible"], &before["reason"]), (&json!(false), &json!("too_soon")), "{before}");

        // Three quarters of thirty days.
        let moved = move_by(&partner, 23);
        assert_eq!(moved["finished"], true, "{moved}");
        let (from, to) = (time(&moved["now_before"]), time(&moved["now"]));
        assert_eq!(to, from.plus_days(23));
        let after = partner.get(&eligibility).data().clone();
        assert_eq!(after["eligible"], true, "{after}");

        // What fell due on the way was told at its own time.
        let line = partner.get(&format!("/medication-request/{request}")).data().clone();
        let prescription = text(&line["prescription_id"]);
        let log = log(&partner);
        assert_eq!(
            told(&log, "prescription_id", &prescription).iter().filter(|it| *it == "prescription:refill_due").count(),
            1
        );
        let due = log.iter().find(|event| {
            event["event_type"] == "prescription:refill_due" && event["event_data"]["prescription_id"] == prescription
        });
        let at = time(&due.expect("it was told")["created_at"]);
        let day = at.date_in(&jiff::tz::TimeZone::get("America/Chicago").expect("a zone"));
        assert_eq!(day.to_string(), text(&before["next_eligible_date"]));
        assert!(from < at && at < to);

        let refill = partner.post("/refill-request", &json!({"medication_request_id": request}));
        refill.said("Refill request was created successfully.");
        let created = log_of_refill(&partner);
        assert!(created >= to, "a refill is of the clinic's time: {created} {to}");
    }

    fn staff_and_jobs_go_by_the_clock_of_the_clinic(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let moved = move_by(&partner, 100);
        let (id, _) = monthly(&partner, &seed);
        staff.work(&id, "verify");
        let read = partner.read_order(&id);
        for row in read["status_history"].as_array().expect("a history") {
            assert!(time(&row["at"]) >= time(&moved["now"]), "{row}");
        }
        // Staff move it too, and name the clinic.
        let body = json!({"clinic_id": seed.clinic_id, "advance_hours": 5});
        let again = staff.post("/sandbox/clock", &body).data().clone();
        assert_eq!(time(&again["now"]), time(&again["now_before"]).plus_seconds(5 * 3600));
        assert!(now(&partner) >= time(&again["now"]));
    }

    fn the_age_of_an_order_is_of_its_clinics_clock(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let (id, _) = monthly(&partner, &seed);
        let aged = |filter: &str| {
            let reply = staff.get(&format!("/pharmacy/orders?min_age_hours=48{filter}"));
            reply.data().as_array().expect("a list").iter().any(|order| order["id"] == id)
        };
        let (ours, others) = (format!("&clinic_id={}", seed.clinic_id), format!("&clinic_id={}", seed.other_clinic_id));
        move_by(&server.partner(&seed), 1);
        assert!(!aged(&ours), "it is a day old");
        move_by(&partner, 2);
        assert!(aged(&ours) && !aged(&others));
        assert!(!aged(""), "orders of all clinics have the age of the deployment's clock");
        // What is made now is new again.
        let (anew, _) = order(&partner, &seed, &patient(&partner, &seed, "Newcomer"), 11);
        let reply = staff.get(&format!("/pharmacy/orders?min_age_hours=1{ours}"));
        let found = reply.data().as_array().expect("a list").clone();
        assert!(found.iter().any(|it| it["id"] == id) && found.iter().all(|it| it["id"] != anew), "{found:?}");
    }

    fn two_requests_at_once_do_everything_once_and_in_order(engine) {
        let scene = hourly(engine);
        let patients: Vec<String> =
            (0..3).map(|n| patient(&scene.partner, &scene.seed, &format!("Racer{n}"))).collect();
        let orders: Vec<(String, String)> = (0..6u32)
            .map(|n| order(&scene.partner, &scene.seed, &patients[n as usize % 3], 10 + n))
            .collect();
        let target = now(&scene.partner).plus_days(60).to_string();
        let moves: Vec<Value> = thread::scope(|scope| {
            let go = || {
                let (server, seed, target) = (&scene.server, &scene.seed, &target);
                scope.spawn(move || {
                    server.partner(seed).post("/sandbox/clock", &json!({ "to": target })).data().clone()
                })
            };
            let both = [go(), go(), go()];
            both.into_iter().map(|one| one.join().expect("it answers")).collect()
        });
        assert!(moves.iter().all(|moved| moved["finished"] == true), "{moves:?}");
        assert!(now(&scene.partner) >= Ts::parse(&target).unwrap());

        let log = log(&scene.partner);
        for (id, request) in &orders {
            assert_eq!(scene.partner.read_order(id)["status"], "delivered");
            let of_line = told(&log, "medication_request_id", request);
            let once: BTreeMap<&String, usize> =
                of_line.iter().fold(BTreeMap::new(), |mut all, it| { *all.entry(it).or_default() += 1; all });
            assert!(once.values().all(|count| *count == 1), "{of_line:?}");
            let line = scene.partner.get(&format!("/medication-request/{request}")).data().clone();
            let of_prescription = told(&log, "prescription_id", &text(&line["prescription_id"]));
            let due = of_prescription.iter().filter(|it| *it == "prescription:refill_due").count();
            assert_eq!(due, 1, "{of_prescription:?}");
        }
        // Within an order by its sequence; and the embedded log is in the order in which things were committed.
        for (id, _) in &orders {
            let mut of_order: Vec<(i64, Ts)> = log
                .iter()
                .filter(|event| event["event_data"]["medication_order_id"] == id.as_str())
                .map(|event| (event["sequence"].as_i64().expect("a number"), time(&event["created_at"])))
                .collect();
            of_order.sort_unstable();
            assert!(of_order.iter().map(|(_, at)| at).is_sorted(), "{of_order:?}");
        }
        let times: Vec<Ts> = log.iter().map(|event| time(&event["created_at"])).collect();
        let moved: Vec<&Ts> = times.iter().filter(|at| **at > now_of(&moves)).collect();
        assert!(engine == Engine::Postgres || moved.is_sorted(), "{moved:?}");
    }

    fn orders_advance_by_themselves_with_all_that_is_told(engine) {
        let scene = hourly(engine);
        let receiver = crate::support::receiver::Receiver::start();
        scene.register(&receiver.url(), &["*"]);
        let (id, request) = monthly(&scene.partner, &scene.seed);
        assert_eq!(scene.partner.read_order(&id)["status"], "pending", "an hour has not passed");
        let moved = scene.partner.post("/sandbox/clock", &json!({"advance_hours": 8})).data().clone();
        // What the seed left to do may be among it.
        assert!(moved["fired"].as_u64().is_some_and(|fired| fired >= 8), "{moved}");
        assert_eq!(scene.partner.read_order(&id)["status"], "shipped");
        scene.partner.post("/sandbox/clock", &json!({"advance_hours": 24})).data();
        let read = scene.partner.read_order(&id);
        assert_eq!(read["status"], "delivered");
        let number = text(&read["shipments"][0]["tracking_number"]);
        assert!(number.starts_with("1ZNIMBUS02"), "the number is none of the order's own carrier: {number}");
        let expected = ["validated", "submitted", "acknowledged", "filled", "shipped", "delivered"];
        let told = told(&log(&scene.partner), "medication_request_id", &request);
        assert_eq!(told, expected.map(|change| format!("medication:{change}")));
        for change in expected {
            receiver.wait_for_type(&format!("medication:{change}"), crate::support::PATIENCE);
        }
        receiver.wait_for_type("shipment:created", crate::support::PATIENCE);
        let status = |row: &Value| text(&row["status"]);
        let tracking = scene.partner.get(&format!("/shipment/{}/tracking", text(&read["shipments"][0]["id"])));
        let scans: Vec<String> = tracking.data()["events"].as_array().expect("scans").iter().map(status).collect();
        assert_eq!(scans.len(), 3, "{scans:?}");
        // Each step came an hour after the one before.
        let of_line = |row: &&Value| row["subject_id"] == request.as_str();
        let history = read["status_history"].as_array().expect("a history");
        let steps: Vec<Ts> = history.iter().filter(of_line).map(|row| time(&row["at"])).collect();
        assert_eq!(steps.len(), 8, "{history:?}");
        assert_eq!(steps[1], steps[0].plus_seconds(3600));
        assert_eq!(scene.ledger().dead, 0);
    }
}

/// When the newest refill request of the clinic was made.
fn log_of_refill(partner: &Client) -> Ts {
    time(&partner.get("/refill-request?limit=1").data()[0]["created_at"])
}

/// The earliest time from which a race began.
fn now_of(moves: &[Value]) -> Ts {
    moves.iter().map(|moved| time(&moved["now_before"])).min().expect("there are some")
}

/// Workers find what is due by a clinic's own clock, without anybody moving it further.
#[test]
fn a_moved_clinic_is_worked_in_real_time() {
    let scene = Scene::of(Store::sandbox(Engine::Sqlite).with("NIMBUS_SANDBOX_AUTO_ADVANCE", "1"));
    move_by(&scene.partner, 30);
    let (id, _) = monthly(&scene.partner, &scene.seed);
    eventually("the order advances", || {
        (scene.partner.read_order(&id)["status"] == "submitted").then_some(())
    });
}

#[test]
fn a_clock_moves_forward_only_and_within_limits() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let partner = server.partner(&seed);
    let begin = now(&partner);
    let back = json!({"to": begin.plus_days(-1).to_string()});
    assert_eq!(partner.post("/sandbox/clock", &back).invalid(), ["to"]);
    let far = json!({"to": begin.plus_days(402).to_string()});
    assert_eq!(partner.post("/sandbox/clock", &far).invalid(), ["to"]);
    assert_eq!(partner.post("/sandbox/clock", &json!({})).invalid(), ["advance_days"]);
    move_by(&partner, 2);
    assert_eq!(partner.post("/sandbox/clock", &json!({"to": begin.to_string()})).invalid(), ["to"]);
    assert!(now(&partner) >= begin.plus_days(2));
}

#[test]
fn clinics_have_clocks_of_their_own() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let (partner, stranger) = (server.partner(&seed), server.stranger(&seed));
    let others = now(&stranger);
    move_by(&partner, 300);
    assert!(now(&partner) >= others.plus_days(300));
    assert!(now(&stranger) < others.plus_days(1));
    // Nothing of the other clinic fell due, and its expiry is still to come.
    let prescriptions = partner.get("/prescription?status=expired");
    assert_eq!(prescriptions.data().as_array().map(Vec::len), Some(0), "a year is not over");
    move_by(&partner, 100);
    let prescriptions = partner.get("/prescription?status=expired");
    assert_eq!(prescriptions.data().as_array().map(Vec::len), Some(1));
}

#[test]
fn a_move_is_repeated_under_its_idempotency_key() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let partner = server.partner(&seed);
    let body = json!({"advance_days": 5});
    let first = partner.post_keyed("/sandbox/clock", "once", &body).data().clone();
    let again = partner.post_keyed("/sandbox/clock", "once", &body);
    assert_eq!(again.data(), &first);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert!(now(&partner) < time(&first["now"]).plus_days(1));
}
