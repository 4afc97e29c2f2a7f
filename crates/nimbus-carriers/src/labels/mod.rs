//! What is printed for a parcel: shipping label, tracking barcode, packing slip and vial labels, as bytes of a PDF
//! or a PNG.
//!
//! Pure: facts in, bytes out, and the same bytes for the same facts. Nothing is cut off: what is long is wrapped,
//! then set smaller, then goes on to another page.

mod barcode;
mod document;
mod font;
mod packing;
mod page;
mod shipping;
mod vial;

use nimbus_core::{
    order::DeliverySpeed,
    patient::Address,
    prescription::DrugSchedule,
    time::{Date, add_days},
};

use self::barcode::{Bars, content};
pub use self::{packing::packing_slip, shipping::shipping_label, vial::vial_labels};

/// The bytes of a PDF.
#[derive(Clone, PartialEq, Eq)]
pub struct Pdf(pub Vec<u8>);

/// The bytes of a PNG.
#[derive(Clone, PartialEq, Eq)]
pub struct Png(pub Vec<u8>);

/// Why a label could not be made. It never repeats what was to stand on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("the number has letters that a barcode cannot hold")]
    Barcode,
    #[error("the font could not be embedded")]
    Font,
    #[error("the document could not be compressed")]
    Deflate,
    #[error("the image could not be written")]
    Png,
}

/// The pharmacy that sends, as labels name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pharmacy {
    pub name: String,
    pub line_1: String,
    pub line_2: Option<String>,
    pub city: String,
    /// Two letters.
    pub state: String,
    pub postal_code: String,
    pub phone: String,
}

impl Pharmacy {
    fn street(&self) -> Vec<String> {
        [Some(&self.line_1), self.line_2.as_ref()].into_iter().flatten().cloned().collect()
    }

    fn town(&self) -> String {
        format!("{}, {} {}", self.city, self.state, self.postal_code)
    }
}

/// Who signs for a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    NotRequired,
    /// Somebody of 21 years or more, as carriers offer it.
    Adult,
}

impl Signature {
    /// What a parcel with these drugs asks for: an adult's signature for any controlled one of schedule II to IV.
    /// No federal rule demands it; carriers and insurers of pharmacies do.
    pub fn for_drugs(schedules: impl IntoIterator<Item = DrugSchedule>) -> Self {
        let controlled =
            |schedule| matches!(schedule, DrugSchedule::C2 | DrugSchedule::C3 | DrugSchedule::C4);
        if schedules.into_iter().any(controlled) { Self::Adult } else { Self::NotRequired }
    }
}

/// What stands on the outside of a parcel. No drug is named there.
#[derive(Clone)]
pub struct LabelFacts {
    pub pharmacy: Pharmacy,
    pub recipient: String,
    pub ship_to: Address,
    /// The carrier's id, as partners know it: it decides the barcode.
    pub carrier_id: String,
    pub carrier_name: String,
    pub service_name: String,
    pub speed: DeliverySpeed,
    /// Without one the bars say [`LabelFacts::reference`].
    pub tracking_number: Option<String>,
    /// The parcel's own reference: letters, digits and an underscore.
    pub reference: String,
    /// The orders in the parcel.
    pub orders: Vec<String>,
    /// The inventory lots in the parcel.
    pub lots: Vec<String>,
    pub cold_chain: bool,
    pub signature: Signature,
    pub ships_on: Date,
}

impl LabelFacts {
    fn bars(&self) -> Result<Bars, LabelError> {
        let number = self.tracking_number.as_deref().unwrap_or(&self.reference);
        Bars::of(&content(&self.carrier_id, number, &self.ship_to.postal_code))
    }
}

/// The tracking barcode alone, with its quiet zones.
///
/// # Errors
/// [`LabelError::Barcode`], if the tracking number has letters that no barcode holds.
pub fn barcode_png(facts: &LabelFacts) -> Result<Png, LabelError> {
    facts.bars()?.png().map(Png)
}

/// One filled line in a parcel.
#[derive(Clone)]
pub struct PackedItem {
    pub order: String,
    pub rx_number: Option<String>,
    pub medication: String,
    pub quantity: String,
    /// What it was filled from, by expiry; none of a drug whose stock is not kept.
    pub lots: Vec<PackedLot>,
}

/// A lot that is in a parcel.
#[derive(Clone)]
pub struct PackedLot {
    /// As the maker wrote it on the package.
    pub number: String,
    pub expires_on: Date,
}

/// What the paper inside a parcel says to the patient.
#[derive(Clone)]
pub struct PackingFacts {
    pub pharmacy: Pharmacy,
    pub recipient: String,
    pub ship_to: Address,
    pub carrier_name: String,
    pub service_name: String,
    pub tracking_number: Option<String>,
    pub reference: String,
    pub cold_chain: bool,
    pub ships_on: Date,
    pub items: Vec<PackedItem>,
}

/// What stands on a dispensed container (21 CFR 1306.24 for controlled drugs; state boards ask for the same of all).
#[derive(Clone)]
pub struct VialFacts {
    pub pharmacy: Pharmacy,
    pub patient: String,
    pub prescriber: String,
    pub rx_number: String,
    pub medication: String,
    pub strength: String,
    /// How the patient is to use it.
    pub directions: String,
    pub quantity: String,
    pub refills_left: u32,
    pub filled_on: Date,
    pub discard_after: Date,
    pub lots: Vec<String>,
    pub schedule: DrugSchedule,
    pub refrigerated: bool,
}

/// The last day on which a dispensed drug may be used: a year from its fill or its lot's expiry, whichever is
/// earlier (USP <7>, beyond-use date of dispensed containers), and for a compounded one no longer than its own
/// beyond-use days where they are known (USP <795>).
pub fn discard_after(filled_on: Date, lot_expires: Option<Date>, beyond_use_days: Option<u32>) -> Date {
    let year = nimbus_core::time::add_months(filled_on, 12);
    let compounded = beyond_use_days.map(|days| add_days(filled_on, i64::from(days)));
    [lot_expires, compounded].into_iter().flatten().fold(year, Date::min)
}

/// The lines of an address above its city.
fn street(address: &Address) -> Vec<String> {
    let lines = [Some(&address.line_1), address.line_2.as_ref(), address.line_3.as_ref()];
    lines.into_iter().flatten().filter(|line| !line.trim().is_empty()).cloned().collect()
}

fn town(address: &Address) -> String {
    format!("{}, {} {}", address.city, address.state, address.postal_code)
}

/// `Jan 15, 2026`.
fn day(date: Date) -> String {
    date.strftime("%b %-d, %Y").to_string()
}

#[cfg(test)]
mod tests;
