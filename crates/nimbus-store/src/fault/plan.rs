//! What goes wrong, and where: drawn from a seed, for the threads of one node.

use std::{
    cell::RefCell,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::Point;
use crate::error::{Error, Result};

/// Of a thousand arrivals at a point, so many go wrong in each way.
const DELAYS: u64 = 60;
const FAILURES: u64 = 25;
const PANICS: u64 = 12;
const KILLS: u64 = 6;
/// What is come to seldom goes wrong so many times as often.
const SELDOM: u64 = 5;
/// A delay is shorter than this.
const LONGEST_DELAY_MS: u64 = 40;

thread_local! {
    static PLAN: RefCell<Option<Arc<Plan>>> = const { RefCell::new(None) };
}

/// How often each point was come to while something might go wrong, and how often which fault followed there.
#[derive(Default)]
pub struct Tally {
    points: [Counts; Point::ALL.len()],
}

#[derive(Default)]
struct Counts {
    arrivals: AtomicU64,
    faults: [AtomicU64; FAULTS],
}

const FAULTS: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Fault {
    Delay(Duration),
    Failure,
    Panic,
    Kill,
}

impl Fault {
    const fn index(self) -> usize {
        match self {
            Self::Delay(_) => 0,
            Self::Failure => 1,
            Self::Panic => 2,
            Self::Kill => 3,
        }
    }
}

impl Tally {
    pub fn arrivals(&self, point: Point) -> u64 {
        self.points[point as usize].arrivals.load(Ordering::Relaxed)
    }

    /// Delays, failures, panics and kills at a point.
    pub fn faults(&self, point: Point) -> [u64; FAULTS] {
        std::array::from_fn(|kind| self.points[point as usize].faults[kind].load(Ordering::Relaxed))
    }
}

/// The faults of one node: a runtime of its own, which a test ends when the node is to be dead.
pub struct Plan {
    random: Mutex<u64>,
    tally: Arc<Tally>,
    over: AtomicBool,
    dead: AtomicBool,
    died: Notify,
}

impl Plan {
    pub fn new(seed: u64, tally: Arc<Tally>) -> Arc<Self> {
        Arc::new(Self {
            random: Mutex::new(seed),
            tally,
            over: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    /// From now on this holds on the calling thread.
    pub fn enter(self: Arc<Self>) {
        PLAN.with(|plan| plan.replace(Some(self)));
    }

    /// Nothing goes wrong any more.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Waits until the node is to be dead: what is left of it stands still at the next point it comes to.
    pub async fn killed(&self) {
        while !self.dead.load(Ordering::Relaxed) {
            self.died.notified().await;
        }
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.died.notify_one();
    }

    /// What happens at a point, out of what may.
    fn draw(&self, point: Point, may: [bool; FAULTS]) -> Option<Fault> {
        if self.over.load(Ordering::Relaxed) {
            return None;
        }
        let counts = &self.tally.points[point as usize];
        counts.arrivals.fetch_add(1, Ordering::Relaxed);
        let (chance, more) = (self.next() % 1000, self.next());
        let faults = [
            (DELAYS, Fault::Delay(Duration::from_millis(more % LONGEST_DELAY_MS))),
            (FAILURES, Fault::Failure),
            (PANICS, Fault::Panic),
            (KILLS, Fault::Kill),
        ];
        let mut below = 0;
        let drawn = faults.into_iter().find(|(share, _)| {
            below += share * if is_seldom(point) { SELDOM } else { 1 };
            chance < below
        });
        let fault = drawn.map(|(_, fault)| fault).filter(|fault| may[fault.index()])?;
        counts.faults[fault.index()].fetch_add(1, Ordering::Relaxed);
        Some(fault)
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    fn next(&self) -> u64 {
        let mut state = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    async fn await_at(&self, point: Point, may: [bool; FAULTS]) -> Result<()> {
        if !self.is_dead() {
            match self.draw(point, may) {
                None => {}
                Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
                Some(Fault::Failure) => return Err(failure()),
                Some(Fault::Panic) => fall(point),
                Some(Fault::Kill) => self.kill(),
            }
        }
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// A panic of which nothing is said.
fn fall(point: Point) -> ! {
    std::panic::resume_unwind(Box::new(point.as_str()))
}

fn failure() -> Error {
    Error::unavailable(io::Error::other("a fault on purpose"))
}

/// The plan of the calling thread.
fn current() -> Option<Arc<Plan>> {
    PLAN.with(|plan| plan.borrow().clone())
}

/// At an await that may fail.
///
/// # Errors
/// As if the store were away.
pub async fn point(point: Point) -> Result<()> {
    match current() {
        Some(plan) => plan.await_at(point, [true, true, may_panic(point), true]).await,
        None => Ok(()),
    }
}

/// At an await that cannot fail.
pub async fn pause(point: Point) {
    if let Some(plan) = current() {
        // It may not fail.
        drop(plan.await_at(point, [true, false, may_panic(point), true]).await);
    }
}

const fn is_seldom(point: Point) -> bool {
    !matches!(
        point,
        Point::Publish
            | Point::PublishCommit
            | Point::Published
            | Point::HandedOver
            | Point::Look
            | Point::Claim
            | Point::ClaimCommit
            | Point::Claimed
            | Point::Send
            | Point::Sent
            | Point::Record
            | Point::RecordCommit
            | Point::Recorded
    )
}

/// Whether the task that comes here may panic with nothing lost but its own work: the dispatcher's are caught.
const fn may_panic(point: Point) -> bool {
    matches!(
        point,
        Point::Look
            | Point::Claim
            | Point::Claimed
            | Point::Targets
            | Point::Send
            | Point::Sent
            | Point::Record
            | Point::Recorded
            | Point::GiveBack
            | Point::GivenBack
    )
}

/// What holds for the caller, to be taken along into a transaction, which may run on a thread of the store's.
#[derive(Clone)]
pub struct Here(Option<Arc<Plan>>);

pub fn here() -> Here {
    Here(current())
}

impl Here {
    /// At the end of a transaction's job, before its commit. A job may not wait.
    ///
    /// # Errors
    /// As if the store were away.
    pub fn inside(&self, point: Point) -> Result<()> {
        let Some(plan) = &self.0 else { return Ok(()) };
        if plan.is_dead() {
            return Err(failure());
        }
        match plan.draw(point, [false, true, true, true]) {
            None | Some(Fault::Delay(_)) => Ok(()),
            Some(Fault::Failure) => Err(failure()),
            Some(Fault::Panic) => fall(point),
            Some(Fault::Kill) => {
                plan.kill();
                Err(failure())
            }
        }
    }
}
