//! People of several clinics of one partner, and the images of signatures.

use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{
    Client, Engine, Partner, Reply, Seed, Server, Store,
    story::{line, text},
    two_engines,
};

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// The seeded clinic and another one of its partner, each with a key.
struct Scene {
    server: Server,
    seed: Seed,
    here: Partner,
    there: Partner,
    other: String,
}

impl Scene {
    fn new(engine: Engine) -> Self {
        let store = Store::sandbox(engine);
        let seed = store.seed();
        let (other, key) = clinic_of(&store, &partner_of(&store, &seed.clinic_id), "Second Clinic");
        let server = store.serve();
        let (here, there) = (server.partner(&seed), Partner::new(&server.url(), &key));
        Self { server, seed, here, there, other }
    }

    fn clinics(&self) -> Value {
        json!({"clinic_ids": [self.other]})
    }

    /// A practitioner of the seeded clinic.
    fn register(&self, change: &[(&str, Value)]) -> String {
        text(
            &self.here.post("/practitioner", &practitioner(&self.seed.clinic_id, change)).data()["practitioner_id"],
        )
    }

    fn patient(&self, practitioner: &str, first_name: &str) -> String {
        let body = patient(&self.seed.clinic_id, practitioner, first_name);
        text(&self.here.post("/patient", &body).data()["patient_id"])
    }

    /// Assigns a practitioner to the other clinic; how the reply tells it.
    #[track_caller]
    fn assign(&self, practitioner: &str) -> Value {
        let reply = self.here.post(&format!("/practitioner/{practitioner}/clinics"), &self.clinics());
        only(reply.said("Practitioner assigned successfully"))
    }
}

/// The one clinic of a reply about clinics.
#[track_caller]
fn only(data: &Value) -> Value {
    let clinics = data["clinics"].as_array().expect("clinics");
    assert_eq!(clinics.len(), 1, "{data}");
    clinics[0].clone()
}

/// Whose clinic it is.
fn partner_of(store: &Store, clinic: &str) -> String {
    let clinics = store.json(&["admin", "clinic", "list"]);
    let found = clinics.as_array().expect("a list").iter().find(|row| row["id"] == clinic);
    text(&found.expect("the clinic is listed")["partner_id"])
}

/// A new clinic of a partner, and a key of it.
fn clinic_of(store: &Store, partner: &str, name: &str) -> (String, String) {
    let clinic = text(&store.json(&["admin", "clinic", "create", "--partner", partner, name])["id"]);
    let issue = ["admin", "key", "issue", "--clinic", &clinic, "--profile", "integration"];
    let key = text(&store.json(&issue)["key"]);
    (clinic, key)
}

fn practitioner(clinic: &str, change: &[(&str, Value)]) -> Value {
    let mut body = json!({
        "first_name": "Ada", "last_name": "Sorensen", "email": "ada@example.com", "npi": "1000000004",
        "is_veterinarian": false, "assigned_clinic": clinic, "address_line_1": "1 Main St", "city": "Austin",
        "state_code": "TX", "zip_code": "78701", "phone": "5125550142",
    });
    for (field, value) in change {
        body[field] = value.clone();
    }
    body
}

fn patient(clinic: &str, practitioner: &str, first_name: &str) -> Value {
    json!({
        "first_name": first_name, "last_name": "Holloway", "gender": "female", "dob": "1990-02-03",
        "practitioner_id": practitioner, "assigned_clinic": clinic, "medication_allergies": ["Penicillin"],
        "addresses": [{"addressLine1": "2 Oak St", "city": "Austin", "state": "TX", "postalCode": "78701"}],
    })
}

#[track_caller]
fn delete(partner: &Partner, path: &str, body: &Value) -> Reply {
    partner.json(Method::DELETE, path, &[], body)
}

fn put(partner: &Client, path: &str, kind: &str, image: &[u8]) -> Reply {
    partner.send(Method::PUT, path, &[("content-type", kind)], Some(image))
}

/// The smallest PNG: one grey pixel.
fn png() -> Vec<u8> {
    let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55".to_vec();
    image.extend(b"\0\0\0\x0aIDAT\x78\xda\x63\x68\0\0\0\x82\0\x81\x77\xcd\x72\xb6");
    image.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    image
}

