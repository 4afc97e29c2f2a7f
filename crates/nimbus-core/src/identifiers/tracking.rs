//! Tracking numbers of parcels: which carriers' check digits a number satisfies.
//!
//! The rules are those collected in github.com/jkeen/tracking_number_data (couriers/*.json). Carriers use
//! numbers again, so a tracking number is never a key.

use std::fmt;

use thiserror::Error;

/// The longest IMpb with its routing code has 38 digits.
const MAX_LEN: usize = 40;
const MIN_LEN: usize = 6;

/// A tracking number without spaces, in capitals. It leads to a patient's address: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackingNumber(String);

/// A family of tracking numbers with a check digit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrackingFormat {
    /// UPS: `1Z` and 16 more.
    Ups1Z,
    /// FedEx Express, 12 digits.
    FedEx12,
    /// FedEx Ground, 15 digits.
    FedEx15,
    /// FedEx SmartPost: 20 digits, or 22 with `92` before them.
    FedEx20,
    /// FedEx Ground `96`, 22 digits.
    FedEx22,
    /// USPS Intelligent Mail package barcode: 20, 22 or 26 digits, with or without `420` + ZIP before them.
    UspsImpb,
    /// UPU S10 (international post): two letters, nine digits, two letters.
    S10,
    /// No known family has this form, so nothing could be checked.
    Unknown,
}

/// Why a text is not a tracking number. The message never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TrackingError {
    #[error("must be 6 to 40 letters and digits")]
    Form,
    #[error("the check digit does not match")]
    CheckDigit,
}

impl TrackingNumber {
    /// Reads 6 to 40 ASCII letters and digits, spaces ignored. A number with the form of one family or several
    /// must satisfy the check digit of one of them; a number with the form of none is taken as it is.
    pub fn parse(text: &str) -> Result<Self, TrackingError> {
        let text: String = text
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .map(|letter| letter.to_ascii_uppercase())
            .take(MAX_LEN + 1)
            .collect();
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || !(MIN_LEN..=MAX_LEN).contains(&text.len()) {
            return Err(TrackingError::Form);
        }
        let claims = claims(&text);
        if !claims.is_empty() && claims.iter().all(|(_, holds)| !holds) {
            return Err(TrackingError::CheckDigit);
        }
        Ok(Self(text))
    }

    /// Every family whose check digit the number satisfies, never empty: `[Unknown]` where no family has its
    /// form. Several is common, so this warns of a wrong carrier and cannot prove one.
    pub fn formats(&self) -> Vec<TrackingFormat> {
        let mut formats: Vec<_> =
            claims(&self.0).into_iter().filter_map(|(format, holds)| holds.then_some(format)).collect();
        if formats.is_empty() {
            formats.push(TrackingFormat::Unknown);
        }
        formats
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Ends a number of a family with its check digit; `None` if no digit gives the text that family's form.
    pub fn complete(format: TrackingFormat, text: &str) -> Option<Self> {
        let ends = ('0'..='9').map(|digit| format!("{text}{digit}"));
        ends.filter_map(|text| Self::parse(&text).ok()).find(|number| number.formats().contains(&format))
    }
}

impl fmt::Debug for TrackingNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrackingNumber")
    }
}

