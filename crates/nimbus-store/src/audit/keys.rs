//! What signs checkpoints of the audit log: a key pair of its own, sealed by the platform's key.

use aws_lc_rs::{
    rand,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use nimbus_core::time::Ts;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    engine::Tx,
    error::{Error, Result, SealError},
    keyring::PLATFORM,
    seal::SealedAt,
};

/// Bytes of a seed, and of a public key (RFC 8032).
const HALF: usize = 32;

/// What anybody may check checkpoints by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub id: Uuid,
    pub bytes: Vec<u8>,
    /// Whether its other half is what the store has sealed beside it: only who has the master key can make it so.
    pub is_ours: bool,
}

impl PublicKey {
    /// Whether the key's other half signed this content.
    pub fn has_signed(&self, content: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.bytes).verify(content, signature).is_ok()
    }
}

pub(super) struct Signer {
    pub(super) id: Uuid,
    pair: Ed25519KeyPair,
}

impl Signer {
    pub(super) fn sign(&self, content: &[u8]) -> Vec<u8> {
        self.pair.sign(content).as_ref().to_vec()
    }
}

const fn place(id: Uuid) -> SealedAt {
    SealedAt { table: "audit_keys", column: "key_pair", row: id }
}

fn read_pair(seed: &[u8]) -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Error::Corrupt("audit_keys.key_pair"))
}

/// The newest key, made if there is none.
pub(super) async fn signer(tx: &mut Tx, now: Ts) -> Result<Signer> {
    let sealing = tx.keys(PLATFORM).await?;
    let sql = "select id, key_pair from audit_keys order by created_at desc, id desc limit 1";
    if let Some(row) = tx.query_opt(sql, &[]).await? {
        let mut columns = row.columns();
        let id = columns.take()?;
        let seed = Zeroizing::new(sealing.open(place(id), &columns.take::<Vec<u8>>()?)?);
        return Ok(Signer { id, pair: read_pair(&seed)? });
    }
    let (id, mut seed) = (Uuid::now_v7(), Zeroizing::new([0; HALF]));
    rand::fill(seed.as_mut_slice()).map_err(|_| SealError::Random)?;
    let pair = read_pair(seed.as_slice())?;
    let sql = "insert into audit_keys (id, public_key, key_pair, created_at) values ($1, $2, $3, $4)";
    let sealed = sealing.seal(place(id), seed.as_slice());
    let args = [id.into(), pair.public_key().as_ref().into(), sealed.into(), now.into()];
    tx.execute(sql, &args).await?;
    Ok(Signer { id, pair })
}

/// All keys that there ever were, oldest first.
pub async fn audit_public_keys(tx: &mut Tx) -> Result<Vec<PublicKey>> {
    let sealing = tx.keys(PLATFORM).await?;
    let sql = "select id, public_key, key_pair from audit_keys order by created_at, id";
    let mut keys = Vec::new();
    for row in tx.query(sql, &[]).await? {
        let mut columns = row.columns();
        let (id, bytes, sealed): (Uuid, Vec<u8>, Vec<u8>) =
            (columns.take()?, columns.take()?, columns.take()?);
        let pair = sealing.open(place(id), &sealed).map(Zeroizing::new);
        let pair = pair.ok().and_then(|seed| read_pair(&seed).ok());
        let is_ours = pair.is_some_and(|pair| pair.public_key().as_ref() == bytes.as_slice());
        keys.push(PublicKey { id, bytes, is_ours });
    }
    Ok(keys)
}
