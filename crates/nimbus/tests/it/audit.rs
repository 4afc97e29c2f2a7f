//! The audit log as operators prove it: while a server works, after it is killed, elsewhere, and when somebody tampered.

use std::{fs, path::PathBuf};

use nimbus_store::testing::faults::audit_row_edited;
use serde_json::{Value, json};

use crate::support::{Engine, Server, Staff, Store, eventually, story::text, two_engines, webhooks::Scene};

/// Staff of one role; of one clinic, if that is named besides.
fn staff(server: &Server, role: &str, more: &[&str]) -> Staff {
    let token = server.store().json(&[&["admin", "token", "issue", role, "--roles", role], more].concat());
    Staff::new(&server.url(), token["token"].as_str().expect("a token"))
}

/// The actions of a page.
fn actions(page: &Value) -> Vec<String> {
    page["data"].as_array().expect("a list").iter().map(|entry| text(&entry["action"])).collect()
}

/// What `nimbus audit verify` reports, and whether it ended well.
fn verify(store: &Store, more: &[&str]) -> (bool, Value) {
    let output = store.output(&[&["audit", "verify", "--json"], more].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.success(), report)
}

/// All that was done so far is linked; the report says so.
fn chained(store: &Store) -> Value {
    eventually("the log is linked", || {
        let (ok, report) = verify(store, &[]);
        assert!(ok, "{report}");
        report["unlinked_since"].is_null().then_some(report)
    })
}

