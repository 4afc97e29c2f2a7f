//! The append-only history: who moved what, when, from where to where, and why.

use nimbus_core::{
    history::{Subject, Transition},
    ids::{ClinicId, HistoryId, OrderId},
    phi::Phi,
    time::Ts,
};
use uuid::Uuid;

use crate::{
    documents,
    engine::{Columns, Insert, Row, Statement, Tx, insert_into},
    error::Result,
    rows::{read_rows, word},
    seal::{ClinicKeys, SealedAt},
};

/// One transition, as it was stored.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    pub subject: Subject,
    pub subject_id: Uuid,
    /// `None` for its beginning.
    pub from: Option<String>,
    pub to: String,
    /// `key`, `staff` or `system`.
    pub actor_kind: String,
    /// The actor's id, or the part of the platform that acted.
    pub actor: String,
    pub reason: Option<String>,
    pub note: Option<Phi<String>>,
    pub at: Ts,
}

macro_rules! columns {
    () => {
        "clinic_id, id, subject, subject_id, from_status, to_status, actor_kind, actor, reason, note, at"
    };
}

const fn note_at(id: HistoryId) -> SealedAt {
    SealedAt { table: "history", column: "note", row: id.0 }
}

fn read(columns: &mut Columns<'_>, _: ClinicId, keys: &ClinicKeys) -> Result<HistoryRow> {
    let id: HistoryId = columns.take()?;
    Ok(HistoryRow {
        subject: word(&columns.take::<String>()?, Subject::parse, "history.subject")?,
        subject_id: columns.take()?,
        from: columns.take()?,
        to: columns.take()?,
        actor_kind: columns.take()?,
        actor: columns.take()?,
        reason: columns.take()?,
        note: documents::open_text(keys, note_at(id), columns.take()?)?,
        at: columns.take()?,
    })
}

const OF_ORDER: &str = concat!(
    "select ",
    columns!(),
    " from history where clinic_id = $1 and order_id = $2 order by id desc limit 1000"
);

const INSERT: Insert = insert_into!("history":
    1 "clinic_id" "uuid", 2 "id" "uuid", 3 "subject" "text", 4 "subject_id" "uuid", 5 "from_status" "text",
    6 "to_status" "text", 7 "actor_kind" "text", 8 "actor" "text", 9 "reason" "text", 10 "note" "bytea",
    11 "at" "timestamptz", 12 "order_id" "uuid");

/// The statements that write transitions, for a batch with others. Their ids, made here, keep their order.
pub async fn history_statements(tx: &mut Tx, transitions: &[Transition]) -> Result<Vec<Statement>> {
    let mut statements = Vec::with_capacity(transitions.len());
    for transition in transitions {
        let keys = tx.keys(transition.clinic_id).await?;
        let id = HistoryId(Uuid::now_v7());
        statements.push(Statement::row(
            &INSERT,
            vec![
                transition.clinic_id.into(),
                id.into(),
                transition.subject.as_str().into(),
                transition.subject_id.into(),
                transition.from.into(),
                transition.to.into(),
                transition.by.kind().into(),
                transition.by.name().into(),
                transition.reason.into(),
                documents::seal_text(&keys, note_at(id), transition.note.as_ref()).into(),
                transition.at.into(),
                transition.order_id.into(),
            ],
        ));
    }
    Ok(statements)
}

/// Writes transitions in one batch.
pub async fn history_insert(tx: &mut Tx, transitions: &[Transition]) -> Result<()> {
    let statements = history_statements(tx, transitions).await?;
    tx.batch(statements).await?;
    Ok(())
}

/// The newest 1,000 rows of an order's history, newest last.
pub async fn history_of_order(tx: &mut Tx, clinic: ClinicId, order: OrderId) -> Result<Vec<HistoryRow>> {
    let rows = tx.query(OF_ORDER, &[clinic.into(), order.into()]).await?;
    newest_last(tx, rows).await
}

/// What [`history_of_order`] asks, for [`newest_last`].
pub(crate) fn of_order(clinic: ClinicId, order: OrderId) -> Statement {
    Statement::new(OF_ORDER, vec![clinic.into(), order.into()])
}

/// The newest 1,000 rows about one thing, newest last.
pub async fn history_of_subject(tx: &mut Tx, clinic: ClinicId, subject_id: Uuid) -> Result<Vec<HistoryRow>> {
    let sql = concat!(
        "select ",
        columns!(),
        " from history where clinic_id = $1 and subject_id = $2 order by id desc limit 1000"
    );
    let rows = tx.query(sql, &[clinic.into(), subject_id.into()]).await?;
    newest_last(tx, rows).await
}

pub(crate) async fn newest_last(tx: &mut Tx, rows: Vec<Row>) -> Result<Vec<HistoryRow>> {
    let mut history = read_rows(tx, rows, read).await?;
    history.reverse();
    Ok(history)
}
