//! Sealed values of which a bit was flipped in the store: the record says so, and its neighbours are as they were.

use nimbus_core::ids::ClinicId;
use nimbus_store::{
    Db,
    reseal::{SEALED, Sealed},
    testing::{block_on, faults::bit_flipped},
};
use serde_json::json;

use crate::{
    privacy::live_through,
    support::{
        Engine, OrdersPartner, Partner, Reply, Seed, Server, Staff, Store, eventually, story::text,
        two_engines,
    },
};

/// Where a bit is flipped, in bytes from the end of a value: in its tag, or in its first byte.
const PLACES: [usize; 2] = [0, usize::MAX];

/// A deployment with a life behind it, and everybody who reads.
struct Scene {
    server: Server,
    clinic: ClinicId,
    partner: Partner,
    orders: OrdersPartner,
    staff: Staff,
    /// The store, behind the server's back.
    db: Db,
}

impl Scene {
    fn new(engine: Engine) -> Self {
        let store = Store::sandbox(engine).with("NIMBUS_RETRY_SCALE", "0.001");
        let seed = store.seed();
        let server = store.serve();
        live_through(&server, &seed);
        let (partner, orders, staff) = (server.partner(&seed), server.orders(&seed), server.staff(&seed));
        partner.order(&seed);
        refill(&partner, &seed);
        let clinic = seed.clinic_id.parse().expect("an id");
        let db = block_on(server.store().open());
        Self { server, clinic, partner, orders, staff, db }
    }

    /// Flips a bit, or puts it back: the row in which it is, if there is one.
    fn flip(&self, sealed: &'static Sealed, place: usize) -> Option<String> {
        block_on(bit_flipped(&self.db, self.clinic, sealed, place)).map(|row| row.to_string())
    }

    /// Every list that shows what is sealed.
    fn lists(&self) -> Vec<(String, Reply)> {
        let partner = [
            "/patient",
            "/practitioner",
            "/medication-order",
            "/prescription",
            "/refill-request",
            "/webhook",
            "/events",
        ];
        let orders = ["/orders", "/prescriptions", "/refills", "/webhooks", "/events"];
        let staff = [
            "/pharmacy/orders",
            "/pharmacy/refill-requests",
            "/pharmacy/shipments",
            "/pharmacy/label-purchases",
            "/admin/practitioners",
            "/admin/webhooks",
        ];
        let named = |who: &str, path: &str, reply| (format!("{path} of {who}"), reply);
        let partner = partner.iter().map(|path| named("the partner API", path, self.partner.get(path)));
        let orders = orders.iter().map(|path| named("the orders API", path, self.orders.get(path)));
        let staff = staff.iter().map(|path| named("staff", path, self.staff.get(path)));
        partner.chain(orders).chain(staff).collect()
    }

    /// Whether the audit log tells that a value of this row was met altered.
    fn is_on_record(&self, table: &str, row: &str) -> bool {
        let search = format!("/admin/audit?action=record.unreadable&subject_id={row}");
        let found = self.staff.get(&search).data().clone();
        found.as_array().is_some_and(|all| all.iter().any(|entry| entry["subject"] == table))
    }
}

/// A refill that is asked for, with all that comes of it.
fn refill(partner: &Partner, seed: &Seed) {
    let wanted = json!({"prescription_id": seed.prescription_id, "patient_id": seed.patient_id});
    partner.post("/refill-request", &wanted);
}

/// How many records a list shows, and those of which it says that it cannot.
fn shown(reply: &Reply) -> (usize, Vec<String>) {
    let unreadable =
        reply.body["unreadable"].as_array().map_or_else(Vec::new, |ids| ids.iter().map(text).collect());
    (reply.body["data"].as_array().expect("a list").len(), unreadable)
}

fn sealed(table: &str, column: &str) -> &'static Sealed {
    SEALED.iter().find(|it| (it.table, it.column) == (table, column)).expect("it is sealed")
}

two_engines! {
    fn a_bit_flipped_anywhere_leaves_every_list_its_others(engine) {
        let scene = Scene::new(engine);
        let whole: Vec<usize> = scene.lists().iter().map(|(_, reply)| shown(reply).0).collect();
        let (mut altered, mut hidden) = (0, 0);
        for sealed in SEALED {
            for place in PLACES {
                if scene.flip(sealed, place).is_none() {
                    continue;
                }
                altered += 1;
                for ((list, reply), whole) in scene.lists().iter().zip(&whole) {
                    let what = format!("{list} with {}.{} altered", sealed.table, sealed.column);
                    assert_eq!(reply.status, 200, "{what}: {}", reply.body);
                    let (others, unreadable) = shown(reply);
                    assert_eq!(others + unreadable.len(), *whole, "{what}");
                    assert!(unreadable.len() <= 1, "{what}: {unreadable:?}");
                    hidden += unreadable.len();
                }
                scene.flip(sealed, place).expect("it is put back");
            }
        }
        assert!(altered > 25 && hidden > 40, "{altered} values, {hidden} records");
    }

    fn an_altered_record_says_so_and_is_put_on_record(engine) {
        let scene = Scene::new(engine);
        let patient = scene.flip(sealed("patients", "profile"), PLACES[0]).expect("there are patients");
        let (others, unreadable) = shown(&scene.partner.get("/patient"));
        assert_eq!(unreadable, std::slice::from_ref(&patient));
        assert!(others > 0);
        for reply in [
            scene.partner.get(&format!("/patient/{patient}")),
            scene.partner.patch(&format!("/patient/{patient}"), &json!({"notes": "moved"})),
        ] {
            let told = reply.refused(500, "INTERNAL_ERROR");
            assert!(reply.header("x-request-id").is_some_and(|id| told.to_string().contains(id)), "{told}");
        }
        let list = scene.partner.get("/patient");
        let neighbour = text(&list.data()[0]["id"]);
        scene.partner.get(&format!("/patient/{neighbour}")).data();
        eventually("it is on record", || scene.is_on_record("patients", &patient).then_some(()));
        let log = scene.server.log();
        let line = log.lines().find(|line| line.contains("a sealed value was altered")).expect("it is in the log");
        assert!(line.contains(&format!("patients.profile of {patient}")), "{line}");

        // Put back, it is as it was.
        scene.flip(sealed("patients", "profile"), PLACES[0]).expect("there are patients");
        scene.partner.get(&format!("/patient/{patient}")).data();
        assert_eq!(shown(&scene.partner.get("/patient")), (others + 1, Vec::new()));
    }
}
