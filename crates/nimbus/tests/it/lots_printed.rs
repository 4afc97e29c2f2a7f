//! The lots that an order was filled from stand on its labels, and its vials are discarded by them. Papers are the same
//! bytes for the same facts, so what is served is held against what the facts draw; that those can be read from the
//! page is tested where they are drawn.

use nimbus_app::labels::LabelSettings;
use nimbus_carriers::{
    labels::{
        LabelFacts, PackedItem, PackedLot, PackingFacts, Signature, VialFacts, packing_slip, shipping_label,
        vial_labels,
    },
    rates::RateTable,
    service_of,
};
use nimbus_core::{
    ids::{OrderId, ShipmentId},
    order::DeliverySpeed,
    patient::Address,
    prescription::DrugSchedule,
    time::{Date, Ts, add_days, add_months, parse_date},
};
use serde_json::{Value, json};

use crate::support::{
    Engine, Partner, Seed, Server, Staff,
    story::{Ordered, WORK, line, text},
    two_engines,
};

fn tablets() -> Value {
    line("Lisinopril")
}

fn capsules() -> Value {
    json!({
        "medication": "Enclomiphene", "dose": "12.5 mg", "quantity": 30, "unit_of_measure": "capsule", "refills": 3,
        "direction": "Take one capsule by mouth daily", "days_supply": 30,
        "reason_for_compounding": "strength",
    })
}

fn receive(staff: &Staff, drug: &str, number: &str, expires_on: Date, quantity: u32) {
    let body = json!({"drug_id": drug, "lot_number": number, "expires_on": expires_on.to_string(), "quantity": quantity});
    staff.post("/pharmacy/inventory/receive", &body).data();
}

#[track_caller]
fn filled(partner: &Partner, staff: &Staff, seed: &Seed, lines: &[Value]) -> Ordered {
    let order = partner.order_of(seed, lines);
    staff.fill(&order.id);
    order
}

/// The day of the pharmacy on which lots of the tests count their expiry.
fn today() -> Date {
    nimbus_app::clock::wall().date()
}

struct Printed<'a> {
    partner: &'a Partner,
    staff: &'a Staff,
    order: &'a Ordered,
}

impl Printed<'_> {
    /// What the vial of a line is to say, with these lots, and discarded on the day that follows from the fill's.
    fn vial(&self, index: usize, wanted: &Value, lots: &[&str], discard: impl Fn(Date) -> Date) -> VialFacts {
        let request = self.partner.get(&format!("/medication-request/{}", self.order.lines[index]));
        let filled_on = parse_date(&text(&request.data()["filled_on"])).expect("a day");
        let facts = self.vial_of(index, wanted, filled_on);
        VialFacts {
            discard_after: discard(filled_on),
            lots: lots.iter().map(|lot| (*lot).to_owned()).collect(),
            ..facts
        }
    }

    /// What the vial of a line is to say that is filled on a day, from no lot that is known.
    fn vial_of(&self, index: usize, wanted: &Value, filled_on: Date) -> VialFacts {
        let request = self.partner.get(&format!("/medication-request/{}", self.order.lines[index]));
        let request = request.data();
        VialFacts {
            pharmacy: LabelSettings::default().pharmacy,
            patient: "Jamie Rivera".to_owned(),
            prescriber: "Morgan Ellis".to_owned(),
            rx_number: text(&request["rx_number"]),
            medication: text(&wanted["medication"]),
            strength: text(&wanted["dose"]),
            directions: text(&wanted["direction"]),
            quantity: format!("{} {}", wanted["quantity"], text(&wanted["unit_of_measure"])),
            refills_left: 3,
            filled_on,
            discard_after: add_months(filled_on, 12),
            lots: Vec::new(),
            schedule: DrugSchedule::Unscheduled,
            refrigerated: false,
        }
    }

    /// What staff print for the order's vials is what these facts draw.
    #[track_caller]
    fn vials_are(&self, facts: &[VialFacts]) {
        let printed = self.staff.get(&format!("/pharmacy/orders/{}/vial-labels", self.order.id));
        assert_eq!(printed.status, 200, "{}", printed.body);
        let drawn = vial_labels(facts).expect("it is drawn").0;
        assert!(printed.bytes == drawn, "the vials of {:?} are printed otherwise", facts_told(facts));
    }
}

fn facts_told(facts: &[VialFacts]) -> Vec<(&str, &[String], Date)> {
    facts.iter().map(|it| (it.medication.as_str(), it.lots.as_slice(), it.discard_after)).collect()
}

