//! How many connections there are, in all and by address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use nimbus_core::network::Network;

use super::Transport;

/// A log tells of refused connections once in so long, in seconds.
const TOLD_EVERY: i64 = 60;

/// Figures of a listener, for metrics.
#[derive(Debug, Default)]
pub struct Counts {
    open: AtomicUsize,
    refused: AtomicU64,
    /// When a log last told of one that was refused, and of one that failed; in seconds.
    refusal_told: AtomicI64,
    failure_told: AtomicI64,
}

impl Counts {
    /// Connections at present.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Connections that found no place.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(super) fn tells_failure(&self) -> bool {
        is_due(&self.failure_told)
    }
}

fn is_due(told: &AtomicI64) -> bool {
    let (now, last) = (now_seconds(), told.load(Relaxed));
    let is_due = now - last >= TOLD_EVERY || now < last;
    is_due && told.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
}

fn now_seconds() -> i64 {
    nimbus_app::clock::wall().seconds()
}

/// Gives places to connections.
pub(super) struct Admission {
    most: usize,
    most_of_one: usize,
    proxies: Vec<Network>,
    counts: Arc<Counts>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Admission {
    pub(super) fn new(transport: &Transport) -> Self {
        Self {
            most: transport.limits.connections,
            most_of_one: transport.limits.connections_per_address,
            proxies: transport.proxies.clone(),
            counts: Arc::clone(&transport.counts),
            by_address: Mutex::default(),
        }
    }

    /// A place for a connection from there, kept until it is dropped.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let is_proxy = self.proxies.iter().any(|network| network.contains(address));
        let holder = (!is_proxy).then(|| holder_of(address));
        let place = (self.counts.open() < self.most).then(|| self.place(holder)).flatten();
        if place.is_none() {
            let refused = self.counts.refused.fetch_add(1, Relaxed) + 1;
            if is_due(&self.counts.refusal_told) {
                tracing::warn!(refused, "connections are refused: there are as many as there may be");
            }
        }
        place
    }

    fn place(self: &Arc<Self>, holder: Option<IpAddr>) -> Option<Place> {
        if let Some(holder) = holder {
            let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            let held = by_address.get(&holder).copied().unwrap_or(0);
            if held >= self.most_of_one {
                return None;
            }
            by_address.insert(holder, held + 1);
        }
        self.counts.open.fetch_add(1, Relaxed);
        Some(Place { admission: Arc::clone(self), holder })
    }
}

/// Whose an address is: one of IPv6 is its /64's, which a single customer has.
fn holder_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

/// The place of one connection.
pub(super) struct Place {
    admission: Arc<Admission>,
    holder: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.counts.open.fetch_sub(1, Relaxed);
        let Some(holder) = self.holder else { return };
        let mut by_address = self.admission.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        match by_address.get_mut(&holder) {
            Some(held) if *held > 1 => *held -= 1,
            _ => {
                by_address.remove(&holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Limits;

    fn admission(connections: usize, of_one: usize, proxies: &[&str]) -> Arc<Admission> {
        let limits = Limits { connections, connections_per_address: of_one, ..Limits::default() };
        let proxies = proxies.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Admission::new(&Transport { limits, proxies, ..Transport::default() }))
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_that_is_given_up_is_free_again() {
        let admission = admission(2, 2, &[]);
        let first = admission.admit(at("192.0.2.1"));
        let second = admission.admit(at("192.0.2.2"));
        assert!(first.is_some() && second.is_some());
        assert!(admission.admit(at("192.0.2.3")).is_none());
        assert_eq!((admission.counts.open(), admission.counts.refused()), (2, 1));
        drop((first, second));
        assert!(admission.admit(at("192.0.2.3")).is_some());
        assert_eq!(admission.counts.open(), 0);
        assert!(admission.by_address.lock().unwrap().is_empty(), "nothing is kept of who is gone");
    }

    #[test]
    fn one_address_leaves_places_to_others() {
        let admission = admission(10, 1, &["10.0.0.0/8"]);
        let _held = admission.admit(at("2001:db8::1"));
        assert!(admission.admit(at("2001:db8::ffff:2")).is_none(), "the same /64");
        let _other = admission.admit(at("2001:db8:0:1::1")).expect("another");
        let _mapped = admission.admit(at("::ffff:192.0.2.1")).expect("another");
        assert!(admission.admit(at("192.0.2.1")).is_none(), "the same, written as IPv6");
        let proxied: Vec<_> = (0..5).map(|_| admission.admit(at("10.1.2.3"))).collect();
        assert!(proxied.iter().all(Option::is_some), "a proxy speaks for many");
    }
}
