//! One unit of work: the job of a use case, its idempotency and its stored reply, in one transaction.

use std::sync::{
    Arc,
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
    idempotency,
    keyring::PLATFORM,
    tenants,
};
use uuid::Uuid;

use crate::{
    App,
    actor::{Actor, Call, Idempotency, IfMatch},
    clock::wall,
    error::{Error, Result},
};

/// Replies with an `Idempotency-Key` are kept this long.
const IDEMPOTENCY_HOURS: i64 = 24;

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
    wakes_dispatcher: Arc<AtomicBool>,
}

impl Cx {
    pub(crate) fn new(app: &App, call: &Call) -> Self {
        let base = app.clock().now();
        let now = base.plus_micros(call.actor.clock_ahead_us());
        let today = now.date_in(&app.config().pharmacy_zone);
        let wakes_dispatcher = Arc::default();
        Self { app: app.clone(), call: call.clone(), base, now, wall: wall(), today, wakes_dispatcher }
    }

    /// This job by a clock that is so far ahead of the deployment's.
    pub(crate) fn ahead(&self, ahead_us: i64) -> Self {
        let now = self.base.plus_micros(ahead_us);
        Self { now, today: now.date_in(&self.app.config().pharmacy_zone), ..self.clone() }
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
        self.wakes_dispatcher.store(true, Ordering::Relaxed);
    }

