//! Prescriptions: what a patient may be sent and refilled.

use axum::extract::State;
use nimbus_app::prescriptions::{self, List};
use nimbus_core::{
    access::Scope,
    ids::PrescriptionId,
    prescription::{self, PrescriptionStatus},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::envelope::{self, ListParams, Page};
use crate::{
    Web,
    body::Incoming,
    checks::{id, one_of},
    failure::Answer,
    paging::camel_case_page,
    wire::{Amount, Day, Time},
    words,
};

const NOUN: &str = "Prescription";

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prescription {
    #[schema(example = "rx_00FODtiM8TKCRUXNHNjZoy")]
    pub id: String,
    #[schema(example = "pat_00FODtiM8TKCRUXNHNjZoy")]
    pub patient_id: String,
    #[schema(example = "prc_00FODtiM8TKCRUXNHNjZoy")]
    pub practitioner_id: String,
    #[schema(value_type = words::PrescriptionStatus)]
    pub status: &'static str,
    #[schema(example = "Semaglutide")]
    pub medication: String,
    #[schema(example = "2.5mg/ml")]
    pub dose: String,
    pub unit_of_measure: Option<String>,
    /// How the patient is to use it.
    pub sig: String,
    pub ndc: Option<String>,
    #[schema(value_type = words::Schedule)]
    pub schedule: &'static str,
    /// What one fill dispenses.
    pub quantity: Amount,
    pub days_supply: Option<u32>,
    pub refills_authorized: u32,
    pub refills_remaining: u32,
    pub do_not_refill: bool,
    pub date_issued: Day,
    /// The last day on which it may be filled.
    pub expires_on: Day,
    /// The pharmacy's number, once it is verified.
    pub rx_number: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
}

impl From<&prescription::Prescription> for Prescription {
    fn from(found: &prescription::Prescription) -> Self {
        let detail = found.detail.expose().clone();
        Self {
            id: found.id.prefixed(),
            patient_id: found.patient_id.prefixed(),
            practitioner_id: found.practitioner_id.prefixed(),
            status: found.status.as_str(),
            medication: detail.medication,
            dose: detail.dose,
            unit_of_measure: detail.unit_of_measure,
            sig: detail.direction,
            ndc: detail.ndc,
            schedule: found.schedule.as_str(),
            quantity: Amount(found.quantity),
            days_supply: found.days_supply,
            refills_authorized: found.refills_authorized,
            refills_remaining: found.refills_remaining(),
            do_not_refill: found.do_not_refill,
            date_issued: Day(found.date_issued),
            expires_on: Day(found.expires_on),
            rx_number: found.rx_number.clone(),
            created_at: Time(found.created_at),
            updated_at: Time(found.updated_at),
        }
    }
}

#[utoipa::path(get, path = "/prescriptions", tag = "Prescriptions", operation_id = "listPatientPrescriptions",
    security(("ApiKeyAuth" = ["orders:read"])),
    params(ListParams,
        ("status" = Option<words::PrescriptionStatus>, Query, description = "Only those of this status"),
        ("patientId" = Option<String>, Query, description = "Only those of this patient")),
    responses((status = 200, description = "A page of prescriptions", body = Page<Prescription>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::OrdersRead).await?;
    let query = request.query(|f| {
        let status = f.optional("status", one_of(PrescriptionStatus::ALL, PrescriptionStatus::as_str));
        Some(List { patient: f.optional("patientId", id), status, page: camel_case_page(f) })
    })?;
    let found = prescriptions::list(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |id| PrescriptionId(id).prefixed(), |it| Prescription::from(it)))
}

#[utoipa::path(get, path = "/prescriptions/{prescriptionId}", tag = "Prescriptions",
    operation_id = "getPatientPrescription",
    security(("ApiKeyAuth" = ["orders:read"])),
    params(("prescriptionId" = String, Path, description = "The prescription's id")),
    responses((status = 200, description = "The prescription", body = Prescription)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::OrdersRead).await?;
    let id = request.id::<PrescriptionId>("prescriptionId", NOUN)?;
    let found = prescriptions::get(&web.app, &call, id).await?;
    Ok(envelope::found(Prescription::from(&found)))
}
