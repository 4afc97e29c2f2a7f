//! SQLite: one writer thread that commits many jobs with one fsync. `sqlite_reads` has the readers.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::sync::{mpsc, oneshot};

use super::{
    Job,
    row::{Cells, Copied, Row},
    sqlite_reads::{LookUps, reader_thread},
    tx::{Conn, Statement, Tx},
    value::Value,
};
use crate::{
    error::{Error, JobError, Result},
    keyring::Keyring,
};

const READERS: usize = 4;
/// Jobs that may wait in each queue, and how long a caller waits for a place in it.
const QUEUE_MAX: usize = 1024;
const QUEUE_TIMEOUT: Duration = Duration::from_millis(250);
/// One commit holds so many jobs, and takes new ones for so long.
const BATCH_MAX: usize = 256;
const BATCH_TIME: Duration = Duration::from_millis(50);
/// Another process may hold the write lock so long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENTS_CACHED: usize = 128;

pub(super) struct Handle {
    path: PathBuf,
    writer: mpsc::Sender<Order>,
    readers: mpsc::Sender<Order>,
    look_ups: LookUps,
}

pub(super) enum Order {
    Work(Box<dyn Work>),
    Close(oneshot::Sender<()>),
}

/// A job on its way through a thread.
pub(super) trait Work: Send {
    /// Whether nobody waits for it any more, now and later.
    fn abandoned(&self) -> &Arc<AtomicBool>;
    /// Runs it and keeps the result; whether it succeeded.
    fn run(&mut self, tx: &mut Tx) -> bool;
    /// Tells the caller the result, or that its transaction failed: then its own refusal, too, rests on what never
    /// was, as it may have seen rows of other jobs of the transaction.
    fn answer(self: Box<Self>, transaction: Result<()>);
}

struct Pending<T, E> {
    job: Job<T, E>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
    abandoned: Arc<AtomicBool>,
}

impl<T: Send, E: JobError> Work for Pending<T, E> {
    fn abandoned(&self) -> &Arc<AtomicBool> {
        &self.abandoned
    }

    fn run(&mut self, tx: &mut Tx) -> bool {
        let result = tx.run_at_once(&self.job);
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn answer(self: Box<Self>, transaction: Result<()>) {
        let result = match (transaction, self.result) {
            (Ok(()), Some(result)) => result,
            (Err(error), _) => Err(error.into()),
            (Ok(()), None) => Err(Error::Job("it was not run").into()),
        };
        // The caller may have stopped waiting.
        drop(self.reply.send(result));
    }
}

impl Handle {
    pub(super) async fn open(path: &Path, keyring: &Arc<Keyring>) -> Result<Self> {
        let (writer, writer_queue) = mpsc::channel(QUEUE_MAX);
        let (readers, reader_queue) = mpsc::channel(QUEUE_MAX);
        let reader_queue = Arc::new(Mutex::new(reader_queue));
        let (place, keyring) = (path.to_owned(), keyring.clone());
        let started = tokio::task::spawn_blocking(move || {
            create_private(&place)?;
            let tx = Tx::new(Conn::Sqlite(connect(&place, true)?), keyring.clone());
            thread("store-writer", move || writer_thread(tx, writer_queue))?;
            for _ in 0..READERS {
                let tx = Tx::new(Conn::Sqlite(connect(&place, false)?), keyring.clone());
                let queue = reader_queue.clone();
                thread("store-reader", move || reader_thread(tx, &queue))?;
            }
            LookUps::open(|| Ok(Tx::new(Conn::Sqlite(connect(&place, false)?), keyring.clone())))
        });
        let look_ups = started.await.unwrap_or_else(|_| Err(Error::closed()))?;
        Ok(Self { path: path.to_owned(), writer, readers, look_ups })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn write<T: Send + 'static, E: JobError>(&self, job: Job<T, E>) -> Result<T, E> {
        send(&self.writer, job).await
    }

    pub(super) async fn read<T: Send + 'static, E: JobError>(&self, job: Job<T, E>) -> Result<T, E> {
        send(&self.readers, job).await
    }

