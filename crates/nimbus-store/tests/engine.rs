//! Transactions on both engines: what is promised of commits, failures, retries, limits and values.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};
use std::time::Duration;

use nimbus_core::{
    ids::{ClinicId, OrderId},
    time::{Date, Ts, parse_date},
};
use nimbus_store::testing::{TestDb, block_on};
use nimbus_store::{Db, Engine, Error, Result, Statement, Tx, Value, two_engines};
use uuid::Uuid;

async fn make_table(db: &Db) {
    let sql = match db.engine() {
        Engine::Sqlite => "create table probe (id integer primary key, note text) strict",
        Engine::Postgres => "create table probe (id bigint primary key, note text)",
    };
    db.write(move |tx: &mut Tx| Box::pin(async move { tx.execute(sql, &[]).await })).await.unwrap();
}

const INSERT: &str = "insert into probe (id, note) values ($1, $2)";

async fn insert(tx: &mut Tx, id: i64) -> Result<u64> {
    tx.execute(INSERT, &[id.into(), "x".into()]).await
}

async fn add(db: &Db, id: i64) -> Result<u64> {
    db.write(move |tx: &mut Tx| Box::pin(insert(tx, id))).await
}

async fn ids(db: &Db) -> Vec<i64> {
    db.read(|tx: &mut Tx| {
        Box::pin(async move {
            let rows = tx.query("select id from probe order by id", &[]).await?;
            rows.iter().map(|row| row.columns().take()).collect::<Result<_>>()
        })
    })
    .await
    .unwrap()
}

