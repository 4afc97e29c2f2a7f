//! The event shapes on the wire: what a fact is called in each, what its payload says, and the catalogue of both.
//!
//! A payload is rendered once for each shape, when its fact is written, and kept as the bytes that are signed and
//! sent.

mod catalogue;
mod names;
mod orders;
mod partner;
mod samples;
mod wire;

use nimbus_core::{
    event::{Event, Fact},
    ids::EventId,
};
use nimbus_store::endpoints::Shape;
use uuid::Uuid;

pub use catalogue::{CatalogueEntry, any_event, catalogue, sample};
pub use names::{EventName, default_event_types, is_known, known, subscribed_name, types_of};
pub use partner::renamed;

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
