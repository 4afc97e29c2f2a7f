//! Labels that are bought, what was bought, and which lines wait for one.

use nimbus_core::{
    ids::{ClinicId, LabelPurchaseId, ShipmentId},
    label::{BoughtLabel, LabelProvider, LabelPurchase, PurchaseState},
    money::Cents,
    phi::Phi,
};

use crate::{
    documents,
    engine::{Columns, Statement, Tx, Value},
    error::Result,
    rows::{changed_one, list_columns, read_opt, word},
    seal::{ClinicKeys, SealedAt},
};

macro_rules! columns {
    () => {
        list_columns!("":
            clinic_id id shipment_id provider state carrier_id service_id plan provider_label_id
            tracking_number cost_cents document failure attempts busy_until version created_at updated_at
        )
    };
}

const fn sealed_at(id: LabelPurchaseId, column: &'static str) -> SealedAt {
    SealedAt { table: "label_purchases", column, row: id.0 }
}

/// The arguments of a purchase's whole row.
fn args(purchase: &LabelPurchase, keys: &ClinicKeys) -> Result<Vec<Value>> {
    let at = |column| sealed_at(purchase.id, column);
    let label = purchase.label.as_ref();
    let document = label.and_then(|label| label.document.as_ref());
    Ok(vec![
        purchase.clinic_id.into(),
        purchase.id.into(),
        purchase.shipment_id.into(),
        purchase.provider.as_str().into(),
        purchase.state.as_str().into(),
        purchase.carrier_id.as_str().into(),
        purchase.service_id.as_str().into(),
        documents::seal(keys, at("plan"), purchase.plan.expose())?.into(),
        label.and_then(|label| label.label_id.as_deref()).into(),
        label.map(|label| label.tracking_number.as_str()).into(),
        label.and_then(|label| label.cost).map(|cost| cost.0).into(),
        document.map(|pdf| keys.seal(at("document"), pdf.expose())).into(),
        purchase.failure.as_deref().into(),
        purchase.attempts.into(),
        purchase.busy_until.into(),
        purchase.version.into(),
        purchase.created_at.into(),
        purchase.updated_at.into(),
    ])
}

fn read(columns: &mut Columns<'_>, clinic_id: ClinicId, keys: &ClinicKeys) -> Result<LabelPurchase> {
    let id = columns.take()?;
    let at = |column| sealed_at(id, column);
    let shipment_id = columns.take()?;
    let provider = word(&columns.take::<String>()?, LabelProvider::parse, "label_purchases.provider")?;
    let state = word(&columns.take::<String>()?, PurchaseState::parse, "label_purchases.state")?;
    let (carrier_id, service_id) = (columns.take()?, columns.take()?);
    let plan = Phi::new(documents::open(keys, at("plan"), &columns.take::<Vec<u8>>()?)?);
    let label_id = columns.take()?;
    let tracking_number: Option<String> = columns.take()?;
    let cost = columns.take::<Option<i64>>()?.map(Cents);
    let document: Option<Vec<u8>> = columns.take()?;
    let document = document.map(|sealed| keys.open(at("document"), &sealed)).transpose()?.map(Phi::new);
    let label =
        tracking_number.map(|number| BoughtLabel { label_id, tracking_number: number, cost, document });
    Ok(LabelPurchase {
        id,
        clinic_id,
        shipment_id,
        provider,
        state,
        carrier_id,
        service_id,
        plan,
        label,
        failure: columns.take()?,
        attempts: columns.take()?,
        busy_until: columns.take()?,
        version: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

/// Puts a purchase on record. While it is open, its lines are claimed: false, with nothing claimed for certain, if
/// a label for one of them is being bought already; the caller then gives up its transaction.
pub async fn label_purchase_insert(tx: &mut Tx, purchase: &LabelPurchase) -> Result<bool> {
    let keys = tx.keys(purchase.clinic_id).await?;
    let sql = concat!(
        "insert into label_purchases (",
        columns!(),
        ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
    );
    let claim = "insert into label_claims (clinic_id, line_id, purchase_id) values ($1, $2, $3)
        on conflict (clinic_id, line_id) do nothing";
    let mut statements = vec![Statement::new(sql, args(purchase, &keys)?)];
    if purchase.state.is_open() {
        let claims = purchase.plan.expose().packed.iter().map(|packed| {
            Statement::new(claim, vec![purchase.clinic_id.into(), packed.line_id.into(), purchase.id.into()])
        });
        statements.extend(claims);
    }
    let changed = tx.batch(statements).await?;
    Ok(changed.iter().all(|rows| *rows == 1))
}

/// Writes a purchase that was read at `purchase.version`. Its lines are free again once it is open no more.
///
/// # Errors
/// `Conflict` if somebody has written it since, or if the provider's label belongs to another purchase.
pub async fn label_purchase_update(tx: &mut Tx, purchase: &LabelPurchase) -> Result<()> {
    let keys = tx.keys(purchase.clinic_id).await?;
    let sql = "update label_purchases
        set shipment_id = $3, provider = $4, state = $5, carrier_id = $6, service_id = $7, plan = $8,
            provider_label_id = $9, tracking_number = $10, cost_cents = $11, document = $12, failure = $13,
            attempts = $14, busy_until = $15, version = $16 + 1, created_at = $17, updated_at = $18
        where clinic_id = $1 and id = $2 and version = $16";
    changed_one(tx.execute(sql, &args(purchase, &keys)?).await?)?;
    if !purchase.state.is_open() {
        let sql = "delete from label_claims where clinic_id = $1 and purchase_id = $2";
        tx.execute(sql, &[purchase.clinic_id.into(), purchase.id.into()]).await?;
    }
    Ok(())
}

/// A purchase of any clinic, for timed work.
pub async fn label_purchase_get_any(tx: &mut Tx, id: LabelPurchaseId) -> Result<Option<LabelPurchase>> {
    let sql = concat!("select ", columns!(), " from label_purchases where id = $1");
    let row = tx.query_opt(sql, &[id.into()]).await?;
    read_opt(tx, row, read).await
}

/// The newest purchase for a parcel, with the provider's own PDF where there is one.
pub async fn label_purchase_of(
    tx: &mut Tx,
    clinic: ClinicId,
    shipment: ShipmentId,
) -> Result<Option<LabelPurchase>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from label_purchases where clinic_id = $1 and shipment_id = $2 order by id desc limit 1"
    );
    let row = tx.query_opt(sql, &[clinic.into(), shipment.into()]).await?;
    read_opt(tx, row, read).await
}

/// Which purchase of any clinic a provider's label belongs to.
pub async fn label_purchase_by_label(
    tx: &mut Tx,
    provider: LabelProvider,
    label_id: &str,
) -> Result<Option<LabelPurchaseId>> {
    let sql = "select id from label_purchases where provider = $1 and provider_label_id = $2";
    let row = tx.query_opt(sql, &[provider.as_str().into(), label_id.into()]).await?;
    row.map(|row| row.columns().take()).transpose()
}

/// The purchases of a clinic whose label may have been paid for and is not given back yet.
pub async fn label_purchases_standing(
    tx: &mut Tx,
    clinic: ClinicId,
    provider: LabelProvider,
) -> Result<Vec<LabelPurchaseId>> {
    let sql = "select id from label_purchases
        where clinic_id = $1 and provider = $2 and state in ('requested', 'bought', 'attached') order by id";
    let rows = tx.query(sql, &[clinic.into(), provider.as_str().into()]).await?;
    rows.iter().map(|row| row.columns().take()).collect()
}
