//! Stock by lot, as staff receive, adjust and list it.

use axum::extract::State;
use nimbus_app::{
    Rendered,
    actor::{READERS, WORKERS},
    inventory::{self, Adjust, Change, LineLot, List as Wanted, LotView, MoveRow, Receive},
};
use nimbus_core::{
    formulary::{MAX_ID, Unit},
    phi::Phi,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Web,
    body::Incoming,
    checks::{date, flag, id, one_of, quantity, text, unit},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    partner_api::{
        envelope::{self, List, Success},
        orders::NOUN,
    },
    wire::{Amount, Day, Stock, Time},
    words,
};

#[derive(ToSchema)]
pub struct StockReceive {
    /// An entry of the formulary, or a clinic's own drug.
    #[schema(min_length = 1, max_length = 64, example = "tretinoin-cream-05")]
    pub drug_id: String,
    /// As the maker wrote it on the package.
    #[schema(min_length = 1, max_length = 100, example = "A12345")]
    pub lot_number: String,
    /// The last day on which it may be dispensed.
    #[schema(format = Date)]
    pub expires_on: String,
    pub quantity: Amount,
    /// What the quantity is in, in any usual writing: the unit that the drug is dispensed in, which it is if not
    /// given, or a package whose content the formulary knows.
    #[schema(min_length = 1, max_length = 50, example = "g")]
    pub unit: Option<String>,
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

#[derive(ToSchema)]
pub struct StockAdjust {
    pub lot_id: Uuid,
    #[schema(value_type = words::StockChange)]
    pub change: String,
    /// In the unit of the lot.
    pub quantity: Amount,
    #[schema(min_length = 1, max_length = 1000, example = "A vial broke")]
    pub reason: String,
}

#[derive(Serialize, ToSchema)]
pub struct StockLot {
    pub lot_id: Uuid,
    #[schema(example = "tretinoin-cream-05")]
    pub drug_id: String,
    /// The drug's name, strength and form; `null` for a clinic's own drug.
    #[schema(example = "Tretinoin 0.05% cream")]
    pub drug: Option<String>,
    #[schema(example = "A12345")]
    pub lot_number: String,
    pub expires_on: Day,
    /// Whether it may no longer be dispensed.
    pub expired: bool,
    /// What it is counted in: what its drug is dispensed in. `null` for a lot of a drug that is on no list any more.
    #[schema(value_type = Option<words::DrugUnit>)]
    pub unit: Option<&'static str>,
    /// In the unit of the lot.
    pub on_hand: Stock,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<&LotView> for StockLot {
    fn from(LotView { lot, drug, expired }: &LotView) -> Self {
        Self {
            lot_id: lot.id.0,
            drug_id: lot.drug_id.clone(),
            drug: drug.clone(),
            lot_number: lot.lot_number.clone(),
            expires_on: Day(lot.expires_on),
            expired: *expired,
            unit: lot.unit.map(Unit::as_str),
            on_hand: Stock(lot.on_hand),
            created_at: Time(lot.created_at),
            updated_at: Time(lot.updated_at),
        }
    }
}

/// One change of a lot's quantity.
#[derive(Serialize, ToSchema)]
pub struct StockMove {
    pub move_id: Uuid,
    #[schema(value_type = words::StockMoveKind)]
    pub kind: &'static str,
    /// Negative where stock went out.
    pub quantity: Stock,
    /// The order whose line took it or gave it back.
    pub medication_order_id: Option<Uuid>,
    pub medication_request_id: Option<Uuid>,
    #[schema(value_type = words::ActorKind)]
    pub actor_kind: String,
    /// The token, key or part of the platform that did it.
    #[schema(example = "019468f2-3b1c-7d5e-9a60-4f1e2b3c4d0f")]
    pub actor: String,
    pub reason: Option<String>,
    pub created_at: Time,
}

impl From<&MoveRow> for StockMove {
    fn from(MoveRow { moved, actor_kind, actor }: &MoveRow) -> Self {
        Self {
            move_id: moved.id.0,
            kind: moved.kind.as_str(),
            quantity: Stock(moved.quantity),
            medication_order_id: moved.fill.map(|fill| fill.order_id.0),
            medication_request_id: moved.fill.map(|fill| fill.line_id.0),
            actor_kind: words::actor_kind(actor_kind),
            actor: actor.clone(),
            reason: moved.reason.as_ref().map(|reason| reason.expose().clone()),
            created_at: Time(moved.created_at),
        }
    }
}

/// A lot that a medication request got.
#[derive(Serialize, ToSchema)]
pub struct FilledLot {
    pub medication_request_id: Uuid,
    pub lot_id: Uuid,
    #[schema(example = "A12345")]
    pub lot_number: String,
    pub expires_on: Day,
    pub quantity: Amount,
    /// What the lot is counted in.
    #[schema(value_type = Option<words::DrugUnit>)]
    pub unit: Option<&'static str>,
}

impl From<&LineLot> for FilledLot {
    fn from(lot: &LineLot) -> Self {
        Self {
            medication_request_id: lot.line_id.0,
            lot_id: lot.lot_id.0,
            lot_number: lot.lot_number.clone(),
            expires_on: Day(lot.expires_on),
            quantity: Amount(lot.quantity),
            unit: lot.unit.map(Unit::as_str),
        }
    }
}

fn read_receive(f: &mut Fields<'_>) -> Option<Receive> {
    let drug_id = f.required("drug_id", text(1..=MAX_ID));
    let lot_number = f.required("lot_number", text(1..=100));
    let expires_on = f.required("expires_on", date);
    let quantity = f.required("quantity", quantity);
    let unit = f.optional("unit", unit);
    let note = f.optional("note", text(1..=1000)).map(Phi::new);
    Some(Receive {
        drug_id: drug_id?,
        lot_number: lot_number?,
        expires_on: expires_on?,
        quantity: quantity?,
        unit,
        note,
    })
}

fn read_adjust(f: &mut Fields<'_>) -> Option<Adjust> {
    let lot = f.required("lot_id", id);
    let change = f.required("change", one_of(Change::ALL, Change::as_str));
    let quantity = f.required("quantity", quantity);
    let reason = f.required("reason", text(1..=1000)).map(Phi::new);
    Some(Adjust { lot: lot?, change: change?, quantity: quantity?, reason: reason? })
}

fn read_list(f: &mut Fields<'_>) -> Option<Wanted> {
    Some(Wanted {
        drug_id: f.optional("drug_id", text(1..=MAX_ID)),
        in_stock: f.optional("in_stock", flag),
        expires_before: f.optional("expires_before", date),
        page: page(f),
    })
}

fn render(lot: &LotView) -> Rendered {
    envelope::written(StockLot::from(lot), "OK")
}

/// Lots, newest first.
#[utoipa::path(get, path = "/pharmacy/inventory", tag = "Inventory", operation_id = "listStock",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(PageParams,
        ("drug_id" = Option<String>, Query, description = "Only lots of this drug", example = "modafinil-200"),
        ("in_stock" = Option<bool>, Query, description = "Only lots with something, or with nothing, on hand"),
        ("expires_before" = Option<String>, Query, description = "Only lots whose last day is before this one",
            format = Date)),
    responses((status = 200, description = "A page of lots", body = List<StockLot>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let found = inventory::list(&web.app, &call, request.query(read_list)?).await?;
    Ok(envelope::page(&found, |view| StockLot::from(view)))
}

/// From the first lot of a drug on, its fills take from stock. More of a lot that is there is added to it.
#[utoipa::path(post, path = "/pharmacy/inventory/receive", tag = "Inventory", operation_id = "receiveStock",
    security(("OpsToken" = ["pharmacist", "technician"])),
    request_body(content = StockReceive, description = "What came in"),
    responses((status = 200, description = "The lot as it is now", body = Success<StockLot>)))]
