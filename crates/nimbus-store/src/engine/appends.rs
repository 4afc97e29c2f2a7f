//! Rows that stand alone, written together: while one commit is on its way the rows of other callers gather, and the
//! next commit takes them all.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{
    Db,
    tx::{BATCH_MAX, Statement},
};
use crate::error::{Error, Result};

/// Callers that may wait at once.
const WAITING_MAX: usize = 4096;

/// What waits for the next commit.
#[derive(Default)]
pub(super) struct Appends(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// A task is writing, and will look here again before it ends.
    writing: bool,
}

struct Waiting {
    statements: Vec<Statement>,
    reply: oneshot::Sender<Result<()>>,
}

impl Appends {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a caller; whether somebody must begin to write.
    fn add(&self, waiting: Waiting) -> Result<bool> {
        let mut state = self.lock();
        if state.waiting.len() >= WAITING_MAX {
            return Err(Error::Busy);
        }
        state.waiting.push(waiting);
        Ok(!mem::replace(&mut state.writing, true))
    }

    /// Those for the next commit, first come first, as many as fit into a batch; none if the writing is over.
    fn next(&self) -> Vec<Waiting> {
        let mut state = self.lock();
        let mut statements = 0;
        let fits = |waiting: &&Waiting| {
            statements += waiting.statements.len();
            statements <= BATCH_MAX
        };
        let count = state.waiting.iter().take_while(fits).count();
        let next: Vec<_> = state.waiting.drain(..count).collect();
        state.writing = !next.is_empty();
        next
    }
}

impl Db {
    /// Writes rows that stand alone, in one commit with those of other callers. When this returns `Ok`, they are
    /// durable. If the caller stops waiting, they may still be written.
    ///
    /// # Errors
    /// As [`Db::write`], of these rows alone; `Busy` if too many callers wait; `Job` for more statements than a batch
    /// may have.
    pub async fn append(&self, statements: Vec<Statement>) -> Result<()> {
        if statements.len() > BATCH_MAX {
            return Err(Error::Job("a batch is too long"));
        }
        let (reply, answer) = oneshot::channel();
        if self.0.appends.add(Waiting { statements, reply })? {
            // In a task of its own: who began may stop waiting, and the others still want their answer.
            tokio::spawn(write_all(self.clone()));
        }
        answer.await.unwrap_or_else(|_| Err(Error::closed()))
    }
}

async fn write_all(db: Db) {
    loop {
        let callers = db.0.appends.next();
        if callers.is_empty() {
            return;
        }
        let lengths: Vec<usize> = callers.iter().map(|caller| caller.statements.len()).collect();
        let (statements, replies): (Vec<_>, Vec<_>) =
            callers.into_iter().map(|caller| (caller.statements, caller.reply)).unzip();
        let statements: Arc<[Statement]> = statements.into_iter().flatten().collect();
        let together = write(&db, Arc::clone(&statements)).await;
        let mut rest = &*statements;
        for (reply, length) in replies.into_iter().zip(lengths) {
            let (own, others) = rest.split_at(length);
            rest = others;
            let written = match &together {
                // A row that the engine refuses is its own caller's affair.
                Err(Error::Conflict | Error::Database(_)) if own.len() < statements.len() => {
                    write(&db, own.into()).await
                }
                outcome => outcome.clone(),
            };
            // The caller may have stopped waiting.
            drop(reply.send(written));
        }
    }
}

async fn write(db: &Db, statements: Arc<[Statement]>) -> Result<()> {
    db.write(move |tx| {
        let statements = Arc::clone(&statements);
        Box::pin(async move { tx.batch_of(&statements).await.map(drop) })
    })
    .await
}
