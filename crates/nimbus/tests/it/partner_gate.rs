//! The partner gate: with a partner's standing ends all that shows or sends its clinics' data, and what waited goes out
//! when it stands again.

use nimbus_core::access::Scope;
use nimbus_web::api_document;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    PATIENCE, Seed, eventually,
    receiver::{Answer, Receiver},
    story::text,
    two_engines,
    webhooks::Scene,
};

/// No row has this id.
const UNKNOWN: &str = "01890000-0000-7000-8000-000000000001";

/// Every operation that a key opens: its method, and its path with an id that nobody has.
fn operations_of_keys() -> Vec<(Method, String)> {
    let document = serde_json::to_value(api_document()).expect("the document is JSON");
    let mut found = Vec::new();
    for (template, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path item") {
            if operation["security"][0].get("ApiKeyAuth").is_some() {
                let named = |segment| if str::starts_with(segment, '{') { UNKNOWN } else { segment };
                let path: Vec<&str> = template.split('/').map(named).collect();
                found.push((method.to_uppercase().parse().expect("a method"), path.join("/")));
            }
        }
    }
    assert!(found.len() > 60 && Scope::ALL.len() < found.len(), "{}", found.len());
    found
}

/// The paths of what the links of a parcel open.
fn links(scene: &Scene, seed: &Seed) -> Vec<String> {
    let parcel = text(&scene.partner.read_order(&seed.medication_order_id)["shipments"][0]["id"]);
    let shown = scene.partner.get(&format!("/shipment/{parcel}"));
    let path = |url: &Value| {
        let url = text(url);
        let (_, rest) = url.split_once("://").expect("a link has a scheme");
        rest[rest.find('/').expect("a link has a path")..].to_owned()
    };
    ["shipping_label", "barcode_url", "tracking_page_url"].map(|name| path(&shown.data()[name])).to_vec()
}

two_engines! {
    fn without_approval_nothing_is_shown_or_sent_and_nothing_is_lost(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let (server, seed, staff) = (&scene.server, &scene.seed, &scene.staff);
        let endpoint = scene.register(&receiver.url(), &["prescription:created"]);
        let failing = Receiver::answering(Answer::status(500));
        let retried = scene.register(&failing.url(), &["prescription:created"]);
        scene.partner.patch(&retried.path(), &json!({"retry_schedule": [1, 1, 1, 1, 1]})).data();
        let order = scene.partner.order(seed);
        receiver.wait_for(1, PATIENCE);
        let event = text(&receiver.received()[0].json()["event_id"]);
        let links = links(&scene, seed);
        let open = |path: &String| server.anonymous().get(path).status;
        assert_eq!(links.iter().map(open).collect::<Vec<_>>(), [200, 200, 200]);
        let partner = text(&scene.partner.get("/clinic").data()["partner_id"]);

        staff.act(&format!("/admin/partners/{partner}/suspend")).data();
        eventually("the key stops", || (scene.partner.get("/clinic").status == 401).then_some(()));
        let key = [("x-api-key", seed.keys.integration.as_str())];
        for (method, path) in operations_of_keys() {
            let reply = server.anonymous().send(method.clone(), &path, &key, None);
            assert_eq!(reply.status, 401, "{method} {path}: {}", reply.body);
        }
        assert_eq!(links.iter().map(open).collect::<Vec<_>>(), [404, 404, 404], "links end as well");
        let issue = staff.post(&format!("/admin/clinics/{}/keys", seed.clinic_id), &json!({"name": "more"}));
        issue.refused(400, "INVALID_STATUS_TRANSITION");

        // The pharmacy works on; what it tells waits, and so do retries and what staff ask to be sent again.
        let attempts = failing.received().len();
        let (before, pending) = (receiver.received().len(), scene.ledger().pending);
        staff.post(&format!("/pharmacy/prescriptions/{}/hold", seed.prescription_id), &json!({"reason": "recall"})).data();
        let path = format!("/admin/clinics/{}/webhooks/{}", seed.clinic_id, endpoint.id);
        staff.act(&format!("{path}/events/{event}/resend")).data();
        let since = (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(600)).to_string();
        let retried_path = format!("/admin/clinics/{}/webhooks/{}", seed.clinic_id, retried.id);
        staff.post(&format!("{retried_path}/replay"), &json!({"since": since})).data();
        std::thread::sleep(std::time::Duration::from_millis(2500));
        assert_eq!(receiver.received().len(), before, "nothing is sent");
        // What was in flight when it ended may have come meanwhile.
        assert!(failing.received().len() <= attempts + 1, "no attempt is made");
        assert!(scene.ledger().pending > pending || pending > 0);
        let held = staff.get(&format!("{path}/deliveries?state=pending"));
        assert!(!held.data().as_array().expect("a list").is_empty(), "it waits");

        failing.otherwise(Answer::status(200));
        staff.act(&format!("/admin/partners/{partner}/approve")).data();
        eventually("the key works", || (scene.partner.get("/clinic").status == 200).then_some(()));
        assert_eq!(links.iter().map(open).collect::<Vec<_>>(), [200, 200, 200]);
        assert_eq!(scene.partner.read_order(&order.id)["id"], json!(order.id));
        receiver.wait_for(before + 1, PATIENCE);
        eventually("what waited is delivered", || (scene.ledger().pending == 0).then_some(()));
        assert_eq!(scene.ledger().dead, 0, "no attempt was used up meanwhile");
    }
}
