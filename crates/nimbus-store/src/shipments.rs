//! Shipments with the lines in them.

mod scans;

use nimbus_core::{
    ids::{ClinicId, LineId, OrderId, ShipmentId},
    order::DeliverySpeed,
    phi::Phi,
    shipment::{Packed, Shipment, ShipmentStatus},
    time::Ts,
};
pub use scans::{scan_insert, scan_list, scan_record, scans_of_order};
use uuid::Uuid;

use crate::{
    documents,
    engine::{Columns, Row, Statement, Tx, Value},
    error::Result,
    page::{
        Entry, Listed, Page, Slice, listed, page_end, page_end_any, page_few, page_ids, page_ids_args,
        page_where, page_where_any,
    },
    rows::{NO_ROWS, Whole, changed_one, entry, list_columns, word},
    seal::{ClinicKeys, SealedAt},
};

macro_rules! columns {
    ($of:literal) => {
        list_columns!($of:
            clinic_id id patient_id ordering_key status carrier_id carrier_name service_id
            tracking_number tracking_url delivery_method delivery_location notes ships_at
            estimated_delivery_date latest_scan_at cancellation_reason cancelled_at version
            created_at updated_at
        )
    };
}

/// Whole shipments, a row for each line that is in one, of the shipments that a condition on `shipments` chooses.
macro_rules! whole_shipments {
    ($order:literal; $($chosen:tt)*) => {
        concat!(
            "select l.order_id, l.line_id, ", columns!("s."),
            " from (select * from shipments where ", $($chosen)*, ") s
              join shipment_lines l on l.clinic_id = s.clinic_id and l.shipment_id = s.id
                  and l.removed_at is null
              order by ", $order, ", l.position"
        )
    };
}

const fn sealed_at(id: ShipmentId, column: &'static str) -> SealedAt {
    SealedAt { table: "shipments", column, row: id.0 }
}

/// The arguments of a shipment's whole row.
fn args(shipment: &Shipment, keys: &ClinicKeys) -> Result<Vec<Value>> {
    let at = |column| sealed_at(shipment.id, column);
    Ok(vec![
        shipment.clinic_id.into(),
        shipment.id.into(),
        shipment.patient_id.into(),
        shipment.ordering_key.into(),
        shipment.status.as_str().into(),
        shipment.carrier_id.as_str().into(),
        shipment.carrier_name.as_str().into(),
        shipment.service_id.as_str().into(),
        shipment.tracking_number.as_deref().into(),
        shipment.tracking_url.as_deref().into(),
        shipment.delivery_method.as_str().into(),
        documents::seal(keys, at("delivery_location"), shipment.delivery_location.expose())?.into(),
        documents::seal_text(keys, at("notes"), shipment.notes.as_ref()).into(),
        shipment.ships_at.into(),
        shipment.estimated_delivery_date.into(),
        shipment.latest_scan_at.into(),
        documents::seal_text(keys, at("cancellation_reason"), shipment.cancellation_reason.as_ref()).into(),
        shipment.cancelled_at.into(),
        shipment.version.into(),
        shipment.created_at.into(),
        shipment.updated_at.into(),
    ])
}

fn read(columns: &mut Columns<'_>, keys: &ClinicKeys) -> Result<Shipment> {
    let clinic_id = columns.take()?;
    let id = columns.take()?;
    let at = |column| sealed_at(id, column);
    Ok(Shipment {
        id,
        clinic_id,
        patient_id: columns.take()?,
        ordering_key: columns.take()?,
        status: word(&columns.take::<String>()?, ShipmentStatus::parse, "shipments.status")?,
        carrier_id: columns.take()?,
        carrier_name: columns.take()?,
        service_id: columns.take()?,
        tracking_number: columns.take()?,
        tracking_url: columns.take()?,
        delivery_method: word(&columns.take::<String>()?, DeliverySpeed::parse, "shipments.delivery_method")?,
        delivery_location: Phi::new(documents::open(
            keys,
            at("delivery_location"),
            &columns.take::<Vec<u8>>()?,
        )?),
        notes: documents::open_text(keys, at("notes"), columns.take()?)?,
        ships_at: columns.take()?,
        estimated_delivery_date: columns.take()?,
        latest_scan_at: columns.take()?,
        cancellation_reason: documents::open_text(keys, at("cancellation_reason"), columns.take()?)?,
        cancelled_at: columns.take()?,
        version: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
        packed: Vec::new(),
    })
}

