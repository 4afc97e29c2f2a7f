//! `Tx`: one transaction (or, in a read, one connection) and the statements it runs.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use nimbus_core::ids::ClinicId;

use super::{BoxFuture, Engine, Insert, Job, postgres::PgConn, row::Row, sqlite, value::Value};
use crate::{
    error::{Error, JobError, Place, Result},
    keyring::{self, KeyChanges, Keyring},
    seal::ClinicKeys,
};

/// Statements in one batch.
pub(super) const BATCH_MAX: usize = 1000;

const PANICKED: Error = Error::Job("its job panicked");
const WAITED: Error = Error::Job("its job waited for something other than the database");
const CUT_SHORT: Error = Error::Job("its job gave up waiting for a statement");

/// A statement and its arguments, for [`Tx::batch`].
#[derive(Debug, Clone)]
pub struct Statement {
    pub(super) sql: &'static str,
    pub(super) args: Vec<Value>,
    /// What it is a row of, if it inserts one.
    pub(super) insert: Option<&'static Insert>,
}

impl Statement {
    pub fn new(sql: &'static str, args: Vec<Value>) -> Self {
        Self { sql, args, insert: None }
    }

    /// Inserts a row. In a batch, neighbours that insert into the same table are one statement on PostgreSQL.
    pub(crate) fn row(insert: &'static Insert, args: Vec<Value>) -> Self {
        Self { sql: insert.one, args, insert: Some(insert) }
    }
}

/// An open transaction. Arguments are `$1`, `$2` … in the statement's text, on both engines.
///
/// Once a statement has failed the transaction is lost: every later one returns the same error, and so does the
/// commit, even if the job swallowed it. PostgreSQL works so by itself; SQLite is held to it.
pub struct Tx {
    pub(super) conn: Conn,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) key_changes: KeyChanges,
    failure: Option<Error>,
    /// A statement is on its way; shared with whoever polls the job.
    in_flight: Arc<AtomicBool>,
    at_commit: Vec<Statement>,
    /// What a list left out, as it cannot be opened.
    unreadable: Vec<Place>,
    #[cfg(debug_assertions)]
    changed: super::changed::Changed,
    /// What the engine says it would do for each query, while a test asks for it.
    #[cfg(feature = "testing")]
    plans: Option<Vec<(&'static str, String)>>,
}

pub(super) enum Conn {
    Sqlite(rusqlite::Connection),
    Postgres(PgConn),
}

impl Conn {
    fn in_flight(&mut self, is: bool) {
        if let Self::Postgres(conn) = self {
            conn.in_flight = is;
        }
    }
}

impl Tx {
    pub(super) fn new(conn: Conn, keyring: Arc<Keyring>) -> Self {
        Self {
            conn,
            keyring,
            key_changes: Vec::new(),
            failure: None,
            in_flight: Arc::default(),
            at_commit: Vec::new(),
            unreadable: Vec::new(),
            #[cfg(debug_assertions)]
            changed: Default::default(),
            #[cfg(feature = "testing")]
            plans: None,
        }
    }

    pub fn engine(&self) -> Engine {
        match self.conn {
            Conn::Sqlite(_) => Engine::Sqlite,
            Conn::Postgres(_) => Engine::Postgres,
        }
    }

    /// Has PostgreSQL plan each statement anew, by its arguments and by what its tables are now: for a statement about
    /// many rows, of which a plan that is kept from when a table was small would read all of it for each. Call it before
    /// the first statement of a transaction; later it changes nothing.
    pub fn plan_by_arguments(&mut self) {
        if let Conn::Postgres(conn) = &mut self.conn {
            conn.plan_by_arguments();
        }
    }

    /// Runs a statement; the number of rows it changed.
    pub async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64> {
        self.enter()?;
        let result = match &mut self.conn {
            Conn::Sqlite(conn) => sqlite::execute(conn, sql, args),
            Conn::Postgres(conn) => conn.execute(sql, args).await,
        };
        #[cfg(debug_assertions)]
        if result.as_ref().is_ok_and(|rows| *rows > 0) {
            self.changed.note(sql);
        }
        self.leave(result)
    }

