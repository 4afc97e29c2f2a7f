//! The pharmacy's aggregates on both engines: each test is one scenario of everything a file of queries does.

mod clinic_drugs;
mod decisions;
mod history;
mod inventory;
mod licenses;
mod orders;
mod originals;
mod patients;
mod people;
mod practitioners;
mod prescriptions;
mod refills;
mod shipments;
mod shipping;
mod support;
