//! Tracking barcodes: which symbology each carrier scans, its bars, and a PNG of them.
//!
//! UPS, FedEx and Ameriship scan plain Code 128. USPS scans the Intelligent Mail package barcode, a GS1-128 of the
//! ZIP code (application identifier 420) and the number (USPS Publication 199). FedEx Ground's 22 digits that begin
//! with 96 are GS1-128 too.

use barcoders::sym::code128::Code128;
use nimbus_core::identifiers::tracking::{TrackingFormat, TrackingNumber};

use super::LabelError;

/// Code set B: letters and digits, one to a symbol.
const SET_B: char = '\u{0181}';
/// Code set C: two digits to a symbol.
const SET_C: char = '\u{0106}';
const FNC1: char = '\u{0179}';
/// So many digits in a row are worth a change to code set C.
const WORTH_SET_C: usize = 4;
/// Dots for each module of the PNG: a barcode printed at 300 dpi is then as wide as on the label.
const PNG_DOTS: usize = 4;
const PNG_HEIGHT: usize = 160;

/// What the bars of a parcel say.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Content {
    Plain(String),
    /// Elements of GS1-128, the application identifier with each.
    Gs1(Vec<String>),
}

/// What is scanned of a parcel by its carrier, number and destination.
pub(super) fn content(carrier_id: &str, number: &str, postal_code: &str) -> Content {
    let Ok(parsed) = TrackingNumber::parse(number) else { return Content::Plain(number.to_owned()) };
    let (number, formats) = (parsed.as_str(), parsed.formats());
    let is = |format| formats.contains(&format);
    match carrier_id {
        "se-11225" if is(TrackingFormat::UspsImpb) => Content::Gs1(impb(number, postal_code)),
        "se-3818360" if is(TrackingFormat::FedEx22) => Content::Gs1(vec![number.to_owned()]),
        _ => Content::Plain(number.to_owned()),
    }
}

/// The elements of an Intelligent Mail package barcode. A number that brings its ZIP code keeps it.
fn impb(number: &str, postal_code: &str) -> Vec<String> {
    const LENGTHS: [usize; 3] = [20, 22, 26];
    let zip: String = postal_code.chars().filter(char::is_ascii_digit).collect();
    if !number.starts_with("420") || LENGTHS.contains(&number.len()) {
        return vec![format!("420{zip}"), number.to_owned()];
    }
    // 34 digits can be read in two ways. What follows the ZIP code begins with a 9; where both do, the destination
    // tells.
    let ways = [12, 8]
        .into_iter()
        .filter(|&routing| LENGTHS.contains(&(number.len() - routing)) && number[routing..].starts_with('9'));
    let by_destination = |&routing: &usize| number[3..routing] == zip;
    let routing = ways.clone().find(by_destination).or_else(|| ways.clone().next()).unwrap_or(8);
    let (routing, rest) = number.split_at(routing);
    vec![routing.to_owned(), rest.to_owned()]
}

/// A number as people read it: in groups.
pub(super) fn readable(number: &str) -> String {
    let mut groups: Vec<&str> = Vec::new();
    let mut rest = number;
    if number.len() == 18 && number.starts_with("1Z") {
        for length in [2, 3, 3, 2] {
            let (group, after) = rest.split_at(length);
            groups.push(group);
            rest = after;
        }
    }
    while rest.len() > 4 && rest.is_ascii() {
        let (group, after) = rest.split_at(4);
        groups.push(group);
        rest = after;
    }
    groups.push(rest);
    groups.join(" ")
}

/// The modules of a linear barcode.
pub(super) struct Bars(Vec<u8>);

impl Bars {
    /// Modules of white on either side (GS1 General Specifications 5.4.2).
    pub(super) const QUIET: usize = 10;

    /// # Errors
    /// [`LabelError::Barcode`], if Code 128 has no symbol for a letter.
    pub(super) fn of(content: &Content) -> Result<Self, LabelError> {
        let mut symbols = Symbols::default();
        match content {
            Content::Plain(text) => symbols.add(text),
            Content::Gs1(elements) => {
                for element in elements {
                    symbols.separate(element);
                    symbols.add(element);
                }
            }
        }
        let code = Code128::new(&symbols.text).map_err(|_| LabelError::Barcode)?;
        Ok(Self(code.encode().into_iter().collect()))
    }

    pub(super) fn modules(&self) -> usize {
        self.0.len()
    }