fn kept(store: &Store, name: &str, args: &[&str]) -> (PathBuf, String) {
    let output = store.output(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = store.data_dir().join(name);
    fs::write(&path, &output.stdout).expect("a file");
    (path, String::from_utf8(output.stdout).expect("a text"))
}

fn tamper(store: &Store, sequence: i64) {
    store.behind(async |db| audit_row_edited(db, sequence).await);
}

fn doctor(store: &Store) -> Value {
    let output = store.output(&["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("the doctor's report is JSON");
    let checks = report["checks"].as_array().expect("checks").clone();
    checks.into_iter().find(|check| check["check"] == "audit").expect("a check of the audit log")
}

two_engines! {
    fn what_is_done_is_linked_whoever_dies_and_what_is_changed_is_found(engine) {
        let Scene { server, seed, partner, .. } = Scene::start(engine);
        let order = partner.order(&seed);
        partner.get(&format!("/medication-order/{}", order.id)).data();
        let first = chained(server.store());
        let rows = first["to"].as_i64().expect("a number");
        assert!(rows > 3, "{first}");
        // It is killed; another one goes on from there.
        let server = server.kill().serve();
        let partner = server.partner(&seed);
        for _ in 0..5 {
            partner.get(&format!("/medication-order/{}", order.id)).data();
        }
        let second = chained(server.store());
        assert!(second["to"].as_i64() >= Some(rows + 5), "{second}");
        let (checkpoint, _) = kept(server.store(), "kept.json", &["audit", "checkpoint"]);
        let checkpoint = checkpoint.to_str().expect("a path");
        assert!(verify(server.store(), &["--checkpoint", checkpoint]).0);
        assert_eq!(doctor(server.store())["ok"], true);

        let (_, _, store) = server.stop();
        tamper(&store, 3);
        let (ok, report) = verify(&store, &["--checkpoint", checkpoint]);
        assert!(!ok);
        assert_eq!(report["count"], 1, "{report}");
        let difference = &report["differences"][0];
        assert_eq!((difference["wrong"].as_str(), difference["sequence"].as_i64()), (Some("row_changed"), Some(3)));
        assert!(difference["audit_id"].is_string() && difference["at"].is_string(), "{report}");
        assert!(verify(&store, &["--from", "4"]).0, "what is behind it is as it was");
        // The server finds it by itself, and raises every alarm.
        let server = store.serve();
        eventually("the alarm", || {
            let told = |line: &str| line.contains("ERROR") && line.contains("row_changed") && line.contains("sequence=3");
            server.log().lines().any(told).then_some(())
        });
        eventually("the doctor finds it", || {
            let found = doctor(server.store());
            (found["ok"] == false && found["message"].as_str()?.contains("1 differences")).then_some(())
        });
    }

    fn an_export_is_proved_without_the_store(engine) {
        let Scene { server, seed, partner, .. } = Scene::start(engine);
        let order = partner.order(&seed);
        partner.get(&format!("/medication-order/{}", order.id)).data();
        chained(server.store());
        let store = server.store();
        let (kept_at, _) = kept(store, "kept.json", &["audit", "checkpoint"]);
        let kept_at = kept_at.to_str().expect("a path");
        partner.get(&format!("/medication-order/{}", order.id)).data();
        chained(store);
        let (path, text) = kept(store, "all.ndjson", &["audit", "export"]);
        let path = path.to_str().expect("a path");
        let (ok, proven) = verify(store, &["--file", path, "--checkpoint", kept_at]);
        assert!(ok && proven["after"] == 0, "{proven}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(proven["rows"].as_u64(), u64::try_from(lines.len() - 2).ok());
        assert!(text.contains("\"action\":\"audit.export\""), "it is on record that it was exported");
        // Another store's checkpoint is of another chain.
        let other = Store::sandbox(Engine::Sqlite);
        other.seed();
        let (stranger, _) = kept(&other, "kept.json", &["audit", "checkpoint"]);
        let stranger = stranger.to_str().expect("a path");
        refused(&server, &["--file", path, "--checkpoint", stranger], "the chain is another");
        // One clinic's rows, with hashes alone of the others.
        let (of_clinic, text) = kept(store, "clinic.ndjson", &["audit", "export", "--clinic", &seed.clinic_id]);
        let (ok, part) = verify(store, &["--file", of_clinic.to_str().expect("a path"), "--checkpoint", kept_at]);
        assert!(ok, "{part}");
        let others = text.lines().filter(|line| line.contains("\"kind\":\"other\"")).count();
        assert!(others > 0 && part["rows"].as_u64() > Some(2), "{part}");
        let (none, _) = kept(store, "none.ndjson", &["audit", "export", "--until", "2020-01-01T00:00:00Z"]);
        assert_eq!(verify(store, &["--file", none.to_str().expect("a path")]).1["rows"], 0);
        // Whatever is done to the file shows, and at which line.
        let edits: [(&str, Vec<String>); 6] = [
            ("line 3: the row is not", edited(&lines, 2, |line| line.replacen("\"action\":\"", "\"action\":\"x", 1))),
            ("line 3: the row is not", edited(&lines, 2, |line| line.replacen("\"at\":\"20", "\"at\":\"19", 1))),
            ("line 3: a link is not", [&lines[..2], &lines[3..]].concat().iter().map(ToString::to_string).collect()),
            ("line 3: a link is not", [&lines[..2], &lines[3..4], &lines[2..3], &lines[4..]].concat().iter().map(ToString::to_string).collect()),
            ("ends without its checkpoint", lines[..4].iter().map(ToString::to_string).collect()),
            ("not what was signed", edited(&lines, lines.len() - 1, |line| line.replacen("\"number\":", "\"number\":1", 1))),
        ];
        for (expected, lines) in edits {
            fs::write(path, lines.join("\n")).expect("a file");
            refused(&server, &["--file", path], expected);
        }
    }
}

two_engines! {
    fn auditors_search_the_log_and_take_it_along(engine) {
        let Scene { server, seed, partner, .. } = Scene::start(engine);
        let order = partner.order(&seed);
        let read = partner.get(&format!("/medication-order/{}", order.id));
        let request = read.header("x-request-id").expect("an id").to_owned();
        partner.get(&format!("/medication-order/{}", order.id)).data();
        chained(server.store());
        let auditor = staff(&server, "auditor", &[]);
        let search = |query: &str| auditor.get(&format!("/admin/audit?{query}")).resource(200).clone();
        let of_order = search(&format!("subject_id={}", order.id));
        assert_eq!(actions(&of_order), ["order.read", "order.read", "order.create"]);
        assert_eq!((&of_order["has_more"], &of_order["next_cursor"]), (&json!(false), &Value::Null));
        let first = &of_order["data"][1];
        assert_eq!((text(&first["request_id"]), text(&first["actor_kind"])), (request.clone(), "key".to_owned()));
        assert_eq!((text(&first["clinic_id"]), text(&first["address"])), (seed.clinic_id.clone(), "127.0.0.1".to_owned()));
        // A page after the other.
        let page = search(&format!("subject_id={}&limit=1", order.id));
        let next = search(&format!("subject_id={}&limit=2&cursor={}", order.id, text(&page["next_cursor"])));
        assert_eq!((page["data"][0].clone(), next["data"][0].clone()), (of_order["data"][0].clone(), first.clone()));
        assert_eq!(actions(&next), ["order.read", "order.create"]);
        // Each filter, alone and with others.
        assert_eq!(search(&format!("request_id={request}"))["data"], json!([first]));
        let key = text(&first["actor"]);
        assert_eq!(search(&format!("actor={key}&action=order.create"))["data"][0], of_order["data"][2]);
        let clinic = search(&format!("clinic_id={}&subject=order", seed.clinic_id));
        assert_eq!(actions(&clinic)[..3], ["order.read", "order.read", "order.create"]);
        let (oldest, newest) = (text(&of_order["data"][2]["at"]), text(&of_order["data"][0]["at"]));
        let until = search(&format!("subject_id={}&from={oldest}&until={newest}", order.id));
        assert!(actions(&until).contains(&"order.create".to_owned()) && actions(&until).len() < 3);
        assert_eq!(search("until=2020-01-01T00:00:00Z")["data"], json!([]));
        assert_eq!(search("from=2200-01-01T00:00:00Z")["data"], json!([]));
        for query in ["cursor=x", "limit=101", "subject_id=x", "from=yesterday"] {
            auditor.get(&format!("/admin/audit?{query}")).refused(400, "VALIDATION_ERROR");
        }
        // Who looked is on record as well.
        chained(server.store());
        assert!(actions(&search("subject=audit")).contains(&"audit.search".to_owned()));

        let compared = auditor.get("/admin/audit/verify").data().clone();
        assert_eq!((&compared["intact"], &compared["finished"]), (&json!(true), &json!(true)));
        assert_eq!(auditor.get("/admin/audit/verify?from=3").data()["from"], 3);
        let reply = auditor.get(&format!("/admin/audit/export?clinic_id={}", seed.clinic_id));
        assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
        let path = server.store().data_dir().join("export.ndjson");
        fs::write(&path, &reply.bytes).expect("a file");
        let (ok, proven) = verify(server.store(), &["--file", path.to_str().expect("a path")]);
        assert!(ok && proven["rows"].as_u64() >= Some(3), "{proven}");
        // Nobody else may.
        let of_clinic = ["--clinic", seed.clinic_id.as_str()];
        let others: [(&str, &[&str]); 4] =
            [("pharmacist", &[]), ("technician", &[]), ("support", &[]), ("clinic_admin", &of_clinic)];
        for (role, more) in others {
            let staff = staff(&server, role, more);
            for path in ["/admin/audit", "/admin/audit/verify", "/admin/audit/export"] {
                staff.get(path).refused(403, "FORBIDDEN");
            }
        }
        staff(&server, "super_admin", &[]).get("/admin/audit").data();
        let (_, _, store) = server.stop();
        tamper(&store, 2);
        let server = store.serve();
        let auditor = staff(&server, "auditor", &[]);
        let compared = auditor.get("/admin/audit/verify").data().clone();
        assert_eq!((&compared["intact"], &compared["count"]), (&json!(false), &json!(1)));
        assert_eq!(compared["differences"][0]["wrong"], "row_changed");
        assert_eq!(compared["differences"][0]["sequence"], 2);
    }
}

fn edited(lines: &[&str], at: usize, edit: impl Fn(&str) -> String) -> Vec<String> {
    let edited = edit(lines[at]);
    assert_ne!(edited, lines[at]);
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| if index == at { edited.clone() } else { (*line).to_owned() })
        .collect()
}

/// The command fails and says so.
#[track_caller]
fn refused(server: &Server, more: &[&str], expected: &str) {
    let output = server.store().output(&[&["audit", "verify"], more].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains(expected), "{expected}: {told}");
}

/// Every entry of a patient's accounting, newest first, page by page.
fn accounting(auditor: &Staff, patient: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = auditor.get(&format!("/admin/patients/{patient}/disclosures?limit=7{cursor}")).body;
        all.extend(page["data"].as_array().expect("a list").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

two_engines! {
    fn a_patients_accounting_has_every_access_and_only_theirs(engine) {
        let scene = Scene::of(Store::sandbox(engine));
        let (server, seed) = (&scene.server, &scene.seed);
        let auditor = staff(server, "auditor", &[]);
        let orders = server.orders(seed);
        let order = scene.partner.order(seed);
        let patient = seed.patient_id.as_str();
        let again = json!({"first_name": "Other", "last_name": "Person", "dob": "1990-01-02", "gender": "female",
            "practitioner_id": seed.practitioner_id, "assigned_clinic": seed.clinic_id,
            "contacts": [{"key": "email", "value": "other@example.com"}],
            "addresses": [{"addressLine1": "1 Elm Street", "city": "Austin", "state": "TX", "postalCode": "78701"}]});
        let other = text(&scene.partner.post_keyed("/patient", "again", &again).data()["patient_id"]);
        assert_eq!(text(&scene.partner.post_keyed("/patient", "again", &again).data()["patient_id"]), other);
        for path in [
            format!("/patient/{patient}"), "/patient".to_owned(), "/medication-order".to_owned(),
            "/prescription".to_owned(), format!("/medication-order/{}", order.id),
        ] {
            scene.partner.get(&path).data();
        }
        orders.get("/orders").resource(200);
        server.staff(seed).get("/pharmacy/orders").data();
        server.staff(seed).get("/pharmacy/shipments").data();
        chained(server.store());

        let found = accounting(&auditor, patient);
        let did = |action: &str| found.iter().filter(|it| it["action"] == action).count();
        for action in [
            "patient.read", "patient.list", "order.create", "order.list", "prescription.list", "order.read",
            "order.queue",
        ] {
            assert!(did(action) > 0, "{action}: {found:#?}");
        }
        assert_eq!(did("order.list"), 2, "one by each of the two APIs");
        assert!(!found.iter().any(|it| it["subject_id"] == other.as_str()));
        let sequences: Vec<_> = found.iter().map(|it| it["sequence"].as_i64()).collect();
        assert!(sequences.is_sorted_by(|one, two| one > two), "newest first, none twice");
        let read = found.iter().find(|it| it["action"] == "patient.read").expect("it was read");
        assert_eq!((&read["to"], &read["actor_kind"]), (&json!("disclosure"), &json!("key")));
        assert!(read["name"].is_string() && read["organisation"].is_string(), "{read}");
        let queue = found.iter().find(|it| it["action"] == "order.queue").expect("it was read");
        assert_eq!((&queue["to"], &queue["organisation"]), (&json!("staff"), &Value::Null));

        // A reply that was told again is on record by what it was about.
        let others = accounting(&auditor, &other);
        let told: Vec<_> = others.iter().map(|it| text(&it["action"])).collect();
        assert!(told.contains(&"idempotency.replay".to_owned()), "{told:?}");

        // The same on the server; nobody else's.
        let output = server.store().output(&["audit", "disclosures", "--patient", patient, "--json"]);
        let printed = String::from_utf8(output.stdout).expect("a text");
        assert!(printed.lines().count() >= found.len(), "{printed}");
        let output = server.store().output(&["audit", "disclosures", "--patient", patient, "--outside"]);
        let printed = String::from_utf8(output.stdout).expect("a text");
        assert!(printed.contains("patient.read") && !printed.contains("order.queue"), "{printed}");
        auditor.get(&format!("/admin/patients/{}/disclosures", seed.clinic_id)).refused(404, "NOT_FOUND");
        server.staff(seed).get(&format!("/admin/patients/{patient}/disclosures"));
    }
}
