//! Deliveries when things go wrong in the middle: faults at every point of their way, clocks that jump, receivers that
//! fail for days, changes that cross. Several nodes run in this process, on one store.

mod book;
mod clocks;
mod crossing;
mod disabled;
mod node;
mod receiver;
mod seeds;
mod world;
