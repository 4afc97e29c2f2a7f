//! Rate limits that processes share, and what becomes of them without a database.

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use nimbus_app::{
    Actor, App, Config,
    clock::Clock,
    formulary,
    limits::{self, REPORT_EVERY, Rates},
};
use nimbus_core::{
    access::{Environment, SystemActor},
    rate::Class,
};
use nimbus_store::{Db, Engine, testing::run_on};
use nimbus_webhooks::guard::AddressPolicy;
use tokio_util::sync::CancellationToken;

const LIMIT: u32 = 200;

fn app(db: &Db) -> App {
    let config = Config {
        environment: Environment::Sandbox,
        pharmacy_zone: TimeZone::UTC,
        rules: nimbus_app::rules::shipped(),
        formulary: formulary::shipped(Environment::Sandbox),
        thresholds: Default::default(),
        address_policy: AddressPolicy::default(),
        deadline: Default::default(),
        onboarding: None,
        pharmacy_feed_secret: None,
        labels: nimbus_app::labels::LabelSettings::default(),
        carrier_feeds: nimbus_app::carrier_feed::CarrierFeeds::default(),
        // Machines of the pharmacy have ten times as much.
        rates: Rates { writes: LIMIT / 10, reads: LIMIT / 10, unauthenticated: 0 },
        auto_advance: None,
        retention: Default::default(),
        staff: Default::default(),
        shipping: Arc::default(),
        parcel_reply: |_| nimbus_app::Rendered::new(200, Vec::new()),
    };
    App::new(db.clone(), config, Clock::default())
}

const ACTOR: Actor = Actor::System(SystemActor::PharmacySystem);

fn admitted(app: &App, tries: u32) -> u32 {
    (0..tries).map(|_| u32::from(app.limits().admit(&ACTOR, Class::Writes).unwrap().admitted)).sum()
}

/// Waits until the window has some seconds left.
async fn with_time_left(app: &App) {
    while app.limits().admit(&ACTOR, Class::Reads).unwrap().retry_after < 15 {
        tokio::time::sleep(REPORT_EVERY).await;
    }
}

#[test]
fn a_process_hears_of_the_others_by_reports() {
    run_on(Engine::Postgres, |db| async move {
        let (one, two) = (app(&db), app(&db));
        with_time_left(&one).await;
        let stop = CancellationToken::new();
        let running = [&one, &two].map(|app| tokio::spawn(limits::run(app.clone(), stop.clone())));
        assert_eq!(admitted(&two, 1), 1);
        tokio::time::sleep(5 * REPORT_EVERY).await;
        assert_eq!(admitted(&one, LIMIT / 2), LIMIT / 2);
        tokio::time::sleep(5 * REPORT_EVERY).await;
        // It has admitted nothing meanwhile, and knows what the other one has.
        assert_eq!(admitted(&two, LIMIT), LIMIT / 2 - 1, "what the other one has left");
        tokio::time::sleep(5 * REPORT_EVERY).await;
        assert_eq!(admitted(&one, 1), 0);
        // One that has just started, and never met the owner, hears of both.
        let three = app(&db);
        let late = tokio::spawn(limits::run(three.clone(), stop.clone()));
        tokio::time::sleep(5 * REPORT_EVERY).await;
        assert_eq!(admitted(&three, 1), 0);
        stop.cancel();
        for task in running.into_iter().chain([late]) {
            task.await.unwrap();
        }
    });
}

#[test]
fn without_a_database_requests_go_on_and_so_does_the_reporter() {
    run_on(Engine::Postgres, |db| async move {
        let app = app(&db);
        with_time_left(&app).await;
        db.clone().close().await;
        let stop = CancellationToken::new();
        let running = tokio::spawn(limits::run(app.clone(), stop.clone()));
        assert_eq!(admitted(&app, LIMIT / 2), LIMIT / 2);
        tokio::time::sleep(5 * REPORT_EVERY).await;
        assert!(!running.is_finished());
        assert_eq!(admitted(&app, LIMIT), LIMIT / 2, "its own limit holds");
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
    });
}
