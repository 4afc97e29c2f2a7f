//! Real receivers: the published verifiers in Python and Node.js, and a handler that knows only the API key.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{
    Anonymous, Engine, PATIENCE, eventually,
    story::text,
    webhooks::{Endpoint, Scene},
};

/// An interpreter starts slowly on a machine that runs other tests.
const START_WITHIN: Duration = Duration::from_secs(30);

/// A receiver as its own process; killed when dropped.
struct Program {
    child: Child,
    lines: mpsc::Receiver<Value>,
    base: String,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}: run scripts/test, which installs the receivers")
        });
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("a receiver prints JSON lines");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut program = Self { child, lines, base: String::new() };
        let first: Value =
            program.lines.recv_timeout(START_WITHIN).expect("a receiver says its port at once");
        program.base = format!("http://127.0.0.1:{}", first["port"]);
        program
    }

    fn python(script: &str) -> Self {
        let python = std::env::var_os("NIMBUS_TEST_PYTHON").map_or_else(cached_python, PathBuf::from);
        must_exist(&python);
        Self::start(Command::new(python).arg(folder().join("python").join(script)))
    }

    fn node() -> Self {
        must_exist(&folder().join("node/node_modules/standardwebhooks"));
        Self::start(Command::new("node").arg(folder().join("node/receiver.mjs")))
    }

    fn hook(&self) -> String {
        format!("{}/hook", self.base)
    }

    fn configure(&self, secret: &str, api_key: &str) {
        let body = json!({ "secret": secret, "api_key": api_key });
        let reply = Anonymous::new(&self.base, "").post("/configure", &body);
        assert_eq!(reply.status, 204);
    }

    /// What it printed of the next delivery.
    fn next(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("a delivery is reported")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn folder() -> PathBuf {
    crate::support::repository("tests/receivers")
}

/// Where scripts/test makes the virtual environment.
fn cached_python() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache");
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    cache.join("nimbus/receivers/bin/python")
}

fn must_exist(path: &Path) {
    assert!(path.exists(), "{} is missing: run scripts/test, which installs the receivers", path.display());
}

/// Registers the receiver, which then refuses the first delivery if it is not configured yet.
fn register(scene: &Scene, receiver: &Program) -> Endpoint {
    scene.register(&receiver.hook(), &["shipment:created", "medication:*"])
}

/// A delivery before the secret is known is refused and tried again; afterwards everything is taken, and a
/// repeat is recognised by its id.
#[track_caller]
fn takes_what_is_sent(receiver: &Program) {
    let scene = Scene::with_retry_scale(Engine::Sqlite, "0.01");
    let endpoint = register(&scene, receiver);
    let order = scene.partner.order(&scene.seed);
    scene.staff.work(&order.id, "verify");
    let refused = receiver.next();
    assert_eq!((&refused["verified"], refused["error"].is_string()), (&json!(false), true), "{refused}");

    receiver.configure(&endpoint.secret, &scene.seed.keys.integration);
    let validated = receiver.next();
    assert_eq!(accepted(&validated), ("medication:updated".to_owned(), false));
    assert_eq!(validated["webhook_id"], refused["webhook_id"]);
    assert_eq!(validated["event_data"]["medication_order_id"], json!(order.id));
    assert_eq!(validated["event_data"]["status"], "validated");

    for act in ["submit", "acknowledge", "start-fill", "fill"] {
        scene.staff.work(&order.id, act);
        if act != "start-fill" {
            assert_eq!(accepted(&receiver.next()), ("medication:updated".to_owned(), false));
        }
    }
    let shipment = scene.staff.ship(&[&order.id]);
    let created = receiver.next();
    assert_eq!(accepted(&created), ("shipment:created".to_owned(), false));
    assert_eq!(created["event_data"]["shipment_id"], json!(shipment));
    assert_eq!(created["event_data"]["medication_orders"], json!([order.id]));

    let delivery = eventually("the delivery is recorded", || {
        scene.partner.deliveries(&endpoint).pop().filter(|delivery| delivery["state"] == "delivered")
    });
    let path = format!("{}/deliveries/{}/retry", endpoint.path(), text(&delivery["id"]));
    scene.partner.act(&path).data();
    let again = receiver.next();
    assert_eq!(accepted(&again), ("shipment:created".to_owned(), true));
    assert_eq!(
        (&again["webhook_id"], &again["event_data"]),
        (&created["webhook_id"], &created["event_data"])
    );
}

/// The event's name and whether it came before, of a delivery that must have been accepted.
#[track_caller]
fn accepted(line: &Value) -> (String, bool) {
    assert_eq!((&line["verified"], &line["error"]), (&json!(true), &Value::Null), "{line}");
    assert_eq!(line["api_key_matches"], true, "{line}");
    (text(&line["event_name"]), line["duplicate"].as_bool().expect("a boolean"))
}

#[test]
fn the_published_python_verifier_accepts() {
    takes_what_is_sent(&Program::python("receiver.py"));
}

#[test]
fn the_published_node_verifier_accepts() {
    takes_what_is_sent(&Program::node());
}

#[test]
fn a_handler_that_compares_the_api_key_accepts() {
    takes_what_is_sent(&Program::python("plain_receiver.py"));
}

/// Knows no secret: only where the public keys are listed.
#[test]
fn a_receiver_that_knows_public_keys_alone_accepts() {
    let (scene, receiver) = (Scene::start(Engine::Sqlite), Program::node());
    let keys_url = format!("{}/.well-known/webhook-keys.json", scene.server.url());
    let body = json!({"keys_url": keys_url, "api_key": scene.seed.keys.integration});
    assert_eq!(Anonymous::new(&receiver.base, "").post("/configure", &body).status, 204);
    let options = json!({"event_types": ["medication:*"], "signing": "ed25519"});
    let endpoint = scene.partner.register(&scene.seed, &receiver.hook(), &options);
    let order = scene.partner.order(&scene.seed);
    let mut acts = ["verify", "submit", "acknowledge"].into_iter();
    let mut work = || scene.staff.work(&order.id, acts.next().expect("an act"));
    work();
    assert_eq!(accepted(&receiver.next()), ("medication:updated".to_owned(), false));

    // Nobody but the endpoint's own pair signs for it, and its successor is listed at once.
    scene.partner.post(&format!("{}/rotate-secret", endpoint.path()), &json!({"overlap_hours": 0})).data();
    work();
    assert_eq!(accepted(&receiver.next()), ("medication:updated".to_owned(), false));
    scene.partner.patch(&endpoint.path(), &json!({"signing": "hmac"})).data();
    work();
    assert_eq!(accepted(&receiver.next()), ("medication:updated".to_owned(), false), "both sign for a day");
}
