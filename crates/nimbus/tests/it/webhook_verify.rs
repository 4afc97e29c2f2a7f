//! `nimbus webhook verify`, given what a receiver got.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::support::{
    Engine, PATIENCE,
    receiver::{Received, Receiver},
    webhooks::Scene,
};

/// What came, as files.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn of(received: &Received, keys: &str) -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-webhook-signature"];
        let lines = names.map(|name| format!("{name}: {}\n", received.header(name).expect("a header")));
        fs::write(files.path("headers"), lines.concat()).expect("written");
        fs::write(files.path("body"), &received.body).expect("written");
        fs::write(files.path("keys"), keys).expect("written");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether it verified, and what was printed of it.
    fn verify(&self, scene: &Scene, more: &[&str]) -> (bool, String) {
        let paths = ["headers", "body", "keys"].map(|name| self.path(name).display().to_string());
        let [headers, body, keys] = &paths;
        let args = ["webhook", "verify", "--headers", headers, "--body", body, "--keys", keys];
        let output = scene.server.store().output(&[&args[..], more].concat());
        (output.status.success(), String::from_utf8(output.stdout).expect("text"))
    }
}

#[test]
fn it_says_why_a_delivery_does_not_verify() {
    let (scene, receiver) = (Scene::start(Engine::Sqlite), Receiver::start());
    let endpoint = scene.register(&receiver.url(), &["*"]);
    scene.partner.act(&format!("{}/test", endpoint.path())).data();
    let received = receiver.wait_for(1, PATIENCE).remove(0);
    let files = Files::of(&received, &format!("{}\n", endpoint.secret));

    let (genuine, text) = files.verify(&scene, &[]);
    assert!(genuine && text.ends_with("The request is genuine.\n"), "{text}");
    assert!(!text.contains(&endpoint.secret), "a secret is printed");
    let timestamp: i64 =
        received.header("webhook-timestamp").and_then(|it| it.parse().ok()).expect("a number");
    let later = (timestamp + 301).to_string();
    let (genuine, text) = files.verify(&scene, &["--at", &later]);
    assert!(!genuine && text.contains("timestamp_old: "), "{text}");
    assert!(files.verify(&scene, &["--at", &later, "--tolerance", "301"]).0);

    let spaced = String::from_utf8(received.body).expect("text").replace("\",\"", "\", \"");
    fs::write(files.path("body"), spaced).expect("written");
    let (genuine, text) = files.verify(&scene, &["--json"]);
    let told: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((genuine, &told["genuine"]), (false, &json!(false)), "{told}");
    assert_eq!(told["faults"][0]["fault"], "body_reencoded", "{told}");
}

#[test]
fn it_says_which_file_cannot_be_read() {
    let scene = Scene::start(Engine::Sqlite);
    for args in [
        ["webhook", "verify", "--headers", "/nonexistent/headers", "--body", "/nonexistent/body"],
        ["webhook", "verify", "--headers", "-", "--body", "-"],
    ] {
        let output = scene.server.store().output(&args);
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(!output.stderr.is_empty());
    }
}
