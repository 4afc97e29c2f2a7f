//! Patients on the wire.

use nimbus_app::people::Seen;
use nimbus_core::patient::{Address, Patient, PreferredContact};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    partner_api::people::ClinicRow,
    wire::{Day, Time},
    words,
};

#[derive(ToSchema)]
pub struct PatientCreate {
    #[schema(min_length = 2, max_length = 100, example = "John")]
    pub first_name: String,
    #[schema(max_length = 100, example = "Michael")]
    pub middle_name: Option<String>,
    #[schema(min_length = 2, max_length = 100, example = "Doe")]
    pub last_name: String,
    #[schema(value_type = words::Gender)]
    pub gender: String,
    /// The date of birth, or a time on it.
    #[schema(format = Date, example = "1985-03-15")]
    pub dob: String,
    #[schema(value_type = Option<words::Species>)]
    pub species: Option<String>,
    /// Required unless the species is human.
    #[schema(max_length = 200)]
    pub animal_owner_name: Option<String>,
    /// A number, or text with a unit.
    #[schema(max_length = 50, example = "180 lb")]
    pub weight: Option<String>,
    #[schema(format = Date)]
    pub weight_recorded_date: Option<String>,
    /// A number, or text with a unit.
    #[schema(max_length = 50)]
    pub height: Option<String>,
    #[schema(value_type = Option<words::PatientStatus>)]
    pub status: Option<String>,
    pub practitioner_id: Uuid,
    /// The key's clinic.
    pub assigned_clinic: Uuid,
    #[schema(max_items = 20)]
    pub contacts: Option<Vec<ContactBody>>,
    /// Exactly one.
    #[schema(min_items = 1, max_items = 1)]
    pub addresses: Vec<AddressBody>,
    #[schema(max_items = 100)]
    pub medication_allergies: Option<Vec<String>>,
    #[schema(max_length = 5000)]
    pub medical_history: Option<String>,
    pub preferred_contact_methods: Option<PreferredContactBody>,
    #[schema(max_length = 2000)]
    pub notes: Option<String>,
}

