//! The packs of a deployment, chosen by date.

use thiserror::Error;

use super::RulesPack;
use crate::time::Date;

/// One pack or more, no two of one version or first day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packs {
    /// By first day.
    packs: Vec<RulesPack>,
}

/// Why packs do not go together. Places are those among the packs given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacksError {
    #[error("there is no pack")]
    None,
    #[error("two packs have the same version")]
    SameVersion(usize, usize),
    #[error("two packs are effective from the same day")]
    SameDay(usize, usize),
}

impl Packs {
    /// Takes packs in any order.
    ///
    /// # Errors
    /// Every pair that cannot stand side by side; none at all is an error, too.
    pub fn new(mut packs: Vec<RulesPack>) -> Result<Self, Vec<PacksError>> {
        let mut errors = Vec::new();
        if packs.is_empty() {
            errors.push(PacksError::None);
        }
        for (second, pack) in packs.iter().enumerate() {
            for (first, before) in packs[..second].iter().enumerate() {
                if before.version == pack.version {
                    errors.push(PacksError::SameVersion(first, second));
                }
                if before.effective_from == pack.effective_from {
                    errors.push(PacksError::SameDay(first, second));
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        packs.sort_by_key(|pack| pack.effective_from);
        Ok(Self { packs })
    }

    /// The pack in force on a day: the one that began last. Days before the first pack have the first.
    pub fn on(&self, day: Date) -> &RulesPack {
        let begun = self.packs.partition_point(|pack| pack.effective_from <= day);
        &self.packs[begun.saturating_sub(1)]
    }

    /// The pack of a version, whether or not it is still in force.
    pub fn version(&self, version: &str) -> Option<&RulesPack> {
        self.packs.iter().find(|pack| pack.version == version)
    }

    /// All of them, by first day.
    pub fn all(&self) -> &[RulesPack] {
        &self.packs
    }
}
