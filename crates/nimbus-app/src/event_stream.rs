//! Following the event log: what comes, for a reader that stays, as it was signed or as a webhook would be sent it.

use bytes::Bytes;
use nimbus_core::{access::Scope, ids::EventId};
use nimbus_store::events::{self as store, Feed, FeedEvent, Settled};
use nimbus_webhooks::{
    payload::{as_sent, resent_name},
    signing::{SigningKey, SigningSecret, sign},
};

use crate::{
    App,
    actor::Call,
    endpoints::{Endpoint, Shape, Which, find},
    error::{Error, Result},
    events::{List, cursor_expired, feed_of},
    unit::Cx,
};

/// The most events that are held for a reader at a time.
pub const AT_ONCE: u32 = 100;

const UNSIGNABLE: Error = Error::Internal("an endpoint has a secret that signs nothing");

/// A reader, and how far it is.
#[derive(Debug, Clone)]
pub struct Following {
    list: List,
    signed_for: Option<Which>,
    settled: Option<Settled>,
}

/// An event as it is told. It has no `Debug`: the body may be patient data.
#[derive(Clone)]
pub struct Told {
    pub id: EventId,
    /// The name that handlers read.
    pub name: String,
    pub body: Bytes,
    pub signed: Option<Signed>,
}

/// What a webhook would have in its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Seconds since 1970.
    pub timestamp: i64,
    pub signature: String,
}

/// Begins to follow: after the list's last event seen, or from the oldest. With `signed_for` events are told as that
/// webhook of the key's clinic would be sent them, those to which it subscribes if the list names none.
///
/// # Errors
/// When there is no such webhook, or events that follow the last one seen are past their retention.
pub async fn follow(app: &App, call: &Call, list: List, signed_for: Option<Which>) -> Result<Following> {
    let clinic = call.partner(Scope::WebhooksRead)?.clinic_id;
    let mut following = Following { list: List { limit: AT_ONCE, ..list }, signed_for, settled: None };
    if let Some(which) = signed_for {
        let endpoint = app
            .read(call, (clinic, which), |tx, _, &(clinic, which)| {
                Box::pin(async move { Ok((find(tx, clinic, which).await?, Vec::new())) })
            })
            .await?;
        following.list.event_types.get_or_insert(endpoint.event_types);
    }
    // A reader who cannot be told all of what follows is refused before the stream begins.
    has_news(app, call, &mut following).await?;
    Ok(following)
}

/// Whether there is something that the reader was not told. It is shown nothing of it, and nothing goes on record.
pub async fn has_news(app: &App, call: &Call, following: &mut Following) -> Result<bool> {
    let partner = call.partner(Scope::WebhooksRead)?;
    let clinic = partner.clinic_id;
    let feed = Feed { limit: 1, beyond: following.settled, ..feed_of(partner, following.list.clone()) };
    let read = app.db().read(move |tx| {
        let feed = feed.clone();
        Box::pin(
            async move { store::event_feed_settled(tx, clinic, &feed).await?.ok_or_else(cursor_expired) },
        )
    });
    let (found, settled) = read.await?;
    // One that cannot be opened is news as well: the reader goes on beyond it, and that is put on record.
    let is_any = found.last.is_some();
    if !is_any {
        following.settled = Some(settled);
    }
    Ok(is_any)
}

/// What comes next, in order, [`AT_ONCE`] at most.
pub async fn next(app: &App, call: &Call, following: &mut Following) -> Result<Vec<Told>> {
    let partner = call.partner(Scope::WebhooksRead)?;
    let feed = Feed { beyond: following.settled, ..feed_of(partner, following.list.clone()) };
    let told = app.read(call, (feed, following.signed_for), |tx, cx, (feed, signed_for)| {
        Box::pin(async move {
            let clinic = cx.call.partner(Scope::WebhooksRead)?.clinic_id;
            let endpoint = match signed_for {
                Some(which) => Some(find(tx, clinic, *which).await?),
                None => None,
            };
            let found = store::event_feed(tx, clinic, feed).await?.ok_or_else(cursor_expired)?;
            let last = found.last.map(EventId);
            let told = found.items.into_iter().map(|event| tell(cx, endpoint.as_ref(), feed.shape, event));
            let told = told.collect::<Result<Vec<_>>>()?;
            Ok(((told, last), vec![cx.audit(Some(clinic), "event.stream", "event", None)]))
        })
    });
    let (told, last) = told.await?;
    following.list.after = last.or(following.list.after);
    Ok(told)
}

fn tell(cx: &Cx, endpoint: Option<&Endpoint>, shape: Shape, event: FeedEvent) -> Result<Told> {
    let FeedEvent { id, name, type_, body } = event;
    let Some(endpoint) = endpoint else {
        return Ok(Told { id, name, body: body.into(), signed: None });
    };
    let name = resent_name(shape, &type_, &endpoint.event_types).map_or(name, str::to_owned);
    let body = as_sent(shape, endpoint.payload, body.into(), &name);
    let signed = Some(signed(cx, endpoint, id, &body)?);
    Ok(Told { id, name, body, signed })
}

fn signed(cx: &Cx, endpoint: &Endpoint, id: EventId, body: &[u8]) -> Result<Signed> {
    let timestamp = cx.wall.seconds();
    let secret = SigningSecret::parse(endpoint.secret.expose()).map_err(|_| UNSIGNABLE)?;
    let keys = endpoint.signing_keys(cx.wall);
    let keys = keys.iter().map(|key| SigningKey::parse(key.expose()).map_err(|_| UNSIGNABLE));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    let signature = sign(&keys, &secret, &webhook_id(endpoint.shape, id), timestamp, body).standard;
    Ok(Signed { timestamp, signature })
}

/// The id of an event as its shape writes it: the `webhook-id` of its deliveries.
pub fn webhook_id(shape: Shape, id: EventId) -> String {
    match shape {
        Shape::Partner => id.to_string(),
        Shape::Orders => id.prefixed(),
    }
}
