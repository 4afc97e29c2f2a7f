//! Second factors: an authenticator app of our own, recovery codes, and proving anew who one is.

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use ureq::http::Method;

use super::grow_old;
use crate::support::{
    Engine, Store,
    browser::{Browser, PASSWORD, account, signed_in},
    repository,
    story::text,
    two_engines,
};

/// The code of a secret, so many half minutes from now, by RFC 6238 and RFC 4226 as this test reads them.
pub(crate) fn code(secret: &str, steps: i64) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = secret
        .chars()
        .map(|letter| format!("{:05b}", alphabet.find(letter).expect("a letter of base 32")))
        .collect();
    let key: Vec<u8> = (0..bits.len() / 8)
        .map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).expect("bits"))
        .collect();
    let step = jiff::Timestamp::now().as_second() / 30 + steps;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let part: [u8; 4] = tag.as_ref()[at..at + 4].try_into().expect("four bytes");
    format!("{:06}", (u32::from_be_bytes(part) & 0x7fff_ffff) % 1_000_000)
}

/// Sets up an authenticator app: its secret, and the recovery codes that come with it.
#[track_caller]
pub(crate) fn enrol(browser: &Browser) -> (String, Vec<String>) {
    let setup = browser.act("/staff/totp").data().clone();
    let secret = text(&setup["secret"]);
    assert!(text(&setup["uri"]).starts_with("otpauth://totp/Nimbus:"), "{setup}");
    let confirmed = browser.post("/staff/totp/confirm", &json!({"code": code(&secret, 0)}));
    let codes = confirmed.data()["recovery_codes"].as_array().expect("codes").iter().map(text).collect();
    (secret, codes)
}

pub(crate) fn second(browser: &Browser, method: &str, code: &str) -> crate::support::Reply {
    browser.post("/staff/session/second-factor", &json!({"method": method, "code": code}))
}

