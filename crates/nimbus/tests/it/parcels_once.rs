//! A request for a parcel and its repeats: one parcel is made, and a repeat holds nothing, even while the first runs.

use std::thread;

use nimbus_carriers::testing::{Fault, KEY, StandIn};
use serde_json::{Value, json};

use crate::{
    races::at_once,
    support::{
        Engine, Partner, Reply, Seed, Server, Staff, Store, eventually,
        story::{Ordered, WORK, line, order_body, text},
        two_engines,
    },
};

/// The key of the request, the same for each repeat.
const SAME: &str = "parcel-1";

/// A sandbox's pharmacy that ships to Alaska, where gates are strict, by a licence that it may lose.
struct Pharmacy {
    server: Server,
    seed: Seed,
    partner: Partner,
    staff: Staff,
    license: String,
}

impl Pharmacy {
    fn start(store: Store) -> Self {
        let seed = store.seed();
        let license = licensed(&store);
        let server = store.serve();
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        Self { server, seed, partner, staff, license }
    }

    fn that_buys(engine: Engine, provider: &StandIn) -> Self {
        let store = Store::sandbox(engine)
            .with("NIMBUS_SHIPPING_PROVIDER", "shipengine")
            .with("NIMBUS_SHIPENGINE_URL", &provider.url())
            .with("NIMBUS_SHIPENGINE_API_KEY", KEY);
        Self::start(store)
    }

    /// Two medication requests, of which the first is filled.
    fn half_filled(&self) -> Ordered {
        let mut body = order_body(&self.seed, &[line("Lisinopril"), line("Lisinopril")]);
        body["service_id"] = json!("ups_2nd_day_air");
        body["shipping_address"] =
            json!({"addressLine1": "1 Main St", "city": "Juneau", "state": "AK", "postalCode": "99801"});
        let order = Ordered::read(self.partner.post("/medication-order", &body).data());
        for act in WORK {
            self.staff
                .post(&self.step(&order, act), &json!({"medication_request_ids": [order.lines[0]]}))
                .data();
        }
        order
    }

    fn fill_the_rest(&self, order: &Ordered) {
        for act in WORK {
            self.staff.work(&order.id, act);
        }
    }

    fn step(&self, order: &Ordered, act: &str) -> String {
        format!("/pharmacy/orders/{}/{act}", order.id)
    }

    fn pack(&self, order: &Ordered) -> Reply {
        let body = json!({"medication_orders": [order.id], "carrier_id": "se-11226", "service_id": "ups_2nd_day_air"});
        self.staff.post_keyed("/pharmacy/shipments", SAME, &body)
    }

    /// From now on nothing may be filled or labelled for Alaska.
    fn lose_the_license(&self) {
        let output = self.server.store().output(&["admin", "license", "remove", &self.license]);
        assert!(output.status.success(), "{output:?}");
    }

    /// The states of the medication requests, in order.
    fn states(&self, order: &Ordered) -> Vec<String> {
        let read = self.partner.read_order(&order.id);
        let lines = read["medication_requests"].as_array().expect("lines").clone();
        lines.iter().map(|line| text(&line["status"])).collect()
    }

    fn holds(&self, order: &Ordered) -> usize {
        self.partner.read_order(&order.id)["holds"].as_array().map_or(0, Vec::len)
    }

    fn parcels(&self) -> Vec<Value> {
        self.staff.get("/pharmacy/shipments").data().as_array().expect("a list").clone()
    }
}

/// Records a licence to ship retail drugs to Alaska; its id.
fn licensed(store: &Store) -> String {
    let asked = ["--state", "AK", "--category", "retail", "--number", "AK-1", "--expires", "2040-01-01"];
    text(&store.json(&[&["admin", "license", "add"][..], &asked].concat())["id"])
}

two_engines! {
    fn requests_at_once_make_one_parcel(engine) {
        let pharmacy = Pharmacy::start(Store::sandbox(engine));
        let before = pharmacy.parcels().len();
        let order = pharmacy.half_filled();
        let replies = at_once(|| pharmacy.pack(&order));
        let made = text(&replies[0].data()["shipment_id"]);
        assert!(replies.iter().all(|reply| reply.data()["shipment_id"] == json!(made)));
        let replayed = |reply: &&Reply| reply.header("idempotent-replayed").is_some();
        assert_eq!(replies.iter().filter(replayed).count(), replies.len() - 1);
        assert_eq!((pharmacy.parcels().len(), pharmacy.holds(&order)), (before + 1, 0));

        // What is filled since is another matter, and unfit: a repeat leaves it alone.
        pharmacy.fill_the_rest(&order);
        pharmacy.lose_the_license();
        let again = pharmacy.pack(&order);
        assert_eq!((&again.data()["shipment_id"], again.header("idempotent-replayed")), (&json!(made), Some("true")));
        assert_eq!((pharmacy.states(&order)[1].as_str(), pharmacy.holds(&order)), ("filled", 0));
    }

    fn a_refusal_keeps_its_holds_and_frees_its_key(engine) {
        let pharmacy = Pharmacy::start(Store::sandbox(engine));
        let order = pharmacy.half_filled();
        pharmacy.lose_the_license();
        pharmacy.pack(&order).refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!((pharmacy.states(&order)[0].as_str(), pharmacy.holds(&order)), ("on_hold", 1));
        pharmacy.pack(&order).refused(400, "INVALID_STATUS_TRANSITION");
        assert_eq!(pharmacy.holds(&order), 1);
        // A licence lets it go on by itself.
        licensed(pharmacy.server.store());
        assert_eq!(pharmacy.states(&order)[0], "filled");
        pharmacy.pack(&order).data();
    }

    fn while_a_label_is_bought_a_repeat_holds_nothing(engine) {
        let provider = StandIn::start();
        let pharmacy = Pharmacy::that_buys(engine, &provider);
        let order = pharmacy.half_filled();
        provider.be_slow(true);
        let first = thread::scope(|scope| {
            let first = scope.spawn(|| pharmacy.pack(&order));
            eventually("the label is asked for", || {
                provider.requests().iter().any(|(line, _)| line == "POST /v1/labels").then_some(())
            });
            pharmacy.lose_the_license();
            let again = pharmacy.pack(&order);
            again.refused(409, "IDEMPOTENCY_KEY_IN_USE");
            assert!(again.header("retry-after").is_some());
            assert_eq!((pharmacy.states(&order)[0].as_str(), pharmacy.holds(&order)), ("filled", 0));
            provider.be_slow(false);
            first.join().expect("it is answered")
        });
        assert_eq!(first.data()["tracking_number"], json!(provider.paid()[0].1));
        let again = pharmacy.pack(&order);
        assert_eq!((again.data(), again.header("idempotent-replayed")), (first.data(), Some("true")));
        assert_eq!((provider.made(), pharmacy.holds(&order)), (1, 0));
        assert!(!pharmacy.server.log().contains("panicked"));
    }

    fn a_refused_purchase_frees_its_key(engine) {
        let provider = StandIn::start();
        let pharmacy = Pharmacy::that_buys(engine, &provider);
        let order = pharmacy.half_filled();
        provider.fail_next(Fault::Refused("invalid_address"));
        pharmacy.pack(&order).refused(400, "SERVICE_NOT_AVAILABLE");
        pharmacy.pack(&order).data();
        assert_eq!(provider.paid().len(), 1);
    }
}
