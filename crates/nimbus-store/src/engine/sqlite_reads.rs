//! Reads on SQLite: a few reader threads, look-ups on the callers' own threads, and the time that each may take.

use std::{
    num::NonZero,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    Job,
    sqlite::{Order, Work, control, is_autocommit},
    tx::{Conn, Tx},
};
use crate::error::{Error, JobError, Result};

/// A read may take so long, as a statement may on PostgreSQL.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// A look-up may keep its caller's thread so long; then it goes on as a read does, from the beginning.
const LOOK_UP_LIMIT: Duration = Duration::from_millis(100);
/// Steps of SQLite's virtual machine between two looks at the time: some tens of microseconds.
const STEPS: i32 = 4000;
/// Connections on which callers read on their own threads: no more of them run at once than there are processors.
const LOOK_UPS_MAX: usize = 8;

/// Idle connections of callers that read on their own threads; none once the store is closed.
pub(super) struct LookUps(Mutex<Option<Vec<Tx>>>);

impl LookUps {
    pub(super) fn open(connect: impl Fn() -> Result<Tx>) -> Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(LOOK_UPS_MAX);
        let connections = (0..count).map(|_| {
            let tx = connect()?;
            if let Conn::Sqlite(conn) = &tx.conn {
                // A caller's thread has others' work to do; where it would wait, the readers' queue does.
                conn.busy_timeout(Duration::ZERO)?;
            }
            Ok(tx)
        });
        Ok(Self(Mutex::new(Some(connections.collect::<Result<_>>()?))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Tx>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a read on an idle connection, if there is one.
    ///
    /// # Errors
    /// The job's own; `Busy` if it took too long, or would have to wait.
    pub(super) fn run<T, E: JobError>(&self, job: &Job<T, E>) -> Option<Result<T, E>> {
        let mut tx = self.lock().as_mut()?.pop()?;
        let result =
            limited(&mut tx, LOOK_UP_LIMIT, &Arc::default(), |tx| tx.run_at_once(job), Result::is_ok);
        if let Some(idle) = self.lock().as_mut() {
            idle.push(tx);
        }
        Some(result.unwrap_or_else(|error| Err(error.into())))
    }

    pub(super) fn close(&self) {
        drop(self.lock().take());
    }
}

pub(super) fn reader_thread(mut tx: Tx, queue: &Mutex<mpsc::Receiver<Order>>) {
    loop {
        // Held while waiting: one reader waits at the queue, the others for their turn at it.
        let order = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match order {
            Some(Order::Work(job)) if job.abandoned().load(Ordering::Relaxed) => {}
            Some(Order::Work(job)) => read(&mut tx, job),
            Some(Order::Close(done)) => {
                drop(tx);
                let _ = done.send(());
                return;
            }
            None => return,
        }
    }
}

fn read(tx: &mut Tx, mut job: Box<dyn Work>) {
    let abandoned = Arc::clone(job.abandoned());
    let begun = limited(tx, READ_LIMIT, &abandoned, |tx| job.run(tx), |succeeded| *succeeded).map(drop);
    job.answer(begun);
}

/// Runs a job in a transaction that only reads. Its statement is interrupted, which is `Busy`, when the time is over
/// or nobody waits any more.
///
/// # Errors
/// That the transaction could not begin; the job's own are in what it gave.
fn limited<R>(
    tx: &mut Tx,
    limit: Duration,
    abandoned: &Arc<AtomicBool>,
    run: impl FnOnce(&mut Tx) -> R,
    succeeded: impl FnOnce(&R) -> bool,
) -> Result<R> {
    let (until, abandoned) = (Instant::now() + limit, Arc::clone(abandoned));
    interrupt(tx, Some(move || abandoned.load(Ordering::Relaxed) || Instant::now() > until))?;
    let result = control(tx, "begin").map(|()| run(tx));
    interrupt(tx, None::<fn() -> bool>)?;
    if result.as_ref().is_ok_and(succeeded) {
        tx.publish_keys();
    }
    tx.key_changes.clear();
    if !is_autocommit(tx)
        && let Err(error) = control(tx, "rollback")
    {
        tracing::error!(%error, "a read could not be ended");
    }
    result
}

/// Has statements interrupted once this is true.
fn interrupt(tx: &mut Tx, when: Option<impl FnMut() -> bool + Send + 'static>) -> Result<()> {
    match &mut tx.conn {
        Conn::Sqlite(conn) => Ok(conn.progress_handler(STEPS, when)?),
        Conn::Postgres(_) => Err(Error::Job("not an SQLite connection")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::BoxFuture, keyring::Keyring, seal::MasterKey};

    const ENDLESS: &str =
        "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n";

    fn count<'a>(tx: &'a mut Tx, sql: &'static str) -> BoxFuture<'a, Result<i64>> {
        Box::pin(async move { tx.query_one(sql, &[]).await?.columns().take() })
    }

    #[test]
    fn a_read_ends_with_its_time_or_its_caller_and_the_connection_goes_on() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let mut tx = Tx::new(Conn::Sqlite(conn), Arc::new(Keyring::new(MasterKey::new([7; 32]).into())));
        let endless: Job<i64, Error> = Arc::new(|tx| count(tx, ENDLESS));
        let short: Job<i64, Error> = Arc::new(|tx| count(tx, "select 7"));
        let mut run = |job: &Job<i64, Error>, limit, abandoned: &Arc<AtomicBool>| {
            limited(&mut tx, limit, abandoned, |tx| tx.run_at_once(job), Result::is_ok).unwrap()
        };
        for _ in 0..3 {
            let late = run(&endless, Duration::from_millis(20), &Arc::default());
            assert!(matches!(late, Err(Error::Busy)), "{late:?}");
            let begun = Instant::now();
            let left = run(&endless, READ_LIMIT, &Arc::new(AtomicBool::new(true)));
            assert!(matches!(left, Err(Error::Busy)), "{left:?}");
            assert!(begun.elapsed() < READ_LIMIT / 2, "nobody waits for it");
            assert_eq!(run(&short, READ_LIMIT, &Arc::default()).unwrap(), 7);
        }
    }
}
