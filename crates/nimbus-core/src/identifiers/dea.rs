//! DEA number: the registration to handle controlled drugs.

use std::fmt;

use thiserror::Error;

use super::digits;

/// A DEA number, in capitals, whose check digit holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dea(String);

/// Why a text is not a DEA number. The message never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DeaError {
    #[error("must be two letters (the second may be 9) and seven digits")]
    Form,
    #[error("the check digit does not match")]
    CheckDigit,
}

impl Dea {
    /// Reads two letters and seven digits, in either case; `9` stands for the second letter where a business
    /// has no surname. `(d1+d3+d5) + 2(d2+d4+d6)` must end in d7.
    ///
    /// The rule is weak by its design: a change by five of d2, d4 or d6 goes unseen.
    pub fn parse(text: &str) -> Result<Self, DeaError> {
        let (letters, number) = text.split_at_checked(2).ok_or(DeaError::Form)?;
        let [first, second] = letters.as_bytes() else { return Err(DeaError::Form) };
        if !first.is_ascii_alphabetic() || !(second.is_ascii_alphabetic() || *second == b'9') {
            return Err(DeaError::Form);
        }
        let [d1, d2, d3, d4, d5, d6, d7] = digits::<7>(number).ok_or(DeaError::Form)?;
        if ((d1 + d3 + d5) + 2 * (d2 + d4 + d6)) % 10 != d7 {
            return Err(DeaError::CheckDigit);
        }
        Ok(Self(text.to_ascii_uppercase()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Dea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_whose_check_digit_holds_are_read_in_capitals() {
        // AP5836727 and F91234563 are published examples; BT1234563 is the sandbox's.
        for (text, read) in [
            ("BT1234563", "BT1234563"),
            ("AP5836727", "AP5836727"),
            ("bt1234563", "BT1234563"),
            ("F91234563", "F91234563"),
        ] {
            assert_eq!(Dea::parse(text).map(|dea| dea.to_string()), Ok(read.to_owned()));
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "B",
            "BT",
            "BT123456",
            "BT12345633",
            "9T1234563",
            "B81234563",
            "1234563BT",
            "BT 234563",
            "éT1234563",
        ] {
            assert_eq!(Dea::parse(text), Err(DeaError::Form), "{text}");
        }
        assert_eq!(Dea::parse("BT1234564"), Err(DeaError::CheckDigit));
    }

    proptest! {
        #[test]
        fn a_single_change_is_refused_unless_it_is_five_at_a_doubled_place(
            stem in "[A-Z][A-Z9][0-9]{6}", at in 2usize..9, to in 0u8..10,
        ) {
            let valid: Vec<String> =
                (0..10).map(|check| format!("{stem}{check}")).filter(|text| Dea::parse(text).is_ok()).collect();
            prop_assert_eq!(valid.len(), 1);
            let mut changed = valid[0].clone().into_bytes();
            let from = changed[at] - b'0';
            prop_assume!(from != to);
            changed[at] = b'0' + to;
            let unseen = matches!(at, 3 | 5 | 7) && from.abs_diff(to) == 5;
            prop_assert_eq!(Dea::parse(std::str::from_utf8(&changed).unwrap()).is_ok(), unseen);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = Dea::parse(&text);
        }
    }
}
