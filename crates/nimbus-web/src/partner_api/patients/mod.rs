//! Patients: registering, reading, finding and changing them.

pub mod clinics;
mod read;
pub mod types;

use axum::extract::State;
use nimbus_app::patients::{self, Created, Updated};
use nimbus_core::access::Scope;

use self::{
    read::{read_create, read_list, read_update},
    types::{PatientCreate, PatientCreated, PatientUpdate, PatientView},
};
use super::envelope::{self, List, Success};
use crate::{
    Web,
    body::Incoming,
    caching::{patched, versioned},
    failure::Answer,
    paging::PageParams,
    words,
};

pub(in crate::partner_api) use read::read_address;

const NOUN: &str = "Patient";

fn render_created(created: &Created) -> nimbus_app::Rendered {
    let data = PatientCreated { patient_id: created.patient_id.0, warnings: created.warnings.clone() };
    envelope::written(data, "Patient created successfully")
}

#[utoipa::path(post, path = "/patient", tag = "Patients", operation_id = "createPatient",
    security(("ApiKeyAuth" = ["patients:write"])),
    request_body(content = PatientCreate, description = "The patient"),
    responses((status = 200, description = "Registered", body = Success<PatientCreated>)))]
pub(crate) async fn create(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::PatientsWrite).await?;
    let (today, environment) = (web.today(&call), web.environment());
    let command = request.json(&mut call, |f| read_create(f, today, environment)).await?;
    Ok(envelope::reply(patients::create(&web.app, &call, command, render_created).await?))
}

/// Found by status, or by exactly these names (letter case, accents and spaces apart) and date of birth.
#[utoipa::path(get, path = "/patient", tag = "Patients", operation_id = "listPatients",
    security(("ApiKeyAuth" = ["patients:read"])),
    params(PageParams,
        ("status" = Option<words::PatientStatus>, Query, description = "Only those of this status"),
        ("first_name" = Option<String>, Query, description = "With `last_name` and `dob`: exactly this patient"),
        ("last_name" = Option<String>, Query, description = "With `first_name` and `dob`"),
        ("dob" = Option<String>, Query, format = Date, description = "With `first_name` and `last_name`: `YYYY-MM-DD`")),
    responses((status = 200, description = "A page of patients", body = List<PatientView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::PatientsRead).await?;
    let query = request.query(|f| read_list(f, web.today(&call)))?;
    let found = patients::list(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| PatientView::from(item)))
}

#[utoipa::path(get, path = "/patient/{id}", tag = "Patients", operation_id = "getPatient",
    security(("ApiKeyAuth" = ["patients:read"])),
    params(("id" = String, Path, description = "The patient's id")),
    responses((status = 200, description = "The patient", body = Success<PatientView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::PatientsRead).await?;
    let found = patients::get(&web.app, &call, request.id("id", NOUN)?).await?;
    Ok(versioned(envelope::found(PatientView::from(&found)), found.person.version))
}

#[utoipa::path(patch, path = "/patient/{id}", tag = "Patients", operation_id = "updatePatient",
    security(("ApiKeyAuth" = ["patients:write"])),
    params(("id" = String, Path, description = "The patient's id")),
    request_body(content = PatientUpdate, description = "The fields to change"),
    responses((status = 200, description = "The patient as it is now", body = Success<PatientView>)))]
pub(crate) async fn update(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::PatientsWrite).await?;
    let patient = request.id("id", NOUN)?;
    let (today, environment) = (web.today(&call), web.environment());
    let command = request.json(&mut call, |f| read_update(f, patient, today, environment)).await?;
    let render = |updated: &Updated| {
        let warnings = updated.warnings.clone();
        let view = PatientView { warnings, ..PatientView::from(&updated.patient) };
        envelope::written(view, "Patient updated successfully").of_version(updated.patient.person.version)
    };
    Ok(patched(patients::update(&web.app, &call, command, render).await?))
}
