//! Use cases: who may do what, decided by the rules, written with its events in one transaction.
//!
//! A surface parses its request into a command and calls one function here; the function checks the actor and
//! the tenant, asks `nimbus-core`, and has `nimbus-store` write the outcome. No HTTP, no SQL, no reply shapes.

pub mod actor;
pub mod audit;
pub mod auth;
pub mod carrier_feed;
pub mod carriers;
pub mod clock;
mod consequences;
pub mod credentials;
pub mod decisions;
mod eligibility;
pub mod endpoint_keys;
pub mod endpoints;
pub mod error;
pub mod event_stream;
pub mod events;
pub mod fills;
pub mod formulary;
mod gates;
mod group;
pub mod holds;
pub mod inventory;
pub mod jobs;
pub mod key_rotation;
pub mod label_purchases;
pub mod labels;
pub mod ledger;
pub mod legal_holds;
pub mod licenses;
pub mod limits;
pub mod links;
pub mod news;
pub mod notices;
#[cfg(debug_assertions)]
mod on_record;
pub mod onboarding;
pub mod operations;
pub mod orders;
pub mod originals;
mod outbox;
pub mod own_keys;
pub mod patients;
pub mod people;
pub mod pharmacy;
pub mod pharmacy_feed;
pub mod practitioners;
pub mod prescription_refills;
pub mod prescriptions;
mod record;
pub mod refill_thresholds;
pub mod refills;
pub mod replays;
pub mod retention;
pub mod rules;
pub mod sandbox;
pub mod sealing;
pub mod shipments;
pub mod signals;
pub mod signatures;
pub mod staff;
pub mod tenancy;
pub mod tracking;
pub mod unit;
pub mod webhook_stats;
pub mod webhook_test;

pub use nimbus_store::page;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::tz::TimeZone;
use nimbus_carriers::provider::Shipping;
use nimbus_core::{
    access::Environment, eligibility::OwnThresholds, formulary::Formulary, rules::Packs, time::Ts,
};
use nimbus_store::{Db, tenants::Gate};
use nimbus_webhooks::{client::WebhookClient, deadline::Deadline, guard::AddressPolicy, handover::Handover};

pub use actor::{Actor, Call, Idempotency, IfMatch, PartnerActor, StaffActor, StaffCredential};
pub use error::{Detail, Error, Fault, FieldError, RefusalCode, Result};
pub use unit::{Render, Rendered, Reply};

use crate::{
    auth::{KeyCache, Proven, TokenCache},
    carrier_feed::CarrierFeeds,
    clock::Clock,
    labels::LabelSettings,
    limits::{Limits, Rates},
    links::Links,
    news::News,
    retention::Ages,
    sandbox::trigger::Triggers,
    staff::{StaffSettings, passwords::Passwords},
};

/// What differs between deployments.
#[derive(Debug, Clone)]
pub struct Config {
    pub environment: Environment,
    /// The pharmacy's time zone: fill dates and "today" are its days.
    pub pharmacy_zone: TimeZone,
    /// The rules packs, chosen by date.
    pub rules: Packs,
    /// When a refill is too soon, where that differs from the pack in force.
    pub thresholds: OwnThresholds,
    /// The drugs that the pharmacy dispenses.
    pub formulary: Arc<Formulary>,
    /// Which addresses webhook endpoints may be registered at.
    pub address_policy: AddressPolicy,
    /// How long a receiver of webhooks has to answer.
    pub deadline: Deadline,
    /// Where the onboarding robot is told of a new practitioner, and the token it shows when it calls back.
    pub onboarding: Option<Onboarding>,
    /// The shared secret of the pharmacy system's inbound feed.
    pub pharmacy_feed_secret: Option<String>,
    /// Who sends parcels, and where links to their labels lead.
    pub labels: LabelSettings,
    /// What passes the services that report where parcels are.
    pub carrier_feeds: CarrierFeeds,
    /// How many requests a minute are admitted.
    pub rates: Rates,
    /// How much time a sandbox's simulated pharmacy and carrier leave between two steps of an order; without it
    /// orders do not advance by themselves.
    pub auto_advance: Option<Duration>,
    /// How long what was told and delivered is kept.
    pub retention: Ages,
    /// How staff sign in, and for how long.
    pub staff: StaffSettings,
    /// Who makes labels, what parcels cost, and where they come from.
    pub shipping: Arc<Shipping>,
    /// How the surface on which staff make parcels writes one: timed work that finishes a purchase keeps the reply that
    /// whoever asked for the label did not get.
    pub parcel_reply: Render<shipments::Created>,
}

