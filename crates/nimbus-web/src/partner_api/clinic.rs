//! The key's own clinic.

use axum::extract::State;
use nimbus_app::tenancy::{self, Clinic, ClinicOverview};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::envelope::{self, Success};
use crate::{
    Web,
    body::Incoming,
    failure::Answer,
    wire::{Day, Time},
    words,
};

#[derive(Serialize, ToSchema)]
pub struct ClinicView {
    pub clinic_id: Uuid,
    pub name: String,
    pub partner_id: Uuid,
    pub partner_name: String,
    #[schema(value_type = words::PartnerStatus)]
    pub partner_status: &'static str,
    #[schema(value_type = words::Environment)]
    pub environment: &'static str,
    /// Whether a business associate agreement is in force.
    pub baa_in_force: bool,
    /// Its last day, in UTC; null if it has no end.
    pub baa_ends_on: Option<Day>,
    /// When the key that asks ends by itself; null if it does not. Within 30 days of it every reply says so in
    /// `Nimbus-Key-Expires`.
    pub key_expires_at: Option<Time>,
    pub created_at: Time,
    /// The partner's other clinics.
    pub other_clinics: Vec<OtherClinic>,
}

#[derive(Serialize, ToSchema)]
pub struct OtherClinic {
    pub clinic_id: Uuid,
    pub name: String,
}

impl From<&Clinic> for OtherClinic {
    fn from(clinic: &Clinic) -> Self {
        Self { clinic_id: clinic.id.0, name: clinic.name.clone() }
    }
}

impl From<&ClinicOverview> for ClinicView {
    fn from(overview: &ClinicOverview) -> Self {
        Self {
            clinic_id: overview.clinic.id.0,
            name: overview.clinic.name.clone(),
            partner_id: overview.partner.id.0,
            partner_name: overview.partner.name.clone(),
            partner_status: overview.partner.status.as_str(),
            environment: overview.environment.as_str(),
            baa_in_force: overview.baa_in_force,
            baa_ends_on: overview.baa_ends_on.map(Day),
            key_expires_at: overview.key_expires_at.map(Time),
            created_at: Time(overview.clinic.created_at),
            other_clinics: overview.other_clinics.iter().map(OtherClinic::from).collect(),
        }
    }
}

#[utoipa::path(get, path = "/clinic", tag = "Clinic", operation_id = "getClinic",
    security(("ApiKeyAuth" = [])),
    responses(
        (status = 200, description = "The key's clinic, and the partner's other clinics", body = Success<ClinicView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.any_partner(&request).await?;
    let overview = tenancy::clinic_overview(&web.app, &call).await?;
    Ok(envelope::found(ClinicView::from(&overview)))
}