/// A shipment, of rows of a line in it and the shipment.
const WHOLE: Whole<Shipment> = Whole {
    record: |row| {
        let mut columns = row.columns();
        read_packed(&mut columns)?;
        Ok((columns.take()?, columns.take()?))
    },
    read: |rows, keys| {
        let mut shipment: Option<Shipment> = None;
        for row in rows {
            let mut columns = row.columns();
            let packed = read_packed(&mut columns)?;
            let shipment = match &mut shipment {
                Some(shipment) => shipment,
                none => none.insert(read(&mut columns, keys)?),
            };
            shipment.packed.push(packed);
        }
        shipment.ok_or(NO_ROWS)
    },
};

fn read_packed(columns: &mut Columns<'_>) -> Result<Packed> {
    Ok(Packed { order_id: columns.take()?, line_id: columns.take()? })
}

pub(crate) async fn read_whole(tx: &mut Tx, rows: Vec<Row>) -> Result<Vec<Shipment>> {
    WHOLE.read_all(tx, &rows).await
}

/// Adds a shipment with the lines in it, in one batch.
pub async fn shipment_insert(tx: &mut Tx, shipment: &Shipment) -> Result<()> {
    let keys = tx.keys(shipment.clinic_id).await?;
    let sql = concat!(
        "insert into shipments (",
        columns!(""),
        ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
            $21)"
    );
    let line = "insert into shipment_lines (clinic_id, shipment_id, line_id, order_id, position)
        values ($1, $2, $3, $4, $5)";
    let mut statements = vec![Statement::new(sql, args(shipment, &keys)?)];
    for (position, packed) in (0u32..).zip(&shipment.packed) {
        statements.push(Statement::new(
            line,
            vec![
                shipment.clinic_id.into(),
                shipment.id.into(),
                packed.line_id.into(),
                packed.order_id.into(),
                position.into(),
            ],
        ));
    }
    tx.batch(statements).await?;
    Ok(())
}

/// Takes lines out of a parcel that goes on without them. At least one other stays: a shipment is read with its
/// lines. Write the shipment as well, under its version.
pub async fn shipment_lines_remove(
    tx: &mut Tx,
    clinic: ClinicId,
    shipment: ShipmentId,
    lines: &[LineId],
    now: Ts,
) -> Result<()> {
    let sql = "update shipment_lines set removed_at = $4
        where clinic_id = $1 and shipment_id = $2 and line_id = $3 and removed_at is null";
    let remove =
        |&line: &LineId| Statement::new(sql, vec![clinic.into(), shipment.into(), line.into(), now.into()]);
    tx.batch(lines.iter().map(remove).collect()).await?;
    Ok(())
}

/// Writes a shipment that was read at `shipment.version`. What is packed in it stays as it was inserted.
///
/// # Errors
/// `Conflict` if somebody has written it since.
pub async fn shipment_update(tx: &mut Tx, shipment: &Shipment) -> Result<()> {
    let keys = tx.keys(shipment.clinic_id).await?;
    let sql = "update shipments
        set patient_id = $3, ordering_key = $4, status = $5, carrier_id = $6, carrier_name = $7,
            service_id = $8, tracking_number = $9, tracking_url = $10, delivery_method = $11,
            delivery_location = $12, notes = $13, ships_at = $14, estimated_delivery_date = $15,
            latest_scan_at = $16, cancellation_reason = $17, cancelled_at = $18, version = $19 + 1,
            created_at = $20, updated_at = $21
        where clinic_id = $1 and id = $2 and version = $19";
    changed_one(tx.execute(sql, &args(shipment, &keys)?).await?)
}

