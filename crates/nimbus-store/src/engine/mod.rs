//! The façade over two engines: `Db` runs jobs in transactions, `Tx` runs statements, `Value` and `Row` carry data.

mod appends;
mod batch;
#[cfg(debug_assertions)]
mod changed;
pub(crate) mod partitions;
pub(crate) mod positions;
mod postgres;
mod row;
mod signals;
mod sqlite;
mod sqlite_reads;
mod tx;
mod value;

use std::{future::Future, path::Path, pin::Pin, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    custody::Custodian,
    error::{Error, JobError, Result, SealError},
    keyring::Keyring,
    roots,
    seal::{KEY_LEN, MasterKey},
};

pub(crate) use batch::{Insert, With, insert_into};
pub use row::{Cell, Columns, FromColumn, Row};
pub use signals::Channel;
pub(crate) use sqlite::connect as sqlite_connect;
pub use tx::{Statement, Tx};
pub use value::Value;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A job: what a transaction does. `Fn`, because it may run more than once.
type Job<T, E> = Arc<dyn for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, E>> + Send + Sync>;

/// Runs of a job that ends in a conflict, the first included.
const WRITE_ATTEMPTS: u32 = 5;
/// Runs of a read that met a key or a plan newer than its own.
const READ_ATTEMPTS: u32 = 2;

/// Which database a [`Db`] runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    keyring: Arc<Keyring>,
    appends: appends::Appends,
    handle: Handle,
}

enum Handle {
    Sqlite(sqlite::Handle),
    Postgres(postgres::Handle),
}

impl Db {
    /// Opens a file, creating it (readable by its owner alone) if there is none. Other processes may have it open.
    ///
    /// # Errors
    /// `Seal(WrongMasterKey)` if it is not the master key, or one of several, that opens the database; then nothing was
    /// changed.
    pub async fn open_sqlite(path: &Path, master: impl Into<Arc<dyn Custodian>>) -> Result<Self> {
        let keyring = Arc::new(Keyring::new(master.into()));
        let handle = sqlite::Handle::open(path, &keyring).await?;
        Self::verified(keyring, Handle::Sqlite(handle)).await
    }

    /// Connects to PostgreSQL over TLS, unless the URL says `sslmode=disable` or names a Unix socket. Half of
    /// `max_connections` (at least one) reads, the rest (at least one) writes.
    ///
    /// # Errors
    /// As [`Db::open_sqlite`], and `Unavailable` if the server does not answer.
    pub async fn open_postgres(
        url: &str,
        master: impl Into<Arc<dyn Custodian>>,
        max_connections: usize,
    ) -> Result<Self> {
        let keyring = Arc::new(Keyring::new(master.into()));
        let handle = postgres::Handle::open(url, max_connections, keyring.clone())?;
        Self::verified(keyring, Handle::Postgres(handle)).await
    }

    async fn verified(keyring: Arc<Keyring>, handle: Handle) -> Result<Self> {
        let db = Self(Arc::new(Inner { keyring, appends: appends::Appends::default(), handle }));
        db.ping().await?;
        roots::roots_open(&db).await?;
        Ok(db)
    }

