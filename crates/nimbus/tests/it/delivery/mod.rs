//! Webhooks out, as a receiver sees them.

mod addresses;
mod endpoints;
mod payloads;
mod retries;
mod signing;
mod subscriptions;
