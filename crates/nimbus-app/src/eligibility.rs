//! What the eligibility engine needs to know of a prescription, gathered from the store.

use nimbus_core::{
    decision::{Decision, DecisionKind, DecisionSubject, Outcome},
    eligibility::{self, Asking, Eligibility, Fill, OnFile, Question, Thresholds},
    ids::{ClinicId, DecisionId, LineId, PatientId, PrescriptionId},
    order::FillStatus,
    patient::PatientStatus,
    practitioner::PractitionerStatus,
    prescription::Prescription,
    quantity::Quantity,
    time::Date,
};
use nimbus_store::{
    Tx, decisions,
    orders::{self, PastFill},
    patients, practitioners, prescriptions, refill_thresholds, refills,
};
use uuid::Uuid;

use crate::{
    App,
    error::{Error, FieldError, Result},
    unit::Cx,
};

/// What is asked, besides the prescription.
#[derive(Default)]
pub(crate) struct Asked {
    /// The fill named, where one is, and where it stands.
    pub(crate) named_fill: Option<(LineId, FillStatus)>,
    /// The patient named, where one is.
    pub(crate) patient: Option<PatientId>,
    pub(crate) quantity: Option<Quantity>,
    /// Whether the refill under review is the open one, which then does not stand in its own way.
    pub(crate) is_review: bool,
    /// Whether it is about the first fill, which may wait on hold for its practitioner to become active.
    pub(crate) is_first: bool,
}

/// What the rules were asked, and what they answered.
pub(crate) struct Assessment {
    clinic_id: ClinicId,
    question: Question,
    pack_version: String,
    pub(crate) answer: Eligibility,
}

impl Assessment {
    /// Puts it on record with what it let come into being, in the same transaction.
    pub(crate) async fn keep(
        &self,
        tx: &mut Tx,
        cx: &Cx,
        kind: DecisionKind,
        (subject, subject_id): (DecisionSubject, Uuid),
    ) -> Result<()> {
        let decision = Decision {
            id: DecisionId(Uuid::now_v7()),
            clinic_id: self.clinic_id,
            kind,
            subject,
            subject_id,
            pack_version: self.pack_version.clone(),
            question: self.question.clone(),
            outcomes: self.answer.findings.iter().map(Outcome::from).collect(),
            decided_at: cx.now,
        };
        let statement = decisions::decision_statement(tx, &decision).await?;
        tx.at_commit(statement);
        Ok(())
    }
}

/// A prescription of the clinic that a request names together with a patient. Whether it is that patient's is for
/// the rules to say.
pub(crate) async fn prescription_named(
    tx: &mut Tx,
    clinic: ClinicId,
    id: PrescriptionId,
    patient: PatientId,
) -> Result<Prescription> {
    let found = prescriptions::prescription_get(tx, clinic, id).await?;
    let patient = patients::patient_status(tx, clinic, patient).await?;
    match (found, patient) {
        (Some(prescription), Some(_)) => Ok(prescription),
        (found, patient) => {
            let missing = [
                patient.is_none().then(|| FieldError::new("patient_id", "Patient not found")),
                found.is_none().then(|| FieldError::new("prescription_id", "Prescription not found")),
            ];
            Err(Error::Invalid(missing.into_iter().flatten().collect()))
        }
    }
}

/// The fill after which the next one goes: the latest live one, else the latest line of the prescription.
pub(crate) fn latest_fill(fills: &[PastFill]) -> Option<(LineId, FillStatus)> {
    let live = fills.iter().rev().find(|(_, status, ..)| status.is_live());
    live.or(fills.last()).map(|&(line, status, ..)| (line, status))
}

/// Whether nothing of the prescription was dispensed or is under way.
pub(crate) fn is_unfilled(fills: &[PastFill]) -> bool {
    !fills.iter().any(|(_, status, ..)| status.is_live())
}

