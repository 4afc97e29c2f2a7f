//! Patient data at rest and in logs: after a full scenario, no byte on disk and no log line tells any of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{Engine as _, engine::general_purpose};
use nimbus_store::testing::block_on;
use serde_json::json;
use tokio_postgres::NoTls;
use ureq::http::Method;

use crate::support::{
    Engine, PATIENCE, Reply, Seed, Server, Store, eventually,
    receiver::Receiver,
    story::{Ordered, text},
};

const DOB: &str = "1951-07-23";
/// Every value of the scenario that is patient data, and long enough to be told from chance.
const PHI: [&str; 25] = [
    "Quentavius",
    "Montgommery",
    "Zylbersztajn",
    DOB,
    "7713 Wobblethorn Crescent",
    "Unit Periwinkle",
    "Zephyrhollow",
    "quentavius.z@phi-example.com",
    "5125550177",
    "Penicillin-of-Yore",
    "chronic moonlight sensitivity",
    "prefers to be called Captain",
    "Quixopramine Hydrofictate",
    "glimmering capsule at moonrise",
    "77.7 microfoobles",
    "boysenberry-cardamom",
    "shake until effervescent",
    "leave with the gardener",
    "Family Zylbersztajn parcels",
    "patient moved to Ruritania",
    "asked about the moonrise",
    "the gardener signed for it",
    "Oleander Fitzwhistle",
    "M7 313 C 42 717 271 828 1828 459",
    "Zoë \"Moonbeam\" Østergård",
];

/// What of these webhooks tell partners: the address of a parcel, and what staff wrote for them on a parcel or a change
/// of status.
const TOLD_TO_PARTNERS: [&str; 6] = [PHI[4], PHI[5], PHI[6], PHI[17], PHI[20], PHI[21]];

/// A value as a JSON text may have it: with what must be escaped, with all that is not ASCII, with everything.
fn json_spellings(value: &str) -> [String; 3] {
    let escaped = |is: fn(char) -> bool| {
        value.chars().fold(String::new(), |mut text, letter| {
            match letter {
                '"' | '\\' if !is(letter) => text.extend(['\\', letter]),
                letter if is(letter) => text.push_str(&format!("\\u{:04x}", u32::from(letter))),
                letter => text.push(letter),
            }
            text
        })
    };
    [escaped(|_| false), escaped(|letter| !letter.is_ascii()), escaped(|_| true)]
}

/// The letters of either case in the other one.
fn reversed_case(value: &str) -> String {
    let reversed = |letter: char| match letter.is_uppercase() {
        true => letter.to_lowercase().collect::<String>(),
        false => letter.to_uppercase().collect(),
    };
    value.chars().map(reversed).collect()
}

/// What would betray a value: as it is, in JSON, in base64 at any offset, and in hexadecimal; letter case apart.
fn needles(values: &[&str]) -> Vec<String> {
    let mut needles = Vec::new();
    for value in values {
        needles.push((*value).to_owned());
        needles.extend(json_spellings(value));
        let spellings =
            [(*value).to_owned(), value.to_lowercase(), value.to_uppercase(), reversed_case(value)];
        needles.extend(spellings.clone());
        for spelling in spellings {
            needles.push(hex::encode(&spelling));
            for offset in 0..3 {
                let mut bytes = vec![0u8; offset];
                bytes.extend(spelling.as_bytes());
                let encoded = general_purpose::STANDARD_NO_PAD.encode(&bytes);
                // Characters that also hold bits of the neighbours are not the value's own.
                let (start, end) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
                let own = &encoded[start..end];
                needles.extend([own.to_owned(), own.replace('+', "-").replace('/', "_")]);
            }
        }
    }
    needles
}

struct Search {
    patterns: Vec<String>,
    automaton: AhoCorasick,
}

impl Search {
    fn new(values: &[&str]) -> Self {
        let patterns = needles(values);
        let builder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&patterns);
        Self { automaton: builder.expect("the patterns are few"), patterns }
    }

    /// The needles that a file has.
    fn found_in(&self, file: &Path) -> Vec<&str> {
        fs::read(file).map_or_else(|_| Vec::new(), |bytes| self.found_among(&bytes))
    }

    fn found_among(&self, bytes: &[u8]) -> Vec<&str> {
        let mut found: Vec<&str> = self
            .automaton
            .find_iter(bytes)
            .map(|it| self.patterns[it.pattern().as_usize()].as_str())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return files };
    for entry in entries.flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(files_below(&path)),
            path => files.push(path),
        }
    }
    files
}

