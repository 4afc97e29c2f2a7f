//! What a change of an order means elsewhere: its refill request, its prescriptions, its parcels, its jobs.

use nimbus_core::{
    event::{Fact, OrderChange, PrescriptionChange},
    ids::{LineId, ShipmentId},
    order::{FillStatus, Line, Order},
    prescription::{Prescription, PrescriptionAct, PrescriptionStatus, change_status},
    refill::RefillStatus,
    shipment::{self, Moved, Shipment, ShipmentStatus},
    time::{Ts, add_days},
};
use nimbus_store::{
    Tx,
    jobs::{self, JobKind},
    orders, prescriptions, refills, shipments,
};

use crate::{
    eligibility::{Asked, assess},
    error::Result,
    inventory::give_back,
    label_purchases,
    outbox::Changes,
    sandbox::simulation,
    unit::Cx,
};

/// Stores a changed order and everything that follows from the change, and gathers what is to be told.
pub(crate) async fn order_changed(
    tx: &mut Tx,
    cx: &Cx,
    before: &Order,
    after: &mut Order,
    changes: &mut Changes,
) -> Result<()> {
    let emptied = unpacked(tx, cx, before, after).await?;
    orders::order_update(tx, before, after).await?;
    after.version += 1;
    name_parcel(tx, after, changes).await?;
    verified(tx, cx, before, after, changes).await?;
    refill_follows(tx, cx, after, changes).await?;
    refills_given_back(tx, cx, before, after).await?;
    give_back(tx, cx, before, after).await?;
    shipped_or_delivered(tx, cx, before, after, changes).await?;
    for moved in emptied {
        changes.history.push(moved.history);
        changes.events.push(moved.event);
    }
    simulation::follow(tx, cx, after.clinic_id, after.id).await
}

/// An order that has left because what had not was cancelled is told with the parcel of what had.
async fn name_parcel(tx: &mut Tx, after: &Order, changes: &mut Changes) -> Result<()> {
    for event in &mut changes.events {
        let Fact::OrderChanged { change: OrderChange::Fulfilled, order_id, parcel, .. } = &mut event.fact
        else {
            continue;
        };
        let left = after.lines.iter().find(|line| line.status == FillStatus::Shipped);
        if let Some(id) =
            left.filter(|_| parcel.is_none() && *order_id == after.id).and_then(|l| l.shipment_id)
        {
            let found = shipments::shipment_get(tx, after.clinic_id, id).await?;
            *parcel = found.as_ref().map(Shipment::told);
        }
    }
    Ok(())
}

/// A prescription whose Rx number was given is verified.
async fn verified(tx: &mut Tx, cx: &Cx, before: &Order, after: &Order, changes: &mut Changes) -> Result<()> {
    for (old, new) in before.lines.iter().zip(&after.lines) {
        let (None, Some(number)) = (&old.rx_number, &new.rx_number) else { continue };
        let found = prescriptions::prescription_get(tx, after.clinic_id, new.prescription_id).await?;
        let Some(mut prescription) = found.filter(|found| found.rx_number.is_none()) else { continue };
        prescription.rx_number = Some(number.clone());
        prescription.updated_at = cx.now;
        prescriptions::prescription_update(tx, &prescription).await?;
        let (change, status) = (PrescriptionChange::Verified, Some(prescription.status));
        changes.events.push(prescription.event(change, status, Some(after.ordering_key), cx.now));
    }
    Ok(())
}

/// An approved refill reads its order.
async fn refill_follows(tx: &mut Tx, cx: &Cx, after: &Order, changes: &mut Changes) -> Result<()> {
    if after.refill_id.is_none() {
        return Ok(());
    }
    let Some(mut refill) = refills::refill_get_by_order(tx, after.clinic_id, after.id).await? else {
        return Ok(());
    };
    let (from, to) = (refill.status, RefillStatus::of_order(after.standing()));
    if from == to || matches!(from, RefillStatus::Pending | RefillStatus::Denied | RefillStatus::Cancelled) {
        return Ok(());
    }
    refill.status = to;
    refill.updated_at = cx.now;
    refills::refill_update(tx, &refill).await?;
    changes.history.push(refill.transition(Some(from), cx.by(), None, cx.now));
    changes.events.push(refill.event(Some(from), Some(after.ordering_key), cx.now));
    Ok(())
}

/// An order that came to nothing gives back what it consumed of its prescription.
async fn refills_given_back(tx: &mut Tx, cx: &Cx, before: &Order, after: &Order) -> Result<()> {
    let ended = |order: &Order| matches!(order.status, FillStatus::Cancelled | FillStatus::Rejected);
    if after.refills_consumed == 0 || ended(before) || !ended(after) {
        return Ok(());
    }
    // Such an order has one line.
    let Some(line) = after.lines.first() else { return Ok(()) };
    let found = prescriptions::prescription_get(tx, after.clinic_id, line.prescription_id).await?;
    let Some(mut prescription) = found else { return Ok(()) };
    prescription.refills_used = prescription.refills_used.saturating_sub(after.refills_consumed);
    prescription.updated_at = cx.now;
    Ok(prescriptions::prescription_update(tx, &prescription).await?)
}

