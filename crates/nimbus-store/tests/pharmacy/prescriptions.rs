//! Prescriptions.

use nimbus_core::{
    ids::PrescriptionId,
    order::MAX_LINES,
    prescription::{DrugSchedule, Prescription, PrescriptionStatus},
};
use nimbus_store::{
    Db, Result, Tx,
    orders::order_insert,
    page::Page,
    patients::patient_insert,
    prescriptions::{
        prescription_get, prescription_get_any, prescription_get_many, prescription_insert_many,
        prescription_list, prescription_of_order, prescription_update,
    },
    two_engines,
};

use crate::support::{assert_conflict, assert_same, assert_sealed, clinic, id, patient, prescription, world};

two_engines! {
    async fn scenario(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(told(tx))).await.unwrap();
    }
}

async fn told(tx: &mut Tx) -> Result<()> {
    let world = world(tx).await?;
    let other = clinic(tx).await?;
    let mut first = world.prescription.clone();
    let more: Vec<Prescription> = (0..MAX_LINES)
        .map(|_| Prescription {
            schedule: DrugSchedule::C3,
            days_supply: None,
            ..prescription(&world.patient)
        })
        .collect();
    prescription_insert_many(tx, &more).await?;

    let read = prescription_get(tx, world.clinic, first.id).await?.unwrap();
    assert_same(&read, &first);
    assert!(read.detail == first.detail);
    assert!(read.drug_id == first.drug_id && read.refrigerated && read.compounded);
    assert_sealed(tx, "select detail from prescriptions where id = $1", first.id.0, "Semaglutide").await;
    assert_sealed(tx, "select drug from prescriptions where id = $1", first.id.0, "semaglutide").await;
    assert!(prescription_get(tx, other, first.id).await?.is_none());
    assert_same(&prescription_get_any(tx, more[0].id).await?, &Some(&more[0]));

    let mut ids: Vec<PrescriptionId> = more.iter().map(|prescription| prescription.id).collect();
    ids.extend([first.id, id()]);
    let many = prescription_get_many(tx, world.clinic, &ids).await?;
    assert_eq!(many.len(), MAX_LINES + 1);
    assert!(prescription_get_many(tx, other, &ids).await?.is_empty());

    let order = world.order(&[more[1].id, first.id]);
    order_insert(tx, &order).await?;
    let of_order = prescription_of_order(tx, world.clinic, order.id).await?;
    assert_same(&of_order, &[&first, &more[1]]);

    first.status = PrescriptionStatus::Completed;
    first.refills_used = 3;
    first.do_not_refill = true;
    (first.drug_id, first.refrigerated, first.compounded) = (None, false, false);
    first.rx_number = Some("1000001".to_owned());
    prescription_update(tx, &first).await?;
    assert_conflict(prescription_update(tx, &first).await);
    first.version = 2;
    assert_same(&prescription_get(tx, world.clinic, first.id).await?, &Some(&first));

    let ann = patient(world.clinic, world.practitioner.id, "Ann");
    patient_insert(tx, &ann).await?;
    prescription_insert_many(tx, &[prescription(&ann)]).await?;
    let page = Page { limit: 5, ..Page::default() };
    let all = prescription_list(tx, world.clinic, None, None, &page).await?;
    assert!(all.has_more && all.items.len() == 5 && all.items[0].patient_id == ann.id);
    let anns = prescription_list(tx, world.clinic, Some(ann.id), None, &page).await?;
    assert!(!anns.has_more && anns.items.len() == 1);
    let completed = Some(PrescriptionStatus::Completed);
    let done = prescription_list(tx, world.clinic, Some(world.patient_id()), completed, &page).await?;
    assert_same(&done.items, &[&first]);
    assert!(prescription_list(tx, world.clinic, Some(ann.id), completed, &page).await?.items.is_empty());
    Ok(())
}
