//! Rate limits: windows of a minute, and what an owner of requests has used of one.
//!
//! Windows are fixed, and each owner's are shifted by its own number of seconds, so that the world does not begin
//! anew at once. What is used of a window is this process's own count and what other processes told of theirs.

use crate::{time::Ts, words};

/// The length of a window.
pub const WINDOW_SECONDS: i64 = 60;

words! {
    /// What is counted apart.
    pub enum Class {
        Reads = "reads",
        Writes = "writes",
    }
}

/// Requests a minute that an admin has given one key. `None` is the deployment's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyRates {
    pub reads: Option<u32>,
    pub writes: Option<u32>,
}

impl KeyRates {
    /// The most that a key can be given.
    pub const MAX: u32 = 100_000;

    pub const fn of(self, class: Class) -> Option<u32> {
        match class {
            Class::Reads => self.reads,
            Class::Writes => self.writes,
        }
    }
}

/// One window: the whole second at which it begins, since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(i64);

impl Window {
    /// The window of an owner, by any number that stands for it, in which `now` (wall time) is.
    pub const fn of(owner: u64, now: Ts) -> Self {
        let shift = (mixed(owner) % WINDOW_SECONDS as u64) as i64;
        Self((now.seconds() - shift).div_euclid(WINDOW_SECONDS) * WINDOW_SECONDS + shift)
    }

    /// Seconds since 1970.
    pub const fn start(self) -> i64 {
        self.0
    }

    /// Seconds since 1970 at which the next one begins.
    pub const fn end(self) -> i64 {
        self.0 + WINDOW_SECONDS
    }
}

/// SplitMix64's finalizer (Steele, Lea and Flood 2014): numbers that lie close come out far apart.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// How an owner stands after a request, as its reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether the request was within the limit.
    pub admitted: bool,
    pub limit: u32,
    pub remaining: u32,
    /// Seconds since 1970 at which the limit is whole again.
    pub reset: i64,
    /// Seconds until then, at least one.
    pub retry_after: u32,
}

/// What an owner has used of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    window: Window,
    /// What every process had reported when this one last did, itself included.
    reported: u64,
    /// What this process has admitted and not reported.
    unreported: u64,
}

impl Usage {
    pub const fn new(window: Window) -> Self {
        Self { window, reported: 0, unreported: 0 }
    }

    pub const fn window(&self) -> Window {
        self.window
    }

    const fn used(&self) -> u64 {
        self.reported + self.unreported
    }

    /// Admits a request in this window if the limit has room for it. A refused one is not counted.
    pub fn admit(&mut self, window: Window, limit: u32, now: Ts) -> Standing {
        self.enter(window);
        let admitted = self.used() < u64::from(limit);
        self.unreported += u64::from(admitted);
        Standing { admitted, ..self.standing(limit, now) }
    }

    /// How it stands, without a request. `admitted` says whether one would be.
    pub fn seen(mut self, window: Window, limit: u32, now: Ts) -> Standing {
        self.enter(window);
        self.standing(limit, now)
    }

    /// Windows go forward alone: a clock that is set back stays in the one that was reached.
    fn enter(&mut self, window: Window) {
        if window > self.window {
            *self = Self::new(window);
        }
    }

    fn standing(&self, limit: u32, now: Ts) -> Standing {
        let remaining = u64::from(limit).saturating_sub(self.used());
        let wait = (self.window.end() - now.seconds()).max(1);
        Standing {
            admitted: remaining > 0,
            limit,
            // Not above the limit, and a wait is at most a window but for a clock that was set back.
            remaining: u32::try_from(remaining).unwrap_or(limit),
            reset: self.window.end(),
            retry_after: u32::try_from(wait).unwrap_or(u32::MAX),
        }
    }

    /// What there is to report of its window.
    pub const fn unreported(&self) -> u64 {
        self.unreported
    }

    /// Takes in that `told` of this process were reported for the window, and that all processes' sum was `sum`
    /// then. Of no matter for another window.
    pub fn take_report(&mut self, window: Window, told: u64, sum: u64) {
        if window == self.window {
            self.reported = sum;
            self.unreported = self.unreported.saturating_sub(told);
        }
    }

