//! What attempts came to, recorded many at a time: the next attempt or the end, the log, the endpoint's health.

use std::{collections::HashMap, sync::Arc, time::Duration};

use nimbus_core::{
    event::{Event, Fact},
    ids::{AttemptId, EndpointId},
    time::Ts,
};
use nimbus_store::{
    Db, Error, Tx,
    deliveries::{self, AttemptRow, AttemptTimes, Next, Outcome as Ended},
    endpoints::{self, AfterDeadLetter, EndpointStatus, Target},
    fault::{self, Point},
};
use uuid::Uuid;

use super::{RECORD_MOST, lane::Leased};
use crate::{
    attempt::Ready,
    client::{Answer, Outcome},
    outbox,
    schedule::{self, RetryScale},
};

/// An endpoint that fails everything for so long is disabled (contract: 5 days).
const DISABLE_AFTER_DAYS: i64 = 5;
/// Results that could not be recorded are tried again for so long, twice their lease; then they are sent again.
const RECORD_WITHIN: Duration = Duration::from_secs(60);
/// The wait between two tries, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// An attempt that ended.
pub(super) struct Finished {
    pub(super) leased: Leased,
    pub(super) ready: Arc<Ready>,
    pub(super) started_at: Ts,
    pub(super) answer: Answer,
    /// Whether the receiver answered.
    pub(super) alive: bool,
}

/// What the lanes need to know of a result that is on record, or is given up.
pub(super) struct Recorded {
    pub(super) endpoint: EndpointId,
    pub(super) line: Option<Uuid>,
    /// Whether what stands behind it in its line may go.
    pub(super) moves_on: bool,
}

impl Finished {
    fn ended(&self, scale: RetryScale, now: Ts) -> Ended {
        let (row, answer) = (&self.leased.row, &self.answer);
        let number = row.attempts + 1;
        let dial = answer.dial.unwrap_or_default();
        let attempt = AttemptRow {
            id: AttemptId(Uuid::now_v7()),
            number,
            started_at: self.started_at,
            elapsed_ms: answer.elapsed_ms,
            outcome: if answer.outcome == Outcome::Success { "delivered" } else { "failed" },
            cause: answer.cause().map(|cause| cause.as_str().to_owned()),
            status_code: answer.status.map(i64::from),
            response: answer.body.clone(),
            headers: answer.headers.clone(),
            times: AttemptTimes {
                dns_us: dial.dns_us,
                connect_us: dial.connect_us,
                tls_us: dial.tls_us,
                first_byte_us: answer.first_byte_us,
                reused: answer.reused,
            },
        };
        Ended {
            clinic_id: row.clinic_id,
            endpoint_id: row.endpoint_id,
            delivery_id: row.id,
            token: row.token,
            attempt: Some(attempt),
            next: next(answer, number, &self.ready.target, scale, now),
        }
    }

    /// What the lanes know of it if nobody can say whether it is on record.
    pub(super) fn given_up(&self) -> Recorded {
        self.recorded(None)
    }

    fn recorded(&self, next: Option<Next>) -> Recorded {
        let moves_on = match next {
            Some(Next::Delivered) => true,
            Some(Next::Dead) => self.ready.target.after_dead_letter == AfterDeadLetter::Skip,
            Some(Next::Retry { .. } | Next::Release { .. }) | None => false,
        };
        Recorded { endpoint: self.leased.row.endpoint_id, line: self.leased.row.line, moves_on }
    }
}

/// What follows an attempt: the contract's schedule with jitter, or later if the receiver asks for it.
fn next(answer: &Answer, number: i64, target: &Target, scale: RetryScale, now: Ts) -> Next {
    if answer.outcome == Outcome::Success {
        return Next::Delivered;
    }
    let failed = u32::try_from(number).unwrap_or(u32::MAX);
    let own = target.retry_schedule.as_deref();
    let Some(delay) = schedule::next_delay_ms(own, failed, jitter_permille(), scale) else {
        return Next::Dead;
    };
    let asked = answer.retry_after.as_deref().and_then(|value| schedule::retry_after(value, now.seconds()));
    Next::Retry { due_at: now.plus_millis(delay.max(asked.unwrap_or(0))) }
}

/// ±10%, from the random bits of a fresh id.
fn jitter_permille() -> u32 {
    let span = schedule::JITTER_PERMILLE.end() - schedule::JITTER_PERMILLE.start() + 1;
    let random = Uuid::now_v7().as_u128() as u32;
    schedule::JITTER_PERMILLE.start() + random % span
}

