//! The sending of one claimed delivery.

use nimbus_core::time::Ts;
use nimbus_store::{
    Db,
    endpoints::{self, EndpointStatus, Shape},
};

use super::{lane::Leased, record::Finished};
use crate::{
    attempt::attempt,
    client::{Outcome, WebhookClient},
    guard::AddressPolicy,
    payload,
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
    let Some(answer) = attempt(&client, policy, &target, &id, body, started_at).await else {
        return Finished::unsendable(leased, started_at);
    };
    let alive = match answer.outcome {
        Outcome::Success | Outcome::Gone => true,
        Outcome::Failed(_) => answer.status.is_some_and(|status| status < 500),
    };
    Finished { leased, started_at, answer: Some(answer), alive: Some(alive) }
}
