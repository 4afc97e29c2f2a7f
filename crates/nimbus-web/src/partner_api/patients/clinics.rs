//! Assigning patients to the partner's other clinics.

use axum::extract::State;
use nimbus_app::people::{self, PatientAssigned};
use nimbus_core::access::Scope;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::NOUN;
use crate::{
    Web,
    body::Incoming,
    failure::Answer,
    partner_api::{
        envelope::{self, Success},
        people::{ClinicsBody, read_assignment},
    },
};

#[derive(Serialize, ToSchema)]
pub struct PatientClinics {
    pub patient_id: Uuid,
    /// The clinics that were named.
    pub clinics: Vec<PatientClinic>,
}

#[derive(Serialize, ToSchema)]
pub struct PatientClinic {
    pub clinic_id: Uuid,
    /// The patient's id in that clinic.
    pub patient_id: Uuid,
    /// The patient's practitioner in that clinic.
    pub practitioner_id: Uuid,
    /// `active` or `inactive`.
    #[schema(example = "active")]
    pub status: &'static str,
    /// True when the clinic had the patient: nothing was changed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub duplicate: Option<bool>,
    /// True when the patient's practitioner was assigned to the clinic along with the patient.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub practitioner_assigned: Option<bool>,
}

impl From<&PatientAssigned> for PatientClinics {
    fn from(assigned: &PatientAssigned) -> Self {
        let there = |there: &people::PatientThere| PatientClinic {
            clinic_id: there.clinic_id.0,
            patient_id: there.patient_id.0,
            practitioner_id: there.practitioner_id.0,
            status: there.status.as_str(),
            duplicate: there.duplicate.then_some(true),
            practitioner_assigned: there.practitioner_assigned.then_some(true),
        };
        Self { patient_id: assigned.patient_id.0, clinics: assigned.clinics.iter().map(there).collect() }
    }
}

/// Each clinic gets a patient of its own with these details and its own id, under the same practitioner: one who
/// is not in that clinic is assigned along (`practitioner_assigned`), for which the key needs
/// `practitioners:write`. A clinic that has a patient of the same names and date of birth keeps its patient
/// (`duplicate`). Later changes of details stay with the clinic where they are made.
#[utoipa::path(post, path = "/patient/{id}/clinics", tag = "Patients", operation_id = "assignPatient",
    security(("ApiKeyAuth" = ["patients:write"])),
    params(("id" = String, Path, description = "The patient's id")),
    request_body(content = ClinicsBody, description = "Other clinics of the partner"),
    responses(
        (status = 200, description = "Where the patient is now", body = Success<PatientClinics>)))]
pub(crate) async fn assign(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::PatientsWrite).await?;
    let patient = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_assignment(f, patient)).await?;
    let render = |assigned: &PatientAssigned| {
        envelope::written(PatientClinics::from(assigned), "Patient assigned successfully")
    };
    Ok(envelope::reply(people::assign_patient(&web.app, &call, command, render).await?))
}

/// The patient there becomes inactive; orders and history stay. One that the clinic had registered itself stays as
/// it is, and is only no longer shown as the same person.
#[utoipa::path(delete, path = "/patient/{id}/clinics", tag = "Patients", operation_id = "unassignPatient",
    security(("ApiKeyAuth" = ["patients:write"])),
    params(("id" = String, Path, description = "The patient's id")),
    request_body(content = ClinicsBody, description = "Clinics that the patient was assigned to"),
    responses(
        (status = 200, description = "How the patient stands there now", body = Success<PatientClinics>)))]
pub(crate) async fn end(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::PatientsWrite).await?;
    let patient = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_assignment(f, patient)).await?;
    let render = |ended: &PatientAssigned| {
        envelope::written(PatientClinics::from(ended), "Patient assignment ended successfully")
    };
    Ok(envelope::reply(people::end_patient(&web.app, &call, command, render).await?))
}
