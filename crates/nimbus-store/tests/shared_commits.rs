//! What the read path stands on, on both engines: rows appended with those of others, look-ups, many queries at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nimbus_store::{Db, Engine, Error, Result, Statement, Tx, Value, two_engines};

const INSERT: &str = "insert into probe (id) values ($1)";

async fn make_table(db: &Db) {
    let sql = match db.engine() {
        Engine::Sqlite => "create table probe (id integer primary key) strict",
        Engine::Postgres => "create table probe (id bigint primary key)",
    };
    db.write(move |tx: &mut Tx| Box::pin(async move { tx.execute(sql, &[]).await })).await.unwrap();
}

/// SQLite would never be done with it.
const ENDLESS: &str =
    "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n";

fn row(id: i64) -> Statement {
    Statement::new(INSERT, vec![id.into()])
}

async fn count(db: &Db) -> Result<i64> {
    db.look_up(|tx: &mut Tx| {
        Box::pin(async move { tx.query_one("select count(*) from probe", &[]).await?.columns().take() })
    })
    .await
}

two_engines! {
    async fn appended_rows_are_committed_when_it_returns(db: Db) {
        make_table(&db).await;
        let callers = (0..200).map(|caller: i64| {
            let db = db.clone();
            tokio::spawn(async move {
                db.append(vec![row(2 * caller), row(2 * caller + 1)]).await?;
                count(&db).await
            })
        });
        for seen in join_all(callers).await {
            assert!(seen.unwrap().unwrap() >= 2);
        }
        assert_eq!(count(&db).await.unwrap(), 400);
        db.append(Vec::new()).await.unwrap();
    }

    async fn a_refused_row_fails_its_own_caller_alone(db: Db) {
        make_table(&db).await;
        db.append(vec![row(7)]).await.unwrap();
        let results = join_all((0..50).map(|id| db.append(vec![row(id), row(1000 + id)]))).await;
        for (id, result) in results.into_iter().enumerate() {
            match id {
                7 => assert!(matches!(result, Err(Error::Conflict)), "{result:?}"),
                _ => result.unwrap(),
            }
        }
        assert_eq!(count(&db).await.unwrap(), 99);
    }

    async fn a_caller_who_leaves_does_not_take_others_along(db: Db) {
        make_table(&db).await;
        for id in 0..20 {
            let leaves = tokio::time::timeout(Duration::from_micros(50), db.append(vec![row(id)]));
            let (_, stays) = tokio::join!(leaves, db.append(vec![row(100 + id)]));
            stays.unwrap();
        }
        assert!(count(&db).await.unwrap() >= 20);
    }

    async fn more_than_a_batch_is_refused_and_as_much_as_one_is_not(db: Db) {
        make_table(&db).await;
        let refused = db.append((0..1001).map(row).collect()).await;
        assert!(matches!(refused, Err(Error::Job(_))), "{refused:?}");
        let full = join_all((0..3).map(|n| db.append((n * 1000..(n + 1) * 1000).map(row).collect()))).await;
        full.into_iter().collect::<Result<Vec<_>>>().unwrap();
        assert_eq!(count(&db).await.unwrap(), 3000);
    }

    async fn a_closed_database_appends_nothing_and_looks_nothing_up(db: Db) {
        make_table(&db).await;
        db.append(vec![row(1)]).await.unwrap();
        db.clone().close().await;
        assert!(matches!(db.append(vec![row(2)]).await, Err(Error::Unavailable(_))));
        assert!(matches!(count(&db).await, Err(Error::Unavailable(_))));
    }

    async fn a_look_up_sees_what_is_committed_and_cannot_write(db: Db) {
        make_table(&db).await;
        for id in 0..20 {
            db.append(vec![row(id)]).await.unwrap();
            assert_eq!(count(&db).await.unwrap(), id + 1);
        }
        let written: Result<u64> =
            db.look_up(|tx: &mut Tx| Box::pin(tx.execute("delete from probe", &[]))).await;
        assert!(written.is_err());
        assert_eq!(count(&db).await.unwrap(), 20);
    }

    async fn a_look_up_that_goes_wrong_gives_its_connection_back(db: Db) {
        make_table(&db).await;
        for _ in 0..20 {
            let panicked: Result<()> = db.look_up(|_| Box::pin(async { panic!("on purpose") })).await;
            assert!(matches!(panicked, Err(Error::Job(_))), "{panicked:?}");
            let waited: Result<()> = db
                .look_up(|_| Box::pin(async { std::future::pending::<()>().await; Ok(()) }))
                .await;
            assert!(matches!(waited, Err(Error::Job(_))), "{waited:?}");
            assert_eq!(count(&db).await.unwrap(), 0);
        }
    }

    async fn reads_whose_callers_leave_make_room_for_others(db: Db) {
        make_table(&db).await;
        let long = match db.engine() {
            Engine::Sqlite => ENDLESS,
            Engine::Postgres => "select cast(pg_sleep(20) as text)",
        };
        for _ in 0..3 {
            let reads = (0..16).map(|_| {
                let read = db.read(move |tx: &mut Tx| Box::pin(async move { tx.query(long, &[]).await.map(drop) }));
                tokio::time::timeout(Duration::from_millis(100), read)
            });
            for read in futures_util::future::join_all(reads).await {
                assert!(read.is_err(), "it takes longer than that");
            }
            let started = Instant::now();
            db.ping().await.unwrap();
            assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        }
        if db.engine() == Engine::Postgres {
            let sql = "select count(*) from pg_stat_activity
                where datname = current_database() and state = 'active' and query like '%pg_sleep(20)%'
                    and pid <> pg_backend_pid()";
            let running = || db.read(move |tx: &mut Tx| {
                Box::pin(async move { tx.query_one(sql, &[]).await?.columns().take::<i64>() })
            });
            let started = Instant::now();
            while running().await.unwrap() > 0 {
                assert!(started.elapsed() < Duration::from_secs(10), "the server was not told to stop");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn a_look_up_that_takes_long_is_a_read(db: Db) {
        make_table(&db).await;
        let long = match db.engine() {
            Engine::Sqlite => "with recursive n (i) as (select 1 union all select i + 1 from n where i < 3000000)
                select count(*) from n",
            Engine::Postgres => "select count(*) from pg_sleep(0.3)",
        };
        let counted: i64 = db
            .look_up(move |tx: &mut Tx| Box::pin(async move { tx.query_one(long, &[]).await?.columns().take() }))
            .await
            .unwrap();
        assert!(counted > 0);
    }

    async fn many_queries_answer_in_their_order(db: Db) {
        make_table(&db).await;
        db.append((0..40).map(row).collect()).await.unwrap();
        let found = db
            .read(|tx: &mut Tx| {
                Box::pin(async move {
                    let below = |limit: i64| {
                        Statement::new("select id from probe where id < $1 order by id", vec![limit.into()])
                    };
                    let queries: Vec<_> = (0..40).map(below).collect();
                    tx.query_all(&queries).await
                })
            })
            .await
            .unwrap();
        let lengths: Vec<usize> = found.iter().map(Vec::len).collect();
        assert_eq!(lengths, (0..40).collect::<Vec<_>>());
        let last: i64 = found[39][38].columns().take().unwrap();
        assert_eq!(last, 38);
        let broken: Result<_> = db
            .read(|tx: &mut Tx| {
                Box::pin(async move {
                    let queries = [row(1), Statement::new("select 1 where $1 = 1", vec![Value::Int(1)])];
                    tx.query_all(&queries).await.map(drop)
                })
            })
            .await;
        assert!(broken.is_err());
    }
}
