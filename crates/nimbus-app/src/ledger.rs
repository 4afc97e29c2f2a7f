//! The conservation ledger, reconciled all the time: one worker of all processes walks what was accepted, and looks
//! whether it is accounted for.

use std::time::Duration;

pub use nimbus_store::ledger::{Checked, Ledger};
use nimbus_store::{
    Db,
    fault::{self, Point},
    ledger,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    App,
    clock::wall,
    error::{Error, Result},
};

/// How often the walk goes on.
const WALK: Duration = Duration::from_secs(1);
/// How often both sides are compared, at most.
const CHECK: Duration = Duration::from_secs(30);
/// A comparison reads what is pending: the next one waits so many times as long as it took.
const CHECK_SHARE: u32 = 20;
/// Who walks is alone for so long without being heard of.
const LEASE_SECONDS: i64 = 30;
/// The lease is renewed when so much of it is gone.
const RENEW: Duration = Duration::from_secs(10);

/// Walks and compares until it is stopped; the workers of other processes wait for this one to end.
pub async fn run(app: App, stop: CancellationToken) {
    let mut poll = tokio::time::interval(WALK);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let token = Uuid::now_v7();
    let (mut renewed, mut next_check): (Option<Instant>, _) = (None, Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = poll.tick() => {}
        }
        if renewed.is_none_or(|at| at.elapsed() >= RENEW) {
            let now = Instant::now();
            match lease(app.db(), token).await {
                Ok(leased) => renewed = leased.then_some(now),
                Err(error) => tracing::error!(%error, "the ledger's lease could not be had"),
            }
        }
        if renewed.is_none() {
            continue;
        }
        if let Err(error) = walk(&app, &stop).await {
            tracing::error!(%error, "the ledger's walk was interrupted");
            continue;
        }
        if Instant::now() >= next_check {
            let begun = Instant::now();
            match check(&app).await {
                Ok(checked) => report(&checked),
                Err(error) => tracing::error!(%error, "the ledger could not be compared"),
            }
            next_check = Instant::now() + CHECK.max(begun.elapsed() * CHECK_SHARE);
        }
    }
    if renewed.is_some() {
        let ended = app.db().write(move |tx| Box::pin(ledger::ledger_lease_end(tx, token))).await;
        if let Err(error) = ended {
            tracing::warn!(%error, "the ledger's lease was not given back; it runs out by itself");
        }
    }
}

async fn lease(db: &Db, token: Uuid) -> Result<bool> {
    let now = wall();
    let until = now.plus_seconds(LEASE_SECONDS);
    Ok(db.write(move |tx| Box::pin(ledger::ledger_lease(tx, token, until, now))).await?)
}

/// Walks to the end of what is settled, or until it is stopped. The reading stands in nobody's way: it is not part of
/// the transaction that writes.
pub async fn walk(app: &App, stop: &CancellationToken) -> Result<()> {
    while !stop.is_cancelled() {
        let faults = fault::here();
        fault::point(Point::Walk).await?;
        let read = app.db().read(|tx| Box::pin(ledger::ledger_step(tx)));
        let Some(step) = read.await? else { return Ok(()) };
        let (odd, has_more) = (step.odd.clone(), step.has_more);
        fault::point(Point::Advance).await?;
        let written = app.db().write(move |tx| {
            let (step, faults) = (step.clone(), faults.clone());
            Box::pin(async move {
                let advanced = ledger::ledger_advance(tx, &step).await?;
                faults.inside(Point::AdvanceCommit)?;
                Ok::<_, Error>(advanced)
            })
        });
        if !written.await? {
            continue;
        }
        fault::point(Point::Advanced).await?;
        for (clinic, event, missing) in odd {
            tracing::error!(clinic_id = %clinic, event_id = %event, missing, "an event lacks deliveries");
        }
        if !has_more {
            return Ok(());
        }
    }
    Ok(())
}

/// Compares both sides now.
pub async fn check(app: &App) -> Result<Checked> {
    app.db().read(|tx| Box::pin(async move { Ok::<_, Error>(ledger::ledger_check(tx).await?) })).await
}

fn report(checked: &Checked) {
    for (endpoint, ledger) in &checked.mismatches {
        let endpoint = endpoint.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        let Ledger { accepted, delivered, pending, dead, cancelled } = *ledger;
        let difference = ledger.difference();
        tracing::error!(
            endpoint_id = endpoint,
            difference,
            accepted,
            delivered,
            pending,
            dead,
            cancelled,
            "the ledger of deliveries does not balance"
        );
    }
}
