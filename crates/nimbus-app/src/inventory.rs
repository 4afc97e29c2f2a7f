//! Stock: received, adjusted and listed by staff, taken by fills, given back by what is cancelled.

use std::collections::BTreeMap;

use nimbus_core::{
    formulary::{Drug, Unit},
    ids::{LineId, LotId, MoveId, OrderId},
    inventory::{Lot, MoveKind, allocate},
    order::{Act, FillStatus, Line, Lines, Order},
    phi::Phi,
    prescription::Prescription,
    quantity::Quantity,
    time::Date,
};
pub use nimbus_store::inventory::{LineLot, MoveRow};
use nimbus_store::{
    Tx, clinic_drugs,
    inventory::{self as store, Fill, Move},
    orders,
    page::{Page, Slice},
    prescriptions,
};
use uuid::Uuid;

use crate::{
    App,
    actor::{Call, READERS, WORKERS},
    error::{Error, Result},
    formulary::Drugs,
    orders::NOT_FOUND,
    outbox::Changes,
    unit::{Cx, Render, Reply},
};

const NO_LOT: Error = Error::NotFound("Lot");
/// The most that is on hand of one lot, in thousandths: no sum of lots overflows.
const MAX_ON_HAND: i64 = 1_000_000_000_000;

/// What staff look for in stock.
pub struct List {
    pub drug_id: Option<String>,
    /// Only lots with something on hand, or with nothing.
    pub in_stock: Option<bool>,
    pub expires_before: Option<Date>,
    pub page: Page,
}

/// A lot, and whether it may still be dispensed today.
#[derive(Debug, Clone)]
pub struct LotView {
    pub lot: Lot,
    /// The drug's name, strength and form, where the formulary has it.
    pub drug: Option<String>,
    pub expired: bool,
}

impl LotView {
    fn new(cx: &Cx, lot: Lot) -> Self {
        let named = |id: &str| {
            cx.app.formulary().get(id).map(|it| format!("{} {} {}", it.name, it.strength, it.form))
        };
        Self { drug: named(&lot.drug_id), expired: lot.expires_on < cx.today, lot }
    }
}

/// Lots, newest first.
pub async fn list(app: &App, call: &Call, list: List) -> Result<Slice<LotView>> {
    call.staff(READERS)?;
    app.read(call, list, |tx, cx, list| {
        Box::pin(async move {
            let found =
                store::lot_list(tx, list.drug_id.as_deref(), list.in_stock, list.expires_before, &list.page)
                    .await?;
            Ok((found.map(|lot| LotView::new(cx, lot)), Vec::new()))
        })
    })
    .await
}

/// The movements of a lot, newest first. They name the orders that got of it, which is on record.
pub async fn moves(app: &App, call: &Call, lot: LotId, page: Page) -> Result<Slice<MoveRow>> {
    call.staff(READERS)?;
    app.read(call, (lot, page), |tx, cx, (lot, page)| {
        Box::pin(async move {
            store::lot_get(tx, *lot).await?.ok_or(NO_LOT)?;
            let found = store::move_list(tx, *lot, page).await?;
            Ok((found, vec![cx.audit(None, "inventory.moves", "lot", Some(lot.0))]))
        })
    })
    .await
}

/// Which lots the lines of an order got.
pub async fn lots_of_order(app: &App, call: &Call, order: OrderId) -> Result<Vec<LineLot>> {
    call.staff(READERS)?;
    app.read(call, order, |tx, cx, &order| {
        Box::pin(async move {
            let found = orders::order_get_any(tx, order).await?.ok_or(NOT_FOUND)?;
            let lots = store::lots_of_order(tx, found.clinic_id, order).await?;
            Ok((lots, vec![cx.audit(Some(found.clinic_id), "order.lots", "order", Some(order.0))]))
        })
    })
    .await
}

pub struct Receive {
    pub drug_id: String,
    pub lot_number: String,
    pub expires_on: Date,
    pub quantity: Quantity,
    /// What the quantity is in; the drug's unit if it is not given.
    pub unit: Option<Unit>,
    pub note: Option<Phi<String>>,
}