two_engines! {
    fn a_signature_is_kept_as_it_was_sent(engine) {
        let (server, seed) = Server::seeded(engine);
        let partner = server.partner(&seed);
        let person = format!("/practitioner/{}", seed.practitioner_id);
        let path = format!("{person}/signature");
        partner.get(&path).refused(404, "NOT_FOUND");
        assert_eq!(partner.get(&person).data()["has_signature"], false);

        put(&partner, &path, "image/png", &png()).said("Signature saved successfully");
        assert_eq!(partner.get(&person).data()["has_signature"], true);
        assert_eq!(partner.get("/practitioner").data()[0]["has_signature"], true);
        let reply = partner.get(&path);
        assert_eq!((reply.status, &reply.bytes), (200, &png()));
        for (name, value) in [
            ("content-type", "image/png"), ("content-disposition", "inline; filename=\"signature.png\""),
            ("x-content-type-options", "nosniff"), ("content-security-policy", POLICY),
        ] {
            assert_eq!(reply.header(name), Some(value), "{name}");
        }

        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><path d=\"M0 0L9 9\"/></svg>";
        put(&partner, &path, "image/svg+xml; charset=utf-8", svg).data();
        let reply = partner.get(&path);
        assert_eq!((reply.bytes.as_slice(), reply.header("content-type")), (&svg[..], Some("image/svg+xml")));
        assert_eq!(reply.header("content-disposition"), Some("inline; filename=\"signature.svg\""));

        server.stranger(&seed).get(&path).refused(404, "NOT_FOUND");
        put(&server.stranger(&seed), &path, "image/svg+xml", svg).refused(404, "NOT_FOUND");
        partner.delete(&path).said("Signature deleted successfully");
        partner.delete(&path).refused(404, "NOT_FOUND");
        partner.get(&path).refused(404, "NOT_FOUND");
        assert_eq!(partner.get(&person).data()["has_signature"], false);
    }

    fn a_practitioner_is_assigned_and_the_assignment_is_undone(engine) {
        let scene = Scene::new(engine);
        let Scene { here, there, seed, .. } = &scene;
        let path = format!("/practitioner/{}", seed.practitioner_id);
        let alone = json!([{"clinic_id": seed.clinic_id, "id": seed.practitioner_id}]);
        assert_eq!(here.get(&path).data()["clinics"], alone);

        let made = scene.assign(&seed.practitioner_id);
        let copy = text(&made["practitioner_id"]);
        let wanted = json!({"clinic_id": scene.other, "practitioner_id": copy, "status": "active"});
        assert_eq!(made, wanted);
        assert_ne!(copy, seed.practitioner_id);
        let again = scene.assign(&seed.practitioner_id);
        assert_eq!((&again["practitioner_id"], &again["duplicate"]), (&made["practitioner_id"], &json!(true)));

        let (original, copied) = (here.get(&path).data().clone(), there.get(&format!("/practitioner/{copy}")).data().clone());
        for field in ["first_name", "npi", "email", "status", "zip_code"] {
            assert_eq!(original[field], copied[field], "{field}");
        }
        assert_eq!(copied["assigned_clinic"], scene.other.as_str());
        let (own, far) = (
            json!({"clinic_id": seed.clinic_id, "id": seed.practitioner_id}),
            json!({"clinic_id": scene.other, "id": copy}),
        );
        assert_eq!((&original["clinics"], &copied["clinics"]), (&json!([own, far]), &json!([far, own])));
        assert_eq!(here.get("/practitioner").data()[0]["clinics"], original["clinics"]);
        here.get(&format!("/practitioner/{copy}")).refused(404, "NOT_FOUND");
        there.get(&path).refused(404, "NOT_FOUND");

        let ended = delete(here, &format!("{path}/clinics"), &scene.clinics());
        let ended = only(ended.said("Practitioner assignment ended successfully"));
        assert_eq!(ended["status"], "inactive");
        assert_eq!(there.get(&format!("/practitioner/{copy}")).data()["status"], "inactive");
        assert_eq!(here.get(&path).data()["clinics"], alone);
        assert_eq!(only(delete(here, &format!("{path}/clinics"), &scene.clinics()).data()), ended);

        let back = scene.assign(&seed.practitioner_id);
        assert_eq!(back, wanted, "the same row is active again");
        assert_eq!(there.get("/practitioner").data().as_array().map(Vec::len), Some(1));
    }

    fn a_patient_is_assigned_along_with_the_practitioner(engine) {
        let scene = Scene::new(engine);
        let Scene { here, there, seed, .. } = &scene;
        let path = format!("/patient/{}/clinics", seed.patient_id);
        let reply = here.post_keyed(&path, "assign-1", &scene.clinics());
        let made = only(reply.said("Patient assigned successfully"));
        assert_eq!((&made["status"], &made["practitioner_assigned"]), (&json!("active"), &json!(true)));
        let (patient, practitioner) = (text(&made["patient_id"]), text(&made["practitioner_id"]));
        let replayed = here.post_keyed(&path, "assign-1", &scene.clinics());
        assert_eq!((replayed.header("idempotent-replayed"), &replayed.bytes), (Some("true"), &reply.bytes));
        let again = only(here.post(&path, &scene.clinics()).data());
        assert_eq!((&again["patient_id"], &again["duplicate"]), (&json!(patient), &json!(true)));
        assert_eq!(scene.assign(&seed.practitioner_id)["practitioner_id"], practitioner.as_str());

        let copied = there.get(&format!("/patient/{patient}")).data().clone();
        let original = here.get(&format!("/patient/{}", seed.patient_id)).data().clone();
        for field in ["first_name", "last_name", "dob", "addresses", "contacts"] {
            assert_eq!(original[field], copied[field], "{field}");
        }
        assert_eq!(original["clinics"][1], json!({"clinic_id": scene.other, "id": patient}));
        // The copy is a patient like any other: it can be ordered for.
        let order = json!({
            "clinic_id": scene.other, "patient_id": patient, "practitioner_id": practitioner,
            "delivery_speed": "business-day", "medication_requests": [line("Lisinopril")],
        });
        there.post("/medication-order", &order).data();

        let ended = only(delete(here, &path, &scene.clinics()).data());
        assert_eq!((&ended["patient_id"], &ended["status"]), (&json!(patient), &json!("inactive")));
        there.post("/medication-order", &order).refused(400, "ORDER_REJECTED");
        let back = only(here.post(&path, &scene.clinics()).data());
        assert_eq!((&back["patient_id"], &back["status"]), (&json!(patient), &json!("active")));
        there.post("/medication-order", &order).data();
    }

    fn a_pending_practitioner_is_activated_everywhere_at_once(engine) {
        let scene = Scene::new(engine);
        let hook = json!({
            "clinic_id": scene.other, "webhook_url": "http://127.0.0.1:65000/x", "event_types": ["practitioner:activated"],
        });
        let hook = text(&scene.there.post("/webhook", &hook).data()["webhook_id"]);
        let id = scene.register(&[]);
        let copy = scene.assign(&id);
        assert_eq!(copy["status"], "pending");
        let staff = scene.server.staff(&scene.seed);
        staff.post(&format!("/admin/practitioners/{id}/activate"), &json!({})).data();
        let path = format!("/practitioner/{}", text(&copy["practitioner_id"]));
        assert_eq!(scene.there.get(&path).data()["status"], "active");
        let deliveries = scene.there.get(&format!("/webhook/{hook}/deliveries")).data().clone();
        assert_eq!(deliveries.as_array().map(Vec::len), Some(1), "{deliveries}");
        assert_eq!(deliveries[0]["event_name"], "practitioner:activated");

        // What staff decide about the copy later is theirs: an assignment made again does not undo it.
        staff.post(&format!("/admin/practitioners/{}/suspend", text(&copy["practitioner_id"])), &json!({})).data();
        let clinics = format!("/practitioner/{id}/clinics");
        assert_eq!(only(delete(&scene.here, &clinics, &scene.clinics()).data())["status"], "inactive");
        assert_eq!(scene.assign(&id)["status"], "suspended");
        staff.post(&format!("/admin/practitioners/{}/deactivate", text(&copy["practitioner_id"])), &json!({})).data();
        delete(&scene.here, &clinics, &scene.clinics()).data();
        assert_eq!(scene.assign(&id)["status"], "inactive");
    }

    fn who_is_known_there_is_linked_and_not_doubled(engine) {
        let scene = Scene::new(engine);
        let Scene { here, there, .. } = &scene;
        let id = scene.register(&[]);
        let known = practitioner(&scene.other, &[("email", json!("their.own@example.com"))]);
        let known = text(&there.post("/practitioner", &known).data()["practitioner_id"]);
        let linked = scene.assign(&id);
        assert_eq!((&linked["practitioner_id"], &linked["duplicate"]), (&json!(known), &json!(true)));
        let there_row = there.get(&format!("/practitioner/{known}")).data().clone();
        assert_eq!(there_row["email"], "their.own@example.com", "the clinic's own row is left alone");
        assert_eq!(there_row["clinics"].as_array().map(Vec::len), Some(2));

        let (ours, theirs) = (scene.patient(&id, "Ines"), patient(&scene.other, &known, "INÉS"));
        let theirs = text(&there.post("/patient", &theirs).data()["patient_id"]);
        let linked = only(here.post(&format!("/patient/{ours}/clinics"), &scene.clinics()).data());
        assert_eq!(linked["patient_id"], theirs.as_str());
        assert_eq!((&linked["duplicate"], &linked["practitioner_id"]), (&json!(true), &json!(known)));

        for path in [format!("/practitioner/{id}"), format!("/patient/{ours}")] {
            let ended = only(delete(here, &format!("{path}/clinics"), &scene.clinics()).data());
            assert_ne!(ended["status"], "inactive", "the clinic registered it itself");
            assert_eq!(here.get(&path).data()["clinics"].as_array().map(Vec::len), Some(1));
        }
    }

    fn racing_assignments_make_one_row(engine) {
        let scene = Scene::new(engine);
        let vet = [("npi", Value::Null), ("is_veterinarian", json!(true)),
            ("license_number", json!("V-1")), ("license_state", json!("TX"))];
        let id = scene.register(&vet);
        let patient = scene.patient(&id, "Race");
        let (practitioners, patients) = (format!("/practitioner/{id}/clinics"), format!("/patient/{patient}/clinics"));
        std::thread::scope(|scope| {
            for path in [&practitioners, &patients, &practitioners, &patients, &practitioners, &patients] {
                let (here, clinics) = (scene.here.clone(), scene.clinics());
                scope.spawn(move || only(here.post(path, &clinics).data()));
            }
        });
        for path in ["/practitioner", "/patient"] {
            assert_eq!(scene.there.get(path).data().as_array().map(Vec::len), Some(1), "{path}");
        }
    }
}

