//! Partners, their business associate agreements, and their clinics: the tenants.

use nimbus_core::{
    access::Environment,
    ids::{BaaId, ClinicId, PartnerId},
    time::{Date, Ts},
    words,
};

use crate::{
    engine::{Columns, Row, Tx, Value},
    error::Result,
    keyring,
    page::{Page, Slice, page_end_any, page_where_any, page_where_made},
    rows::{changed_one, word},
};

words! {
    /// Where a partner stands.
    pub enum PartnerStatus {
        Pending = "pending",
        Approved = "approved",
        Suspended = "suspended",
    }
}

/// A company that integrates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    pub id: PartnerId,
    pub name: String,
    pub status: PartnerStatus,
    pub created_at: Ts,
    pub updated_at: Ts,
}

/// A business associate agreement on record (45 CFR 164.504(e)), in force from its first day through its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baa {
    pub id: BaaId,
    pub partner_id: PartnerId,
    pub effective_on: Date,
    pub ends_on: Option<Date>,
    /// A hash of the signed document, as its keeper computes it.
    pub document_hash: String,
    pub created_at: Ts,
}

/// A clinic: the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clinic {
    pub id: ClinicId,
    pub partner_id: PartnerId,
    pub name: String,
    pub created_at: Ts,
    pub updated_at: Ts,
    pub version: i64,
    pub deleted_at: Option<Ts>,
    /// How far its business time is ahead of the deployment's, in microseconds. Only a sandbox's is ever moved.
    pub clock_ahead_us: i64,
}

/// What a deployment asks of a partner before anything of its clinics goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Its approval: a sandbox.
    Approval,
    /// An agreement in force besides: production.
    Agreement,
}

impl Gate {
    pub const fn of(environment: Environment) -> Self {
        match environment {
            Environment::Sandbox => Self::Approval,
            Environment::Production => Self::Agreement,
        }
    }

    /// Whether a partner's standing is enough.
    pub fn admits(self, status: PartnerStatus, baa_in_force: bool) -> bool {
        status == PartnerStatus::Approved && (baa_in_force || self == Self::Approval)
    }

    /// The first argument of [`clinic_passes`].
    pub(crate) fn asks_agreement(self) -> Value {
        (self == Self::Agreement).into()
    }
}

