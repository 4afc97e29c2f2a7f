//! Labels bought from a provider, on both engines: whatever breaks, an order has no parcel or one, and one label is
//! paid for a parcel.

mod attention;
mod keyed;
mod unsettled;

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use nimbus_app::{
    Actor, App, Call, Config, Error, Idempotency, PartnerActor, RefusalCode, Rendered, Reply, Result,
    clock::{Clock, wall},
    jobs,
    limits::Rates,
    orders,
    pharmacy::{self, StaffAct, Task},
    sandbox::{self, Seed},
    shipments,
};
use nimbus_carriers::{
    provider::{Provider, Shipping},
    shipengine::ShipEngine,
    testing::{Fault, KEY, StandIn},
};
use nimbus_core::{
    access::{Environment, Scope, Scopes, SystemActor},
    ids::{KeyId, LabelPurchaseId, OrderId, PartnerId, ShipmentId},
    label::{BoughtLabel, LabelPurchase, PurchaseState},
    money::Cents,
    order::{DeliverySpeed, FillStatus, HoldReason, Order, Shipping as Way},
    patient::Address,
    phi::Phi,
    prescription::PrescriptionDetail,
    quantity::Quantity,
    rate::KeyRates,
    shipment::{Shipment, ShipmentStatus},
};
use nimbus_store::{
    Db, Error as StoreError, label_purchases as store,
    orders::{order_get, order_update},
    shipments::shipments_of_order,
    testing::master_key,
    two_engines,
};
use nimbus_webhooks::guard::AddressPolicy;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_millis(700);
/// Later than any retry.
const A_DAY: i64 = 1;
/// The number of a parcel whose label staff got elsewhere.
const BY_HAND: &str = "1Z999AA10123456784";

fn app(db: &Db, provider: &StandIn, days_later: i64) -> App {
    app_with(db, provider, days_later, DEADLINE)
}

fn app_with(db: &Db, provider: &StandIn, days_later: i64, deadline: Duration) -> App {
    let client = ShipEngine::new(&provider.url(), KEY, true).unwrap().with_deadline(deadline);
    let config = Config {
        carrier_feeds: nimbus_app::carrier_feed::CarrierFeeds::default(),
        environment: Environment::Sandbox,
        pharmacy_zone: TimeZone::UTC,
        rules: nimbus_app::rules::shipped(),
        thresholds: Default::default(),
        formulary: nimbus_app::formulary::shipped(Environment::Sandbox),
        address_policy: AddressPolicy::default(),
        deadline: Default::default(),
        onboarding: None,
        pharmacy_feed_secret: None,
        rates: Rates::OFF,
        auto_advance: None,
        labels: nimbus_app::labels::LabelSettings::default(),
        retention: Default::default(),
        staff: Default::default(),
        shipping: Arc::new(Shipping {
            provider: Provider::ShipEngine(Box::new(client)),
            ..Shipping::default()
        }),
        parcel_reply,
    };
    App::new(db.clone(), config, Clock::shifted(days_later))
}

fn text(id: impl ToString) -> Rendered {
    Rendered::new(200, id.to_string().into_bytes())
}

/// How parcels are written in these tests, whoever has them made.
fn parcel_reply(made: &shipments::Created) -> Rendered {
    text(made.shipment.id)
}

fn read<T: std::str::FromStr>(reply: &Reply) -> Option<T> {
    String::from_utf8(reply.rendered.body.clone()).ok()?.parse().ok()
}

struct Scene {
    db: Db,
    app: App,
    provider: StandIn,
    seed: Seed,
}

impl Scene {
    async fn new(db: Db) -> Self {
        let provider = StandIn::start();
        let app = app(&db, &provider, 0);
        let seed = sandbox::seed(&app, &master_key()).await.unwrap();
        Self { db, app, provider, seed }
    }

