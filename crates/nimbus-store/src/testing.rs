//! The two-engine test harness: a fresh database for each test, on SQLite and on a throw-away PostgreSQL.
//!
//! It panics where production code returns errors, and never skips an engine.

mod cluster;
pub mod faults;
pub mod staff;

use std::{future::Future, path::PathBuf};

use nimbus_core::{ids::ClinicId, time::Ts};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{Db, Engine, MasterKey, Statement, Tx, audit::AuditRow, endpoints::Shape, ledger, migrate};

pub use cluster::{PgCluster, logs_settle};

/// Writes each `async fn name(db: Db) { … }` as the two tests `name::sqlite` and `name::postgres`, each on a
/// migrated database of its own.
#[macro_export]
macro_rules! two_engines {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident: $type:ty) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body($db: $type) $body

            $(#[$meta])*
            #[test]
            fn sqlite() {
                $crate::testing::run_on($crate::Engine::Sqlite, body);
            }

            $(#[$meta])*
            #[test]
            fn postgres() {
                $crate::testing::run_on($crate::Engine::Postgres, body);
            }
        }
    )*};
}

/// Runs a test on a migrated database of one engine, in a runtime with two threads.
pub fn run_on<F: Future<Output = ()>>(engine: Engine, body: impl FnOnce(Db) -> F) {
    block_on(async {
        let test = TestDb::migrated(engine).await;
        body(test.db.clone()).await;
        test.db.close().await;
    });
}

/// Runs a test on both engines, one after the other.
pub async fn both_engines<F: Future<Output = ()>>(body: impl Fn(Db) -> F) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        body(TestDb::migrated(engine).await.db).await;
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a test's runtime starts")
        .block_on(future)
}

/// The master key of every test database.
pub fn master_key() -> MasterKey {
    MasterKey::new([7; 32])
}

/// The narrow names of the events of one shape about a subject, oldest first; unlike a feed, up to this moment.
pub async fn told_of(db: &Db, shape: Shape, subject: Uuid) -> Vec<String> {
    let read = db.read(move |tx: &mut Tx| {
        Box::pin(async move {
            let sql = "select type from events where shape = $1 and subject_id = $2 order by id";
            let rows = tx.query(sql, &[shape.as_str().into(), subject.into()]).await?;
            rows.iter().map(|row| row.columns().take::<String>()).collect::<crate::Result<_>>()
        })
    });
    read.await.expect("events are read")
}

/// What is on record of a clinic (or all) and a subject (or any), newest first, whether it is linked or not.
pub async fn audited(db: &Db, clinic: Option<ClinicId>, subject: Option<Uuid>) -> Vec<AuditRow> {
    let read = db.read(move |tx: &mut Tx| {
        Box::pin(async move {
            let sql = concat!(
                "select ",
                crate::audit::columns!(),
                " from audit where (clinic_id = $1 or $1 is null) and (subject_id = $2 or $2 is null)
                  order by id desc"
            );
            let rows = tx.query(sql, &[clinic.into(), subject.into()]).await?;
            rows.iter()
                .map(|row| crate::audit::read_columns(&mut row.columns()))
                .collect::<crate::Result<_>>()
        })
    });
    read.await.expect("the audit log is read")
}

/// A database of one test.
pub struct TestDb {
    pub db: Db,
    pub place: Place,
    /// Removed with the test.
    _folder: Option<TempDir>,
}

/// Where a test database is, to open it once more or hand it to another process.
#[derive(Debug, Clone)]
pub enum Place {
    File(PathBuf),
    Url(String),
}

impl Place {
    /// Opens the database with any master key.
    pub async fn open(&self, master: MasterKey) -> crate::Result<Db> {
        match self {
            Self::File(path) => Db::open_sqlite(path, master).await,
            Self::Url(url) => Db::open_postgres(url, master, 16).await,
        }
    }
}

impl TestDb {
    /// A database with this release's schema.
    pub async fn migrated(engine: Engine) -> Self {
        let test = Self::empty(engine).await;
        migrate::run(&test.db).await.expect("the migrations run");
        test
    }

    /// A database with nothing in it.
    pub async fn empty(engine: Engine) -> Self {
        let (place, folder) = match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                (Place::File(folder.path().join("nimbus.db")), Some(folder))
            }
            Engine::Postgres => (Place::Url(PgCluster::shared().create_database().await), None),
        };
        let db = place.open(master_key()).await.expect("a new database opens");
        Self { db, place, _folder: folder }
    }
}

/// Has the leases on labels that are being bought run out, as time would: nobody is at them any more, and their jobs are
/// due.
pub async fn label_leases_end(db: &Db) {
    let written = db.write(|tx: &mut Tx| {
        Box::pin(async move {
            tx.execute("update label_purchases set busy_until = created_at", &[]).await?;
            let sql = "update jobs set due_at = created_at, lease_token = null, lease_until = null
                where kind = 'label_purchase'";
            tx.execute(sql, &[]).await.map(drop)
        })
    });
    written.await.map_err(|error: crate::Error| error).expect("the leases end");
}

