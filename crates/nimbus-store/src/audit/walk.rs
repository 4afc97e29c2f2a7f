//! The log compared with its chain, from any link to the head, a window at a time and in constant memory.
//!
//! Both lie in one order, so that they are walked side by side. A row is that of the next link if it gives the link's
//! hash; where it does not, their places tell whether the row was changed, deleted, or put between. What is found is told
//! with its place, and the walk goes on behind it.

use nimbus_core::{ids::AuditId, time::Ts, words};

use super::{
    chain::{Head, Link, chain_head, link_until, links_after},
    checkpoints::{Checkpoint, checkpoints_after},
    encode::{BEFORE_FIRST, Hash, link_hash, row_hash},
    keys::{PublicKey, audit_public_keys},
    rows::{Place, Placed, rows_after},
};
use crate::{engine::Tx, error::Result};

/// Differences that are told; further ones are counted.
const TOLD_MAX: usize = 100;
/// Checkpoints that are read at once.
const CHECKPOINTS: i64 = 64;

words! {
    /// In what a log and its chain may differ.
    pub enum Wrong {
        /// The row is not what was linked.
        RowChanged = "row_changed",
        /// The row that was linked is not in its place.
        RowMissing = "row_missing",
        /// A row stands between others that were linked, and never was.
        RowUnlinked = "row_unlinked",
        /// The link is not what was written.
        LinkChanged = "link_changed",
        /// One or more links are gone.
        LinkMissing = "link_missing",
        CheckpointMissing = "checkpoint_missing",
        /// The checkpoint is not what was signed, or not by a key of this store.
        CheckpointChanged = "checkpoint_changed",
        /// A link is another than the one that was signed: the chain was written anew.
        Rewritten = "rewritten",
        /// The head does not say what the chain says.
        HeadChanged = "head_changed",
        /// A public key is not the other half of what is sealed beside it.
        KeyChanged = "key_changed",
        /// The store ends before a checkpoint that was kept elsewhere.
        Truncated = "truncated",
    }
}

/// One difference, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    pub wrong: Wrong,
    /// The link's; of a row that was never linked, that of the link before it.
    pub sequence: i64,
    /// Where several links are gone, the last of them.
    pub until: Option<i64>,
    /// Of a checkpoint.
    pub number: Option<i64>,
    /// Of the row.
    pub audit_id: Option<AuditId>,
    /// The row's time, where there is a row.
    pub at: Option<Ts>,
}

/// How far a walk is, and what it found.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The head when the walk began: how far it goes.
    end: Head,
    /// Links and checkpoints that are there though the head knows nothing of them.
    beyond: bool,
    keys: Vec<PublicKey>,
    /// A checkpoint that was kept elsewhere.
    witness: Option<Checkpoint>,
    /// The last link that was looked at.
    pub sequence: i64,
    /// What its hash may be: what it says, and what it should say where the two differ. None where it is gone.
    before: Vec<Hash>,
    /// Its place, and that of the last row.
    link_place: Place,
    row_place: Place,
    /// The last checkpoint that was looked at, and the times of rows since, if all of them were seen.
    checkpoint: i64,
    times: Times,
    /// At most a hundred differences.
    pub differences: Vec<Difference>,
    pub count: i64,
    /// Whether the end was reached.
    pub has_ended: bool,
}

/// The times of the rows of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    /// Not all rows were seen as they were.
    Unknown,
    None,
    Between(Ts, Ts),
}

impl Times {
    fn add(&mut self, at: Ts) {
        *self = match *self {
            Self::Unknown => Self::Unknown,
            Self::None => Self::Between(at, at),
            Self::Between(earliest, latest) => Self::Between(earliest.min(at), latest.max(at)),
        };
    }
}

/// What is compared next.
#[derive(Debug, Clone)]
pub struct Window {
    links: Vec<Link>,
    rows: Vec<(Placed, Hash)>,
    checkpoints: Vec<Checkpoint>,
    /// There are no further rows before the head, and so on.
    all_rows: bool,
    all_links: bool,
    all_checkpoints: bool,
}

