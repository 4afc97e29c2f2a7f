//! NPI: the ten-digit national provider identifier.

use std::fmt;

use thiserror::Error;

use super::digits;

/// The card issuer prefix (80 = health, 840 = United States) that the check digit covers whether it is written
/// or not (CMS, "Requirements for NPI check digit").
const PREFIX: [u8; 5] = [8, 0, 8, 4, 0];

/// An NPI whose check digit holds, or the documented sample.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Npi(String);

/// Why a text is not an NPI. The message never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NpiError {
    #[error("must be ten digits, the first 1 or 2")]
    Form,
    #[error("the check digit does not match")]
    CheckDigit,
}

impl Npi {
    /// The number that published examples show although its check digit fails.
    pub const DOCUMENTED_SAMPLE: &'static str = "1234567890";

    /// Reads exactly ten ASCII digits, the first 1 or 2, whose Luhn digit over `80840` + NPI holds.
    pub fn parse(text: &str) -> Result<Self, NpiError> {
        let digits = digits::<10>(text).ok_or(NpiError::Form)?;
        if !matches!(digits[0], 1 | 2) {
            return Err(NpiError::Form);
        }
        if !luhn(PREFIX.into_iter().chain(digits)) {
            return Err(NpiError::CheckDigit);
        }
        Ok(Self(text.to_owned()))
    }

    /// Accepts [`Npi::DOCUMENTED_SAMPLE`] and nothing else. For the sandbox only: production takes
    /// [`Npi::parse`] alone.
    pub fn parse_sample(text: &str) -> Option<Self> {
        (text == Self::DOCUMENTED_SAMPLE).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Npi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// ISO/IEC 7812-1 annex B, the check digit last.
fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit) {
            (0, digit) => u32::from(digit),
            (_, digit @ 0..=4) => u32::from(digit) * 2,
            (_, digit) => u32::from(digit) * 2 - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_and_the_sandbox_numbers_hold() {
        // The first is the worked example of the CMS paper; the others are the sandbox's.
        for npi in ["1234567893", "1999999992", "1999999919"] {
            assert_eq!(Npi::parse(npi).map(|npi| npi.to_string()), Ok(npi.to_owned()));
        }
    }

    #[test]
    fn others_are_refused() {
        for text in ["", "123456789", "12345678930", "3234567893", "0234567893", "123456789x", " 1234567893"]
        {
            assert_eq!(Npi::parse(text), Err(NpiError::Form), "{text}");
        }
        // Ten characters, but not ASCII digits.
        assert_eq!(Npi::parse("١٢٣٤٥٦٧٨٩٣"), Err(NpiError::Form));
        assert_eq!(Npi::parse("1234567890"), Err(NpiError::CheckDigit));
    }

    #[test]
    fn the_sample_is_exactly_one_number() {
        assert_eq!(
            Npi::parse_sample("1234567890").map(|npi| npi.as_str().to_owned()).as_deref(),
            Some("1234567890")
        );
        assert_eq!(Npi::parse_sample("1234567893"), None);
        assert_eq!(Npi::parse_sample("1234567890 "), None);
    }

    proptest! {
        #[test]
        fn one_check_digit_of_ten_holds_and_any_single_change_is_refused(
            stem in "[12][0-9]{8}", at in 0usize..10, to in 0u8..10,
        ) {
            let valid: Vec<String> =
                (0..10).map(|check| format!("{stem}{check}")).filter(|text| Npi::parse(text).is_ok()).collect();
            prop_assert_eq!(valid.len(), 1);
            let mut changed = valid[0].clone().into_bytes();
            prop_assume!(changed[at] != b'0' + to);
            changed[at] = b'0' + to;
            prop_assert!(Npi::parse(std::str::from_utf8(&changed).unwrap()).is_err());
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = Npi::parse(&text);
        }
    }
}
