//! The audit log as a file that is checked without the store: a JSON object a line, `kind` says of what.
//!
//! First comes what the hash before was, then a line for each link in its order, and at the end a signed checkpoint of the
//! last. A row that was not asked for is there with its hash alone, so that the chain can be followed.

use std::io::BufRead;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nimbus_core::time::Ts;
use nimbus_store::audit::{
    AuditRow, Checkpoint, Hash, Linked, PublicKey, checkpoint_content, link_hash, row_hash,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A longer line is of no export.
const LINE_MAX: u64 = 1 << 20;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    Begin(Begin),
    Row(Row),
    Other(Other),
    Missing(Missing),
    Checkpoint(Signed),
}

/// Where the file begins: after this link, whose hash this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    pub after: i64,
    pub hash: String,
}

/// A row and its link. Times are microseconds since 1970, too: what is hashed is exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub sequence: i64,
    pub hash: String,
    pub id: Uuid,
    pub clinic_id: Option<Uuid>,
    pub at: String,
    pub at_micros: i64,
    pub actor_kind: String,
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub subject_id: Option<Uuid>,
    pub request_id: Option<String>,
    pub address: Option<String>,
    pub reason: Option<String>,
}

/// A link whose row was not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    pub sequence: i64,
    pub hash: String,
    pub row_hash: String,
}

/// A link whose row is not in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub sequence: i64,
    pub hash: String,
    pub id: Uuid,
}

/// A checkpoint with what it is checked by, as it is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    pub number: i64,
    pub sequence: i64,
    pub hash: String,
    pub at: String,
    pub at_micros: i64,
    pub key_id: Uuid,
    pub public_key: String,
    pub signature: String,
}

impl Line {
    /// The line of a link: its row, if that is wanted.
    pub fn of(linked: &Linked, is_wanted: impl Fn(&AuditRow) -> bool) -> Self {
        let (sequence, hash) = (linked.link.sequence, hex::encode(linked.link.hash));
        match &linked.row {
            None => Self::Missing(Missing { sequence, hash, id: linked.link.place.id.0 }),
            Some(row) if is_wanted(row) => Self::Row(Row {
                sequence,
                hash,
                id: row.id.0,
                clinic_id: row.clinic_id.map(|clinic| clinic.0),
                at: row.at.to_string(),
                at_micros: row.at.micros(),
                actor_kind: row.actor_kind.clone(),
                actor: row.actor.clone(),
                action: row.action.clone(),
                subject: row.subject.clone(),
                subject_id: row.subject_id,
                request_id: row.request_id.clone(),
                address: row.address.clone(),
                reason: row.reason.clone(),
            }),
            Some(row) => Self::Other(Other { sequence, hash, row_hash: hex::encode(row_hash(row)) }),
        }
    }

    /// As it is written, with the end of the line.
    pub fn to_text(&self) -> String {
        // Texts and numbers always serialise.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl Row {
    fn row(&self) -> AuditRow {
        AuditRow {
            id: self.id.into(),
            clinic_id: self.clinic_id.map(Into::into),
            at: Ts::from_micros(self.at_micros),
            actor_kind: self.actor_kind.clone(),
            actor: self.actor.clone(),
            action: self.action.clone(),
            subject: self.subject.clone(),
            subject_id: self.subject_id,
            request_id: self.request_id.clone(),
            address: self.address.clone(),
            reason: self.reason.clone(),
        }
    }
}

impl Signed {
    pub fn of(checkpoint: &Checkpoint, key: &PublicKey) -> Self {
        Self {
            number: checkpoint.number,
            sequence: checkpoint.sequence,
            hash: hex::encode(checkpoint.hash),
            at: checkpoint.at.to_string(),
            at_micros: checkpoint.at.micros(),
            key_id: checkpoint.key_id,
            public_key: STANDARD.encode(&key.bytes),
            signature: STANDARD.encode(&checkpoint.signature),
        }
    }

    /// Reads a kept checkpoint: a line of its kind.
    ///
    /// # Errors
    /// When it is none, or its own key did not sign it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        match serde_json::from_str(text.trim()) {
            Ok(Line::Checkpoint(signed)) if signed.is_signed() => Ok(signed),
            Ok(Line::Checkpoint(_)) => {
                Err(Problem { line: 1, what: "the checkpoint is not what was signed" })
            }
            _ => Err(Problem { line: 1, what: "this is no checkpoint" }),
        }
    }

    fn is_signed(&self) -> bool {
        let (Some(hash), Ok(key), Ok(signature)) =
            (read_hash(&self.hash), STANDARD.decode(&self.public_key), STANDARD.decode(&self.signature))
        else {
            return false;
        };
        let at = Ts::from_micros(self.at_micros);
        let content = checkpoint_content(self.number, self.sequence, &hash, at, self.key_id);
        PublicKey { id: self.key_id, bytes: key, is_ours: false }.has_signed(&content, &signature)
            && self.at == at.to_string()
    }

    /// As the store has it.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let at = Ts::from_micros(self.at_micros);
        Some(Checkpoint {
            number: self.number,
            sequence: self.sequence,
            hash: read_hash(&self.hash)?,
            at,
            key_id: self.key_id,
            signature: STANDARD.decode(&self.signature).ok()?,
            earliest_at: at,
            latest_at: at,
        })
    }
}

