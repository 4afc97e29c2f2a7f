//! What the dispatcher of this process has done, in figures: atomics alone on the way of a delivery.
//!
//! They are kept by class of endpoint, and by nothing that grows: no ids, addresses or names.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use nimbus_store::endpoints::{Shape, Target};

use crate::{breaker::Standing, cause};

/// The upper bounds of the histogram of attempts, in milliseconds; beyond the last is what is left.
pub const BUCKETS_MS: [u64; 12] = [1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

const BUCKETS: usize = BUCKETS_MS.len() + 1;
const CLASSES: usize = 2 * Shape::ALL.len();

/// Endpoints that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    pub shape: Shape,
    pub ordered: bool,
}

impl Class {
    /// In the order of `Class::index`.
    pub fn all() -> impl Iterator<Item = Self> {
        Shape::ALL.iter().flat_map(|&shape| [false, true].map(|ordered| Self { shape, ordered }))
    }

    pub(crate) const fn of(target: &Target) -> Self {
        Self { shape: target.shape, ordered: target.ordered }
    }

    const fn index(self) -> usize {
        2 * self.shape as usize + self.ordered as usize
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Delivered,
    /// Failed, and may pass by itself.
    Transient,
    /// Failed until somebody changes something.
    Permanent,
}

impl Ending {
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Transient, Self::Permanent];

    /// Of an attempt with this cause of failure, if it failed.
    pub(crate) fn of(cause: Option<cause::Cause>) -> Self {
        match cause.map(cause::Cause::class) {
            None => Self::Delivered,
            Some(cause::Class::Transient) => Self::Transient,
            Some(cause::Class::Permanent) => Self::Permanent,
        }
    }
}

/// How a delivery came to its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From its own commit, through memory.
    HandedOver,
    /// From the store.
    Claimed,
}

impl Way {
    pub const ALL: [Self; 2] = [Self::HandedOver, Self::Claimed];
}

/// The figures of one class. Counters begin at 0 with the process.
#[derive(Debug, Default)]
struct OfClass {
    begun: [AtomicU64; Way::ALL.len()],
    ended: [AtomicU64; Ending::ALL.len()],
    buckets: [AtomicU64; BUCKETS],
    elapsed_ms: AtomicU64,
    in_flight: AtomicU64,
    lanes: [AtomicU64; Standing::ALL.len()],
}

/// All figures of a process.
#[derive(Debug, Default)]
pub struct Metrics {
    classes: [OfClass; CLASSES],
    batches: AtomicU64,
    results: AtomicU64,
}

fn read(figure: &AtomicU64) -> u64 {
    figure.load(Ordering::Relaxed)
}

fn add(figure: &AtomicU64, count: u64) {
    figure.fetch_add(count, Ordering::Relaxed);
}

impl Metrics {
    /// An attempt begins; it is in flight until what this gives is dropped.
    pub(crate) fn begin(self: &Arc<Self>, class: Class, way: Way) -> InFlight {
        add(&self.of(class).begun[way as usize], 1);
        add(&self.of(class).in_flight, 1);
        InFlight { metrics: Arc::clone(self), class }
    }

    /// An attempt ended.
    pub(crate) fn end(&self, class: Class, ending: Ending, elapsed_ms: u64) {
        let figures = self.of(class);
        add(&figures.ended[ending as usize], 1);
        add(&figures.buckets[BUCKETS_MS.partition_point(|&bound| bound < elapsed_ms)], 1);
        add(&figures.elapsed_ms, elapsed_ms);
    }

    /// So many results went into one transaction.
    pub(crate) fn recorded(&self, results: usize) {
        add(&self.batches, 1);
        add(&self.results, u64::try_from(results).unwrap_or(u64::MAX));
    }

