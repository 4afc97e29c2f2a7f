//! The shipping label: 4 by 6 inches, for a thermal printer of 203 dpi.

use nimbus_core::order::DeliverySpeed;

use super::{
    LabelError, LabelFacts, Pdf, Signature,
    barcode::readable,
    day, document,
    font::{Fitted, Weight, clean, fit},
    page::{Ink, Page},
    street, town,
};

const MARGIN: f32 = 14.0;
/// A shipping label.
///
/// # Errors
/// [`LabelError::Barcode`], if the tracking number has letters that no barcode holds.
pub fn shipping_label(facts: &LabelFacts) -> Result<Pdf, LabelError> {
    document::write("Shipping label", &[page(facts)?])
}

pub(super) fn page(facts: &LabelFacts) -> Result<Page, LabelError> {
    let mut page = Page::inches(4.0, 6.0);
    sender(&mut page, facts);
    service(&mut page, facts);
    recipient(&mut page, facts);
    marks(&mut page, facts);
    tracking(&mut page, facts)?;
    references(&mut page, facts);
    Ok(page)
}

/// Who sends, and when.
fn sender(page: &mut Page, facts: &LabelFacts) {
    let pharmacy = &facts.pharmacy;
    let mut lines: Vec<String> = vec![clean(&pharmacy.name)];
    lines.extend(pharmacy.street().iter().map(|line| clean(line)));
    lines.extend([clean(&pharmacy.town()), clean(&pharmacy.phone)]);
    let from = fit(&lines, Weight::Regular, 8.5, 165.0, 56.0);
    page.text(MARGIN, 19.0, 6.0, Weight::Bold, "FROM");
    page.block(MARGIN, 21.0, Weight::Regular, &from);
    let right = page.width - MARGIN;
    page.text_to(right, 19.0, 6.0, Weight::Bold, "SHIP DATE");
    page.text_to(right, 30.0, 10.0, Weight::Bold, &day(facts.ships_on));
    let packed = match facts.orders.len() {
        1 => "1 order".to_owned(),
        count => format!("{count} orders"),
    };
    page.text_to(right, 41.0, 8.0, Weight::Regular, &packed);
    page.rule(0.0, 82.0, 1.5);
}

/// The service, white on black, with the letter that sorters look for.
fn service(page: &mut Page, facts: &LabelFacts) {
    page.bar(0.0, 83.5, page.width, 36.0);
    let name = fit(&[clean(&facts.service_name)], Weight::Bold, 19.0, 196.0, 27.0);
    let mut line = 83.5 + (36.0 - name.height()) / 2.0 + name.size * 0.95;
    for text in &name.lines {
        page.inked(MARGIN, line, name.size, Weight::Bold, Ink::White, text);
        line += name.size * super::font::LEADING;
    }
    let speed = match facts.speed {
        DeliverySpeed::NextDay => "NEXT DAY",
        DeliverySpeed::BusinessDay => "STANDARD",
    };
    let width = Weight::Bold.width(speed, 11.0);
    page.inked(page.width - MARGIN - width, 105.5, 11.0, Weight::Bold, Ink::White, speed);
}

fn recipient(page: &mut Page, facts: &LabelFacts) {
    page.text(MARGIN, 131.0, 6.0, Weight::Bold, "SHIP TO");
    let width = page.width - 2.0 * MARGIN;
    let name = fit(&[clean(&facts.recipient)], Weight::Bold, 15.0, width, 36.0);
    let below = page.block(MARGIN, 134.0, Weight::Bold, &name);
    let lines: Vec<String> = street(&facts.ship_to).iter().map(|line| clean(line)).collect();
    let address = fit(&lines, Weight::Regular, 13.0, width, 215.0 - below);
    let below = page.block(MARGIN, below, Weight::Regular, &address);
    let town = fit(&[clean(&town(&facts.ship_to))], Weight::Bold, 15.0, width, 234.0 - below);
    page.block(MARGIN, below, Weight::Bold, &town);
    page.rule(0.0, 238.0, 1.5);
}

/// What whoever handles the parcel must know.
fn marks(page: &mut Page, facts: &LabelFacts) {
    let cold = facts.cold_chain.then_some("KEEP COLD 2\u{2013}8 \u{b0}C  \u{2022}  PERISHABLE");
    let signature = match facts.signature {
        Signature::Adult => Some("ADULT SIGNATURE REQUIRED (21+)"),
        Signature::NotRequired => None,
    };
    let mut top = 243.0;
    for text in [cold, signature].into_iter().flatten() {
        page.bar(MARGIN, top, page.width - 2.0 * MARGIN, 17.0);
        let width = Weight::Bold.width(text, 10.5);
        page.inked((page.width - width) / 2.0, top + 12.3, 10.5, Weight::Bold, Ink::White, text);
        top += 20.0;
    }
    if top < 250.0 {
        page.centred(262.0, 8.0, Weight::Regular, "No signature required");
    }
}

fn tracking(page: &mut Page, facts: &LabelFacts) -> Result<(), LabelError> {
    page.rule(0.0, 285.0, 1.5);
    let caption = match &facts.tracking_number {
        Some(_) => format!("{} TRACKING #", facts.carrier_name.to_uppercase()),
        None => "NO TRACKING NUMBER YET: PARCEL REFERENCE".to_owned(),
    };
    page.centred(296.0, 8.0, Weight::Bold, &clean(&caption));
    let bars = facts.bars()?;
    if !page.barcode(&bars, 301.0, 66.0) {
        // No carrier of the list has such numbers; whoever made one up reads it off.
        page.centred(337.0, 11.0, Weight::Bold, "TOO LONG FOR A BARCODE: ENTER BY HAND");
    }
    let number = match &facts.tracking_number {
        Some(number) => readable(number),
        None => facts.reference.clone(),
    };
    let width = page.width - 2.0 * MARGIN;
    let shown = fit(&[clean(&number)], Weight::Bold, 11.5, width, 14.0);
    for (line, text) in shown.lines.iter().enumerate() {
        page.centred(380.0 + line as f32 * shown.size * super::font::LEADING, shown.size, Weight::Bold, text);
    }
    page.rule(0.0, 386.0, 1.5);
    Ok(())
}

/// What the pharmacy finds the parcel by. Where there are more than fit, their number stands for the rest.
fn references(page: &mut Page, facts: &LabelFacts) {
    let width = page.width - 2.0 * MARGIN;
    let mut lines = vec![format!("Parcel {}", facts.reference)];
    lines.extend(listed("Order", &facts.orders));
    lines.extend(listed("Lot", &facts.lots));
    let lines: Vec<String> = lines.iter().map(|line| clean(line)).collect();
    let block: Fitted = fit(&lines, Weight::Regular, 8.0, width, 36.0);
    page.block(MARGIN, 389.0, Weight::Regular, &block);
}

/// A few references by name, and how many more there are.
fn listed(noun: &str, references: &[String]) -> Option<String> {
    const NAMED: usize = 4;
    let named = references.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match references.len() {
        0 => None,
        count if count <= NAMED => Some(format!("{noun} {named}")),
        count => Some(format!("{noun} {named} and {} more (see packing slip)", count - NAMED)),
    }
}