/// Takes stock in. More of a lot that is there is added to it. Holds for want of stock stay until staff release them:
/// they decide who is served first.
pub async fn receive(app: &App, call: &Call, command: Receive, render: Render<LotView>) -> Result<Reply> {
    call.staff(WORKERS)?;
    app.write(call, command, render, |tx, cx, command| Box::pin(receive_in(tx, cx, command))).await
}

async fn receive_in(tx: &mut Tx, cx: &Cx, command: &Receive) -> Result<LotView> {
    if command.expires_on < cx.today {
        return Err(Error::field("expires_on", "must not be in the past"));
    }
    let drug = drug_any(tx, cx, &command.drug_id).await?;
    let drug = drug.ok_or_else(|| Error::field("drug_id", "Drug not found"))?;
    let received = drug.count_in(command.quantity, command.unit.unwrap_or(drug.unit));
    let received = received.map_err(|_| Error::field("unit", "is not one that this drug is counted in"))?;
    let new = Lot {
        id: LotId(Uuid::now_v7()),
        drug_id: command.drug_id.clone(),
        lot_number: command.lot_number.clone(),
        expires_on: command.expires_on,
        unit: Some(drug.unit),
        on_hand: 0,
        created_at: cx.now,
        updated_at: cx.now,
    };
    let lot = store::lot_take_in(tx, &new).await?;
    if lot.expires_on != command.expires_on {
        return Err(Error::field("expires_on", "is not the day on which this lot expires"));
    }
    if lot.unit.is_some_and(|unit| unit != drug.unit) {
        return Err(Error::field("unit", "is not what this lot is counted in"));
    }
    let change = received.thousandths();
    moved(tx, cx, lot, (MoveKind::Receive, change), command.note.clone(), "inventory.receive").await
}

/// A drug of the formulary, or any clinic's own.
async fn drug_any(tx: &mut Tx, cx: &Cx, id: &str) -> Result<Option<Drug>> {
    match cx.app.formulary().get(id) {
        Some(drug) => Ok(Some(drug.clone())),
        None => Ok(clinic_drugs::clinic_drug_own_any(tx, id).await?),
    }
}

/// Gives the lots of before lots had a unit that of their drug, once the formulary is known. Those of a drug that is on
/// no list any more wait for it.
pub async fn settle_units(app: &App) -> Result<()> {
    let all = app.clone();
    let settle = app.db().write(move |tx: &mut Tx| {
        let app = all.clone();
        Box::pin(async move {
            for id in store::drugs_without_unit(tx).await? {
                let unit = match app.formulary().get(&id) {
                    Some(drug) => Some(drug.unit),
                    None => clinic_drugs::clinic_drug_own_any(tx, &id).await?.map(|own| own.unit),
                };
                if let Some(unit) = unit {
                    store::lots_unit_set(tx, &id, unit).await?;
                }
            }
            Ok::<_, Error>(())
        })
    });
    settle.await
}

pub struct Adjust {
    pub lot: LotId,
    pub change: Change,
    /// In the lot's unit.
    pub quantity: Quantity,
    pub reason: Phi<String>,
}

/// Which way a lot is corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Add,
    Remove,
}

impl Change {
    pub const ALL: &'static [Self] = &[Self::Add, Self::Remove];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
        }
    }
}

/// Corrects what is on hand, with a reason.
pub async fn adjust(app: &App, call: &Call, command: Adjust, render: Render<LotView>) -> Result<Reply> {
    call.staff(WORKERS)?;
    app.write(call, command, render, |tx, cx, command| {
        Box::pin(async move {
            let lot = store::lot_lock(tx, command.lot, cx.now).await?;
            let lot = lot.ok_or_else(|| Error::field("lot_id", "Lot not found"))?;
            let quantity = command.quantity.thousandths();
            let change = if command.change == Change::Add { quantity } else { -quantity };
            if lot.on_hand + change < 0 {
                return Err(Error::field("quantity", "is more than is on hand"));
            }
            let reason = Some(command.reason.clone());
            moved(tx, cx, lot, (MoveKind::Adjust, change), reason, "inventory.adjust").await
        })
    })
    .await
}

