//! The packing slip: letter paper inside the parcel, which tells the patient what is in it.

use super::{
    LabelError, PackedItem, PackingFacts, Pdf,
    barcode::readable,
    day, document,
    font::{LEADING, Weight, clean, fit, wrap},
    page::Page,
    street, town,
};

const MARGIN: f32 = 48.0;
const SIZE: f32 = 9.5;
/// Lots stand below their drug, smaller.
const LOT_SIZE: f32 = 8.0;
/// What is left between two drugs.
const BETWEEN: f32 = 4.0;
/// Where the columns begin: order, Rx number, medication; quantities end at the right margin.
const COLUMNS: [f32; 3] = [MARGIN, 200.0, 268.0];
/// Where the columns end.
const ENDS: [f32; 3] = [194.0, 262.0, 500.0];
/// The last line of a page lies above this.
const BOTTOM: f32 = 720.0;

/// A packing slip, on as many pages as it takes.
///
/// # Errors
/// Of the document, as [`LabelError`] says.
pub fn packing_slip(facts: &PackingFacts) -> Result<Pdf, LabelError> {
    document::write("Packing slip", &pages(facts))
}

pub(super) fn pages(facts: &PackingFacts) -> Vec<Page> {
    let mut slip = Slip::new(facts);
    for item in &facts.items {
        slip.item(item);
    }
    let mut pages = slip.pages;
    let count = pages.len();
    for (index, page) in pages.iter_mut().enumerate() {
        footer(page, facts, index + 1, count);
    }
    pages
}

/// The slip as far as it is written.
struct Slip<'a> {
    facts: &'a PackingFacts,
    pages: Vec<Page>,
    /// Where the last page goes on.
    y: f32,
}

impl<'a> Slip<'a> {
    fn new(facts: &'a PackingFacts) -> Self {
        let (page, y) = first(facts);
        Self { facts, pages: vec![page], y }
    }

    /// The page that has so much room left: the last one, or a new one.
    fn page(&mut self, height: f32) -> &mut Page {
        if self.y + height > BOTTOM {
            let mut page = Page::inches(8.5, 11.0);
            let title = format!("Packing slip, continued: {}", self.facts.reference);
            page.text(MARGIN, 50.0, 11.0, Weight::Bold, &title);
            self.y = columns(&mut page, 76.0);
            self.pages.push(page);
        }
        // There is the first one at least.
        self.pages.last_mut().expect("a slip has a page")
    }

    /// A drug, and below it its lots, which go on to another page where they are many.
    fn item(&mut self, item: &PackedItem) {
        let row = Row::of(item);
        self.page(row.height() + lines(row.lots.len().min(1), LOT_SIZE));
        let top = self.y;
        let page = self.page(0.0);
        row.draw(page, top);
        let (mut beside, on) = (top + row.height(), self.pages.len());
        self.y = top + lines(row.columns[2].len(), SIZE);
        for lot in &row.lots {
            self.page(lines(1, LOT_SIZE));
            let y = self.y + LOT_SIZE;
            self.page(0.0).text(COLUMNS[2], y, LOT_SIZE, Weight::Regular, lot);
            self.y += lines(1, LOT_SIZE);
        }
        if self.pages.len() > on {
            beside = self.y;
        }
        self.y = self.y.max(beside) + BETWEEN;
    }
}

