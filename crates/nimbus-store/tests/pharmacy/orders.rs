//! Orders with their lines and holds.

use nimbus_core::{
    gates::{Field, Gate},
    ids::OrderId,
    order::{Cause, FillStatus, Hold, HoldReason, Order, RefusedAct, Shipping},
    prescription::{DrugSchedule, Prescription},
};
use nimbus_store::{
    Db, Result, Tx,
    orders::{
        fills_of_prescription, order_get, order_get_any, order_get_by_line, order_insert, order_list,
        order_list_by_standing, order_queue, order_update, orders_held_for_practitioner,
    },
    page::{Page, Slice},
    prescriptions::prescription_insert,
    two_engines,
};

use crate::support::{
    World, assert_conflict, assert_same, assert_sealed, clinic, day, id, now, phi, prescription, world,
};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn lists_and_the_queue(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(listed(tx))).await.unwrap();
    }

    async fn where_orders_stand(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(standing(tx))).await.unwrap();
    }
}

fn hold(order: &Order, line: usize, reason: HoldReason) -> Hold {
    let line_id = order.lines[line].id;
    let note = Some(phi("asked"));
    Hold { id: id(), line_id, reason, cause: None, note, placed_at: now(), released_at: None }
}

/// What a gate might have found.
fn cause() -> Cause {
    Cause {
        gate: Gate::DaysSupply,
        message: "The quantity does not last for the days supply.".to_owned(),
        citation: Some("21 CFR 1306.05".to_owned()),
        fields: vec![Field::DaysSupply, Field::Direction],
        refused: Some(RefusedAct::Verify),
    }
}

fn assert_same_order(read: &Order, order: &Order) {
    assert_same(read, order);
    assert!(read.shipping_address == order.shipping_address && read.notes == order.notes);
    assert!(read.shipment_group == order.shipment_group);
    assert!(read.holds.iter().zip(&order.holds).all(|(a, b)| a.note == b.note && a.cause == b.cause));
}

async fn told(tx: &mut Tx) -> Result<()> {
    let world = world(tx).await?;
    let other = clinic(tx).await?;
    let second = prescription(&world.patient);
    prescription_insert(tx, &second).await?;
    let mut before = world.order(&[second.id, world.prescription.id]);
    before.holds =
        vec![hold(&before, 1, HoldReason::Address), hold(&before, 1, HoldReason::PractitionerNotActive)];
    order_insert(tx, &before).await?;

    assert_same_order(&order_get(tx, world.clinic, before.id).await?.unwrap(), &before);
    assert_same_order(&order_get_any(tx, before.id).await?.unwrap(), &before);
    assert!(order_get(tx, other, before.id).await?.is_none());
    let line = before.lines[1].id;
    assert_same_order(&order_get_by_line(tx, None, line).await?.unwrap(), &before);
    assert!(order_get_by_line(tx, Some(world.clinic), line).await?.is_some());
    assert!(order_get_by_line(tx, Some(other), line).await?.is_none());
    assert_sealed(tx, "select shipping_address from orders where id = $1", before.id.0, "Evergreen").await;
    assert_sealed(tx, "select notes from orders where id = $1", before.id.0, "neighbour").await;
    assert_sealed(tx, "select note from holds where id = $1", before.holds[0].id.0, "asked").await;

    let held = orders_held_for_practitioner(tx, world.clinic, world.practitioner.id).await?;
    assert_eq!(held, [before.id]);

    let after = decided(&before);
    order_update(tx, &before, &after).await?;
    let stored = Order { version: 2, ..after.clone() };
    assert_same_order(&order_get(tx, world.clinic, before.id).await?.unwrap(), &stored);
    assert!(orders_held_for_practitioner(tx, world.clinic, world.practitioner.id).await?.is_empty());

    let fills = fills_of_prescription(tx, world.clinic, second.id).await?;
    assert_eq!(fills, [(before.lines[0].id, FillStatus::Filled, Some(day("2026-01-16")), Some(28))]);
    assert!(fills_of_prescription(tx, other, second.id).await?.is_empty());
    // However many are cancelled later, the one that stands is found.
    let mut cancelled = world.order(&[second.id; 510]);
    cancelled.lines.iter_mut().for_each(|line| line.status = FillStatus::Cancelled);
    order_insert(tx, &cancelled).await?;
    let fills = fills_of_prescription(tx, world.clinic, second.id).await?;
    let found: Vec<FillStatus> = fills.iter().map(|(_, status, ..)| *status).collect();
    assert_eq!(found, [FillStatus::Filled, FillStatus::Cancelled]);

    let stale = Order { holds: before.holds.clone(), ..after.clone() };
    assert_conflict(order_update(tx, &before, &stale).await);
    Ok(())
}

