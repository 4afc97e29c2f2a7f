//! Practitioners: registering, reading and changing them.

pub mod clinics;
pub mod signature;

use axum::extract::State;
use nimbus_app::{
    people::Seen,
    practitioners::{self, Create, Created, List as ListQuery, ProfileChange, Update, Updated},
};
use nimbus_core::{
    access::{Environment, Scope},
    contact::Phone,
    identifiers::npi::Npi,
    ids::PractitionerId,
    practitioner::{Practitioner, PractitionerProfile, PractitionerStatus},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    envelope::{self, List, Success},
    people::{ClinicRow, warn_of_somebodys_email, warn_of_somebodys_phone},
};
use crate::{
    Web,
    body::Incoming,
    caching::{patched, versioned},
    checks::{boolean, dea, email, id, npi, one_of, phone, state, text, zip},
    failure::Answer,
    fields::Fields,
    paging::{PageParams, page},
    wire::Time,
    words,
};

pub(crate) const NOUN: &str = "Practitioner";

#[derive(ToSchema)]
pub struct PractitionerCreate {
    #[schema(min_length = 2, max_length = 100, example = "John")]
    pub first_name: String,
    #[schema(min_length = 2, max_length = 100, example = "Doe")]
    pub last_name: String,
    #[schema(format = Email, example = "john.doe@example.com")]
    pub email: String,
    /// Ten digits with a valid check digit. Required unless `is_veterinarian` is true.
    #[schema(example = "1234567893")]
    pub npi: Option<String>,
    pub is_veterinarian: bool,
    /// The key's clinic.
    pub assigned_clinic: Uuid,
    /// Ten digits, with or without +1 and punctuation.
    #[schema(example = "2125550123")]
    pub phone: Option<String>,
    #[schema(max_length = 200, example = "123 Main St")]
    pub address_line_1: String,
    #[schema(max_length = 200, example = "Suite 1")]
    pub address_line_2: Option<String>,
    #[schema(max_length = 100, example = "San Antonio")]
    pub city: String,
    /// Two letters: a US state or territory.
    #[schema(example = "TX")]
    pub state_code: String,
    /// `12345` or `12345-6789`.
    #[schema(example = "78201")]
    pub zip_code: String,
    /// Two letters and seven digits with a valid check digit.
    pub dea_number: Option<String>,
    #[schema(max_length = 50)]
    pub license_number: Option<String>,
    /// Two letters: a US state or territory.
    pub license_state: Option<String>,
}

