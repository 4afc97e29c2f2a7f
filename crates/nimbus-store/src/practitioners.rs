//! Practitioners, as each clinic knows them. The profile is sealed; an NPI is found by its keyed hash.

use nimbus_core::{
    ids::{ClinicId, PractitionerId},
    phi::Phi,
    practitioner::{Practitioner, PractitionerStatus},
};

use crate::{
    documents,
    engine::{Columns, Row, Statement, Tx, Value},
    error::Result,
    page::{Listed, Page, Slice, listed, page_end, page_end_any, page_few, page_where, page_where_any},
    rows::{changed_one, list_rows, read_opt, word, word_opt},
    seal::{ClinicKeys, SealedAt},
};

const STATUS: &str = "practitioners.status";

/// What is written, before `npi_hash`, which is never read.
macro_rules! columns {
    () => {
        "clinic_id, id, status, profile, version, created_at, updated_at"
    };
}

/// What is read.
macro_rules! read_columns {
    () => {
        concat!(
            columns!(),
            ", exists (select 1 from signatures s
                where s.clinic_id = practitioners.clinic_id and s.practitioner_id = practitioners.id)"
        )
    };
}

fn read(columns: &mut Columns<'_>, clinic_id: ClinicId, keys: &ClinicKeys) -> Result<Practitioner> {
    let id: PractitionerId = columns.take()?;
    Ok(Practitioner {
        id,
        clinic_id,
        status: word(&columns.take::<String>()?, PractitionerStatus::parse, STATUS)?,
        profile: Phi::new(documents::open(keys, profile_at(id), &columns.take::<Vec<u8>>()?)?),
        version: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
        has_signature: columns.take()?,
    })
}

/// The arguments of a whole row: the columns, then the hash of the NPI.
fn args(practitioner: &Practitioner, npi: Option<&str>, keys: &ClinicKeys) -> Result<Vec<Value>> {
    Ok(vec![
        practitioner.clinic_id.into(),
        practitioner.id.into(),
        practitioner.status.as_str().into(),
        documents::seal(keys, profile_at(practitioner.id), practitioner.profile.expose())?.into(),
        practitioner.version.into(),
        practitioner.created_at.into(),
        practitioner.updated_at.into(),
        npi.map(|npi| npi_hash(keys, npi)).into(),
    ])
}

const fn profile_at(id: PractitionerId) -> SealedAt {
    SealedAt { table: "practitioners", column: "profile", row: id.0 }
}

fn npi_hash(keys: &ClinicKeys, npi: &str) -> Vec<u8> {
    keys.lookup("practitioners.npi", npi)
}

/// Adds a practitioner. `npi` is what it is found by, if it has one.
///
/// # Errors
/// `Conflict` if the clinic has the NPI already.
pub async fn practitioner_insert(tx: &mut Tx, practitioner: &Practitioner, npi: Option<&str>) -> Result<()> {
    let keys = tx.keys(practitioner.clinic_id).await?;
    let sql = concat!(
        "insert into practitioners (",
        columns!(),
        ", npi_hash) values ($1, $2, $3, $4, $5, $6, $7, $8)"
    );
    tx.execute(sql, &args(practitioner, npi, &keys)?).await?;
    Ok(())
}

/// Writes a practitioner that was read at `practitioner.version`.
///
/// # Errors
/// `Conflict` if somebody has written it since, or the clinic has the NPI already.
pub async fn practitioner_update(tx: &mut Tx, practitioner: &Practitioner, npi: Option<&str>) -> Result<()> {
    let keys = tx.keys(practitioner.clinic_id).await?;
    let sql = "update practitioners
        set status = $3, profile = $4, version = $5 + 1, created_at = $6, updated_at = $7, npi_hash = $8
        where clinic_id = $1 and id = $2 and version = $5";
    changed_one(tx.execute(sql, &args(practitioner, npi, &keys)?).await?)
}

