//! What signs deliveries: schemes, keys that follow each other, the older headers.

use nimbus_webhooks::signing::PublicKey;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    Engine, PATIENCE, Store, eventually,
    receiver::{Received, Receiver},
    story::text,
    two_engines,
    webhooks::{Endpoint, Scene, older_signature, verdict},
};

const KEYS: &str = "/.well-known/webhook-keys.json";

impl Scene {
    /// Sends a test to an endpoint; what its receiver got.
    #[track_caller]
    fn tested(&self, endpoint: &Endpoint, receiver: &Receiver) -> Received {
        let before = receiver.received().len();
        self.partner.act(&format!("{}/test", endpoint.path())).data();
        receiver.wait_for(before + 1, PATIENCE).remove(before)
    }

    #[track_caller]
    fn rotated(&self, endpoint: &Endpoint, body: &Value) -> Value {
        self.partner.post(&format!("{}/rotate-secret", endpoint.path()), body).data().clone()
    }

    /// The names of the public keys that are listed.
    fn kids(&self, query: &str) -> Vec<String> {
        let reply = self.server.anonymous().get(&format!("{KEYS}{query}"));
        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("public, max-age=300")));
        reply.body["keys"].as_array().expect("keys").iter().map(|key| text(&key["kid"])).collect()
    }
}

/// The schemes of a request's signatures, in their order.
fn schemes(received: &Received) -> Vec<&str> {
    let signatures = received.header("webhook-signature").expect("signatures");
    signatures.split(' ').filter_map(|signature| signature.split(',').next()).collect()
}

fn kid(webhook: &Value) -> String {
    PublicKey::parse(&text(&webhook["public_key"])).expect("a public key").kid()
}

two_engines! {
    fn an_endpoint_changes_its_scheme_with_both_signing_meanwhile(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["*"]);
        let shown = scene.partner.get(&endpoint.path()).data().clone();
        assert_eq!((&shown["signing"], &shown["public_key"]), (&json!("hmac"), &Value::Null));
        assert_eq!(schemes(&scene.tested(&endpoint, &receiver)), ["v1"]);
        assert_eq!(scene.kids(""), [] as [String; 0]);

        let changed = scene.partner.patch(&endpoint.path(), &json!({"signing": "ed25519"})).data().clone();
        assert_eq!(changed["signing"], "ed25519");
        let received = scene.tested(&endpoint, &receiver);
        assert_eq!(schemes(&received), ["v1a", "v1"]);
        assert_eq!(verdict(&received, &endpoint.secret), Ok(()), "the secret signs for a day");
        let older = older_signature(&received, &endpoint.secret);
        assert_eq!(received.header("x-webhook-signature"), Some(older.as_str()));
        let first = kid(&changed);
        assert_eq!(scene.kids(""), [first.as_str()]);

        let rotated = scene.rotated(&endpoint, &json!({}));
        let second = kid(&rotated);
        assert_ne!(second, first);
        assert_eq!(schemes(&scene.tested(&endpoint, &receiver)), ["v1a", "v1a", "v1"]);
        let mut both = [first, second.clone()];
        let mut listed = scene.kids(&format!("?webhook_id={}", endpoint.id));
        both.sort();
        listed.sort();
        assert_eq!(listed, both, "a key that retires is listed as long as it signs");

        let last = scene.rotated(&endpoint, &json!({"overlap_hours": 0}));
        let received = scene.tested(&endpoint, &receiver);
        assert_eq!(schemes(&received), ["v1a"], "no overlap ends all others at once");
        let older = older_signature(&received, &text(&last["signing_secret"]));
        assert_eq!(received.header("x-webhook-signature"), Some(older.as_str()));
        assert_eq!(last.get("previous_secret_until"), None);
        assert_eq!(scene.kids(""), [kid(&last)]);
        assert_eq!(scene.kids("?webhook_id=01890000-0000-7000-8000-000000000001"), [] as [String; 0]);
    }

    fn every_secret_within_its_overlap_signs(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["*"]);
        let mut secrets = vec![endpoint.secret.clone()];
        for _ in 0..5 {
            secrets.insert(0, text(&scene.rotated(&endpoint, &json!({"overlap_hours": 168}))["signing_secret"]));
        }
        let received = scene.tested(&endpoint, &receiver);
        assert_eq!(schemes(&received), ["v1"; 5]);
        for secret in &secrets[..5] {
            assert_eq!(verdict(&received, secret), Ok(()));
        }
        assert!(verdict(&received, &secrets[5]).is_err(), "the oldest is dropped");
        let older = older_signature(&received, &secrets[0]);
        assert_eq!(received.header("x-webhook-signature"), Some(older.as_str()));
    }
}

#[test]
fn the_key_that_registered_is_sent_unless_it_is_not_wanted_or_revoked() {
    let (scene, receiver) = (Scene::start(Engine::Sqlite), Receiver::start());
    let endpoint = scene.register(&receiver.url(), &["*"]);
    let key = scene.seed.keys.integration.as_str();
    assert_eq!(scene.tested(&endpoint, &receiver).header("x-api-key"), Some(key));
    for (wanted, sent) in [(false, None), (true, Some(key))] {
        scene.partner.patch(&endpoint.path(), &json!({"send_api_key": wanted})).data();
        assert_eq!(scene.tested(&endpoint, &receiver).header("x-api-key"), sent);
    }
}

#[test]
fn after_a_rotation_the_new_key_is_sent_from_its_first_use_and_none_once_it_is_revoked() {
    let (scene, receiver) = (Scene::start(Engine::Sqlite), Receiver::start());
    let endpoint = scene.register(&receiver.url(), &["*"]);
    let store = scene.server.store();
    let old = scene.seed.keys.integration.as_str();
    let listed = store.json(&["admin", "key", "list", "--clinic", &scene.seed.clinic_id]);
    let is_old = |key: &&Value| old.starts_with(&text(&key["prefix"]));
    let id = text(&listed.as_array().expect("keys").iter().find(is_old).expect("the old key")["id"]);
    let rotated = store.json(&["admin", "key", "rotate", &id]);
    let new = text(&rotated["key"]);
    assert!(!store.output(&["admin", "key", "rotate", &id]).status.success(), "once");
    assert_eq!(scene.tested(&endpoint, &receiver).header("x-api-key"), Some(old));

    let use_it = || {
        scene
            .server
            .anonymous()
            .send(Method::GET, "/api/external/clinic", &[("x-api-key", &new)], None)
            .status
    };
    assert_eq!(use_it(), 200);
    let sent = || scene.tested(&endpoint, &receiver).header("x-api-key").map(str::to_owned);
    eventually("the new key is sent", || (sent().as_deref() == Some(&new)).then_some(()));
    store.json(&["admin", "key", "revoke", &text(&rotated["id"])]);
    eventually("no key is sent", || sent().is_none().then_some(()));
}

#[test]
fn strangers_may_read_public_keys_so_often() {
    let store = Store::sandbox(Engine::Sqlite).with("NIMBUS_RATE_LIMIT_UNAUTHENTICATED", "1");
    let server = store.serve();
    for query in ["?webhook_id=nothing", "?webhook_id=a&webhook_id=b"] {
        assert_eq!(server.anonymous().get(&format!("{KEYS}{query}")).status, 400, "{query}");
    }
    // Ten a minute; a new minute may begin once while this runs.
    let beyond = (0..20).map(|_| server.anonymous().get(KEYS)).find(|reply| reply.status != 200);
    let beyond = beyond.expect("it is refused in the end");
    beyond.refused(429, "RATE_LIMIT_EXCEEDED");
    assert!(beyond.header("retry-after").is_some());
}
