//! Reading requests about patients.

use nimbus_app::patients::{Create, Identity, List, PatientChange, Update};
use nimbus_core::{
    access::Environment,
    contact::web_url,
    ids::PatientId,
    patient::{
        Address, Contact, ContactKind, Gender, PatientProfile, PatientStatus, PreferredContact, Species,
    },
    time::Date,
};
use serde_json::Value;

use crate::{
    checks::{birth_date, boolean, date, email, id, measure, one_of, phone, state, text, zip},
    fields::{Checked, Fields},
    paging::page,
    partner_api::people::{warn_of_somebodys_email, warn_of_somebodys_phone},
};

const MAX_CONTACTS: usize = 20;
const MAX_ALLERGIES: usize = 100;

fn name() -> impl Fn(&Value) -> Checked<String> {
    text(2..=100)
}

fn gender(value: &Value) -> Checked<Gender> {
    one_of(Gender::ALL, Gender::as_str)(value)
}

fn species(value: &Value) -> Checked<Species> {
    one_of(Species::ALL, Species::as_str)(value)
}

fn status(value: &Value) -> Checked<PatientStatus> {
    one_of(PatientStatus::ALL, PatientStatus::as_str)(value)
}

pub(super) fn read_create(f: &mut Fields<'_>, today: Date, environment: Environment) -> Option<Create> {
    let first_name = f.required("first_name", name());
    let middle_name = f.optional("middle_name", text(0..=100)).filter(|name| !name.is_empty());
    let last_name = f.required("last_name", name());
    let gender = f.required("gender", gender);
    let dob = f.required("dob", birth_date(today));
    let species = f.optional("species", species).unwrap_or(Species::Human);
    let animal_owner_name = f.required_if(species != Species::Human, "animal_owner_name", text(1..=200));
    let weight = f.optional("weight", measure);
    let weight_recorded_date = f.optional("weight_recorded_date", date);
    let height = f.optional("height", measure);
    let status = f.optional("status", status).unwrap_or(PatientStatus::Active);
    let practitioner_id = f.required("practitioner_id", id);
    let clinic_id = f.required("assigned_clinic", id);
    let contacts =
        f.objects(false, "contacts", 0..=MAX_CONTACTS, |f| read_contact(f, environment)).unwrap_or_default();
    let address = f.objects(true, "addresses", 1..=1, read_address).and_then(|mut all| all.pop());
    let medication_allergies =
        f.values(false, "medication_allergies", 0..=MAX_ALLERGIES, text(1..=200)).unwrap_or_default();
    let medical_history = f.optional("medical_history", text(0..=5000)).filter(|text| !text.is_empty());
    let preferred_contact = f.object("preferred_contact_methods", read_preferred);
    let notes = f.optional("notes", text(0..=2000)).filter(|text| !text.is_empty());
    let profile = PatientProfile {
        first_name: first_name?,
        middle_name,
        last_name: last_name?,
        gender: gender?,
        dob: dob?,
        species,
        animal_owner_name,
        weight,
        weight_recorded_date,
        height,
        contacts,
        address: address?,
        medication_allergies,
        medical_history,
        preferred_contact,
        notes,
    };
    let (practitioner_id, clinic_id) = (practitioner_id?, clinic_id?);
    Some(Create { clinic_id, practitioner_id, status, profile, warnings: f.take_warnings() })
}

pub(super) fn read_update(
    f: &mut Fields<'_>,
    patient: PatientId,
    today: Date,
    environment: Environment,
) -> Option<Update> {
    let change = PatientChange {
        practitioner_id: f.change("practitioner_id", id),
        status: f.change("status", status),
        first_name: f.change("first_name", name()),
        middle_name: f.clearable("middle_name", text(1..=100)),
        last_name: f.change("last_name", name()),
        gender: f.change("gender", gender),
        dob: f.change("dob", birth_date(today)),
        species: f.change("species", species),
        animal_owner_name: f.clearable("animal_owner_name", text(1..=200)),
        weight: f.clearable("weight", measure),
        weight_recorded_date: f.clearable("weight_recorded_date", date),
        height: f.clearable("height", measure),
        contacts: match f.is_null("contacts") {
            true => f.cleared("contacts", Vec::new()),
            false => f.objects(false, "contacts", 0..=MAX_CONTACTS, |f| read_contact(f, environment)),
        },
        address: match f.is_null("addresses") {
            true => f.change("addresses", |_| Err("cannot be removed".into())),
            false => f.objects(false, "addresses", 1..=1, read_address).and_then(|mut all| all.pop()),
        },
        medication_allergies: match f.is_null("medication_allergies") {
            true => f.cleared("medication_allergies", Vec::new()),
            false => f.values(false, "medication_allergies", 0..=MAX_ALLERGIES, text(1..=200)),
        },
        medical_history: f.clearable("medical_history", text(1..=5000)),
        preferred_contact: match f.is_null("preferred_contact_methods") {
            true => f.cleared("preferred_contact_methods", None),
            false => f.object("preferred_contact_methods", read_preferred).map(Some),
        },
        notes: f.clearable("notes", text(1..=2000)),
    };
    Some(Update { id: patient, change, warnings: f.take_warnings() })
}

pub(super) fn read_list(f: &mut Fields<'_>, today: Date) -> Option<List> {
    let status = f.optional("status", status);
    let searched = f.has("first_name") || f.has("last_name") || f.has("dob");
    let first_name = f.required_if(searched, "first_name", text(1..=100));
    let last_name = f.required_if(searched, "last_name", text(1..=100));
    let dob = f.required_if(searched, "dob", birth_date(today));
    let page = page(f);
    let identity = match (first_name, last_name, dob) {
        (Some(first_name), Some(last_name), Some(dob)) => Some(Identity { first_name, last_name, dob }),
        _ => None,
    };
    Some(List { status, identity, page })
}

