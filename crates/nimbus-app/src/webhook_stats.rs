//! How a webhook does: success, latency, causes of failure, backlog, over a window that its owner chooses.

use std::collections::BTreeMap;

use nimbus_core::{access::Scope, ids::EndpointId, time::Ts, words};
use nimbus_store::deliveries::{AttemptCount, Stats as Found, delivery_stats};
pub use nimbus_store::{
    deliveries::{LATEST_MAX, WAITING_MAX},
    ledger::Ledger,
};

use crate::{App, actor::Call, endpoints::Of, error::Result};

words! {
    /// How far back is looked.
    pub enum Window {
        Hour = "1h",
        Day = "24h",
        Week = "7d",
    }
}

impl Window {
    const fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3600,
            Self::Day => 24 * 3600,
            Self::Week => 7 * 24 * 3600,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Ask {
    pub of: Of,
    pub window: Window,
}

/// Times of attempts in milliseconds: so many of a hundred took no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    pub p50_ms: i64,
    pub p95_ms: i64,
    pub p99_ms: i64,
}

/// What became of the deliveries that were accepted within the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    pub endpoint_id: EndpointId,
    pub window: Window,
    /// Deliveries accepted since then are counted: the window, or less where there were more than [`LATEST_MAX`].
    pub since: Ts,
    /// Whether all of the window was looked at.
    pub is_complete: bool,
    pub deliveries: Ledger,
    pub attempts: i64,
    /// Failed attempts by cause.
    pub failed: BTreeMap<String, i64>,
    /// Of all their attempts; `None` if there were none.
    pub latency: Option<Latency>,
    /// Deliveries that wait, whenever they were accepted; [`WAITING_MAX`] stands for so many or more.
    pub backlog: i64,
    /// How long the oldest of them has waited.
    pub oldest_pending_seconds: Option<i64>,
}

impl Stats {
    /// Hundredths of a percent of the deliveries that have ended which were delivered; `None` if none has.
    pub fn success_of_10_000(&self) -> Option<i64> {
        let Ledger { delivered, dead, .. } = self.deliveries;
        (delivered + dead > 0).then(|| delivered * 10_000 / (delivered + dead))
    }
}

/// How an endpoint does.
pub async fn stats(app: &App, call: &Call, ask: Ask) -> Result<Stats> {
    ask.of.allow(call, Scope::WebhooksRead)?;
    app.read(call, ask, |tx, cx, ask| {
        Box::pin(async move {
            let endpoint = ask.of.find(tx, &cx.call, Scope::WebhooksRead).await?;
            let (clinic, id) = (endpoint.clinic_id, endpoint.id);
            let since = cx.wall.plus_seconds(-ask.window.seconds());
            let found = delivery_stats(tx, clinic, id, since).await?;
            let audit = cx.audit(Some(clinic), "webhook.stats", "webhook", Some(id.0));
            Ok((summed(id, ask.window, since, found, cx.wall), vec![audit]))
        })
    })
    .await
}

fn summed(endpoint_id: EndpointId, window: Window, since: Ts, found: Found, now: Ts) -> Stats {
    let mut failed = BTreeMap::new();
    for attempt in &found.attempts {
        if let Some(cause) = &attempt.cause {
            *failed.entry(cause.clone()).or_default() += attempt.count;
        }
    }
    let waited = |since: Ts| (now.seconds() - since.seconds()).max(0);
    Stats {
        endpoint_id,
        window,
        since: found.looked_at_since.unwrap_or(since),
        is_complete: found.looked_at_since.is_none(),
        deliveries: found.deliveries,
        attempts: found.attempts.iter().map(|attempt| attempt.count).sum(),
        failed,
        latency: latency(&found.attempts),
        backlog: found.waiting,
        oldest_pending_seconds: found.waiting_since.map(waited),
    }
}

/// Percentiles by nearest rank: each is a time that an attempt took. The attempts are in the order of their times.
fn latency(attempts: &[AttemptCount]) -> Option<Latency> {
    let total: i64 = attempts.iter().map(|attempt| attempt.count).sum();
    let at = |percent: i64| {
        let rank = (total * percent + 99) / 100;
        let mut seen = 0;
        let reached = |attempt: &&AttemptCount| {
            seen += attempt.count;
            seen >= rank
        };
        attempts.iter().find(reached).map(|attempt| attempt.elapsed_ms)
    };
    Some(Latency { p50_ms: at(50)?, p95_ms: at(95)?, p99_ms: at(99)? })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn attempts(counted: &[(Option<&str>, i64, i64)]) -> Vec<AttemptCount> {
        let attempt = |&(cause, elapsed_ms, count): &(Option<&str>, i64, i64)| AttemptCount {
            cause: cause.map(str::to_owned),
            elapsed_ms,
            count,
        };
        counted.iter().map(attempt).collect()
    }

    #[test]
    fn percentiles_are_times_that_attempts_took() {
        assert_eq!(latency(&[]), None);
        let one = latency(&attempts(&[(None, 7, 1)]));
        assert_eq!(one, Some(Latency { p50_ms: 7, p95_ms: 7, p99_ms: 7 }));
        // 1 to 100, once each: the nearest rank of the n-th percent is n.
        let even: Vec<_> = (1..=100).map(|ms| (None, ms, 1)).collect();
        assert_eq!(latency(&attempts(&even)), Some(Latency { p50_ms: 50, p95_ms: 95, p99_ms: 99 }));
        let few_slow = attempts(&[(None, 5, 96), (Some("timeout"), 10_000, 4)]);
        assert_eq!(latency(&few_slow), Some(Latency { p50_ms: 5, p95_ms: 5, p99_ms: 10_000 }));
        let two = latency(&attempts(&[(None, 3, 1), (None, 9, 1)]));
        assert_eq!(two, Some(Latency { p50_ms: 3, p95_ms: 9, p99_ms: 9 }));
    }

    #[test]
    fn success_is_of_what_has_ended() {
        let since = Ts::from_micros(0);
        let stats = |deliveries| {
            let found = Found { deliveries, ..Found::default() };
            summed(EndpointId(Uuid::nil()), Window::Hour, since, found, since)
        };
        let none = stats(Ledger { accepted: 5, pending: 4, cancelled: 1, ..Ledger::default() });
        assert_eq!(none.success_of_10_000(), None);
        let some = stats(Ledger { accepted: 4, delivered: 2, dead: 1, pending: 1, cancelled: 0 });
        assert_eq!(some.success_of_10_000(), Some(6666));
    }

    #[test]
    fn failures_are_counted_by_cause_and_the_oldest_by_its_age() {
        let now = Ts::from_micros(100_000_000);
        let found = Found {
            attempts: attempts(&[
                (Some("status"), 1, 2),
                (None, 2, 5),
                (Some("status"), 3, 1),
                (Some("dns"), 4, 1),
            ]),
            waiting: 3,
            waiting_since: Some(now.plus_seconds(-90)),
            looked_at_since: Some(now.plus_seconds(-60)),
            ..Found::default()
        };
        let summed = summed(EndpointId(Uuid::nil()), Window::Day, now.plus_seconds(-3600), found, now);
        assert_eq!(summed.attempts, 9);
        assert_eq!(summed.failed, BTreeMap::from([("status".to_owned(), 3), ("dns".to_owned(), 1)]));
        assert_eq!((summed.backlog, summed.oldest_pending_seconds), (3, Some(90)));
        assert_eq!((summed.since, summed.is_complete), (now.plus_seconds(-60), false));
    }
}
