//! Refill requests. A partial unique index allows one open refill for each prescription.

use nimbus_core::{
    ids::{ClinicId, OrderId, PatientId, PrescriptionId, RefillId},
    quantity::Quantity,
    refill::{Refill, RefillStatus},
};

use crate::{
    documents,
    engine::{Columns, Tx, Value},
    error::Result,
    page::{Listed, Page, Slice, listed, page_end, page_end_any, page_few, page_where, page_where_any},
    rows::{changed_one, list_rows, quantity, read_opt, word},
    seal::{ClinicKeys, SealedAt},
};

macro_rules! columns {
    () => {
        "clinic_id, id, patient_id, prescription_id, line_id, order_id, status, requested_quantity, \
         approved_quantity, review_reason, decision_reason, shipment_group, version, created_at, updated_at"
    };
}

const fn sealed_at(id: RefillId, column: &'static str) -> SealedAt {
    SealedAt { table: "refills", column, row: id.0 }
}

fn read(columns: &mut Columns<'_>, clinic_id: ClinicId, keys: &ClinicKeys) -> Result<Refill> {
    let id: RefillId = columns.take()?;
    let at = |column| sealed_at(id, column);
    Ok(Refill {
        id,
        clinic_id,
        patient_id: columns.take()?,
        prescription_id: columns.take()?,
        line_id: columns.take()?,
        order_id: columns.take()?,
        status: word(&columns.take::<String>()?, RefillStatus::parse, "refills.status")?,
        requested_quantity: quantity(columns.take()?, "refills.requested_quantity")?,
        approved_quantity: columns
            .take::<Option<i64>>()?
            .map(|thousandths| quantity(thousandths, "refills.approved_quantity"))
            .transpose()?,
        review_reason: columns.take()?,
        decision_reason: documents::open_text(keys, at("decision_reason"), columns.take()?)?,
        shipment_group: documents::open_text(keys, at("shipment_group"), columns.take()?)?,
        version: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

/// The arguments of a whole row.
fn args(refill: &Refill, keys: &ClinicKeys) -> Vec<Value> {
    let at = |column| sealed_at(refill.id, column);
    vec![
        refill.clinic_id.into(),
        refill.id.into(),
        refill.patient_id.into(),
        refill.prescription_id.into(),
        refill.line_id.into(),
        refill.order_id.into(),
        refill.status.as_str().into(),
        refill.requested_quantity.thousandths().into(),
        refill.approved_quantity.map(Quantity::thousandths).into(),
        refill.review_reason.as_deref().into(),
        documents::seal_text(keys, at("decision_reason"), refill.decision_reason.as_ref()).into(),
        documents::seal_text(keys, at("shipment_group"), refill.shipment_group.as_ref()).into(),
        refill.version.into(),
        refill.created_at.into(),
        refill.updated_at.into(),
    ]
}

/// Adds a refill.
///
/// # Errors
/// `Conflict` if it is open and the prescription has another open one.
pub async fn refill_insert(tx: &mut Tx, refill: &Refill) -> Result<()> {
    let keys = tx.keys(refill.clinic_id).await?;
    let sql = concat!(
        "insert into refills (",
        columns!(),
        ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
    );
    tx.execute(sql, &args(refill, &keys)).await?;
    Ok(())
}

/// Writes a refill that was read at `refill.version`.
///
/// # Errors
/// `Conflict` if somebody has written it since, or another refill of the prescription is open.
pub async fn refill_update(tx: &mut Tx, refill: &Refill) -> Result<()> {
    let keys = tx.keys(refill.clinic_id).await?;
    let sql = "update refills
        set patient_id = $3, prescription_id = $4, line_id = $5, order_id = $6, status = $7,
            requested_quantity = $8, approved_quantity = $9, review_reason = $10, decision_reason = $11,
            shipment_group = $12, version = $13 + 1, created_at = $14, updated_at = $15
        where clinic_id = $1 and id = $2 and version = $13";
    changed_one(tx.execute(sql, &args(refill, &keys)).await?)
}

pub async fn refill_get(tx: &mut Tx, clinic: ClinicId, id: RefillId) -> Result<Option<Refill>> {
    let sql = concat!("select ", columns!(), " from refills where clinic_id = $1 and id = $2");
    let row = tx.query_opt(sql, &[clinic.into(), id.into()]).await?;
    read_opt(tx, row, read).await
}

/// A refill of any clinic, for staff.
pub async fn refill_get_any(tx: &mut Tx, id: RefillId) -> Result<Option<Refill>> {
    let sql = concat!("select ", columns!(), " from refills where id = $1");
    let row = tx.query_opt(sql, &[id.into()]).await?;
    read_opt(tx, row, read).await
}

/// The refill that an order fills.
pub async fn refill_get_by_order(tx: &mut Tx, clinic: ClinicId, order: OrderId) -> Result<Option<Refill>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from refills where clinic_id = $1 and order_id = $2 order by id desc limit 1"
    );
    let row = tx.query_opt(sql, &[clinic.into(), order.into()]).await?;
    read_opt(tx, row, read).await
}

/// The open refill of a prescription, for which others must wait.
pub async fn refill_open(
    tx: &mut Tx,
    clinic: ClinicId,
    prescription: PrescriptionId,
) -> Result<Option<Refill>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from refills
          where clinic_id = $1 and prescription_id = $2 and status in ('pending', 'approved', 'processing')"
    );
    let row = tx.query_opt(sql, &[clinic.into(), prescription.into()]).await?;
    read_opt(tx, row, read).await
}