    /// Runs a statement; all its rows. Bound it by `limit`: they are held in memory.
    pub async fn query(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>> {
        #[cfg(feature = "testing")]
        self.explain(sql, args).await?;
        self.run_query(sql, args).await
    }

    async fn run_query(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>> {
        self.enter()?;
        let result = match &mut self.conn {
            Conn::Sqlite(conn) => sqlite::query(conn, sql, args),
            Conn::Postgres(conn) => conn.query(sql, args).await,
        };
        #[cfg(debug_assertions)]
        if result.as_ref().is_ok_and(|rows| !rows.is_empty()) {
            self.changed.note(sql);
        }
        self.leave(result)
    }

    /// From now on, keeps the plan of each query beside its text.
    #[cfg(feature = "testing")]
    pub fn keep_plans(&mut self) {
        self.plans = Some(Vec::new());
    }

    /// The plans kept since [`Tx::keep_plans`], which ends here.
    #[cfg(feature = "testing")]
    pub fn take_plans(&mut self) -> Vec<(&'static str, String)> {
        self.plans.take().unwrap_or_default()
    }

    #[cfg(feature = "testing")]
    async fn explain(&mut self, sql: &'static str, args: &[Value]) -> Result<()> {
        let Some(mut plans) = self.plans.take() else { return Ok(()) };
        let how = match self.engine() {
            Engine::Sqlite => "explain query plan ",
            Engine::Postgres => "explain ",
        };
        // A test's few texts may stay for as long as its process.
        let text: &'static str = Box::leak(format!("{how}{sql}").into_boxed_str());
        let (rows, mut plan) = (self.run_query(text, args).await?, Vec::new());
        // SQLite tells each step's id and its parent's; PostgreSQL indents.
        let mut depths = std::collections::HashMap::from([(0, 0)]);
        for row in rows {
            let mut columns = row.columns();
            let mut depth = 0;
            if self.engine() == Engine::Sqlite {
                let (id, parent, _): (i64, i64, i64) = (columns.take()?, columns.take()?, columns.take()?);
                depth = depths.get(&parent).copied().unwrap_or(0);
                depths.insert(id, depth + 1);
            }
            plan.push(format!("{}{}", "  ".repeat(depth), columns.take::<String>()?));
        }
        plans.push((sql, plan.join("\n")));
        self.plans = Some(plans);
        Ok(())
    }

    /// Runs a statement; its first row, if any.
    pub async fn query_opt(&mut self, sql: &'static str, args: &[Value]) -> Result<Option<Row>> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// Runs a statement that always has a row; its first.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it has none.
    pub async fn query_one(&mut self, sql: &'static str, args: &[Value]) -> Result<Row> {
        self.query_opt(sql, args).await?.ok_or(Error::Corrupt("a row that must exist does not"))
    }

    /// Runs statements that do not feed each other, at most 1,000, in order: one round trip on PostgreSQL.
    /// The numbers of rows they changed.
    pub async fn batch(&mut self, statements: Vec<Statement>) -> Result<Vec<u64>> {
        self.batch_of(&statements).await
    }

    pub(super) async fn batch_of(&mut self, statements: &[Statement]) -> Result<Vec<u64>> {
        self.enter()?;
        let result = match &mut self.conn {
            _ if statements.len() > BATCH_MAX => Err(Error::Job("a batch is too long")),
            Conn::Sqlite(conn) => sqlite::batch(conn, statements),
            Conn::Postgres(conn) => conn.batch(statements).await,
        };
        #[cfg(debug_assertions)]
        if let Ok(rows) = &result {
            let changed = statements.iter().zip(rows).filter(|(_, rows)| **rows > 0);
            changed.for_each(|(statement, _)| self.changed.note(statement.sql));
        }
        self.leave(result)
    }

    /// Runs queries that do not feed each other: one round trip on PostgreSQL. The rows of each.
    pub async fn query_all(&mut self, queries: &[Statement]) -> Result<Vec<Vec<Row>>> {
        self.enter()?;
        let result = match &mut self.conn {
            _ if queries.len() > BATCH_MAX => Err(Error::Job("a batch is too long")),
            Conn::Sqlite(conn) => queries.iter().map(|it| sqlite::query(conn, it.sql, &it.args)).collect(),
            Conn::Postgres(conn) => conn.query_all(queries).await,
        };
        self.leave(result)
    }

    /// Has a statement run last, in the same round trip as the commit on PostgreSQL. Only for statements whose row
    /// count decides nothing; at most 1,000.
    pub fn at_commit(&mut self, statement: Statement) {
        #[cfg(debug_assertions)]
        self.changed.note(statement.sql);
        self.at_commit.push(statement);
    }

    /// The tables that this transaction has changed so far, or will at its commit; kept while debugging.
    #[cfg(debug_assertions)]
    pub fn changed(&self) -> &std::collections::BTreeSet<&'static str> {
        self.changed.tables()
    }

    /// The keys of a clinic, from the cache if they are there.
    ///
    /// # Errors
    /// `Seal(NoKeys)` if the clinic has none.
    pub async fn keys(&mut self, clinic: ClinicId) -> Result<Arc<ClinicKeys>> {
        keyring::clinic_keys(self, clinic).await
    }

    /// Positions below this are settled: every transaction that could write one has ended.
    ///
    /// On PostgreSQL a position is a transaction's number, and transactions end in any order; ask before the rows
    /// are read, so that those of all that had ended are seen. SQLite has one writer: what is seen is settled.
    pub(crate) async fn settled_below(&mut self) -> Result<i64> {
        match self.engine() {
            Engine::Sqlite => Ok(i64::MAX),
            Engine::Postgres => {
                let sql = "select cast(cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as bigint)";
                self.query_one(sql, &[]).await?.columns().take()
            }
        }
    }

    pub(crate) async fn table_exists(&mut self, table: &'static str) -> Result<bool> {
        let sql = match self.engine() {
            Engine::Sqlite => "select 1 from sqlite_master where type = 'table' and name = $1",
            Engine::Postgres => "select 1 where to_regclass($1) is not null",
        };
        Ok(self.query_opt(sql, &[table.into()]).await?.is_some())
    }

    /// A statement begins: not after a failure, nor after one that the job did not wait for.
    fn enter(&mut self) -> Result<()> {
        if self.in_flight.swap(true, Ordering::Relaxed) {
            self.failure.get_or_insert(CUT_SHORT);
        }
        match &self.failure {
            Some(failure) => {
                self.in_flight.store(false, Ordering::Relaxed);
                Err(failure.clone())
            }
            None => {
                self.conn.in_flight(true);
                Ok(())
            }
        }
    }

    /// A statement has ended.
    fn leave<T>(&mut self, result: Result<T>) -> Result<T> {
        self.in_flight.store(false, Ordering::Relaxed);
        self.conn.in_flight(false);
        if let Err(error) = &result {
            self.failure = Some(error.clone());
        }
        result
    }

    /// The job's result, unless a statement failed or was left unfinished behind its back. Ready for the next job.
    fn settle<T, E: JobError>(&mut self, result: Result<Result<T, E>>) -> Result<T, E> {
        if self.in_flight.swap(false, Ordering::Relaxed) {
            self.failure.get_or_insert(CUT_SHORT);
        }
        match (result, self.failure.take()) {
            (Err(fault), _) => Err(fault.into()),
            (Ok(Ok(_)), Some(failure)) => Err(failure.into()),
            (Ok(result), _) => result,
        }
    }

    /// Runs a job whose statements answer at once: one poll finishes it, or it waited for something else.
    pub(super) fn run_at_once<T, E: JobError>(&mut self, job: &Job<T, E>) -> Result<T, E> {
        self.reset();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::from_waker(std::task::Waker::noop());
            job(self).as_mut().poll(&mut context)
        }));
        let result = match polled {
            Ok(Poll::Ready(result)) => Ok(result),
            Ok(Poll::Pending) => Err(WAITED),
            Err(_) => Err(PANICKED),
        };
        let value = self.settle(result)?;
        for statement in std::mem::take(&mut self.at_commit) {
            if let Conn::Sqlite(conn) = &mut self.conn {
                sqlite::execute(conn, statement.sql, &statement.args)?;
            }
        }
        Ok(value)
    }

    /// Runs a job whose statements cross the network: it may wait while one of them is on its way, and only then.
    pub(super) async fn run_watched<T, E: JobError>(&mut self, job: &Job<T, E>) -> Result<T, E> {
        self.reset();
        let in_flight = self.in_flight.clone();
        let mut future: Option<BoxFuture<'_, Result<T, E>>> = None;
        let mut this = Some(&mut *self);
        let result = std::future::poll_fn(|context| {
            let polled = catch_unwind(AssertUnwindSafe(|| {
                if let Some(tx) = this.take() {
                    future = Some(job(tx));
                }
                future.as_mut().map(|future| future.as_mut().poll(context))
            }));
            match polled {
                Ok(Some(Poll::Ready(result))) => Poll::Ready(Ok(result)),
                Ok(Some(Poll::Pending)) if in_flight.load(Ordering::Relaxed) => Poll::Pending,
                Ok(Some(Poll::Pending)) => Poll::Ready(Err(WAITED)),
                Ok(None) | Err(_) => Poll::Ready(Err(PANICKED)),
            }
        })
        .await;
        drop(future);
        self.settle(result)
    }

    /// Notes what a list leaves out, as it cannot be opened.
    pub(crate) fn leave_out(&mut self, place: Place) {
        self.unreadable.push(place);
    }

    /// What lists have left out so far. Each place is told once.
    pub fn take_unreadable(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.unreadable)
    }

    fn reset(&mut self) {
        self.failure = None;
        self.in_flight.store(false, Ordering::Relaxed);
        self.at_commit.clear();
        self.unreadable.clear();
        #[cfg(debug_assertions)]
        {
            self.changed = Default::default();
        }
    }

    /// Ends the transaction of a PostgreSQL write and returns the connection to its pool.
    pub(super) async fn commit(mut self) -> Result<()> {
        let statements = std::mem::take(&mut self.at_commit);
        if let Conn::Postgres(conn) = &mut self.conn {
            conn.commit(&statements).await?;
        }
        self.publish_keys();
        Ok(())
    }

    pub(super) async fn roll_back(mut self) {
        if let Conn::Postgres(conn) = &mut self.conn {
            conn.roll_back().await;
        }
    }

    pub(super) fn publish_keys(&mut self) {
        self.keyring.publish(std::mem::take(&mut self.key_changes));
    }
}
