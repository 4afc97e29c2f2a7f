//! Labels asked for under an idempotency key: whoever got no answer asks again, and has the one parcel as its reply.

use nimbus_app::{Error, Idempotency, Reply, Result};
use nimbus_carriers::testing::Fault;
use nimbus_core::{
    ids::{OrderId, ShipmentId},
    label::{LabelPurchase, PurchaseState},
    time::Ts,
};
use nimbus_store::{Db, Error as StoreError, idempotency::idempotency_purge, two_engines};

use crate::{Scene, read, reason};

fn key(body: u8) -> Option<Idempotency> {
    Some(Idempotency { key: "box-1".to_owned(), fingerprint: [body; 32] })
}

impl Scene {
    async fn ask_keyed(&self, order: OrderId) -> Result<Reply> {
        self.ask(&[order], key(1)).await
    }

    /// The request is repeated: its reply is the stored one of the one parcel there is.
    async fn assert_replayed(&self, order: OrderId) {
        let parcel = self.assert_one_parcel_paid(order).await;
        for _ in 0..2 {
            let again = self.ask_keyed(order).await.unwrap();
            assert!(again.replayed);
            assert_eq!((again.rendered.status, read::<ShipmentId>(&again)), (200, Some(parcel.id)));
        }
        let other = self.ask(&[order], key(2)).await.unwrap_err();
        assert!(matches!(other, Error::IdempotencyConflict), "{other}");
        self.assert_one_parcel_paid(order).await;
    }

    async fn assert_pending(&self, order: OrderId) {
        let again = self.ask_keyed(order).await.unwrap_err();
        assert!(matches!(again, Error::LabelPending), "{again}");
        let other = self.ask(&[order], key(2)).await.unwrap_err();
        assert!(matches!(other, Error::IdempotencyConflict), "{other}");
    }

    /// Every claim and stored reply runs out and is deleted.
    async fn forget_replies(&self) {
        let forgotten = self.db.write(|tx| {
            Box::pin(
                async move { idempotency_purge(tx, Ts::from_micros(i64::MAX / 2), 1000).await.map(drop) },
            )
        });
        forgotten.await.map_err(|error: StoreError| error).unwrap();
    }
}

two_engines! {
    async fn who_was_told_to_come_again_gets_the_parcel(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        let first = scene.ask_keyed(order).await.unwrap_err();
        assert!(matches!(first, Error::LabelPending), "{first}");
        scene.assert_pending(order).await;
        scene.assert_waits(order).await;
        scene.settle().await;
        scene.assert_replayed(order).await;
        assert_eq!(scene.provider.made(), 1);
    }

    async fn a_first_answer_is_replayed_as_ever(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        let first = scene.ask_keyed(order).await.unwrap();
        assert!(!first.replayed);
        scene.assert_replayed(order).await;
        assert_eq!(scene.ask_keyed(order).await.unwrap().rendered.body, first.rendered.body);
    }

    async fn a_label_bought_by_a_process_that_died_is_the_reply(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ask_keyed(order).await.unwrap_err();
        scene.leave_bought().await;
        scene.assert_pending(order).await;
        scene.settle().await;
        scene.assert_replayed(order).await;
    }

    async fn the_first_request_is_under_way_while_its_process_is_at_it(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ask_keyed(order).await.unwrap_err();
        let left = scene.purchase().await;
        let busy_until = left.busy_until.plus_seconds(60);
        scene.leave(LabelPurchase { busy_until, ..left }).await;
        let again = scene.ask_keyed(order).await.unwrap_err();
        assert!(matches!(again, Error::IdempotencyInUse), "{again}");
    }

    async fn a_refusal_frees_the_key_at_once(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::Refused("invalid_address"));
        assert_eq!(reason(&scene.ask_keyed(order).await.unwrap_err()), Some("label_refused"));
        assert!(!scene.ask_keyed(order).await.unwrap().replayed);
        scene.assert_replayed(order).await;
    }

    async fn a_refusal_that_timed_work_meets_frees_the_key(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::Status(503));
        scene.ask_keyed(order).await.unwrap_err();
        scene.provider.fail_next(Fault::Refused("invalid_address"));
        scene.settle().await;
        assert_eq!(scene.purchase().await.state, PurchaseState::Failed);
        assert!(!scene.ask_keyed(order).await.unwrap().replayed, "there was nothing to replay");
        scene.assert_replayed(order).await;
        assert_eq!(scene.provider.made(), 1);
    }

    async fn a_purchase_that_is_given_up_frees_the_key(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::FindFails(401));
        scene.ask_keyed(order).await.unwrap_err();
        let left = scene.purchase().await;
        scene.leave(LabelPurchase { attempts: 10, ..left }).await;
        scene.settle().await;
        assert!(!scene.ask_keyed(order).await.unwrap().replayed);
        scene.settle().await;
        scene.settle().await;
        scene.assert_replayed(order).await;
        assert_eq!(scene.provider.made(), 2, "the first is given back");
    }

    async fn a_claim_that_ran_out_is_no_leave_to_buy_again(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ask_keyed(order).await.unwrap_err();
        scene.forget_replies().await;
        scene.assert_pending(order).await;
        scene.settle().await;
        scene.assert_replayed(order).await;
        assert_eq!(scene.provider.made(), 1);
    }

    async fn repeats_that_race_timed_work_find_one_parcel(db: Db) {
        let scene = Scene::new(db).await;
        for _ in 0..4 {
            let order = scene.filled().await;
            let made = scene.provider.made();
            scene.provider.fail_next(Fault::LostReply);
            scene.ask_keyed(order).await.unwrap_err();
            let ((), one, other) =
                tokio::join!(scene.settle(), scene.ask_keyed(order), scene.ask_keyed(order));
            for reply in [one, other] {
                match reply {
                    Ok(reply) => assert!(reply.replayed),
                    Err(Error::LabelPending | Error::IdempotencyInUse) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            scene.assert_replayed(order).await;
            assert_eq!(scene.provider.made(), made + 1, "two labels for one parcel");
            let parcel = scene.parcels(order).await[0].id;
            scene.cancel(parcel).await;
            scene.settle().await;
            scene.forget_replies().await;
        }
    }
}
