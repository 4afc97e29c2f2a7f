//! Delivery: orders at full speed with one webhook endpoint, until every event has arrived.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    Failure,
    client::{self, Outcome, Until},
    figures::{Latencies, decimals, per_second, ratio, whole},
    limits,
    options::Options,
    receiver::{Arrivals, Receiver, Subject, prescription_of},
    server::Server,
};

/// Nothing arrived for so long: what is missing is lost. First retries come after a minute.
const PATIENCE: Duration = Duration::from_secs(90);
/// The longest wait for everything.
const DRAIN_WITHIN: Duration = Duration::from_secs(1800);
/// What comes twice may come this late.
const SETTLE: Duration = Duration::from_secs(1);
/// The raw POSTs carry as much as a webhook with an address in it.
const RAW_BYTES: usize = 700;
/// The fewest raw POSTs, so that opening the connections does not show in their rate.
const RAW_LEAST: u64 = 20_000;

/// When the reply that named a prescription came.
type Replies = HashMap<Subject, Instant>;

pub(crate) async fn measure(options: &Options) -> Result<Value, Failure> {
    eprintln!("delivery, {}", options.engine.name());
    let arrivals = Arrivals::default();
    let record = arrivals.clone();
    let receiver = Receiver::start(move |headers, body| record.record(headers, body)).await?;
    let mut server = Server::start(options).await?;
    register(&server, &receiver).await?;
    eprintln!("  orders for {} s", options.duration.as_secs());
    let (outcome, replies) = post_orders(options, &server).await?;
    eprintln!("  {} orders, {} of their events arrived; draining", outcome.done, arrivals.seen().first.len());
    drain(&arrivals, replies.len()).await;
    tokio::time::sleep(SETTLE).await;
    server.stop().await?;
    eprintln!("  limits");
    let (mut report, deliveries) = told(&outcome, &replies, &arrivals)?;
    let body = padded(&arrivals.seen().sample);
    let raw =
        limits::raw(&receiver, body.clone(), options.connections, Until::Count(deliveries.max(RAW_LEAST)))
            .await?;
    let raw_posts = per_second(raw.done, raw.elapsed);
    report["ratios"] = json!({
        "deliveries_per_raw_post": ratio(report["deliveries_per_second"].as_f64().unwrap_or(0.0), raw_posts),
    });
    report["limits"] = json!({
        "raw_posts_per_second": whole(raw_posts), "raw_posts": raw.done, "raw_body_bytes": body.len(),
    });
    Ok(report)
}

async fn register(server: &Server, receiver: &Receiver) -> Result<(), Failure> {
    let body = json!({
        "clinic_id": server.seeded("/clinic_id")?,
        "webhook_url": format!("http://{}/webhooks", receiver.address),
        "event_types": ["*"],
    });
    server.post("/api/external/webhook", &body)?.once().await?;
    Ok(())
}

async fn post_orders(options: &Options, server: &Server) -> Result<(Outcome, Replies), Failure> {
    let replies = Arc::new(Mutex::new(Replies::new()));
    let record = Arc::clone(&replies);
    let on_reply = move |at: Instant, body: &Bytes| {
        if let Some(prescription) = prescription_of(body) {
            record.lock().unwrap_or_else(PoisonError::into_inner).insert(prescription, at);
        }
    };
    let until = Until::Elapsed(options.duration);
    let outcome = client::run(server.order()?, options.connections, until, on_reply).await?;
    let replies = std::mem::take(&mut *replies.lock().unwrap_or_else(PoisonError::into_inner));
    if replies.len() as u64 != outcome.done {
        return Err("some replies name no prescription, so that their events cannot be told".into());
    }
    Ok((outcome, replies))
}

/// Waits until so many prescriptions have been told, or nothing comes any more.
async fn drain(arrivals: &Arrivals, expected: usize) {
    let started = Instant::now();
    let (mut before, mut changed) = (0, started);
    while started.elapsed() < DRAIN_WITHIN && changed.elapsed() < PATIENCE {
        let now = arrivals.seen().first.len();
        if now >= expected {
            return;
        }
        if now > before {
            (before, changed) = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The report without limits, and how many deliveries there were.
fn told(outcome: &Outcome, replies: &Replies, arrivals: &Arrivals) -> Result<(Value, u64), Failure> {
    let seen = arrivals.seen();
    let (mut latencies, mut lost, mut before_reply) = (Latencies::new(), 0u64, 0u64);
    for (prescription, replied) in replies {
        match seen.first.get(prescription) {
            None => lost += 1,
            Some(arrived) => {
                before_reply += u64::from(arrived < replied);
                latencies.record(arrived.saturating_duration_since(*replied));
            }
        }
    }
    let last = seen.last.ok_or("no delivery arrived")?;
    let elapsed = last.saturating_duration_since(outcome.started);
    let drained = elapsed.saturating_sub(outcome.elapsed);
    let deliveries = seen.ids.len() as u64;
    let report = json!({
        "orders": outcome.done,
        "errors": outcome.errors,
        "orders_per_second": whole(per_second(outcome.done, outcome.elapsed)),
        "deliveries": deliveries,
        "deliveries_per_second": whole(per_second(deliveries, elapsed)),
        "elapsed_seconds": decimals(elapsed.as_secs_f64(), 2),
        "drain_seconds": decimals(drained.as_secs_f64(), 2),
        "reply_to_arrival_ms": latencies.to_json(),
        "arrived_before_reply": before_reply,
        "lost": lost,
        "duplicates": seen.duplicates,
    });
    Ok((report, deliveries))
}

/// A delivery's body with spaces behind it.
fn padded(body: &Bytes) -> Bytes {
    let mut padded = body.to_vec();
    padded.resize(RAW_BYTES.max(body.len()), b' ');
    padded.into()
}