/// Whether a clinic is there and its partner passes a [`Gate`]: by the column of the clinic's id and the places of two
/// arguments, whether an agreement is asked for and the day (of UTC). It is asked row by row: as `exists` PostgreSQL
/// would join the tables, and lose the order of the rows.
macro_rules! clinic_passes {
    ($clinic:literal, $asks:literal, $day:literal) => {
        concat!(
            "(select 1 from clinics c join partners p on p.id = c.partner_id
                where c.id = ",
            $clinic,
            " and c.deleted_at is null and p.status = 'approved'
                and (not ",
            $asks,
            " or exists (
                    select 1 from baas b
                    where b.partner_id = p.id and b.effective_on <= ",
            $day,
            " and (b.ends_on is null or b.ends_on >= ",
            $day,
            ")))) is not null"
        )
    };
}
pub(crate) use clinic_passes;

/// Columns of `partners p`.
macro_rules! partner_columns {
    () => {
        "p.id, p.name, p.status, p.created_at, p.updated_at"
    };
}
pub(crate) use partner_columns;

/// Columns of `clinics c`.
macro_rules! clinic_columns {
    () => {
        "c.id, c.partner_id, c.name, c.created_at, c.updated_at, c.version, c.deleted_at, c.clock_ahead_us"
    };
}
pub(crate) use clinic_columns;

macro_rules! baa_columns {
    () => {
        "id, partner_id, effective_on, ends_on, document_hash, created_at"
    };
}
pub(crate) use baa_columns;

pub(crate) fn read_partner(columns: &mut Columns<'_>) -> Result<Partner> {
    Ok(Partner {
        id: columns.take()?,
        name: columns.take()?,
        status: word(&columns.take::<String>()?, PartnerStatus::parse, "partners.status")?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
    })
}

pub(crate) fn read_clinic(columns: &mut Columns<'_>) -> Result<Clinic> {
    Ok(Clinic {
        id: columns.take()?,
        partner_id: columns.take()?,
        name: columns.take()?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
        version: columns.take()?,
        deleted_at: columns.take()?,
        clock_ahead_us: columns.take()?,
    })
}

pub(crate) fn read_baa(row: &Row) -> Result<Baa> {
    let mut columns = row.columns();
    Ok(Baa {
        id: columns.take()?,
        partner_id: columns.take()?,
        effective_on: columns.take()?,
        ends_on: columns.take()?,
        document_hash: columns.take()?,
        created_at: columns.take()?,
    })
}

pub async fn partner_insert(tx: &mut Tx, partner: &Partner) -> Result<()> {
    let sql = "insert into partners (id, name, status, created_at, updated_at) values ($1, $2, $3, $4, $5)";
    let args = [
        partner.id.into(),
        partner.name.as_str().into(),
        partner.status.as_str().into(),
        partner.created_at.into(),
        partner.updated_at.into(),
    ];
    tx.execute(sql, &args).await?;
    Ok(())
}

pub async fn partner_get(tx: &mut Tx, id: PartnerId) -> Result<Option<Partner>> {
    let sql = concat!("select ", partner_columns!(), " from partners p where p.id = $1");
    tx.query_opt(sql, &[id.into()]).await?.map(|row| read_partner(&mut row.columns())).transpose()
}

/// The newest 1,000 partners, newest first.
pub async fn partner_list(tx: &mut Tx) -> Result<Vec<Partner>> {
    let sql = concat!("select ", partner_columns!(), " from partners p order by p.id desc limit 1000");
    tx.query(sql, &[]).await?.iter().map(|row| read_partner(&mut row.columns())).collect()
}

/// Partners, newest first: all, or those of one status.
pub async fn partner_page(tx: &mut Tx, status: Option<PartnerStatus>, page: &Page) -> Result<Slice<Partner>> {
    let sql = concat!(
        "select ",
        partner_columns!(),
        " from partners p where (p.status = $7 or $7 is null) and ",
        page_where_any!(),
        page_end_any!()
    );
    let rows = tx.query(sql, &page.args_any([status.map(PartnerStatus::as_str).into()])).await?;
    let partners = rows.iter().map(|row| read_partner(&mut row.columns())).collect::<Result<_>>()?;
    Ok(page.slice_plain(partners, |partner: &Partner| partner.id.0))
}

/// Whether there is such a partner.
pub async fn partner_status_set(tx: &mut Tx, id: PartnerId, status: PartnerStatus, now: Ts) -> Result<bool> {
    let sql = "update partners set status = $2, updated_at = $3 where id = $1";
    Ok(tx.execute(sql, &[id.into(), status.as_str().into(), now.into()]).await? == 1)
}

pub async fn baa_insert(tx: &mut Tx, baa: &Baa) -> Result<()> {
    let sql = "insert into baas (id, partner_id, effective_on, ends_on, document_hash, created_at)
        values ($1, $2, $3, $4, $5, $6)";
    let args = [
        baa.id.into(),
        baa.partner_id.into(),
        baa.effective_on.into(),
        baa.ends_on.into(),
        baa.document_hash.as_str().into(),
        baa.created_at.into(),
    ];
    tx.execute(sql, &args).await?;
    Ok(())
}

/// Sets the last day of an agreement; whether there is such an agreement.
pub async fn baa_end(tx: &mut Tx, id: BaaId, ends_on: Date) -> Result<bool> {
    let sql = "update baas set ends_on = $2 where id = $1";
    Ok(tx.execute(sql, &[id.into(), ends_on.into()]).await? == 1)
}

pub async fn baa_get(tx: &mut Tx, id: BaaId) -> Result<Option<Baa>> {
    let sql = concat!("select ", baa_columns!(), " from baas where id = $1");
    tx.query_opt(sql, &[id.into()]).await?.as_ref().map(read_baa).transpose()
}

/// The agreements of a partner, newest first.
pub async fn baa_page(tx: &mut Tx, partner: PartnerId, page: &Page) -> Result<Slice<Baa>> {
    let sql = concat!(
        "select ",
        baa_columns!(),
        " from baas where partner_id = $7 and ",
        page_where_made!(),
        page_end_any!()
    );
    let rows = tx.query(sql, &page.args_any([partner.into()])).await?;
    Ok(page.slice_plain(rows.iter().map(read_baa).collect::<Result<_>>()?, |baa: &Baa| baa.id.0))
}

/// The newest 1,000 agreements of a partner, newest first.
pub async fn baa_list(tx: &mut Tx, partner: PartnerId) -> Result<Vec<Baa>> {
    let sql =
        concat!("select ", baa_columns!(), " from baas where partner_id = $1 order by id desc limit 1000");
    tx.query(sql, &[partner.into()]).await?.iter().map(read_baa).collect()
}

/// Whether the partner has an agreement in force on this day (of UTC).
pub async fn baa_in_force(tx: &mut Tx, partner: PartnerId, today: Date) -> Result<bool> {
    let sql = "select exists (
        select 1 from baas
        where partner_id = $1 and effective_on <= $2 and (ends_on is null or ends_on >= $2))";
    tx.query_one(sql, &[partner.into(), today.into()]).await?.columns().take()
}

/// Adds a clinic and makes its keys.
pub async fn clinic_insert(tx: &mut Tx, clinic: &Clinic) -> Result<()> {
    let sql =
        "insert into clinics (id, partner_id, name, created_at, updated_at, version, deleted_at, clock_ahead_us)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let args = [
        clinic.id.into(),
        clinic.partner_id.into(),
        clinic.name.as_str().into(),
        clinic.created_at.into(),
        clinic.updated_at.into(),
        clinic.version.into(),
        clinic.deleted_at.into(),
        clinic.clock_ahead_us.into(),
    ];
    tx.execute(sql, &args).await?;
    keyring::clinic_keys_create(tx, clinic.id, clinic.created_at).await
}

