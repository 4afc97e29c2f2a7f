//! Which rows are one person: practitioners and patients whom several clinics of one partner share.
//!
//! A person is a set of links, at most one a clinic, under the id of the row that it began with. Who asks must
//! have seen to it that the clinics are of one partner.

use nimbus_core::{ids::ClinicId, time::Ts, words};
use uuid::Uuid;

use crate::{
    engine::{Row, Tx, Value},
    error::Result,
    rows::changed_one,
};

words! {
    /// What kind of person a row is.
    pub enum PersonKind {
        Practitioner = "practitioner",
        Patient = "patient",
    }
}

/// One clinic's row of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonLink {
    pub clinic_id: ClinicId,
    /// The practitioner or patient there.
    pub id: Uuid,
    /// The row that the person began with.
    pub person_id: Uuid,
    /// Made by an assignment; the clinic did not have it by itself.
    pub copied: bool,
    pub ended_at: Option<Ts>,
    /// The status that the end of the assignment took the row out of.
    pub ended_from: Option<String>,
}

impl PersonLink {
    pub const fn is_live(&self) -> bool {
        self.ended_at.is_none()
    }
}

macro_rules! links {
    ($condition:literal) => {
        concat!(
            "select clinic_id, id, person_id, copied, ended_at, ended_from from person_links where ",
            $condition
        )
    };
}

fn read(row: &Row) -> Result<PersonLink> {
    let mut columns = row.columns();
    Ok(PersonLink {
        clinic_id: columns.take()?,
        id: columns.take()?,
        person_id: columns.take()?,
        copied: columns.take()?,
        ended_at: columns.take()?,
        ended_from: columns.take()?,
    })
}

/// The link of a clinic's row.
pub async fn person_link(tx: &mut Tx, clinic: ClinicId, id: Uuid) -> Result<Option<PersonLink>> {
    let row = tx.query_opt(links!("clinic_id = $1 and id = $2"), &[clinic.into(), id.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// A person's link in a clinic, an ended one too.
pub async fn person_link_in(tx: &mut Tx, person: Uuid, clinic: ClinicId) -> Result<Option<PersonLink>> {
    let sql = links!("person_id = $1 and clinic_id = $2");
    tx.query_opt(sql, &[person.into(), clinic.into()]).await?.as_ref().map(read).transpose()
}

/// A person's links, ended ones too: at most one a clinic, and at most 1,000.
pub async fn person_links(tx: &mut Tx, person: Uuid) -> Result<Vec<PersonLink>> {
    let sql = links!("person_id = $1 order by clinic_id limit 1000");
    tx.query(sql, &[person.into()]).await?.iter().map(read).collect()
}

/// Writes a link, in the place of the row's one before.
///
/// # Errors
/// `Conflict` if the person has another row in the clinic.
pub async fn person_link_put(tx: &mut Tx, kind: PersonKind, link: &PersonLink, now: Ts) -> Result<()> {
    let sql = "insert into person_links
            (clinic_id, id, person_id, kind, copied, assigned_at, ended_at, ended_from)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (clinic_id, id) do update
        set person_id = excluded.person_id, copied = excluded.copied, assigned_at = excluded.assigned_at,
            ended_at = excluded.ended_at, ended_from = excluded.ended_from";
    let args = [
        link.clinic_id.into(),
        link.id.into(),
        link.person_id.into(),
        kind.as_str().into(),
        link.copied.into(),
        now.into(),
        link.ended_at.into(),
        link.ended_from.as_deref().into(),
    ];
    tx.execute(sql, &args).await?;
    Ok(())
}

/// Ends an assignment. `ended_from` is the status that this took the row out of.
pub async fn person_link_end(
    tx: &mut Tx,
    clinic: ClinicId,
    id: Uuid,
    ended_from: Option<&str>,
    now: Ts,
) -> Result<()> {
    let sql = "update person_links set ended_at = $3, ended_from = $4
        where clinic_id = $1 and id = $2 and ended_at is null";
    changed_one(tx.execute(sql, &[clinic.into(), id.into(), now.into(), ended_from.into()]).await?)
}

/// Finds two persons to be one: the links of `other` become links of `person`. Rows of clinics where `person`
/// has one already are no longer linked.
pub async fn person_merge(tx: &mut Tx, person: Uuid, other: Uuid) -> Result<()> {
    let sql = "delete from person_links
        where person_id = $2 and clinic_id in (select clinic_id from person_links where person_id = $1)";
    tx.execute(sql, &[person.into(), other.into()]).await?;
    let sql = "update person_links set person_id = $1 where person_id = $2";
    tx.execute(sql, &[person.into(), other.into()]).await?;
    Ok(())
}

/// One clinic where a person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonClinic {
    pub clinic_id: ClinicId,
    /// The person's row there.
    pub id: Uuid,
}

/// Rows whose clinics are read at once.
const MANY: usize = 25;

/// In which clinics of the partner each of these rows of a clinic is, its own first. A row that is nowhere else
/// is left out.
pub async fn person_clinics(
    tx: &mut Tx,
    clinic: ClinicId,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, PersonClinic)>> {
    let sql = "select o.id, l.clinic_id, l.id
        from person_links o
            join person_links l on l.person_id = o.person_id
            join clinics own on own.id = o.clinic_id
            join clinics c on c.id = l.clinic_id and c.partner_id = own.partner_id
        where o.clinic_id = $1
            and o.id in ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                         $21, $22, $23, $24, $25, $26)
            and o.ended_at is null and l.ended_at is null and c.deleted_at is null
        order by o.id, l.clinic_id <> $1, l.clinic_id";
    let mut found = Vec::new();
    for some in ids.chunks(MANY) {
        let mut args = vec![clinic.into()];
        args.extend(some.iter().map(|&id| Value::from(id)));
        // The text has a fixed number of places; nothing equals null.
        args.resize(1 + MANY, Value::Null);
        for row in tx.query(sql, &args).await? {
            let mut columns = row.columns();
            let of = columns.take()?;
            found.push((of, PersonClinic { clinic_id: columns.take()?, id: columns.take()? }));
        }
    }
    Ok(found)
}
