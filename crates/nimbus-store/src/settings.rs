//! Settings of this installation that live in the database, by name.

use crate::{engine::Tx, error::Result};

pub async fn setting_get(tx: &mut Tx, name: &str) -> Result<Option<String>> {
    let row = tx.query_opt("select value from platform_settings where name = $1", &[name.into()]).await?;
    row.map(|row| row.columns().take()).transpose()
}

/// Sets it, whether it was there or not.
pub async fn setting_set(tx: &mut Tx, name: &str, value: &str) -> Result<()> {
    let sql = "insert into platform_settings (name, value) values ($1, $2)
        on conflict (name) do update set value = excluded.value";
    tx.execute(sql, &[name.into(), value.into()]).await?;
    Ok(())
}
