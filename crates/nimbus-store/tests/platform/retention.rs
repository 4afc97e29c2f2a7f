//! Retention: all that is due goes and nothing that is needed, whatever becomes of deliveries, wherever a run breaks off.

mod scene;

use std::collections::{BTreeMap, BTreeSet};

use nimbus_core::{ids::EventId, time::Ts};
use nimbus_store::{
    Db, Engine, Error, Result, Tx,
    deliveries::{DeliveryState, Next, deliveries_claim, delivery_record, delivery_retry},
    endpoints::{Shape, endpoint_insert},
    ensure_partitions,
    events::{Feed, NewEvent, event_body, event_feed, event_is_sendable},
    partition_boundary, partitions_drop, partitions_tidy,
    retention::{
        Class, Count, Due, Step, retention_apply, retention_count, retention_end, retention_ended,
        retention_look, retention_step, retention_sweep,
    },
    testing::logs_settle,
    two_engines,
};
use uuid::Uuid;

use self::scene::{Dice, Scene, Sent, Told, ended_before, id_of, made_at, write_told};
use crate::{
    deliveries::{Lane, add, lane, outcome, unordered},
    ledger::{balanced, walk},
    support::{clinic, endpoint, event, now},
};

const DAY: i64 = 86_400;
/// Ages of bodies, attempts and metadata, and how long a dead letter can be sent again.
const AGES: [(Class, i64, i64); 3] =
    [(Class::Bodies, 30, 7), (Class::Attempts, 40, 40), (Class::Metadata, 90, 90)];

/// So many days before [`now`].
fn days_ago(days: i64) -> Ts {
    now().plus_seconds(-days * DAY)
}

fn due(class: Class) -> Due {
    let (_, age, quiet) = AGES[class as usize];
    Due { class, before: days_ago(age), quiet_since: days_ago(quiet) }
}

/// The tables whose partitions a class drops.
fn tables(class: Class) -> &'static [&'static str] {
    match class {
        Class::Bodies => &[],
        Class::Attempts => &["attempts"],
        Class::Metadata => &["deliveries", "events"],
    }
}

/// What a class lets go of row by row.
async fn by_rows(db: &Db, class: Class) -> Due {
    let Some(table) = tables(class).last() else { return due(class) };
    let before = partition_boundary(db, table, due(class).before).await.unwrap();
    Due { before, quiet_since: before, ..due(class) }
}

async fn next(db: &Db, due: Due) -> Option<Step> {
    db.read(move |tx: &mut Tx| Box::pin(retention_step(tx, due))).await.unwrap()
}

async fn apply(db: &Db, step: Step) -> Option<Count> {
    db.write(move |tx: &mut Tx| Box::pin(async move { retention_apply(tx, &step).await })).await.unwrap()
}

/// A whole run, or one that breaks off after so many steps; what went, and how many partitions did.
async fn run(db: &Db, mut steps: usize) -> (Count, usize) {
    let (mut count, mut dropped) = (Count::default(), 0);
    for &class in Class::ALL {
        for table in tables(class) {
            dropped += partitions_drop(db, table, due(class).before, false).await.unwrap().len();
        }
        let due = by_rows(db, class).await;
        let at = now();
        db.write(move |tx: &mut Tx| Box::pin(retention_sweep(tx, class, at, at))).await.unwrap();
        while let Some(step) = next(db, due).await {
            if steps == 0 {
                return (count, dropped);
            }
            steps -= 1;
            count.add(apply(db, step).await.unwrap_or_default());
        }
        db.write(move |tx: &mut Tx| Box::pin(retention_end(tx, class, at))).await.unwrap();
        for table in tables(class) {
            partitions_tidy(db, table, due.before).await.unwrap();
        }
    }
    (count, dropped)
}

