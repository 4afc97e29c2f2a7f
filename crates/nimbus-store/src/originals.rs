//! The valid originals of prescriptions: bound once, never changed.

use nimbus_core::{
    ids::{ClinicId, OrderId, PrescriptionId},
    order::MAX_LINES,
    original::{Original, OriginalKind},
    phi::Phi,
    time::Ts,
};

use crate::{
    documents,
    engine::{Tx, Value},
    error::Result,
    rows::word,
    seal::SealedAt,
};

/// An original as it was stored.
#[derive(Debug, Clone)]
pub struct OriginalRow {
    pub kind: OriginalKind,
    pub reference: Phi<String>,
    pub note: Option<Phi<String>>,
    pub received_at: Ts,
    /// `key`, `staff` or `system`.
    pub actor_kind: String,
    /// The actor's id, or the part of the platform that acted.
    pub actor: String,
    pub bound_at: Ts,
}

const fn sealed_at(id: PrescriptionId, column: &'static str) -> SealedAt {
    SealedAt { table: "bound_originals", column, row: id.0 }
}

/// Binds an original; false if the prescription has one already, which stays.
pub async fn original_insert(tx: &mut Tx, original: &Original) -> Result<bool> {
    let keys = tx.keys(original.clinic_id).await?;
    let at = |column| sealed_at(original.prescription_id, column);
    let sql = "insert into bound_originals
        (clinic_id, prescription_id, kind, reference, note, received_at, actor_kind, actor, bound_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        on conflict (clinic_id, prescription_id) do nothing";
    let args = [
        original.clinic_id.into(),
        original.prescription_id.into(),
        original.kind.as_str().into(),
        keys.seal(at("reference"), original.reference.expose().as_bytes()).into(),
        documents::seal_text(&keys, at("note"), original.note.as_ref()).into(),
        original.received_at.into(),
        original.bound_by.kind().into(),
        original.bound_by.name().into(),
        original.bound_at.into(),
    ];
    Ok(tx.execute(sql, &args).await? == 1)
}

pub async fn original_get(
    tx: &mut Tx,
    clinic: ClinicId,
    prescription: PrescriptionId,
) -> Result<Option<OriginalRow>> {
    let sql = "select kind, reference, note, received_at, actor_kind, actor, bound_at
        from bound_originals where clinic_id = $1 and prescription_id = $2";
    let Some(row) = tx.query_opt(sql, &[clinic.into(), prescription.into()]).await? else { return Ok(None) };
    let keys = tx.keys(clinic).await?;
    let mut columns = row.columns();
    let text = |column, sealed| documents::open_text(&keys, sealed_at(prescription, column), sealed);
    Ok(Some(OriginalRow {
        kind: word(&columns.take::<String>()?, OriginalKind::parse, "bound_originals.kind")?,
        reference: text("reference", columns.take()?)?.unwrap_or_else(|| Phi::new(String::new())),
        note: text("note", columns.take()?)?,
        received_at: columns.take()?,
        actor_kind: columns.take()?,
        actor: columns.take()?,
        bound_at: columns.take()?,
    }))
}

/// Those of an order's prescriptions that have a valid original.
pub async fn originals_of_order(
    tx: &mut Tx,
    clinic: ClinicId,
    order: OrderId,
) -> Result<Vec<PrescriptionId>> {
    let sql = "select prescription_id from bound_originals
        where clinic_id = $1
            and prescription_id in (select prescription_id from order_lines where clinic_id = $1 and order_id = $2)
        order by prescription_id";
    tx.query(sql, &[clinic.into(), order.into()]).await?.iter().map(|row| row.columns().take()).collect()
}

/// Those of the prescriptions that have a valid original; at most [`MAX_LINES`] are asked about.
pub async fn originals_bound(
    tx: &mut Tx,
    clinic: ClinicId,
    prescriptions: &[PrescriptionId],
) -> Result<Vec<PrescriptionId>> {
    let sql = "select prescription_id from bound_originals
        where clinic_id = $1
            and prescription_id in ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                $19, $20, $21, $22, $23, $24, $25, $26)
        order by prescription_id";
    let mut args = vec![clinic.into()];
    args.extend(prescriptions.iter().take(MAX_LINES).map(|&id| Value::from(id)));
    // The text has a fixed number of places; nothing equals null.
    args.resize(1 + MAX_LINES, Value::Null);
    tx.query(sql, &args).await?.iter().map(|row| row.columns().take()).collect()
}
