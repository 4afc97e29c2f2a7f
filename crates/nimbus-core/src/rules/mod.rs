//! The rules pack: the numbers, sentences and citations that eligibility and gates decide by, a version for each day.
//!
//! A use case asks `app.rules().on(cx.today)` for the pack of a day and reads what it needs:
//! `pack.refills` (limit and expiry by state × schedule × species), `pack.thresholds`, `pack.eligibility`
//! (one provision for each code) and `pack.gates` (`temperature`, `compounding`, `days_supply`, `controlled`,
//! `license`, `veterinary`, `practitioner`). Packs are written as TOML under `rules/` and read, with every
//! check, by `nimbus_app::rules`; what stands here is what came out of that reading.

mod gates;
mod packs;
mod refills;

use crate::{
    eligibility::{Rule, Thresholds},
    time::Date,
};

pub use gates::{
    CodedReason, CompoundingGate, ControlledGate, DaysSupplyGate, Gates, LicenseCategory, LicenseGate,
    PractitionerGate, TemperatureGate, VeterinaryGate,
};
pub use packs::{Packs, PacksError};
pub use refills::{Among, Lasts, RefillCase, RefillRow, Refills, RefillsError};

/// One rule as it is written down: its name in the pack, what it says, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provision {
    /// Unique within its pack, such as `federal-c3-c4`.
    pub id: String,
    /// What the rule says, as one sentence.
    pub sentence: String,
    /// The law, or the policy where no law says it.
    pub citation: String,
}

/// The rules in force from a day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesPack {
    /// What decisions name it by; no two packs share one.
    pub version: String,
    /// Its first day, in the pharmacy's time zone.
    pub effective_from: Date,
    pub title: String,
    /// What has to happen before it is relied on.
    pub disclaimer: String,
    pub refills: Refills,
    pub thresholds: ThresholdRule,
    pub eligibility: EligibilityRules,
    pub gates: Gates,
}

/// When a refill is too soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThresholdRule {
    pub provision: Provision,
    /// How much of a fill must be used up before the next one, in hundredths of its days.
    pub percent: u32,
    /// The same for controlled drugs.
    pub controlled_percent: u32,
    /// Within so many days of the end of the wait, an early refill may be reviewed.
    pub review_window_days: u32,
    /// How long a fill is taken to last whose days supply nobody gave.
    pub assumed_days_supply: u32,
}

/// The rules of eligibility that have no numbers. `no_refills_left` and `expired` are [`Refills`], `too_soon` is
/// [`ThresholdRule`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EligibilityRules {
    pub not_shipped: Provision,
    pub already_open: Provision,
    pub do_not_refill: Provision,
    pub discontinued: Provision,
    pub wrong_patient: Provision,
    pub patient_inactive: Provision,
    pub practitioner_not_active: Provision,
    pub quantity: Provision,
}

impl EligibilityRules {
    /// Each with the code that partners read.
    pub fn all(&self) -> [(Rule, &Provision); 8] {
        [
            (Rule::NotShipped, &self.not_shipped),
            (Rule::AlreadyOpen, &self.already_open),
            (Rule::DoNotRefill, &self.do_not_refill),
            (Rule::Discontinued, &self.discontinued),
            (Rule::WrongPatient, &self.wrong_patient),
            (Rule::PatientInactive, &self.patient_inactive),
            (Rule::PractitionerNotActive, &self.practitioner_not_active),
            (Rule::Quantity, &self.quantity),
        ]
    }
}

impl ThresholdRule {
    pub const fn values(&self) -> Thresholds {
        Thresholds { percent: self.percent, controlled_percent: self.controlled_percent }
    }
}

impl RulesPack {
    /// The provision behind a rule of eligibility, for a prescription of this case issued on `issued`.
    pub fn provision(&self, rule: Rule, case: &RefillCase, issued: Date) -> &Provision {
        match rule {
            Rule::NotShipped => &self.eligibility.not_shipped,
            Rule::AlreadyOpen => &self.eligibility.already_open,
            Rule::NoRefillsLeft => self.refills.limit(case).1,
            Rule::DoNotRefill => &self.eligibility.do_not_refill,
            Rule::Discontinued => &self.eligibility.discontinued,
            Rule::WrongPatient => &self.eligibility.wrong_patient,
            Rule::PatientInactive => &self.eligibility.patient_inactive,
            Rule::PractitionerNotActive => &self.eligibility.practitioner_not_active,
            Rule::Expired => self.refills.expires_on(case, issued).1,
            Rule::TooSoon => &self.thresholds.provision,
            Rule::Quantity => &self.eligibility.quantity,
        }
    }
}

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
