//! What drugs the pharmacy knows, what each clinic may order, and what the pharmacy is licensed for.

use serde_json::{Value, json};

use crate::support::{
    Engine, Partner, Server, Store,
    story::{line, order_body, text},
    two_engines,
};

/// The warnings about an order of one line.
#[track_caller]
fn warnings(partner: &Partner, seed: &crate::support::Seed, line: &Value) -> Vec<String> {
    let reply = partner.post("/medication-order", &order_body(seed, std::slice::from_ref(line)));
    let list = reply.data()["warnings"].as_array().cloned().unwrap_or_default();
    list.iter().map(text).filter(|warning| warning.contains("formulary")).collect()
}

const UNKNOWN: &str = "medication_requests[0].medication: the drug is not in the formulary";
const NOT_LISTED: &str = "medication_requests[0].medication: the drug is not on the clinic's formulary";

two_engines! {
    fn a_drug_is_known_in_any_writing_and_has_its_schedule(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        for known in ["Lisinopril", "LISINOPRIL 10 mg Tablets", "lisinopril-10mg"] {
            assert!(warnings(&partner, &seed, &line(known)).is_empty(), "{known}");
        }
        for unknown in ["Lisinopril 20 mg", "Snake Oil"] {
            assert_eq!(warnings(&partner, &seed, &line(unknown)), [UNKNOWN], "{unknown}");
        }
        for (medication, schedule) in
            [("Test C3", "C-III"), ("Testosterone Unheard-of", "C-III"), ("Lisinopril", "unscheduled")]
        {
            let order = partner.order_of(&seed, &[line(medication)]);
            let read = partner.get(&format!("/prescription/{}", order.prescriptions[0])).data().clone();
            assert_eq!(read["schedule"], schedule, "{medication}");
        }
    }

    fn a_clinic_orders_what_is_on_its_list_and_its_own_drugs(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let path = format!("/admin/clinics/{}/formulary", seed.clinic_id);
        let whole = staff.get(&path).data().clone();
        assert_eq!(whole["restricted"], false);
        assert!(whole["drugs"].as_array().expect("drugs").len() >= 60);

        let serum = json!({
            "name": "House Serum", "form": "cream", "strength": "2%", "compounded": true, "schedule": "C-V",
        });
        let own = staff.post(&path, &serum).data().clone();
        assert_eq!((&own["own"], &own["schedule"]), (&json!(true), &json!("C-V")));
        assert_eq!(own["unit"], "g", "as a cream is counted");
        let jelly = json!({"name": "House Jelly", "form": "jelly", "strength": "2%", "unit": "tubes"});
        let jelly = staff.post(&path, &jelly).data().clone();
        assert_eq!(jelly["unit"], "tube");
        staff.delete(&format!("{path}/{}", text(&jelly["drug_id"]))).data();
        for unit in ["capsule", "spoon"] {
            let body = json!({"name": "House Gel", "form": "gel", "strength": "2%", "unit": unit});
            assert_eq!(staff.post(&path, &body).invalid(), ["unit"], "{unit}");
        }
        assert_eq!(staff.post(&path, &serum).invalid(), ["name"]);
        assert!(warnings(&partner, &seed, &line("house serum 2 % Cream")).is_empty());
        assert!(warnings(&partner, &seed, &line("Lisinopril")).is_empty(), "own drugs do not confine");

        let metformin = json!({"drug_id": "metformin-500"});
        for _ in 0..2 {
            assert_eq!(staff.post(&path, &metformin).data()["own"], false);
        }
        let confined = staff.get(&path).data().clone();
        assert_eq!((confined["restricted"] == true, confined["drugs"].as_array().expect("drugs").len()), (true, 2));
        assert_eq!(warnings(&partner, &seed, &line("Lisinopril")), [NOT_LISTED]);
        assert!(warnings(&partner, &seed, &line("House Serum")).is_empty());

        for (body, field) in [
            (json!({"drug_id": "no-such-drug"}), "drug_id"),
            (json!({"name": "Metformin", "form": "tablet", "strength": "500mg"}), "name"),
            (json!({"name": "Testosterone Paste", "form": "paste", "strength": "1%"}), "name"),
            (json!({"name": "Paste", "form": "paste", "strength": "strong"}), "name"),
        ] {
            assert_eq!(staff.post(&path, &body).invalid(), [field], "{body}");
        }
        assert_eq!(staff.post(&path, &json!({"form": "paste"})).invalid(), ["name", "strength"]);

        staff.delete(&format!("{path}/metformin-500")).said("Drug removed successfully");
        staff.delete(&format!("{path}/metformin-500")).refused(404, "NOT_FOUND");
        assert!(warnings(&partner, &seed, &line("Lisinopril")).is_empty());
        staff.delete(&format!("{path}/{}", text(&own["drug_id"]))).data();
        assert_eq!(warnings(&partner, &seed, &line("House Serum")), [UNKNOWN]);
        let nowhere = "/admin/clinics/01890000-0000-7000-8000-000000000001/formulary";
        staff.get(nowhere).refused(404, "NOT_FOUND");
        staff.post(nowhere, &metformin).refused(404, "NOT_FOUND");
    }

    fn licenses_are_kept_by_state_and_kind(engine) {
        let (server, seed) = Server::seeded(engine);
        let staff = server.staff(&seed);
        let of = |state: &str| staff.get(&format!("/admin/licenses?state={state}")).data().clone();
        assert_eq!(of("AK"), json!([]), "the sandbox is not licensed in Alaska");
        let texas = of("tx");
        let kinds: Vec<String> =
            texas.as_array().expect("a list").iter().map(|license| text(&license["category"])).collect();
        assert_eq!(kinds, ["compounding", "controlled", "retail", "veterinary"]);

        let body = json!({"state": "AK", "category": "retail", "number": "AK-1", "expires_on": "2020-01-31"});
        let made = staff.post("/admin/licenses", &body).data().clone();
        assert_eq!((&made["state"], &made["expires_on"]), (&json!("AK"), &json!("2020-01-31")));
        assert_eq!(staff.post("/admin/licenses", &body).invalid(), ["number"]);
        let path = format!("/admin/licenses/{}", text(&made["id"]));
        let renewed = staff.patch(&path, &json!({"expires_on": "2099-01-31"}));
        assert_eq!(renewed.data()["expires_on"], "2099-01-31");
        assert_eq!(staff.get(&path).data(), renewed.data());
        assert_eq!(staff.patch(&path, &json!({"number": null})).invalid(), ["number"]);
        let wrong = json!({"state": "XX", "category": "wholesale", "number": "", "expires_on": "soon"});
        assert_eq!(staff.post("/admin/licenses", &wrong).invalid(), ["state", "category", "number", "expires_on"]);
        staff.delete(&path).said("License deleted successfully");
        staff.get(&path).refused(404, "NOT_FOUND");
        staff.delete(&path).refused(404, "NOT_FOUND");
    }
}