    /// How lanes stand now.
    pub(crate) fn lanes(&self, lanes: impl Iterator<Item = (Class, Standing)>) {
        let mut counts = [[0; Standing::ALL.len()]; CLASSES];
        for (class, standing) in lanes {
            counts[class.index()][standing as usize] += 1;
        }
        for (figures, counts) in self.classes.iter().zip(counts) {
            for (figure, count) in figures.lanes.iter().zip(counts) {
                figure.store(count, Ordering::Relaxed);
            }
        }
    }

    fn of(&self, class: Class) -> &OfClass {
        &self.classes[class.index()]
    }

    /// Attempts begun, by how their deliveries came.
    pub fn begun(&self, class: Class, way: Way) -> u64 {
        read(&self.of(class).begun[way as usize])
    }

    pub fn ended(&self, class: Class, ending: Ending) -> u64 {
        read(&self.of(class).ended[ending as usize])
    }

    /// How many attempts took at most as long as each bound of [`BUCKETS_MS`], how many there were, and the milliseconds
    /// that all took together.
    pub fn latency(&self, class: Class) -> ([u64; BUCKETS_MS.len()], u64, u64) {
        let figures = self.of(class);
        let mut seen = 0;
        let mut cumulative = [0; BUCKETS_MS.len()];
        for (sum, bucket) in cumulative.iter_mut().zip(&figures.buckets) {
            seen += read(bucket);
            *sum = seen;
        }
        (cumulative, seen + read(&figures.buckets[BUCKETS - 1]), read(&figures.elapsed_ms))
    }

    pub fn in_flight(&self, class: Class) -> u64 {
        read(&self.of(class).in_flight)
    }

    /// Lanes that are held, by how their breakers stood half a second ago at most.
    pub fn lanes_standing(&self, class: Class, standing: Standing) -> u64 {
        read(&self.of(class).lanes[standing as usize])
    }

    /// Transactions that recorded results, and the results in them.
    pub fn batches(&self) -> (u64, u64) {
        (read(&self.batches), read(&self.results))
    }
}

/// An attempt under way.
pub(crate) struct InFlight {
    metrics: Arc<Metrics>,
    class: Class,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.metrics.of(self.class).in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: Class = Class { shape: Shape::Orders, ordered: true };

    #[test]
    fn each_class_has_its_own_figures() {
        let metrics = Arc::new(Metrics::default());
        assert_eq!(Class::all().map(Class::index).collect::<Vec<_>>(), (0..CLASSES).collect::<Vec<_>>());
        let under_way = metrics.begin(CLASS, Way::Claimed);
        metrics.end(CLASS, Ending::Transient, 30);
        for class in Class::all() {
            let is_it = u64::from(class == CLASS);
            assert_eq!(metrics.in_flight(class), is_it);
            assert_eq!(metrics.begun(class, Way::Claimed), is_it);
            assert_eq!(metrics.begun(class, Way::HandedOver), 0);
            assert_eq!(metrics.ended(class, Ending::Transient), is_it);
            assert_eq!(metrics.latency(class).1, is_it);
        }
        drop(under_way);
        assert_eq!(metrics.in_flight(CLASS), 0);
    }

    #[test]
    fn a_bucket_has_what_took_as_long_as_its_bound_or_less() {
        let metrics = Metrics::default();
        for elapsed in [0, 1, 2, 10_000, 10_001] {
            metrics.end(CLASS, Ending::Delivered, elapsed);
        }
        let (cumulative, count, total) = metrics.latency(CLASS);
        assert_eq!((cumulative[0], cumulative[1], cumulative[BUCKETS_MS.len() - 1]), (2, 3, 4));
        assert_eq!((count, total), (5, 20_004));
    }

    #[test]
    fn lanes_are_counted_anew_each_time() {
        let metrics = Metrics::default();
        metrics.lanes([(CLASS, Standing::Open), (CLASS, Standing::Closed)].into_iter());
        metrics.lanes([(CLASS, Standing::HalfOpen)].into_iter());
        let counts = Standing::ALL.map(|standing| metrics.lanes_standing(CLASS, standing));
        assert_eq!(counts, [0, 0, 1]);
    }
}
