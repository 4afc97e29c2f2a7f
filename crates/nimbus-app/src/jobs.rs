//! Timed work: prescriptions that expire, refills that become due, new practitioners to be onboarded, orders that wait
//! for a licence, rows that are past their age.

use std::time::Duration;

use nimbus_carriers::onboarding::OnboardingClient;
use nimbus_core::{
    access::{Environment, SystemActor},
    event::PrescriptionChange,
    ids::{OrderId, PractitionerId, PrescriptionId},
    practitioner::PractitionerStatus,
    prescription::{PrescriptionAct, PrescriptionStatus, change_status},
};
use nimbus_store::{
    Tx,
    fault::{self, Point},
    idempotency,
    jobs::{self, Due, Job, JobKind},
    practitioners, prescriptions, refills,
    staff::staff_purge,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    App,
    actor::Call,
    clock::wall,
    error::{Error, Result},
    label_purchases, licenses, notices,
    outbox::Changes,
    replays, retention,
    sandbox::simulation,
    unit::Cx,
};

/// How often due jobs are looked for.
const POLL: Duration = Duration::from_secs(1);
/// Jobs claimed at once.
const BATCH: u32 = 50;
/// Labels that one process has dealings with its provider over at once. What is due beyond them waits out its lease.
const MOST_LABELS: usize = 50;
/// A job that its worker did not finish is claimed again after this.
const LEASE_SECONDS: i64 = 60;
/// A call of the robot that fails is made again after a minute, twice as long each time, at most a day.
const FIRST_RETRY_SECONDS: i64 = 60;
const LONGEST_RETRY_SECONDS: i64 = 86_400;
/// Expired idempotency keys, and sessions and the like that are over, forgotten at once.
const PURGE_BATCH: u32 = 1000;

/// Works due jobs until it is stopped.
pub async fn run(app: App, stop: CancellationToken) {
    let robot = robot(&app);
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut apart = Apart { tasks: JoinSet::new(), stop: stop.clone() };
    let mut is_planned = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = poll.tick() => {}
        }
        while apart.tasks.try_join_next().is_some() {}
        if !is_planned {
            match plan(&app).await {
                Ok(()) => is_planned = true,
                Err(error) => tracing::error!(%error, "what is done every hour could not be planned"),
            }
        }
        if let Err(error) = start_due(&app, robot.as_ref(), &mut apart).await {
            tracing::error!(%error, "due jobs could not be worked");
        }
    }
    apart.finish().await;
}

/// Has the jobs there that are done every hour.
async fn plan(app: &App) -> Result<()> {
    retention::plan(app).await?;
    notices::plan(app).await
}

/// Jobs that may be slow: nothing that is due waits for them, now or next time.
#[derive(Debug, Default)]
pub struct Apart {
    tasks: JoinSet<()>,
    /// What can go on another time ends early then.
    stop: CancellationToken,
}

