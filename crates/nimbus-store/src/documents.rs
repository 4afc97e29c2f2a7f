//! Sealed columns: the JSON forms of documents of patient data, and their sealing and opening.
//!
//! The forms are serde's mirrors of core types, which carry no serde themselves. What is stored must stay
//! readable: a new field has a default, and a name never changes its meaning.

use nimbus_core::{
    ids::{LineId, OrderId},
    label::LabelPlan,
    patient::{Address, Contact, ContactKind, Gender, PatientProfile, PreferredContact, Species},
    phi::Phi,
    practitioner::PractitionerProfile,
    prescription::PrescriptionDetail,
    shipment::Packed,
    time::{Date, parse_date},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    seal::{ClinicKeys, SealedAt},
};

const NOT_A_DOCUMENT: Error = Error::Corrupt("a sealed document is not of its kind");
const NOT_A_TEXT: Error = Error::Corrupt("a sealed text is not UTF-8");

/// A value that is stored as sealed JSON.
pub(crate) trait Document: Sized {
    fn to_json(&self) -> serde_json::Result<Vec<u8>>;
    fn from_json(json: &[u8]) -> serde_json::Result<Self>;
}

pub(crate) fn seal<D: Document>(keys: &ClinicKeys, at: SealedAt, document: &D) -> Result<Vec<u8>> {
    // serde's own error may quote the value.
    let json = document.to_json().map_err(|_| NOT_A_DOCUMENT)?;
    Ok(keys.seal(at, &json))
}

pub(crate) fn open<D: Document>(keys: &ClinicKeys, at: SealedAt, sealed: &[u8]) -> Result<D> {
    D::from_json(&keys.open(at, sealed)?).map_err(|_| NOT_A_DOCUMENT)
}

pub(crate) fn seal_text(keys: &ClinicKeys, at: SealedAt, text: Option<&Phi<String>>) -> Option<Vec<u8>> {
    text.map(|text| keys.seal(at, text.expose().as_bytes()))
}

pub(crate) fn open_text(
    keys: &ClinicKeys,
    at: SealedAt,
    sealed: Option<Vec<u8>>,
) -> Result<Option<Phi<String>>> {
    let Some(sealed) = sealed else { return Ok(None) };
    let text = String::from_utf8(keys.open(at, &sealed)?).map_err(|_| NOT_A_TEXT)?;
    Ok(Some(Phi::new(text)))
}

