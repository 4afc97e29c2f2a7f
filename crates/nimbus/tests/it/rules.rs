//! The rules pack from outside: what it limits, what is put on record and told again, and what refuses to start.

use std::{fs, path::PathBuf, process::Output};

use http::Method;
use nimbus_core::ids::{PatientId, PrescriptionId, RefillId};
use serde_json::{Value, json};

use crate::support::{
    Engine, Partner, Seed, Server, Store, repository,
    story::{line, text},
    two_engines,
};

pub(crate) fn shipped() -> String {
    fs::read_to_string(repository("rules/2026-01-01.toml")).expect("the shipped pack")
}

/// A pack beside the shipped one, in force years later.
pub(crate) fn later() -> String {
    let pack = shipped().replace("version = \"2026-01-01\"", "version = \"2040-01-01\"");
    pack.replace("effective_from = 2026-01-01", "effective_from = 2040-01-01")
        .replace("percent = 75", "percent = 99")
}

/// A folder of packs in the store's own folder.
pub(crate) fn packs(store: &Store, name: &str, packs: &[(&str, &str)]) -> String {
    let folder: PathBuf = store.folder.path().join(name);
    fs::create_dir(&folder).expect("our folder");
    for (file, text) in packs {
        fs::write(folder.join(file), text).expect("our folder");
    }
    folder.display().to_string()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What `rules explain` prints; it must succeed.
#[track_caller]
fn told(store: &Store, id: &str, more: &[&str]) -> String {
    let output = store.output(&[&["rules", "explain", id], more].concat());
    assert!(output.status.success(), "{}", err(&output));
    out(&output)
}

/// The ruling on a rule: the line that begins with its verdict.
#[track_caller]
fn verdict(told: &str, rule: &str) -> String {
    let found = told.lines().find(|line| line.split_whitespace().nth(1) == Some(rule));
    let found = found.unwrap_or_else(|| panic!("nothing of {rule} in\n{told}"));
    found.split_whitespace().next().expect("a verdict").to_owned()
}

/// A weekly prescription whose refill is for review, and the refill that waits for it.
#[track_caller]
fn under_review(server: &Server, seed: &Seed) -> String {
    let mut weekly = line("Lisinopril");
    weekly["days_supply"] = json!(7);
    let order = server.partner(seed).order_of(seed, &[weekly]);
    server.staff(seed).deliver(&order.id);
    let prescription: PrescriptionId = order.prescriptions[0].parse().expect("an id");
    let patient: PatientId = seed.patient_id.parse().expect("an id");
    let body = json!({"patientId": patient.prefixed(), "prescriptionId": prescription.prefixed()});
    let refill = server.orders(seed).post("/refills", &body).resource(201).clone();
    assert_eq!((&refill["status"], &refill["reviewReason"]), (&json!("pending"), &json!("too_soon")));
    text(&refill["id"])
}

two_engines! {
    fn decisions_are_told_again_by_the_pack_that_made_them(engine) {
        let (server, seed) = Server::seeded(engine);
        let made = server.partner(&seed).post("/refill-request", &json!({"medication_request_id": seed.medication_request_id}));
        let (refill, order) = (text(&made.data()["refill_request_id"]), text(&made.data()["medication_order_id"]));
        let pending = under_review(&server, &seed);
        server.staff(&seed).act(&format!("/pharmacy/refill-requests/{pending}/approve")).data();
        let store = server.store();

        let clean = told(store, &refill, &[]);
        assert!(clean.contains("refill_created of ref_") && clean.contains("Pack 2026-01-01"), "{clean}");
        for rule in nimbus_core::eligibility::Rule::ALL {
            assert_eq!(verdict(&clean, rule.as_str()), "pass", "{clean}");
        }
        let prefixed = refill.parse::<RefillId>().expect("an id").prefixed();
        assert_eq!(told(store, &prefixed, &[]), clean);
        assert_eq!(told(store, &order, &[]), clean, "the order of a refill has the refill's decision");
        let decision = clean.split_whitespace().find(|word| word.starts_with("dec_")).expect("its id");
        assert_eq!(told(store, decision.trim_end_matches(','), &[]), clean);

        let reviewed = told(store, &pending, &[]);
        assert!(reviewed.contains("refill_created") && reviewed.contains("refill_reviewed"), "{reviewed}");
        assert_eq!(verdict(&reviewed, "too_soon"), "review");
        assert!(reviewed.contains("passes on ") && reviewed.contains("Policy refill-threshold"), "{reviewed}");

        // Later packs change nothing of it.
        let beside = packs(store, "beside", &[("a.toml", &shipped()), ("b.toml", &later())]);
        for (id, before) in [(&refill, &clean), (&pending, &reviewed)] {
            assert_eq!(told(store, id, &["--rules-dir", &beside]), *before);
        }
        // A pack that was edited under its name is found out, and so is one that is gone.
        let edited = shipped().replace("review_window_days = 7", "review_window_days = 0");
        let edited = packs(store, "edited", &[("a.toml", &edited)]);
        let output = store.output(&["rules", "explain", &pending, "--rules-dir", &edited]);
        assert!(!output.status.success() && out(&output).is_empty(), "{}", out(&output));
        assert!(err(&output).contains("the rules no longer say what was decided: too_soon"), "{}", err(&output));
        // So is one whose words alone are others.
        let reworded = packs(store, "reworded", &[("a.toml", &shipped().replace("has left the", "left the"))]);
        let output = store.output(&["rules", "explain", &refill, "--rules-dir", &reworded]);
        assert!(!output.status.success() && out(&output).is_empty(), "{}", out(&output));
        assert!(err(&output).contains("2026-01-01 is on record with other rules"), "{}", err(&output));
        let gone = packs(store, "gone", &[("b.toml", &later())]);
        let output = store.output(&["rules", "explain", &refill, "--rules-dir", &gone]);
        assert!(!output.status.success() && err(&output).contains("not among those at hand"), "{}", err(&output));

        assert!(err(&store.output(&["rules", "explain", "nonsense"])).contains("is not the id"));
        assert!(!store.output(&["rules", "explain", &seed.patient_id]).status.success(), "nothing of that id");
    }

    fn a_first_fill_is_on_record(engine) {
        let (server, seed) = Server::seeded(engine);
        let mut kept = line("Lisinopril");
        kept["do_not_fill"] = json!(true);
        let prescription = server.partner(&seed).order_of(&seed, &[kept]).prescriptions[0].clone();
        let body = json!({
            "patientId": seed.patient_id, "prescriptionId": prescription,
            "shippingAddress": {"street1": "1 Elm St", "city": "Austin", "state": "TX", "zip": "78701"},
        });
        let order = server.orders(&seed).post("/orders", &body).resource(201).clone();
        let told = told(server.store(), &text(&order["id"]), &[]);
        assert!(told.contains("order_created of ord_") && told.contains("a first fill"), "{told}");
        assert_eq!(verdict(&told, "expired"), "pass");
        assert!(!told.contains("too_soon"), "it consumes no refill: {told}");
        let first = server.store().output(&["rules", "explain", &seed.medication_order_id]);
        assert!(err(&first).contains("the rules were not asked"), "{}", err(&first));
    }

    fn a_clinic_has_thresholds_of_its_own(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let path = |clinic: &str| format!("/admin/clinics/{clinic}/refill-thresholds");
        let ours = path(&seed.clinic_id);
        let put = |path: &str, body: Value| staff.json(Method::PUT, path, &[], &body);
        let order = partner.order(&seed);
        staff.deliver(&order.id);
        let days = || {
            let path = format!("/refill-request/eligibility?medication_request_id={}", order.lines[0]);
            let next = text(&partner.get(&path).data()["next_eligible_date"]);
            let filled = text(&partner.read_order(&order.id)["medication_requests"][0]["filled_on"]);
            let day = |text: &str| text.parse::<jiff::civil::Date>().expect("a date");
            day(&filled).until(day(&next)).expect("days").get_days()
        };
        let view = staff.get(&ours).data().clone();
        assert_eq!((&view["percent"], &view["in_force"]["percent"]), (&Value::Null, &json!(75)));
        assert_eq!((view["in_force"]["controlled_percent"].clone(), days()), (json!(85), 23));

        let changed = put(&ours, json!({"percent": 90})).data().clone();
        assert_eq!((&changed["percent"], &changed["controlled_percent"]), (&json!(90), &Value::Null));
        assert_eq!((changed["in_force"]["percent"].clone(), days()), (json!(90), 27));
        assert_eq!(staff.get(&ours).data(), &changed);
        assert_eq!(staff.get(&path(&seed.other_clinic_id)).data()["in_force"]["percent"], 75);

        assert_eq!(put(&ours, json!({"percent": 0, "controlled_percent": 101})).invalid(), ["percent", "controlled_percent"]);
        assert_eq!(days(), 27, "a refused change changes nothing");
        put(&path("00000000-0000-0000-0000-000000000000"), json!({})).refused(404, "NOT_FOUND");
        assert_eq!(put(&ours, json!({})).data()["percent"], Value::Null, "what is left out is the deployment's");
        assert_eq!(days(), 23);

        let set = server.store().json(&["admin", "clinic", "refill-thresholds", &seed.clinic_id, "--percent", "50"]);
        assert_eq!((&set["percent"], &set["controlled_percent"], days()), (&json!(50), &json!(85), 15));
    }

    fn a_prescription_is_limited_by_the_law_of_its_state(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let (limit, expires, warning) = ordered_to(&partner, &seed, "Testosterone Cypionate", "TX");
        assert_eq!((limit, expires), (5, 6));
        assert_eq!(warning, "medication_requests[0].refills: at most 5 for a C-III drug (22 TAC 315.5); 5 are authorised");
        let (limit, expires, warning) = ordered_to(&partner, &seed, "Testosterone Cypionate", "NY");
        assert_eq!((limit, expires), (5, 6));
        assert!(warning.contains("(21 CFR 1306.22)"), "{warning}");
        let (limit, expires, warning) = ordered_to(&partner, &seed, "Lisinopril", "TX");
        assert_eq!((limit, expires, warning.as_str()), (9, 12, ""));
    }
}

/// An order with nine refills to a state: the refills authorised, the months until it expires, and the warning about
/// refills.
#[track_caller]
fn ordered_to(partner: &Partner, seed: &Seed, medication: &str, state: &str) -> (u64, i32, String) {
    let mut asked = line(medication);
    asked["refills"] = json!(9);
    let mut body = crate::support::story::order_body(seed, &[asked]);
    body["shipping_address"] =
        json!({"addressLine1": "1 Elm St", "city": "Springfield", "state": state, "postalCode": "78701"});
    let made = partner.post("/medication-order", &body).data().clone();
    let warnings = made["warnings"].as_array().into_iter().flatten().map(text);
    let warning = warnings.filter(|warning| warning.contains(".refills")).collect::<Vec<_>>().join("; ");
    let prescription = text(&made["medications"][0]["prescription_id"]);
    let found = partner.get(&format!("/prescription/{prescription}")).data().clone();
    let day = |name: &str| text(&found[name]).parse::<jiff::civil::Date>().expect("a date");
    let months = jiff::Unit::Month;
    let lasts = day("date_issued").until((months, day("expires_on"))).expect("months").get_months();
    (found["refills_authorized"].as_u64().expect("a number"), lasts, warning)
}

#[test]
fn staff_read_the_pack_in_force() {
    let store = Store::sandbox(Engine::Sqlite);
    let folder = packs(&store, "packs", &[("a.toml", &shipped()), ("b.toml", &later())]);
    let store = store.with("NIMBUS_RULES_DIR", &folder);
    let seed = store.seed();
    let server = store.serve();
    let staff = server.staff(&seed);
    let pack = staff.get("/admin/rules").data().clone();
    assert_eq!((&pack["version"], &pack["thresholds"]["percent"]), (&json!("2026-01-01"), &json!(75)));
    assert!(text(&pack["disclaimer"]).contains("pharmacist-in-charge"), "{pack}");
    let rows = pack["refills"].as_array().expect("rows");
    let texas = rows.iter().find(|row| row["rule"]["id"] == "texas-c3-c5").expect("the row of Texas");
    assert_eq!(
        (&texas["states"], &texas["max_refills"], &texas["lasts_months"]),
        (&json!(["TX"]), &json!(5), &json!(6))
    );
    assert_eq!(pack["gates"]["veterinary"]["food_producing"], json!(["swine"]));
    let then = staff.get("/admin/rules?on=2040-01-01").data().clone();
    assert_eq!((&then["version"], &then["thresholds"]["percent"]), (&json!("2040-01-01"), &json!(99)));
    staff.get("/admin/rules?on=2040-13-01").invalid();
    assert_eq!(server.store().json(&["rules", "show"]), pack);
    assert_eq!(server.store().json(&["rules", "show", "--on", "2040-01-01"]), then);
}

#[test]
fn an_impossible_pack_refuses_to_start() {
    let store = Store::sandbox(Engine::Sqlite);
    let bad =
        shipped().replace("percent = 75", "percent = 750").replace("[gates.license]", "[gates.licence]");
    let folder = packs(&store, "bad", &[("a.toml", &bad), ("b.toml", "version = 1\n")]);
    let line = |word: &str| bad[..bad.find(word).expect("it is there")].matches('\n').count() + 1;
    let expected = [
        format!("a.toml:{}: thresholds.percent must be a whole number from 1 to 100", line("percent = 750")),
        format!("a.toml:{}: gates.licence is not a field of a pack", line("licence]")),
        "gates.license is missing: the section [gates.license]".to_owned(),
        "b.toml:1: version must be a text".to_owned(),
        "b.toml:1: refills is missing".to_owned(),
    ];
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["rules", "check"], &["config", "check"]] {
        let output = store.output(&[command, &["--rules-dir", &folder]].concat());
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        for problem in &expected {
            assert!(err(&output).contains(problem), "{command:?}: {problem} is missing in\n{}", err(&output));
        }
    }
    let file = format!("{folder}/a.toml");
    let output = store.output(&["rules", "check", &file]);
    assert!(
        output.status.code() == Some(1) && err(&output).contains(&format!("{file}:")),
        "{}",
        err(&output)
    );
}

