//! Stock by lot: fills take what expires first, what is short is held, what is cancelled comes back.

use serde_json::{Value, json};

use crate::{
    races::AT_ONCE,
    support::{
        Partner, Reply, Seed, Server, Staff,
        story::{Ordered, line, order_body, text},
        two_engines,
    },
};

/// The work before filling.
const BEFORE: [&str; 4] = ["verify", "submit", "acknowledge", "start-fill"];
const DRUG: &str = "lisinopril-10";

#[track_caller]
fn receive(staff: &Staff, number: &str, expires_on: &str, quantity: impl Into<Value>) -> Value {
    let body = json!({
        "drug_id": DRUG, "lot_number": number, "expires_on": expires_on, "quantity": quantity.into(),
    });
    staff.post("/pharmacy/inventory/receive", &body).data().clone()
}

/// An order of so many tablets that only waits to be filled.
#[track_caller]
fn ready(partner: &Partner, staff: &Staff, seed: &Seed, tablets: &str) -> Ordered {
    let mut wanted = line("Lisinopril");
    wanted["quantity"] = json!(tablets);
    wanted["direction"] = json!("Take as directed");
    let order = Ordered::read(partner.post("/medication-order", &order_body(seed, &[wanted])).data());
    for act in BEFORE {
        staff.work(&order.id, act);
    }
    order
}

/// Each lot of an order as its number and quantity.
#[track_caller]
fn lots(staff: &Staff, order: &Ordered) -> Vec<(String, Value)> {
    let reply = staff.get(&format!("/pharmacy/orders/{}/lots", order.id));
    let list = reply.data().as_array().expect("a list").clone();
    assert!(list.iter().all(|lot| lot["medication_request_id"] == order.lines[0]), "{list:?}");
    list.iter().map(|lot| (text(&lot["lot_number"]), lot["quantity"].clone())).collect()
}