/// A patient with everything, an order with everything, its whole life, and what goes wrong on the way: the refusals.
pub(crate) fn live_through(server: &Server, seed: &Seed) -> Vec<Reply> {
    let (partner, staff) = (server.partner(seed), server.staff(seed));
    let hook = json!({"clinic_id": seed.clinic_id, "webhook_url": "http://127.0.0.1:65000/hook", "event_types": ["*"]});
    let hook = text(&partner.post("/webhook", &hook).data()["webhook_id"]);
    let address = json!({
        "addressLine1": PHI[4], "addressLine2": PHI[5], "city": PHI[6], "state": "TX", "postalCode": "79843",
    });
    let patient = json!({
        "first_name": PHI[0], "middle_name": PHI[1], "last_name": PHI[2], "gender": "male", "dob": DOB,
        "practitioner_id": seed.practitioner_id, "assigned_clinic": seed.clinic_id, "addresses": [address],
        "contacts": [{"key": "email", "value": PHI[7]}, {"key": "phone", "value": PHI[8]}],
        "medication_allergies": [PHI[9]], "medical_history": PHI[10], "notes": PHI[11],
        "species": "canine", "animal_owner_name": PHI[22], "weight": "30 kg",
        "height": PHI[24],
    });
    let signature = format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><path d=\"{}\"/></svg>", PHI[23]);
    let signature_path = format!("/practitioner/{}/signature", seed.practitioner_id);
    let as_svg = [("content-type", "image/svg+xml")];
    partner.send(ureq::http::Method::PUT, &signature_path, &as_svg, Some(signature.as_bytes())).data();
    assert_eq!(partner.get(&signature_path).bytes, signature.as_bytes());
    let unfit = signature.replace("path", "script");
    partner.send(ureq::http::Method::PUT, &signature_path, &as_svg, Some(unfit.as_bytes())).invalid();
    let made = partner.post_keyed("/patient", "patient-1", &patient);
    let patient_id = text(&made.data()["patient_id"]);
    partner.post("/patient", &patient).refused(400, "DUPLICATE_PATIENT");
    let order = json!({
        "clinic_id": seed.clinic_id, "patient_id": patient_id, "practitioner_id": seed.practitioner_id,
        "delivery_speed": "next-day", "shipping_address": address, "notes": PHI[17], "shipment_group_id": PHI[18],
        "medication_requests": [{
            "medication": PHI[12], "dose": PHI[14], "quantity": 30, "direction": format!("Take one {}", PHI[13]),
            "flavor": PHI[15], "notes": PHI[16], "refills": 3, "days_supply": 30,
            "reason_for_compounding": PHI[10],
        }],
    });
    let cancelled = Ordered::read(partner.post_keyed("/medication-order", "order-1", &order).data());
    let cancel = format!("/medication-order/{}/cancel", cancelled.id);
    partner.post_keyed(&cancel, "cancel-1", &json!({"reason": PHI[19]})).data();
    let order = Ordered::read(partner.post_keyed("/medication-order", "order-2", &order).data());
    let note = json!({"reason": "clarification", "note": PHI[20]});
    staff.post_keyed(&format!("/pharmacy/orders/{}/hold", order.id), "hold-1", &note).data();
    staff.post(&format!("/pharmacy/orders/{}/release", order.id), &json!({"note": PHI[20]})).data();
    staff.fill(&order.id);
    let shipment = json!({
        "medication_orders": [order.id], "carrier_id": "se-11226", "service_id": "ups_next_day_air", "notes": PHI[17],
    });
    let shipment = text(&staff.post_keyed("/pharmacy/shipments", "ship-1", &shipment).data()["shipment_id"]);
    let path = format!("/pharmacy/shipments/{shipment}/status");
    staff.patch(&path, &json!({"status": "delivered", "note": PHI[21]})).data();
    staff.post(
        &format!("/pharmacy/prescriptions/{}/discontinue", order.prescriptions[0]),
        &json!({"note": PHI[20]}),
    );

    // Reads of all of it, so that nothing hides in what a read leaves behind.
    for path in ["/patient", "/medication-order", "/prescription", "/refill-request"] {
        partner.get(path).data();
    }
    let first = PHI[0].to_lowercase();
    let by_identity = format!("/patient?first_name={first}&last_name={}&dob={DOB}", PHI[2]);
    assert_eq!(partner.get(&by_identity).data()[0]["id"], patient_id);
    let view = partner.read_order(&order.id).to_string();
    assert!(view.contains(PHI[12]) && view.contains(PHI[4]), "the partner reads what it sent: {view}");
    staff.get(&format!("/pharmacy/orders/{}", order.id)).data();

    // Mistakes that put patient data where it does not belong.
    let mut refusals = vec![
        partner.get(&format!("/patient/{}", PHI[0])),
        partner.get(&format!("/medication-order?status={}", PHI[2])),
        partner.get(&format!("/{}/{}", PHI[2], PHI[0])),
    ];
    refusals[0].refused(404, "NOT_FOUND");
    refusals[1].invalid();
    refusals[2].refused(404, "NOT_FOUND");
    let mut wrong = patient;
    wrong["gender"] = json!(PHI[0]);
    wrong["addresses"][0]["state"] = json!(PHI[6]);
    let refused = partner.post("/patient", &wrong);
    assert_eq!(refused.invalid().len(), 2, "{}", refused.body);
    refusals.push(refused);
    let broken = format!("{{\"first_name\": \"{}\", {}", PHI[0], PHI[2]);
    let json = [("content-type", "application/json")];
    let refused = partner.send(ureq::http::Method::POST, "/patient", &json, Some(broken.as_bytes()));
    assert_eq!(refused.status, 400, "{}", refused.body);
    refusals.push(refused);

    // Deliveries were tried and their failures kept.
    let deliveries = format!("/webhook/{hook}/deliveries?limit=100");
    eventually("a delivery is tried", || {
        let list = partner.get(&deliveries).data().clone();
        let tried = |row: &serde_json::Value| row["attempts"].as_array().is_some_and(|all| !all.is_empty());
        list.as_array().is_some_and(|all| all.len() > 5 && all.iter().any(tried)).then_some(())
    });
    refusals
}

