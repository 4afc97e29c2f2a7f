//! A circuit breaker for one endpoint, pure: the time is an argument.
//!
//! While it is open no delivery is sent, so an outage consumes none of the attempts of the waiting
//! deliveries. After the wait one probe goes out; its result closes the breaker or doubles the wait.

/// Consecutive failures that open the breaker.
pub const OPEN_AFTER_FAILURES: u32 = 10;

/// The first wait of an open breaker, in milliseconds.
pub const FIRST_OPEN_MS: i64 = 30_000;

/// The longest wait, in milliseconds: an endpoint that recovers is noticed within ten minutes.
pub const LONGEST_OPEN_MS: i64 = 600_000;

/// How long a probe may go unrecorded before another is let out, in milliseconds. It outlasts
/// [`crate::client::LONGEST_DEADLINE`], so only a probe whose task died is given up.
pub const PROBE_LOST_MS: i64 = 90_000;

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Closed,
    Open,
    /// A probe is out.
    HalfOpen,
}

impl Standing {
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Whether a delivery may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Send it.
    Send,
    /// Send it: it is the one probe, and its result must be recorded.
    Probe,
    /// Do not send before `until_ms`; ask again then.
    Wait {
        /// The time, on the clock of the `now_ms` given, at which asking again is worth while.
        until_ms: i64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until_ms: i64, wait_ms: i64 },
    Probing { since_ms: i64, wait_ms: i64 },
}

/// The breaker of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    state: State,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// A closed breaker.
    pub const fn new() -> Self {
        Self { state: State::Closed { failures: 0 } }
    }

    /// Asks to send one delivery. After [`Admission::Send`] and [`Admission::Probe`] the caller sends it
    /// and calls [`Breaker::record`].
    pub fn admit(&mut self, now_ms: i64) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Send,
            State::Open { until_ms, .. } if now_ms < until_ms => Admission::Wait { until_ms },
            State::Probing { since_ms, .. } if now_ms < since_ms.saturating_add(PROBE_LOST_MS) => {
                Admission::Wait { until_ms: since_ms.saturating_add(PROBE_LOST_MS) }
            }
            State::Open { wait_ms, .. } | State::Probing { wait_ms, .. } => {
                self.state = State::Probing { since_ms: now_ms, wait_ms };
                Admission::Probe
            }
        }
    }

    /// Records the result of an admitted delivery. `ok` means that the endpoint is alive, which the caller
    /// decides.
    ///
    /// A success closes the breaker from any state. A failure that arrives while it is open was admitted
    /// before it opened and changes nothing; none such arrives while it is probing, because a request ends
    /// well within the wait.
    pub fn record(&mut self, ok: bool, now_ms: i64) {
        if ok {
            self.state = State::Closed { failures: 0 };
            return;
        }
        self.state = match self.state {
            State::Closed { failures } if failures + 1 >= OPEN_AFTER_FAILURES => {
                opened(FIRST_OPEN_MS, now_ms)
            }
            State::Closed { failures } => State::Closed { failures: failures + 1 },
            State::Open { .. } => return,
            State::Probing { wait_ms, .. } => opened((wait_ms * 2).min(LONGEST_OPEN_MS), now_ms),
        };
    }

    pub const fn standing(&self) -> Standing {
        match self.state {
            State::Closed { .. } => Standing::Closed,
            State::Open { .. } => Standing::Open,
            State::Probing { .. } => Standing::HalfOpen,
        }
    }

    /// Whether anything failed since the last success.
    pub const fn has_failed(&self) -> bool {
        !matches!(self.state, State::Closed { failures: 0 })
    }

    /// Whether deliveries are held back: true from the opening until a success.
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }
}

const fn opened(wait_ms: i64, now_ms: i64) -> State {
    State::Open { until_ms: now_ms.saturating_add(wait_ms), wait_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_at(now_ms: i64) -> Breaker {
        let mut breaker = Breaker::new();
        for _ in 0..OPEN_AFTER_FAILURES {
            assert_eq!(breaker.admit(now_ms), Admission::Send);
            breaker.record(false, now_ms);
        }
        breaker
    }

    #[test]
    fn opens_only_on_consecutive_failures() {
        let mut breaker = Breaker::new();
        for _ in 0..3 {
            for _ in 0..OPEN_AFTER_FAILURES - 1 {
                breaker.record(false, 0);
            }
            breaker.record(true, 0);
        }
        assert!(!breaker.is_open());
        assert_eq!(open_at(5).admit(6), Admission::Wait { until_ms: 30_005 });
    }

    #[test]
    fn lets_one_probe_out_and_closes_on_its_success() {
        let mut breaker = open_at(0);
        assert_eq!(breaker.admit(29_999), Admission::Wait { until_ms: 30_000 });
        assert_eq!(breaker.standing(), Standing::Open);
        assert_eq!(breaker.admit(30_000), Admission::Probe);
        assert_eq!(breaker.standing(), Standing::HalfOpen);
        assert!(matches!(breaker.admit(30_001), Admission::Wait { .. }));
        breaker.record(true, 30_100);
        assert_eq!(breaker.standing(), Standing::Closed);
        assert_eq!(breaker.admit(30_101), Admission::Send);
    }

    #[test]
    fn doubles_the_wait_to_ten_minutes_and_forgets_it_when_closed() {
        let mut breaker = open_at(0);
        let mut now = 0;
        for wait in [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000] {
            assert_eq!(breaker.admit(now), Admission::Wait { until_ms: now + wait });
            now += wait;
            assert_eq!(breaker.admit(now), Admission::Probe);
            breaker.record(false, now);
        }
        now += LONGEST_OPEN_MS;
        assert_eq!(breaker.admit(now), Admission::Probe);
        breaker.record(true, now);
        for _ in 0..OPEN_AFTER_FAILURES {
            breaker.record(false, now);
        }
        assert_eq!(breaker.admit(now), Admission::Wait { until_ms: now + FIRST_OPEN_MS });
    }

    #[test]
    fn late_failures_do_not_prolong_and_a_late_success_closes() {
        let mut breaker = open_at(0);
        breaker.record(false, 9_000);
        assert_eq!(breaker.admit(9_001), Admission::Wait { until_ms: 30_000 });
        breaker.record(true, 9_500);
        assert_eq!(breaker.admit(9_501), Admission::Send);
    }

    #[test]
    fn a_lost_probe_is_replaced() {
        let mut breaker = open_at(0);
        assert_eq!(breaker.admit(30_000), Admission::Probe);
        assert_eq!(breaker.admit(30_000 + PROBE_LOST_MS), Admission::Probe);
    }
}
