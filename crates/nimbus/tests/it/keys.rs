//! Keys that take each other's place, and keys that work from some networks alone.

use std::thread;

use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    Anonymous, Partner, Reply, Server, Staff, Store, eventually,
    receiver::Receiver,
    story::text,
    two_engines,
    webhooks::{Endpoint, Scene},
};

/// The id of a key by its text.
fn id_of(partner: &Partner, key: &str) -> String {
    let listed = partner.get("/keys");
    let all = listed.data().as_array().expect("a list");
    let found = all.iter().find(|listed| key.starts_with(listed["prefix"].as_str().expect("a prefix")));
    text(&found.expect("the key is listed")["key_id"])
}

fn asked(client: &Anonymous, key: &str, headers: &[(&str, &str)]) -> Reply {
    let headers = [&[("x-api-key", key)], headers].concat();
    client.send(Method::GET, "/api/external/clinic", &headers, None)
}

/// What the next delivery has in `X-API-Key`.
fn sent_key(partner: &Partner, endpoint: &Endpoint, receiver: &Receiver) -> Option<String> {
    let before = receiver.received().len();
    partner.act(&format!("{}/test", endpoint.path())).data();
    let received = receiver.wait_for(before + 1, crate::support::PATIENCE);
    received.last().expect("it came").header("x-api-key").map(str::to_owned)
}

fn listed(partner: &Partner, id: &str) -> Value {
    let listed = partner.get("/keys");
    let all = listed.data().as_array().expect("a list").clone();
    all.into_iter().find(|key| key["key_id"] == id).expect("the key is listed")
}

