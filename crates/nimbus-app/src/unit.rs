//! One unit of work: the job of a use case, its idempotency and its stored reply, in one transaction.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use nimbus_core::{
    access::{By, Environment, SystemActor},
    ids::ClinicId,
    order::Act,
    time::{Date, Ts},
};
use nimbus_store::{
    BoxFuture, Error as StoreError, Tx,
    audit::{AuditEntry, audit_append, audit_statements},
    fault::{self, Point},
    idempotency::{self, Answer},
    keyring::PLATFORM,
    tenants,
};
use nimbus_webhooks::handover::Fresh;
use uuid::Uuid;

#[cfg(debug_assertions)]
use crate::on_record;
use crate::{
    App,
    actor::{Actor, Call, Idempotency, IfMatch},
    clock::wall,
    error::{Error, Result},
    group::Member,
};

/// Replies with an `Idempotency-Key` are kept this long.
pub(crate) const IDEMPOTENCY_HOURS: i64 = 24;

/// A change that waits for something outside has so long from its claim of an idempotency key. If its process dies,
/// the key is free again after that.
const CLAIM_SECONDS: i64 = 60;

/// A reply as its surface wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub status: u16,
    pub body: Vec<u8>,
    /// The path of a resource that was made, for the `Location` header. It holds ids alone.
    pub location: Option<String>,
    /// The stored version of the resource in the body, for the `ETag` of a change. It is not stored with the reply.
    pub version: Option<i64>,
}

impl Rendered {
    pub fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, body, location: None, version: None }
    }

    /// Says where the resource is that was made.
    pub fn at(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }

    /// Says which version of its resource this is.
    pub fn of_version(self, version: i64) -> Self {
        Self { version: Some(version), ..self }
    }
}

/// What a write answers: its own rendered reply, or the stored one of the same request before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub rendered: Rendered,
    pub replayed: bool,
}

/// What [`App::prepare`] found.
pub(crate) enum Prepared<T> {
    /// The request is new, and this is what its job answered.
    Begun(T),
    /// The same request was answered before.
    Answered(Reply),
}

/// How a surface writes the outcome of a use case. Pure, so that it can run inside the transaction.
pub type Render<T> = fn(&T) -> Rendered;

/// The body of a use case, run inside the transaction. It may run more than once.
pub(crate) type Job<C, T> = for<'a> fn(&'a mut Tx, &'a Cx, &'a C) -> BoxFuture<'a, Result<T>>;

/// The body of a use case that several requests share, run inside their transaction: the outcome of each, in order.
/// The `Cx` is that of the first.
pub(crate) type GroupJob<C, T> =
    for<'a> fn(&'a mut Tx, &'a Cx, &'a Vec<Member<C>>) -> BoxFuture<'a, Result<Vec<Result<T>>>>;

/// What a job knows besides its command.
#[derive(Clone)]
pub(crate) struct Cx {
    pub(crate) app: App,
    pub(crate) call: Call,
    /// Business time of the deployment, before any clinic's own clock.
    pub(crate) base: Ts,
    /// Business time of the caller's clinic; the deployment's where staff or a machine calls.
    pub(crate) now: Ts,
    /// Wall time.
    pub(crate) wall: Ts,
    /// The day of `now` in the pharmacy's time zone.
    pub(crate) today: Date,
    after_commit: Arc<AfterCommit>,
    /// What the call is about: the first record that it puts on record.
    subject: Arc<Mutex<Option<Subject>>>,
}

