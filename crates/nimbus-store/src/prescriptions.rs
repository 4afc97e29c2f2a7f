//! Prescriptions. What is prescribed is sealed; what refill rules and filters need is not.

use nimbus_core::{
    ids::{ClinicId, OrderId, PatientId, PrescriptionId},
    order::MAX_LINES,
    patient::Species,
    phi::Phi,
    prescription::{DrugSchedule, Prescription, PrescriptionStatus},
    us::State,
};

use crate::{
    documents,
    engine::{Columns, Row, Statement, Tx, Value},
    error::{Error, Result},
    page::{Listed, Page, Slice, listed, page_end, page_few, page_where},
    rows::{changed_one, list_rows, quantity, read_opt, read_rows, word},
    seal::{ClinicKeys, SealedAt},
};

macro_rules! columns {
    () => {
        "clinic_id, id, patient_id, practitioner_id, status, detail, drug, schedule, refrigerated, compounded, \
         quantity, days_supply, refills_authorized, refills_used, do_not_refill, date_issued, expires_on, \
         rx_number, version, created_at, updated_at, issued_state, issued_species"
    };
}

const INSERT: &str = concat!(
    "insert into prescriptions (",
    columns!(),
    ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
     $21, $22, $23)"
);

fn read(columns: &mut Columns<'_>, clinic_id: ClinicId, keys: &ClinicKeys) -> Result<Prescription> {
    let id: PrescriptionId = columns.take()?;
    Ok(Prescription {
        id,
        clinic_id,
        patient_id: columns.take()?,
        practitioner_id: columns.take()?,
        status: word(&columns.take::<String>()?, PrescriptionStatus::parse, "prescriptions.status")?,
        detail: Phi::new(documents::open(keys, detail_at(id), &columns.take::<Vec<u8>>()?)?),
        drug_id: documents::open_text(keys, drug_at(id), columns.take()?)?,
        schedule: word(&columns.take::<String>()?, DrugSchedule::parse, "prescriptions.schedule")?,
        refrigerated: columns.take()?,
        compounded: columns.take()?,
        quantity: quantity(columns.take()?, "prescriptions.quantity")?,
        days_supply: columns.take()?,
        refills_authorized: columns.take()?,
        refills_used: columns.take()?,
        do_not_refill: columns.take()?,
        date_issued: columns.take()?,
        expires_on: columns.take()?,
        rx_number: columns.take()?,
        version: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
        issued_state: columns.take::<Option<String>>()?.map(|code| state(&code)).transpose()?,
        issued_species: word(&columns.take::<String>()?, Species::parse, "prescriptions.issued_species")?,
    })
}

fn state(code: &str) -> Result<State> {
    State::parse(code).map_err(|_| Error::Corrupt("prescriptions.issued_state"))
}

/// The arguments of a whole row.
fn args(prescription: &Prescription, keys: &ClinicKeys) -> Result<Vec<Value>> {
    Ok(vec![
        prescription.clinic_id.into(),
        prescription.id.into(),
        prescription.patient_id.into(),
        prescription.practitioner_id.into(),
        prescription.status.as_str().into(),
        documents::seal(keys, detail_at(prescription.id), prescription.detail.expose())?.into(),
        documents::seal_text(keys, drug_at(prescription.id), prescription.drug_id.as_ref()).into(),
        prescription.schedule.as_str().into(),
        prescription.refrigerated.into(),
        prescription.compounded.into(),
        prescription.quantity.thousandths().into(),
        prescription.days_supply.into(),
        prescription.refills_authorized.into(),
        prescription.refills_used.into(),
        prescription.do_not_refill.into(),
        prescription.date_issued.into(),
        prescription.expires_on.into(),
        prescription.rx_number.as_deref().into(),
        prescription.version.into(),
        prescription.created_at.into(),
        prescription.updated_at.into(),
        prescription.issued_state.map(State::code).into(),
        prescription.issued_species.as_str().into(),
    ])
}

const fn detail_at(id: PrescriptionId) -> SealedAt {
    SealedAt { table: "prescriptions", column: "detail", row: id.0 }
}

const fn drug_at(id: PrescriptionId) -> SealedAt {
    SealedAt { table: "prescriptions", column: "drug", row: id.0 }
}

pub async fn prescription_insert(tx: &mut Tx, prescription: &Prescription) -> Result<()> {
    prescription_insert_many(tx, std::slice::from_ref(prescription)).await
}

/// Adds prescriptions, such as those of one order, in one batch.
pub async fn prescription_insert_many(tx: &mut Tx, prescriptions: &[Prescription]) -> Result<()> {
    let mut statements = Vec::with_capacity(prescriptions.len());
    for prescription in prescriptions {
        let keys = tx.keys(prescription.clinic_id).await?;
        statements.push(Statement::new(INSERT, args(prescription, &keys)?));
    }
    tx.batch(statements).await?;
    Ok(())
}