/// Begins a walk after a link (0 for the first), which is taken for what it says; with `witness`, a checkpoint that was
/// kept elsewhere, the chain must have come by it.
pub async fn walk_begin(tx: &mut Tx, after: i64, witness: Option<Checkpoint>) -> Result<Walk> {
    // One statement, and so one moment.
    let sql = "select case when (select coalesce(max(sequence), 0) from audit_links) > sequence
                or (select coalesce(max(number), 0) from audit_checkpoints) > checkpoint
            then 1 else 0 end, sequence
        from audit_chain where id = 1";
    let mut walk = loop {
        let end = chain_head(tx).await?;
        let row = tx.query_one(sql, &[]).await?;
        let mut columns = row.columns();
        let (beyond, sequence): (bool, i64) = (columns.take::<i32>()? == 1, columns.take()?);
        // On PostgreSQL the chain may have gone on between the two.
        if sequence == end.sequence {
            let keys = audit_public_keys(tx).await?;
            break Walk::new(end, beyond, keys, witness);
        }
    };
    if after > 0 {
        let last = link_until(tx, after).await?;
        let number = "select coalesce(max(number), 0) from audit_checkpoints where sequence <= $1";
        let number: i64 = tx.query_one(number, &[after.into()]).await?.columns().take()?;
        walk.begin_after(last, number);
    }
    Ok(walk)
}

/// Reads what is compared next, at most so many links.
pub async fn walk_read(tx: &mut Tx, walk: &Walk, limit: usize) -> Result<Window> {
    let mut links = links_after(tx, walk.sequence, limit).await?;
    let all_links =
        links.len() < limit || links.last().is_some_and(|link| link.sequence >= walk.end.sequence);
    links.retain(|link| link.sequence <= walk.end.sequence);
    let end = walk.end.place.position.saturating_add(1);
    let mut rows = rows_after(tx, walk.row_place, end, walk.end.old_until, limit).await?;
    let all_rows = rows.len() < limit;
    rows.retain(|placed| placed.place <= walk.end.place);
    let rows = rows.into_iter().map(|placed| {
        let hash = row_hash(&placed.row);
        (placed, hash)
    });
    let checkpoints = checkpoints_after(tx, walk.checkpoint, CHECKPOINTS).await?;
    let all_checkpoints = i64::try_from(checkpoints.len()).is_ok_and(|count| count < CHECKPOINTS);
    Ok(Window { links, rows: rows.collect(), checkpoints, all_rows, all_links, all_checkpoints })
}

impl Walk {
    fn new(end: Head, beyond: bool, keys: Vec<PublicKey>, witness: Option<Checkpoint>) -> Self {
        let mut walk = Self {
            end,
            beyond,
            keys,
            witness,
            sequence: 0,
            before: vec![BEFORE_FIRST],
            link_place: Place::START,
            row_place: Place::START,
            checkpoint: 0,
            times: Times::None,
            differences: Vec::new(),
            count: 0,
            has_ended: false,
        };
        if walk.keys.iter().any(|key| !key.is_ours) {
            walk.find(Wrong::KeyChanged, 0, None);
        }
        walk
    }

    /// Goes on after this link; the ones after it that are gone are found as others are.
    fn begin_after(&mut self, last: Option<Link>, checkpoint: i64) {
        let Some(link) = last else { return };
        (self.checkpoint, self.times) = (checkpoint, Times::Unknown);
        (self.sequence, self.before) = (link.sequence, vec![link.hash]);
        (self.link_place, self.row_place) = (link.place, link.place);
        self.meet_witness(&link);
    }

    /// How many links there are.
    pub const fn length(&self) -> i64 {
        self.end.sequence
    }

    /// The hash of the last link that was looked at, as it says.
    pub fn hash(&self) -> Option<Hash> {
        self.before.first().copied()
    }

