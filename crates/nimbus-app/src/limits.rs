//! Rate limits: requests by key, token or feed, and attempts without a valid credential by address.
//!
//! Counting is in memory and no request waits for the database. Where several processes share a PostgreSQL
//! database, each reports what it has admitted every 200 ms and then reads the sums of all, those of owners that it
//! has not met included. What one process admits is thus known to every other after two intervals at most, and the
//! time that the two reports take: one until it is reported and one until it is read. A process never admits a
//! request beyond the limit but for what the others admitted in that time, so that all together exceed it by that
//! at most.
//!
//! Four things lie beyond that. A process that has just started has read nothing until its first report, which it
//! makes at once. While there are more than 2,000 sums of the present windows, they are read in rounds of so many in
//! each interval, and an owner of which a process has admitted nothing since its last report is heard of once in a
//! round. While the database cannot be reached, each process keeps to the limit alone, and a report of which it is
//! not known whether it arrived may count twice until its window ends. And addresses are counted by each process
//! alone.
//!
//! `governor`'s cells live in one process and fix their rate when they are made; these limits are shared between
//! processes and change while they run.

mod reports;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use nimbus_core::{
    access::Environment,
    rate::{Class, Standing, Usage, Window},
    time::Ts,
};
use uuid::Uuid;

pub use self::reports::{REPORT_EVERY, run};
use crate::{actor::Actor, clock::wall};

/// Staff and machines of the pharmacy may do so many times what a key may.
const STAFF_FACTOR: u32 = 10;
/// Reads for each write, unless settings say otherwise.
const READS_FACTOR: u32 = 10;
/// Unknown credentials of good form that are still looked up for an address beyond its limit, as a multiple of it:
/// so that a key which is new here is found, and look-ups are bounded.
const LOOK_UP_FACTOR: u32 = 10;
/// Signed links that an address may open in a minute, as a multiple of its limit: who prints labels opens many.
const LINK_FACTOR: u32 = 10;
/// Owners are spread over so many locks.
const SHARDS: usize = 16;
/// A shard that has grown to this many owners lets go of those whose window has ended.
const SHARD_SWEEP: usize = 1024;
/// Addresses that are counted apart; those beyond share one count.
const ADDRESSES_MAX: usize = 50_000;

/// Requests a minute of a deployment; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Of a key that an admin has given nothing else.
    pub writes: u32,
    pub reads: u32,
    /// Attempts of one address that are answered 401.
    pub unauthenticated: u32,
}

impl Rates {
    /// No limit at all.
    pub const OFF: Self = Self { writes: 0, reads: 0, unauthenticated: 0 };

    /// What holds where settings say nothing.
    pub const fn of(environment: Environment) -> Self {
        let writes = match environment {
            Environment::Sandbox => 100,
            Environment::Production => 60,
        };
        Self { writes, reads: writes * READS_FACTOR, unauthenticated: 60 }
    }

    /// What a key may do that an admin has given nothing else.
    pub const fn of_class(self, class: Class) -> u32 {
        match class {
            Class::Reads => self.reads,
            Class::Writes => self.writes,
        }
    }

    /// What an operations token, or a machine of the pharmacy, may do.
    pub const fn of_staff(self, class: Class) -> u32 {
        self.of_class(class).saturating_mul(STAFF_FACTOR)
    }

    /// What an actor may do in a minute; `None` is no limit.
    fn limit(self, actor: &Actor, class: Class) -> Option<u32> {
        let limit = match actor {
            Actor::Partner(partner) => partner.rates.of(class).unwrap_or(self.of_class(class)),
            Actor::Staff(_) | Actor::System(_) => self.of_staff(class),
        };
        (limit > 0).then_some(limit)
    }
}

/// The counts of one process.
pub struct Limits {
    rates: Rates,
    owners: [Mutex<Shard>; SHARDS],
    addresses: Mutex<Addresses>,
}

type Owner = (Uuid, Class);

/// Some of the owners. There are as many as keys and tokens that were used of late, here or elsewhere: staff issue
/// them, so that no caller can make them many.
#[derive(Default)]
struct Shard {
    used: HashMap<Owner, Usage>,
    /// How many there may be before those that ended are let go.
    sweep_at: usize,
}

/// Addresses that sent no valid credential of late.
#[derive(Default)]
struct Addresses {
    attempts: HashMap<IpAddr, Attempts>,
    /// The second in which those whose window has ended were last let go.
    swept: i64,
}

/// What came from one address without a valid credential.
struct Attempts {
    refused: Usage,
    /// Look-ups beyond the limit.
    look_ups: Usage,
    /// Signed links that hold.
    links: Usage,
    /// Challenges of passkeys, of those who have not said who they are.
    challenges: Usage,
}