two_engines! {
    fn a_password_alone_does_not_do_any_more(engine) {
        let server = Store::sandbox(engine).serve();
        let browser = signed_in(&server, "ada@example.com", &["super_admin"]);
        // A secret of which no code was shown counts for nothing; another start gives another one.
        let first = text(&browser.act("/staff/totp").data()["secret"]);
        assert_eq!(browser.get("/staff/session").data()["second_factor"], json!([]));
        assert_eq!(browser.post("/staff/totp/confirm", &json!({"code": "000000"})).invalid(), ["code"]);
        let (secret, codes) = enrol(&browser);
        assert!(first != secret && codes.len() == 10);
        browser.act("/staff/totp").refused(400, "INVALID_STATUS_TRANSITION");
        browser.post("/staff/totp/confirm", &json!({"code": code(&secret, 1)})).refused(400, "INVALID_STATUS_TRANSITION");
        let current = browser.get("/staff/session").data().clone();
        assert_eq!(current["second_factor"], json!(["totp", "recovery_code"]));

        let other = Browser::new(&server);
        let begun = other.sign_in("ada@example.com", PASSWORD);
        assert_eq!((&begun.data()["signed_in"], &begun.data()["user"]), (&json!(false), &Value::Null));
        assert_eq!(begun.data()["second_factor"], json!(["totp", "recovery_code"]));
        assert_eq!(other.kept("nimbus_session"), None);
        // What waits for its second factor opens nothing, as whatever it is sent.
        let waiting = other.kept("nimbus_sign_in").expect("a sign-in");
        other.get("/staff/session").refused(401, "UNAUTHORIZED");
        let as_session = [("cookie", format!("nimbus_session={waiting}"))];
        let as_session: Vec<(&str, &str)> = as_session.iter().map(|(name, value)| (*name, value.as_str())).collect();
        server.anonymous().send(Method::GET, "/api/staff/session", &as_session, None).refused(401, "UNAUTHORIZED");

        second(&other, "totp", "000000").refused(401, "UNAUTHORIZED");
        second(&other, "recovery_code", "0000-0000-0000-0000").refused(401, "UNAUTHORIZED");
        let next = code(&secret, 1);
        let entered = second(&other, "totp", &next);
        assert_eq!(entered.data()["user"]["email"], "ada@example.com");
        assert_eq!(other.kept("nimbus_sign_in"), None);
        assert_eq!(other.get("/staff/session").data()["session"]["method"], "totp");

        // Neither the code nor the cookie is good twice.
        let again = Browser::new(&server);
        again.sign_in("ada@example.com", PASSWORD).data();
        second(&again, "totp", &next).refused(401, "UNAUTHORIZED");
        let reused = server.anonymous().json(Method::POST, "/api/staff/session/second-factor",
            &[("cookie", &format!("nimbus_sign_in={waiting}"))], &json!({"method": "recovery_code", "code": codes[0]}));
        reused.refused(401, "UNAUTHORIZED");

        // A recovery code is, once, however it is typed; new ones take the place of all.
        let typed = codes[0].to_lowercase().replace('-', " ");
        second(&again, "recovery_code", &typed).data();
        assert_eq!(again.get("/staff/session").data()["recovery_codes"], 9);
        let third = Browser::new(&server);
        third.sign_in("ada@example.com", PASSWORD).data();
        second(&third, "recovery_code", &codes[0]).refused(401, "UNAUTHORIZED");
        let renewed = again.act("/staff/recovery-codes").data()["recovery_codes"].clone();
        assert_eq!(again.get("/staff/session").data()["recovery_codes"], 10);
        second(&third, "recovery_code", &codes[1]).refused(401, "UNAUTHORIZED");
        second(&third, "recovery_code", &text(&renewed[3])).data();

        third.delete("/staff/totp").data();
        assert_eq!(Browser::new(&server).sign_in("ada@example.com", PASSWORD).data()["signed_in"], true);
    }

    fn codes_are_not_guessed_by_who_has_the_password(engine) {
        let server = Store::sandbox(engine).serve();
        let owner = signed_in(&server, "ada@example.com", &["super_admin"]);
        let (_, codes) = enrol(&owner);
        let guesser = Browser::new(&server);
        // The right password in between takes nothing back.
        for _ in 0..5 {
            guesser.sign_in("ada@example.com", PASSWORD).data();
            second(&guesser, "totp", "000000").refused(401, "UNAUTHORIZED");
        }
        guesser.sign_in("ada@example.com", PASSWORD).refused(429, "RATE_LIMIT_EXCEEDED");
        second(&guesser, "recovery_code", &codes[0]).refused(429, "RATE_LIMIT_EXCEEDED");
        owner.sign_in("ada@example.com", PASSWORD).data();
        second(&owner, "recovery_code", &codes[0]).data();
    }

    fn what_is_dangerous_wants_a_factor_of_late(engine) {
        let server = Store::sandbox(engine).with("NIMBUS_STAFF_IDLE_MINUTES", "60").serve();
        let browser = signed_in(&server, "ada@example.com", &["super_admin", "--name", "Ada"]);
        let partner = browser.post("/admin/partners", &json!({"name": "Example"})).data().clone();
        let approve = format!("/admin/partners/{}/approve", text(&partner["partner_id"]));
        let (_, _, store) = server.stop();
        grow_old(&store, 11 * 60);
        let server = store.serve();
        let browser = browser.before(&server);
        browser.act(&approve).refused(403, "STEP_UP_REQUIRED");
        assert_eq!(browser.get(&approve.replace("/approve", "")).data()["status"], "pending");
        browser.post("/admin/partners", &json!({"name": "Harmless"})).data();
        let step_up = |method: &str, secret: &str| browser.post("/staff/session/step-up", &json!({"method": method, "secret": secret}));
        assert_eq!(step_up("password", "not the one").invalid(), ["secret"]);
        assert_eq!(step_up("totp", "000000").invalid(), ["secret"]);
        browser.act(&approve).refused(403, "STEP_UP_REQUIRED");
        let before = browser.kept("nimbus_session").expect("a session");
        assert_eq!(step_up("password", PASSWORD).data()["minutes"], 10);
        assert_eq!(browser.act(&approve).data()["status"], "approved");
        // The cookie from before is another's by now.
        let cookie = format!("nimbus_session={before}");
        server.anonymous().send(Method::GET, "/api/staff/session", &[("cookie", &cookie)], None).refused(401, "UNAUTHORIZED");
        for _ in 0..5 {
            assert_eq!(step_up("password", "not the one").invalid(), ["secret"]);
        }
        step_up("password", PASSWORD).refused(429, "RATE_LIMIT_EXCEEDED");
        Browser::new(&server).sign_in("ada@example.com", PASSWORD).data();
    }
}

