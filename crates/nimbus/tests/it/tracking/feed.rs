//! Carriers' notifications as the two services send them: what they move, what is kept of them, and who may send.

use std::sync::OnceLock;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use nimbus_core::{sandbox_magic::MagicTracking, time::Ts};
use serde_json::{Value, json};
use ureq::http::Method;

use super::{ONE, OTHER, Scene};
use crate::support::{
    Anonymous, Engine, Reply, Server, Store, eventually, server::EASYPOST_SECRET, story::text, two_engines,
};

/// Another parcel's number, which no magic value is.
const THIRD: &str = "1Z999AA10123456793";

/// So many hours ago, as carriers write it.
fn ago(hours: i64) -> String {
    let micros = jiff::Timestamp::now().as_microsecond();
    Ts::from_micros(micros).plus_seconds(-3600 * hours).to_string()
}

/// One event of EasyPost's form.
fn detail(hours: i64, status: &str, city: &str) -> Value {
    json!({
        "object": "TrackingDetail", "datetime": ago(hours), "status": status, "status_detail": "status_update",
        "message": format!("Seen in {city}"), "source": "UPS",
        "tracking_location": {"object": "TrackingLocation", "city": city, "state": "TX", "country": "US", "zip": "75201"},
    })
}

fn tracker(number: &str, details: &[Value]) -> Value {
    json!({
        "object": "Event", "id": "evt_1", "description": "tracker.updated", "mode": "production",
        "result": {
            "object": "Tracker", "id": "trk_1", "tracking_code": number, "carrier": "UPS", "signed_by": "J DOE",
            "status": details.last().map(|last| last["status"].clone()), "tracking_details": details,
        },
    })
}

/// Sends a notification as EasyPost does.
#[track_caller]
fn easypost(client: &Anonymous, path: &str, body: &Value) -> Reply {
    let bytes = body.to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, EASYPOST_SECRET.as_bytes());
    let signature = format!("hmac-sha256-hex={}", hex::encode(hmac::sign(&key, bytes.as_bytes())));
    let headers = [("content-type", "application/json"), ("x-hmac-signature", &signature)];
    client.send(Method::POST, path, &headers, Some(bytes.as_bytes()))
}

impl Scene {
    /// What became of a notification: whether it was of a parcel, how many scans were new, whether it moved.
    #[track_caller]
    fn notified(&self, number: &str, details: &[Value]) -> (bool, u64, bool) {
        let reply =
            easypost(&self.server.anonymous(), "/api/carriers/easypost/events", &tracker(number, details));
        let data = reply.data();
        let flag = |name: &str| data[name].as_bool().expect("a flag");
        (flag("matched"), data["scans_kept"].as_u64().expect("a count"), flag("moved"))
    }

    /// A parcel with one order in it: the two.
    #[track_caller]
    fn shipped(&self, number: &str) -> (String, String) {
        let order = self.filled(1);
        let parcel = self.pack(&[&order.id], &[], number);
        (parcel, order.id)
    }

    /// The scans of a parcel: status and place.
    #[track_caller]
    fn scans(&self, parcel: &str) -> Vec<(String, String)> {
        let tracking = self.partner.get(&format!("/shipment/{parcel}/tracking")).data().clone();
        let scans = tracking["events"].as_array().expect("events");
        scans.iter().map(|scan| (text(&scan["status"]), text(&scan["location"]))).collect()
    }

    /// The statuses that partners were told of a parcel, up to one that is told.
    #[track_caller]
    fn told(&self, parcel: &str, last: &str) -> Vec<String> {
        eventually(last, || {
            let told = self.events("shipment:updated", |data| data["shipment_id"] == parcel);
            let words: Vec<String> =
                told.iter().map(|it| text(&it["event_data"]["shipment_status"])).collect();
            words.iter().any(|word| word == last).then_some(words)
        })
    }
}

