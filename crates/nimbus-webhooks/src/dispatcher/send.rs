//! One attempt: the headers, the signature, the request.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use nimbus_core::time::Ts;
use nimbus_store::{
    Db,
    endpoints::{self, EndpointStatus, Shape, Target},
};

use super::{DEADLINE, lane::Leased, record::Finished};
use crate::{
    client::{Outcome, Outgoing, WebhookClient},
    guard::AddressPolicy,
    payload,
    signing::{SigningSecret, sign},
    url::EndpointUrl,
};

/// A target read longer ago than this is read again before something is sent to it.
const TARGET_FRESH_MS: i64 = 1000;

/// Sends one claimed delivery. What waited in its lane is sent only if its endpoint still wants it.
pub(super) async fn send(
    db: Db,
    client: WebhookClient,
    policy: AddressPolicy,
    mut leased: Leased,
    now: fn() -> Ts,
) -> Finished {
    let started_at = now();
    if leased.at.plus_millis(TARGET_FRESH_MS) < started_at {
        let id = leased.row.endpoint_id;
        match db.read(move |tx| Box::pin(endpoints::endpoint_target(tx, id, started_at))).await {
            Ok(Some(target)) if target.status == EndpointStatus::Active => leased.target = target.into(),
            _ => return Finished::unsent(leased, started_at),
        }
    }
    let target = leased.target.clone();
    let body = std::mem::take(&mut leased.row.body);
    let (id, body) = match target.shape {
        Shape::Partner => (leased.row.event_id.to_string(), payload::renamed(body, &leased.row.event_name)),
        Shape::Orders => (leased.row.event_id.prefixed(), body),
    };
    let (Ok(url), Some(headers)) =
        (EndpointUrl::parse(&target.url, policy), headers(&target, &id, started_at, &body))
    else {
        return Finished::unsendable(leased, started_at);
    };
    let outgoing = Outgoing { url: &url, headers, body: Bytes::from(body), deadline: DEADLINE };
    let answer = client.post(outgoing).await;
    let alive = match answer.outcome {
        Outcome::Success | Outcome::Gone => true,
        Outcome::Failed(_) => answer.status.is_some_and(|status| status < 500),
    };
    Finished { leased, started_at, answer: Some(answer), alive: Some(alive) }
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
