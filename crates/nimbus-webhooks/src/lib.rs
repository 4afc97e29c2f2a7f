//! Webhooks out: signing, the retry schedule, the address guard and the one client that dials partner URLs.
//!
//! No other crate opens a connection to an address that a partner chose, so what [`guard`] refuses is
//! refused everywhere.

pub mod attempt;
pub mod breaker;
pub mod cause;
pub mod client;
pub mod connector;
pub mod deadline;
pub mod dial;
pub mod dispatcher;
pub mod guard;
pub mod handover;
pub mod kept;
pub mod metrics;
pub mod outbox;
pub mod payload;
pub mod resolver;
pub mod schedule;
pub mod signing;
pub mod url;