two_engines! {
    fn a_carriers_reports_move_the_parcel_and_its_orders(engine) {
        let scene = Scene::new(engine);
        let (parcel, order) = scene.shipped(ONE);
        let printed = detail(30, "pre_transit", "Dallas");
        assert_eq!(scene.notified(ONE, std::slice::from_ref(&printed)), (true, 1, false));
        assert_eq!((scene.shipment(&parcel)["status"].clone(), scene.status(&order)), (json!("pending"), "filled".to_owned()));

        let mut moving = tracker(ONE, &[printed, detail(20, "in_transit", "Waco")]);
        moving["result"]["est_delivery_date"] = json!("2031-05-06T00:00:00Z");
        let reply = easypost(&scene.server.anonymous(), "/api/carriers/ups/events", &moving);
        assert_eq!((&reply.data()["matched"], &reply.data()["moved"]), (&json!(true), &json!(true)));
        let view = scene.shipment(&parcel);
        assert_eq!((&view["status"], &view["estimated_delivery_date"]), (&json!("in_transit"), &json!("2031-05-06")));
        assert_eq!(scene.status(&order), "shipped");
        let data = &scene.events("shipment:updated", |data| data["shipment_id"] == parcel.as_str())[0]["event_data"];
        assert_eq!((&data["previous_status"], &data["shipment_status"]), (&json!("pending"), &json!("in_transit")));
        assert_eq!((&data["location"], &data["message"]), (&json!("Waco, TX"), &json!("Seen in Waco")));
        assert_eq!(data["estimated_delivery_date"], "2031-05-06");

        let rest = [detail(5, "out_for_delivery", "Austin"), detail(2, "delivered", "Austin")];
        assert_eq!(scene.notified(ONE, &rest), (true, 2, true));
        assert_eq!((scene.shipment(&parcel)["status"].clone(), scene.status(&order)), (json!("delivered"), "delivered".to_owned()));
        assert_eq!(scene.told(&parcel, "delivered"), ["in_transit", "out_for_delivery", "delivered"]);
        let seen = ["pending", "in_transit", "out_for_delivery", "delivered"];
        let scans = scene.scans(&parcel);
        assert_eq!(scans.iter().map(|(status, _)| status.as_str()).collect::<Vec<_>>(), seen);
        let lines = scene.events("medication:updated", |data| {
            data["medication_order_id"] == order.as_str() && data["status"] == "delivered"
        });
        assert_eq!(lines.len(), 1);
    }

    fn late_and_repeated_reports_are_kept_once_and_move_nothing(engine) {
        let scene = Scene::new(engine);
        let (parcel, order) = scene.shipped(ONE);
        let [first, second, third, last] = [
            detail(40, "in_transit", "Waco"), detail(30, "in_transit", "Temple"),
            detail(9, "out_for_delivery", "Austin"), detail(3, "delivered", "Austin"),
        ];
        assert_eq!(scene.notified(ONE, std::slice::from_ref(&third)), (true, 1, true));
        assert_eq!(scene.notified(ONE, &[second.clone(), first.clone()]), (true, 2, false));
        assert_eq!(scene.notified(ONE, &[first.clone(), second, third]), (true, 0, false));
        assert_eq!(scene.shipment(&parcel)["status"], "out_for_delivery");
        assert_eq!(scene.notified(ONE, &[last.clone(), detail(6, "mystery", "Austin")]), (true, 2, true));
        assert_eq!(scene.notified(ONE, &[last, first]), (true, 0, false));
        assert_eq!(scene.notified(ONE, &[detail(1, "in_transit", "Austin")]), (true, 1, false), "after its end");
        assert_eq!(scene.status(&order), "delivered");
        let scans = scene.scans(&parcel);
        let statuses: Vec<&str> = scans.iter().map(|(status, _)| status.as_str()).collect();
        assert_eq!(statuses, ["in_transit", "in_transit", "out_for_delivery", "out_for_delivery", "delivered", "in_transit"]);
        assert_eq!(scene.told(&parcel, "delivered"), ["out_for_delivery", "delivered"]);
        let tracking = scene.staff.get(&format!("/pharmacy/shipments/{parcel}/tracking")).data().clone();
        let words: Vec<&Value> = tracking["events"].as_array().expect("events").iter().map(|it| &it["carrier_status"]).collect();
        assert!(words.contains(&&json!("mystery")), "{tracking}");
        let history = scene.partner.read_order(&order)["status_history"].clone();
        let notes = history.as_array().expect("a history").iter().filter(|row| row["reason"] == "seen_after_end");
        assert_eq!(notes.count(), 1, "{history}");
    }

    fn one_notification_sent_many_times_at_once_counts_once(engine) {
        let scene = Scene::new(engine);
        let (parcel, order) = scene.shipped(ONE);
        let body = tracker(ONE, &[detail(9, "in_transit", "Waco"), detail(3, "delivered", "Austin")]);
        let kept: u64 = std::thread::scope(|scope| {
            let send = || easypost(&scene.server.anonymous(), "/api/carriers/easypost/events", &body);
            let all: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
            all.into_iter().map(|one| one.join().expect("a reply").data()["scans_kept"].as_u64().expect("a count")).sum()
        });
        assert_eq!((kept, scene.scans(&parcel).len()), (2, 2));
        assert_eq!(scene.told(&parcel, "delivered"), ["in_transit", "delivered"]);
        assert_eq!(scene.status(&order), "delivered");
    }

    fn a_number_that_was_given_out_again_is_the_newer_parcels(engine) {
        let scene = Scene::new(engine);
        let (old, _) = scene.shipped(ONE);
        assert_eq!(scene.notified(ONE, &[detail(5, "delivered", "Austin")]), (true, 1, true));
        let (new, order) = scene.shipped(ONE);
        let years_ago = detail(24 * 800, "delivered", "Boston");
        assert_eq!(scene.notified(ONE, &[years_ago, detail(2, "in_transit", "Waco")]), (true, 1, true));
        assert_eq!((scene.shipment(&new)["status"].clone(), scene.status(&order)), (json!("in_transit"), "shipped".to_owned()));
        assert_eq!((scene.shipment(&old)["status"].clone(), scene.scans(&old).len()), (json!("delivered"), 1));
        assert_eq!(scene.notified(OTHER, &[detail(2, "in_transit", "Waco")]), (false, 0, false));
        let reply = easypost(&scene.server.anonymous(), "/api/carriers/fedex/events", &tracker(ONE, &[detail(1, "delivered", "x")]));
        assert_eq!(reply.data()["matched"], false, "another carrier's");
    }

    fn a_report_is_dated_by_the_clock_of_the_parcels_clinic(engine) {
        let scene = Scene::new(engine);
        let ahead = |clinic: &str| {
            let body = json!({"clinic_id": clinic, "advance_days": 30});
            scene.staff.post("/sandbox/clock", &body).data();
        };
        ahead(&scene.seed.other_clinic_id);
        let (near, _) = scene.shipped(THIRD);
        ahead(&scene.seed.clinic_id);
        let (parcel, order) = scene.shipped(ONE);
        let seen = detail(2, "delivered", "Waco");
        let mut told = tracker(ONE, std::slice::from_ref(&seen));
        told["result"]["est_delivery_date"] = json!("2031-05-06T00:00:00Z");
        let reply = easypost(&scene.server.anonymous(), "/api/carriers/ups/events", &told);
        assert_eq!(reply.data()["moved"], true);
        let at = Ts::parse(&text(&seen["datetime"])).expect("a time").plus_days(30);
        let tracking = scene.partner.get(&format!("/shipment/{parcel}/tracking")).data().clone();
        let dated = Ts::parse(&text(&tracking["events"][0]["occurred_at"])).expect("a time");
        assert!(dated.seconds().abs_diff(at.seconds()) < 60, "{dated} {at}");
        assert_eq!(scene.shipment(&parcel)["estimated_delivery_date"], "2031-06-05");
        let read = scene.partner.read_order(&order);
        let moves: Vec<Ts> = read["status_history"].as_array().expect("a history").iter()
            .map(|row| Ts::parse(&text(&row["at"])).expect("a time")).collect();
        assert!(read["status"] == "delivered" && moves.is_sorted(), "{read}");

        // What was packed before its clinic's clock was moved is of that clock too: the report is as late as it is.
        assert_eq!(scene.notified(THIRD, &[detail(1, "in_transit", "Waco")]), (true, 1, true));
        let tracking = scene.partner.get(&format!("/shipment/{near}/tracking")).data().clone();
        let at = Ts::parse(&text(&tracking["events"][0]["occurred_at"])).expect("a time");
        assert!(at > Ts::from_micros(jiff::Timestamp::now().as_microsecond()).plus_days(29), "{at}");
    }

    fn no_carrier_speaks_of_a_simulated_parcel(engine) {
        let scene = Scene::new(engine);
        for magic in MagicTracking::ALL {
            let (parcel, order) = scene.shipped(magic.as_str());
            let seen = [detail(2, "in_transit", "Dallas"), detail(1, "delivered", "Waco")];
            assert_eq!(scene.notified(magic.as_str(), &seen), (false, 0, false), "{magic}");
            assert_eq!((scene.scans(&parcel), scene.status(&order)), (Vec::new(), "filled".to_owned()), "{magic}");
        }
    }

    fn a_cancelled_label_that_travels_is_noted(engine) {
        let scene = Scene::new(engine);
        let (parcel, order) = scene.shipped(ONE);
        scene.staff.post(&format!("/pharmacy/shipments/{parcel}/cancel"), &json!({"reason": "Label torn"})).data();
        assert_eq!(scene.notified(ONE, &[detail(2, "in_transit", "Waco")]), (true, 1, false));
        assert_eq!((scene.shipment(&parcel)["status"].clone(), scene.status(&order)), (json!("cancelled"), "filled".to_owned()));
        let history = scene.partner.read_order(&order)["status_history"].clone();
        assert!(history.as_array().expect("rows").iter().any(|row| row["reason"] == "seen_after_end"), "{history}");
    }

    fn a_parcel_that_comes_back_is_staffs_to_replace(engine) {
        let scene = Scene::new(engine);
        let (parcel, order) = scene.shipped(ONE);
        scene.notified(ONE, &[detail(9, "failure", "Waco")]);
        assert_eq!(scene.shipment(&parcel)["status"], "exception");
        assert_eq!(scene.needing_attention("&status=exception"), [parcel.as_str()]);
        scene.notified(ONE, &[detail(8, "in_transit", "Waco")]);
        assert!(scene.needing_attention("").is_empty(), "it goes on");
        scene.notified(ONE, &[detail(2, "return_to_sender", "Waco")]);
        assert_eq!((scene.status(&order), scene.needing_attention("")), ("returned".to_owned(), vec![parcel]));
        scene.staff.work(&order, "replace");
        assert!(scene.needing_attention("").is_empty());
    }
}

