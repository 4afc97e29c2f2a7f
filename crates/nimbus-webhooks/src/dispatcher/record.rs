//! What attempts came to, recorded many at a time: the next attempt or the end, the log, the endpoint's health.

use std::{collections::HashMap, sync::Arc};

use nimbus_core::{
    event::{Event, Fact},
    ids::{AttemptId, EndpointId},
    time::Ts,
};
use nimbus_store::{
    Db, Error, Tx,
    deliveries::{self, AttemptRow, Next, Outcome as Recorded},
    endpoints::{self, EndpointStatus, Target},
};
use uuid::Uuid;

use super::lane::Leased;
use crate::{
    client::{Answer, Cause, Outcome},
    outbox,
    schedule::{self, RetryScale},
};

/// An endpoint that fails everything for so long is disabled (contract: 5 days).
const DISABLE_AFTER_DAYS: i64 = 5;
/// A result that could not be recorded is tried again so often; then its lease runs out and it is sent again.
const RECORD_TRIES: u32 = 5;
/// What was claimed and could not be sent is due again after this.
const UNSENT_MS: i64 = 1000;

/// An attempt that ended, or was not made.
pub(super) struct Finished {
    pub(super) leased: Leased,
    pub(super) started_at: Ts,
    pub(super) answer: Option<Answer>,
    /// Whether the receiver answered; `None` if nothing was sent.
    pub(super) alive: Option<bool>,
}

impl Finished {
    /// The endpoint no longer wants it, or could not be read: no attempt is consumed.
    pub(super) fn unsent(leased: Leased, started_at: Ts) -> Self {
        Self { leased, started_at, answer: None, alive: None }
    }

    /// The endpoint's URL or headers are refused now.
    pub(super) fn unsendable(leased: Leased, started_at: Ts) -> Self {
        let answer = Answer::failed(Cause::AddressRefused);
        Self { leased, started_at, answer: Some(answer), alive: Some(false) }
    }

    fn recorded(&self, scale: RetryScale, now: Ts) -> Recorded {
        let row = &self.leased.row;
        let number = row.attempts + 1;
        let (attempt, next) = match &self.answer {
            None => (None, Next::Release { due_at: now.plus_millis(UNSENT_MS) }),
            Some(answer) => {
                let attempt = AttemptRow {
                    id: AttemptId(Uuid::now_v7()),
                    number,
                    started_at: self.started_at,
                    elapsed_ms: answer.elapsed_ms,
                    outcome: if answer.outcome == Outcome::Success { "delivered" } else { "failed" },
                    cause: cause(answer).map(str::to_owned),
                    status_code: answer.status.map(i64::from),
                    response: answer.body.clone(),
                };
                (Some(attempt), next(answer, number, scale, now))
            }
        };
        Recorded { clinic_id: row.clinic_id, delivery_id: row.id, token: row.token, attempt, next }
    }
}

fn cause(answer: &Answer) -> Option<&'static str> {
    match answer.outcome {
        Outcome::Success => None,
        Outcome::Gone => Some("gone"),
        Outcome::Failed(cause) => Some(cause.as_str()),
    }
}

/// What follows an attempt: the contract's schedule with jitter, or later if the receiver asks for it.
fn next(answer: &Answer, number: i64, scale: RetryScale, now: Ts) -> Next {
    if answer.outcome == Outcome::Success {
        return Next::Delivered;
    }
    let failed = u32::try_from(number).unwrap_or(u32::MAX);
    let Some(delay) = schedule::next_delay_ms(failed, jitter_permille(), scale) else { return Next::Dead };
    let asked = answer.retry_after.as_deref().and_then(|value| schedule::retry_after(value, now.seconds()));
    Next::Retry { due_at: now.plus_millis(delay.max(asked.unwrap_or(0))) }
}

/// ±10%, from the random bits of a fresh id.
fn jitter_permille() -> u32 {
    let span = schedule::JITTER_PERMILLE.end() - schedule::JITTER_PERMILLE.start() + 1;
    let random = Uuid::now_v7().as_u128() as u32;
    schedule::JITTER_PERMILLE.start() + random % span
}

