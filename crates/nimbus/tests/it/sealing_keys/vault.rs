//! A stand-in for a Vault's transit engine: the calls `encrypt` and `decrypt` with associated data, as its API documents
//! them, and its refusals.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

pub(super) struct Vault {
    port: u16,
    asked: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Vault {
    /// Serves whoever shows the token.
    pub(super) fn start(token: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface");
        let port = listener.local_addr().expect("it is bound").port();
        let (asked, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let vault = Self { port, asked: asked.clone(), stopped: stopped.clone() };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let asked = asked.clone();
                let stream = stream.expect("a connection");
                thread::spawn(move || serve(&stream, token, &asked));
            }
        });
        vault
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many calls it has had.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// From now on nobody listens.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        // The listener is let go with its thread.
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            thread::yield_now();
        }
    }
}

/// Answers the requests of a connection, one after the other.
fn serve(stream: &TcpStream, token: &str, asked: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length, mut shown) = (String::new(), 0, None);
        if reader.read_line(&mut first).is_err() || first.is_empty() {
            return;
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().expect("a length"),
                "x-vault-token" => shown = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        asked.fetch_add(1, Ordering::Relaxed);
        let path = first.split(' ').nth(1).expect("a path");
        let (status, answer) = match shown.as_deref() == Some(token) {
            true => answer(path, &serde_json::from_slice(&body).expect("JSON")),
            false => (403, json!({"errors": ["permission denied"]})),
        };
        let answer = answer.to_string();
        let reply = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        let mut writer = stream;
        if writer.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

/// Each key is another one: its bytes are its name's.
fn key(name: &str) -> RandomizedNonceKey {
    let mut bytes = [7; 32];
    bytes.iter_mut().zip(name.bytes()).for_each(|(byte, of_name)| *byte = of_name);
    RandomizedNonceKey::new(&AES_256_GCM, &bytes).expect("a key of 32 bytes")
}

fn answer(path: &str, body: &Value) -> (u16, Value) {
    let bytes = |name: &str| STANDARD.decode(body[name].as_str().unwrap_or_default()).expect("base64");
    let place = bytes("associated_data");
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["", "v1", "transit", "encrypt", name] => {
            let mut text = bytes("plaintext");
            let nonce = key(name).seal_in_place_append_tag(Aad::from(&place), &mut text).expect("it seals");
            let text = STANDARD.encode([nonce.as_ref().as_slice(), &text].concat());
            (200, json!({"data": {"ciphertext": format!("vault:v1:{text}"), "key_version": 1}}))
        }
        ["", "v1", "transit", "decrypt", name] => {
            let text = body["ciphertext"].as_str().and_then(|text| text.strip_prefix("vault:v1:"));
            let sealed = text.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
            let Some((nonce, rest)) = sealed.split_first_chunk::<12>() else {
                return (400, json!({"errors": ["invalid ciphertext"]}));
            };
            let (nonce, mut rest) = (Nonce::assume_unique_for_key(*nonce), rest.to_vec());
            match key(name).open_in_place(nonce, Aad::from(&place), &mut rest) {
                Ok(plain) => (200, json!({"data": {"plaintext": STANDARD.encode(plain)}})),
                Err(_) => (400, json!({"errors": ["cipher: message authentication failed"]})),
            }
        }
        _ => (404, json!({"errors": []})),
    }
}
