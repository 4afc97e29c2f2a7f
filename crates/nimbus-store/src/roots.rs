//! Roots: the keys that wrap the clinics' keys.
//!
//! A root is random and in nobody's hands: it is stored, wrapped by a master key, and in memory while the store is open.
//! So the master key is asked for at a start and when it is changed, and can be with a service that never gives it away.
//! To take another master key, a new root is made and every clinic's key wrapped by it; what the clinics' keys have
//! sealed stays as it is. Meanwhile both master keys open the store, and processes that run learn of the new root where
//! they meet it.

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::rand;
use nimbus_core::{ids::ClinicId, time::Ts};
use zeroize::Zeroizing;

use crate::{
    custody::{Custodian, PlainKey},
    engine::{Db, Tx, Value},
    error::{Error, Result, SealError},
    keyring::Kind,
    seal::{KEY_LEN, MasterKey, id_of_check},
};

/// Keys that are wrapped anew in one transaction.
const REWRAPPED_MAX: i64 = 500;
const CHECK: &str = "select value from platform_settings where name = 'master_key_check'";

/// A root on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    pub version: u32,
    pub created_at: Ts,
    /// The master keys that open it.
    pub key_ids: Vec<String>,
    /// How many of the clinics' keys it wraps.
    pub wraps: i64,
}

/// What stands in the way of letting a master key go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// It opens nothing any more.
    Done,
    /// It opens nothing, and did not before.
    Unknown,
    /// It is the one that this process uses.
    InUse,
    /// Older roots still wrap keys.
    Unfinished,
}

struct Wrap {
    version: u32,
    key_id: String,
    wrapped: Vec<u8>,
}

/// The additional data of a wrapped root.
fn place(version: u32) -> Vec<u8> {
    [b"nimbus root".as_slice(), &version.to_be_bytes()].concat()
}

/// What is on record; nothing before the first migration.
async fn wraps(db: &Db) -> Result<Vec<Wrap>> {
    let read = db.read(|tx: &mut Tx| {
        Box::pin(async move {
            if !tx.table_exists("root_wraps").await? {
                return Ok::<_, Error>(Vec::new());
            }
            let rows =
                tx.query("select version, key_id, wrapped from root_wraps order by version", &[]).await?;
            let read = rows.iter().map(|row| {
                let mut columns = row.columns();
                Ok(Wrap { version: columns.take()?, key_id: columns.take()?, wrapped: columns.take()? })
            });
            read.collect()
        })
    });
    read.await
}

/// Opens the roots when a store is opened, and changes nothing in it.
///
/// # Errors
/// [`SealError::WrongMasterKey`] if another master key is needed.
pub(crate) async fn roots_open(db: &Db) -> Result<()> {
    let wraps = wraps(db).await?;
    match wraps.is_empty() {
        true => check(db).await,
        false => take_in(db, &wraps).await,
    }
}

/// Reads the roots again, such as another process has made since.
pub async fn roots_refresh(db: &Db) -> Result<()> {
    take_in(db, &wraps(db).await?).await
}

async fn take_in(db: &Db, wraps: &[Wrap]) -> Result<()> {
    let custodian = db.keyring().custodian();
    let newest = wraps.last().map(|wrap| wrap.version);
    let mut roots = BTreeMap::new();
    for wrap in wraps.iter().filter(|wrap| wrap.key_id == custodian.key_id()) {
        let key = custodian.unwrap(&place(wrap.version), &wrap.wrapped).await?;
        roots.insert(wrap.version, Arc::new(MasterKey::new(*key)));
    }
    if newest.is_none_or(|newest| !roots.contains_key(&newest)) {
        let newest = wraps.iter().filter(|wrap| Some(wrap.version) == newest);
        let needed = newest.map(|wrap| wrap.key_id.clone()).collect();
        return Err(SealError::WrongMasterKey { needed }.into());
    }
    db.keyring().set_roots(roots);
    Ok(())
}

/// Compares the master key with the one that a database without roots was first started with, if it was.
async fn check(db: &Db) -> Result<()> {
    let read = db.read(|tx: &mut Tx| {
        Box::pin(async move {
            if !tx.table_exists("platform_settings").await? {
                return Ok::<_, Error>(None);
            }
            tx.query_opt(CHECK, &[]).await?.map(|row| row.columns().take::<String>()).transpose()
        })
    });
    let ours = db.keyring().custodian().local().map(MasterKey::check);
    match read.await? {
        Some(stored) if ours.as_ref() != Some(&stored) => {
            Err(SealError::WrongMasterKey { needed: vec![id_of_check(&stored)] }.into())
        }
        _ => Ok(()),
    }
}

