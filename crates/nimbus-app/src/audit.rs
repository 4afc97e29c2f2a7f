//! The audit log that can be proved: one worker of all processes links its rows into a chain as they are committed, signs
//! what the chain is, and compares the log with it all the time.

pub mod disclosures;
pub mod export;
pub mod file;
pub mod look;
pub mod verify;

use std::time::Duration;

pub use nimbus_store::audit::{AuditRow, Checkpoint, PublicKey, Standing};
use nimbus_store::{
    Db, audit as store,
    fault::{self, Point},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    App,
    actor::Call,
    clock::wall,
    error::{Error, Result},
    unit::Cx,
};

/// How often new rows are looked for.
const LINK: Duration = Duration::from_millis(500);
/// Who links is alone for so long without being heard of.
const LEASE_SECONDS: i64 = 10;
/// The lease is renewed when so much of it is gone.
const RENEW: Duration = Duration::from_secs(3);
/// The chain is signed when so many links, or links of so long, are not.
const CHECKPOINT_LINKS: i64 = 10_000;
const CHECKPOINT_SECONDS: i64 = 60;
/// After each window of the walk the store belongs to the others for so many times as long as it took.
const WALK_SHARE: u32 = 20;
/// A walk begins so long after the last one came to its end.
const WALK_AGAIN: Duration = Duration::from_secs(30);
/// Rows may be unlinked for so long before somebody should look.
pub const BEHIND_SECONDS: i64 = 60;

/// How long [`settle`] waits, longer than the lease of one who died, and how often it looks.
const SETTLE: Duration = Duration::from_secs(15);
const SETTLE_AGAIN: Duration = Duration::from_millis(100);

/// Links, signs and compares until it is stopped; the workers of other processes wait for this one to end.
pub async fn run(app: App, stop: CancellationToken) {
    let mut poll = tokio::time::interval(LINK);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let token = Uuid::now_v7();
    let (mut renewed, mut next_walk): (Option<Instant>, _) = (None, Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = poll.tick() => {}
        }
        if renewed.is_none_or(|at| at.elapsed() >= RENEW) {
            let now = Instant::now();
            match lease(app.db(), token).await {
                Ok(leased) => renewed = leased.then_some(now),
                Err(error) => tracing::error!(%error, "the lease of the audit's chain could not be had"),
            }
        }
        if renewed.is_none() {
            continue;
        }
        match link(&app, token, RENEW, &stop).await {
            Ok(true) => {}
            // Another one links: the lease was lost on the way.
            Ok(false) => renewed = None,
            Err(error) => tracing::error!(%error, "the audit log could not be linked"),
        }
        if Instant::now() >= next_walk {
            let begun = Instant::now();
            next_walk = match verify::go_round(&app).await {
                Ok(true) => Instant::now() + WALK_AGAIN,
                Ok(false) => Instant::now() + begun.elapsed() * WALK_SHARE,
                Err(error) => {
                    tracing::error!(%error, "the audit log could not be compared with its chain");
                    Instant::now() + WALK_AGAIN
                }
            };
        }
    }
    if renewed.is_some() {
        let ended = app.db().write(move |tx| Box::pin(store::chain_lease_end(tx, token))).await;
        if let Err(error) = ended {
            tracing::warn!(%error, "the lease of the audit's chain was not given back; it runs out by itself");
        }
    }
}

async fn lease(db: &Db, token: Uuid) -> Result<bool> {
    let now = wall();
    let until = now.plus_seconds(LEASE_SECONDS);
    Ok(db.write(move |tx| Box::pin(store::chain_lease(tx, token, until, now))).await?)
}

