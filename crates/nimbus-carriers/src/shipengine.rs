//! The connector to ShipEngine's public API, version 1: prices, labels, and giving labels back.
//!
//! <https://docs.shipstation.com/apis/shipengine>. A label is found again by its `external_shipment_id`, so that one
//! whose answer was lost is not bought a second time. Answers are bounded in time and size, redirects are not
//! followed, and a document is fetched from ShipEngine's own host alone.

mod wire;

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use nimbus_core::{label::BoughtLabel, phi::Phi};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    labels::Pharmacy,
    provider::{Destination, Found, LabelRequest, LiveRate, ProviderError, Sought},
};

/// Where ShipEngine is.
pub const PUBLIC_URL: &str = "https://api.shipengine.com";

/// Everything from connecting to the end of an answer. Buying takes two such calls, the label and its document.
const DEADLINE: Duration = Duration::from_secs(15);
/// A caller waits for prices.
const ESTIMATE_DEADLINE: Duration = Duration::from_secs(4);
/// The most that is read of an answer, and of a label's document.
const ANSWER_LIMIT: usize = 1 << 20;
const DOCUMENT_LIMIT: usize = 2 << 20;
/// The longest that ShipEngine may ask to be left alone, and what is taken where it does not say.
const LONGEST_WAIT_SECONDS: u32 = 3600;
const USUAL_WAIT_SECONDS: u32 = 60;

type Result<T> = std::result::Result<T, ProviderError>;

/// Why the connector cannot be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetUpError {
    #[error(
        "the URL must be https://host (in a sandbox also http://127.0.0.1:port), without path, user or query"
    )]
    Url,
    #[error("the API key must be visible ASCII")]
    Key,
    #[error("TLS cannot be set up")]
    Tls,
}

/// A client of ShipEngine with one API key.
pub struct ShipEngine {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Scheme and authority.
    base: String,
    key: header::HeaderValue,
    deadline: Duration,
}

impl fmt::Debug for ShipEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShipEngine").field("base", &self.base).finish_non_exhaustive()
    }
}

impl ShipEngine {
    /// A client of the API at `url`. Plain HTTP is for a stand-in on this machine, where `allow_local` says so.
    ///
    /// # Errors
    /// For a URL or a key of another form, and when TLS cannot be set up.
    pub fn new(url: &str, key: &str, allow_local: bool) -> std::result::Result<Self, SetUpError> {
        let base = base(url, allow_local).ok_or(SetUpError::Url)?;
        let mut key =
            header::HeaderValue::from_str(key).ok().filter(|key| !key.is_empty()).ok_or(SetUpError::Key)?;
        key.set_sensitive(true);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(|_| SetUpError::Tls)?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, base, key, deadline: DEADLINE })
    }

    /// The same with another deadline for each call.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// What a carrier's services cost (`POST /v1/rates/estimate`).
    pub async fn estimate(
        &self,
        from: &Pharmacy,
        carrier_id: &str,
        to: &Phi<Destination>,
        weight_oz: u32,
    ) -> Result<Vec<LiveRate>> {
        let body = wire::Estimate::new(from, carrier_id, to.expose(), weight_oz);
        let deadline = self.deadline.min(ESTIMATE_DEADLINE);
        let call = self.call(Method::POST, "/v1/rates/estimate", Some(&body));
        let rates: Vec<wire::Rate> = within(deadline, call).await?;
        wire::live_rates(rates, carrier_id)
    }

    /// Buys a label (`POST /v1/labels`) and fetches its document.
    ///
    /// # Errors
    /// `Refused` means that nothing was bought, `Unusable` that the label is to be given back. After any other error
    /// what came of it is not known: [`Self::find`] tells.
    pub async fn buy(&self, from: &Pharmacy, request: &LabelRequest) -> Result<BoughtLabel> {
        let body = wire::Purchase::new(from, request);
        let label: wire::Label =
            within(self.deadline, self.call(Method::POST, "/v1/labels", Some(&body))).await?;
        if label.is_voided() {
            return Err(ProviderError::Garbage("a label that was just bought is void"));
        }
        self.checked(label, &request.sought).await
    }

    /// Looks for a label by its external id (`GET /v1/labels/external_shipment_id/{id}`).
    ///
    /// # Errors
    /// As [`Self::buy`], but that nothing is ever bought; `Refused` only for a label that could not be made.
    pub async fn find(&self, sought: &Sought) -> Result<Found> {
        match self.look(sought).await? {
            None => Ok(Found::Nothing),
            Some(label) if label.is_voided() => Ok(Found::Voided),
            Some(label) => Ok(Found::Label(self.checked(label, sought).await?)),
        }
    }

    /// The same without its document, for a label that is to be given back.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn find_bare(&self, sought: &Sought) -> Result<Found> {
        match self.look(sought).await? {
            None => Ok(Found::Nothing),
            Some(label) if label.is_voided() => Ok(Found::Voided),
            Some(label) => Ok(Found::Label(label.check(sought)?)),
        }
    }

    async fn look(&self, sought: &Sought) -> Result<Option<wire::Label>> {
        let path = format!("/v1/labels/external_shipment_id/{}", sought.external_id);
        match within(self.deadline, self.call::<(), wire::Label>(Method::GET, &path, None)).await {
            Err(ProviderError::Status(404)) => Ok(None),
            Err(error) => Err(error),
            Ok(label) => Ok(Some(label)),
        }
    }

    /// Gives a label back (`PUT /v1/labels/{id}/void`); false if ShipEngine does not take it.
    pub async fn void(&self, label_id: &str) -> Result<bool> {
        if !wire::is_id(label_id) {
            return Err(ProviderError::Garbage("the label's id"));
        }
        let path = format!("/v1/labels/{label_id}/void");
        let call = self.call::<(), wire::Voided>(Method::PUT, &path, None);
        Ok(within(self.deadline, call).await?.approved)
    }

    /// The label, if it is the one that was asked for, with its document.
    async fn checked(&self, label: wire::Label, sought: &Sought) -> Result<BoughtLabel> {
        let document = label.document_url();
        let mut bought = label.check(sought)?;
        let path = document.as_deref().and_then(|url| self.own_path(url));
        let path = path.ok_or(ProviderError::Garbage("the label's document is elsewhere"))?;
        let pdf = within(self.deadline, self.send(Method::GET, &path, Bytes::new(), DOCUMENT_LIMIT)).await?;
        if !pdf.starts_with(b"%PDF-") {
            return Err(ProviderError::Garbage("the label's document is no PDF"));
        }
        bought.document = Some(Phi::new(pdf.to_vec()));
        Ok(bought)
    }

    /// The path of a URL on ShipEngine's own host, the only one that is shown the key.
    fn own_path(&self, url: &str) -> Option<String> {
        let rest = url.strip_prefix(self.base.as_str())?;
        rest.starts_with('/').then(|| rest.to_owned())
    }

    /// One call with a JSON answer.
    async fn call<B: Serialize, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<A> {
        let body = body.map(serde_json::to_vec).transpose();
        let body =
            body.map_err(|_| ProviderError::Garbage("the request cannot be written"))?.unwrap_or_default();
        let answer = self.send(method, path, Bytes::from(body), ANSWER_LIMIT).await?;
        serde_json::from_slice(&answer).map_err(|_| ProviderError::Garbage("not the JSON that is documented"))
    }

    /// One request, and the body of a success. Only what was to be done can be refused: a document or a label that may
    /// not be read says nothing of what was bought before.
    async fn send(&self, method: Method, path: &str, body: Bytes, limit: usize) -> Result<Bytes> {
        let reads = method == Method::GET;
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("API-Key", self.key.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("Nimbus/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|_| ProviderError::Garbage("a path that cannot be sent"))?;
        let response = self.client.request(request).await.map_err(|_| ProviderError::Unreachable)?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let body = Limited::new(response.into_body(), limit).collect().await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(ProviderError::Busy(retry_after));
        }
        let body = body.map_err(|_| ProviderError::Garbage("it breaks off, or is too long"))?.to_bytes();
        match status {
            status if status.is_success() => Ok(body),
            // Asked for what is not there, or too late to know: the caller looks again.
            StatusCode::NOT_FOUND | StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT => {
                Err(ProviderError::Status(status.as_u16()))
            }
            status if status.is_client_error() && !reads => {
                Err(ProviderError::Refused(wire::error_code(&body)))
            }
            status => Err(ProviderError::Status(status.as_u16())),
        }
    }
}

