//! The event shapes on the wire: what a fact is called and what its payload says.
//!
//! A payload is rendered once, when its fact is written, and kept as the bytes that are signed and sent.

mod names;
mod partner;

pub use names::{DEFAULT_EVENT_TYPES, EventName, PEOPLE_EVENT_TYPES, is_known, subscribed_name};
pub use partner::{renamed, render, told};

/// An event as one vocabulary tells it, before it has an id and a place in its sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub name: EventName,
    /// The resource that it is about.
    pub subject_id: uuid::Uuid,
    /// The payload's `event_data`.
    pub data: serde_json::Value,
}
