//! Passkeys: made, signed in with, proved anew with and taken away.

mod wrong;

use serde_json::{Value, json};
use ureq::http::Method;

use super::grow_old;
use crate::support::{
    Engine, Server, Store,
    authenticator::{Algorithm, Authenticator, BACKED_UP, BACKUP_ELIGIBLE, Said, base64, bytes, finish},
    browser::{Browser, PASSWORD, account, signed_in},
    eventually, repository,
    story::text,
    two_engines,
};

/// A passkey of the account that a browser is signed in to.
#[track_caller]
fn added(browser: &Browser, server: &Server) -> Authenticator {
    let mut passkey = Authenticator::new(Algorithm::Es256);
    passkey.register(browser, server).data();
    passkey
}

/// An address of its own for each try, so that no try waits for another.
fn elsewhere(server: &Server, number: usize) -> Browser {
    Browser::new(server).at(&format!("203.0.113.{}", number + 1))
}

/// Rows of the audit log, of which there are so many once they are in its chain.
fn on_record(auditor: &Browser, subject: &str, action: &str, count: usize) -> Vec<Value> {
    eventually(action, || {
        let found = auditor.get(&format!("/admin/audit?subject_id={subject}&action={action}&limit=100"));
        let rows = found.body["data"].as_array().expect("a list").clone();
        assert!(rows.len() <= count, "{rows:?}");
        (rows.len() == count).then_some(rows)
    })
}

