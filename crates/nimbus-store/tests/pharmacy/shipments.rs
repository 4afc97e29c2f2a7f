//! Shipments and their scans.

use nimbus_core::{
    order::{FillStatus, Order},
    shipment::{Scan, Shipment, ShipmentStatus},
};
use nimbus_store::{
    Db, Result, Tx,
    orders::{order_insert, order_update, orders_of_shipment},
    page::Page,
    shipments::{
        scan_insert, scan_list, scan_record, scans_of_order, shipment_get, shipment_get_any, shipment_insert,
        shipment_lines_remove, shipment_list, shipment_update, shipments_by_tracking_any,
        shipments_needing_attention, shipments_of_order, shipments_of_orders,
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
    assert_same(
        &shipments_of_orders(tx, world.clinic, &[two.id, one.id]).await?.shipments,
        &[&second, &parcel],
    );
    assert_same(&shipments_of_orders(tx, world.clinic, &[two.id]).await?.shipments, &[&parcel]);
    assert!(shipments_of_orders(tx, world.clinic, &[]).await?.shipments.is_empty());
    assert!(shipments_of_orders(tx, other, &[one.id, two.id]).await?.shipments.is_empty());

    parcel.status = ShipmentStatus::Cancelled;
    parcel.cancellation_reason = Some(phi("wrong label"));
    parcel.cancelled_at = Some(now());
    shipment_update(tx, &parcel).await?;
    assert_conflict(shipment_update(tx, &parcel).await);
    parcel.version = 2;
    assert_same_shipment(&shipment_get(tx, world.clinic, parcel.id).await?.unwrap(), &parcel);

    found_by_number(tx, &parcel, &second).await?;
    unpacked(tx, &world, &mut parcel, (&one, &two)).await?;

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
    recorded_once(tx, &world, &second).await?;
    assert_eq!(scans_of_order(tx, world.clinic, two.id).await?.len(), 2);
    assert_eq!(scans_of_order(tx, world.clinic, one.id).await?.len(), 5, "only of what it is in");
    assert!(scans_of_order(tx, other, two.id).await?.is_empty());
    Ok(())
}

async fn scanned(tx: &mut Tx, world: &World, parcel: &Shipment) -> Result<()> {
    let scan = |seconds, location: Option<&str>| Scan {
        id: id(),
        occurred_at: now().plus_seconds(seconds),
        status: Some(ShipmentStatus::InTransit),
        word: None,
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

/// A number is no key: carriers give it out again.
async fn found_by_number(tx: &mut Tx, parcel: &Shipment, newer: &Shipment) -> Result<()> {
    let number = parcel.tracking_number.as_deref().unwrap();
    assert_same(&shipments_by_tracking_any(tx, None, number).await?, &[newer, parcel]);
    assert_same(&shipments_by_tracking_any(tx, Some("ups"), number).await?, &[newer, parcel]);
    assert!(shipments_by_tracking_any(tx, Some("fedex"), number).await?.is_empty());
    assert!(shipments_by_tracking_any(tx, None, "1Z999AA10123456785").await?.is_empty());
    Ok(())
}

/// A line that was taken out is no part of the parcel, nor is its order if that was the last one.
async fn unpacked(
    tx: &mut Tx,
    world: &World,
    parcel: &mut Shipment,
    (one, two): (&Order, &Order),
) -> Result<()> {
    let out = [one.lines[0].id, two.lines[0].id];
    shipment_lines_remove(tx, id(), parcel.id, &out, now()).await?;
    assert_same(&shipment_get(tx, world.clinic, parcel.id).await?.unwrap(), parcel);
    shipment_lines_remove(tx, world.clinic, parcel.id, &out, now()).await?;
    parcel.packed.retain(|packed| !out.contains(&packed.line_id));
    assert_same(&shipment_get(tx, world.clinic, parcel.id).await?.unwrap(), parcel);
    assert_eq!(orders_of_shipment(tx, world.clinic, parcel.id).await?, [two.id]);
    assert_eq!(shipments_of_order(tx, world.clinic, one.id).await?.len(), 1);
    assert_eq!(shipments_of_orders(tx, world.clinic, &[one.id]).await?.shipments.len(), 1);
    Ok(())
}

async fn recorded_once(tx: &mut Tx, world: &World, parcel: &Shipment) -> Result<()> {
    let report = |seconds, status, location: &str| Scan {
        id: id(),
        occurred_at: now().plus_seconds(seconds),
        status,
        word: Some("ZZ".to_owned()),
        location: Some(location.to_owned()),
        message: Some("Arrived".to_owned()),
        recorded_at: now(),
    };
    let moving = Some(ShipmentStatus::InTransit);
    let reports = [
        report(0, moving, "Peoria, IL"),
        report(0, moving, "Joliet, IL"),
        report(1, moving, "Peoria, IL"),
        report(0, None, "Peoria, IL"),
        report(0, Some(ShipmentStatus::Exception), "Peoria, IL"),
    ];
    for scan in &reports {
        assert!(scan_record(tx, world.clinic, parcel.id, scan).await?);
    }
    for scan in &reports {
        let again = Scan { id: id(), message: Some("Said again".to_owned()), ..scan.clone() };
        let again =
            Scan { location: again.location.map(|place| format!(" {} ", place.to_uppercase())), ..again };
        assert!(!scan_record(tx, world.clinic, parcel.id, &again).await?);
    }
    let kept = scan_list(tx, world.clinic, parcel.id).await?;
    assert_eq!(kept.len(), reports.len());
    let unknown: Vec<&Scan> = kept.iter().filter(|scan| scan.status.is_none()).collect();
    assert_eq!((unknown.len(), unknown[0].word.as_deref()), (1, Some("ZZ")));
    assert_sealed(tx, "select detail from scans where id = $1", unknown[0].id.0, "Arrived").await;
    Ok(())
}

two_engines! {
    async fn what_needs_attention(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(needs_attention(tx))).await.unwrap();
    }
}

async fn needs_attention(tx: &mut Tx) -> Result<()> {
    let world = world(tx).await?;
    let mut order = world.order(&[world.prescription.id]);
    order.lines[0].status = FillStatus::Returned;
    order_insert(tx, &order).await?;
    let packed = [(order.id, order.lines[0].id)];
    let hours = |hours: i64| now().plus_seconds(hours * 3600);
    let mut parcels = Vec::new();
    for (status, shipped, seen, needed) in [
        (ShipmentStatus::Exception, 0, Some(0), true),
        (ShipmentStatus::Attempted, 0, Some(0), true),
        (ShipmentStatus::InTransit, -200, Some(-1), false),
        (ShipmentStatus::InTransit, -200, Some(-121), true),
        (ShipmentStatus::LabelCreated, -121, None, true),
        (ShipmentStatus::LabelCreated, -1, None, false),
        (ShipmentStatus::Delivered, -200, Some(-200), false),
        (ShipmentStatus::Cancelled, -200, None, false),
        (ShipmentStatus::Returned, -200, Some(-1), true),
    ] {
        let mut parcel = world.shipment(&packed);
        (parcel.status, parcel.ships_at) = (status, hours(shipped));
        parcel.latest_scan_at = seen.map(hours);
        shipment_insert(tx, &parcel).await?;
        parcels.push((parcel, needed));
    }
    let needed: Vec<&Shipment> = parcels.iter().filter(|(_, it)| *it).map(|(it, _)| it).rev().collect();
    let since = (hours(-120), now());
    let page = Page::default();
    let all = shipments_needing_attention(tx, None, None, since, &page).await?;
    assert_same(&all.items, &needed);
    let own = shipments_needing_attention(tx, Some(world.clinic), None, since, &page).await?;
    assert_eq!(own.items.len(), needed.len());
    assert!(shipments_needing_attention(tx, Some(id()), None, since, &page).await?.items.is_empty());
    let returned = Some(ShipmentStatus::Returned);
    let one = shipments_needing_attention(tx, None, returned, since, &page).await?;
    assert_same(&one.items, &[needed[0]]);
    let month = (hours(-120), now().plus_days(31));
    assert!(shipments_needing_attention(tx, None, returned, month, &page).await?.items.is_empty());

    let mut again = world.order(&[world.prescription.id]);
    again.replaces = Some(order.id);
    order_insert(tx, &again).await?;
    assert!(shipments_needing_attention(tx, None, returned, since, &page).await?.items.is_empty());
    let mut dropped = again.clone();
    dropped.lines[0].status = FillStatus::Cancelled;
    order_update(tx, &again, &dropped).await?;
    assert_eq!(shipments_needing_attention(tx, None, returned, since, &page).await?.items.len(), 1);
    Ok(())
}
