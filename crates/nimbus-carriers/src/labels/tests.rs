//! Labels of every carrier, with ordinary facts and with awkward ones. What a scanner reads of them is tested by
//! `tests/labels`.

use nimbus_core::time::parse_date;

use super::*;
use crate::labels::page::{Mark, Page};

/// The largest label, in bytes.
const LARGEST: usize = 60 * 1024;

fn pharmacy() -> Pharmacy {
    Pharmacy {
        name: "Nimbus Pharmacy".to_owned(),
        line_1: "100 Example Way".to_owned(),
        line_2: None,
        city: "Austin".to_owned(),
        state: "TX".to_owned(),
        postal_code: "78701".to_owned(),
        phone: "(512) 555-0100".to_owned(),
    }
}

fn ship_to() -> Address {
    Address {
        line_1: "456 Oak Ave".to_owned(),
        line_2: Some("Apt 3".to_owned()),
        line_3: None,
        city: "Austin".to_owned(),
        state: "TX".to_owned(),
        postal_code: "78702".to_owned(),
    }
}

fn date(text: &str) -> Date {
    parse_date(text).unwrap()
}

fn facts() -> LabelFacts {
    LabelFacts {
        pharmacy: pharmacy(),
        recipient: "Łukasz Müller".to_owned(),
        ship_to: ship_to(),
        carrier_id: "se-11226".to_owned(),
        carrier_name: "UPS".to_owned(),
        service_name: "UPS Next Day Air".to_owned(),
        speed: DeliverySpeed::NextDay,
        tracking_number: Some("1Z999AA10123456784".to_owned()),
        reference: "shp_0123456789abcdefghijAB".to_owned(),
        orders: vec!["ord_0123456789abcdefghijAB".to_owned()],
        lots: vec!["LOT-7".to_owned()],
        cold_chain: true,
        signature: Signature::Adult,
        ships_on: date("2026-01-15"),
    }
}

fn awkward() -> LabelFacts {
    let long =
        |letters: usize| "Ŵxyz Ångström ".repeat(letters / 14 + 1).chars().take(letters).collect::<String>();
    LabelFacts {
        recipient: "W".repeat(201),
        ship_to: Address {
            line_1: long(200),
            line_2: Some(long(200)),
            line_3: Some("N".repeat(200)),
            city: long(100),
            state: "TX".to_owned(),
            postal_code: "78702-1234".to_owned(),
        },
        pharmacy: Pharmacy { name: long(200), line_1: long(200), ..pharmacy() },
        tracking_number: Some("A1B2C3D4E5F6G7H8J9K0A1B2C3D4E5F6G7H8J9K0".to_owned()),
        orders: (0..50).map(|order| format!("ord_{order:022}")).collect(),
        lots: (0..50).map(|lot| format!("LOT-{lot}")).collect(),
        ..facts()
    }
}

fn vial() -> VialFacts {
    VialFacts {
        pharmacy: pharmacy(),
        patient: "Łukasz Müller".to_owned(),
        prescriber: "Jordan Example".to_owned(),
        rx_number: "1000001".to_owned(),
        medication: "Testosterone Cypionate".to_owned(),
        strength: "200 mg/mL".to_owned(),
        directions: "Inject 0.5 mL into the muscle once a week.".to_owned(),
        quantity: "10 mL".to_owned(),
        refills_left: 2,
        filled_on: date("2026-01-15"),
        discard_after: date("2027-01-15"),
        lots: vec!["LOT-7".to_owned()],
        schedule: DrugSchedule::C3,
        refrigerated: false,
    }
}

/// Everything written on pages, without spaces: where lines break does not matter.
fn written(pages: &[Page]) -> String {
    pages.iter().flat_map(Page::texts).collect::<String>().replace(' ', "")
}

fn assert_says(pages: &[Page], texts: &[&str]) {
    let written = written(pages);
    for text in texts {
        assert!(written.contains(&font::clean(text).replace(' ', "")), "{text} is missing in {written}");
    }
    assert!(pages.iter().all(Page::holds_all), "something lies outside of the page");
}

