//! Carriers as partners choose among them, free shipping as administrators set it, and labels as staff make them.

use nimbus_carriers::{
    CARRIERS,
    testing::{Fault, KEY, StandIn},
};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{Engine, Reply, Seed, Server, Staff, Store, eventually, story::text, two_engines};

/// The whole text of a reply's amounts, as they were written.
fn written(reply: &Reply) -> String {
    String::from_utf8(reply.bytes.clone()).expect("JSON is UTF-8")
}

fn services(server: &Server, seed: &Seed, carrier: &str) -> Reply {
    server.partner(seed).get(&format!("/carriers/{carrier}/services?patientId={}", seed.patient_id))
}

fn rules(seed: &Seed) -> String {
    format!("/admin/clinics/{}/free-shipping", seed.clinic_id)
}

fn administrator(server: &Server) -> Staff {
    let issued = server.store().json(&["admin", "token", "issue", "admin", "--roles", "super_admin"]);
    Staff::new(&server.url(), &text(&issued["token"]))
}

/// Sends a body with PUT.
#[track_caller]
fn put(staff: &Staff, path: &str, body: &Value) -> Reply {
    let bytes = body.to_string().into_bytes();
    staff.send(Method::PUT, path, &[("content-type", "application/json")], Some(&bytes))
}

fn a_label(order: &str) -> Value {
    json!({"medication_orders": [order], "carrier_id": "se-11226", "service_id": "ups_ground"})
}

