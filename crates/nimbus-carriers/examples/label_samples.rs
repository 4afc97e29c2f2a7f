//! Writes a label of every kind and carrier into a folder, with what each must say, for an independent decoder:
//! `cargo run -p nimbus-carriers --example label_samples -- <folder>`. Nobody on them exists.

use std::{error::Error, fs, path::PathBuf, time::Instant};

use nimbus_carriers::labels::{
    LabelFacts, PackedItem, PackedLot, PackingFacts, Pharmacy, Signature, VialFacts, barcode_png,
    packing_slip, shipping_label, vial_labels,
};
use nimbus_core::{
    order::DeliverySpeed,
    patient::Address,
    prescription::DrugSchedule,
    time::{Date, parse_date},
};
use serde_json::{Value, json};

/// A carrier's number, and what a scanner must read of it for a parcel to 78702-1234; GS1 elements in parentheses
/// as scanners write them.
struct Numbered {
    name: &'static str,
    carrier: (&'static str, &'static str, &'static str),
    number: Option<&'static str>,
    scanned: &'static str,
    is_gs1: bool,
}

const fn numbered(
    name: &'static str,
    carrier: (&'static str, &'static str, &'static str),
    number: &'static str,
    scanned: &'static str,
) -> Numbered {
    let is_gs1 = scanned.as_bytes()[0] == b'(';
    Numbered { name, carrier, number: Some(number), scanned, is_gs1 }
}

const UPS: (&str, &str, &str) = ("se-11226", "UPS", "UPS Next Day Air");
const USPS: (&str, &str, &str) = ("se-11225", "Stamps.com", "USPS Priority Mail Express");
const FEDEX: (&str, &str, &str) = ("se-3818360", "FedEx", "FedEx Priority Overnight");
const AMERISHIP: (&str, &str, &str) = ("ameriship", "Ameriship", "Ameriship Ground");

const SAMPLES: &[Numbered] = &[
    numbered("ups", UPS, "1Z999AA10123456784", "1Z999AA10123456784"),
    numbered("usps", USPS, "9400111899223197428497", "(420)787021234(94)00111899223197428497"),
    numbered("usps_26", USPS, "92748931507708513018050063", "(420)787021234(92)748931507708513018050063"),
    numbered(
        "usps_routed",
        USPS,
        "4201028200009261290113185417468510",
        "(420)102820000(92)61290113185417468510",
    ),
    numbered("usps_s10", USPS, "RB123456785US", "RB123456785US"),
    numbered("fedex_12", FEDEX, "986578788855", "986578788855"),
    numbered("fedex_22", FEDEX, "9611020987654312345672", "(96)11020987654312345672"),
    numbered("ameriship", AMERISHIP, "AMERISHIP0000017", "AMERISHIP0000017"),
    numbered("long", AMERISHIP, "A1B2C3D4E5F6G7H8J9K0A1B2C3D4E5F", "A1B2C3D4E5F6G7H8J9K0A1B2C3D4E5F"),
    Numbered {
        name: "unnumbered",
        carrier: AMERISHIP,
        number: None,
        scanned: "shp_0123456789abcdefghijAB",
        is_gs1: false,
    },
];

fn pharmacy() -> Pharmacy {
    Pharmacy {
        name: "Nimbus Pharmacy".to_owned(),
        line_1: "100 Example Way".to_owned(),
        line_2: Some("Suite 200".to_owned()),
        city: "Austin".to_owned(),
        state: "TX".to_owned(),
        postal_code: "78701".to_owned(),
        phone: "(512) 555-0100".to_owned(),
    }
}

fn address(long: bool) -> Address {
    let text = |short: &str, long_text: &str| if long { long_text } else { short }.to_owned();
    Address {
        line_1: text(
            "456 Oak Ave",
            "The Old Zażółć Gęślą Jaźń Manufactory Building, 12345 Northwest Martin Luther",
        ),
        line_2: Some(text("Apt 3", "King Junior Boulevard, Building Seventeen, Entrance Łódź, Floor 24")),
        line_3: long.then(|| "Care of Frau Großmann-Żeleńska, ring twice & wait".to_owned()),
        city: text("Austin", "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"),
        state: "TX".to_owned(),
        postal_code: "78702-1234".to_owned(),
    }
}

fn label(sample: &Numbered, long: bool, ships_on: Date) -> LabelFacts {
    let (carrier_id, carrier_name, service_name) = sample.carrier;
    let recipient = if long {
        "Bartholomew Łukasz-Zoë Wolfeschlegelsteinhausenbergerdorff-Đặng III"
    } else {
        "Łukasz Müller"
    };
    LabelFacts {
        pharmacy: pharmacy(),
        recipient: recipient.to_owned(),
        ship_to: address(long),
        carrier_id: carrier_id.to_owned(),
        carrier_name: carrier_name.to_owned(),
        service_name: service_name.to_owned(),
        speed: if sample.name == "ameriship" { DeliverySpeed::BusinessDay } else { DeliverySpeed::NextDay },
        tracking_number: sample.number.map(str::to_owned),
        reference: "shp_0123456789abcdefghijAB".to_owned(),
        orders: vec!["ord_0123456789abcdefghijAB".to_owned(), "ord_0123456789abcdefghijAC".to_owned()],
        lots: vec!["LOT-7A".to_owned()],
        cold_chain: !long,
        signature: if sample.name == "ups" { Signature::Adult } else { Signature::NotRequired },
        ships_on,
    }
}

fn said(facts: &LabelFacts) -> Vec<String> {
    let place = &facts.ship_to;
    let mut texts = vec![
        facts.recipient.clone(),
        place.line_1.clone(),
        place.city.clone(),
        place.postal_code.clone(),
        facts.service_name.clone(),
        "Nimbus Pharmacy".to_owned(),
        "(512) 555-0100".to_owned(),
        facts.tracking_number.clone().unwrap_or_else(|| facts.reference.clone()),
        "LOT-7A".to_owned(),
        "Jan 15, 2026".to_owned(),
    ];
    texts.extend([place.line_2.clone(), place.line_3.clone()].into_iter().flatten());
    texts.extend(facts.orders.clone());
    texts.extend(facts.cold_chain.then(|| "KEEP COLD".to_owned()));
    texts.extend((facts.signature == Signature::Adult).then(|| "ADULT SIGNATURE REQUIRED".to_owned()));
    texts
}

fn packed_lot(item: usize, lot: usize) -> PackedLot {
    let expires_on = Date::constant(2027, 3, 31);
    PackedLot { number: format!("NX{item:02}-{lot}"), expires_on }
}

fn packing(label: &LabelFacts) -> PackingFacts {
    let medications =
        ["Testosterone Cypionate 200 mg/mL", "Semaglutide 2.5 mg/mL", "Methimazole, tuna flavour"];
    let item = |index: usize| PackedItem {
        order: label.orders[index % 2].clone(),
        rx_number: Some(format!("{}", 1_000_001 + index)),
        medication: medications[index % 3].to_owned(),
        quantity: format!("{}", 10 + index),
        lots: (0..index % 4).map(|lot| packed_lot(index, lot)).collect(),
    };
    PackingFacts {
        pharmacy: label.pharmacy.clone(),
        recipient: label.recipient.clone(),
        ship_to: label.ship_to.clone(),
        carrier_name: label.carrier_name.clone(),
        service_name: label.service_name.clone(),
        tracking_number: label.tracking_number.clone(),
        reference: label.reference.clone(),
        cold_chain: true,
        ships_on: label.ships_on,
        items: (0..45).map(item).collect(),
    }
}

fn vials(filled_on: Date) -> Vec<VialFacts> {
    let short = VialFacts {
        pharmacy: pharmacy(),
        patient: "Łukasz Müller".to_owned(),
        prescriber: "Jordan Example, MD".to_owned(),
        rx_number: "1000001".to_owned(),
        medication: "Testosterone Cypionate".to_owned(),
        strength: "200 mg/mL".to_owned(),
        directions: "Inject 0.5 mL into the muscle once a week.".to_owned(),
        quantity: "10 mL".to_owned(),
        refills_left: 2,
        filled_on,
        discard_after: parse_date("2027-01-15").unwrap_or(filled_on),
        lots: vec!["LOT-7A".to_owned()],
        schedule: DrugSchedule::C3,
        refrigerated: false,
    };
    let steps =
        (1..=24).map(|step| format!("Step {step}: apply a thin layer, wait {step} minutes and wash it off."));
    let long = VialFacts {
        medication: "Tretinoin, hydroquinone and fluocinolone acetonide cream".to_owned(),
        directions: steps.collect::<Vec<_>>().join(" "),
        schedule: DrugSchedule::Unscheduled,
        refills_left: 0,
        refrigerated: true,
        ..short.clone()
    };
    vec![short, long]
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder")?);
    fs::create_dir_all(&folder)?;
    let day = parse_date("2026-01-15").ok_or("a date")?;
    let mut expected: Vec<Value> = Vec::new();
    let mut slowest = 0;
    for (sample, long) in SAMPLES.iter().map(|sample| (sample, sample.name == "long")) {
        let facts = label(sample, long, day);
        let started = Instant::now();
        let pdf = shipping_label(&facts)?;
        slowest = slowest.max(started.elapsed().as_micros());
        let barcode = json!({"text": sample.scanned, "gs1": sample.is_gs1});
        let name = format!("label_{}.pdf", sample.name);
        fs::write(folder.join(&name), &pdf.0)?;
        expected.push(json!({"file": name, "inches": [4.0, 6.0], "barcode": barcode, "texts": said(&facts)}));
        let name = format!("barcode_{}.png", sample.name);
        fs::write(folder.join(&name), barcode_png(&facts)?.0)?;
        expected.push(json!({"file": name, "barcode": barcode}));
    }
    let packing = packing(&label(&SAMPLES[0], false, day));
    let mut texts: Vec<String> = packing.items.iter().filter_map(|item| item.rx_number.clone()).collect();
    let lots = packing.items.iter().flat_map(|item| &item.lots);
    texts.extend(lots.map(|lot| format!("Lot {}, expires Mar 31, 2027", lot.number)));
    texts.extend([
        packing.recipient.clone(),
        "Methimazole, tuna flavour".to_owned(),
        "Page 3 of 3".to_owned(),
    ]);
    fs::write(folder.join("packing_slip.pdf"), packing_slip(&packing)?.0)?;
    expected.push(json!({"file": "packing_slip.pdf", "inches": [8.5, 11.0], "texts": texts}));
    let vials = vials(day);
    let mut texts: Vec<String> = vials.iter().map(|vial| vial.medication.clone()).collect();
    texts.push(vials[0].directions.clone());
    texts.extend((1..=24).map(|step| format!("Step {step}:")));
    texts.extend(
        ["Łukasz Müller", "Rx 1000001", "Jan 15, 2027", "No refills", "prohibits the transfer"]
            .map(str::to_owned),
    );
    fs::write(folder.join("vial_labels.pdf"), vial_labels(&vials)?.0)?;
    expected.push(json!({"file": "vial_labels.pdf", "inches": [4.0, 2.0], "texts": texts}));
    fs::write(folder.join("expected.json"), serde_json::to_string_pretty(&expected)?)?;
    println!("{} samples; the slowest label took {slowest} \u{b5}s", expected.len());
    Ok(())
}