/// The families whose form the text has, each with whether its check digit holds.
fn claims(text: &str) -> Vec<(TrackingFormat, bool)> {
    use TrackingFormat::{FedEx12, FedEx15, FedEx20, FedEx22, S10, Ups1Z, UspsImpb};
    if let Some(rest) = text.strip_prefix("1Z").filter(|rest| rest.len() == 16) {
        return vec![(Ups1Z, ups_holds(rest))];
    }
    if has_s10_form(text) {
        return vec![(S10, s10_holds(&text[2..11]))];
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Vec::new();
    }
    match text.len() {
        12 => vec![(FedEx12, fedex_12_holds(text))],
        15 => vec![(FedEx15, mod_10_holds(text))],
        20 => vec![(FedEx20, smartpost_20_holds(text)), (UspsImpb, impb_holds(text))],
        22 if text.starts_with("96") => vec![(FedEx22, mod_10_holds(&text[7..]))],
        22 if text.starts_with("92") => vec![(FedEx20, mod_10_holds(text)), (UspsImpb, impb_holds(text))],
        22 | 26 if has_impb_identifier(text) => vec![(UspsImpb, impb_holds(text))],
        // 420 and a ZIP of five or nine digits, then 20, 22 or 26 digits: 34 can be read in both ways.
        28 | 30 | 32 | 34 | 38 if text.starts_with("420") => {
            vec![(UspsImpb, impb_holds(&text[8..]) || impb_holds(&text[12..]))]
        }
        _ => Vec::new(),
    }
}

fn value(digit: u8) -> u32 {
    u32::from(digit - b'0')
}

/// GS1's rule: weights 1, 3, 1, 3… from the right, the check digit included, sum to a multiple of ten.
fn mod_10_holds(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| value(digit) * if place % 2 == 0 { 1 } else { 3 })
        .sum();
    sum.is_multiple_of(10)
}

/// `rest` is the 16 characters after `1Z`. A letter counts as (ASCII − 3) mod 10; weights 1, 2, 1, 2… from the
/// left. As 2 × 5 is 10, a change by five at a doubled place goes unseen.
fn ups_holds(rest: &str) -> bool {
    let sum: u32 = rest
        .bytes()
        .take(15)
        .enumerate()
        .map(|(place, byte)| {
            let digit = if byte.is_ascii_digit() { value(byte) } else { u32::from(byte - 3) % 10 };
            digit * if place % 2 == 0 { 1 } else { 2 }
        })
        .sum();
    rest.bytes().last().is_some_and(|check| check.is_ascii_digit() && (sum + value(check)).is_multiple_of(10))
}

fn fedex_12_holds(digits: &str) -> bool {
    let weights = [3, 1, 7].into_iter().cycle();
    let sum: u32 = digits.bytes().take(11).zip(weights).map(|(digit, weight)| value(digit) * weight).sum();
    digits.bytes().last().is_some_and(|check| sum % 11 % 10 == value(check))
}

/// SmartPost is an IMpb whose `92` may be left out.
fn smartpost_20_holds(digits: &str) -> bool {
    if digits.starts_with("92") { mod_10_holds(digits) } else { mod_10_holds(&format!("92{digits}")) }
}

/// Application identifiers of IMpb barcodes: 91 to 95.
fn has_impb_identifier(digits: &str) -> bool {
    matches!(digits.as_bytes(), [b'9', b'1'..=b'5', ..])
}

/// Without the routing code. Twenty digits are an older label, or one whose `91` was left out.
fn impb_holds(digits: &str) -> bool {
    match digits.len() {
        20 => mod_10_holds(digits) || (!has_impb_identifier(digits) && mod_10_holds(&format!("91{digits}"))),
        22 | 26 => has_impb_identifier(digits) && mod_10_holds(digits),
        _ => false,
    }
}

/// The country at the end is not looked up.
fn has_s10_form(text: &str) -> bool {
    text.len() == 13
        && text.bytes().enumerate().all(|(place, byte)| match place {
            2..11 => byte.is_ascii_digit(),
            _ => byte.is_ascii_alphabetic(),
        })
}

