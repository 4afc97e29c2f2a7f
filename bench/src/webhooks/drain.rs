//! A backlog, and how fast it goes out.

use std::time::Instant;

use serde_json::json;

use super::{TRIGGER, arrivals::Arrivals, event, register};
use crate::{Failure, figures::per_second, process, server::Server};

/// A backlog of so many events to so many endpoints each is drained.
const EVENTS: u64 = 10_000;
const ENDPOINTS: usize = 20;
/// Events of one request.
const AT_ONCE: u64 = 100;

pub(super) struct Drained {
    pub(super) per_second: f64,
    pub(super) peak_mib: f64,
    pub(super) lost: u64,
}

/// A backlog that gathered while the endpoints were paused.
pub(super) async fn drain(server: &Server) -> Result<Drained, Failure> {
    let expected = EVENTS * ENDPOINTS as u64;
    eprintln!("  draining {expected} deliveries");
    let arrivals = Arrivals::default();
    let receiver = arrivals.receiver().await?;
    let mut endpoints = Vec::new();
    for n in 0..ENDPOINTS {
        let endpoint = register(server, receiver.address, &format!("drain/{n}")).await?;
        server.patch(&endpoint, &json!({ "status": "paused" })).await?;
        endpoints.push(endpoint);
    }
    for _ in 0..EVENTS / AT_ONCE {
        let body = event(server, json!({ "count": AT_ONCE }))?;
        server.post_as_staff(TRIGGER, &body)?.once().await?;
    }
    process::forget_peak(server.pid()?)?;
    let started = Instant::now();
    for endpoint in &endpoints {
        server.patch(endpoint, &json!({ "status": "active" })).await?;
    }
    let last = arrivals.wait(expected).await;
    let peak = process::peak_kib(server.pid()?)?;
    for endpoint in &endpoints {
        server.delete(endpoint).await?;
    }
    Ok(Drained {
        per_second: per_second(arrivals.count(), last.saturating_duration_since(started)),
        peak_mib: peak as f64 / 1024.0,
        lost: expected.saturating_sub(arrivals.count()),
    })
}
