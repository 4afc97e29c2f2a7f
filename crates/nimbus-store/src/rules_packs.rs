//! The rules packs that servers have started with, by version and digest. They are the platform's: no clinic's.

use nimbus_core::time::{Date, Ts};

use crate::{
    engine::Tx,
    error::{Error, Result},
};

/// What is on record of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackOnRecord {
    pub version: String,
    /// SHA-256 of what it says.
    pub digest: [u8; 32],
    pub effective_from: Date,
}

/// Every pack on record; none on a database that no server of this release has opened yet.
pub async fn rules_pack_list(tx: &mut Tx) -> Result<Vec<PackOnRecord>> {
    if !tx.table_exists("rules_packs").await? {
        return Ok(Vec::new());
    }
    let sql = "select version, digest, effective_from from rules_packs order by version";
    let rows = tx.query(sql, &[]).await?;
    let read = rows.iter().map(|row| {
        let mut columns = row.columns();
        let (version, digest): (_, Vec<u8>) = (columns.take()?, columns.take()?);
        let digest = digest.try_into().map_err(|_| Error::Corrupt("rules_packs.digest"))?;
        Ok(PackOnRecord { version, digest, effective_from: columns.take()? })
    });
    read.collect()
}

/// Puts a pack on record; false if its version is there already, whatever it says.
pub async fn rules_pack_insert(tx: &mut Tx, pack: &PackOnRecord, now: Ts) -> Result<bool> {
    let sql = "insert into rules_packs (version, digest, effective_from, recorded_at) values ($1, $2, $3, $4)
        on conflict (version) do nothing";
    let args =
        [pack.version.as_str().into(), pack.digest.as_slice().into(), pack.effective_from.into(), now.into()];
    Ok(tx.execute(sql, &args).await? == 1)
}

/// Puts what a version says now in the place of what is on record, if that is something else.
pub async fn rules_pack_replace(tx: &mut Tx, pack: &PackOnRecord, now: Ts) -> Result<()> {
    let sql = "update rules_packs set digest = $2, effective_from = $3, recorded_at = $4
        where version = $1 and digest <> $2";
    let args =
        [pack.version.as_str().into(), pack.digest.as_slice().into(), pack.effective_from.into(), now.into()];
    tx.execute(sql, &args).await.map(drop)
}

/// Whether any clinic's decision names a version.
pub async fn rules_pack_has_decided(tx: &mut Tx, version: &str) -> Result<bool> {
    let sql = "select 1 from decisions where pack_version = $1 limit 1";
    Ok(tx.query_opt(sql, &[version.into()]).await?.is_some())
}