/// A clinic, a deleted one too.
pub async fn clinic_get(tx: &mut Tx, id: ClinicId) -> Result<Option<Clinic>> {
    let sql = concat!("select ", clinic_columns!(), " from clinics c where c.id = $1");
    tx.query_opt(sql, &[id.into()]).await?.map(|row| read_clinic(&mut row.columns())).transpose()
}

/// The newest 1,000 clinics of a partner, or of all, newest first, without the deleted ones.
pub async fn clinic_list(tx: &mut Tx, partner: Option<PartnerId>) -> Result<Vec<Clinic>> {
    let sql = concat!(
        "select ",
        clinic_columns!(),
        " from clinics c where (c.partner_id = $1 or $1 is null) and c.deleted_at is null
          order by c.id desc limit 1000"
    );
    tx.query(sql, &[partner.into()]).await?.iter().map(|row| read_clinic(&mut row.columns())).collect()
}

/// Clinics that are not deleted, newest first: of all partners, or of one.
pub async fn clinic_page(tx: &mut Tx, partner: Option<PartnerId>, page: &Page) -> Result<Slice<Clinic>> {
    let sql = concat!(
        "select ",
        clinic_columns!(),
        " from clinics c where (c.partner_id = $7 or $7 is null) and c.deleted_at is null and ",
        page_where_any!(),
        page_end_any!()
    );
    let rows = tx.query(sql, &page.args_any([partner.into()])).await?;
    let clinics = rows.iter().map(|row| read_clinic(&mut row.columns())).collect::<Result<_>>()?;
    Ok(page.slice_plain(clinics, |clinic: &Clinic| clinic.id.0))
}

/// Writes the name of a clinic that was read at `clinic.version`.
///
/// # Errors
/// `Conflict` if somebody has written it since.
pub async fn clinic_update(tx: &mut Tx, clinic: &Clinic) -> Result<()> {
    let sql = "update clinics set name = $2, updated_at = $3, version = version + 1
        where id = $1 and version = $4 and deleted_at is null";
    let args =
        [clinic.id.into(), clinic.name.as_str().into(), clinic.updated_at.into(), clinic.version.into()];
    changed_one(tx.execute(sql, &args).await?)
}

/// Marks a clinic as deleted; whether there was one that was not. Its rows and keys stay.
pub async fn clinic_delete_soft(tx: &mut Tx, id: ClinicId, now: Ts) -> Result<bool> {
    let sql = "update clinics set deleted_at = $2, updated_at = $2, version = version + 1
        where id = $1 and deleted_at is null";
    Ok(tx.execute(sql, &[id.into(), now.into()]).await? == 1)
}

/// Whether a clinic is there and its partner passes the gate on this day (of UTC).
pub async fn clinic_in_force(tx: &mut Tx, id: ClinicId, gate: Gate, today: Date) -> Result<bool> {
    let sql = concat!("select ", clinic_passes!("$1", "$2", "$3"));
    tx.query_one(sql, &[id.into(), gate.asks_agreement(), today.into()]).await?.columns().take()
}

/// How far a clinic's business time is ahead of the deployment's, in microseconds; 0 for a clinic that there is not.
pub async fn clinic_clock(tx: &mut Tx, id: ClinicId) -> Result<i64> {
    let row = tx.query_opt("select clock_ahead_us from clinics where id = $1", &[id.into()]).await?;
    row.map_or(Ok(0), |row| row.columns().take())
}

/// How far the clock is ahead of the deployment's that is furthest, in microseconds.
pub async fn clinic_clock_furthest(tx: &mut Tx) -> Result<i64> {
    let row = tx.query_one("select max(clock_ahead_us) from clinics where clock_ahead_us > 0", &[]).await?;
    Ok(row.columns().take::<Option<i64>>()?.unwrap_or(0))
}

/// As [`clinic_clock`], and nobody else moves it until this transaction ends; `None` for a clinic that there is not.
pub async fn clinic_clock_lock(tx: &mut Tx, id: ClinicId) -> Result<Option<i64>> {
    let sql = "update clinics set clock_ahead_us = clock_ahead_us where id = $1 and deleted_at is null
        returning clock_ahead_us";
    tx.query_opt(sql, &[id.into()]).await?.map(|row| row.columns().take()).transpose()
}

/// Moves a clinic's clock. It never goes back.
pub async fn clinic_clock_set(tx: &mut Tx, id: ClinicId, ahead_us: i64) -> Result<()> {
    let sql = "update clinics set clock_ahead_us = $2 where id = $1 and clock_ahead_us < $2";
    tx.execute(sql, &[id.into(), ahead_us.into()]).await?;
    Ok(())
}
