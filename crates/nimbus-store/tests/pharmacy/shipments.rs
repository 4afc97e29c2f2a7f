//! Shipments and their scans.

use nimbus_core::shipment::{Scan, Shipment, ShipmentStatus};
use nimbus_store::{
    Db, Result, Tx,
    orders::{order_insert, orders_of_shipment},
    page::Page,
    shipments::{
        scan_insert, scan_list, scans_of_order, shipment_get, shipment_get_any, shipment_insert,
        shipment_list, shipment_update, shipments_of_order, shipments_of_orders,
    },
    two_engines,
};

use crate::support::{World, assert_conflict, assert_same, assert_sealed, clinic, id, now, phi, world};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }
}

fn assert_same_shipment(read: &Shipment, shipment: &Shipment) {
    assert_same(read, shipment);
    assert!(read.delivery_location == shipment.delivery_location);
    assert!(read.notes == shipment.notes && read.cancellation_reason == shipment.cancellation_reason);
}

async fn told(tx: &mut Tx) -> Result<()> {
    let world = world(tx).await?;
    let other = clinic(tx).await?;
    let two = world.order(&[world.prescription.id, world.prescription.id]);
    let one = world.order(&[world.prescription.id]);
    order_insert(tx, &two).await?;
    order_insert(tx, &one).await?;
    let packed = [(one.id, one.lines[0].id), (two.id, two.lines[1].id), (two.id, two.lines[0].id)];
    let mut parcel = world.shipment(&packed);
    let second = world.shipment(&packed[..1]);
    shipment_insert(tx, &parcel).await?;
    shipment_insert(tx, &second).await?;

    assert_same_shipment(&shipment_get(tx, world.clinic, parcel.id).await?.unwrap(), &parcel);
    assert_same_shipment(&shipment_get_any(tx, parcel.id).await?.unwrap(), &parcel);
    assert!(shipment_get(tx, other, parcel.id).await?.is_none());
    assert_sealed(tx, "select delivery_location from shipments where id = $1", parcel.id.0, "Evergreen")
        .await;
    assert_eq!(orders_of_shipment(tx, world.clinic, parcel.id).await?, [one.id, two.id]);
    assert!(orders_of_shipment(tx, other, parcel.id).await?.is_empty());
    assert_same(&shipments_of_order(tx, world.clinic, one.id).await?, &[&second, &parcel]);
    assert_same(&shipments_of_order(tx, world.clinic, two.id).await?, &[&parcel]);
    assert!(shipments_of_order(tx, other, two.id).await?.is_empty());
    assert_same(&shipments_of_orders(tx, world.clinic, &[two.id, one.id]).await?, &[&second, &parcel]);
    assert_same(&shipments_of_orders(tx, world.clinic, &[two.id]).await?, &[&parcel]);
    assert!(shipments_of_orders(tx, world.clinic, &[]).await?.is_empty());
    assert!(shipments_of_orders(tx, other, &[one.id, two.id]).await?.is_empty());

    parcel.status = ShipmentStatus::Cancelled;
    parcel.cancellation_reason = Some(phi("wrong label"));
    parcel.cancelled_at = Some(now());
    shipment_update(tx, &parcel).await?;
    assert_conflict(shipment_update(tx, &parcel).await);
    parcel.version = 2;
    assert_same_shipment(&shipment_get(tx, world.clinic, parcel.id).await?.unwrap(), &parcel);

    let page = Page { limit: 1, ..Page::default() };
    let newest = shipment_list(tx, None, None, &page).await?;
    assert!(newest.has_more);
    assert_same(&newest.items, &[&second]);
    let cancelled = Some(ShipmentStatus::Cancelled);
    let cancelled = shipment_list(tx, Some(world.clinic), cancelled, &page).await?;
    assert!(!cancelled.has_more);
    assert_same(&cancelled.items, &[&parcel]);
    assert!(shipment_list(tx, Some(other), None, &page).await?.items.is_empty());

    scanned(tx, &world, &parcel).await?;
    assert_eq!(scans_of_order(tx, world.clinic, two.id).await?.len(), 2);
    assert!(scans_of_order(tx, other, two.id).await?.is_empty());
    Ok(())
}

async fn scanned(tx: &mut Tx, world: &World, parcel: &Shipment) -> Result<()> {
    let scan = |seconds, location: Option<&str>| Scan {
        id: id(),
        occurred_at: now().plus_seconds(seconds),
        status: ShipmentStatus::InTransit,
        location: location.map(str::to_owned),
        message: None,
        recorded_at: now(),
    };
    let (late, early) = (scan(60, Some("Peoria, IL")), scan(0, None));
    scan_insert(tx, world.clinic, parcel.id, &late).await?;
    scan_insert(tx, world.clinic, parcel.id, &early).await?;
    assert_same(&scan_list(tx, world.clinic, parcel.id).await?, &[&early, &late]);
    assert_sealed(tx, "select detail from scans where id = $1", late.id.0, "Peoria").await;
    assert!(scan_list(tx, id(), parcel.id).await?.is_empty());
    Ok(())
}
