//! Breaking the glass: who reads for a reason and a while, what, and what is on record of it.

use serde_json::{Value, json};

use crate::support::{
    Engine, Server, Staff, Store,
    browser::{Browser, PASSWORD, signed_in},
    eventually,
    story::text,
    two_engines,
    webhooks::Scene,
};

const REASON: &str = "A wrong label was reported";

fn break_glass(browser: &Browser, clinic: Option<&str>) -> Value {
    let body = json!({"reason": REASON, "minutes": 15, "clinic_id": clinic});
    browser.post("/staff/break-glass", &body).data().clone()
}

fn auditor(server: &Server) -> Staff {
    let token = server.store().json(&["admin", "token", "issue", "a", "--roles", "auditor"]);
    Staff::new(&server.url(), &text(&token["token"]))
}

two_engines! {
    fn patient_data_is_read_for_a_reason_and_a_while(engine) {
        let scene = Scene::start(engine);
        let (server, seed) = (&scene.server, &scene.seed);
        let order = format!("/pharmacy/orders/{}", seed.medication_order_id);
        let admin = signed_in(server, "ada@example.com", &["super_admin"]);
        let id = text(&admin.get("/staff/session").data()["user"]["user_id"]);
        admin.get(&order).refused(403, "FORBIDDEN");
        assert_eq!(admin.post("/staff/break-glass", &json!({"reason": "short", "minutes": 61})).invalid(), ["reason", "minutes"]);
        let glass = break_glass(&admin, None);
        assert_eq!((&glass["reason"], &glass["user_id"]), (&json!(REASON), &json!(id)));
        assert_eq!(admin.get(&order).status, 200);
        assert_eq!(admin.get("/pharmacy/orders").status, 200);
        // It opens reads, and nothing else; and what one's own roles do is as before.
        admin.post(&format!("{order}/verify"), &json!({})).refused(403, "FORBIDDEN");
        admin.post("/admin/partners", &json!({"name": "Example"})).data();

        let watcher = auditor(server);
        let rows = eventually("its use is on record", || {
            let found = watcher.get(&format!("/admin/audit?actor={id}&action=break_glass.use")).body["data"].clone();
            (found.as_array().map(Vec::len) == Some(2)).then_some(found)
        });
        assert!(rows.as_array().expect("rows").iter().all(|row| row["reason"] == REASON && row["subject_id"] == glass["break_glass_id"]), "{rows}");
        let read = watcher.get(&format!("/admin/audit?actor={id}&subject_id={}", seed.medication_order_id)).body["data"].clone();
        assert!(read.as_array().is_some_and(|rows| rows.iter().any(|row| row["reason"] == REASON)), "{read}");
        let listed = watcher.get("/staff/break-glass").body["data"].clone();
        assert_eq!((&listed[0]["break_glass_id"], &listed[0]["ended_at"]), (&glass["break_glass_id"], &Value::Null));
        assert!(server.log().contains("the glass was broken") && !server.log().contains(REASON), "an alert, without its words");

        admin.delete("/staff/break-glass").data();
        admin.get(&order).refused(403, "FORBIDDEN");
        assert!(watcher.get("/staff/break-glass").body["data"][0]["ended_at"].is_string());
        admin.delete("/staff/break-glass").data();
    }

    fn it_opens_one_clinic_where_one_was_asked_for(engine) {
        let scene = Scene::start(engine);
        let (server, seed) = (&scene.server, &scene.seed);
        let order = format!("/pharmacy/orders/{}", seed.medication_order_id);
        let admin = signed_in(server, "sam@example.com", &["support"]);
        break_glass(&admin, Some(&seed.other_clinic_id));
        admin.get(&order).refused(403, "FORBIDDEN");
        break_glass(&admin, Some(&seed.clinic_id));
        assert_eq!(admin.get(&order).status, 200);
        let none = json!({"reason": REASON, "minutes": 15, "clinic_id": "01890000-0000-7000-8000-000000000001"});
        assert_eq!(admin.post("/staff/break-glass", &none).invalid(), ["clinic_id"]);
        // Another session of theirs has it too; somebody else does not.
        let other = Browser::new(server);
        other.sign_in("sam@example.com", PASSWORD).data();
        assert_eq!(other.get(&order).status, 200);
        signed_in(server, "tom@example.com", &["support"]).get(&order).refused(403, "FORBIDDEN");
    }
}

/// What is told of it to whoever watches.
#[test]
fn it_is_counted_while_it_lasts() {
    let store = Store::sandbox(Engine::Sqlite);
    let server = store.serve_with(&["--admin-listen", "127.0.0.1:0"]);
    let admin = signed_in(&server, "ada@example.com", &["super_admin"]);
    let count = || {
        let metrics = String::from_utf8(server.admin().get("/metrics").bytes).expect("a text");
        let line =
            metrics.lines().find(|line| line.starts_with("nimbus_break_glass_active ")).expect("a metric");
        line.rsplit(' ').next().map(str::to_owned)
    };
    assert_eq!(count().as_deref(), Some("0"));
    break_glass(&admin, None);
    assert_eq!(count().as_deref(), Some("1"));
}
