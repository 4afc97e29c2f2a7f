//! Replays: what was sent to an endpoint is sent again, so many a second, behind everything else that waits.
//!
//! A replay is a row that timed work goes along in small batches: how far it is stands in the row, written with each
//! batch, so that a crash repeats and leaves out nothing. Deliveries keep their event's id, so that a receiver that
//! remembers the ids it has handled is sent nothing twice that it would notice.

use nimbus_core::{
    access::{Scope, Scopes, SystemActor},
    ids::ReplayId,
    time::Ts,
};
pub use nimbus_store::replays::{Progress, Replay, ReplayState, Which};
use nimbus_store::{
    Tx, endpoints,
    endpoints::{Endpoint, Shape},
    fault::{self, Point},
    jobs::{Job, JobKind, job_cancel, job_done, job_retry, job_schedule},
    replays as store,
};
use nimbus_webhooks::payload::types_of;
use uuid::Uuid;

use crate::{
    App,
    actor::Call,
    clock::wall,
    endpoints::{FieldNames, Of, audited, event_type_errors},
    error::{Detail, Error, FieldError, RefusalCode, Result},
    unit::{Cx, Render, Reply},
};

const NOT_FOUND: Error = Error::NotFound("Replay");

/// The most deliveries that a replay makes due in a second.
pub const MOST_PER_SECOND: u32 = 1000;
pub const DEFAULT_PER_SECOND: u32 = 50;
/// The deliveries that one transaction makes due.
const BATCH: u32 = 200;
/// The deliveries that one transaction takes back.
const TAKEN_BACK: u32 = 1000;

pub struct Start {
    pub of: Of,
    pub names: &'static FieldNames,
    pub since: Ts,
    /// Now, if it is not given.
    pub until: Option<Ts>,
    pub which: Which,
    /// As in a subscription; every event, if it is not given.
    pub event_types: Option<Vec<String>>,
    pub per_second: u32,
    /// Counts, and changes nothing.
    pub dry_run: bool,
}

/// A replay, and what became of what it has sent.
#[derive(Debug, Clone)]
pub struct View {
    pub replay: Replay,
    pub progress: Progress,
    /// There is no such replay: it was only counted.
    pub dry_run: bool,
}

/// Begins a replay, or counts what it would send.
pub async fn start(app: &App, call: &Call, command: Start, render: Render<View>) -> Result<Reply> {
    command.of.allow(call, Scope::WebhooksWrite)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(start_in(tx, cx, command))).await
}

async fn start_in(tx: &mut Tx, cx: &Cx, command: &Start) -> Result<View> {
    let endpoint = command.of.find(tx, &cx.call, Scope::WebhooksWrite).await?;
    let mut errors = range_errors(cx, command, cx.app.config().retention.reach_days());
    errors.extend(event_type_errors(command.names, endpoint.shape, command.event_types.as_deref()));
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    let (clinic, id) = (endpoint.clinic_id, endpoint.id);
    let mut replay = Replay {
        id: ReplayId(Uuid::now_v7()),
        clinic_id: clinic,
        endpoint_id: id,
        since: command.since,
        until: command.until.unwrap_or(cx.wall),
        which: command.which,
        event_types: command.event_types.clone(),
        per_second: command.per_second,
        state: ReplayState::Running,
        total: 0,
        queued: 0,
        cursor: None,
        version: 1,
        created_at: cx.wall,
        finished_at: None,
    };
    replay.total = store::replay_count(tx, &replay, types(&replay, endpoint.shape).as_deref()).await?;
    if !command.dry_run {
        if let Some(running) = store::replay_running(tx, clinic, id).await? {
            return Err(running_already(running));
        }
        store::replay_insert(tx, &replay).await?;
        job_schedule(tx, JobKind::WebhookReplay, clinic, replay.id.0, cx.wall, cx.wall).await?;
        audited(tx, cx, clinic, "webhook.replay", id).await?;
    }
    Ok(View { replay, progress: Progress::default(), dry_run: command.dry_run })
}

/// The narrow names of the events that a replay is for, if it is not for all.
fn types(replay: &Replay, shape: Shape) -> Option<Vec<&'static str>> {
    let listed = replay.event_types.as_deref()?;
    Some(types_of(shape, Some(listed), Scopes::all()))
}

/// What is older than `reach_days` has perhaps nothing to send any more.
fn range_errors(cx: &Cx, command: &Start, reach_days: i64) -> Vec<FieldError> {
    let Start { since, until, .. } = *command;
    let mut errors = Vec::new();
    if since < cx.wall.plus_days(-reach_days) {
        errors.push(FieldError::new("since", format!("must be within the last {reach_days} days")));
    } else if since >= cx.wall {
        errors.push(FieldError::new("since", "must be in the past"));
    }
    if until.is_some_and(|until| until > cx.wall) {
        errors.push(FieldError::new("until", "must not be in the future"));
    } else if until.is_some_and(|until| until <= since) {
        errors.push(FieldError::new("until", "must be later than since"));
    }
    errors
}

/// An endpoint has one replay at a time.
pub fn running_already(id: ReplayId) -> Error {
    let message = "A replay of this webhook is running; cancel it or wait for its end".to_owned();
    let detail = Detail {
        reason: Some("replay_running".to_owned()),
        message: message.clone(),
        facts: vec![("replay_id", id.to_string())],
        ..Detail::default()
    };
    Error::refused(RefusalCode::ReplayRunning, message, vec![detail])
}

#[derive(Debug, Clone, Copy)]
pub struct One {
    pub of: Of,
    pub id: ReplayId,
}

async fn replay_of(tx: &mut Tx, endpoint: &Endpoint, id: ReplayId) -> Result<Replay> {
    let found = store::replay_get(tx, endpoint.clinic_id, id).await?;
    found.filter(|found| found.endpoint_id == endpoint.id).ok_or(NOT_FOUND)
}

