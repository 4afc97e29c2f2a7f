//! The event log as a stream of server-sent events (HTML standard, section 9.2), for both surfaces.
//!
//! What a reader is told is read from the log when it takes it: of one that takes nothing nothing is held but what the
//! connection has already, at most one page.

use std::{convert::Infallible, fmt::Write as _, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use nimbus_app::{
    Call, Error,
    endpoints::Which,
    event_stream::{self, Following, Told, webhook_id},
    events::{List, Shape},
    news::Waiter,
};
use nimbus_core::{access::Scope, ids::EndpointId};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Web,
    body::Incoming,
    checks::{count, id},
    event_feed::{Names, enter, read_following},
    failure::{Answer, Failure},
    fields::Fields,
};

/// A line that says nothing, so that whoever stands between does not take the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// While nothing comes, the caller's key is asked for again so often; before something is told, each time.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// The longest life of a stream: its reader comes again, perhaps to another process.
const MAX_SECONDS: u32 = 3600;
/// When a reader comes again whose stream has ended, and the first bytes of each, so that nobody waits for the reply.
const OPENING: &[u8] = b"retry: 1000\n\n";
const SILENCE: &[u8] = b":\n\n";

const LAST_EVENT_ID: &str = "Last-Event-ID";
/// Tells nginx, and those that know it from there, not to gather the reply.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a surface calls the parameters of its stream.
pub(crate) struct StreamNames {
    pub(crate) names: &'static Names,
    pub(crate) webhook: &'static str,
    pub(crate) max_seconds: &'static str,
}

/// What is asked for.
struct Asked {
    list: List,
    webhook: Option<EndpointId>,
    seconds: u32,
}

impl StreamNames {
    fn read(&self, f: &mut Fields<'_>, shape: Shape) -> Asked {
        Asked {
            list: read_following(f, shape, self.names),
            webhook: f.optional(self.webhook, id),
            seconds: f.optional(self.max_seconds, count(1..=MAX_SECONDS)).unwrap_or(MAX_SECONDS),
        }
    }
}

/// Answers with the stream. What can be refused is refused before.
pub(crate) async fn open(web: Web, request: Incoming, shape: Shape, names: &StreamNames) -> Answer {
    let call = web.partner(&request, Scope::WebhooksRead).await?;
    let mut asked = request.query(|f| Some(names.read(f, shape)))?;
    if let Some(last) = request.headers().get(LAST_EVENT_ID).filter(|last| !last.is_empty()) {
        // A reader that has lost its connection comes again to the same address: what it has seen since counts.
        let last = last.to_str().map_err(|_| not_an_id())?;
        asked.list.after = Some(id(&Value::from(last)).map_err(|_| not_an_id())?);
    }
    // Before the first look, so that nothing is committed unseen between it and the waiting.
    let waiter = enter(&web, &call)?;
    let signed_for = asked.webhook.map(|id| Which { shape, id });
    let following = event_stream::follow(&web.app, &call, asked.list, signed_for).await;
    let following = following.map_err(|error| match error {
        Error::NotFound(what) => Error::field(names.webhook, format!("{what} not found")),
        other => other,
    })?;
    let now = Instant::now();
    let reader = Reader {
        web,
        request,
        call,
        shape,
        waiter,
        following,
        until: now + Duration::from_secs(asked.seconds.into()),
        asked_at: now,
        is_open: false,
    };
    let body = Body::from_stream(stream::unfold(reader, Reader::chunk));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (UNBUFFERED, HeaderValue::from_static("no")),
    ];
    let response: Response = (headers, body).into_response();
    Ok(response)
}

fn not_an_id() -> Failure {
    Error::field(LAST_EVENT_ID, "must be a valid id").into()
}

/// One who reads a stream.
struct Reader {
    web: Web,
    request: Incoming,
    call: Call,
    shape: Shape,
    waiter: Waiter,
    following: Following,
    /// When it ends by itself.
    until: Instant,
    /// When its key was last asked for.
    asked_at: Instant,
    is_open: bool,
}

impl Reader {
    /// What is sent next; `None` where the stream ends: its time is over, the process stops, the key is no longer good,
    /// or the log cannot be read. A reader that comes again is told why.
    async fn chunk(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if !self.is_open {
            self.is_open = true;
            return Some((Ok(Bytes::from_static(OPENING)), self));
        }
        let silent_until = Instant::now() + HEARTBEAT;
        loop {
            if self.waiter.is_over() || Instant::now() >= self.until {
                return None;
            }
            match self.told().await {
                Ok(Some(text)) => return Some((Ok(text), self)),
                Ok(None) => {}
                Err(failure) => {
                    failure.log();
                    return None;
                }
            }
            match tokio::time::timeout_at(silent_until.min(self.until), self.waiter.wait()).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(_elapsed) if Instant::now() >= self.until => return None,
                Err(_elapsed) => return Some((Ok(Bytes::from_static(SILENCE)), self)),
            }
        }
    }

    /// What there is to tell, if the key is still good.
    async fn told(&mut self) -> Result<Option<Bytes>, Failure> {
        let has_news = event_stream::has_news(&self.web.app, &self.call, &mut self.following).await?;
        if has_news || self.asked_at.elapsed() >= ASK_AGAIN {
            self.web.still_partner(&self.request, Scope::WebhooksRead).await?;
            self.asked_at = Instant::now();
        }
        if !has_news {
            return Ok(None);
        }
        let told = event_stream::next(&self.web.app, &self.call, &mut self.following).await?;
        let mut text = Vec::with_capacity(told.iter().map(|event| event.body.len() + 256).sum());
        for event in &told {
            write(&mut text, self.shape, event);
        }
        // Empty where all that came next cannot be opened.
        Ok(Some(text.into()))
    }
}

/// One event. Its bytes are those that a webhook is sent: a line for each of theirs, which is one.
fn write(text: &mut Vec<u8>, shape: Shape, event: &Told) {
    let mut fields = format!("id: {}\nevent: {}\n", webhook_id(shape, event.id), event.name);
    if let Some(signed) = &event.signed {
        // A text takes what is written to it.
        let _ = write!(
            fields,
            "webhook-timestamp: {}\nwebhook-signature: {}\n",
            signed.timestamp, signed.signature
        );
    }
    text.extend_from_slice(fields.as_bytes());
    for line in event.body.split(|&byte| byte == b'\n') {
        text.extend_from_slice(b"data: ");
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use nimbus_app::event_stream::Signed;
    use nimbus_core::ids::EventId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_event_is_written_field_by_field() {
        let mut event = Told {
            id: EventId(Uuid::from_u128(1)),
            name: "order.created".to_owned(),
            body: Bytes::from_static(b"{\"id\":1}"),
            signed: None,
        };
        let written = |shape, event: &Told| {
            let mut text = Vec::new();
            write(&mut text, shape, event);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(
            written(Shape::Orders, &event),
            "id: evt_0000000000000000000001\nevent: order.created\ndata: {\"id\":1}\n\n"
        );
        event.body = Bytes::from_static(b"{\n}");
        event.signed = Some(Signed { timestamp: 7, signature: "v1,AA== v1,BB==".to_owned() });
        assert_eq!(
            written(Shape::Partner, &event),
            "id: 00000000-0000-0000-0000-000000000001\nevent: order.created\nwebhook-timestamp: 7\n\
             webhook-signature: v1,AA== v1,BB==\ndata: {\ndata: }\n\n"
        );
    }
}
