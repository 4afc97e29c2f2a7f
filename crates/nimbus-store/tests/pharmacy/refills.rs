//! Refill requests.

use nimbus_core::{
    quantity::Quantity,
    refill::{Refill, RefillStatus},
};
use nimbus_store::{
    Db, Result, Tx,
    page::Page,
    refills::{
        refill_get, refill_get_any, refill_get_by_order, refill_insert, refill_list, refill_open,
        refill_update,
    },
    two_engines,
};

use crate::support::{World, assert_conflict, assert_same, assert_sealed, clinic, id, now, phi, world};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn one_is_open_at_a_time(db: Db) {
        let twice = db.write(|tx: &mut Tx| Box::pin(async move {
            let world = world(tx).await?;
            refill_insert(tx, &refill(&world, RefillStatus::Processing)).await?;
            refill_insert(tx, &refill(&world, RefillStatus::Pending)).await
        })).await;
        assert_conflict(twice);
    }
}

fn refill(world: &World, status: RefillStatus) -> Refill {
    Refill {
        id: id(),
        clinic_id: world.clinic,
        patient_id: world.patient.id,
        prescription_id: world.prescription.id,
        line_id: id(),
        order_id: None,
        status,
        requested_quantity: Quantity::parse("3").unwrap(),
        approved_quantity: None,
        review_reason: Some("too_soon".to_owned()),
        decision_reason: None,
        shipment_group: Some(phi("group 7")),
        version: 1,
        created_at: now(),
        updated_at: now(),
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    let world = world(tx).await?;
    let other = clinic(tx).await?;
    let denied = Refill { decision_reason: Some(phi("too soon")), ..refill(&world, RefillStatus::Denied) };
    let mut open = refill(&world, RefillStatus::Pending);
    refill_insert(tx, &denied).await?;
    refill_insert(tx, &open).await?;

    let read = refill_get(tx, world.clinic, denied.id).await?.unwrap();
    assert_same(&read, &denied);
    assert!(read.decision_reason == denied.decision_reason && read.shipment_group == denied.shipment_group);
    assert_sealed(tx, "select shipment_group from refills where id = $1", open.id.0, "group").await;
    assert!(refill_get(tx, other, denied.id).await?.is_none());
    assert_same(&refill_get_any(tx, open.id).await?, &Some(&open));
    assert_same(&refill_open(tx, world.clinic, world.prescription.id).await?, &Some(&open));
    assert!(refill_open(tx, other, world.prescription.id).await?.is_none());

    open.status = RefillStatus::Shipped;
    open.order_id = Some(id());
    open.approved_quantity = Quantity::parse("2.5");
    refill_update(tx, &open).await?;
    assert_conflict(refill_update(tx, &open).await);
    open.version = 2;
    let order = open.order_id.unwrap();
    assert_same(&refill_get_by_order(tx, world.clinic, order).await?, &Some(&open));
    assert!(refill_get_by_order(tx, other, order).await?.is_none());
    assert!(refill_open(tx, world.clinic, world.prescription.id).await?.is_none());

    let page = Page { limit: 1, ..Page::default() };
    let newest = refill_list(tx, Some(world.clinic), None, Some(world.patient_id()), &page).await?;
    assert!(newest.has_more);
    assert_same(&newest.items, &[&open]);
    let refused = refill_list(tx, None, Some(RefillStatus::Denied), None, &page).await?;
    assert!(!refused.has_more);
    assert_same(&refused.items, &[&denied]);
    assert!(refill_list(tx, Some(other), None, None, &page).await?.items.is_empty());
    assert!(refill_list(tx, None, None, Some(id()), &page).await?.items.is_empty());
    Ok(())
}
