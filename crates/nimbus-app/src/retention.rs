//! Retention: what was told and delivered is let go when it is past its age, and nothing that is still needed.
//!
//! A timed job looks every hour, in small transactions with pauses between them. On PostgreSQL whole partitions are
//! dropped, and only what lies outside of them goes row by row. Each step notes how far it is, so that a crash repeats
//! and leaves out nothing, and two who walk at once do no harm.

use std::time::{Duration, Instant};

use nimbus_core::time::Ts;
pub use nimbus_store::retention::{Class, Count};
use nimbus_store::{
    Db,
    jobs::{Job, JobKind, job_ensure, job_renew, job_retry},
    partition_boundary, partitions_drop, partitions_tidy,
    replays::{replays_let_go, replays_past},
    retention as store,
    retention::{Due, Step},
};
use nimbus_webhooks::schedule;
use tokio_util::sync::CancellationToken;

use crate::{
    App,
    clock::wall,
    error::{Error, Result},
};

/// How often it is looked for what is past its age.
const EVERY_SECONDS: i64 = 3600;
/// How often what had to stay is looked at again.
const SWEEP_DAYS: i64 = 1;
/// Whoever lets go is alone for so long without being heard of, and is heard of so often.
const LEASE_SECONDS: i64 = 60;
const RENEW: Duration = Duration::from_secs(20);
/// After each step the store belongs to the others for so many times as long as it took: SQLite has one writer.
const PAUSE_SHARE: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A dead letter can be sent again for so long after its last attempt, whatever the age of its event.
pub const DEAD_LETTER_DAYS: i64 = 7;
/// The shortest age that may be set.
pub const SHORTEST_DAYS: u32 = 7;
/// The longest one: ten years.
pub const LONGEST_DAYS: u32 = 3660;
const DAY_MS: i64 = 86_400_000;
/// What is retried is kept for as long again after its last attempt, and a replay reaches back for some days.
const _: () = assert!(SHORTEST_DAYS as i64 * DAY_MS > 2 * schedule::longest_ms());

/// How long rows are kept, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// What events say.
    pub body_days: u32,
    /// Attempts, with what receivers answered.
    pub attempt_days: u32,
    /// Events and deliveries themselves.
    pub metadata_days: u32,
}

impl Default for Ages {
    fn default() -> Self {
        Self { body_days: 30, attempt_days: 30, metadata_days: 90 }
    }
}

impl Ages {
    /// What is wrong with them, if anything is: the setting and why.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let ages = [
            ("retention_body_days", self.body_days),
            ("retention_attempt_days", self.attempt_days),
            ("retention_metadata_days", self.metadata_days),
        ];
        let outside = |days: u32| !(SHORTEST_DAYS..=LONGEST_DAYS).contains(&days);
        if let Some((name, _)) = ages.into_iter().find(|(_, days)| outside(*days)) {
            return Some((name, format!("must be {SHORTEST_DAYS} to {LONGEST_DAYS} days")));
        }
        let longest = self.body_days.max(self.attempt_days);
        let text = || format!("must be at least {longest} days, as long as bodies and attempts are kept");
        (self.metadata_days < longest).then(|| ("retention_metadata_days", text()))
    }

    /// How far back a replay goes: a day less than bodies are kept, so that none goes while it is begun.
    pub const fn reach_days(&self) -> i64 {
        self.body_days as i64 - 1
    }

    /// How old something of a class becomes, in days.
    pub const fn days(&self, class: Class) -> i64 {
        match class {
            Class::Bodies => self.body_days as i64,
            Class::Attempts => self.attempt_days as i64,
            Class::Metadata => self.metadata_days as i64,
        }
    }

    fn due(&self, class: Class, now: Ts) -> Due {
        let before = now.plus_days(-self.days(class));
        let quiet_since = match class {
            Class::Bodies => now.plus_days(-DEAD_LETTER_DAYS),
            Class::Attempts | Class::Metadata => before,
        };
        Due { class, before, quiet_since }
    }
}

/// The tables of a class whose partitions are dropped whole, those that others refer to last.
const fn tables(class: Class) -> &'static [&'static str] {
    match class {
        Class::Bodies => &[],
        Class::Attempts => &["attempts"],
        Class::Metadata => &["deliveries", "events"],
    }
}

