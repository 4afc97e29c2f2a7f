//! Figures as the report prints them: fixed decimals, and never a division by nothing.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The longest latency that is told apart, in microseconds: ten minutes.
const LONGEST_US: u64 = 600_000_000;

/// A number with so many decimals.
pub(crate) fn decimals(value: f64, places: i32) -> Value {
    let scale = 10f64.powi(places);
    json!((value * scale).round() / scale)
}

/// A rate that is not negative, without decimals.
pub(crate) fn whole(value: f64) -> Value {
    json!(value.round() as u64)
}

/// How many times `part` has `whole` in it, three decimals; null if there was no `whole`.
pub(crate) fn ratio(part: f64, whole: f64) -> Value {
    if whole > 0.0 { decimals(part / whole, 3) } else { Value::Null }
}

/// The middle of so many figures, the mean of the two in the middle; 0 if there are none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length.is_multiple_of(2) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

pub(crate) fn per_second(count: u64, elapsed: Duration) -> f64 {
    // Counts here stay far below 2^52, where a float is exact.
    count as f64 / elapsed.as_secs_f64().max(1e-9)
}

/// Latencies in microseconds.
#[derive(Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        // The bounds are constants that the histogram takes: low at least 1, high twice that or more, 3 digits.
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("valid bounds"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        // Both have the same bounds, so that every value fits.
        self.0.add(&other.0).expect("equal bounds");
    }

    /// The latency that so great a part of the requests did not pass, in milliseconds.
    pub(crate) fn ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// Milliseconds, two decimals.
    pub(crate) fn to_json(&self) -> Value {
        let at = |quantile| decimals(self.ms(quantile), 2);
        json!({ "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_fixed_and_nothing_divides_by_zero() {
        assert_eq!(decimals(1.23456, 2).to_string(), "1.23");
        assert_eq!(ratio(1.0, 3.0).to_string(), "0.333");
        assert_eq!(ratio(1.0, 0.0), Value::Null);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        for (figures, expect) in [(&[][..], 0.0), (&[3.0], 3.0), (&[9.0, 1.0], 5.0), (&[9.0, 1.0, 2.0], 2.0)]
        {
            assert_eq!(median(figures).to_bits(), f64::to_bits(expect), "{figures:?}");
        }
    }

    #[test]
    fn latencies_are_told_in_milliseconds() {
        let (mut one, mut two) = (Latencies::new(), Latencies::new());
        one.record(Duration::from_micros(1500));
        two.record(Duration::ZERO);
        one.add(&two);
        assert_eq!(one.to_json()["max"].to_string(), "1.5");
    }
}
