//! Carriers: services, calendar, rates and labels, and the connectors to systems beside the pharmacy.

pub mod calendar;
pub mod labels;
pub mod onboarding;
mod services;

pub use calendar::{Transit, cold_services, estimated_delivery, transit};
pub use services::{CARRIERS, Carrier, Service, carrier, delivery_method, service_of};
