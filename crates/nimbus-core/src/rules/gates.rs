//! The numbers and lists of the gates that stand before verified, submitted and a label.

use super::Provision;
use crate::{patient::Species, prescription::DrugSchedule, words};

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gates {
    pub temperature: TemperatureGate,
    pub compounding: CompoundingGate,
    pub days_supply: DaysSupplyGate,
    pub controlled: ControlledGate,
    pub license: LicenseGate,
    pub veterinary: VeterinaryGate,
    pub practitioner: PractitionerGate,
}

/// How what is refrigerated may travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemperatureGate {
    pub provision: Provision,
    pub max_transit_days: u32,
    pub allow_po_box: bool,
    /// Whether a transit may span a Saturday or Sunday.
    pub allow_weekend: bool,
    /// Whether a transit may span a carrier's holiday.
    pub allow_holiday: bool,
}

/// Why a drug is compounded: a code of the list, or words of the prescriber's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompoundingGate {
    pub provision: Provision,
    /// Characters that a reason in the prescriber's own words has at least.
    pub min_reason_length: u32,
    pub reasons: Vec<CodedReason>,
    /// Words that are no reason, in lower case, such as `n/a`.
    pub refused: Vec<String>,
    /// Days from its fill for which a compounded drug may be used whose lot says no date.
    pub beyond_use_days: u32,
}

/// A reason that is understood without more words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodedReason {
    pub code: String,
    pub meaning: String,
}

/// How far quantity, sig and days supply may lie apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaysSupplyGate {
    pub provision: Provision,
    /// Held if one says more than so many times what the other says.
    pub factor: u32,
}

/// Which drugs need the record of a lawful original before they are filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlledGate {
    pub provision: Provision,
    pub original_for: Vec<DrugSchedule>,
}

words! {
    /// What a licence to send into a state is for.
    pub enum LicenseCategory {
        Retail = "retail",
        Compounding = "compounding",
        Controlled = "controlled",
        Veterinary = "veterinary",
    }
}

/// Which licences the destination state is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseGate {
    pub provision: Provision,
    /// A category that is not among them is not asked about.
    pub categories: Vec<LicenseCategory>,
}

/// What an order for an animal needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VeterinaryGate {
    pub provision: Provision,
    pub require_owner: bool,
    pub require_weight: bool,
    /// Species whose animals are food: nothing compounded is sent for them.
    pub food_producing: Vec<Species>,
    /// Species some of whose animals are food, such as poultry: the order has to be asked about.
    pub may_be_food_producing: Vec<Species>,
}

/// What the prescriber needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PractitionerGate {
    pub provision: Provision,
    /// Schedules whose prescriber must have a DEA number.
    pub dea_for: Vec<DrugSchedule>,
}