async fn within<T>(deadline: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(deadline, call).await.unwrap_or(Err(ProviderError::Timeout))
}

/// Scheme and authority of a URL that has nothing else.
fn base(url: &str, allow_local: bool) -> Option<String> {
    let uri: Uri = url.trim_end_matches('/').parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !authority.as_str().contains('@');
    let local = allow_local && matches!(authority.host(), "127.0.0.1" | "[::1]" | "localhost");
    let safe = scheme == "https" || (scheme == "http" && local);
    (bare && safe).then(|| format!("{scheme}://{authority}"))
}

fn retry_after(headers: &header::HeaderMap) -> u32 {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.unwrap_or(USUAL_WAIT_SECONDS).clamp(1, LONGEST_WAIT_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_in_a_sandbox_this_machine() {
        for (url, allow_local, taken) in [
            ("https://api.shipengine.com", false, true),
            ("https://api.shipengine.com/", false, true),
            ("http://127.0.0.1:9", true, true),
            ("http://127.0.0.1:9", false, false),
            ("http://api.shipengine.com", true, false),
            ("https://user@api.shipengine.com", true, false),
            ("https://api.shipengine.com/v1", true, false),
            ("https://api.shipengine.com?x", true, false),
            ("ftp://127.0.0.1", true, false),
            ("", true, false),
        ] {
            assert_eq!(ShipEngine::new(url, "k", allow_local).is_ok(), taken, "{url}");
        }
        assert!(matches!(ShipEngine::new(PUBLIC_URL, "", false), Err(SetUpError::Key)));
        assert!(matches!(ShipEngine::new(PUBLIC_URL, "a\nb", false), Err(SetUpError::Key)));
    }

    #[test]
    fn a_document_is_fetched_from_its_own_host() {
        let client = ShipEngine::new(PUBLIC_URL, "secret-key", false).unwrap();
        let path = |url| client.own_path(url);
        assert_eq!(
            path("https://api.shipengine.com/v1/downloads/1.pdf").as_deref(),
            Some("/v1/downloads/1.pdf")
        );
        for url in [
            "https://api.shipengine.com.evil.example/1.pdf",
            "https://api.shipengine.com:444/1.pdf",
            "http://api.shipengine.com/1.pdf",
            "https://api.shipengine.com@evil.example/1.pdf",
            "//evil.example/1.pdf",
        ] {
            assert_eq!(path(url), None, "{url}");
        }
        assert!(!format!("{client:?}").contains("secret-key"));
    }
}