    fn find(&mut self, wrong: Wrong, sequence: i64, row: Option<(AuditId, Option<Ts>)>) {
        let (audit_id, at) = row.map_or((None, None), |(id, at)| (Some(id), at));
        self.tell(Difference { wrong, sequence, until: None, number: None, audit_id, at });
    }

    fn tell(&mut self, difference: Difference) {
        self.count += 1;
        self.times = Times::Unknown;
        if self.differences.len() < TOLD_MAX {
            self.differences.push(difference);
        }
    }

    /// Compares a window; what it leaves is read again.
    pub fn take(&mut self, window: Window) {
        let Window { links, rows, checkpoints, all_rows, all_links, all_checkpoints } = window;
        let (mut rows, mut checkpoints) = (rows.iter().peekable(), checkpoints.iter().peekable());
        for link in &links {
            self.follow_numbers(link);
            loop {
                let Some((placed, hash)) = rows.peek() else {
                    if !all_rows {
                        return;
                    }
                    self.row_missing(link);
                    break;
                };
                let which =
                    self.before.iter().position(|before| link_hash(link.sequence, before, hash) == link.hash);
                if let Some(which) = which {
                    self.row_linked(link, placed, which);
                } else if placed.place < link.place {
                    self.row_place = placed.place;
                    self.find(Wrong::RowUnlinked, self.sequence, Some((placed.row.id, Some(placed.row.at))));
                    rows.next();
                    continue;
                } else if placed.place == link.place {
                    self.row_differs(link, placed, hash);
                } else {
                    self.row_missing(link);
                    break;
                }
                self.row_place = placed.place;
                rows.next();
                break;
            }
            self.sequence = link.sequence;
            self.link_place = link.place;
            self.meet_witness(link);
            while let Some(checkpoint) = checkpoints.next_if(|next| next.sequence <= link.sequence) {
                self.meet_checkpoint(checkpoint, link);
            }
            if checkpoints.peek().is_none() && !all_checkpoints {
                return;
            }
        }
        if all_links {
            self.end();
        }
    }

    /// Links before this one that are gone.
    fn follow_numbers(&mut self, link: &Link) {
        let (first, last) = (self.sequence + 1, link.sequence - 1);
        if first <= last {
            self.links_missing(first, last);
            self.before.clear();
            self.sequence = last;
        }
    }

    fn links_missing(&mut self, first: i64, last: i64) {
        let until = Some(last).filter(|last| *last > first);
        let wrong = Wrong::LinkMissing;
        self.tell(Difference { wrong, sequence: first, until, number: None, audit_id: None, at: None });
    }

    /// The row is what the link says it is. If that is so only with what the link before should have been, it was that
    /// link which is wrong, and not its row.
    fn row_linked(&mut self, link: &Link, placed: &Placed, which: usize) {
        if which > 0 {
            self.blame_link();
        }
        let row = &placed.row;
        if (link.place, link.clinic_id, link.subject_id) != (placed.place, row.clinic_id, row.subject_id) {
            self.find(Wrong::LinkChanged, link.sequence, Some((row.id, Some(row.at))));
        }
        self.times.add(row.at);
        self.before = vec![link.hash];
    }

    /// What was found last was the link's fault, and not its row's.
    fn blame_link(&mut self) {
        let last = self.differences.iter_mut().rev().find(|last| last.sequence == self.sequence);
        if let Some(last) = last.filter(|last| last.wrong == Wrong::RowChanged) {
            last.wrong = Wrong::LinkChanged;
        }
    }

    /// Whether somebody else has the link as the row says it should be.
    fn is_as_it_should_be(&mut self, hash: &Hash) -> bool {
        let is = self.before.get(1) == Some(hash);
        if is {
            self.blame_link();
        }
        is
    }

    fn row_differs(&mut self, link: &Link, placed: &Placed, hash: &Hash) {
        // Behind a link that is gone nothing can be told of this one; the next can be told again.
        let Some(before) = self.before.first() else {
            self.before = vec![link.hash];
            return;
        };
        let should = link_hash(link.sequence, before, hash);
        self.before = vec![link.hash, should];
        self.find(Wrong::RowChanged, link.sequence, Some((link.place.id, Some(placed.row.at))));
    }

