//! Timed work on both engines: what a day brings, and the call of the onboarding robot.

use std::sync::Arc;

use jiff::tz::TimeZone;
use nimbus_app::{
    App, Config,
    clock::Clock,
    formulary, jobs,
    limits::Rates,
    sandbox::{self, Seed},
};
use nimbus_carriers::onboarding::OnboardingClient;
use nimbus_core::{access::Environment, ids::PrescriptionId, prescription::PrescriptionStatus};
use nimbus_store::{
    Db, Error,
    endpoints::Shape,
    jobs::{JobKind, job_cancel, job_schedule},
    prescriptions,
    testing::{master_key, told_of},
    two_engines,
};
use nimbus_webhooks::guard::AddressPolicy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

fn app(db: &Db, days_later: i64) -> App {
    let config = Config {
        environment: Environment::Sandbox,
        pharmacy_zone: TimeZone::get("America/Chicago").unwrap(),
        rules: nimbus_app::rules::shipped(),
        formulary: formulary::shipped(Environment::Sandbox),
        thresholds: Default::default(),
        address_policy: AddressPolicy::default(),
        deadline: Default::default(),
        onboarding: None,
        pharmacy_feed_secret: None,
        labels: nimbus_app::labels::LabelSettings::default(),
        carrier_feeds: nimbus_app::carrier_feed::CarrierFeeds::default(),
        rates: Rates::OFF,
        auto_advance: None,
        retention: Default::default(),
        staff: Default::default(),
        shipping: Arc::default(),
        parcel_reply: |_| nimbus_app::Rendered::new(200, Vec::new()),
    };
    App::new(db.clone(), config, Clock::shifted(days_later))
}

async fn seeded(db: &Db) -> Seed {
    sandbox::seed(&app(db, 0), &master_key()).await.unwrap()
}

/// The narrow names of the events about a prescription.
async fn told(db: &Db, id: PrescriptionId) -> Vec<String> {
    told_of(db, Shape::Partner, id.0).await
}

async fn status(db: &Db, seed: &Seed) -> PrescriptionStatus {
    let (clinic, id) = (seed.clinic_id, seed.fill.prescription_id);
    let found = db.read(move |tx| Box::pin(prescriptions::prescription_get(tx, clinic, id))).await.unwrap();
    found.unwrap().status
}

two_engines! {
    async fn a_refill_that_becomes_due_is_told_once(db: Db) {
        let seed = seeded(&db).await;
        let id = seed.fill.prescription_id;
        assert_eq!(told(&db, id).await, ["prescription:created", "prescription:verified"]);
        jobs::run_due(&app(&db, 0), None).await.unwrap();
        jobs::run_due(&app(&db, 0), None).await.unwrap();
        let told = told(&db, id).await;
        assert_eq!(told.iter().filter(|name| *name == "prescription:refill_due").count(), 1, "{told:?}");
    }

    async fn a_prescription_expires_after_its_last_day(db: Db) {
        let seed = seeded(&db).await;
        // It was issued sixty-three days ago and is good for a year.
        jobs::run_due(&app(&db, 300), None).await.unwrap();
        assert_eq!(status(&db, &seed).await, PrescriptionStatus::Active);
        jobs::run_due(&app(&db, 304), None).await.unwrap();
        assert_eq!(status(&db, &seed).await, PrescriptionStatus::Expired);
        let told = told(&db, seed.fill.prescription_id).await;
        assert_eq!(told.last().map(String::as_str), Some("prescription:expired"));
    }

    async fn the_robot_is_called_until_it_answers(db: Db) {
        let seed = seeded(&db).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let robot = OnboardingClient::new(&format!("http://{}/new", listener.local_addr().unwrap()), "token").unwrap();
        let answers = tokio::spawn(answer(listener, ["500 Internal Server Error", "200 OK"]));
        let practitioner = pending_practitioner(&db, &seed).await;
        schedule(&db, &seed, practitioner).await;
        assert_eq!(jobs::run_due(&app(&db, 0), Some(&robot)).await.unwrap(), 1);
        assert_eq!(jobs::run_due(&app(&db, 0), Some(&robot)).await.unwrap(), 0, "it waits before it calls again");
        assert_eq!(jobs::run_due(&app(&db, 1), Some(&robot)).await.unwrap(), 1);
        assert_eq!(jobs::run_due(&app(&db, 2), Some(&robot)).await.unwrap(), 0, "it was told");
        for request in answers.await.unwrap() {
            assert!(request.starts_with("POST /new "), "{request}");
            assert!(request.contains("x-rpa-signature: ") && request.contains(&practitioner.to_string()));
        }
    }
}

async fn pending_practitioner(db: &Db, seed: &Seed) -> uuid::Uuid {
    use nimbus_core::{ids::PractitionerId, practitioner::PractitionerStatus};
    use nimbus_store::practitioners::{practitioner_get, practitioner_insert};
    let (clinic, known) = (seed.clinic_id, seed.practitioner_id);
    let id = PractitionerId(uuid::Uuid::now_v7());
    db.write(move |tx| {
        Box::pin(async move {
            let mut new = practitioner_get(tx, clinic, known).await?.unwrap();
            new.id = id;
            new.status = PractitionerStatus::Pending;
            practitioner_insert(tx, &new, None).await
        })
    })
    .await
    .unwrap();
    id.0
}

async fn schedule(db: &Db, seed: &Seed, practitioner: uuid::Uuid) {
    let (clinic, now) = (seed.clinic_id, nimbus_app::clock::wall());
    let prescription = seed.fill.prescription_id.0;
    db.write(move |tx| {
        Box::pin(async move {
            // What the seed left to do is not this test's.
            for kind in [JobKind::RefillDue, JobKind::PrescriptionExpire] {
                job_cancel(tx, kind, prescription).await?;
            }
            job_schedule(tx, JobKind::OnboardingCall, clinic, practitioner, now, now).await?;
            Ok::<_, Error>(())
        })
    })
    .await
    .unwrap();
}

/// Answers one request a connection with these statuses, and gives what was asked.
async fn answer(listener: TcpListener, statuses: [&'static str; 2]) -> Vec<String> {
    let mut requests = Vec::new();
    for status in statuses {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        let mut buffer = [0; 4096];
        while !read.ends_with(b"}") {
            let count = socket.read(&mut buffer).await.unwrap();
            read.extend_from_slice(&buffer[..count]);
        }
        let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        socket.write_all(reply.as_bytes()).await.unwrap();
        requests.push(String::from_utf8(read).unwrap());
    }
    requests
}
