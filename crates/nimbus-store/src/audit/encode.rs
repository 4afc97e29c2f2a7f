//! What is hashed and signed, so that anybody can compute it again from an export.
//!
//! A *text* below is four bytes of length, most significant first, and so many bytes of UTF-8. Numbers are eight bytes,
//! most significant first, in two's complement; a time is a number of microseconds since 1970-01-01T00:00:00Z; an id is
//! its sixteen bytes, a hash its thirty-two. What may be absent has a byte before it: 0, and nothing follows, or 1.
//!
//! - *Row*: SHA-256 of the text `nimbus audit row 1`, then id, clinic (may be absent), time, the texts actor kind, actor,
//!   action and subject, then subject's id, and the texts request id, address and reason (the last four may be absent).
//! - *Link*: SHA-256 of the text `nimbus audit link 1`, its sequence as a number, the hash of the link before it (zeros
//!   for the first), and the hash of its row. A reader who may not see a row is given its hash, and can follow the
//!   chain all the same; a row's id has 74 random bits, so that its hash does not tell what is in it.
//! - *Checkpoint*: ed25519 (RFC 8032) over the text `nimbus audit checkpoint 1`, its number, the sequence of the last
//!   link that it covers, that link's hash, its time, and the id of its key.

use aws_lc_rs::digest::{Context, SHA256};
use nimbus_core::time::Ts;
use uuid::Uuid;

use super::AuditRow;

/// A SHA-256.
pub type Hash = [u8; 32];

/// What comes before the first link.
pub const BEFORE_FIRST: Hash = [0; 32];

/// The hash of a row, all of it but its place in the log, which its link has.
pub fn row_hash(row: &AuditRow) -> Hash {
    let mut bytes = Bytes::new("nimbus audit row 1");
    bytes.id(row.id.0);
    bytes.option(row.clinic_id, |bytes, clinic| bytes.id(clinic.0));
    bytes.number(row.at.micros());
    for text in [&row.actor_kind, &row.actor, &row.action, &row.subject] {
        bytes.text(text);
    }
    bytes.option(row.subject_id, Bytes::id);
    for text in [&row.request_id, &row.address, &row.reason] {
        bytes.option(text.as_deref(), Bytes::text);
    }
    sha256(&bytes.0)
}

/// The hash of a link.
pub fn link_hash(sequence: i64, before: &Hash, row: &Hash) -> Hash {
    let mut bytes = Bytes::new("nimbus audit link 1");
    bytes.number(sequence);
    bytes.0.extend_from_slice(before);
    bytes.0.extend_from_slice(row);
    sha256(&bytes.0)
}

/// What a checkpoint's signature is over.
pub fn checkpoint_content(number: i64, sequence: i64, hash: &Hash, at: Ts, key: Uuid) -> Vec<u8> {
    let mut bytes = Bytes::new("nimbus audit checkpoint 1");
    bytes.number(number);
    bytes.number(sequence);
    bytes.0.extend_from_slice(hash);
    bytes.number(at.micros());
    bytes.id(key);
    bytes.0
}

fn sha256(bytes: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

struct Bytes(Vec<u8>);

impl Bytes {
    /// What says what is encoded stands first, so that no two kinds of thing are written alike.
    fn new(domain: &str) -> Self {
        let mut bytes = Self(Vec::with_capacity(384));
        bytes.text(domain);
        bytes
    }

    fn text(&mut self, text: &str) {
        // No column of the log is near 4 GiB: its words are closed sets, and requests are bounded.
        self.0.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn id(&mut self, id: Uuid) {
        self.0.extend_from_slice(id.as_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use nimbus_core::ids::{AuditId, ClinicId};

    use super::*;

    fn row() -> AuditRow {
        AuditRow {
            id: AuditId(Uuid::from_u128(1)),
            clinic_id: Some(ClinicId(Uuid::from_u128(2))),
            at: Ts::from_micros(3),
            actor_kind: "key".to_owned(),
            actor: "a".to_owned(),
            action: "patient.read".to_owned(),
            subject: "patient".to_owned(),
            subject_id: Some(Uuid::from_u128(4)),
            request_id: Some("req_1".to_owned()),
            address: None,
            reason: Some(String::new()),
        }
    }

    /// Computed by Python's `hashlib` and `struct` from the words above, not by this program.
    #[test]
    fn an_outsider_computes_the_same() {
        let row = row_hash(&row());
        assert_eq!(hex::encode(row), ROW);
        assert_eq!(hex::encode(link_hash(1, &BEFORE_FIRST, &row)), LINK);
        let content = checkpoint_content(1, 2, &[5; 32], Ts::from_micros(-1), Uuid::from_u128(6));
        assert_eq!(hex::encode(sha256(&content)), CHECKPOINT);
    }

    const ROW: &str = "9a53f63363dde95e6e6002bc5b49c8a1efe9fe4c6df49c44c53e390b10103ef9";
    const LINK: &str = "7016f0a71c0e42e7ed74c2b53655e5fe8d42c2cf1b2de7c0a7d9d45f32b78aec";
    const CHECKPOINT: &str = "e767bf7e7639628a125b10331180945322c80e7ea97d1d28219eaaceb355180f";

    #[test]
    fn every_column_counts_and_none_runs_into_the_next() {
        type Edit = fn(&mut AuditRow);
        let edits: [Edit; 17] = [
            |row| row.id = AuditId(Uuid::from_u128(9)),
            |row| row.clinic_id = None,
            |row| row.clinic_id = Some(ClinicId(Uuid::from_u128(9))),
            |row| row.at = Ts::from_micros(4),
            |row| row.actor_kind = "ke".to_owned(),
            |row| (row.actor_kind, row.actor) = ("ke".to_owned(), "ya".to_owned()),
            |row| row.actor = "b".to_owned(),
            |row| row.action = "patient.list".to_owned(),
            |row| row.subject = "order".to_owned(),
            |row| row.subject_id = None,
            |row| row.request_id = None,
            |row| row.request_id = Some("req_2".to_owned()),
            |row| row.address = Some(String::new()),
            |row| (row.request_id, row.address) = (None, Some("req_1".to_owned())),
            |row| row.reason = None,
            |row| row.reason = Some("x".to_owned()),
            |_| {},
        ];
        let edited = edits.map(|edit| {
            let mut row = row();
            edit(&mut row);
            row_hash(&row)
        });
        assert_eq!(BTreeSet::from(edited).len(), edits.len());
        let (one, other) = (row_hash(&row()), [9; 32]);
        let links = [
            link_hash(1, &BEFORE_FIRST, &one),
            link_hash(2, &BEFORE_FIRST, &one),
            link_hash(1, &other, &one),
            link_hash(1, &BEFORE_FIRST, &other),
        ];
        assert_eq!(BTreeSet::from(links).len(), 4);
    }
}
