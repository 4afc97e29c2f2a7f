//! What arrives at a receiver, and how long after the reply that accepted it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::json;

use super::{EVENT, TRIGGER};
use crate::{Failure, client, figures::Latencies, options::Options, receiver::Receiver, server::Server};

/// Nothing arrived for so long: what is missing is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the receiver counted.
#[derive(Clone, Default)]
pub(super) struct Arrivals {
    count: Arc<AtomicU64>,
    /// The arrivals of each event of a number of ours.
    numbered: Arc<Mutex<HashMap<u64, Vec<Instant>>>>,
    keeps_numbers: bool,
}

impl Arrivals {
    /// Looks for numbers as well, which takes time.
    pub(super) fn with_numbers() -> Self {
        Self { keeps_numbers: true, ..Self::default() }
    }

    pub(super) async fn receiver(&self) -> Result<Receiver, Failure> {
        let seen = self.clone();
        Receiver::start(move |_, body| seen.record(body)).await
    }

    fn record(&self, body: &Bytes) {
        let now = Instant::now();
        if self.keeps_numbers
            && let Some(number) = number_of(body)
        {
            lock(&self.numbered).entry(number).or_default().push(now);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until so many came, or nothing comes any more; when the last one came, to two milliseconds.
    pub(super) async fn wait(&self, expected: u64) -> Instant {
        wait(expected, || self.count()).await
    }
}

async fn wait(expected: u64, count: impl Fn() -> u64) -> Instant {
    let (mut before, mut changed) = (count(), Instant::now());
    while before < expected && changed.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let now = count();
        if now > before {
            (before, changed) = (now, Instant::now());
        }
    }
    changed
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number that an event of the latency run carries.
fn number_of(body: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"bench_number\":";
    let at = body.windows(NAME.len()).rposition(|window| window == NAME)?;
    let digits = &body[at + NAME.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// Sends numbered events at a rate over as many connections, and matches their replies with their arrivals, of which
/// each has so many. How many events there were, and how long each arrival took.
pub(super) async fn paced(
    server: &Server,
    arrivals: &Arrivals,
    rate: f64,
    each: u64,
    options: &Options,
) -> Result<(u64, Latencies), Failure> {
    let every = Duration::from_secs_f64(options.connections as f64 / rate.max(1.0));
    let stop_at = Instant::now() + options.duration;
    let (next, before) = (Arc::new(AtomicU64::new(0)), arrivals.count());
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..options.connections {
        let load = server.post_as_staff(TRIGGER, &json!({}))?;
        let (clinic, next) = (server.seeded("/clinic_id")?.to_owned(), Arc::clone(&next));
        let offset = every.mul_f64(n as f64 / options.connections as f64);
        tasks.spawn(async move {
            let (mut replies, mut connection) = (Vec::new(), None);
            let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + offset, every);
            while Instant::now() < stop_at {
                ticks.tick().await;
                let number = next.fetch_add(1, Ordering::Relaxed);
                let padding = "x".repeat(400);
                let body = json!({ "clinic_id": clinic, "event_type": EVENT,
                    "payload": { "padding": padding, "bench_number": number } });
                let load = load.with_body(Bytes::from(body.to_string()));
                if client::send_once(&load, &mut connection).await.is_ok() {
                    replies.push((number, Instant::now()));
                }
            }
            replies
        });
    }
    let mut replies = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        replies.extend(joined?);
    }
    let events = replies.len() as u64;
    arrivals.wait(before + events * each).await;
    let (seen, mut latencies) = (lock(&arrivals.numbered), Latencies::new());
    for (number, replied) in replies {
        let arrived = seen.get(&number).map_or(&[][..], Vec::as_slice);
        for arrived in arrived {
            latencies.record(arrived.saturating_duration_since(replied));
        }
        for _ in arrived.len() as u64..each {
            latencies.record(PATIENCE);
        }
    }
    Ok((events, latencies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_bodies() {
        assert_eq!(
            number_of(br#"{"event_data":{"padding":"x","bench_number":42},"triggered":true}"#),
            Some(42)
        );
        assert_eq!(number_of(b"{}"), None);
    }
}