pub async fn shipment_get(tx: &mut Tx, clinic: ClinicId, id: ShipmentId) -> Result<Option<Shipment>> {
    let rows = tx
        .query(whole_shipments!("s.id desc"; "clinic_id = $1 and id = $2"), &[clinic.into(), id.into()])
        .await?;
    Ok(read_whole(tx, rows).await?.pop())
}

/// A shipment of any clinic, for staff.
pub async fn shipment_get_any(tx: &mut Tx, id: ShipmentId) -> Result<Option<Shipment>> {
    let rows = tx.query(whole_shipments!("s.id desc"; "id = $1"), &[id.into()]).await?;
    Ok(read_whole(tx, rows).await?.pop())
}

/// The newest 20 parcels of any clinic that have or had a tracking number, newest first: of one carrier, or of any.
pub async fn shipments_by_tracking_any(
    tx: &mut Tx,
    carrier_id: Option<&str>,
    tracking_number: &str,
) -> Result<Vec<Shipment>> {
    let sql = whole_shipments!(
        "s.id desc";
        "tracking_number = $1 and (carrier_id = $2 or $2 is null) order by id desc limit 20"
    );
    let rows = tx.query(sql, &[tracking_number.into(), carrier_id.into()]).await?;
    read_whole(tx, rows).await
}

const LISTED: Listed = listed!("shipments");

/// Which of a clinic's shipments are listed.
macro_rules! list {
    ($chosen:expr) => {
        whole_shipments!("s.created_at desc, s.id desc"; $chosen, page_where!(), page_end!())
    };
}

/// Which shipments are listed of every clinic's.
macro_rules! list_any {
    ($chosen:literal) => {
        whole_shipments!("s.id desc"; $chosen, page_where_any!(), page_end_any!())
    };
}

/// Shipments, newest first: of one clinic, or (for staff) of all.
pub async fn shipment_list(
    tx: &mut Tx,
    clinic: Option<ClinicId>,
    status: Option<ShipmentStatus>,
    page: &Page,
) -> Result<Slice<Shipment>> {
    let wanted: Option<Value> = status.map(|status| status.as_str().into());
    let (sql, args) = match (clinic, wanted) {
        (None, Some(status)) => (list_any!("status = $7 and "), page.args_any([status])),
        (None, None) => (list_any!(""), page.args_any([])),
        (Some(clinic), status) => {
            let (sql, own) = match (page.changes_few(tx, LISTED, clinic).await?, status) {
                (true, status) => (
                    list!(concat!(page_few!("shipments"), "(status = $9 or $9 is null) and ")),
                    Some(status.into()),
                ),
                (false, Some(status)) => (list!("status = $9 and "), Some(status)),
                (false, None) => (list!(""), None),
            };
            (sql, page.args(tx, LISTED, clinic, own).await?)
        }
    };
    let rows = tx.query(sql, &args).await?;
    WHOLE.list(tx, &rows, page).await
}

/// What staff should look at: `$9` is the time after which a parcel under way should have been seen, `$10` the one
/// after which what came back or was lost is still looked at, until it is replaced.
const NEEDS_ATTENTION: &str = list_any!(
    "status not in ('delivered', 'cancelled') and (status = $7 or $7 is null) and (clinic_id = $8 or $8 is null)
     and (status in ('exception', 'attempted')
        or status in ('label_created', 'in_transit', 'out_for_delivery', 'available_for_pickup')
            and coalesce(latest_scan_at, ships_at) < $9
        or status in ('returned', 'lost') and updated_at >= $10
            and exists (select 1 from shipment_lines p
                join order_lines gone on gone.clinic_id = p.clinic_id and gone.id = p.line_id
                where p.clinic_id = shipments.clinic_id and p.shipment_id = shipments.id
                    and gone.status in ('returned', 'lost')
                    and not exists (select 1 from orders r
                        join order_lines again on again.clinic_id = r.clinic_id and again.order_id = r.id
                        where r.clinic_id = gone.clinic_id and r.replaces = gone.order_id
                            and again.prescription_id = gone.prescription_id
                            and again.status not in ('cancelled', 'rejected')))) and "
);

