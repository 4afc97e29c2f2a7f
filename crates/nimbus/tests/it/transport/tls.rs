//! TLS in this process: versions, protocols, another certificate without a restart, and who keeps nobody waiting.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    sync::Arc,
};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion,
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};

use super::raw::{Raw, status};
use crate::support::{Engine, PATIENCE, Server, Store, eventually};

/// A certificate of this machine, and the files that the server reads.
struct Pair {
    folder: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a new pair that ends then; the certificate.
    fn put(&self, year: i32, month: u8) -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.not_after = date_time_ymd(year, month, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        // As a tool that renews does: the key first.
        std::fs::write(self.file("key.pem"), key.serialize_pem()).expect("the folder is ours");
        std::fs::write(self.file("cert.pem"), certificate.pem()).expect("the folder is ours");
        certificate.der().clone()
    }

    fn set(&self, store: Store) -> Store {
        store
            .with("NIMBUS_TLS_CERT_FILE", &self.file("cert.pem").display().to_string())
            .with("NIMBUS_TLS_KEY_FILE", &self.file("key.pem").display().to_string())
    }

    fn serve(&self) -> Server {
        self.set(Store::sandbox(Engine::Sqlite)).serve()
    }
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A handshake as a client that takes this certificate alone makes it.
fn handshake(
    server: &Server,
    certificate: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Result<Tls, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is a time");
    while client.is_handshaking() {
        client.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(client, stream))
}

fn greeted(server: &Server, certificate: &CertificateDer<'static>) -> bool {
    handshake(server, certificate, &[&TLS13, &TLS12], &[]).is_ok()
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const FATAL: u8 = 2;
const PROTOCOL_VERSION: u8 = 70;

/// A `ClientHello` of TLS 1.x without `supported_versions` (RFC 5246 section 7.4.1.2), in its record.
fn hello(minor: u8) -> Vec<u8> {
    // ecdsa_secp256r1_sha256, secp256r1, uncompressed points.
    let extensions = [0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0];
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("it is short");
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    // No session, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression.
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, length(&extensions)]);
    body.extend(extensions);
    let hello = [&[1, 0, 0, length(&body)], body.as_slice()].concat();
    [&[HANDSHAKE, 3, 1, 0, length(&hello)], hello.as_slice()].concat()
}

/// The reply to one request.
fn get(mut stream: Tls, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it is answered, and closed as TLS closes");
    reply
}

#[test]
fn the_api_speaks_tls_of_today_alone() {
    let pair = Pair::new();
    let certificate = pair.put(2040, 1);
    let server = pair.serve();
    for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let stream = handshake(&server, &certificate, &[version], &["http/1.1"]).expect("it is spoken");
        assert_eq!(stream.conn.protocol_version(), Some(name));
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let reply = get(stream, "/api/external/clinic");
        assert_eq!(status(&reply), 401);
        let hsts = "strict-transport-security: max-age=63072000; includesubdomains\r\n";
        assert!(reply.to_lowercase().contains(hsts), "{reply}");
    }
    let newest = handshake(&server, &certificate, &[&TLS13], &["http/1.1", "h2"]).expect("it is spoken");
    assert_eq!(newest.conn.alpn_protocol(), Some(&b"h2"[..]), "HTTP/2 before HTTP/1.1");
    assert!(handshake(&server, &certificate, &[&TLS13], &["spdy/3"]).is_err(), "no protocol of both");

    // The same hello is answered as one of TLS 1.2, and refused as one of TLS 1.1.
    let answer = |minor| Raw::to(&server).send(&hello(minor)).first(7);
    assert_eq!(answer(3)[0], HANDSHAKE);
    assert_eq!((answer(2)[0], &answer(2)[5..]), (ALERT, &[FATAL, PROTOCOL_VERSION][..]));

    let plain = Raw::to(&server).send(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").rest();
    assert!(!plain.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&plain));
}