#[test]
fn licenses_are_recorded_on_the_server_too() {
    let store = Store::sandbox(Engine::Sqlite);
    let add = ["admin", "license", "add", "--state", "nv", "--category", "controlled", "--number", "NV-7"];
    let made = store.json(&[&add[..], &["--expires", "2030-06-30"]].concat());
    assert_eq!((&made["state"], &made["category"]), (&json!("NV"), &json!("controlled")));
    let listed = store.json(&["admin", "license", "list", "--state", "NV"]);
    assert_eq!(listed, json!([made]));
    assert!(
        !store.output(&[&add[..], &["--expires", "2031-06-30"]].concat()).status.success(),
        "it is there"
    );
    store.json(&["admin", "license", "remove", &text(&made["id"])]);
    assert_eq!(store.json(&["admin", "license", "list"]), json!([]));
}

#[test]
fn an_impossible_formulary_refuses_to_start_with_file_line_and_reason() {
    let store = Store::sandbox(Engine::Sqlite);
    let file = store.folder.path().join("drugs.toml");
    std::fs::write(
        &file,
        "[[drug]]\nid = \"a\"\nname = \"Alpha\"\nform = \"tablet\"\nstrength = \"5 mg\"\nschedule = \"C-9\"\n\n\
         [[drug]]\nid = \"b\"\nname = \"Beta\"\nform = \"tablet\"\nstrength = \"5 mg\"\nndc = [\"1-2-3\"]\n",
    )
    .expect("the folder is ours");
    let store = store.with("NIMBUS_FORMULARY_FILE", &file.display().to_string());
    for command in [&["serve"][..], &["config", "check"]] {
        let refused = store.output(command);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{command:?}");
        for problem in
            [format!("{}:6: schedule is", file.display()), format!("{}:13: an NDC", file.display())]
        {
            assert!(said.contains(&problem), "{problem} is missing in: {said}");
        }
    }
    std::fs::remove_file(&file).expect("it is there");
    let said = store.output(&["config", "check"]).stderr;
    assert!(String::from_utf8_lossy(&said).contains("cannot be read"));
}
