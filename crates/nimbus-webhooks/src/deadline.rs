//! How long a receiver has to answer, and what follows from it for leases.

use std::time::Duration;

use nimbus_core::time::Ts;

/// Everything from resolving the name to the end of the answer's body. The same in all processes on one store: each
/// judges the others' leases by its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    ms: i64,
}

impl Default for Deadline {
    fn default() -> Self {
        Self::CONTRACT
    }
}

impl Deadline {
    /// The contract's 10 s, and the longest there is.
    pub const CONTRACT: Self = Self { ms: 10_000 };

    /// One of 1 to 10 seconds.
    pub const fn of_seconds(seconds: u32) -> Option<Self> {
        match seconds {
            1..=10 => Some(Self { ms: seconds as i64 * 1000 }),
            _ => None,
        }
    }

    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.ms.unsigned_abs())
    }

    /// How long rows are kept from others, and so how long they wait after a crash.
    pub const fn lease_ms(self) -> i64 {
        3 * self.ms
    }

    /// How long of its lease a delivery may wait to be sent: what is left outlasts the request.
    pub(crate) const fn held_ms(self) -> i64 {
        self.lease_ms() - self.ms - self.ms / 5
    }

    /// No lease that was begun by `now` ends after this, unless the clocks of two processes are further apart than a
    /// deadline: it is from before a clock was set back, and would last until that time comes again.
    pub(crate) const fn longest_lease(self, now: Ts) -> Ts {
        now.plus_millis(self.lease_ms() + self.ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlasts_the_request_whatever_the_deadline() {
        for seconds in 1..=10 {
            let deadline = Deadline::of_seconds(seconds).unwrap();
            let left = deadline.lease_ms() - deadline.held_ms();
            assert!(
                deadline.held_ms() > 0 && Duration::from_millis(left.unsigned_abs()) > deadline.duration()
            );
        }
        assert_eq!(Deadline::of_seconds(10), Some(Deadline::CONTRACT));
        assert_eq!((Deadline::CONTRACT.lease_ms(), Deadline::CONTRACT.held_ms()), (30_000, 18_000));
        assert_eq!((Deadline::of_seconds(0), Deadline::of_seconds(11)), (None, None));
    }
}
