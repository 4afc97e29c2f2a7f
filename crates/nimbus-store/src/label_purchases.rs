//! Labels that are bought, what was bought, and which lines wait for one.

use nimbus_core::{
    ids::{ClinicId, LabelPurchaseId, ShipmentId},
    label::{Asked, BoughtLabel, LabelProvider, LabelPurchase, PurchaseState},
    money::Cents,
    phi::Phi,
    time::Ts,
};
use uuid::Uuid;

use crate::{
    documents,
    engine::{Columns, Statement, Tx, Value},
    error::{Error, Result},
    idempotency::idempotency_release,
    page::{Page, Slice, page_end_any, page_where_any},
    rows::{changed_one, list_columns, list_rows, read_opt, word},
    seal::{ClinicKeys, SealedAt},
};

macro_rules! columns {
    () => {
        list_columns!("":
            clinic_id id shipment_id provider state carrier_id service_id plan provider_label_id
            tracking_number cost_cents document failure attempts busy_until version created_at updated_at
            asked_owner asked_key asked_fingerprint
        )
    };
}

const NOT_A_FINGERPRINT: Error = Error::Corrupt("a request's fingerprint has another length");

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
        purchase.asked.as_ref().map(|asked| asked.owner).into(),
        purchase.asked.as_ref().map(|asked| asked.key.as_str()).into(),
        purchase.asked.as_ref().map(|asked| asked.fingerprint.to_vec()).into(),
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
    let (failure, attempts, busy_until) = (columns.take()?, columns.take()?, columns.take()?);
    let (version, created_at, updated_at) = (columns.take()?, columns.take()?, columns.take()?);
    let asked = match (columns.take()?, columns.take()?, columns.take::<Option<Vec<u8>>>()?) {
        (Some(owner), Some(key), Some(fingerprint)) => {
            let fingerprint = fingerprint.try_into().map_err(|_| NOT_A_FINGERPRINT)?;
            Some(Asked { owner, key, fingerprint })
        }
        _ => None,
    };
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
        failure,
        attempts,
        busy_until,
        version,
        created_at,
        updated_at,
        asked,
    })
}

/// Puts a purchase on record. While it is open, its lines are claimed: false, with nothing claimed for certain, if
/// a label for one of them is being bought already; the caller then gives up its transaction.
pub async fn label_purchase_insert(tx: &mut Tx, purchase: &LabelPurchase) -> Result<bool> {
    let keys = tx.keys(purchase.clinic_id).await?;
    let sql = concat!(
        "insert into label_purchases (",
        columns!(),
        ", order_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
            $20, $21, $22)"
    );
    let claim = "insert into label_claims (clinic_id, line_id, purchase_id) values ($1, $2, $3)
        on conflict (clinic_id, line_id) do nothing";
    let mut row = args(purchase, &keys)?;
    row.push(purchase.plan.expose().packed.first().map(|packed| packed.order_id).into());
    let mut statements = vec![Statement::new(sql, row)];
    if purchase.state.is_open() {
        let claims = purchase.plan.expose().packed.iter().map(|packed| {
            Statement::new(claim, vec![purchase.clinic_id.into(), packed.line_id.into(), purchase.id.into()])
        });
        statements.extend(claims);
    }
    let changed = tx.batch(statements).await?;
    Ok(changed.iter().all(|rows| *rows == 1))
}

/// Writes a purchase that was read at `purchase.version`. Its lines are free again once it is open no more, and so is
/// the key that it was asked for under, unless there is a parcel to reply with.
///
/// # Errors
/// `Conflict` if somebody has written it since, or if the provider's label belongs to another purchase.
pub async fn label_purchase_update(tx: &mut Tx, purchase: &LabelPurchase) -> Result<()> {
    let keys = tx.keys(purchase.clinic_id).await?;
    let sql = "update label_purchases
        set shipment_id = $3, provider = $4, state = $5, carrier_id = $6, service_id = $7, plan = $8,
            provider_label_id = $9, tracking_number = $10, cost_cents = $11, document = $12, failure = $13,
            attempts = $14, busy_until = $15, version = $16 + 1, created_at = $17, updated_at = $18,
            asked_owner = $19, asked_key = $20, asked_fingerprint = $21
        where clinic_id = $1 and id = $2 and version = $16";
    changed_one(tx.execute(sql, &args(purchase, &keys)?).await?)?;
    if !purchase.state.is_open() {
        let sql = "delete from label_claims where clinic_id = $1 and purchase_id = $2";
        tx.execute(sql, &[purchase.clinic_id.into(), purchase.id.into()]).await?;
    }
    match &purchase.asked {
        Some(asked) if !purchase.state.is_open() && purchase.state != PurchaseState::Attached => {
            idempotency_release(tx, asked.owner, &asked.key, &asked.fingerprint).await
        }
        _ => Ok(()),
    }
}

/// The purchase that a request asked for under an idempotency key, while it is open.
pub async fn label_purchase_asked(tx: &mut Tx, owner: Uuid, key: &str) -> Result<Option<LabelPurchase>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from label_purchases where asked_owner = $1 and asked_key = $2 and state in ('requested', 'bought')"
    );
    let row = tx.query_opt(sql, &[owner.into(), key.into()]).await?;
    read_opt(tx, row, read).await
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

/// Whether another purchase, of any clinic, has a label of this number that waits to be attached to its parcel.
pub async fn label_bought_by_number(
    tx: &mut Tx,
    carrier_id: &str,
    tracking_number: &str,
    but: LabelPurchaseId,
) -> Result<bool> {
    let sql = "select exists (select 1 from label_purchases
        where carrier_id = $1 and tracking_number = $2 and state = 'bought' and id <> $3)";
    tx.query_one(sql, &[carrier_id.into(), tracking_number.into(), but.into()]).await?.columns().take()
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

/// For how many days a label is looked at that was refused, or that the provider did not take back.
const LOOKED_AT_DAYS: i64 = 30;

/// What staff should look at: what did not go well at once; what failed since `$8`, and is paid for or has an order
/// that still waits for a label and has asked for none since.
const NEEDING_ATTENTION: &str = concat!(
    "select ",
    columns!(),
    " from label_purchases where state not in ('attached', 'voided') and (clinic_id = $7 or $7 is null)
     and (state <> 'failed' and (attempts > 0 or failure is not null)
        or state = 'failed' and updated_at >= $8 and (provider_label_id is not null
            or exists (select 1 from order_lines l
                where l.clinic_id = label_purchases.clinic_id and l.order_id = label_purchases.order_id
                    and l.status = 'filled' and l.shipment_id is null)
            and not exists (select 1 from label_purchases later
                where later.clinic_id = label_purchases.clinic_id and later.order_id = label_purchases.order_id
                    and later.id > label_purchases.id))) and ",
    page_where_any!(),
    page_end_any!()
);

/// The purchases that have come to no good end, newest first: of one clinic, or of all. They are those that are being
/// looked for or given back and were not answered at once, and of the last 30 days those that the provider did not
/// take back, and those that it refused, while their order waits and has asked for no label since.
pub async fn label_purchases_needing_attention(
    tx: &mut Tx,
    clinic: Option<ClinicId>,
    now: Ts,
    page: &Page,
) -> Result<Slice<LabelPurchase>> {
    let args = page.args_any([clinic.into(), now.plus_days(-LOOKED_AT_DAYS).into()]);
    let rows = tx.query(NEEDING_ATTENTION, &args).await?;
    list_rows(tx, rows, page, read).await
}
