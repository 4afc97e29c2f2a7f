//! Patients, as each clinic knows them. The profile is sealed; an identity is found by its keyed hash.

use nimbus_core::{
    ids::{ClinicId, PatientId},
    patient::{Patient, PatientStatus, identity},
    phi::Phi,
};

use crate::{
    documents,
    engine::{Columns, Row, Statement, Tx, Value},
    error::Result,
    page::{Listed, Page, Slice, listed, page_end, page_few, page_where},
    rows::{changed_one, list_rows, read_opt, read_rows, word, word_opt},
    seal::{ClinicKeys, SealedAt},
};

const STATUS: &str = "patients.status";

/// What is read; `identity_hash` is written beside it and never read.
macro_rules! columns {
    () => {
        "clinic_id, id, practitioner_id, status, profile, version, created_at, updated_at"
    };
}

fn read(columns: &mut Columns<'_>, clinic_id: ClinicId, keys: &ClinicKeys) -> Result<Patient> {
    let id: PatientId = columns.take()?;
    Ok(Patient {
        id,
        clinic_id,
        practitioner_id: columns.take()?,
        status: word(&columns.take::<String>()?, PatientStatus::parse, STATUS)?,
        profile: Phi::new(documents::open(keys, profile_at(id), &columns.take::<Vec<u8>>()?)?),
        version: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

/// The arguments of a whole row: the columns, then the hash of the identity.
fn args(patient: &Patient, keys: &ClinicKeys) -> Result<Vec<Value>> {
    let profile = patient.profile.expose();
    Ok(vec![
        patient.clinic_id.into(),
        patient.id.into(),
        patient.practitioner_id.into(),
        patient.status.as_str().into(),
        documents::seal(keys, profile_at(patient.id), profile)?.into(),
        patient.version.into(),
        patient.created_at.into(),
        patient.updated_at.into(),
        identity_hash(keys, &identity(&profile.first_name, &profile.last_name, profile.dob)).into(),
    ])
}

const fn profile_at(id: PatientId) -> SealedAt {
    SealedAt { table: "patients", column: "profile", row: id.0 }
}

fn identity_hash(keys: &ClinicKeys, identity: &str) -> Vec<u8> {
    keys.lookup("patients.identity", identity)
}

/// Adds a patient.
///
/// # Errors
/// `Conflict` if the clinic has a patient of the same identity already.
pub async fn patient_insert(tx: &mut Tx, patient: &Patient) -> Result<()> {
    let keys = tx.keys(patient.clinic_id).await?;
    let sql = concat!(
        "insert into patients (",
        columns!(),
        ", identity_hash) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    );
    tx.execute(sql, &args(patient, &keys)?).await?;
    Ok(())
}

/// Writes a patient that was read at `patient.version`.
///
/// # Errors
/// `Conflict` if somebody has written it since, or another patient of the clinic has the identity.
pub async fn patient_update(tx: &mut Tx, patient: &Patient) -> Result<()> {
    let keys = tx.keys(patient.clinic_id).await?;
    let sql = "update patients
        set practitioner_id = $3, status = $4, profile = $5, version = $6 + 1, created_at = $7,
            updated_at = $8, identity_hash = $9
        where clinic_id = $1 and id = $2 and version = $6";
    changed_one(tx.execute(sql, &args(patient, &keys)?).await?)
}

/// The clinic's patient of an identity, the text that [`nimbus_core::patient::identity`] makes.
pub async fn patient_by_identity(tx: &mut Tx, clinic: ClinicId, identity: &str) -> Result<Option<PatientId>> {
    let hash = identity_hash(&*tx.keys(clinic).await?, identity);
    let sql = "select id from patients where clinic_id = $1 and identity_hash = $2";
    let row = tx.query_opt(sql, &[clinic.into(), hash.into()]).await?;
    row.map(|row| row.columns().take()).transpose()
}

const BY_ID: &str = concat!("select ", columns!(), " from patients where clinic_id = $1 and id = $2");

pub async fn patient_get(tx: &mut Tx, clinic: ClinicId, id: PatientId) -> Result<Option<Patient>> {
    let row = tx.query_opt(BY_ID, &[clinic.into(), id.into()]).await?;
    read_opt(tx, row, read).await
}

/// What [`patient_get`] asks, for [`read_all`].
pub(crate) fn by_id(clinic: ClinicId, id: PatientId) -> Statement {
    Statement::new(BY_ID, vec![clinic.into(), id.into()])
}

pub(crate) async fn read_all(tx: &mut Tx, rows: Vec<Row>) -> Result<Vec<Patient>> {
    read_rows(tx, rows, read).await
}

/// A patient of any clinic, for staff.
pub async fn patient_get_any(tx: &mut Tx, id: PatientId) -> Result<Option<Patient>> {
    let sql = concat!("select ", columns!(), " from patients where id = $1");
    let row = tx.query_opt(sql, &[id.into()]).await?;
    read_opt(tx, row, read).await
}

/// Where a patient stands, without opening the profile.
pub async fn patient_status(tx: &mut Tx, clinic: ClinicId, id: PatientId) -> Result<Option<PatientStatus>> {
    let sql = "select status from patients where clinic_id = $1 and id = $2";
    let row = tx.query_opt(sql, &[clinic.into(), id.into()]).await?;
    let text = row.map(|row| row.columns().take()).transpose()?;
    word_opt(text, PatientStatus::parse, STATUS)
}

const LISTED: Listed = listed!("patients");

/// Which of a clinic's rows are listed.
macro_rules! list {
    ($chosen:expr) => {
        concat!("select ", columns!(), " from patients where ", $chosen, page_where!(), page_end!())
    };
}

/// A clinic's patients, newest first. `identity` finds exactly those names and that date of birth.
pub async fn patient_list(
    tx: &mut Tx,
    clinic: ClinicId,
    status: Option<PatientStatus>,
    identity: Option<&str>,
    page: &Page,
) -> Result<Slice<Patient>> {
    let status: Option<Value> = status.map(|status| status.as_str().into());
    let (sql, own): (_, Vec<Value>) = if let Some(identity) = identity {
        let hash = identity_hash(&*tx.keys(clinic).await?, identity);
        (list!("identity_hash = $9 and (status = $10 or $10 is null) and "), vec![hash.into(), status.into()])
    } else if page.changes_few(tx, LISTED, clinic).await? {
        (list!(concat!(page_few!("patients"), "(status = $9 or $9 is null) and ")), vec![status.into()])
    } else if let Some(status) = status {
        (list!("status = $9 and "), vec![status])
    } else {
        (list!(""), Vec::new())
    };
    let args = page.args(tx, LISTED, clinic, own).await?;
    let rows = tx.query(sql, &args).await?;
    list_rows(tx, rows, page, read).await
}
