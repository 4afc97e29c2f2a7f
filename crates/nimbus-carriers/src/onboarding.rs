//! The onboarding robot's side: one signed call for each new practitioner.
//!
//! The body carries ids and the credentials to be checked, never a patient's data. The call is signed as
//! webhooks are (HMAC-SHA256 of `id.timestamp.body` under the token), so that the robot can tell who calls.

use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use nimbus_core::{practitioner::Practitioner, time::Ts};

/// Everything from connecting to the end of the answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How much of an answer is read, so that the connection can be used again.
const ANSWER_LIMIT: usize = 16 * 1024;

/// Why a call did not succeed. None of these says anything about the practitioner.
#[derive(Debug, thiserror::Error)]
pub enum OnboardingError {
    #[error("the robot's URL is not valid")]
    Url,
    #[error("TLS cannot be set up")]
    Tls,
    #[error("the robot did not answer within the deadline")]
    Timeout,
    #[error("the robot could not be reached")]
    Unreachable,
    #[error("the robot answered {0}")]
    Status(u16),
}

/// Calls the robot. Its URL is the operator's, so it may be on a private network.
pub struct OnboardingClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    token: String,
}

impl OnboardingClient {
    /// A client of the robot at `url`, which knows it by `token`.
    ///
    /// # Errors
    /// When the TLS library offers no cipher suite that HTTPS needs.
    pub fn new(url: &str, token: &str) -> Result<Self, OnboardingError> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(|_| OnboardingError::Tls)?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, url: url.to_owned(), token: token.to_owned() })
    }

    /// Tells the robot of a practitioner who waits for verification.
    ///
    /// # Errors
    /// Whatever kept the robot from answering 2xx; the caller tries again.
    pub async fn announce(&self, practitioner: &Practitioner, now: Ts) -> Result<(), OnboardingError> {
        let body = body(practitioner);
        let id = practitioner.id.to_string();
        let timestamp = now.seconds().to_string();
        let signature = sign(&self.token, &id, &timestamp, body.as_bytes());
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", &timestamp)
            .header("x-rpa-signature", signature)
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| OnboardingError::Url)?;
        let answered = tokio::time::timeout(DEADLINE, async {
            let response = self.client.request(request).await.map_err(|_| OnboardingError::Unreachable)?;
            let status = response.status();
            // The body is read only so that the connection can be kept.
            let _ = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
            Ok(status)
        })
        .await;
        match answered {
            Err(_) => Err(OnboardingError::Timeout),
            Ok(Ok(status)) if status.is_success() => Ok(()),
            Ok(Ok(status)) => Err(OnboardingError::Status(status.as_u16())),
            Ok(Err(error)) => Err(error),
        }
    }
}

fn body(practitioner: &Practitioner) -> String {
    let profile = practitioner.profile.expose();
    serde_json::json!({
        "practitioner_id": practitioner.id.to_string(),
        "clinic_id": practitioner.clinic_id.to_string(),
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "npi": profile.npi,
        "is_veterinarian": profile.is_veterinarian,
        "license_number": profile.license_number,
        "license_state": profile.license_state,
    })
    .to_string()
}

/// Hex HMAC-SHA256 of `id.timestamp.body`.
fn sign(token: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    hex::encode(hmac::sign(&key, &signed))
}
