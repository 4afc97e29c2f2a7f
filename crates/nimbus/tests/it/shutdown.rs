//! SIGTERM under load: the server ends by itself within its time, and loses nothing.

use std::{thread, time::Duration};

use crate::support::{
    PATIENCE,
    load::Load,
    receiver::{Answer, Receiver},
    two_engines,
    webhooks::Scene,
};

/// The contract's time for a stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);

two_engines! {
    fn a_stop_under_load_loses_nothing(engine) {
        let (load, scene) = Load::start(engine);
        let seed = scene.seed.clone();
        let (status, took, store) = load.while_working(0, scene, |scene| {
            thread::sleep(Duration::from_millis(1500));
            scene.server.stop()
        });
        assert!(status.success(), "the server ended with {status}");
        assert!(took < STOP_WITHIN, "the stop took {took:?}");
        let (answered, unanswered) = load.counts();
        eprintln!("stopped in {took:?}; {answered} answered, {unanswered} not");
        load.assert_nothing_lost(&Scene::serving(store, seed));
    }

    fn a_slow_receiver_gets_what_was_in_flight(engine) {
        const ORDERS: usize = 12;
        let scene = Scene::start(engine);
        let slow = Receiver::answering(Answer::status(200).after(Duration::from_secs(2)));
        scene.register(&slow.url(), &["prescription:created"]);
        let mut wanted: Vec<String> =
            (0..ORDERS).map(|_| scene.partner.order(&scene.seed).prescriptions.remove(0)).collect();
        slow.wait_for(1, PATIENCE);
        let (status, took, store) = scene.server.stop();
        assert!(status.success(), "the server ended with {status}");
        assert!(took < STOP_WITHIN, "the stop took {took:?}");
        // What was in flight was waited for: nothing that reached the receiver is without its answer.
        let in_flight = slow.received().len();
        assert_eq!(slow.answered(), in_flight, "the stop cut requests off");

        slow.otherwise(Answer::status(200));
        let scene = Scene::serving(store, scene.seed);
        let received = slow.wait_for(ORDERS, PATIENCE);
        let mut got: Vec<String> = received
            .iter()
            .map(|one| one.json()["event_data"]["prescription_id"].as_str().expect("an id").to_owned())
            .collect();
        got.sort();
        wanted.sort();
        // Each exactly once: what was answered was recorded, and what was not sent was given back.
        assert_eq!(got, wanted);
        drop(scene);
    }
}
