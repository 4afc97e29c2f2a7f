//! The address guard: what cannot be registered, and what is not dialled even though it was.

use serde_json::json;

use crate::support::{Engine, PATIENCE, Store, eventually, receiver::Receiver, webhooks::Scene};

/// Never public, or never a web server, whatever a sandbox allows.
const NEVER: &[&str] = &[
    "https://10.0.0.1/hook",
    "https://192.168.1.1/hook",
    "https://100.64.0.1/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:10.0.0.1]/hook",
    "https://[64:ff9b::a00:1]/hook",
    "https://[fd00::1]/hook",
    "https://user:pw@example.com/hook",
    "https://example.com:22/hook",
    "http://example.com/hook",
    "ftp://example.com/hook",
    "example.com/hook",
];
/// Loopback, in spellings that hide it.
const LOOPBACK: &[&str] = &[
    "http://127.0.0.1:8080/hook",
    "https://127.0.0.1/hook",
    "https://localhost/hook",
    "https://2130706433/hook",
    "https://0x7f.1/hook",
    "https://[::1]/hook",
    "https://[::ffff:127.0.0.1]/hook",
];

#[track_caller]
fn assert_refused(scene: &Scene, url: &str) {
    let body = json!({ "clinic_id": scene.seed.clinic_id, "webhook_url": url });
    let reply = scene.partner.post("/webhook", &body);
    assert_eq!(reply.invalid(), ["webhook_url"], "{url}");
    let listed = scene.partner.get("/webhook");
    assert_eq!(listed.data().as_array().map(Vec::len), Some(0), "{url} was registered");
}

#[test]
fn without_leave_loopback_is_no_more_public_than_the_rest() {
    let store = Store::sandbox(Engine::Sqlite).without("NIMBUS_ALLOW_LOCAL_WEBHOOKS");
    let scene = Scene::of(store);
    for url in NEVER.iter().chain(LOOPBACK) {
        assert_refused(&scene, url);
    }
}

#[test]
fn with_leave_loopback_passes_and_nothing_else() {
    let scene = Scene::start(Engine::Sqlite);
    for url in NEVER {
        assert_refused(&scene, url);
    }
    let receiver = Receiver::start();
    let endpoint = scene.register(&receiver.url(), &["*"]);
    for url in NEVER {
        let reply = scene.partner.patch(&endpoint.path(), &json!({ "webhook_url": url }));
        assert_eq!(reply.invalid(), ["webhook_url"], "{url}");
    }
    assert_eq!(scene.partner.get(&endpoint.path()).data()["webhook_url"], json!(receiver.url()));
}

#[test]
fn an_address_that_is_no_longer_allowed_is_not_dialled() {
    let scene = Scene::start(Engine::Sqlite);
    let receiver = Receiver::start();
    let endpoint = scene.register(&receiver.url(), &["prescription:created"]);
    let (status, _, store) = scene.server.stop();
    assert!(status.success());
    let scene = Scene::serving(store.without("NIMBUS_ALLOW_LOCAL_WEBHOOKS"), scene.seed);
    scene.partner.order(&scene.seed);
    let delivery = eventually("an attempt is recorded", || {
        let delivery = scene.partner.deliveries(&endpoint).pop()?;
        (!delivery["attempts"].as_array().expect("attempts").is_empty()).then_some(delivery)
    });
    assert_eq!(delivery["attempts"][0]["cause"], "address_refused", "within {PATIENCE:?}");
    assert_eq!(receiver.received().len(), 0);
}
