//! Originals of prescriptions, and the orders that wait for them.

use nimbus_core::{
    access::{By, SystemActor},
    gates::Gate,
    ids::{OrderId, PrescriptionId},
    order::{Cause, Hold, HoldReason, Line, Order},
    original::{Original, OriginalKind},
};
use nimbus_store::{
    Db, Result, Tx,
    orders::{
        order_insert, order_update, orders_held_for_license, orders_held_for_prescription,
        orders_held_for_registration,
    },
    originals::{original_get, original_insert, originals_bound, originals_of_order},
    prescriptions::prescription_insert,
    two_engines,
};
use uuid::Uuid;

use crate::support::{World, assert_sealed, clinic, id, now, phi, prescription, world};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }
}

fn original(world: &World, prescription_id: PrescriptionId) -> Original {
    Original {
        clinic_id: world.clinic,
        prescription_id,
        kind: OriginalKind::Electronic,
        reference: phi("message 4711"),
        note: Some(phi("signature verified")),
        received_at: now(),
        bound_by: By::System(SystemActor::CommandLine),
        bound_at: now().plus_seconds(1),
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    let world = world(tx).await?;
    let other = clinic(tx).await?;
    let second = prescription(&world.patient);
    prescription_insert(tx, &second).await?;
    let mut order = world.order(&[second.id, world.prescription.id]);
    let line_id = order.lines[0].id;
    let reason = HoldReason::AwaitingValidPrescription;
    order.holds = vec![Hold {
        id: id(),
        line_id,
        reason,
        cause: None,
        note: None,
        placed_at: now(),
        released_at: None,
    }];
    order_insert(tx, &order).await?;
    assert_eq!(orders_held_for_prescription(tx, world.clinic, second.id).await?, [order.id]);
    assert!(orders_held_for_prescription(tx, world.clinic, world.prescription.id).await?.is_empty());
    assert!(orders_held_for_prescription(tx, other, second.id).await?.is_empty());
    assert!(originals_of_order(tx, world.clinic, order.id).await?.is_empty());

    assert!(original_get(tx, world.clinic, second.id).await?.is_none());
    assert!(original_insert(tx, &original(&world, second.id)).await?);
    let again = Original { kind: OriginalKind::Written, ..original(&world, second.id) };
    assert!(!original_insert(tx, &again).await?, "the first stays");
    let read = original_get(tx, world.clinic, second.id).await?.unwrap();
    assert_eq!((read.kind, read.received_at), (OriginalKind::Electronic, now()));
    assert_eq!((read.actor_kind.as_str(), read.actor.as_str()), ("system", "command_line"));
    assert_eq!((read.reference.expose().as_str(), read.bound_at), ("message 4711", now().plus_seconds(1)));
    assert!(read.note == Some(phi("signature verified")));
    assert!(original_get(tx, other, second.id).await?.is_none());
    let sealed = "select reference from bound_originals where prescription_id = $1";
    assert_sealed(tx, sealed, second.id.0, "4711").await;
    let sealed = "select note from bound_originals where prescription_id = $1";
    assert_sealed(tx, sealed, second.id.0, "verified").await;
    assert_eq!(originals_of_order(tx, world.clinic, order.id).await?, [second.id]);
    let asked = [world.prescription.id, second.id];
    assert_eq!(originals_bound(tx, world.clinic, &asked).await?, [second.id]);
    assert!(originals_bound(tx, other, &asked).await?.is_empty());
    assert!(originals_bound(tx, world.clinic, &[]).await?.is_empty());
    assert!(originals_of_order(tx, other, order.id).await?.is_empty());

    let mut after: Order = order.clone();
    after.holds[0].released_at = Some(now());
    order_update(tx, &order, &after).await?;
    assert!(orders_held_for_prescription(tx, world.clinic, second.id).await?.is_empty());
    waiting_for_registration(tx, &world).await?;
    waiting_for_license(tx, &world).await
}

/// Orders of a practitioner are found by the hold of the gate, and not by one that staff placed.
async fn waiting_for_registration(tx: &mut Tx, world: &World) -> Result<()> {
    let (clinic, practitioner) = (world.clinic, world.practitioner.id);
    let mut orders = [world.order(&[world.prescription.id]), world.order(&[world.prescription.id])];
    for (order, gate) in orders.iter_mut().zip([Some(Gate::Practitioner), None]) {
        let cause = gate.map(|gate| Cause {
            gate,
            message: "The practitioner has no DEA number.".to_owned(),
            citation: None,
            fields: Vec::new(),
            refused: None,
        });
        let (line_id, reason) = (order.lines[0].id, HoldReason::PrescriberOutreach);
        order.holds =
            vec![Hold { id: id(), line_id, reason, cause, note: None, placed_at: now(), released_at: None }];
        order_insert(tx, order).await?;
    }
    assert_eq!(orders_held_for_registration(tx, clinic, practitioner).await?, [orders[0].id]);
    let mut after = orders[0].clone();
    after.holds[0].released_at = Some(now());
    order_update(tx, &orders[0], &after).await?;
    assert!(orders_held_for_registration(tx, clinic, practitioner).await?.is_empty());
    Ok(())
}

/// Orders are found by a hold that the gate placed and that is open, each once, however many lines it holds.
async fn waiting_for_license(tx: &mut Tx, world: &World) -> Result<()> {
    let two = [world.prescription.id, world.prescription.id];
    let mut orders = [world.order(&two), world.order(&two), world.order(&two)];
    orders.sort_by_key(|order| order.id);
    for (order, gate) in orders.iter_mut().zip([Some(Gate::License), None, Some(Gate::License)]) {
        let cause = gate.map(|gate| Cause {
            gate,
            message: "The pharmacy has no licence in the destination state that holds today: retail."
                .to_owned(),
            citation: None,
            fields: Vec::new(),
            refused: None,
        });
        let hold = |line: &Line| Hold {
            id: id(),
            line_id: line.id,
            reason: HoldReason::License,
            cause: cause.clone(),
            note: None,
            placed_at: now(),
            released_at: None,
        };
        order.holds = order.lines.iter().map(hold).collect();
        order_insert(tx, order).await?;
    }
    let [first, _, last] = orders.each_ref().map(|order| (world.clinic, order.id));
    let none = OrderId(Uuid::nil());
    assert_eq!(orders_held_for_license(tx, none, 9).await?, [first, last]);
    assert_eq!(orders_held_for_license(tx, none, 1).await?, [first]);
    assert_eq!(orders_held_for_license(tx, first.1, 9).await?, [last]);
    let mut after = orders[0].clone();
    after.holds.iter_mut().for_each(|hold| hold.released_at = Some(now()));
    order_update(tx, &orders[0], &after).await?;
    assert_eq!(orders_held_for_license(tx, none, 9).await?, [last]);
    let deleted = "update clinics set deleted_at = $2 where id = $1";
    tx.execute(deleted, &[world.clinic.into(), now().into()]).await?;
    assert!(orders_held_for_license(tx, none, 9).await?.is_empty());
    Ok(())
}
