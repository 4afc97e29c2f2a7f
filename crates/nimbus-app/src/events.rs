//! The log of a clinic's events: oldest first, each as it was signed, as far as the key's scopes allow.

use nimbus_core::{access::Scope, ids::EventId, time::Ts};
pub use nimbus_store::{endpoints::Shape, events::FeedEvent};
use nimbus_store::{
    events::{self as store, Feed},
    page::Slice,
};
use nimbus_webhooks::payload::types_of;
pub use nimbus_webhooks::payload::{CatalogueEntry, any_event, catalogue, is_known};

use crate::{
    App,
    actor::{Call, PartnerActor},
    error::{Detail, Error, RefusalCode, Result},
};

const NOT_FOUND: Error = Error::NotFound("Event");

/// The event is on record and what it said is not.
pub fn expired() -> Error {
    let message = "What this event said is past its retention: it can be neither read nor sent any more";
    let detail =
        Detail { reason: Some("event_expired".to_owned()), message: message.to_owned(), ..Detail::default() };
    Error::refused(RefusalCode::EventExpired, message, vec![detail])
}

/// Nobody is to believe that there was nothing.
pub fn cursor_expired() -> Error {
    let message = "Events that follow the cursor are past their retention. Without a cursor the list begins with the \
        oldest that is kept";
    let detail = Detail {
        field: Some("cursor".to_owned()),
        reason: Some("cursor_expired".to_owned()),
        message: message.to_owned(),
        ..Detail::default()
    };
    Error::refused(RefusalCode::CursorExpired, message, vec![detail])
}

#[derive(Debug, Clone)]
pub struct List {
    pub shape: Shape,
    /// As in a subscription; everything if it is not given.
    pub event_types: Option<Vec<String>>,
    /// The last event that the reader has seen.
    pub after: Option<EventId>,
    pub created_from: Option<Ts>,
    pub created_until: Option<Ts>,
    pub limit: u32,
}

/// The events of the key's clinic after the last one seen. What it has read is never added to, and nothing is passed
/// over: that some are past their retention is an error.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Slice<FeedEvent>> {
    let partner = call.partner(Scope::WebhooksRead)?;
    let feed = feed_of(partner, list);
    app.read(call, (partner.clinic_id, feed), |tx, cx, (clinic, feed)| {
        Box::pin(async move {
            let found = store::event_feed(tx, *clinic, feed).await?.ok_or_else(cursor_expired)?;
            Ok((found, vec![cx.audit(Some(*clinic), "event.list", "event", None)]))
        })
    })
    .await
}

/// Whether [`list`] would find anything now. It shows its caller nothing of it, and leaves nothing on record.
pub async fn is_any(app: &App, call: &Call, list: List) -> Result<bool> {
    let partner = call.partner(Scope::WebhooksRead)?;
    let (clinic, feed) = (partner.clinic_id, feed_of(partner, List { limit: 1, ..list }));
    let read = app.db().read(move |tx| {
        let feed = feed.clone();
        Box::pin(async move {
            // That it cannot be told is told as well.
            let found = store::event_feed(tx, clinic, &feed).await?;
            Ok::<_, Error>(found.is_none_or(|found| found.last.is_some()))
        })
    });
    read.await
}

pub(crate) fn feed_of(partner: &PartnerActor, list: List) -> Feed {
    Feed {
        shape: list.shape,
        after: list.after,
        types: types_of(list.shape, list.event_types.as_deref(), partner.scopes),
        created_from: list.created_from,
        created_until: list.created_until,
        beyond: None,
        limit: list.limit,
    }
}

pub struct Get {
    pub shape: Shape,
    pub id: EventId,
}

/// One event of the key's clinic.
pub async fn get(app: &App, call: &Call, get: Get) -> Result<FeedEvent> {
    let partner = call.partner(Scope::WebhooksRead)?;
    let types = types_of(get.shape, None, partner.scopes);
    app.read(call, (partner.clinic_id, get, types), |tx, cx, (clinic, get, types)| {
        Box::pin(async move {
            let found = store::event_get(tx, *clinic, get.id).await?.ok_or(NOT_FOUND)?;
            if found.shape != get.shape || !types.contains(&found.type_.as_str()) {
                return Err(NOT_FOUND);
            }
            let body = store::event_body(tx, *clinic, get.id).await?.ok_or_else(expired)?;
            let audit = cx.audit(Some(*clinic), "event.read", "event", Some(get.id.0));
            Ok((FeedEvent { id: get.id, name: found.name, type_: found.type_, body }, vec![audit]))
        })
    })
    .await
}
