//! Partners, agreements and keys in production: who gets a key, and when it stops working.

use std::time::{Duration, Instant};

use nimbus_app::credentials;
use serde_json::{Value, json};

use crate::support::{Anonymous, Engine, Reply, Server, Store, story::text, two_engines};

/// A key is believed for a second after it was read.
const STOPS_WITHIN: Duration = Duration::from_secs(2);
const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// What a command says when it fails.
#[track_caller]
fn failure(store: &Store, args: &[&str]) -> String {
    let output = store.output(args);
    assert!(!output.status.success(), "nimbus {args:?} must fail");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "a failure prints no result");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

struct Tenant {
    partner: String,
    clinic: String,
}

fn tenant(store: &Store) -> Tenant {
    let partner = text(&store.json(&["admin", "partner", "create", "Acme Telehealth"])["id"]);
    let clinic =
        text(&store.json(&["admin", "clinic", "create", "--partner", &partner, "Acme Clinic"])["id"]);
    Tenant { partner, clinic }
}

fn approve(store: &Store, tenant: &Tenant) {
    assert_eq!(store.json(&["admin", "partner", "approve", &tenant.partner])["status"], "approved");
}

fn record_baa(store: &Store, tenant: &Tenant) -> String {
    let args = ["admin", "baa", "record", "--partner", &tenant.partner, "--effective", "2020-01-01"];
    text(&store.json(&[&args[..], &["--document-hash", SHA256]].concat())["id"])
}

fn issue(store: &Store, tenant: &Tenant) -> Value {
    store.json(&["admin", "key", "issue", "--clinic", &tenant.clinic, "--profile", "integration"])
}

fn clinic(client: &Anonymous, key: &str) -> Reply {
    client.send(ureq::http::Method::GET, "/api/external/clinic", &[("x-api-key", key)], None)
}

