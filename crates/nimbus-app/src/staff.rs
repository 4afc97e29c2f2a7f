//! Accounts of staff: invited, signed in to, kept and ended.

mod attempts;
pub mod factors;
pub mod glass;
pub mod invitations;
pub mod passkeys;
pub(crate) mod passwords;
pub mod sessions;
pub mod sign_in;
mod totp;
pub mod users;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nimbus_core::{
    ids::{ClinicId, UserId},
    staff::IDLE_MINUTES,
};
use nimbus_store::{
    Tx,
    audit::{AuditEntry, audit_statements},
};
use uuid::Uuid;

pub use nimbus_store::staff::{Session, User};

use crate::{
    credentials,
    error::{Error, Result},
    unit::Cx,
};

/// What differs between deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaffSettings {
    /// A session that nobody uses ends after so many minutes.
    pub idle_minutes: u32,
    /// Whether who has no second factor may do nothing but set one up.
    pub needs_second_factor: bool,
}

impl Default for StaffSettings {
    fn default() -> Self {
        Self { idle_minutes: IDLE_MINUTES, needs_second_factor: false }
    }
}

pub(crate) const NO_USER: Error = Error::NotFound("User");
pub(crate) const NO_SESSION: Error = Error::NotFound("Session");

/// A text that nobody guesses, of 256 random bits, and the hash that is stored of it.
pub(crate) fn token() -> Result<(String, [u8; 32])> {
    let mut bytes = [0u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Internal("the system gave no random bytes"))?;
    let text = URL_SAFE_NO_PAD.encode(bytes);
    let hash = credentials::hash(&text);
    Ok((text, hash))
}

/// What is on record of an act on an account, for the one to whom it belongs as well.
pub(crate) fn entry(cx: &Cx, clinic: Option<ClinicId>, action: &'static str, user: UserId) -> AuditEntry {
    cx.audit(clinic, action, "user", Some(user.0))
}

/// Puts an act on record with its transaction.
pub(crate) fn audited(tx: &mut Tx, cx: &Cx, of: &User, action: &'static str) {
    record(tx, entry(cx, of.clinic_id, action, of.id));
}

pub(crate) fn record(tx: &mut Tx, entry: AuditEntry) {
    audit_statements(&[entry]).into_iter().for_each(|statement| tx.at_commit(statement));
}

/// The same for a session, a passkey or another thing of an account.
pub(crate) fn audited_of(tx: &mut Tx, cx: &Cx, of: &User, action: &'static str, what: (&'static str, Uuid)) {
    let (subject, id) = what;
    record(tx, cx.audit(of.clinic_id, action, subject, Some(id)));
}