/// Writes a prescription that was read at `prescription.version`.
///
/// # Errors
/// `Conflict` if somebody has written it since.
pub async fn prescription_update(tx: &mut Tx, prescription: &Prescription) -> Result<()> {
    let keys = tx.keys(prescription.clinic_id).await?;
    let sql = "update prescriptions
        set patient_id = $3, practitioner_id = $4, status = $5, detail = $6, drug = $7, schedule = $8,
            refrigerated = $9, compounded = $10, quantity = $11, days_supply = $12, refills_authorized = $13,
            refills_used = $14, do_not_refill = $15, date_issued = $16, expires_on = $17, rx_number = $18,
            version = $19 + 1, created_at = $20, updated_at = $21,
            issued_state = $22, issued_species = $23
        where clinic_id = $1 and id = $2 and version = $19";
    changed_one(tx.execute(sql, &args(prescription, &keys)?).await?)
}

pub async fn prescription_get(
    tx: &mut Tx,
    clinic: ClinicId,
    id: PrescriptionId,
) -> Result<Option<Prescription>> {
    let sql = concat!("select ", columns!(), " from prescriptions where clinic_id = $1 and id = $2");
    let row = tx.query_opt(sql, &[clinic.into(), id.into()]).await?;
    read_opt(tx, row, read).await
}

/// A prescription of any clinic, for staff.
pub async fn prescription_get_any(tx: &mut Tx, id: PrescriptionId) -> Result<Option<Prescription>> {
    let sql = concat!("select ", columns!(), " from prescriptions where id = $1");
    let row = tx.query_opt(sql, &[id.into()]).await?;
    read_opt(tx, row, read).await
}

/// Those of the ids that the clinic has, oldest first within each 25: one query for every 25 ids.
pub async fn prescription_get_many(
    tx: &mut Tx,
    clinic: ClinicId,
    ids: &[PrescriptionId],
) -> Result<Vec<Prescription>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from prescriptions
          where clinic_id = $1
            and id in ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                       $21, $22, $23, $24, $25, $26)
          order by id"
    );
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(MAX_LINES) {
        let mut args = vec![clinic.into()];
        args.extend(some.iter().map(|&id| Value::from(id)));
        // The text has a fixed number of places; nothing equals null.
        args.resize(1 + MAX_LINES, Value::Null);
        let rows = tx.query(sql, &args).await?;
        found.extend(read_rows(tx, rows, read).await?);
    }
    Ok(found)
}

const OF_ORDER: &str = concat!(
    "select ",
    columns!(),
    " from prescriptions
      where clinic_id = $1
        and id in (select prescription_id from order_lines where clinic_id = $1 and order_id = $2)
      order by id"
);

/// The prescriptions that an order's lines fill, oldest first; at most [`MAX_LINES`].
pub async fn prescription_of_order(
    tx: &mut Tx,
    clinic: ClinicId,
    order: OrderId,
) -> Result<Vec<Prescription>> {
    let rows = tx.query(OF_ORDER, &[clinic.into(), order.into()]).await?;
    read_all(tx, rows).await
}

/// What [`prescription_of_order`] asks, for [`read_all`].
pub(crate) fn of_order(clinic: ClinicId, order: OrderId) -> Statement {
    Statement::new(OF_ORDER, vec![clinic.into(), order.into()])
}

pub(crate) async fn read_all(tx: &mut Tx, rows: Vec<Row>) -> Result<Vec<Prescription>> {
    read_rows(tx, rows, read).await
}

const LISTED: Listed = listed!("prescriptions");

/// Which of a clinic's rows are listed.
macro_rules! list {
    ($chosen:expr) => {
        concat!("select ", columns!(), " from prescriptions where ", $chosen, page_where!(), page_end!())
    };
}

/// A clinic's prescriptions, newest first.
pub async fn prescription_list(
    tx: &mut Tx,
    clinic: ClinicId,
    patient: Option<PatientId>,
    status: Option<PrescriptionStatus>,
    page: &Page,
) -> Result<Slice<Prescription>> {
    let status: Option<Value> = status.map(|status| status.as_str().into());
    // A text for each way to the rows: SQLite plans without the arguments and uses no index for an `or`.
    let (sql, own): (_, Vec<Value>) = if page.changes_few(tx, LISTED, clinic).await? {
        let sql = list!(concat!(
            page_few!("prescriptions"),
            "(patient_id = $9 or $9 is null) and (status = $10 or $10 is null) and "
        ));
        (sql, vec![patient.into(), status.into()])
    } else if let Some(patient) = patient {
        (list!("patient_id = $9 and (status = $10 or $10 is null) and "), vec![patient.into(), status.into()])
    } else if let Some(status) = status {
        (list!("status = $9 and "), vec![status])
    } else {
        (list!(""), Vec::new())
    };
    let args = page.args(tx, LISTED, clinic, own).await?;
    let rows = tx.query(sql, &args).await?;
    list_rows(tx, rows, page, read).await
}
