//! Labels that are bought, and where clinics ship free of charge.

use nimbus_core::{
    label::{Asked, BoughtLabel, LabelPlan, LabelProvider, LabelPurchase, PurchaseState},
    money::Cents,
    patient::Address,
    phi::Phi,
    shipment::Packed,
    us::State,
};
use nimbus_store::{
    Db, Result, Tx,
    free_shipping::{FreeShipping, free_shipping_list, free_shipping_put},
    label_purchases::{
        label_purchase_asked, label_purchase_by_label, label_purchase_get_any, label_purchase_insert,
        label_purchase_of, label_purchase_update,
    },
    two_engines,
};
use uuid::Uuid;

use crate::support::{assert_conflict, assert_sealed, clinic, id, now};

two_engines! {
    async fn a_label_is_bought_once(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(bought_once(tx))).await.unwrap();
    }

    async fn a_request_finds_its_purchase_while_it_is_open(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(asked(tx))).await.unwrap();
    }

    async fn a_request_has_one_open_purchase(db: Db) {
        assert_conflict(db.write(|tx: &mut Tx| Box::pin(asked_twice(tx))).await);
    }

    async fn a_providers_label_belongs_to_one_purchase(db: Db) {
        let outcome = db.write(|tx: &mut Tx| Box::pin(same_label_twice(tx))).await;
        assert_conflict(outcome);
    }

    async fn free_shipping_is_a_clinics_own(db: Db) {
        db.write(|tx: &mut Tx| Box::pin(free(tx))).await.unwrap();
    }
}

fn purchase(clinic_id: nimbus_core::ids::ClinicId, packed: &[Packed]) -> LabelPurchase {
    let address = Address {
        line_1: "456 Oak Ave".to_owned(),
        line_2: None,
        line_3: None,
        city: "Austin".to_owned(),
        state: "TX".to_owned(),
        postal_code: "78702".to_owned(),
    };
    let notes = Some("Leave at door".to_owned());
    let plan = LabelPlan { packed: packed.to_vec(), notes, weight_oz: 12, address, warnings: Vec::new() };
    LabelPurchase {
        id: id(),
        clinic_id,
        shipment_id: id(),
        provider: LabelProvider::ShipEngine,
        state: PurchaseState::Requested,
        carrier_id: "se-11226".to_owned(),
        service_id: "ups_ground".to_owned(),
        asked: None,
        plan: Phi::new(plan),
        label: None,
        failure: None,
        attempts: 0,
        busy_until: now().plus_seconds(60),
        version: 1,
        created_at: now(),
        updated_at: now(),
    }
}

fn label(label_id: &str) -> BoughtLabel {
    BoughtLabel {
        label_id: Some(label_id.to_owned()),
        tracking_number: "1Z999AA10123456784".to_owned(),
        cost: Some(Cents(1205)),
        document: Some(Phi::new(b"%PDF-1.7 of a label".to_vec())),
    }
}

async fn bought_once(tx: &mut Tx) -> Result<()> {
    let (clinic, other) = (clinic(tx).await?, clinic(tx).await?);
    let packed = [Packed { order_id: id(), line_id: id() }, Packed { order_id: id(), line_id: id() }];
    let mut first = purchase(clinic, &packed);
    assert!(label_purchase_insert(tx, &first).await?);
    assert_eq!(label_purchase_get_any(tx, first.id).await?, Some(first.clone()));
    assert_eq!(label_purchase_of(tx, clinic, first.shipment_id).await?, Some(first.clone()));
    assert_eq!(label_purchase_of(tx, other, first.shipment_id).await?, None);
    assert_sealed(tx, "select plan from label_purchases where id = $1", first.id.0, "Leave").await;

    let second = purchase(clinic, &packed[1..]);
    assert!(!label_purchase_insert(tx, &second).await?, "a label for the line is being bought");
    assert!(label_purchase_insert(tx, &purchase(other, &packed[1..])).await?, "another clinic's line");

    first.become_(PurchaseState::Bought, now()).unwrap();
    first.label = Some(label("se-1"));
    label_purchase_update(tx, &first).await?;
    assert_conflict(label_purchase_update(tx, &first).await);
    first.version = 2;
    assert_eq!(label_purchase_get_any(tx, first.id).await?, Some(first.clone()));
    assert_sealed(tx, "select document from label_purchases where id = $1", first.id.0, "PDF").await;
    assert_eq!(label_purchase_by_label(tx, LabelProvider::ShipEngine, "se-1").await?, Some(first.id));
    assert_eq!(label_purchase_by_label(tx, LabelProvider::BuiltIn, "se-1").await?, None);
    assert!(
        !label_purchase_insert(tx, &purchase(clinic, &packed[..1])).await?,
        "bought, and not attached yet"
    );

    first.become_(PurchaseState::Attached, now()).unwrap();
    label_purchase_update(tx, &first).await?;
    assert!(label_purchase_insert(tx, &purchase(clinic, &packed)).await?, "the lines are free again");
    Ok(())
}

