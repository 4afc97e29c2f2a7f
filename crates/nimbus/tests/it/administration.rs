//! Partners, agreements, clinics and keys as staff manage them over HTTP, and who of them may reach what.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    Anonymous, Partner, Reply, Server, Staff, Store, eventually, receiver::Receiver, story::text,
    two_engines, webhooks::Scene,
};

const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Staff with a token that was issued with these arguments.
fn staff(server: &Server, args: &[&str]) -> Staff {
    let token = server.store().json(&[&["admin", "token", "issue", "t", "--roles"], args].concat());
    Staff::new(&server.url(), &text(&token["token"]))
}

fn clinic_seen(client: &Anonymous, key: &str) -> Reply {
    client.send(Method::GET, "/api/external/clinic", &[("x-api-key", key)], None)
}

fn ids(list: &Value, member: &str) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|row| text(&row[member])).collect()
}

two_engines! {
    fn staff_admit_a_partner_step_by_step(engine) {
        let server = Store::production(engine).serve();
        let (admin, support) = (staff(&server, &["super_admin"]), staff(&server, &["support"]));
        let partner = admin.post("/admin/partners", &json!({"name": " Example Health "})).data().clone();
        assert_eq!((&partner["name"], &partner["status"]), (&json!("Example Health"), &json!("pending")));
        let of_partner = format!("/admin/partners/{}", text(&partner["partner_id"]));
        let body = json!({"partner_id": partner["partner_id"], "name": "Main Street"});
        let clinic = admin.post_keyed("/admin/clinics", "clinic-1", &body).data().clone();
        let again = admin.post_keyed("/admin/clinics", "clinic-1", &body);
        assert_eq!((again.header("idempotent-replayed"), again.data()), (Some("true"), &clinic));
        let keys = format!("/admin/clinics/{}/keys", text(&clinic["clinic_id"]));

        let order = json!({"name": "Backend", "profile": "integration"});
        let refused = |word: &str| {
            let reply = admin.post(&keys, &order);
            reply.refused(400, "INVALID_STATUS_TRANSITION");
            assert!(reply.body.to_string().contains(word), "{}", reply.body);
        };
        refused("approved");
        assert_eq!(admin.act(&format!("{of_partner}/approve")).data()["status"], "approved");
        refused("agreement");
        let wrong = json!({"effective_on": "2026-01-02", "ends_on": "2026-01-01", "document_hash": "abc"});
        assert_eq!(admin.post(&format!("{of_partner}/baa"), &wrong).invalid(), ["document_hash", "ends_on"]);
        let baa = json!({"effective_on": "2020-01-01", "document_hash": SHA256.to_uppercase()});
        let baa = admin.post(&format!("{of_partner}/baa"), &baa).data().clone();
        assert_eq!((&baa["document_hash"], &baa["ends_on"]), (&json!(SHA256), &json!(null)));

        let issued = admin.post(&keys, &order).data().clone();
        let key = text(&issued["key"]);
        assert!(key.starts_with(&text(&issued["details"]["prefix"])) && key.starts_with("prod_"), "{issued}");
        let client = server.anonymous();
        assert_eq!(clinic_seen(&client, &key).data()["name"], "Main Street");
        let used = eventually("its use is seen", || {
            let listed = support.get(&keys);
            let listed = listed.data()[0].clone();
            listed["last_used_at"].is_string().then_some(listed)
        });
        assert_eq!((&used["key_id"], &used["name"], &used["expires_at"]), (&issued["key_id"], &json!("Backend"), &json!(null)));
        assert!(used["scopes"].as_array().expect("scopes").contains(&json!("patients:write")), "{used}");
        assert!(!used.to_string().contains(&key), "a key is shown once");
        assert_eq!(support.get(&format!("{keys}/{}", text(&issued["key_id"]))).data(), &used);

        // Support reads, and changes nothing.
        assert_eq!(ids(support.get("/admin/partners?status=approved").data(), "partner_id"), [text(&partner["partner_id"])]);
        assert_eq!(support.get("/admin/partners?status=suspended").data(), &json!([]));
        assert_eq!(support.get(&of_partner).data()["status"], "approved");
        assert_eq!(ids(support.get(&format!("{of_partner}/baa")).data(), "baa_id"), [text(&baa["baa_id"])]);
        let of_none = "/admin/clinics?partner_id=01890000-0000-7000-8000-000000000001";
        assert_eq!(support.get(of_none).data(), &json!([]));
        support.act(&format!("{of_partner}/suspend")).refused(403, "FORBIDDEN");

        let end = format!("{of_partner}/baa/{}/end", text(&baa["baa_id"]));
        assert_eq!(admin.post(&end, &json!({"ends_on": "2020-12-31"})).data()["ends_on"], "2020-12-31");
        eventually("the key stops", || (clinic_seen(&client, &key).status == 401).then_some(()));
        refused("agreement");
        let other = admin.post("/admin/partners", &json!({"name": "Other"})).data().clone();
        let elsewhere = end.replace(&text(&partner["partner_id"]), &text(&other["partner_id"]));
        admin.post(&elsewhere, &json!({"ends_on": "2099-01-01"})).refused(404, "NOT_FOUND");
        assert_eq!(support.get(&format!("{of_partner}/baa")).data()[0]["ends_on"], "2020-12-31");
    }

    fn a_clinic_is_renamed_and_deleted_with_all_that_reaches_it(engine) {
        let scene = Scene::start(engine);
        let (server, admin) = (&scene.server, &scene.staff);
        let path = format!("/admin/clinics/{}", scene.seed.clinic_id);
        let tag = admin.get(&path).header("etag").expect("a tag").to_owned();
        let renamed = admin.json(Method::PATCH, &path, &[("if-match", &tag)], &json!({"name": "New name"}));
        assert_eq!(renamed.data()["name"], "New name");
        let late = admin.json(Method::PATCH, &path, &[("if-match", &tag)], &json!({"name": "Late"}));
        late.refused(412, "PRECONDITION_FAILED");
        eventually("keys show the name", || {
            (scene.partner.get("/clinic").data()["name"] == "New name").then_some(())
        });

        let receiver = Receiver::start();
        let endpoint = scene.register(&receiver.url(), &["*"]);
        scene.partner.patch(&endpoint.path(), &json!({"status": "paused"})).data();
        let order = scene.partner.order(&scene.seed);
        let parcel = text(&scene.partner.read_order(&scene.seed.medication_order_id)["shipments"][0]["id"]);
        let link = text(&scene.partner.get(&format!("/shipment/{parcel}")).data()["tracking_page_url"]);
        let link = link.split_once("/track/").expect("a link").1.to_owned();
        let opened = || server.anonymous().get(&format!("/track/{link}")).status;
        assert_eq!(opened(), 200);
        assert!(scene.ledger().pending > 0);
        let own = staff(server, &["clinic_admin", "--clinic", &scene.seed.clinic_id]);
        own.get(&format!("{path}/keys")).data();

        admin.delete(&path).said("Clinic deleted successfully");
        eventually("its key stops", || (scene.partner.get("/clinic").status == 401).then_some(()));
        own.get(&format!("{path}/keys")).refused(401, "UNAUTHORIZED");
        assert_eq!(opened(), 404);
        assert_eq!((scene.ledger().pending, receiver.received().len()), (0, 0), "what waited is cancelled");
        for missing in [path.clone(), format!("{path}/keys")] {
            admin.get(&missing).refused(404, "NOT_FOUND");
        }
        admin.delete(&path).refused(404, "NOT_FOUND");
        admin.post(&format!("{path}/keys"), &json!({"name": "x"})).refused(404, "NOT_FOUND");
        let listed = admin.get("/admin/clinics");
        assert!(!ids(listed.data(), "clinic_id").contains(&scene.seed.clinic_id));
        assert_eq!(admin.get(&format!("/pharmacy/orders/{}", order.id)).status, 200, "the pharmacy goes on");
    }

    fn who_administers_a_clinic_reaches_no_other(engine) {
        let scene = Scene::start(engine);
        let (server, seed) = (&scene.server, &scene.seed);
        let own = staff(server, &["clinic_admin", "--clinic", &seed.clinic_id]);
        let keys = format!("/admin/clinics/{}/keys", seed.clinic_id);
        let issued = own.post(&keys, &json!({"name": "Report", "scopes": ["orders:read"]})).data().clone();
        let report = Partner::new(&server.url(), &text(&issued["key"]));
        assert_eq!(report.get("/medication-order").status, 200);
        report.get("/patient").refused(403, "FORBIDDEN");
        own.act(&format!("{keys}/{}/revoke", text(&issued["key_id"]))).data();
        eventually("it stops", || (report.get("/clinic").status == 401).then_some(()));
        let endpoint = scene.register("http://127.0.0.1:65000/hook", &["*"]);
        let hooks = format!("/admin/clinics/{}/webhooks", seed.clinic_id);
        assert_eq!(ids(own.get(&hooks).data(), "webhook_id"), std::slice::from_ref(&endpoint.id));

        let there = scene.server.stranger(seed).get("/clinic").data().clone();
        let elsewhere = format!("/admin/clinics/{}", text(&there["clinic_id"]));
        for rest in ["/keys", "/webhooks", "/dead-letters"] {
            let reply = own.get(&format!("{elsewhere}{rest}"));
            let none = own.get(&format!("/admin/clinics/01890000-0000-7000-8000-000000000001{rest}"));
            let said = |reply: &Reply| reply.refused(404, "NOT_FOUND")["message"].clone();
            assert_eq!(said(&reply), said(&none), "{rest}");
        }
        own.post(&format!("{elsewhere}/keys"), &json!({"name": "mine"})).refused(404, "NOT_FOUND");
        for path in ["/admin/webhooks", "/admin/partners", "/admin/clinics", "/pharmacy/orders"] {
            own.get(path).refused(403, "FORBIDDEN");
        }
        let limits = format!("{keys}/{}/limits", text(&issued["key_id"]));
        own.post(&limits, &json!({"writes_per_minute": 100_000})).refused(403, "FORBIDDEN");
    }
}

