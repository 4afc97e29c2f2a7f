//! Prescriptions: reading them.

use axum::extract::State;
use nimbus_app::prescriptions::{self, List as ListQuery};
use nimbus_core::{
    access::Scope,
    ids::PrescriptionId,
    prescription::{Prescription, PrescriptionStatus},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::envelope::{self, List, Success};
use crate::{
    Web,
    body::Incoming,
    checks::{id, one_of},
    failure::Answer,
    paging::{PageParams, page},
    wire::{Amount, Day, Time},
    words,
};

pub(crate) const NOUN: &str = "Prescription";

#[derive(Serialize, ToSchema)]
pub struct PrescriptionView {
    pub id: Uuid,
    pub prescription_id: Uuid,
    pub clinic_id: Uuid,
    pub patient_id: Uuid,
    pub practitioner_id: Uuid,
    #[schema(value_type = words::PrescriptionStatus)]
    pub status: &'static str,
    pub medication: String,
    pub dose: String,
    pub unit_of_measure: Option<String>,
    pub sig: String,
    pub ndc: Option<String>,
    pub flavor: Option<String>,
    pub notes: Option<String>,
    pub patient_contact_requested: bool,
    pub reason_for_compounding: Option<String>,
    pub reason_for_compounding_additional_context: Option<String>,
    #[schema(value_type = words::Schedule)]
    pub schedule: &'static str,
    /// What one fill dispenses.
    pub quantity: Amount,
    pub days_supply: Option<u32>,
    pub refills_authorized: u32,
    pub refills_used: u32,
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

impl From<&Prescription> for PrescriptionView {
    fn from(prescription: &Prescription) -> Self {
        let detail = prescription.detail.expose().clone();
        Self {
            id: prescription.id.0,
            prescription_id: prescription.id.0,
            clinic_id: prescription.clinic_id.0,
            patient_id: prescription.patient_id.0,
            practitioner_id: prescription.practitioner_id.0,
            status: prescription.status.as_str(),
            medication: detail.medication,
            dose: detail.dose,
            unit_of_measure: detail.unit_of_measure,
            sig: detail.direction,
            ndc: detail.ndc,
            flavor: detail.flavor,
            notes: detail.notes,
            patient_contact_requested: detail.patient_contact_requested,
            reason_for_compounding: detail.reason_for_compounding,
            reason_for_compounding_additional_context: detail.reason_for_compounding_additional_context,
            schedule: prescription.schedule.as_str(),
            quantity: Amount(prescription.quantity),
            days_supply: prescription.days_supply,
            refills_authorized: prescription.refills_authorized,
            refills_used: prescription.refills_used,
            refills_remaining: prescription.refills_remaining(),
            do_not_refill: prescription.do_not_refill,
            date_issued: Day(prescription.date_issued),
            expires_on: Day(prescription.expires_on),
            rx_number: prescription.rx_number.clone(),
            created_at: Time(prescription.created_at),
            updated_at: Time(prescription.updated_at),
        }
    }
}

#[utoipa::path(get, path = "/prescription", tag = "Medication Requests", operation_id = "listPrescriptions",
    security(("ApiKeyAuth" = ["orders:read"])),
    params(PageParams,
        ("status" = Option<words::PrescriptionStatus>, Query, description = "Only those of this status"),
        ("patient_id" = Option<String>, Query, description = "Only those of this patient")),
    responses((status = 200, description = "A page of prescriptions", body = List<PrescriptionView>)))]
pub(crate) async fn list(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::OrdersRead).await?;
    let query = request.query(|f| {
        let status = f.optional("status", one_of(PrescriptionStatus::ALL, PrescriptionStatus::as_str));
        Some(ListQuery { patient: f.optional("patient_id", id), status, page: page(f) })
    })?;
    let found = prescriptions::list(&web.app, &call, query).await?;
    Ok(envelope::page(&found, |item| PrescriptionView::from(item)))
}

#[utoipa::path(get, path = "/prescription/{id}", tag = "Medication Requests", operation_id = "getPrescription",
    security(("ApiKeyAuth" = ["orders:read"])),
    params(("id" = String, Path, description = "The prescription's id")),
    responses((status = 200, description = "The prescription", body = Success<PrescriptionView>)))]
pub(crate) async fn show(State(web): State<Web>, request: Incoming) -> Answer {
    let call = web.partner(&request, Scope::OrdersRead).await?;
    let found = prescriptions::get(&web.app, &call, request.id::<PrescriptionId>("id", NOUN)?).await?;
    Ok(envelope::found(PrescriptionView::from(&found)))
}
