//! Checkpoints: signed statements of what the chain is, to be kept elsewhere.

use nimbus_core::time::Ts;
use uuid::Uuid;

use super::{
    chain::{chain_head, read_hash},
    encode::{Hash, checkpoint_content},
    keys,
};
use crate::{
    engine::{Row, Tx},
    error::{Error, Result},
};

/// What the chain is, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub number: i64,
    /// The last link that it covers, and so the number of rows.
    pub sequence: i64,
    /// That link's.
    pub hash: Hash,
    /// Wall time of the signature.
    pub at: Ts,
    pub key_id: Uuid,
    pub signature: Vec<u8>,
    /// Of the rows since the checkpoint before; not signed.
    pub earliest_at: Ts,
    pub latest_at: Ts,
}

impl Checkpoint {
    /// What the signature is over.
    pub fn content(&self) -> Vec<u8> {
        checkpoint_content(self.number, self.sequence, &self.hash, self.at, self.key_id)
    }
}

/// Signs what the chain is now; `None` if that is signed already.
///
/// # Errors
/// `Conflict` if the chain went on meanwhile, or two sign at once.
pub async fn checkpoint_write(tx: &mut Tx, now: Ts) -> Result<Option<Checkpoint>> {
    let head = chain_head(tx).await?;
    let Some((earliest_at, latest_at)) = head.times else { return Ok(None) };
    let number = head.checkpoint + 1;
    let sql = "update audit_chain set checkpoint = $3, earliest_at = null, latest_at = null
        where id = 1 and sequence = $1 and checkpoint = $2";
    let args = [head.sequence.into(), head.checkpoint.into(), number.into()];
    if tx.execute(sql, &args).await? == 0 {
        return Err(Error::Conflict);
    }
    let signer = keys::signer(tx, now).await?;
    let content = checkpoint_content(number, head.sequence, &head.hash, now, signer.id);
    let checkpoint = Checkpoint {
        number,
        sequence: head.sequence,
        hash: head.hash,
        at: now,
        key_id: signer.id,
        signature: signer.sign(&content),
        earliest_at,
        latest_at,
    };
    let sql = "insert into audit_checkpoints
            (number, sequence, hash, at, key_id, signature, earliest_at, latest_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let args = [
        number.into(),
        checkpoint.sequence.into(),
        checkpoint.hash.as_slice().into(),
        now.into(),
        checkpoint.key_id.into(),
        checkpoint.signature.as_slice().into(),
        earliest_at.into(),
        latest_at.into(),
    ];
    tx.execute(sql, &args).await?;
    Ok(Some(checkpoint))
}

macro_rules! checkpoint_columns {
    () => {
        "number, sequence, hash, at, key_id, signature, earliest_at, latest_at"
    };
}

fn read_checkpoint(row: &Row) -> Result<Checkpoint> {
    let mut columns = row.columns();
    Ok(Checkpoint {
        number: columns.take()?,
        sequence: columns.take()?,
        hash: read_hash(&mut columns)?,
        at: columns.take()?,
        key_id: columns.take()?,
        signature: columns.take()?,
        earliest_at: columns.take()?,
        latest_at: columns.take()?,
    })
}

/// The newest checkpoint.
pub async fn checkpoint_last(tx: &mut Tx) -> Result<Option<Checkpoint>> {
    let sql =
        concat!("select ", checkpoint_columns!(), " from audit_checkpoints order by number desc limit 1");
    tx.query_opt(sql, &[]).await?.as_ref().map(read_checkpoint).transpose()
}

/// The first checkpoint that covers a link.
pub async fn checkpoint_over(tx: &mut Tx, sequence: i64) -> Result<Option<Checkpoint>> {
    let sql = concat!(
        "select ",
        checkpoint_columns!(),
        " from audit_checkpoints where sequence >= $1 order by sequence limit 1"
    );
    tx.query_opt(sql, &[sequence.into()]).await?.as_ref().map(read_checkpoint).transpose()
}

/// Checkpoints after a number, at most so many.
pub(super) async fn checkpoints_after(tx: &mut Tx, number: i64, limit: i64) -> Result<Vec<Checkpoint>> {
    let sql = concat!(
        "select ",
        checkpoint_columns!(),
        " from audit_checkpoints where number > $1 order by number limit $2"
    );
    tx.query(sql, &[number.into(), limit.into()]).await?.iter().map(read_checkpoint).collect()
}
