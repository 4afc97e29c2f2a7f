//! What practitioners and patients share on the wire: the clinics that they are in.

use nimbus_app::people::{Assignment, MAX_CLINICS, Named, PersonClinic};
use nimbus_core::{
    access::Environment,
    contact::{Email, Phone},
    ids::ClinicId,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{checks::id, fields::Fields};

/// A clinic of the partner that a person is in.
#[derive(Serialize, ToSchema)]
pub struct ClinicRow {
    pub clinic_id: Uuid,
    /// The person's id in that clinic; keys of that clinic read it.
    pub id: Uuid,
}

impl From<&PersonClinic> for ClinicRow {
    fn from(found: &PersonClinic) -> Self {
        Self { clinic_id: found.clinic_id.0, id: found.id }
    }
}

/// Other clinics of the partner, by one of the two fields.
#[derive(ToSchema)]
pub struct ClinicsBody {
    /// Required unless there is `clinic_id`.
    #[schema(min_items = 1, max_items = 25)]
    pub clinic_ids: Option<Vec<Uuid>>,
    /// A single clinic.
    pub clinic_id: Option<Uuid>,
}

/// Reads which clinics a person is to be assigned to, or no longer.
pub(super) fn read_assignment<Id>(f: &mut Fields<'_>, person: Id) -> Option<Assignment<Id>> {
    let one: Option<ClinicId> = f.optional("clinic_id", id);
    let many: Option<Vec<ClinicId>> = f.values(!f.has("clinic_id"), "clinic_ids", 1..=MAX_CLINICS, id);
    if f.has("clinic_id") && f.has("clinic_ids") {
        f.refuse("clinic_id", "cannot be sent together with clinic_ids");
    }
    let named = |(index, &clinic_id)| Named { field: format!("clinic_ids[{index}]"), clinic_id };
    let mut clinics: Vec<Named> = many.iter().flatten().enumerate().map(named).collect();
    clinics.extend(one.map(|clinic_id| Named { field: "clinic_id".to_owned(), clinic_id }));
    Some(Assignment { id: person, clinics })
}

/// A sandbox is for invented people: warns of an address that somebody may have, and does not repeat it.
pub(super) fn warn_of_somebodys_email(
    f: &mut Fields<'_>,
    name: &str,
    email: Option<&str>,
    environment: Environment,
) {
    let is_somebodys =
        email.and_then(|email| Email::parse(email).ok()).is_some_and(|email| !email.is_nobodys());
    if is_somebodys && environment == Environment::Sandbox {
        f.warn(
            name,
            "this may be a real person's: in a sandbox use example.com, example.org, example.net, .test or .invalid",
        );
    }
}

/// The same of a telephone number.
pub(super) fn warn_of_somebodys_phone(
    f: &mut Fields<'_>,
    name: &str,
    phone: Option<&Phone>,
    environment: Environment,
) {
    if phone.is_some_and(|phone| !phone.is_nobodys()) && environment == Environment::Sandbox {
        f.warn(
            name,
            "this may be a real person's: in a sandbox use a number such as 212-555-0123 (555-0100 to 0199)",
        );
    }
}

#[cfg(test)]
mod tests {
    use nimbus_app::Error;
    use nimbus_core::ids::PatientId;
    use serde_json::{Value, json};

    use super::*;
    use crate::fields::{assert_described, read};

    const CLINIC: &str = "550e8400-e29b-41d4-a716-446655440001";

    fn named(body: &Value) -> Result<Vec<String>, Vec<String>> {
        match read(body, |f| read_assignment(f, PatientId(Uuid::nil()))) {
            Ok(read) => Ok(read.clinics.into_iter().map(|named| named.field).collect()),
            Err(Error::Invalid(fields)) => Err(fields.into_iter().map(|field| field.field).collect()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn clinics_are_named_by_either_field() {
        assert_described::<ClinicsBody, _>(|f| read_assignment(f, PatientId(Uuid::nil())));
        let of = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            named(&json!({"clinic_ids": [CLINIC, CLINIC]})),
            Ok(of(&["clinic_ids[0]", "clinic_ids[1]"]))
        );
        assert_eq!(named(&json!({ "clinic_id": CLINIC })), Ok(of(&["clinic_id"])));
        for (body, wrong) in [
            (json!({}), "clinic_ids"),
            (json!({"clinic_ids": []}), "clinic_ids"),
            (json!({ "clinic_ids": CLINIC }), "clinic_ids"),
            (json!({"clinic_ids": vec![CLINIC; 26]}), "clinic_ids"),
            (json!({"clinic_ids": [CLINIC, "x"]}), "clinic_ids[1]"),
            (json!({"clinic_id": CLINIC, "clinic_ids": [CLINIC]}), "clinic_id"),
        ] {
            assert_eq!(named(&body), Err(of(&[wrong])), "{body}");
        }
    }
}
