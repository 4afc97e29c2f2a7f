//! PostgreSQL: two small pools (writers, read-only readers), pipelined statements, few round trips.

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{ClientWrapper, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::{
    TryStreamExt,
    future::{join, maybe_done, try_join_all},
    poll,
};
use tokio::{sync::RwLock, time::timeout};
use tokio_postgres::{
    CancelToken, Config, NoTls,
    config::{Host, SslMode},
    error::SqlState,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    Job,
    batch::{Merged, merge},
    row::{Cells, Row},
    tx::{Conn, Statement, Tx},
    value::Value,
};
use crate::{
    error::{Error, JobError, Result},
    keyring::Keyring,
};

/// For a connection to become free, and for a new one to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A statement may run so long (30 s), and a transaction stand idle so long (10 s), before the server ends it.
const SESSION: &str = "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=10000";
/// A write finds its rows by their keys. A plan that is kept from when a table was small must not read all of it once
/// it has grown, as joins by hash or by merging do.
const BY_KEYS: &str = "-c enable_hashjoin=off -c enable_mergejoin=off";
const BEGIN: &str = "begin";
const BEGIN_BY_ARGUMENTS: &str = "begin; set local plan_cache_mode = force_custom_plan";
const READ_ONLY: &str = "-c default_transaction_read_only=on";
/// What was sent and is not acknowledged for so long is taken for lost, and so is the connection.
const UNHEARD_TIMEOUT: Duration = Duration::from_secs(15);
/// A silent connection is probed after so long, and so often until it counts as lost.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
/// Running transactions may take so long to end at shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Handle {
    writers: Pool,
    readers: Pool,
    tls: Option<MakeRustlsConnect>,
    config: Box<Config>,
    keyring: Arc<Keyring>,
    /// Held shared by every job, and alone by who waits at shutdown for the last of them.
    running: Arc<RwLock<()>>,
}

impl Handle {
    pub(super) fn open(url: &str, max_connections: usize, keyring: Arc<Keyring>) -> Result<Self> {
        let mut config: Config = url.parse()?;
        if config.get_application_name().is_none() {
            config.application_name("nimbus");
        }
        config.connect_timeout(CONNECT_TIMEOUT);
        detect_loss(&mut config);
        let tls = encryption(&mut config)?;
        let readers = (max_connections / 2).max(1);
        let writers = max_connections.saturating_sub(readers).max(1);
        Ok(Self {
            writers: pool(&config, tls.clone(), &format!("{SESSION} {BY_KEYS}"), writers)?,
            readers: pool(&config, tls.clone(), &format!("{SESSION} {READ_ONLY}"), readers)?,
            tls,
            config: Box::new(config),
            keyring,
            running: Arc::default(),
        })
    }

    /// In a task of its own, so that a caller who stops waiting does not leave a transaction half done.
    pub(super) async fn write<T: Send + 'static, E: JobError>(&self, job: Job<T, E>) -> Result<T, E> {
        let running = self.running.clone().read_owned().await;
        let client = self.writers.get().await.map_err(Error::from)?;
        let mut tx =
            Tx::new(Conn::Postgres(PgConn::new(client, self.tls.clone(), State::Due)), self.keyring.clone());
        let task = tokio::spawn(async move {
            let _running = running;
            match tx.run_watched(&job).await {
                Ok(value) => tx.commit().await.map(|()| value).map_err(E::from),
                Err(error) => {
                    tx.roll_back().await;
                    Err(error)
                }
            }
        });
        task.await.unwrap_or_else(|_| Err(Error::closed().into()))
    }

    pub(super) async fn read<T: Send + 'static, E: JobError>(&self, job: Job<T, E>) -> Result<T, E> {
        let _running = self.running.read().await;
        let client = self.readers.get().await.map_err(Error::from)?;
        let mut tx =
            Tx::new(Conn::Postgres(PgConn::new(client, self.tls.clone(), State::None)), self.keyring.clone());
        let value = tx.run_watched(&job).await?;
        tx.publish_keys();
        Ok(value)
    }

    /// How a connection outside the pools is made.
    pub(super) fn own_config(&self) -> (&Config, Option<MakeRustlsConnect>) {
        (&self.config, self.tls.clone())
    }

    pub(super) async fn own_connection(&self) -> Result<ClientWrapper> {
        let client = Object::take(self.writers.get().await?);
        client
            .batch_execute("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0")
            .await?;
        Ok(client)
    }

    /// Refuses new work, then waits for the jobs that have a connection.
    pub(super) async fn close(&self) {
        self.writers.close();
        self.readers.close();
        if timeout(CLOSE_TIMEOUT, self.running.write()).await.is_err() {
            tracing::warn!("transactions were still running when the store closed");
        }
    }
}

/// A network or a server that falls silent is noticed, unless the URL says how.
fn detect_loss(config: &mut Config) {
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNHEARD_TIMEOUT);
    }
    if config.get_keepalives_interval().is_none() && config.get_keepalives_retries().is_none() {
        config
            .keepalives_idle(config.get_keepalives_idle().min(KEEPALIVE_IDLE))
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES);
    }
}

