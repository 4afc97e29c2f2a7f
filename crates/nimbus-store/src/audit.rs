//! The audit log, append-only: who did what to which record, when, from where, why (45 CFR 164.312(b)). Its rows commit
//! with the facts; a chain beside them tells when one was changed.

mod accesses;
mod chain;
mod checkpoints;
mod encode;
mod keys;
mod rows;
mod search;
mod walk;

use std::borrow::Cow;

use nimbus_core::{
    access::By,
    ids::{AuditId, ClinicId},
    time::Ts,
};
use uuid::Uuid;

pub use accesses::{Access, Accesses, Wanted as AccessesWanted, accesses, patient_clinic};
pub use chain::{
    Head, Link, Standing, Step, chain_advance, chain_head, chain_lease, chain_lease_end, chain_standing,
    chain_step,
};
pub use checkpoints::{Checkpoint, checkpoint_last, checkpoint_over, checkpoint_write};
pub use encode::{BEFORE_FIRST, Hash, checkpoint_content, link_hash, row_hash};
pub use keys::{PublicKey, audit_public_keys};
pub use rows::{Place, Placed};
pub use search::{Found, Linked, Range, Search, audit_search, chain_range, linked_after};
pub use walk::{Difference, Walk, Window, Wrong, walk_begin, walk_on_record, walk_read, walk_write};

use crate::{
    engine::{Columns, Db, Insert, Statement, insert_into},
    error::Result,
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
    pub subject: Cow<'static, str>,
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

impl AuditRow {
    /// What stands for a row whose columns are not what they should be.
    fn unreadable() -> Self {
        Self {
            id: AuditId(Uuid::nil()),
            clinic_id: None,
            at: Ts::from_micros(0),
            actor_kind: String::new(),
            actor: String::new(),
            action: String::new(),
            subject: String::new(),
            subject_id: None,
            request_id: None,
            address: None,
            reason: None,
        }
    }
}

macro_rules! columns {
    () => {
        "id, clinic_id, at, actor_kind, actor, action, subject, subject_id, request_id, address, reason"
    };
}

pub(crate) use columns;

/// Reads a row's [`columns`].
pub(crate) fn read_columns(columns: &mut Columns<'_>) -> Result<AuditRow> {
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
        entry.subject.as_ref().into(),
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
