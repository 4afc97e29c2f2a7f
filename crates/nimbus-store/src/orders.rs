//! Orders with their lines and holds: one aggregate, read by one statement and written under one version.

mod columns;
mod file;
mod find;
mod intake;
mod standing;

use nimbus_core::{
    ids::{ClinicId, LineId, OrderId, PatientId},
    order::{FillStatus, Hold, HoldReason, Order},
};

use crate::{
    engine::{Statement, Tx, Value},
    error::Result,
    page::{Listed, Page, Slice, listed, page_end, page_few, page_range_by_id, page_where},
    rows::changed_one,
    seal::ClinicKeys,
};
use columns::{
    hold_args, hold_columns, line_args, line_columns, list_whole, order_args, order_columns, read_whole,
};

pub use file::{OrderFile, order_and_parcels, order_file};
pub use find::{
    PastFill, cancellations_requested, fills_of_prescription, orders_held_for_license,
    orders_held_for_practitioner, orders_held_for_prescription, orders_held_for_registration,
    orders_of_shipment, prescriptions_replaced,
};
pub use intake::{Intake, order_intake};
pub use standing::{MAX_STANDINGS, order_list_by_standing};

/// Whole orders, a row for each line and hold, of the orders that a condition on `orders` chooses.
macro_rules! whole_orders {
    ($order:literal; $($chosen:tt)*) => {
        concat!(
            "select ", line_columns!("l."), ", ", hold_columns!("h."), ", ", order_columns!("o."),
            " from (select * from orders where ", $($chosen)*, ") o
              join order_lines l on l.clinic_id = o.clinic_id and l.order_id = o.id
              left join holds h on h.clinic_id = l.clinic_id and h.order_id = l.order_id and h.line_id = l.id
              order by ", $order, ", l.position, h.id"
        )
    };
}
use whole_orders;

const LINE_INSERT: &str = concat!(
    "insert into order_lines (",
    line_columns!(""),
    ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
);
const LINE_UPDATE: &str = "update order_lines
    set prescription_id = $4, position = $5, status = $6, held_from = $7, quantity = $8, days_supply = $9,
        filled_on = $10, shipment_id = $11, tracking_number = $12, rx_number = $13, pharmacy_word = $14,
        updated_at = $15
    where clinic_id = $1 and id = $2 and order_id = $3";
const HOLD_INSERT: &str = "insert into holds
    (clinic_id, id, order_id, line_id, reason, note, placed_at, released_at, gate, message, citation, fields,
        refused)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const HOLD_RELEASE: &str =
    "update holds set released_at = $3 where clinic_id = $1 and id = $2 and released_at is null";

fn hold_insert(order: &Order, hold: &Hold, keys: &ClinicKeys) -> Statement {
    Statement::new(HOLD_INSERT, hold_args(order, hold, keys))
}

/// Adds an order with its lines and holds, in one batch.
pub async fn order_insert(tx: &mut Tx, order: &Order) -> Result<()> {
    let keys = tx.keys(order.clinic_id).await?;
    let sql = concat!(
        "insert into orders (",
        order_columns!(""),
        ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
            $20, $21)"
    );
    let mut statements = vec![Statement::new(sql, order_args(order, &keys)?)];
    statements.extend(order.lines.iter().map(|line| Statement::new(LINE_INSERT, line_args(order, line))));
    statements.extend(order.holds.iter().map(|hold| hold_insert(order, hold, &keys)));
    tx.batch(statements).await?;
    Ok(())
}

/// Writes what a decision has made of an order: `before` as it was read, `after` as it is to be. One batch:
/// the order's row, the lines that differ, new holds, and the release of those released.
///
/// # Errors
/// `Conflict` if somebody has written the order since it was read. The rest of the batch has then run all the
/// same: return the error, so that the transaction is rolled back.
pub async fn order_update(tx: &mut Tx, before: &Order, after: &Order) -> Result<()> {
    let keys = tx.keys(before.clinic_id).await?;
    let sql = "update orders
        set patient_id = $3, practitioner_id = $4, status = $5, carrier_id = $6, service_id = $7,
            delivery_speed = $8, refrigerated = $9, ordering_key = $10, shipment_group = $11,
            shipping_address = $12, notes = $13, cancellation_requested_at = $14, refill_id = $15,
            replaces = $16, refills_consumed = $17, standing = $18, version = $19 + 1, created_at = $20,
            updated_at = $21
        where clinic_id = $1 and id = $2 and version = $19";
    let written = Order { version: before.version, ..after.clone() };
    let mut statements = vec![Statement::new(sql, order_args(&written, &keys)?)];
    for line in &after.lines {
        let args = line_args(after, line);
        match before.line(line.id).map(|line| line_args(before, line)) {
            Some(old) if old == args => {}
            Some(_) => statements.push(Statement::new(LINE_UPDATE, args)),
            None => statements.push(Statement::new(LINE_INSERT, args)),
        }
    }
    for hold in &after.holds {
        let old = before.holds.iter().find(|old| old.id == hold.id);
        match (old.map(|old| old.released_at), hold.released_at) {
            (None, _) => statements.push(hold_insert(after, hold, &keys)),
            (Some(None), Some(released_at)) => {
                let args = vec![after.clinic_id.into(), hold.id.into(), released_at.into()];
                statements.push(Statement::new(HOLD_RELEASE, args));
            }
            (Some(_), _) => {}
        }
    }
    let changed = tx.batch(statements).await?;
    changed_one(changed.first().copied().unwrap_or(0))
}