impl Apart {
    /// How many have not been seen to end.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until all have ended.
    pub async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The onboarding robot's client, if one is configured.
fn robot(app: &App) -> Option<OnboardingClient> {
    let robot = app.config().onboarding.as_ref()?;
    match OnboardingClient::new(robot.url.as_deref()?, &robot.token) {
        Ok(client) => Some(client),
        Err(error) => {
            tracing::error!(%error, "the onboarding robot cannot be called");
            None
        }
    }
}

/// Works what is due now, to its end; answers how much that was.
pub async fn run_due(app: &App, robot: Option<&OnboardingClient>) -> Result<usize> {
    let mut apart = Apart::default();
    let count = start_due(app, robot, &mut apart).await;
    apart.finish().await;
    count
}

/// Works what is due now. A label's provider may be slow, and so may it be to let go of much: those jobs go on `apart`.
pub async fn start_due(app: &App, robot: Option<&OnboardingClient>, apart: &mut Apart) -> Result<usize> {
    let (due, now, token) = (app.clock().now(), wall(), Uuid::now_v7());
    let (is_sandbox, faults) = (app.environment() == Environment::Sandbox, fault::here());
    fault::point(Point::Jobs).await?;
    let claimed = app
        .db()
        .write(move |tx| {
            let faults = faults.clone();
            Box::pin(async move {
                idempotency::idempotency_purge(tx, now, PURGE_BATCH).await?;
                staff_purge(tx, now, PURGE_BATCH).await?;
                let until = now.plus_seconds(LEASE_SECONDS);
                let mut claimed = jobs::jobs_claim(tx, due, now, until, token, BATCH).await?;
                if is_sandbox {
                    claimed.extend(jobs::jobs_claim_ahead(tx, due, now, until, token, BATCH).await?);
                }
                faults.inside(Point::JobsCommit)?;
                Ok::<_, Error>(claimed)
            })
        })
        .await?;
    fault::point(Point::JobsLeased).await?;
    let count = claimed.len();
    for job in claimed {
        let worked = match job.kind {
            JobKind::OnboardingCall => onboard(app, job.clone(), robot).await,
            JobKind::WebhookReplay => replays::work(app, &job).await,
            JobKind::Notices => notices::work(app, &job).await,
            JobKind::LabelPurchase => {
                if apart.tasks.len() < MOST_LABELS {
                    apart.tasks.spawn(settle(app.clone(), job));
                }
                continue;
            }
            JobKind::Retention => {
                apart.tasks.spawn(retention::work(app.clone(), job, apart.stop.clone()));
                continue;
            }
            JobKind::PrescriptionExpire
            | JobKind::RefillDue
            | JobKind::SandboxStep
            | JobKind::LicenseHold => {
                let call = Call::system(SystemActor::Jobs);
                app.act(&call, job.clone(), |tx, cx, job| Box::pin(work_leased(tx, cx, job))).await
            }
        };
        if let Err(Error::Refused { .. } | Error::Invalid(_)) = worked
            && job.kind == JobKind::SandboxStep
        {
            put_off(app, job).await?;
        } else if let Err(error) = worked {
            // The lease runs out, and the job is worked again.
            tracing::error!(%error, kind = job.kind.as_str(), job_id = %job.id, "a job failed");
        }
    }
    Ok(count)
}

async fn settle(app: App, job: Job) {
    if let Err(error) = label_purchases::settle(&app, &job).await {
        tracing::error!(%error, kind = job.kind.as_str(), job_id = %job.id, "a job failed");
    }
}

/// Has a step that the rules refuse now tried again later.
async fn put_off(app: &App, job: Job) -> Result<()> {
    app.act(&Call::system(SystemActor::Jobs), job, |tx, _, job| {
        Box::pin(async move {
            match jobs::job_done(tx, job.id, job.lease_token).await? {
                true => simulation::put_off(tx, due(job)).await,
                false => Ok(()),
            }
        })
    })
    .await
}

fn due(job: &Job) -> Due {
    Due { kind: job.kind, clinic_id: job.clinic_id, subject_id: job.subject_id, due_at: job.due_at }
}

/// Does a job and is done with it, in one transaction, by the clock of its clinic.
async fn work_leased(tx: &mut Tx, cx: &Cx, job: &Job) -> Result<()> {
    if !jobs::job_done(tx, job.id, job.lease_token).await? {
        return Ok(());
    }
    let cx = &cx.of_clinic(tx, job.clinic_id).await?;
    work(tx, cx, due(job)).await
}

/// Does what is due by business time.
pub(crate) async fn work(tx: &mut Tx, cx: &Cx, due: Due) -> Result<()> {
    match due.kind {
        JobKind::PrescriptionExpire | JobKind::RefillDue => {
            prescription_day(tx, cx, due.kind, PrescriptionId(due.subject_id)).await
        }
        JobKind::SandboxStep => simulation::step_due(tx, cx, due.clinic_id, OrderId(due.subject_id)).await,
        JobKind::LicenseHold => licenses::try_order(tx, cx, due.clinic_id, OrderId(due.subject_id)).await,
        JobKind::OnboardingCall
        | JobKind::LabelPurchase
        | JobKind::WebhookReplay
        | JobKind::Retention
        | JobKind::Notices => {
            Err(Error::Internal("what waits for something outside is not due by business time"))
        }
    }
}

/// Does what a prescription's day brings.
async fn prescription_day(tx: &mut Tx, cx: &Cx, kind: JobKind, id: PrescriptionId) -> Result<()> {
    let found = prescriptions::prescription_get_any(tx, id).await?;
    let Some(prescription) = found else { return Ok(()) };
    let mut changes = Changes::default();
    match kind {
        JobKind::PrescriptionExpire => {
            let standing =
                matches!(prescription.status, PrescriptionStatus::Active | PrescriptionStatus::OnHold);
            if !standing || cx.today <= prescription.expires_on {
                return Ok(());
            }
            let act = PrescriptionAct::Expire;
            let (moved, transition, event) = change_status(&prescription, act, None, cx.by(), None, cx.now)?;
            prescriptions::prescription_update(tx, &moved).await?;
            changes.history.push(transition);
            changes.events.push(event);
        }
        _ => {
            let open = refills::refill_open(tx, prescription.clinic_id, prescription.id).await?;
            let refillable = prescription.status == PrescriptionStatus::Active
                && prescription.refills_remaining() > 0
                && !prescription.do_not_refill;
            if refillable && open.is_none() {
                let status = Some(prescription.status);
                changes.events.push(prescription.event(PrescriptionChange::RefillDue, status, None, cx.now));
            }
        }
    }
    changes.write(tx, cx).await
}

/// Tells the robot of a new practitioner. The call is made outside any transaction, and made again if it fails.
async fn onboard(app: &App, job: Job, robot: Option<&OnboardingClient>) -> Result<()> {
    let id = PractitionerId(job.subject_id);
    let found = app
        .db()
        .read(move |tx| {
            Box::pin(async move { Ok::<_, Error>(practitioners::practitioner_get_any(tx, id).await?) })
        })
        .await?;
    let waiting = found.filter(|found| found.status == PractitionerStatus::Pending);
    let told = match (waiting, robot) {
        (Some(practitioner), Some(robot)) => robot.announce(&practitioner, wall()).await,
        _ => Ok(()),
    };
    if let Err(error) = &told {
        tracing::warn!(%error, practitioner_id = %id, "the onboarding robot was not reached");
    }
    let done = told.is_ok();
    app.db()
        .write(move |tx| {
            Box::pin(async move {
                if done {
                    jobs::job_done(tx, job.id, job.lease_token).await?;
                } else {
                    let doubled = FIRST_RETRY_SECONDS << job.attempts.clamp(0, 11);
                    let due = wall().plus_seconds(doubled.min(LONGEST_RETRY_SECONDS));
                    jobs::job_retry(tx, job.id, job.lease_token, due).await?;
                }
                Ok::<_, Error>(())
            })
        })
        .await
}
