//! Timed work: at most one job of a kind for a subject, leased to the worker that does it.

use nimbus_core::{
    ids::{ClinicId, JobId},
    time::Ts,
    words,
};
use uuid::Uuid;

use crate::{
    engine::{Engine, Row, Statement, Tx, Value},
    error::{Error, Result},
    keyring::PLATFORM,
    rows::word,
};

words! {
    /// What is to be done.
    pub enum JobKind {
        /// A prescription reaches its last day; the subject is the prescription.
        PrescriptionExpire = "prescription_expire",
        /// A refill becomes eligible; the subject is the prescription.
        RefillDue = "refill_due",
        /// The onboarding robot is told of a practitioner; the subject is the practitioner.
        OnboardingCall = "onboarding_call",
        /// A label that is being bought or given back is looked after; the subject is the purchase.
        LabelPurchase = "label_purchase",
        /// The simulated pharmacy of a sandbox does the next thing to an order; the subject is the order.
        SandboxStep = "sandbox_step",
        /// Deliveries are sent again, so many a second; the subject is the replay.
        WebhookReplay = "webhook_replay",
        /// A new licence may let an order go on that the licence gate holds; the subject is the order.
        LicenseHold = "license_hold",
        /// What is past its age is let go of; the subject is nothing, since there is one for all.
        Retention = "retention",
        /// Keys and agreements that end soon are told of; there is one for all.
        Notices = "notices",
    }
}

impl JobKind {
    /// Whether it is due by its clinic's business time. The others wait for something outside, by wall time.
    pub const fn is_of_business_time(self) -> bool {
        match self {
            Self::PrescriptionExpire | Self::RefillDue | Self::SandboxStep | Self::LicenseHold => true,
            Self::OnboardingCall
            | Self::LabelPurchase
            | Self::WebhookReplay
            | Self::Retention
            | Self::Notices => false,
        }
    }
}

/// A job to be scheduled, or one that was taken out to be done in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub kind: JobKind,
    pub clinic_id: ClinicId,
    pub subject_id: Uuid,
    /// Business time.
    pub due_at: Ts,
}

/// A job that the caller holds the lease of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub kind: JobKind,
    pub clinic_id: ClinicId,
    pub subject_id: Uuid,
    /// Business time.
    pub due_at: Ts,
    /// How often it was taken up since it was scheduled, this time included.
    pub attempts: i64,
    pub lease_token: Uuid,
}

fn read(row: &Row) -> Result<Job> {
    let mut columns = row.columns();
    Ok(Job {
        id: columns.take()?,
        kind: word(&columns.take::<String>()?, JobKind::parse, "jobs.kind")?,
        clinic_id: columns.take()?,
        subject_id: columns.take()?,
        due_at: columns.take()?,
        attempts: columns.take()?,
        lease_token: columns.take::<Option<Uuid>>()?.ok_or(Error::Corrupt("jobs.lease_token"))?,
    })
}

/// Schedules a job. One of this kind and subject is moved and begins anew: who holds its lease loses it.
pub async fn job_schedule(
    tx: &mut Tx,
    kind: JobKind,
    clinic: ClinicId,
    subject: Uuid,
    due_at: Ts,
    now: Ts,
) -> Result<()> {
    let due = Due { kind, clinic_id: clinic, subject_id: subject, due_at };
    tx.execute(SCHEDULE, &schedule_args(due, now)).await?;
    Ok(())
}

/// As [`job_schedule`], many in one round trip.
pub async fn jobs_schedule(tx: &mut Tx, jobs: &[Due], now: Ts) -> Result<()> {
    let schedule = |due: &Due| Statement::new(SCHEDULE, schedule_args(*due, now).to_vec());
    tx.batch(jobs.iter().map(schedule).collect()).await?;
    Ok(())
}

/// Schedules a job of the whole platform, unless there is one.
pub async fn job_ensure(tx: &mut Tx, kind: JobKind, due_at: Ts, now: Ts) -> Result<()> {
    let sql = "insert into jobs (id, kind, clinic_id, subject_id, due_at, attempts, created_at)
        values ($1, $2, $3, $4, $5, 0, $6)
        on conflict (kind, subject_id) do nothing";
    let due = Due { kind, clinic_id: PLATFORM, subject_id: Uuid::nil(), due_at };
    tx.execute(sql, &schedule_args(due, now)).await.map(drop)
}

const SCHEDULE: &str = "insert into jobs (id, kind, clinic_id, subject_id, due_at, attempts, created_at)
    values ($1, $2, $3, $4, $5, 0, $6)
    on conflict (kind, subject_id) do update
    set clinic_id = excluded.clinic_id, due_at = excluded.due_at, attempts = 0, lease_token = null,
        lease_until = null";

fn schedule_args(due: Due, now: Ts) -> [Value; 6] {
    let id = JobId(Uuid::now_v7());
    let Due { kind, clinic_id, subject_id, due_at } = due;
    [id.into(), kind.as_str().into(), clinic_id.into(), subject_id.into(), due_at.into(), now.into()]
}

/// Whether there was one.
pub async fn job_cancel(tx: &mut Tx, kind: JobKind, subject: Uuid) -> Result<bool> {
    let sql = "delete from jobs where kind = $1 and subject_id = $2";
    Ok(tx.execute(sql, &[kind.as_str().into(), subject.into()]).await? == 1)
}

