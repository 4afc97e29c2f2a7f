//! Cookies: changed, repeated, past their time, sent by other pages.

use serde_json::{Value, json};
use ureq::http::Method;

use super::grow_old;
use crate::support::{
    Engine, Reply, Server, Store,
    browser::{Browser, PASSWORD, account, signed_in},
    story::text,
    two_engines,
};

/// A reply without the id of its request.
fn apart(reply: &Reply) -> (u16, Value, Option<String>) {
    let mut body = reply.body.clone();
    body["error"]["request_id"] = Value::Null;
    (reply.status, body, reply.header("www-authenticate").map(str::to_owned))
}

/// Asks with a cookie, to the letter.
fn with(server: &Server, path: &str, cookie: &str) -> Reply {
    server.anonymous().send(Method::GET, &format!("/api{path}"), &[("cookie", cookie)], None)
}

two_engines! {
    fn a_cookie_that_is_good_for_nothing_is_refused_alike_and_forgotten(engine) {
        let server = Store::sandbox(engine).serve();
        let browser = signed_in(&server, "ada@example.com", &["super_admin"]);
        let good = browser.kept("nimbus_session").expect("a session");
        let ended = browser.before(&server);
        ended.sign_in("ada@example.com", PASSWORD).data();
        let old = ended.kept("nimbus_session").expect("a session");
        ended.delete("/staff/session").said("Signed out");
        assert_eq!(ended.kept("nimbus_session"), None);
        let changed = browser.before(&server);
        let body = json!({"current_password": PASSWORD, "new_password": "eight blue bottles"});
        changed.post("/staff/password", &body).data();
        let newest = changed.kept("nimbus_session").expect("a session");

        let mut tampered = newest.clone().into_bytes();
        tampered[7] = if tampered[7] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).expect("ASCII");
        let device = changed.kept("nimbus_device").expect("a known browser");
        let long = "A".repeat(4000);
        for path in ["/staff/session", "/admin/partners"] {
            let none = apart(&server.anonymous().get(&format!("/api{path}")));
            assert_eq!(none.0, 401);
            for (what, value) in [
                ("taken the place of", good.as_str()), ("signed out", &old), ("tampered", &tampered),
                ("another cookie's", &device), ("cut", &newest[1..]), ("garbage", "%00"), ("long", &long), ("empty", ""),
            ] {
                let reply = with(&server, path, &format!("nimbus_session={value}"));
                assert_eq!(apart(&reply), none, "{what}");
                let forgotten = reply.header("set-cookie");
                assert_eq!(forgotten, Some("nimbus_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"), "{what}");
            }
            let twice = format!("nimbus_session={newest}; nimbus_session={newest}");
            assert_eq!(apart(&with(&server, path, &twice)), none);
            assert_eq!(with(&server, path, &format!("nimbus_session={newest}")).status, 200);
        }
        // A token that is sent beside it decides, whatever the cookie is.
        let cookie = format!("nimbus_session={newest}");
        let headers = [("cookie", cookie.as_str()), ("authorization", "Bearer ops_x")];
        let reply = server.anonymous().send(Method::GET, "/api/admin/partners", &headers, None);
        reply.refused(401, "UNAUTHORIZED");
        assert_eq!(reply.header("set-cookie"), None, "the cookie is a good one");
    }

    fn a_session_ends_idle_and_after_twelve_hours(engine) {
        let server = Store::sandbox(engine).with("NIMBUS_STAFF_IDLE_MINUTES", "10").serve();
        let browser = signed_in(&server, "ada@example.com", &["super_admin"]);
        let current = browser.get("/staff/session").data().clone();
        let (_, _, store) = server.stop();
        // Nine minutes are no idling, and a use of it counts.
        grow_old(&store, 9 * 60);
        let server = store.serve();
        let used = browser.before(&server);
        let later = used.get("/staff/session").data().clone();
        assert!(text(&later["idle_ends_at"]) > text(&current["idle_ends_at"]));
        crate::support::eventually("its use is on record", || {
            let session = used.get("/staff/session").data()["session"].clone();
            (text(&session["seen_at"]) > text(&current["session"]["seen_at"])).then_some(())
        });
        let (_, _, store) = server.stop();
        grow_old(&store, 9 * 60);
        let server = store.serve();
        let used = browser.before(&server);
        used.get("/staff/session").data();
        let (_, _, store) = server.stop();
        grow_old(&store, 11 * 60);
        let server = store.serve();
        let used = browser.before(&server);
        used.get("/staff/session").refused(401, "UNAUTHORIZED");
        assert_eq!(used.kept("nimbus_session"), None);

        used.sign_in("ada@example.com", PASSWORD).data();
        assert_eq!(used.get("/staff/sessions").data().as_array().map(Vec::len), Some(1), "the idle one is over");
    }

    fn sessions_are_listed_and_ended_one_by_one(engine) {
        let server = Store::sandbox(engine).serve();
        let here = signed_in(&server, "ada@example.com", &["super_admin"]);
        let there = Browser::new(&server);
        there.sign_in("ada@example.com", PASSWORD).data();
        let stranger = signed_in(&server, "sam@example.com", &["support"]);
        let of = |browser: &Browser| text(&browser.get("/staff/session").data()["session"]["session_id"]);
        let (own, other) = (of(&here), of(&there));
        let listed = here.get("/staff/sessions").data().clone();
        let ids: Vec<String> = listed.as_array().expect("a list").iter().map(|row| text(&row["session_id"])).collect();
        assert_eq!(ids, [other.clone(), own]);
        let none = stranger.delete(&format!("/staff/sessions/{other}")).refused(404, "NOT_FOUND").clone();
        assert_eq!(none["message"], "Session not found");
        here.delete(&format!("/staff/sessions/{other}")).said("Session ended");
        there.get("/staff/session").refused(401, "UNAUTHORIZED");
        here.delete(&format!("/staff/sessions/{other}")).refused(404, "NOT_FOUND");
        here.get("/staff/session").data();
    }
}