#[test]
fn valid_packs_are_listed() {
    let store = Store::sandbox(Engine::Sqlite);
    let output = store.output(&["rules", "check"]);
    assert!(output.status.success() && out(&output).starts_with("2026-01-01: in force from 2026-01-01"));
    let folder = packs(&store, "packs", &[("a.toml", &shipped()), ("b.toml", &later())]);
    let (a, b) = (format!("{folder}/a.toml"), format!("{folder}/b.toml"));
    assert_eq!(out(&store.output(&["rules", "check", &a, &b])).lines().count(), 2);
    let twice = store.output(&["rules", "check", &a, &a]);
    assert!(
        twice.status.code() == Some(1) && err(&twice).contains("the version is also that of"),
        "{}",
        err(&twice)
    );
}

#[test]
fn the_deployment_may_set_thresholds() {
    let store = Store::sandbox(Engine::Sqlite).with("NIMBUS_REFILL_THRESHOLD", "80");
    let seed = store.seed();
    let server = store.serve();
    let path = format!("/admin/clinics/{}/refill-thresholds", seed.clinic_id);
    let view = server.staff(&seed).get(&path).data().clone();
    assert_eq!(
        (&view["percent"], &view["in_force"]),
        (&Value::Null, &json!({"percent": 80, "controlled_percent": 85}))
    );
    let refused = server.store().output(&["config", "check", "--refill-threshold", "101"]);
    assert!(err(&refused).contains("a refill threshold must be 1 to 100"), "{}", err(&refused));
}