/// The page with sender, recipient and parcel; where its table goes on.
fn first(facts: &PackingFacts) -> (Page, f32) {
    let mut page = Page::inches(8.5, 11.0);
    let pharmacy = &facts.pharmacy;
    let name = fit(&[clean(&pharmacy.name)], Weight::Bold, 18.0, 330.0, 44.0);
    let mut lines = pharmacy.street();
    lines.extend([pharmacy.town(), pharmacy.phone.clone()]);
    let below = page.block(MARGIN, 40.0, Weight::Bold, &name);
    let from = fit(&cleaned(&lines), Weight::Regular, SIZE, 330.0, 110.0 - below + 20.0);
    page.block(MARGIN, below, Weight::Regular, &from);
    page.text_to(page.width - MARGIN, 57.0, 18.0, Weight::Bold, "PACKING SLIP");
    page.text_to(page.width - MARGIN, 73.0, SIZE, Weight::Regular, &day(facts.ships_on));
    page.rule(MARGIN, 134.0, 1.0);

    page.text(MARGIN, 150.0, 7.0, Weight::Bold, "SHIPPED TO");
    let mut lines = vec![facts.recipient.clone()];
    lines.extend(street(&facts.ship_to));
    lines.push(town(&facts.ship_to));
    let to = fit(&cleaned(&lines), Weight::Regular, 11.0, 250.0, 84.0);
    page.block(MARGIN, 154.0, Weight::Regular, &to);

    page.text(330.0, 150.0, 7.0, Weight::Bold, "PARCEL");
    let number = facts.tracking_number.as_deref().map_or("No tracking number yet".to_owned(), readable);
    let mut lines =
        vec![facts.reference.clone(), format!("{}, {}", facts.carrier_name, facts.service_name), number];
    if facts.cold_chain {
        lines.push("Keep cold: put it into the refrigerator when it arrives.".to_owned());
    }
    let parcel = fit(&cleaned(&lines), Weight::Regular, SIZE, page.width - MARGIN - 330.0, 84.0);
    page.block(330.0, 154.0, Weight::Regular, &parcel);
    let y = columns(&mut page, 262.0);
    (page, y)
}

/// The heads of the columns; where the rows begin.
fn columns(page: &mut Page, y: f32) -> f32 {
    for (x, head) in COLUMNS.into_iter().zip(["ORDER", "RX NUMBER", "MEDICATION"]) {
        page.text(x, y, 7.0, Weight::Bold, head);
    }
    page.text_to(page.width - MARGIN, y, 7.0, Weight::Bold, "QUANTITY");
    page.rule(MARGIN, y + 4.0, 0.8);
    y + 10.0
}

/// A row as it is set: the lines of each column, the quantity, and below the drug its lots.
struct Row {
    columns: [Vec<String>; 3],
    quantity: String,
    lots: Vec<String>,
}

impl Row {
    fn of(item: &PackedItem) -> Self {
        let rx_number = item.rx_number.as_deref().unwrap_or("-");
        let texts = [item.order.as_str(), rx_number, item.medication.as_str()];
        let columns = std::array::from_fn(|column| {
            let width = ENDS[column] - COLUMNS[column];
            wrap(&clean(texts[column]), Weight::Regular, SIZE, width)
        });
        let lots = item.lots.iter().flat_map(|lot| {
            let text = format!("Lot {}, expires {}", lot.number, day(lot.expires_on));
            wrap(&clean(&text), Weight::Regular, LOT_SIZE, ENDS[2] - COLUMNS[2])
        });
        Self { columns, quantity: item.quantity.clone(), lots: lots.collect() }
    }

    /// How high it is without its lots.
    fn height(&self) -> f32 {
        lines(self.columns.iter().map(Vec::len).max().unwrap_or(1).max(1), SIZE)
    }

    fn draw(&self, page: &mut Page, top: f32) {
        for (texts, x) in self.columns.iter().zip(COLUMNS) {
            for (line, text) in texts.iter().enumerate() {
                page.text(x, top + SIZE + lines(line, SIZE), SIZE, Weight::Regular, text);
            }
        }
        page.text_to(page.width - MARGIN, top + SIZE, SIZE, Weight::Bold, &self.quantity);
    }
}

/// How high so many lines are.
fn lines(count: usize, size: f32) -> f32 {
    count as f32 * size * LEADING
}

fn footer(page: &mut Page, facts: &PackingFacts, number: usize, count: usize) {
    page.rule(MARGIN, 738.0, 0.5);
    let help = format!(
        "Is something missing, damaged or warm? Do not use it, and call {} at {}.",
        facts.pharmacy.name, facts.pharmacy.phone
    );
    let help = fit(&[clean(&help)], Weight::Regular, 8.5, 440.0, 22.0);
    page.block(MARGIN, 743.0, Weight::Regular, &help);
    page.text_to(page.width - MARGIN, 752.0, 8.5, Weight::Regular, &format!("Page {number} of {count}"));
}

fn cleaned(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| clean(line)).collect()
}