    /// Runs a read on the caller's thread; not if all connections for it are in use, or the store is closed.
    pub(super) fn look_up<T: Send + 'static, E: JobError>(&self, job: &Job<T, E>) -> Option<Result<T, E>> {
        self.look_ups.run(job)
    }

    pub(super) async fn close(&self) {
        self.look_ups.close();
        for (queue, threads) in [(&self.readers, READERS), (&self.writer, 1)] {
            for _ in 0..threads {
                let (done, closed) = oneshot::channel();
                // An error means that it is closed already.
                if queue.send(Order::Close(done)).await.is_ok() {
                    drop(closed.await);
                }
            }
        }
    }
}

async fn send<T: Send + 'static, E: JobError>(queue: &mpsc::Sender<Order>, job: Job<T, E>) -> Result<T, E> {
    let (reply, answer) = oneshot::channel();
    let leave = Leave(Arc::default());
    let work = Box::new(Pending { job, result: None, reply, abandoned: Arc::clone(&leave.0) });
    queue.send_timeout(Order::Work(work), QUEUE_TIMEOUT).await.map_err(|error| match error {
        mpsc::error::SendTimeoutError::Timeout(_) => Error::Busy,
        mpsc::error::SendTimeoutError::Closed(_) => Error::closed(),
    })?;
    answer.await.unwrap_or_else(|_| Err(Error::closed().into()))
}

/// Says, when it is dropped, that nobody waits any more.
struct Leave(Arc<AtomicBool>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map(drop).map_err(Error::unavailable)
}

/// Makes the file with the owner's rights alone; its journal and index inherit them. Only when it is new: closing
/// a descriptor would drop the locks of this process's other connections (POSIX, fcntl).
fn create_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::unavailable(error)),
        _ => Ok(()),
    }
}

/// Opens a connection with the settings of this store. A reader cannot write.
pub(crate) fn connect(path: &Path, writes: bool) -> Result<Connection> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // The planner stability guarantee: without it a statement whose plan might profit from its arguments is
    // prepared anew whenever they are bound, which takes longer than running it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    switch_to_wal(&conn)?;
    // Cache sizes are in KiB when negative: 32 MiB for the writer, 4 MiB for each reader, which loses what it has kept
    // with the next commit of another connection. Pages go from the log to the file 16 MiB at a time: those that are
    // written again and again go once.
    conn.execute_batch(
        "pragma synchronous = full; pragma foreign_keys = on; pragma trusted_schema = off;
         pragma temp_store = memory; pragma journal_size_limit = 67108864;",
    )?;
    conn.execute_batch(if writes {
        "pragma cache_size = -32768; pragma wal_autocheckpoint = 4096"
    } else {
        "pragma cache_size = -4096; pragma query_only = on"
    })?;
    Ok(conn)
}

/// The busy timeout does not cover the change of journal mode, which two processes may attempt at once.
fn switch_to_wal(conn: &Connection) -> Result<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match conn.query_row("pragma journal_mode = wal", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(Error::Job("the file system does not support a write-ahead log")),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(error) => match Error::from(error) {
                Error::Busy => std::thread::sleep(Duration::from_millis(10)),
                other => return Err(other),
            },
        }
    }
}

fn writer_thread(mut tx: Tx, mut queue: mpsc::Receiver<Order>) {
    while let Some(order) = queue.blocking_recv() {
        let close = match order {
            Order::Work(first) => group_commit(&mut tx, first, &mut queue),
            Order::Close(done) => Some(done),
        };
        if let Some(done) = close {
            if let Err(error) = control(&tx, "pragma wal_checkpoint(truncate)") {
                tracing::warn!(%error, "the last checkpoint was not made; the next start makes it");
            }
            drop(tx);
            // Who asked may have stopped waiting.
            let _ = done.send(());
            return;
        }
    }
}

