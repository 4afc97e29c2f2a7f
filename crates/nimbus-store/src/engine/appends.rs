//! Rows that stand alone, written together: while one commit is on its way the rows of other callers gather, and the
//! next commit takes them all.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, task::yield_now, time::timeout};

use super::{
    Db,
    tx::{BATCH_MAX, Statement},
};
use crate::error::{Error, Result};

/// Callers that may wait at once.
const WAITING_MAX: usize = 4096;

/// A commit may take so long: more than a connection needs to become free and the engine gives a statement. One that
/// takes longer has lost its connection, and must not hold up those that wait.
const COMMIT_LIMIT: Duration = Duration::from_secs(40);

/// What waits for the next commit.
pub(super) struct Appends {
    state: Mutex<State>,
    /// [`COMMIT_LIMIT`], but in tests.
    limit: Duration,
}

impl Default for Appends {
    fn default() -> Self {
        Self { state: Mutex::default(), limit: COMMIT_LIMIT }
    }
}

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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// As [`Db::write`], of these rows alone; `Busy` if too many callers wait; `Unavailable` if the commit was not
    /// answered, and then it may still be made; `Job` for more statements than a batch may have.
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
        // Whoever is ready to run goes first, and may have rows for the same commit.
        yield_now().await;
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
    let written = db.write(move |tx| {
        let statements = Arc::clone(&statements);
        Box::pin(async move { tx.batch_of(&statements).await.map(drop) })
    });
    let late = |_| Err(Error::unavailable(std::io::Error::from(std::io::ErrorKind::TimedOut)));
    timeout(db.0.appends.limit, written).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{
        Engine, Tx,
        testing::{TestDb, block_on},
    };

    fn row(id: i64) -> Vec<Statement> {
        vec![Statement::new("insert into probe (id) values ($1)", vec![id.into()])]
    }

    #[test]
    fn a_commit_that_does_not_come_holds_nobody_up() {
        block_on(async {
            let mut test = TestDb::empty(Engine::Postgres).await;
            let inner = Arc::get_mut(&mut test.db.0).expect("nobody else has it open");
            inner.appends.limit = Duration::from_millis(500);
            let db = &test.db;
            let table = "create table probe (id bigint primary key)";
            db.write(move |tx: &mut Tx| Box::pin(async move { tx.execute(table, &[]).await })).await.unwrap();
            let (holder, begun) = (db.clone(), Instant::now());
            let holding = tokio::spawn(async move {
                let held = holder.write(|tx: &mut Tx| {
                    Box::pin(async move {
                        tx.batch(row(1)).await?;
                        tx.query("select cast(pg_sleep(3) as text)", &[]).await?;
                        // It is rolled back, so that who waits for the row gets it.
                        Err::<(), _>(Error::Corrupt("on purpose"))
                    })
                });
                held.await
            });
            tokio::time::sleep(Duration::from_millis(200)).await;
            let (stuck, next) = tokio::join!(db.append(row(1)), async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                db.append(row(2)).await
            });
            assert!(matches!(stuck, Err(Error::Unavailable(_))), "{stuck:?}");
            next.unwrap();
            assert!(begun.elapsed() < Duration::from_secs(3), "another connection took the next ones");
            assert!(matches!(holding.await.unwrap(), Err(Error::Corrupt(_))));
        });
    }
}
