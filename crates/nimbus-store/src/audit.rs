//! The audit log, append-only: who did what to which record, when, from where, why (45 CFR 164.312(b)).

use nimbus_core::{
    access::By,
    ids::{AuditId, ClinicId},
    time::Ts,
};
use uuid::Uuid;

use crate::{
    engine::{Db, Insert, Row, Statement, Tx, insert_into},
    error::Result,
    page::{Page, Slice},
};

/// An access to be put on record. The words are from closed sets of the caller's; `reason` is what the actor
/// gave for it and holds no patient data.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// `None` for an act that belongs to no clinic.
    pub clinic_id: Option<ClinicId>,
    /// Wall time.
    pub at: Ts,
    pub by: By,
    pub action: &'static str,
    pub subject: &'static str,
    pub subject_id: Option<Uuid>,
    pub request_id: Option<String>,
    /// The caller's network address.
    pub address: Option<String>,
    pub reason: Option<String>,
}

/// An entry on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub id: AuditId,
    pub clinic_id: Option<ClinicId>,
    pub at: Ts,
    /// `key`, `staff` or `system`.
    pub actor_kind: String,
    /// The id of the key or token, or the word of the part of the platform.
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub subject_id: Option<Uuid>,
    pub request_id: Option<String>,
    pub address: Option<String>,
    pub reason: Option<String>,
}

macro_rules! columns {
    () => {
        "id, clinic_id, at, actor_kind, actor, action, subject, subject_id, request_id, address, reason"
    };
}

fn read(row: &Row) -> Result<AuditRow> {
    let mut columns = row.columns();
    Ok(AuditRow {
        id: columns.take()?,
        clinic_id: columns.take()?,
        at: columns.take()?,
        actor_kind: columns.take()?,
        actor: columns.take()?,
        action: columns.take()?,
        subject: columns.take()?,
        subject_id: columns.take()?,
        request_id: columns.take()?,
        address: columns.take()?,
        reason: columns.take()?,
    })
}

/// The statements that put entries on record, to ride with the fact itself.
pub fn audit_statements(entries: &[AuditEntry]) -> Vec<Statement> {
    entries.iter().map(statement).collect()
}

fn statement(entry: &AuditEntry) -> Statement {
    let args = vec![
        Uuid::now_v7().into(),
        entry.clinic_id.into(),
        entry.at.into(),
        entry.by.kind().into(),
        entry.by.name().into(),
        entry.action.into(),
        entry.subject.into(),
        entry.subject_id.into(),
        entry.request_id.as_deref().into(),
        entry.address.as_deref().into(),
        entry.reason.as_deref().into(),
    ];
    Statement::row(&INSERT, args)
}

const INSERT: Insert = insert_into!("audit":
    1 "id" "uuid", 2 "clinic_id" "uuid", 3 "at" "timestamptz", 4 "actor_kind" "text", 5 "actor" "text",
    6 "action" "text", 7 "subject" "text", 8 "subject_id" "uuid", 9 "request_id" "text", 10 "address" "text",
    11 "reason" "text");

/// Puts entries on record, at most 1,000, in one commit with those of other callers.
pub async fn audit_append(db: &Db, entries: &[AuditEntry]) -> Result<()> {
    if !entries.is_empty() {
        db.append(audit_statements(entries)).await?;
    }
    Ok(())
}

/// Entries, newest first: of one clinic or of all, about one subject or any. An entry never changes, so both
/// ranges of the page are of its time.
pub async fn audit_list(
    tx: &mut Tx,
    clinic: Option<ClinicId>,
    subject_id: Option<Uuid>,
    page: &Page,
) -> Result<Slice<AuditRow>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from audit
          where id < $2 and (at >= $3 or $3 is null) and (at < $4 or $4 is null)
            and (at >= $5 or $5 is null) and (at < $6 or $6 is null)
            and (clinic_id = $7 or $7 is null) and (subject_id = $8 or $8 is null)
          order by id desc limit $1"
    );
    let rows = tx.query(sql, &page.args_any([clinic.into(), subject_id.into()])).await?;
    Ok(page.slice(rows.iter().map(read).collect::<Result<_>>()?))
}