/// Asks every rule about a refill of a prescription.
pub(crate) async fn assess(
    tx: &mut Tx,
    cx: &Cx,
    prescription: &Prescription,
    asked: Asked,
) -> Result<Assessment> {
    let fills = orders::fills_of_prescription(tx, prescription.clinic_id, prescription.id).await?;
    assess_after(tx, cx, prescription, &fills, asked).await
}

/// [`assess`] of a prescription whose fills have been read.
pub(crate) async fn assess_after(
    tx: &mut Tx,
    cx: &Cx,
    prescription: &Prescription,
    fills: &[PastFill],
    asked: Asked,
) -> Result<Assessment> {
    let question = gather(tx, cx, prescription, fills, asked).await?;
    Ok(answer(cx, prescription.clinic_id, Question { fills: dispensed(fills), ..question }))
}

/// Asks the rules about the first fill of a prescription.
pub(crate) async fn assess_first_fill(
    tx: &mut Tx,
    cx: &Cx,
    prescription: &Prescription,
    patient: PatientId,
) -> Result<Assessment> {
    let asked = Asked { patient: Some(patient), is_first: true, ..Asked::default() };
    let question = gather(tx, cx, prescription, &[], asked).await?;
    Ok(answer(cx, prescription.clinic_id, question))
}

/// Evaluates a question by the pack of its day.
fn answer(cx: &Cx, clinic_id: ClinicId, question: Question) -> Assessment {
    let pack = cx.app.rules().on(question.today);
    let answer = eligibility::evaluate(&question, pack);
    Assessment { clinic_id, question, pack_version: pack.version.clone(), answer }
}

/// The question, but for what was dispensed.
async fn gather(
    tx: &mut Tx,
    cx: &Cx,
    prescription: &Prescription,
    fills: &[PastFill],
    asked: Asked,
) -> Result<Question> {
    let clinic = prescription.clinic_id;
    let patient = patients::patient_status(tx, clinic, prescription.patient_id).await?;
    let practitioner = practitioners::practitioner_status(tx, clinic, prescription.practitioner_id).await?;
    let open = refills::refill_open(tx, clinic, prescription.id).await?;
    let own = refill_thresholds::refill_thresholds_get(tx, clinic).await?;
    // An order that consumes a refill without a request is in the way of the next one, too.
    let under_way = |(line, status, ..): &PastFill| {
        status.is_live() && !status.has_shipped() && asked.named_fill.is_none_or(|(named, _)| named != *line)
    };
    Ok(Question {
        asking: if asked.is_first { Asking::FirstFill } else { Asking::Refill },
        prescription: OnFile::from(prescription),
        named_fill: asked.named_fill.map(|(_, status)| status),
        fills: Vec::new(),
        has_open_refill: (open.is_some() && !asked.is_review) || fills.iter().any(under_way),
        patient_matches: asked.patient.is_none_or(|patient| patient == prescription.patient_id),
        patient_active: patient == Some(PatientStatus::Active),
        practitioner_active: match practitioner {
            Some(PractitionerStatus::Active) => true,
            Some(PractitionerStatus::Pending) => asked.is_first,
            _ => false,
        },
        requested: asked.quantity,
        today: cx.today,
        thresholds: own.over(default_thresholds(&cx.app, cx.today)),
    })
}

/// When a refill is too soon for a clinic without thresholds of its own: the deployment's, else those of the pack.
pub(crate) fn default_thresholds(app: &App, today: Date) -> Thresholds {
    app.config().thresholds.over(app.rules().on(today).thresholds.values())
}

/// The fills that the patient has or will have: filled, and neither lost, returned nor cancelled.
fn dispensed(fills: &[PastFill]) -> Vec<Fill> {
    let counts =
        |status: FillStatus| status.is_live() && !matches!(status, FillStatus::Lost | FillStatus::Returned);
    fills
        .iter()
        .filter(|(_, status, ..)| counts(*status))
        .filter_map(|&(_, _, filled_on, days_supply)| Some(Fill { filled_on: filled_on?, days_supply }))
        .collect()
}
