//! The conservation ledger: balanced through all that may become of deliveries, and not when one is lost or doubled.

use nimbus_core::ids::{DeliveryId, EventId};
use nimbus_store::{
    Db, Error, Result, Tx,
    deliveries::{
        Next, backlog, deliveries_cancel, delivery_get, delivery_record, delivery_release, delivery_retry,
    },
    ledger::{
        Checked, Ledger, Step, ledger_added, ledger_advance, ledger_check, ledger_lease, ledger_lease_end,
        ledger_step,
    },
    two_engines,
};
use uuid::Uuid;

use crate::{
    deliveries::{Lane, add, claim, lane, outcome},
    support::{after, id, now},
};

two_engines! {
    async fn it_balances_through_all_that_becomes_of_deliveries(db: Db) {
        let (here, there) = (new_lane(&db).await, new_lane(&db).await);
        let made = added(&db, here, 6).await;
        added(&db, there, 2).await;
        assert_eq!(balanced(&db).await.total.pending, 8, "before anything was walked");
        db.write(move |tx: &mut Tx| Box::pin(mixed_told(tx, here))).await.unwrap();
        assert_eq!(balanced(&db).await.total.accepted, 8);
        assert_eq!(walk(&db).await, 0);
        let total = balanced(&db).await.total;
        assert_eq!(total, Ledger { accepted: 8, delivered: 2, pending: 5, dead: 1, cancelled: 0 });
        assert_eq!(total, db.read(|tx: &mut Tx| Box::pin(backlog(tx))).await.unwrap(), "counted one by one");
        // What has ended begins anew; what waits only waits less.
        let (delivered, dead, waiting) = (made[0], made[2], made[3]);
        db.write(move |tx: &mut Tx| Box::pin(async move {
            for again in [delivered, dead, waiting] {
                assert!(delivery_retry(tx, here.0, here.1, again, after(9)).await?);
            }
            Ok::<_, Error>(())
        })).await.unwrap();
        let total = balanced(&db).await.total;
        assert_eq!(total, Ledger { accepted: 8, delivered: 1, pending: 7, dead: 0, cancelled: 0 });
        db.write(move |tx: &mut Tx| Box::pin(deliveries_cancel(tx, here.0, here.1, after(10)))).await.unwrap();
        let total = balanced(&db).await.total;
        assert_eq!(total, Ledger { accepted: 8, delivered: 1, pending: 2, dead: 0, cancelled: 5 });
        // More comes after the walk, and is counted before and after the next.
        added(&db, there, 3).await;
        assert_eq!(balanced(&db).await.total.accepted, 11);
        assert_eq!(walk(&db).await, 0);
        assert_eq!(balanced(&db).await.total.accepted, 11);
    }

    async fn a_row_that_is_deleted_or_doubled_is_found(db: Db) {
        let (here, there) = (new_lane(&db).await, new_lane(&db).await);
        let made = added(&db, here, 4).await;
        added(&db, there, 4).await;
        walk(&db).await;
        delete(&db, made[0]).await;
        assert_eq!(differences(&db).await, [(Some(here.1), 1)]);
        // What another has too many does not make up for it.
        double(&db, there).await;
        let mut expected = [(Some(here.1), 1), (Some(there.1), -1)];
        expected.sort_unstable();
        assert_eq!(differences(&db).await, expected);
        let checked = check(&db).await;
        assert!(checked.total.is_balanced() && !checked.is_balanced());
        assert_eq!(checked.difference(), 2);
    }

    async fn a_row_that_is_gone_before_the_walk_is_found_by_what_its_event_says(db: Db) {
        let here = new_lane(&db).await;
        let made = added(&db, here, 3).await;
        delete(&db, made[1]).await;
        assert!(check(&db).await.is_balanced(), "nobody knows of it yet");
        assert_eq!(walk(&db).await, 1);
        assert_eq!(differences(&db).await, [(None, 1)]);
        // It stays found.
        added(&db, here, 1).await;
        assert_eq!(walk(&db).await, 0);
        assert_eq!(differences(&db).await, [(None, 1)]);
    }

    async fn finished_rows_may_be_purged(db: Db) {
        let here = new_lane(&db).await;
        added(&db, here, 3).await;
        db.write(move |tx: &mut Tx| Box::pin(async move {
            let claimed = claim(tx, here, now(), 2).await?;
            let ended: Vec<_> = claimed.iter().map(|row| outcome(row, Next::Delivered, 200)).collect();
            delivery_record(tx, &ended, after(1)).await?;
            // A result that is told again under the same lease counts once.
            assert_eq!(delivery_record(tx, &ended, after(1)).await?, [false, false]);
            Ok::<_, Error>(())
        })).await.unwrap();
        walk(&db).await;
        db.write(|tx: &mut Tx| Box::pin(async move {
            tx.execute("delete from deliveries where state = 'delivered'", &[]).await
        })).await.unwrap();
        let total = balanced(&db).await.total;
        assert_eq!(total, Ledger { accepted: 3, delivered: 2, pending: 1, dead: 0, cancelled: 0 });
    }

    async fn a_delivery_that_is_added_later_is_accepted_once(db: Db) {
        let here = new_lane(&db).await;
        added(&db, here, 2).await;
        // Before the walk has seen the event, and after it.
        double_and_say(&db, here).await;
        assert_eq!(balanced(&db).await.total.accepted, 3);
        assert_eq!(walk(&db).await, 0);
        assert_eq!(balanced(&db).await.total.accepted, 3);
        double_and_say(&db, here).await;
        assert_eq!(balanced(&db).await.total.accepted, 4);
        // In the middle of a step: it is taken again.
        added(&db, here, 1).await;
        let read = settled(&db).await.unwrap();
        double_and_say(&db, here).await;
        assert!(!advance(&db, read).await);
        assert_eq!(walk(&db).await, 0);
        assert_eq!(balanced(&db).await.total.accepted, 6);
    }

    async fn racing_walkers_count_each_delivery_once(db: Db) {
        let here = new_lane(&db).await;
        for _ in 0..10 {
            added(&db, here, 20).await;
        }
        let walkers = (0..8).map(|_| walk(&db));
        futures_util::future::join_all(walkers).await;
        let total = balanced(&db).await.total;
        assert_eq!(total, Ledger { accepted: 200, pending: 200, ..Ledger::default() });
    }

    async fn one_walks_at_a_time(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(async move {
            let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
            assert!(ledger_lease(tx, one, after(30), now()).await?);
            assert!(!ledger_lease(tx, other, after(31), after(1)).await?);
            assert!(ledger_lease(tx, one, after(40), after(10)).await?, "renewed");
            assert!(!ledger_lease(tx, other, after(65), after(35)).await?);
            assert!(ledger_lease(tx, other, after(71), after(41)).await?, "it had run out");
            ledger_lease_end(tx, one).await?;
            assert!(!ledger_lease(tx, one, after(72), after(42)).await?, "not its own any more");
            ledger_lease_end(tx, other).await?;
            assert!(ledger_lease(tx, one, after(72), after(42)).await?);
            // The clock was set back: who had it may be gone, and would have it for an hour.
            assert!(!ledger_lease(tx, other, after(42), after(12)).await?);
            assert!(ledger_lease(tx, other, after(-3558), after(-3588)).await?);
            Ok::<_, Error>(())
        })).await.unwrap();
    }
}

