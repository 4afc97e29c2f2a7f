//! `kill -9` at random moments under load: what was answered stays, each event of a committed change arrives.

use std::{thread, time::Duration};

use crate::support::{load::Load, random::Random, two_engines, webhooks::Scene};

const ROUNDS: usize = 4;
/// By this a failed run's moments are chosen again.
const SEED: &str = "NIMBUS_TEST_CRASH_SEED";

two_engines! {
    fn nothing_is_lost_or_doubled_when_the_server_is_killed(engine) {
        let mut random = Random::seeded(SEED);
        let (load, mut scene) = Load::start(engine);
        for round in 0..ROUNDS {
            let moment = Duration::from_millis(random.within(300, 1500));
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