#[test]
fn a_shipping_label_says_what_a_carrier_and_the_pharmacy_need() {
    let page = shipping::page(&facts()).unwrap();
    let texts = [
        "Łukasz Müller",
        "456 Oak Ave",
        "Apt 3",
        "Austin, TX 78702",
        "Nimbus Pharmacy",
        "(512) 555-0100",
        "UPS Next Day Air",
        "1Z 999 AA1 01 2345 6784",
        "ord_0123456789abcdefghijAB",
        "LOT-7",
        "KEEP COLD",
        "ADULT SIGNATURE REQUIRED",
        "Jan 15, 2026",
    ];
    assert_says(&[page], &texts);
}

#[test]
fn the_longest_names_and_addresses_are_whole_and_on_the_page() {
    let facts = awkward();
    let page = shipping::page(&facts).unwrap();
    let place = &facts.ship_to;
    let lines = [&place.line_1, place.line_2.as_ref().unwrap(), place.line_3.as_ref().unwrap(), &place.city];
    let mut texts: Vec<&str> = lines.into_iter().map(String::as_str).collect();
    texts.extend([
        facts.recipient.as_str(),
        &facts.pharmacy.name,
        &facts.pharmacy.line_1,
        "and 46 more",
        "BY HAND",
    ]);
    assert_says(&[page], &texts);
}

#[test]
fn marks_follow_the_parcel() {
    let plain = LabelFacts { cold_chain: false, signature: Signature::NotRequired, ..facts() };
    let written = written(&[shipping::page(&plain).unwrap()]);
    assert!(!written.contains("COLD") && !written.contains("ADULT"), "{written}");
    let signature = |schedules: &[DrugSchedule]| Signature::for_drugs(schedules.iter().copied());
    assert_eq!(signature(&[DrugSchedule::Unscheduled, DrugSchedule::C5]), Signature::NotRequired);
    assert_eq!(signature(&[DrugSchedule::Unscheduled, DrugSchedule::C3]), Signature::Adult);
}

#[test]
fn a_parcel_without_a_number_is_found_by_its_reference() {
    let unnumbered = LabelFacts { tracking_number: None, ..facts() };
    let page = shipping::page(&unnumbered).unwrap();
    assert_says(&[page], &["NO TRACKING NUMBER YET", "shp_0123456789abcdefghijAB"]);
    assert!(barcode_png(&unnumbered).unwrap() != barcode_png(&facts()).unwrap());
}

#[test]
fn labels_are_small_and_the_same_again() {
    for facts in [facts(), awkward()] {
        let label = shipping_label(&facts).unwrap();
        assert!(label.0.len() < LARGEST, "{} bytes", label.0.len());
        assert!(label == shipping_label(&facts).unwrap());
        assert!(label.0.starts_with(b"%PDF-") && barcode_png(&facts).unwrap().0.starts_with(b"\x89PNG"));
    }
}

fn packing(items: usize) -> PackingFacts {
    let item = |number: usize| PackedItem {
        order: format!("ord_{number:022}"),
        rx_number: number.is_multiple_of(2).then(|| format!("{}", 1_000_000 + number)),
        medication: "Semaglutide 2.5 mg/mL with cyanocobalamin, ".repeat(1 + number % 4),
        quantity: "10".to_owned(),
        lots: (0..number % 3)
            .map(|lot| PackedLot { number: format!("LOT-{number}-{lot}"), expires_on: date("2027-03-31") })
            .collect(),
    };
    PackingFacts {
        pharmacy: pharmacy(),
        recipient: "Zoë Nuñez".to_owned(),
        ship_to: ship_to(),
        carrier_name: "UPS".to_owned(),
        service_name: "UPS Ground".to_owned(),
        tracking_number: Some("1Z999AA10123456784".to_owned()),
        reference: "shp_1".to_owned(),
        cold_chain: true,
        ships_on: date("2026-01-15"),
        items: (0..items).map(item).collect(),
    }
}

