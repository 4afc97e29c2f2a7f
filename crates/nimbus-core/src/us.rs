//! Places in United States addresses: states with the territories and military regions, and ZIP codes.

use std::fmt;

use thiserror::Error;

macro_rules! states {
    ($($variant:ident $code:literal $name:literal,)*) => {
        /// A state, the District of Columbia, a territory or a military region, by its USPS code (Publication
        /// 28, appendix B). The freely associated states (FM, MH, PW) are not among them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum State { $($variant,)* }

        impl State {
            /// All 59: the states and DC, then the territories, then the military regions.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Two capital letters.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// The full name in English.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

states! {
    Al "AL" "Alabama",
    Ak "AK" "Alaska",
    Az "AZ" "Arizona",
    Ar "AR" "Arkansas",
    Ca "CA" "California",
    Co "CO" "Colorado",
    Ct "CT" "Connecticut",
    De "DE" "Delaware",
    Dc "DC" "District of Columbia",
    Fl "FL" "Florida",
    Ga "GA" "Georgia",
    Hi "HI" "Hawaii",
    Id "ID" "Idaho",
    Il "IL" "Illinois",
    In "IN" "Indiana",
    Ia "IA" "Iowa",
    Ks "KS" "Kansas",
    Ky "KY" "Kentucky",
    La "LA" "Louisiana",
    Me "ME" "Maine",
    Md "MD" "Maryland",
    Ma "MA" "Massachusetts",
    Mi "MI" "Michigan",
    Mn "MN" "Minnesota",
    Ms "MS" "Mississippi",
    Mo "MO" "Missouri",
    Mt "MT" "Montana",
    Ne "NE" "Nebraska",
    Nv "NV" "Nevada",
    Nh "NH" "New Hampshire",
    Nj "NJ" "New Jersey",
    Nm "NM" "New Mexico",
    Ny "NY" "New York",
    Nc "NC" "North Carolina",
    Nd "ND" "North Dakota",
    Oh "OH" "Ohio",
    Ok "OK" "Oklahoma",
    Or "OR" "Oregon",
    Pa "PA" "Pennsylvania",
    Ri "RI" "Rhode Island",
    Sc "SC" "South Carolina",
    Sd "SD" "South Dakota",
    Tn "TN" "Tennessee",
    Tx "TX" "Texas",
    Ut "UT" "Utah",
    Vt "VT" "Vermont",
    Va "VA" "Virginia",
    Wa "WA" "Washington",
    Wv "WV" "West Virginia",
    Wi "WI" "Wisconsin",
    Wy "WY" "Wyoming",
    As "AS" "American Samoa",
    Gu "GU" "Guam",
    Mp "MP" "Northern Mariana Islands",
    Pr "PR" "Puerto Rico",
    Vi "VI" "U.S. Virgin Islands",
    Aa "AA" "Armed Forces Americas",
    Ae "AE" "Armed Forces Europe",
    Ap "AP" "Armed Forces Pacific",
}

/// Why a text is not a state. The message never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be the two-letter code of a US state or territory")]
pub struct StateError;

impl State {
    /// Reads a two-letter code in either case.
    pub fn parse(text: &str) -> Result<Self, StateError> {
        Self::ALL.iter().copied().find(|state| state.code().eq_ignore_ascii_case(text)).ok_or(StateError)
    }
}

/// The two-letter code.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A ZIP code, with or without the four digits more. Part of an address: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zip(String);

/// Why a text is not a ZIP code. The message never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a ZIP code such as 12345 or 12345-6789")]
pub struct ZipError;

impl Zip {
    /// Reads `12345` or `12345-6789`. Whether the post delivers there is not looked up.
    pub fn parse(text: &str) -> Result<Self, ZipError> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let (five, more) = text.split_once('-').map_or((text, None), |(five, more)| (five, Some(more)));
        let holds =
            five.len() == 5 && digits(five) && more.is_none_or(|more| more.len() == 4 && digits(more));
        if holds { Ok(Self(text.to_owned())) } else { Err(ZipError) }
    }

    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first five digits.
    pub fn five(&self) -> &str {
        self.0.split_once('-').map_or(&self.0, |(five, _)| five)
    }
}

impl fmt::Debug for Zip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zip")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_code_and_name_is_there_once() {
        let codes: HashSet<_> = State::ALL.iter().map(|state| state.code()).collect();
        let names: HashSet<_> = State::ALL.iter().map(|state| state.name()).collect();
        assert_eq!((State::ALL.len(), codes.len(), names.len()), (59, 59, 59));
        for state in State::ALL {
            assert_eq!(State::parse(state.code()), Ok(*state));
            assert_eq!(format!("{state:?}").to_uppercase(), state.code());
        }
    }

    #[test]
    fn a_code_is_read_in_either_case_and_nothing_else_is() {
        assert_eq!(State::parse("tX").map(State::name), Ok("Texas"));
        for text in ["", "T", "TXX", "Texas", "XX", " TX", "FM", "ÄK"] {
            assert_eq!(State::parse(text), Err(StateError), "{text}");
        }
    }

    #[test]
    fn a_zip_has_five_digits_or_nine() {
        for (text, five) in [("12345", "12345"), ("00501", "00501"), ("12345-6789", "12345")] {
            let zip = Zip::parse(text).unwrap();
            assert_eq!((zip.as_str(), zip.five(), format!("{zip:?}").as_str()), (text, five, "Zip"));
        }
        for text in [
            "",
            "1234",
            "123456",
            "123456789",
            "12345-",
            "12345-678",
            "12345-67890",
            "12345 6789",
            "1234a",
            "-6789",
        ] {
            assert_eq!(Zip::parse(text), Err(ZipError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (State::parse(&text), Zip::parse(&text));
        }
    }
}