two_engines! {
    fn services_cost_what_the_table_says_and_nothing_where_the_clinic_ships_free(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let listed = partner.get("/carriers").data()["carriers"].clone();
        let names: Vec<(String, String)> =
            listed.as_array().unwrap().iter().map(|it| (text(&it["id"]), text(&it["name"]))).collect();
        let expected: Vec<(String, String)> =
            CARRIERS.iter().map(|it| (it.id.to_owned(), it.name.to_owned())).collect();
        assert_eq!(names, expected);

        let reply = services(&server, &seed, "se-11226");
        assert_eq!(reply.body["patientState"], "Texas");
        assert_eq!((&reply.body["isFreeShipment"], &reply.body["freeShipmentType"]), (&json!(false), &json!(null)));
        let ids: Vec<String> = reply.data().as_array().unwrap().iter().map(|it| text(&it["id"])).collect();
        assert_eq!(ids, ["ups_ground", "ups_2nd_day_air", "ups_next_day_air"]);
        // Within Texas, up to a pound: the example's first price, as dollars with cents.
        assert!(written(&reply).contains(r#""totalCost":10.05,"originalCost":10.05"#), "{}", written(&reply));

        let admin = administrator(&server);
        let body = json!({"rules": [{"state": "tx", "service_id": "ups_ground"}, {"state": "CA"}]});
        let set = put(&admin, &rules(&seed), &body);
        assert_eq!(set.data()["rules"], json!([
            {"state": "CA", "service_id": null}, {"state": "TX", "service_id": "ups_ground"},
        ]));
        assert_eq!(admin.get(&rules(&seed)).data(), set.data());
        let reply = services(&server, &seed, "se-11226");
        assert_eq!(reply.body["freeShipmentType"], "clinic_specific");
        assert_eq!(reply.body["isFreeShipment"], true);
        assert!(written(&reply).contains(r#""totalCost":0.00,"originalCost":10.05"#), "{}", written(&reply));
        let others = services(&server, &seed, "se-3818360");
        assert_eq!((&others.body["isFreeShipment"], &others.body["freeShipmentType"]), (&json!(false), &json!(null)));

        put(&admin, &rules(&seed), &json!({"rules": [{}]})).data();
        assert_eq!(services(&server, &seed, "ameriship").body["isFreeShipment"], true);
        assert_eq!(admin.delete(&rules(&seed)).data()["rules"], json!([]));
        assert_eq!(services(&server, &seed, "ameriship").body["isFreeShipment"], false);
    }

    fn what_is_asked_of_carriers_wrongly_is_refused(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let of = |carrier: &str, patient: &str| {
            partner.get(&format!("/carriers/{carrier}/services?patientId={patient}"))
        };
        of("amazon", &seed.patient_id).refused(404, "NOT_FOUND");
        assert_eq!(of("se-11226", "nobody").invalid(), ["patientId"]);
        assert_eq!(of("se-11226", &seed.practitioner_id).invalid(), ["patientId"]);
        assert_eq!(partner.get("/carriers/se-11226/services").invalid(), ["patientId"]);
        let path = format!("/carriers/se-11226/services?patientId={}", seed.patient_id);
        let stranger = server.stranger(&seed).get(&path);
        assert_eq!(stranger.invalid(), ["patientId"], "another clinic's patient is nobody");

        let admin = administrator(&server);
        let refused = |body: Value| -> Vec<String> {
            put(&admin, &rules(&seed), &body).invalid().into_iter().map(str::to_owned).collect()
        };
        assert_eq!(refused(json!({"rules": [{"state": "QQ"}]})), ["rules[0].state"]);
        assert_eq!(refused(json!({"rules": [{}, {"service_id": "pigeon"}]})), ["rules[1].service_id"]);
        assert_eq!(refused(json!({"rules": []})), ["rules"]);
        assert_eq!(refused(json!({})), ["rules"]);
        let nobodys = "/admin/clinics/01890000-0000-7000-8000-000000000001/free-shipping";
        put(&admin, nobodys, &json!({"rules": [{}]})).refused(404, "NOT_FOUND");
        admin.get(nobodys).refused(404, "NOT_FOUND");
        admin.delete(nobodys).refused(404, "NOT_FOUND");
    }

    fn a_label_without_a_number_is_made_here(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let mut numbers = Vec::new();
        for (carrier, service, begins) in [
            ("se-11226", "ups_ground", "1ZNIMBUS03"), ("se-3818360", "fedex_2day", "7900"),
            ("se-11225", "usps_priority_mail", "94055999999999"), ("ameriship", "ameriship_ground", "AMSNIMBUS"),
        ] {
            let order = partner.order(&seed);
            staff.fill(&order.id);
            let body = json!({
                "medication_orders": [order.id], "carrier_id": carrier, "service_id": service, "weight_oz": 20,
            });
            let made = staff.post_keyed("/pharmacy/shipments", &format!("label-{carrier}"), &body);
            let number = text(&made.data()["tracking_number"]);
            assert!(number.starts_with(begins), "{number}");
            assert!(text(&made.data()["tracking_url"]).ends_with(&number));
            let again = staff.post_keyed("/pharmacy/shipments", &format!("label-{carrier}"), &body);
            assert_eq!(again.data()["tracking_number"], number, "a repeat makes no second label");
            let read = partner.read_order(&order.id);
            assert_eq!(read["medication_requests"][0]["tracking_number"], number);
            // What is made here is taken where it is typed.
            assert!(!numbers.contains(&number));
            numbers.push(number);
        }
        let order = partner.order(&seed);
        staff.fill(&order.id);
        let first = text(&staff.post("/pharmacy/shipments", &a_label(&order.id)).data()["shipment_id"]);
        staff.post(&format!("/pharmacy/shipments/{first}/cancel"), &json!({"reason": "wrong box"})).data();
        let second = staff.post("/pharmacy/shipments", &a_label(&order.id)).data().clone();
        assert!(!numbers.contains(&text(&second["tracking_number"])));
        let heavy = json!({
            "medication_orders": [order.id], "carrier_id": "se-11226", "service_id": "ups_ground", "weight_oz": 0,
        });
        assert_eq!(staff.post("/pharmacy/shipments", &heavy).invalid(), ["weight_oz"]);
    }

    fn no_label_is_made_of_a_carrier_without_an_account(engine) {
        let store = Store::sandbox(engine).with("NIMBUS_UPS_ACCOUNT", "none");
        let seed = store.seed();
        let server = store.serve();
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let order = partner.order(&seed);
        staff.fill(&order.id);
        let refused = staff.post("/pharmacy/shipments", &a_label(&order.id));
        let error = refused.refused(400, "SERVICE_NOT_AVAILABLE");
        assert_eq!(error["details"][0]["reason"], "no_account");
        assert_eq!(partner.read_order(&order.id)["status"], "filled");
        staff.ship(&[&order.id]);
    }

    fn a_label_is_bought_where_a_provider_is_set(engine) {
        let provider = StandIn::start();
        let store = Store::sandbox(engine)
            .with("NIMBUS_SHIPPING_PROVIDER", "shipengine")
            .with("NIMBUS_SHIPENGINE_URL", &provider.url())
            .with("NIMBUS_SHIPENGINE_API_KEY", KEY);
        let seed = store.seed();
        let server = store.serve();
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let order = partner.order(&seed);
        staff.fill(&order.id);

        provider.fail_next(Fault::Refused("invalid_address"));
        let refused = staff.post("/pharmacy/shipments", &a_label(&order.id));
        let error = refused.refused(400, "SERVICE_NOT_AVAILABLE");
        assert_eq!(error["details"][0]["provider_code"], "invalid_address");
        assert!(!written(&refused).contains("Oak"), "the provider's words stay here");
        assert_eq!(partner.read_order(&order.id)["status"], "filled");
        let attention = staff.get("/pharmacy/label-purchases");
        let shown = &attention.data()[0];
        assert_eq!((&shown["next_step"], &shown["failure"]), (&json!("make_again"), &json!("invalid_address")));
        assert_eq!(shown["medication_orders"], json!([order.id]));
        assert!(!written(&attention).contains("Oak"), "where it goes, its order says");

        let made = staff.post_keyed("/pharmacy/shipments", "buy-1", &a_label(&order.id));
        let number = text(&made.data()["tracking_number"]);
        let again = staff.post_keyed("/pharmacy/shipments", "buy-1", &a_label(&order.id));
        assert_eq!(again.data(), made.data());
        assert_eq!(provider.paid().len(), 1);
        assert_eq!(provider.paid()[0].1, number);
        let cancel = format!("/pharmacy/shipments/{}/cancel", text(&made.data()["shipment_id"]));
        staff.post(&cancel, &json!({"reason": "wrong box"})).data();
        eventually("the label is given back", || provider.paid().is_empty().then_some(()));

        eventually("nothing is left to look at", || {
            (staff.get("/pharmacy/label-purchases").data() == &json!([])).then_some(())
        });

        provider.fail_next(Fault::TooManyRequests(2));
        let pending = staff.post_keyed("/pharmacy/shipments", "buy-2", &a_label(&order.id));
        assert_eq!((pending.status, pending.header("retry-after")), (503, Some("60")));
        let again = staff.post("/pharmacy/shipments", &a_label(&order.id));
        let error = again.refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(error["details"][0]["reason"], "label_pending");
        let bought = eventually("timed work buys it", || {
            let read = partner.read_order(&order.id);
            read["medication_requests"][0]["tracking_number"].as_str().map(str::to_owned)
        });
        assert_eq!(provider.paid(), [(provider.paid()[0].0.clone(), bought.clone())]);
        let again = staff.post_keyed("/pharmacy/shipments", "buy-2", &a_label(&order.id));
        assert_eq!(text(&again.data()["tracking_number"]), bought);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let other = json!({
            "medication_orders": [order.id], "carrier_id": "se-11226", "service_id": "ups_next_day_air",
        });
        staff.post_keyed("/pharmacy/shipments", "buy-2", &other).refused(409, "IDEMPOTENCY_KEY_CONFLICT");

        let log = server.log();
        assert!(!log.contains(KEY) && !log.contains("Oak Ave"), "{log}");
    }
}

#[test]
fn an_impossible_rate_table_refuses_to_start_with_file_line_and_reason() {
    let store = Store::sandbox(Engine::Sqlite);
    let folder = store.folder.path().join("rates");
    std::fs::create_dir(&folder).expect("the folder is ours");
    let example =
        std::fs::read_to_string(crate::support::repository("carriers/rates.toml")).expect("it is there");
    let file = folder.join("rates.toml");
    let store = store.with("NIMBUS_RATES_DIR", &folder.display().to_string());
    std::fs::write(&file, &example).expect("the folder is ours");
    assert!(store.output(&["config", "check"]).status.success());

    let broken = example.replacen("over_oz = 16,", "over_oz = 17,", 1);
    let line = 1 + broken[..broken.find("over_oz = 17,").expect("it is broken")].matches('\n').count();
    std::fs::write(&file, broken).expect("the folder is ours");
    for args in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = store.output(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{args:?}");
        let expected = format!("{}:{line}: a gap: the class before ends at 16 ounces", file.display());
        assert!(said.contains(&expected), "{args:?}: {said}");
    }
}

#[test]
fn production_starts_with_accounts_and_prices_of_its_own_only() {
    let refuses = |store: Store, why: &str| {
        for args in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let output = store.output(args);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains(why), "{args:?}: {said}");
        }
    };
    let store = || Store::production(Engine::Sqlite);
    assert!(store().output(&["config", "check"]).status.success());
    refuses(store().without("NIMBUS_FEDEX_ACCOUNT"), "example accounts");
    refuses(store().with("NIMBUS_UPS_ACCOUNT", "nimbus"), "example accounts");
    refuses(store().without("NIMBUS_RATES_DIR"), "prices of parcels are examples");
    let example = crate::support::repository("carriers").display().to_string();
    refuses(store().with("NIMBUS_RATES_DIR", &example), "prices of parcels are examples");
}

#[test]
fn production_refuses_a_provider_that_is_for_trying_out() {
    let provider = |url: &str, key: &str| {
        Store::production(Engine::Sqlite)
            .with("NIMBUS_SHIPPING_PROVIDER", "shipengine")
            .with("NIMBUS_SHIPENGINE_URL", url)
            .with("NIMBUS_SHIPENGINE_API_KEY", key)
            .output(&["config", "check"])
    };
    assert!(provider("https://api.shipengine.com", "live").status.success());
    for (url, key) in [("http://127.0.0.1:9", "live"), ("https://api.shipengine.com", "TEST_key")] {
        let output = provider(url, key);
        assert!(!output.status.success(), "{url} {key}");
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("shipengine") && !said.contains("TEST_key"), "{said}");
    }
}
