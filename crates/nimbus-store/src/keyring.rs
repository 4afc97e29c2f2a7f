//! The clinics' keys: made, wrapped by a root, stored in `clinic_keys`, and kept unwrapped for a while.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use aws_lc_rs::rand;
use nimbus_core::{ids::ClinicId, time::Ts};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    custody::Custodian,
    engine::Tx,
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
    custodian: Arc<dyn Custodian>,
    /// By version; the newest wraps.
    roots: RwLock<BTreeMap<u32, Arc<MasterKey>>>,
    cache: Mutex<HashMap<ClinicId, (Instant, Arc<ClinicKeys>)>>,
}

/// What a transaction learned or changed, applied to the cache once it is committed and never before: a key that
/// is rolled back must not seal anything.
pub(crate) type KeyChanges = Vec<(ClinicId, Option<Arc<ClinicKeys>>)>;

impl Keyring {
    pub(crate) fn new(custodian: Arc<dyn Custodian>) -> Self {
        Self { custodian, roots: RwLock::default(), cache: Mutex::default() }
    }

    pub(crate) fn custodian(&self) -> &Arc<dyn Custodian> {
        &self.custodian
    }

    /// Takes in the roots that there are; those that are no more are forgotten.
    pub(crate) fn set_roots(&self, roots: BTreeMap<u32, Arc<MasterKey>>) {
        *self.roots.write().unwrap_or_else(PoisonError::into_inner) = roots;
    }

    /// The newest root and its version.
    pub(crate) fn newest_root(&self) -> Result<(u32, Arc<MasterKey>)> {
        let roots = self.roots.read().unwrap_or_else(PoisonError::into_inner);
        let newest = roots.last_key_value().map(|(version, root)| (*version, root.clone()));
        newest.ok_or_else(|| SealError::UnknownRoot.into())
    }

    pub(crate) fn root(&self, version: u32) -> Result<Arc<MasterKey>> {
        let roots = self.roots.read().unwrap_or_else(PoisonError::into_inner);
        roots.get(&version).cloned().ok_or_else(|| SealError::UnknownRoot.into())
    }

    pub(crate) fn derive(&self, purpose: &str) -> Result<[u8; KEY_LEN]> {
        Ok(self.newest_root()?.1.derive(purpose))
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
        .query(
            "select kind, version, wrapped, coalesce(root, 0) from clinic_keys where clinic_id = $1",
            &[clinic.into()],
        )
        .await?;
    let (mut data, mut index) = (Vec::new(), None);
    for row in rows {
        let mut columns = row.columns();
        let kind = Kind::parse(&columns.take::<String>()?)?;
        let version = columns.take::<u32>()?;
        let wrapped = columns.take::<Vec<u8>>()?;
        let root = tx.keyring.root(columns.take()?)?;
        let key = root.unwrap_key(&kind.place(clinic, version), &wrapped)?;
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
pub(crate) enum Kind {
    Data,
    Index,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Index => "index",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text {
            "data" => Ok(Self::Data),
            "index" => Ok(Self::Index),
            _ => Err(Error::Corrupt("a kind of clinic key is unknown")),
        }
    }

    /// The additional data of a wrapped key: clinic (16 bytes), version (4), kind.
    pub(crate) fn place(self, clinic: ClinicId, version: u32) -> Vec<u8> {
        [clinic.0.as_bytes().as_slice(), &version.to_be_bytes(), self.as_str().as_bytes()].concat()
    }
}

async fn key_insert(tx: &mut Tx, clinic: ClinicId, kind: Kind, version: u32, now: Ts) -> Result<u64> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    rand::fill(key.as_mut_slice()).map_err(|_| SealError::Random)?;
    let (root, root_key) = tx.keyring.newest_root()?;
    let newest: Option<u32> = tx.query_one("select max(version) from roots", &[]).await?.columns().take()?;
    if newest != Some(root) {
        return Err(SealError::UnknownRoot.into());
    }
    let wrapped = root_key.wrap(&kind.place(clinic, version), key.as_slice());
    tx.key_changes.push((clinic, None));
    tx.execute(
        "insert into clinic_keys (clinic_id, kind, version, wrapped, created_at, root)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (clinic_id, kind, version) do nothing",
        &[clinic.into(), kind.as_str().into(), version.into(), wrapped.into(), now.into(), root.into()],
    )
    .await
}

/// Gives a clinic its keys; one that has them keeps them. [`PLATFORM`] is a clinic too.
pub async fn clinic_keys_create(tx: &mut Tx, clinic: ClinicId, now: Ts) -> Result<()> {
    // Its first data key may be gone, after another has taken its place.
    let sql = "select 1 from clinic_keys where clinic_id = $1 and kind = 'data' limit 1";
    if tx.query_opt(sql, &[clinic.into()]).await?.is_some() {
        return Ok(());
    }
    key_insert(tx, clinic, Kind::Data, 1, now).await?;
    key_insert(tx, clinic, Kind::Index, 1, now).await?;
    Ok(())
}

/// A new data key: from now on it seals, and the older ones open what they sealed. Returns its version.
///
/// # Errors
/// [`SealError::NoKeys`] if the clinic, or [`PLATFORM`], has none to rotate, [`Error::Conflict`] if two rotate at once.
pub async fn data_key_rotate(tx: &mut Tx, clinic: ClinicId, now: Ts) -> Result<u32> {
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