/// What went, or would go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Rows, by class. Those of partitions that went whole are not counted.
    pub rows: Vec<(Class, Count)>,
    /// Partitions that went, or would go, whole.
    pub partitions: Vec<String>,
}

/// Has the job there, so that workers do it.
pub(crate) async fn plan(app: &App) -> Result<()> {
    let now = wall();
    let write = app.db().write(move |tx| Box::pin(job_ensure(tx, JobKind::Retention, now, now)));
    Ok(write.await?)
}

/// Does the job to its end, or until it is stopped or another one has taken it up.
pub(crate) async fn work(app: App, job: Job, stop: CancellationToken) {
    match leased(&app, &job, &stop).await {
        Ok(report)
            if report.rows.iter().any(|(_, count)| count.rows() > 0) || !report.partitions.is_empty() =>
        {
            for (class, count) in report.rows {
                let Count { bodies, attempts, deliveries, events, replays, .. } = count;
                tracing::info!(
                    class = class.as_str(),
                    bodies,
                    attempts,
                    deliveries,
                    events,
                    replays,
                    "let go of"
                );
            }
            for partition in report.partitions {
                tracing::info!(partition, "dropped");
            }
        }
        Ok(_) => {}
        // The lease runs out, and the job is worked again.
        Err(error) => tracing::error!(%error, "retention was interrupted"),
    }
}

async fn leased(app: &App, job: &Job, stop: &CancellationToken) -> Result<Report> {
    let mut pace = Pace { lease: Some((job.clone(), Instant::now())), stop: stop.clone() };
    let report = run(app, wall(), &mut pace).await?;
    if let Some((job, _)) = pace.lease {
        let due = if stop.is_cancelled() { wall() } else { wall().plus_seconds(EVERY_SECONDS) };
        let write = app
            .db()
            .write(move |tx| Box::pin(async move { job_retry(tx, job.id, job.lease_token, due).await }));
        write.await?;
    }
    Ok(report)
}

/// Lets go of everything that is past its age at an instant (wall time), now.
pub async fn run_now(app: &App, now: Ts) -> Result<Report> {
    run(app, now, &mut Pace { lease: None, stop: CancellationToken::new() }).await
}

/// How a run gives way to others.
struct Pace {
    /// The job that is worked and when its lease was renewed; none if nobody waits for the store meanwhile.
    lease: Option<(Job, Instant)>,
    stop: CancellationToken,
}

impl Pace {
    /// After a step that took so long; false if it was the last.
    async fn go_on(&mut self, db: &Db, took: Duration) -> Result<bool> {
        if self.stop.is_cancelled() {
            return Ok(false);
        }
        let Some((job, renewed)) = &mut self.lease else { return Ok(true) };
        if renewed.elapsed() >= RENEW {
            let (id, token, until) = (job.id, job.lease_token, wall().plus_seconds(LEASE_SECONDS));
            *renewed = Instant::now();
            if !db.write(move |tx| Box::pin(job_renew(tx, id, token, until))).await? {
                self.lease = None;
                return Ok(false);
            }
        }
        tokio::select! {
            () = self.stop.cancelled() => Ok(false),
            () = tokio::time::sleep((took * PAUSE_SHARE).min(LONGEST_PAUSE)) => Ok(true),
        }
    }
}

async fn run(app: &App, now: Ts, pace: &mut Pace) -> Result<Report> {
    let (db, ages) = (app.db(), app.config().retention);
    let mut report = Report::default();
    for &class in Class::ALL {
        let mut due = ages.due(class, now);
        for table in tables(class) {
            let begun = Instant::now();
            report.partitions.extend(partitions_drop(db, table, due.before, false).await?);
            if !pace.go_on(db, begun.elapsed()).await? {
                return Ok(report);
            }
        }
        due = outside_partitions(db, due).await?;
        let (mut count, mut is_done) = walk(db, due, now, pace).await?;
        if class == Class::Metadata && is_done {
            (count.replays, is_done) = let_go_replays(db, ages.due(class, now).before, pace).await?;
        }
        report.rows.push((class, count));
        if !is_done {
            return Ok(report);
        }
        for table in tables(class) {
            partitions_tidy(db, table, due.before).await?;
        }
    }
    Ok(report)
}

