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
    events::{Feed, NewEvent, event_body, event_feed, event_statements},
    migrate,
    settings::setting_set,
    testing::{TestDb, block_on},
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
    let found = found.await.unwrap();
    (found.items.iter().map(|event| event.id).collect(), found.has_more)
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

        // A cursor whose event is gone goes on with the first one made after it.
        let gone = EventId(Uuid::from_u128(ids[1].0.as_u128() - 1));
        assert_eq!(read(&db, here, feed(Some(gone))).await.0, ids[1..]);
        assert_eq!(read(&db, here, feed(Some(EventId(Uuid::max())))).await.0, []);
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
