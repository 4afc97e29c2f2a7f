//! Patients.

use nimbus_core::patient::{PatientStatus, identity};
use nimbus_store::{
    Db, Result, Tx,
    page::Page,
    patients::{
        patient_by_identity, patient_get, patient_get_any, patient_insert, patient_list, patient_status,
        patient_update,
    },
    two_engines,
};

use crate::support::{assert_conflict, assert_same, assert_sealed, clinic, day, patient, world};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }

    async fn an_identity_is_once_in_a_clinic(db: Db) {
        let twice = db.write(|tx: &mut Tx| Box::pin(async move {
            let world = world(tx).await?;
            patient_insert(tx, &patient(world.clinic, world.practitioner.id, "JANE")).await
        })).await;
        assert_conflict(twice);
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    let world = world(tx).await?;
    let other = clinic(tx).await?;
    let mut jane = world.patient.clone();
    let ann = patient(world.clinic, world.practitioner.id, "Ann");
    patient_insert(tx, &ann).await?;

    let read = patient_get(tx, world.clinic, jane.id).await?.unwrap();
    assert_same(&read, &jane);
    assert!(read.profile == jane.profile);
    assert_sealed(tx, "select profile from patients where id = $1", jane.id.0, "Evergreen").await;
    assert!(patient_get(tx, other, jane.id).await?.is_none());
    assert_same(&patient_get_any(tx, jane.id).await?, &Some(&jane));

    let who = identity("jané", "Pena", day("1985-03-15"));
    assert_eq!(patient_by_identity(tx, world.clinic, &who).await?, Some(jane.id));
    assert_eq!(patient_by_identity(tx, other, &who).await?, None);
    let found = patient_list(tx, world.clinic, None, Some(&who), &Page::default()).await?;
    assert!(found.items.len() == 1 && found.items[0].id == jane.id);

    jane.status = PatientStatus::Inactive;
    jane.profile.expose_mut().first_name = "Janet".to_owned();
    patient_update(tx, &jane).await?;
    assert_conflict(patient_update(tx, &jane).await);
    jane.version = 2;
    let read = patient_get(tx, world.clinic, jane.id).await?.unwrap();
    assert_same(&read, &jane);
    assert!(read.profile == jane.profile);
    assert_eq!(patient_by_identity(tx, world.clinic, &who).await?, None);
    assert_eq!(patient_status(tx, world.clinic, jane.id).await?, Some(PatientStatus::Inactive));

    let page = Page { limit: 1, ..Page::default() };
    let newest = patient_list(tx, world.clinic, None, None, &page).await?;
    assert!(newest.has_more && newest.items[0].id == ann.id);
    let active = patient_list(tx, world.clinic, Some(PatientStatus::Active), None, &page).await?;
    assert!(!active.has_more && active.items[0].id == ann.id);
    assert!(patient_list(tx, other, None, None, &page).await?.items.is_empty());
    Ok(())
}
