//! Receivers that mean harm, or are badly broken: each is found out, in time, and disturbs no other.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{eventually, receiver::Receiver, two_engines, webhooks::Scene};

/// What the contract gives an attempt.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a healthy receiver may wait for its first event beside all of these.
const UNDISTURBED: Duration = Duration::from_secs(8);

/// Does this to every connection, each on a thread of its own that ends when the client hangs up.
fn receiver(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Reads what there is of a request, writes this, and then hangs until the client goes.
fn answering(response: Vec<u8>) -> u16 {
    receiver(move |mut stream| {
        let mut buffer = [0; 16 * 1024];
        let _ = stream.read(&mut buffer);
        let _ = stream.write_all(&response);
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    })
}

/// The same, closing the connection after it.
fn closing(response: &'static str) -> u16 {
    receiver(move |mut stream| {
        let mut buffer = [0; 16 * 1024];
        let _ = stream.read(&mut buffer);
        let _ = stream.write_all(response.as_bytes());
    })
}

/// Writes this again and again, with such pauses.
fn dripping(start: &'static str, again: &'static [u8], pause: Duration) -> u16 {
    receiver(move |mut stream| {
        let mut buffer = [0; 16 * 1024];
        let _ = stream.read(&mut buffer);
        let _ = stream.write_all(start.as_bytes());
        while stream.write_all(again).is_ok() {
            thread::sleep(pause);
        }
    })
}

/// Offers TLS under a certificate that no public root has signed.
fn self_signed() -> u16 {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a certificate with its key");
    let config = Arc::new(config);
    receiver(move |mut stream| {
        let Ok(mut tls) = rustls::ServerConnection::new(Arc::clone(&config)) else { return };
        while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
    })
}

/// The receivers, as URL, what their first attempt is recorded with, and whether it runs into the deadline.
fn hostile() -> Vec<(String, Value, Value, bool)> {
    let second = Duration::from_secs(1);
    let http = |port: u16| format!("http://127.0.0.1:{port}/hook");
    let long_field = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)).into_bytes();
    let none = Value::Null;
    vec![
        (http(answering(Vec::new())), json!("timeout_first_byte"), none.clone(), true),
        (
            http(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec())),
            json!("timeout_body"),
            json!(200),
            true,
        ),
        (
            http(dripping("HTTP/1.1 200 OK\r\n", b"a", second)),
            json!("timeout_first_byte"),
            none.clone(),
            true,
        ),
        (
            http(dripping("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", b"a", second)),
            json!("timeout_body"),
            json!(200),
            true,
        ),
        (format!("https://127.0.0.1:{}/", answering(Vec::new())), json!("timeout_tls"), none.clone(), true),
        (
            http(dripping(
                "HTTP/1.1 500 Oops\r\ncontent-length: 10737418240\r\n\r\n",
                &[b'x'; 64 * 1024],
                Duration::ZERO,
            )),
            json!("server_error"),
            json!(500),
            false,
        ),
        (http(closing("HTTP/1.1 200 OK\r\ncontent-le")), json!("reset"), none.clone(), false),
        (
            http(closing("HTTP/1.1 404 Not Found\r\ncontent-length: 999\r\n\r\nshort")),
            json!("not_found"),
            json!(404),
            false,
        ),
        (http(closing("garbage")), json!("protocol"), none.clone(), false),
        (http(answering(long_field)), json!("protocol"), none.clone(), false),
        (
            http(closing(
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            )),
            json!("redirect"),
            json!(302),
            false,
        ),
        (format!("https://localhost:{}/", self_signed()), json!("certificate_untrusted"), none, false),
    ]
}

two_engines! {
    fn hostile_receivers_are_found_out_and_disturb_no_other(engine) {
        // Nothing is tried twice while the test runs.
        let scene = Scene::with_retry_scale(engine, "1");
        let healthy = Receiver::start();
        scene.register(&healthy.url(), &["prescription:created"]);
        let endpoints: Vec<_> = hostile()
            .into_iter()
            .map(|(url, cause, status, slow)| {
                (scene.register(&url, &["prescription:created"]), url, cause, status, slow)
            })
            .collect();
        let started = Instant::now();
        for _ in 0..3 {
            scene.partner.order(&scene.seed);
        }
        healthy.wait_for(3, UNDISTURBED);

        for (endpoint, url, cause, status, slow) in &endpoints {
            let attempt = eventually("an attempt is recorded", || {
                let delivery = scene.partner.deliveries(endpoint).into_iter().next()?;
                delivery["attempts"].as_array()?.first().cloned()
            });
            assert_eq!((&attempt["cause"], &attempt["status_code"]), (cause, status), "{url}: {attempt}");
            let elapsed = attempt["elapsed_ms"].as_u64().expect("a number");
            assert!(elapsed < 13_000 && (elapsed >= 10_000) == *slow, "{cause} took {elapsed} ms");
            assert!(attempt["hint"].as_str().is_some_and(|hint| hint.len() > 30), "{attempt}");
            assert_eq!(attempt["timing"]["connection_reused"], false, "{attempt}");
            assert!(attempt["timing"]["connect_us"].is_u64(), "{attempt}");
        }
        assert!(started.elapsed() < DEADLINE * 3, "{:?}", started.elapsed());
    }
}
