//! Random choices that can be made again.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    /// Seeded by this variable of the environment, or by the time; the seed is printed.
    pub(crate) fn seeded(variable: &str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        let given = std::env::var(variable).ok().map(|text| text.parse().expect("a seed is a number"));
        let seed = given.unwrap_or(u64::from(since.subsec_nanos()) ^ since.as_secs());
        eprintln!("{variable}={seed}");
        Self(seed)
    }

    /// Another one, for a thread of its own.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From the first number to below the second.
    pub(crate) fn within(&mut self, from: u64, below: u64) -> u64 {
        from + self.next() % (below - from)
    }
}
