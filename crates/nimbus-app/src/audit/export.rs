//! The audit log written out, with its chain and a signed checkpoint at the end.

use nimbus_core::{ids::ClinicId, time::Ts};
use nimbus_store::audit::{
    self as store, AuditRow, BEFORE_FIRST, Checkpoint, Linked, PublicKey, linked_after,
};

use super::{
    checkpoint,
    file::{Begin, Line, Signed},
};
use crate::{
    App,
    error::{Error, Result},
};

/// Links that are read at once.
const WINDOW: usize = 500;

/// Which rows are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Of this time or later.
    pub since: Option<Ts>,
    /// Of before this time.
    pub until: Option<Ts>,
    pub clinic: Option<ClinicId>,
}

impl Wanted {
    fn is(&self, row: &AuditRow) -> bool {
        self.since.is_none_or(|since| row.at >= since)
            && self.until.is_none_or(|until| row.at < until)
            && self.clinic.is_none_or(|clinic| row.clinic_id == Some(clinic))
    }
}

/// An export under way.
#[derive(Debug, Clone)]
pub struct Export {
    wanted: Wanted,
    /// The last link that was written.
    after: i64,
    end: Option<(Checkpoint, PublicKey)>,
    begin: Option<Line>,
}

/// Begins an export of what is linked now: it is signed first, so that all of it is covered.
pub async fn begin(app: &App, wanted: Wanted) -> Result<Export> {
    checkpoint(app).await?;
    let read = app.db().read(move |tx| {
        Box::pin(async move {
            let range = store::chain_range(tx, wanted.since, wanted.until).await?;
            let last = range.unsigned_after.map_or(range.until, |_| i64::MAX);
            // What was linked since waits for the next one.
            let end = match store::checkpoint_over(tx, last.max(range.after)).await? {
                Some(over) => Some(over),
                None => store::checkpoint_last(tx).await?,
            };
            let keys = store::audit_public_keys(tx).await?;
            let end = end.and_then(|end| {
                let key = keys.iter().find(|key| key.id == end.key_id)?.clone();
                Some((end, key))
            });
            let hash = match range.after {
                0 => BEFORE_FIRST,
                after => {
                    let link = linked_after(tx, after - 1, after, 1).await?.pop();
                    link.map_or(BEFORE_FIRST, |linked| linked.link.hash)
                }
            };
            Ok::<_, Error>((range.after, hash, end))
        })
    });
    let (after, hash, end) = read.await?;
    let begin = Some(Line::Begin(Begin { after, hash: hex::encode(hash) }));
    Ok(Export { wanted, after, end, begin })
}

impl Export {
    /// How many links are left to write.
    pub fn length(&self) -> i64 {
        self.end.as_ref().map_or(0, |(checkpoint, _)| checkpoint.sequence - self.after)
    }

    /// The next lines; none when all are written. An export of a log without a checkpoint has one line.
    pub async fn next(&mut self, app: &App) -> Result<Vec<Line>> {
        if let Some(begin) = self.begin.take() {
            return Ok(vec![begin]);
        }
        let Some((checkpoint, key)) = &self.end else { return Ok(Vec::new()) };
        let (after, until) = (self.after, checkpoint.sequence);
        let read = app.db().read(move |tx| Box::pin(linked_after(tx, after, until, WINDOW)));
        let links: Vec<Linked> = read.await?;
        match links.last() {
            Some(last) => {
                self.after = last.link.sequence;
                Ok(links.iter().map(|linked| Line::of(linked, |row| self.wanted.is(row))).collect())
            }
            None => {
                let line = Line::Checkpoint(Signed::of(checkpoint, key));
                self.end = None;
                Ok(vec![line])
            }
        }
    }
}