#[test]
fn a_packing_slip_lists_everything_on_as_many_pages_as_it_takes() {
    for (items, least) in [(1, 1), (200, 5)] {
        let facts = packing(items);
        let pages = packing::pages(&facts);
        assert!(pages.len() >= least, "{}", pages.len());
        let mut texts: Vec<&str> = vec!["Zoë Nuñez", "Keep cold", "(512) 555-0100"];
        texts.extend(facts.items.iter().flat_map(|item| [item.order.as_str(), item.medication.trim()]));
        texts.extend(facts.items.iter().filter_map(|item| item.rx_number.as_deref()));
        let lots: Vec<String> = facts
            .items
            .iter()
            .flat_map(|item| &item.lots)
            .map(|lot| format!("Lot {}, expires Mar 31, 2027", lot.number))
            .collect();
        texts.extend(lots.iter().map(String::as_str));
        assert_says(&pages, &texts);
        let last = format!("Page {0} of {0}", pages.len());
        assert_says(&pages, &[&last]);
    }
}

/// However many lots a line has, and however long their numbers are, no text lies over another.
#[test]
fn lots_stand_below_their_own_drug() {
    let mut facts = packing(3);
    facts.items[1].lots = (0..40)
        .map(|lot| PackedLot { number: "N".repeat(100 + lot), expires_on: date("2027-03-31") })
        .collect();
    let pages = packing::pages(&facts);
    let medications: Vec<&str> = facts.items.iter().map(|item| item.medication.trim()).collect();
    assert_says(&pages, &medications);
    assert!(pages.len() > 1 && written(&pages).matches("expiresMar31,2027").count() == 42);
    for page in &pages {
        let in_column = |mark: &Mark| match mark {
            Mark::Text { x, y, size, .. } if *x == 268.0 => Some((y - size, *y)),
            _ => None,
        };
        let rows: Vec<(f32, f32)> =
            page.marks.iter().filter_map(in_column).filter(|row| row.1 > 240.0).collect();
        assert!(rows.len() > 1 && rows.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{rows:?}");
        assert!(rows.iter().all(|row| row.1 <= 724.0), "the foot is below");
    }
}

#[test]
fn a_vial_label_says_what_the_law_and_the_patient_need() {
    let texts = [
        "Łukasz Müller",
        "Rx 1000001",
        "Jordan Example",
        "Testosterone Cypionate 200 mg/mL",
        "Inject 0.5 mL into the muscle once a week.",
        "Qty 10 mL",
        "2 refills left",
        "Filled Jan 15, 2026",
        "Discard after Jan 15, 2027",
        "100 Example Way",
        "prohibits the transfer of this drug",
    ];
    assert_says(&vial::pages(&vial()), &texts);
    for (schedule, cautioned) in [
        (DrugSchedule::C2, true),
        (DrugSchedule::C4, true),
        (DrugSchedule::C5, false),
        (DrugSchedule::Unscheduled, false),
    ] {
        let written = written(&vial::pages(&VialFacts { schedule, ..vial() }));
        assert_eq!(written.contains("CAUTION"), cautioned, "{schedule}");
    }
}

#[test]
fn directions_that_are_too_long_go_on_to_another_label() {
    let directions = (0..300).map(|word| format!("word{word}")).collect::<Vec<_>>().join(" ");
    let long = VialFacts {
        medication: "Compounded progesterone ".repeat(8),
        patient: "Wilhelmina ".repeat(18),
        prescriber: "Bartholomew ".repeat(16),
        directions: directions.clone(),
        ..vial()
    };
    let pages = vial::pages(&long);
    assert!(pages.len() > 2, "{}", pages.len());
    let all_words = directions.replace(' ', "");
    let bold: String = pages
        .iter()
        .flat_map(Page::texts)
        .filter(|text| text.contains("word"))
        .collect::<String>()
        .replace(' ', "");
    assert_eq!(bold, all_words);
    assert_says(&pages, &["directions continue", "directions continued", &long.patient, &long.medication]);
    assert_eq!(vial::pages(&vial()).len(), 1);
}

#[test]
fn a_drug_is_discarded_by_the_earliest_of_its_dates() {
    let filled = date("2026-01-15");
    for (lot, days, expected) in [
        (None, None, "2027-01-15"),
        (Some("2026-11-30"), None, "2026-11-30"),
        (Some("2028-11-30"), None, "2027-01-15"),
        (Some("2026-11-30"), Some(14), "2026-01-29"),
        (Some("2026-01-20"), Some(90), "2026-01-20"),
    ] {
        assert_eq!(discard_after(filled, lot.map(date), days), date(expected));
    }
}