/// How connections are encrypted, and whether they are.
fn encryption(config: &mut Config) -> Result<Option<MakeRustlsConnect>> {
    let sockets = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    if sockets || config.get_ssl_mode() == SslMode::Disable {
        config.ssl_mode(SslMode::Disable);
        return Ok(None);
    }
    // `prefer`, the default, would let whoever sits between strip the encryption.
    config.ssl_mode(SslMode::Require);
    tls().map(Some)
}

fn pool(config: &Config, tls: Option<MakeRustlsConnect>, options: &str, size: usize) -> Result<Pool> {
    let mut config = config.clone();
    config.options(match config.get_options() {
        Some(given) => format!("{options} {given}"),
        None => options.to_owned(),
    });
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match tls {
        None => Manager::from_config(config, NoTls, recycling),
        Some(tls) => Manager::from_config(config, tls, recycling),
    };
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .build()
        .map_err(Error::unavailable)
}

/// Certificates are checked against the system's roots, or those of `SSL_CERT_FILE`.
fn tls() -> Result<MakeRustlsConnect> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::unavailable)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// A connection and how far its transaction is.
pub(super) struct PgConn {
    client: Option<Object>,
    tls: Option<MakeRustlsConnect>,
    state: State,
    /// What begins its transaction.
    begin: &'static str,
    /// A statement is on its way.
    pub(super) in_flight: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No transaction: a reader, or it has ended.
    None,
    /// `begin` rides with the first statement.
    Due,
    Open,
}

impl PgConn {
    fn new(client: Object, tls: Option<MakeRustlsConnect>, state: State) -> Self {
        Self { client: Some(client), tls, state, begin: BEGIN, in_flight: false }
    }

    /// Has each statement of a transaction that has not begun planned by its arguments and by what its tables are now.
    pub(super) fn plan_by_arguments(&mut self) {
        self.begin = BEGIN_BY_ARGUMENTS;
    }

    /// The connection, and what must go first. Call it when the statements are prepared: it counts the transaction as
    /// open.
    fn start(&mut self) -> Result<(&Object, Option<&'static str>)> {
        let due = (self.state == State::Due).then_some(self.begin);
        if due.is_some() {
            self.state = State::Open;
        }
        Ok((self.client.as_ref().ok_or_else(Error::closed)?, due))
    }

    async fn prepare(&self, sql: &'static str) -> Result<tokio_postgres::Statement> {
        let client = self.client.as_ref().ok_or_else(Error::closed)?;
        Ok(client.prepare_cached(sql).await?)
    }

    pub(super) async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64> {
        let statement = self.prepare(sql).await?;
        let (client, due) = self.start()?;
        let result = join(begin(client, due), client.execute_raw(&statement, args)).await;
        both(client, result)
    }

    pub(super) async fn query(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>> {
        let statement = self.prepare(sql).await?;
        let (client, due) = self.start()?;
        let rows = async { client.query_raw(&statement, args).await?.try_collect::<Vec<_>>().await };
        let result = join(begin(client, due), rows).await;
        Ok(both(client, result)?.into_iter().map(|row| Row(Cells::Postgres(row))).collect())
    }

    pub(super) async fn batch(&mut self, statements: &[Statement]) -> Result<Vec<u64>> {
        let merged = merge(statements);
        let mut prepared = Vec::with_capacity(merged.len());
        for statement in &merged {
            prepared.push((self.prepare(statement.sql).await?, &*statement.args));
        }
        let (client, due) = self.start()?;
        let result = join(begin(client, due), pipeline(client, &prepared)).await;
        let counts = both(client, result)?.into_iter().zip(&merged);
        let of_each = |(count, merged): (u64, &Merged<'_>)| {
            // Each of several has inserted its row, or the statement has failed.
            std::iter::repeat_n(if merged.rows == 1 { count } else { 1 }, merged.rows)
        };
        Ok(counts.flat_map(of_each).collect())
    }

    pub(super) async fn query_all(&mut self, queries: &[Statement]) -> Result<Vec<Vec<Row>>> {
        let prepared = self.prepare_all(queries).await?;
        let (client, due) = self.start()?;
        let rows = async |(statement, args): &Prepared<'_>| {
            client.query_raw(statement, *args).await?.try_collect::<Vec<_>>().await
        };
        // In the order in which they are polled first, all before the first answer is waited for.
        let queries = try_join_all(prepared.iter().map(rows));
        let found = both(client, join(begin(client, due), queries).await)?;
        let cells = |rows: Vec<_>| rows.into_iter().map(|row| Row(Cells::Postgres(row))).collect();
        Ok(found.into_iter().map(cells).collect())
    }