/// A replay, and how far it is.
pub async fn get(app: &App, call: &Call, one: One) -> Result<View> {
    one.of.allow(call, Scope::WebhooksRead)?;
    app.read(call, one, |tx, cx, &One { of, id }| {
        Box::pin(async move {
            let endpoint = of.find(tx, &cx.call, Scope::WebhooksRead).await?;
            let replay = replay_of(tx, &endpoint, id).await?;
            Ok((view(tx, replay).await?, Vec::new()))
        })
    })
    .await
}

async fn view(tx: &mut Tx, replay: Replay) -> Result<View> {
    let progress = store::replay_progress(tx, replay.clinic_id, replay.id).await?;
    Ok(View { replay, progress, dry_run: false })
}

/// Ends a replay: what it has made due and nobody has begun to send is as it was before. One that was cancelled
/// already stays so.
pub async fn cancel(app: &App, call: &Call, one: One, render: Render<View>) -> Result<Reply> {
    one.of.allow(call, Scope::WebhooksWrite)?;
    app.write(call, one, render, |tx, cx, &One { of, id }| {
        Box::pin(async move {
            let endpoint = of.find(tx, &cx.call, Scope::WebhooksWrite).await?;
            let mut replay = replay_of(tx, &endpoint, id).await?;
            if replay.state != ReplayState::Cancelled {
                replay.state = ReplayState::Cancelled;
                replay.finished_at = Some(cx.wall);
                job_cancel(tx, JobKind::WebhookReplay, id.0).await?;
                if take_back(tx, &mut replay).await? {
                    job_schedule(tx, JobKind::WebhookReplay, replay.clinic_id, id.0, cx.wall, cx.wall)
                        .await?;
                }
                audited(tx, cx, endpoint.clinic_id, "webhook.replay_cancel", endpoint.id).await?;
            }
            view(tx, replay).await
        })
    })
    .await
}

/// Takes back some of what waits; whether there may be more.
async fn take_back(tx: &mut Tx, replay: &mut Replay) -> Result<bool> {
    let taken = store::replay_take_back(tx, replay.clinic_id, replay.id, TAKEN_BACK).await?;
    replay.queued -= i64::from(taken);
    store::replay_update(tx, replay).await?;
    Ok(taken == TAKEN_BACK)
}

/// Goes on with a replay: what it may send in a second, in transactions of one batch each.
pub(crate) async fn work(app: &App, job: &Job) -> Result<()> {
    let call = Call::system(SystemActor::Jobs);
    let mut left = None;
    loop {
        let command = (job.clone(), left, fault::here());
        fault::point(Point::Replay).await?;
        let step = app.act(&call, command, |tx, cx, (job, left, faults)| {
            Box::pin(async move {
                let rest = step(tx, cx, job, *left).await?;
                faults.inside(Point::ReplayCommit)?;
                Ok(rest)
            })
        });
        let rest = step.await?;
        fault::point(Point::Replayed).await?;
        match rest {
            Some(rest) => left = Some(rest),
            None => return Ok(()),
        }
    }
}

/// One batch; how many may follow at once, or that the job has been given back or is done.
async fn step(tx: &mut Tx, cx: &Cx, job: &Job, left: Option<u32>) -> Result<Option<u32>> {
    let found = store::replay_get(tx, job.clinic_id, ReplayId(job.subject_id)).await?;
    match found {
        Some(replay) if replay.state == ReplayState::Running => queue(tx, cx, job, replay, left).await,
        Some(mut replay) if replay.state == ReplayState::Cancelled => {
            if take_back(tx, &mut replay).await? {
                return Ok(Some(TAKEN_BACK));
            }
            job_done(tx, job.id, job.lease_token).await?;
            Ok(None)
        }
        _ => {
            job_done(tx, job.id, job.lease_token).await?;
            Ok(None)
        }
    }
}

async fn queue(
    tx: &mut Tx,
    cx: &Cx,
    job: &Job,
    mut replay: Replay,
    left: Option<u32>,
) -> Result<Option<u32>> {
    let Some(endpoint) = endpoints::endpoint_get(tx, replay.clinic_id, replay.endpoint_id).await? else {
        // It was deleted, and what waited for it is cancelled.
        replay.state = ReplayState::Cancelled;
        replay.finished_at = Some(cx.wall);
        store::replay_update(tx, &replay).await?;
        job_done(tx, job.id, job.lease_token).await?;
        return Ok(None);
    };
    let left = left.unwrap_or(replay.per_second);
    let types = types(&replay, endpoint.shape);
    let queued = store::replay_queue(tx, &replay, types.as_deref(), left.min(BATCH), cx.wall).await?;
    let count = u32::try_from(queued.len()).unwrap_or(left);
    let left = left.saturating_sub(count);
    match queued.into_iter().max() {
        Some(last) => {
            replay.cursor = Some(last);
            replay.queued += i64::from(count);
            cx.wake_dispatcher();
        }
        None => {
            replay.state = ReplayState::Finished;
            replay.finished_at = Some(cx.wall);
        }
    }
    // Whoever else has taken up the job meanwhile finds another version: one of the two begins again from there.
    store::replay_update(tx, &replay).await?;
    if replay.state == ReplayState::Finished {
        job_done(tx, job.id, job.lease_token).await?;
        return Ok(None);
    }
    if left == 0 {
        // By the second, whenever it is looked for; what was missed meanwhile is not made up for.
        let due = job.due_at.plus_seconds(1).max(wall());
        job_retry(tx, job.id, job.lease_token, due).await?;
        return Ok(None);
    }
    Ok(Some(left))
}