/// One outer transaction around the jobs that wait, each in a savepoint, all answered after the commit. Returns
/// the request to close, if it met one.
fn group_commit(
    tx: &mut Tx,
    first: Box<dyn Work>,
    queue: &mut mpsc::Receiver<Order>,
) -> Option<oneshot::Sender<()>> {
    let (mut jobs, mut close, mut next) = (Vec::new(), None, Some(first));
    let until = Instant::now() + BATCH_TIME;
    tx.key_changes.clear();
    let mut outcome = control(tx, "begin immediate");
    while let Some(mut job) = next.take() {
        if outcome.is_ok() && !job.abandoned().load(Ordering::Relaxed) {
            outcome = run_in_savepoint(tx, job.as_mut());
        }
        jobs.push(job);
        if outcome.is_err() || jobs.len() >= BATCH_MAX || Instant::now() > until {
            break;
        }
        match queue.try_recv() {
            Ok(Order::Work(job)) => next = Some(job),
            Ok(Order::Close(done)) => close = Some(done),
            Err(_) => {}
        }
    }
    let outcome = outcome.and_then(|()| control(tx, "commit"));
    if outcome.is_ok() {
        tx.publish_keys();
    } else if !is_autocommit(tx)
        && let Err(error) = control(tx, "rollback")
    {
        tracing::error!(%error, "a failed transaction could not be rolled back");
    }
    for job in jobs {
        job.answer(outcome.clone());
    }
    close
}

/// # Errors
/// Not the job's, which is its own affair; only that the outer transaction is lost.
fn run_in_savepoint(tx: &mut Tx, job: &mut dyn Work) -> Result<()> {
    control(tx, "savepoint job")?;
    let keys = tx.key_changes.len();
    let succeeded = job.run(tx);
    if is_autocommit(tx) {
        return Err(Error::Job("a job of the same commit ended the transaction"));
    }
    if !succeeded {
        tx.key_changes.truncate(keys);
        control(tx, "rollback to job")?;
    }
    control(tx, "release job")
}

pub(super) fn is_autocommit(tx: &Tx) -> bool {
    match &tx.conn {
        Conn::Sqlite(conn) => conn.is_autocommit(),
        Conn::Postgres(_) => false,
    }
}

/// Runs a statement that steers the transaction.
pub(super) fn control(tx: &Tx, sql: &'static str) -> Result<()> {
    match &tx.conn {
        Conn::Sqlite(conn) => Ok(conn.prepare_cached(sql)?.raw_query().next().map(drop)?),
        Conn::Postgres(_) => Err(Error::Job("not an SQLite connection")),
    }
}

/// Binds by number: to SQLite `$1` is only a name, numbered by where it first stands.
fn bind(statement: &mut rusqlite::Statement<'_>, args: &[Value]) -> Result<()> {
    let mut highest = 0;
    for index in 1..=statement.parameter_count() {
        let number = statement.parameter_name(index).and_then(|name| name.get(1..)?.parse::<usize>().ok());
        let number = number.ok_or(Error::Job("a parameter is not written $1, $2 …"))?;
        let arg = number.checked_sub(1).and_then(|at| args.get(at)).ok_or(WRONG_COUNT)?;
        statement.raw_bind_parameter(index, arg)?;
        highest = highest.max(number);
    }
    if highest == args.len() { Ok(()) } else { Err(WRONG_COUNT) }
}

const WRONG_COUNT: Error = Error::Job("a statement was given the wrong number of arguments");

pub(super) fn execute(conn: &Connection, sql: &'static str, args: &[Value]) -> Result<u64> {
    let mut statement = conn.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(if statement.readonly() { 0 } else { conn.changes() })
}

pub(super) fn query(conn: &Connection, sql: &'static str, args: &[Value]) -> Result<Vec<Row>> {
    let mut statement = conn.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    let width = statement.column_count();
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Copied::with_width(width);
        for column in 0..width {
            cells.push(row.get_ref(column)?)?;
        }
        found.push(Row(Cells::Sqlite(cells)));
    }
    Ok(found)
}

pub(super) fn batch(conn: &Connection, statements: &[Statement]) -> Result<Vec<u64>> {
    statements.iter().map(|statement| execute(conn, statement.sql, &statement.args)).collect()
}
