//! What staff are shown of purchases that came to no good end.

use nimbus_app::{Call, label_purchases, page::Page};
use nimbus_carriers::testing::Fault;
use nimbus_core::{
    access::SystemActor,
    ids::ClinicId,
    label::{LabelPurchase, NextStep},
};
use nimbus_store::{Db, two_engines};

use crate::Scene;

impl Scene {
    async fn shown_of(&self, clinic: Option<ClinicId>) -> Vec<LabelPurchase> {
        let call = Call::system(SystemActor::CommandLine);
        let list = label_purchases::List { clinic, page: Page::default() };
        label_purchases::list_needing_attention(&self.app, &call, list).await.unwrap().items
    }

    /// What is to be done about each purchase shown, newest first, and why it failed.
    async fn shown(&self) -> Vec<(NextStep, Option<String>)> {
        let shown = self.shown_of(None).await;
        shown.into_iter().map(|it| (it.next_step().expect("there is a step"), it.failure)).collect()
    }
}

two_engines! {
    async fn what_went_well_is_not_shown(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        let parcel = scene.ship(order).await.unwrap();
        assert_eq!(scene.shown().await, []);
        scene.cancel(parcel).await;
        assert_eq!(scene.shown().await, [], "it is given back presently");
        scene.settle().await;
        assert_eq!(scene.shown().await, []);
    }

    async fn a_label_that_is_not_answered_for_is_waited_for(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ship(order).await.unwrap_err();
        let shown = scene.shown().await;
        assert!(matches!(shown.as_slice(), [(NextStep::Wait, Some(_))]), "{shown:?}");
        let clinic = scene.seed.clinic_id;
        assert_eq!(scene.shown_of(Some(clinic)).await.len(), 1);
        assert!(scene.shown_of(Some(scene.seed.other_clinic_id)).await.is_empty());
        scene.settle().await;
        assert_eq!(scene.shown().await, []);
    }

    async fn a_refusal_is_shown_once_while_its_order_waits(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        for code in ["invalid_address", "unserviceable"] {
            scene.provider.fail_next(Fault::Refused(code));
            scene.ship(order).await.unwrap_err();
            assert_eq!(scene.shown().await, [(NextStep::MakeAgain, Some(code.to_owned()))]);
        }
        scene.ship(order).await.unwrap();
        assert_eq!(scene.shown().await, [], "the order has its label");
    }

    async fn a_label_that_is_not_taken_back_is_shown_until_it_is_and_after_that_its_refund(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        let parcel = scene.ship(order).await.unwrap();
        scene.provider.refuse_voids(true);
        scene.cancel(parcel).await;
        scene.settle().await;
        let refused = Some("void_refused".to_owned());
        assert_eq!(scene.shown().await, [(NextStep::BeingGivenBack, refused.clone())]);
        let left = scene.purchase().await;
        scene.leave(LabelPurchase { attempts: 9, ..left }).await;
        scene.settle().await;
        assert_eq!(scene.shown().await, [(NextStep::ClaimRefund, refused)]);
        assert_eq!(scene.shown_of(None).await[0].label.as_ref().map(|it| it.tracking_number.clone()),
            Some(scene.provider.paid()[0].1.clone()));
    }
}
