//! Two clinics that do anything at the same time, each trying the other's ids: neither is ever told a byte of the other.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use nimbus_core::ids::from_base62;
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    OrdersPartner, PATIENCE, Partner, Reply, Store, random::Random, receiver::Receiver, story::line,
    two_engines,
};

/// What a client does; several of a clinic do so at once.
const ACTS: u64 = 60;
const CLIENTS: usize = 2;

/// What is called by an id, and where it is read.
const READ_AT: [(&str, &str); 6] = [
    ("patient", "/patient/"),
    ("practitioner", "/practitioner/"),
    ("order", "/medication-order/"),
    ("line", "/medication-request/"),
    ("prescription", "/prescription/"),
    ("webhook", "/webhook/"),
];
const LISTS: [&str; 6] =
    ["/patient", "/practitioner", "/medication-order", "/prescription", "/refill-request", "/events"];
const ORDERS_LISTS: [&str; 5] = ["/orders", "/prescriptions", "/refills", "/webhooks", "/events"];

/// What a clinic was told so far.
#[derive(Default)]
struct Known {
    /// Every id, in whichever writing it came.
    ids: BTreeSet<Uuid>,
    /// Ids by what they are of.
    of: Vec<(&'static str, String)>,
}

/// One clinic.
struct Side {
    /// Stands in every value that the clinic sends, and in none of the other's.
    mark: &'static str,
    clinic: String,
    partner: Partner,
    orders: OrdersPartner,
    receiver: Receiver,
    known: Mutex<Known>,
}

impl Side {
    fn new(server: &str, key: &str, clinic: &str, mark: &'static str) -> Self {
        let side = Self {
            mark,
            clinic: clinic.to_owned(),
            partner: Partner::new(server, key),
            orders: OrdersPartner::new(server, key),
            receiver: Receiver::start(),
            known: Mutex::default(),
        };
        let hook = json!({"clinic_id": clinic, "webhook_url": side.receiver.url(), "event_types": ["*"]});
        side.learn("webhook", "webhook_id", &side.partner.post("/webhook", &hook));
        let practitioner = json!({
            "first_name": mark, "last_name": mark, "email": format!("{mark}@example.com"), "npi": "1000000004", "is_veterinarian": false,
            "assigned_clinic": clinic, "phone": "5125550142", "address_line_1": format!("1 {mark} Street"),
            "city": mark, "state_code": "TX", "zip_code": "78701",
        });
        side.learn("practitioner", "practitioner_id", &side.partner.post("/practitioner", &practitioner));
        side.patient(0);
        side
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the ids of a reply to this clinic; the one that it is about, by what it is of.
    #[track_caller]
    fn learn(&self, kind: &'static str, field: &str, reply: &Reply) {
        let id = reply.data()[field].as_str().expect("an id").to_owned();
        let mut known = self.known();
        known.ids.extend(ids_in(&reply.bytes));
        known.of.push((kind, id));
    }

    /// One of its ids of a kind, if it has any.
    fn any(&self, random: &mut Random, kind: &str) -> Option<String> {
        let known = self.known();
        let ids: Vec<_> = known.of.iter().filter(|(of, _)| *of == kind).collect();
        (!ids.is_empty()).then(|| ids[random.within(0, ids.len() as u64) as usize].1.clone())
    }

    fn patient(&self, number: u64) {
        let mark = self.mark;
        let address = json!({
            "addressLine1": format!("{number} {mark} Road"), "city": mark, "state": "TX", "postalCode": "78701",
        });
        let body = json!({
            "first_name": format!("{mark}{}", "abcdefghij".chars().nth(number as usize % 10).unwrap_or('x')),
            "last_name": format!("{mark}son"), "gender": "female",
            "dob": format!("{}-01-0{}", 1950 + number % 50, 1 + number % 9), "assigned_clinic": self.clinic,
            "practitioner_id": self.known().of.iter().find(|(of, _)| *of == "practitioner").map(|(_, id)| id.clone()),
            "addresses": [address], "contacts": [{"key": "email", "value": format!("{mark}{number}@example.com")}],
            "medical_history": format!("{mark} history"), "notes": format!("{mark} notes"),
        });
        let reply = self.partner.post("/patient", &body);
        // Two of its own clients may choose the same names.
        if reply.status == 200 {
            self.learn("patient", "patient_id", &reply);
        }
    }

    fn order(&self, practitioner: &str, patient: &str) -> Reply {
        let mut medication = line("Lisinopril");
        medication["direction"] = json!(format!("As {} says", self.mark));
        let body = json!({
            "clinic_id": self.clinic, "patient_id": patient, "practitioner_id": practitioner,
            "carrier_id": "se-11226", "service_id": "ups_ground", "medication_requests": [medication],
            "notes": format!("{} order", self.mark),
        });
        self.partner.post("/medication-order", &body)
    }

    /// Does one thing of its own.
    fn act(&self, random: &mut Random) -> Reply {
        match random.within(0, 6) {
            0 => {
                self.patient(random.within(1, 500));
                self.partner.get("/patient?limit=100")
            }
            1 | 2 => {
                let (practitioner, patient) = (self.any(random, "practitioner"), self.any(random, "patient"));
                let reply = self.order(&practitioner.unwrap_or_default(), &patient.unwrap_or_default());
                if reply.status == 200 {
                    let line = &reply.data()["medications"][0];
                    let ids = [("line", &line["id"]), ("prescription", &line["prescription_id"])];
                    let ids = ids.map(|(kind, id)| (kind, id.as_str().expect("an id").to_owned()));
                    self.known().of.extend(ids);
                    self.learn("order", "medication_order_id", &reply);
                }
                reply
            }
            3 => self.partner.get(&format!("{}?limit=100", pick(random, &LISTS))),
            4 => self.orders.get(&format!("{}?limit=100", pick(random, &ORDERS_LISTS))),
            _ => {
                let (kind, path) = READ_AT[random.within(0, READ_AT.len() as u64) as usize];
                let id = self.any(random, kind).unwrap_or_else(|| Uuid::now_v7().to_string());
                self.partner.get(&format!("{path}{id}"))
            }
        }
    }

    /// Tries what is the other's: it is as if that were not there.
    fn trespass(&self, random: &mut Random, other: &Self) -> Reply {
        let theirs = |random: &mut Random, kind| other.any(random, kind).unwrap_or_default();
        let (kind, path) = READ_AT[random.within(0, READ_AT.len() as u64) as usize];
        let Some(id) = other.any(random, kind) else { return self.partner.get("/clinic") };
        let refused = match random.within(0, 7) {
            0 | 1 => self.partner.get(&format!("{path}{id}")),
            2 => {
                self.partner.patch(&format!("{path}{id}"), &json!({"notes": self.mark, "status": "inactive"}))
            }
            3 => self.partner.post(
                &format!("/medication-order/{}/cancel", theirs(random, "order")),
                &json!({"reason": self.mark}),
            ),
            4 => self.order(&theirs(random, "practitioner"), &theirs(random, "patient")),
            5 => {
                let own = self.any(random, "practitioner").unwrap_or_default();
                self.order(&own, &theirs(random, "patient"))
            }
            _ => {
                let (who, mark) = (format!("{}a", other.mark), other.mark);
                let reply = self
                    .partner
                    .get(&format!("/patient?first_name={who}&last_name={mark}son&dob=1960-01-02"));
                assert_eq!(reply.data(), &json!([]), "nobody is known by the other's names");
                return reply;
            }
        };
        assert!((400..500).contains(&refused.status), "{} {path}: {}", refused.status, refused.body);
        refused
    }

    /// Nothing of the other clinic is in these bytes, and what is in them is this clinic's from now on.
    #[track_caller]
    fn told(&self, bytes: &[u8], other: &Self) {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(other.mark), "{} is told of {}: {text}", self.mark, other.mark);
        let ids = ids_in(bytes);
        let theirs = other.known();
        let leaked: Vec<_> = ids.intersection(&theirs.ids).collect();
        assert!(leaked.is_empty(), "{} is told {leaked:?} of {}: {text}", self.mark, other.mark);
        drop(theirs);
        self.known().ids.extend(ids);
    }
}

fn pick<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from[random.within(0, from.len() as u64) as usize]
}

