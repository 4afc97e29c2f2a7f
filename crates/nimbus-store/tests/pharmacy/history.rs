//! The history, and running numbers.

use nimbus_core::{
    access::{By, SystemActor},
    history::{Subject, Transition},
    ids::{KeyId, OrderId},
};
use nimbus_store::{
    Db, Result, Tx,
    counters::counter_take,
    history::{history_insert, history_of_order, history_of_subject},
    two_engines,
};
use uuid::Uuid;

use crate::support::{assert_sealed, clinic, id, now, phi};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn numbers_run_on(db: Db) {
        for first in [1_000_001, 1_000_004] {
            let taken = db.write(|tx: &mut Tx| Box::pin(counter_take(tx, "rx_number", 3))).await;
            assert_eq!(taken.unwrap(), first);
        }
        let taken = db.write(|tx: &mut Tx| Box::pin(counter_take(tx, "new", 2))).await;
        assert_eq!(taken.unwrap(), 1);
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    let (clinic, other) = (clinic(tx).await?, clinic(tx).await?);
    let (order, line, key): (OrderId, Uuid, KeyId) = (id(), id(), id());
    let begun = Transition {
        clinic_id: clinic,
        subject: Subject::MedicationRequest,
        subject_id: line,
        order_id: Some(order),
        from: None,
        to: "received",
        by: By::Key(key),
        reason: None,
        note: None,
        at: now(),
    };
    let held = Transition {
        from: Some("received"),
        to: "on_hold",
        by: By::System(SystemActor::Jobs),
        reason: Some("address"),
        note: Some(phi("no such street")),
        ..begun.clone()
    };
    let of_order = Transition { subject: Subject::Order, subject_id: order.0, ..begun.clone() };
    history_insert(tx, &[begun, held, of_order]).await?;

    let rows = history_of_order(tx, clinic, order).await?;
    let steps: Vec<_> = rows.iter().map(|row| (row.subject, row.from.as_deref(), row.to.as_str())).collect();
    assert_eq!(
        steps,
        [
            (Subject::MedicationRequest, None, "received"),
            (Subject::MedicationRequest, Some("received"), "on_hold"),
            (Subject::Order, None, "received"),
        ]
    );
    assert_eq!((rows[0].actor_kind.as_str(), rows[0].actor.clone()), ("key", key.to_string()));
    assert_eq!((rows[1].actor_kind.as_str(), rows[1].actor.as_str()), ("system", "jobs"));
    assert_eq!((rows[1].reason.as_deref(), rows[1].at), (Some("address"), now()));
    assert!(rows[1].note == Some(phi("no such street")) && rows[0].note.is_none());
    assert_sealed(tx, "select note from history where subject_id = $1 and note is not null", line, "street")
        .await;

    assert_eq!(history_of_subject(tx, clinic, line).await?.len(), 2);
    assert!(history_of_subject(tx, other, line).await?.is_empty());
    assert!(history_of_order(tx, other, order).await?.is_empty());
    Ok(())
}