    /// A new order, worked until it is filled.
    async fn filled(&self) -> OrderId {
        let command = orders::Create {
            clinic_id: self.seed.clinic_id,
            patient_id: self.seed.patient_id,
            practitioner_id: self.seed.practitioner_id,
            shipping: Way::Speed(DeliverySpeed::BusinessDay),
            refrigerated: false,
            shipment_group: Some("one box".to_owned()),
            notes: None,
            shipping_address: None,
            lines: vec![orders::NewLine {
                detail: PrescriptionDetail {
                    medication: "Lisinopril".to_owned(),
                    dose: "10 mg".to_owned(),
                    unit_of_measure: Some("tablet".to_owned()),
                    direction: "Take 1 tablet by mouth once daily".to_owned(),
                    ndc: None,
                    flavor: None,
                    notes: None,
                    patient_contact_requested: false,
                    reason_for_compounding: None,
                    reason_for_compounding_additional_context: None,
                },
                quantity: Quantity::parse("30").unwrap(),
                refills: 0,
                days_supply: Some(30),
                do_not_refill: false,
                do_not_fill: false,
            }],
            warnings: Vec::new(),
        };
        let actor = PartnerActor {
            key_id: KeyId(Uuid::now_v7()),
            clinic_id: self.seed.clinic_id,
            clinic_name: "Clinic".to_owned(),
            partner_id: PartnerId(Uuid::now_v7()),
            scopes: Scopes::of(&[Scope::OrdersWrite]),
            rates: KeyRates::default(),
            key_expires_at: None,
            clock_ahead_us: 0,
        };
        let call = Call { actor: Actor::Partner(actor), ..Call::system(SystemActor::CommandLine) };
        let made = orders::create(&self.app, &call, command, |made| text(made.order.id)).await.unwrap();
        let id = read(&made).unwrap();
        for act in
            [StaffAct::Verify, StaffAct::Submit, StaffAct::Acknowledge, StaffAct::StartFill, StaffAct::Fill]
        {
            self.work(id, act).await;
        }
        id
    }

    async fn work(&self, id: OrderId, act: StaffAct) {
        let task = Task { id, act, lines: None, reason: None, note: None };
        let call = Call::system(SystemActor::CommandLine);
        pharmacy::work_on(&self.app, &call, task, |order| text(order.id)).await.unwrap();
    }

    /// Staff make a parcel of an order.
    async fn ship(&self, order: OrderId) -> Result<ShipmentId> {
        self.ship_all(&[order]).await
    }

    /// Staff make a parcel of orders.
    async fn ship_all(&self, orders: &[OrderId]) -> Result<ShipmentId> {
        let reply = self.ask(orders, None).await?;
        Ok(read(&reply).unwrap())
    }

    /// Staff ask for a parcel of orders, under an idempotency key or none.
    async fn ask(&self, orders: &[OrderId], idempotency: Option<Idempotency>) -> Result<Reply> {
        let command = shipments::Create {
            orders: orders.to_vec(),
            lines: None,
            carrier_id: "se-11226".to_owned(),
            service_id: "ups_ground".to_owned(),
            tracking_number: None,
            weight_oz: Some(9),
            notes: Some("Leave at door".to_owned()),
            warnings: Vec::new(),
        };
        let call = Call { idempotency, ..Call::system(SystemActor::CommandLine) };
        shipments::create(&self.app, &call, command, parcel_reply).await
    }

    /// Staff make a parcel with a number of their own.
    async fn ship_by_hand(&self, order: OrderId) {
        self.ship_as(order, BY_HAND).await;
    }

    async fn ship_as(&self, order: OrderId, number: &str) -> ShipmentId {
        let command = shipments::Create {
            orders: vec![order],
            lines: None,
            carrier_id: "se-11226".to_owned(),
            service_id: "ups_ground".to_owned(),
            tracking_number: Some(number.to_owned()),
            weight_oz: None,
            notes: None,
            warnings: Vec::new(),
        };
        let call = Call::system(SystemActor::CommandLine);
        let reply = shipments::create(&self.app, &call, command, parcel_reply).await.unwrap();
        read(&reply).unwrap()
    }