    fn row_missing(&mut self, link: &Link) {
        self.before = vec![link.hash];
        self.find(Wrong::RowMissing, link.sequence, Some((link.place.id, None)));
    }

    fn meet_witness(&mut self, link: &Link) {
        let Some(witness) = &self.witness else { return };
        if witness.sequence == link.sequence && witness.hash != link.hash {
            let number = Some(witness.number);
            let wrong = Wrong::Rewritten;
            self.tell(Difference {
                wrong,
                sequence: link.sequence,
                until: None,
                number,
                audit_id: None,
                at: None,
            });
        }
    }

    fn meet_checkpoint(&mut self, checkpoint: &Checkpoint, link: &Link) {
        let Checkpoint { number, sequence, .. } = *checkpoint;
        for missing in self.checkpoint + 1..number.min(self.checkpoint + 1 + TOLD_MAX as i64) {
            self.find_checkpoint(Wrong::CheckpointMissing, sequence, missing);
        }
        self.checkpoint = number;
        let key = self.keys.iter().find(|key| key.id == checkpoint.key_id);
        let is_signed = key
            .is_some_and(|key| key.is_ours && key.has_signed(&checkpoint.content(), &checkpoint.signature));
        let times = std::mem::replace(&mut self.times, Times::None);
        let is_timed = match times {
            Times::Between(earliest, latest) => {
                (earliest, latest) == (checkpoint.earliest_at, checkpoint.latest_at)
            }
            Times::Unknown | Times::None => true,
        };
        if !is_signed || !is_timed {
            self.find_checkpoint(Wrong::CheckpointChanged, sequence, number);
        } else if sequence == link.sequence
            && checkpoint.hash != link.hash
            && !self.is_as_it_should_be(&checkpoint.hash)
        {
            self.find_checkpoint(Wrong::Rewritten, sequence, number);
        }
        self.times = Times::None;
    }

    fn find_checkpoint(&mut self, wrong: Wrong, sequence: i64, number: i64) {
        let number = Some(number);
        self.tell(Difference { wrong, sequence, until: None, number, audit_id: None, at: None });
    }

    fn end(&mut self) {
        self.has_ended = true;
        let head = self.end.clone();
        if self.sequence < head.sequence {
            self.links_missing(self.sequence + 1, head.sequence);
        } else {
            let is_its = self.before.first() == Some(&head.hash) || self.is_as_it_should_be(&head.hash);
            if !is_its || self.link_place != head.place || self.beyond {
                self.find(Wrong::HeadChanged, head.sequence, None);
            }
        }
        if self.checkpoint < head.checkpoint {
            self.find_checkpoint(Wrong::CheckpointMissing, head.sequence, self.checkpoint + 1);
        }
        if let Some(witness) = self.witness.clone()
            && witness.sequence > head.sequence
        {
            self.find_checkpoint(Wrong::Truncated, head.sequence, witness.number);
        }
    }
}

/// Where the walk that goes round and round is, and what it found in this round.
pub async fn walk_on_record(tx: &mut Tx) -> Result<(i64, i64)> {
    let sql = "select walked, differences_now from audit_chain where id = 1";
    let row = tx.query_one(sql, &[]).await?;
    let mut columns = row.columns();
    Ok((columns.take()?, columns.take()?))
}

/// Notes how far the walk is that goes round and round; with `ended`, that it came to the end then, and begins anew.
pub async fn walk_write(tx: &mut Tx, walked: i64, found: i64, ended: Option<Ts>) -> Result<()> {
    match ended {
        None => {
            let sql = "update audit_chain set walked = $1, differences_now = $2 where id = 1";
            tx.execute(sql, &[walked.into(), found.into()]).await.map(drop)
        }
        Some(at) => {
            let sql = "update audit_chain
                set walked = 0, differences_now = 0, differences = $1, walked_at = $2 where id = 1";
            tx.execute(sql, &[found.into(), at.into()]).await.map(drop)
        }
    }
}