/// A record by the audit log's word for its kind, and its id.
pub(crate) type Subject = (&'static str, Uuid);

/// What the dispatcher, and who waits for events, are told when a job is committed.
#[derive(Default)]
struct AfterCommit {
    /// Something is due that anybody may send.
    is_due: AtomicBool,
    /// Events were written.
    has_news: AtomicBool,
    fresh: Mutex<Vec<Fresh>>,
}

impl AfterCommit {
    fn lock(&self) -> MutexGuard<'_, Vec<Fresh>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cx {
    pub(crate) fn new(app: &App, call: &Call) -> Self {
        let base = app.clock().now();
        let now = base.plus_micros(call.actor.clock_ahead_us());
        let today = now.date_in(&app.config().pharmacy_zone);
        Self {
            app: app.clone(),
            call: call.clone(),
            base,
            now,
            wall: wall(),
            today,
            after_commit: Arc::default(),
            subject: Arc::default(),
        }
    }

    /// This job by a clock that is so far ahead of the deployment's.
    pub(crate) fn ahead(&self, ahead_us: i64) -> Self {
        let now = self.base.plus_micros(ahead_us);
        Self { now, today: now.date_in(&self.app.config().pharmacy_zone), ..self.clone() }
    }

    /// This job as another caller's of the same transaction.
    pub(crate) fn of_call(&self, call: &Call) -> Self {
        Self { call: call.clone(), subject: Arc::default(), ..self.clone() }
    }

    /// This job by the clock of the clinic whose matter it turned out to be. Production has one clock.
    pub(crate) async fn of_clinic(&self, tx: &mut Tx, clinic: ClinicId) -> Result<Self> {
        let own = matches!(&self.call.actor, Actor::Partner(partner) if partner.clinic_id == clinic);
        if own || self.app.environment() == Environment::Production {
            return Ok(self.clone());
        }
        Ok(self.ahead(tenants::clinic_clock(tx, clinic).await?))
    }

    /// This job as the platform's own act.
    pub(crate) fn as_system(&self, actor: SystemActor) -> Self {
        let call = Call { actor: Actor::System(actor), ..self.call.clone() };
        Self { call, ..self.clone() }
    }

    /// Has the dispatcher woken once this is committed: something is due now.
    pub(crate) fn wake_dispatcher(&self) {
        self.after_commit.is_due.store(true, Ordering::Relaxed);
    }

    /// Has deliveries that this process is to send handed over once this is committed.
    pub(crate) fn hand_over(&self, fresh: Vec<Fresh>) {
        self.after_commit.lock().extend(fresh);
    }

    /// Has those who wait for events woken once this is committed.
    pub(crate) fn has_news(&self) {
        self.after_commit.has_news.store(true, Ordering::Relaxed);
    }

    /// What the call is about, so far.
    pub(crate) fn subject(&self) -> MutexGuard<'_, Option<Subject>> {
        self.subject.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job runs, perhaps again: what it said before was not committed.
    fn begin(&self) {
        *self.subject() = None;
        self.after_commit.is_due.store(false, Ordering::Relaxed);
        self.after_commit.has_news.store(false, Ordering::Relaxed);
        self.after_commit.lock().clear();
    }

    fn committed(&self) {
        let handover = self.app.handover();
        handover.give(std::mem::take(&mut *self.after_commit.lock()));
        if self.after_commit.is_due.load(Ordering::Relaxed) {
            handover.ring();
        }
        if self.after_commit.has_news.load(Ordering::Relaxed) {
            self.app.news().tell();
        }
    }

    /// Refuses a change that is meant for another version than the one that this transaction has read.
    pub(crate) fn must_match(&self, version: i64) -> Result<()> {
        match &self.call.if_match {
            Some(IfMatch::Versions(versions)) if !versions.contains(&version) => {
                Err(Error::PreconditionFailed)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn by(&self) -> By {
        self.call.actor.by()
    }

    /// This call acting on an order.
    pub(crate) fn act(&self, reason: Option<String>, note: Option<String>) -> Act {
        Act { now: self.now, today: self.today, by: self.by(), reason, note, new_id: Uuid::now_v7 }
    }
}

impl App {
    /// Runs a job in one transaction with its idempotency key and stored reply; when this returns, the outcome
    /// is on disk.
    pub(crate) async fn write<C, T>(
        &self,
        call: &Call,
        command: C,
        render: Render<T>,
        job: Job<C, T>,
    ) -> Result<Reply>
    where
        C: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        self.commit(call, command, move |tx, cx, command| {
            Box::pin(async move {
                if let Some(reply) = claim(tx, cx, IDEMPOTENCY_HOURS * 3600).await? {
                    return Ok(reply);
                }
                let rendered = render(&job(tx, cx, command).await?);
                complete(tx, cx, &rendered).await?;
                Ok(Reply { rendered, replayed: false })
            })
        })
        .await
    }

    /// As [`App::write`], of a job that may refuse and have what it wrote stay: its inner error. The key is free then,
    /// as after any refusal.
    pub(crate) async fn write_or_refuse<C, T>(
        &self,
        call: &Call,
        command: C,
        render: Render<T>,
        job: Job<C, Result<T>>,
    ) -> Result<Reply>
    where
        C: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let written = self.commit(call, command, move |tx, cx, command| {
            Box::pin(async move {
                if let Some(reply) = claim(tx, cx, IDEMPOTENCY_HOURS * 3600).await? {
                    return Ok(Ok(reply));
                }
                match job(tx, cx, command).await? {
                    Ok(outcome) => {
                        let rendered = render(&outcome);
                        complete(tx, cx, &rendered).await?;
                        Ok(Ok(Reply { rendered, replayed: false }))
                    }
                    Err(refusal) => release(tx, cx).await.map(|()| Err(refusal)),
                }
            })
        });
        written.await?
    }

    /// The first half of a change that waits for something outside the database: claims the idempotency key and
    /// runs the job, in a transaction of its own, so that none is open while it waits. Until [`App::conclude`], or
    /// for [`CLAIM_SECONDS`], a repeat is told that the request is still running.
    pub(crate) async fn prepare<C, T>(&self, call: &Call, command: C, job: Job<C, T>) -> Result<Prepared<T>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.commit(call, command, move |tx, cx, command| {
            Box::pin(async move {
                if let Some(reply) = claim(tx, cx, CLAIM_SECONDS).await? {
                    return Ok(Prepared::Answered(reply));
                }
                job(tx, cx, command).await.map(Prepared::Begun)
            })
        })
        .await
    }

    /// As [`App::prepare`], of a job that may refuse and have what it wrote stay: see [`App::write_or_refuse`].
    pub(crate) async fn prepare_or_refuse<C, T>(
        &self,
        call: &Call,
        command: C,
        job: Job<C, Result<T>>,
    ) -> Result<Prepared<T>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        let prepared = self.commit(call, command, move |tx, cx, command| {
            Box::pin(async move {
                if let Some(reply) = claim(tx, cx, CLAIM_SECONDS).await? {
                    return Ok(Ok(Prepared::Answered(reply)));
                }
                match job(tx, cx, command).await? {
                    Ok(begun) => Ok(Ok(Prepared::Begun(begun))),
                    Err(refusal) => release(tx, cx).await.map(|()| Err(refusal)),
                }
            })
        });
        prepared.await?
    }

    /// The second half: writes what came of it, and the reply under the claimed key.
    pub(crate) async fn conclude<T>(
        &self,
        call: &Call,
        outcome: T,
        render: Render<T>,
        job: Job<T, ()>,
    ) -> Result<Reply>
    where
        T: Send + Sync + 'static,
    {
        self.commit(call, outcome, move |tx, cx, outcome| {
            Box::pin(async move {
                job(tx, cx, outcome).await?;
                keep_reply(tx, cx, render(outcome)).await
            })
        })
        .await
    }

    /// As [`App::conclude`], where the job itself makes the outcome.
    pub(crate) async fn finish<C, T>(
        &self,
        call: &Call,
        command: C,
        render: Render<T>,
        job: Job<C, T>,
    ) -> Result<Reply>
    where
        C: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        self.commit(call, command, move |tx, cx, command| {
            Box::pin(async move {
                let outcome = job(tx, cx, command).await?;
                keep_reply(tx, cx, render(&outcome)).await
            })
        })
        .await
    }

    /// A write of the platform itself, which no surface renders.
    pub(crate) async fn act<C, T>(&self, call: &Call, command: C, job: Job<C, T>) -> Result<T>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.commit(call, command, job).await
    }

    /// A step of an act that another transaction of the same call puts on record.
    pub(crate) async fn go_on<C, T>(&self, call: &Call, command: C, job: Job<C, T>) -> Result<T>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.in_one_transaction(call, command, job).await
    }

    /// Several requests in one transaction; each has its own outcome.
    pub(crate) async fn act_together<C, T>(
        &self,
        members: Vec<Member<C>>,
        job: GroupJob<C, T>,
    ) -> Result<Vec<Result<T>>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        let Some(first) = members.first().map(|member| member.call.clone()) else { return Ok(Vec::new()) };
        self.commit(&first, members, move |tx, cx, members| job(tx, cx, members)).await
    }

    /// One transaction, in which nothing is changed without a row in the audit log.
    async fn commit<C, T, J>(&self, call: &Call, command: C, job: J) -> Result<T>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        J: for<'a> Fn(&'a mut Tx, &'a Cx, &'a C) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
    {
        #[cfg(debug_assertions)]
        let job = on_record::held(job);
        self.in_one_transaction(call, command, job).await
    }

    /// One transaction, after which the dispatcher is woken if the job has asked for it.
    async fn in_one_transaction<C, T, J>(&self, call: &Call, command: C, job: J) -> Result<T>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        J: for<'a> Fn(&'a mut Tx, &'a Cx, &'a C) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
    {
        let unit = Arc::new((Cx::new(self, call), command, job));
        let (begun, faults) = (Arc::clone(&unit), fault::here());
        fault::point(Point::Publish).await?;
        let outcome = self.db().write(move |tx| {
            let (unit, faults) = (Arc::clone(&begun), faults.clone());
            Box::pin(async move {
                let (cx, command, job) = &*unit;
                cx.begin();
                let outcome = job(tx, cx, command).await?;
                faults.inside(Point::PublishCommit)?;
                Ok::<_, Error>(outcome)
            })
        });
        let outcome = self.told(call, outcome.await).await?;
        fault::point(Point::Published).await?;
        unit.0.committed();
        fault::point(Point::HandedOver).await?;
        Ok(outcome)
    }

    /// Runs a read, and then writes its audit rows: nobody sees patient data before it is on record.
    pub(crate) async fn read<C, T>(
        &self,
        call: &Call,
        command: C,
        job: Job<C, (T, Vec<AuditEntry>)>,
    ) -> Result<T>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        let found = self.db().read(reading(self, call, command, job)).await;
        self.recorded(call, self.told(call, found).await?).await
    }

    /// As [`App::read`], of one record by its key: see [`nimbus_store::Db::look_up`].
    pub(crate) async fn look_up<C, T>(
        &self,
        call: &Call,
        command: C,
        job: Job<C, (T, Vec<AuditEntry>)>,
    ) -> Result<T>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        let found = self.db().look_up(reading(self, call, command, job)).await;
        self.recorded(call, self.told(call, found).await?).await
    }

    /// Puts on record that a call met a value that was altered, which is why it fails.
    async fn told<T>(&self, call: &Call, result: Result<T>) -> Result<T> {
        if let Err(Error::Store(error)) = &result
            && let Some(place) = error.unreadable()
        {
            audit_append(self.db(), &[Cx::new(self, call).audit_unreadable(place)]).await?;
        }
        result
    }

    async fn recorded<T>(&self, call: &Call, (found, mut entries): (T, Vec<AuditEntry>)) -> Result<T> {
        if let Some(glass) = call.glass() {
            let is_beyond =
                |entry: &AuditEntry| glass.clinic_id.is_some() && entry.clinic_id != glass.clinic_id;
            if entries.iter().any(is_beyond) {
                return Err(Error::Forbidden);
            }
            let id = Some(glass.id.0);
            entries.push(Cx::new(self, call).audit(glass.clinic_id, "break_glass.use", "break_glass", id));
            entries.iter_mut().for_each(|entry| entry.reason = Some(glass.reason.clone()));
        }
        audit_append(self.db(), &entries).await?;
        Ok(found)
    }
}

