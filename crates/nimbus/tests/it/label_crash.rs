//! `kill -9` while a label is being bought: whoever comes after finds it, and one label is paid for one parcel.

use std::{thread, time::Duration};

use nimbus_carriers::testing::{Fault, KEY, StandIn};
use nimbus_store::testing::label_leases_end;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{Engine, Reply, Seed, Server, Staff, Store, eventually, story::text, two_engines};

/// When the server is killed, told from what the provider has seen.
struct Moment {
    name: &'static str,
    fault: Option<Fault>,
    /// The request after which it is killed: the first with this method and the beginning of this path.
    after: &'static str,
    /// So long after that.
    wait: Duration,
}

const fn moment(name: &'static str, fault: Option<Fault>, after: &'static str, wait_ms: u64) -> Moment {
    Moment { name, fault, after, wait: Duration::from_millis(wait_ms) }
}

const BUY: &str = "POST /v1/labels";
/// The label is made and its reply read; what is left is to write it down, and the parcel.
const DOCUMENT: &str = "GET /v1/downloads/";

const MOMENTS: [Moment; 7] = [
    moment("the label is not made", Some(Fault::Hang), BUY, 0),
    moment("the label is made, and the reply on its way", Some(Fault::HeldReply), BUY, 0),
    moment("the reply is being read", None, BUY, 0),
    moment("the label is read", None, DOCUMENT, 0),
    moment("the label is written down, or is not", None, DOCUMENT, 2),
    moment("the parcel is made, or is not", None, DOCUMENT, 6),
    moment("the parcel is made, and its reply on its way", None, DOCUMENT, 12),
];

fn store(engine: Engine, provider: &StandIn) -> Store {
    Store::sandbox(engine)
        .with("NIMBUS_SHIPPING_PROVIDER", "shipengine")
        .with("NIMBUS_SHIPENGINE_URL", &provider.url())
        .with("NIMBUS_SHIPENGINE_API_KEY", KEY)
}

fn a_parcel(order: &str) -> Value {
    json!({"medication_orders": [order], "carrier_id": "se-11226", "service_id": "ups_ground"})
}

/// Asks for a parcel of a server that may die meanwhile.
fn ask(staff: &Staff, key: &str, order: &str) -> Option<Reply> {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    let body = a_parcel(order).to_string();
    staff.try_send(Method::POST, "/pharmacy/shipments", &headers, Some(body.as_bytes())).ok()
}

/// Has a parcel asked for and kills the server at a moment. What the provider had seen before is not counted.
fn killed_at(
    moment: &Moment,
    server: Server,
    seed: &Seed,
    provider: &StandIn,
    key: &str,
    order: &str,
) -> Store {
    let (seen, made) = (provider.requests().len(), provider.made());
    if let Some(fault) = moment.fault {
        provider.fail_next(fault);
    }
    let (staff, own_key, own_order) = (server.staff(seed), key.to_owned(), order.to_owned());
    let asking = thread::spawn(move || ask(&staff, &own_key, &own_order));
    eventually(moment.name, || {
        let reached = |(line, _): &(String, Value)| line.starts_with(moment.after);
        let requests = provider.requests();
        // A request is on record before it is carried out.
        let has_made = moment.fault != Some(Fault::HeldReply) || provider.made() > made;
        (requests[seen..].iter().any(reached) && has_made).then_some(())
    });
    thread::sleep(moment.wait);
    server.kill_now();
    asking.join().expect("a reply that comes is as documented");
    server.kill()
}

/// The leases of the process that died run out: nobody is at the label any more, and its job is due.
fn leases_run_out(store: &Store) {
    store.behind(async |db| label_leases_end(db).await);
}

two_engines! {
    fn whenever_the_server_is_killed_one_label_is_paid_and_its_parcel_is_the_reply(engine) {
        let provider = StandIn::start();
        let store = store(engine, &provider);
        let seed = store.seed();
        let mut server = store.serve();
        for (round, moment) in MOMENTS.iter().enumerate() {
            let order = server.partner(&seed).order(&seed);
            server.staff(&seed).fill(&order.id);
            let key = format!("box-{round}");
            let store = killed_at(moment, server, &seed, &provider, &key, &order.id);
            leases_run_out(&store);
            server = store.serve();

            let (partner, staff) = (server.partner(&seed), server.staff(&seed));
            let reply = eventually("the request is answered in the end", || {
                let reply = ask(&staff, &key, &order.id)?;
                match reply.status {
                    200 => Some(reply),
                    409 => { reply.refused(409, "IDEMPOTENCY_KEY_IN_USE"); None }
                    _ => { reply.refused(503, "UNAVAILABLE"); None }
                }
            });
            let (parcel, number) = (text(&reply.data()["shipment_id"]), text(&reply.data()["tracking_number"]));
            let again = ask(&staff, &key, &order.id).expect("the server lives");
            assert_eq!((again.status, again.bytes), (200, reply.bytes), "{}", moment.name);

            let shown = partner.read_order(&order.id);
            let parcels = shown["shipments"].as_array().expect("a list");
            assert_eq!(parcels.len(), 1, "{}: {shown}", moment.name);
            assert_eq!((&parcels[0]["id"], &parcels[0]["tracking_number"]), (&json!(parcel), &json!(number)));
            let paid = provider.paid();
            assert_eq!((paid.len(), provider.made()), (round + 1, round + 1), "{}: {paid:?}", moment.name);
            assert!(paid.iter().any(|(_, paid)| *paid == number), "{}: {paid:?}", moment.name);
            assert_eq!(staff.get("/pharmacy/label-purchases").data(), &json!([]), "{}", moment.name);
        }
    }

    fn a_label_that_nothing_waits_for_after_the_crash_is_given_back(engine) {
        let provider = StandIn::start();
        let store = store(engine, &provider);
        let seed = store.seed();
        let server = store.serve();
        let order = server.partner(&seed).order(&seed);
        server.staff(&seed).fill(&order.id);
        let store = killed_at(&MOMENTS[1], server, &seed, &provider, "box", &order.id);
        let server = store.serve();
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        staff.work(&order.id, "cancel");
        leases_run_out(server.store());
        eventually("the label is given back", || provider.paid().is_empty().then_some(()));
        assert_eq!(provider.made(), 1);
        assert_eq!(partner.read_order(&order.id)["shipments"], json!([]));
        eventually("nothing is left to do", || {
            (staff.get("/pharmacy/label-purchases").data() == &json!([])).then_some(())
        });
        let again = ask(&staff, "box", &order.id).expect("the server lives");
        again.refused(400, "INVALID_STATUS_TRANSITION");
    }
}
