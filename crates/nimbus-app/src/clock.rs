//! The two clocks: business time, which a sandbox may move, and wall time, which nobody moves.

use std::time::{SystemTime, UNIX_EPOCH};

use nimbus_core::time::Ts;

/// Wall time: leases, retries, signatures, keys, idempotency, ids.
pub fn wall() -> Ts {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ts::from_micros(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
}

/// Business time: rules, expiries, event times, due dates.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    offset_days: i64,
}

impl Clock {
    /// A clock that stands so many days after (or before) wall time.
    pub const fn shifted(offset_days: i64) -> Self {
        Self { offset_days }
    }

    pub fn now(&self) -> Ts {
        wall().plus_days(self.offset_days)
    }
}
