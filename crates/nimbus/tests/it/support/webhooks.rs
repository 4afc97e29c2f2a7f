//! Webhooks as a partner handles them: endpoints registered, deliveries listed, signatures checked.

use aws_lc_rs::hmac;
use nimbus_webhooks::signing::{SigningSecret, TOLERANCE_SECONDS, verify};
use serde_json::{Value, json};

use super::{Client, Engine, Partner, Seed, Server, Staff, Store, receiver::Received, story::text};

/// A seeded sandbox that serves, and the two who work with it.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) seed: Seed,
    pub(crate) partner: Partner,
    pub(crate) staff: Staff,
}

impl Scene {
    /// Retries come after a two-thousandth of the published delays: 30 ms, 150 ms, 450 ms …
    pub(crate) fn start(engine: Engine) -> Self {
        Self::with_retry_scale(engine, "0.0005")
    }

    pub(crate) fn with_retry_scale(engine: Engine, scale: &str) -> Self {
        Self::of(Store::sandbox(engine).with("NIMBUS_RETRY_SCALE", scale))
    }

    /// Seeds a store and serves it.
    pub(crate) fn of(store: Store) -> Self {
        let seed = store.seed();
        Self::serving(store, seed)
    }

    /// Serves a store that was seeded before.
    pub(crate) fn serving(store: Store, seed: Seed) -> Self {
        let server = store.serve();
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        Self { server, seed, partner, staff }
    }

    /// Registers an endpoint of the seeded partner for these event types.
    #[track_caller]
    pub(crate) fn register(&self, url: &str, event_types: &[&str]) -> Endpoint {
        self.partner.register(&self.seed, url, &json!({ "event_types": event_types }))
    }

    /// What the ledger of deliveries says, which must balance.
    #[track_caller]
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::of(self.server.store())
    }
}

/// The counts in `3 accepted = 2 delivered + 1 pending + 0 dead + 0 cancelled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) accepted: u64,
    pub(crate) pending: u64,
    pub(crate) dead: u64,
    pub(crate) cancelled: u64,
}

impl Ledger {
    /// What the doctor finds on a store.
    #[track_caller]
    pub(crate) fn of(store: &Store) -> Self {
        let report = store.json(&["doctor", "--json"]);
        assert_eq!(report["ok"], true, "{report}");
        let checks = report["checks"].as_array().expect("checks");
        let ledger =
            checks.iter().find(|check| check["check"] == "deliveries").expect("a check of deliveries");
        Ledger::read(ledger["message"].as_str().expect("a message"))
    }

    #[track_caller]
    fn read(message: &str) -> Self {
        let words: Vec<&str> = message.split(' ').collect();
        let count = |name: &str| {
            let at = words.iter().position(|word| *word == name);
            let number = at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok());
            number.unwrap_or_else(|| panic!("no count of {name} in: {message}"))
        };
        Self {
            accepted: count("accepted"),
            pending: count("pending"),
            dead: count("dead"),
            cancelled: count("cancelled"),
        }
    }
}

/// A registered endpoint.
pub(crate) struct Endpoint {
    pub(crate) id: String,
    /// `whsec_…`
    pub(crate) secret: String,
}

impl Endpoint {
    pub(crate) fn path(&self) -> String {
        format!("/webhook/{}", self.id)
    }
}

impl Client {
    /// Registers an endpoint with these options besides clinic and URL.
    #[track_caller]
    pub(crate) fn register(&self, seed: &Seed, url: &str, options: &Value) -> Endpoint {
        let mut body = options.clone();
        body["clinic_id"] = json!(seed.clinic_id);
        body["webhook_url"] = json!(url);
        let reply = self.post("/webhook", &body);
        let data = reply.said("Webhook created successfully");
        Endpoint { id: text(&data["webhook_id"]), secret: text(&data["signing_secret"]) }
    }

    /// The newest hundred deliveries of an endpoint, oldest first.
    #[track_caller]
    pub(crate) fn deliveries(&self, endpoint: &Endpoint) -> Vec<Value> {
        let reply = self.get(&format!("{}/deliveries?limit=100", endpoint.path()));
        let mut list = reply.data().as_array().expect("a list").clone();
        list.reverse();
        list
    }

    /// The states of an endpoint's deliveries, oldest first.
    #[track_caller]
    pub(crate) fn delivery_states(&self, endpoint: &Endpoint) -> Vec<String> {
        self.deliveries(endpoint).iter().map(|delivery| text(&delivery["state"])).collect()
    }
}

/// The verdict of the Standard Webhooks scheme on a request, at the time at which it came.
pub(crate) fn verdict(received: &Received, secret: &str) -> Result<(), String> {
    let secret = SigningSecret::parse(secret).expect("a signing secret has its documented form");
    let header = |name| received.header(name).unwrap_or_default();
    let (id, timestamp, signature) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let now = received.unix_seconds;
    verify(&secret, id, timestamp, signature, &received.body, now, TOLERANCE_SECONDS)
        .map_err(|error| error.to_string())
}

/// Hex HMAC-SHA256 of the raw body under the bytes of the whole secret: the older scheme.
pub(crate) fn older_signature(received: &Received, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(hmac::sign(&key, &received.body))
}

/// `(event_name, event_type)` of each request, sorted.
pub(crate) fn names(received: &[Received]) -> Vec<(String, String)> {
    let name = |received: &Received| {
        let body = received.json();
        (text(&body["event_name"]), text(&body["event_type"]))
    };
    let mut names: Vec<_> = received.iter().map(name).collect();
    names.sort();
    names
}

/// The `sequence` of each request, sorted.
pub(crate) fn sequences(received: &[Received]) -> Vec<i64> {
    let sequence = |received: &Received| received.json()["sequence"].as_i64().expect("a number");
    let mut sequences: Vec<_> = received.iter().map(sequence).collect();
    sequences.sort_unstable();
    sequences
}
