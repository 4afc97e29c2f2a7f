//! Attempts to prove who one is: each is counted before it is judged, so that trying many at once wins nothing.
//!
//! Failures are counted for an account from a place, and for a place over all accounts. A browser in which the account
//! was signed in to before is a place of its own, and so is a session: whoever fails elsewhere, with whatever account,
//! keeps nobody from going on there. An address that nobody has is counted as any other.

use std::net::IpAddr;

use nimbus_core::{
    ids::{SessionId, UserId},
    staff::{DEVICE_DAYS, FAILURES_HOURS, FREE_FAILURES, FREE_FAILURES_OF_PLACE, wait_seconds},
    time::Ts,
};
use nimbus_store::{Tx, staff as store};

use crate::{
    credentials,
    error::{Error, Result},
    limits::network_of,
};

/// Where somebody tries from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A network: an address of IPv4, a /64 of IPv6.
    Network(IpAddr),
    /// A browser that is known, by the hash of its cookie.
    Device([u8; 32]),
    /// Somebody who has a session already.
    Session(SessionId),
}

impl Place {
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Network(network_of(address))
    }

    /// A browser that the account is known in, or else the network.
    pub(crate) async fn of(
        tx: &mut Tx,
        user: Option<UserId>,
        device: Option<&[u8; 32]>,
        address: IpAddr,
        now: Ts,
    ) -> Result<Self> {
        if let (Some(user), Some(device)) = (user, device)
            && store::device_known(tx, device, user, now.plus_days(-DEVICE_DAYS)).await?
        {
            return Ok(Self::Device(*device));
        }
        Ok(Self::of_address(address))
    }

    fn name(&self) -> String {
        match self {
            Self::Network(network) => format!("network {network}"),
            Self::Device(hash) => format!("device {}", hex::encode(&hash[..16])),
            Self::Session(id) => format!("session {id}"),
        }
    }
}

/// Stands for all accounts: no address has this hash.
const ALL: [u8; 32] = [0; 32];

/// An attempt that was counted.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    account: [u8; 32],
    place: Place,
}

/// When failures that are forgotten by now were made.
fn long_before(now: Ts) -> Ts {
    now.plus_seconds(-FAILURES_HOURS * 3600)
}

/// Counts an attempt on the account of an address in lower case, from a place.
///
/// # Errors
/// [`Error::TooManyAttempts`] while nobody may try there; nothing is counted then.
pub(crate) async fn count(tx: &mut Tx, email: &str, place: Place, now: Ts) -> Result<Counted> {
    let account = credentials::hash(email);
    count_one(tx, &account, &place, FREE_FAILURES, now).await?;
    if matches!(place, Place::Network(_)) {
        count_one(tx, &ALL, &place, FREE_FAILURES_OF_PLACE, now).await?;
    }
    Ok(Counted { account, place })
}

async fn count_one(tx: &mut Tx, account: &[u8; 32], place: &Place, free: i64, now: Ts) -> Result<()> {
    let (name, since) = (place.name(), long_before(now));
    let Some(failures) = store::attempt_count(tx, account, &name, (since, now)).await? else {
        let until = store::attempts_get(tx, account, &name).await?.map_or(now, |found| found.blocked_until);
        let micros = until.micros() - now.micros();
        // Rounded up: at the second that is told the wait is over.
        let seconds = u32::try_from(micros.max(0) / 1_000_000 + 1).unwrap_or(u32::MAX);
        return Err(Error::TooManyAttempts(seconds));
    };
    let wait = wait_seconds(failures, free);
    if wait > 0 {
        store::attempt_block(tx, account, &name, now.plus_seconds(wait)).await?;
    }
    Ok(())
}

/// The attempt was no failure: the account's failures there are forgotten, and the place's are one less.
pub(crate) async fn succeed(tx: &mut Tx, counted: &Counted, now: Ts) -> Result<()> {
    let name = counted.place.name();
    store::attempt_clear(tx, &counted.account, &name).await?;
    if matches!(counted.place, Place::Network(_)) {
        store::attempt_forgive(tx, &ALL, &name, long_before(now)).await?;
    }
    Ok(())
}

/// The attempt was no failure, and not the end of it either: what failed before stays on record.
pub(crate) async fn forgive(tx: &mut Tx, counted: &Counted, now: Ts) -> Result<()> {
    let name = counted.place.name();
    store::attempt_forgive(tx, &counted.account, &name, long_before(now)).await?;
    if matches!(counted.place, Place::Network(_)) {
        store::attempt_forgive(tx, &ALL, &name, long_before(now)).await?;
    }
    Ok(())
}
