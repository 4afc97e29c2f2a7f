//! The feed of events: in the order of commits, without gaps, whatever is written meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nimbus_core::ids::{ClinicId, EventId};
use nimbus_store::{
    Db, Engine, Error, Tx,
    endpoints::Shape,
    events::{Feed, NewEvent, Settled, event_body, event_feed, event_feed_settled, event_statements},
    migrate,
    settings::setting_set,
    testing::{TestDb, block_on, logs_settle},
    two_engines,
};
use uuid::Uuid;

use crate::support::{after, clinic, event};

/// How long a reader waits for what is committed; other tests' transactions hold the feed back as well.
const PATIENCE: Duration = Duration::from_secs(30);

const TYPES: [&str; 1] = ["medication:shipped"];

fn feed(last: Option<EventId>) -> Feed {
    Feed {
        shape: Shape::Partner,
        after: last,
        types: TYPES.to_vec(),
        created_from: None,
        created_until: None,
        beyond: None,
        limit: 100,
    }
}

async fn write(db: &Db, events: Vec<NewEvent>) {
    let events = Arc::new(events);
    let written = db.write(move |tx: &mut Tx| {
        let events = Arc::clone(&events);
        Box::pin(async move {
            let statements = event_statements(tx, &events).await?;
            tx.batch(statements).await.map(drop)
        })
    });
    written.await.unwrap();
}

async fn read(db: &Db, clinic: ClinicId, feed: Feed) -> (Vec<EventId>, bool) {
    let found = db.read(move |tx: &mut Tx| {
        let feed = feed.clone();
        Box::pin(async move { event_feed(tx, clinic, &feed).await })
    });
    let found = found.await.unwrap().expect("nothing is past its retention");
    (found.items.iter().map(|event| event.id).collect(), found.has_more)
}

async fn read_settled(db: &Db, clinic: ClinicId, feed: Feed) -> (Vec<EventId>, Settled) {
    let found = db.read(move |tx: &mut Tx| {
        let feed = feed.clone();
        Box::pin(async move { event_feed_settled(tx, clinic, &feed).await })
    });
    let (found, settled) = found.await.unwrap().unwrap();
    (found.items.iter().map(|event| event.id).collect(), settled)
}

/// What the engine says it does for a page.
async fn plans_of(db: &Db, clinic: ClinicId, feed: Feed) -> Vec<(&'static str, String)> {
    let read = db.read(move |tx: &mut Tx| {
        let feed = feed.clone();
        Box::pin(async move {
            tx.keep_plans();
            event_feed(tx, clinic, &feed).await?;
            Ok::<_, Error>(tx.take_plans())
        })
    });
    read.await.unwrap()
}

/// Reads until there are so many.
async fn read_all(db: &Db, clinic: ClinicId, count: usize) -> Vec<EventId> {
    let started = std::time::Instant::now();
    let mut seen: Vec<EventId> = Vec::new();
    while seen.len() < count {
        assert!(started.elapsed() < PATIENCE, "{} of {count}", seen.len());
        let (found, _) = read(db, clinic, feed(seen.last().copied())).await;
        if found.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        seen.extend(found);
    }
    seen
}

async fn new_clinic(db: &Db) -> ClinicId {
    db.write(|tx: &mut Tx| Box::pin(clinic(tx))).await.unwrap()
}

