//! Quantities: decimals with three places, kept as integer thousandths.

use std::fmt;

/// A positive amount of a drug in its unit of measure, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i64);

impl Quantity {
    /// The largest amount accepted: a million units.
    pub const MAX: Self = Self(1_000_000_000);

    /// From stored thousandths; `None` unless within 0.001…1,000,000.
    pub fn from_thousandths(thousandths: i64) -> Option<Self> {
        (1..=Self::MAX.0).contains(&thousandths).then_some(Self(thousandths))
    }

    pub const fn thousandths(self) -> i64 {
        self.0
    }

    /// Reads a plain decimal such as `1`, `2.5` or `0.125`: at most three places that matter, no sign, no
    /// exponent.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 7 || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 3 {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        let fraction: i64 = format!("{fraction:0<3}").parse().ok()?;
        Self::from_thousandths(whole * 1000 + fraction)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1000, self.0 % 1000) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) => write!(f, "{whole}.{}", format!("{part:03}").trim_end_matches('0')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_places_are_exact() {
        for (text, thousandths, shown) in [
            ("1", 1000, "1"),
            ("2.50", 2500, "2.5"),
            ("0.125", 125, "0.125"),
            ("1000000", 1_000_000_000, "1000000"),
        ] {
            let quantity = Quantity::parse(text).unwrap();
            assert_eq!((quantity.thousandths(), quantity.to_string().as_str()), (thousandths, shown));
        }
    }

    #[test]
    fn others_are_refused() {
        for text in
            ["", "0", "0.000", "-1", "1e3", "1.2345", ".5", "1.", "1,5", "1000000.001", "99999999", "١"]
        {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }
}
