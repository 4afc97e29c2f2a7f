//! The clinics' keys: made, wrapped by the master key, stored in `clinic_keys`, and kept unwrapped for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::rand;
use nimbus_core::{ids::ClinicId, time::Ts};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    engine::{Db, Tx, Value},
    error::{Error, Result, SealError},
    seal::{ClinicKeys, KEY_LEN, MasterKey},
};

/// The owner of the platform's own sealed rows.
pub const PLATFORM: ClinicId = ClinicId(Uuid::nil());

/// Clinics whose keys are kept unwrapped at once.
const CACHE_MAX: usize = 4096;
/// How long a destroyed key may still open values on a node that had it.
const CACHE_TTL: Duration = Duration::from_secs(60);

pub(crate) struct Keyring {
    master: MasterKey,
    cache: Mutex<HashMap<ClinicId, (Instant, Arc<ClinicKeys>)>>,
}

/// What a transaction learned or changed, applied to the cache once it is committed and never before: a key that
/// is rolled back must not seal anything.
pub(crate) type KeyChanges = Vec<(ClinicId, Option<Arc<ClinicKeys>>)>;

impl Keyring {
    pub(crate) fn new(master: MasterKey) -> Self {
        Self { master, cache: Mutex::default() }
    }

    pub(crate) fn derive(&self, purpose: &str) -> [u8; KEY_LEN] {
        self.master.derive(purpose)
    }

    fn cached(&self, clinic: ClinicId) -> Option<Arc<ClinicKeys>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, keys) = cache.get(&clinic)?;
        (read.elapsed() < CACHE_TTL && !keys.is_stale()).then(|| keys.clone())
    }

    pub(crate) fn publish(&self, changes: KeyChanges) {
        if changes.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        for (clinic, keys) in changes {
            if cache.len() >= CACHE_MAX {
                cache.retain(|_, (read, _)| now.duration_since(*read) < CACHE_TTL);
            }
            if cache.len() >= CACHE_MAX {
                cache.clear();
            }
            match keys {
                Some(keys) => cache.insert(clinic, (now, keys)),
                None => cache.remove(&clinic),
            };
        }
    }
}

/// A clinic's keys, from the transaction's own view, the cache, or the table.
///
/// # Errors
/// [`SealError::NoKeys`] if it has none.
pub(crate) async fn clinic_keys(tx: &mut Tx, clinic: ClinicId) -> Result<Arc<ClinicKeys>> {
    match tx.key_changes.iter().rev().find(|(changed, _)| *changed == clinic) {
        Some((_, Some(keys))) if !keys.is_stale() => return Ok(keys.clone()),
        Some(_) => {}
        None => {
            if let Some(keys) = tx.keyring.cached(clinic) {
                return Ok(keys);
            }
        }
    }
    let rows = tx
        .query("select kind, version, wrapped from clinic_keys where clinic_id = $1", &[clinic.into()])
        .await?;
    let (mut data, mut index) = (Vec::new(), None);
    for row in rows {
        let mut columns = row.columns();
        let kind = Kind::parse(&columns.take::<String>()?)?;
        let version = columns.take::<u32>()?;
        let wrapped = columns.take::<Vec<u8>>()?;
        let key = tx.keyring.master.unwrap_key(&kind.place(clinic, version), &wrapped)?;
        match kind {
            Kind::Data => data.push((version, key)),
            Kind::Index => index = Some(key),
        }
    }
    let keys = Arc::new(ClinicKeys::new(clinic, data, index.ok_or(SealError::NoKeys)?)?);
    tx.key_changes.push((clinic, Some(keys.clone())));
    Ok(keys)
}

#[derive(Clone, Copy)]
enum Kind {
    Data,
    Index,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Index => "index",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "data" => Ok(Self::Data),
            "index" => Ok(Self::Index),
            _ => Err(Error::Corrupt("a kind of clinic key is unknown")),
        }
    }

    /// The additional data of a wrapped key: clinic (16 bytes), version (4), kind.
    fn place(self, clinic: ClinicId, version: u32) -> Vec<u8> {
        [clinic.0.as_bytes().as_slice(), &version.to_be_bytes(), self.as_str().as_bytes()].concat()
    }
}