two_engines! {
    async fn pages_filters_and_cursors(db: Db) {
        let (here, there) = (new_clinic(&db).await, new_clinic(&db).await);
        let [one, two, three] = ["1", "2", "3"].map(|body| event(here, body));
        let late = NewEvent { created_at: after(60), ..event(here, "late") };
        let other_type = NewEvent { type_: "refill:shipped".to_owned(), ..event(here, "other") };
        let orders = NewEvent { shape: Shape::Orders, ..event(here, "orders") };
        let mine = [one, two, three, late.clone()];
        let ids: Vec<EventId> = mine.iter().map(|event| event.id).collect();
        let foreign = event(there, "there");
        write(&db, [&mine[..], &[other_type.clone(), orders.clone(), foreign.clone()]].concat()).await;
        assert_eq!(read_all(&db, here, 4).await, ids);
        assert_eq!(read_all(&db, there, 1).await, [foreign.id]);

        let two = Feed { limit: 2, ..feed(None) };
        assert_eq!(read(&db, here, two.clone()).await, (ids[..2].to_vec(), true));
        assert_eq!(read(&db, here, Feed { after: Some(ids[1]), ..two }).await, (ids[2..].to_vec(), false));
        assert_eq!(read(&db, here, feed(Some(ids[3]))).await, (vec![], false));
        let from = Feed { created_from: Some(after(60)), ..feed(None) };
        assert_eq!(read(&db, here, from).await.0, [late.id]);
        let until = Feed { created_until: Some(after(60)), ..feed(None) };
        assert_eq!(read(&db, here, until).await.0, ids[..3]);
        let others = Feed { types: vec!["refill:shipped", "shipment:created"], ..feed(None) };
        assert_eq!(read(&db, here, others).await.0, [other_type.id]);
        assert_eq!(read(&db, here, Feed { types: vec![], ..feed(None) }).await.0, []);
        assert_eq!(read(&db, here, Feed { shape: Shape::Orders, ..feed(None) }).await.0, [orders.id]);

        assert_eq!(read(&db, here, feed(Some(EventId(Uuid::max())))).await.0, []);
    }

    async fn who_has_seen_all_goes_on_beyond_it(db: Db) {
        let here = new_clinic(&db).await;
        let seen = event(here, "seen");
        write(&db, vec![seen.clone()]).await;
        logs_settle().await;
        let (page, settled) = read_settled(&db, here, feed(Some(seen.id))).await;
        assert_eq!(page, []);
        let beyond = Feed { beyond: Some(settled), ..feed(Some(seen.id)) };
        assert_eq!(read(&db, here, beyond.clone()).await.0, []);
        let next = event(here, "next");
        write(&db, vec![next.clone()]).await;
        logs_settle().await;
        // However little the reader says that it has seen, what was settled is not looked at again.
        for after in [Some(seen.id), None] {
            let (page, _) = read_settled(&db, here, Feed { after, ..beyond.clone() }).await;
            assert_eq!(page, [next.id]);
        }
        assert_eq!(read(&db, here, feed(None)).await.0, [seen.id, next.id]);
    }

    async fn a_cursor_whose_event_is_gone_passes_over_nothing(db: Db) {
        let here = new_clinic(&db).await;
        let made = |second: i64, body: &str| {
            let id = Uuid::from_u128((0x1_0000 + u128::from(second.unsigned_abs()) * 1000) << 80);
            NewEvent { id: EventId(id), ..event(here, body) }
        };
        // As they are committed, which is not how they were made.
        let all = [made(10, "long before"), made(110, "just before"), made(140, "later"), made(130, "after")];
        for event in &all {
            write(&db, vec![event.clone()]).await;
        }
        let ids: Vec<EventId> = all.iter().map(|event| event.id).collect();
        assert_eq!(read_all(&db, here, 4).await, ids);
        let gone = made(120, "gone").id;
        assert_eq!(read(&db, here, feed(Some(gone))).await.0, ids[1..]);
        let first = made(0, "gone").id;
        assert_eq!(read(&db, here, feed(Some(first))).await.0, ids);
        assert_eq!(read(&db, here, feed(Some(made(300, "gone").id))).await.0, []);
    }

    async fn a_range_of_creation_is_found_wherever_it_lies(db: Db) {
        const COUNT: usize = 3000;
        let here = new_clinic(&db).await;
        // Created in the order of their commits, but each seventh long before and each eleventh long after.
        let created = |number: usize| match number {
            n if n % 7 == 3 => n as i64 - 2000,
            n if n % 11 == 5 => n as i64 + 2000,
            n => n as i64,
        };
        let all: Vec<NewEvent> = (0..COUNT)
            .map(|number| NewEvent { created_at: after(created(number)), ..event(here, "{}") })
            .collect();
        for part in all.chunks(500) {
            write(&db, part.to_vec()).await;
        }
        assert_eq!(read_all(&db, here, COUNT).await.len(), COUNT);
        let (mut plans, ranges) = (Vec::new(), [
            (None, None), (Some(2500), None), (Some(4500), None), (None, Some(-1000)), (Some(100), Some(200)),
            (Some(1800), Some(1805)), (Some(9000), None), (Some(200), Some(100)), (None, Some(2900)),
        ]);
        for (from, until) in ranges {
            let in_range = |event: &&NewEvent| {
                from.is_none_or(|from| event.created_at >= after(from))
                    && until.is_none_or(|until| event.created_at < after(until))
            };
            let mut expected: Vec<EventId> = all.iter().filter(in_range).map(|event| event.id).collect();
            // PostgreSQL gives the events of a transaction one position: among themselves they go by their ids.
            for part in all.chunks(500) {
                let of_part = |id: &EventId| part.iter().any(|event| event.id == *id);
                let place = expected.iter().position(of_part).unwrap_or_default();
                let count = expected.iter().filter(|id| of_part(id)).count();
                if db.engine() == Engine::Postgres {
                    expected[place..place + count].sort_unstable();
                }
            }
            let mut seen: Vec<EventId> = Vec::new();
            loop {
                let feed = Feed {
                    created_from: from.map(after),
                    created_until: until.map(after),
                    ..feed(seen.last().copied())
                };
                let (page, has_more) = read(&db, here, feed.clone()).await;
                seen.extend(page);
                if !has_more {
                    plans.extend(plans_of(&db, here, feed).await);
                    break;
                }
            }
            assert!(seen == expected, "{from:?} to {until:?}: {} of {}", seen.len(), expected.len());
        }
        let ranges: Vec<&String> =
            plans.iter().filter(|(sql, _)| sql.contains("min(position), max")).map(|(_, plan)| plan).collect();
        assert!(!ranges.is_empty());
        if db.engine() == Engine::Sqlite {
            assert!(ranges.iter().all(|plan| plan.contains(" events_by_created ") && !plan.contains("TEMP")), "{ranges:?}");
        }
    }

    async fn a_reader_misses_nothing_while_others_write(db: Db) {
        const WRITERS: usize = 8;
        const EACH: usize = 12;
        let here = new_clinic(&db).await;
        let writers: Vec<_> = (0..WRITERS).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut written = Vec::new();
                for _ in 0..EACH {
                    let event = event(here, "{}");
                    written.push(event.id);
                    write(&db, vec![event]).await;
                }
                written
            })
        }).collect();
        let mut seen = read_all(&db, here, WRITERS * EACH).await;
        let mut written = Vec::new();
        for writer in writers {
            written.extend(writer.await.unwrap());
        }
        seen.sort_unstable();
        written.sort_unstable();
        assert_eq!(seen, written, "each once");
    }
}