/// What is on hand, by lot number.
#[track_caller]
fn on_hand(staff: &Staff) -> Vec<(String, Value)> {
    let reply = staff.get(&format!("/pharmacy/inventory?drug_id={DRUG}"));
    let list = reply.data().as_array().expect("a list").clone();
    let mut found: Vec<_> =
        list.iter().map(|lot| (text(&lot["lot_number"]), lot["on_hand"].clone())).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Receives a lot of any drug in a unit; the reply.
fn receive_in(staff: &Staff, drug: &str, quantity: &str, unit: Value) -> Reply {
    let body = json!({
        "drug_id": drug, "lot_number": "U", "expires_on": "2098-12-31", "quantity": quantity, "unit": unit,
    });
    staff.post("/pharmacy/inventory/receive", &body)
}

/// An order of a liquid that only waits to be filled, and what its reply warned of.
#[track_caller]
fn liquid(
    scene: (&Partner, &Staff, &Seed),
    dose: &str,
    quantity: &str,
    unit: Value,
) -> (Ordered, Vec<String>) {
    let (partner, staff, seed) = scene;
    let mut wanted = line("Testosterone Enanthate");
    wanted["dose"] = json!(dose);
    wanted["quantity"] = json!(quantity);
    wanted["unit_of_measure"] = unit;
    wanted["direction"] = json!("Take as directed");
    let reply = partner.post("/medication-order", &order_body(seed, &[wanted]));
    let warned = reply.data()["warnings"].as_array().cloned().unwrap_or_default();
    let order = Ordered::read(reply.data());
    for act in BEFORE {
        staff.work(&order.id, act);
    }
    staff.work(&order.id, "fill");
    (order, warned.iter().map(text).filter(|it| it.contains("unit_of_measure")).collect())
}

two_engines! {
    fn a_line_takes_by_its_own_unit_or_not_at_all(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let drug = "testosterone-enanthate-200";
        // Five vials of 5 mL.
        let received = receive_in(&staff, drug, "5", json!("Vials"));
        assert_eq!((&received.data()["on_hand"], &received.data()["unit"]), (&json!(25), &json!("mL")));
        assert_eq!(receive_in(&staff, drug, "0.5", json!("ml")).data()["on_hand"], 25.5);
        assert_eq!(receive_in(&staff, drug, "0.5", Value::Null).data()["on_hand"], 26);
        for unit in ["g", "pen", "spoons"] {
            assert_eq!(receive_in(&staff, drug, "1", json!(unit)).invalid(), ["unit"], "{unit}");
        }
        assert_eq!(receive_in(&staff, "lisinopril-10", "1", json!("mL")).invalid(), ["unit"]);

        let scene = (&partner, &staff, &seed);
        let left = || {
            let reply = staff.get(&format!("/pharmacy/inventory?drug_id={drug}"));
            reply.data()[0]["on_hand"].clone()
        };
        let (order, warned) = liquid(scene, "200 mg/mL", "2", json!("vial"));
        assert!(warned.is_empty(), "{warned:?}");
        assert_eq!(lots(&staff, &order), [("U".to_owned(), json!(10))]);
        assert_eq!(left(), 16);
        let (order, warned) = liquid(scene, "200 mg/mL", "1.5", json!("milliliters"));
        assert!(warned.is_empty(), "{warned:?}");
        assert_eq!((lots(&staff, &order), left()), (vec![("U".to_owned(), json!(1.5))], json!(14.5)));

        // Nobody can tell how much that is: a sandbox goes on, and takes nothing.
        for (unit, why) in [
            (json!("syringe"), "the drug is not counted in this unit"),
            (json!("bunch"), "the unit of measure is none that it knows"),
        ] {
            let (order, warned) = liquid(scene, "200 mg/mL", "1", unit);
            assert!(warned.len() == 1 && warned[0].contains(why), "{warned:?}");
            assert!(lots(&staff, &order).is_empty());
            assert_eq!(left(), 14.5);
        }
        // Where no unit is said, or only the dose's, it is that in which the drug is dispensed.
        for (unit, then) in [(json!("mg"), 13.5), (Value::Null, 12.5)] {
            let (order, warned) = liquid(scene, "200 mg/mL", "1", unit);
            assert!(warned.is_empty(), "{warned:?}");
            assert_eq!((lots(&staff, &order), left()), (vec![("U".to_owned(), json!(1))], json!(then)));
        }
    }

    fn a_fill_takes_what_expires_first_and_its_cancellation_gives_it_back(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let uncounted = ready(&partner, &staff, &seed, "30");
        assert_eq!(staff.work(&uncounted.id, "fill")["status"], "filled");
        assert!(lots(&staff, &uncounted).is_empty(), "a drug that was never received is not counted");

        receive(&staff, "LATE", "2098-12-31", 100);
        let early = receive(&staff, "EARLY", "2097-12-31", "20.5");
        assert_eq!((&early["on_hand"], &early["expired"]), (&json!(20.5), &json!(false)));
        assert_eq!((&early["drug"], &early["unit"]), (&json!("Lisinopril 10 mg tablet"), &json!("tablet")));
        let order = ready(&partner, &staff, &seed, "30");
        assert_eq!(staff.work(&order.id, "fill")["status"], "filled");
        let of = |number: &str, quantity: Value| (number.to_owned(), quantity);
        assert_eq!(lots(&staff, &order), [of("EARLY", json!(20.5)), of("LATE", json!(9.5))]);
        assert_eq!(on_hand(&staff), [of("EARLY", json!(0)), of("LATE", json!(90.5))]);

        staff.work(&order.id, "cancel");
        assert!(lots(&staff, &order).is_empty());
        assert_eq!(on_hand(&staff), [of("EARLY", json!(20.5)), of("LATE", json!(100))]);
        let moves = staff.get(&format!("/pharmacy/inventory/{}/moves", text(&early["lot_id"]))).data().clone();
        let told: Vec<_> = moves.as_array().expect("a list").iter()
            .map(|row| (text(&row["kind"]), row["quantity"].clone(), row["medication_order_id"] == order.id))
            .collect();
        assert_eq!(told, [
            ("return".to_owned(), json!(20.5), true), ("consume".to_owned(), json!(-20.5), true),
            ("receive".to_owned(), json!(20.5), false),
        ]);
        assert!(moves.as_array().expect("a list").iter().all(|row| row["actor_kind"] == "staff"));
    }

    fn what_is_short_is_held_until_staff_try_again(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        receive(&staff, "A", "2098-12-31", 29);
        let order = ready(&partner, &staff, &seed, "30");
        let held = staff.work(&order.id, "fill");
        assert_eq!((&held["status"], &held["holds"][0]["reason"]), (&json!("on_hold"), &json!("out_of_stock")));
        assert!(lots(&staff, &order).is_empty(), "nothing is taken by halves");
        staff.act(&format!("/pharmacy/orders/{}/fill", order.id)).refused(400, "INVALID_STATUS_TRANSITION");

        receive(&staff, "A", "2098-12-31", 1);
        assert_eq!(partner.read_order(&order.id)["status"], "on_hold", "stock releases nothing by itself");
        assert_eq!(staff.work(&order.id, "release")["status"], "filling");
        assert_eq!(staff.work(&order.id, "fill")["status"], "filled");
        assert_eq!(on_hand(&staff), [("A".to_owned(), json!(0))]);
        let shipment = staff.ship(&[&order.id]);
        staff.shipment_is(&shipment, "in_transit");
        staff.shipment_is(&shipment, "returned");
        assert_eq!(on_hand(&staff), [("A".to_owned(), json!(0))], "what has left does not come back to stock");
        assert_eq!(lots(&staff, &order), [("A".to_owned(), json!(30))]);
    }

    fn of_fills_that_race_each_is_served_whole_or_held(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        receive(&staff, "A", "2098-12-31", 70);
        receive(&staff, "B", "2098-06-30", 35);
        let orders: Vec<Ordered> = (0..AT_ONCE).map(|_| ready(&partner, &staff, &seed, "30")).collect();
        let start = std::sync::Barrier::new(orders.len());
        let statuses: Vec<String> = std::thread::scope(|scope| {
            let fill = |order| {
                let (start, staff): (_, &Staff) = (&start, &staff);
                move || {
                    start.wait();
                    let order: &Ordered = order;
                    text(&staff.act(&format!("/pharmacy/orders/{}/fill", order.id)).data()["status"])
                }
            };
            let running: Vec<_> = orders.iter().map(|order| scope.spawn(fill(order))).collect();
            running.into_iter().map(|fill| fill.join().expect("no fill fails")).collect()
        });
        let filled = statuses.iter().filter(|status| *status == "filled").count();
        assert_eq!(filled, 3, "105 are there, and each takes 30: {statuses:?}");
        assert!(statuses.iter().all(|status| status == "filled" || status == "on_hold"), "{statuses:?}");
        assert_eq!(on_hand(&staff), [("A".to_owned(), json!(15)), ("B".to_owned(), json!(0))]);
        for (order, status) in orders.iter().zip(&statuses) {
            assert_eq!(lots(&staff, order).is_empty(), status == "on_hold");
        }
    }

    fn stock_is_received_and_corrected_with_care(engine) {
        let (server, seed) = Server::seeded(engine);
        let staff = server.staff(&seed);
        let lot = receive(&staff, "A", "2098-12-31", 10);
        let id = text(&lot["lot_id"]);
        let adjust = |change: &str, quantity: Value| {
            let body = json!({"lot_id": id, "change": change, "quantity": quantity, "reason": "A vial broke"});
            staff.post("/pharmacy/inventory/adjust", &body)
        };
        assert_eq!(adjust("remove", json!(2.5)).data()["on_hand"], 7.5);
        assert_eq!(adjust("add", json!(0.125)).data()["on_hand"], 7.625);
        assert_eq!(adjust("remove", json!(8)).invalid(), ["quantity"]);
        assert_eq!(adjust("spill", json!(0)).invalid(), ["change", "quantity"]);
        let moves = staff.get(&format!("/pharmacy/inventory/{id}/moves?limit=1"));
        assert_eq!((&moves.data()[0]["kind"], &moves.data()[0]["reason"]), (&json!("adjust"), &json!("A vial broke")));
        assert_eq!(moves.body["has_more"], true);

        for (name, value) in [
            ("drug_id", json!("no-such-drug")), ("expires_on", json!("2020-01-01")), ("quantity", json!(0)),
            ("expires_on", json!("2098-12-30")),
        ] {
            let mut body =
                json!({"drug_id": DRUG, "lot_number": "A", "expires_on": "2098-12-31", "quantity": 1});
            body[name] = value;
            assert_eq!(staff.post("/pharmacy/inventory/receive", &body).invalid(), [name]);
        }
        let empty = staff.get("/pharmacy/inventory?in_stock=false").data().clone();
        assert_eq!(empty, json!([]));
        let soon = staff.get("/pharmacy/inventory?expires_before=2099-01-01&in_stock=true").data().clone();
        assert_eq!(soon[0]["lot_id"], lot["lot_id"]);
        let nobody = "01890000-0000-7000-8000-000000000001";
        staff.get(&format!("/pharmacy/inventory/{nobody}/moves")).refused(404, "NOT_FOUND");
        staff.get(&format!("/pharmacy/orders/{nobody}/lots")).refused(404, "NOT_FOUND");
    }
}