    /// Takes in that all processes had reported `sum` for the window, when this one had no report on its way. Of no
    /// matter for a window that has ended.
    pub fn hear(&mut self, window: Window, sum: u64) {
        self.enter(window);
        if window == self.window {
            self.reported = self.reported.max(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Ts {
        Ts::from_micros(0).plus_millis(millis)
    }

    #[test]
    fn owners_begin_their_windows_at_different_seconds() {
        let now = at(1_800_000_000_000);
        let starts: std::collections::HashSet<i64> =
            (0..1000).map(|owner| Window::of(owner, now).start()).collect();
        assert_eq!(starts.len(), 60, "every second begins somebody's window");
    }

    #[test]
    fn a_refusal_says_when_the_limit_is_whole_again() {
        let window = Window::of(7, at(0));
        let now = Ts::from_micros(0).plus_seconds(window.end()).plus_millis(-1500);
        let mut usage = Usage::new(window);
        assert_eq!(usage.admit(window, 1, now).remaining, 0);
        let refused = usage.admit(window, 1, now);
        assert_eq!((refused.admitted, refused.retry_after, refused.reset), (false, 2, window.end()));
        assert!(usage.admit(Window::of(7, now.plus_seconds(2)), 1, now.plus_seconds(2)).admitted);
    }

    #[test]
    fn a_clock_set_back_gives_nothing_back() {
        let (early, late) = (at(10_000_000), at(10_000_000 + 61_000));
        let mut usage = Usage::new(Window::of(1, late));
        assert!(usage.admit(Window::of(1, late), 1, late).admitted);
        assert!(!usage.admit(Window::of(1, early), 1, early).admitted);
    }

    #[test]
    fn a_report_of_another_window_changes_nothing() {
        let mut usage = Usage::new(Window::of(1, at(0)));
        usage.admit(Window::of(1, at(0)), 5, at(0));
        let before = usage;
        usage.take_report(Window::of(1, at(120_000)), 1, 5);
        assert_eq!(usage, before);
    }

    #[test]
    fn what_is_heard_counts_in_its_window_and_takes_nothing_back() {
        let (window, next) = (Window::of(1, at(0)), Window::of(1, at(60_000)));
        let mut usage = Usage::new(window);
        assert!(usage.admit(window, 5, at(0)).admitted);
        usage.hear(window, 3);
        assert_eq!(usage.seen(window, 5, at(0)).remaining, 1, "3 of the others and 1 unreported");
        usage.hear(window, 2);
        assert_eq!(usage.seen(window, 5, at(0)).remaining, 1);
        usage.hear(next, 4);
        assert_eq!(usage.seen(next, 5, at(60_000)).remaining, 1);
        usage.hear(window, 5);
        assert_eq!(usage.seen(next, 5, at(60_000)).remaining, 1, "the window has ended");
    }

    proptest! {
        /// However requests come, a window admits the limit and no more, and says truly what is left.
        #[test]
        fn a_window_admits_no_more_than_the_limit(
            owner: u64, limit in 0u32..20, waits in prop::collection::vec(0i64..4000, 1..300),
        ) {
            let mut admitted: HashMap<Window, u32> = HashMap::new();
            let mut millis = 1_800_000_000_000;
            let mut usage = Usage::new(Window::of(owner, at(millis)));
            for wait in waits {
                millis += wait;
                let (now, window) = (at(millis), Window::of(owner, at(millis)));
                prop_assert!(window.start() <= now.seconds() && now.seconds() < window.end());
                let count = admitted.entry(window).or_default();
                let standing = usage.admit(window, limit, now);
                prop_assert_eq!(standing.admitted, *count < limit);
                *count += u32::from(standing.admitted);
                prop_assert_eq!(standing.remaining, limit - *count);
                prop_assert_eq!(standing.reset, window.end());
                prop_assert!((1..=60).contains(&standing.retry_after));
                prop_assert!(now.plus_seconds(i64::from(standing.retry_after)).seconds() >= standing.reset);
                prop_assert_eq!(usage.seen(window, limit, now).remaining, standing.remaining);
            }
        }

        /// Processes that report and listen at any times admit, together, no more than the limit and what the others
        /// admitted since a process last heard of them.
        #[test]
        fn processes_together_exceed_by_what_they_have_not_heard(
            limit in 1u32..40, steps in prop::collection::vec((0usize..3, 0u8..6), 1..400),
        ) {
            let (now, window) = (at(0), Window::of(1, at(0)));
            let mut processes = [Usage::new(window); 3];
            let (mut sum, mut total) = (0u64, 0u64);
            // For each process: the total of all, less its own, that it has not heard of.
            let mut unheard = [0u64; 3];
            let mut told = [0u64; 3];
            for (who, what) in steps {
                if what == 0 {
                    let delta = processes[who].unreported();
                    sum += delta;
                    told[who] += delta;
                    processes[who].take_report(window, delta, sum);
                    unheard[who] = total - sum;
                    continue;
                }
                if what == 1 {
                    processes[who].hear(window, sum);
                    unheard[who] = total - sum - processes[who].unreported();
                    continue;
                }
                let before = total;
                if processes[who].admit(window, limit, now).admitted {
                    prop_assert!(before < u64::from(limit) + unheard[who], "{} of {}", before, limit);
                    total += 1;
                    for other in (0..3).filter(|&other| other != who) {
                        unheard[other] += 1;
                    }
                }
            }
            for process in &mut processes {
                sum += process.unreported();
                process.take_report(window, process.unreported(), sum);
            }
            prop_assert_eq!(sum, total);
        }
    }
}