/// Makes the first root where there is none, and has it wrap what the master key itself has wrapped so far.
pub(crate) async fn roots_ensure(db: &Db, now: Ts) -> Result<()> {
    let found = wraps(db).await?;
    if !found.is_empty() {
        return take_in(db, &found).await;
    }
    check(db).await?;
    let custodian = db.keyring().custodian().clone();
    let root = random_key()?;
    let wrapped = custodian.wrap(&place(1), &root).await?;
    let key_id = custodian.key_id().to_owned();
    db.write(move |tx: &mut Tx| {
        let (root, custodian) = (root.clone(), custodian.clone());
        let wrapped = vec![(key_id.clone(), wrapped.clone())];
        Box::pin(async move {
            // Another process may have been first: then its root is the first one.
            if root_insert(tx, 1, wrapped, now).await? {
                let root = MasterKey::new(*root);
                while rewrap(tx, (1, &root), |_| custodian.local().cloned()).await? > 0 {}
                tx.execute("delete from platform_settings where name = 'master_key_check'", &[]).await?;
            }
            Ok::<_, Error>(())
        })
    })
    .await?;
    take_in(db, &wraps(db).await?).await
}

fn random_key() -> Result<PlainKey> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    rand::fill(key.as_mut_slice()).map_err(|_| SealError::Random)?;
    Ok(key)
}

/// Writes a root as several master keys wrap it; false if there is one of this version.
async fn root_insert(tx: &mut Tx, version: u32, wraps: Vec<(String, Vec<u8>)>, now: Ts) -> Result<bool> {
    let sql = "insert into roots (version, created_at) values ($1, $2) on conflict (version) do nothing";
    if tx.execute(sql, &[version.into(), now.into()]).await? == 0 {
        return Ok(false);
    }
    for (key_id, wrapped) in wraps {
        wrap_put(tx, version, &key_id, wrapped, now).await?;
    }
    Ok(true)
}

async fn wrap_put(tx: &mut Tx, version: u32, key_id: &str, wrapped: Vec<u8>, now: Ts) -> Result<()> {
    let sql = "insert into root_wraps (version, key_id, wrapped, created_at) values ($1, $2, $3, $4)
        on conflict (version, key_id) do update set wrapped = excluded.wrapped";
    tx.execute(sql, &[version.into(), key_id.into(), wrapped.into(), now.into()]).await.map(drop)
}

/// Has a root wrap some of the keys that older ones wrap; how many those were. `older` gives a root by its version; 0
/// is the master key.
async fn rewrap(
    tx: &mut Tx,
    (version, root): (u32, &MasterKey),
    older: impl Fn(u32) -> Option<MasterKey>,
) -> Result<usize> {
    let sql = "select clinic_id, kind, version, wrapped, coalesce(root, 0) from clinic_keys where coalesce(root, 0) < $1
        order by clinic_id, kind, version limit $2";
    let rows = tx.query(sql, &[version.into(), REWRAPPED_MAX.into()]).await?;
    for row in &rows {
        let mut columns = row.columns();
        let clinic: ClinicId = columns.take()?;
        let kind = Kind::parse(&columns.take::<String>()?)?;
        let (key_version, wrapped, by): (u32, Vec<u8>, u32) =
            (columns.take()?, columns.take()?, columns.take()?);
        let place = kind.place(clinic, key_version);
        let key = older(by).ok_or(SealError::UnknownRoot)?.unwrap_key(&place, &wrapped)?;
        let sql = "update clinic_keys set wrapped = $4, root = $5
            where clinic_id = $1 and kind = $2 and version = $3 and coalesce(root, 0) = $6";
        let args: [Value; 6] = [
            clinic.into(),
            kind.as_str().into(),
            key_version.into(),
            root.wrap(&place, key.as_slice()).into(),
            version.into(),
            by.into(),
        ];
        tx.execute(sql, &args).await?;
    }
    Ok(rows.len())
}

/// The roots on record, oldest first.
pub async fn root_list(tx: &mut Tx) -> Result<Vec<Root>> {
    let sql = "select r.version, r.created_at,
            (select count(*) from clinic_keys k where k.root = r.version), w.key_id
        from roots r join root_wraps w on w.version = r.version order by r.version, w.created_at, w.key_id";
    let mut roots: Vec<Root> = Vec::new();
    for row in tx.query(sql, &[]).await? {
        let mut columns = row.columns();
        let (version, created_at, wraps, key_id) =
            (columns.take()?, columns.take()?, columns.take()?, columns.take()?);
        match roots.last_mut().filter(|root| root.version == version) {
            Some(root) => root.key_ids.push(key_id),
            None => roots.push(Root { version, created_at, key_ids: vec![key_id], wraps }),
        }
    }
    Ok(roots)
}