two_engines! {
    async fn what_is_committed_is_seen_and_what_fails_is_not(db: Db) {
        make_table(&db).await;
        assert_eq!(add(&db, 1).await.unwrap(), 1);
        let failed: Result<()> = db
            .write(|tx| Box::pin(async move { insert(tx, 2).await?; Err(Error::Corrupt("on purpose")) }))
            .await;
        assert!(matches!(failed, Err(Error::Corrupt("on purpose"))));
        assert_eq!(ids(&db).await, [1]);
    }

    async fn a_failing_job_leaves_its_neighbours_alone(db: Db) {
        make_table(&db).await;
        let jobs = (0..64).map(|id| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(move |tx: &mut Tx| {
                    Box::pin(async move {
                        insert(tx, id).await?;
                        match id % 4 {
                            1 => Err(Error::Corrupt("on purpose")),
                            2 => panic!("on purpose"),
                            _ => Ok(()),
                        }
                    })
                })
                .await
            })
        });
        let results = futures_util::future::join_all(jobs).await;
        for (id, result) in results.into_iter().enumerate() {
            match id % 4 {
                1 => assert!(matches!(result.unwrap(), Err(Error::Corrupt(_)))),
                2 => assert!(matches!(result.unwrap(), Err(Error::Job(_)))),
                _ => result.unwrap().unwrap(),
            }
        }
        let kept: Vec<i64> = (0..64).filter(|id| !matches!(id % 4, 1 | 2)).collect();
        assert_eq!(ids(&db).await, kept);
    }

    async fn a_job_that_waits_for_something_else_is_refused(db: Db) {
        make_table(&db).await;
        let result: Result<()> = db
            .write(|tx| {
                Box::pin(async move {
                    insert(tx, 1).await?;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    Ok(())
                })
            })
            .await;
        assert!(matches!(result, Err(Error::Job(_))), "{result:?}");
        let read: Result<()> =
            db.read(|_| Box::pin(async move { std::future::pending::<()>().await; Ok(()) })).await;
        assert!(matches!(read, Err(Error::Job(_))));
        assert!(ids(&db).await.is_empty());
        add(&db, 2).await.unwrap();
    }

    async fn a_swallowed_failure_still_rolls_back(db: Db) {
        make_table(&db).await;
        add(&db, 1).await.unwrap();
        let result: Result<()> = db
            .write(|tx| {
                Box::pin(async move {
                    insert(tx, 2).await?;
                    drop(insert(tx, 1).await);
                    Ok(())
                })
            })
            .await;
        assert!(matches!(result, Err(Error::Conflict)), "{result:?}");
        assert_eq!(ids(&db).await, [1]);
    }

    async fn a_conflict_is_retried_and_no_more_than_five_times(db: Db) {
        let runs = Arc::new(AtomicU32::new(0));
        let (first, third) = (runs.clone(), runs.clone());
        let done: Result<u32> = db
            .write(move |_| {
                let runs = third.fetch_add(1, Ordering::Relaxed) + 1;
                Box::pin(async move { if runs < 3 { Err(Error::Conflict) } else { Ok(runs) } })
            })
            .await;
        assert_eq!(done.unwrap(), 3);
        runs.store(0, Ordering::Relaxed);
        let lost: Result<()> = db
            .write(move |_| { first.fetch_add(1, Ordering::Relaxed); Box::pin(async { Err(Error::Conflict) }) })
            .await;
        assert!(matches!(lost, Err(Error::Conflict)));
        assert_eq!(runs.load(Ordering::Relaxed), 5);
    }

    async fn a_job_cannot_end_its_transaction(db: Db) {
        make_table(&db).await;
        if db.engine() == Engine::Sqlite {
            let ended: Result<u64> = db
                .write(|tx| Box::pin(async move { insert(tx, 1).await?; tx.execute("rollback", &[]).await }))
                .await;
            assert!(matches!(ended, Err(Error::Job(_))), "{ended:?}");
        }
        assert_eq!(ids(&db).await.len(), 0);
        add(&db, 2).await.unwrap();
        assert_eq!(ids(&db).await, [2]);
    }

    async fn sixty_four_writers_count_without_losing_one(db: Db) {
        make_table(&db).await;
        add(&db, 0).await.unwrap();
        let writers = (0..64).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for _ in 0..4 {
                    db.write(|tx| {
                        Box::pin(async move {
                            let next = "select count(*) from probe";
                            let count: i64 = tx.query_one(next, &[]).await?.columns().take()?;
                            tx.batch(vec![
                                Statement::new(INSERT, vec![count.into(), Value::Null]),
                                Statement::new("update probe set note = $1 where id = 0", vec!["seen".into()]),
                            ])
                            .await
                        })
                    })
                    .await
                    .map(drop)
                    .or_else(|error| if matches!(error, Error::Conflict) { Ok(()) } else { Err(error) })?;
                }
                Ok::<_, Error>(())
            })
        });
        for writer in futures_util::future::join_all(writers).await {
            writer.unwrap().unwrap();
        }
        let ids = ids(&db).await;
        assert!(ids.iter().copied().eq(0..ids.len() as i64), "no gaps: {ids:?}");
        if db.engine() == Engine::Sqlite {
            assert_eq!(ids.len(), 257);
        }
    }

    async fn a_reader_cannot_write(db: Db) {
        make_table(&db).await;
        let result = db.read(|tx: &mut Tx| Box::pin(insert(tx, 1))).await;
        assert!(result.is_err());
        assert!(ids(&db).await.is_empty());
        add(&db, 1).await.unwrap();
    }

    async fn a_batch_counts_each_statement_and_fails_whole(db: Db) {
        make_table(&db).await;
        let counts = db
            .write(|tx: &mut Tx| {
                Box::pin(async move {
                    let rows = (1..=40).map(|id: i64| Statement::new(INSERT, vec![id.into(), "b".into()]));
                    let update = Statement::new("update probe set note = $2 where id <= $1", vec![
                        5.into(),
                        "low".into(),
                    ]);
                    tx.at_commit(Statement::new(INSERT, vec![99.into(), "last".into()]));
                    tx.batch(rows.chain([update]).collect()).await
                })
            })
            .await
            .unwrap();
        assert_eq!(counts.len(), 41);
        assert_eq!(counts[40], 5);
        assert_eq!(ids(&db).await.len(), 41);
        let late = db
            .write(|tx: &mut Tx| {
                Box::pin(async move {
                    tx.at_commit(Statement::new(INSERT, vec![1.into(), "twice".into()]));
                    insert(tx, 50).await
                })
            })
            .await;
        assert!(matches!(late, Err(Error::Conflict)));
        assert_eq!(ids(&db).await.len(), 41);
    }

    async fn a_caller_who_leaves_does_not_break_the_connection(db: Db) {
        make_table(&db).await;
        for id in 0..20 {
            let write = add(&db, id);
            drop(tokio::time::timeout(Duration::from_micros(300), write).await);
        }
        add(&db, 100).await.unwrap();
        assert!(ids(&db).await.contains(&100));
    }

    async fn arguments_go_by_their_number(db: Db) {
        make_table(&db).await;
        add(&db, 1).await.unwrap();
        let changed = db
            .write(|tx: &mut Tx| {
                Box::pin(async move {
                    let sql = "update probe set note = $2 where id = $1 and $2 <> 'y' returning note";
                    let row = tx.query_one(sql, &[1.into(), "z".into()]).await?;
                    row.columns().take::<String>()
                })
            })
            .await;
        assert_eq!(changed.unwrap(), "z");
        let short = db.read(|tx: &mut Tx| Box::pin(tx.query("select id from probe where id = $1", &[]))).await;
        assert!(short.is_err());
    }

    async fn values_of_every_type_read_back(db: Db) {
        let sql = match db.engine() {
            Engine::Sqlite => "create table kinds (a integer, b integer, c text, d blob, e blob, f integer, g text, \
                               h text, i blob) strict",
            Engine::Postgres => "create table kinds (a boolean, b bigint, c text, d bytea, e uuid, f timestamptz, \
                                 g date, h jsonb, i uuid)",
        };
        type Kinds = (
            Option<bool>, Option<i64>, Option<String>, Option<Vec<u8>>, Option<Uuid>, Option<Ts>, Option<Date>,
            Option<String>, Option<OrderId>,
        );
        let id = Uuid::now_v7();
        let full = vec![
            true.into(), i64::MIN.into(), "naïve ✓".into(), vec![0u8, 255].into(), id.into(),
            Ts::from_micros(-1).into(), parse_date("1969-02-28").unwrap().into(),
            Value::Json("{\"k\": 1}".to_owned()), OrderId(id).into(),
        ];
        db.write(move |tx: &mut Tx| {
            let full = full.clone();
            Box::pin(async move {
                tx.execute(sql, &[]).await?;
                let insert = "insert into kinds (a, b, c, d, e, f, g, h, i) \
                              values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
                tx.execute(insert, &full).await?;
                tx.execute(insert, &vec![Value::Null; 9]).await
            })
        })
        .await
        .unwrap();
        let read: Vec<Kinds> = db
            .read(|tx: &mut Tx| {
                Box::pin(async move {
                    let rows = tx.query("select a, b, c, d, e, f, g, h, i from kinds order by a is null", &[]).await?;
                    rows.iter()
                        .map(|row| {
                            let mut c = row.columns();
                            Ok((c.take()?, c.take()?, c.take()?, c.take()?, c.take()?, c.take()?, c.take()?,
                                c.take()?, c.take()?))
                        })
                        .collect::<Result<_>>()
                })
            })
            .await
            .unwrap();
        assert_eq!(read[0], (
            Some(true), Some(i64::MIN), Some("naïve ✓".to_owned()), Some(vec![0, 255]), Some(id),
            Some(Ts::from_micros(-1)), parse_date("1969-02-28"), Some("{\"k\": 1}".to_owned()), Some(OrderId(id)),
        ));
        assert_eq!(read[1], (None, None, None, None, None, None, None, None, None));
    }

    async fn a_misread_column_is_corrupt_and_names_no_value(db: Db) {
        let error = db
            .read(|tx: &mut Tx| {
                Box::pin(async move {
                    let row = tx.query_one("select 'Jane Doe', 2", &[]).await?;
                    let mut columns = row.columns();
                    let error = columns.take::<ClinicId>().unwrap_err();
                    assert!(columns.take::<bool>().is_err());
                    assert!(columns.take::<i64>().is_err());
                    Ok::<_, Error>(error)
                })
            })
            .await
            .unwrap();
        assert!(matches!(error, Error::Corrupt(_)));
        assert!(!format!("{error:?} {error}").contains("Jane"));
    }

    async fn an_error_names_no_value(db: Db) {
        make_table(&db).await;
        let result = db
            .write(|tx: &mut Tx| {
                Box::pin(async move {
                    let sql = "insert into probe (id) values (cast(cast($1 as text) as bigint))";
                    tx.execute(sql, &["Jane Doe".into()]).await
                })
            })
            .await;
        // SQLite reads the text as 0; PostgreSQL's message quotes it.
        match db.engine() {
            Engine::Sqlite => assert_eq!(result.unwrap(), 1),
            Engine::Postgres => {
                let error = result.unwrap_err();
                let Error::Database(source) = &error else { panic!("{error:?}") };
                assert!(source.to_string().contains("22P02"), "{source}");
                assert!(!format!("{error:?} {error} {source}").contains("Jane"), "{error:?}");
            }
        }
    }

    async fn a_closed_database_finishes_its_work_and_takes_no_more(db: Db) {
        make_table(&db).await;
        let jobs: Vec<_> = (0..50).map(|id| { let db = db.clone(); tokio::spawn(async move { add(&db, id).await }) }).collect();
        tokio::time::sleep(Duration::from_millis(2)).await;
        db.clone().close().await;
        for job in jobs {
            let result = job.await.unwrap();
            assert!(matches!(result, Ok(1) | Err(Error::Unavailable(_))), "{result:?}");
        }
        assert!(matches!(add(&db, 1000).await, Err(Error::Unavailable(_))));
    }
}