/// A fill that left sets the day of the next one; the last fill delivered completes its prescription.
async fn shipped_or_delivered(
    tx: &mut Tx,
    cx: &Cx,
    before: &Order,
    after: &Order,
    changes: &mut Changes,
) -> Result<()> {
    for (old, new) in before.lines.iter().zip(&after.lines) {
        if old.status == new.status || !matches!(new.status, FillStatus::Shipped | FillStatus::Delivered) {
            continue;
        }
        let found = prescriptions::prescription_get(tx, after.clinic_id, new.prescription_id).await?;
        let Some(prescription) = found.filter(|found| found.status == PrescriptionStatus::Active) else {
            continue;
        };
        if prescription.refills_remaining() > 0 && !prescription.do_not_refill {
            schedule_refill_due(tx, cx, &prescription).await?;
        } else if new.status == FillStatus::Delivered && !has_fill_under_way(tx, &prescription).await? {
            let (act, key) = (PrescriptionAct::Complete, Some(after.ordering_key));
            let (done, transition, event) = change_status(&prescription, act, key, cx.by(), None, cx.now)?;
            prescriptions::prescription_update(tx, &done).await?;
            changes.history.push(transition);
            changes.events.push(event);
        }
    }
    Ok(())
}

async fn schedule_refill_due(tx: &mut Tx, cx: &Cx, prescription: &Prescription) -> Result<()> {
    let answer = assess(tx, cx, prescription, Asked::default()).await?.answer;
    let Some(day) = answer.next_eligible_date.filter(|day| *day <= prescription.expires_on) else {
        return Ok(());
    };
    let due = Ts::start_of(day.max(cx.today), &cx.app.config().pharmacy_zone);
    let (kind, clinic) = (JobKind::RefillDue, prescription.clinic_id);
    Ok(jobs::job_schedule(tx, kind, clinic, prescription.id.0, due, cx.wall).await?)
}

async fn has_fill_under_way(tx: &mut Tx, prescription: &Prescription) -> Result<bool> {
    let fills = orders::fills_of_prescription(tx, prescription.clinic_id, prescription.id).await?;
    let under_way = |status: &FillStatus| {
        status.is_live() && !matches!(status, FillStatus::Delivered | FillStatus::Lost | FillStatus::Returned)
    };
    Ok(fills.iter().any(|(_, status, ..)| under_way(status)))
}

/// What is held or comes to nothing leaves the parcel that waits for its carrier. A parcel that nothing is left in is
/// cancelled: those, with what is to be told of them.
async fn unpacked(tx: &mut Tx, cx: &Cx, before: &Order, after: &mut Order) -> Result<Vec<Moved>> {
    let stays = |line: &Line| line.status.is_live() && line.status != FillStatus::OnHold;
    let mut leaving: Vec<(ShipmentId, LineId)> = Vec::new();
    for (old, new) in before.lines.iter().zip(&after.lines) {
        if let Some(parcel) = new.shipment_id.filter(|_| stays(old) && !stays(new)) {
            leaving.push((parcel, new.id));
        }
    }
    let mut parcels: Vec<ShipmentId> = leaving.iter().map(|(parcel, _)| *parcel).collect();
    parcels.dedup();
    let mut emptied = Vec::new();
    for id in parcels {
        let Some(parcel) = shipments::shipment_get(tx, after.clinic_id, id).await? else { continue };
        if parcel.status != ShipmentStatus::LabelCreated {
            continue;
        }
        let lines: Vec<LineId> =
            leaving.iter().filter(|(parcel, _)| *parcel == id).map(|(_, line)| *line).collect();
        after.lines.iter_mut().filter(|line| lines.contains(&line.id)).for_each(Line::unpack);
        if has_live_line(tx, &parcel, after).await? {
            shipments::shipment_lines_remove(tx, parcel.clinic_id, id, &lines, cx.now).await?;
            let lighter = Shipment { updated_at: cx.now, ..parcel };
            shipments::shipment_update(tx, &lighter).await?;
        } else {
            let held = after.lines.iter().any(|line| lines.contains(&line.id) && line.status.is_live());
            let why = if held { "The order was put on hold" } else { "The order was cancelled" };
            let moved = shipment::cancel(&parcel, cx.by(), why, cx.now)?;
            shipments::shipment_update(tx, &moved.shipment).await?;
            label_purchases::give_back(tx, cx, &moved.shipment).await?;
            emptied.push(moved);
        }
    }
    Ok(emptied)
}

/// Whether anything is left in a parcel, by what is on file of its orders; of `changed`, by what it is to be.
async fn has_live_line(tx: &mut Tx, parcel: &Shipment, changed: &Order) -> Result<bool> {
    let live = |line: &Line| line.shipment_id == Some(parcel.id) && line.status.is_live();
    for id in parcel.orders() {
        let holds = if id == changed.id {
            changed.lines.iter().any(live)
        } else {
            let order = orders::order_get(tx, parcel.clinic_id, id).await?;
            order.is_some_and(|order| order.lines.iter().any(live))
        };
        if holds {
            return Ok(true);
        }
    }
    Ok(false)
}

/// When a new prescription's last day is over.
pub(crate) async fn schedule_expiry(tx: &mut Tx, cx: &Cx, prescription: &Prescription) -> Result<()> {
    let due = Ts::start_of(add_days(prescription.expires_on, 1), &cx.app.config().pharmacy_zone);
    let (kind, clinic) = (JobKind::PrescriptionExpire, prescription.clinic_id);
    Ok(jobs::job_schedule(tx, kind, clinic, prescription.id.0, due, cx.wall).await?)
}
