//! Replays: what is counted is what becomes due, batch by batch, and what nobody has sent can be taken back.

use nimbus_core::{
    ids::{ClinicId, DeliveryId, EndpointId, ReplayId},
    time::Ts,
};
use nimbus_store::{
    Db, Error, Result, Tx,
    deliveries::{
        Claim, DeliveryState, Lease, NewDelivery, backlog, deliveries_cancel, deliveries_claim, delivery_get,
        delivery_retry, delivery_statements,
    },
    endpoints::endpoint_insert,
    events::{NewEvent, event_statements},
    ledger::{Ledger, Moves, ledger_check},
    replays::{
        Progress, Replay, ReplayState, Which, replay_count, replay_get, replay_insert, replay_progress,
        replay_queue, replay_take_back, replay_update, replays_let_go, replays_past,
    },
    two_engines,
};
use uuid::Uuid;

use crate::{
    deliveries::LATER,
    support::{after, assert_conflict, clinic, endpoint, event, id},
};

two_engines! {
    async fn what_is_counted_becomes_due_in_batches(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(batches_told(tx))).await.unwrap();
    }

    async fn what_is_not_sent_is_taken_back(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(taking_back_told(tx))).await.unwrap();
    }

    async fn a_replay_goes_behind_everything_else(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(ranks_told(tx))).await.unwrap();
    }

    async fn lines_keep_their_order(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(lines_told(tx))).await.unwrap();
    }

    async fn one_that_ended_long_ago_is_let_go(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(letting_go_told(tx))).await.unwrap();
    }

    async fn an_endpoint_has_one_replay_at_a_time(db: Db) {
        let made = db.write(|tx: &mut Tx| Box::pin(async move {
            let lane = lane(tx).await?;
            replay_insert(tx, &replay(lane, Which::All)).await?;
            Ok::<_, Error>(lane)
        }));
        let lane = made.await.unwrap();
        assert_conflict(db.write(move |tx: &mut Tx| Box::pin(async move {
            replay_insert(tx, &replay(lane, Which::Failed)).await
        })).await);
        let ended = db.write(move |tx: &mut Tx| Box::pin(async move {
            let sql = "select id from replays where endpoint_id = $1";
            let first: ReplayId = tx.query_one(sql, &[lane.1.into()]).await?.columns().take()?;
            let found = replay_get(tx, lane.0, first).await?.unwrap();
            replay_update(tx, &Replay { state: ReplayState::Finished, ..found }).await?;
            replay_insert(tx, &replay(lane, Which::Failed)).await
        }));
        ended.await.unwrap();
    }
}

type Lane = (ClinicId, EndpointId);

async fn lane(tx: &mut Tx) -> Result<Lane> {
    let made = endpoint(clinic(tx).await?, "https://partner.example/hook");
    endpoint_insert(tx, &made).await?;
    Ok((made.clinic_id, made.id))
}

/// The id of a delivery that was made so many seconds after the first, which tells the time as a version 7 does.
fn made(second: i64) -> DeliveryId {
    let millis = u128::from((after(second).micros() / 1000).unsigned_abs());
    DeliveryId(Uuid::from_u128(millis << 80 | id::<DeliveryId>().0.as_u128() & 0xffff_ffff))
}

fn told(lane: Lane, second: i64, type_: &str, line: Option<(Uuid, i64)>) -> (NewEvent, NewDelivery) {
    let (key, sequence) = line.unzip();
    let event = NewEvent { type_: type_.to_owned(), ordering_key: key, sequence, ..event(lane.0, "body") };
    let delivery = NewDelivery {
        id: made(second),
        clinic_id: lane.0,
        endpoint_id: lane.1,
        event_id: event.id,
        event_name: event.name.clone(),
        ordering_key: key,
        sequence,
        ordered: true,
        due_at: after(second),
        created_at: after(second),
        lease: None,
    };
    (event, delivery)
}

async fn write(tx: &mut Tx, told: Vec<(NewEvent, NewDelivery)>) -> Result<Vec<DeliveryId>> {
    let (events, deliveries): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    let mut statements = event_statements(tx, &events).await?;
    statements.extend(delivery_statements(&deliveries));
    tx.batch(statements).await?;
    Ok(deliveries.iter().map(|delivery| delivery.id).collect())
}

/// Has a delivery ended so after three attempts.
async fn end(tx: &mut Tx, lane: Lane, state: DeliveryState, id: DeliveryId) -> Result<()> {
    let sql = "update deliveries set state = $1, attempts = 3, finished_at = $2 where id = $3";
    tx.execute(sql, &[state.as_str().into(), after(9000).into(), id.into()]).await?;
    let mut moves = Moves::default();
    moves.add(lane.0, lane.1, state, 1);
    moves.write(tx).await
}

