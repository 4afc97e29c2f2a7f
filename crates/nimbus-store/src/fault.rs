//! Faults on purpose: points on the way of a delivery, and of the audit's chain, at which a test has the caller wait,
//! fail, panic, or stop for good as if its process had been killed. They are compiled with the feature `faults`, which
//! tests alone ask for; without it they are empty.

use nimbus_core::words;

#[cfg(feature = "faults")]
mod plan;

#[cfg(feature = "faults")]
pub use plan::{Here, Plan, Tally, here, pause, point};

words! {
    /// Where something may go wrong: before, within and after each transaction of the delivery path and of the audit's
    /// chain, and at its other awaits.
    pub enum Point {
        /// A change is about to be written, with its events and deliveries.
        Publish = "publish",
        PublishCommit = "publish.commit",
        /// It is on disk, and nobody knows.
        Published = "published",
        /// The dispatcher has been given what is leased to it, and the caller is not answered yet.
        HandedOver = "handed_over",
        Signal = "signal",
        Listen = "listen",
        /// A look for lanes that something is due for.
        Look = "look",
        Claim = "claim",
        ClaimCommit = "claim.commit",
        Claimed = "claimed",
        /// What sending to endpoints needs is about to be read.
        Targets = "targets",
        Send = "send",
        /// The receiver has answered.
        Sent = "sent",
        Record = "record",
        RecordCommit = "record.commit",
        Recorded = "recorded",
        GiveBack = "give_back",
        GiveBackCommit = "give_back.commit",
        GivenBack = "given_back",
        /// The ledger's next step is about to be read.
        Walk = "walk",
        Advance = "advance",
        AdvanceCommit = "advance.commit",
        Advanced = "advanced",
        /// Due jobs are about to be leased.
        Jobs = "jobs",
        JobsCommit = "jobs.commit",
        JobsLeased = "jobs.leased",
        Replay = "replay",
        ReplayCommit = "replay.commit",
        Replayed = "replayed",
        /// The next rows of the audit log are about to be linked.
        Link = "link",
        LinkCommit = "link.commit",
        Linked = "linked",
    }
}

#[cfg(not(feature = "faults"))]
mod nothing {
    use std::future::{Ready, ready};

    use super::Point;
    use crate::error::Result;

    /// At an await that may fail.
    #[inline(always)]
    pub fn point(_: Point) -> Ready<Result<()>> {
        ready(Ok(()))
    }

    /// At an await that cannot fail.
    #[inline(always)]
    pub fn pause(_: Point) -> Ready<()> {
        ready(())
    }

    /// What holds for the caller, to be taken along into a transaction.
    #[derive(Clone)]
    pub struct Here;

    #[inline(always)]
    pub const fn here() -> Here {
        Here
    }

    impl Here {
        /// At the end of a transaction's job, before its commit.
        ///
        /// # Errors
        /// None.
        #[inline(always)]
        pub const fn inside(&self, _: Point) -> Result<()> {
            Ok(())
        }
    }
}

#[cfg(not(feature = "faults"))]
pub use nothing::{Here, here, pause, point};