/// Stores the reply under a key that was claimed for a while only, and keeps it as long as others.
async fn keep_reply(tx: &mut Tx, cx: &Cx, rendered: Rendered) -> Result<Reply> {
    complete(tx, cx, &rendered).await?;
    if let Some(Idempotency { key, .. }) = &cx.call.idempotency {
        let (owner, _) = cx.call.idempotency_owner();
        let expires = cx.wall.plus_seconds(IDEMPOTENCY_HOURS * 3600);
        idempotency::idempotency_keep(tx, owner, key, expires).await?;
    }
    Ok(Reply { rendered, replayed: false })
}

/// Stores the reply under the key that was claimed, if the call has one.
async fn complete(tx: &mut Tx, cx: &Cx, rendered: &Rendered) -> Result<()> {
    let Some(Idempotency { key, .. }) = &cx.call.idempotency else { return Ok(()) };
    let (owner, clinic) = cx.call.idempotency_owner();
    let answer = Answer {
        status: rendered.status,
        reply: &rendered.body,
        location: rendered.location.as_deref(),
        subject: *cx.subject(),
    };
    Ok(idempotency::idempotency_complete(tx, owner, key, clinic, answer).await?)
}

/// Gives up the call's claim: a repeat is decided anew.
async fn release(tx: &mut Tx, cx: &Cx) -> Result<()> {
    let Some(Idempotency { key, fingerprint }) = &cx.call.idempotency else { return Ok(()) };
    let (owner, _) = cx.call.idempotency_owner();
    Ok(idempotency::idempotency_release(tx, owner, key, fingerprint).await?)
}