/// An address; orders name one too.
pub(in crate::partner_api) fn read_address(f: &mut Fields<'_>) -> Option<Address> {
    let line_1 = f.required("addressLine1", text(1..=200));
    let line_2 = f.optional("addressLine2", text(0..=200)).filter(|line| !line.is_empty());
    let line_3 = f.optional("addressLine3", text(0..=200)).filter(|line| !line.is_empty());
    let city = f.required("city", text(1..=100));
    let state = f.required("state", state);
    let postal_code = f.required("postalCode", zip);
    Some(Address { line_1: line_1?, line_2, line_3, city: city?, state: state?, postal_code: postal_code? })
}

fn read_contact(f: &mut Fields<'_>, environment: Environment) -> Option<Contact> {
    let kind = f.required("key", one_of(ContactKind::ALL, ContactKind::as_str));
    let Some(kind) = kind else {
        f.required("value", text(1..=2000));
        return None;
    };
    let value = match kind {
        ContactKind::Email => {
            let email = f.required("value", email);
            warn_of_somebodys_email(f, "value", email.as_deref(), environment);
            email
        }
        ContactKind::Url => f.required("value", url),
        ContactKind::Phone | ContactKind::Sms | ContactKind::Fax => {
            let phone = f.required("value", phone);
            if phone.as_ref().is_some_and(|phone| !phone.is_possible()) {
                f.warn("value", "no telephone has such a number");
            }
            warn_of_somebodys_phone(f, "value", phone.as_ref(), environment);
            phone.map(|phone| phone.digits().to_owned())
        }
    };
    Some(Contact { kind, value: value? })
}

fn url(value: &Value) -> Checked<String> {
    let text = text(1..=2000)(value)?;
    match web_url(&text) {
        true => Ok(text),
        false => Err("must be a web address such as https://example.com".into()),
    }
}

fn read_preferred(f: &mut Fields<'_>) -> Option<PreferredContact> {
    let email = f.optional("email", boolean).unwrap_or(false);
    let sms = f.optional("sms", boolean).unwrap_or(false);
    let phone = f.optional("phone", boolean).unwrap_or(false);
    Some(PreferredContact { email, sms, phone })
}

#[cfg(test)]
mod tests {
    use nimbus_app::Error;
    use nimbus_core::time::parse_date;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{
        fields::{assert_described, read},
        partner_api::patients::types::{
            AddressBody, ContactBody, PatientCreate, PatientUpdate, PreferredContactBody,
        },
    };

    fn today() -> Date {
        parse_date("2026-06-01").unwrap()
    }

    fn sample() -> Value {
        json!({
            "first_name": "John", "middle_name": "Michael", "last_name": "Doe", "gender": "male",
            "dob": "1985-03-15", "species": "human", "status": "active",
            "practitioner_id": "550e8400-e29b-41d4-a716-446655440001",
            "assigned_clinic": "550e8400-e29b-41d4-a716-446655440002",
            "contacts": [{"key": "email", "value": "john.doe@example.com"}, {"key": "phone", "value": "5551234567"}],
            "addresses": [{"addressLine1": "123 Main Street", "addressLine2": "Apt 4B", "city": "New York",
                           "state": "NY", "postalCode": "10001"}]
        })
    }

    fn failing(body: &Value) -> Vec<String> {
        match read(body, |f| read_create(f, today(), Environment::Sandbox)) {
            Err(Error::Invalid(fields)) => fields.into_iter().map(|field| field.field).collect(),
            Err(other) => panic!("{other:?}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<PatientCreate, _>(|f| read_create(f, today(), Environment::Sandbox));
        assert_described::<PatientUpdate, _>(|f| {
            read_update(f, PatientId(Uuid::nil()), today(), Environment::Sandbox)
        });
        assert_described::<AddressBody, _>(read_address);
        assert_described::<ContactBody, _>(|f| read_contact(f, Environment::Sandbox));
        assert_described::<PreferredContactBody, _>(read_preferred);
    }

    #[test]
    fn the_published_sample_is_read() {
        assert_eq!(failing(&sample()), Vec::<String>::new());
    }

    #[test]
    fn nested_fields_are_named_by_path() {
        let mut body = sample();
        body["addresses"][0]["postalCode"] = json!("1");
        body["contacts"][0]["value"] = json!("nobody");
        body["species"] = json!("canine");
        assert_eq!(failing(&body), ["animal_owner_name", "contacts[0].value", "addresses[0].postalCode"]);
    }

    #[test]
    fn null_clears_in_a_change() {
        let body =
            json!({"middle_name": null, "contacts": null, "preferred_contact_methods": null, "weight": 70});
        let update = read(&body, |f| read_update(f, PatientId(Uuid::nil()), today(), Environment::Sandbox))
            .ok()
            .unwrap();
        assert!(matches!(update.change.middle_name, Some(None)));
        assert!(update.change.contacts.is_some_and(|contacts| contacts.is_empty()));
        assert!(matches!(update.change.preferred_contact, Some(None)));
        assert_eq!(update.change.weight, Some(Some("70".to_owned())));
        assert!(update.change.first_name.is_none());
        for name in ["first_name", "addresses"] {
            let body = json!({ name: null });
            assert!(
                read(&body, |f| read_update(f, PatientId(Uuid::nil()), today(), Environment::Sandbox))
                    .is_err(),
                "{name}"
            );
        }
    }
}