/// Any of the fields. `null` removes an optional one.
#[derive(ToSchema)]
pub struct PractitionerUpdate {
    #[schema(nullable = false, min_length = 2, max_length = 100)]
    pub first_name: Option<String>,
    #[schema(nullable = false, min_length = 2, max_length = 100)]
    pub last_name: Option<String>,
    #[schema(nullable = false, format = Email)]
    pub email: Option<String>,
    pub npi: Option<String>,
    #[schema(nullable = false)]
    pub is_veterinarian: Option<bool>,
    pub phone: Option<String>,
    #[schema(nullable = false, max_length = 200)]
    pub address_line_1: Option<String>,
    #[schema(max_length = 200)]
    pub address_line_2: Option<String>,
    #[schema(nullable = false, max_length = 100)]
    pub city: Option<String>,
    #[schema(nullable = false)]
    pub state_code: Option<String>,
    #[schema(nullable = false)]
    pub zip_code: Option<String>,
    pub dea_number: Option<String>,
    #[schema(max_length = 50)]
    pub license_number: Option<String>,
    pub license_state: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct PractitionerCreated {
    pub practitioner_id: Uuid,
    /// `Pending verification`; for a duplicate, the status it has.
    #[schema(example = "Pending verification")]
    pub status: &'static str,
    /// True when the clinic had a practitioner of this NPI: nothing was created, and the id is that one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub duplicate: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct PractitionerView {
    pub id: Uuid,
    pub practitioner_id: Uuid,
    #[schema(value_type = words::PractitionerStatus)]
    pub status: &'static str,
    pub assigned_clinic: Uuid,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub npi: Option<String>,
    pub is_veterinarian: bool,
    pub phone: Option<String>,
    pub address_line_1: String,
    pub address_line_2: Option<String>,
    pub city: String,
    pub state_code: String,
    pub zip_code: String,
    pub dea_number: Option<String>,
    pub license_number: Option<String>,
    pub license_state: Option<String>,
    /// Whether the image of a signature is on file.
    pub has_signature: bool,
    /// The clinics of the partner that the practitioner is in, the key's own first. Staff are not shown them here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub clinics: Option<Vec<ClinicRow>>,
    pub created_at: Time,
    pub updated_at: Time,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

impl From<&Practitioner> for PractitionerView {
    fn from(practitioner: &Practitioner) -> Self {
        let profile = practitioner.profile.expose().clone();
        Self {
            id: practitioner.id.0,
            practitioner_id: practitioner.id.0,
            status: practitioner.status.as_str(),
            assigned_clinic: practitioner.clinic_id.0,
            first_name: profile.first_name,
            last_name: profile.last_name,
            email: profile.email,
            npi: profile.npi,
            is_veterinarian: profile.is_veterinarian,
            phone: profile.phone,
            address_line_1: profile.address_line_1,
            address_line_2: profile.address_line_2,
            city: profile.city,
            state_code: profile.state_code,
            zip_code: profile.zip_code,
            dea_number: profile.dea_number,
            license_number: profile.license_number,
            license_state: profile.license_state,
            has_signature: practitioner.has_signature,
            clinics: None,
            created_at: Time(practitioner.created_at),
            updated_at: Time(practitioner.updated_at),
            warnings: Vec::new(),
        }
    }
}

impl From<&Seen<Practitioner>> for PractitionerView {
    fn from(seen: &Seen<Practitioner>) -> Self {
        let clinics = seen.clinics.iter().map(ClinicRow::from).collect();
        Self { clinics: Some(clinics), ..Self::from(&seen.person) }
    }
}

/// Names and addresses, as long as they may be.
fn name() -> impl Fn(&serde_json::Value) -> crate::fields::Checked<String> + Clone {
    text(2..=100)
}

fn read_create(f: &mut Fields<'_>, environment: Environment) -> Option<Create> {
    let sandbox = environment == Environment::Sandbox;
    let first_name = f.required("first_name", name());
    let last_name = f.required("last_name", name());
    let email = f.required("email", email);
    let is_veterinarian = f.required("is_veterinarian", boolean);
    let npi = f.required_if(is_veterinarian != Some(true), "npi", npi(sandbox));
    let clinic_id = f.required("assigned_clinic", id);
    let phone = f.optional("phone", phone);
    let address_line_1 = f.required("address_line_1", text(1..=200));
    let address_line_2 = f.optional("address_line_2", text(0..=200)).filter(|line| !line.is_empty());
    let city = f.required("city", text(1..=100));
    let state_code = f.required("state_code", state);
    let zip_code = f.required("zip_code", zip);
    let dea_number = f.optional("dea_number", dea);
    let license_number = f.optional("license_number", text(1..=50));
    let license_state = f.optional("license_state", state);
    let identified = f.has("npi") || f.has("license_number") && f.has("license_state");
    if is_veterinarian == Some(true) && !identified {
        let message = "a veterinarian without NPI needs license_number and license_state";
        if sandbox { f.warn("license_number", message) } else { f.refuse("license_number", message) }
    }
    warn_of(f, phone.as_ref(), npi.as_ref());
    warn_of_somebodys_email(f, "email", email.as_deref(), environment);
    warn_of_somebodys_phone(f, "phone", phone.as_ref(), environment);
    let profile = PractitionerProfile {
        first_name: first_name?,
        last_name: last_name?,
        email: email?,
        npi: npi.map(|npi| npi.as_str().to_owned()),
        is_veterinarian: is_veterinarian?,
        phone: phone.map(|phone| phone.digits().to_owned()),
        address_line_1: address_line_1?,
        address_line_2,
        city: city?,
        state_code: state_code?,
        zip_code: zip_code?,
        dea_number,
        license_number,
        license_state,
    };
    Some(Create { clinic_id: clinic_id?, profile, warnings: f.take_warnings() })
}

fn warn_of(f: &mut Fields<'_>, phone: Option<&Phone>, npi: Option<&Npi>) {
    if npi.is_some_and(|npi| npi.as_str() == Npi::DOCUMENTED_SAMPLE) {
        f.warn("npi", "this is the documented sample, whose check digit fails; production refuses it");
    }
    if phone.is_some_and(|phone| !phone.is_possible()) {
        f.warn("phone", "no telephone has such a number");
    }
}

fn read_update(f: &mut Fields<'_>, practitioner: PractitionerId, environment: Environment) -> Option<Update> {
    let npi = f.clearable("npi", npi(environment == Environment::Sandbox));
    let phone = f.clearable("phone", phone);
    let change = ProfileChange {
        first_name: f.change("first_name", name()),
        last_name: f.change("last_name", name()),
        email: f.change("email", email),
        npi: npi.as_ref().map(|npi| npi.as_ref().map(|npi| npi.as_str().to_owned())),
        is_veterinarian: f.change("is_veterinarian", boolean),
        phone: phone.as_ref().map(|phone| phone.as_ref().map(|phone| phone.digits().to_owned())),
        address_line_1: f.change("address_line_1", text(1..=200)),
        address_line_2: f.clearable("address_line_2", text(1..=200)),
        city: f.change("city", text(1..=100)),
        state_code: f.change("state_code", state),
        zip_code: f.change("zip_code", zip),
        dea_number: f.clearable("dea_number", dea),
        license_number: f.clearable("license_number", text(1..=50)),
        license_state: f.clearable("license_state", state),
    };
    let phone = phone.flatten();
    warn_of(f, phone.as_ref(), npi.flatten().as_ref());
    warn_of_somebodys_email(f, "email", change.email.as_deref(), environment);
    warn_of_somebodys_phone(f, "phone", phone.as_ref(), environment);
    Some(Update { id: practitioner, change, warnings: f.take_warnings() })
}

fn render_created(created: &Created) -> nimbus_app::Rendered {
    let status = match created.status {
        PractitionerStatus::Pending => "Pending verification",
        other => other.as_str(),
    };
    let data = PractitionerCreated {
        practitioner_id: created.practitioner_id.0,
        status,
        duplicate: created.duplicate.then_some(true),
        warnings: created.warnings.clone(),
    };
    envelope::written(data, "Practitioner created successfully")
}

#[utoipa::path(post, path = "/practitioner", tag = "Practitioners", operation_id = "createPractitioner",
    security(("ApiKeyAuth" = ["practitioners:write"])),
    request_body(content = PractitionerCreate, description = "The practitioner"),
    responses(
        (status = 200, description = "Registered, or found again by its NPI", body = Success<PractitionerCreated>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::PractitionersWrite).await?;
    let command = request.json(&mut call, |f| read_create(f, web.environment())).await?;
    Ok(envelope::reply(practitioners::create(&web.app, &call, command, render_created).await?))
}

#[utoipa::path(get, path = "/practitioner", tag = "Practitioners", operation_id = "listPractitioners",
    security(("ApiKeyAuth" = ["practitioners:read"])),
    params(PageParams, ("status" = Option<words::PractitionerStatus>, Query, description = "Only those of this status")),
    responses((status = 200, description = "A page of practitioners", body = List<PractitionerView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::PractitionersRead).await?;
    let query = request.query(|f| {
        let status = f.optional("status", one_of(PractitionerStatus::ALL, PractitionerStatus::as_str));
        Some(ListQuery { status, page: page(f) })
    })?;
    let found = practitioners::list(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| PractitionerView::from(item)))
}

#[utoipa::path(get, path = "/practitioner/{id}", tag = "Practitioners", operation_id = "getPractitioner",
    security(("ApiKeyAuth" = ["practitioners:read"])),
    params(("id" = String, Path, description = "The practitioner's id")),
    responses((status = 200, description = "The practitioner", body = Success<PractitionerView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::PractitionersRead).await?;
    let found = practitioners::get(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(versioned(envelope::found(PractitionerView::from(&found)), found.person.version))
}

#[utoipa::path(patch, path = "/practitioner/{id}", tag = "Practitioners", operation_id = "updatePractitioner",
    security(("ApiKeyAuth" = ["practitioners:write"])),
    params(("id" = String, Path, description = "The practitioner's id")),
    request_body(content = PractitionerUpdate, description = "The fields to change"),
    responses((status = 200, description = "The practitioner as it is now", body = Success<PractitionerView>)))]
