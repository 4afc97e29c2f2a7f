//! What each clinic may order, and what a new order is checked against.

use nimbus_core::{
    formulary::{Drug, DrugSpecies, Unit},
    identifiers::Ndc,
    practitioner::PractitionerStatus,
    prescription::DrugSchedule,
};
use nimbus_store::{
    Db, Result, Tx,
    clinic_drugs::{clinic_drug_add, clinic_drug_list, clinic_drug_own_any, clinic_drug_remove, clinic_list},
    orders::order_intake,
    two_engines,
};

use crate::support::{assert_same, clinic, id, now, world};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    let world = world(tx).await?;
    let other = clinic(tx).await?;
    let own = Drug {
        id: "own-serum".to_owned(),
        name: "House Serum".to_owned(),
        aliases: Vec::new(),
        form: "cream".to_owned(),
        strength: "2%".to_owned(),
        unit: Unit::Tube,
        packages: Vec::new(),
        schedule: DrugSchedule::C5,
        refrigerated: true,
        compounded: false,
        ndcs: vec![Ndc::parse("0002-7510-01").unwrap()],
        species: DrugSpecies::Veterinary,
    };
    let empty = clinic_list(tx, world.clinic).await?;
    assert!(empty.listed.is_empty() && empty.own.is_empty());
    assert!(clinic_drug_list(tx, world.clinic, "tretinoin-cream-05", now()).await?);
    assert!(!clinic_drug_list(tx, world.clinic, "tretinoin-cream-05", now()).await?);
    assert!(clinic_drug_add(tx, world.clinic, &own, now()).await?);
    assert!(!clinic_drug_add(tx, world.clinic, &own, now()).await?);
    let list = clinic_list(tx, world.clinic).await?;
    assert_eq!(list.listed, ["tretinoin-cream-05".to_owned()].into());
    assert_eq!(list.own, std::slice::from_ref(&own));
    assert!(clinic_list(tx, other).await?.own.is_empty());
    assert_eq!(clinic_drug_own_any(tx, "own-serum").await?, Some(own.clone()));
    assert_eq!(clinic_drug_own_any(tx, "tretinoin-cream-05").await?, None, "listed, and nobody's own");
    tx.execute("update clinic_drugs set unit = null", &[]).await?;
    let of_before = clinic_drug_own_any(tx, "own-serum").await?.map(|drug| drug.unit);
    assert_eq!(of_before, Some(Unit::Gram), "as a cream is counted");
    assert_eq!(tx.execute("update clinic_drugs set unit = 'tube' where name is not null", &[]).await?, 1);

    let intake = order_intake(tx, world.clinic, world.patient_id(), world.practitioner.id).await?;
    assert_same(&intake.patient, &Some(&world.patient));
    assert_eq!(intake.practitioner, Some(world.practitioner.status));
    assert_eq!((intake.drugs.own, intake.drugs.listed), (list.own, list.listed));
    let strangers = order_intake(tx, other, world.patient_id(), world.practitioner.id).await?;
    assert!(strangers.patient.is_none() && strangers.practitioner.is_none());
    assert!(strangers.drugs.listed.is_empty());
    let nobody = order_intake(tx, world.clinic, id(), id()).await?;
    assert_eq!((nobody.patient.is_none(), nobody.practitioner), (true, None::<PractitionerStatus>));

    assert!(!clinic_drug_remove(tx, other, "own-serum").await?);
    assert!(clinic_drug_remove(tx, world.clinic, "own-serum").await?);
    assert!(!clinic_drug_remove(tx, world.clinic, "own-serum").await?);
    assert!(clinic_list(tx, world.clinic).await?.own.is_empty());
    Ok(())
}