fn asked_under(owner: Uuid, clinic: nimbus_core::ids::ClinicId) -> LabelPurchase {
    let asked = Asked { owner, key: "box-1".to_owned(), fingerprint: [1; 32] };
    let packed = [Packed { order_id: id(), line_id: id() }];
    LabelPurchase { asked: Some(asked), ..purchase(clinic, &packed) }
}

async fn asked(tx: &mut Tx) -> Result<()> {
    let clinic = clinic(tx).await?;
    let (owner, other): (Uuid, Uuid) = (id(), id());
    let mut first = asked_under(owner, clinic);
    assert!(label_purchase_insert(tx, &first).await?);
    assert!(label_purchase_insert(tx, &asked_under(other, clinic)).await?, "another's key");
    assert_eq!(label_purchase_asked(tx, owner, "box-1").await?, Some(first.clone()));
    assert_eq!(label_purchase_asked(tx, owner, "box-2").await?, None);
    first.become_(PurchaseState::Failed, now()).unwrap();
    label_purchase_update(tx, &first).await?;
    assert_eq!(label_purchase_asked(tx, owner, "box-1").await?, None);
    assert!(label_purchase_insert(tx, &asked_under(owner, clinic)).await?, "the key is free again");
    Ok(())
}

async fn asked_twice(tx: &mut Tx) -> Result<()> {
    let (clinic, owner) = (clinic(tx).await?, id());
    for _ in 0..2 {
        label_purchase_insert(tx, &asked_under(owner, clinic)).await?;
    }
    Ok(())
}

async fn same_label_twice(tx: &mut Tx) -> Result<()> {
    let clinic = clinic(tx).await?;
    for _ in 0..2 {
        let mut bought = purchase(clinic, &[Packed { order_id: id(), line_id: id() }]);
        assert!(label_purchase_insert(tx, &bought).await?);
        bought.become_(PurchaseState::Bought, now()).unwrap();
        bought.label = Some(label("se-1"));
        label_purchase_update(tx, &bought).await?;
    }
    Ok(())
}

async fn free(tx: &mut Tx) -> Result<()> {
    let (clinic, other) = (clinic(tx).await?, clinic(tx).await?);
    assert!(free_shipping_list(tx, clinic).await?.is_empty());
    let everywhere = FreeShipping { state: None, service_id: Some("ups_ground".to_owned()) };
    let texas = FreeShipping { state: Some(State::Tx), service_id: None };
    free_shipping_put(tx, clinic, &[texas.clone(), everywhere.clone(), texas.clone()], now()).await?;
    assert_eq!(free_shipping_list(tx, clinic).await?, [everywhere, texas.clone()]);
    assert!(free_shipping_list(tx, other).await?.is_empty());
    free_shipping_put(tx, clinic, std::slice::from_ref(&texas), now()).await?;
    assert_eq!(free_shipping_list(tx, clinic).await?, [texas]);
    free_shipping_put(tx, clinic, &[], now()).await?;
    assert!(free_shipping_list(tx, clinic).await?.is_empty());
    Ok(())
}
