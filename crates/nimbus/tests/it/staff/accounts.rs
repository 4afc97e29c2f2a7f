//! The life of an account: invited, opened, used, changed, ended.

use serde_json::{Value, json};

use crate::support::{
    Server, Staff, Store,
    browser::{Browser, PASSWORD, account, invite, signed_in},
    eventually,
    story::text,
    two_engines,
};

/// Signs in, and is who one is.
#[track_caller]
fn enters(server: &Server, email: &str, password: &str) -> Browser {
    let browser = Browser::new(server);
    assert_eq!(browser.sign_in(email, password).data()["user"]["email"], email);
    browser
}

fn actions(auditor: &Staff, subject: &str) -> Vec<String> {
    let found = auditor.get(&format!("/admin/audit?subject_id={subject}&limit=100"));
    let rows = found.body["data"].as_array().expect("a list").clone();
    // That somebody looks is on record as well.
    rows.iter().map(|row| text(&row["action"])).filter(|action| action != "audit.search").collect()
}

two_engines! {
    fn an_account_lives_from_invitation_to_deletion(engine) {
        let (server, _) = Server::seeded(engine);
        let invited = invite(server.store(), "Ada.Admin@example.com", &["super_admin,auditor", "--name", "Ada"]);
        assert_eq!((&invited["state"], &invited["email"]), (&json!("invited"), &json!("ada.admin@example.com")));
        let link = text(&invited["invitation"]["link"]);
        assert!(link.ends_with(&format!("/console/invitation#{}", text(&invited["invitation"]["token"]))), "{link}");

        // Only a good password opens it, and only once.
        let browser = Browser::new(&server);
        browser.sign_in("ada.admin@example.com", PASSWORD).refused(401, "UNAUTHORIZED");
        for weak in ["short", "password1234", "ada.admin says hello"] {
            let reply = browser.accept(&invited, weak);
            assert_eq!(reply.invalid(), ["password"]);
            assert!(!reply.body.to_string().contains(weak), "{}", reply.body);
        }
        let opened = browser.accept(&invited, PASSWORD).data().clone();
        assert_eq!((&opened["state"], &opened["roles"]), (&json!("active"), &json!(["super_admin", "auditor"])));
        let again = browser.accept(&invited, PASSWORD);
        let unknown = browser.accept(&json!({"invitation": {"token": "never"}}), PASSWORD);
        assert_eq!(again.refused(401, "UNAUTHORIZED")["message"], unknown.refused(401, "UNAUTHORIZED")["message"]);

        // In any letter case.
        let reply = browser.sign_in("ADA.Admin@Example.com", PASSWORD);
        assert_eq!((&reply.data()["signed_in"], &reply.data()["second_factor"]), (&json!(true), &json!([])));
        let current = browser.get("/staff/session").data().clone();
        assert_eq!((&current["user"]["name"], &current["session"]["method"]), (&json!("Ada"), &json!("password")));
        assert_eq!(browser.get("/admin/partners").status, 200);
        browser.get("/pharmacy/orders").refused(403, "FORBIDDEN");

        // Another password ends what the old one began elsewhere.
        let elsewhere = enters(&server, "ada.admin@example.com", PASSWORD);
        let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
        assert_eq!(browser.post("/staff/password", &change("not the one", "eight blue bottles")).invalid(), ["current_password"]);
        assert_eq!(browser.post("/staff/password", &change(PASSWORD, "password1234")).invalid(), ["new_password"]);
        let before = browser.kept("session");
        browser.post("/staff/password", &change(PASSWORD, "eight blue bottles")).data();
        assert_ne!(browser.kept("session"), before);
        browser.get("/staff/session").data();
        elsewhere.get("/staff/session").refused(401, "UNAUTHORIZED");
        elsewhere.sign_in("ada.admin@example.com", PASSWORD).refused(401, "UNAUTHORIZED");
        enters(&server, "ada.admin@example.com", "eight blue bottles");

        // She invites somebody, and removes them.
        let body = json!({"email": "tom@example.com", "name": "Tom", "roles": ["technician"]});
        let tom = browser.post("/admin/users", &body).data().clone();
        browser.accept(&tom, PASSWORD).data();
        let toms = enters(&server, "tom@example.com", PASSWORD);
        assert_eq!(toms.get("/pharmacy/orders").status, 200);
        let path = format!("/admin/users/{}", text(&tom["user"]["user_id"]));
        assert_eq!(browser.get(&path).data()["state"], "active");
        browser.delete(&path).said("User deleted successfully");
        toms.get("/pharmacy/orders").refused(401, "UNAUTHORIZED");
        toms.sign_in("tom@example.com", PASSWORD).refused(401, "UNAUTHORIZED");
        browser.get(&path).refused(404, "NOT_FOUND");
        // The address is free again.
        browser.post("/admin/users", &body).data();

        let token = server.store().json(&["admin", "token", "issue", "a", "--roles", "auditor"]);
        let auditor = Staff::new(&server.url(), &text(&token["token"]));
        let of_tom = eventually("it is linked", || {
            let mut found = actions(&auditor, &text(&tom["user"]["user_id"]));
            found.sort();
            (found.len() > 2).then_some(found)
        });
        assert_eq!(of_tom, ["user.accept", "user.delete", "user.invite"]);
        let rows = auditor.get(&format!("/admin/audit?action=user.delete&actor={}", text(&opened["user_id"])));
        assert_eq!(rows.body["data"][0]["actor_kind"], "user", "{}", rows.body);
        assert!(!server.log().contains(PASSWORD) && !server.log().contains("bottles"));
    }

    fn what_ends_sessions_ends_them_at_once(engine) {
        let server = Store::sandbox(engine).serve();
        let admin = signed_in(&server, "ada@example.com", &["super_admin"]);
        let id = account(&server, "sam@example.com", &["support"]);
        let path = format!("/admin/users/{id}");
        let sam = || enters(&server, "sam@example.com", PASSWORD);

        // A name ends nothing; another role does, and counts from the next sign-in on.
        let browser = sam();
        let tag = admin.get(&path).header("etag").expect("a tag").to_owned();
        admin.patch(&path, &json!({"name": "Samuel"})).data();
        assert_eq!(browser.get("/staff/session").data()["user"]["name"], "Samuel");
        let headers = [("if-match", tag.as_str()), ("cookie", &admin.cookie().expect("cookies")), ("origin", &server.url())];
        let late = server.anonymous().json(
            ureq::http::Method::PATCH, &format!("/api{path}"), &headers, &json!({"name": "Late"}));
        late.refused(412, "PRECONDITION_FAILED");
        assert_eq!(admin.patch(&path, &json!({"roles": ["auditor"]})).data()["roles"], json!(["auditor"]));
        browser.get("/staff/session").refused(401, "UNAUTHORIZED");
        let browser = sam();
        browser.get("/admin/partners").refused(403, "FORBIDDEN");
        assert_eq!(browser.get("/admin/audit").status, 200);

        assert_eq!(admin.patch(&path, &json!({"state": "suspended"})).data()["state"], "suspended");
        browser.get("/staff/session").refused(401, "UNAUTHORIZED");
        browser.sign_in("sam@example.com", PASSWORD).refused(401, "UNAUTHORIZED");
        admin.act(&format!("{path}/reset")).refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(admin.patch(&path, &json!({"state": "active"})).data()["state"], "active");

        let browsers = [sam(), sam()];
        let listed = admin.get(&format!("{path}/sessions")).data().clone();
        assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
        assert_eq!(admin.act(&format!("{path}/sessions/revoke")).data()["ended"], 2);
        browsers.iter().for_each(|browser| { browser.get("/staff/session").refused(401, "UNAUTHORIZED"); });
        assert_eq!(admin.get(&format!("{path}/sessions")).data(), &json!([]));

        // A reset takes the password, and what it gives instead is good once.
        let browser = sam();
        let reset = admin.act(&format!("{path}/reset")).data().clone();
        assert_eq!(reset["user"]["state"], "invited");
        browser.get("/staff/session").refused(401, "UNAUTHORIZED");
        browser.sign_in("sam@example.com", PASSWORD).refused(401, "UNAUTHORIZED");
        let second = admin.act(&format!("{path}/reset")).data().clone();
        browser.accept(&reset, PASSWORD).refused(401, "UNAUTHORIZED");
        browser.accept(&second, "eight blue bottles").data();
        enters(&server, "sam@example.com", "eight blue bottles");
    }
}

