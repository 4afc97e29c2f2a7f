//! What holds and gates keep watch over, on both engines: no answer, paper or list gets past a pharmacist.

use std::sync::Arc;

use jiff::tz::TimeZone;
use nimbus_app::{
    Actor, App, Call, Config, Error, PartnerActor, RefusalCode, Rendered, Reply,
    clock::{Clock, wall},
    fills,
    formulary::{self, Add},
    holds::{self, Resolve},
    jobs,
    licenses::{self, NewLicense},
    limits::Rates,
    orders,
    originals::{self, Bind},
    pharmacy::{self, StaffAct, Task},
    sandbox::{self, Seed},
};
use nimbus_carriers::provider::Shipping;
use nimbus_core::{
    access::{Environment, Scope, Scopes, SystemActor},
    gates::{Answer, Gate},
    ids::{HoldId, KeyId, OrderId, PartnerId, PrescriptionId},
    license::LicenseCategory,
    order::{DeliverySpeed, FillStatus, HoldReason, Order, Shipping as Way},
    original::OriginalKind,
    patient::Address,
    prescription::PrescriptionDetail,
    quantity::Quantity,
    rate::KeyRates,
    us::State,
};
use nimbus_store::{Db, orders::order_get, testing::master_key, two_engines};
use nimbus_webhooks::guard::AddressPolicy;
use uuid::Uuid;

fn text(id: impl ToString) -> Rendered {
    Rendered::new(200, id.to_string().into_bytes())
}

fn order_of(reply: &Reply) -> OrderId {
    String::from_utf8(reply.rendered.body.clone()).unwrap().parse().unwrap()
}

fn staff() -> Call {
    Call::system(SystemActor::CommandLine)
}

