//! What must hold whatever is sent: a function for each target, which panics where it does not.
//!
//! `scripts/fuzz` looks for bytes that break one of them; `tests/replay.rs` tries those that are on file.

mod credentials;
mod passkeys;
mod signatures;
mod surfaces;
mod urls;
mod world;

pub use self::{
    credentials::key_parse,
    passkeys::passkey,
    signatures::signature,
    surfaces::{carrier_feed, cursor, idempotency, order_document, pharmacy_feed},
    urls::address_guard,
};

/// What a target does with bytes.
pub type Check = fn(&[u8]);

/// Every target, by its name.
pub const TARGETS: [(&str, Check); 9] = [
    ("key_parse", key_parse),
    ("cursor", cursor),
    ("idempotency", idempotency),
    ("signature", signature),
    ("address_guard", address_guard),
    ("carrier_feed", carrier_feed),
    ("pharmacy_feed", pharmacy_feed),
    ("order_document", order_document),
    ("passkey", passkey),
];