/// What an idempotency key keeps is kept for administrators, and for nobody who signs in.
#[test]
fn an_invitation_is_repeated_and_a_sign_in_is_not() {
    let (server, seed) = Server::seeded(crate::support::Engine::Sqlite);
    let staff = server.staff(&seed);
    let body = json!({"email": "tom@example.com", "name": "Tom", "roles": ["technician"]});
    let first = staff.post_keyed("/admin/users", "tom", &body).data().clone();
    let again = staff.post_keyed("/admin/users", "tom", &body);
    assert_eq!((again.header("idempotent-replayed"), again.data()), (Some("true"), &first));
    assert_eq!(staff.post("/admin/users", &body).invalid(), ["email"]);
    Browser::new(&server).accept(&first, PASSWORD).data();

    let keyed = [("idempotency-key", "one")];
    let body: Value = json!({"email": "tom@example.com", "password": PASSWORD});
    let client = server.anonymous();
    let sign_in = || client.json(ureq::http::Method::POST, "/api/staff/session", &keyed, &body);
    let (first, again) = (sign_in(), sign_in());
    let cookie = |reply: &crate::support::Reply| reply.header("set-cookie").expect("a cookie").to_owned();
    assert_ne!(cookie(&first), cookie(&again));
    assert_eq!(again.header("idempotent-replayed"), None);
}