/// What a run would let go of row by row.
async fn preview(db: &Db) -> Count {
    let mut count = Count::default();
    for &class in Class::ALL {
        let due = by_rows(db, class).await;
        let mut at: Option<Step> = None;
        loop {
            let found = db.read(move |tx: &mut Tx| {
                Box::pin(async move {
                    let Some(step) = retention_look(tx, due, at).await? else { return Ok(None) };
                    Ok::<_, Error>(Some((step, retention_count(tx, &step).await?)))
                })
            });
            let Some((step, found)) = found.await.unwrap() else { break };
            count.add(found);
            at = Some(step);
        }
    }
    count
}

/// What is there: events, each with whether it has its body, deliveries, attempts.
struct Found {
    events: BTreeMap<Uuid, bool>,
    deliveries: BTreeSet<Uuid>,
    attempts: BTreeSet<Uuid>,
}

async fn found(db: &Db) -> Found {
    let read = db.read(|tx: &mut Tx| {
        Box::pin(async move {
            let mut events = BTreeMap::new();
            for row in tx.query("select id, length(body) > 0 from events", &[]).await? {
                let mut columns = row.columns();
                events.insert(columns.take()?, columns.take()?);
            }
            let deliveries = ids(tx, "select id from deliveries").await?;
            let attempts = ids(tx, "select id from attempts").await?;
            Ok::<_, Error>(Found { events, deliveries, attempts })
        })
    });
    read.await.unwrap()
}

async fn ids(tx: &mut Tx, sql: &'static str) -> Result<BTreeSet<Uuid>> {
    tx.query(sql, &[]).await?.iter().map(|row| row.columns().take()).collect()
}

/// Nothing that is needed or young is gone: true whenever one looks.
fn assert_kept(scene: &Scene, found: &Found) {
    for told in &scene.told {
        let event = told.event.id.0;
        let held = told.sent.iter().any(|sent| scene.is_held(sent));
        if held || made_at(event) >= due(Class::Metadata).before {
            assert!(found.events.contains_key(&event), "an event that is needed");
        }
        if !scene.goes(told, due(Class::Bodies)) {
            assert_eq!(found.events.get(&event), Some(&true), "a body that is needed");
        }
        for sent in &told.sent {
            let held = scene.is_held(sent);
            if held || sent.created_at >= due(Class::Metadata).before {
                assert!(found.deliveries.contains(&sent.id), "a delivery that is needed: {sent:?}");
            }
            for attempt in &sent.attempts {
                let waits = sent.state == DeliveryState::Pending || held && sent.line.is_some();
                if waits || made_at(*attempt) >= due(Class::Attempts).before {
                    assert!(found.attempts.contains(attempt), "an attempt that is needed: {sent:?}");
                }
            }
        }
    }
}

/// All that is due is gone.
async fn assert_gone(db: &Db, scene: &Scene, found: &Found) {
    let (attempts, metadata) = (by_rows(db, Class::Attempts).await, by_rows(db, Class::Metadata).await);
    let mut gone = 0;
    for told in &scene.told {
        let event = told.event.id.0;
        if scene.goes(told, due(Class::Bodies)) {
            assert_ne!(found.events.get(&event), Some(&true), "a body that is due");
        }
        if scene.goes(told, attempts) {
            let left =
                told.sent.iter().flat_map(|sent| &sent.attempts).filter(|it| found.attempts.contains(it));
            assert_eq!(left.count(), 0, "attempts that are due");
        }
        if scene.goes(told, metadata) {
            gone += 1;
            assert!(!found.events.contains_key(&event), "an event that is due: {:?}", made_at(event));
            for sent in &told.sent {
                assert!(!found.deliveries.contains(&sent.id), "a delivery that is due: {sent:?}");
                assert!(sent.attempts.iter().all(|attempt| !found.attempts.contains(attempt)));
            }
        }
    }
    assert!(gone > 0);
}

/// Weeks of the past as they would have been made then; the oldest of the scene's events are of before them.
async fn past_partitions(db: &Db, since_days: i64) {
    for days in (0..=since_days).rev().step_by(21) {
        assert!(ensure_partitions(db, days_ago(days)).await.unwrap());
    }
}

