//! Stock by lot, and every movement of it.

use nimbus_core::{
    access::By,
    formulary::Unit,
    ids::{ClinicId, LineId, LotId, MoveId, OrderId},
    inventory::{Lot, MoveKind, Taken},
    phi::Phi,
    quantity::Quantity,
    time::{Date, Ts},
};
use uuid::Uuid;

use crate::{
    documents,
    engine::{Db, Row, Statement, Tx, Value},
    error::{Error, Result},
    keyring::PLATFORM,
    page::{Page, Slice, page_end_any, page_where_any},
    rows::{changed_one, entry, quantity, word, word_opt},
    seal::{ClinicKeys, SealedAt},
};

/// The most lots of one drug that a fill looks at; more are in stock of none.
const MAX_LOTS: usize = 1000;

macro_rules! columns {
    () => {
        "id, drug_id, lot_number, expires_on, unit, on_hand, created_at, updated_at"
    };
}

fn read(row: &Row) -> Result<Lot> {
    let mut columns = row.columns();
    Ok(Lot {
        id: columns.take()?,
        drug_id: columns.take()?,
        lot_number: columns.take()?,
        expires_on: columns.take()?,
        unit: word_opt(columns.take()?, Unit::parse, "inventory_lots.unit")?,
        on_hand: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

/// One movement of a lot.
#[derive(Debug, Clone)]
pub struct Move {
    pub id: MoveId,
    pub lot_id: LotId,
    pub kind: MoveKind,
    /// Thousandths; negative where stock went out.
    pub quantity: i64,
    /// The fill that took it or gave it back.
    pub fill: Option<Fill>,
    /// In the words of staff.
    pub reason: Option<Phi<String>>,
    pub created_at: Ts,
}

/// A line of an order, as stock knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    pub clinic_id: ClinicId,
    pub order_id: OrderId,
    pub line_id: LineId,
}

/// A movement as it is listed, with who made it.
#[derive(Debug, Clone)]
pub struct MoveRow {
    pub moved: Move,
    pub actor_kind: String,
    pub actor: String,
}

/// A lot that a line has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineLot {
    pub line_id: LineId,
    pub lot_id: LotId,
    pub lot_number: String,
    pub expires_on: Date,
    pub quantity: Quantity,
    /// What the lot is counted in.
    pub unit: Option<Unit>,
}

/// Where a reason is sealed. Stock is the pharmacy's and no clinic's: the platform's own keys seal it.
const fn reason_at(id: MoveId) -> SealedAt {
    SealedAt { table: "inventory_moves", column: "note", row: id.0 }
}

const MOVE_INSERT: &str = "insert into inventory_moves
    (id, lot_id, kind, quantity, clinic_id, order_id, line_id, actor_kind, actor, note, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

fn move_insert(keys: &ClinicKeys, moved: &Move, by: By) -> Statement {
    let args = vec![
        moved.id.into(),
        moved.lot_id.into(),
        moved.kind.as_str().into(),
        moved.quantity.into(),
        moved.fill.map(|fill| fill.clinic_id).into(),
        moved.fill.map(|fill| fill.order_id).into(),
        moved.fill.map(|fill| fill.line_id).into(),
        by.kind().into(),
        by.name().into(),
        documents::seal_text(keys, reason_at(moved.id), moved.reason.as_ref()).into(),
        moved.created_at.into(),
    ];
    Statement::new(MOVE_INSERT, args)
}

/// Adds a lot with nothing on hand, unless there is one of this drug and number; the lot as it is, for this
/// transaction alone to change.
pub async fn lot_take_in(tx: &mut Tx, lot: &Lot) -> Result<Lot> {
    let insert =
        "insert into inventory_lots (id, drug_id, lot_number, expires_on, unit, on_hand, created_at, updated_at)
        values ($1, $2, $3, $4, $5, 0, $6, $6)
        on conflict (drug_id, lot_number) do nothing";
    let args = [
        lot.id.into(),
        lot.drug_id.as_str().into(),
        lot.lot_number.as_str().into(),
        lot.expires_on.into(),
        lot.unit.map(Unit::as_str).into(),
        lot.created_at.into(),
    ];
    tx.execute(insert, &args).await?;
    let lock = concat!(
        "update inventory_lots set updated_at = $3 where drug_id = $1 and lot_number = $2 returning ",
        columns!()
    );
    let args = [lot.drug_id.as_str().into(), lot.lot_number.as_str().into(), lot.created_at.into()];
    read(&tx.query_one(lock, &args).await?)
}

/// Changes what is on hand, and keeps who did it and why.
///
/// # Errors
/// `Conflict` if there is no such lot, or not so much on hand.
pub async fn lot_move(tx: &mut Tx, moved: &Move, by: By) -> Result<()> {
    let sql = "update inventory_lots set on_hand = on_hand + $2, updated_at = $3
        where id = $1 and on_hand + $2 >= 0";
    let args = [moved.lot_id.into(), moved.quantity.into(), moved.created_at.into()];
    changed_one(tx.execute(sql, &args).await?)?;
    let keys = tx.keys(PLATFORM).await?;
    tx.batch(vec![move_insert(&keys, moved, by)]).await?;
    Ok(())
}

/// A lot, which nobody else changes before this transaction ends.
pub async fn lot_lock(tx: &mut Tx, id: LotId, now: Ts) -> Result<Option<Lot>> {
    let sql = concat!("update inventory_lots set updated_at = $2 where id = $1 returning ", columns!());
    tx.query_opt(sql, &[id.into(), now.into()]).await?.as_ref().map(read).transpose()
}

pub async fn lot_get(tx: &mut Tx, id: LotId) -> Result<Option<Lot>> {
    let sql = concat!("select ", columns!(), " from inventory_lots where id = $1");
    tx.query_opt(sql, &[id.into()]).await?.as_ref().map(read).transpose()
}

/// The lots of a drug with something on hand, which nobody else changes before this transaction ends. `None` if no lot
/// of the drug was ever received.
pub async fn lots_lock(tx: &mut Tx, drug_id: &str, now: Ts) -> Result<Option<Vec<Lot>>> {
    // Taking the rows by an update waits for whoever fills from them now, and reads what that leaves, on both engines.
    let sql = concat!(
        "update inventory_lots set updated_at = $2
         where on_hand > 0 and id in (
             select id from inventory_lots where drug_id = $1 and on_hand > 0
             order by expires_on, id limit 1000)
         returning ",
        columns!()
    );
    let rows = tx.query(sql, &[drug_id.into(), now.into()]).await?;
    debug_assert!(rows.len() <= MAX_LOTS);
    if rows.is_empty() && !is_kept(tx, drug_id).await? {
        return Ok(None);
    }
    rows.iter().map(read).collect::<Result<_>>().map(Some)
}

async fn is_kept(tx: &mut Tx, drug_id: &str) -> Result<bool> {
    let sql = "select exists (select 1 from inventory_lots where drug_id = $1)";
    tx.query_one(sql, &[drug_id.into()]).await?.columns().take()
}

/// Takes what was allocated to lines of an order out of lots that are locked.
///
/// # Errors
/// `Conflict` if a lot has not so much on hand.
pub async fn lots_consume(
    tx: &mut Tx,
    (clinic_id, order_id): (ClinicId, OrderId),
    taken: &[Taken],
    by: By,
    now: Ts,
) -> Result<()> {
    for taken in taken {
        let moved = Move {
            id: MoveId(Uuid::now_v7()),
            lot_id: taken.lot_id,
            kind: MoveKind::Consume,
            quantity: -taken.quantity.thousandths(),
            fill: Some(Fill { clinic_id, order_id, line_id: taken.line_id }),
            reason: None,
            created_at: now,
        };
        lot_move(tx, &moved, by).await?;
    }
    Ok(())
}

/// Gives back to its lots what a line has got of them, once.
pub async fn lots_return(tx: &mut Tx, fill: Fill, by: By, now: Ts) -> Result<()> {
    let lots = lots_of_order(tx, fill.clinic_id, fill.order_id).await?;
    for lot in lots.into_iter().filter(|lot| lot.line_id == fill.line_id) {
        let moved = Move {
            id: MoveId(Uuid::now_v7()),
            lot_id: lot.lot_id,
            kind: MoveKind::Return,
            quantity: lot.quantity.thousandths(),
            fill: Some(fill),
            reason: None,
            created_at: now,
        };
        lot_move(tx, &moved, by).await?;
    }
    Ok(())
}

/// Which lots the lines of an order have got, what was given back left out: by line and expiry.
pub async fn lots_of_order(tx: &mut Tx, clinic: ClinicId, order: OrderId) -> Result<Vec<LineLot>> {
    let sql = "select m.line_id, l.id, l.lot_number, l.expires_on, cast(-sum(m.quantity) as bigint), l.unit
        from inventory_moves m join inventory_lots l on l.id = m.lot_id
        where m.clinic_id = $1 and m.order_id = $2
        group by m.line_id, l.id, l.lot_number, l.expires_on, l.unit
        having sum(m.quantity) < 0
        order by m.line_id, l.expires_on, l.id";
    let rows = tx.query(sql, &[clinic.into(), order.into()]).await?;
    let read = |row: &Row| {
        let mut columns = row.columns();
        Ok(LineLot {
            line_id: columns.take()?,
            lot_id: columns.take()?,
            lot_number: columns.take()?,
            expires_on: columns.take()?,
            quantity: quantity(columns.take()?, "inventory_moves.quantity")?,
            unit: word_opt(columns.take()?, Unit::parse, "inventory_lots.unit")?,
        })
    };
    rows.iter().map(read).collect()
}

/// So many lots that expire in a range, at most, are sorted for a page; where there are more, the list is walked.
const FEW: i64 = 1000;
/// A day after which no lot expires, and an amount of which none has more: bounds that nobody has set.
const NEVER: Date = Date::MAX;
const ANY_AMOUNT: i64 = i64::MAX;

/// A page of these lots where this holds.
macro_rules! lots_where {
    ($lots:expr, $condition:literal) => {
        concat!(
            "select ",
            columns!(),
            " from ",
            $lots,
            " where ",
            $condition,
            " and ",
            page_where_any!(),
            page_end_any!()
        )
    };
}

/// Of one drug, by its own index.
const LOTS_OF_DRUG: &str = lots_where!(
    "inventory_lots",
    "drug_id = $7 and (expires_on <= $8) is true and on_hand >= $9 and on_hand <= $10"
);
/// Those that expire by a day, where they are few. It takes twice as many, because others may come meanwhile.
const LOTS_EXPIRING: &str = lots_where!(
    concat!(
        "(select ",
        columns!(),
        " from inventory_lots where expires_on <= $7 order by expires_on desc limit 2000) few"
    ),
    "on_hand >= $8 and on_hand <= $9"
);
// `is true` keeps the planner from sorting what expires, which may be most of what there ever was.
const LOTS: &str = lots_where!("inventory_lots", "(expires_on <= $7) is true");
const LOTS_IN_STOCK: &str = lots_where!("inventory_lots", "on_hand > 0 and (expires_on <= $7) is true");
const LOTS_USED_UP: &str = lots_where!("inventory_lots", "on_hand = 0 and (expires_on <= $7) is true");

/// Lots, newest first: of one drug, of those with something on hand, of those that expire before a day.
pub async fn lot_list(
    tx: &mut Tx,
    drug_id: Option<&str>,
    in_stock: Option<bool>,
    expires_before: Option<Date>,
    page: &Page,
) -> Result<Slice<Lot>> {
    let (least, most): (i64, i64) = match in_stock {
        None => (0, ANY_AMOUNT),
        Some(true) => (1, ANY_AMOUNT),
        Some(false) => (0, 0),
    };
    let last = expires_before.map(|day| day.yesterday().unwrap_or(Date::MIN));
    let by: Value = last.unwrap_or(NEVER).into();
    let (sql, args) = match (drug_id, in_stock) {
        (Some(drug), _) => (LOTS_OF_DRUG, page.args_any([drug.into(), by, least.into(), most.into()])),
        (None, _) if expire_few(tx, last).await? => {
            (LOTS_EXPIRING, page.args_any([by, least.into(), most.into()]))
        }
        (None, None) => (LOTS, page.args_any([by])),
        (None, Some(true)) => (LOTS_IN_STOCK, page.args_any([by])),
        (None, Some(false)) => (LOTS_USED_UP, page.args_any([by])),
    };
    let rows = tx.query(sql, &args).await?;
    Ok(page.slice_plain(rows.iter().map(read).collect::<Result<_>>()?, |lot| lot.id.0))
}

/// Whether only few lots expire by a day, so that sorting them beats looking for them on a walk.
async fn expire_few(tx: &mut Tx, last: Option<Date>) -> Result<bool> {
    let Some(last) = last else { return Ok(false) };
    let sql = "select count(*) from (select id from inventory_lots where expires_on <= $1
        order by expires_on desc limit 1001) few";
    let count: i64 = tx.query_one(sql, &[last.into()]).await?.columns().take()?;
    Ok(count <= FEW)
}

/// Drugs of which there are lots of before lots had a unit.
pub async fn drugs_without_unit(tx: &mut Tx) -> Result<Vec<String>> {
    let sql = "select distinct drug_id from inventory_lots where unit is null order by drug_id";
    tx.query(sql, &[]).await?.iter().map(|row| row.columns().take()).collect()
}

/// Gives the lots of a drug that have no unit this one.
pub async fn lots_unit_set(tx: &mut Tx, drug_id: &str, unit: Unit) -> Result<u64> {
    let sql = "update inventory_lots set unit = $2 where drug_id = $1 and unit is null";
    tx.execute(sql, &[drug_id.into(), unit.as_str().into()]).await
}

/// Seals the reasons that an earlier release wrote in the clear; how many there were.
///
/// # Errors
/// `Database`; what was sealed by then stays so.
pub(crate) async fn reasons_seal(db: &Db) -> Result<usize> {
    let mut sealed = 0;
    loop {
        let batch = db.write(|tx: &mut Tx| Box::pin(reasons_seal_some(tx))).await?;
        if batch == 0 {
            return Ok(sealed);
        }
        sealed += batch;
    }
}

async fn reasons_seal_some(tx: &mut Tx) -> Result<usize> {
    let clear = "select id, reason from inventory_moves where reason is not null limit 500";
    let rows = tx.query(clear, &[]).await?;
    let keys = tx.keys(PLATFORM).await?;
    let seal = "update inventory_moves set note = $2, reason = null where id = $1 and reason is not null";
    let sealed = |row: &Row| {
        let mut columns = row.columns();
        let (id, reason): (MoveId, String) = (columns.take()?, columns.take()?);
        let note = keys.seal(reason_at(id), reason.as_bytes());
        Ok(Statement::new(seal, vec![id.into(), note.into()]))
    };
    let statements: Vec<Statement> = rows.iter().map(sealed).collect::<Result<_>>()?;
    tx.batch(statements).await?;
    Ok(rows.len())
}

/// The movements of a lot, newest first. None is ever changed: a range of changes is one of creation.
pub async fn move_list(tx: &mut Tx, lot: LotId, page: &Page) -> Result<Slice<MoveRow>> {
    let sql = "select id, kind, quantity, clinic_id, order_id, line_id, actor_kind, actor, note, created_at
        from inventory_moves
        where lot_id = $7 and id < $2 and created_at >= $3 and created_at < $4
            and created_at >= $5 and created_at < $6
        order by id desc limit $1";
    let rows = tx.query(sql, &page.args_any([lot.into()])).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = row.columns().take()?;
        entries.push((id, entry(tx, PLATFORM, |keys| read_move(row, lot, keys)).await?));
    }
    Ok(page.slice(entries))
}

fn read_move(row: &Row, lot_id: LotId, keys: &ClinicKeys) -> Result<MoveRow> {
    let mut columns = row.columns();
    let id = columns.take()?;
    let kind = word(&columns.take::<String>()?, MoveKind::parse, "inventory_moves.kind")?;
    let quantity = columns.take()?;
    let fill = match (columns.take()?, columns.take()?, columns.take()?) {
        (Some(clinic_id), Some(order_id), Some(line_id)) => Some(Fill { clinic_id, order_id, line_id }),
        (None, None, None) => None,
        _ => return Err(Error::Corrupt("inventory_moves.order_id")),
    };
    let (actor_kind, actor) = (columns.take()?, columns.take()?);
    let reason = documents::open_text(keys, reason_at(id), columns.take()?)?;
    let moved = Move { id, lot_id, kind, quantity, fill, reason, created_at: columns.take()? };
    Ok(MoveRow { moved, actor_kind, actor })
}
