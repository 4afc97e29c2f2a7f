//! Which events reach which endpoint, under which name, and how they are numbered.

use serde_json::{Value, json};

use crate::support::{
    Client, PATIENCE,
    receiver::{Received, Receiver},
    story::{Ordered, line, order_body, text},
    two_engines,
    webhooks::{Endpoint, Scene, names, sequences},
};

/// Everything that an endpoint is ever sent of what happened so far: its rows were written with the facts.
#[track_caller]
fn all_of(client: &Client, endpoint: &Endpoint, receiver: &Receiver) -> Vec<Received> {
    receiver.wait_for(client.deliveries(endpoint).len(), PATIENCE)
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = list.iter().map(|&(name, type_)| (name.to_owned(), type_.to_owned())).collect();
    pairs.sort();
    pairs
}

fn activate_a_practitioner(scene: &Scene) -> String {
    let body = json!({
        "first_name": "Robin", "last_name": "Okafor", "email": "robin.okafor@example.com",
        "npi": "1245319599", "is_veterinarian": false, "assigned_clinic": scene.seed.clinic_id,
        "phone": "5125550143", "address_line_1": "9 Main St", "city": "Austin", "state_code": "TX",
        "zip_code": "78701",
    });
    let id = text(&scene.partner.post("/practitioner", &body).data()["practitioner_id"]);
    scene.staff.act(&format!("/admin/practitioners/{id}/activate")).data();
    id
}

/// Whose key registers, for which event types, and what is then sent.
type Case<'a> = (&'a Client, &'a [&'a str], Vec<(String, String)>);

/// What everyone hears of an order worked to filled and a refill.
const EVERYONE: &[(&str, &str)] = &[
    ("prescription:updated", "prescription:created"),
    ("medication:updated", "medication:validated"),
    ("prescription:updated", "prescription:verified"),
    ("medication:updated", "medication:submitted"),
    ("medication:updated", "medication:acknowledged"),
    ("medication:updated", "medication:filled"),
    ("refill:updated", "refill:requested"),
    ("refill:updated", "refill:approved"),
];

two_engines! {
    fn names_prefixes_and_scopes_decide(engine) {
        let scene = Scene::start(engine);
        let narrow_key = scene.server.pharmacy_partner(&scene.seed);
        let cases: [Case<'_>; 7] = [
            (&scene.partner, &["medication:updated"], pairs(&[
                ("medication:updated", "medication:validated"),
                ("medication:updated", "medication:submitted"),
                ("medication:updated", "medication:acknowledged"),
                ("medication:updated", "medication:filled"),
            ])),
            (&scene.partner, &["medication:filled"], pairs(&[("medication:updated", "medication:filled")])),
            (&scene.partner, &["refill:*"], pairs(&[
                ("refill:updated", "refill:requested"),
                ("refill:updated", "refill:approved"),
            ])),
            (&scene.partner, &["medication_order:filled"], pairs(&[
                ("medication_order:filled", "medication:filled"),
            ])),
            (&scene.partner, &["shipment:created"], Vec::new()),
            (&narrow_key, &["*"], pairs(EVERYONE)),
            (&scene.partner, &["*"], {
                let mut all = EVERYONE.to_vec();
                all.push(("practitioner:activated", "practitioner:activated"));
                pairs(&all)
            }),
        ];
        let endpoints: Vec<(Endpoint, Receiver)> = cases
            .iter()
            .map(|(client, types, _)| {
                let receiver = Receiver::start();
                let options = json!({ "event_types": types });
                (client.register(&scene.seed, &receiver.url(), &options), receiver)
            })
            .collect();

        let order = scene.partner.order(&scene.seed);
        scene.staff.fill(&order.id);
        let practitioner = activate_a_practitioner(&scene);
        let refill = json!({ "medication_request_id": scene.seed.medication_request_id });
        scene.partner.post("/refill-request", &refill).data();

        for ((_, types, expected), (endpoint, receiver)) in cases.iter().zip(&endpoints) {
            let received = all_of(&scene.partner, endpoint, receiver);
            assert_eq!(names(&received), *expected, "subscribed to {types:?}");
        }
        let activated = endpoints[6].1.wait_for_type("practitioner:activated", PATIENCE).json();
        let expected = json!({
            "practitioner_id": practitioner, "practitioner_name": "Robin Okafor",
            "practitioner_email": "robin.okafor@example.com", "practitioner_npi": "1245319599",
            "practitioner_phone": "5125550143", "practitioner_status": "active",
        });
        assert_eq!((&activated["event_data"], &activated["sequence"]), (&expected, &Value::Null));
    }

    fn an_order_numbers_its_events_without_gaps(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let all = scene.register(&receiver.url(), &["*"]);
        let filtered = Receiver::start();
        scene.register(&filtered.url(), &["medication:delivered"]);
        let order = scene.partner.order_of(&scene.seed, &[line("Lisinopril"), line("Metformin")]);
        scene.staff.deliver(&order.id);

        let received = all_of(&scene.partner, &all, &receiver);
        // Per line: created, validated, verified, submitted, acknowledged, filled, shipped, delivered; per
        // parcel: created and two moves.
        assert_eq!(received.len(), 2 * 8 + 3);
        assert_eq!(sequences(&received), (1..=19).collect::<Vec<i64>>());
        // Counted before filters: an endpoint that reads little sees the same numbers.
        let delivered = filtered.wait_for(2, PATIENCE);
        let same: Vec<Received> =
            received.into_iter().filter(|one| one.event_type() == "medication:delivered").collect();
        assert_eq!(sequences(&delivered), sequences(&same));
    }

    fn the_orders_of_a_shipment_group_share_a_sequence(engine) {
        let (scene, receiver) = (Scene::start(engine), Receiver::start());
        let endpoint = scene.register(&receiver.url(), &["*"]);
        let in_group = |group: &str| {
            let mut body = order_body(&scene.seed, &[line("Lisinopril")]);
            body["shipment_group_id"] = json!(group);
            Ordered::read(scene.partner.post("/medication-order", &body).data())
        };
        let (first, second, apart) = (in_group("march"), in_group("march"), in_group("april"));
        for order in [&first, &second, &apart] {
            scene.staff.fill(&order.id);
        }
        scene.staff.ship(&[&first.id, &second.id]);

        let received = all_of(&scene.partner, &endpoint, &receiver);
        let of = |orders: &[&Ordered]| -> Vec<Received> {
            let is_of = |received: &&Received| {
                let body = String::from_utf8_lossy(&received.body);
                orders.iter().any(|order| body.contains(&order.id) || body.contains(&order.prescriptions[0]))
            };
            received.iter().filter(is_of).cloned().collect()
        };
        // Six of each order: created, validated, verified, submitted, acknowledged, filled. One of a parcel.
        assert_eq!(sequences(&of(&[&first, &second])), (1..=13).collect::<Vec<i64>>());
        assert_eq!(sequences(&of(&[&apart])), (1..=6).collect::<Vec<i64>>());
    }
}
