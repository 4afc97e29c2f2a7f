//! The `nimbus` binary from outside: real processes, real HTTP, both engines.

mod support;

mod authorisation;
mod caching;
mod carriers;
mod cli;
mod contract;
mod corners;
mod cors;
mod crash;
mod delivery;
mod events;
mod formulary;
mod gates;
mod holds;
mod idempotency;
mod idempotency_property;
mod inventory;
mod labels;
mod lifecycle;
mod limits;
mod lots_printed;
mod orders_api;
mod parcels_once;
mod partner_api;
mod people;
mod privacy;
mod races;
mod receivers;
mod refusals;
mod rules;
mod rules_on_record;
mod sandbox;
mod shutdown;
mod tenancy;
mod tracking;