/// What of a class goes row by row.
async fn outside_partitions(db: &Db, due: Due) -> Result<Due> {
    let Some(table) = tables(due.class).last() else { return Ok(due) };
    let before = partition_boundary(db, table, due.before).await?;
    Ok(Due { before, quiet_since: before, ..due })
}

/// Walks a class to its end; what went, and whether the end was reached.
async fn walk(db: &Db, due: Due, now: Ts, pace: &mut Pace) -> Result<(Count, bool)> {
    let last_before = now.plus_days(-SWEEP_DAYS);
    db.write(move |tx| Box::pin(store::retention_sweep(tx, due.class, last_before, now))).await?;
    let mut count = Count::default();
    loop {
        let begun = Instant::now();
        // The reading stands in nobody's way: it is not part of the transaction that writes.
        let Some(step) = db.read(move |tx| Box::pin(store::retention_step(tx, due))).await? else { break };
        let applied =
            db.write(move |tx| Box::pin(async move { store::retention_apply(tx, &step).await })).await?;
        count.add(applied.unwrap_or_default());
        if !pace.go_on(db, begun.elapsed()).await? {
            return Ok((count, false));
        }
    }
    db.write(move |tx| Box::pin(store::retention_end(tx, due.class, now))).await?;
    Ok((count, true))
}

/// Replays that ended before an instant go; how many, and whether that was all.
async fn let_go_replays(db: &Db, before: Ts, pace: &mut Pace) -> Result<(i64, bool)> {
    let mut count = 0;
    loop {
        let begun = Instant::now();
        let gone = db.write(move |tx| Box::pin(replays_let_go(tx, before))).await?;
        count += gone;
        let goes_on = pace.go_on(db, begun.elapsed()).await?;
        if gone == 0 || !goes_on {
            return Ok((count, gone == 0));
        }
    }
}

/// What would go at an instant (wall time), counted one by one, and what is past its age and needed.
pub async fn preview(app: &App, now: Ts) -> Result<Report> {
    let (db, ages) = (app.db(), app.config().retention);
    let mut report = Report::default();
    for &class in Class::ALL {
        let due = ages.due(class, now);
        for table in tables(class) {
            report.partitions.extend(partitions_drop(db, table, due.before, true).await?);
        }
        let due = outside_partitions(db, due).await?;
        let (mut count, mut at): (Count, Option<Step>) = (Count::default(), None);
        loop {
            let looked = db.read(move |tx| {
                Box::pin(async move {
                    let Some(step) = store::retention_look(tx, due, at).await? else { return Ok(None) };
                    let count = store::retention_count(tx, &step).await?;
                    Ok::<_, Error>(Some((step, count)))
                })
            });
            let Some((step, found)) = looked.await? else { break };
            count.add(found);
            at = Some(step);
        }
        if class == Class::Metadata {
            let before = ages.due(class, now).before;
            count.replays = db.read(move |tx| Box::pin(replays_past(tx, before))).await?;
        }
        report.rows.push((class, count));
    }
    Ok(report)
}

/// When the walks last came to their ends (wall time); `None` while one never did.
pub async fn last_run(app: &App) -> Result<Option<Ts>> {
    Ok(app.db().read(|tx| Box::pin(store::retention_ended(tx))).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_bounds_and_an_order() {
        let fault = |body_days, attempt_days, metadata_days| {
            Ages { body_days, attempt_days, metadata_days }.fault().map(|(name, _)| name)
        };
        assert_eq!(Ages::default().fault(), None);
        for sound in [(7, 7, 7), (30, 7, 30), (7, 90, 90), (3660, 3660, 3660)] {
            assert_eq!(fault(sound.0, sound.1, sound.2), None, "{sound:?}");
        }
        assert_eq!(fault(6, 30, 90), Some("retention_body_days"));
        assert_eq!(fault(30, 0, 90), Some("retention_attempt_days"));
        assert_eq!(fault(30, 30, 4000), Some("retention_metadata_days"));
        assert_eq!(fault(30, 30, 29), Some("retention_metadata_days"));
        assert_eq!(fault(30, 31, 30), Some("retention_metadata_days"));
    }
}