impl Attempts {
    /// When the last of its windows ends.
    fn ends(&self) -> i64 {
        let all = [&self.refused, &self.look_ups, &self.links, &self.challenges];
        let windows = all.map(|usage| usage.window().end());
        windows.into_iter().max().unwrap_or_default()
    }

    const fn new(window: Window) -> Self {
        let unused = Usage::new(window);
        Self { refused: unused, look_ups: unused, links: unused, challenges: unused }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Limits {
    pub(crate) fn new(rates: Rates) -> Self {
        Self { rates, owners: Default::default(), addresses: Mutex::default() }
    }

    /// Counts a request of an actor, if its limit has room for it. `None`: there is no limit.
    pub fn admit(&self, actor: &Actor, class: Class) -> Option<Standing> {
        self.admit_at(actor, class, wall())
    }

    fn admit_at(&self, actor: &Actor, class: Class, now: Ts) -> Option<Standing> {
        let limit = self.rates.limit(actor, class)?;
        let owner = actor.owner();
        let window = window_of(owner, now);
        let mut shard = locked(self.shard(owner));
        shard.make_room(now);
        let usage = shard.used.entry((owner, class)).or_insert_with(|| Usage::new(window));
        Some(usage.admit(window, limit, now))
    }

    fn shard(&self, owner: Uuid) -> &Mutex<Shard> {
        &self.owners[owner.as_u128() as usize % SHARDS]
    }

    /// Counts an attempt from an address that no credential authenticated. Not admitted: it is beyond the limit.
    pub fn refused(&self, address: IpAddr) -> Option<Standing> {
        self.of_address(address, |addresses, network, window, limit, now| {
            let attempts = addresses.attempts.entry(network).or_insert_with(|| Attempts::new(window));
            attempts.refused.admit(window, limit, now)
        })
    }

    /// How an address stands, for replies to requests that need no credential.
    pub fn of_stranger(&self, address: IpAddr) -> Option<Standing> {
        self.of_address(address, |addresses, network, window, limit, now| {
            let found = addresses.attempts.get(&network);
            found.map_or(Usage::new(window), |attempts| attempts.refused).seen(window, limit, now)
        })
    }

    /// Counts the opening of a signed link that holds.
    pub fn link_opened(&self, address: IpAddr) -> Option<Standing> {
        self.of_address(address, |addresses, network, window, limit, now| {
            let attempts = addresses.attempts.entry(network).or_insert_with(|| Attempts::new(window));
            attempts.links.admit(window, limit.saturating_mul(LINK_FACTOR), now)
        })
    }

    /// Counts a challenge that somebody unknown is given.
    pub fn challenged(&self, address: IpAddr) -> Option<Standing> {
        self.of_address(address, |addresses, network, window, limit, now| {
            let attempts = addresses.attempts.entry(network).or_insert_with(|| Attempts::new(window));
            attempts.challenges.admit(window, limit, now)
        })
    }

    /// Whether the store is asked about a credential of good form that has not been seen to work here.
    pub(crate) fn may_look_up(&self, address: IpAddr) -> bool {
        let may = self.of_address(address, |addresses, network, window, limit, now| {
            let Some(attempts) = addresses.attempts.get_mut(&network) else { return true };
            let beyond = limit.saturating_mul(LOOK_UP_FACTOR);
            attempts.refused.seen(window, limit, now).admitted
                || attempts.look_ups.admit(window, beyond, now).admitted
        });
        may.unwrap_or(true)
    }

    /// Asks about the network of an address, its window and the limit; `None` if there is no limit.
    fn of_address<T>(
        &self,
        address: IpAddr,
        ask: impl FnOnce(&mut Addresses, IpAddr, Window, u32, Ts) -> T,
    ) -> Option<T> {
        let limit = self.rates.unauthenticated;
        if limit == 0 {
            return None;
        }
        let (network, now) = (network_of(address), wall());
        let mut addresses = locked(&self.addresses);
        let network = if addresses.has_room_for(&network, now) { network } else { THE_REST };
        let window = Window::of(number_of(network), now);
        Some(ask(&mut addresses, network, window, limit, now))
    }
}

impl Addresses {
    fn has_room_for(&mut self, network: &IpAddr, now: Ts) -> bool {
        if self.attempts.len() < ADDRESSES_MAX || self.attempts.contains_key(network) {
            return true;
        }
        // At most once a second: a sweep looks at all of them.
        if now.seconds() > self.swept {
            self.swept = now.seconds();
            self.attempts.retain(|_, attempts| attempts.ends() > now.seconds());
        }
        self.attempts.len() < ADDRESSES_MAX
    }
}

impl Shard {
    /// Lets go of windows that have ended, once for each time that it has doubled.
    fn make_room(&mut self, now: Ts) {
        if self.used.len() >= self.sweep_at.max(SHARD_SWEEP) {
            self.used.retain(|_, usage| usage.window().end() > now.seconds());
            self.sweep_at = 2 * self.used.len();
        }
    }
}

fn window_of(owner: Uuid, now: Ts) -> Window {
    // The random half of an id.
    Window::of(owner.as_u64_pair().1, now)
}

/// What stands for the addresses that find no room. No packet comes from it.
const THE_REST: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Whom an address belongs to: one of IPv4 to itself, one of IPv6 to its /64, which a single customer has.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

fn number_of(network: IpAddr) -> u64 {
    match network {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use nimbus_core::{
        access::{Scopes, SystemActor},
        ids::{ClinicId, KeyId, PartnerId},
        rate::KeyRates,
    };

    use super::*;
    use crate::actor::PartnerActor;

    pub(super) fn partner(id: u128, rates: KeyRates) -> Actor {
        Actor::Partner(PartnerActor {
            key_id: KeyId(Uuid::from_u128(id)),
            clinic_id: ClinicId(Uuid::nil()),
            clinic_name: String::new(),
            partner_id: PartnerId(Uuid::nil()),
            scopes: Scopes::default(),
            rates,
            key_expires_at: None,
            clock_ahead_us: 0,
        })
    }

    pub(super) fn limits() -> Limits {
        Limits::new(Rates { writes: 2, reads: 20, unauthenticated: 3 })
    }

    fn admitted(limits: &Limits, actor: &Actor, class: Class) -> u32 {
        (0..1000)
            .map(|_| u32::from(limits.admit(actor, class).is_none_or(|standing| standing.admitted)))
            .sum()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn keys_classes_and_feeds_are_counted_apart() {
        let limits = limits();
        let (one, other) = (partner(1 << 70, KeyRates::default()), partner(2 << 70, KeyRates::default()));
        // A window may end between two requests: then what begins anew is the same again.
        for (actor, class, limit) in [
            (&one, Class::Writes, 2),
            (&one, Class::Reads, 20),
            (&other, Class::Writes, 2),
            (&Actor::System(SystemActor::PharmacySystem), Class::Writes, 20),
            (&Actor::System(SystemActor::Onboarding), Class::Writes, 20),
        ] {
            let count = admitted(&limits, actor, class);
            assert!(count == limit || count == 2 * limit, "{count} of {limit}");
        }
    }

    #[test]
    fn a_key_has_what_an_admin_gave_it() {
        let rates = KeyRates { reads: None, writes: Some(7) };
        assert_eq!(limits().admit(&partner(1, rates), Class::Writes).unwrap().limit, 7);
        assert_eq!(limits().admit(&partner(1, rates), Class::Reads).unwrap().limit, 20);
        let off = Limits::new(Rates::OFF);
        assert_eq!(off.admit(&partner(1, rates), Class::Writes).unwrap().limit, 7);
        assert_eq!(off.admit(&partner(1, rates), Class::Reads), None);
    }

    #[test]
    fn an_address_beyond_its_limit_is_looked_up_for_a_bounded_number_of_times() {
        let limits = limits();
        let here = address("192.0.2.1");
        assert!((0..500).all(|_| limits.may_look_up(here)), "within the limit");
        while limits.refused(here).unwrap().admitted {}
        let looked_up = (0..500).filter(|_| limits.may_look_up(here)).count();
        assert!((30..=500).contains(&looked_up), "{looked_up}");
        assert!(looked_up < 500 || limits.of_stranger(here).unwrap().remaining > 0, "{looked_up}");
        assert!(limits.refused(address("192.0.2.2")).unwrap().admitted);
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_a_mapped_address_is_of_ipv4() {
        assert_eq!(network_of(address("2001:db8::1")), network_of(address("2001:db8::ffff:1:2:3")));
        assert_ne!(network_of(address("2001:db8::1")), network_of(address("2001:db8:0:1::1")));
        assert_eq!(network_of(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn addresses_beyond_the_most_share_one_count() {
        let shared = || {
            let limits = limits();
            for number in 1..=ADDRESSES_MAX as u32 + 10 {
                limits.refused(Ipv4Addr::from_bits(number << 8).into());
            }
            assert!(locked(&limits.addresses).attempts.len() <= ADDRESSES_MAX + 1);
            let late =
                |number: u32| limits.refused(Ipv4Addr::from_bits(0xf000_0000 + number).into()).unwrap();
            (0..10).any(|number| !late(number).admitted)
        };
        // A window that ends meanwhile empties the table; the next one does not end so soon.
        assert!(shared() || shared());
    }
}
