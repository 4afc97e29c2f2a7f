//! Webhooks out, as a receiver sees them.

mod addresses;
mod endpoints;
mod hostile;
mod options;
mod ordered;
mod payloads;
mod replays;
mod retries;
mod signing;
mod stats;
mod subscriptions;
