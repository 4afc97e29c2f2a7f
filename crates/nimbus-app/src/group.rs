//! Requests of one kind that are written together: while one transaction is on its way others gather, and the next takes
//! them all. Each is refused or answered by itself.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use nimbus_store::Error as StoreError;
use tokio::{sync::oneshot, task::yield_now};

use crate::{
    App,
    actor::Call,
    error::{Error, Result},
    unit::GroupJob,
};

/// Requests that may wait at once.
const WAITING_MAX: usize = 4096;
/// Requests in one transaction.
const TOGETHER_MAX: usize = 128;

/// What waits for the next transaction.
pub(crate) struct Group<C, T> {
    state: Mutex<State<C, T>>,
}

struct State<C, T> {
    waiting: Vec<Waiting<C, T>>,
    /// A task is writing, and will look here again before it ends.
    writing: bool,
}

struct Waiting<C, T> {
    member: Member<C>,
    reply: oneshot::Sender<Result<T>>,
}

/// One request, and whose it is.
#[derive(Clone)]
pub(crate) struct Member<C> {
    pub(crate) call: Call,
    pub(crate) command: C,
}

impl<C, T> Default for Group<C, T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { waiting: Vec::new(), writing: false }) }
    }
}

impl<C, T> Group<C, T>
where
    C: Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    fn lock(&self) -> MutexGuard<'_, State<C, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request; whether somebody must begin to write.
    fn add(&self, waiting: Waiting<C, T>) -> Result<bool> {
        let mut state = self.lock();
        if state.waiting.len() >= WAITING_MAX {
            return Err(StoreError::Busy.into());
        }
        state.waiting.push(waiting);
        Ok(!mem::replace(&mut state.writing, true))
    }

    /// Those for the next transaction, first come first; none if the writing is over.
    fn next(&self) -> Vec<Waiting<C, T>> {
        let mut state = self.lock();
        let count = state.waiting.len().min(TOGETHER_MAX);
        let next: Vec<_> = state.waiting.drain(..count).collect();
        state.writing = !next.is_empty();
        next
    }

    /// Runs a request in one transaction with others. When this returns, its outcome is on disk. `group` is that of
    /// the application; `job` answers each request in order.
    ///
    /// # Errors
    /// The request's own; if the transaction as a whole fails, each is tried again by itself, unless nobody knows
    /// whether it has.
    pub(crate) async fn run(
        app: &App,
        group: fn(&App) -> &Self,
        call: Call,
        command: C,
        job: GroupJob<C, T>,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        if group(app).add(Waiting { member: Member { call, command }, reply })? {
            // In a task of its own: who began may stop waiting, and the others still want their answer.
            tokio::spawn(write_all(app.clone(), group, job));
        }
        answer.await.unwrap_or(Err(Error::Internal("a group of requests broke off")))
    }
}

async fn write_all<C, T>(app: App, group: fn(&App) -> &Group<C, T>, job: GroupJob<C, T>)
where
    C: Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    loop {
        // Whoever is ready to run goes first, and may have a request for the same transaction.
        yield_now().await;
        let waiting = group(&app).next();
        if waiting.is_empty() {
            return;
        }
        let (members, replies): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.member, waiting.reply)).unzip();
        let together = app.act_together(members.clone(), job).await;
        match together {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    // The caller may have stopped waiting.
                    drop(reply.send(outcome));
                }
            }
            // It may be on disk, and then a second try would write it twice.
            Err(Error::Store(error @ StoreError::Unavailable(_))) => {
                replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone().into()))));
            }
            Err(_) => {
                for (member, reply) in members.into_iter().zip(replies) {
                    let alone = app.act_together(vec![member], job).await;
                    let outcome = alone.and_then(|outcomes| {
                        outcomes
                            .into_iter()
                            .next()
                            .unwrap_or(Err(Error::Internal("a request was not answered")))
                    });
                    drop(reply.send(outcome));
                }
            }
        }
    }
}