/// A scenario on a deployment, and all that leaves it: what is refused, what is sent to a receiver, and what is measured.
fn nothing_leaves(store: Store) -> (Server, Seed) {
    let seed = store.seed();
    let server = store.serve();
    let receiver = Receiver::start();
    server.partner(&seed).register(&seed, &receiver.url(), &json!({"event_types": ["*"]}));
    let refusals = live_through(&server, &seed);
    let search = Search::new(&PHI);
    for refusal in &refusals {
        assert!(search.found_among(&refusal.bytes).is_empty(), "{}", refusal.body);
    }
    let metrics = server.admin().send(Method::GET, "/metrics", &[], None);
    assert!(metrics.status == 200 && search.found_among(&metrics.bytes).is_empty());
    let hidden: Vec<&str> = PHI.into_iter().filter(|value| !TOLD_TO_PARTNERS.contains(value)).collect();
    let search = Search::new(&hidden);
    receiver.wait_for_type("shipment:created", PATIENCE);
    let sent = receiver.wait_for(6, PATIENCE);
    for received in &sent {
        let body = String::from_utf8_lossy(&received.body);
        assert!(search.found_among(&received.body).is_empty(), "{body}");
    }
    assert!(
        sent.iter().any(|received| !Search::new(&TOLD_TO_PARTNERS).found_among(&received.body).is_empty()),
        "what is told is found in the same bodies"
    );
    (server, seed)
}

#[track_caller]
fn nothing_is_told(search: &Search, files: &[PathBuf]) {
    assert!(!files.is_empty());
    for file in files {
        let found = search.found_in(file);
        assert!(found.is_empty(), "{} tells {found:?}", file.display());
    }
}

