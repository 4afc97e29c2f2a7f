//! When a refill is too soon for a clinic, where that differs from the deployment.

use nimbus_core::{eligibility::OwnThresholds, ids::ClinicId, time::Ts};

use crate::{engine::Tx, error::Result};

/// The clinic's own; none of either if it never set them.
pub async fn refill_thresholds_get(tx: &mut Tx, clinic: ClinicId) -> Result<OwnThresholds> {
    let sql = "select percent, controlled_percent from refill_thresholds where clinic_id = $1";
    let Some(row) = tx.query_opt(sql, &[clinic.into()]).await? else { return Ok(OwnThresholds::default()) };
    let mut columns = row.columns();
    Ok(OwnThresholds { percent: columns.take()?, controlled_percent: columns.take()? })
}

/// Puts the clinic's own in the place of those before.
pub async fn refill_thresholds_put(
    tx: &mut Tx,
    clinic: ClinicId,
    thresholds: OwnThresholds,
    now: Ts,
) -> Result<()> {
    let sql = "insert into refill_thresholds (clinic_id, percent, controlled_percent, updated_at)
        values ($1, $2, $3, $4)
        on conflict (clinic_id) do update
        set percent = excluded.percent, controlled_percent = excluded.controlled_percent,
            updated_at = excluded.updated_at";
    let args = [clinic.into(), thresholds.percent.into(), thresholds.controlled_percent.into(), now.into()];
    tx.execute(sql, &args).await?;
    Ok(())
}