/// Records a batch in one transaction. While the store does not answer it is tried again, so that as little as can be
/// is sent twice.
pub(super) async fn record(
    db: &Db,
    batch: Vec<Finished>,
    scale: RetryScale,
    now: fn() -> Ts,
) -> Vec<Recorded> {
    if batch.is_empty() {
        return Vec::new();
    }
    let at = now();
    let ended: Arc<Vec<Ended>> = Arc::new(batch.iter().map(|done| done.ended(scale, at)).collect());
    let health: Arc<Vec<Health>> = Arc::new(health(&batch));
    let (begun, mut pause) = (tokio::time::Instant::now(), Duration::from_millis(50));
    let held = loop {
        match write(db, &ended, &health, at).await {
            Ok(held) => break held,
            Err(error) => {
                tracing::error!(%error, count = batch.len(), "results were not recorded")
            }
        }
        if begun.elapsed() > RECORD_WITHIN {
            break vec![false; batch.len()];
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    };
    let results = batch.iter().zip(ended.iter()).zip(held);
    results.map(|((done, ended), held)| done.recorded(held.then_some(ended.next))).collect()
}

async fn write(
    db: &Db,
    ended: &Arc<Vec<Ended>>,
    health: &Arc<Vec<Health>>,
    at: Ts,
) -> Result<Vec<bool>, Error> {
    let (ended, health, faults) = (Arc::clone(ended), Arc::clone(health), fault::here());
    fault::point(Point::Record).await?;
    let written = db.write(move |tx| {
        let (ended, health, faults) = (Arc::clone(&ended), Arc::clone(&health), faults.clone());
        Box::pin(async move {
            let held = deliveries::delivery_record(tx, &ended, at).await?;
            for endpoint in health.iter() {
                endpoint.write(tx, at).await?;
            }
            faults.inside(Point::RecordCommit)?;
            Ok::<_, Error>(held)
        })
    });
    let held = written.await?;
    fault::point(Point::Recorded).await?;
    Ok(held)
}

/// Gives leases back, so that another node, or the next start, need not wait for them to run out.
pub(super) async fn give_back(db: &Db, unsent: Vec<Leased>, now: Ts) {
    let released = |leased: &Leased| Ended {
        clinic_id: leased.row.clinic_id,
        endpoint_id: leased.row.endpoint_id,
        delivery_id: leased.row.id,
        token: leased.row.token,
        attempt: None,
        next: Next::Release { due_at: now },
    };
    for some in unsent.chunks(RECORD_MOST) {
        let ended: Arc<Vec<Ended>> = Arc::new(some.iter().map(released).collect());
        if let Err(error) = release(db, ended, now).await {
            tracing::warn!(%error, "leases were not given back; they run out by themselves");
        }
    }
}

async fn release(db: &Db, ended: Arc<Vec<Ended>>, now: Ts) -> Result<(), Error> {
    let faults = fault::here();
    fault::point(Point::GiveBack).await?;
    let written = db.write(move |tx| {
        let (ended, faults) = (Arc::clone(&ended), faults.clone());
        Box::pin(async move {
            deliveries::delivery_record(tx, &ended, now).await?;
            faults.inside(Point::GiveBackCommit)
        })
    });
    written.await?;
    fault::point(Point::GivenBack).await
}

/// What a batch says of one endpoint.
struct Health {
    ready: Arc<Ready>,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Works,
    Fails,
    Gone,
}

/// One verdict for each endpoint: gone if it said so, else working if anything got through.
fn health(batch: &[Finished]) -> Vec<Health> {
    let mut found: HashMap<EndpointId, Health> = HashMap::new();
    for done in batch {
        let verdict = match done.answer.outcome {
            Outcome::Success => Verdict::Works,
            Outcome::Gone => Verdict::Gone,
            Outcome::Failed(_) => Verdict::Fails,
        };
        let health = found
            .entry(done.leased.row.endpoint_id)
            .or_insert_with(|| Health { ready: Arc::clone(&done.ready), verdict });
        health.verdict = match (health.verdict, verdict) {
            (Verdict::Gone, _) | (_, Verdict::Gone) => Verdict::Gone,
            (Verdict::Works, _) | (_, Verdict::Works) => Verdict::Works,
            _ => Verdict::Fails,
        };
    }
    found.into_values().collect()
}

/// What a verdict makes of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    WorksAgain,
    BeginsToFail,
    /// For this reason.
    Disable(&'static str),
}

/// What becomes of an endpoint that fails since a time, or does not.
fn judge(verdict: Verdict, failing_since: Option<Ts>, now: Ts) -> Change {
    match (verdict, failing_since) {
        (Verdict::Gone, _) => Change::Disable("answered 410 Gone"),
        (Verdict::Works, Some(_)) => Change::WorksAgain,
        (Verdict::Works, None) => Change::Nothing,
        (Verdict::Fails, None) => Change::BeginsToFail,
        (Verdict::Fails, Some(since)) if since.plus_days(DISABLE_AFTER_DAYS) <= now => {
            Change::Disable("failing for 5 days")
        }
        (Verdict::Fails, Some(_)) => Change::Nothing,
    }
}

impl Health {
    async fn write(&self, tx: &mut Tx, now: Ts) -> Result<(), Error> {
        let target = &self.ready.target;
        let (clinic, id) = (target.clinic_id, target.endpoint_id);
        match judge(self.verdict, target.failing_since, now) {
            Change::Nothing => Ok(()),
            Change::WorksAgain => endpoints::endpoint_failing(tx, clinic, id, None).await,
            Change::BeginsToFail => endpoints::endpoint_failing(tx, clinic, id, Some(now)).await,
            Change::Disable(reason) => disable(tx, target, reason, now).await,
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
    let rows = outbox::rows(tx, now, &[event], None).await?;
    tx.batch(rows.statements).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_days_of_failure_disable_and_one_success_begins_anew() {
        let began = Ts::from_micros(1_000_000);
        let (almost, then) = (began.plus_days(5).plus_micros(-1), began.plus_days(5));
        let disabled = Change::Disable("failing for 5 days");
        for (verdict, since, now, expected) in [
            (Verdict::Fails, None, began, Change::BeginsToFail),
            (Verdict::Fails, Some(began), almost, Change::Nothing),
            (Verdict::Fails, Some(began), then, disabled),
            (Verdict::Fails, Some(began), then.plus_days(30), disabled),
            (Verdict::Works, Some(began), then, Change::WorksAgain),
            (Verdict::Works, None, then, Change::Nothing),
            (Verdict::Gone, None, began, Change::Disable("answered 410 Gone")),
            (Verdict::Gone, Some(began), almost, Change::Disable("answered 410 Gone")),
        ] {
            assert_eq!(judge(verdict, since, now), expected, "{verdict:?} {since:?}");
        }
    }
}