/// What changes something comes from a page of ours.
#[test]
fn a_page_of_another_host_changes_nothing() {
    let (server, _) = Server::seeded(Engine::Sqlite);
    let browser = signed_in(&server, "ada@example.com", &["super_admin"]);
    let (cookie, own) = (browser.cookie().expect("cookies"), server.url());
    let post = |headers: &[(&str, &str)]| {
        let headers = [&[("cookie", cookie.as_str())], headers].concat();
        server.anonymous().json(Method::POST, "/api/admin/partners", &headers, &json!({"name": "x"}))
    };
    let foreign = "https://evil.example";
    for refused in [
        &[][..],
        &[("origin", foreign)],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", &own)],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
    ] {
        let message = post(refused).refused(403, "FORBIDDEN")["message"].clone();
        assert!(text(&message).contains("page of this host"), "{message}");
    }
    for admitted in [&[("origin", own.as_str())][..], &[("sec-fetch-site", "same-origin")]] {
        post(admitted).data();
    }
    // Reading needs no such word; and nobody has somebody else sign in.
    assert_eq!(with(&server, "/admin/partners", &cookie).status, 200);
    account(&server, "eve@example.com", &["support"]);
    let body = json!({"email": "eve@example.com", "password": PASSWORD});
    let sign_in = |headers: &[(&str, &str)]| {
        server.anonymous().json(Method::POST, "/api/staff/session", headers, &body)
    };
    sign_in(&[("origin", foreign)]).refused(403, "FORBIDDEN");
    sign_in(&[]).data();
}

#[test]
fn two_processes_agree_on_who_has_signed_in() {
    let server = Store::sandbox(Engine::Postgres).serve();
    let beside = server.store().beside();
    let key = std::fs::read(server.store().data_dir().join("master.key")).expect("the sandbox's key");
    let file = beside.folder.path().join("shared.key");
    std::fs::write(&file, key).expect("the folder is ours");
    let other = beside.with("NIMBUS_MASTER_KEY_FILE", &file.display().to_string()).serve();
    let admin = signed_in(&server, "ada@example.com", &["super_admin"]);
    let id = account(&server, "sam@example.com", &["support"]);
    let sam = Browser::new(&server);
    sam.sign_in("sam@example.com", PASSWORD).data();
    let there = sam.before(&other);
    for _ in 0..3 {
        there.get("/admin/partners");
        assert_eq!(there.get("/staff/session").status, 200);
    }
    admin.act(&format!("/admin/users/{id}/sessions/revoke")).data();
    // At once, not within a second: nothing of a session is remembered.
    there.get("/staff/session").refused(401, "UNAUTHORIZED");
    sam.get("/staff/session").refused(401, "UNAUTHORIZED");
}

/// Over TLS the cookies are bound to the host.
#[test]
fn in_production_cookies_are_secure() {
    let server = Store::production(Engine::Sqlite).serve();
    account(&server, "ada@example.com", &["super_admin"]);
    let browser = Browser::new(&server);
    let reply = browser.sign_in("ada@example.com", PASSWORD);
    let cookies: Vec<&str> =
        reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("ASCII")).collect();
    assert!(
        cookies.iter().all(|cookie| cookie.starts_with("__Host-") && cookie.contains("; Secure")),
        "{cookies:?}"
    );
    assert!(cookies[0].starts_with("__Host-nimbus_session="), "{cookies:?}");
    browser.get("/staff/session").data();
    let plain = browser.cookie().expect("cookies").replace("__Host-", "");
    with(&server, "/staff/session", &plain).refused(401, "UNAUTHORIZED");
}
