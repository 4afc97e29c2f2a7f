//! Comparing the audit log with its chain: from one link to the head for whoever asks, and round after round by the
//! worker.

use std::time::{Duration, Instant};

use nimbus_store::audit::{self as store, Checkpoint, Walk};
pub use nimbus_store::audit::{Difference, Wrong};

use crate::{App, clock::wall, error::Result};

/// Links that are compared at once.
const WINDOW: usize = 1000;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The link that it began after, and the last one that was looked at.
    pub from: i64,
    pub to: i64,
    /// How many links there were when it began.
    pub length: i64,
    /// The hash of the last link, if it was come to.
    pub hash: Option<store::Hash>,
    /// The first hundred.
    pub differences: Vec<Difference>,
    pub count: i64,
    /// Whether it came to the head.
    pub has_ended: bool,
}

impl From<Walk> for Report {
    fn from(walk: Walk) -> Self {
        Self {
            from: 0,
            to: walk.sequence,
            length: walk.length(),
            hash: walk.hash(),
            count: walk.count,
            has_ended: walk.has_ended,
            differences: walk.differences,
        }
    }
}

/// Compares from a link on (0 for the first) with the head that there is now, in constant memory. `witness` is a
/// checkpoint that was kept elsewhere, which the chain must have come by. Ends early after `at_most`.
pub async fn verify(
    app: &App,
    from: i64,
    witness: Option<Checkpoint>,
    at_most: Option<Duration>,
) -> Result<Report> {
    let begun = Instant::now();
    let mut walk = begin(app, from, witness).await?;
    while !walk.has_ended && at_most.is_none_or(|at_most| begun.elapsed() < at_most) {
        walk = go_on(app, walk).await?;
    }
    Ok(Report { from, ..walk.into() })
}

async fn begin(app: &App, after: i64, witness: Option<Checkpoint>) -> Result<Walk> {
    let read = app.db().read(move |tx| {
        let witness = witness.clone();
        Box::pin(store::walk_begin(tx, after, witness))
    });
    Ok(read.await?)
}

async fn go_on(app: &App, walk: Walk) -> Result<Walk> {
    let asked = std::sync::Arc::new(walk);
    let for_job = std::sync::Arc::clone(&asked);
    let read = app.db().read(move |tx| {
        let walk = std::sync::Arc::clone(&for_job);
        Box::pin(async move { store::walk_read(tx, &walk, WINDOW).await })
    });
    let window = read.await?;
    let mut walk = std::sync::Arc::unwrap_or_clone(asked);
    walk.take(window);
    Ok(walk)
}

/// One window of the walk that goes round and round; true if it came to the end. What it finds is told, and stays on
/// record until a whole round finds nothing.
pub(super) async fn go_round(app: &App) -> Result<bool> {
    let (walked, found) = app.db().read(|tx| Box::pin(store::walk_on_record(tx))).await?;
    let walk = go_on(app, begin(app, walked, None).await?).await?;
    for difference in &walk.differences {
        tell(difference);
    }
    let ended = walk.has_ended.then(wall);
    let (walked, found) = (walk.sequence, found.saturating_add(walk.count));
    app.db().write(move |tx| Box::pin(store::walk_write(tx, walked, found, ended))).await?;
    Ok(walk.has_ended)
}

fn tell(difference: &Difference) {
    let Difference { wrong, sequence, until, number, audit_id, at } = *difference;
    tracing::error!(
        wrong = wrong.as_str(),
        sequence,
        until,
        checkpoint = number,
        audit_id = audit_id.map(tracing::field::display),
        at = at.map(tracing::field::display),
        "the audit log is not what was linked"
    );
}