/// `digits` is the eight of the serial number and the check digit.
fn s10_holds(digits: &str) -> bool {
    let weights = [8, 6, 4, 2, 3, 5, 9, 7];
    let sum: u32 = digits.bytes().zip(weights).map(|(digit, weight)| value(digit) * weight).sum();
    let check = match 11 - sum % 11 {
        10 => 0,
        11 => 5,
        check => check,
    };
    digits.bytes().last().is_some_and(|last| value(last) == check)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{TrackingFormat::*, *};

    fn formats(text: &str) -> Result<Vec<TrackingFormat>, TrackingError> {
        TrackingNumber::parse(text).map(|number| number.formats())
    }

    #[test]
    fn published_numbers_hold() {
        // The test numbers of jkeen/tracking_number_data, the contract's samples and the sandbox's magic ones.
        for (format, numbers) in [
            (
                Ups1Z,
                &[
                    "1Z5R89390357567127",
                    "1Z879E930346834440",
                    "1Z410E7W0392751591",
                    "1Z8V92A70367203024",
                    "1Z999AA10123456784",
                    "1ZNIMBUS0300000016",
                    "1ZNIMBUS0300000025",
                    "1ZNIMBUS0300000034",
                    "1ZNIMBUS0300000043",
                    "1ZNIMBUS0300000052",
                ][..],
            ),
            (FedEx12, &["986578788855", "477179081230", "799531274483", "790535312317", "974367662710"]),
            (FedEx15, &["0414 4176 0228 964", "5682 8361 0012 000", "5682 8361 0012 734"]),
            (FedEx20, &["61299998820821171811", "9261292700768711948021"]),
            (FedEx22, &["9611020987654312345672"]),
            (
                UspsImpb,
                &[
                    "0307 1790 0005 2348 3741",
                    "7112 3456 7891 2345 6787",
                    "4201002334249200190132607600833457",
                    "4201028200009261290113185417468510",
                    "420 22153 9101026837331000039521",
                    "7196 9010 7560 0307 7385",
                    "9505 5110 6960 5048 6006 24",
                    "9101 1234 5678 9000 0000 13",
                    "92748931507708513018050063",
                    "9400 1112 0108 0805 4830 16",
                    "9361 2898 7870 0317 6337 95",
                    "9405803699300124287899",
                    "9400111899223197428497",
                ],
            ),
            (S10, &["RB123456785GB", "RB123456785US", "RB123456785CV", " r B 1 2 3 4 5 6 7 8 5 c F "]),
        ] {
            for number in numbers {
                assert!(
                    formats(number).is_ok_and(|formats| formats.contains(&format)),
                    "{format:?} {number}"
                );
            }
        }
    }

    #[test]
    fn a_number_is_completed_with_its_own_check_digit() {
        for (format, number) in [
            (Ups1Z, "1Z999AA10123456784"),
            (FedEx12, "986578788855"),
            (UspsImpb, "9400111899223197428497"),
            (S10, "RB123456785GB"),
        ] {
            let (text, _) = number.split_at(number.len() - 1);
            let completed = TrackingNumber::complete(format, text);
            let expected = (format != S10).then_some(number);
            assert_eq!(completed.as_ref().map(TrackingNumber::as_str), expected);
        }
    }

    #[test]
    fn s10_check_digits_of_ten_and_eleven_become_0_and_5() {
        for (number, holds) in [
            ("RR020000000US", Ok(vec![S10])),
            ("RR020000001US", Err(TrackingError::CheckDigit)),
            ("RR000000005US", Ok(vec![S10])),
            ("RR000000000US", Err(TrackingError::CheckDigit)),
        ] {
            assert_eq!(formats(number), holds, "{number}");
        }
    }

    #[test]
    fn published_wrong_numbers_are_refused() {
        for number in [
            "1Z1111111111111111",
            "996578788855",
            "5682 8361 0012 732",
            "9261292700768711948020",
            "9600000000000000000001",
            "4201028200009261290113185417468511",
            "9200000000000000000000",
            "420000000000000000000000000000",
            "420000009200000000000000000000",
            "9400111899223197428490",
            "RB123456786US",
            "1Z999AA1012345678A",
        ] {
            assert_eq!(formats(number), Err(TrackingError::CheckDigit), "{number}");
        }
    }

    #[test]
    fn a_number_of_no_known_form_is_taken() {
        for number in
            ["2Z5R89390357567127", "C12345678901234", "123456", "1234567890123456789012", "TBA000000000000"]
        {
            assert_eq!(formats(number), Ok(vec![Unknown]), "{number}");
        }
    }

    #[test]
    fn a_number_that_several_families_share_names_each() {
        assert_eq!(formats("9261292700768711948021"), Ok(vec![FedEx20, UspsImpb]));
        assert_eq!(formats("7112 3456 7891 2345 6787"), Ok(vec![UspsImpb]));
        assert_eq!(formats("61299998820821171811"), Ok(vec![FedEx20]));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let long = "A".repeat(41);
        for text in ["", "     ", "12345", "1Z-999-AA1", "1Z999ÄÄ1012345", "١٢٣٤٥٦٧٨", &long] {
            assert_eq!(formats(text), Err(TrackingError::Form), "{text}");
        }
        assert_eq!(TrackingNumber::parse(&"A".repeat(40)).unwrap().as_str().len(), 40);
    }

    #[test]
    fn spaces_go_letters_rise_and_debug_is_silent() {
        let number = TrackingNumber::parse(" 1z 999 aa1 01\u{a0}2345 6784\t").unwrap();
        assert_eq!(number.as_str(), "1Z999AA10123456784");
        assert_eq!(format!("{number:?}"), "TrackingNumber");
    }

    /// The one number of `stem` and a last digit that holds in the family.
    fn completed(format: TrackingFormat, stem: &str) -> String {
        let mut valid = (0..10)
            .map(|check| format!("{stem}{check}"))
            .filter(|text| formats(text).is_ok_and(|formats| formats.contains(&format)));
        let number = valid.next().unwrap();
        assert_eq!(valid.next(), None, "{stem} has two check digits");
        number
    }

    /// `number` with the digit at `at` replaced, and what was there; `None` where that changes nothing or the
    /// place holds a letter.
    fn changed(number: &str, at: usize, to: u8) -> Option<(String, u8)> {
        let mut bytes = number.as_bytes().to_vec();
        let from = bytes[at].checked_sub(b'0').filter(|from| *from < 10 && *from != to)?;
        bytes[at] = b'0' + to;
        Some((String::from_utf8(bytes).unwrap(), from))
    }

    proptest! {
        #[test]
        fn a_changed_ups_digit_is_refused_unless_it_is_five_at_a_doubled_place(
            stem in "1Z[A-Z0-9]{15}", at in 2usize..18, to in 0u8..10,
        ) {
            if let Some((text, from)) = changed(&completed(Ups1Z, &stem), at, to) {
                let unseen = at % 2 == 1 && at < 17 && from.abs_diff(to) == 5;
                prop_assert_eq!(TrackingNumber::parse(&text).is_ok(), unseen);
            }
        }

        #[test]
        fn a_changed_digit_behind_an_impb_identifier_is_refused(
            stem in "9[1-5][0-9]{19}", at in 2usize..22, to in 0u8..10,
        ) {
            if let Some((text, _)) = changed(&completed(UspsImpb, &stem), at, to) {
                prop_assert_eq!(formats(&text), Err(TrackingError::CheckDigit));
            }
        }

        #[test]
        fn a_changed_fedex_ground_digit_is_refused(stem in "[0-9]{14}", at in 0usize..15, to in 0u8..10) {
            if let Some((text, _)) = changed(&completed(FedEx15, &stem), at, to) {
                prop_assert_eq!(formats(&text), Err(TrackingError::CheckDigit));
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = formats(&text);
        }

        #[test]
        fn a_number_is_read_back_the_same(text in "(1Z|420|9[1-6])?[A-Z0-9]{0,40}|[0-9]{6,40}") {
            if let Ok(number) = TrackingNumber::parse(&text) {
                prop_assert!(!number.formats().is_empty());
                prop_assert_eq!(TrackingNumber::parse(number.as_str()), Ok(number));
            }
        }
    }
}
