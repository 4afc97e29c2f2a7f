//! Sealing anew: what older data keys of a clinic, or of the platform, have sealed is sealed by its newest one, so that
//! the older ones can go.

use nimbus_core::{ids::ClinicId, time::Ts};
use uuid::Uuid;

use crate::{
    engine::{Row, Tx, Value},
    error::Result,
    keyring::PLATFORM,
    seal::SealedAt,
};

/// Rows that are looked at in one transaction.
const ROWS_MAX: i64 = 200;

/// A column that holds sealed values, named as in their [`SealedAt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    pub table: &'static str,
    pub column: &'static str,
    pub(crate) read: &'static str,
    pub(crate) write: &'static str,
}

/// First, what is asked of a row when it is read and when it is written: that it is of the clinic, where rows are of one.
macro_rules! sealed {
    ($read_of:literal, $write_of:literal; $($table:literal by $id:literal: $($column:literal)+;)+) => {
        &[$($(Sealed {
            table: $table,
            column: $column,
            read: concat!("select ", $id, ", ", $column, " from ", $table, " where ", $id, " > $1 and ", $column,
                " is not null", $read_of, " order by ", $id, " limit $2"),
            write: concat!("update ", $table, " set ", $column, " = $3 where ", $id, " = $1 and ", $column,
                " = $2", $write_of),
        },)+)+]
    };
}

/// Every column of clinics' values but the stored replies of idempotency keys, which have no clinic and are gone after a
/// day.
pub const SEALED: &[Sealed] = sealed! {
    " and clinic_id = $3", " and clinic_id = $4";
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

/// Every column that the platform's own keys seal, but the stored replies.
pub const SEALED_BY_PLATFORM: &[Sealed] = sealed! {
    "", "";
    "audit_keys" by "id": "key_pair";
    "inventory_moves" by "id": "note";
    "staff_users" by "id": "totp_secret";
};

/// The columns of a clinic, or of [`PLATFORM`].
pub fn sealed_of(owner: ClinicId) -> &'static [Sealed] {
    if owner == PLATFORM { SEALED_BY_PLATFORM } else { SEALED }
}

/// Rows are found by their clinic as well, but for the platform's.
fn with_owner<const N: usize>(args: [Value; N], owner: ClinicId) -> Vec<Value> {
    args.into_iter().chain((owner != PLATFORM).then(|| owner.into())).collect()
}

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

/// Seals some values of a clinic or of the platform anew, or only counts them: those of one of its columns, after a row.
pub async fn reseal_step(
    tx: &mut Tx,
    owner: ClinicId,
    sealed: &'static Sealed,
    after: Option<Uuid>,
    count_only: bool,
) -> Result<Step> {
    let after = after.unwrap_or(Uuid::nil());
    let rows = tx.query(sealed.read, &with_owner([after.into(), ROWS_MAX.into()], owner)).await?;
    let keys = tx.keys(owner).await?;
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
                let args = [row.into(), value.into(), keys.seal(at, &plain).into()];
                // Whoever has written it meanwhile has sealed it by the newest key.
                tx.execute(sealed.write, &with_owner(args, owner)).await?;
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

/// The data keys of a clinic or of the platform: versions and when each was made, oldest first.
pub async fn data_keys(tx: &mut Tx, owner: ClinicId) -> Result<Vec<(u32, Ts)>> {
    let sql =
        "select version, created_at from clinic_keys where clinic_id = $1 and kind = 'data' order by version";
    let read = |row: &Row| {
        let mut columns = row.columns();
        Ok((columns.take()?, columns.take()?))
    };
    tx.query(sql, &[owner.into()]).await?.iter().map(read).collect()
}

/// Destroys the data keys below a version, of a clinic or of the platform; how many. What they sealed cannot be opened
/// any more: see to it that there is nothing.
pub async fn data_keys_prune(tx: &mut Tx, owner: ClinicId, below: u32) -> Result<u64> {
    let sql = "delete from clinic_keys where clinic_id = $1 and kind = 'data' and version < $2
        and exists (select 1 from clinic_keys k where k.clinic_id = $1 and k.kind = 'data' and k.version >= $2)";
    tx.key_changes.push((owner, None));
    tx.execute(sql, &[owner.into(), below.into()]).await
}