/// Of six: two are delivered, one is dead, one waits for its next attempt, one is given back, one was never taken.
async fn mixed_told(tx: &mut Tx, here: Lane) -> Result<()> {
    let claimed = claim(tx, here, now(), 5).await?;
    let nexts = [
        (Next::Delivered, 200),
        (Next::Delivered, 204),
        (Next::Dead, 500),
        (Next::Retry { due_at: after(60) }, 503),
    ];
    let ended: Vec<_> =
        claimed.iter().zip(nexts).map(|(row, (next, status))| outcome(row, next, status)).collect();
    assert_eq!(delivery_record(tx, &ended, after(1)).await?, [true; 4]);
    let last = &claimed[4];
    assert!(delivery_release(tx, last.clinic_id, last.id, last.token, after(1)).await?);
    Ok(())
}

async fn new_lane(db: &Db) -> Lane {
    db.write(|tx: &mut Tx| Box::pin(lane(tx))).await.unwrap()
}

async fn added(db: &Db, lane: Lane, count: usize) -> Vec<DeliveryId> {
    db.write(move |tx: &mut Tx| Box::pin(async move { add(tx, lane, &vec![now(); count]).await }))
        .await
        .unwrap()
}

async fn check(db: &Db) -> Checked {
    db.read(|tx: &mut Tx| Box::pin(ledger_check(tx))).await.unwrap()
}

