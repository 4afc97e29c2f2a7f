//! Ordered endpoints: what stands first in its line is claimed, and what follows it by whoever holds it.

use std::collections::BTreeSet;

use nimbus_core::{
    ids::{ClinicId, DeliveryId, EndpointId},
    time::Ts,
};
use nimbus_store::{
    Db, Result, Tx,
    deliveries::{
        Claim, Claimed, Lease, NewDelivery, Next, Outcome, deliveries_claim, delivery_record,
        delivery_statements, line_claim, lines_free,
    },
    endpoints::endpoint_insert,
    events::{NewEvent, event_statements},
    two_engines,
};
use uuid::Uuid;

use crate::{
    deliveries::LATER,
    support::{after, clinic, endpoint, event, id, now},
};

two_engines! {
    async fn one_at_a_time_of_each_line(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(heads_told(tx))).await.unwrap();
    }

    async fn the_holder_of_the_first_takes_what_follows(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(followers_told(tx))).await.unwrap();
    }

    async fn a_dead_one_holds_its_line_or_not(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(holding_told(tx))).await.unwrap();
    }

    async fn what_the_writer_sends_is_leased_from_the_start(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(leased_told(tx))).await.unwrap();
    }
}

type Lane = (ClinicId, EndpointId);

async fn lane(tx: &mut Tx) -> Result<Lane> {
    let made = endpoint(clinic(tx).await?, "https://partner.example/hook");
    endpoint_insert(tx, &made).await?;
    Ok((made.clinic_id, made.id))
}

fn told((clinic_id, endpoint_id): Lane, key: Uuid, sequence: i64) -> (NewEvent, NewDelivery) {
    let event = NewEvent {
        ordering_key: Some(key),
        sequence: Some(sequence),
        ..event(clinic_id, &sequence.to_string())
    };
    let delivery = NewDelivery {
        id: id(),
        clinic_id,
        endpoint_id,
        event_id: event.id,
        event_name: event.name.clone(),
        ordering_key: Some(key),
        sequence: Some(sequence),
        ordered: true,
        due_at: now(),
        created_at: now(),
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

fn lease(at: Ts) -> Lease {
    Lease { token: Uuid::now_v7(), until: at.plus_seconds(60) }
}

async fn claim(tx: &mut Tx, lane: Lane, at: Ts, hold: bool) -> Result<Vec<Claimed>> {
    deliveries_claim(tx, &of(lane.1, at, hold, 10), at).await
}

fn of(endpoint_id: EndpointId, at: Ts, hold: bool, limit: i64) -> Claim {
    Claim { endpoint_id, ordered: true, hold, lease: lease(at), longest: LATER, limit }
}

async fn follow(tx: &mut Tx, head: &Claimed, limit: i64) -> Result<Vec<Claimed>> {
    line_claim(tx, head, &of(head.endpoint_id, now(), false, limit), now()).await
}

async fn end(tx: &mut Tx, claimed: &Claimed, next: Next) -> Result<()> {
    let outcome = Outcome {
        clinic_id: claimed.clinic_id,
        endpoint_id: claimed.endpoint_id,
        delivery_id: claimed.id,
        token: claimed.token,
        attempt: None,
        next,
    };
    assert_eq!(delivery_record(tx, &[outcome], now()).await?, [true]);
    Ok(())
}

fn ids(claimed: &[Claimed]) -> BTreeSet<DeliveryId> {
    claimed.iter().map(|row| row.id).collect()
}

async fn heads_told(tx: &mut Tx) -> Result<()> {
    let lane = lane(tx).await?;
    let (a, b) = (id(), id());
    let rows = vec![told(lane, a, 2), told(lane, a, 1), told(lane, b, 7), told(lane, b, 9)];
    let made = write(tx, rows).await?;
    let heads = claim(tx, lane, now(), false).await?;
    assert_eq!(
        ids(&heads),
        BTreeSet::from([made[1], made[2]]),
        "by their numbers, not by when they were written"
    );
    assert!(claim(tx, lane, after(1), false).await?.is_empty(), "the others wait for them");
    let of_a = heads.iter().find(|row| row.id == made[1]).expect("it was claimed");
    end(tx, of_a, Next::Retry { due_at: after(900) }).await?;
    assert!(claim(tx, lane, after(2), false).await?.is_empty(), "a retry keeps its place");
    let of_b = heads.iter().find(|row| row.id == made[2]).expect("it was claimed");
    end(tx, of_b, Next::Delivered).await?;
    assert_eq!(ids(&claim(tx, lane, after(3), false).await?), BTreeSet::from([made[3]]));
    assert_eq!(ids(&claim(tx, lane, after(901), false).await?), BTreeSet::from([made[1], made[3]]));
    Ok(())
}

async fn followers_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (lane(tx).await?, lane(tx).await?);
    let (key, other) = (id(), id());
    let mut rows: Vec<_> = (1..=5).map(|sequence| told(here, key, sequence)).collect();
    rows[3].1.due_at = after(500);
    rows.extend([told(here, other, 2), told(there, key, 2)]);
    let made = write(tx, rows).await?;
    let heads = claim(tx, here, now(), false).await?;
    let head = heads.iter().find(|row| row.id == made[0]).expect("it stands first");
    let next = follow(tx, head, 1).await?;
    assert_eq!(ids(&next), BTreeSet::from([made[1]]));
    let next = follow(tx, &next[0], 10).await?;
    assert_eq!(
        ids(&next),
        BTreeSet::from([made[2]]),
        "up to what is not due yet, of this line and endpoint alone"
    );
    assert_eq!(&*next[0].body, b"3");
    let again = follow(tx, head, 10).await?;
    assert!(again.is_empty(), "leased rows end it");
    Ok(())
}

async fn holding_told(tx: &mut Tx) -> Result<()> {
    let lane = lane(tx).await?;
    let key = id();
    let made = write(tx, (1..=2).map(|sequence| told(lane, key, sequence)).collect()).await?;
    let head = claim(tx, lane, now(), true).await?;
    end(tx, &head[0], Next::Dead).await?;
    assert!(claim(tx, lane, after(1), true).await?.is_empty(), "it holds the line");
    let lines = BTreeSet::from([key, id()]);
    let free = lines_free(tx, lane.1, true, &lines).await?;
    assert!(!free.contains(&key) && free.len() == 1);
    let next = claim(tx, lane, after(1), false).await?;
    assert_eq!(ids(&next), BTreeSet::from([made[1]]), "it is passed by");
    assert_eq!(lines_free(tx, lane.1, false, &lines).await?.len(), 1, "the second is on its way");
    end(tx, &next[0], Next::Delivered).await?;
    assert_eq!(lines_free(tx, lane.1, false, &lines).await?, lines);
    Ok(())
}

async fn leased_told(tx: &mut Tx) -> Result<()> {
    let lane = lane(tx).await?;
    let own = lease(now());
    let (event, delivery) = told(lane, id(), 1);
    let delivery = NewDelivery { lease: Some(own), ordered: false, ..delivery };
    let made = write(tx, vec![(event, delivery)]).await?;
    assert!(claim(tx, lane, after(1), false).await?.is_empty());
    let outcome = |token| Outcome {
        clinic_id: lane.0,
        endpoint_id: lane.1,
        delivery_id: made[0],
        token,
        attempt: None,
        next: Next::Delivered,
    };
    assert_eq!(delivery_record(tx, &[outcome(id())], after(2)).await?, [false], "another's");
    assert_eq!(delivery_record(tx, &[outcome(own.token)], after(2)).await?, [true]);
    Ok(())
}
