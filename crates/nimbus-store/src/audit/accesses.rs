//! Who had to do with one patient's records: what an accounting of disclosures is made of (45 CFR 164.528).

use nimbus_core::{
    ids::{ClinicId, PatientId},
    time::Ts,
};
use uuid::Uuid;

use super::{AuditRow, Range, chain::read_link, chain_range, read_columns};
use crate::{
    engine::{Row, Tx, Value},
    error::Result,
    page::page_ids,
};

/// Records of one patient that are looked for, at most: the newest ones.
const RECORDS_MAX: i64 = 5_000;
/// Records that one statement looks for.
const AT_ONCE: usize = 100;

/// Which accesses are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub patient: PatientId,
    /// Of this time or later.
    pub from: Option<Ts>,
    /// Of before this time.
    pub until: Option<Ts>,
    /// Only links before this one.
    pub before: Option<i64>,
    /// 1 to 100.
    pub limit: u32,
}

/// An entry of the log with who it names, as they are called now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The link's number.
    pub sequence: i64,
    pub row: AuditRow,
    /// The name of the key, the token or the member of staff, if it is still there.
    pub name: Option<String>,
    /// The partner whose key it is.
    pub organisation: Option<String>,
}

/// A page of accesses, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accesses {
    pub items: Vec<Access>,
    /// Where to go on, if there is more.
    pub before: Option<i64>,
}

/// The clinic that has a patient.
pub async fn patient_clinic(tx: &mut Tx, patient: PatientId) -> Result<Option<ClinicId>> {
    let row = tx.query_opt("select clinic_id from patients where id = $1", &[patient.into()]).await?;
    row.map(|row| row.columns().take()).transpose()
}

/// The ids of what is a clinic's of a patient: the patient, and every record that is about them.
async fn records(tx: &mut Tx, clinic: ClinicId, patient: PatientId) -> Result<Vec<Uuid>> {
    let sql = "select id from (
            select id from orders where clinic_id = $1 and patient_id = $2
            union all
            select l.id from orders o join order_lines l on l.clinic_id = o.clinic_id and l.order_id = o.id
                where o.clinic_id = $1 and o.patient_id = $2
            union all
            select id from prescriptions where clinic_id = $1 and patient_id = $2
            union all
            select id from refills where clinic_id = $1 and patient_id = $2
            union all
            select id from shipments where clinic_id = $1 and patient_id = $2) records
        order by id desc limit $3";
    let rows = tx.query(sql, &[clinic.into(), patient.into(), RECORDS_MAX.into()]).await?;
    let mut ids = vec![patient.0];
    for row in rows {
        ids.push(row.columns().take()?);
    }
    Ok(ids)
}

/// Looks for every access to a patient of a clinic and to what is about them, among what is linked.
pub async fn accesses(tx: &mut Tx, clinic: ClinicId, wanted: &Wanted) -> Result<Accesses> {
    let limit = usize::try_from(wanted.limit.clamp(1, 100)).unwrap_or(1);
    let ids = records(tx, clinic, wanted.patient).await?;
    let mut found = linked(tx, &ids, wanted, limit + 1).await?;
    found.sort_unstable_by_key(|(sequence, _)| std::cmp::Reverse(*sequence));
    let has_more = found.len() > limit;
    found.truncate(limit);
    let before = found.last().map(|(sequence, _)| *sequence).filter(|_| has_more);
    let mut items: Vec<Access> = Vec::with_capacity(found.len());
    for (sequence, row) in found {
        let same = |other: &&Access| other.row.actor == row.actor && other.row.actor_kind == row.actor_kind;
        let (name, organisation) = match items.iter().find(same) {
            Some(other) => (other.name.clone(), other.organisation.clone()),
            None => named(tx, &row).await?,
        };
        items.push(Access { sequence, row, name, organisation });
    }
    Ok(Accesses { items, before })
}

/// The newest links of records, in no order: at least the newest `limit` of all of them.
async fn linked(tx: &mut Tx, ids: &[Uuid], wanted: &Wanted, limit: usize) -> Result<Vec<(i64, AuditRow)>> {
    let sql = concat!(
        "select l.sequence, l.position, l.audit_id, l.hash, l.clinic_id, l.subject_id,
            a.id, a.clinic_id, a.at, a.actor_kind, a.actor, a.action, a.subject, a.subject_id, a.request_id,
            a.address, a.reason
        from audit_links l join audit a on a.position = l.position and a.id = l.audit_id
        where l.sequence > $1 and l.sequence < $102 and a.at >= $103 and a.at < $104 and l.subject_id in (",
        page_ids!(),
        ") order by l.sequence desc limit $105"
    );
    // What is not signed yet is looked at in any case.
    let Range { after, .. } = chain_range(tx, wanted.from, wanted.until).await?;
    let from = wanted.from.unwrap_or(crate::page::EARLIEST);
    let until = wanted.until.unwrap_or(crate::page::LATEST);
    let mut found = Vec::new();
    for some in ids.chunks(AT_ONCE) {
        let mut args = vec![after.into()];
        args.extend(some.iter().map(|&id| Value::from(id)));
        // The text has a fixed number of places; nothing equals null.
        args.resize(1 + AT_ONCE, Value::Null);
        let before = wanted.before.unwrap_or(i64::MAX);
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        args.extend([before.into(), from.into(), until.into(), most.into()]);
        let rows = tx.query(sql, &args).await?;
        found.extend(rows.iter().map(read).collect::<Result<Vec<_>>>()?);
    }
    Ok(found)
}

fn read(row: &Row) -> Result<(i64, AuditRow)> {
    let mut columns = row.columns();
    let link = read_link(&mut columns)?;
    Ok((link.sequence, read_columns(&mut columns)?))
}

/// The name of who acted, and the partner that is behind them.
async fn named(tx: &mut Tx, row: &AuditRow) -> Result<(Option<String>, Option<String>)> {
    let Ok(actor) = Uuid::parse_str(&row.actor) else { return Ok((None, None)) };
    let sql = match row.actor_kind.as_str() {
        "key" => {
            "select k.name, p.name from api_keys k
                join clinics c on c.id = k.clinic_id join partners p on p.id = c.partner_id
            where k.id = $1"
        }
        "user" => "select u.name, cast(null as text) from staff_users u where u.id = $1",
        _ => "select t.name, cast(null as text) from ops_tokens t where t.id = $1",
    };
    let Some(row) = tx.query_opt(sql, &[actor.into()]).await? else { return Ok((None, None)) };
    let mut columns = row.columns();
    Ok((columns.take()?, columns.take()?))
}