/// A claim that waited too long waited for the request that holds the key.
fn still_running(error: StoreError) -> Error {
    match error {
        StoreError::Busy => Error::IdempotencyInUse,
        other => other.into(),
    }
}

/// A read as the store runs it.
fn reading<C, T>(
    app: &App,
    call: &Call,
    command: C,
    job: Job<C, (T, Vec<AuditEntry>)>,
) -> impl for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<(T, Vec<AuditEntry>)>> + Send + Sync + 'static
where
    C: Send + Sync + 'static,
    T: Send + 'static,
{
    let (cx, command) = (Arc::new(Cx::new(app, call)), Arc::new(command));
    move |tx| {
        let (cx, command) = (Arc::clone(&cx), Arc::clone(&command));
        Box::pin(async move {
            let (found, mut entries) = job(tx, &cx, &command).await?;
            entries.extend(tx.take_unreadable().into_iter().map(|place| cx.audit_unreadable(place)));
            Ok((found, entries))
        })
    }
}

/// Claims the call's idempotency key, if it has one, for so many seconds, or answers what was answered before, which
/// may hold patient data and is put on record. A second request with the same key waits here for the first to commit
/// or roll back.
async fn claim(tx: &mut Tx, cx: &Cx, seconds: i64) -> Result<Option<Reply>> {
    let Some(Idempotency { key, fingerprint }) = &cx.call.idempotency else { return Ok(None) };
    let (owner, clinic) = cx.call.idempotency_owner();
    let expires = cx.wall.plus_seconds(seconds);
    let claimed = idempotency::idempotency_claim(tx, owner, key, clinic, fingerprint, cx.wall, expires).await;
    if claimed.map_err(still_running)? {
        return Ok(None);
    }
    let stored = idempotency::idempotency_get(tx, owner, key, clinic, cx.wall).await?;
    match stored {
        Some(stored) if stored.fingerprint == *fingerprint => {
            let of_clinic = Some(clinic).filter(|clinic| *clinic != PLATFORM);
            let mut audit = cx.audit(of_clinic, "idempotency.replay", "reply", None);
            if let Some((subject, id)) = stored.subject {
                audit = AuditEntry { subject: subject.into(), subject_id: Some(id), ..audit };
            }
            audit_statements(&[audit]).into_iter().for_each(|statement| tx.at_commit(statement));
            let rendered =
                Rendered { location: stored.location, ..Rendered::new(stored.status, stored.reply) };
            Ok(Some(Reply { rendered, replayed: true }))
        }
        Some(_) => Err(Error::IdempotencyConflict),
        None => Err(Error::IdempotencyInUse),
    }
}
