//! What a partner answers to a hold, and what it makes of the prescription.

use super::Field;
use crate::{patient::Address, prescription::Prescription, quantity::Quantity};

/// The answer: whatever was sent, checked for form alone.
#[derive(Clone, Default)]
pub struct Answer {
    pub shipping_address: Option<Address>,
    pub medication: Option<String>,
    pub ndc: Option<String>,
    pub direction: Option<String>,
    pub quantity: Option<Quantity>,
    pub unit_of_measure: Option<String>,
    pub days_supply: Option<u32>,
    pub reason_for_compounding: Option<String>,
    pub additional_context: Option<String>,
    pub animal_owner_name: Option<String>,
    pub weight: Option<String>,
    pub note: Option<String>,
}

impl Answer {
    /// What was sent, in the order of the fields.
    pub fn given(&self) -> Vec<Field> {
        let is_given = |field: &Field| match field {
            Field::ShippingAddress => self.shipping_address.is_some(),
            Field::Medication => self.medication.is_some(),
            Field::Ndc => self.ndc.is_some(),
            Field::Direction => self.direction.is_some(),
            Field::Quantity => self.quantity.is_some(),
            Field::UnitOfMeasure => self.unit_of_measure.is_some(),
            Field::DaysSupply => self.days_supply.is_some(),
            Field::ReasonForCompounding => self.reason_for_compounding.is_some(),
            Field::AdditionalContext => self.additional_context.is_some(),
            Field::AnimalOwnerName => self.animal_owner_name.is_some(),
            Field::Weight => self.weight.is_some(),
            Field::DeaNumber => false,
            Field::Note => self.note.is_some(),
        };
        Field::ALL.iter().copied().filter(is_given).collect()
    }

    /// Writes what was sent of the prescription into it.
    pub fn apply(&self, prescription: &mut Prescription) {
        let detail = prescription.detail.expose_mut();
        if let Some(medication) = &self.medication {
            detail.medication.clone_from(medication);
        }
        if let Some(direction) = &self.direction {
            detail.direction.clone_from(direction);
        }
        for (field, sent) in [
            (&mut detail.ndc, &self.ndc),
            (&mut detail.unit_of_measure, &self.unit_of_measure),
            (&mut detail.reason_for_compounding, &self.reason_for_compounding),
            (&mut detail.reason_for_compounding_additional_context, &self.additional_context),
        ] {
            if sent.is_some() {
                field.clone_from(sent);
            }
        }
        prescription.quantity = self.quantity.unwrap_or(prescription.quantity);
        prescription.days_supply = self.days_supply.or(prescription.days_supply);
    }
}

impl Field {
    /// Whether it is part of what is kept with the prescription.
    pub const fn is_of_prescription(self) -> bool {
        self.is_of_therapy()
            || matches!(self, Self::DaysSupply | Self::ReasonForCompounding | Self::AdditionalContext)
    }

    /// Whether it says what the patient gets and how: a pharmacist looks at it again before the line goes on.
    pub const fn is_of_therapy(self) -> bool {
        matches!(self, Self::Medication | Self::Ndc | Self::Direction | Self::Quantity | Self::UnitOfMeasure)
    }

    /// Whether it is kept with the patient.
    pub const fn is_of_patient(self) -> bool {
        matches!(self, Self::AnimalOwnerName | Self::Weight)
    }

    /// Whether it is kept with the practitioner.
    pub const fn is_of_practitioner(self) -> bool {
        matches!(self, Self::DeaNumber)
    }
}
