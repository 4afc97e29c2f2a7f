//! What other aggregates ask of orders: their ids, and the fills of a prescription.

use nimbus_core::{
    gates::Gate,
    ids::{ClinicId, LineId, OrderId, PractitionerId, PrescriptionId, ShipmentId},
    order::{FillStatus, HoldReason},
    time::{Date, Ts},
};

use crate::{
    engine::{Tx, Value},
    error::Result,
    page::{page_ids, page_ids_args},
    rows::word,
};

/// A line that fills a prescription: where it stands, the day it was filled, and for how many days.
pub type PastFill = (LineId, FillStatus, Option<Date>, Option<u32>);

/// The clinic's orders with an open hold that waits for this practitioner to become active, oldest first; at
/// most 1,000. Release these and ask again for more.
pub async fn orders_held_for_practitioner(
    tx: &mut Tx,
    clinic: ClinicId,
    practitioner: PractitionerId,
) -> Result<Vec<OrderId>> {
    let sql = "select id from orders
        where clinic_id = $1 and practitioner_id = $2
            and exists (select 1 from holds h
                where h.clinic_id = orders.clinic_id and h.order_id = orders.id and h.reason = $3
                    and h.released_at is null)
        order by id limit 1000";
    let reason = HoldReason::PractitionerNotActive.as_str();
    ids(tx, sql, &[clinic.into(), practitioner.into(), reason.into()]).await
}

/// The clinic's orders with an open hold of a line that waits for the valid original of this prescription, oldest
/// first; at most 1,000. A prescription has no more fills than that under way.
pub async fn orders_held_for_prescription(
    tx: &mut Tx,
    clinic: ClinicId,
    prescription: PrescriptionId,
) -> Result<Vec<OrderId>> {
    let sql = "select distinct l.order_id
        from order_lines l join holds h on h.clinic_id = l.clinic_id and h.order_id = l.order_id and h.line_id = l.id
        where l.clinic_id = $1 and l.prescription_id = $2 and h.reason = $3 and h.released_at is null
        order by l.order_id limit 1000";
    let reason = HoldReason::AwaitingValidPrescription.as_str();
    ids(tx, sql, &[clinic.into(), prescription.into(), reason.into()]).await
}

/// The clinic's orders with an open hold that a gate placed for what this practitioner lacks, oldest first; at most
/// 1,000.
pub async fn orders_held_for_registration(
    tx: &mut Tx,
    clinic: ClinicId,
    practitioner: PractitionerId,
) -> Result<Vec<OrderId>> {
    let sql = "select id from orders
        where clinic_id = $1 and practitioner_id = $2
            and exists (select 1 from holds h
                where h.clinic_id = orders.clinic_id and h.order_id = orders.id and h.gate = $3
                    and h.released_at is null)
        order by id limit 1000";
    ids(tx, sql, &[clinic.into(), practitioner.into(), Gate::Practitioner.as_str().into()]).await
}

/// Orders of every clinic with an open hold that the licence gate placed: the first `limit` by id after `after`. The
/// licences are the pharmacy's, and where an order goes is sealed, so that its state is not asked for here. Those of a
/// deleted clinic, whose keys may be gone, are left out.
pub async fn orders_held_for_license(
    tx: &mut Tx,
    after: OrderId,
    limit: u32,
) -> Result<Vec<(ClinicId, OrderId)>> {
    let sql = "select distinct clinic_id, order_id from holds
        where reason = $1 and gate = $2 and released_at is null and order_id > $3
            and exists (select 1 from clinics c where c.id = holds.clinic_id and c.deleted_at is null)
        order by order_id limit $4";
    let (reason, gate) = (HoldReason::License.as_str(), Gate::License.as_str());
    let rows = tx.query(sql, &[reason.into(), gate.into(), after.into(), limit.into()]).await?;
    let held = rows.iter().map(|row| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    });
    held.collect()
}

/// The orders in a parcel, in the order in which they were packed.
pub async fn orders_of_shipment(tx: &mut Tx, clinic: ClinicId, shipment: ShipmentId) -> Result<Vec<OrderId>> {
    let sql = "select order_id from shipment_lines
        where clinic_id = $1 and shipment_id = $2 and removed_at is null
        group by order_id order by min(position)";
    ids(tx, sql, &[clinic.into(), shipment.into()]).await
}

async fn ids(tx: &mut Tx, sql: &'static str, args: &[Value]) -> Result<Vec<OrderId>> {
    tx.query(sql, args).await?.iter().map(|row| row.columns().take()).collect()
}

/// The newest 500 live lines that fill a prescription, and the newest that is not live, oldest first. So however
/// many were cancelled, none of them hides a fill.
pub async fn fills_of_prescription(
    tx: &mut Tx,
    clinic: ClinicId,
    prescription: PrescriptionId,
) -> Result<Vec<PastFill>> {
    let sql = "select id, status, filled_on, days_supply from (
            select id, status, filled_on, days_supply from order_lines
            where clinic_id = $1 and prescription_id = $2 and status not in ('profiled', 'rejected', 'cancelled')
            order by id desc limit 500) live
        union all
        select id, status, filled_on, days_supply from (
            select id, status, filled_on, days_supply from order_lines
            where clinic_id = $1 and prescription_id = $2 and status in ('profiled', 'rejected', 'cancelled')
            order by id desc limit 1) dead
        order by 1";
    let rows = tx.query(sql, &[clinic.into(), prescription.into()]).await?;
    let fills = rows.iter().map(|row| {
        let mut columns = row.columns();
        let id = columns.take()?;
        let status = word(&columns.take::<String>()?, FillStatus::parse, "order_lines.status")?;
        Ok((id, status, columns.take()?, columns.take()?))
    });
    fills.collect()
}

/// Which of these orders of a clinic a partner wants cancelled, and since when. At most [`Page::MAX`] are looked at:
/// those of a page.
///
/// [`Page::MAX`]: crate::page::Page::MAX
pub async fn cancellations_requested(
    tx: &mut Tx,
    clinic: ClinicId,
    orders: &[OrderId],
) -> Result<Vec<(OrderId, Ts)>> {
    let sql = concat!(
        "select id, cancellation_requested_at from orders
         where clinic_id = $1 and cancellation_requested_at is not null and id in (",
        page_ids!(),
        ") order by id"
    );
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx.query(sql, &page_ids_args(clinic, orders)).await?;
    let requested = rows.iter().map(|row| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    });
    requested.collect()
}

/// The prescriptions of an order whose fills are replaced by an order that still stands.
pub async fn prescriptions_replaced(
    tx: &mut Tx,
    clinic: ClinicId,
    replaced: OrderId,
) -> Result<Vec<PrescriptionId>> {
    let sql = "select l.prescription_id
        from orders o join order_lines l on l.clinic_id = o.clinic_id and l.order_id = o.id
        where o.clinic_id = $1 and o.replaces = $2 and l.status not in ('cancelled', 'rejected')
        order by l.id limit 1000";
    tx.query(sql, &[clinic.into(), replaced.into()]).await?.iter().map(|row| row.columns().take()).collect()
}