/// The key by which the tests sign as ShipEngine does.
fn shipengine_key() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))
}

/// ShipEngine's headers for a body sent so many seconds ago.
fn shipengine_headers(body: &str, seconds: i64) -> [(&'static str, String); 3] {
    let sent = Ts::from_micros(jiff::Timestamp::now().as_microsecond()).plus_seconds(-seconds).to_string();
    let mut signature = vec![0; shipengine_key().public_modulus_len()];
    let message = format!("{sent}.{body}");
    let signed =
        shipengine_key().sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature);
    signed.expect("a signature");
    [
        ("x-shipengine-rsa-sha256-key-id", "key-1".to_owned()),
        ("x-shipengine-rsa-sha256-signature", STANDARD.encode(signature)),
        ("x-shipengine-timestamp", sent),
    ]
}

#[track_caller]
fn shipengine(server: &Server, body: &str, headers: &[(&'static str, String)]) -> Reply {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
    server.anonymous().send(Method::POST, "/api/carriers/shipengine/events", &all, Some(body.as_bytes()))
}

/// A store that knows the public half of the tests' key.
fn with_shipengine() -> Store {
    let store = Store::sandbox(Engine::Sqlite);
    // PKCS #1's encoding of a key of 2048 bits: its modulus lies behind nine bytes, its exponent at the end.
    let der = shipengine_key().public_key().as_ref();
    let [n, e] = [&der[9..265], &der[der.len() - 3..]].map(|part| URL_SAFE_NO_PAD.encode(part));
    let path = store.folder.path().join("shipengine.jwks");
    let keys =
        json!({"keys": [{"kty": "RSA", "kid": "key-1", "use": "sig", "alg": "RS256", "n": n, "e": e}]});
    std::fs::write(&path, keys.to_string()).expect("the folder is ours");
    store.with("NIMBUS_SHIPENGINE_WEBHOOK_KEYS", &path.display().to_string())
}

#[test]
fn shipengines_notifications_are_signed_by_its_key() {
    let store = with_shipengine();
    let seed = store.seed();
    let server = store.serve();
    let (partner, staff) = (server.partner(&seed), server.staff(&seed));
    let scene = Scene { server, seed, partner, staff };
    let (parcel, order) = scene.shipped(ONE);
    let event = |hours: i64, code: Option<&str>| {
        json!({
            "occurred_at": ago(hours), "carrier_occurred_at": ago(hours), "description": "Scanned",
            "city_locality": "WACO", "state_province": "TX", "postal_code": "76701", "country_code": "US",
            "company_name": "", "signer": "J DOE", "event_code": "X", "status_code": code, "latitude": 31.5,
        })
    };
    let body = json!({
        "resource_url": "https://api.shipengine.com/v1/tracking?carrier_code=ups", "resource_type": "API_TRACK",
        "data": {
            "tracking_number": ONE, "carrier_code": "ups", "status_code": "DE", "status_description": "Delivered",
            "carrier_status_code": "01", "estimated_delivery_date": "2031-05-06T00:00:00", "exception_description": null,
            "events": [event(2, None), event(8, Some("IT")), event(9, Some("AC"))],
        },
    })
    .to_string();

    let right = shipengine_headers(&body, 0);
    shipengine(&scene.server, &body, &[]).refused(401, "UNAUTHORIZED");
    shipengine(&scene.server, &body, &right[..2]).refused(401, "UNAUTHORIZED");
    shipengine(&scene.server, &body, &shipengine_headers(&body, 400)).refused(401, "UNAUTHORIZED");
    shipengine(&scene.server, &body.replace("WACO", "Waco"), &right).refused(401, "UNAUTHORIZED");
    let mut other = right.clone();
    other[0].1 = "key-2".to_owned();
    shipengine(&scene.server, &body, &other).refused(401, "UNAUTHORIZED");
    assert_eq!(scene.shipment(&parcel)["status"], "pending", "nothing was read");

    let data = shipengine(&scene.server, &body, &right).data().clone();
    assert_eq!(data, json!({"matched": true, "scans_kept": 3, "moved": true}));
    assert_eq!(
        (scene.shipment(&parcel)["status"].clone(), scene.status(&order)),
        (json!("delivered"), "delivered".to_owned())
    );
    assert_eq!(scene.told(&parcel, "delivered"), ["in_transit", "delivered"]);
    let again = shipengine(&scene.server, &body, &shipengine_headers(&body, 60)).data().clone();
    assert_eq!(again, json!({"matched": true, "scans_kept": 0, "moved": false}));
    let everything = scene.partner.get(&format!("/shipment/{parcel}/tracking")).body.to_string();
    assert!(!everything.contains("DOE"), "{everything}");
}

#[test]
fn what_is_no_notification_of_a_parcel_is_taken_or_told() {
    let scene = Scene::new(Engine::Sqlite);
    let send = |body: &Value| easypost(&scene.server.anonymous(), "/api/carriers/easypost/events", body);
    for body in [json!({}), json!({"description": "batch.created", "result": {"id": "batch_1"}})] {
        assert_eq!(send(&body).data()["matched"], false);
    }
    let nameless = json!({"description": "tracker.updated", "result": {"status": "delivered"}});
    assert_eq!(send(&nameless).invalid()[0], "result.tracking_code");
    let reply = easypost(&scene.server.anonymous(), "/api/carriers/pigeon/events", &json!({}));
    reply.refused(404, "NOT_FOUND");
    let many: Vec<Value> = (0..2001).map(|_| json!({})).collect();
    assert_eq!(
        send(&tracker(ONE, &many)).data()["matched"],
        false,
        "more than are kept is no reason to refuse"
    );
}

#[test]
fn keys_that_cannot_be_used_refuse_to_start() {
    let store = Store::sandbox(Engine::Sqlite);
    let path = store.folder.path().join("keys.pem");
    std::fs::write(&path, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").expect("ours");
    let store = store.with("NIMBUS_SHIPENGINE_WEBHOOK_KEYS", &path.display().to_string());
    let output = store.command(&["config", "check"]).output().expect("nimbus runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("keys.pem PEM block 1 is no RSA public key"), "{told}");
}
