//! A PostgreSQL that stops at once and comes back, under load.

use std::{
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use nimbus_store::testing::PgCluster;
use serde_json::json;
use ureq::http::Method;

use super::{
    random, short_leases,
    traffic::{Address, Traffic, is_ready, wait_until_ready},
};
use crate::support::{Store, eventually};

const AWAY: Duration = Duration::from_secs(30);
/// How long there is load before and after.
const LOAD: Duration = Duration::from_secs(3);

#[test]
fn postgres_may_be_away_for_half_a_minute() {
    let (cluster, mut random) = (PgCluster::start(), random());
    let store = short_leases(Store::sandbox_on(&cluster));
    let (seed, other) = (store.seed(), store.beside());
    let servers = [store.serve(), other.serve()];
    let traffic = Traffic::new(&servers[0], &seed);
    let addresses: Vec<Address> =
        servers.iter().map(|server| Mutex::new(Some(server.staff(&seed)))).collect();
    thread::scope(|scope| {
        let _stop = traffic.stop_after();
        for address in &addresses {
            let (traffic, random) = (&traffic, random.fork());
            scope.spawn(move || traffic.send(address, random));
        }
        thread::sleep(LOAD);
        cluster.stop_at_once();
        let (stopped, (before, _)) = (Instant::now(), traffic.counts());
        assert!(before > 0, "there was no load");
        for server in &servers {
            eventually("a server without its database says so", || (!is_ready(server)).then_some(()));
            let partner = server.partner(&seed);
            partner.get("/webhook").refused(503, "UNAVAILABLE");
            partner.get("/event-types");
            let order = json!({"clinic_id": seed.clinic_id});
            let headers = [("content-type", "application/json")];
            let body = order.to_string();
            let reply = partner.send(Method::POST, "/medication-order", &headers, Some(body.as_bytes()));
            assert_eq!(reply.status, 503, "{}", reply.body);
        }
        thread::sleep(AWAY.saturating_sub(stopped.elapsed()));
        let (still, refused) = traffic.counts();
        assert!(still - before <= 4, "{} were answered with success without a database", still - before);
        assert!(refused > 20, "only {refused} were told to come again");
        cluster.start_again();
        servers.iter().for_each(wait_until_ready);
        thread::sleep(LOAD);
        assert!(traffic.counts().0 > still, "nothing is taken any more");
    });
    traffic.prove(servers[0].store());
}
