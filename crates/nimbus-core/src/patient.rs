//! Patients: human or animal, with where and how to reach them.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{
    ids::{ClinicId, PatientId, PractitionerId},
    phi::Phi,
    time::{Date, Ts},
    words,
};

words! {
    pub enum Gender {
        Male = "male",
        Female = "female",
        Other = "other",
        Unknown = "unknown",
    }
}

words! {
    pub enum Species {
        Human = "human",
        Canine = "canine",
        Feline = "feline",
        Equine = "equine",
        Avian = "avian",
        OtherMammal = "mammal - other",
        Reptilian = "reptilian",
        Swine = "swine",
    }
}

words! {
    pub enum PatientStatus {
        Active = "active",
        Inactive = "inactive",
    }
}

words! {
    pub enum ContactKind {
        Email = "email",
        Phone = "phone",
        Url = "url",
        Sms = "sms",
        Fax = "fax",
    }
}

/// A place that parcels go to.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub line_1: String,
    pub line_2: Option<String>,
    pub line_3: Option<String>,
    pub city: String,
    /// Two letters: a state, a territory or a military region.
    pub state: String,
    /// `12345` or `12345-6789`.
    pub postal_code: String,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    pub kind: ContactKind,
    pub value: String,
}

/// Which ways of being reached a patient prefers.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct PreferredContact {
    pub email: bool,
    pub sms: bool,
    pub phone: bool,
}

/// Everything that says who a patient is and how they are.
#[derive(Clone, PartialEq, Eq)]
pub struct PatientProfile {
    pub first_name: String,
    pub middle_name: Option<String>,
    pub last_name: String,
    pub gender: Gender,
    pub dob: Date,
    pub species: Species,
    pub animal_owner_name: Option<String>,
    /// As the partner wrote it; the unit is the partner's.
    pub weight: Option<String>,
    pub weight_recorded_date: Option<Date>,
    pub height: Option<String>,
    pub contacts: Vec<Contact>,
    pub address: Address,
    pub medication_allergies: Vec<String>,
    pub medical_history: Option<String>,
    pub preferred_contact: Option<PreferredContact>,
    pub notes: Option<String>,
}

/// A patient, as one clinic knows them.
#[derive(Debug, Clone)]
pub struct Patient {
    pub id: PatientId,
    pub clinic_id: ClinicId,
    pub practitioner_id: PractitionerId,
    pub status: PatientStatus,
    pub profile: Phi<PatientProfile>,
    pub version: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
}

/// The text under which two records are the same patient: names without case, accents, spaces and
/// punctuation, and the date of birth. It is hashed with a key before it is stored.
pub fn identity(first_name: &str, last_name: &str, dob: Date) -> String {
    format!("{}|{}|{dob}", fold(first_name), fold(last_name))
}

fn fold(name: &str) -> String {
    let folded: String = name
        .nfkd()
        .filter(|&c| !is_combining_mark(c))
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .collect();
    // A name of nothing but symbols is told apart by the symbols.
    if folded.is_empty() { name.trim().to_lowercase() } else { folded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_date;

    #[test]
    fn names_are_folded() {
        let dob = parse_date("1985-03-15").unwrap();
        assert_eq!(identity("José  María", "O'Neil", dob), identity("JOSE MARIA", "o neil", dob));
        assert_ne!(identity("Jo", "Semaria", dob), identity("Jos", "Emaria", dob));
    }
}