/// Asks with the key until it is refused, which must be soon.
#[track_caller]
fn stops_working(client: &Anonymous, key: &str) {
    let since = Instant::now();
    loop {
        let reply = clinic(client, key);
        if reply.status == 401 {
            reply.refused(401, "UNAUTHORIZED");
            return;
        }
        reply.data();
        assert!(since.elapsed() < STOPS_WITHIN, "the key still works after {:?}", since.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The day before today in UTC.
fn yesterday() -> String {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    today.yesterday().expect("there is one").to_string()
}

two_engines! {
    fn a_production_key_needs_approval_and_an_agreement(engine) {
        let store = Store::production(engine);
        let tenant = tenant(&store);
        let issue_args = ["admin", "key", "issue", "--clinic", &tenant.clinic];
        assert!(failure(&store, &issue_args).contains("approved"));
        approve(&store, &tenant);
        assert!(failure(&store, &issue_args).contains("agreement"));
        let baa = record_baa(&store, &tenant);
        let issued = issue(&store, &tenant);
        let key = text(&issued["key"]);
        assert!(key.starts_with("prod_"), "the key's prefix names its environment");
        let listed = store.json(&["admin", "key", "list", "--clinic", &tenant.clinic]);
        assert_eq!(listed.as_array().expect("a list").len(), 1);
        assert!(!listed.to_string().contains(&key), "a key is shown once");

        let server = store.serve();
        let client = server.anonymous();
        let overview = clinic(&client, &key).data().clone();
        assert_eq!((&overview["clinic_id"], &overview["environment"]), (&json!(tenant.clinic), &json!("production")));
        assert_eq!(overview["baa_in_force"], true);
        let dev = credentials::from_seed("dev_", b"any");
        let refused = clinic(&client, &dev);
        let message = text(&refused.refused(401, "UNAUTHORIZED")["message"]);
        assert!(message.starts_with("Unauthorized"), "{message}");
        assert!(message.contains("production") && message.contains("sandbox"), "{message}");

        server.store().json(&["admin", "baa", "end", &baa, "--on", &yesterday()]);
        stops_working(&client, &key);
        assert!(failure(server.store(), &issue_args).contains("agreement"));
        record_baa(server.store(), &tenant);
        crate::support::eventually("the key works again", || (clinic(&client, &key).status == 200).then_some(()));
    }
}

#[test]
fn a_key_stops_with_its_revocation_and_its_partners_suspension() {
    let store = Store::production(Engine::Sqlite);
    let tenant = tenant(&store);
    approve(&store, &tenant);
    record_baa(&store, &tenant);
    let (first, second) = (issue(&store, &tenant), issue(&store, &tenant));
    let server = store.serve();
    let client = server.anonymous();
    let (first_key, second_key) = (text(&first["key"]), text(&second["key"]));
    clinic(&client, &first_key).data();
    server.store().json(&["admin", "key", "revoke", &text(&first["id"])]);
    stops_working(&client, &first_key);
    clinic(&client, &second_key).data();
    server.store().json(&["admin", "partner", "suspend", &tenant.partner]);
    stops_working(&client, &second_key);
    server.store().json(&["admin", "partner", "approve", &tenant.partner]);
    crate::support::eventually("the key works again", || {
        (clinic(&client, &second_key).status == 200).then_some(())
    });
    clinic(&client, &first_key).refused(401, "UNAUTHORIZED");
}

#[test]
fn a_key_and_a_token_stop_when_they_expire() {
    let store = Store::sandbox(Engine::Sqlite);
    let tenant = tenant(&store);
    approve(&store, &tenant);
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3);
    let soon = soon.to_string();
    let key = store.json(&["admin", "key", "issue", "--clinic", &tenant.clinic, "--expires", &soon]);
    let token = store.json(&["admin", "token", "issue", "t", "--roles", "technician", "--expires", &soon]);
    let server = store.serve();
    let client = server.anonymous();
    let bearer = format!("Bearer {}", text(&token["token"]));
    let queue = || {
        let headers = [("authorization", bearer.as_str())];
        client.send(ureq::http::Method::GET, "/api/pharmacy/orders", &headers, None).status
    };
    crate::support::eventually("the key stops", || {
        (clinic(&client, &text(&key["key"])).status == 401).then_some(())
    });
    crate::support::eventually("the token stops", || (queue() == 401).then_some(()));
}

#[test]
fn production_starts_only_with_safe_settings() {
    let refused = |store: Store, word: &str| {
        let said = failure(&store, &["serve", "--listen", "127.0.0.1:0"]);
        assert!(said.contains(word), "{word} is not in: {said}");
        assert!(failure(&store, &["admin", "partner", "list"]).contains(word), "every command refuses");
    };
    refused(Store::production(Engine::Sqlite).without("NIMBUS_BEHIND_PROXY"), "TLS");
    refused(Store::production(Engine::Sqlite).without("NIMBUS_MASTER_KEY_FILE"), "master key");
    refused(
        Store::production(Engine::Sqlite).with("NIMBUS_ALLOW_LOCAL_WEBHOOKS", "true"),
        "allow_local_webhooks",
    );
    refused(Store::production(Engine::Sqlite).with("NIMBUS_RETRY_SCALE", "1/60"), "retry_scale");
    refused(Store::production(Engine::Sqlite).with("NIMBUS_RATE_LIMIT_WRITES", "0"), "rate limits");
    refused(Store::production(Engine::Sqlite).with("NIMBUS_ENVIRONMENT", "staging"), "environment");
    let seeding = failure(&Store::production(Engine::Sqlite), &["seed", "--json"]);
    assert!(seeding.contains("sandbox") || seeding.contains("not valid"), "{seeding}");
}

#[test]
fn another_master_key_opens_nothing() {
    let store = Store::sandbox(Engine::Sqlite);
    store.seed();
    let (server_key, other_key) =
        (store.data_dir().join("master.key"), "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=");
    let server_key = std::fs::read_to_string(server_key).expect("a sandbox makes its own master key");
    let store = store.with("NIMBUS_MASTER_KEY", other_key);
    let said = failure(&store, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("master key"), "{said}");
    assert!(!said.contains(server_key.trim()) && !said.contains(other_key), "no key is ever shown");
    let store = store.with("NIMBUS_MASTER_KEY", server_key.trim());
    let seed = store.seed();
    let server: Server = store.serve();
    server.partner(&seed).get("/clinic").data();
}