/// Begins to take another master key, or goes on with that: from now on both open the store, and there is a root that
/// never was under the old one alone. The root's version; [`root_step`] does the rest.
///
/// # Errors
/// [`Error::Conflict`] if another process makes a root at the same time.
pub async fn root_begin(db: &Db, successor: &dyn Custodian, now: Ts) -> Result<u32> {
    roots_refresh(db).await?;
    let both = [db.keyring().custodian().as_ref(), successor];
    let (newest, _) = db.keyring().newest_root()?;
    let known = db.read(|tx: &mut Tx| Box::pin(root_list(tx))).await?;
    let unfinished = known.last().is_some_and(|root| {
        both.iter().all(|one| root.key_ids.iter().any(|id| id == one.key_id()))
            && known.iter().any(|older| older.version < root.version && older.wraps > 0)
    });
    for root in &known {
        let key = Zeroizing::new(db.keyring().root(root.version)?.bytes());
        put(db, successor, root.version, &key, now).await?;
    }
    if unfinished {
        return Ok(newest);
    }
    let (version, key) = (newest + 1, random_key()?);
    let mut wrapped = Vec::new();
    for custodian in both {
        wrapped.push((custodian.key_id().to_owned(), custodian.wrap(&place(version), &key).await?));
    }
    let made = db.write(move |tx: &mut Tx| Box::pin(root_insert(tx, version, wrapped.clone(), now)));
    if !made.await? {
        return Err(Error::Conflict);
    }
    roots_refresh(db).await?;
    Ok(version)
}

async fn put(db: &Db, custodian: &dyn Custodian, version: u32, key: &PlainKey, now: Ts) -> Result<()> {
    let (id, wrapped) = (custodian.key_id().to_owned(), custodian.wrap(&place(version), key).await?);
    db.write(move |tx: &mut Tx| {
        let (id, wrapped) = (id.clone(), wrapped.clone());
        Box::pin(async move { wrap_put(tx, version, &id, wrapped, now).await })
    })
    .await
}

/// Has the newest root wrap some of the clinics' keys that older ones wrap; how many are left.
pub async fn root_step(db: &Db) -> Result<i64> {
    let keyring = db.keyring().clone();
    db.write(move |tx: &mut Tx| {
        let keyring = keyring.clone();
        Box::pin(async move {
            let (version, root) = keyring.newest_root()?;
            rewrap(tx, (version, &root), |older| Some((*keyring.root(older).ok()?).clone())).await?;
            older_wraps(tx, version).await
        })
    })
    .await
}

async fn older_wraps(tx: &mut Tx, version: u32) -> Result<i64> {
    let sql = "select count(*) from clinic_keys where coalesce(root, 0) < $1";
    tx.query_one(sql, &[version.into()]).await?.columns().take()
}

/// Lets a master key go: it opens nothing any more, and older roots are forgotten.
pub async fn master_retire(db: &Db, key_id: &str) -> Result<Retired> {
    if key_id == db.keyring().custodian().key_id() {
        return Ok(Retired::InUse);
    }
    roots_refresh(db).await?;
    let (newest, _) = db.keyring().newest_root()?;
    let key_id = key_id.to_owned();
    let retired = db.write(move |tx: &mut Tx| {
        let key_id = key_id.clone();
        Box::pin(async move {
            if older_wraps(tx, newest).await? > 0 {
                return Ok(Retired::Unfinished);
            }
            let gone = tx.execute("delete from root_wraps where key_id = $1", &[key_id.into()]).await?;
            tx.execute("delete from root_wraps where version < $1", &[newest.into()]).await?;
            tx.execute("delete from roots where version < $1", &[newest.into()]).await?;
            Ok::<_, Error>(if gone > 0 { Retired::Done } else { Retired::Unknown })
        })
    });
    retired.await
}

/// For tests of what was there before: the master key itself wraps, and is known by its check value.
#[cfg(feature = "testing")]
pub(crate) async fn taken_back(db: &Db, master: &MasterKey) -> Result<()> {
    let (keyring, master) = (db.keyring().clone(), master.clone());
    db.write(move |tx: &mut Tx| {
        let (keyring, master) = (keyring.clone(), master.clone());
        Box::pin(async move {
            let rows =
                tx.query("select clinic_id, kind, version, wrapped, root from clinic_keys", &[]).await?;
            for row in &rows {
                let mut columns = row.columns();
                let clinic: ClinicId = columns.take()?;
                let kind = Kind::parse(&columns.take::<String>()?)?;
                let (version, wrapped): (u32, Vec<u8>) = (columns.take()?, columns.take()?);
                let place = kind.place(clinic, version);
                let key = keyring.root(columns.take()?)?.unwrap_key(&place, &wrapped)?;
                let sql = "update clinic_keys set wrapped = $4, root = null
                    where clinic_id = $1 and kind = $2 and version = $3";
                let wrapped = master.wrap(&place, key.as_slice());
                tx.execute(sql, &[clinic.into(), kind.as_str().into(), version.into(), wrapped.into()])
                    .await?;
            }
            tx.execute("delete from root_wraps", &[]).await?;
            tx.execute("delete from roots", &[]).await?;
            let sql = "insert into platform_settings (name, value) values ('master_key_check', $1)";
            tx.execute(sql, &[master.check().into()]).await.map(drop)
        })
    })
    .await
}
