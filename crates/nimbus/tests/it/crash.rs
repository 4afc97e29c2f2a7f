//! `kill -9` at random moments under load: what was answered stays, each event of a committed change arrives.

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::support::{load::Load, two_engines, webhooks::Scene};

const ROUNDS: usize = 4;
/// By this a failed run's moments are chosen again.
const SEED: &str = "NIMBUS_TEST_CRASH_SEED";

two_engines! {
    fn nothing_is_lost_or_doubled_when_the_server_is_killed(engine) {
        let mut moments = Moments::new();
        let (load, mut scene) = Load::start(engine);
        for round in 0..ROUNDS {
            let moment = moments.next();
            let seed = scene.seed.clone();
            let store = load.while_working(round, scene, |scene| {
                thread::sleep(moment);
                scene.server.kill()
            });
            let (answered, unanswered) = load.counts();
            eprintln!("round {round}: killed after {moment:?}; {answered} answered, {unanswered} not");
            scene = Scene::serving(store, seed);
        }
        let (answered, _) = load.counts();
        assert!(answered > ROUNDS, "there was no load worth the name");
        load.assert_nothing_lost(&scene);
    }
}

/// When each round ends: between 0.3 and 1.5 seconds after it began.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        let given = std::env::var(SEED).ok().map(|text| text.parse().expect("a seed is a number"));
        let seed = given.unwrap_or(u64::from(since.subsec_nanos()) ^ since.as_secs());
        eprintln!("{SEED}={seed}");
        Self(seed)
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    fn next(&mut self) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis(300 + (mixed ^ (mixed >> 31)) % 1200)
    }
}
