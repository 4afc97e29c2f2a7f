//! Running numbers, such as Rx numbers. A number taken by a transaction that rolls back is given again.

use crate::{engine::Tx, error::Result};

/// Takes `count` (at least one) consecutive numbers and returns the first. The counter's row stays locked
/// until the transaction ends: take numbers late in it. A counter that does not exist yet begins at 1.
pub async fn counter_take(tx: &mut Tx, name: &'static str, count: i64) -> Result<i64> {
    let sql = "insert into counters (name, value) values ($1, $2)
        on conflict (name) do update set value = counters.value + excluded.value
        returning value";
    let row = tx.query_one(sql, &[name.into(), count.into()]).await?;
    let last: i64 = row.columns().take()?;
    Ok(last - count + 1)
}
