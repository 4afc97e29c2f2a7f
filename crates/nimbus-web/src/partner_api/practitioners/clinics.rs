//! Assigning practitioners to the partner's other clinics.

use axum::extract::State;
use nimbus_app::people::{self, PractitionerAssigned};
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
pub struct PractitionerClinics {
    pub practitioner_id: Uuid,
    /// The clinics that were named.
    pub clinics: Vec<PractitionerClinic>,
}

#[derive(Serialize, ToSchema)]
pub struct PractitionerClinic {
    pub clinic_id: Uuid,
    /// The practitioner's id in that clinic.
    pub practitioner_id: Uuid,
    /// `pending`, `active`, `suspended` or `inactive`.
    #[schema(example = "active")]
    pub status: &'static str,
    /// True when the clinic had the practitioner: nothing was changed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub duplicate: Option<bool>,
}

impl From<&PractitionerAssigned> for PractitionerClinics {
    fn from(assigned: &PractitionerAssigned) -> Self {
        let there = |there: &people::PractitionerThere| PractitionerClinic {
            clinic_id: there.clinic_id.0,
            practitioner_id: there.practitioner_id.0,
            status: there.status.as_str(),
            duplicate: there.duplicate.then_some(true),
        };
        let clinics = assigned.clinics.iter().map(there).collect();
        Self { practitioner_id: assigned.practitioner_id.0, clinics }
    }
}

/// Each clinic gets a practitioner of its own with these details and status, and its own id. A pending one is
/// activated there when it is activated here. A clinic that has the NPI keeps its practitioner (`duplicate`).
/// Later changes of details stay with the clinic where they are made; a signature is not passed on.
#[utoipa::path(post, path = "/practitioner/{id}/clinics", tag = "Practitioners",
    operation_id = "assignPractitioner",
    security(("ApiKeyAuth" = ["practitioners:write"])),
    params(("id" = String, Path, description = "The practitioner's id")),
    request_body(content = ClinicsBody, description = "Other clinics of the partner"),
    responses(
        (status = 200, description = "Where the practitioner is now", body = Success<PractitionerClinics>)))]
pub(crate) async fn assign(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::PractitionersWrite).await?;
    let practitioner = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_assignment(f, practitioner)).await?;
    let render = |assigned: &PractitionerAssigned| {
        envelope::written(PractitionerClinics::from(assigned), "Practitioner assigned successfully")
    };
    Ok(envelope::reply(people::assign_practitioner(&web.app, &call, command, render).await?))
}

/// The practitioner there becomes inactive; orders and history stay. One that the clinic had registered itself
/// stays as it is, and is only no longer shown as the same person.
#[utoipa::path(delete, path = "/practitioner/{id}/clinics", tag = "Practitioners",
    operation_id = "unassignPractitioner",
    security(("ApiKeyAuth" = ["practitioners:write"])),
    params(("id" = String, Path, description = "The practitioner's id")),
    request_body(content = ClinicsBody, description = "Clinics that the practitioner was assigned to"),
    responses(
        (status = 200, description = "How the practitioner stands there now", body = Success<PractitionerClinics>)))]
pub(crate) async fn end(State(web): State<Web>, mut request: Incoming) -> Answer {
    let mut call = web.partner(&request, Scope::PractitionersWrite).await?;
    let practitioner = request.id("id", NOUN)?;
    let command = request.json(&mut call, |f| read_assignment(f, practitioner)).await?;
    let render = |ended: &PractitionerAssigned| {
        envelope::written(PractitionerClinics::from(ended), "Practitioner assignment ended successfully")
    };
    Ok(envelope::reply(people::end_practitioner(&web.app, &call, command, render).await?))
}
