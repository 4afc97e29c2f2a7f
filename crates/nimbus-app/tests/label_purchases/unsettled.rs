//! Purchases that nobody could finish at once: what nothing waits for any more is given back, and holds nothing up.

use std::time::Duration;

use nimbus_app::{Call, Error, jobs, pharmacy::StaffAct, sandbox};
use nimbus_carriers::{built_in::Accounts, testing::Fault};
use nimbus_core::{
    access::SystemActor,
    ids::LabelPurchaseId,
    label::{LabelProvider, LabelPurchase, PurchaseState},
};
use nimbus_store::{Db, label_purchases as store, two_engines};
use uuid::Uuid;

use crate::{A_DAY, BY_HAND, DEADLINE, Scene, app_with, reason, text};

/// Longer than any test takes.
const FOREVER: Duration = Duration::from_secs(120);

two_engines! {
    async fn nothing_is_bought_for_lines_that_wait_no_more(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::Status(503));
        scene.ship(order).await.unwrap_err();
        scene.work(order, StaffAct::Cancel).await;
        scene.settle().await;
        assert_eq!(scene.provider.made(), 0, "a label was bought for a cancelled order");
        assert_eq!(scene.purchase().await.state, PurchaseState::Voided);
    }

    async fn a_parcel_made_by_hand_has_the_label_on_its_way_given_back(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ship(order).await.unwrap_err();
        scene.ship_by_hand(order).await;
        scene.settle().await;
        scene.settle().await;
        assert_eq!((scene.provider.made(), scene.provider.paid().len()), (1, 0));
        let parcels = scene.parcels(order).await;
        assert_eq!(parcels.len(), 1);
        assert_eq!(parcels[0].tracking_number.as_deref(), Some(BY_HAND));
    }

    async fn a_label_to_where_the_order_no_longer_goes_is_given_back(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ship(order).await.unwrap_err();
        scene.readdress(order, "1 New St").await;
        scene.settle().await;
        scene.settle().await;
        scene.assert_waits(order).await;
        assert!(scene.provider.paid().is_empty(), "a label to the old address is paid for");
        scene.ship(order).await.unwrap();
        scene.assert_one_parcel_paid(order).await;
        let (_, body) = scene.provider.requests().into_iter().rfind(|(line, _)| line == "POST /v1/labels").unwrap();
        assert_eq!(body["shipment"]["ship_to"]["address_line1"], "1 New St");
    }

    async fn a_bought_label_to_where_the_order_no_longer_goes_is_given_back(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ship(order).await.unwrap_err();
        scene.leave_bought().await;
        scene.readdress(order, "1 New St").await;
        scene.settle().await;
        scene.settle().await;
        scene.assert_waits(order).await;
        assert!(scene.provider.paid().is_empty(), "a label to the old address is paid for");
    }

    async fn lines_do_not_wait_for_ever_for_a_purchase_that_cannot_be_looked_for(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::FindFails(401));
        scene.ship(order).await.unwrap_err();
        let left = scene.purchase().await;
        scene.leave(LabelPurchase { attempts: 10, ..left }).await;
        scene.settle().await;
        let given_up = scene.purchase().await;
        assert_eq!(given_up.state, PurchaseState::VoidPending);
        scene.ship(order).await.unwrap();
        assert_eq!(scene.provider.paid().len(), 2);
        scene.settle().await;
        scene.settle().await;
        let parcel = scene.assert_one_parcel_paid(order).await;
        assert_ne!(parcel.id, given_up.shipment_id);
    }

    async fn a_reset_gives_back_what_was_paid(db: Db) {
        let scene = Scene::new(db).await;
        let (attached, lost, failed) = (scene.filled().await, scene.filled().await, scene.filled().await);
        scene.ship(attached).await.unwrap();
        scene.provider.fail_next(Fault::LostReply);
        scene.ship(lost).await.unwrap_err();
        scene.provider.fail_next(Fault::Status(503));
        scene.ship(failed).await.unwrap_err();
        let call = Call::system(SystemActor::CommandLine);
        let clinic = scene.seed.clinic_id;
        sandbox::reset::reset(&scene.app, &call, Some(clinic), |was| text(was.clinic_id)).await.unwrap();
        for _ in 0..2 {
            scene.settle().await;
        }
        assert_eq!((scene.provider.made(), scene.provider.paid().len()), (2, 0));
        let standing = scene.db.read(move |tx| {
            Box::pin(store::label_purchases_standing(tx, clinic, LabelProvider::ShipEngine))
        });
        assert!(standing.await.unwrap().is_empty());
        assert_eq!(scene.purchase().await.state, PurchaseState::Voided);
    }

    async fn timed_work_does_not_wait_for_a_provider_that_hangs(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::Status(503));
        scene.ship(order).await.unwrap_err();
        scene.provider.fail_next(Fault::Hang);
        let patient = app_with(&scene.db, &scene.provider, A_DAY, FOREVER);
        let mut labels = jobs::Apart::default();
        let started = jobs::start_due(&patient, None, &mut labels);
        tokio::time::timeout(DEADLINE * 20, started).await.expect("it waits for the provider").unwrap();
        assert_eq!(labels.running(), 1, "the label is being bought");
    }

    async fn a_label_that_may_not_be_looked_for_is_not_bought_again(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::FindFails(401));
        assert!(matches!(scene.ship(order).await.unwrap_err(), Error::LabelPending));
        scene.settle().await;
        scene.assert_waits(order).await;
        assert_eq!(reason(&scene.ship(order).await.unwrap_err()), Some("label_pending"));
        scene.settle().await;
        assert_eq!(scene.provider.made(), 1, "two labels for one parcel");
        scene.assert_one_parcel_paid(order).await;
    }

    async fn another_parcels_label_is_neither_taken_nor_given_back(db: Db) {
        let scene = Scene::new(db).await;
        let (first, order) = (scene.filled().await, scene.filled().await);
        scene.ship(first).await.unwrap();
        scene.provider.fail_next(Fault::FirstLabel);
        assert!(matches!(scene.ship(order).await.unwrap_err(), Error::LabelPending));
        scene.assert_waits(order).await;
        assert_eq!(scene.purchase().await.failure.as_deref(), Some("not_ours"));
        scene.assert_one_parcel_paid(first).await;
        scene.settle().await;
        assert_eq!((scene.parcels(order).await.len(), scene.provider.paid().len()), (1, 2));
    }

    async fn a_label_with_the_number_of_a_parcel_under_way_waits_until_it_is_free(db: Db) {
        let scene = Scene::new(db).await;
        let (other, order) = (scene.filled().await, scene.filled().await);
        // What the provider makes first.
        let number = Accounts::default().number("se-11226", "ups_ground", 501).unwrap();
        let parcel = scene.ship_as(other, number.as_str()).await;
        assert!(matches!(scene.ship(order).await.unwrap_err(), Error::LabelPending));
        scene.settle().await;
        scene.assert_waits(order).await;
        assert_eq!(scene.purchase().await.failure.as_deref(), Some("not_ours"));
        assert_eq!(scene.provider.paid(), [(scene.provider.paid()[0].0.clone(), number.as_str().to_owned())]);

        scene.cancel(parcel).await;
        scene.settle().await;
        scene.assert_one_parcel_paid(order).await;
        assert_eq!(scene.provider.made(), 1, "it is not bought again");
    }

    async fn of_labels_with_one_number_that_wait_for_their_parcels_one_is_taken(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ship(order).await.unwrap_err();
        scene.leave_bought().await;
        let bought = scene.purchase().await;
        let taken = |but| {
            let (carrier, number) = (bought.carrier_id.clone(), bought.label.clone().unwrap().tracking_number);
            scene.db.read(move |tx| {
                let (carrier, number) = (carrier.clone(), number.clone());
                Box::pin(async move { store::label_bought_by_number(tx, &carrier, &number, but).await })
            })
        };
        assert!(taken(LabelPurchaseId(Uuid::now_v7())).await.unwrap());
        assert!(!taken(bought.id).await.unwrap(), "its own");
        scene.settle().await;
        assert!(!taken(LabelPurchaseId(Uuid::now_v7())).await.unwrap(), "the parcel has it");
    }
}