/// As [`whole_orders`], of one: SQLite need not make a set of it first.
const ORDER_GET: &str = concat!(
    "select ",
    line_columns!("l."),
    ", ",
    hold_columns!("h."),
    ", ",
    order_columns!("o."),
    " from orders o
      join order_lines l on l.clinic_id = o.clinic_id and l.order_id = o.id
      left join holds h on h.clinic_id = l.clinic_id and h.order_id = l.order_id and h.line_id = l.id
      where o.clinic_id = $1 and o.id = $2
      order by l.position, h.id"
);

pub async fn order_get(tx: &mut Tx, clinic: ClinicId, id: OrderId) -> Result<Option<Order>> {
    one(tx, ORDER_GET, &[clinic.into(), id.into()]).await
}

/// An order of any clinic, for staff.
pub async fn order_get_any(tx: &mut Tx, id: OrderId) -> Result<Option<Order>> {
    one(tx, whole_orders!("o.id desc"; "id = $1"), &[id.into()]).await
}

/// The order of a line: of one clinic, or (for staff) of any.
pub async fn order_get_by_line(tx: &mut Tx, clinic: Option<ClinicId>, line: LineId) -> Result<Option<Order>> {
    let sql = whole_orders!("o.id desc";
        "id = (select order_id from order_lines where id = $1) and (clinic_id = $2 or $2 is null)");
    one(tx, sql, &[line.into(), clinic.into()]).await
}

async fn one(tx: &mut Tx, sql: &'static str, args: &[Value]) -> Result<Option<Order>> {
    let rows = tx.query(sql, args).await?;
    Ok(read_whole(tx, rows).await?.pop())
}

const LISTED: Listed = listed!("orders");

/// A clinic's orders that conditions choose, newest first.
macro_rules! list {
    ($($chosen:tt)*) => {
        whole_orders!("o.created_at desc, o.id desc"; $($chosen)*, page_where!(), page_end!())
    };
}
use list;

const LIST: &str = list!("");
const LIST_OF_STATUS: &str = list!("status = $9 and ");
const LIST_OF_PATIENT: &str = list!("patient_id = $10 and (status = $9 or $9 is null) and ");
const LIST_OF_FEW: &str =
    list!(page_few!("orders"), "(patient_id = $10 or $10 is null) and (status = $9 or $9 is null) and ");

/// A clinic's orders, newest first.
pub async fn order_list(
    tx: &mut Tx,
    clinic: ClinicId,
    status: Option<FillStatus>,
    patient: Option<PatientId>,
    page: &Page,
) -> Result<Slice<Order>> {
    let word = || Value::from(status.map(FillStatus::as_str));
    // A text for each way to the rows: SQLite plans without the arguments and uses no index for an `or`.
    let (sql, own) = if page.changes_few(tx, LISTED, clinic).await? {
        (LIST_OF_FEW, vec![word(), patient.into()])
    } else if patient.is_some() {
        (LIST_OF_PATIENT, vec![word(), patient.into()])
    } else if status.is_some() {
        (LIST_OF_STATUS, vec![word()])
    } else {
        (LIST, Vec::new())
    };
    let args = page.args(tx, LISTED, clinic, own).await?;
    let rows = tx.query(sql, &args).await?;
    list_whole(tx, &rows, page).await
}

/// Orders of all clinics, for staff: oldest first, `page.before` being the id to go on after. `hold` asks for
/// an open hold of that reason, `controlled` for a line of a scheduled drug (or for none).
pub async fn order_queue(
    tx: &mut Tx,
    clinic: Option<ClinicId>,
    status: Option<FillStatus>,
    hold: Option<HoldReason>,
    refrigerated: Option<bool>,
    controlled: Option<bool>,
    page: &Page,
) -> Result<Slice<Order>> {
    macro_rules! queue {
        ($chosen:literal) => {
            whole_orders!("o.id"; $chosen, " and (clinic_id = $8 or $8 is null)
                and (refrigerated = $9 or $9 is null)
                and ($10 in (select h.reason from holds h
                        where h.clinic_id = orders.clinic_id and h.order_id = orders.id
                            and h.released_at is null)
                    or $10 is null)
                and (exists (select 1 from order_lines l
                        join prescriptions p on p.clinic_id = l.clinic_id and p.id = l.prescription_id
                        where l.clinic_id = orders.clinic_id and l.order_id = orders.id
                            and p.schedule <> 'unscheduled') = $11
                    or $11 is null)
                and id > $2 and ", page_range_by_id!(), " order by id limit $1")
        };
    }
    // A text for each way to the rows: SQLite plans without the arguments and uses no index for an `or`. Orders on
    // hold are few beside all others.
    let sql = match (hold, status, clinic) {
        (Some(_), ..) => {
            queue!(
                "(status = $7 or $7 is null)
                 and id in (select order_id from holds where reason = $10 and released_at is null and order_id > $2)"
            )
        }
        (None, Some(_), _) => queue!("status = $7"),
        (None, None, Some(_)) => queue!("clinic_id = $8 and cast($7 as text) is null"),
        (None, None, None) => queue!("cast($7 as text) is null"),
    };
    let args = page.args_oldest_first([
        status.map(FillStatus::as_str).into(),
        clinic.into(),
        refrigerated.into(),
        hold.map(HoldReason::as_str).into(),
        controlled.into(),
    ]);
    let rows = tx.query(sql, &args).await?;
    list_whole(tx, &rows, page).await
}
