//! The platform's own tables on both engines: each test is one scenario of everything a file of queries does.

mod audit;
mod deliveries;
mod endpoints;
mod event_feed;
mod events;
mod idempotency;
mod jobs;
mod keys;
mod ledger;
mod lines;
mod notices;
mod rate_usage;
mod replays;
mod reseal;
mod retention;
mod roots;
mod sandbox;
mod settings;
mod staff;
mod support;
mod tenants;
