//! The webhook client over TLS: who is trusted, which versions, and HTTP/2.

use std::sync::Arc;

use crate::support::{DEADLINE, LOCAL, Receiver, post, post_with};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use nimbus_webhooks::cause::Cause;
use nimbus_webhooks::client::{Outcome, WebhookClient};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A receiver with a self-signed certificate for `name`, and that certificate.
async fn receiver(
    name: &str,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> (Receiver, CertificateDer<'static>) {
    serving(CertificateParams::new([name.to_owned()]).unwrap(), alpn, versions).await
}

/// A receiver with a self-signed certificate of these parameters, and that certificate.
async fn serving(
    params: CertificateParams,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> (Receiver, CertificateDer<'static>) {
    let signing_key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&signing_key).unwrap().der().clone();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let receiver = Receiver::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                let version = format!("{:?}", request.version());
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(version))))
            });
            // A client that gives up is no failure of the receiver.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    (receiver, certificate)
}

fn trusting(certificate: CertificateDer<'static>) -> WebhookClient {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    WebhookClient::new(LOCAL, Some(config))
}

#[tokio::test]
async fn speaks_what_the_receiver_offers() {
    let (tls12, tls13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    for (alpn, versions, spoken) in [
        (&[][..], &[tls13][..], "HTTP/1.1"),
        (&["http/1.1"], &[tls12], "HTTP/1.1"),
        (&["h2", "http/1.1"], &[tls13, tls12], "HTTP/2.0"),
    ] {
        let (receiver, certificate) = receiver("localhost", alpn, versions).await;
        let client = trusting(certificate);
        for index in 0..3 {
            let answer = post_with(&client, &format!("https://localhost:{}/", receiver.port), DEADLINE).await;
            assert_eq!(answer.outcome, Outcome::Success);
            assert_eq!(String::from_utf8(answer.body).unwrap(), spoken);
            let tls_us = answer.dial.and_then(|times| times.tls_us);
            assert_eq!(tls_us.is_some(), index == 0, "only the first has a handshake: {tls_us:?}");
        }
    }
}

#[tokio::test]
async fn untrusted_wrong_and_missing_certificates_are_tls_failures() {
    let tls13 = &[&rustls::version::TLS13];
    let (untrusted, _) = receiver("localhost", &[], tls13).await;
    let answer = post(&format!("https://localhost:{}/", untrusted.port), DEADLINE).await;
    assert_eq!(answer.outcome, Outcome::Failed(Cause::CertificateUntrusted));

    let (misnamed, certificate) = receiver("elsewhere.example", &[], tls13).await;
    let answer =
        post_with(&trusting(certificate), &format!("https://localhost:{}/", misnamed.port), DEADLINE).await;
    assert_eq!(answer.outcome, Outcome::Failed(Cause::CertificateName));
    let times = answer.dial.unwrap();
    assert!(times.tls_us.is_some() && answer.first_byte_us.is_none(), "{times:?}");

    for (from, until) in [((2019, 1, 1), (2020, 1, 1)), ((4000, 1, 1), (4001, 1, 1))] {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let (receiver, certificate) = serving(params, &[], tls13).await;
        let url = format!("https://localhost:{}/", receiver.port);
        let answer = post_with(&trusting(certificate), &url, DEADLINE).await;
        assert_eq!(answer.outcome, Outcome::Failed(Cause::CertificateExpired), "until {until:?}");
    }

    let plain = Receiver::start(|mut stream| async move {
        // Enough of the client's greeting to answer it as a web server without TLS does.
        stream.read_u8().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        sleep(DEADLINE).await;
    })
    .await;
    let closing = Receiver::start(|stream| async move { drop(stream) }).await;
    for port in [plain.port, closing.port] {
        let answer = post(&format!("https://127.0.0.1:{port}/"), DEADLINE).await;
        assert_eq!(answer.outcome, Outcome::Failed(Cause::Handshake));
    }
}