/// Writes a movement of a lot that this transaction holds.
async fn moved(
    tx: &mut Tx,
    cx: &Cx,
    lot: Lot,
    (kind, quantity): (MoveKind, i64),
    reason: Option<Phi<String>>,
    action: &'static str,
) -> Result<LotView> {
    if lot.on_hand + quantity > MAX_ON_HAND {
        return Err(Error::field("quantity", "is more than one lot can have on hand"));
    }
    let id = MoveId(Uuid::now_v7());
    let moved = Move { id, lot_id: lot.id, kind, quantity, fill: None, reason, created_at: cx.now };
    store::lot_move(tx, &moved, cx.by()).await?;
    let mut changes = Changes::default();
    changes.audit.push(cx.audit(None, action, "lot", Some(lot.id.0)));
    changes.write(tx, cx).await?;
    let on_hand = lot.on_hand + quantity;
    Ok(LotView::new(cx, Lot { on_hand, updated_at: cx.now, ..lot }))
}

/// Takes what the lines that are to be filled need out of stock; the lines for which there is not enough. A drug of
/// which no lot was ever received is not counted, and neither is a quantity that a pharmacist, or a sandbox, let pass
/// although nobody can tell how much it is.
pub(crate) async fn consume(
    tx: &mut Tx,
    cx: &Cx,
    order: &Order,
    lines: Lines<'_>,
    act: &Act,
) -> Result<Vec<LineId>> {
    let filled = |line: &&Line| {
        let named = match lines {
            Lines::EveryLive => true,
            Lines::These(ids) => ids.contains(&line.id),
        };
        named && line.status == FillStatus::Filling
    };
    let found = prescriptions::prescription_of_order(tx, order.clinic_id, order.id).await?;
    let drugs = Drugs::of(tx, cx, order.clinic_id, &found).await?;
    // By drug, so that two orders of the same drugs take them in the same order.
    let mut by_drug: BTreeMap<&str, Vec<(&Line, Quantity, Unit)>> = BTreeMap::new();
    for line in order.lines.iter().filter(filled) {
        let prescription = found.iter().find(|prescription| prescription.id == line.prescription_id);
        let Some((prescription, id)) = prescription.and_then(|it| Some((it, it.drug_id.as_ref()?))) else {
            continue;
        };
        if let Some((quantity, unit)) = counted(drugs.get(id.expose()), line, prescription) {
            by_drug.entry(id.expose().as_str()).or_default().push((line, quantity, unit));
        }
    }
    let (mut taken, mut short) = (Vec::new(), Vec::new());
    for (drug, lines) in by_drug {
        let Some(mut lots) = store::lots_lock(tx, drug, act.now).await? else { continue };
        let unit = drugs.get(drug).map(|drug| drug.unit);
        lots.iter_mut().for_each(|lot| lot.unit = lot.unit.or(unit));
        for (line, quantity, unit) in lines {
            match allocate(&mut lots, line.id, (quantity, unit), act.today) {
                Some(some) => taken.extend(some),
                None => short.push(line.id),
            }
        }
    }
    store::lots_consume(tx, (order.clinic_id, order.id), &taken, act.by, act.now).await?;
    Ok(short)
}

/// What a line takes from stock. Of a drug that is on no list any more, lots in the very unit of the line.
fn counted(drug: Option<&Drug>, line: &Line, prescription: &Prescription) -> Option<(Quantity, Unit)> {
    let detail = prescription.detail.expose();
    let said = detail.unit_of_measure.as_deref();
    match drug {
        Some(drug) => Some((drug.count(line.quantity, said, &detail.dose).ok()?, drug.unit)),
        None => Some((line.quantity, Unit::read(said?)?)),
    }
}

/// What was filled and is cancelled before it has left goes back to its lots.
pub(crate) async fn give_back(tx: &mut Tx, cx: &Cx, before: &Order, after: &Order) -> Result<()> {
    for (old, new) in before.lines.iter().zip(&after.lines) {
        if old.standing() == FillStatus::Filled && new.status == FillStatus::Cancelled {
            let fill = Fill { clinic_id: after.clinic_id, order_id: after.id, line_id: new.id };
            store::lots_return(tx, fill, cx.by(), cx.now).await?;
        }
    }
    Ok(())
}