#[test]
fn a_full_queue_is_busy_and_recovers() {
    block_on(async {
        let test = TestDb::migrated(Engine::Sqlite).await;
        make_table(&test.db).await;
        let slow = test.db.clone();
        let slow = tokio::spawn(async move {
            slow.write(|_| {
                std::thread::sleep(Duration::from_secs(1));
                Box::pin(async { Ok::<_, Error>(()) })
            })
            .await
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let results = futures_util::future::join_all((0..1200).map(|id| add(&test.db, id))).await;
        slow.await.unwrap().unwrap();
        let busy = results.iter().filter(|result| matches!(result, Err(Error::Busy))).count();
        let done = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!((busy, done), (1200 - 1024, 1024));
        assert_eq!(ids(&test.db).await.len(), done);
    });
}

#[test]
fn a_commit_that_fails_takes_back_what_its_jobs_were_told() {
    block_on(async {
        let test = TestDb::migrated(Engine::Sqlite).await;
        make_table(&test.db).await;
        let child = "create table child (id integer primary key,
            parent integer not null references probe (id) deferrable initially deferred) strict";
        test.db
            .write(move |tx: &mut Tx| Box::pin(async move { tx.execute(child, &[]).await }))
            .await
            .unwrap();
        // The two that follow meet in one commit while this one keeps the writer.
        let slow = test.db.write(|_| {
            std::thread::sleep(Duration::from_millis(300));
            Box::pin(async { Ok::<_, Error>(()) })
        });
        let orphan = test.db.write(|tx: &mut Tx| {
            Box::pin(async move { tx.execute("insert into child values (1, 99)", &[]).await })
        });
        let refused = test.db.write(|tx: &mut Tx| {
            Box::pin(async move {
                match tx.query_opt("select 1 from child where id = 1", &[]).await? {
                    Some(_) => Err(Error::Corrupt("there is one already")),
                    None => Ok(()),
                }
            })
        });
        let (slow, orphan, refused) = tokio::join!(slow, orphan, refused);
        slow.unwrap();
        assert!(matches!(orphan, Err(Error::Database(_))), "{orphan:?}");
        assert!(matches!(refused, Err(Error::Database(_))), "what it saw never was: {refused:?}");
        add(&test.db, 1).await.unwrap();
    });
}

#[test]
fn a_full_disk_fails_the_job_and_not_the_store() {
    block_on(async {
        let test = TestDb::migrated(Engine::Sqlite).await;
        make_table(&test.db).await;
        let limit = |pages: &'static str| {
            let db = test.db.clone();
            async move { db.write(move |tx: &mut Tx| Box::pin(async move { tx.execute(pages, &[]).await })).await }
        };
        limit("pragma max_page_count = 30").await.unwrap();
        let large: Result<u64> = test
            .db
            .write(|tx: &mut Tx| {
                Box::pin(async move {
                    insert(tx, 1).await?;
                    tx.execute(INSERT, &[2.into(), "x".repeat(1 << 20).into()]).await
                })
            })
            .await;
        assert!(matches!(large, Err(Error::Unavailable(_) | Error::Job(_))), "{large:?}");
        assert!(ids(&test.db).await.is_empty());
        limit("pragma max_page_count = 1073741823").await.unwrap();
        add(&test.db, 3).await.unwrap();
        assert_eq!(ids(&test.db).await, [3]);
    });
}
