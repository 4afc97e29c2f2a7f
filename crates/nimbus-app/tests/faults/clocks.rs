//! A dispatcher whose wall clock jumps an hour ahead and back while it works.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use nimbus_app::{PartnerActor, clock::wall};
use nimbus_core::time::Ts;
use nimbus_store::{
    Engine,
    testing::{TestDb, block_on},
};

use crate::{
    book::Book,
    node::{Node, Role, Setup},
    receiver::Receiver,
    world::{DEADLINE, balanced, clinic, clock, publish, until},
};

const HOUR_US: i64 = 3_600_000_000;
/// Sent in one go.
const EVENTS: usize = 12;
/// A lease, how far clocks may be apart, and time for a busy machine.
const A_LEASE: Duration = DEADLINE.duration().saturating_mul(3 + 1 + 6);

clock!(sqlite_now, SQLITE_AHEAD);
clock!(postgres_now, POSTGRES_AHEAD);

#[test]
fn nothing_waits_for_a_clock_that_jumps_on_sqlite() {
    block_on(jumps(Engine::Sqlite, sqlite_now, &SQLITE_AHEAD));
}

#[test]
fn nothing_waits_for_a_clock_that_jumps_on_postgres() {
    block_on(jumps(Engine::Postgres, postgres_now, &POSTGRES_AHEAD));
}

async fn jumps(engine: Engine, now: fn() -> Ts, ahead: &AtomicI64) {
    let (test, receiver) = (TestDb::migrated(engine).await, Receiver::start().await);
    let (actor, lanes) = clinic(&test.db, &receiver).await;
    let embedded = (engine == Engine::Sqlite).then(|| test.db.clone());
    let setup = Setup { place: test.place.clone(), embedded, role: Role::All, now };
    let (node, book) = (Node::sound(&setup).await, Arc::new(Book::default()));
    for hours in [0, 1, 0, -1, 0] {
        // One half is under way when the clock jumps, the other comes after it.
        send(&node, &actor, &book).await;
        ahead.store(hours * HOUR_US, Ordering::Relaxed);
        send(&node, &actor, &book).await;
        until(&format!("all is delivered with {hours} hours"), A_LEASE, async || {
            balanced(&test.db).await.pending == 0
        })
        .await;
    }
    // What a dead node has leased until then is not kept for an hour by one whose clock is right.
    ahead.store(HOUR_US, Ordering::Relaxed);
    send(&node, &actor, &book).await;
    drop(node);
    let _sound = Node::sound(&Setup { now: wall, ..setup }).await;
    until("another one sends the rest", A_LEASE, async || balanced(&test.db).await.pending == 0).await;
    let ledger = balanced(&test.db).await;
    assert_eq!((ledger.dead, ledger.cancelled), (0, 0));
    for lane in &lanes {
        let (deliveries, doubles) = book.prove(lane, &receiver);
        assert_eq!(deliveries, 11 * EVENTS);
        eprintln!("{}: {doubles} came again", lane.path);
    }
}

async fn send(node: &Node, actor: &PartnerActor, book: &Arc<Book>) {
    let (app, actor, book) = (node.app.clone(), actor.clone(), Arc::clone(book));
    let sent = node.spawn(async move {
        for _ in 0..EVENTS {
            let id = book.begun(actor.clinic_id);
            publish(&app, &actor, id).await.expect("it is taken");
            book.answered(id);
        }
    });
    sent.await.expect("events are sent");
}
