//! What the eligibility engine needs to know of a prescription, gathered from the store.

use nimbus_core::{
    eligibility::{self, Eligibility, Fill, Question},
    ids::PatientId,
    order::FillStatus,
    patient::PatientStatus,
    practitioner::PractitionerStatus,
    prescription::Prescription,
    quantity::Quantity,
};
use nimbus_store::{Tx, orders, patients, practitioners, refills};

use crate::{error::Result, unit::Cx};

/// What is asked, besides the prescription.
#[derive(Default)]
pub(crate) struct Asked {
    /// The status of the fill named, where one is.
    pub(crate) named_fill: Option<FillStatus>,
    /// The patient named, where one is.
    pub(crate) patient: Option<PatientId>,
    pub(crate) quantity: Option<Quantity>,
    /// Whether the refill under review is the open one, which then does not stand in its own way.
    pub(crate) is_review: bool,
}

/// Asks every rule about a refill of a prescription.
pub(crate) async fn assess(
    tx: &mut Tx,
    cx: &Cx,
    prescription: &Prescription,
    asked: Asked,
) -> Result<Eligibility> {
    let clinic = prescription.clinic_id;
    let fills = dispensed(tx, prescription).await?;
    let patient = patients::patient_status(tx, clinic, prescription.patient_id).await?;
    let practitioner = practitioners::practitioner_status(tx, clinic, prescription.practitioner_id).await?;
    let open = refills::refill_open(tx, clinic, prescription.id).await?;
    Ok(eligibility::evaluate(&Question {
        prescription,
        named_fill: asked.named_fill,
        fills: &fills,
        has_open_refill: open.is_some() && !asked.is_review,
        patient_matches: asked.patient.is_none_or(|patient| patient == prescription.patient_id),
        patient_active: patient == Some(PatientStatus::Active),
        practitioner_active: practitioner == Some(PractitionerStatus::Active),
        requested: asked.quantity,
        today: cx.today,
        thresholds: cx.app.config().thresholds,
    }))
}

/// The fills that the patient has or will have: filled, and neither lost, returned nor cancelled.
async fn dispensed(tx: &mut Tx, prescription: &Prescription) -> Result<Vec<Fill>> {
    let fills = orders::fills_of_prescription(tx, prescription.clinic_id, prescription.id).await?;
    let counts =
        |status: &FillStatus| status.is_live() && !matches!(status, FillStatus::Lost | FillStatus::Returned);
    Ok(fills
        .into_iter()
        .filter(|(_, status, ..)| counts(status))
        .filter_map(|(_, _, filled_on, days_supply)| Some(Fill { filled_on: filled_on?, days_supply }))
        .collect())
}