macro_rules! documents {
    ($($core:ty as $mirror:ident;)*) => {$(
        impl Document for $core {
            fn to_json(&self) -> serde_json::Result<Vec<u8>> {
                let mut json = Vec::new();
                $mirror::serialize(self, &mut serde_json::Serializer::new(&mut json))?;
                Ok(json)
            }

            fn from_json(json: &[u8]) -> serde_json::Result<Self> {
                $mirror::deserialize(&mut serde_json::Deserializer::from_slice(json))
            }
        }
    )*};
}
documents! {
    Address as AddressDocument;
    PatientProfile as PatientDocument;
    PractitionerProfile as PractitionerDocument;
    PrescriptionDetail as PrescriptionDocument;
    ScanDetail as ScanDetail;
    LabelPlan as LabelPlanDocument;
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Address")]
struct AddressDocument {
    line_1: String,
    line_2: Option<String>,
    line_3: Option<String>,
    city: String,
    state: String,
    postal_code: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PatientProfile")]
struct PatientDocument {
    first_name: String,
    middle_name: Option<String>,
    last_name: String,
    #[serde(with = "gender")]
    gender: Gender,
    #[serde(with = "day")]
    dob: Date,
    #[serde(with = "species")]
    species: Species,
    animal_owner_name: Option<String>,
    weight: Option<String>,
    #[serde(with = "day_or_none")]
    weight_recorded_date: Option<Date>,
    height: Option<String>,
    #[serde(with = "contacts")]
    contacts: Vec<Contact>,
    #[serde(with = "AddressDocument")]
    address: Address,
    medication_allergies: Vec<String>,
    medical_history: Option<String>,
    #[serde(with = "preferred_contact")]
    preferred_contact: Option<PreferredContact>,
    notes: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PractitionerProfile")]
struct PractitionerDocument {
    first_name: String,
    last_name: String,
    email: String,
    npi: Option<String>,
    is_veterinarian: bool,
    phone: Option<String>,
    address_line_1: String,
    address_line_2: Option<String>,
    city: String,
    state_code: String,
    zip_code: String,
    dea_number: Option<String>,
    license_number: Option<String>,
    license_state: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PrescriptionDetail")]
struct PrescriptionDocument {
    medication: String,
    dose: String,
    unit_of_measure: Option<String>,
    direction: String,
    ndc: Option<String>,
    flavor: Option<String>,
    notes: Option<String>,
    patient_contact_requested: bool,
    reason_for_compounding: Option<String>,
    reason_for_compounding_additional_context: Option<String>,
}

/// The sealed part of a scan.
#[derive(Serialize, Deserialize)]
pub(crate) struct ScanDetail {
    pub(crate) location: Option<String>,
    pub(crate) message: Option<String>,
    /// The carrier's word; rows of before it was kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) word: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "LabelPlan")]
struct LabelPlanDocument {
    #[serde(with = "packed")]
    packed: Vec<Packed>,
    notes: Option<String>,
    weight_oz: u32,
    #[serde(with = "AddressDocument")]
    address: Address,
    #[serde(default)]
    warnings: Vec<String>,
}

/// Pairs of order and line.
mod packed {
    use super::*;

    pub(super) fn serialize<S: Serializer>(packed: &[Packed], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(packed.iter().map(|packed| (packed.order_id.0, packed.line_id.0)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Packed>, D::Error> {
        let pairs = Vec::<(Uuid, Uuid)>::deserialize(from)?;
        let packed = |(order, line)| Packed { order_id: OrderId(order), line_id: LineId(line) };
        Ok(pairs.into_iter().map(packed).collect())
    }
}

/// The forms of words: their texts.
macro_rules! words_as_text {
    ($($module:ident: $word:ident,)*) => {$(
        mod $module {
            use super::*;

            pub(super) fn serialize<S: Serializer>(word: &$word, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(word.as_str())
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$word, D::Error> {
                $word::parse(&String::deserialize(from)?).ok_or_else(|| D::Error::custom("an unknown word"))
            }
        }
    )*};
}
words_as_text! {
    gender: Gender,
    species: Species,
}

mod day {
    use super::*;

    pub(super) fn serialize<S: Serializer>(day: &Date, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(day)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
        parse_date(&String::deserialize(from)?).ok_or_else(|| D::Error::custom("not a day"))
    }
}

mod day_or_none {
    use super::*;

    pub(super) fn serialize<S: Serializer>(day: &Option<Date>, to: S) -> Result<S::Ok, S::Error> {
        day.map(|day| day.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| parse_date(&text).ok_or_else(|| D::Error::custom("not a day"))).transpose()
    }
}

/// Pairs of kind and value.
mod contacts {
    use super::*;

    pub(super) fn serialize<S: Serializer>(contacts: &[Contact], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(contacts.iter().map(|contact| (contact.kind.as_str(), &contact.value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Contact>, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(from)?;
        let contact = |(kind, value): (String, String)| {
            let kind = ContactKind::parse(&kind).ok_or_else(|| D::Error::custom("an unknown word"))?;
            Ok(Contact { kind, value })
        };
        pairs.into_iter().map(contact).collect()
    }
}

mod preferred_contact {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Preferred {
        email: bool,
        sms: bool,
        phone: bool,
    }

    pub(super) fn serialize<S: Serializer>(
        preferred: &Option<PreferredContact>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        preferred.map(|p| Preferred { email: p.email, sms: p.sms, phone: p.phone }).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PreferredContact>, D::Error> {
        let preferred = Option::<Preferred>::deserialize(from)?;
        Ok(preferred.map(|p| PreferredContact { email: p.email, sms: p.sms, phone: p.phone }))
    }
}