    async fn cancel(&self, id: ShipmentId) {
        let call = Call::system(SystemActor::CommandLine);
        let command = shipments::Cancel { id, reason: "wrong box".to_owned() };
        shipments::cancel(&self.app, &call, command, |done| text(done.id)).await.unwrap();
    }

    /// What timed work does after the next retry is due.
    async fn settle(&self) {
        jobs::run_due(&app(&self.db, &self.provider, A_DAY), None).await.unwrap();
    }

    /// The order goes elsewhere.
    async fn readdress(&self, order: OrderId, line_1: &'static str) {
        let clinic = self.seed.clinic_id;
        let written = self.db.write(move |tx| {
            Box::pin(async move {
                let before = order_get(tx, clinic, order).await?.unwrap();
                let mut after = before.clone();
                let address =
                    Address { line_1: line_1.to_owned(), ..before.shipping_address.expose().clone() };
                after.shipping_address = Phi::new(address);
                order_update(tx, &before, &after).await
            })
        });
        written.await.map_err(|error: StoreError| error).unwrap();
    }

    async fn parcels(&self, order: OrderId) -> Vec<Shipment> {
        let clinic = self.seed.clinic_id;
        self.db.read(move |tx| Box::pin(shipments_of_order(tx, clinic, order))).await.unwrap()
    }

    async fn order(&self, order: OrderId) -> Order {
        let clinic = self.seed.clinic_id;
        self.db.read(move |tx| Box::pin(order_get(tx, clinic, order))).await.unwrap().unwrap()
    }

    /// The purchase that the provider was asked for last.
    async fn purchase(&self) -> LabelPurchase {
        let requests = self.provider.requests();
        let (_, body) = requests.iter().rev().find(|(line, _)| line == "POST /v1/labels").unwrap();
        let id: LabelPurchaseId = body["shipment"]["external_shipment_id"].as_str().unwrap().parse().unwrap();
        let found = self.db.read(move |tx| Box::pin(store::label_purchase_get_any(tx, id))).await.unwrap();
        found.unwrap()
    }

    /// Has a purchase on record as a process that died has left it.
    async fn leave(&self, purchase: LabelPurchase) {
        let purchase = Arc::new(purchase);
        let written = self.db.write(move |tx| {
            let purchase = Arc::clone(&purchase);
            Box::pin(async move { store::label_purchase_update(tx, &purchase).await })
        });
        written.await.map_err(|error: StoreError| error).unwrap();
    }

    /// Has the first label on record as bought, by a process that has died since.
    async fn leave_bought(&self) {
        let mut left = self.purchase().await;
        left.become_(PurchaseState::Bought, wall()).unwrap();
        left.label = Some(BoughtLabel {
            label_id: Some("se-1".to_owned()),
            tracking_number: self.provider.paid()[0].1.clone(),
            cost: Some(Cents(845)),
            document: Some(Phi::new(b"%PDF-".to_vec())),
        });
        self.leave(left).await;
    }

    /// The order is filled and in no parcel.
    async fn assert_waits(&self, order: OrderId) {
        assert!(self.parcels(order).await.is_empty(), "half a shipment");
        let order = self.order(order).await;
        assert!(
            order.lines.iter().all(|line| line.status == FillStatus::Filled && line.shipment_id.is_none())
        );
    }