    async fn prepare_all<'a>(&self, statements: &'a [Statement]) -> Result<Vec<Prepared<'a>>> {
        let mut prepared = Vec::with_capacity(statements.len());
        for statement in statements {
            prepared.push((self.prepare(statement.sql).await?, statement.args.as_slice()));
        }
        Ok(prepared)
    }

    /// Sends the last statements and `commit` together.
    ///
    /// # Errors
    /// Of a statement, and then the server answered `commit` with a rollback; or of the commit itself. No other
    /// failure can hide in a commit: `Tx` does not come here after one.
    pub(super) async fn commit(&mut self, last: &[Statement]) -> Result<()> {
        if self.state == State::Due && last.is_empty() {
            self.state = State::None;
            return Ok(());
        }
        let prepared = self.prepare_all(last).await?;
        let (client, due) = self.start()?;
        let statements = join(begin(client, due), pipeline(client, &prepared));
        let (result, committed) = join(statements, client.batch_execute("commit")).await;
        both(client, result)?;
        committed?;
        self.state = State::None;
        Ok(())
    }

    pub(super) async fn roll_back(&mut self) {
        if self.state == State::Open
            && let Some(client) = &self.client
            && client.batch_execute("rollback").await.is_err()
        {
            return;
        }
        self.state = State::None;
    }
}

impl Drop for PgConn {
    /// A connection whose transaction or statement has not ended is closed instead of returning to the pool, where
    /// the next job would wait behind it. The server goes on with a statement until it is told to stop.
    fn drop(&mut self) {
        if (self.state == State::Open || self.in_flight)
            && let Some(client) = self.client.take()
        {
            let client = Object::take(client);
            if self.in_flight
                && let Ok(runtime) = tokio::runtime::Handle::try_current()
            {
                runtime.spawn(cancel(client.cancel_token(), self.tls.take()));
            }
        }
    }
}

/// Stops what runs on a connection, as far as the server can be reached: its own limit ends it at the latest.
async fn cancel(token: CancelToken, tls: Option<MakeRustlsConnect>) {
    let sent = async {
        match tls {
            None => token.cancel_query(NoTls).await,
            Some(tls) => token.cancel_query(tls).await,
        }
    };
    if !matches!(timeout(CONNECT_TIMEOUT, sent).await, Ok(Ok(()))) {
        tracing::warn!("a statement that nobody waits for could not be cancelled");
    }
}

type Prepared<'a> = (tokio_postgres::Statement, &'a [Value]);

async fn begin(client: &Object, due: Option<&'static str>) -> Result<(), tokio_postgres::Error> {
    match due {
        Some(begin) => client.batch_execute(begin).await,
        None => Ok(()),
    }
}

/// Sends every statement before it waits for the first answer. A future of the driver sends when it is first
/// polled, so the order of polling is the order on the wire.
async fn pipeline(client: &Object, statements: &[Prepared<'_>]) -> Result<Vec<u64>, tokio_postgres::Error> {
    let mut sent = Vec::with_capacity(statements.len());
    for (statement, args) in statements {
        let mut answer = Box::pin(maybe_done(client.execute_raw(statement, *args)));
        // Whether it is ready already is seen below.
        let _ = poll!(answer.as_mut());
        sent.push(answer);
    }
    let mut counts = Vec::with_capacity(sent.len());
    let mut failure = None;
    // All are awaited, so that the first error is told and not one that follows from it.
    for mut answer in sent {
        answer.as_mut().await;
        match answer.as_mut().take_output() {
            Some(Ok(count)) => counts.push(count),
            Some(Err(error)) => failure = failure.or(Some(error)),
            None => {}
        }
    }
    failure.map_or(Ok(counts), Err)
}

/// The second result, unless the first failed. A plan that a migration outdated is forgotten and counts as a
/// conflict, so that the job runs again.
fn both<T>(
    client: &Object,
    (begun, result): (Result<(), tokio_postgres::Error>, Result<T, tokio_postgres::Error>),
) -> Result<T> {
    begun?;
    result.map_err(|error| {
        if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) {
            client.statement_cache.clear();
            return Error::Conflict;
        }
        error.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(url: &str) -> (Option<Duration>, Duration, Option<u32>) {
        let mut config: Config = url.parse().unwrap();
        detect_loss(&mut config);
        let unheard = config.get_tcp_user_timeout().copied();
        (unheard, config.get_keepalives_idle(), config.get_keepalives_retries())
    }

    #[test]
    fn a_lost_connection_is_noticed_unless_the_url_says_how() {
        let ours = (Some(UNHEARD_TIMEOUT), KEEPALIVE_IDLE, Some(KEEPALIVE_RETRIES));
        assert_eq!(set("postgres://db/nimbus"), ours);
        let given = "postgres://db/nimbus?tcp_user_timeout=3&keepalives_idle=7&keepalives_retries=9";
        assert_eq!(set(given), (Some(Duration::from_secs(3)), Duration::from_secs(7), Some(9)));
        let idle = set("postgres://db/nimbus?keepalives_idle=7");
        assert_eq!(idle.1, Duration::from_secs(7));
    }
}
