//! The sending of one leased delivery.

use std::sync::Arc;

use nimbus_core::time::Ts;
use nimbus_store::{
    endpoints::Shape,
    fault::{self, Point},
};

use super::{lane::Leased, record::Finished};
use crate::{
    attempt::Ready,
    cause::Cause,
    client::{Answer, Outcome, WebhookClient},
    deadline::Deadline,
    payload,
};

pub(super) async fn send(
    client: WebhookClient,
    deadline: Deadline,
    mut leased: Leased,
    ready: Arc<Ready>,
    now: fn() -> Ts,
) -> Finished {
    let started_at = now();
    let body = std::mem::take(&mut leased.row.body);
    let target = &ready.target;
    let id = match target.shape {
        Shape::Partner => leased.row.event_id.to_string(),
        Shape::Orders => leased.row.event_id.prefixed(),
    };
    let body = payload::as_sent(target.shape, target.payload, body, &leased.row.event_name);
    fault::pause(Point::Send).await;
    let answer = ready.send(&client, deadline, &id, body, started_at).await;
    fault::pause(Point::Sent).await;
    let answer = answer.unwrap_or_else(|| Answer::failed(Cause::AddressRefused));
    let alive = match answer.outcome {
        Outcome::Success | Outcome::Gone => true,
        Outcome::Failed(_) => answer.status.is_some_and(|status| status < 500),
    };
    Finished { leased, ready, started_at, answer, alive }
}
