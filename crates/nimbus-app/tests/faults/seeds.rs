//! Faults at every await and commit of a delivery's way, drawn from seeds: nodes that wait, fail, panic and die, on one
//! store, while events are published, delivered and replayed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nimbus_app::{
    PartnerActor, Rendered, audit,
    clock::wall,
    endpoints::{Of, Shape, Which as Own},
    replays::{self, Start, Which},
};
use nimbus_store::{
    Db, Engine,
    fault::{Point, Tally},
    ledger::Ledger,
    testing::{
        TestDb, block_on,
        faults::{jobs_left, leases_end},
    },
};

use crate::{
    book::Book,
    node::{Node, Role, Setup},
    receiver::Receiver,
    world::{DEADLINE, Lane, NAMES, PATIENCE, balanced, call, clinic, publish},
};

/// By this a failed run's seeds are drawn again.
const SEED: &str = "NIMBUS_TEST_FAULT_SEED";
/// Stores on which runs go on beside each other, and the runs of each, one after the other.
const STORES: u64 = 8;
const RUNS: u64 = 5;
const EVENTS: i64 = 40;
const CLINICS: usize = 2;
/// A replay is asked for so often until it is taken.
const REPLAY_EVERY: Duration = Duration::from_millis(700);
/// Faults go on for so long while it runs: timed work looks for it every second.
const FAULTY: Duration = Duration::from_millis(2500);

#[test]
fn nothing_is_lost_whatever_fails_on_sqlite() {
    // One process has the file: nobody is woken from outside.
    let others = [Point::Signal, Point::Listen];
    many_runs(Engine::Sqlite, &[Role::All, Role::All], &others);
}

#[test]
fn nothing_is_lost_whatever_fails_on_postgres() {
    many_runs(Engine::Postgres, &[Role::All, Role::All, Role::Api], &[]);
}

fn many_runs(engine: Engine, roles: &'static [Role], unreachable: &[Point]) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let given = std::env::var(SEED).ok().map(|text| text.parse().expect("a seed is a number"));
    let seed: u64 = given.unwrap_or(u64::from(since.subsec_nanos()) ^ since.as_secs());
    eprintln!("{SEED}={seed}");
    let tally = Arc::new(Tally::default());
    block_on(async {
        let on_store = async |number: u64| {
            let test = TestDb::migrated(engine).await;
            let receiver = Receiver::start().await;
            for run in 0..RUNS {
                let seed = seed.wrapping_add((number * RUNS + run) << 20);
                Run::new(&test, &receiver, roles, seed, &tally).await.survive().await;
            }
        };
        futures_util::future::join_all((0..STORES).map(on_store)).await;
    });
    let mut totals = [0; 4];
    for &point in Point::ALL.iter().filter(|point| !unreachable.contains(point)) {
        let (arrivals, faults) = (tally.arrivals(point), tally.faults(point));
        eprintln!("{point:>18}: {arrivals:>6} arrivals; delays, failures, panics, kills {faults:?}");
        assert!(arrivals > 0, "nothing ever came to {point}");
        totals.iter_mut().zip(faults).for_each(|(total, count)| *total += count);
    }
    assert!(totals.iter().all(|total| *total > 0), "a kind of fault never happened: {totals:?}");
}

/// One run: nodes that take each other's places as they die.
struct Run<'a> {
    db: &'a Db,
    receiver: &'a Receiver,
    setups: Vec<Setup>,
    nodes: Vec<Node>,
    seed: u64,
    starts: u64,
    tally: &'a Arc<Tally>,
    clinics: Arc<Vec<PartnerActor>>,
    lanes: Vec<Lane>,
    book: Arc<Book>,
    left: Arc<AtomicI64>,
}

impl<'a> Run<'a> {
    async fn new(
        test: &'a TestDb,
        receiver: &'a Receiver,
        roles: &[Role],
        seed: u64,
        tally: &'a Arc<Tally>,
    ) -> Self {
        let (mut clinics, mut lanes) = (Vec::new(), Vec::new());
        for _ in 0..CLINICS {
            let (actor, made) = clinic(&test.db, receiver).await;
            clinics.push(actor);
            lanes.extend(made);
        }
        let embedded = (test.db.engine() == Engine::Sqlite).then(|| test.db.clone());
        let setup = |role: &Role| Setup {
            place: test.place.clone(),
            embedded: embedded.clone(),
            role: *role,
            now: wall,
        };
        receiver.fail_each(7 + usize::try_from(seed % 23).expect("it is small"));
        Self {
            db: &test.db,
            receiver,
            setups: roles.iter().map(setup).collect(),
            nodes: Vec::new(),
            seed,
            starts: 0,
            tally,
            clinics: Arc::new(clinics),
            lanes,
            book: Arc::default(),
            left: Arc::new(AtomicI64::new(EVENTS)),
        }
    }