    /// The order is in one parcel, whose label is the one that was paid.
    async fn assert_one_parcel_paid(&self, order: OrderId) -> Shipment {
        let parcels = self.parcels(order).await;
        let paid = self.provider.paid();
        assert_eq!((parcels.len(), paid.len()), (1, 1), "{paid:?}");
        assert_eq!(parcels[0].tracking_number.as_deref(), Some(paid[0].1.as_str()));
        let line = &self.order(order).await.lines[0];
        assert_eq!(line.shipment_id, Some(parcels[0].id));
        let (clinic, parcel) = (self.seed.clinic_id, parcels[0].id);
        let kept =
            self.db.read(move |tx| Box::pin(store::label_purchase_of(tx, clinic, parcel))).await.unwrap();
        let kept = kept.expect("the label's purchase is on record");
        assert_eq!((kept.state, kept.id.to_string()), (PurchaseState::Attached, paid[0].0.clone()));
        let label = kept.label.unwrap();
        assert_eq!((label.cost, label.tracking_number.as_str()), (Some(Cents(845)), paid[0].1.as_str()));
        assert!(label.document.unwrap().expose().starts_with(b"%PDF-"));
        parcels.into_iter().next().unwrap()
    }
}

fn reason(error: &Error) -> Option<&str> {
    match error {
        Error::Refused { details, .. } => details.first()?.reason.as_deref(),
        _ => None,
    }
}