/// Every id in a text, as a UUID or as the orders API writes it.
fn ids_in(bytes: &[u8]) -> BTreeSet<Uuid> {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"-_".contains(letter));
    words.filter_map(id_of).collect()
}

fn id_of(word: &str) -> Option<Uuid> {
    if word.len() == 36 {
        return Uuid::parse_str(word).ok();
    }
    let (prefix, rest) = word.split_once('_')?;
    (prefix != "req").then(|| from_base62(rest).map(Uuid::from_u128)).flatten()
}

two_engines! {
    fn two_clinics_never_see_a_byte_of_each_other(engine) {
        let store = Store::sandbox(engine);
        let seed = store.seed();
        let server = store.serve();
        let sides = [
            Side::new(&server.url(), &seed.keys.integration, &seed.clinic_id, "Quokkaville"),
            Side::new(&server.url(), &seed.keys.other_clinic, &seed.other_clinic_id, "Zebrafinch"),
        ];
        for side in &sides {
            let clinic = side.clinic.parse().expect("an id");
            side.known().ids.insert(clinic);
        }
        let mut random = Random::seeded("NIMBUS_ISOLATION_SEED");
        thread::scope(|scope| {
            for (own, other) in [(&sides[0], &sides[1]), (&sides[1], &sides[0])] {
                for _ in 0..CLIENTS {
                    let mut random = random.fork();
                    scope.spawn(move || {
                        for _ in 0..ACTS {
                            let reply = match random.within(0, 3) {
                                0 => own.trespass(&mut random, other),
                                _ => own.act(&mut random),
                            };
                            own.told(&reply.bytes, other);
                            let headers = format!("{:?}", reply.headers);
                            own.told(headers.as_bytes(), other);
                        }
                    });
                }
            }
        });
        for (own, other) in [(&sides[0], &sides[1]), (&sides[1], &sides[0])] {
            for received in own.receiver.wait_for(3, PATIENCE) {
                own.told(&received.body, other);
            }
            let feed = own.partner.get("/events?limit=100");
            assert!(feed.data().as_array().is_some_and(|events| events.len() > 3));
            own.told(&feed.bytes, other);
        }
        let (one, two) = (sides[0].known(), sides[1].known());
        assert!(one.ids.len() > 50 && two.ids.len() > 50, "{} and {}", one.ids.len(), two.ids.len());
        assert!(one.ids.is_disjoint(&two.ids), "{:?}", one.ids.intersection(&two.ids).collect::<Vec<_>>());
    }
}
