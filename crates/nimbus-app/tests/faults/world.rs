//! What the tests here begin with: clinics with endpoints, and what the store says of their deliveries.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;
use nimbus_app::{
    Actor, App, Call, Config, PartnerActor, Rendered, Result,
    clock::{Clock, wall},
    endpoints::FieldNames,
    formulary,
    limits::Rates,
    sandbox::trigger::{Trigger, trigger},
};
use nimbus_core::{
    access::{Environment, Scope, Scopes},
    ids::{ClinicId, EndpointId, KeyId},
    phi::Phi,
    rate::KeyRates,
};
use nimbus_store::{
    Db,
    deliveries::backlog,
    endpoints::{
        AfterDeadLetter, Endpoint, EndpointStatus, Payload, Shape, Signing, endpoint_get, endpoint_insert,
    },
    ledger::{Ledger, ledger_check},
    tenants::{Clinic, Partner, PartnerStatus, clinic_insert, partner_insert},
};
use nimbus_webhooks::{deadline::Deadline, guard::AddressPolicy, signing::SigningSecret};
use serde_json::json;
use uuid::Uuid;

use crate::receiver::Receiver;

/// Leases last three times as long.
pub(crate) const DEADLINE: Deadline = match Deadline::of_seconds(1) {
    Some(deadline) => deadline,
    None => panic!("a second is long enough"),
};
/// How long something may take that is not to wait for a time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// What a refusal would name.
pub(crate) const NAMES: FieldNames = FieldNames {
    url: "url",
    event_types: "event_types",
    headers: "headers",
    rate_limit_per_second: "rate_limit_per_second",
    retry_schedule: "retry_schedule",
    status: "status",
    clinic: "clinic_id",
};
pub(crate) const EVENT: &str = "shipment:cancelled";

pub(crate) fn app(db: &Db) -> App {
    let config = Config {
        environment: Environment::Sandbox,
        pharmacy_zone: TimeZone::UTC,
        rules: nimbus_app::rules::shipped(),
        formulary: formulary::shipped(Environment::Sandbox),
        thresholds: Default::default(),
        address_policy: AddressPolicy { allow_loopback: true },
        deadline: DEADLINE,
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

/// A wall clock that can be set ahead, for one test: others run beside it.
macro_rules! clock {
    ($now:ident, $ahead:ident) => {
        static $ahead: AtomicI64 = AtomicI64::new(0);

        fn $now() -> Ts {
            wall().plus_micros($ahead.load(Ordering::Relaxed))
        }
    };
}
pub(crate) use clock;

/// A clinic's endpoint, known by its path.
#[derive(Clone)]
pub(crate) struct Lane {
    pub(crate) clinic: ClinicId,
    pub(crate) id: EndpointId,
    pub(crate) ordered: bool,
    pub(crate) path: String,
}

/// A clinic with two endpoints at a receiver, the first of them in order, and its key.
pub(crate) async fn clinic(db: &Db, receiver: &Receiver) -> (PartnerActor, [Lane; 2]) {
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
        scopes: Scopes::of(&[Scope::WebhooksWrite, Scope::WebhooksRead]),
        rates: KeyRates::default(),
        key_expires_at: None,
        clock_ahead_us: 0,
    };
    let lanes = [true, false].map(|ordered| Lane {
        clinic: clinic.id,
        id: EndpointId(Uuid::now_v7()),
        ordered,
        path: format!("/{}/{ordered}", clinic.id),
    });
    let endpoints = lanes.clone().map(|lane| endpoint(&lane, &receiver.url));
    let rows = Arc::new((partner, clinic, endpoints));
    let written = db.write(move |tx| {
        let rows = Arc::clone(&rows);
        Box::pin(async move {
            partner_insert(tx, &rows.0).await?;
            clinic_insert(tx, &rows.1).await?;
            for endpoint in &rows.2 {
                endpoint_insert(tx, endpoint).await?;
            }
            Ok::<_, nimbus_store::Error>(())
        })
    });
    written.await.expect("a clinic is made");
    (actor, lanes)
}

fn endpoint(lane: &Lane, url: &str) -> Endpoint {
    Endpoint {
        id: lane.id,
        clinic_id: lane.clinic,
        shape: Shape::Partner,
        url: format!("{url}{}", lane.path),
        event_types: vec![EVENT.to_owned(), "webhook:disabled".to_owned()],
        description: None,
        signing: Signing::Hmac,
        secret: Phi::new(SigningSecret::generate().as_str().to_owned()),
        key_pair: None,
        public_key: None,
        retiring: Vec::new(),
        send_api_key: false,
        key_id: None,
        headers: Phi::default(),
        ordered: lane.ordered,
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
    }
}

pub(crate) fn call(actor: &PartnerActor) -> Call {
    Call {
        actor: Actor::Partner(actor.clone()),
        request_id: "req_test".to_owned(),
        address: None,
        idempotency: None,
        if_match: None,
    }
}

/// Publishes one event, which carries this id. When it is answered with success, it must arrive.
pub(crate) async fn publish(app: &App, actor: &PartnerActor, id: Uuid) -> Result<()> {
    let data = Some(json!({ "id": id }).to_string());
    let command = Trigger { clinic: None, event_type: EVENT.to_owned(), count: 1, data };
    trigger(app, &call(actor), command, |_| Rendered::new(200, Vec::new())).await.map(drop)
}

/// What the store says of all deliveries, counted one by one; the ledger must say the same.
pub(crate) async fn balanced(db: &Db) -> Ledger {
    let read = db.read(|tx| {
        Box::pin(async move { Ok::<_, nimbus_store::Error>((backlog(tx).await?, ledger_check(tx).await?)) })
    });
    let (counted, checked) = read.await.expect("the ledger is read");
    assert!(checked.is_balanced(), "the ledger does not balance: {checked:?}");
    counted
}

/// Waits until this is so.
pub(crate) async fn until(what: &str, patience: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < patience, "{what}: not within {patience:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn status_of(db: &Db, lane: &Lane) -> (EndpointStatus, Option<String>) {
    let (clinic, id) = (lane.clinic, lane.id);
    let read = db.read(move |tx| Box::pin(endpoint_get(tx, clinic, id)));
    let found = read.await.expect("endpoints are read").expect("it is there");
    (found.status, found.disabled_reason)
}
