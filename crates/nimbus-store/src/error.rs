//! What can go wrong in the store, without a word of the data that was in the statement.

use std::{fmt, sync::Arc};

use nimbus_core::ids::ClinicId;
use uuid::Uuid;

/// The cause kept for the log. Shared, because one failed commit is told to every job that was in it.
pub type Source = Arc<dyn std::error::Error + Send + Sync>;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A compare-and-set lost, a unique key exists already, or the engine gave up on serialising.
    #[error("somebody else changed the row first")]
    Conflict,
    /// The queue is full, no connection became free in time, or a statement ran into its limit.
    #[error("the store is busy")]
    Busy,
    /// The database cannot be reached or cannot take writes (connection, disk, shutdown).
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),
    /// A row that cannot be read as what it should be; the text names the fault, never the value.
    #[error("a stored row is corrupt: {0}")]
    Corrupt(&'static str),
    #[error("sealing: {0}")]
    Seal(SealError),
    /// A job broke the rules of transactions: it panicked, waited for something else, ended the transaction.
    #[error("a transaction was abandoned: {0}")]
    Job(&'static str),
    /// Any other refusal by the engine.
    #[error("the database refused a statement")]
    Database(#[source] Source),
}

/// Why a value could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A wrapped key or a value of the master key's.
    #[error("the value does not authenticate")]
    Authentication,
    #[error("the value is not in a known format")]
    Format,
    /// It was altered, or belongs elsewhere.
    #[error("the sealed value of {0} was altered")]
    Altered(Place),
    #[error("the key version of {0} is unknown or destroyed")]
    UnknownVersion(Place),
    #[error("the clinic has no keys, or they were destroyed")]
    NoKeys,
    #[error("the master key is not the one this database was sealed with: it needs {}", needed.join(" or "))]
    WrongMasterKey {
        /// The ids of the master keys that open it.
        needed: Vec<String>,
    },
    #[error("the root that wraps a clinic's key is not known here")]
    UnknownRoot,
    #[error("a master key is 32 bytes in base64")]
    MasterKeyForm,
    #[error("the master key file: {0}")]
    MasterKeyFile(std::io::ErrorKind),
    #[error("the system's random source failed")]
    Random,
}

/// Where a sealed value is. It can be printed on a wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub clinic: ClinicId,
    pub table: &'static str,
    pub column: &'static str,
    /// The row's id.
    pub row: Uuid,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} of {} (clinic {})", self.table, self.column, self.row, self.clinic)
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

/// The error of a transaction's job: made from the store's, and able to show it, so that a conflict is retried.
pub trait JobError: From<Error> + Send + 'static {
    /// The store's error inside, if it is one.
    fn as_store(&self) -> Option<&Error>;
}

impl JobError for Error {
    fn as_store(&self) -> Option<&Error> {
        Some(self)
    }
}

impl Error {
    pub(crate) fn unavailable(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(source))
    }

    pub(crate) fn database(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Database(Arc::new(source))
    }

    /// Whether the same job may succeed if it is run again, on newer rows or newer keys.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self, Self::Conflict | Self::Seal(SealError::UnknownVersion(_) | SealError::UnknownRoot))
    }

    /// Where the sealed value is that could not be opened as it stands.
    pub const fn unreadable(&self) -> Option<Place> {
        match self {
            Self::Seal(SealError::Altered(place) | SealError::UnknownVersion(place)) => Some(*place),
            _ => None,
        }
    }

    /// The error for a service thread or pool that has shut down.
    pub(crate) fn closed() -> Self {
        Self::unavailable(std::io::Error::from(std::io::ErrorKind::NotConnected))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{ErrorCode, ffi};
        const UNIQUE: [i32; 3] =
            [ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_CONSTRAINT_PRIMARYKEY, ffi::SQLITE_CONSTRAINT_ROWID];
        let Some(cause) = error.sqlite_error() else { return Self::database(error) };
        match cause.code {
            ErrorCode::ConstraintViolation if UNIQUE.contains(&cause.extended_code) => Self::Conflict,
            // Interrupted: a read ran into its limit.
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted => {
                Self::Busy
            }
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly => Self::unavailable(error),
            _ => Self::database(error),
        }
    }
}

/// What PostgreSQL said, less its texts that may quote values: `DETAIL` and the messages of data errors do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("PostgreSQL {code}: {message} (table {table}, column {column}, constraint {constraint})")]
struct PostgresError {
    code: String,
    message: String,
    table: String,
    column: String,
    constraint: String,
}

impl PostgresError {
    fn new(error: &tokio_postgres::error::DbError) -> Self {
        let code = error.code().code();
        let name = |text: Option<&str>| text.unwrap_or("-").to_owned();
        // Classes whose messages name only objects and resources: syntax, resources, operator, system.
        let wall_safe = ["42", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class));
        Self {
            code: code.to_owned(),
            message: if wall_safe { error.message().to_owned() } else { "message withheld".to_owned() },
            table: name(error.table()),
            column: name(error.column()),
            constraint: name(error.constraint()),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        let Some(db) = error.as_db_error() else {
            // Without an answer from the server: the connection. With a wrong argument: the statement.
            let io = error.is_closed()
                || std::error::Error::source(&error).is_some_and(|s| s.is::<std::io::Error>());
            return if io { Self::unavailable(error) } else { Self::database(error) };
        };
        let code = db.code();
        if [
            SqlState::UNIQUE_VIOLATION,
            SqlState::EXCLUSION_VIOLATION,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ]
        .contains(code)
        {
            return Self::Conflict;
        }
        // A statement or a wait for a lock ran into its limit.
        if [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE].contains(code) {
            return Self::Busy;
        }
        let known = PostgresError::new(db);
        // 08 connection, 53 resources, 57P shutdown, 28 login, 25006 a standby.
        let away = ["08", "53", "57P", "28", "25006"].iter().any(|class| code.code().starts_with(class));
        if away { Self::unavailable(known) } else { Self::database(known) }
    }
}

impl From<deadpool_postgres::PoolError> for Error {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Timeout(_) => Self::Busy,
            deadpool_postgres::PoolError::Backend(error) => match Self::from(error) {
                Self::Database(source) => Self::Unavailable(source),
                other => other,
            },
            other => Self::unavailable(other),
        }
    }
}
