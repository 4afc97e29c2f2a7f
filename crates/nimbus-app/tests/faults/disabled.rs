//! An endpoint that fails everything for five days: disabled, told of, and sent all that it missed when it is enabled.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use nimbus_app::{
    Rendered,
    clock::wall,
    endpoints::{self, EndpointChange, EndpointStatus, Shape, Update, Which},
};
use nimbus_core::time::Ts;
use nimbus_store::{
    Engine,
    testing::{TestDb, block_on},
};
use serde_json::Value;

use crate::{
    book::Book,
    node::{Node, Role, Setup},
    receiver::Receiver,
    world::{NAMES, PATIENCE, balanced, call, clinic, clock, publish, status_of, until},
};

const DAY_US: i64 = 24 * 3_600_000_000;
const EVENTS: i64 = 3;

clock!(sqlite_now, SQLITE_AHEAD);
clock!(postgres_now, POSTGRES_AHEAD);

#[test]
fn five_days_of_failure_lose_nothing_on_sqlite() {
    block_on(fails_for_days(Engine::Sqlite, sqlite_now, &SQLITE_AHEAD));
}

#[test]
fn five_days_of_failure_lose_nothing_on_postgres() {
    block_on(fails_for_days(Engine::Postgres, postgres_now, &POSTGRES_AHEAD));
}

async fn fails_for_days(engine: Engine, now: fn() -> Ts, ahead: &AtomicI64) {
    let (test, receiver) = (TestDb::migrated(engine).await, Receiver::start().await);
    let (actor, [failing, other]) = clinic(&test.db, &receiver).await;
    receiver.fail_on(Some(&failing.path));
    let embedded = (engine == Engine::Sqlite).then(|| test.db.clone());
    let setup = Setup { place: test.place.clone(), embedded, role: Role::All, now };
    let (node, book) = (Node::sound(&setup).await, Arc::new(Book::default()));
    let send = async || {
        for _ in 0..EVENTS {
            let id = book.begun(actor.clinic_id);
            publish(&node.app, &actor, id).await.expect("it is taken");
            book.answered(id);
        }
    };
    send().await;
    until("it has failed more than once", PATIENCE, async || receiver.arrivals(&failing.path).len() > 1)
        .await;
    until("the other has them", PATIENCE, async || balanced(&test.db).await.pending == EVENTS).await;

    ahead.store(5 * DAY_US - DAY_US / 24, Ordering::Relaxed);
    let tried = receiver.arrivals(&failing.path).len();
    until("it is tried again", PATIENCE, async || receiver.arrivals(&failing.path).len() > tried).await;
    assert_eq!(status_of(&test.db, &failing).await, (EndpointStatus::Active, None), "five days are not over");
    ahead.store(5 * DAY_US + DAY_US / 24, Ordering::Relaxed);
    let reason = Some("failing for 5 days".to_owned());
    until("it is disabled", PATIENCE, async || {
        status_of(&test.db, &failing).await == (EndpointStatus::Disabled, reason.clone())
    })
    .await;
    assert_eq!(status_of(&test.db, &other).await, (EndpointStatus::Active, None));
    until("the other is told", PATIENCE, async || told(&receiver, &other.path).len() == 1).await;
    let news = told(&receiver, &other.path).remove(0);
    assert_eq!(news["event_data"]["webhook_id"].as_str(), Some(failing.id.to_string().as_str()), "{news}");
    assert_eq!(news["event_data"]["reason"], "failing for 5 days");

    // It is sent nothing, and misses nothing.
    let tried = receiver.arrivals(&failing.path).len();
    send().await;
    until("only its own wait", PATIENCE, async || balanced(&test.db).await.pending == 2 * EVENTS).await;
    assert_eq!(receiver.arrivals(&failing.path).len(), tried);
    assert_eq!(balanced(&test.db).await.dead, 0);

    receiver.fail_on(None);
    let change = EndpointChange { status: Some(EndpointStatus::Active), ..EndpointChange::default() };
    let which = Which { shape: Shape::Partner, id: failing.id };
    let command = Update { which, names: &NAMES, change };
    endpoints::update(&node.app, &call(&actor), command, |_| Rendered::new(200, Vec::new()))
        .await
        .expect("it is enabled");
    until("it has all", PATIENCE, async || balanced(&test.db).await.pending == 0).await;
    assert_eq!(balanced(&test.db).await.dead, 0);
    for lane in [&failing, &other] {
        assert_eq!(book.prove(lane, &receiver).0, 6);
    }
    assert_eq!(status_of(&test.db, &failing).await, (EndpointStatus::Active, None));
    assert_eq!(told(&receiver, &failing.path).len(), 0, "it is not told of itself");
}

/// The news of endpoints that were disabled, each once.
fn told(receiver: &Receiver, path: &str) -> Vec<Value> {
    let bodies = receiver.arrivals(path).into_iter();
    let all = bodies.map(|one| serde_json::from_slice::<Value>(&one.body).expect("a webhook is JSON"));
    let mut told: Vec<Value> = all.filter(|body| body["event_type"] == "webhook:disabled").collect();
    told.dedup();
    told
}