    fn committed(&self) {
        if self.wakes_dispatcher.load(Ordering::Relaxed) {
            self.app.deliveries_written().notify_one();
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

    /// A row for the audit log.
    pub(crate) fn audit(
        &self,
        clinic_id: Option<ClinicId>,
        action: &'static str,
        subject: &'static str,
        subject_id: Option<Uuid>,
    ) -> AuditEntry {
        AuditEntry {
            clinic_id,
            at: self.wall,
            by: self.by(),
            action,
            subject,
            subject_id,
            request_id: Some(self.call.request_id.clone()).filter(|id| !id.is_empty()),
            address: self.call.address.clone(),
            reason: None,
        }
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
        let cx = Arc::new(Cx::new(self, call));
        let (command, committed) = (Arc::new(command), Arc::clone(&cx));
        let reply = self
            .db()
            .write(move |tx| {
                let (cx, command) = (Arc::clone(&cx), Arc::clone(&command));
                Box::pin(async move {
                    let Some(idempotency) = cx.call.idempotency.clone() else {
                        let outcome = job(tx, &cx, &command).await?;
                        return Ok(Reply { rendered: render(&outcome), replayed: false });
                    };
                    let expires = cx.wall.plus_seconds(IDEMPOTENCY_HOURS * 3600);
                    if let Some(reply) = claim(tx, &cx, &idempotency, expires).await? {
                        return Ok(reply);
                    }
                    let outcome = job(tx, &cx, &command).await?;
                    let rendered = render(&outcome);
                    complete(tx, &cx, &idempotency, &rendered).await?;
                    Ok(Reply { rendered, replayed: false })
                })
            })
            .await;
        if reply.is_ok() {
            committed.committed();
        }
        reply
    }

    /// Whether the call's idempotency key has its reply already: a change in more than one transaction does nothing
    /// before it has asked.
    pub(crate) async fn is_answered(&self, call: &Call) -> Result<bool> {
        let cx = Arc::new(Cx::new(self, call));
        let asked = self.db().read(move |tx| {
            let cx = Arc::clone(&cx);
            Box::pin(async move {
                let Some(idempotency) = &cx.call.idempotency else { return Ok(false) };
                let (owner, clinic) = cx.call.idempotency_owner();
                let stored =
                    idempotency::idempotency_get(tx, owner, &idempotency.key, clinic, cx.wall).await?;
                Ok(stored.is_some())
            })
        });
        asked.await
    }

    /// The first half of a change that waits for something outside the database: claims the idempotency key and
    /// runs the job, in a transaction of its own, so that none is open while it waits. Until [`App::conclude`], or
    /// for [`CLAIM_SECONDS`], a repeat is told that the request is still running.
    pub(crate) async fn prepare<C, T>(&self, call: &Call, command: C, job: Job<C, T>) -> Result<Prepared<T>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (cx, command) = (Arc::new(Cx::new(self, call)), Arc::new(command));
        self.db()
            .write(move |tx| {
                let (cx, command) = (Arc::clone(&cx), Arc::clone(&command));
                Box::pin(async move {
                    if let Some(idempotency) = &cx.call.idempotency {
                        let expires = cx.wall.plus_seconds(CLAIM_SECONDS);
                        if let Some(reply) = claim(tx, &cx, idempotency, expires).await? {
                            return Ok(Prepared::Answered(reply));
                        }
                    }
                    job(tx, &cx, &command).await.map(Prepared::Begun)
                })
            })
            .await
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
        let (cx, outcome) = (Arc::new(Cx::new(self, call)), Arc::new(outcome));
        self.db()
            .write(move |tx| {
                let (cx, outcome) = (Arc::clone(&cx), Arc::clone(&outcome));
                Box::pin(async move {
                    job(tx, &cx, &outcome).await?;
                    let rendered = render(&outcome);
                    keep_reply(tx, &cx, &rendered).await?;
                    Ok(Reply { rendered, replayed: false })
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
        let cx = Arc::new(Cx::new(self, call));
        let (command, committed) = (Arc::new(command), Arc::clone(&cx));
        let reply = self
            .db()
            .write(move |tx| {
                let (cx, command) = (Arc::clone(&cx), Arc::clone(&command));
                Box::pin(async move {
                    let outcome = job(tx, &cx, &command).await?;
                    let rendered = render(&outcome);
                    keep_reply(tx, &cx, &rendered).await?;
                    Ok(Reply { rendered, replayed: false })
                })
            })
            .await;
        if reply.is_ok() {
            committed.committed();
        }
        reply
    }

    /// A write of the platform itself, which no surface renders.
    pub(crate) async fn act<C, T>(&self, call: &Call, command: C, job: Job<C, T>) -> Result<T>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
    {
        let cx = Arc::new(Cx::new(self, call));
        let (command, committed) = (Arc::new(command), Arc::clone(&cx));
        let outcome = self
            .db()
            .write(move |tx| {
                let (cx, command) = (Arc::clone(&cx), Arc::clone(&command));
                Box::pin(async move { job(tx, &cx, &command).await })
            })
            .await;
        if outcome.is_ok() {
            committed.committed();
        }
        outcome
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
        let found = self.db().read(reading(self, call, command, job)).await?;
        self.recorded(found).await
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
        let found = self.db().look_up(reading(self, call, command, job)).await?;
        self.recorded(found).await
    }

    async fn recorded<T>(&self, (found, entries): (T, Vec<AuditEntry>)) -> Result<T> {
        audit_append(self.db(), &entries).await?;
        Ok(found)
    }
}

/// Stores the reply under a key that was claimed for a while only, and keeps it as long as others.
async fn keep_reply(tx: &mut Tx, cx: &Cx, rendered: &Rendered) -> Result<()> {
    let Some(idempotency) = &cx.call.idempotency else { return Ok(()) };
    complete(tx, cx, idempotency, rendered).await?;
    let (owner, _) = cx.call.idempotency_owner();
    let expires = cx.wall.plus_seconds(IDEMPOTENCY_HOURS * 3600);
    Ok(idempotency::idempotency_keep(tx, owner, &idempotency.key, expires).await?)
}

/// Stores the reply under the key that was claimed.
async fn complete(tx: &mut Tx, cx: &Cx, idempotency: &Idempotency, rendered: &Rendered) -> Result<()> {
    let (owner, clinic) = cx.call.idempotency_owner();
    let (key, status) = (idempotency.key.as_str(), rendered.status);
    let (body, location) = (rendered.body.as_slice(), rendered.location.as_deref());
    Ok(idempotency::idempotency_complete(tx, owner, key, clinic, status, body, location).await?)
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
    job: Job<C, T>,
) -> impl for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static
where
    C: Send + Sync + 'static,
    T: Send + 'static,
{
    let (cx, command) = (Arc::new(Cx::new(app, call)), Arc::new(command));
    move |tx| {
        let (cx, command) = (Arc::clone(&cx), Arc::clone(&command));
        Box::pin(async move { job(tx, &cx, &command).await })
    }
}

/// Claims an idempotency key for this transaction, or answers what was answered before, which may hold patient data
/// and is put on record. A second request with the same key waits here for the first to commit or roll back.
async fn claim(tx: &mut Tx, cx: &Cx, idempotency: &Idempotency, expires: Ts) -> Result<Option<Reply>> {
    let (owner, clinic) = cx.call.idempotency_owner();
    let (key, fingerprint) = (idempotency.key.as_str(), &idempotency.fingerprint);
    let claimed = idempotency::idempotency_claim(tx, owner, key, clinic, fingerprint, cx.wall, expires).await;
    if claimed.map_err(still_running)? {
        return Ok(None);
    }
    let stored = idempotency::idempotency_get(tx, owner, key, clinic, cx.wall).await?;
    match stored {
        Some(stored) if stored.fingerprint == fingerprint => {
            let of_clinic = Some(clinic).filter(|clinic| *clinic != PLATFORM);
            let audit = cx.audit(of_clinic, "idempotency.replay", "reply", None);
            audit_statements(&[audit]).into_iter().for_each(|statement| tx.at_commit(statement));
            let rendered =
                Rendered { location: stored.location, ..Rendered::new(stored.status, stored.reply) };
            Ok(Some(Reply { rendered, replayed: true }))
        }
        Some(_) => Err(Error::IdempotencyConflict),
        None => Err(Error::IdempotencyInUse),
    }
}
