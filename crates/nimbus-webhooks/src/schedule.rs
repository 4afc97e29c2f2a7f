//! When a failed delivery is tried again: the published schedule, its jitter, and `Retry-After`.

use std::str::FromStr;

use jiff::{fmt::strtime, tz::TimeZone};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The wait after the first, second, … failed attempt, in milliseconds.
const DELAYS_MS: [i64; 7] =
    [MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 8 * HOUR_MS, 24 * HOUR_MS];

/// Attempts that one delivery gets, the first included; then it is a dead letter. An endpoint may allow fewer.
pub const MAX_ATTEMPTS: u32 = DELAYS_MS.len() as u32 + 1;

/// The published waits between attempts, in seconds. An endpoint's own list is no longer, in any place.
pub fn published_seconds() -> [u32; DELAYS_MS.len()] {
    // A day at most.
    DELAYS_MS.map(|ms| u32::try_from(ms / 1000).unwrap_or(u32::MAX))
}

/// The jitter allowed, in thousandths of the delay: ±10%.
pub const JITTER_PERMILLE: std::ops::RangeInclusive<u32> = 900..=1100;

/// The longest `Retry-After` honoured, in milliseconds.
pub const LONGEST_RETRY_AFTER_MS: i64 = HOUR_MS;

/// The longest `Retry-After` text read, in bytes; the longest HTTP-date (RFC 850 form) has 33.
const LONGEST_HEADER: usize = 64;

/// The longest time from the first attempt to the last, in milliseconds: each wait at its longest, by jitter or because
/// the receiver asked for it.
pub const fn longest_ms() -> i64 {
    let (mut sum, mut index) = (0, 0);
    while index < DELAYS_MS.len() {
        let jittered = DELAYS_MS[index] * *JITTER_PERMILLE.end() as i64 / 1000;
        sum += if jittered > LONGEST_RETRY_AFTER_MS { jittered } else { LONGEST_RETRY_AFTER_MS };
        index += 1;
    }
    sum
}

/// A ratio in (0, 1] by which a sandbox shortens every delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryScale {
    numerator: u32,
    denominator: u32,
}

/// The text is no ratio above 0 and at most 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A retry scale is a ratio above 0 and at most 1, such as 1, 1/60 or 0.001.")]
pub struct ScaleError;

impl RetryScale {
    /// The published delays, unshortened.
    pub const FULL: Self = Self { numerator: 1, denominator: 1 };

    /// The ratio `numerator / denominator`.
    ///
    /// # Errors
    /// When it is zero, undefined or above 1.
    pub const fn new(numerator: u32, denominator: u32) -> Result<Self, ScaleError> {
        if numerator == 0 || numerator > denominator {
            return Err(ScaleError);
        }
        Ok(Self { numerator, denominator })
    }

    fn apply(self, ms: i64) -> i64 {
        // `ms` is at most 1.1 days, so that the product stays below 2^59.
        (ms * i64::from(self.numerator) / i64::from(self.denominator)).max(1)
    }
}

impl FromStr for RetryScale {
    type Err = ScaleError;

    /// Reads `1`, `1/60` or `0.001` (at most nine decimals).
    fn from_str(text: &str) -> Result<Self, ScaleError> {
        let number = |digits: &str| -> Result<u32, ScaleError> {
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(ScaleError);
            }
            digits.parse().map_err(|_| ScaleError)
        };
        if let Some((numerator, denominator)) = text.split_once('/') {
            return Self::new(number(numerator)?, number(denominator)?);
        }
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let places = u32::try_from(decimals.len()).map_err(|_| ScaleError)?;
        let denominator = 10_u32.checked_pow(places).ok_or(ScaleError)?;
        let numerator = number(whole)?
            .checked_mul(denominator)
            .and_then(|n| n.checked_add(number(decimals).ok()?))
            .ok_or(ScaleError)?;
        Self::new(numerator, denominator)
    }
}

/// Milliseconds from the last failure to the next attempt; `None` means that the delivery is a dead letter.
///
/// `own` is an endpoint's own list, in seconds; without one it is the published schedule. No failed attempt yet gives
/// `Some(0)`. `jitter_permille` is drawn by the caller from
/// [`JITTER_PERMILLE`] and clamped to it.
pub fn next_delay_ms(
    own: Option<&[u32]>,
    failed_attempts: u32,
    jitter_permille: u32,
    scale: RetryScale,
) -> Option<i64> {
    let Some(index) = failed_attempts.checked_sub(1) else { return Some(0) };
    let index = usize::try_from(index).ok()?;
    let delay_ms = match own {
        Some(own) => i64::from(*own.get(index)?) * 1000,
        None => *DELAYS_MS.get(index)?,
    };
    let jitter = jitter_permille.clamp(*JITTER_PERMILLE.start(), *JITTER_PERMILLE.end());
    Some(scale.apply(delay_ms * i64::from(jitter) / 1000))
}

