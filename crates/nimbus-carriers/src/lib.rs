//! Carriers: services, calendar, rates and labels, and the connectors to systems beside the pharmacy.

pub mod built_in;
pub mod calendar;
pub mod labels;
pub mod onboarding;
pub mod provider;
pub mod rates;
mod services;
pub mod shipengine;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tracking_words;

pub use calendar::{Transit, estimated_delivery, transit};
pub use services::{CARRIERS, Carrier, Service, bears, carrier, delivery_method, service_of};