pub(crate) async fn update(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::PractitionersWrite).await?;
    let practitioner = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_update(f, practitioner, web.environment())).await?;
    let render = |updated: &Updated| {
        let warnings = updated.warnings.clone();
        let view = PractitionerView { warnings, ..PractitionerView::from(&updated.practitioner) };
        envelope::written(view, "Practitioner updated successfully")
            .of_version(updated.practitioner.person.version)
    };
    Ok(patched(practitioners::update(&web.app, &call, command, render).await?))
}

#[cfg(test)]
mod tests {
    use nimbus_app::Error;
    use serde_json::{Value, json};

    use super::*;
    use crate::fields::{assert_described, read};

    fn sample() -> Value {
        json!({
            "first_name": "John", "last_name": "Doe", "email": "john.doe@example.com", "npi": "1234567890",
            "is_veterinarian": true, "assigned_clinic": "550e8400-e29b-41d4-a716-446655440001",
            "phone": "1234567890", "address_line_1": "123 Main St", "address_line_2": "Apt 1",
            "city": "San Antonio", "state_code": "TX", "zip_code": "78201"
        })
    }

    #[test]
    fn schemas_describe_what_is_read() {
        assert_described::<PractitionerCreate, _>(|f| read_create(f, Environment::Sandbox));
        let id = PractitionerId(Uuid::nil());
        assert_described::<PractitionerUpdate, _>(|f| read_update(f, id, Environment::Sandbox));
    }

    #[test]
    fn the_documented_sample_is_for_the_sandbox() {
        let create = read(&sample(), |f| read_create(f, Environment::Sandbox)).ok().unwrap();
        assert_eq!(create.warnings.len(), 2, "the NPI and the telephone: {:?}", create.warnings);
        let refused = read(&sample(), |f| read_create(f, Environment::Production)).err().unwrap();
        let Error::Invalid(fields) = refused else { panic!("{refused:?}") };
        assert_eq!(fields.iter().map(|field| field.field.as_str()).collect::<Vec<_>>(), ["npi"]);
    }

    #[test]
    fn a_veterinarian_needs_a_licence_in_production() {
        let mut body = sample();
        body.as_object_mut().unwrap().remove("npi");
        let warned = read(&body, |f| read_create(f, Environment::Sandbox)).ok().unwrap();
        assert!(warned.warnings.iter().any(|warning| warning.starts_with("license_number")));
        assert!(read(&body, |f| read_create(f, Environment::Production)).is_err());
        body["license_number"] = json!("V-1");
        body["license_state"] = json!("tx");
        let create = read(&body, |f| read_create(f, Environment::Production)).ok().unwrap();
        assert_eq!(create.profile.license_state.as_deref(), Some("TX"));
    }
}
