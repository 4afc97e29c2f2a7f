//! NDC: the national drug code, kept as its three segments.

use std::fmt;

use thiserror::Error;

/// Lengths of labeler, product and package code. The last is the 12-digit form of the FDA's rule of 5 March
/// 2026 (2026-04368), in force from 7 March 2033.
const FORMS: [(usize, usize, usize); 5] = [(4, 4, 2), (5, 3, 2), (5, 4, 1), (5, 4, 2), (6, 4, 2)];

/// A drug code. Two writings of one drug (`0002-7510-01`, `00002-7510-01`) are different values: compare
/// [`Ndc::to_11`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ndc {
    labeler: String,
    product: String,
    package: String,
}

/// Why a text is not a drug code. The message never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NdcError {
    #[error("must be a drug code of the form 4-4-2, 5-3-2, 5-4-1, 5-4-2 or 6-4-2, or eleven digits")]
    Form,
    #[error("ten digits without hyphens can mean several drugs: write the hyphens, or all eleven digits")]
    Ambiguous,
}

impl Ndc {
    /// Reads a hyphenated code of any known form, or eleven bare digits (5-4-2). It looks at the form only:
    /// whether the drug exists, and whether 6-4-2 is in force yet, is for the caller.
    pub fn parse(text: &str) -> Result<Self, NdcError> {
        if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return Err(NdcError::Form);
        }
        let segments: Vec<&str> = text.splitn(4, '-').collect();
        let (labeler, product, package) = match segments[..] {
            [bare] if bare.len() == 10 => return Err(NdcError::Ambiguous),
            [bare] if bare.len() == 11 => (&bare[..5], &bare[5..9], &bare[9..]),
            [labeler, product, package] if FORMS.contains(&(labeler.len(), product.len(), package.len())) => {
                (labeler, product, package)
            }
            _ => return Err(NdcError::Form),
        };
        Ok(Self { labeler: labeler.to_owned(), product: product.to_owned(), package: package.to_owned() })
    }

    pub fn labeler(&self) -> &str {
        &self.labeler
    }

    pub fn product(&self) -> &str {
        &self.product
    }

    pub fn package(&self) -> &str {
        &self.package
    }

    /// The eleven digits of the HIPAA form (5-4-2, each segment padded with zeros on the left); `None` for a
    /// 6-4-2 code, which has no such form.
    pub fn to_11(&self) -> Option<String> {
        let Self { labeler, product, package } = self;
        (labeler.len() <= 5).then(|| format!("{labeler:0>5}{product:0>4}{package:0>2}"))
    }
}

/// Hyphenated, with the segments as they were given.
impl fmt::Display for Ndc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.labeler, self.product, self.package)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_is_read_and_padded_where_it_is_short() {
        for (text, shown, eleven) in [
            ("0002-7510-01", "0002-7510-01", Some("00002751001")),
            ("50242-040-62", "50242-040-62", Some("50242004062")),
            ("60575-4112-1", "60575-4112-1", Some("60575411201")),
            ("00002-7510-01", "00002-7510-01", Some("00002751001")),
            ("00002751001", "00002-7510-01", Some("00002751001")),
            ("123456-7890-12", "123456-7890-12", None),
        ] {
            let ndc = Ndc::parse(text).unwrap();
            assert_eq!((ndc.to_string().as_str(), ndc.to_11().as_deref()), (shown, eleven));
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "-",
            "--",
            "1-2-3",
            "4-4-2",
            "123456789",
            "123456789012",
            "12345-678-9",
            "1234-567-89",
            "1234-5678-9",
            "123456-789-01",
            "12345-6789",
            "12345-6789-01-",
            "12345-6789-0x",
            "12345 6789 01",
            "-12345-6789-01",
        ] {
            assert_eq!(Ndc::parse(text), Err(NdcError::Form), "{text}");
        }
        assert_eq!(Ndc::parse("0002751001"), Err(NdcError::Ambiguous));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(
            text in "[0-9]{4,6}-[0-9]{4}-[0-9]{2}|[0-9]{5}-[0-9]{3}-[0-9]{2}|[0-9]{5}-[0-9]{4}-[0-9]",
        ) {
            prop_assert_eq!(Ndc::parse(&text).unwrap().to_string(), text);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = Ndc::parse(&text);
        }

        #[test]
        fn no_near_miss_panics(text in "[0-9-]{0,16}") {
            let _ = Ndc::parse(&text);
        }
    }
}
