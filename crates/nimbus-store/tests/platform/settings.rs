//! Settings of the installation.

use nimbus_store::{
    Db, Result, Tx,
    settings::{setting_get, setting_set},
    two_engines,
};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    assert_eq!(setting_get(tx, "clock_offset").await?, None);
    setting_set(tx, "clock_offset", "1").await?;
    setting_set(tx, "clock_offset", "2").await?;
    setting_set(tx, "other", "3").await?;
    assert_eq!(setting_get(tx, "clock_offset").await?.as_deref(), Some("2"));
    Ok(())
}