#[test]
fn bodies_that_are_no_such_image_are_refused() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let partner = server.partner(&seed);
    let path = format!("/practitioner/{}/signature", seed.practitioner_id);
    for kind in ["application/json", "image/jpeg", "image/svg", ""] {
        put(&partner, &path, kind, &png()).refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    partner.send(Method::PUT, &path, &[], Some(&png())).refused(415, "UNSUPPORTED_MEDIA_TYPE");
    for (kind, body) in [
        ("image/png", &b"GIF89a"[..]),
        ("image/png", b""),
        ("image/png", &png()[..40]),
        ("image/svg+xml", &png()),
        ("image/svg+xml", b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>"),
        ("image/svg+xml", b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"x()\"/>"),
        ("image/svg+xml", b"<!DOCTYPE svg><svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
    ] {
        assert_eq!(put(&partner, &path, kind, body).invalid(), ["$"], "{kind}");
    }
    let mut large = png();
    large.resize(256 * 1024 + 1, 0);
    let refused = put(&partner, &path, "image/png", &large);
    assert_eq!(refused.refused(413, "PAYLOAD_TOO_LARGE")["message"], "The body is larger than 256 KiB.");
    // The largest that is taken: text behind the drawing makes up the length.
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    let largest = format!("{svg}{}", " ".repeat(256 * 1024 - svg.len()));
    put(&partner, &path, "image/svg+xml", largest.as_bytes()).data();
    assert_eq!(partner.get(&path).bytes, largest.as_bytes());
}

#[test]
fn only_other_clinics_of_the_partner_are_taken() {
    let scene = Scene::new(Engine::Sqlite);
    let Scene { here, there, seed, server, .. } = &scene;
    let nobody = "01890000-0000-7000-8000-000000000001";
    for (person, id) in [("practitioner", &seed.practitioner_id), ("patient", &seed.patient_id)] {
        let path = format!("/{person}/{id}/clinics");
        let named = json!({"clinic_ids": [scene.other, seed.other_clinic_id, nobody, seed.clinic_id]});
        let refused = here.post(&path, &named);
        assert_eq!(refused.invalid(), ["clinic_ids[1]", "clinic_ids[2]", "clinic_ids[3]"]);
        assert_eq!(refused.body["error"]["details"][0]["message"], "Clinic not found");
        let one = here.post(&path, &json!({"clinic_id": seed.other_clinic_id}));
        assert_eq!(one.invalid(), ["clinic_id"]);
        assert_eq!(one.body["error"]["message"], "Clinic not found");
        assert_eq!(delete(here, &path, &scene.clinics()).invalid(), ["clinic_ids[0]"], "never assigned");
        server.stranger(seed).post(&path, &scene.clinics()).refused(404, "NOT_FOUND");
        assert_eq!(there.get(&format!("/{person}")).data(), &json!([]), "nothing was made on the way");
        only(here.post(&path, &json!({"clinic_id": scene.other})).data());
        let from_there =
            format!("/{person}/{}/clinics", text(&there.get(&format!("/{person}")).data()[0]["id"]));
        assert_eq!(
            delete(there, &from_there, &json!({"clinic_id": seed.clinic_id})).invalid(),
            ["clinic_id"]
        );
        let known = only(there.post(&from_there, &json!({"clinic_id": seed.clinic_id})).data());
        assert_eq!(known["duplicate"], true, "where it began is known");
    }
}

#[test]
fn a_key_that_writes_patients_alone_needs_the_practitioner_there() {
    let scene = Scene::new(Engine::Sqlite);
    let issue = ["admin", "key", "issue", "--clinic", &scene.seed.clinic_id, "--scopes", "patients:write"];
    let key = text(&scene.server.store().json(&issue)["key"]);
    let limited = Partner::new(&scene.server.url(), &key);
    let path = format!("/patient/{}/clinics", scene.seed.patient_id);
    let refused = limited.post(&path, &scene.clinics());
    assert_eq!(refused.invalid(), ["clinic_ids[0]"]);
    scene.assign(&scene.seed.practitioner_id);
    let made = only(limited.post(&path, &scene.clinics()).data());
    assert!(made.get("practitioner_assigned").is_none(), "{made}");
}

#[test]
fn an_inactive_practitioner_is_not_assigned() {
    let scene = Scene::new(Engine::Sqlite);
    let id = scene.register(&[]);
    let staff = scene.server.staff(&scene.seed);
    staff.post(&format!("/admin/practitioners/{id}/deactivate"), &json!({})).data();
    let refused = scene.here.post(&format!("/practitioner/{id}/clinics"), &scene.clinics());
    let error = refused.refused(400, "INVALID_STATUS_TRANSITION");
    assert_eq!(error["details"][0]["reason"], "inactive");
}

/// Three clinics, and a person who came to two of them by different ways: all of it is one person.
#[test]
fn persons_found_to_be_one_are_joined() {
    let scene = Scene::new(Engine::Sqlite);
    let store = scene.server.store();
    let partner = partner_of(store, &scene.seed.clinic_id);
    let (third, third_key) = clinic_of(store, &partner, "Third Clinic");
    let third_partner = Partner::new(&scene.server.url(), &third_key);
    let id = scene.register(&[]);
    let known =
        text(&scene.there.post("/practitioner", &practitioner(&scene.other, &[])).data()["practitioner_id"]);
    let from_there = format!("/practitioner/{known}/clinics");
    only(scene.there.post(&from_there, &json!({"clinic_id": third})).data());
    scene.assign(&id);
    let clinics = |partner: &Partner, path: &str| {
        let view = partner.get(path).data().clone();
        view["clinics"].as_array().expect("clinics").len()
    };
    assert_eq!(clinics(&scene.here, &format!("/practitioner/{id}")), 3);
    assert_eq!(clinics(&scene.there, &format!("/practitioner/{known}")), 3);
    let in_third = text(&third_partner.get("/practitioner").data()[0]["id"]);
    assert_eq!(clinics(&third_partner, &format!("/practitioner/{in_third}")), 3);
    let staff = scene.server.staff(&scene.seed);
    staff.post(&format!("/admin/practitioners/{id}/activate"), &json!({})).data();
    let copy = third_partner.get(&format!("/practitioner/{in_third}")).data().clone();
    assert_eq!(copy["status"], "active", "whichever row the person began with");
}