two_engines! {
    async fn a_parcel_bears_the_label_that_was_bought_and_gives_it_back(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        let parcel = scene.ship(order).await.unwrap();
        let made = scene.assert_one_parcel_paid(order).await;
        assert_eq!((made.id, made.notes.unwrap().expose().as_str()), (parcel, "Leave at door"));
        scene.settle().await;
        scene.assert_one_parcel_paid(order).await;

        scene.provider.refuse_voids(true);
        scene.cancel(parcel).await;
        for _ in 0..3 {
            scene.settle().await;
            assert_eq!(scene.purchase().await.state, PurchaseState::VoidPending);
        }
        scene.provider.refuse_voids(false);
        scene.settle().await;
        assert_eq!(scene.purchase().await.state, PurchaseState::Voided);
        assert!(scene.provider.paid().is_empty(), "a cancelled parcel is paid for");
        scene.ship(order).await.unwrap();
        assert_eq!(scene.provider.paid().len(), 1);
    }

    async fn a_parcel_that_a_hold_or_a_cancellation_empties_gives_its_label_back(db: Db) {
        let scene = Scene::new(db).await;
        for act in [StaffAct::Hold(HoldReason::Address), StaffAct::Cancel] {
            let order = scene.filled().await;
            let parcel = scene.ship(order).await.unwrap();
            scene.assert_one_parcel_paid(order).await;
            scene.work(order, act).await;
            let parcels = scene.parcels(order).await;
            assert_eq!(parcels.iter().filter(|it| it.id == parcel).count(), parcels.len());
            assert!(parcels.iter().all(|it| it.status == ShipmentStatus::Cancelled), "{parcels:?}");
            assert_eq!(scene.purchase().await.state, PurchaseState::VoidPending);
            scene.settle().await;
            assert_eq!(scene.purchase().await.state, PurchaseState::Voided);
            assert!(scene.provider.paid().is_empty(), "a parcel that nothing is in is paid for");
        }
    }

    async fn a_parcel_that_something_is_left_in_keeps_its_label(db: Db) {
        let scene = Scene::new(db).await;
        let orders = [scene.filled().await, scene.filled().await];
        scene.ship_all(&orders).await.unwrap();
        scene.work(orders[0], StaffAct::Cancel).await;
        scene.settle().await;
        scene.assert_one_parcel_paid(orders[1]).await;
    }

    async fn whatever_the_answer_one_label_is_paid_in_the_end(db: Db) {
        let scene = Scene::new(db).await;
        for fault in [
            Fault::LostReply, Fault::Garbage, Fault::DocumentFails(500), Fault::DocumentElsewhere, Fault::Hang,
            Fault::Status(500), Fault::Status(503), Fault::TooManyRequests(5), Fault::Redirect, Fault::OtherLabel,
            Fault::DocumentFails(400), Fault::DocumentFails(403), Fault::DocumentFails(410),
        ] {
            let order = scene.filled().await;
            let made = scene.provider.made();
            scene.provider.fail_next(fault);
            let error = scene.ship(order).await.unwrap_err();
            assert!(matches!(error, Error::LabelPending), "{fault:?}: {error}");
            scene.assert_waits(order).await;
            let again = scene.ship(order).await.unwrap_err();
            assert_eq!(reason(&again), Some("label_pending"), "{fault:?}");

            scene.settle().await;
            assert_eq!(scene.provider.made(), made + 1, "{fault:?}: two labels for one parcel");
            let parcel = scene.assert_one_parcel_paid(order).await;
            scene.settle().await;
            assert_eq!(scene.provider.made(), made + 1, "{fault:?}");
            scene.cancel(parcel.id).await;
            scene.settle().await;
            assert!(scene.provider.paid().is_empty(), "{fault:?}");
        }
    }

    async fn a_refusal_leaves_the_order_where_it_was(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::Refused("invalid_address"));
        let error = scene.ship(order).await.unwrap_err();
        let Error::Refused { code, details, .. } = &error else { panic!("{error}") };
        assert_eq!((*code, reason(&error)), (RefusalCode::ServiceNotAvailable, Some("label_refused")));
        assert_eq!(details[0].facts, [("provider_code", "invalid_address".to_owned())]);
        scene.assert_waits(order).await;
        scene.settle().await;
        scene.assert_waits(order).await;
        assert_eq!(scene.provider.made(), 0, "a refused label was bought");
        scene.ship(order).await.unwrap();
        scene.assert_one_parcel_paid(order).await;
    }

    async fn a_label_with_another_carriers_number_is_given_back(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::ForeignNumber);
        assert_eq!(reason(&scene.ship(order).await.unwrap_err()), Some("label_refused"));
        scene.assert_waits(order).await;
        scene.settle().await;
        assert!(scene.provider.paid().is_empty());
        scene.ship(order).await.unwrap();
        scene.assert_one_parcel_paid(order).await;
    }

    async fn a_process_that_died_while_it_bought_is_followed_by_another(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ship(order).await.unwrap_err();
        let left = scene.purchase().await;
        scene.leave(LabelPurchase { busy_until: wall().plus_seconds(60), ..left }).await;
        scene.settle().await;
        scene.assert_waits(order).await;
        assert_eq!(scene.purchase().await.attempts, 0, "who is buying is left alone");
        let left = scene.purchase().await;
        scene.leave(LabelPurchase { busy_until: wall(), ..left }).await;
        scene.settle().await;
        scene.assert_one_parcel_paid(order).await;
        assert_eq!(scene.provider.made(), 1);
    }

    async fn a_process_that_died_with_a_bought_label_is_followed_by_another(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ship(order).await.unwrap_err();
        scene.leave_bought().await;
        let asked = scene.provider.requests().len();
        scene.settle().await;
        scene.assert_one_parcel_paid(order).await;
        assert_eq!(scene.provider.requests().len(), asked, "nothing is left to ask");
    }

    async fn a_label_that_comes_too_late_is_given_back(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.provider.fail_next(Fault::LostReply);
        scene.ship(order).await.unwrap_err();
        scene.work(order, StaffAct::Cancel).await;
        scene.settle().await;
        assert_eq!(scene.purchase().await.state, PurchaseState::VoidPending);
        scene.settle().await;
        assert_eq!(scene.purchase().await.state, PurchaseState::Voided);
        assert!(scene.provider.paid().is_empty() && scene.parcels(order).await.is_empty());
    }

    async fn of_two_at_once_one_buys(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        let (one, other) = tokio::join!(scene.ship(order), scene.ship(order));
        assert_eq!([&one, &other].iter().filter(|outcome| outcome.is_ok()).count(), 1, "{one:?} {other:?}");
        scene.settle().await;
        scene.assert_one_parcel_paid(order).await;
        assert_eq!(scene.provider.made(), 1);
    }

    async fn a_number_that_staff_give_buys_nothing(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.filled().await;
        scene.ship_by_hand(order).await;
        assert!(scene.provider.requests().is_empty());
        assert_eq!(scene.parcels(order).await.len(), 1);
    }
}