/// What a decision might make of the order: a line filled, a hold released, another placed.
fn decided(before: &Order) -> Order {
    let mut after = before.clone();
    after.status = FillStatus::Filled;
    after.shipping = Shipping::Service { carrier_id: "ups".to_owned(), service_id: "ups_2nd_day".to_owned() };
    after.cancellation_requested_at = Some(now());
    after.updated_at = now().plus_seconds(1);
    after.lines[0].status = FillStatus::Filled;
    after.lines[0].filled_on = Some(day("2026-01-16"));
    after.lines[0].rx_number = Some("1000001".to_owned());
    after.lines[0].shipment_id = Some(id());
    after.lines[1].held_from = Some(FillStatus::Verified);
    after.holds[1].released_at = Some(now().plus_seconds(1));
    let at = now().plus_seconds(1);
    let placed = Hold { note: None, placed_at: at, ..hold(&after, 0, HoldReason::OutOfStock) };
    let stopped = Hold { cause: Some(cause()), placed_at: at, ..hold(&after, 1, HoldReason::Clarification) };
    after.holds.extend([placed, stopped]);
    after
}

fn ids(slice: &Slice<Order>) -> Vec<OrderId> {
    slice.items.iter().map(|order| order.id).collect()
}

/// Three orders: a plain one, a refrigerated one on hold with a controlled line, one of another clinic.
async fn three(tx: &mut Tx) -> Result<(World, [Order; 3])> {
    let (ours, theirs) = (world(tx).await?, world(tx).await?);
    let controlled = Prescription { schedule: DrugSchedule::C3, ..prescription(&ours.patient) };
    prescription_insert(tx, &controlled).await?;
    let plain = ours.order(&[ours.prescription.id]);
    let mut cold = ours.order(&[ours.prescription.id, controlled.id]);
    cold.refrigerated = true;
    cold.status = FillStatus::OnHold;
    cold.holds = vec![hold(&cold, 0, HoldReason::Address), hold(&cold, 1, HoldReason::License)];
    let orders = [plain, cold, theirs.order(&[theirs.prescription.id])];
    for order in &orders {
        order_insert(tx, order).await?;
    }
    Ok((ours, orders))
}