/// Workers on PostgreSQL pass by the rows that another one is taking; SQLite has one writer.
macro_rules! claim {
    ($tail:literal) => {
        concat!(
            "with due as materialized (
                select id from jobs
                where due_at <= $1 and (lease_until is null or lease_until < $2)
                order by due_at, id limit $5",
            $tail,
            ")
            update jobs set lease_token = $4, lease_until = $3, attempts = attempts + 1
            from due where jobs.id = due.id
            returning jobs.id, jobs.kind, jobs.clinic_id, jobs.subject_id, jobs.due_at, jobs.attempts,
                jobs.lease_token"
        )
    };
}

/// As `claim`, of clinics whose clock is ahead of the deployment's: due by their own, and only what goes by it. The
/// index of those few clinics leads to the jobs of each.
macro_rules! claim_ahead {
    ($due:literal, $tail:literal) => {
        concat!(
            "with due as materialized (
                select j.id from clinics c
                join jobs j on j.clinic_id = c.id
                where c.clock_ahead_us > 0 and j.due_at <= ",
            $due,
            "   and coalesce($6 like ('% ' || j.kind || ' %'), false)
                    and (j.lease_until is null or j.lease_until < $2)
                order by j.due_at, j.id limit $5",
            $tail,
            ")
            update jobs set lease_token = $4, lease_until = $3, attempts = attempts + 1
            from due where jobs.id = due.id
            returning jobs.id, jobs.kind, jobs.clinic_id, jobs.subject_id, jobs.due_at, jobs.attempts,
                jobs.lease_token"
        )
    };
}

/// The kinds that go by business time, for `like`.
fn business_kinds() -> Value {
    let kinds = JobKind::ALL.iter().filter(|kind| kind.is_of_business_time()).map(|kind| kind.as_str());
    format!(" {} ", kinds.collect::<Vec<_>>().join(" ")).into()
}

/// Leases jobs of clinics whose own clock is ahead, as [`jobs_claim`] does. `due` is the deployment's business time.
pub async fn jobs_claim_ahead(
    tx: &mut Tx,
    due: Ts,
    now: Ts,
    lease_until: Ts,
    token: Uuid,
    limit: u32,
) -> Result<Vec<Job>> {
    let sql = match tx.engine() {
        Engine::Sqlite => claim_ahead!("$1 + c.clock_ahead_us", ""),
        Engine::Postgres => {
            claim_ahead!(
                "cast($1 as timestamptz) + c.clock_ahead_us * interval '1 microsecond'",
                " for update of j skip locked"
            )
        }
    };
    let args = [due.into(), now.into(), lease_until.into(), token.into(), limit.into(), business_kinds()];
    let mut jobs = tx.query(sql, &args).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
    jobs.sort_by_key(|job| (job.due_at, job.id));
    Ok(jobs)
}

/// Takes the job of a clinic that is due first by business time, until an instant, whoever has leased it: its worker
/// then finds it gone. The caller does it in this transaction. `None` if there is none.
pub async fn job_take(tx: &mut Tx, clinic: ClinicId, until: Ts) -> Result<Option<Due>> {
    let first = "select id from jobs
        where clinic_id = $1 and due_at <= $2 and coalesce($3 like ('% ' || kind || ' %'), false)
        order by due_at, id limit 1";
    let take = "delete from jobs where id = $1 returning kind, clinic_id, subject_id, due_at";
    // A worker that ends the same job meanwhile leaves nothing to take: then the next is first.
    while let Some(row) = tx.query_opt(first, &[clinic.into(), until.into(), business_kinds()]).await? {
        let id: JobId = row.columns().take()?;
        let Some(row) = tx.query_opt(take, &[id.into()]).await? else { continue };
        let mut columns = row.columns();
        return Ok(Some(Due {
            kind: word(&columns.take::<String>()?, JobKind::parse, "jobs.kind")?,
            clinic_id: columns.take()?,
            subject_id: columns.take()?,
            due_at: columns.take()?,
        }));
    }
    Ok(None)
}

/// Leases jobs, the longest due first, at most `limit`. `due` is business time; `now` and `lease_until` are
/// wall time.
pub async fn jobs_claim(
    tx: &mut Tx,
    due: Ts,
    now: Ts,
    lease_until: Ts,
    token: Uuid,
    limit: u32,
) -> Result<Vec<Job>> {
    let sql = match tx.engine() {
        Engine::Sqlite => claim!(""),
        Engine::Postgres => claim!(" for update skip locked"),
    };
    let args = [due.into(), now.into(), lease_until.into(), token.into(), limit.into()];
    let mut jobs = tx.query(sql, &args).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
    jobs.sort_by_key(|job| (job.due_at, job.id));
    Ok(jobs)
}

/// Ends a job; false if its lease was lost.
pub async fn job_done(tx: &mut Tx, id: JobId, token: Uuid) -> Result<bool> {
    let sql = "delete from jobs where id = $1 and lease_token = $2";
    Ok(tx.execute(sql, &[id.into(), token.into()]).await? == 1)
}

/// Gives a job back, to be taken up again later; false if its lease was lost.
pub async fn job_retry(tx: &mut Tx, id: JobId, token: Uuid, due_at: Ts) -> Result<bool> {
    let sql = "update jobs set due_at = $3, lease_token = null, lease_until = null
        where id = $1 and lease_token = $2";
    Ok(tx.execute(sql, &[id.into(), token.into(), due_at.into()]).await? == 1)
}

/// Keeps a job for longer; false if its lease was lost.
pub async fn job_renew(tx: &mut Tx, id: JobId, token: Uuid, until: Ts) -> Result<bool> {
    let sql = "update jobs set lease_until = $3 where id = $1 and lease_token = $2";
    Ok(tx.execute(sql, &[id.into(), token.into(), until.into()]).await? == 1)
}