    async fn survive(mut self) {
        leases_end(self.db).await;
        for index in 0..self.setups.len() {
            let node = self.start(index).await;
            self.nodes.push(node);
        }
        let (begun, mut asked) = (Instant::now(), REPLAY_EVERY);
        let (accepted, mut replaying) = (Arc::new(AtomicBool::new(false)), None);
        loop {
            self.replace_the_dead().await;
            if accepted.load(Ordering::Relaxed) {
                replaying.get_or_insert_with(Instant::now);
            } else if begun.elapsed() > asked {
                asked = begun.elapsed() + REPLAY_EVERY;
                self.replay(&accepted);
            }
            let is_published = self.left.load(Ordering::Relaxed) <= 0;
            if is_published && replaying.is_some_and(|since| since.elapsed() > FAULTY) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{}: events or replays are not taken", self.name());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.nodes.iter().for_each(|node| node.plan.end());
        self.replace_the_dead().await;
        self.nodes.iter().for_each(|node| node.plan.end());
        let ledger = self.settled().await;
        assert_eq!((ledger.dead, ledger.cancelled), (0, 0), "{}: {ledger:?}", self.name());
        assert!(self.book.count_answered() > 0, "{}: nothing was published", self.name());
        for lane in &self.lanes {
            self.book.prove(lane, self.receiver);
        }
        self.chained().await;
    }

    /// Whoever links now goes on where others died, and the whole log is in the chain as it is.
    async fn chained(&self) {
        let (app, begun) = (&self.nodes[0].app, Instant::now());
        while audit::standing(app).await.expect("it is read").unlinked_since.is_some() {
            assert!(begun.elapsed() < PATIENCE, "{}: rows are not linked", self.name());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let report = audit::verify::verify(app, 0, None, None).await.expect("it is compared");
        assert!(report.to > 0, "{}: nothing was linked", self.name());
        assert_eq!(report.differences, [], "{}", self.name());
    }

    /// What the ledger says when nothing waits any more.
    async fn settled(&self) -> Ledger {
        let (begun, mut next_end) = (Instant::now(), Duration::ZERO);
        loop {
            let (ledger, jobs) = (balanced(self.db).await, jobs_left(self.db).await);
            if ledger.pending == 0 && jobs == 0 {
                return ledger;
            }
            assert!(begun.elapsed() < PATIENCE, "{}: {jobs} jobs are left, {ledger:?}", self.name());
            if begun.elapsed() >= next_end {
                // A job whose worker died, or failed, waits a minute.
                leases_end(self.db).await;
                next_end += 3 * DEADLINE.duration();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn name(&self) -> String {
        format!("run {} (of {SEED})", self.seed)
    }

    async fn start(&mut self, index: usize) -> Node {
        self.starts += 1;
        let node = Node::start(&self.setups[index], self.seed.wrapping_add(self.starts), self.tally).await;
        let (app, clinics, book, left) =
            (node.app.clone(), Arc::clone(&self.clinics), Arc::clone(&self.book), Arc::clone(&self.left));
        node.spawn(async move {
            while let Ok(number) = usize::try_from(left.fetch_sub(1, Ordering::Relaxed) - 1) {
                let actor = &clinics[number % clinics.len()];
                let id = book.begun(actor.clinic_id);
                if publish(&app, actor, id).await.is_ok() {
                    book.answered(id);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        node
    }

    async fn replace_the_dead(&mut self) {
        for index in 0..self.nodes.len() {
            if self.nodes[index].plan.is_dead() {
                self.nodes[index] = self.start(index).await;
            }
        }
    }

    /// Has everything sent again to an endpoint; the request may fail as any other.
    fn replay(&self, accepted: &Arc<AtomicBool>) {
        let accepted = Arc::clone(accepted);
        let (app, actor, lane) = (self.nodes[0].app.clone(), self.clinics[0].clone(), self.lanes[1].clone());
        self.nodes[0].spawn(async move {
            let command = Start {
                of: Of::Own(Own { shape: Shape::Partner, id: lane.id }),
                names: &NAMES,
                since: wall().plus_seconds(-600),
                until: None,
                which: Which::All,
                event_types: None,
                per_second: 1000,
                dry_run: false,
            };
            let started =
                replays::start(&app, &call(&actor), command, |_| Rendered::new(200, Vec::new())).await;
            // Refused is a second one, while the first runs that was not answered.
            if matches!(started, Ok(_) | Err(nimbus_app::Error::Refused { .. })) {
                accepted.store(true, Ordering::Relaxed);
            }
        });
    }
}