async fn listed(tx: &mut Tx) -> Result<()> {
    let (ours, [plain, cold, theirs]) = three(tx).await?;
    let page = Page::default();
    let one = Page { limit: 1, ..Page::default() };

    let newest = order_list(tx, ours.clinic, None, None, &one).await?;
    assert!(newest.has_more);
    assert_same_order(&newest.items[0], &cold);
    let next = Page { before: Some(cold.id.0), ..one.clone() };
    let next = order_list(tx, ours.clinic, None, None, &next).await?;
    assert_eq!((ids(&next), next.has_more), (vec![plain.id], false));
    let (received, jane) = (Some(FillStatus::Received), Some(ours.patient_id()));
    assert_eq!(ids(&order_list(tx, ours.clinic, received, None, &page).await?), [plain.id]);
    assert_eq!(ids(&order_list(tx, ours.clinic, None, jane, &page).await?), [cold.id, plain.id]);
    let since = Page { updated_from: Some(now()), ..page.clone() };
    assert_eq!(ids(&order_list(tx, ours.clinic, received, jane, &since).await?), [plain.id]);
    assert_eq!(ids(&order_list(tx, ours.clinic, received, jane, &page).await?), [plain.id]);
    assert!(order_list(tx, theirs.clinic_id, None, jane, &page).await?.items.is_empty());

    let first = order_queue(tx, None, None, None, None, None, &one).await?;
    assert_eq!((ids(&first), first.has_more), (vec![plain.id], true));
    let after = Page { before: Some(plain.id.0), ..page.clone() };
    let rest = order_queue(tx, None, None, None, None, None, &after).await?;
    assert_eq!((ids(&rest), rest.has_more), (vec![cold.id, theirs.id], false));
    assert_same_order(&rest.items[0], &cold);
    let ours_only = order_queue(tx, Some(ours.clinic), None, None, None, Some(false), &page).await?;
    assert_eq!(ids(&ours_only), [plain.id]);
    assert_eq!(ids(&order_queue(tx, None, received, None, None, None, &page).await?), [plain.id, theirs.id]);
    let address = Some(HoldReason::Address);
    assert_eq!(ids(&order_queue(tx, None, None, address, None, None, &page).await?), [cold.id]);
    let stock = Some(HoldReason::OutOfStock);
    assert!(order_queue(tx, None, None, stock, None, None, &page).await?.items.is_empty());
    assert_eq!(ids(&order_queue(tx, None, None, None, Some(true), Some(true), &page).await?), [cold.id]);
    assert_eq!(
        ids(&order_queue(tx, None, None, None, Some(false), None, &page).await?),
        [plain.id, theirs.id]
    );
    Ok(())
}

/// A held order stands where its least advanced line was; the column follows every update.
async fn standing(tx: &mut Tx) -> Result<()> {
    let (ours, [plain, cold, theirs]) = three(tx).await?;
    let mut held = cold.clone();
    for (line, from) in held.lines.iter_mut().zip([FillStatus::Filled, FillStatus::Submitted]) {
        line.status = FillStatus::OnHold;
        line.held_from = Some(from);
    }
    held.refills_consumed = 2;
    order_update(tx, &cold, &held).await?;
    assert_eq!(order_get(tx, ours.clinic, held.id).await?.unwrap().refills_consumed, 2);

    let (page, one) = (Page::default(), Page { limit: 1, ..Page::default() });
    let (clinic, jane) = (ours.clinic, Some(ours.patient_id()));
    let early = [FillStatus::Received, FillStatus::Verified, FillStatus::Submitted];
    for patient in [None, jane] {
        let found = order_list_by_standing(tx, clinic, &early, patient, &page).await?;
        assert_eq!((ids(&found), found.has_more), (vec![held.id, plain.id], false));
        let newest = order_list_by_standing(tx, clinic, &early, patient, &one).await?;
        assert_eq!((ids(&newest), newest.has_more), (vec![held.id], true));
        let next = Page { before: Some(held.id.0), ..one.clone() };
        assert_eq!(ids(&order_list_by_standing(tx, clinic, &early, patient, &next).await?), [plain.id]);
        let filled = [FillStatus::Filled, FillStatus::OnHold];
        assert!(order_list_by_standing(tx, clinic, &filled, patient, &page).await?.items.is_empty());
        let since = Page { updated_from: Some(now()), ..page.clone() };
        assert_eq!(ids(&order_list_by_standing(tx, clinic, &early, patient, &since).await?), ids(&found));
        let all = order_list_by_standing(tx, clinic, &[], patient, &page).await?;
        assert_eq!(ids(&all), [held.id, plain.id]);
    }
    let others = order_list_by_standing(tx, theirs.clinic_id, &early, None, &page).await?;
    assert_eq!(ids(&others), [theirs.id]);
    assert!(order_list_by_standing(tx, theirs.clinic_id, &early, jane, &page).await?.items.is_empty());
    Ok(())
}