#[test]
fn on_postgres_the_one_that_began_first_and_commits_last_is_not_skipped() {
    block_on(async {
        let test = TestDb::migrated(Engine::Postgres).await;
        let db = &test.db;
        let here = new_clinic(db).await;
        let (first, second) = (event(here, "first"), event(here, "second"));
        let (begun, go): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
        let slow = {
            let (db, first) = (db.clone(), first.clone());
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            tokio::spawn(async move {
                db.write(move |tx: &mut Tx| {
                    let (first, begun, go) = (first.clone(), Arc::clone(&begun), Arc::clone(&go));
                    Box::pin(async move {
                        let written = event_statements(tx, &[first]).await?;
                        tx.batch(written).await?;
                        begun.store(true, Ordering::Relaxed);
                        while !go.load(Ordering::Relaxed) {
                            tx.query("select cast(pg_sleep(0.005) as text)", &[]).await?;
                        }
                        Ok::<_, Error>(())
                    })
                })
                .await
            })
        };
        while !begun.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        write(db, vec![second.clone()]).await;
        let id = second.id;
        let second_is_there = db.read(move |tx: &mut Tx| Box::pin(event_body(tx, here, id))).await;
        assert!(second_is_there.unwrap().is_some());
        assert_eq!(read(db, here, feed(None)).await.0, [], "held back: one that began earlier still runs");
        go.store(true, Ordering::Relaxed);
        slow.await.unwrap().unwrap();
        assert_eq!(read_all(db, here, 2).await, [first.id, second.id]);
    });
}

#[test]
fn on_sqlite_events_of_an_earlier_release_keep_the_order_of_their_commits() {
    const EARLIER: &str = include_str!("../../../../migrations/sqlite/V5__events.sql");
    const POSITIONS: &str = include_str!("../../../../migrations/sqlite/V7__event_feed.sql");
    block_on(async {
        let test = TestDb::empty(Engine::Sqlite).await;
        let table = EARLIER.split(';').find(|statement| statement.contains("create table events ("));
        let insert = "insert into events (clinic_id, id, shape, name, type, subject_id, body, created_at)
            values (x'01', $1, 'partner', 'n', 't', x'02', x'00', 0)";
        let done = test.db.write(move |tx: &mut Tx| {
            Box::pin(async move {
                tx.execute(table.unwrap(), &[]).await?;
                for id in [3i64, 1, 2] {
                    tx.execute(insert, &[Uuid::from_u128(id.unsigned_abs().into()).into()]).await?;
                }
                for statement in POSITIONS.split(';').filter(|text| !text.trim().is_empty()) {
                    tx.execute(statement, &[]).await?;
                }
                let rows = tx.query("select id from events order by position", &[]).await?;
                rows.iter().map(|row| row.columns().take::<Uuid>()).collect::<Result<Vec<_>, Error>>()
            })
        });
        assert_eq!(done.await.unwrap(), [3, 1, 2].map(Uuid::from_u128));
    });
}

#[test]
fn events_keep_their_order_in_another_cluster() {
    block_on(async {
        let test = TestDb::migrated(Engine::Postgres).await;
        let db = &test.db;
        let here = new_clinic(db).await;
        let (first, second, third) = (event(here, "1"), event(here, "2"), event(here, "3"));
        // Their commits are not in the order of their ids.
        write(db, vec![second.clone()]).await;
        write(db, vec![first.clone()]).await;
        db.write(|tx: &mut Tx| {
            Box::pin(async move {
                // As after a dump of a cluster that had counted far more transactions.
                tx.execute("update events set position = position + 1000000000000", &[]).await?;
                setting_set(tx, "postgres.system_identifier", "another").await
            })
        })
        .await
        .unwrap();
        assert_eq!(read(db, here, feed(None)).await.0, [], "they stand in the future");
        migrate::run(db).await.unwrap();
        migrate::run(db).await.unwrap();
        write(db, vec![third.clone()]).await;
        assert_eq!(read_all(db, here, 3).await, [second.id, first.id, third.id]);
    });
}