/// Any of the fields. `null` removes an optional one.
#[derive(ToSchema)]
pub struct PatientUpdate {
    #[schema(nullable = false, min_length = 2, max_length = 100)]
    pub first_name: Option<String>,
    #[schema(max_length = 100)]
    pub middle_name: Option<String>,
    #[schema(nullable = false, min_length = 2, max_length = 100)]
    pub last_name: Option<String>,
    #[schema(nullable = false, value_type = Option<words::Gender>)]
    pub gender: Option<String>,
    #[schema(nullable = false, format = Date)]
    pub dob: Option<String>,
    #[schema(nullable = false, value_type = Option<words::Species>)]
    pub species: Option<String>,
    #[schema(max_length = 200)]
    pub animal_owner_name: Option<String>,
    #[schema(max_length = 50)]
    pub weight: Option<String>,
    #[schema(format = Date)]
    pub weight_recorded_date: Option<String>,
    #[schema(max_length = 50)]
    pub height: Option<String>,
    #[schema(nullable = false, value_type = Option<words::PatientStatus>)]
    pub status: Option<String>,
    #[schema(nullable = false)]
    pub practitioner_id: Option<Uuid>,
    #[schema(max_items = 20)]
    pub contacts: Option<Vec<ContactBody>>,
    /// Exactly one.
    #[schema(nullable = false, min_items = 1, max_items = 1)]
    pub addresses: Option<Vec<AddressBody>>,
    #[schema(max_items = 100)]
    pub medication_allergies: Option<Vec<String>>,
    #[schema(max_length = 5000)]
    pub medical_history: Option<String>,
    pub preferred_contact_methods: Option<PreferredContactBody>,
    #[schema(max_length = 2000)]
    pub notes: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ContactBody {
    #[schema(value_type = words::ContactKind)]
    pub key: String,
    #[schema(max_length = 2000, example = "john.doe@example.com")]
    pub value: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressBody {
    #[serde(rename = "addressLine1")]
    #[schema(max_length = 200, example = "123 Main Street")]
    pub address_line_1: String,
    #[serde(rename = "addressLine2")]
    #[schema(max_length = 200, example = "Apt 4B")]
    pub address_line_2: Option<String>,
    #[serde(rename = "addressLine3")]
    #[schema(max_length = 200)]
    pub address_line_3: Option<String>,
    #[schema(max_length = 100, example = "New York")]
    pub city: String,
    /// Two letters: a US state or territory.
    #[schema(example = "NY")]
    pub state: String,
    /// `12345` or `12345-6789`.
    #[schema(example = "10001")]
    pub postal_code: String,
}

impl From<&Address> for AddressBody {
    fn from(address: &Address) -> Self {
        let Address { line_1, line_2, line_3, city, state, postal_code } = address.clone();
        Self {
            address_line_1: line_1,
            address_line_2: line_2,
            address_line_3: line_3,
            city,
            state,
            postal_code,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct PreferredContactBody {
    #[schema(required = false)]
    pub email: bool,
    #[schema(required = false)]
    pub sms: bool,
    #[schema(required = false)]
    pub phone: bool,
}

impl From<PreferredContact> for PreferredContactBody {
    fn from(preferred: PreferredContact) -> Self {
        Self { email: preferred.email, sms: preferred.sms, phone: preferred.phone }
    }
}

#[derive(Serialize, ToSchema)]
pub struct PatientCreated {
    pub patient_id: Uuid,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct PatientView {
    pub id: Uuid,
    pub patient_id: Uuid,
    #[schema(value_type = words::PatientStatus)]
    pub status: &'static str,
    pub assigned_clinic: Uuid,
    pub practitioner_id: Uuid,
    pub first_name: String,
    pub middle_name: Option<String>,
    pub last_name: String,
    #[schema(value_type = words::Gender)]
    pub gender: &'static str,
    pub dob: Day,
    #[schema(value_type = words::Species)]
    pub species: &'static str,
    pub animal_owner_name: Option<String>,
    pub weight: Option<String>,
    pub weight_recorded_date: Option<Day>,
    pub height: Option<String>,
    pub contacts: Vec<ContactBody>,
    pub addresses: Vec<AddressBody>,
    pub medication_allergies: Vec<String>,
    pub medical_history: Option<String>,
    pub preferred_contact_methods: Option<PreferredContactBody>,
    pub notes: Option<String>,
    /// The clinics of the partner that the patient is in, the key's own first.
    pub clinics: Vec<ClinicRow>,
    pub created_at: Time,
    pub updated_at: Time,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

impl From<&Seen<Patient>> for PatientView {
    fn from(seen: &Seen<Patient>) -> Self {
        let patient: &Patient = &seen.person;
        let profile = patient.profile.expose().clone();
        let contact = |contact: nimbus_core::patient::Contact| ContactBody {
            key: contact.kind.as_str().to_owned(),
            value: contact.value,
        };
        Self {
            id: patient.id.0,
            patient_id: patient.id.0,
            status: patient.status.as_str(),
            assigned_clinic: patient.clinic_id.0,
            practitioner_id: patient.practitioner_id.0,
            first_name: profile.first_name,
            middle_name: profile.middle_name,
            last_name: profile.last_name,
            gender: profile.gender.as_str(),
            dob: Day(profile.dob),
            species: profile.species.as_str(),
            animal_owner_name: profile.animal_owner_name,
            weight: profile.weight,
            weight_recorded_date: profile.weight_recorded_date.map(Day),
            height: profile.height,
            contacts: profile.contacts.into_iter().map(contact).collect(),
            addresses: vec![AddressBody::from(&profile.address)],
            medication_allergies: profile.medication_allergies,
            medical_history: profile.medical_history,
            preferred_contact_methods: profile.preferred_contact.map(PreferredContactBody::from),
            notes: profile.notes,
            clinics: seen.clinics.iter().map(ClinicRow::from).collect(),
            created_at: Time(patient.created_at),
            updated_at: Time(patient.updated_at),
            warnings: Vec::new(),
        }
    }
}
