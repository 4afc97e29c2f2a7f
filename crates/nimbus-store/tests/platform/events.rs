//! Events and sequences.

use nimbus_core::time::Ts;
use nimbus_store::{
    Db, Error, Result, Tx,
    endpoints::Shape,
    events::{EventRow, NewEvent, event_body, event_get, event_statements, sequences_take},
    two_engines,
};
use uuid::Uuid;

use crate::support::{assert_not_authentic, assert_sealed, clinic, event, id};

const BODY: &str = r#"{"event_data":{"delivery_location":{"city":"Chicago"}}}"#;

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn sequences(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(sequences_told(tx))).await.unwrap();
    }

    async fn racing_writers_leave_no_gap(db: Db) {
        let clinic = db.write(|tx: &mut Tx| Box::pin(clinic(tx))).await.unwrap();
        let key: Uuid = id();
        let take = |fails: bool| db.write(move |tx: &mut Tx| Box::pin(async move {
            let [first, _] = sequences_take(tx, clinic, key, [2, 0]).await?;
            if fails { Err(Error::Corrupt("on purpose")) } else { Ok(first) }
        }));
        let taken = futures_util::future::join_all((0..24).map(|i| take(i % 3 == 0))).await;
        let mut firsts: Vec<i64> = taken.into_iter().flatten().collect();
        firsts.sort_unstable();
        assert_eq!(firsts, (0..16).map(|i| 1 + 2 * i).collect::<Vec<_>>());
    }

    async fn a_body_opens_in_its_place_only(db: Db) {
        let moved = db.write(|tx: &mut Tx| Box::pin(async move {
            let clinic = clinic(tx).await?;
            let (one, two) = (event(clinic, "1"), event(clinic, "2"));
            let written = event_statements(tx, &[one.clone(), two.clone()]).await?;
            tx.batch(written).await?;
            let sql = "update events set body = (select o.body from events o where o.id = $1) where id = $2";
            tx.execute(sql, &[one.id.into(), two.id.into()]).await?;
            event_body(tx, clinic, two.id).await
        })).await;
        assert_not_authentic(moved);
    }
}

fn row(event: &NewEvent) -> EventRow {
    EventRow {
        id: event.id,
        clinic_id: event.clinic_id,
        shape: event.shape,
        name: event.name.clone(),
        type_: event.type_.clone(),
        subject_id: event.subject_id,
        ordering_key: event.ordering_key,
        sequence: event.sequence,
        created_at: Ts::from_micros(event.created_at.micros()),
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (clinic(tx).await?, clinic(tx).await?);
    let first = event(here, BODY);
    let second = NewEvent { ordering_key: None, sequence: None, ..event(here, "{}") };
    let orders = NewEvent { shape: Shape::Orders, ..event(here, "{}") };
    let all = [first.clone(), second.clone(), orders.clone(), event(there, "{}")];
    let written = event_statements(tx, &all).await?;
    tx.batch(written).await?;
    assert_sealed(tx, "select body from events where id = $1", first.id.0, "Chicago").await;
    for event in [&first, &second, &orders] {
        assert_eq!(event_get(tx, here, event.id).await?, Some(row(event)));
    }
    assert_eq!(event_body(tx, here, first.id).await?.as_deref(), Some(BODY.as_bytes()));
    assert_eq!(event_get(tx, there, first.id).await?, None);
    assert_eq!(event_body(tx, there, first.id).await?, None);

    Ok(())
}

async fn sequences_told(tx: &mut Tx) -> Result<()> {
    let (here, there) = (clinic(tx).await?, clinic(tx).await?);
    let (key, other): (Uuid, Uuid) = (id(), id());
    assert_eq!(sequences_take(tx, here, key, [1, 2]).await?, [1, 1]);
    assert_eq!(sequences_take(tx, here, key, [3, 0]).await?, [2, 3]);
    assert_eq!(sequences_take(tx, here, key, [1, 1]).await?, [5, 3], "each shape counts");
    assert_eq!(sequences_take(tx, here, other, [1, 1]).await?, [1, 1], "each key counts");
    assert_eq!(sequences_take(tx, there, key, [1, 1]).await?, [1, 1], "each clinic counts");
    Ok(())
}
