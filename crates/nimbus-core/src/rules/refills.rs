//! How often and how long a prescription may be refilled, by state × schedule × species.

use thiserror::Error;

use super::Provision;
use crate::{
    patient::Species,
    prescription::DrugSchedule,
    time::{Date, add_days, add_months},
    us::State,
};

/// Every member of a set, or some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Among<T> {
    All,
    These(Vec<T>),
}

impl<T: PartialEq> Among<T> {
    fn has(&self, wanted: &T) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.contains(wanted),
        }
    }

    /// Whether both name a same member, or both are for all. A row for all and one for some do not share a cell:
    /// the second is a law beside the first, and the strictest of the two wins.
    fn shares(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::These(these), Self::These(those)) => these.iter().any(|it| those.contains(it)),
            _ => false,
        }
    }
}

/// How long a prescription lasts from its day of issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    Days(u32),
    Months(u32),
}

impl Lasts {
    /// The last day on which what was issued on `issued` may be filled.
    pub fn until(self, issued: Date) -> Date {
        match self {
            Self::Days(days) => add_days(issued, i64::from(days)),
            Self::Months(months) => add_months(issued, i64::from(months)),
        }
    }
}

/// One row of the table: a limit and an expiry for each of its states × schedules × species.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefillRow {
    pub provision: Provision,
    pub states: Among<State>,
    pub schedules: Vec<DrugSchedule>,
    pub species: Among<Species>,
    pub max_refills: u32,
    pub lasts: Lasts,
}

impl RefillRow {
    fn covers(&self, case: &RefillCase) -> bool {
        let in_state = match case.state {
            Some(state) => self.states.has(&state),
            None => self.states == Among::All,
        };
        in_state && self.schedules.contains(&case.schedule) && self.species.has(&case.species)
    }

    /// Whether a cell of the table stands in both rows.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.states.shares(&other.states)
            && self.species.shares(&other.species)
            && self.schedules.iter().any(|schedule| other.schedules.contains(schedule))
    }

    fn is_general(&self) -> bool {
        self.states == Among::All && self.species == Among::All
    }

    /// Of rows that are equally strict, the place's own law is named before the general one.
    fn precedence(&self) -> (bool, bool, &str) {
        (self.states == Among::All, self.species == Among::All, &self.provision.id)
    }
}

/// What the table is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefillCase {
    /// Where the patient is; nowhere known has the rules for all states.
    pub state: Option<State>,
    pub schedule: DrugSchedule,
    pub species: Species,
}

/// The table. Of all rows that cover a case the strictest wins, for the limit and for the expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refills {
    rows: Vec<RefillRow>,
}

/// Why rows make no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RefillsError {
    #[error("no row for all states and species names the schedule {0}")]
    Uncovered(DrugSchedule),
    /// Two rows, by their places among those given.
    #[error("two rows name the same state, schedule and species")]
    Overlap(usize, usize),
}

impl Refills {
    /// A table in which every schedule has a row for all states and species, and no two rows share a cell.
    ///
    /// # Errors
    /// Every reason why it would not be one.
    pub fn new(rows: Vec<RefillRow>) -> Result<Self, Vec<RefillsError>> {
        let mut errors = Vec::new();
        for schedule in DrugSchedule::ALL {
            if !rows.iter().any(|row| row.is_general() && row.schedules.contains(schedule)) {
                errors.push(RefillsError::Uncovered(*schedule));
            }
        }
        for (second, row) in rows.iter().enumerate() {
            let first = rows[..second].iter().position(|before| before.overlaps(row));
            errors.extend(first.map(|first| RefillsError::Overlap(first, second)));
        }
        if errors.is_empty() { Ok(Self { rows }) } else { Err(errors) }
    }

    pub fn rows(&self) -> &[RefillRow] {
        &self.rows
    }

    /// The most refills that may be authorised, and the row that says so.
    pub fn limit(&self, case: &RefillCase) -> (u32, &Provision) {
        let row = self.strictest(case, |row| row.max_refills);
        (row.max_refills, &row.provision)
    }

    /// The last day on which a prescription issued on `issued` may be filled, and the row that says so.
    pub fn expires_on(&self, case: &RefillCase, issued: Date) -> (Date, &Provision) {
        let row = self.strictest(case, |row| row.lasts.until(issued));
        (row.lasts.until(issued), &row.provision)
    }

    fn strictest<K: Ord>(&self, case: &RefillCase, by: impl Fn(&RefillRow) -> K) -> &RefillRow {
        let covering = self.rows.iter().filter(|row| row.covers(case));
        let found = covering.min_by(|a, b| (by(a), a.precedence()).cmp(&(by(b), b.precedence())));
        // `new` takes no table without a row for every schedule that covers all states and species.
        found.expect("every case has a row")
    }
}