    /// Where each bar starts and how wide it is, in modules.
    pub(super) fn runs(&self) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (at, _) in self.0.iter().enumerate().filter(|(_, module)| **module == 1) {
            match runs.last_mut() {
                Some((start, length)) if *start + *length == at => *length += 1,
                _ => runs.push((at, 1)),
            }
        }
        runs
    }

    /// A black and white PNG, quiet zones included.
    ///
    /// # Errors
    /// [`LabelError::Png`] of the encoder.
    pub(super) fn png(&self) -> Result<Vec<u8>, LabelError> {
        let width = (self.modules() + 2 * Self::QUIET) * PNG_DOTS;
        let mut row = vec![0xff_u8; width.div_ceil(8)];
        for (start, length) in self.runs() {
            for dot in (start + Self::QUIET) * PNG_DOTS..(start + length + Self::QUIET) * PNG_DOTS {
                row[dot / 8] &= !(0x80 >> (dot % 8));
            }
        }
        let mut file = Vec::new();
        let width = u32::try_from(width).map_err(|_| LabelError::Png)?;
        let mut encoder = png::Encoder::new(&mut file, width, PNG_HEIGHT as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header().map_err(|_| LabelError::Png)?;
        writer.write_image_data(&row.repeat(PNG_HEIGHT)).map_err(|_| LabelError::Png)?;
        writer.finish().map_err(|_| LabelError::Png)?;
        Ok(file)
    }
}

/// Text with the changes between code sets that make its bars short.
#[derive(Default)]
struct Symbols {
    text: String,
    set: Option<char>,
}

impl Symbols {
    fn change(&mut self, set: char) {
        if self.set != Some(set) {
            self.text.push(set);
            self.set = Some(set);
        }
    }

    /// What stands before each element of GS1-128.
    fn separate(&mut self, element: &str) {
        if self.set.is_none() {
            self.change(if digits_ahead(element) >= WORTH_SET_C { SET_C } else { SET_B });
        }
        self.text.push(FNC1);
    }

    fn add(&mut self, text: &str) {
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let digits = digits_ahead(rest);
            let pairs = digits - digits % 2;
            if digits >= WORTH_SET_C && digits.is_multiple_of(2) {
                self.change(SET_C);
                self.text.push_str(&rest[..pairs]);
                rest = &rest[pairs..];
            } else {
                self.change(SET_B);
                self.text.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
}

fn digits_ahead(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(carrier: &str, number: &str, zip: &str) -> Vec<String> {
        match content(carrier, number, zip) {
            Content::Gs1(elements) => elements,
            Content::Plain(text) => panic!("{text} is plain"),
        }
    }

    #[test]
    fn usps_routes_by_zip_code() {
        let number = "9400111899223197428497";
        assert_eq!(elements("se-11225", number, "78702-1234"), ["420787021234", number]);
        assert_eq!(elements("se-11225", number, "78702"), ["42078702", number]);
        let whole = format!("42078702{number}");
        assert_eq!(elements("se-11225", &whole, "78702"), ["42078702", number]);
        let whole = format!("420787021234{number}");
        assert_eq!(elements("se-11225", &whole, "78702-1234"), ["420787021234", number]);
        let elsewhere = elements("se-11225", "4201028200009261290113185417468510", "78702");
        assert_eq!(elsewhere, ["420102820000", "9261290113185417468510"]);
    }

    #[test]
    fn other_carriers_have_plain_numbers() {
        for (carrier, number) in
            [("se-11226", "1Z999AA10123456784"), ("ameriship", "AMERISHIP1"), ("se-3818360", "986578788855")]
        {
            assert!(content(carrier, number, "78702") == Content::Plain(number.to_owned()), "{number}");
        }
    }

    #[test]
    fn digits_go_in_pairs_from_where_they_are_even() {
        let symbols = |text: &str| {
            let mut symbols = Symbols::default();
            symbols.add(text);
            symbols.text
        };
        assert_eq!(symbols("AB12"), "\u{181}AB12");
        assert_eq!(
            symbols("1Z999AA10123456784"),
            "\u{181}1Z999AA\u{106}10123456784".replace("\u{106}1", "1\u{106}")
        );
        assert_eq!(symbols("986578788855"), "\u{106}986578788855");
        assert_eq!(symbols("12345"), "\u{181}1\u{106}2345");
    }

    #[test]
    fn bars_begin_and_end_as_code_128_does() {
        let bars = Bars::of(&Content::Plain("123456".to_owned())).unwrap();
        // Start, three pairs, check symbol, stop: 11 modules each and two more for the stop.
        assert_eq!(bars.modules(), 6 * 11 + 2);
        assert_eq!(bars.runs().first(), Some(&(0, 2)));
        assert_eq!(bars.runs().last(), Some(&(bars.modules() - 2, 2)));
        assert!(Bars::of(&Content::Plain("Ł".to_owned())).is_err());
    }

    #[test]
    fn numbers_are_read_in_groups() {
        assert_eq!(readable("1Z999AA10123456784"), "1Z 999 AA1 01 2345 6784");
        assert_eq!(readable("9400111899223197428497"), "9400 1118 9922 3197 4284 97");
        assert_eq!(readable("AB1"), "AB1");
    }
}