/// Does what retention does when the bodies of all events are past their age.
pub async fn bodies_expire(db: &Db) {
    let written = db.write(|tx: &mut Tx| {
        Box::pin(async move {
            tx.execute("update events set body = $1", &[crate::Value::Bytes(Vec::new())]).await?;
            let reached = "update retention_marks set reached = (select max(position) from events)
                where class = 'bodies'";
            tx.execute(reached, &[]).await.map(drop)
        })
    });
    written.await.map_err(|error: crate::Error| error).expect("the bodies go");
}

/// Moves all that was told and sent back by so many days, as if it had happened then.
pub async fn told_days_ago(db: &Db, days: i64) {
    let (millis, micros) = (i128::from(days) * 86_400_000, days * 86_400_000_000);
    let written = db.write(move |tx: &mut Tx| {
        Box::pin(async move {
            for (table, others, times) in [
                ("events", &[][..], &["created_at"][..]),
                ("deliveries", &["event_id"], &["due_at", "created_at", "finished_at"]),
                ("attempts", &["delivery_id"], &["started_at"]),
            ] {
                let ids: Vec<&str> = std::iter::once("id").chain(others.iter().copied()).collect();
                let read: &'static str =
                    format!("select clinic_id, {}, {} from {table}", ids.join(", "), times.join(", ")).leak();
                let columns: Vec<String> = ids
                    .iter()
                    .chain(times)
                    .enumerate()
                    .map(|(at, name)| format!("{name} = ${}", at + 3))
                    .collect();
                let write: &'static str =
                    format!("update {table} set {} where clinic_id = $1 and id = $2", columns.join(", "))
                        .leak();
                let mut moved = Vec::new();
                for row in tx.query(read, &[]).await? {
                    let mut columns = row.columns();
                    let clinic: Uuid = columns.take()?;
                    let olds = ids.iter().map(|_| columns.take()).collect::<crate::Result<Vec<Uuid>>>()?;
                    // The time of an id is the first 48 of its bits.
                    let earlier = |id: &Uuid| Uuid::from_u128(id.as_u128() - ((millis as u128) << 80));
                    let mut args = vec![clinic.into(), olds[0].into()];
                    args.extend(olds.iter().map(|id| earlier(id).into()));
                    for _ in times {
                        let at: Option<Ts> = columns.take()?;
                        args.push(at.map(|at| Ts::from_micros(at.micros() - micros)).into());
                    }
                    moved.push(Statement::new(write, args));
                }
                for some in moved.chunks(500) {
                    tx.batch(some.to_vec()).await?;
                }
            }
            Ok(())
        })
    });
    written.await.map_err(|error: crate::Error| error).expect("it happened then");
}

/// Has the master key itself wrap every clinic's key, as before there were roots.
pub async fn master_by_itself(db: &Db, master: &MasterKey) {
    crate::roots::taken_back(db, master).await.expect("the roots go");
}

/// How many events, deliveries and attempts there are.
pub async fn told_rows(db: &Db) -> Vec<i64> {
    let read = db.read(|tx: &mut Tx| {
        Box::pin(async move {
            let sql = "select (select count(*) from events), (select count(*) from deliveries),
                (select count(*) from attempts)";
            let row = tx.query_one(sql, &[]).await?;
            let mut columns = row.columns();
            (0..3).map(|_| columns.take()).collect::<crate::Result<_>>()
        })
    });
    read.await.expect("rows are counted")
}

/// Has a clinic's keys been made so many days before now.
pub async fn clinic_keys_age(db: &Db, clinic: ClinicId, days: i64) {
    let written = db.write(move |tx: &mut Tx| {
        Box::pin(async move {
            let then = Ts::from_micros(jiff::Timestamp::now().as_microsecond()).plus_days(-days);
            let sql = "update clinic_keys set created_at = $2 where clinic_id = $1";
            tx.execute(sql, &[clinic.into(), then.into()]).await.map(drop)
        })
    });
    written.await.map_err(|error: crate::Error| error).expect("they age");
}

/// Has the ledger count every event that there is, as a worker would.
pub async fn ledger_walks(db: &Db) {
    logs_settle().await;
    while let Some(step) =
        db.read(|tx: &mut Tx| Box::pin(ledger::ledger_step(tx))).await.expect("the ledger is read")
    {
        let walked = db.write(move |tx: &mut Tx| {
            let step = step.clone();
            Box::pin(async move { ledger::ledger_advance(tx, &step).await })
        });
        walked.await.expect("the ledger goes on");
    }
}
