//! The pharmacy's licences: what it may send to which state, until when.

use crate::{
    ids::LicenseId,
    time::{Date, Ts},
    us::State,
};

pub use crate::rules::LicenseCategory;

/// One permit of one state. Nearly every state asks a pharmacy outside it for one, many for another one for controlled
/// drugs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    pub id: LicenseId,
    pub state: State,
    pub category: LicenseCategory,
    /// As the state's board writes it.
    pub number: String,
    /// The last day on which it holds.
    pub expires_on: Date,
    pub version: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
}
