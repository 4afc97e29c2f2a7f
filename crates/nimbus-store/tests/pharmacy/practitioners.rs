//! Practitioners.

use nimbus_core::practitioner::PractitionerStatus;
use nimbus_store::{
    Db, Result, Tx,
    page::Page,
    practitioners::{
        practitioner_by_npi, practitioner_get, practitioner_get_any, practitioner_insert, practitioner_list,
        practitioner_status, practitioner_update,
    },
    two_engines,
};

use crate::support::{assert_conflict, assert_same, assert_sealed, clinic, id, now, practitioner};

const NPI: &str = "1234567893";

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn an_npi_is_once_in_a_clinic(db: Db) {
        let twice = db.write(|tx: &mut Tx| Box::pin(async move {
            let clinic = clinic(tx).await?;
            practitioner_insert(tx, &practitioner(clinic), Some(NPI)).await?;
            practitioner_insert(tx, &practitioner(clinic), Some(NPI)).await
        })).await;
        assert_conflict(twice);
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    let (clinic, other) = (clinic(tx).await?, clinic(tx).await?);
    let mut first = practitioner(clinic);
    practitioner_insert(tx, &first, Some(NPI)).await?;
    practitioner_insert(tx, &practitioner(other), Some(NPI)).await?;

    let read = practitioner_get(tx, clinic, first.id).await?.unwrap();
    assert_same(&read, &first);
    assert!(read.profile == first.profile);
    assert_sealed(tx, "select profile from practitioners where id = $1", first.id.0, "Okafor").await;
    assert!(practitioner_get(tx, other, first.id).await?.is_none());
    assert_same(&practitioner_get_any(tx, first.id).await?, &Some(&first));
    assert!(practitioner_get_any(tx, id()).await?.is_none());
    assert_eq!(practitioner_by_npi(tx, clinic, NPI).await?, Some(first.id));
    assert_eq!(practitioner_by_npi(tx, clinic, "1000000004").await?, None);

    first.status = PractitionerStatus::Active;
    first.updated_at = now().plus_seconds(1);
    first.profile.expose_mut().phone = None;
    practitioner_update(tx, &first, None).await?;
    assert_conflict(practitioner_update(tx, &first, None).await);
    first.version = 2;
    let read = practitioner_get(tx, clinic, first.id).await?.unwrap();
    assert_same(&read, &first);
    assert!(read.profile == first.profile);
    assert_eq!(practitioner_by_npi(tx, clinic, NPI).await?, None);
    assert_eq!(practitioner_status(tx, clinic, first.id).await?, Some(PractitionerStatus::Active));
    assert_eq!(practitioner_status(tx, other, first.id).await?, None);

    pages(tx, clinic).await
}

async fn pages(tx: &mut Tx, clinic: nimbus_core::ids::ClinicId) -> Result<()> {
    for _ in 0..2 {
        practitioner_insert(tx, &practitioner(clinic), None).await?;
    }
    let two = Page { limit: 2, ..Page::default() };
    let first = practitioner_list(tx, Some(clinic), None, &two).await?;
    assert!(first.has_more && first.items.len() == 2 && first.items[0].id > first.items[1].id);
    let next = Page { before: Some(first.items[1].id.0), ..two.clone() };
    let last = practitioner_list(tx, Some(clinic), None, &next).await?;
    assert!(!last.has_more && last.items.len() == 1 && last.items[0].id < first.items[1].id);

    let all = practitioner_list(tx, None, None, &Page::default()).await?;
    assert_eq!(all.items.len(), 4);
    let active = practitioner_list(tx, Some(clinic), Some(PractitionerStatus::Active), &two).await?;
    assert_eq!(active.items.len(), 1);
    let since = Page { updated_from: Some(now().plus_seconds(1)), ..Page::default() };
    assert_eq!(practitioner_list(tx, Some(clinic), None, &since).await?.items.len(), 1);
    let until =
        Page { created_from: Some(now()), updated_until: Some(now().plus_seconds(1)), ..Page::default() };
    assert_eq!(practitioner_list(tx, Some(clinic), None, &until).await?.items.len(), 2);
    let before = Page { created_until: Some(now()), ..Page::default() };
    assert!(practitioner_list(tx, Some(clinic), None, &before).await?.items.is_empty());
    Ok(())
}
