//! Who a credential stands for. Unknown, revoked and expired ones get the same answer in the same time.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nimbus_core::{access::Environment, time::Ts};
use nimbus_store::{
    keys::{self, Authenticated, OpsToken},
    tenants::Gate,
};

use crate::{
    App,
    actor::{PartnerActor, StaffActor, StaffCredential},
    clock::wall,
    credentials,
    error::{Error, Result, Unauthorized},
};

/// A key is believed for this long after it was read, and so for at most this long after its revocation.
const CACHE_MS: i64 = 1000;
/// More keys than this are not remembered.
const CACHE_MAX: usize = 10_000;
/// So many credentials are remembered to have worked; the rest are looked up as if they were new.
const PROVEN_MAX: usize = 100_000;
/// "Last used" is written at most this often for each key.
const TOUCH_SECONDS: i64 = 60;

const REFUSED: Error = Error::Unauthorized(Unauthorized::Credential);

/// Credentials by their hash, with when each was read.
pub(crate) struct Cache<T>(Mutex<HashMap<[u8; 32], Known<T>>>);

type Known<T> = (Ts, Arc<T>);

/// API keys.
pub(crate) type KeyCache = Cache<Authenticated>;

/// Operations tokens.
pub(crate) type TokenCache = Cache<OpsToken>;

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Cache<T> {
    fn get(&self, hash: &[u8; 32], now: Ts) -> Option<Arc<T>> {
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, found) = cache.get(hash)?;
        (now.micros() - read_at.micros() < CACHE_MS * 1000).then(|| Arc::clone(found))
    }

    fn put(&self, hash: [u8; 32], now: Ts, found: &Arc<T>) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE_MAX {
            cache.clear();
        }
        cache.insert(hash, (now, Arc::clone(found)));
    }

    /// Forgets all, so that what was changed beside them is read again here at once.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Hashes of credentials that have worked here: these are looked up whatever else their address sends.
#[derive(Default)]
pub(crate) struct Proven(Mutex<HashSet<[u8; 32]>>);

impl Proven {
    fn set(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has(&self, hash: &[u8; 32]) -> bool {
        self.set().contains(hash)
    }

    pub(crate) fn note(&self, hash: [u8; 32], works: bool) {
        let mut set = self.set();
        if !works {
            set.remove(&hash);
        } else if set.len() < PROVEN_MAX {
            set.insert(hash);
        }
    }
}

/// Refuses a credential without a look-up where its address has sent too many that nobody has.
pub(crate) fn spare_look_up(app: &App, is_proven: bool, address: IpAddr) -> Result<()> {
    if is_proven || app.limits().may_look_up(address) { Ok(()) } else { Err(REFUSED) }
}

/// The partner behind an API key that came from this address.
///
/// A key that works, from an address that is not of its networks, is refused as one that nobody has, after the same
/// look-up, which nothing remembered here spares: whoever has found it does not learn that it is one.
pub async fn authenticate_key(app: &App, presented: &str, address: IpAddr) -> Result<PartnerActor> {
    let environment = app.environment();
    match credentials::environment_of(presented) {
        Some(other) if other != environment => {
            return Err(Error::Unauthorized(Unauthorized::WrongEnvironment));
        }
        Some(_) if credentials::is_well_formed(environment.key_prefix(), presented) => {}
        _ => return Err(REFUSED),
    }
    let now = wall();
    let hash = credentials::hash(presented);
    let known = app.keys().get(&hash, now);
    let is_elsewhere = known.as_ref().is_some_and(|known| !known.key.networks.admit(address));
    let found = match known {
        Some(found) if !is_elsewhere => found,
        _ => {
            spare_look_up(app, !is_elsewhere && app.proven().has(&hash), address)?;
            look_up(app, hash, address, now).await?
        }
    };
    if !is_in_force(&found, environment, now) || !found.key.networks.admit(address) {
        return Err(REFUSED);
    }
    Ok(PartnerActor {
        key_id: found.key.id,
        clinic_id: found.clinic.id,
        clinic_name: found.clinic.name.clone(),
        partner_id: found.partner.id,
        scopes: found.key.scopes,
        rates: found.key.rates,
        key_expires_at: found.key.expires_at,
        clock_ahead_us: found.clinic.clock_ahead_us,
    })
}

/// Reads a key. Only one that works is remembered: a revoked key costs the same look-up as an unknown one.
async fn look_up(app: &App, hash: [u8; 32], address: IpAddr, now: Ts) -> Result<Arc<Authenticated>> {
    let found = app
        .db()
        .look_up(move |tx| {
            Box::pin(async move { keys::key_authenticate(tx, &hash, now.date()).await.map_err(Error::from) })
        })
        .await?;
    let works = found.as_ref().is_some_and(|found| is_in_force(found, app.environment(), now));
    app.proven().note(hash, works);
    let found = Arc::new(found.ok_or(REFUSED)?);
    if works {
        app.keys().put(hash, now, &found);
        if found.key.networks.admit(address) {
            touch(app, &found, now);
        }
    }
    Ok(found)
}

/// Whether a key works now: its own dates, its clinic, its partner's approval and, in production, a BAA.
fn is_in_force(found: &Authenticated, environment: Environment, now: Ts) -> bool {
    let key = &found.key;
    let by_itself = key.environment == environment
        && key.revoked_at.is_none_or(|at| at > now)
        && key.expires_at.is_none_or(|at| at > now);
    let passes = Gate::of(environment).admits(found.partner.status, found.baa_in_force);
    by_itself && found.clinic.deleted_at.is_none() && passes
}

/// Remembers the use of a key, beside the request: a lost write is a minute's inaccuracy.
fn touch(app: &App, found: &Authenticated, now: Ts) {
    let recent = found.key.last_used_at.is_some_and(|at| at.plus_seconds(TOUCH_SECONDS) > now);
    if recent {
        return;
    }
    let (db, id) = (app.db().clone(), found.key.id);
    tokio::spawn(async move {
        let written = db
            .write(move |tx| {
                Box::pin(async move { keys::key_touch(tx, id, now).await.map(|_| ()).map_err(Error::from) })
            })
            .await;
        if let Err(error) = written {
            tracing::warn!(key_id = %id, %error, "the last use of a key was not recorded");
        }
    });
}

/// The member of staff, or machine, behind an operations token.
pub async fn authenticate_staff(app: &App, presented: &str, address: IpAddr) -> Result<StaffActor> {
    if !credentials::is_well_formed(credentials::OPS_PREFIX, presented) {
        return Err(REFUSED);
    }
    let now = wall();
    let hash = credentials::hash(presented);
    let works = |token: &OpsToken| {
        token.revoked_at.is_none_or(|at| at > now) && token.expires_at.is_none_or(|at| at > now)
    };
    let token = match app.tokens().get(&hash, now) {
        Some(token) if works(&token) => token,
        _ => {
            spare_look_up(app, app.proven().has(&hash), address)?;
            let found = app.db().look_up(move |tx| {
                Box::pin(async move { keys::ops_token_authenticate(tx, &hash).await.map_err(Error::from) })
            });
            let token = found.await?.filter(works);
            app.proven().note(hash, token.is_some());
            let token = Arc::new(token.ok_or(REFUSED)?);
            app.tokens().put(hash, now, &token);
            token
        }
    };
    let credential = StaffCredential::Token(token.id);
    Ok(StaffActor { credential, roles: token.roles.clone(), clinic_id: token.clinic_id, glass: None })
}
