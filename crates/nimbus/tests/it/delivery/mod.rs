//! Webhooks out, as a receiver sees them.

mod addresses;
mod endpoints;
mod hostile;
mod options;
mod ordered;
mod payloads;
mod replays;
mod resends;
mod retries;
mod signing;
mod staff;
mod stats;
mod subscriptions;