async fn check_scene(db: &Db, seed: u64, partitioned_days: i64) {
    past_partitions(db, partitioned_days).await;
    let scene = Scene::new(db, seed, 400).await;
    let before = balanced(db).await;
    assert_kept(&scene, &found(db).await);
    // It breaks off here and there, and goes on.
    for steps in [0, 1, 3] {
        run(db, steps).await;
        assert_kept(&scene, &found(db).await);
        assert_eq!(balanced(db).await, before);
    }
    let (_, dropped) = run(db, usize::MAX).await;
    if db.engine() == Engine::Postgres && partitioned_days > 100 {
        assert!(dropped <= 8);
    }
    let left = found(db).await;
    assert_kept(&scene, &left);
    assert_gone(db, &scene, &left).await;
    assert_eq!(balanced(db).await, before, "counters do not change");
    assert_eq!(preview(db).await.rows(), 0);
    let again = run(db, usize::MAX).await;
    assert_eq!((again.0.rows(), again.1), (0, 0), "there is nothing left to do");
    assert!(db.read(|tx: &mut Tx| Box::pin(retention_ended(tx))).await.unwrap().is_some());
}

two_engines! {
    async fn what_is_due_goes_and_what_is_needed_stays(db: Db) {
        check_scene(&db, 1, 0).await;
    }

    async fn the_same_over_partitions_of_the_past(db: Db) {
        check_scene(&db, 2, 126).await;
    }

    async fn the_same_where_some_have_no_partition(db: Db) {
        check_scene(&db, 3, 63).await;
    }

    async fn a_preview_counts_what_goes(db: Db) {
        Scene::new(&db, 4, 300).await;
        let expected = preview(&db).await;
        let (count, _) = run(&db, usize::MAX).await;
        // Attempts of deliveries that go are gone before: both have an age.
        assert_eq!(Count { kept: 0, ..expected }, count);
        assert!(count.bodies > 50 && count.attempts > 20 && count.deliveries > 20 && count.events > 20, "{count:?}");
        assert!(expected.kept > 5);
    }

    async fn what_had_to_stay_goes_once_it_may(db: Db) {
        let lane = db.write(|tx: &mut Tx| Box::pin(lane(tx))).await.unwrap();
        let mut dice = Dice(5);
        let (old, newest) = (old_event(lane, &mut dice, 200), old_event(lane, &mut dice, 0));
        write_told(&db, &[waiting(lane, old.clone(), &mut dice)]).await;
        write_told(&db, &[Told { event: newest, sent: vec![] }]).await;
        assert_eq!(walk(&db).await, 0);
        assert_eq!(run(&db, usize::MAX).await, (Count::default(), 0));
        // It is sent, long ago.
        db.write(move |tx: &mut Tx| Box::pin(async move {
            let ended = "update deliveries set state = 'delivered', finished_at = $1 where endpoint_id = $2";
            tx.execute(ended, &[days_ago(150).into(), lane.1.into()]).await?;
            let counted = "update delivery_ledger set delivered = 1 where endpoint_id = $1";
            tx.execute(counted, &[lane.1.into()]).await
        })).await.unwrap();
        let (count, _) = run(&db, usize::MAX).await;
        assert_eq!((count.bodies, count.deliveries, count.events), (1, 1, 1));
        balanced(&db).await;
    }

    async fn nothing_goes_that_the_ledger_has_not_seen(db: Db) {
        past_partitions(&db, 126).await;
        let lane = db.write(|tx: &mut Tx| Box::pin(lane(tx))).await.unwrap();
        let mut dice = Dice(6);
        let old = Told { event: old_event(lane, &mut dice, 100), sent: vec![] };
        write_told(&db, std::slice::from_ref(&old)).await;
        write_told(&db, &[Told { event: old_event(lane, &mut dice, 0), sent: vec![] }]).await;
        // Partitions in which there is nothing may go.
        assert_eq!(run(&db, usize::MAX).await.0, Count::default());
        assert!(found(&db).await.events[&old.event.id.0]);
        assert_eq!(walk(&db).await, 0);
        let (count, dropped) = run(&db, usize::MAX).await;
        assert_eq!(count.bodies, 1);
        // Row by row, or with its partition and that of the deliveries beside it.
        let expected = match db.engine() {
            Engine::Sqlite => (1, 0),
            Engine::Postgres => (0, 2),
        };
        assert_eq!((count.events, dropped), expected);
        assert!(!found(&db).await.events.contains_key(&old.event.id.0));
    }

    async fn a_number_of_an_event_is_not_given_twice(db: Db) {
        let lane = db.write(|tx: &mut Tx| Box::pin(lane(tx))).await.unwrap();
        let mut dice = Dice(7);
        let old: Vec<Told> = (0..3)
            .map(|_| Told { event: old_event(lane, &mut dice, 100), sent: vec![] })
            .collect();
        write_told(&db, &old).await;
        assert_eq!(walk(&db).await, 0);
        run(&db, usize::MAX).await;
        // The walk of the ledger finds the next one.
        db.write(move |tx: &mut Tx| Box::pin(async move { add(tx, lane, &[now()]).await })).await.unwrap();
        assert_eq!(walk(&db).await, 0);
        assert_eq!(balanced(&db).await.total.accepted, 1);
    }

    async fn a_feed_says_when_what_follows_is_gone(db: Db) {
        let lane = db.write(|tx: &mut Tx| Box::pin(lane(tx))).await.unwrap();
        let mut dice = Dice(8);
        let typed = |event: NewEvent, type_: &str| NewEvent { type_: type_.to_owned(), ..event };
        // By age in days: the first is gone, of the next two what they said, the others are there.
        let ages = [(100, "a"), (80, "a"), (60, "a"), (50, "b"), (20, "a"), (10, "b")];
        let events: Vec<NewEvent> =
            ages.iter().map(|(age, type_)| typed(old_event(lane, &mut dice, *age), type_)).collect();
        // What waits is sent all the same, and is in nobody's feed.
        let waits = waiting(lane, typed(old_event(lane, &mut dice, 55), "a"), &mut dice);
        let mut told: Vec<Told> = events.iter().map(|event| Told { event: event.clone(), sent: vec![] }).collect();
        told.insert(3, waits);
        for told in &told {
            write_told(&db, std::slice::from_ref(told)).await;
        }
        assert_eq!(walk(&db).await, 0);
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        run(&db, usize::MAX).await;
        logs_settle().await;
        let feed = |after: Option<usize>, types: &[&'static str]| {
            let feed = Feed {
                shape: Shape::Partner,
                after: after.map(|place| ids[place]),
                types: types.to_vec(),
                created_from: None,
                created_until: None,
                beyond: None,
                limit: 100,
            };
            let (db, clinic) = (db.clone(), lane.0);
            async move {
                let read = db.read(move |tx: &mut Tx| {
                    let feed = feed.clone();
                    Box::pin(async move { event_feed(tx, clinic, &feed).await })
                });
                let found = read.await.unwrap();
                found.map(|found| found.items.iter().map(|event| event.id).collect::<Vec<_>>())
            }
        };
        let both = ["a", "b"];
        assert_eq!(feed(None, &both).await, Some(ids[4..].to_vec()), "it begins with the oldest that is kept");
        assert_eq!(feed(Some(0), &both).await, None, "nobody knows what followed it");
        assert_eq!(feed(Some(1), &both).await, None);
        assert_eq!(feed(Some(1), &["b"]).await, None);
        assert_eq!(feed(Some(2), &["a"]).await, None, "what waits is behind it");
        assert_eq!(feed(Some(3), &["a"]).await, Some(vec![ids[4]]), "nothing that is wanted was passed over");
        assert_eq!(feed(Some(3), &both).await, Some(ids[4..].to_vec()), "the last one of those gone was seen");
        assert_eq!(feed(Some(4), &both).await, Some(vec![ids[5]]));
        let bodies = db.read(move |tx: &mut Tx| {
            let ids = ids.clone();
            Box::pin(async move {
                Ok::<_, Error>((event_body(tx, lane.0, ids[1]).await?, event_body(tx, lane.0, ids[4]).await?))
            })
        });
        let (gone, there) = bodies.await.unwrap();
        assert!(gone.is_none() && there.is_some());
    }

    async fn what_is_sent_again_meanwhile_has_its_body(db: Db) {
        let lane = db.write(|tx: &mut Tx| Box::pin(async move {
            let made = endpoint(clinic(tx).await?, "https://partner.example/hook");
            endpoint_insert(tx, &made).await?;
            Ok::<_, Error>((made.clinic_id, made.id))
        })).await.unwrap();
        let mut dice = Dice(9);
        let told: Vec<Told> = (0..300).map(|_| delivered_long_ago(lane, &mut dice)).collect();
        for part in told.chunks(10) {
            write_told(&db, part).await;
        }
        db.write(move |tx: &mut Tx| Box::pin(ended_before(tx, lane))).await.unwrap();
        assert_eq!(walk(&db).await, 0);
        let before = balanced(&db).await;
        let retries: Vec<(Uuid, EventId)> = told.iter().map(|told| (told.sent[0].id, told.event.id)).collect();
        let retrying = retry_all(db.clone(), lane, retries);
        let purging = async { run(&db, usize::MAX).await.0 };
        let (again, purged) = tokio::join!(tokio::spawn(retrying), purging);
        let again = again.unwrap();
        let claimed = send_all(&db, lane).await;
        assert_eq!(claimed, again, "each that was taken is sent, with its body");
        let left = i64::try_from(again).unwrap();
        assert_eq!(purged.events.max(purged.bodies) + left, 300, "either goes or is sent");
        let after = balanced(&db).await;
        assert_eq!(after.total.accepted, before.total.accepted);
        assert_eq!(after.total.dead, 0);
    }
}