/// The search itself finds a value however it is written.
#[test]
fn the_search_finds_what_it_should() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let search = Search::new(&PHI);
    for value in PHI {
        for (name, written) in [
            ("plain", format!("..{value}..").into_bytes()),
            ("upper", value.to_uppercase().into_bytes()),
            ("hex", hex::encode_upper(format!("x{value}y")).into_bytes()),
            ("base64", general_purpose::STANDARD.encode(format!("{{\"name\":\"{value}\"}}")).into_bytes()),
            (
                "base64 of another offset",
                general_purpose::URL_SAFE.encode(format!("ab{value}c")).into_bytes(),
            ),
            ("JSON", serde_json::to_vec(&json!({ "name": value })).expect("a text")),
            ("reversed case", reversed_case(value).into_bytes()),
            ("reversed case, hex", hex::encode(reversed_case(value)).into_bytes()),
        ] {
            let file = folder.path().join("decoy");
            fs::write(&file, written).expect("our folder");
            assert!(!search.found_in(&file).is_empty(), "{value} as {name}");
        }
    }
}

#[test]
fn sqlite_files_and_logs_tell_nothing() {
    let store =
        Store::sandbox(Engine::Sqlite).with("NIMBUS_LOG", "debug").with("NIMBUS_RETRY_SCALE", "0.001");
    let store = store.with("NIMBUS_ADMIN_LISTEN", "127.0.0.1:0");
    let (server, seed) = nothing_leaves(store);
    let search = Search::new(&PHI);
    let files = files_below(&server.store().data_dir());
    assert!(files.iter().any(|file| file.ends_with("nimbus.db")), "{files:?}");
    nothing_is_told(&search, &files);
    let log = server.log();
    assert!(log.contains("answered"), "the log has the requests");
    let folder = server.store().folder.path().to_owned();
    nothing_is_told(&search, &files_below(&folder));
    let (status, _, store) = server.stop();
    assert!(status.success());
    nothing_is_told(&search, &files_below(store.folder.path()));
    let in_clear = Search::new(&[&seed.medication_order_id.replace('-', "")[..20]]);
    let ids = hex_files(&store.data_dir());
    assert!(!in_clear.found_in(&ids).is_empty(), "what is stored in the clear is found in the same files");
}

/// The database as hexadecimal text, to find in it what is stored as bytes.
fn hex_files(data_dir: &Path) -> PathBuf {
    let file = data_dir.join("as.hex");
    let bytes = fs::read(data_dir.join("nimbus.db")).expect("the database");
    fs::write(&file, hex::encode(bytes)).expect("our folder");
    file
}

#[test]
fn postgres_files_and_logs_tell_nothing() {
    let store =
        Store::sandbox(Engine::Postgres).with("NIMBUS_LOG", "debug").with("NIMBUS_RETRY_SCALE", "0.001");
    let store = store.with("NIMBUS_ADMIN_LISTEN", "127.0.0.1:0");
    let url = store.database_url.clone().expect("PostgreSQL has one");
    let (server, _) = nothing_leaves(store);
    let (data, own) = block_on(checkpointed(&url));
    let search = Search::new(&PHI);
    let database = files_below(&data.join("base").join(&own));
    let log = files_below(&data.join("pg_wal"));
    assert!(database.len() > 100 && !log.is_empty(), "{} and {} files", database.len(), log.len());
    nothing_is_told(&search, &database);
    nothing_is_told(&search, &log);
    nothing_is_told(&search, &files_below(server.store().folder.path()));
    let words = Search::new(&["medication:shipped"]);
    assert!(
        database.iter().any(|file| !words.found_in(file).is_empty()),
        "what is in the clear is found there"
    );
}

/// Everything on disk: the cluster's data folder, and the name of this database's own.
async fn checkpointed(url: &str) -> (PathBuf, String) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the cluster answers");
    let connection = tokio::spawn(connection);
    client.batch_execute("checkpoint").await.expect("a checkpoint");
    let sql = "select current_setting('data_directory'), oid::text from pg_database where datname = current_database()";
    let row = client.query_one(sql, &[]).await.expect("the database knows itself");
    let found = (PathBuf::from(row.get::<_, String>(0)), row.get(1));
    drop(client);
    connection.await.expect("the task ends").expect("the connection ends well");
    found
}