two_engines! {
    fn a_partner_rotates_its_key_and_both_work_meanwhile(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["*"]);
        let (old, client) = (scene.seed.keys.integration.clone(), scene.server.anonymous());
        let id = id_of(&scene.partner, &old);
        let path = format!("/keys/{id}/rotate");
        assert_eq!(scene.partner.post(&path, &json!({"overlap_hours": 169})).invalid(), ["overlap_hours"]);
        let rotated = scene.partner.post_keyed(&path, "rotation-1", &json!({})).data().clone();
        let again = scene.partner.post_keyed(&path, "rotation-1", &json!({}));
        assert_eq!((again.header("idempotent-replayed"), again.data()), (Some("true"), &rotated), "its reply was lost");
        let new = text(&rotated["key"]);
        let new_id = text(&rotated["key_id"]);
        scene.partner.post(&path, &json!({})).refused(400, "INVALID_STATUS_TRANSITION");

        let before = listed(&scene.partner, &id);
        assert_eq!((&before["successor_id"], &rotated["details"]["scopes"]), (&json!(new_id), &before["scopes"]));
        let ends: jiff::Timestamp = text(&before["expires_at"]).parse().expect("an instant");
        let hours = ends.duration_since(jiff::Timestamp::now()).as_secs_f64() / 3600.0;
        assert!((23.9..=24.0).contains(&hours), "a day, unless it is asked for otherwise: {hours}");
        assert_eq!(listed(&scene.partner, &new_id)["last_used_at"], json!(null));
        assert_eq!(sent_key(&scene.partner, &endpoint, &receiver).as_deref(), Some(old.as_str()));

        // What is on its way out does not end what takes its place.
        for act in ["rotate", "revoke"] {
            scene.partner.act(&format!("/keys/{new_id}/{act}")).refused(403, "FORBIDDEN");
        }
        let successor = Partner::new(&scene.server.url(), &new);
        assert_eq!((asked(&client, &old, &[]).status, successor.get("/clinic").status), (200, 200));
        eventually("each use is seen", || {
            let used = |id| listed(&successor, id)["last_used_at"].is_string();
            (used(&id) && used(&new_id)).then_some(())
        });
        eventually("the new key is sent from its first use", || {
            (sent_key(&successor, &endpoint, &receiver).as_deref() == Some(&new)).then_some(())
        });

        let revoked = successor.act(&format!("/keys/{id}/revoke")).data()["revoked_at"].clone();
        eventually("the old one ends early", || (asked(&client, &old, &[]).status == 401).then_some(()));
        assert_eq!(successor.act(&format!("/keys/{id}/revoke")).data()["revoked_at"], revoked, "once");
        assert_eq!(sent_key(&successor, &endpoint, &receiver).as_deref(), Some(new.as_str()));
    }

    fn a_rotation_without_overlap_ends_the_old_key_at_once(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["*"]);
        let old = scene.seed.keys.integration.clone();
        let id = id_of(&scene.partner, &old);
        let path = format!("/admin/clinics/{}/keys/{id}/rotate", scene.seed.clinic_id);
        let new = text(&scene.staff.post(&path, &json!({"overlap_hours": 0})).data()["key"]);
        let client = scene.server.anonymous();
        eventually("it ends", || (asked(&client, &old, &[]).status == 401).then_some(()));
        // Sent before it was ever used: a test is asked for by another key of the clinic.
        let other = Partner::new(&scene.server.url(), &scene.seed.keys.pharmacy_partner);
        eventually("the new key is sent from the end of the overlap", || {
            (sent_key(&other, &endpoint, &receiver).as_deref() == Some(&new)).then_some(())
        });
        let new_id = id_of(&other, &new);
        assert_eq!(listed(&other, &new_id)["last_used_at"], json!(null));
        let revoke = format!("/admin/clinics/{}/keys/{new_id}/revoke", scene.seed.clinic_id);
        scene.staff.act(&revoke).data();
        eventually("none is sent once it is revoked", || {
            sent_key(&other, &endpoint, &receiver).is_none().then_some(())
        });
    }

    fn of_rotations_that_race_one_wins(engine) {
        let scene = Scene::start(engine);
        let id = id_of(&scene.partner, &scene.seed.keys.integration);
        let by_partner = format!("/keys/{id}/rotate");
        let by_staff = format!("/admin/clinics/{}/keys/{id}/rotate", scene.seed.clinic_id);
        let replies: Vec<Reply> = thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|number| {
                    let (scene, by_partner, by_staff) = (&scene, &by_partner, &by_staff);
                    scope.spawn(move || match number % 2 {
                        0 => scene.partner.post(by_partner, &json!({})),
                        _ => scene.staff.post(by_staff, &json!({})),
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().expect("it is answered")).collect()
        });
        let (won, lost): (Vec<&Reply>, Vec<&Reply>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 7));
        for reply in lost {
            reply.refused(400, "INVALID_STATUS_TRANSITION");
        }
        let listed = scene.partner.get("/keys");
        let of_name = listed.data().as_array().expect("keys").iter().filter(|key| key["name"] == "integration");
        assert_eq!(of_name.count(), 2, "no key is left over from those that lost");
    }

    fn a_key_manages_no_key_that_may_more_and_none_of_others(engine) {
        let (server, seed) = Server::seeded(engine);
        let (wide, narrow) = (server.partner(&seed), server.pharmacy_partner(&seed));
        let (wide_id, narrow_id) = (id_of(&wide, &seed.keys.integration), id_of(&wide, &seed.keys.pharmacy_partner));
        for act in ["rotate", "revoke"] {
            narrow.act(&format!("/keys/{wide_id}/{act}")).refused(403, "FORBIDDEN");
            server.stranger(&seed).act(&format!("/keys/{narrow_id}/{act}")).refused(404, "NOT_FOUND");
        }
        let body = json!({"networks": ["0.0.0.0/0"]});
        narrow.json(Method::PUT, &format!("/keys/{wide_id}/networks"), &[], &body).refused(403, "FORBIDDEN");
        wide.act(&format!("/keys/{narrow_id}/revoke")).data();
        eventually("it stops", || (narrow.get("/clinic").status == 401).then_some(()));
        let listed = server.stranger(&seed).get("/keys");
        assert_eq!(listed.data().as_array().expect("keys").len(), 1, "its own alone");
        wide.act(&format!("/keys/{wide_id}/revoke")).data();
        eventually("a key revokes itself", || (wide.get("/clinic").status == 401).then_some(()));
    }

    fn a_key_works_from_its_networks_alone(engine) {
        let store = Store::sandbox(engine).with("NIMBUS_BEHIND_PROXY", "true");
        let seed = store.seed();
        let server = store.serve();
        let (key, client) = (seed.keys.integration.clone(), server.anonymous());
        let from = |address: &str| asked(&client, &key, &[("x-forwarded-for", address)]);
        let id = id_of(&server.partner(&seed), &key);
        let put = |networks: &Value, address: &str| {
            let path = format!("/api/external/keys/{id}/networks");
            let headers = [("x-api-key", key.as_str()), ("x-forwarded-for", address)];
            client.json(Method::PUT, &path, &headers, &json!({"networks": networks}))
        };
        assert_eq!(from("198.51.100.9").status, 200, "none: from anywhere");
        let wrong = put(&json!(["203.0.113.1/24", "hello", "2001:db8::/129"]), "203.0.113.5");
        assert_eq!(wrong.invalid(), ["networks[0]", "networks[1]", "networks[2]"]);
        assert!(!wrong.body.to_string().contains("hello"), "{}", wrong.body);
        assert_eq!(put(&json!(vec!["203.0.113.5"; 51]), "203.0.113.5").invalid(), ["networks"]);
        assert_eq!(put(&json!(["203.0.113.0/24"]), "198.51.100.9").invalid(), ["networks"], "that would lock it out");
        let set = put(&json!(["203.0.113.0/24", "2001:db8::/32", "::ffff:192.0.2.7"]), "203.0.113.5");
        assert_eq!(set.data()["networks"], json!(["203.0.113.0/24", "2001:db8::/32", "192.0.2.7/32"]));

        let refused = eventually("elsewhere it stops", || {
            let reply = from("198.51.100.9");
            (reply.status == 401).then_some(reply)
        });
        let unknown = nimbus_app::credentials::from_seed("dev_", b"nobody");
        let unknown = asked(&client, &unknown, &[("x-forwarded-for", "198.51.100.9")]);
        let apart = |reply: &Reply| {
            let mut reply = reply.clone();
            reply.body["error"]["request_id"] = json!(null);
            for name in ["x-request-id", "date"] {
                reply.headers.remove(name);
            }
            (reply.status, reply.body, reply.headers)
        };
        assert_eq!(apart(&refused), apart(&unknown), "it does not tell that there is such a key");
        for address in ["203.0.113.255", "2001:db8:1::9", "192.0.2.7", "198.51.100.9, 203.0.113.7"] {
            assert_eq!(from(address).status, 200, "{address}");
        }
        for address in ["203.0.114.1", "2001:db9::1", "192.0.2.8", "203.0.113.7, 198.51.100.9", "unknown"] {
            assert_eq!(from(address).status, 401, "{address}");
        }
        // The keys of a clinic are confined each by itself, and the successor as the key was.
        let headers = [("x-forwarded-for", "198.51.100.9")];
        assert_eq!(asked(&client, &seed.keys.pharmacy_partner, &headers).status, 200);
        let path = format!("/admin/clinics/{}/keys/{id}", seed.clinic_id);
        let staff = server.staff(&seed);
        let rotated = staff.act(&format!("{path}/rotate")).data().clone();
        assert_eq!(rotated["details"]["networks"], set.data()["networks"]);
        assert_eq!(asked(&client, &text(&rotated["key"]), &headers).status, 401);

        let anywhere = staff.json(Method::PUT, &format!("{path}/networks"), &[], &json!({"networks": []}));
        assert_eq!(anywhere.data()["networks"], json!([]));
        eventually("it works from anywhere", || (from("198.51.100.9").status == 200).then_some(()));
        let confined = server.store().json(&["admin", "key", "networks", &id, "198.51.100.0/24"]);
        assert_eq!(confined["networks"], json!(["198.51.100.0/24"]));
        eventually("it is confined by a command", || (from("203.0.113.5").status == 401).then_some(()));
        assert_eq!(from("198.51.100.9").status, 200);
    }

    fn a_successor_lasts_as_long_as_its_key_was_to(engine) {
        let (server, seed) = Server::seeded(engine);
        let staff: Staff = server.staff(&seed);
        let keys = format!("/admin/clinics/{}/keys", seed.clinic_id);
        let in_days = |days: i64| (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days)).to_string();
        let past = json!({"name": "Quarterly", "expires_at": in_days(-1)});
        assert_eq!(staff.post(&keys, &past).invalid(), ["expires_at"]);
        let issued = staff.post(&keys, &json!({"name": "Quarterly", "expires_at": in_days(90)})).data().clone();
        let path = format!("{keys}/{}/rotate", text(&issued["key_id"]));
        let rotated = staff.post(&path, &json!({"overlap_hours": 1})).data()["details"].clone();
        let lasts = |key: &Value| {
            let at = |name: &str| text(&key[name]).parse::<jiff::Timestamp>().expect("an instant");
            at("expires_at").duration_since(at("created_at")).as_secs()
        };
        assert!((lasts(&rotated) - 90 * 86_400).abs() <= 1, "{rotated}");
        let before = staff.get(&format!("{keys}/{}", text(&issued["key_id"])));
        assert!((lasts(before.data()) - 3600).abs() <= 60, "{}", before.body);
    }
}