pub(crate) async fn receive(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, WORKERS).await?;
    let command = request.json(&mut call, read_receive).await?;
    Ok(envelope::reply(inventory::receive(&web.app, &call, command, render).await?))
}

#[utoipa::path(post, path = "/pharmacy/inventory/adjust", tag = "Inventory", operation_id = "adjustStock",
    security(("OpsToken" = ["pharmacist", "technician"])),
    request_body(content = StockAdjust, description = "By how much, and why"),
    responses((status = 200, description = "The lot as it is now", body = Success<StockLot>)))]
pub(crate) async fn adjust(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.staff(&request, WORKERS).await?;
    let command = request.json(&mut call, read_adjust).await?;
    Ok(envelope::reply(inventory::adjust(&web.app, &call, command, render).await?))
}

/// Who changed a lot's quantity, when and why, newest first: which fills got of it, too.
#[utoipa::path(get, path = "/pharmacy/inventory/{id}/moves", tag = "Inventory", operation_id = "listStockMoves",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(PageParams, ("id" = String, Path, description = "The lot's id")),
    responses((status = 200, description = "A page of movements", body = List<StockMove>)))]
pub(crate) async fn moves(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let lot = request.id("id", "Lot")?;
    let wanted = request.query(|f| Some(page(f)))?;
    let found = inventory::moves(&web.app, &call, lot, wanted).await?;
    Ok(envelope::page(&found, |row| StockMove::from(row)))
}

/// Which lots each medication request of an order got.
#[utoipa::path(get, path = "/pharmacy/orders/{id}/lots", tag = "Inventory", operation_id = "listOrderLots",
    security(("OpsToken" = ["pharmacist", "technician"])),
    params(("id" = String, Path, description = "The order's id")),
    responses((status = 200, description = "The lots", body = Success<Vec<FilledLot>>)))]
pub(crate) async fn of_order(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.staff(&request, READERS).await?;
    let found = inventory::lots_of_order(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(envelope::found(found.iter().map(FilledLot::from).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::assert_described;

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<StockReceive, _>(read_receive);
        assert_described::<StockAdjust, _>(read_adjust);
    }
}
