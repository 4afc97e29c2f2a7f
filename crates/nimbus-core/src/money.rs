//! Money: whole cents of US dollars, never a fraction and never a float.

use std::fmt;

/// An amount in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cents(pub i64);

impl Cents {
    pub const ZERO: Self = Self(0);

    /// Reads a decimal of dollars as providers write it: `7.2`, `13.05`, `12`, `8.4500`. `None` for a sign, an
    /// exponent, a part of a cent or more than 999,999,999 dollars.
    pub fn parse_dollars(text: &str) -> Option<Self> {
        let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(rest) || whole.len() > 9 {
            return None;
        }
        let (cents, beyond) = rest.split_at(rest.len().min(2));
        if beyond.bytes().any(|byte| byte != b'0') {
            return None;
        }
        let cents: i64 = format!("{cents:0<2}").parse().ok()?;
        Some(Self(whole.parse::<i64>().ok()? * 100 + cents))
    }

    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl fmt::Display for Cents {
    /// Dollars with two places and no sign of currency: `12.05`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Cents;

    #[test]
    fn dollars_are_read_as_providers_write_them() {
        for (text, cents) in
            [("7.2", 720), ("13.05", 1305), ("12", 1200), ("8.4500", 845), ("0", 0), ("0.07", 7)]
        {
            assert_eq!(Cents::parse_dollars(text), Some(Cents(cents)), "{text}");
        }
        for text in ["", ".5", "1.", "-1", "+1", "1e3", "1.005", "1,000", " 1", "1000000000", "NaN"] {
            assert_eq!(Cents::parse_dollars(text), None, "{text}");
        }
    }

    #[test]
    fn cents_are_always_two_places() {
        assert_eq!(
            [Cents(1205), Cents(5), Cents(-150), Cents(0)].map(|it| it.to_string()),
            ["12.05", "0.05", "-1.50", "0.00"]
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(cents in 0i64..99_999_999_999) {
            prop_assert_eq!(Cents::parse_dollars(&Cents(cents).to_string()), Some(Cents(cents)));
        }
    }
}