fn old_event(lane: Lane, dice: &mut Dice, days: i64) -> NewEvent {
    NewEvent { id: EventId(id_of(days_ago(days), dice)), fanout: 0, ..event(lane.0, "{}") }
}

fn waiting(lane: Lane, event: NewEvent, dice: &mut Dice) -> Told {
    let created_at = made_at(event.id.0);
    let sent = Sent {
        id: id_of(created_at, dice),
        endpoint: lane.1,
        state: DeliveryState::Pending,
        created_at,
        finished_at: None,
        line: None,
        attempts: vec![],
    };
    Told { event: NewEvent { fanout: 1, ..event }, sent: vec![sent] }
}

fn delivered_long_ago(lane: Lane, dice: &mut Dice) -> Told {
    let event = old_event(lane, dice, 100);
    let mut told = waiting(lane, event, dice);
    told.sent[0].state = DeliveryState::Delivered;
    told.sent[0].finished_at = Some(days_ago(99));
    told
}

/// Has each sent again that still can be; how many that were.
async fn retry_all(db: Db, lane: Lane, retries: Vec<(Uuid, EventId)>) -> usize {
    let mut count = 0;
    for (delivery, event) in retries.into_iter().rev() {
        let retried = db.write(move |tx: &mut Tx| {
            Box::pin(async move {
                Ok::<_, Error>(
                    event_is_sendable(tx, lane.0, event).await?
                        && delivery_retry(tx, lane.0, lane.1, delivery.into(), now()).await?,
                )
            })
        });
        count += usize::from(retried.await.unwrap());
    }
    count
}

/// Claims and delivers all that is due; how many that were.
async fn send_all(db: &Db, lane: Lane) -> usize {
    let mut count = 0;
    loop {
        let sent = db.write(move |tx: &mut Tx| Box::pin(send_some(tx, lane))).await.unwrap();
        if sent == 0 {
            return count;
        }
        count += sent;
    }
}

async fn send_some(tx: &mut Tx, lane: Lane) -> Result<usize> {
    let claimed = deliveries_claim(tx, &unordered(lane, now(), 100), now()).await?;
    let ended: Vec<_> = claimed.iter().map(|row| outcome(row, Next::Delivered, 200)).collect();
    assert!(delivery_record(tx, &ended, now()).await?.into_iter().all(|held| held));
    Ok(claimed.len())
}
