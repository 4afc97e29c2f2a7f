//! What a sandbox clinic has gathered, deleted at its reset.

use nimbus_core::ids::ClinicId;
use uuid::Uuid;

use crate::{engine::Tx, error::Result};

/// What is deleted, by table, rows that refer to others first.
const DELETED: &[(&str, &str)] = &[
    ("scans", "delete from scans where clinic_id = $1"),
    ("shipment_lines", "delete from shipment_lines where clinic_id = $1"),
    ("shipments", "delete from shipments where clinic_id = $1"),
    ("refills", "delete from refills where clinic_id = $1"),
    ("holds", "delete from holds where clinic_id = $1"),
    ("order_lines", "delete from order_lines where clinic_id = $1"),
    ("orders", "delete from orders where clinic_id = $1"),
    ("decisions", "delete from decisions where clinic_id = $1"),
    ("bound_originals", "delete from bound_originals where clinic_id = $1"),
    ("prescriptions", "delete from prescriptions where clinic_id = $1"),
    ("history", "delete from history where clinic_id = $1"),
    ("signatures", "delete from signatures where clinic_id = $1"),
    ("person_links", "delete from person_links where clinic_id = $1"),
    ("patients", "delete from patients where clinic_id = $1"),
    ("practitioners", "delete from practitioners where clinic_id = $1"),
    (
        "jobs",
        "delete from jobs where clinic_id = $1
            and kind in ('prescription_expire', 'refill_due', 'onboarding_call', 'sandbox_step', 'license_hold')",
    ),
];

/// The tables of a tenant that a reset leaves as they are: who calls and what is configured, what was told and
/// delivered (so that the ledger stays balanced), labels that were paid for (their own jobs give them back),
/// what fills took from stock, and what is on record.
pub const KEPT: &[&str] = &[
    "api_keys",
    "attempts",
    "audit",
    "clinic_drugs",
    "clinic_keys",
    "deliveries",
    "delivery_ledger",
    "event_sequences",
    "events",
    "free_shipping",
    "inventory_moves",
    "label_claims",
    "label_purchases",
    "legal_holds",
    "notices",
    "ops_tokens",
    "refill_thresholds",
    "replays",
    "staff_break_glass",
    "staff_users",
    "webhook_endpoints",
    "webhook_public_keys",
];

/// The tables that [`clinic_data_delete`] empties of a clinic's rows.
pub fn deleted() -> impl Iterator<Item = &'static str> {
    DELETED.iter().map(|(table, _)| *table)
}

/// Deletes what a clinic has gathered: people, prescriptions, orders, parcels, and their histories and jobs. The
/// answers to its idempotency keys go with them, but for the one that the caller holds: they tell of what is gone.
pub async fn clinic_data_delete(tx: &mut Tx, clinic: ClinicId, held: Option<(Uuid, &str)>) -> Result<()> {
    for (_, sql) in DELETED {
        tx.execute(sql, &[clinic.into()]).await?;
    }
    let answers = "delete from idempotency
        where owner in (select id from api_keys where clinic_id = $1) and not (owner = $2 and key = $3)";
    let (owner, key) = held.unwrap_or((Uuid::nil(), ""));
    tx.execute(answers, &[clinic.into(), owner.into(), key.into()]).await?;
    Ok(())
}