/// For how many days a returned or lost parcel is looked at that nobody replaces.
const LOOKED_AT_DAYS: i64 = 30;

/// The parcels that need somebody's attention, newest first: of one clinic, or of all. They are those with an
/// exception or a failed attempt, those returned or lost in the last 30 days and not replaced, and those under way
/// that nobody has seen since `quiet_since`.
pub async fn shipments_needing_attention(
    tx: &mut Tx,
    clinic: Option<ClinicId>,
    status: Option<ShipmentStatus>,
    (quiet_since, now): (Ts, Ts),
    page: &Page,
) -> Result<Slice<Shipment>> {
    let args = page.args_any([
        status.map(ShipmentStatus::as_str).into(),
        clinic.into(),
        quiet_since.into(),
        now.plus_days(-LOOKED_AT_DAYS).into(),
    ]);
    let rows = tx.query(NEEDS_ATTENTION, &args).await?;
    WHOLE.list(tx, &rows, page).await
}

const OF_ORDER: &str = whole_shipments!(
    "s.id desc";
    "clinic_id = $1
     and id in (select shipment_id from shipment_lines
         where clinic_id = $1 and order_id = $2 and removed_at is null)
     order by id desc limit 50"
);

/// The newest 50 shipments that an order's lines are in, or were when they were cancelled, newest first, each with all
/// that is in it.
pub async fn shipments_of_order(tx: &mut Tx, clinic: ClinicId, order: OrderId) -> Result<Vec<Shipment>> {
    let rows = tx.query(OF_ORDER, &[clinic.into(), order.into()]).await?;
    read_whole(tx, rows).await
}

/// The shipments of the orders of a page.
#[derive(Debug, Default)]
pub struct ShipmentsOfOrders {
    /// Newest first.
    pub shipments: Vec<Shipment>,
    /// The orders in a shipment that cannot be opened.
    pub unreadable: Vec<Uuid>,
}

/// [`shipments_of_order`] of several orders: the newest 1,000 in one query. At most [`Page::MAX`] orders: those of a
/// page.
pub async fn shipments_of_orders(
    tx: &mut Tx,
    clinic: ClinicId,
    orders: &[OrderId],
) -> Result<ShipmentsOfOrders> {
    let sql = whole_shipments!(
        "s.id desc";
        "clinic_id = $1
         and id in (select shipment_id from shipment_lines
             where clinic_id = $1 and removed_at is null and order_id in (", page_ids!(), "))
         order by id desc limit 1000"
    );
    let mut found = ShipmentsOfOrders::default();
    if orders.is_empty() {
        return Ok(found);
    }
    let rows = tx.query(sql, &page_ids_args(clinic, orders)).await?;
    for (clinic, _, rows) in WHOLE.records(&rows)? {
        match entry(tx, clinic, |keys| (WHOLE.read)(rows, keys)).await? {
            Entry::Whole(shipment) => found.shipments.push(shipment),
            Entry::Unreadable => {
                let orders = rows.iter().map(|row| Ok(read_packed(&mut row.columns())?.order_id.0));
                found.unreadable.extend(orders.collect::<Result<Vec<_>>>()?);
            }
            Entry::Erased => {}
        }
    }
    Ok(found)
}

/// What [`shipments_of_order`] asks, for [`read_whole`].
pub(crate) fn of_order(clinic: ClinicId, order: OrderId) -> Statement {
    Statement::new(OF_ORDER, vec![clinic.into(), order.into()])
}
