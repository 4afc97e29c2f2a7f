//! Test sends and replayed replies on both engines: sent once whoever waits, and each on record.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use jiff::tz::TimeZone;
use nimbus_app::{
    Actor, App, Call, Config, Error, Idempotency, PartnerActor, Rendered, Reply,
    clock::{Clock, wall},
    formulary,
    limits::Rates,
    sandbox::trigger::{Trigger, trigger},
    webhook_test::{self, TestSend, TestSent},
};
use nimbus_core::{
    access::{Environment, Scope, Scopes},
    ids::{ClinicId, KeyId},
    rate::KeyRates,
};
use nimbus_store::{
    Db,
    tenants::{Clinic, Partner, PartnerStatus, clinic_insert, partner_insert},
    testing::audited,
    two_engines,
};
use nimbus_webhooks::guard::AddressPolicy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use uuid::Uuid;

/// How long the receiver takes to answer.
const SLOW: Duration = Duration::from_millis(500);

fn app(db: &Db) -> App {
    let config = Config {
        environment: Environment::Sandbox,
        pharmacy_zone: TimeZone::UTC,
        rules: nimbus_app::rules::shipped(),
        formulary: formulary::shipped(Environment::Sandbox),
        thresholds: Default::default(),
        address_policy: AddressPolicy { allow_loopback: true },
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
    App::new(db.clone(), config, Clock::default())
}

/// A key of a new clinic.
async fn partner(db: &Db) -> PartnerActor {
    let partner = Partner {
        id: Uuid::now_v7().into(),
        name: "Partner".to_owned(),
        status: PartnerStatus::Approved,
        created_at: wall(),
        updated_at: wall(),
    };
    let clinic = Clinic {
        id: Uuid::now_v7().into(),
        partner_id: partner.id,
        name: "Clinic".to_owned(),
        created_at: wall(),
        updated_at: wall(),
        version: 1,
        deleted_at: None,
        clock_ahead_us: 0,
    };
    let actor = PartnerActor {
        key_id: KeyId(Uuid::now_v7()),
        clinic_id: clinic.id,
        clinic_name: clinic.name.clone(),
        partner_id: partner.id,
        scopes: Scopes::of(&[Scope::WebhooksWrite]),
        rates: KeyRates::default(),
        key_expires_at: None,
        clock_ahead_us: 0,
    };
    let rows = Arc::new((partner, clinic));
    let written = db.write(move |tx| {
        let rows = Arc::clone(&rows);
        Box::pin(async move {
            partner_insert(tx, &rows.0).await?;
            clinic_insert(tx, &rows.1).await
        })
    });
    written.await.unwrap();
    actor
}

/// A receiver that answers slowly, and counts what it was sent.
async fn receiver() -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut buffer = [0; 8192];
                assert!(stream.read(&mut buffer).await.unwrap() > 0);
                tokio::time::sleep(SLOW).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                // Who sent it may have gone.
                drop(stream.write_all(answer).await);
            });
        }
    });
    (url, count)
}

/// The actions on record for a clinic, oldest first.
async fn on_record(db: &Db, clinic: ClinicId) -> Vec<String> {
    audited(db, Some(clinic), None).await.into_iter().rev().map(|row| row.action).collect()
}

two_engines! {
    async fn a_caller_who_hangs_up_changes_nothing(db: Db) {
        let (app, actor, (url, count)) = (app(&db), partner(&db).await, receiver().await);
        let clinic = actor.clinic_id;
        let call = Call {
            actor: Actor::Partner(actor),
            request_id: "req_1".to_owned(),
            address: None,
            idempotency: Some(Idempotency { key: "key-1".to_owned(), fingerprint: [1; 32] }),
            if_match: None,
        };
        let render = |sent: &TestSent| Rendered::new(200, sent.event_id.prefixed().into_bytes());
        let send = || {
            let (app, call, url) = (app.clone(), call.clone(), url.clone());
            async move {
                let command = TestSend { event_type: None, url: Some(url) };
                webhook_test::send(&app, &call, command, render).await
            }
        };
        {
            let leaves = std::pin::pin!(send());
            let mut leaves = leaves;
            while count.load(Ordering::Relaxed) == 0 {
                let left = tokio::time::timeout(Duration::from_millis(5), leaves.as_mut()).await;
                assert!(left.is_err(), "the receiver has not answered");
            }
        }
        assert_eq!(on_record(&db, clinic).await, ["webhook.test_attempt"], "before it is known what came of it");
        let meanwhile: Result<Reply, Error> = send().await;
        assert!(matches!(meanwhile, Err(Error::IdempotencyInUse)), "{meanwhile:?}");
        tokio::time::sleep(SLOW).await;
        let replayed = loop {
            match send().await {
                Err(Error::IdempotencyInUse) => tokio::time::sleep(Duration::from_millis(20)).await,
                other => break other.unwrap(),
            }
        };
        assert!(replayed.replayed);
        assert_eq!(replayed.rendered.status, 200);
        assert_eq!(send().await.unwrap(), replayed);
        assert_eq!(count.load(Ordering::Relaxed), 1, "sent once");
        let all = ["webhook.test_attempt", "webhook.test_send", "idempotency.replay", "idempotency.replay"];
        assert_eq!(on_record(&db, clinic).await, all);
    }

    async fn a_test_that_is_triggered_goes_out_once(db: Db) {
        let (app, actor) = (app(&db), partner(&db).await);
        let call = Call {
            actor: Actor::Partner(actor),
            request_id: "req_1".to_owned(),
            address: None,
            idempotency: None,
            if_match: None,
        };
        let times = |event_type: &str, count: u32| {
            let (app, call, event_type) = (app.clone(), call.clone(), event_type.to_owned());
            async move {
                let command = Trigger { clinic: None, event_type, count, data: None };
                trigger(&app, &call, command, |done| Rendered::new(200, done.count.to_string().into_bytes())).await
            }
        };
        let refused = times("webhook:test", 2).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        assert_eq!(times("webhook:test", 1).await.unwrap().rendered.body, b"1");
        assert_eq!(times("medication:updated", 2).await.unwrap().rendered.body, b"2");
    }
}