/// The onboarding robot.
#[derive(Clone)]
pub struct Onboarding {
    /// Where it is called; without it nothing is sent, and it may still call in.
    pub url: Option<String>,
    pub token: String,
}

impl std::fmt::Debug for Onboarding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Onboarding").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The application: store, configuration, clocks and the bell that wakes the dispatcher. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    config: Config,
    clock: Clock,
    keys: KeyCache,
    tokens: TokenCache,
    proven: Proven,
    passwords: Passwords,
    limits: Limits,
    links: Links,
    handover: Arc<Handover>,
    triggers: Triggers,
    news: News,
    /// Seconds between two steps of an order that advances by itself; 0 is off.
    pace: AtomicU64,
    webhook_client: WebhookClient,
}

impl App {
    pub fn new(db: Db, config: Config, clock: Clock) -> Self {
        let limits = Limits::new(config.rates);
        let labels = &config.labels;
        let links = Links::new(&db.derived_key("links"), &labels.public_url, labels.link_hours);
        let webhook_client = WebhookClient::new(config.address_policy, None);
        let handover = Arc::new(Handover::new(config.deadline));
        let pace = config.auto_advance.map_or(0, |every| every.as_secs());
        let inner = Inner {
            db,
            config,
            clock,
            keys: KeyCache::default(),
            tokens: TokenCache::default(),
            proven: Proven::default(),
            passwords: Passwords::default(),
            limits,
            links,
            handover,
            triggers: Triggers::default(),
            news: News::default(),
            pace: AtomicU64::new(pace),
            webhook_client,
        };
        Self { inner: Arc::new(inner) }
    }

    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The rules packs: `app.rules().on(cx.today)` is the one in force.
    pub fn rules(&self) -> &Packs {
        &self.inner.config.rules
    }

    /// Business time for a caller: a partner's is that of its clinic.
    pub fn now_for(&self, call: &Call) -> Ts {
        self.clock().now().plus_micros(call.actor.clock_ahead_us())
    }

    /// How much time is between two steps of an order, where orders advance by themselves: in a sandbox alone.
    pub fn auto_advance(&self) -> Option<Duration> {
        let pace = Some(self.inner.pace.load(Ordering::Relaxed));
        let is_sandbox = self.environment() == Environment::Sandbox;
        pace.filter(|pace| *pace > 0 && is_sandbox).map(Duration::from_secs)
    }

    /// Has orders advance by themselves from now on.
    pub fn start_auto_advance(&self, every: Duration) {
        self.inner.pace.store(every.as_secs(), Ordering::Relaxed);
    }

    pub fn environment(&self) -> Environment {
        self.inner.config.environment
    }

    /// What is asked of a partner before anything of its clinics is shown or sent.
    pub fn gate(&self) -> Gate {
        Gate::of(self.environment())
    }

    /// The drugs that the pharmacy dispenses.
    pub fn formulary(&self) -> &Formulary {
        &self.inner.config.formulary
    }

    /// Where commits leave what the dispatcher sends.
    pub fn handover(&self) -> &Arc<Handover> {
        &self.inner.handover
    }

    /// The requests for events of a sandbox that are written together.
    pub(crate) fn triggers(&self) -> &Triggers {
        &self.inner.triggers
    }

    /// Those who wait for events.
    pub fn news(&self) -> &News {
        &self.inner.news
    }

    /// The counts of requests.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// What sends a test while its caller waits; deliveries are the dispatcher's.
    pub(crate) fn webhook_client(&self) -> &WebhookClient {
        &self.inner.webhook_client
    }

    /// What signs links to labels and tracking pages.
    pub fn links(&self) -> &Links {
        &self.inner.links
    }

    pub(crate) fn tokens(&self) -> &TokenCache {
        &self.inner.tokens
    }

    pub(crate) fn keys(&self) -> &KeyCache {
        &self.inner.keys
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    pub(crate) fn proven(&self) -> &Proven {
        &self.inner.proven
    }
}