two_engines! {
    fn a_passkey_signs_in_by_itself(engine) {
        let server = Store::sandbox(engine).serve();
        let browser = signed_in(&server, "ada@example.com", &["super_admin"]);
        let user_id = text(&browser.get("/staff/session").data()["user"]["user_id"]);
        let options = browser.act("/staff/passkeys/start").data().clone();
        assert_eq!((&options["rp"]["id"], &options["user"]["name"]), (&json!("localhost"), &json!("ada@example.com")));
        assert_eq!(hex::encode(bytes(&options["user"]["id"])), user_id.replace('-', ""));
        assert_eq!(bytes(&options["challenge"]).len(), 32);
        let algorithms: Vec<&Value> = options["pubKeyCredParams"].as_array().expect("a list").iter().map(|it| &it["alg"]).collect();
        assert_eq!(algorithms, [-8, -7, -257]);
        assert_eq!(options["authenticatorSelection"], json!({
            "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
        }));
        assert_eq!((&options["attestation"], &options["excludeCredentials"]), (&json!("none"), &json!([])));

        // One that was begun counts for nothing.
        assert_eq!(browser.get("/staff/session").data()["second_factor"], json!([]));
        let mut laptop = Authenticator::new(Algorithm::Es256);
        let reply = laptop.register_as(&browser, &server, "Laptop", |said| said.flags |= BACKUP_ELIGIBLE);
        assert_eq!(reply.data()["recovery_codes"].as_array().map(Vec::len), Some(10));
        let shown = reply.data()["passkey"].clone();
        assert_eq!((&shown["name"], &shown["backed_up"], &shown["last_used_at"]), (&json!("Laptop"), &json!(false), &Value::Null));
        assert_eq!(browser.get("/staff/session").data()["second_factor"], json!(["passkey", "recovery_code"]));

        // It is asked for beside a password, and does without one.
        let other = Browser::new(&server);
        let begun = other.sign_in("ada@example.com", PASSWORD).data().clone();
        assert_eq!((&begun["signed_in"], &begun["second_factor"]), (&json!(false), &json!(["passkey", "recovery_code"])));
        let waiting = other.kept("nimbus_sign_in").expect("a sign-in");
        let backed_up = |said: &mut Said| said.flags |= BACKUP_ELIGIBLE | BACKED_UP;
        let entered = laptop.sign_in_as(&other, &server, backed_up).data().clone();
        assert_eq!((&entered["signed_in"], &entered["user"]["email"]), (&json!(true), &json!("ada@example.com")));
        assert_eq!(other.kept("nimbus_sign_in"), None);
        assert_eq!(other.get("/staff/session").data()["session"]["method"], "passkey");
        let code = text(&reply.data()["recovery_codes"][0]);
        let waited = server.anonymous().json(Method::POST, "/api/staff/session/second-factor",
            &[("cookie", &format!("nimbus_sign_in={waiting}"))], &json!({"method": "recovery_code", "code": code}));
        waited.refused(401, "UNAUTHORIZED");
        let alone = Browser::new(&server);
        let requested = alone.act("/staff/session/passkey/start").data().clone();
        assert_eq!((&requested["allowCredentials"], &requested["rpId"]), (&json!([]), &json!("localhost")));
        assert_eq!(laptop.sign_in_as(&alone, &server, backed_up).data()["signed_in"], true);
        let listed = alone.get("/staff/passkeys").data().clone();
        assert_eq!((&listed[0]["backed_up"], listed[0]["last_used_at"].is_string()), (&json!(true), true));
        assert_eq!(listed[0]["likely_copied_at"], Value::Null);

        // Of each kind of key; codes there are already, and what there is is told, so that none is made twice.
        for algorithm in [Algorithm::EdDsa, Algorithm::Rs256] {
            let mut key = Authenticator::new(algorithm);
            let added = key.register_as(&browser, &server, &format!("{algorithm:?}"), |_| {});
            assert_eq!(added.data()["recovery_codes"], json!([]));
            assert_eq!(key.sign_in(&Browser::new(&server), &server).data()["signed_in"], true, "{algorithm:?}");
        }
        let known = browser.act("/staff/passkeys/start").data()["excludeCredentials"].clone();
        assert_eq!((known.as_array().map(Vec::len), &known[2]["id"]), (Some(3), &json!(base64(&laptop.id))));

        // What is taken away is gone, and once.
        let stranger = signed_in(&server, "tom@example.com", &["support"]);
        let path = format!("/staff/passkeys/{}", text(&shown["passkey_id"]));
        stranger.delete(&path).refused(404, "NOT_FOUND");
        browser.delete(&path).data();
        browser.delete(&path).refused(404, "NOT_FOUND");
        laptop.sign_in_as(&Browser::new(&server), &server, backed_up).refused(401, "UNAUTHORIZED");
        for left in browser.get("/staff/passkeys").data().as_array().expect("a list").clone() {
            browser.delete(&format!("/staff/passkeys/{}", text(&left["passkey_id"]))).data();
        }
        assert_eq!(Browser::new(&server).sign_in("ada@example.com", PASSWORD).data()["signed_in"], true);
    }

    fn what_is_dangerous_is_opened_by_ones_own_passkey(engine) {
        let server = Store::sandbox(engine).with("NIMBUS_STAFF_IDLE_MINUTES", "60").serve();
        let browser = signed_in(&server, "ada@example.com", &["super_admin"]);
        let ada = added(&browser, &server);
        let tom = added(&signed_in(&server, "tom@example.com", &["super_admin"]), &server);
        let of_before = browser.act("/staff/session/step-up/passkey/start").data().clone();
        let (_, _, store) = server.stop();
        grow_old(&store, 11 * 60);
        let server = store.serve();
        let browser = browser.before(&server);
        browser.act("/staff/passkeys/start").refused(403, "STEP_UP_REQUIRED");

        let start = || browser.act("/staff/session/step-up/passkey/start").data().clone();
        let step_up = |credential: &Value| browser.post("/staff/session/step-up/passkey/finish", &json!({"credential": credential}));
        let options = start();
        assert_eq!(options["allowCredentials"], json!([{"type": "public-key", "id": base64(&ada.id)}]));
        // Past its time, for something else, somebody else's, or used.
        assert_eq!(step_up(&ada.get(&Said::of(&of_before, &server))).invalid(), ["credential"]);
        let sign_in = browser.act("/staff/session/passkey/start").data().clone();
        assert_eq!(step_up(&ada.get(&Said::of(&sign_in, &server))).invalid(), ["credential"]);
        assert_eq!(step_up(&tom.get(&Said::of(&options, &server))).invalid(), ["credential"]);
        assert_eq!(step_up(&ada.get(&Said::of(&options, &server))).invalid(), ["credential"]);
        browser.act("/staff/passkeys/start").refused(403, "STEP_UP_REQUIRED");

        let before = browser.kept("nimbus_session").expect("a session");
        assert_eq!(step_up(&ada.get(&Said::of(&start(), &server))).data()["minutes"], 10);
        browser.act("/staff/passkeys/start").data();
        let cookie = format!("nimbus_session={before}");
        server.anonymous().send(Method::GET, "/api/staff/session", &[("cookie", &cookie)], None).refused(401, "UNAUTHORIZED");

        // Failures are counted against the session alone.
        for _ in 0..5 {
            assert_eq!(step_up(&tom.get(&Said::of(&start(), &server))).invalid(), ["credential"]);
        }
        step_up(&ada.get(&Said::of(&start(), &server))).refused(429, "RATE_LIMIT_EXCEEDED");
        ada.sign_in(&Browser::new(&server), &server).data();
    }

    fn a_copy_is_found_by_its_count(engine) {
        let server = Store::sandbox(engine).serve();
        let browser = signed_in(&server, "ada@example.com", &["super_admin,auditor"]);
        let mut passkey = Authenticator::new(Algorithm::Es256);
        let made = passkey.register_as(&browser, &server, "Key", |said| said.count = 5).data().clone();
        let passkey_id = text(&made["passkey"]["passkey_id"]);
        let try_at = |count: u32| passkey.sign_in_as(&Browser::new(&server), &server, |said| said.count = count);
        try_at(6).data();
        for copied in [6, 5, 0] {
            try_at(copied).refused(401, "UNAUTHORIZED");
        }
        let listed = browser.get("/staff/passkeys").data().clone();
        assert!(listed[0]["likely_copied_at"].is_string(), "{listed}");
        on_record(&browser, &passkey_id, "user.passkey_copied", 3);
        on_record(&browser, &passkey_id, "user.passkey_add", 1);
        let log = server.log();
        assert_eq!(log.matches("it has likely been copied").count(), 3);
        assert!(log.contains("WARN") && log.contains(&passkey_id));
        // The one that counts on goes on.
        try_at(u32::MAX).data();
    }

    fn one_signature_at_once_is_one_session(engine) {
        let server = Store::sandbox(engine).serve();
        let passkey = added(&signed_in(&server, "ada@example.com", &["super_admin"]), &server);
        let asked = Browser::new(&server).act("/staff/session/passkey/start").data().clone();
        let credential = passkey.get(&Said::of(&asked, &server));
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4).map(|_| scope.spawn(|| finish(&Browser::new(&server), &credential).status)).collect();
            all.into_iter().map(|one| one.join().expect("an answer")).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 3, "{statuses:?}");
    }

    fn who_tries_passkeys_waits(engine) {
        let server = Store::sandbox(engine).with("NIMBUS_BEHIND_PROXY", "true").serve();
        let browser = signed_in(&server, "ada@example.com", &["super_admin"]);
        let ada = added(&browser, &server);
        let guesser = elsewhere(&server, 1);
        let wrong = |said: &mut Said| said.client["origin"] = json!("https://evil.example");
        for _ in 0..5 {
            ada.sign_in_as(&guesser, &server, wrong).refused(401, "UNAUTHORIZED");
        }
        ada.sign_in(&guesser, &server).refused(429, "RATE_LIMIT_EXCEEDED");
        // It counts with passwords there, and keeps the owner from nothing elsewhere.
        guesser.sign_in("ada@example.com", PASSWORD).refused(429, "RATE_LIMIT_EXCEEDED");
        ada.sign_in(&elsewhere(&server, 2), &server).data();
        // A place as a whole waits too, whatever it makes up.
        let place = elsewhere(&server, 3);
        for _ in 0..20 {
            Authenticator::new(Algorithm::Es256).sign_in(&place, &server).refused(401, "UNAUTHORIZED");
        }
        ada.sign_in(&place, &server).refused(429, "RATE_LIMIT_EXCEEDED");
    }
}

