//! The columns of orders, lines and holds, and their way to and from the core types.

use nimbus_core::{
    gates::{Field, Gate},
    ids::{ClinicId, HoldId, LineId, OrderId},
    order::{Cause, DeliverySpeed, FillStatus, Hold, HoldReason, Line, Order, RefusedAct, Shipping},
    phi::Phi,
};

use crate::{
    documents,
    engine::{Columns, Row, Tx, Value},
    error::{Error, Result},
    page::{Page, Slice},
    rows::{NO_ROWS, Whole, quantity, word, word_opt},
    seal::{ClinicKeys, SealedAt},
};

macro_rules! order_columns {
    ($of:literal) => {
        $crate::rows::list_columns!($of:
            clinic_id id patient_id practitioner_id status carrier_id service_id
            delivery_speed refrigerated ordering_key shipment_group shipping_address notes
            cancellation_requested_at refill_id replaces refills_consumed standing version
            created_at updated_at
        )
    };
}
pub(super) use order_columns;

macro_rules! line_columns {
    ($of:literal) => {
        $crate::rows::list_columns!($of:
            clinic_id id order_id prescription_id position status held_from quantity
            days_supply filled_on shipment_id tracking_number rx_number pharmacy_word
            updated_at
        )
    };
}
pub(super) use line_columns;

/// What a line's row does not say already.
macro_rules! hold_columns {
    ($of:literal) => {
        $crate::rows::list_columns!($of: id reason note placed_at released_at gate message citation fields refused)
    };
}
pub(super) use hold_columns;

const fn sealed_at(order: OrderId, column: &'static str) -> SealedAt {
    SealedAt { table: "orders", column, row: order.0 }
}

const fn note_at(hold: HoldId) -> SealedAt {
    SealedAt { table: "holds", column: "note", row: hold.0 }
}

/// The arguments of an order's whole row.
pub(super) fn order_args(order: &Order, keys: &ClinicKeys) -> Result<Vec<Value>> {
    let at = |column| sealed_at(order.id, column);
    let (carrier, service, speed) = match &order.shipping {
        Shipping::Service { carrier_id, service_id } => {
            (Some(carrier_id.as_str()), Some(service_id.as_str()), None)
        }
        Shipping::Speed(speed) => (None, None, Some(speed.as_str())),
    };
    Ok(vec![
        order.clinic_id.into(),
        order.id.into(),
        order.patient_id.into(),
        order.practitioner_id.into(),
        order.status.as_str().into(),
        carrier.into(),
        service.into(),
        speed.into(),
        order.refrigerated.into(),
        order.ordering_key.into(),
        documents::seal_text(keys, at("shipment_group"), order.shipment_group.as_ref()).into(),
        documents::seal(keys, at("shipping_address"), order.shipping_address.expose())?.into(),
        documents::seal_text(keys, at("notes"), order.notes.as_ref()).into(),
        order.cancellation_requested_at.into(),
        order.refill_id.into(),
        order.replaces.into(),
        order.refills_consumed.into(),
        order.standing().as_str().into(),
        order.version.into(),
        order.created_at.into(),
        order.updated_at.into(),
    ])
}

/// The arguments of a line's whole row.
pub(super) fn line_args(order: &Order, line: &Line) -> Vec<Value> {
    vec![
        order.clinic_id.into(),
        line.id.into(),
        order.id.into(),
        line.prescription_id.into(),
        line.position.into(),
        line.status.as_str().into(),
        line.held_from.map(FillStatus::as_str).into(),
        line.quantity.thousandths().into(),
        line.days_supply.into(),
        line.filled_on.into(),
        line.shipment_id.into(),
        line.tracking_number.as_deref().into(),
        line.rx_number.as_deref().into(),
        line.pharmacy_word.as_deref().into(),
        line.updated_at.into(),
    ]
}

/// The arguments of a hold's whole row.
pub(super) fn hold_args(order: &Order, hold: &Hold, keys: &ClinicKeys) -> Vec<Value> {
    let cause = hold.cause.as_ref();
    let fields = cause.map(|cause| {
        let names: Vec<&str> = cause.fields.iter().map(|field| field.as_str()).collect();
        names.join(" ")
    });
    vec![
        order.clinic_id.into(),
        hold.id.into(),
        order.id.into(),
        hold.line_id.into(),
        hold.reason.as_str().into(),
        documents::seal_text(keys, note_at(hold.id), hold.note.as_ref()).into(),
        hold.placed_at.into(),
        hold.released_at.into(),
        cause.map(|cause| cause.gate.as_str()).into(),
        cause.map(|cause| cause.message.as_str()).into(),
        cause.and_then(|cause| cause.citation.as_deref()).into(),
        fields.into(),
        cause.and_then(|cause| cause.refused).map(RefusedAct::as_str).into(),
    ]
}