async fn key_insert(tx: &mut Tx, clinic: ClinicId, kind: Kind, version: u32, now: Ts) -> Result<u64> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    rand::fill(key.as_mut_slice()).map_err(|_| SealError::Random)?;
    let wrapped = tx.keyring.master.wrap(&kind.place(clinic, version), key.as_slice());
    tx.key_changes.push((clinic, None));
    tx.execute(
        "insert into clinic_keys (clinic_id, kind, version, wrapped, created_at) values ($1, $2, $3, $4, $5)
         on conflict (clinic_id, kind, version) do nothing",
        &[clinic.into(), kind.as_str().into(), version.into(), wrapped.into(), now.into()],
    )
    .await
}

/// Gives a clinic its keys; one that has them keeps them. [`PLATFORM`] is a clinic too.
pub async fn clinic_keys_create(tx: &mut Tx, clinic: ClinicId, now: Ts) -> Result<()> {
    key_insert(tx, clinic, Kind::Data, 1, now).await?;
    key_insert(tx, clinic, Kind::Index, 1, now).await?;
    Ok(())
}

/// A new data key: from now on it seals, and the older ones open what they sealed. Returns its version.
///
/// # Errors
/// [`SealError::NoKeys`] if the clinic has none to rotate, [`Error::Conflict`] if two rotate at once.
pub async fn clinic_key_rotate(tx: &mut Tx, clinic: ClinicId, now: Ts) -> Result<u32> {
    tx.key_changes.push((clinic, None));
    let version = tx.keys(clinic).await?.version() + 1;
    match key_insert(tx, clinic, Kind::Data, version, now).await? {
        0 => Err(Error::Conflict),
        _ => Ok(version),
    }
}

/// Destroys a clinic's keys, and with them every sealed value of it, in the backups taken from then on too.
/// Other nodes forget the keys within a minute.
pub async fn clinic_keys_destroy(tx: &mut Tx, clinic: ClinicId) -> Result<()> {
    tx.execute("delete from clinic_keys where clinic_id = $1", &[clinic.into()]).await?;
    tx.key_changes.push((clinic, None));
    Ok(())
}

const CHECK: &str = "select value from platform_settings where name = 'master_key_check'";

/// Compares the master key with the one that the database was first started with, if it was started before.
///
/// # Errors
/// [`SealError::WrongMasterKey`].
pub(crate) async fn master_key_verify(db: &Db) -> Result<()> {
    let expected = check_value(&db.keyring().master);
    let stored = db
        .read(move |tx: &mut Tx| {
            Box::pin(async move {
                if !tx.table_exists("platform_settings").await? {
                    return Ok::<_, Error>(None);
                }
                tx.query_opt(CHECK, &[]).await?.map(|row| row.columns().take::<String>()).transpose()
            })
        })
        .await?;
    match stored {
        Some(stored) if stored != expected => Err(SealError::WrongMasterKey.into()),
        _ => Ok(()),
    }
}

/// Stores the check value of the master key at the first start, and verifies it at every other.
pub(crate) async fn master_key_store(db: &Db) -> Result<()> {
    let value = check_value(&db.keyring().master);
    db.write(move |tx: &mut Tx| {
        let value = Value::from(&value);
        Box::pin(async move {
            tx.execute(
                "insert into platform_settings (name, value) values ('master_key_check', $1)
                 on conflict (name) do nothing",
                &[value],
            )
            .await
        })
    })
    .await?;
    master_key_verify(db).await
}

/// Derived one way: it tells whether two master keys are the same and nothing else.
fn check_value(master: &MasterKey) -> String {
    hex::encode(master.derive("check"))
}