    pub fn engine(&self) -> Engine {
        match self.0.handle {
            Handle::Sqlite(_) => Engine::Sqlite,
            Handle::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a job in a transaction. When this returns `Ok`, what the job wrote is durable; when the job returns an
    /// error or one of its statements failed, all of it is rolled back.
    ///
    /// The job may await nothing but `tx`. It runs up to five times in all, each in a transaction of its own, while
    /// it ends in a conflict. If the caller stops waiting, the job may still be carried out.
    ///
    /// # Errors
    /// The job's own; `Busy` if the queue stayed full; `Unavailable` if the commit could not be made, or its outcome
    /// is not known because the connection broke.
    pub async fn write<T, E>(
        &self,
        job: impl for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, E>> + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: JobError,
    {
        let job: Job<T, E> = Arc::new(job);
        let mut attempt = 1;
        loop {
            let result = match &self.0.handle {
                Handle::Sqlite(handle) => handle.write(job.clone()).await,
                Handle::Postgres(handle) => handle.write(job.clone()).await,
            };
            match result {
                Err(error) if attempt < WRITE_ATTEMPTS && is_retryable(&error) => {
                    self.learn_roots(&error).await?;
                    pause(attempt).await;
                }
                done => return done,
            }
            attempt += 1;
        }
    }

    /// Runs a job that only reads: one consistent snapshot on SQLite, statement by statement on PostgreSQL.
    /// A statement that writes is refused by the engine. The job may await nothing but `tx`. If the caller stops
    /// waiting, the engine is told to stop as well.
    ///
    /// # Errors
    /// The job's own; `Busy` if it took longer than 30 seconds (on PostgreSQL, each of its statements), or no
    /// connection became free in time.
    pub async fn read<T, E>(
        &self,
        job: impl for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, E>> + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: JobError,
    {
        let job: Job<T, E> = Arc::new(job);
        let mut attempt = 1;
        loop {
            let result = match &self.0.handle {
                Handle::Sqlite(handle) => handle.read(job.clone()).await,
                Handle::Postgres(handle) => handle.read(job.clone()).await,
            };
            match result {
                Err(error) if attempt < READ_ATTEMPTS && is_retryable(&error) => {
                    self.learn_roots(&error).await?;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    /// Runs a job that reads little, found by key: as [`Db::read`], but on SQLite on the caller's own thread, because
    /// to hand such a read to another thread and to be woken by it takes longer than the read.
    pub async fn look_up<T, E>(
        &self,
        job: impl for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, E>> + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: JobError,
    {
        let job: Job<T, E> = Arc::new(job);
        if let Handle::Sqlite(handle) = &self.0.handle {
            match handle.look_up(&job) {
                // No connection is free, the read met a newer key, or it would keep this thread too long: the
                // readers' queue takes it.
                None => {}
                Some(Err(error)) if is_retryable(&error) || is_busy(&error) => {}
                Some(done) => return done,
            }
        }
        self.read(move |tx| job(tx)).await
    }

    /// Reads the roots again where a job met one that another process has made.
    fn learn_roots<'a, E: JobError>(&'a self, error: &E) -> BoxFuture<'a, Result<(), E>> {
        let is_unknown = matches!(error.as_store(), Some(Error::Seal(SealError::UnknownRoot)));
        Box::pin(async move {
            match is_unknown {
                true => Ok(roots::roots_refresh(self).await?),
                false => Ok(()),
            }
        })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.read(|tx| Box::pin(async move { tx.query_one("select 1", &[]).await.map(drop) })).await
    }

    /// Finishes what is queued or running, then lets go of the database. Jobs sent later get `Unavailable`.
    pub async fn close(self) {
        match &self.0.handle {
            Handle::Sqlite(handle) => handle.close().await,
            Handle::Postgres(handle) => handle.close().await,
        }
    }

    /// A key for one purpose beside sealing, derived from the newest root: the same in every process that was started
    /// since there is that root. Before the first migration has made one it is a key that nobody else has.
    pub fn derived_key(&self, purpose: &str) -> [u8; KEY_LEN] {
        self.0.keyring.derive(purpose).unwrap_or_else(|_| {
            // Without random bytes nothing may be signed.
            MasterKey::generate().expect("the system gives random bytes").derive(purpose)
        })
    }

    pub(crate) fn keyring(&self) -> &Arc<Keyring> {
        &self.0.keyring
    }

    /// The file, on SQLite.
    pub(crate) fn sqlite_path(&self) -> Option<&Path> {
        match &self.0.handle {
            Handle::Sqlite(handle) => Some(handle.path()),
            Handle::Postgres(_) => None,
        }
    }

    /// A connection outside the pool and without a time limit for statements, on PostgreSQL: for migrations.
    pub(crate) async fn postgres_connection(&self) -> Result<Option<deadpool_postgres::ClientWrapper>> {
        match &self.0.handle {
            Handle::Sqlite(_) => Ok(None),
            Handle::Postgres(handle) => handle.own_connection().await.map(Some),
        }
    }
}

fn is_retryable(error: &impl JobError) -> bool {
    error.as_store().is_some_and(Error::is_retryable)
}

fn is_busy(error: &impl JobError) -> bool {
    matches!(error.as_store(), Some(Error::Busy))
}

/// A random wait of up to 2, 4, 8 … ms, so that two who met do not meet again.
async fn pause(attempt: u32) {
    let limit_us = 1000u64 << attempt.min(10);
    let random = Uuid::now_v7().as_u64_pair().1;
    tokio::time::sleep(Duration::from_micros(random % limit_us)).await;
}