/// The clinic's practitioner of this NPI.
pub async fn practitioner_by_npi(tx: &mut Tx, clinic: ClinicId, npi: &str) -> Result<Option<PractitionerId>> {
    let hash = npi_hash(&*tx.keys(clinic).await?, npi);
    let sql = "select id from practitioners where clinic_id = $1 and npi_hash = $2";
    let row = tx.query_opt(sql, &[clinic.into(), hash.into()]).await?;
    row.map(|row| row.columns().take()).transpose()
}

pub async fn practitioner_get(
    tx: &mut Tx,
    clinic: ClinicId,
    id: PractitionerId,
) -> Result<Option<Practitioner>> {
    let sql = concat!("select ", read_columns!(), " from practitioners where clinic_id = $1 and id = $2");
    let row = tx.query_opt(sql, &[clinic.into(), id.into()]).await?;
    read_opt(tx, row, read).await
}

/// A practitioner of any clinic, for staff.
pub async fn practitioner_get_any(tx: &mut Tx, id: PractitionerId) -> Result<Option<Practitioner>> {
    let sql = concat!("select ", read_columns!(), " from practitioners where id = $1");
    let row = tx.query_opt(sql, &[id.into()]).await?;
    read_opt(tx, row, read).await
}

/// Where a practitioner stands, without opening the profile.
pub async fn practitioner_status(
    tx: &mut Tx,
    clinic: ClinicId,
    id: PractitionerId,
) -> Result<Option<PractitionerStatus>> {
    let row = tx.query_opt(STATUS_BY_ID, &[clinic.into(), id.into()]).await?;
    read_status(row.as_ref())
}

const STATUS_BY_ID: &str = "select status from practitioners where clinic_id = $1 and id = $2";

/// What [`practitioner_status`] asks, for [`read_status`].
pub(crate) fn status_by_id(clinic: ClinicId, id: PractitionerId) -> Statement {
    Statement::new(STATUS_BY_ID, vec![clinic.into(), id.into()])
}

pub(crate) fn read_status(row: Option<&Row>) -> Result<Option<PractitionerStatus>> {
    let text = row.map(|row| row.columns().take()).transpose()?;
    word_opt(text, PractitionerStatus::parse, STATUS)
}

const LISTED: Listed = listed!("practitioners");

/// Which of a clinic's rows are listed.
macro_rules! list {
    ($chosen:expr) => {
        concat!("select ", read_columns!(), " from practitioners where ", $chosen, page_where!(), page_end!())
    };
}

/// Which rows are listed of every clinic's.
macro_rules! list_any {
    ($chosen:literal) => {
        concat!(
            "select ",
            read_columns!(),
            " from practitioners where ",
            $chosen,
            page_where_any!(),
            page_end_any!()
        )
    };
}

/// Practitioners, newest first: of one clinic, or (for staff) of all.
pub async fn practitioner_list(
    tx: &mut Tx,
    clinic: Option<ClinicId>,
    status: Option<PractitionerStatus>,
    page: &Page,
) -> Result<Slice<Practitioner>> {
    let status: Option<Value> = status.map(|status| status.as_str().into());
    let (sql, args) = match (clinic, status) {
        (None, Some(status)) => (list_any!("status = $7 and "), page.args_any([status])),
        (None, None) => (list_any!(""), page.args_any([])),
        (Some(clinic), status) => {
            let (sql, own) = match (page.changes_few(tx, LISTED, clinic).await?, status) {
                (true, status) => {
                    let sql = list!(concat!(page_few!("practitioners"), "(status = $9 or $9 is null) and "));
                    (sql, Some(status.into()))
                }
                (false, Some(status)) => (list!("status = $9 and "), Some(status)),
                (false, None) => (list!(""), None),
            };
            (sql, page.args(tx, LISTED, clinic, own).await?)
        }
    };
    let rows = tx.query(sql, &args).await?;
    list_rows(tx, rows, page, read).await
}
