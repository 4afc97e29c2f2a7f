//! Sealing anew: what older data keys of a clinic have sealed is sealed by its newest one, so that the older ones can go.

use nimbus_core::{ids::ClinicId, time::Ts};
use uuid::Uuid;

use crate::{
    engine::{Row, Tx},
    error::Result,
    seal::SealedAt,
};

/// Rows that are looked at in one transaction.
const ROWS_MAX: i64 = 200;

/// A column that holds sealed values of clinics, named as in their [`SealedAt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    pub table: &'static str,
    pub column: &'static str,
    pub(crate) read: &'static str,
    pub(crate) write: &'static str,
}

macro_rules! sealed {
    ($($table:literal by $id:literal: $($column:literal)+;)+) => {
        &[$($(Sealed {
            table: $table,
            column: $column,
            read: concat!("select ", $id, ", ", $column, " from ", $table, " where clinic_id = $1 and ", $id,
                " > $2 and ", $column, " is not null order by ", $id, " limit $3"),
            write: concat!("update ", $table, " set ", $column, " = $4 where clinic_id = $1 and ", $id,
                " = $2 and ", $column, " = $3"),
        },)+)+]
    };
}

/// Every such column but the stored replies of idempotency keys, which have no clinic and are gone after a day. What the
/// platform's own keys seal is not a clinic's.
pub const SEALED: &[Sealed] = sealed! {
    "api_keys" by "id": "secret";
    "attempts" by "id": "response" "response_headers";
    "bound_originals" by "prescription_id": "reference" "note";
    "decisions" by "id": "question";
    "events" by "id": "body";
    "history" by "id": "note";
    "holds" by "id": "note";
    "label_purchases" by "id": "plan" "document";
    "orders" by "id": "shipment_group" "shipping_address" "notes";
    "patients" by "id": "profile";
    "practitioners" by "id": "profile";
    "prescriptions" by "id": "detail" "drug";
    "refills" by "id": "decision_reason" "shipment_group";
    "scans" by "id": "detail";
    "shipments" by "id": "delivery_location" "notes" "cancellation_reason";
    "signatures" by "practitioner_id": "image";
    "webhook_endpoints" by "id": "secret" "previous_secret" "headers" "key_pair" "retiring";
};

/// What a step over one column came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// The last row that was looked at, which the next step goes on after; `None` at the end.
    pub last: Option<Uuid>,
    /// Values that older keys had sealed.
    pub outdated: u64,
    /// Of these, those that do not open: they were altered, or their key is gone. They stay as they are.
    pub unreadable: u64,
}

/// Seals some values of a clinic anew, or only counts them: those of one column, after a row.
pub async fn reseal_step(
    tx: &mut Tx,
    clinic: ClinicId,
    sealed: &'static Sealed,
    after: Option<Uuid>,
    count_only: bool,
) -> Result<Step> {
    let after = after.unwrap_or(Uuid::nil());
    let rows = tx.query(sealed.read, &[clinic.into(), after.into(), ROWS_MAX.into()]).await?;
    let keys = tx.keys(clinic).await?;
    let mut step = Step::default();
    for row in &rows {
        let (row, value) = read(row)?;
        if i64::try_from(rows.len()).is_ok_and(|count| count == ROWS_MAX) {
            step.last = Some(row);
        }
        // One that was let go is empty.
        if !keys.is_outdated(&value) {
            continue;
        }
        step.outdated += 1;
        let at = SealedAt { table: sealed.table, column: sealed.column, row };
        match keys.open(at, &value) {
            Ok(_) if count_only => {}
            Ok(plain) => {
                let plain = zeroize::Zeroizing::new(plain);
                let args = [clinic.into(), row.into(), value.into(), keys.seal(at, &plain).into()];
                // Whoever has written it meanwhile has sealed it by the newest key.
                tx.execute(sealed.write, &args).await?;
            }
            Err(error) if error.unreadable().is_some() => step.unreadable += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(step)
}

fn read(row: &Row) -> Result<(Uuid, Vec<u8>)> {
    let mut columns = row.columns();
    Ok((columns.take()?, columns.take()?))
}

/// The data keys of a clinic: versions and when each was made, oldest first.
pub async fn data_keys(tx: &mut Tx, clinic: ClinicId) -> Result<Vec<(u32, Ts)>> {
    let sql =
        "select version, created_at from clinic_keys where clinic_id = $1 and kind = 'data' order by version";
    let read = |row: &Row| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    };
    tx.query(sql, &[clinic.into()]).await?.iter().map(read).collect()
}

/// Destroys a clinic's data keys below a version; how many. What they sealed cannot be opened any more: see to it that
/// there is nothing.
pub async fn data_keys_prune(tx: &mut Tx, clinic: ClinicId, below: u32) -> Result<u64> {
    let sql = "delete from clinic_keys where clinic_id = $1 and kind = 'data' and version < $2
        and exists (select 1 from clinic_keys k where k.clinic_id = $1 and k.kind = 'data' and k.version >= $2)";
    tx.key_changes.push((clinic, None));
    tx.execute(sql, &[clinic.into(), below.into()]).await
}
