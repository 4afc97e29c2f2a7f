//! One attempt: the headers, the signature, the request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use nimbus_core::time::Ts;
use nimbus_store::endpoints::Target;

use crate::{
    client::{Answer, Outgoing, WebhookClient},
    guard::AddressPolicy,
    signing::{SigningSecret, sign},
    url::EndpointUrl,
};

/// Everything from resolving the name to the end of the answer's body (contract: 10 s).
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Signs a payload and posts it to a target once. `id` is the `webhook-id`, `now` the time that is signed (wall
/// time). `None` if the target's URL, headers or secret are not such as may be sent: nothing was.
pub async fn attempt(
    client: &WebhookClient,
    policy: AddressPolicy,
    target: &Target,
    id: &str,
    body: Vec<u8>,
    now: Ts,
) -> Option<Answer> {
    let url = EndpointUrl::parse(&target.url, policy).ok()?;
    let headers = headers(target, id, now, &body)?;
    Some(client.post(Outgoing { url: &url, headers, body: Bytes::from(body), deadline: DEADLINE }).await)
}

/// The endpoint's own headers, the platform's, and the signatures of this attempt.
fn headers(target: &Target, id: &str, now: Ts, body: &[u8]) -> Option<HeaderMap> {
    let current = SigningSecret::parse(target.secret.expose()).ok()?;
    let previous = target.previous_secret.as_ref().map(|secret| SigningSecret::parse(secret.expose()));
    let previous = previous.transpose().ok()?;
    let secrets: Vec<&SigningSecret> = [Some(&current), previous.as_ref()].into_iter().flatten().collect();
    let signed = sign(&secrets, id, now.seconds(), body);
    let mut headers = HeaderMap::new();
    for (name, value) in target.headers.expose() {
        let (name, value) = (HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
        headers.insert(name, value);
    }
    let mut set = |name: &'static str, value: &str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).ok()?);
        Some(())
    };
    set("webhook-id", id)?;
    set("webhook-timestamp", &now.seconds().to_string())?;
    set("webhook-signature", &signed.standard)?;
    set("x-webhook-signature", &signed.legacy)?;
    if let Some(key) = &target.api_key {
        set("x-api-key", key.expose())?;
    }
    Some(headers)
}
