//! The store: the only crate that names a database driver. Two engines (SQLite, PostgreSQL), one text for each
//! query, patient data sealed before it is written.

pub mod audit;
pub mod clinic_drugs;
pub mod counters;
pub mod custody;
pub mod decisions;
pub mod deliveries;
mod documents;
pub mod endpoints;
mod engine;
mod error;
pub mod events;
pub mod fault;
pub mod free_shipping;
pub mod history;
pub mod idempotency;
pub mod inventory;
pub mod jobs;
pub mod keyring;
pub mod keys;
pub mod label_purchases;
pub mod ledger;
pub mod legal_holds;
pub mod licenses;
pub mod migrate;
pub mod notices;
pub mod orders;
pub mod originals;
pub mod page;
pub mod patients;
pub mod people;
pub mod practitioners;
pub mod prescriptions;
pub mod rate_usage;
pub mod refill_thresholds;
pub mod refills;
pub mod replays;
pub mod reseal;
pub mod retention;
pub mod roots;
mod rows;
pub mod rules_packs;
pub mod sandbox;
mod seal;
pub mod settings;
pub mod shipments;
pub mod signatures;
pub mod staff;
pub mod tenants;
#[cfg(feature = "testing")]
pub mod testing;

pub use engine::{
    BoxFuture, Cell, Channel, Columns, Db, Engine, FromColumn, Row, Statement, Tx, Value,
    partitions::{ensure_partitions, partition_boundary, partitions_drop, partitions_tidy},
};
pub use error::{Error, JobError, Place, Result, SealError, Source};
pub use seal::{ClinicKeys, MasterKey, SealedAt};
