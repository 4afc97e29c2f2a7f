//! Gates: what must be right before a fill is verified, submitted and labelled.

mod answer;
mod evaluate;
mod sig;

pub use answer::Answer;
pub use evaluate::{Blame, Case, Finding, Stage, Way, evaluate, is_po_box};

use crate::{order::Cause, words};

words! {
    /// The gates, each of which looks at one matter.
    pub enum Gate {
        /// The drug is one that the pharmacy knows.
        Drug = "drug",
        /// The quantity is in a unit that the drug is counted in.
        Unit = "unit",
        /// A refrigerated drug stays cold on its way.
        Temperature = "temperature",
        /// A compounded drug has its reason.
        Compounding = "compounding",
        /// Quantity, sig and days supply agree.
        DaysSupply = "days_supply",
        /// A controlled drug has a valid original.
        Controlled = "controlled",
        /// The pharmacy may dispense this in the destination state.
        License = "license",
        /// An animal is described, and no food comes of it.
        Veterinary = "veterinary",
        /// The practitioner may prescribe this.
        Practitioner = "practitioner",
    }
}

words! {
    /// What a partner sends to resolve a hold, by its name in the request.
    pub enum Field {
        ShippingAddress = "shipping_address",
        Medication = "medication",
        Ndc = "ndc",
        Direction = "direction",
        Quantity = "quantity",
        UnitOfMeasure = "unit_of_measure",
        DaysSupply = "days_supply",
        ReasonForCompounding = "reason_for_compounding",
        AdditionalContext = "reason_for_compounding_additional_context",
        AnimalOwnerName = "animal_owner_name",
        Weight = "weight",
        /// Of the practitioner: no answer to a hold gives it, a change of the practitioner does.
        DeaNumber = "dea_number",
        Note = "note",
    }
}

impl Gate {
    /// Whether the release of its hold decides the matter for this line. Else the gate is asked again: a licence, an
    /// original or a reason is there, or it is not.
    pub fn is_settled_by(cause: &Cause) -> bool {
        match cause.gate {
            // A pharmacist has looked at it; how it is sent is asked again when the label is made.
            Self::Drug | Self::Unit | Self::DaysSupply | Self::Temperature => true,
            // What only words can answer was answered.
            Self::Veterinary => cause.fields == [Field::Note],
            Self::Compounding | Self::Controlled | Self::License | Self::Practitioner => false,
        }
    }
}