/// Strangers are given so many challenges a minute: each is kept until it runs out.
#[test]
fn an_address_is_given_so_many_challenges() {
    let server = Store::sandbox(Engine::Sqlite)
        .with("NIMBUS_BEHIND_PROXY", "true")
        .with("NIMBUS_RATE_LIMIT_UNAUTHENTICATED", "3")
        .serve();
    let here = elsewhere(&server, 1);
    let statuses: Vec<u16> = (0..8).map(|_| here.act("/staff/session/passkey/start").status).collect();
    // A window may end between two of them: then there are as many more.
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(statuses[..3], [200; 3]);
    elsewhere(&server, 2).act("/staff/session/passkey/start").data();
}

/// In production a passkey is a second factor, for the host that is set and over TLS alone.
#[test]
fn in_production_a_passkey_does() {
    let server = Store::production(Engine::Sqlite).serve();
    account(&server, "ada@example.com", &["super_admin"]);
    let browser = Browser::new(&server);
    browser.sign_in("ada@example.com", PASSWORD).data();
    browser.get("/admin/partners").refused(403, "SECOND_FACTOR_REQUIRED");
    let options = browser.act("/staff/passkeys/start").data().clone();
    assert_eq!(options["rp"]["id"], "api.nimbus-os.com");
    let mut passkey = Authenticator::new(Algorithm::Es256);
    let plain = |said: &mut Said| said.client["origin"] = json!("http://api.nimbus-os.com");
    assert_eq!(passkey.register_as(&browser, &server, "x", plain).invalid(), ["credential"]);
    let added = passkey.register(&browser, &server).data().clone();
    assert_eq!(browser.get("/admin/partners").status, 200);
    let alone = Browser::new(&server);
    passkey.sign_in(&alone, &server).data();
    assert!(alone.cookie().expect("cookies").contains("__Host-nimbus_session="));
    assert_eq!(alone.get("/admin/partners").status, 200);
    // As with the app: without it there is nothing but setting up another.
    browser.delete(&format!("/staff/passkeys/{}", text(&added["passkey"]["passkey_id"]))).data();
    alone.get("/admin/partners").refused(403, "SECOND_FACTOR_REQUIRED");
}

/// What browsers are given is what they take as it is, to the letter.
#[test]
fn options_are_those_of_the_standard() {
    let file = std::fs::read_to_string(repository("openapi/operations.json")).expect("the document");
    let document: Value = serde_json::from_str(&file).expect("the document is JSON");
    let members = |name: &str| -> Vec<String> {
        let properties = document["components"]["schemas"][name]["properties"].as_object().expect("a schema");
        properties.keys().cloned().collect()
    };
    // W3C Web Authentication Level 3, 5.1.9 and 5.1.10: PublicKeyCredentialCreationOptionsJSON and …RequestOptionsJSON.
    let creation = [
        "rp",
        "user",
        "challenge",
        "pubKeyCredParams",
        "timeout",
        "excludeCredentials",
        "authenticatorSelection",
        "hints",
        "attestation",
        "attestationFormats",
        "extensions",
    ];
    let request =
        ["challenge", "timeout", "rpId", "allowCredentials", "userVerification", "hints", "extensions"];
    for (name, known) in [("PasskeyCreationOptions", &creation[..]), ("PasskeyRequestOptions", &request)] {
        for member in members(name) {
            assert!(known.contains(&member.as_str()), "{name}: {member}");
        }
    }
}