/// Records a batch in one transaction; answers the endpoints concerned.
pub(super) async fn record(
    db: &Db,
    batch: Vec<Finished>,
    scale: RetryScale,
    now: fn() -> Ts,
) -> Vec<EndpointId> {
    if batch.is_empty() {
        return Vec::new();
    }
    let at = now();
    let outcomes: Arc<Vec<Recorded>> = Arc::new(batch.iter().map(|done| done.recorded(scale, at)).collect());
    let health: Arc<Vec<Health>> = Arc::new(health(&batch));
    for attempt in 1..=RECORD_TRIES {
        let (outcomes, health) = (Arc::clone(&outcomes), Arc::clone(&health));
        let written = db
            .write(move |tx| {
                let (outcomes, health) = (Arc::clone(&outcomes), Arc::clone(&health));
                Box::pin(async move {
                    deliveries::delivery_record(tx, &outcomes, at).await?;
                    for endpoint in health.iter() {
                        endpoint.write(tx, at).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await;
        match written {
            Ok(()) => break,
            Err(error) => {
                tracing::error!(%error, attempt, count = batch.len(), "results were not recorded")
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(u64::from(attempt) * 100)).await;
    }
    let mut endpoints: Vec<EndpointId> = batch.iter().map(|done| done.leased.row.endpoint_id).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    endpoints
}

/// Gives leases back, so that another node, or the next start, need not wait for them to run out.
pub(super) async fn give_back(db: &Db, unsent: Vec<Leased>, now: Ts) {
    if unsent.is_empty() {
        return;
    }
    let unsent = Arc::new(unsent);
    let written = db
        .write(move |tx| {
            let unsent = Arc::clone(&unsent);
            Box::pin(async move {
                for leased in unsent.iter() {
                    let row = &leased.row;
                    deliveries::delivery_release(tx, row.clinic_id, row.id, row.token, now).await?;
                }
                Ok::<_, Error>(())
            })
        })
        .await;
    if let Err(error) = written {
        tracing::warn!(%error, "leases were not given back; they run out by themselves");
    }
}

/// What a batch says of one endpoint.
struct Health {
    target: Arc<Target>,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Works,
    Fails,
    Gone,
}

/// One verdict for each endpoint: gone if it said so, else working if anything got through.
fn health(batch: &[Finished]) -> Vec<Health> {
    let mut found: HashMap<EndpointId, Health> = HashMap::new();
    for done in batch {
        let Some(answer) = &done.answer else { continue };
        let verdict = match answer.outcome {
            Outcome::Success => Verdict::Works,
            Outcome::Gone => Verdict::Gone,
            Outcome::Failed(_) => Verdict::Fails,
        };
        let health = found
            .entry(done.leased.row.endpoint_id)
            .or_insert_with(|| Health { target: Arc::clone(&done.leased.target), verdict });
        health.verdict = match (health.verdict, verdict) {
            (Verdict::Gone, _) | (_, Verdict::Gone) => Verdict::Gone,
            (Verdict::Works, _) | (_, Verdict::Works) => Verdict::Works,
            _ => Verdict::Fails,
        };
    }
    found.into_values().collect()
}

impl Health {
    async fn write(&self, tx: &mut Tx, now: Ts) -> Result<(), Error> {
        let (clinic, id) = (self.target.clinic_id, self.target.endpoint_id);
        match (self.verdict, self.target.failing_since) {
            (Verdict::Works, Some(_)) => endpoints::endpoint_failing(tx, clinic, id, None).await,
            (Verdict::Fails, None) => endpoints::endpoint_failing(tx, clinic, id, Some(now)).await,
            (Verdict::Fails, Some(since)) if since.plus_days(DISABLE_AFTER_DAYS) <= now => {
                disable(tx, &self.target, "failing for 5 days", now).await
            }
            (Verdict::Gone, _) => disable(tx, &self.target, "answered 410 Gone", now).await,
            _ => Ok(()),
        }
    }
}

/// Disables an active endpoint and tells the clinic's others. Its events wait until it is enabled again.
async fn disable(tx: &mut Tx, target: &Target, reason: &'static str, now: Ts) -> Result<(), Error> {
    let found = endpoints::endpoint_get(tx, target.clinic_id, target.endpoint_id).await?;
    let Some(mut endpoint) = found.filter(|found| found.status == EndpointStatus::Active) else {
        return Ok(());
    };
    endpoint.status = EndpointStatus::Disabled;
    endpoint.disabled_reason = Some(reason.to_owned());
    endpoint.updated_at = now;
    endpoints::endpoint_update(tx, &endpoint).await?;
    let fact = Fact::WebhookDisabled { endpoint_id: endpoint.id, reason };
    let event = Event { clinic_id: endpoint.clinic_id, ordering_key: None, at: now, fact };
    let rows = outbox::rows(tx, now, &[event]).await?;
    tx.batch(rows.statements).await?;
    Ok(())
}
