//! Who may make whom of an account.

use serde_json::json;

use crate::support::{
    Engine, Server,
    browser::{Browser, PASSWORD, account, signed_in},
    story::text,
    two_engines,
};

const NOBODY: &str = "/admin/users/01890000-0000-7000-8000-000000000001";

two_engines! {
    fn who_administers_a_clinic_has_its_accounts_alone(engine) {
        let (server, seed) = Server::seeded(engine);
        let own = signed_in(&server, "own@example.com", &["clinic_admin", "--clinic", &seed.clinic_id]);
        let colleague = account(&server, "colleague@example.com", &["clinic_admin", "--clinic", &seed.clinic_id]);
        let other = account(&server, "other@example.com", &["clinic_admin", "--clinic", &seed.other_clinic_id]);
        let staff = account(&server, "staff@example.com", &["support"]);

        let listed = own.get("/admin/users").body["data"].clone();
        let emails: Vec<String> = listed.as_array().expect("a list").iter().map(|row| text(&row["email"])).collect();
        assert_eq!(emails, ["colleague@example.com", "own@example.com"]);
        let none = own.get(NOBODY).refused(404, "NOT_FOUND").clone();
        for foreign in [&other, &staff] {
            let path = format!("/admin/users/{foreign}");
            for reply in [
                own.get(&path),
                own.patch(&path, &json!({"name": "x"})),
                own.delete(&path),
                own.act(&format!("{path}/reset")),
                own.get(&format!("{path}/sessions")),
                own.act(&format!("{path}/sessions/revoke")),
            ] {
                assert_eq!(reply.refused(404, "NOT_FOUND")["message"], none["message"]);
            }
        }
        let path = format!("/admin/users/{colleague}");
        assert_eq!(own.patch(&path, &json!({"name": "Col"})).data()["name"], "Col");
        assert_eq!(own.patch(&path, &json!({"roles": ["super_admin"], "clinic_id": null})).invalid(), ["roles"]);
        assert_eq!(own.patch(&path, &json!({"clinic_id": seed.other_clinic_id})).invalid(), ["clinic_id"]);

        let invite = |roles: serde_json::Value, clinic: Option<&str>| {
            own.post("/admin/users", &json!({"email": "new@example.com", "name": "New", "roles": roles, "clinic_id": clinic}))
        };
        assert_eq!(invite(json!(["support"]), None).invalid(), ["roles"]);
        assert_eq!(invite(json!(["clinic_admin", "support"]), Some(&seed.clinic_id)).invalid(), ["roles"]);
        assert_eq!(invite(json!(["clinic_admin"]), Some(&seed.other_clinic_id)).invalid(), ["clinic_id"]);
        assert_eq!(invite(json!(["clinic_admin"]), None).invalid(), ["clinic_id"]);
        assert_eq!(invite(json!(["clinic_admin"]), Some(&seed.clinic_id)).data()["user"]["clinic_id"], seed.clinic_id.as_str());
        own.delete(&path).data();
        own.get(&format!("/admin/clinics/{}/keys", seed.clinic_id)).data();
        own.get(&format!("/admin/clinics/{}/keys", seed.other_clinic_id)).refused(404, "NOT_FOUND");
    }

    fn nobody_makes_more_of_themselves_and_the_last_one_stays(engine) {
        let (server, seed) = Server::seeded(engine);
        let ada = signed_in(&server, "ada@example.com", &["super_admin"]);
        let id = text(&ada.get("/staff/session").data()["user"]["user_id"]);
        let own = format!("/admin/users/{id}");
        assert_eq!(ada.patch(&own, &json!({"roles": ["super_admin", "pharmacist"]})).invalid(), ["roles"]);
        assert_eq!(ada.patch(&own, &json!({"state": "suspended"})).invalid(), ["state"]);
        assert_eq!(ada.delete(&own).invalid(), ["id"]);
        assert_eq!(ada.patch(&own, &json!({"name": "Ada L."})).data()["name"], "Ada L.");

        // A machine with the role does not remove the last one either.
        let machine = server.staff(&seed);
        assert_eq!(machine.patch(&own, &json!({"roles": ["auditor"]})).invalid(), ["roles"]);
        assert_eq!(machine.patch(&own, &json!({"state": "suspended"})).invalid(), ["roles"]);
        assert_eq!(machine.delete(&own).invalid(), ["id"]);
        assert_eq!(machine.act(&format!("{own}/reset")).invalid(), ["id"]);
        let second = account(&server, "bea@example.com", &["super_admin"]);
        ada.get("/staff/session").data();
        machine.delete(&own).data();
        assert_eq!(machine.delete(&format!("/admin/users/{second}")).invalid(), ["id"]);
        ada.get("/staff/session").refused(401, "UNAUTHORIZED");
    }
}

/// Two who each remove the other: one stays.
#[test]
fn of_two_who_remove_each_other_one_stays() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let (server, _) = Server::seeded(engine);
        let pair = [
            signed_in(&server, "ada@example.com", &["super_admin"]),
            signed_in(&server, "bea@example.com", &["super_admin"]),
        ];
        let ids: Vec<String> =
            pair.iter().map(|one| text(&one.get("/staff/session").data()["user"]["user_id"])).collect();
        let cookies: Vec<String> = pair.iter().map(|one| one.cookie().expect("cookies")).collect();
        let (url, paths) =
            (server.url(), [format!("/api/admin/users/{}", ids[1]), format!("/api/admin/users/{}", ids[0])]);
        std::thread::scope(|scope| {
            for (cookie, path) in cookies.iter().zip(&paths) {
                let (client, url) = (server.anonymous(), &url);
                scope.spawn(move || {
                    client.send(
                        ureq::http::Method::DELETE,
                        path,
                        &[("cookie", cookie), ("origin", url)],
                        None,
                    )
                });
            }
        });
        let still = pair.iter().filter(|one| one.get("/staff/session").status == 200).count();
        assert_eq!(still, 1, "{engine:?}");
    }
}

#[test]
fn a_command_lets_the_locked_out_in_again() {
    let (server, _) = Server::seeded(Engine::Sqlite);
    account(&server, "ada@example.com", &["super_admin"]);
    let reset = server.store().json(&["admin", "user", "reset", "--email", "Ada@example.com"]);
    let listed = server.store().json(&["admin", "user", "list"]);
    assert_eq!((&listed[0]["email"], &listed[0]["state"]), (&json!("ada@example.com"), &json!("invited")));
    let browser = Browser::new(&server);
    browser.sign_in("ada@example.com", PASSWORD).refused(401, "UNAUTHORIZED");
    browser.accept(&reset, "eight blue bottles").data();
    browser.sign_in("ada@example.com", "eight blue bottles").data();
    for args in [["--email", "nobody", "--role", "support"], ["--email", "a@example.com", "--role", "king"]] {
        let output = server.store().output(&[&["admin", "user", "invite"][..], &args].concat());
        assert!(!output.status.success(), "{args:?}");
    }
}
