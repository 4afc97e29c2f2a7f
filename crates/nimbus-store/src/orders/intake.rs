//! What a new order is checked against, in one round trip.

use nimbus_core::{
    formulary::ClinicList,
    ids::{ClinicId, PatientId, PractitionerId},
    patient::Patient,
    practitioner::PractitionerStatus,
};

use crate::{
    clinic_drugs,
    engine::Tx,
    error::{Error, Result},
    patients, practitioners,
};

/// Who an order is for and by, and what their clinic may order.
#[derive(Debug, Clone)]
pub struct Intake {
    pub patient: Option<Patient>,
    pub practitioner: Option<PractitionerStatus>,
    pub drugs: ClinicList,
}

pub async fn order_intake(
    tx: &mut Tx,
    clinic: ClinicId,
    patient: PatientId,
    practitioner: PractitionerId,
) -> Result<Intake> {
    let queries = [
        patients::by_id(clinic, patient),
        practitioners::status_by_id(clinic, practitioner),
        clinic_drugs::of_clinic(clinic),
    ];
    let found: [_; 3] = tx.query_all(&queries).await?.try_into().map_err(|_| UNANSWERED)?;
    let [patient, practitioner, drugs] = found;
    Ok(Intake {
        patient: patients::read_all(tx, patient).await?.pop(),
        practitioner: practitioners::read_status(practitioner.first())?,
        drugs: clinic_drugs::read_list(&drugs)?,
    })
}

const UNANSWERED: Error = Error::Job("a query was not answered");