/// All deliveries as rows, which the ledger agrees with.
async fn balanced(tx: &mut Tx) -> Result<Ledger> {
    let (rows, checked) = (backlog(tx).await?, ledger_check(tx).await?);
    assert!(checked.is_balanced(), "{checked:?}");
    assert_eq!(checked.total, rows);
    Ok(rows)
}

fn replay((clinic_id, endpoint_id): Lane, which: Which) -> Replay {
    Replay {
        id: id(),
        clinic_id,
        endpoint_id,
        since: after(0),
        until: after(3600),
        which,
        event_types: None,
        per_second: 50,
        state: ReplayState::Running,
        total: 0,
        queued: 0,
        cursor: None,
        version: 1,
        created_at: after(9000),
        finished_at: None,
    }
}

/// Of four replays one runs, one ended of late, and of one that ended long ago a delivery waits.
async fn letting_go_told(tx: &mut Tx) -> Result<()> {
    let (here, busy) = (lane(tx).await?, lane(tx).await?);
    twelve(tx, busy).await?;
    let ended = |lane, second| Replay {
        state: ReplayState::Finished,
        finished_at: Some(after(second)),
        ..replay(lane, Which::All)
    };
    let (long_ago, of_late, waits) = (ended(here, 100), ended(here, 200), ended(busy, 100));
    let runs = replay(here, Which::All);
    for one in [&long_ago, &of_late, &waits, &runs] {
        replay_insert(tx, one).await?;
    }
    assert!(!replay_queue(tx, &waits, None, 2, at(0)).await?.is_empty());
    assert_eq!(replays_past(tx, after(200)).await?, 1);
    assert_eq!((replays_let_go(tx, after(200)).await?, replays_let_go(tx, after(200)).await?), (1, 0));
    let mut left = Vec::new();
    for one in [long_ago, of_late, waits, runs] {
        left.push(replay_get(tx, one.clinic_id, one.id).await?.is_some());
    }
    assert_eq!(left, [false, true, true, true]);
    Ok(())
}

const SHIPPED: &str = "medication:shipped";
const FILLED: &str = "medication:filled";

/// Twelve deliveries, a second apart, delivered and dead by turns; every third tells of another event.
async fn twelve(tx: &mut Tx, lane: Lane) -> Result<Vec<DeliveryId>> {
    let types = [SHIPPED, SHIPPED, FILLED];
    let ids = write(tx, (0..12).map(|i| told(lane, i, types[i as usize % 3], None)).collect()).await?;
    for (index, id) in ids.iter().enumerate() {
        let state = if index % 2 == 0 { DeliveryState::Delivered } else { DeliveryState::Dead };
        end(tx, lane, state, *id).await?;
    }
    Ok(ids)
}

fn at(second: i64) -> Ts {
    after(9000 + second)
}

/// Everything that a replay makes due, in batches of two, each from where the one before has left off.
async fn run(tx: &mut Tx, mut replay: Replay, types: Option<&[&str]>) -> Result<Vec<DeliveryId>> {
    let mut all = Vec::new();
    loop {
        let mut batch = replay_queue(tx, &replay, types, 2, at(0)).await?;
        batch.sort_unstable();
        let Some(last) = batch.last() else { return Ok(all) };
        assert!(batch.len() <= 2 && batch.first() > replay.cursor.as_ref());
        replay.cursor = Some(*last);
        all.append(&mut batch);
    }
}

fn at_places(ids: &[DeliveryId], places: &[usize]) -> Vec<DeliveryId> {
    places.iter().map(|&place| ids[place]).collect()
}

async fn batches_told(tx: &mut Tx) -> Result<()> {
    let (lane, other) = (lane(tx).await?, lane(tx).await?);
    let (ids, others) = (twelve(tx, lane).await?, twelve(tx, other).await?);
    let ledger = balanced(tx).await?;

    let some = Replay { since: after(2), until: after(8), ..replay(lane, Which::Failed) };
    let shipped: &[&str] = &[SHIPPED];
    let cases = [
        (some.clone(), Some(shipped), vec![3, 7]),
        (Replay { id: id(), since: after(5), ..some.clone() }, None, vec![5]),
        (Replay { id: id(), which: Which::All, until: after(5), ..some.clone() }, None, vec![2, 4]),
        (Replay { id: id(), since: after(0), until: after(12), ..some }, None, vec![1, 9, 11]),
    ];
    for (replay, types, places) in cases {
        let expected = at_places(&ids, &places);
        assert_eq!(replay_count(tx, &replay, types).await?, expected.len() as i64);
        assert_eq!(run(tx, replay.clone(), types).await?, expected);
        let progress = Progress { pending: expected.len() as i64, ..Progress::default() };
        assert_eq!(replay_progress(tx, lane.0, replay.id).await?, progress);
        // What waits is not sent twice.
        assert_eq!(replay_count(tx, &replay, types).await?, 0);
    }
    let after = balanced(tx).await?;
    let moved = Ledger { pending: 8, delivered: ledger.delivered - 2, dead: ledger.dead - 6, ..ledger };
    assert_eq!(after, moved);
    for (index, id) in others.iter().enumerate() {
        let state = delivery_get(tx, other.0, *id).await?.unwrap().state;
        assert_eq!(state.as_str(), if index % 2 == 0 { "delivered" } else { "dead" });
    }
    Ok(())
}

