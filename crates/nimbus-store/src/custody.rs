//! Custody of the master key: whoever has it opens the roots, and nothing opens without them.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    engine::BoxFuture,
    error::{Error, Result},
    seal::{KEY_LEN, MasterKey},
};

/// A key that is wrapped and unwrapped, wiped from memory when it is let go.
pub type PlainKey = Zeroizing<[u8; KEY_LEN]>;

/// Has a master key and wraps with it: this process itself, or a service that never gives the key away. It is asked
/// when a store is opened and when roots change, never within a transaction.
pub trait Custodian: fmt::Debug + Send + Sync {
    /// Tells this master key from others, and nothing else about it. At most 200 characters.
    fn key_id(&self) -> &str;

    /// Wraps a key. It is unwrapped with the same `place` only.
    fn wrap<'a>(&'a self, place: &'a [u8], key: &'a PlainKey) -> BoxFuture<'a, Result<Vec<u8>>>;

    /// # Errors
    /// `Seal` if it was not wrapped so; `Unavailable` if nobody can say.
    fn unwrap<'a>(&'a self, place: &'a [u8], wrapped: &'a [u8]) -> BoxFuture<'a, Result<PlainKey>>;

    /// The master key, if this process has it.
    fn local(&self) -> Option<&MasterKey> {
        None
    }
}

/// A master key that this process has.
struct Local {
    key: MasterKey,
    id: String,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Local({})", self.id)
    }
}

impl Custodian for Local {
    fn key_id(&self) -> &str {
        &self.id
    }

    fn wrap<'a>(&'a self, place: &'a [u8], key: &'a PlainKey) -> BoxFuture<'a, Result<Vec<u8>>> {
        Box::pin(async move { Ok(self.key.wrap(place, key.as_slice())) })
    }

    fn unwrap<'a>(&'a self, place: &'a [u8], wrapped: &'a [u8]) -> BoxFuture<'a, Result<PlainKey>> {
        Box::pin(async move { self.key.unwrap_key(place, wrapped) })
    }

    fn local(&self) -> Option<&MasterKey> {
        Some(&self.key)
    }
}

impl From<MasterKey> for Arc<dyn Custodian> {
    fn from(key: MasterKey) -> Self {
        Arc::new(Local { id: key.id(), key })
    }
}

/// A key from its bytes.
///
/// # Errors
/// `Corrupt` if they are not as many as a key has.
pub fn plain_key(bytes: &Zeroizing<Vec<u8>>) -> Result<PlainKey> {
    let key = bytes.as_slice().try_into().map_err(|_| Error::Corrupt("a wrapped key has another length"))?;
    Ok(Zeroizing::new(key))
}