const LISTED: Listed = listed!("refills");

/// Which of a clinic's rows are listed.
macro_rules! list {
    ($chosen:expr) => {
        concat!("select ", columns!(), " from refills where ", $chosen, page_where!(), page_end!())
    };
}

/// Which rows are listed of every clinic's.
macro_rules! list_any {
    ($chosen:literal) => {
        concat!("select ", columns!(), " from refills where ", $chosen, page_where_any!(), page_end_any!())
    };
}

/// Refills, newest first: of one clinic, or (for staff) of all.
pub async fn refill_list(
    tx: &mut Tx,
    clinic: Option<ClinicId>,
    status: Option<RefillStatus>,
    patient: Option<PatientId>,
    page: &Page,
) -> Result<Slice<Refill>> {
    let status: Option<Value> = status.map(|status| status.as_str().into());
    // A text for each way to the rows: SQLite plans without the arguments and uses no index for an `or`.
    let (sql, args) = match (clinic, patient, status) {
        (None, Some(patient), status) => {
            let sql = list_any!("patient_id = $7 and (status = $8 or $8 is null) and ");
            (sql, page.args_any([patient.into(), status.into()]))
        }
        (None, None, Some(status)) => (list_any!("status = $7 and "), page.args_any([status])),
        (None, None, None) => (list_any!(""), page.args_any([])),
        (Some(clinic), patient, status) => {
            let (sql, own): (_, Vec<Value>) = if page.changes_few(tx, LISTED, clinic).await? {
                let sql = list!(concat!(
                    page_few!("refills"),
                    "(patient_id = $9 or $9 is null) and (status = $10 or $10 is null) and "
                ));
                (sql, vec![patient.into(), status.into()])
            } else if let Some(patient) = patient {
                let sql = list!("patient_id = $9 and (status = $10 or $10 is null) and ");
                (sql, vec![patient.into(), status.into()])
            } else if let Some(status) = status {
                (list!("status = $9 and "), vec![status])
            } else {
                (list!(""), Vec::new())
            };
            (sql, page.args(tx, LISTED, clinic, own).await?)
        }
    };
    let rows = tx.query(sql, &args).await?;
    list_rows(tx, rows, page, read).await
}
