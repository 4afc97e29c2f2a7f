//! One attempt: the headers, the signature, the request.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use nimbus_core::time::Ts;
use nimbus_store::endpoints::Target;

use crate::{
    client::{Answer, Outgoing, WebhookClient},
    deadline::Deadline,
    guard::AddressPolicy,
    signing::{SigningKey, SigningSecret, sign},
    url::EndpointUrl,
};

/// A target with its URL checked and its secrets and headers read, once for all that is sent to it.
pub struct Ready {
    pub target: Target,
    /// `None` if the target's URL, headers or secret are not such as may be sent.
    parts: Option<Parts>,
}

struct Parts {
    url: EndpointUrl,
    /// The current one first, then those before, while they sign too.
    keys: Vec<SigningKey>,
    /// What the older signature is made by.
    secret: SigningSecret,
    /// The endpoint's own headers and the API key.
    headers: HeaderMap,
}

impl Ready {
    pub fn new(target: Target, policy: AddressPolicy) -> Self {
        Self { parts: Parts::new(&target, policy), target }
    }

    /// Signs a payload and posts it once. `id` is the `webhook-id`, `now` the time that is signed (wall time). `None`
    /// if the target is not such as may be sent to: nothing was sent.
    pub async fn send(
        &self,
        client: &WebhookClient,
        deadline: Deadline,
        id: &str,
        body: Bytes,
        now: Ts,
    ) -> Option<Answer> {
        let parts = self.parts.as_ref()?;
        let headers = parts.signed(id, now, &body)?;
        Some(client.post(Outgoing { url: &parts.url, headers, body, deadline: deadline.duration() }).await)
    }
}

impl Parts {
    fn new(target: &Target, policy: AddressPolicy) -> Option<Self> {
        let url = EndpointUrl::parse(&target.url, policy).ok()?;
        let secret = SigningSecret::parse(target.secret.expose()).ok()?;
        let keys =
            target.keys.iter().map(|key| SigningKey::parse(key.expose()).ok()).collect::<Option<_>>()?;
        let mut headers = HeaderMap::new();
        for (name, value) in target.headers.expose() {
            headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
        }
        if let Some(key) = &target.api_key {
            headers.insert(HeaderName::from_static("x-api-key"), HeaderValue::try_from(key.expose()).ok()?);
        }
        Some(Self { url, keys, secret, headers })
    }

    /// The headers with the signatures of this attempt.
    fn signed(&self, id: &str, now: Ts, body: &[u8]) -> Option<HeaderMap> {
        let signed = sign(&self.keys, &self.secret, id, now.seconds(), body);
        let mut headers = self.headers.clone();
        let mut set = |name: &'static str, value: &str| {
            headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).ok()?);
            Some(())
        };
        set("webhook-id", id)?;
        set("webhook-timestamp", &now.seconds().to_string())?;
        set("webhook-signature", &signed.standard)?;
        set("x-webhook-signature", &signed.legacy)?;
        Some(headers)
    }
}