async fn taking_back_told(tx: &mut Tx) -> Result<()> {
    let lane = lane(tx).await?;
    let ids = twelve(tx, lane).await?;
    let mut before = Vec::new();
    for id in &ids {
        before.push(delivery_get(tx, lane.0, *id).await?.unwrap());
    }
    let ledger = balanced(tx).await?;
    let all = replay(lane, Which::All);
    assert_eq!(run(tx, all.clone(), None).await?.len(), 12);
    assert_eq!(balanced(tx).await?.pending, 12);

    // One is being sent, and one was retried by its owner.
    let lease = Lease { token: Uuid::now_v7(), until: at(60) };
    let claim = Claim { endpoint_id: lane.1, ordered: false, hold: false, lease, longest: LATER, limit: 1 };
    let sent = deliveries_claim(tx, &claim, at(0)).await?;
    assert_eq!(sent.iter().map(|it| it.id).collect::<Vec<_>>(), ids[..1]);
    assert!(delivery_retry(tx, lane.0, lane.1, ids[1], at(0)).await?);

    assert_eq!(replay_take_back(tx, lane.0, all.id, 4).await?, 4);
    assert_eq!(replay_take_back(tx, lane.0, all.id, 100).await?, 6);
    assert_eq!(replay_take_back(tx, lane.0, all.id, 100).await?, 0);
    for was in &before[2..] {
        let is = delivery_get(tx, lane.0, was.id).await?.unwrap();
        assert_eq!((is.state, is.attempts, is.finished_at), (was.state, was.attempts, was.finished_at));
    }
    let back = balanced(tx).await?;
    assert_eq!((back.pending, back.delivered, back.dead), (2, ledger.delivered - 1, ledger.dead - 1));
    assert_eq!(replay_progress(tx, lane.0, all.id).await?, Progress { pending: 1, ..Progress::default() });

    // Deleting the endpoint takes back what waits to be sent once more, and cancels the rest.
    run(tx, Replay { id: id(), since: after(2), ..replay(lane, Which::All) }, None).await?;
    deliveries_cancel(tx, lane.0, lane.1, at(1)).await?;
    let deleted = balanced(tx).await?;
    assert_eq!((deleted.pending, deleted.cancelled), (0, 1));
    Ok(())
}

async fn ranks_told(tx: &mut Tx) -> Result<()> {
    let lane = lane(tx).await?;
    let ids = twelve(tx, lane).await?;
    run(tx, replay(lane, Which::All), None).await?;
    assert!(delivery_retry(tx, lane.0, lane.1, ids[7], at(5)).await?);
    let new = write(tx, vec![told(lane, 9006, SHIPPED, None)]).await?;
    let mut order = Vec::new();
    for _ in 0..3 {
        let lease = Lease { token: Uuid::now_v7(), until: at(60) };
        let claim =
            Claim { endpoint_id: lane.1, ordered: false, hold: false, lease, longest: LATER, limit: 1 };
        order.extend(deliveries_claim(tx, &claim, at(10)).await?.iter().map(|it| it.id));
    }
    assert_eq!(order, [new[0], ids[7], ids[0]]);
    Ok(())
}

async fn lines_told(tx: &mut Tx) -> Result<()> {
    let lane = lane(tx).await?;
    let line: Uuid = id::<DeliveryId>().0;
    let row = |i| told(lane, i, SHIPPED, Some((line, i + 1)));
    let ids = write(tx, (0..5).map(row).collect()).await?;
    for (at, state) in
        [DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Delivered].iter().enumerate()
    {
        end(tx, lane, *state, ids[at]).await?;
    }
    run(tx, replay(lane, Which::All), None).await?;
    // The whole line again from its first, whatever its rank, one at a time; a holding endpoint comes to its end too.
    let mut order = Vec::new();
    for round in 0..5 {
        let lease = Lease { token: Uuid::now_v7(), until: at(60) };
        let claim =
            Claim { endpoint_id: lane.1, ordered: true, hold: true, lease, longest: LATER, limit: 10 };
        let heads = deliveries_claim(tx, &claim, at(round)).await?;
        assert_eq!(heads.len(), 1, "round {round}");
        order.push(heads[0].id);
        let sql =
            "update deliveries set state = 'delivered', lease_token = null, lease_until = null where id = $1";
        tx.execute(sql, &[heads[0].id.into()]).await?;
    }
    assert_eq!(order, ids);
    Ok(())
}