/// The wait that a `Retry-After` header asks for (RFC 9110 §10.2.3: seconds or an HTTP-date), in
/// milliseconds, at most an hour; a date in the past gives 0, and text of neither form `None`.
pub fn retry_after(value: &str, now_seconds: i64) -> Option<i64> {
    let value = value.trim_ascii();
    if value.is_empty() || value.len() > LONGEST_HEADER {
        return None;
    }
    let seconds = if value.bytes().all(|b| b.is_ascii_digit()) {
        // Digits that overflow are a long time, and capped like any other.
        value.parse::<i64>().unwrap_or(i64::MAX)
    } else {
        http_date_seconds(value)?.saturating_sub(now_seconds)
    };
    Some(seconds.saturating_mul(1000).clamp(0, LONGEST_RETRY_AFTER_MS))
}

/// The three forms that a recipient must accept (RFC 9110 §5.6.7), as seconds since 1970.
fn http_date_seconds(value: &str) -> Option<i64> {
    const FORMS: [&str; 3] =
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    FORMS.iter().find_map(|form| {
        let civil = strtime::parse(form, value).ok()?.to_datetime().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_schedule() {
        let minutes: Vec<Option<i64>> = (0..9)
            .map(|failed| next_delay_ms(None, failed, 1000, RetryScale::FULL).map(|ms| ms / MINUTE_MS))
            .collect();
        let expected =
            [Some(0), Some(1), Some(5), Some(15), Some(60), Some(240), Some(480), Some(1440), None];
        assert_eq!(minutes, expected);
        assert_eq!(MAX_ATTEMPTS, 8);
        assert_eq!(next_delay_ms(None, u32::MAX, 1000, RetryScale::FULL), None);
    }

    #[test]
    fn an_endpoint_may_have_its_own_list() {
        let own = Some([5, 60].as_slice());
        let waits = [0, 1, 2, 3].map(|failed| next_delay_ms(own, failed, 1000, RetryScale::FULL));
        assert_eq!(waits, [Some(0), Some(5_000), Some(60_000), None]);
    }

    #[test]
    fn jitter_is_ten_percent_and_clamped() {
        let minute = |jitter| next_delay_ms(None, 1, jitter, RetryScale::FULL);
        assert_eq!(minute(900), Some(54_000));
        assert_eq!(minute(1100), Some(66_000));
        assert_eq!(minute(0), Some(54_000));
        assert_eq!(minute(u32::MAX), Some(66_000));
    }

    #[test]
    fn scale_shortens_but_never_to_nothing() {
        let scale = RetryScale::new(1, 60).unwrap();
        assert_eq!(next_delay_ms(None, 1, 1000, scale), Some(1_000));
        let tiny = RetryScale::new(1, u32::MAX).unwrap();
        assert_eq!(next_delay_ms(None, 1, 1000, tiny), Some(1));
        let almost_full = RetryScale::new(u32::MAX - 1, u32::MAX).unwrap();
        assert_eq!(next_delay_ms(None, 7, 1100, almost_full), Some(95_039_999));
    }

    #[test]
    fn scale_reads_ratios_and_decimals() {
        for (text, expected) in
            [("1", (1, 1)), ("1/60", (1, 60)), ("0.001", (1, 1000)), ("1.0", (1, 1)), ("0.5", (1, 2))]
        {
            let scale: RetryScale = text.parse().unwrap();
            let expected = RetryScale::new(expected.0, expected.1).unwrap();
            assert_eq!(scale.apply(6_000_000), expected.apply(6_000_000), "{text}");
        }
        for text in
            ["", "0", "2", "1.1", "-1", "1/0", "0/5", "3/2", "a", ".5", "5.", "0.0000000001", "1e-3", "+1"]
        {
            assert_eq!(text.parse::<RetryScale>(), Err(ScaleError), "{text}");
        }
    }

    #[test]
    fn retry_after_reads_seconds_and_all_three_dates() {
        let now = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110
        for (value, expected) in [
            ("120", Some(120_000)),
            (" 0 ", Some(0)),
            ("7200", Some(3_600_000)),
            ("99999999999999999999999", Some(3_600_000)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60_000)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60_000)),
            ("Sun Nov  6 08:50:37 1994", Some(60_000)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(3_600_000)),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ] {
            assert_eq!(retry_after(value, now), expected, "{value:?}");
        }
        assert_eq!(retry_after(&"1".repeat(65), now), None);
    }
}