/// The ledger, which balances.
pub(crate) async fn balanced(db: &Db) -> Checked {
    let checked = check(db).await;
    assert!(checked.is_balanced(), "{checked:?}");
    checked
}

async fn differences(db: &Db) -> Vec<(Option<nimbus_core::ids::EndpointId>, i64)> {
    check(db).await.mismatches.into_iter().map(|(endpoint, ledger)| (endpoint, ledger.difference())).collect()
}

async fn step(db: &Db) -> Option<Step> {
    db.read(|tx: &mut Tx| Box::pin(ledger_step(tx))).await.unwrap()
}

async fn advance(db: &Db, step: Step) -> bool {
    db.write(move |tx: &mut Tx| {
        let step = step.clone();
        Box::pin(async move { ledger_advance(tx, &step).await })
    })
    .await
    .unwrap()
}

/// Walks to the end; how many events were not as they say.
pub(crate) async fn walk(db: &Db) -> usize {
    let mut odd = 0;
    while let Some(read) = settled(db).await {
        let found = read.odd.len();
        if advance(db, read).await {
            odd += found;
        }
    }
    odd
}

/// Tests beside this one have transactions under way, which end soon: nothing may be passed over because of them.
async fn settled(db: &Db) -> Option<Step> {
    for _ in 0..200 {
        if let Some(step) = step(db).await {
            return Some(step);
        }
        let beyond = db.read(|tx: &mut Tx| {
            Box::pin(async move {
                let sql = "select count(*) from events
                where position > (select position from delivery_ledger_mark where id = 1)";
                tx.query_one(sql, &[]).await?.columns().take::<i64>()
            })
        });
        if beyond.await.unwrap() == 0 {
            return None;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the events did not settle");
}

async fn delete(db: &Db, delivery: DeliveryId) {
    db.write(move |tx: &mut Tx| {
        Box::pin(async move {
            assert_eq!(tx.execute("delete from deliveries where id = $1", &[delivery.into()]).await?, 1);
            Ok::<_, Error>(())
        })
    })
    .await
    .unwrap();
}

/// A second delivery of the endpoint's newest event.
async fn double(db: &Db, lane: Lane) -> EventId {
    db.write(move |tx: &mut Tx| Box::pin(doubled(tx, lane))).await.unwrap()
}

async fn double_and_say(db: &Db, lane: Lane) {
    db.write(move |tx: &mut Tx| {
        Box::pin(async move {
            let event = doubled(tx, lane).await?;
            ledger_added(tx, lane.0, lane.1, event).await
        })
    })
    .await
    .unwrap();
}

async fn doubled(tx: &mut Tx, lane: Lane) -> Result<EventId> {
    let newest = "select id from deliveries where endpoint_id = $1 order by id desc limit 1";
    let of: DeliveryId = tx.query_one(newest, &[lane.1.into()]).await?.columns().take()?;
    let copy = "insert into deliveries
            (clinic_id, id, endpoint_id, event_id, event_name, state, attempts, due_at, created_at)
        select clinic_id, $2, endpoint_id, event_id, event_name, 'pending', 0, due_at, created_at
        from deliveries where id = $1";
    let second: DeliveryId = id();
    tx.execute(copy, &[of.into(), second.into()]).await?;
    let made = delivery_get(tx, lane.0, second).await?.expect("it was just made");
    Ok(made.event_id)
}