#[test]
fn the_role_of_one_clinic_stands_alone_and_names_it() {
    let store = Store::sandbox(crate::support::Engine::Sqlite);
    let seed = store.seed();
    let issue = |args: &[&str]| {
        let output = store.output(&[&["admin", "token", "issue", "t", "--roles"], args].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (args, word) in [
        (&["clinic_admin"][..], "clinic"),
        (&["clinic_admin,support", "--clinic", &seed.clinic_id], "only role"),
        (&["support", "--clinic", &seed.clinic_id], "clinic_admin alone"),
        (&["clinic_admin", "--clinic", "01890000-0000-7000-8000-000000000001"], "not found"),
    ] {
        let (issued, said) = issue(args);
        assert!(!issued && said.contains(word), "{args:?}: {said}");
    }
    assert!(issue(&["clinic_admin", "--clinic", &seed.clinic_id]).0);
}

two_engines! {
    fn staff_and_partners_are_told_of_what_ends_soon(engine) {
        let store = Store::sandbox(engine);
        let seed = store.seed();
        let clinic = store.json(&["admin", "clinic", "list"]);
        let of_seed = |it: &&Value| it["id"] == seed.clinic_id.as_str();
        let partner = text(&clinic.as_array().expect("clinics").iter().find(of_seed).expect("the seed's")["partner_id"]);
        let in_hours = |hours: i64| jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        let day = |hours| in_hours(hours).to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
        let key = |name: &str, hours: i64| {
            let args = ["admin", "key", "issue", "--clinic", &seed.clinic_id, "--name", name, "--expires"];
            store.json(&[&args[..], &[&in_hours(hours).to_string()]].concat())
        };
        let (soon, tomorrow, _late) = (key("soon", 24 * 20), key("tomorrow", 12), key("late", 24 * 31));
        let baa = ["admin", "baa", "record", "--partner", &partner, "--document-hash", SHA256, "--effective"];
        let baa = |from: i64, until: i64| store.json(&[&baa[..], &[&day(from), "--ends", &day(until)]].concat());
        let (followed, last) = (baa(-48, 48), baa(72, 24 * 5));

        let server = store.serve();
        let support = staff(&server, &["support"]);
        let told = eventually("all is told", || {
            let listed = support.get("/admin/notices");
            let listed = listed.data().as_array().expect("a list").clone();
            (listed.len() == 3).then_some(listed)
        });
        let of = |id: &Value| told.iter().find(|it| it["key_id"] == *id || it["baa_id"] == *id).cloned();
        assert_eq!(of(&followed["id"]), None, "another agreement follows it");
        for (id, days) in [(&soon["id"], 30), (&tomorrow["id"], 1), (&last["id"], 7)] {
            let told = of(id).expect("it is told");
            assert_eq!((&told["days"], &told["open"]), (&json!(days), &json!(true)), "{told}");
            assert_eq!(told["partner_id"], json!(partner));
        }
        assert_eq!(of(&soon["id"]).expect("it is told")["key_name"], "soon");
        assert_eq!(ids(support.get("/admin/notices?kind=baa").data(), "baa_id"), [text(&last["id"])]);

        // Partners' webhooks and event log tell of it, once for each.
        let told = eventually("all is told", || {
            let listed = server.partner(&seed).get("/events?event_types=key:ending,agreement:ending");
            let listed = listed.data().as_array().expect("a list").clone();
            (listed.len() >= 3).then_some(listed)
        });
        let told: BTreeSet<(String, i64)> = told
            .iter()
            .map(|event| &event["event_data"])
            .map(|data| (text(data.get("key_id").unwrap_or(&data["agreement_id"])), data["days"].as_i64().expect("days")))
            .collect();
        let wanted = [(&soon["id"], 30), (&tomorrow["id"], 1), (&last["id"], 7)];
        assert_eq!(told, wanted.map(|(id, days)| (text(id), days)).into());

        // The partner reads it from any reply.
        let client = Partner::new(&server.url(), &text(&soon["key"]));
        let reply = client.get("/clinic");
        assert_eq!(reply.data()["key_expires_at"].as_str(), reply.header("nimbus-key-expires"));
        assert_eq!(reply.data()["baa_ends_on"], json!(day(48)), "of the one in force");
        let refused = client.get("/patient");
        refused.refused(403, "FORBIDDEN");
        let lasting = server.partner(&seed).get("/clinic");
        assert_eq!((lasting.header("nimbus-key-expires"), &lasting.data()["key_expires_at"]), (None, &json!(null)));
        assert_eq!(server.staff(&seed).get("/admin/clinics").header("nimbus-key-expires"), None);

        let rotate = format!("/admin/clinics/{}/keys/{}/rotate", seed.clinic_id, text(&soon["id"]));
        server.staff(&seed).act(&rotate).data();
        let listed = support.get("/admin/notices?kind=key");
        let now = listed.data().as_array().expect("a list").iter().find(|it| it["key_id"] == soon["id"]).cloned();
        assert_eq!(now.expect("it stays on record")["open"], false, "its successor lasts");
    }
}
