//! The event shapes on the wire: what a fact is called in each, what its payload says, and the catalogue of both.
//!
//! A payload is rendered once for each shape, when its fact is written, and kept as the bytes that are signed and
//! sent.

mod catalogue;
mod names;
mod orders;
mod partner;
mod samples;
mod thin;
mod wire;

use bytes::Bytes;
use nimbus_core::{
    event::{Event, Fact},
    ids::EventId,
};
use nimbus_store::endpoints::{Payload, Shape};
use uuid::Uuid;

pub use catalogue::{CatalogueEntry, any_event, catalogue, sample, sample_of_clinic, triggerable};
pub use names::{EventName, default_event_types, is_known, known, resent_name, subscribed_name, types_of};
pub use partner::renamed;
pub use thin::thin;

/// What a fact is called in a shape, and which resource it is about; `None` where the shape does not tell of it.
pub fn named(shape: Shape, fact: &Fact) -> Option<(EventName, Uuid)> {
    match shape {
        Shape::Partner => partner::named(fact),
        Shape::Orders => orders::named(fact),
    }
}

/// The payload's bytes, as they are signed and sent; `None` where the shape does not tell of the fact.
pub fn render(shape: Shape, event: &Event, id: EventId, sequence: Option<i64>) -> Option<Vec<u8>> {
    match shape {
        Shape::Partner => partner::render(event, id, sequence),
        Shape::Orders => orders::render(event, id, sequence),
    }
}

/// The bytes that an endpoint is sent of a stored payload: under the name that it subscribed to, and as thin as it
/// asked for. These are what is signed.
pub fn as_sent(shape: Shape, payload: Payload, body: Bytes, event_name: &str) -> Bytes {
    let body = match payload {
        Payload::Full => body,
        Payload::Thin => thin(shape, &body),
    };
    match shape {
        Shape::Partner => renamed(body, event_name),
        Shape::Orders => body,
    }
}

/// The payload of an event that a sandbox was asked for: it says so in its last member, `"triggered": true`, and may
/// carry other data than its own. What real events send is untouched.
///
/// `data` is the text of a JSON object.
pub fn triggered(shape: Shape, body: Vec<u8>, data: Option<&str>) -> Vec<u8> {
    const MARK: &[u8] = b",\"triggered\":true}";
    // In both envelopes the data are last, after ids, names and times, none of which has a quotation mark in it.
    let member: &[u8] = match shape {
        Shape::Partner => b",\"event_data\":",
        Shape::Orders => b",\"data\":",
    };
    let Some(at) = body.windows(member.len()).position(|window| window == member) else { return body };
    let Some(whole) = body.strip_suffix(b"}") else { return body };
    match data {
        None => [whole, MARK].concat(),
        Some(data) => [&body[..at + member.len()], data.as_bytes(), MARK].concat(),
    }
}