fn read_hash(text: &str) -> Option<Hash> {
    hex::decode(text).ok()?.try_into().ok()
}

/// Why a file proves nothing, and the line at which that shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Problem {
    pub line: u64,
    pub what: &'static str,
}

/// What a file proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The link before the first, and the last one.
    pub after: i64,
    pub until: i64,
    /// Rows that are there as they were.
    pub rows: u64,
    pub checkpoint: Signed,
}

/// Checks a file from its first line to its last, a line at a time. `kept` is a checkpoint that was kept elsewhere: the
/// file's must be by the same key, and the chain must come by it if it reaches that far.
///
/// # Errors
/// The first line at which the file is not what was exported.
pub fn check(mut reader: impl BufRead, kept: Option<&Signed>) -> Result<Proven, Problem> {
    let mut at = 0;
    let mut next = || -> Result<Option<(u64, Line)>, Problem> {
        at += 1;
        let mut text = String::new();
        let limited = &mut std::io::Read::take(&mut reader, LINE_MAX);
        let wrong = |what| Problem { line: at, what };
        match limited.read_line(&mut text) {
            Err(_) => Err(wrong("the line cannot be read")),
            Ok(0) => Ok(None),
            Ok(_) => {
                let line = serde_json::from_str(&text).map_err(|_| wrong("this is no line of an export"))?;
                Ok(Some((at, line)))
            }
        }
    };
    let Some((_, Line::Begin(begin))) = next()? else {
        return Err(Problem { line: 1, what: "an export begins with the hash before it" });
    };
    let hash = read_hash(&begin.hash).ok_or(Problem { line: 1, what: "the hash is none" })?;
    let mut chain = Chain { sequence: begin.after, hash, rows: 0 };
    let mut last = 1;
    while let Some((line, read)) = next()? {
        let wrong = |what| Problem { line, what };
        last = line;
        match read {
            Line::Begin(_) => return Err(wrong("an export begins once")),
            Line::Row(row) => {
                let written_at = Ts::from_micros(row.at_micros).to_string();
                if row.at != written_at {
                    return Err(wrong("the row is not what was linked"));
                }
                chain.rows += 1;
                chain.follow(row.sequence, &row.hash, &row_hash(&row.row())).map_err(wrong)?;
            }
            Line::Other(other) => {
                let hash = read_hash(&other.row_hash).ok_or(wrong("the hash is none"))?;
                chain.follow(other.sequence, &other.hash, &hash).map_err(wrong)?;
            }
            Line::Missing(_) => return Err(wrong("the row was not in the log when it was exported")),
            Line::Checkpoint(signed) => {
                chain.end(&signed, kept).map_err(wrong)?;
                if next()?.is_some() {
                    return Err(Problem { line: line + 1, what: "an export ends with its checkpoint" });
                }
                let Chain { sequence, rows, .. } = chain;
                return Ok(Proven { after: begin.after, until: sequence, rows, checkpoint: signed });
            }
        }
        if let Some(kept) = kept
            && kept.sequence == chain.sequence
            && read_hash(&kept.hash) != Some(chain.hash)
        {
            return Err(wrong("the chain is another than the one whose checkpoint was kept"));
        }
    }
    Err(Problem { line: last + 1, what: "the export ends without its checkpoint" })
}

struct Chain {
    sequence: i64,
    hash: Hash,
    rows: u64,
}

impl Chain {
    fn follow(&mut self, sequence: i64, hash: &str, row: &Hash) -> Result<(), &'static str> {
        if sequence != self.sequence + 1 {
            return Err("a link is not the next one");
        }
        let should = link_hash(sequence, &self.hash, row);
        if read_hash(hash) != Some(should) {
            return Err("the row is not what was linked");
        }
        (self.sequence, self.hash) = (sequence, should);
        Ok(())
    }

    fn end(&self, signed: &Signed, kept: Option<&Signed>) -> Result<(), &'static str> {
        if !signed.is_signed() {
            return Err("the checkpoint is not what was signed");
        }
        if (signed.sequence, read_hash(&signed.hash)) != (self.sequence, Some(self.hash)) {
            return Err("the checkpoint is of another link");
        }
        match kept {
            Some(kept) if (kept.key_id, &kept.public_key) != (signed.key_id, &signed.public_key) => {
                Err("the checkpoint is by another key than the one that was kept")
            }
            _ => Ok(()),
        }
    }
}
