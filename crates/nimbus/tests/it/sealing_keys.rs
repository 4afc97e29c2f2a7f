//! `nimbus keys`: another master key takes the place of the first one while a server runs, in a file or in a Vault; a
//! clinic's data key and the platform's are rotated, used to seal anew, and destroyed.

mod vault;

use nimbus_core::ids::ClinicId;
use nimbus_store::{keyring::PLATFORM, testing::clinic_keys_age};
use serde_json::{Value as Json, json};

use self::vault::Vault;
use crate::{
    privacy::live_through,
    staff::factors::{code, enrol, second},
    support::{
        Seed, Server, Store,
        browser::{Browser, PASSWORD, signed_in},
        story::text,
        two_engines,
    },
};

/// What stands in the way, as the command says it.
#[track_caller]
fn refused(store: &Store, args: &[&str]) -> String {
    let output = store.output(args);
    assert!(!output.status.success(), "nimbus {args:?} went well");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn reads_its_patient(server: &Server, seed: &Seed) {
    let patient = server.partner(seed).get(&format!("/patient/{}", seed.patient_id));
    assert!(patient.data()["first_name"].as_str().is_some_and(|name| !name.is_empty()), "{}", patient.body);
}

two_engines! {
    fn another_master_key_takes_over_while_a_server_runs(engine) {
        let (server, seed) = Server::seeded(engine);
        let store = server.store();
        let status = store.json(&["keys", "status"]);
        let old = text(&status["master_key"]);
        assert_eq!(status["roots"][0]["master_keys"], json!([old]));
        let file = store.folder.path().join("next.key").display().to_string();
        let rotated = store.json(&["keys", "master", "rotate", "--new-key-file", &file]);
        let new = text(&rotated["master_key"]);
        assert!(new.starts_with("local:") && new != old, "{rotated}");
        reads_its_patient(&server, &seed);
        server.partner(&seed).order(&seed);
        assert!(refused(store, &["keys", "master", "retire", &old]).contains("is the master key in use"));

        let (_, _, store) = server.stop();
        let server = store.with("NIMBUS_MASTER_KEY_FILE", &file).serve();
        reads_its_patient(&server, &seed);
        let store = server.store();
        assert_eq!(store.json(&["keys", "master", "retire", &old])["retired"], json!(old));
        assert!(refused(store, &["keys", "master", "retire", &old]).contains("no root is wrapped"));
        let status = store.json(&["keys", "status"]);
        assert_eq!(status["roots"].as_array().map(Vec::len), Some(1), "{status}");
        assert_eq!(status["roots"][0]["root"], 2);
        let (_, _, store) = server.stop();
        let store = store.without("NIMBUS_MASTER_KEY_FILE");
        let told = refused(&store, &["keys", "status"]);
        assert!(told.contains(&new) && !told.contains(&old), "{told}");
    }

    fn the_master_key_can_be_in_a_vault(engine) {
        let vault = Vault::start("s.token");
        let store = Store::sandbox(engine);
        let token = store.folder.path().join("token");
        std::fs::write(&token, "s.token\n").expect("our folder");
        let seed = store.seed();
        let store = store.with("NIMBUS_VAULT_TOKEN_FILE", &token.display().to_string());
        let rotated = store.json(&[
            "keys", "master", "rotate", "--new-vault-key", "transit/nimbus", "--new-vault-url", &vault.url(),
        ]);
        assert_eq!(rotated["master_key"], "vault:transit/nimbus");
        let store = store.with("NIMBUS_VAULT_URL", &vault.url()).with("NIMBUS_VAULT_KEY", "transit/nimbus");
        let server = store.serve();
        reads_its_patient(&server, &seed);
        let asked = vault.asked();
        for _ in 0..20 {
            reads_its_patient(&server, &seed);
        }
        assert_eq!(vault.asked(), asked, "a Vault is asked when a store is opened, not for each read");
        let (_, _, store) = server.stop();
        let status = store.json(&["keys", "status"]);
        let old = text(&status["roots"][0]["master_keys"][0]);
        store.json(&["keys", "master", "retire", &old]);

        // Whatever is wrong is said, and nothing is changed: neither the token nor a key is told.
        std::fs::write(&token, "s.other\n").expect("our folder");
        let told = refused(&store, &["keys", "status"]);
        assert!(told.contains("refuses the token") && !told.contains("s.other"), "{told}");
        std::fs::write(&token, "s.token\n").expect("our folder");
        let other = store.with("NIMBUS_VAULT_KEY", "transit/another");
        assert!(refused(&other, &["keys", "status"]).contains("it needs vault:transit/nimbus"));
        let store = other.with("NIMBUS_VAULT_KEY", "transit/nimbus");
        vault.stop();
        assert!(refused(&store, &["keys", "status"]).contains("Vault could not be reached"));
        let wrong = store.with("NIMBUS_VAULT_URL", "http://vault.example:8200");
        assert!(refused(&wrong, &["keys", "status"]).contains("must be https"));
    }

    fn a_clinics_values_are_sealed_anew_and_old_keys_go(engine) {
        let store = Store::sandbox(engine).with("NIMBUS_RETRY_SCALE", "0.001");
        let seed = store.seed();
        let server = store.serve();
        live_through(&server, &seed);
        let partner = server.partner(&seed);
        let all = || -> Vec<Json> {
            ["/patient", "/medication-order", "/prescription", "/practitioner"]
                .map(|path| partner.get(path).data().clone())
                .to_vec()
        };
        let before = all();
        let (store, clinic) = (server.store(), seed.clinic_id.as_str());
        assert_eq!(store.json(&["keys", "clinic", "rotate", clinic])["version"], 2);
        let counted = store.json(&["keys", "clinic", "reseal", clinic, "--dry-run"]);
        assert!(counted["outdated"].as_u64().is_some_and(|count| count > 50), "{counted}");
        assert!(refused(store, &["keys", "clinic", "prune", clinic]).contains("younger than two days"));
        let (_, _, store) = server.stop();
        let id: ClinicId = clinic.parse().expect("an id");
        store.behind(async |db| clinic_keys_age(db, id, 3).await);
        assert!(refused(&store, &["keys", "clinic", "prune", clinic]).contains("seal them anew first"));
        let done = store.json(&["keys", "clinic", "reseal", clinic]);
        assert_eq!((&done["unreadable"], done["resealed"] == done["outdated"]), (&json!(0), true), "{done}");
        assert_eq!(store.json(&["keys", "clinic", "reseal", clinic])["outdated"], 0);
        assert_eq!(store.json(&["keys", "clinic", "prune", clinic])["destroyed"], 1);
        let keys = store.json(&["keys", "clinic", "list", clinic]);
        assert_eq!(keys["data_keys"].as_array().map(Vec::len), Some(1), "{keys}");
        let server = store.serve();
        let partner = server.partner(&seed);
        let all = ["/patient", "/medication-order", "/prescription", "/practitioner"]
            .map(|path| partner.get(path).data().clone());
        assert_eq!(all.to_vec(), before);
    }

    fn what_is_of_no_clinic_is_sealed_anew_as_well(engine) {
        let store = Store::sandbox(engine);
        let seed = store.seed();
        let server = store.serve();
        let (secret, _) = enrol(&signed_in(&server, "ada@example.com", &["super_admin"]));
        let staff = server.staff(&seed);
        let lot = json!({
            "drug_id": "lisinopril-10", "lot_number": "L-1", "expires_on": "2999-12-31", "quantity": 10,
        });
        let lot = text(&staff.post("/pharmacy/inventory/receive", &lot).data()["lot_id"]);
        let spilt = json!({"lot_id": lot, "change": "remove", "quantity": 1, "reason": "Spilt by the window"});
        staff.post("/pharmacy/inventory/adjust", &spilt).data();
        let reason = |server: &Server| {
            let moves = server.staff(&seed).get(&format!("/pharmacy/inventory/{lot}/moves"));
            text(&moves.data()[0]["reason"])
        };
        assert_eq!(reason(&server), "Spilt by the window");

        let store = server.store();
        assert_eq!(store.json(&["keys", "platform", "rotate"])["version"], 2);
        // The note, the secret of the authenticator app, and what signs the audit log.
        let counted = store.json(&["keys", "platform", "reseal", "--dry-run"]);
        assert_eq!(counted["outdated"], 3, "{counted}");
        assert!(refused(store, &["keys", "platform", "prune"]).contains("the platform has a data key that is younger"));
        let (_, _, store) = server.stop();
        store.behind(async |db| clinic_keys_age(db, PLATFORM, 3).await);
        assert!(refused(&store, &["keys", "platform", "prune"]).contains("seal them anew first"));
        let done = store.json(&["keys", "platform", "reseal"]);
        assert_eq!((&done["resealed"], &done["unreadable"]), (&json!(3), &json!(0)), "{done}");
        assert_eq!(store.json(&["keys", "platform", "reseal"])["outdated"], 0);
        assert_eq!(store.json(&["keys", "platform", "prune"])["destroyed"], 1);
        let keys = store.json(&["keys", "platform", "list"]);
        assert_eq!(keys["data_keys"].as_array().map(Vec::len), Some(1), "{keys}");

        let server = store.serve();
        assert_eq!(reason(&server), "Spilt by the window");
        let browser = Browser::new(&server);
        browser.sign_in("ada@example.com", PASSWORD).data();
        assert_eq!(second(&browser, "totp", &code(&secret, 1)).data()["signed_in"], true);
        let verified = server.store().json(&["audit", "verify", "--json"]);
        assert_eq!(verified["ok"], true, "{verified}");
        let rows = server.staff(&seed).get("/admin/audit?subject=platform");
        let acts: Vec<String> = rows.data().as_array().expect("rows").iter().map(|row| text(&row["action"])).collect();
        assert_eq!(acts, ["platform_key.prune", "platform_key.reseal", "platform_key.reseal", "platform_key.rotate"]);
    }

    fn a_deleted_clinics_patient_data_can_be_erased(engine) {
        let store = Store::sandbox(engine);
        let seed = store.seed();
        let server = store.serve();
        let gone = server.partner(&seed).order(&seed);
        let hook = json!({"clinic_id": seed.clinic_id, "webhook_url": "http://127.0.0.1:65000/hook"});
        server.partner(&seed).post("/webhook", &hook).data();
        let clinic = seed.clinic_id.as_str();
        let destroy = ["keys", "clinic", "destroy", clinic, "--confirm", clinic];
        assert!(refused(server.store(), &destroy).contains("is not deleted"));
        let (_, _, store) = server.stop();
        store.json(&["admin", "clinic", "delete", clinic]);
        assert!(refused(&store, &["keys", "clinic", "destroy", clinic, "--confirm", "x"]).contains("--confirm"));
        assert_eq!(store.json(&destroy)["destroyed"], true);

        let server = store.serve();
        let staff = server.staff(&seed);
        let queue = staff.get("/pharmacy/orders").data().to_string();
        assert!(!queue.contains(&gone.id), "{queue}");
        for path in ["/pharmacy/refill-requests", "/pharmacy/shipments", "/admin/practitioners"] {
            staff.get(path).data();
        }
        server.stranger(&seed).get("/clinic").data();
        let doctor = server.store().json(&["doctor", "--json"]);
        assert_eq!(doctor["ok"], true, "{doctor}");
    }
}