fn line(medication: &str, dose: &str) -> orders::NewLine {
    orders::NewLine {
        detail: PrescriptionDetail {
            medication: medication.to_owned(),
            dose: dose.to_owned(),
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
    }
}

fn address(city: &str, state: &str, postal_code: &str) -> Address {
    Address {
        line_1: "1 Main St".to_owned(),
        line_2: None,
        line_3: None,
        city: city.to_owned(),
        state: state.to_owned(),
        postal_code: postal_code.to_owned(),
    }
}

struct Scene {
    db: Db,
    app: App,
    seed: Seed,
}

impl Scene {
    async fn new(db: Db) -> Self {
        let config = Config {
            carrier_feeds: nimbus_app::carrier_feed::CarrierFeeds::default(),
            environment: Environment::Sandbox,
            pharmacy_zone: TimeZone::UTC,
            rules: nimbus_app::rules::shipped(),
            thresholds: Default::default(),
            formulary: formulary::shipped(Environment::Sandbox),
            address_policy: AddressPolicy::default(),
            deadline: Default::default(),
            onboarding: None,
            pharmacy_feed_secret: None,
            rates: Rates::OFF,
            auto_advance: None,
            labels: nimbus_app::labels::LabelSettings::default(),
            retention: Default::default(),
            staff: Default::default(),
            shipping: Arc::new(Shipping::default()),
            parcel_reply: |_| nimbus_app::Rendered::new(200, Vec::new()),
        };
        let app = App::new(db.clone(), config, Clock::shifted(0));
        let seed = sandbox::seed(&app, &master_key()).await.unwrap();
        Self { db, app, seed }
    }

    fn partner(&self) -> Call {
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
        Call { actor: Actor::Partner(actor), ..staff() }
    }

    async fn asked(
        &self,
        lines: Vec<orders::NewLine>,
        shipping: Way,
        to: Option<Address>,
    ) -> Result<Order, Error> {
        let command = orders::Create {
            clinic_id: self.seed.clinic_id,
            patient_id: self.seed.patient_id,
            practitioner_id: self.seed.practitioner_id,
            shipping,
            refrigerated: false,
            shipment_group: None,
            notes: None,
            shipping_address: to,
            lines,
            warnings: Vec::new(),
        };
        let made = orders::create(&self.app, &self.partner(), command, |made| text(made.order.id)).await?;
        Ok(self.read(order_of(&made)).await)
    }

    /// An order that goes by express, so that what is cold may go.
    async fn order(&self, lines: Vec<orders::NewLine>) -> Order {
        self.asked(lines, Way::Speed(DeliverySpeed::NextDay), None).await.unwrap()
    }

    /// An order for a prescription on file.
    async fn fill(&self, prescription_id: PrescriptionId, to: Address, shipping: Option<Way>) -> Order {
        let patient_id = self.seed.patient_id;
        let command =
            fills::Create { patient_id, prescription_id, shipping_address: to, shipping, notes: None };
        let made = fills::create(&self.app, &self.partner(), command, |made| text(made.order.id)).await;
        self.read(order_of(&made.unwrap())).await
    }

    async fn read(&self, id: OrderId) -> Order {
        let clinic = self.seed.clinic_id;
        self.db.read(move |tx| Box::pin(order_get(tx, clinic, id))).await.unwrap().unwrap()
    }

    /// How many of these are on hold.
    async fn held(&self, orders: &[OrderId]) -> usize {
        let mut held = 0;
        for &id in orders {
            held += usize::from(self.read(id).await.status == FillStatus::OnHold);
        }
        held
    }

    async fn work(&self, id: OrderId, act: StaffAct) -> Order {
        let task = Task { id, act, lines: None, reason: None, note: None };
        pharmacy::work_on(&self.app, &staff(), task, |order| text(order.id)).await.unwrap();
        self.read(id).await
    }

    /// Staff hold every line; the newest hold.
    async fn hold(&self, id: OrderId, reason: HoldReason) -> HoldId {
        let held = self.work(id, StaffAct::Hold(reason)).await;
        held.open_holds().filter(|hold| hold.cause.is_none()).last().unwrap().id
    }

    async fn resolve(&self, order: OrderId, hold: HoldId, answer: Answer) -> Result<Order, Vec<String>> {
        let command = Resolve { order, hold, answer };
        match holds::resolve(&self.app, &self.partner(), command, |order| text(order.id)).await {
            Ok(_) => Ok(self.read(order).await),
            Err(Error::Invalid(errors)) => Err(errors.into_iter().map(|error| error.field).collect()),
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn bind(&self, order: &Order) {
        let command = Bind {
            prescription: order.lines[0].prescription_id,
            kind: OriginalKind::Written,
            reference: "paper 12".to_owned(),
            received_at: wall().plus_seconds(-60),
            note: None,
        };
        originals::bind(&self.app, &staff(), command, |bound| text(bound.released.len())).await.unwrap();
    }
}

fn raised() -> Answer {
    Answer { quantity: Some(Quantity::parse("60").unwrap()), days_supply: Some(60), ..Answer::default() }
}

fn standings(order: &Order) -> Vec<FillStatus> {
    order.lines.iter().map(|line| line.status).collect()
}

two_engines! {
    async fn what_is_prescribed_anew_is_verified_anew(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.order(vec![line("Lisinopril", "10 mg")]).await.id;
        for act in [StaffAct::Verify, StaffAct::Submit, StaffAct::Acknowledge] {
            scene.work(order, act).await;
        }
        let hold = scene.hold(order, HoldReason::Clarification).await;
        let ndc = Answer { ndc: Some("00071-0155-23".to_owned()), ..Answer::default() };
        assert_eq!(scene.resolve(order, hold, ndc).await.unwrap_err(), ["ndc"], "it may be another drug");
        let answered = scene.resolve(order, hold, raised()).await.unwrap();
        assert_eq!(standings(&answered), [FillStatus::Received]);
        let number = answered.lines[0].rx_number.clone();
        assert!(number.is_some());
        let verified = scene.work(order, StaffAct::Verify).await;
        assert_eq!((standings(&verified), &verified.lines[0].rx_number), (vec![FillStatus::Verified], &number));

        let hold = scene.hold(order, HoldReason::Clarification).await;
        let note = Answer { note: Some("as written".to_owned()), ..Answer::default() };
        let answered = scene.resolve(order, hold, note).await.unwrap();
        assert_eq!(standings(&answered), [FillStatus::Verified], "words change nothing");
    }

    async fn what_an_original_says_is_not_changed_by_an_answer(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.order(vec![line("Test C3", "10 mg")]).await;
        scene.bind(&order).await;
        let hold = scene.hold(order.id, HoldReason::Clarification).await;
        assert_eq!(scene.resolve(order.id, hold, raised()).await.unwrap_err(), ["quantity"]);
        assert_eq!(scene.read(order.id).await.lines[0].quantity, order.lines[0].quantity);
        let note = Answer { note: Some("as written".to_owned()), ..Answer::default() };
        scene.resolve(order.id, hold, note).await.unwrap();
    }

    async fn an_original_releases_what_its_gate_held_and_no_hold_of_staff(db: Db) {
        let scene = Scene::new(db).await;
        let order = scene.order(vec![line("Test C3", "10 mg")]).await;
        let waits_for_paper = |order: &Order| order.open_holds().any(|hold| {
            hold.cause.as_ref().is_some_and(|cause| cause.gate == Gate::Controlled)
        });
        assert!(waits_for_paper(&order));
        let by_hand = scene.hold(order.id, HoldReason::AwaitingValidPrescription).await;
        let is_held_by_hand = |order: &Order| order.open_holds().any(|hold| hold.id == by_hand);
        scene.bind(&order).await;
        let bound = scene.read(order.id).await;
        assert!(!waits_for_paper(&bound) && is_held_by_hand(&bound), "staff may doubt the paper itself");
        let free = scene.work(order.id, StaffAct::Release { hold: Some(by_hand) }).await;
        assert!(!is_held_by_hand(&free));
    }

    async fn a_clinics_list_is_asked_again_when_a_prescription_on_file_is_filled(db: Db) {
        let scene = Scene::new(db).await;
        let lisinopril = scene.app.formulary().drugs().find(|drug| drug.name == "Lisinopril").unwrap();
        let listed = Add::Entry(lisinopril.id.clone());
        formulary::add(&scene.app, &staff(), scene.seed.clinic_id, listed, |_| text("added")).await.unwrap();
        let on_file = orders::NewLine { do_not_fill: true, ..line("Finasteride", "1 mg") };
        let kept = scene.order(vec![on_file]).await;
        assert_eq!(standings(&kept), [FillStatus::Profiled]);
        // Where gates of a sandbox are as strict as in production.
        let to = address("Juneau", "AK", "99801");
        let order = scene.fill(kept.lines[0].prescription_id, to, None).await;
        let gates: Vec<Gate> = order.open_holds().filter_map(|hold| Some(hold.cause.as_ref()?.gate)).collect();
        assert!(gates.contains(&Gate::Drug), "{gates:?}");
    }

    async fn an_order_is_cold_when_a_drug_in_it_is(db: Db) {
        let scene = Scene::new(db).await;
        let cold = line("Test Cold", "1 mg/mL");
        let kept = orders::NewLine { do_not_fill: true, ..cold.clone() };
        assert!(scene.order(vec![line("Lisinopril", "10 mg"), cold]).await.refrigerated);
        let warm = scene.order(vec![line("Lisinopril", "10 mg"), kept]).await;
        assert!(!warm.refrigerated, "what is only kept on file goes nowhere");

        let prescription_id = warm.lines[1].prescription_id;
        let shipping = Some(Way::Speed(DeliverySpeed::NextDay));
        let order = scene.fill(prescription_id, address("Austin", "TX", "78702"), shipping).await;
        assert!(order.refrigerated, "the fill before was of an order that was not");
    }

    async fn the_cold_is_as_long_on_its_way_as_its_zone_is_far(db: Db) {
        let scene = Scene::new(db).await;
        let two_days = Way::Service { carrier_id: "se-3818360".to_owned(), service_id: "fedex_2day".to_owned() };
        let cold = || vec![line("Test Cold", "1 mg/mL")];
        scene.asked(cold(), two_days.clone(), None).await.unwrap();
        // It is three days to Hawaii.
        let to = Some(address("Honolulu", "HI", "96813"));
        let Err(Error::Refused { code, details, .. }) = scene.asked(cold(), two_days, to).await else {
            panic!("it is too slow");
        };
        assert_eq!(code, RefusalCode::ServiceNotAvailable);
        let would_do: Vec<&str> = details.iter().flat_map(|it| &it.facts)
            .filter(|(name, _)| *name == "service_id").map(|(_, id)| id.as_str()).collect();
        assert!(would_do.contains(&"fedex_priority_overnight") && !would_do.contains(&"fedex_2day"), "{would_do:?}");
    }

    async fn many_orders_that_a_licence_sets_free_are_timed_work(db: Db) {
        let scene = Scene::new(db).await;
        let by_air = Way::Service { carrier_id: "se-11226".to_owned(), service_id: "ups_2nd_day_air".to_owned() };
        let mut waiting = Vec::new();
        for _ in 0..27 {
            let to = Some(address("Juneau", "AK", "99801"));
            let order = scene.asked(vec![line("Lisinopril", "10 mg")], by_air.clone(), to).await.unwrap();
            assert_eq!(standings(&order), [FillStatus::OnHold]);
            waiting.push(order.id);
        }
        let license = NewLicense {
            state: State::Ak,
            category: LicenseCategory::Retail,
            number: "AK-1".to_owned(),
            expires_on: jiff::civil::date(2999, 12, 31),
        };
        licenses::record(&scene.app, &staff(), license).await.unwrap();
        assert_eq!(scene.held(&waiting).await, 27, "none within the licence's own transaction");
        jobs::run_due(&scene.app, None).await.unwrap();
        assert!(scene.held(&waiting).await <= 2, "so many in the first second");
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        jobs::run_due(&scene.app, None).await.unwrap();
        assert_eq!(scene.held(&waiting).await, 0);
    }
}