/// Links what is settled, and signs where that is due; until it is stopped, or for so long. False if the caller is not the
/// one who links.
async fn link(app: &App, token: Uuid, at_most: Duration, stop: &CancellationToken) -> Result<bool> {
    let begun = Instant::now();
    let mut signed = app.db().read(|tx| Box::pin(store::checkpoint_last(tx))).await?;
    while !stop.is_cancelled() && begun.elapsed() < at_most {
        let faults = fault::here();
        fault::point(Point::Link).await?;
        let step = app.db().read(|tx| Box::pin(store::chain_step(tx))).await?;
        let has_more = step.as_ref().is_some_and(|step| step.has_more);
        if let Some(step) = step {
            let written = app.db().write(move |tx| {
                let (step, faults) = (step.clone(), faults.clone());
                Box::pin(async move {
                    let advanced = store::chain_advance(tx, &step, token).await?;
                    faults.inside(Point::LinkCommit)?;
                    Ok::<_, Error>(advanced)
                })
            });
            let advanced = written.await?;
            fault::point(Point::Linked).await?;
            if !advanced {
                return is_leased(app, token).await;
            }
        }
        let head = app.db().read(|tx| Box::pin(store::chain_head(tx))).await?;
        let (sequence, at) = signed.as_ref().map_or((0, None), |it| (it.sequence, Some(it.at)));
        let is_old = at.is_none_or(|at| at.plus_seconds(CHECKPOINT_SECONDS) <= wall());
        if head.sequence - sequence >= CHECKPOINT_LINKS || (head.sequence > sequence && is_old) {
            signed = checkpoint(app).await?.or(signed);
        }
        if !has_more {
            break;
        }
    }
    Ok(true)
}

/// A step is not written either because a checkpoint came between, and then it is taken again.
async fn is_leased(app: &App, token: Uuid) -> Result<bool> {
    lease(app.db(), token).await
}

/// Signs what the chain is now; `None` if that is signed already.
pub async fn checkpoint(app: &App) -> Result<Option<Checkpoint>> {
    let now = wall();
    Ok(app.db().write(move |tx| Box::pin(store::checkpoint_write(tx, now))).await?)
}

/// Has all linked that is on record now, by whoever links, and signs it: for commands that want the log as it is. What is
/// not linked within 15 seconds is left to the next time.
pub async fn settle(app: &App) -> Result<()> {
    let (now, begun, token) = (wall(), Instant::now(), Uuid::now_v7());
    while standing(app).await?.unlinked_since.is_some_and(|since| since <= now) && begun.elapsed() < SETTLE {
        if lease(app.db(), token).await? {
            let linked = link(app, token, SETTLE, &CancellationToken::new()).await;
            app.db().write(move |tx| Box::pin(store::chain_lease_end(tx, token))).await?;
            linked?;
        } else {
            tokio::time::sleep(SETTLE_AGAIN).await;
        }
    }
    checkpoint(app).await.map(drop)
}

/// Puts on record that the log is taken elsewhere, and how much of it: in the log itself.
pub async fn exported(app: &App, call: &Call, wanted: export::Wanted) -> Result<()> {
    let cx = Cx::new(app, call);
    let subject = if wanted.clinic.is_some() { "clinic" } else { "audit" };
    let entry = cx.audit(wanted.clinic, "audit.export", subject, wanted.clinic.map(|clinic| clinic.0));
    Ok(store::audit_append(app.db(), &[entry]).await?)
}

/// How the chain stands.
pub async fn standing(app: &App) -> Result<Standing> {
    Ok(app.db().read(|tx| Box::pin(store::chain_standing(tx))).await?)
}

/// The newest checkpoint, and the key that anybody may check it by.
pub async fn last_checkpoint(app: &App) -> Result<Option<(Checkpoint, PublicKey)>> {
    let read = app.db().read(|tx| {
        Box::pin(async move {
            let last = store::checkpoint_last(tx).await?;
            let keys = store::audit_public_keys(tx).await?;
            Ok::<_, Error>(last.zip(Some(keys)))
        })
    });
    let Some((checkpoint, keys)) = read.await? else { return Ok(None) };
    let key = keys.into_iter().find(|key| key.id == checkpoint.key_id);
    Ok(key.map(|key| (checkpoint, key)))
}