/// Exactly the operations that say so want a factor of late, before they look at anything else.
#[test]
fn the_documents_say_what_is_dangerous() {
    let store = Store::sandbox(Engine::Sqlite).with("NIMBUS_STAFF_IDLE_MINUTES", "60");
    let seed = store.seed();
    let server = store.serve();
    let admin = signed_in(&server, "ada@example.com", &["super_admin,auditor"]);
    let (_, _, store) = server.stop();
    grow_old(&store, 11 * 60);
    let server = store.serve();
    let admin = admin.before(&server);
    let file = std::fs::read_to_string(repository("openapi/operations.json")).expect("the document");
    let document: Value = serde_json::from_str(&file).expect("the document is JSON");
    let mut dangerous = 0;
    for (template, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path item") {
            let by_staff = operation["security"]
                .as_array()
                .is_some_and(|all| all.iter().any(|it| it.get("StaffSession").is_some()));
            let roles = operation["security"][0]["OpsToken"].as_array().cloned().unwrap_or_default();
            let may = roles.is_empty()
                || ["super_admin", "auditor"].iter().any(|role| roles.contains(&json!(role)));
            let id = text(&operation["operationId"]);
            if !by_staff || !may || id == "signOut" {
                continue;
            }
            let says_so =
                operation["responses"]["403"]["content"]["application/json"]["examples"]["step_up_required"]
                    .is_object();
            let path = template.replace("/clinics/{id}", &format!("/clinics/{}", seed.clinic_id));
            let path: Vec<&str> = path
                .split('/')
                .map(|part| if part.starts_with('{') { "01890000-0000-7000-8000-000000000001" } else { part })
                .collect();
            let path = path.join("/");
            let method: Method = method.to_uppercase().parse().expect("a method");
            // What is asked for is not there, and nothing is sent: that must not matter.
            let headers = [("cookie", admin.cookie().expect("cookies")), ("origin", server.url())];
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let reply = server.anonymous().send(method, &path, &headers, None);
            let refused = reply.body["error"]["code"] == "STEP_UP_REQUIRED";
            assert_eq!(refused, says_so, "{id}: {}", reply.body);
            dangerous += usize::from(refused);
        }
    }
    assert!(dangerous > 15, "{dangerous}");
    // A machine has no factor to give.
    let staff = server.staff(&seed);
    staff.post("/admin/users", &json!({"email": "a@example.com", "name": "A", "roles": ["support"]})).data();
}

/// In production an account without a second factor does nothing but set one up.
#[test]
fn in_production_everybody_has_a_second_factor() {
    let server = Store::production(Engine::Sqlite).serve();
    account(&server, "ada@example.com", &["super_admin"]);
    let browser = Browser::new(&server);
    assert_eq!(browser.sign_in("ada@example.com", PASSWORD).data()["signed_in"], true);
    assert_eq!(browser.get("/staff/session").data()["must_enrol"], true);
    for path in ["/admin/partners", "/admin/users", "/admin/clinics"] {
        browser.get(path).refused(403, "SECOND_FACTOR_REQUIRED");
    }
    browser.post("/admin/partners", &json!({"name": "x"})).refused(403, "SECOND_FACTOR_REQUIRED");
    enrol(&browser);
    assert_eq!(browser.get("/staff/session").data()["must_enrol"], false);
    assert_eq!(browser.get("/admin/partners").status, 200);
    browser.delete("/staff/totp").data();
    browser.get("/admin/partners").refused(403, "SECOND_FACTOR_REQUIRED");
    // A machine goes on.
    let token = server.store().json(&["admin", "token", "issue", "m", "--roles", "super_admin"]);
    let machine = crate::support::Staff::new(&server.url(), &text(&token["token"]));
    assert_eq!(machine.get("/admin/partners").status, 200);
}