#[test]
fn another_certificate_is_served_without_a_restart() {
    let pair = Pair::new();
    let first = pair.put(2040, 1);
    let store = pair.set(Store::sandbox(Engine::Sqlite)).with("NIMBUS_TLS_RELOAD_SECONDS", "3600");
    let server = store.serve_with(&["--admin-listen", "127.0.0.1:0"]);
    let kept = handshake(&server, &first, &[&TLS13], &[]).expect("the first");
    let ends = || {
        let reply = server.admin().get("/metrics");
        let text = String::from_utf8(reply.bytes).expect("a text");
        let name = "nimbus_tls_certificate_expires_timestamp_seconds ";
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a sample");
        line.parse::<i64>().expect("a number")
    };
    assert_eq!(ends(), 2_208_988_800, "2040-01-01");

    let second = pair.put(2041, 1);
    assert!(greeted(&server, &first), "nobody has looked");
    server.signal("HUP");
    eventually("the second is served", || greeted(&server, &second).then_some(()));
    assert!(!greeted(&server, &first));
    assert_eq!(ends(), 2_240_611_200, "2041-01-01");
    assert_eq!(status(&get(kept, "/health/live")), 200, "connections go on");

    // What cannot be served is refused, and told.
    std::fs::write(pair.file("key.pem"), KeyPair::generate().expect("a key").serialize_pem())
        .expect("the folder is ours");
    server.signal("HUP");
    eventually("it is told", || {
        let log = server.log();
        log.lines().any(|line| line.contains("ERROR") && line.contains("the old one stays")).then_some(())
    });
    assert!(greeted(&server, &second));
    assert!(!server.log().contains("PRIVATE KEY"));
}

#[test]
fn files_are_looked_at_again_and_again() {
    let pair = Pair::new();
    let first = pair.put(2040, 1);
    let server = pair.set(Store::sandbox(Engine::Sqlite)).with("NIMBUS_TLS_RELOAD_SECONDS", "1").serve();
    assert!(greeted(&server, &first));
    let second = pair.put(2041, 1);
    eventually("the second is served", || greeted(&server, &second).then_some(()));
}

#[test]
fn a_handshake_that_does_not_end_keeps_nobody_waiting() {
    let pair = Pair::new();
    let certificate = pair.put(2040, 1);
    let server = pair.set(Store::sandbox(Engine::Sqlite)).with("NIMBUS_HEADER_SECONDS", "1").serve();
    let stuck: Vec<Raw> = (0..50).map(|_| Raw::to(&server).send(&[22, 3, 1, 1, 0])).collect();
    let stream = handshake(&server, &certificate, &[&TLS13], &[]).expect("it is answered");
    assert_eq!(status(&get(stream, "/health/live")), 200);
    for one in stuck {
        one.rest();
    }
}

#[test]
fn what_cannot_be_served_does_not_start() {
    let pair = Pair::new();
    pair.put(2040, 1);
    let own_key = std::fs::read(pair.file("key.pem")).expect("a file");
    pair.put(2040, 1);
    std::fs::write(pair.file("key.pem"), own_key).expect("the folder is ours");
    let store = pair.set(Store::sandbox(Engine::Sqlite));
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["config", "check"]] {
        let output = store.output(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains("the key does not belong to the certificate"),
            "{said}"
        );
    }
    let half = store.without("NIMBUS_TLS_KEY_FILE").output(&["config", "check"]);
    assert!(String::from_utf8_lossy(&half.stderr).contains("given together"));
}

#[test]
fn production_starts_with_a_certificate_in_the_place_of_a_proxy() {
    let pair = Pair::new();
    let certificate = pair.put(2040, 1);
    let server = pair.set(Store::production(Engine::Sqlite).without("NIMBUS_BEHIND_PROXY")).serve();
    let stream = handshake(&server, &certificate, &[&TLS13], &[]).expect("it is answered");
    assert_eq!(status(&get(stream, "/health/live")), 200);
}

#[test]
fn a_certificate_and_a_proxy_are_served_by_tls() {
    let pair = Pair::new();
    let certificate = pair.put(2040, 1);
    let server = pair.set(Store::production(Engine::Sqlite)).serve();
    assert!(greeted(&server, &certificate));
    assert!(server.log().contains("TLS and a proxy are both declared: this server speaks TLS"));
}

#[test]
fn a_certificate_that_has_ended_is_warned_of() {
    let pair = Pair::new();
    pair.put(2020, 1);
    let server = pair.serve();
    eventually("it is told", || server.log().contains("the certificate ended on 2020-01-01").then_some(()));
    let output = server.store().output(&["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("WRONG tls: the certificate ended on"), "{said}");
    pair.put(2040, 1);
    let said = server.store().output(&["doctor"]).stdout;
    assert!(String::from_utf8_lossy(&said).contains("ok    tls: the certificate ends on 2040-01-01"));
}
