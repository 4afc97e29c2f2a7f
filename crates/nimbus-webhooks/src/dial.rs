//! How far the making of a connection came, and how long its parts took.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

tokio::task_local! {
    /// The dialling on behalf of the request that is being sent: the client's pool passes a connector nothing but the
    /// address.
    pub(crate) static CURRENT: Dial;
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Dns,
    Connect,
    Tls,
    /// The connection stands.
    Response,
}

/// How long the parts of making a connection took, in microseconds, up to their end or to where they failed. What was
/// not begun has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DialTimes {
    /// Resolving the name; next to nothing for an address.
    pub dns_us: Option<i64>,
    /// The TCP handshake.
    pub connect_us: Option<i64>,
    /// The TLS handshake; none for plain http.
    pub tls_us: Option<i64>,
}

/// Shared by the request that dials, the connector, and every later response of the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dial(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    phase: Option<(Phase, Instant)>,
    times: DialTimes,
    is_told: bool,
}

impl State {
    /// Adds up the phase that is under way.
    fn close(&mut self) {
        let Some((phase, since)) = self.phase else { return };
        let took = Some(micros(since));
        match phase {
            Phase::Dns => self.times.dns_us = took,
            Phase::Connect => self.times.connect_us = took,
            Phase::Tls => self.times.tls_us = took,
            Phase::Response => {}
        }
    }
}

impl Dial {
    /// Ends the phase before and begins this one.
    pub(crate) fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        state.close();
        state.phase = Some((phase, Instant::now()));
    }

    /// What is waited for; `None` while nothing was begun.
    pub(crate) fn phase(&self) -> Option<Phase> {
        self.lock().phase.map(|(phase, _)| phase)
    }

    /// The times, for the first request that asks: to the others the connection was there already.
    pub(crate) fn take(&self) -> Option<DialTimes> {
        let mut state = self.lock();
        state.close();
        let is_told = std::mem::replace(&mut state.is_told, true);
        (!is_told && state.phase.is_some()).then_some(state.times)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Microseconds since then.
pub(crate) fn micros(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_micros()).unwrap_or(i64::MAX)
}