two_engines! {
    fn a_vial_names_its_own_lots_and_is_discarded_with_the_first(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let (soon, later) = (add_days(today(), 40), add_days(today(), 900));
        receive(&staff, "lisinopril-10", "Z-EARLY", soon, 20);
        receive(&staff, "lisinopril-10", "A-LATE", later, 100);
        let order = filled(&partner, &staff, &seed, &[tablets(), capsules()]);
        let printed = Printed { partner: &partner, staff: &staff, order: &order };
        // Of the compounded drug no lot is known: the days of the rules pack.
        printed.vials_are(&[
            printed.vial(0, &tablets(), &["A-LATE", "Z-EARLY"], |_| soon),
            printed.vial(1, &capsules(), &[], |filled_on| add_days(filled_on, 35)),
        ]);

        // What is left of the lot outlasts a year.
        let order = filled(&partner, &staff, &seed, &[tablets()]);
        let printed = Printed { partner: &partner, staff: &staff, order: &order };
        printed.vials_are(&[printed.vial(0, &tablets(), &["A-LATE"], |filled_on| add_months(filled_on, 12))]);

        // A compounded lot's own date goes before the policy.
        let made = add_days(today(), 120);
        receive(&staff, "enclomiphene-12-5", "C-1", made, 100);
        let order = filled(&partner, &staff, &seed, &[capsules()]);
        let printed = Printed { partner: &partner, staff: &staff, order: &order };
        printed.vials_are(&[printed.vial(0, &capsules(), &["C-1"], |_| made)]);
    }

    fn before_its_fill_a_vial_has_the_day_of_the_clinics_clock(engine) {
        let (server, seed) = Server::seeded(engine);
        let (partner, staff) = (server.partner(&seed), server.staff(&seed));
        let moved = partner.post("/sandbox/clock", &json!({"advance_days": 30})).data().clone();
        let order = partner.order_of(&seed, &[tablets()]);
        for act in WORK.iter().filter(|act| **act != "fill") {
            staff.work(&order.id, act);
        }
        let printed = Printed { partner: &partner, staff: &staff, order: &order };
        let zone = jiff::tz::TimeZone::get("America/Chicago").expect("a zone");
        let today = Ts::parse(&text(&moved["now"])).expect("a time").date_in(&zone);
        printed.vials_are(&[printed.vial_of(0, &tablets(), today)]);
    }
}

#[test]
fn a_parcel_names_the_lots_of_what_is_in_it() {
    let (server, seed) = Server::seeded(Engine::Sqlite);
    let (partner, staff) = (server.partner(&seed), server.staff(&seed));
    let later = add_days(today(), 900);
    receive(&staff, "lisinopril-10", "L-1", later, 100);
    receive(&staff, "enclomiphene-12-5", "C-1", later, 100);
    let order = filled(&partner, &staff, &seed, &[tablets(), capsules()]);
    let ship = |request: &str| {
        let body = json!({
            "medication_orders": [order.id], "medication_request_ids": [request], "carrier_id": "se-11226",
            "service_id": "ups_ground", "tracking_number": "1Z999AA10123456784",
        });
        text(&staff.post("/pharmacy/shipments", &body).data()["shipment_id"])
    };
    let wanted = [("L-1", tablets()), ("C-1", capsules())];
    for (request, (lot, wanted)) in order.lines.iter().zip(wanted) {
        let shipment = ship(request);
        let read = partner.get(&format!("/shipment/{shipment}")).data().clone();
        let made = Ts::parse(&text(&read["shipped_at"])).expect("a time");
        let reference: ShipmentId = shipment.parse().expect("an id");
        let order: OrderId = order.id.parse().expect("an id");
        let facts = LabelFacts {
            pharmacy: LabelSettings::default().pharmacy,
            recipient: "Jamie Rivera".to_owned(),
            ship_to: Address {
                line_1: "456 Oak Ave".to_owned(),
                line_2: None,
                line_3: None,
                city: "Austin".to_owned(),
                state: "TX".to_owned(),
                postal_code: "78702".to_owned(),
            },
            carrier_id: "se-11226".to_owned(),
            carrier_name: "UPS".to_owned(),
            service_name: "UPS Ground".to_owned(),
            speed: DeliverySpeed::BusinessDay,
            tracking_number: Some("1Z999AA10123456784".to_owned()),
            reference: reference.prefixed(),
            orders: vec![order.prefixed()],
            lots: vec![lot.to_owned()],
            cold_chain: false,
            signature: Signature::NotRequired,
            // When the carrier works next, by the pharmacy's clock, which is Chicago's.
            ships_on: RateTable::example().ships_on(
                service_of("se-11226", "ups_ground").expect("UPS goes by ground"),
                made.datetime_in(&jiff::tz::TimeZone::get("America/Chicago").expect("a zone")),
            ),
        };
        let printed = staff.get(&format!("/pharmacy/shipments/{shipment}/label"));
        assert_eq!(printed.status, 200, "{}", printed.body);
        let drawn = shipping_label(&facts).expect("it is drawn").0;
        assert!(printed.bytes == drawn, "the label of {lot} is printed otherwise");

        let read = partner.get(&format!("/medication-request/{request}"));
        let slip = PackingFacts {
            pharmacy: facts.pharmacy,
            recipient: facts.recipient,
            ship_to: facts.ship_to,
            carrier_name: facts.carrier_name,
            service_name: facts.service_name,
            tracking_number: facts.tracking_number,
            reference: facts.reference,
            cold_chain: false,
            ships_on: facts.ships_on,
            items: vec![PackedItem {
                order: order.prefixed(),
                rx_number: Some(text(&read.data()["rx_number"])),
                medication: format!("{} {}", text(&wanted["medication"]), text(&wanted["dose"])),
                quantity: format!("{} {}", wanted["quantity"], text(&wanted["unit_of_measure"])),
                lots: vec![PackedLot { number: lot.to_owned(), expires_on: later }],
            }],
        };
        let printed = staff.get(&format!("/pharmacy/shipments/{shipment}/manifest"));
        assert_eq!(printed.status, 200, "{}", printed.body);
        let drawn = packing_slip(&slip).expect("it is drawn").0;
        assert!(printed.bytes == drawn, "the packing slip of {lot} is printed otherwise");
    }
}
