//! Prescription labels for dispensed containers: 4 by 2 inches, one or more pages for each.

use nimbus_core::prescription::DrugSchedule;

use super::{
    LabelError, Pdf, VialFacts, day, document,
    font::{Fitted, LEADING, Weight, clean, fit, wrap},
    page::Page,
};

const MARGIN: f32 = 9.0;
/// Directions are not set smaller than this: they go on to another label instead.
const LEAST_DIRECTIONS: f32 = 6.5;
/// Where directions stand, on the first label and on those that continue it.
const DIRECTIONS: (f32, f32) = (53.0, 89.0);
const CONTINUED: (f32, f32) = (32.0, 138.0);
/// 21 CFR 290.5, on drugs of schedules II, III and IV.
const CAUTION: &str = "CAUTION: Federal law prohibits the transfer of this drug to any person other than the \
    patient for whom it was prescribed.";

/// Labels for containers, one after the other.
///
/// # Errors
/// Of the document, as [`LabelError`] says.
pub fn vial_labels(vials: &[VialFacts]) -> Result<Pdf, LabelError> {
    let pages: Vec<Page> = vials.iter().flat_map(pages).collect();
    document::write("Prescription labels", &pages)
}

pub(super) fn pages(facts: &VialFacts) -> Vec<Page> {
    let mut page = Page::inches(4.0, 2.0);
    let width = page.width - 2.0 * MARGIN;
    header(&mut page, facts);
    let directions = clean(&facts.directions);
    let whole =
        fit(std::slice::from_ref(&directions), Weight::Bold, 11.0, width, DIRECTIONS.1 - DIRECTIONS.0);
    let mut lines = match whole.size >= LEAST_DIRECTIONS {
        true => whole.lines,
        false => wrap(&directions, Weight::Bold, LEAST_DIRECTIONS, width),
    };
    let size = whole.size.max(LEAST_DIRECTIONS);
    let room = |(top, bottom): (f32, f32)| ((bottom - top) / (size * LEADING)) as usize;
    let rest = lines.split_off(lines.len().min(room(DIRECTIONS)));
    page.block(MARGIN, DIRECTIONS.0, Weight::Bold, &Fitted { size, lines });
    let count = 1 + rest.len().div_ceil(room(CONTINUED));
    footer(&mut page, facts, count);
    let mut pages = vec![page];
    for (index, lines) in rest.chunks(room(CONTINUED)).enumerate() {
        let lines = lines.to_vec();
        pages.push(continued(facts, index + 2, count, &Fitted { size, lines }));
    }
    pages
}

/// Pharmacy, number, patient.
fn header(page: &mut Page, facts: &VialFacts) {
    let (pharmacy, right) = (&facts.pharmacy, page.width - MARGIN);
    let number = format!("Rx {}", facts.rx_number);
    let number = fit(&[clean(&number)], Weight::Bold, 12.0, 110.0, 15.0);
    for (line, text) in number.lines.iter().enumerate() {
        page.text_to(right, 15.0 + line as f32 * number.size, number.size, Weight::Bold, text);
    }
    let mut lines = vec![clean(&format!("{}  {}", pharmacy.name, pharmacy.phone))];
    lines.push(clean(&format!("{}, {}", pharmacy.street().join(", "), pharmacy.town())));
    let from = fit(&lines, Weight::Regular, 7.0, 155.0, 25.5);
    page.block(MARGIN, 4.0, Weight::Regular, &from);
    let filled = format!("Filled {}", day(facts.filled_on));
    page.text_to(right, 26.0, 7.0, Weight::Regular, &filled);
    page.rule(MARGIN, 31.0, 0.8);
    let patient = fit(&[clean(&facts.patient)], Weight::Bold, 12.0, 170.0, 20.0);
    page.block(MARGIN, 33.0, Weight::Bold, &patient);
    let prescriber =
        fit(&[clean(&format!("Prescriber: {}", facts.prescriber))], Weight::Regular, 7.0, 92.0, 20.0);
    for (line, text) in prescriber.lines.iter().enumerate() {
        let y = 41.0 + line as f32 * prescriber.size * LEADING;
        page.text_to(right, y, prescriber.size, Weight::Regular, text);
    }
}

/// Drug, quantity, refills, dates and cautions. `labels` is how many this container has.
fn footer(page: &mut Page, facts: &VialFacts, labels: usize) {
    let width = page.width - 2.0 * MARGIN;
    page.rule(MARGIN, 90.0, 0.5);
    let drug = match facts.strength.trim() {
        "" => clean(&facts.medication),
        strength => clean(&format!("{} {strength}", facts.medication)),
    };
    let drug = fit(&[drug], Weight::Bold, 10.0, width, 21.0);
    page.block(MARGIN, 91.0, Weight::Bold, &drug);
    let refills = match facts.refills_left {
        0 => "No refills".to_owned(),
        1 => "1 refill left".to_owned(),
        count => format!("{count} refills left"),
    };
    let mut known = vec![
        format!("Qty {}", facts.quantity),
        refills,
        format!("Discard after {}", day(facts.discard_after)),
    ];
    if !facts.lots.is_empty() {
        known.push(format!("Lot {}", facts.lots.join(", ")));
    }
    if facts.refrigerated {
        known.push("REFRIGERATE".to_owned());
    }
    if labels > 1 {
        known.push(format!("Label 1 of {labels}: directions continue"));
    }
    let known = fit(&[clean(&known.join("  \u{2022}  "))], Weight::Regular, 8.0, width, 13.0);
    page.block(MARGIN, 111.5, Weight::Regular, &known);
    let controlled = matches!(facts.schedule, DrugSchedule::C2 | DrugSchedule::C3 | DrugSchedule::C4);
    if controlled {
        let caution = fit(&[CAUTION.to_owned()], Weight::Bold, 6.0, width, 14.5);
        page.block(MARGIN, 124.5, Weight::Bold, &caution);
    }
}

/// A further label of the same container, with the rest of its directions.
fn continued(facts: &VialFacts, number: usize, count: usize, directions: &Fitted) -> Page {
    let mut page = Page::inches(4.0, 2.0);
    let name = fit(&[clean(&facts.patient)], Weight::Bold, 9.0, 170.0, 20.0);
    page.block(MARGIN, 5.0, Weight::Bold, &name);
    let right = page.width - MARGIN;
    page.text_to(right, 14.0, 9.0, Weight::Bold, &clean(&format!("Rx {}", facts.rx_number)));
    page.text_to(
        right,
        25.0,
        7.0,
        Weight::Regular,
        &format!("Label {number} of {count}, directions continued"),
    );
    page.rule(MARGIN, 29.0, 0.8);
    page.block(MARGIN, CONTINUED.0, Weight::Bold, directions);
    page
}
