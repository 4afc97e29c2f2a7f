//! Endpoints that never answer, beside those that do.

use serde_json::json;
use tokio::net::TcpListener;

use super::{
    TRIGGER,
    arrivals::{Arrivals, paced},
    event, register,
};
use crate::{
    Failure,
    client::{self, Until},
    figures::{Latencies, per_second},
    options::Options,
    server::Server,
};

/// Endpoints that are looked at, and how many are beside them.
const HEALTHY: usize = 80;
const OTHERS: usize = 20;
/// Events that are published as fast as can be, each to all of them.
const EVENTS: u64 = 500;
/// Events a second while latencies are taken: far below what the server can do, so that none is of a queue.
const PACE: f64 = 20.0;

pub(super) struct Healthy {
    /// Deliveries a second to the healthy ones while all that there is goes out.
    pub(super) rate: f64,
    /// At a steady pace.
    pub(super) latencies: Latencies,
    pub(super) lost: u64,
}

/// How eighty endpoints fare beside twenty others, which answer like them or take connections and say nothing.
pub(super) async fn isolation(options: &Options, others_answer: bool) -> Result<Healthy, Failure> {
    let told = if others_answer { "like them" } else { "dead" };
    eprintln!("  {HEALTHY} endpoints beside {OTHERS} that are {told}");
    let (arrivals, beside) = (Arrivals::with_numbers(), Arrivals::default());
    let (receiver, answering) = (arrivals.receiver().await?, beside.receiver().await?);
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let mut server = Server::start(options).await?;
    for n in 0..HEALTHY {
        register(&server, receiver.address, &format!("healthy/{n}")).await?;
    }
    let other = if others_answer { answering.address } else { silent.local_addr()? };
    for n in 0..OTHERS {
        register(&server, other, &format!("other/{n}")).await?;
    }
    let load = server.post_as_staff(TRIGGER, &event(&server, json!({}))?)?;
    let outcome = client::run(load, 4, Until::Count(EVENTS), |_, _| {}).await?;
    let last = arrivals.wait(outcome.done * HEALTHY as u64).await;
    let rate = per_second(arrivals.count(), last.saturating_duration_since(outcome.started));
    let slow = Options { connections: 4, ..options.clone() };
    let before = arrivals.count();
    let (events, latencies) = paced(&server, &arrivals, PACE, HEALTHY as u64, &slow).await?;
    let expected = before + events * HEALTHY as u64;
    server.stop().await?;
    Ok(Healthy { rate, latencies, lost: expected.saturating_sub(arrivals.count()) })
}
