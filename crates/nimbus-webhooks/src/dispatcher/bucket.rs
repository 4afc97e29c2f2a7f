//! An endpoint's own limit: so many deliveries a second, with a burst of one second's worth.

/// A token bucket, in thousandths of a delivery; the time is an argument.
pub(super) struct Bucket {
    per_second: i64,
    tokens: i64,
    at_ms: i64,
}

impl Bucket {
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = i64::from(per_second.max(1));
        Self { per_second, tokens: per_second * 1000, at_ms: 0 }
    }

    /// Takes one.
    ///
    /// # Errors
    /// The time at which there is one.
    pub(super) fn take(&mut self, now_ms: i64) -> Result<(), i64> {
        // So many a second are as many thousandths a millisecond. A clock that was set back adds nothing.
        let since_ms = now_ms.saturating_sub(self.at_ms).max(0);
        self.at_ms = now_ms;
        let most = self.per_second * 1000;
        self.tokens = self.tokens.saturating_add(since_ms.saturating_mul(self.per_second)).min(most);
        if self.tokens >= 1000 {
            self.tokens -= 1000;
            return Ok(());
        }
        let missing = 1000 - self.tokens;
        Err(now_ms.saturating_add((missing + self.per_second - 1) / self.per_second))
    }

    /// Gives one back that was not used.
    pub(super) fn give_back(&mut self) {
        self.tokens = (self.tokens + 1000).min(self.per_second * 1000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_a_second_and_then_the_rate() {
        let mut bucket = Bucket::new(4);
        let start = 1_000_000;
        assert!((0..4).all(|_| bucket.take(start).is_ok()));
        assert_eq!(bucket.take(start), Err(start + 250));
        assert_eq!(bucket.take(start + 249), Err(start + 250));
        assert_eq!(bucket.take(start + 250), Ok(()));
        assert_eq!(bucket.take(start + 251), Err(start + 500));
        bucket.give_back();
        assert_eq!(bucket.take(start + 251), Ok(()));
    }

    #[test]
    fn a_clock_set_back_gives_nothing_and_breaks_nothing() {
        let mut bucket = Bucket::new(1);
        assert_eq!(bucket.take(5_000), Ok(()));
        assert_eq!(bucket.take(1_000), Err(2_000));
        assert_eq!(bucket.take(2_000), Ok(()));
    }
}