/// An order, of rows of a line, a hold and the order, the lines in their order.
const WHOLE: Whole<Order> = Whole {
    record: |row| {
        let mut columns = row.columns();
        let clinic = columns.take()?;
        columns.take::<LineId>()?;
        Ok((clinic, columns.take()?))
    },
    read: |rows, keys| {
        let mut order: Option<Order> = None;
        for row in rows {
            let mut columns = row.columns();
            let clinic_id = columns.take()?;
            let line = read_line(&mut columns)?;
            let hold = read_hold(&mut columns, line.id, keys)?;
            let order = match &mut order {
                Some(order) => order,
                none => none.insert(read_order(&mut columns, clinic_id, keys)?),
            };
            if order.lines.last().is_none_or(|last| last.id != line.id) {
                order.lines.push(line);
            }
            order.holds.extend(hold);
        }
        let mut order = order.ok_or(NO_ROWS)?;
        order.holds.sort_by_key(|hold| (hold.placed_at, hold.id));
        Ok(order)
    },
};

pub(super) async fn read_whole(tx: &mut Tx, rows: Vec<Row>) -> Result<Vec<Order>> {
    WHOLE.read_all(tx, &rows).await
}

pub(super) async fn list_whole(tx: &mut Tx, rows: &[Row], page: &Page) -> Result<Slice<Order>> {
    WHOLE.list(tx, rows, page).await
}

fn read_order(columns: &mut Columns<'_>, clinic_id: ClinicId, keys: &ClinicKeys) -> Result<Order> {
    // The rows begin with the line's clinic, and the two are joined by it.
    columns.take::<ClinicId>()?;
    let id: OrderId = columns.take()?;
    let at = |column| sealed_at(id, column);
    Ok(Order {
        id,
        clinic_id,
        patient_id: columns.take()?,
        practitioner_id: columns.take()?,
        status: word(&columns.take::<String>()?, FillStatus::parse, "orders.status")?,
        shipping: read_shipping(columns)?,
        refrigerated: columns.take()?,
        ordering_key: columns.take()?,
        shipment_group: documents::open_text(keys, at("shipment_group"), columns.take()?)?,
        shipping_address: Phi::new(documents::open(
            keys,
            at("shipping_address"),
            &columns.take::<Vec<u8>>()?,
        )?),
        notes: documents::open_text(keys, at("notes"), columns.take()?)?,
        cancellation_requested_at: columns.take()?,
        refill_id: columns.take()?,
        replaces: columns.take()?,
        refills_consumed: columns.take()?,
        version: {
            // The standing is for filters alone: it is read off the lines.
            columns.take::<String>()?;
            columns.take()?
        },
        created_at: columns.take()?,
        updated_at: columns.take()?,
        lines: Vec::new(),
        holds: Vec::new(),
    })
}

fn read_shipping(columns: &mut Columns<'_>) -> Result<Shipping> {
    let carrier: Option<String> = columns.take()?;
    let service: Option<String> = columns.take()?;
    let speed = word_opt(columns.take()?, DeliverySpeed::parse, "orders.delivery_speed")?;
    match (carrier, service, speed) {
        (Some(carrier_id), Some(service_id), None) => Ok(Shipping::Service { carrier_id, service_id }),
        (None, None, Some(speed)) => Ok(Shipping::Speed(speed)),
        _ => Err(Error::Corrupt("orders.delivery_speed and carrier")),
    }
}

fn read_line(columns: &mut Columns<'_>) -> Result<Line> {
    let id: LineId = columns.take()?;
    // Its order, which it is joined by.
    columns.take::<OrderId>()?;
    Ok(Line {
        id,
        prescription_id: columns.take()?,
        position: columns.take()?,
        status: word(&columns.take::<String>()?, FillStatus::parse, "order_lines.status")?,
        held_from: word_opt(columns.take()?, FillStatus::parse, "order_lines.held_from")?,
        quantity: quantity(columns.take()?, "order_lines.quantity")?,
        days_supply: columns.take()?,
        filled_on: columns.take()?,
        shipment_id: columns.take()?,
        tracking_number: columns.take()?,
        rx_number: columns.take()?,
        pharmacy_word: columns.take()?,
        updated_at: columns.take()?,
    })
}

/// The hold of a row; none where the line has none.
fn read_hold(columns: &mut Columns<'_>, line_id: LineId, keys: &ClinicKeys) -> Result<Option<Hold>> {
    let id: Option<HoldId> = columns.take()?;
    let reason = word_opt(columns.take()?, HoldReason::parse, "holds.reason")?;
    let note: Option<Vec<u8>> = columns.take()?;
    let placed_at = columns.take()?;
    let released_at = columns.take()?;
    let cause = read_cause(columns)?;
    let (Some(id), Some(reason), Some(placed_at)) = (id, reason, placed_at) else { return Ok(None) };
    let note = documents::open_text(keys, note_at(id), note)?;
    Ok(Some(Hold { id, line_id, reason, cause, note, placed_at, released_at }))
}

/// What a gate found; none where no gate placed the hold.
fn read_cause(columns: &mut Columns<'_>) -> Result<Option<Cause>> {
    let gate = word_opt(columns.take()?, Gate::parse, "holds.gate")?;
    let message: Option<String> = columns.take()?;
    let citation = columns.take()?;
    let fields: Option<String> = columns.take()?;
    let refused = word_opt(columns.take()?, RefusedAct::parse, "holds.refused")?;
    let (Some(gate), Some(message)) = (gate, message) else { return Ok(None) };
    let fields = fields.unwrap_or_default();
    let fields = fields.split_whitespace().map(|name| word(name, Field::parse, "holds.fields"));
    Ok(Some(Cause { gate, message, citation, fields: fields.collect::<Result<_>>()?, refused }))
}
