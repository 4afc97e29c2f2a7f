//! Production on both engines: with the agreement keys end and webhooks wait, and with a new one both go on.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;
use nimbus_app::{
    Actor, App, Call, Config, Error, PartnerActor, Rendered, auth,
    clock::{Clock, wall},
    endpoints, formulary,
    limits::Rates,
    tenancy::{self, Baa, BaaRecord, KeyOrder, PartnerStatus},
};
use nimbus_core::{
    access::{Environment, Profile, SystemActor},
    ids::{ClinicId, EndpointId, KeyId, PartnerId},
    phi::Phi,
    time::Date,
};
use nimbus_store::{
    Db,
    deliveries::backlog,
    endpoints::{AfterDeadLetter, Endpoint, EndpointStatus, Payload, Shape, Signing, endpoint_insert},
    two_engines,
};
use nimbus_webhooks::{
    dispatcher::{Dispatcher, Settings},
    guard::AddressPolicy,
    signing::SigningSecret,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than anything is believed of a key or an endpoint.
const SETTLED: Duration = Duration::from_millis(2500);
const POLICY: AddressPolicy = AddressPolicy { allow_loopback: true };

fn app(db: &Db) -> App {
    let config = Config {
        environment: Environment::Production,
        pharmacy_zone: TimeZone::UTC,
        rules: nimbus_app::rules::shipped(),
        formulary: formulary::shipped(Environment::Production),
        thresholds: Default::default(),
        address_policy: POLICY,
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
        parcel_reply: |_| Rendered::new(200, Vec::new()),
    };
    App::new(db.clone(), config, Clock::default())
}

/// A receiver that answers 200, and counts what it was sent.
async fn receiver() -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 8192];
            // Whoever connects sends a whole request of this size at most.
            if stream.read(&mut buffer).await.unwrap_or_default() > 0 {
                counted.fetch_add(1, Ordering::Relaxed);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    (url, count)
}

async fn endpoint(db: &Db, clinic: ClinicId, key: KeyId, url: String) -> EndpointId {
    let endpoint = Arc::new(Endpoint {
        id: EndpointId(Uuid::now_v7()),
        clinic_id: clinic,
        shape: Shape::Partner,
        url,
        event_types: vec!["*".to_owned()],
        description: None,
        signing: Signing::Hmac,
        secret: Phi::new(SigningSecret::generate().as_str().to_owned()),
        key_pair: None,
        public_key: None,
        retiring: Vec::new(),
        send_api_key: true,
        key_id: Some(key),
        headers: Phi::default(),
        ordered: false,
        after_dead_letter: AfterDeadLetter::Skip,
        rate_limit_per_second: None,
        payload: Payload::Full,
        retry_schedule: None,
        status: EndpointStatus::Active,
        disabled_reason: None,
        failing_since: None,
        version: 1,
        created_at: wall(),
        updated_at: wall(),
        deleted_at: None,
    });
    let id = endpoint.id;
    let written = db.write(move |tx| {
        let endpoint = Arc::clone(&endpoint);
        Box::pin(async move { endpoint_insert(tx, &endpoint).await })
    });
    written.await.unwrap();
    id
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The key's owner, while it works.
async fn admitted(app: &App, key: &str) -> Option<PartnerActor> {
    match auth::authenticate_key(app, key, IpAddr::V4(Ipv4Addr::LOCALHOST)).await {
        Ok(actor) => Some(actor),
        Err(Error::Unauthorized(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

async fn agreed(app: &App, call: &Call, partner_id: PartnerId, effective_on: Date) -> Baa {
    let record = BaaRecord { partner_id, effective_on, ends_on: None, document_hash: "0".repeat(64) };
    tenancy::baa_record(app, call, record).await.unwrap()
}

async fn pending(db: &Db) -> i64 {
    let read = db.read(|tx| Box::pin(async move { backlog(tx).await }));
    read.await.unwrap().pending
}

two_engines! {
    async fn webhooks_and_keys_end_with_the_agreement_and_go_on_with_a_new_one(db: Db) {
        let (app, call) = (app(&db), Call::system(SystemActor::CommandLine));
        let today = wall().date();
        let (yesterday, tomorrow) = (today.yesterday().unwrap(), today.tomorrow().unwrap());
        let partner = tenancy::partner_create(&app, &call, "Partner".to_owned()).await.unwrap();
        tenancy::partner_set_status(&app, &call, partner.id, PartnerStatus::Approved).await.unwrap();
        let clinic = tenancy::clinic_create(&app, &call, partner.id, "Clinic".to_owned()).await.unwrap();
        let baa = agreed(&app, &call, partner.id, yesterday).await;
        let order = KeyOrder::with_profile(clinic.id, "Backend", Profile::Integration);
        let issued = tenancy::key_issue(&app, &call, order).await.unwrap();
        let (url, count) = receiver().await;
        let hook = endpoint(&db, clinic.id, issued.key.id, url).await;
        let settings = Settings { policy: POLICY, retry_scale: "0.001".parse().unwrap(), gate: app.gate() };
        let stop = CancellationToken::new();
        let dispatcher = Dispatcher::new(db.clone(), settings, Arc::clone(app.handover()), wall);
        let running = tokio::spawn(dispatcher.run(stop.clone()));

        let actor = admitted(&app, &issued.text).await.expect("the key works");
        let partner_call = Call { actor: Actor::Partner(actor), ..call.clone() };
        // What tells of the clinic is written whether or not its key works: the pharmacy goes on.
        let tell = async || {
            endpoints::test(&app, &partner_call, hook, |_| Rendered::new(200, Vec::new())).await.unwrap();
        };
        let arrived = || count.load(Ordering::Relaxed);
        tell().await;
        until("it arrives", async || arrived() == 1).await;

        tenancy::baa_end(&app, &call, baa.id, yesterday).await.unwrap();
        agreed(&app, &call, partner.id, tomorrow).await;
        until("the key ends", async || admitted(&app, &issued.text).await.is_none()).await;
        tokio::time::sleep(SETTLED).await;
        for _ in 0..3 {
            tell().await;
        }
        tokio::time::sleep(SETTLED).await;
        assert_eq!((arrived(), pending(&db).await), (1, 3), "what is told waits");
        let more = KeyOrder::with_profile(clinic.id, "More", Profile::Integration);
        assert!(tenancy::key_issue(&app, &call, more).await.is_err());

        agreed(&app, &call, partner.id, today).await;
        until("the key works again", async || admitted(&app, &issued.text).await.is_some()).await;
        until("what waited arrives", async || arrived() == 4 && pending(&db).await == 0).await;
        stop.cancel();
        running.await.unwrap();
    }
}
