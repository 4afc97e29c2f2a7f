//! Prescriptions: the authorisation of one drug, one sig, a quantity and refills.

use uuid::Uuid;

use crate::{
    access::By,
    event::{Event, Fact, PrescriptionChange},
    history::{Subject, Transition},
    ids::{ClinicId, OrderId, PatientId, PractitionerId, PrescriptionId},
    patient::Species,
    phi::Phi,
    quantity::Quantity,
    refusal::Refusal,
    time::{Date, Ts},
    us::State,
    words,
};

words! {
    pub enum PrescriptionStatus {
        Active = "active",
        OnHold = "on_hold",
        Completed = "completed",
        Expired = "expired",
        Discontinued = "discontinued",
    }
}

words! {
    /// The federal schedule of a drug (21 CFR 1308).
    pub enum DrugSchedule {
        Unscheduled = "unscheduled",
        C2 = "C-II",
        C3 = "C-III",
        C4 = "C-IV",
        C5 = "C-V",
    }
}

impl DrugSchedule {
    /// The one of two with more rules: C-II before C-III before C-IV before C-V, and any before none.
    pub fn strictest(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unscheduled, scheduled) | (scheduled, Self::Unscheduled) => scheduled,
            (one, other) => one.min(other),
        }
    }
}

/// What is prescribed, in the prescriber's words.
#[derive(Clone, PartialEq, Eq)]
pub struct PrescriptionDetail {
    pub medication: String,
    pub dose: String,
    pub unit_of_measure: Option<String>,
    /// The sig: how the patient is to use it.
    pub direction: String,
    pub ndc: Option<String>,
    pub flavor: Option<String>,
    pub notes: Option<String>,
    pub patient_contact_requested: bool,
    pub reason_for_compounding: Option<String>,
    pub reason_for_compounding_additional_context: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Prescription {
    pub id: PrescriptionId,
    pub clinic_id: ClinicId,
    pub patient_id: PatientId,
    pub practitioner_id: PractitionerId,
    pub status: PrescriptionStatus,
    pub detail: Phi<PrescriptionDetail>,
    /// The formulary's entry for the drug, where it was recognised.
    pub drug_id: Option<Phi<String>>,
    pub schedule: DrugSchedule,
    /// Kept and shipped at 2–8 °C.
    pub refrigerated: bool,
    pub compounded: bool,
    /// What one fill dispenses.
    pub quantity: Quantity,
    pub days_supply: Option<u32>,
    pub refills_authorized: u32,
    pub refills_used: u32,
    pub do_not_refill: bool,
    pub date_issued: Date,
    /// The last day on which it may be filled.
    pub expires_on: Date,
    /// Where the patient was when it was issued, whose law limits it; unknown of some old ones.
    pub issued_state: Option<State>,
    /// What the patient was then.
    pub issued_species: Species,
    /// The pharmacy's number, given when the first fill is verified.
    pub rx_number: Option<String>,
    pub version: i64,
    pub created_at: Ts,
    pub updated_at: Ts,
}

impl Prescription {
    pub const fn refills_remaining(&self) -> u32 {
        self.refills_authorized.saturating_sub(self.refills_used)
    }

    /// How many refills a fill of this quantity consumes: one for each quantity of the prescription, begun ones
    /// whole.
    pub fn refills_for(&self, quantity: Quantity) -> u32 {
        let (wanted, one) = (quantity.thousandths(), self.quantity.thousandths());
        u32::try_from((wanted + one - 1) / one).unwrap_or(u32::MAX)
    }

    /// How many days a fill of this quantity lasts, in proportion to the prescription's, a begun day whole.
    pub fn days_for(&self, quantity: Quantity) -> Option<u32> {
        let (wanted, one) = (quantity.thousandths(), self.quantity.thousandths());
        let days = self.days_supply.map(|days| (i64::from(days) * wanted + one - 1) / one);
        days.map(|days| u32::try_from(days).unwrap_or(u32::MAX))
    }

    /// The event of a change, under the ordering key of the order that caused it, if one did.
    pub fn event(
        &self,
        change: PrescriptionChange,
        previous: Option<PrescriptionStatus>,
        ordering_key: Option<Uuid>,
        now: Ts,
    ) -> Event {
        Event {
            clinic_id: self.clinic_id,
            ordering_key,
            at: now,
            fact: Fact::PrescriptionChanged {
                change,
                prescription_id: self.id,
                status: self.status,
                previous_status: previous,
                refills_remaining: self.refills_remaining(),
                expires_on: self.expires_on,
            },
        }
    }

    /// The row of history that a change of status leaves.
    pub fn transition(
        &self,
        from: Option<PrescriptionStatus>,
        order_id: Option<OrderId>,
        by: By,
        note: Option<&str>,
        now: Ts,
    ) -> Transition {
        Transition {
            clinic_id: self.clinic_id,
            subject: Subject::Prescription,
            subject_id: self.id.0,
            order_id,
            from: from.map(PrescriptionStatus::as_str),
            to: self.status.as_str(),
            by,
            reason: None,
            note: note.map(|note| Phi::new(note.to_owned())),
            at: now,
        }
    }
}

/// What staff, or the calendar, do with a prescription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrescriptionAct {
    Hold,
    Release,
    Discontinue,
    Expire,
    Complete,
}

impl PrescriptionAct {
    const fn next(self, from: PrescriptionStatus) -> Option<(PrescriptionStatus, PrescriptionChange)> {
        use PrescriptionStatus::{Active, Completed, Discontinued, Expired, OnHold};
        match (self, from) {
            (Self::Hold, Active) => Some((OnHold, PrescriptionChange::OnHold)),
            (Self::Release, OnHold) => Some((Active, PrescriptionChange::Released)),
            (Self::Discontinue, Active | OnHold) => Some((Discontinued, PrescriptionChange::Discontinued)),
            (Self::Expire, Active | OnHold) => Some((Expired, PrescriptionChange::Expired)),
            (Self::Complete, Active) => Some((Completed, PrescriptionChange::Completed)),
            _ => None,
        }
    }

    const fn goal(self) -> PrescriptionStatus {
        match self {
            Self::Hold => PrescriptionStatus::OnHold,
            Self::Release => PrescriptionStatus::Active,
            Self::Discontinue => PrescriptionStatus::Discontinued,
            Self::Expire => PrescriptionStatus::Expired,
            Self::Complete => PrescriptionStatus::Completed,
        }
    }
}

/// Changes a prescription's status, or refuses and changes nothing.
pub fn change_status(
    prescription: &Prescription,
    act: PrescriptionAct,
    ordering_key: Option<Uuid>,
    by: By,
    note: Option<&str>,
    now: Ts,
) -> Result<(Prescription, Transition, Event), Refusal> {
    let from = prescription.status;
    let (status, change) =
        act.next(from).ok_or_else(|| Refusal::transition(from.as_str(), act.goal().as_str()))?;
    let moved = Prescription { status, updated_at: now, ..prescription.clone() };
    let transition = moved.transition(Some(from), None, by, note, now);
    let event = moved.event(change, Some(from), ordering_key, now);
    Ok((moved, transition, event))
}

/// The unit in a dose such as `200mg/ml` or `5 units`: the first run of letters after a number.
pub fn unit_of_dose(dose: &str) -> Option<String> {
    let after = dose.trim_start().trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','));
    if after.len() == dose.trim_start().len() {
        return None;
    }
    let unit: String = after.trim_start().chars().take_while(|c| c.is_alphabetic() || *c == '%').collect();
    (!unit.is_empty()).then(|| unit.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_date;

    #[test]
    fn the_unit_is_read_from_the_dose() {
        for (dose, unit) in [
            ("200mg/ml", Some("mg")),
            ("5 Units", Some("units")),
            ("0.05%", Some("%")),
            ("one", None),
            ("10", None),
        ] {
            assert_eq!(unit_of_dose(dose).as_deref(), unit, "{dose}");
        }
    }

    #[test]
    fn a_larger_fill_consumes_more_and_lasts_longer() {
        let quantity = |text| Quantity::parse(text).unwrap();
        for (wanted, refills, days) in [("2.5", 1, 28), ("0.5", 1, 6), ("2.6", 2, 30), ("5", 2, 56)] {
            let found = (sample().refills_for(quantity(wanted)), sample().days_for(quantity(wanted)));
            assert_eq!(found, (refills, Some(days)), "{wanted}");
        }
    }

    fn sample() -> Prescription {
        Prescription {
            id: PrescriptionId(Uuid::nil()),
            clinic_id: ClinicId(Uuid::nil()),
            patient_id: PatientId(Uuid::nil()),
            practitioner_id: PractitionerId(Uuid::nil()),
            status: PrescriptionStatus::Active,
            detail: Phi::new(PrescriptionDetail {
                medication: String::new(),
                dose: String::new(),
                unit_of_measure: None,
                direction: String::new(),
                ndc: None,
                flavor: None,
                notes: None,
                patient_contact_requested: false,
                reason_for_compounding: None,
                reason_for_compounding_additional_context: None,
            }),
            drug_id: None,
            schedule: DrugSchedule::Unscheduled,
            refrigerated: false,
            compounded: false,
            quantity: Quantity::parse("2.5").unwrap(),
            days_supply: Some(28),
            refills_authorized: 3,
            refills_used: 0,
            do_not_refill: false,
            date_issued: parse_date("2026-01-01").unwrap(),
            expires_on: parse_date("2027-01-01").unwrap(),
            issued_state: None,
            issued_species: Species::Human,
            rx_number: None,
            version: 1,
            created_at: Ts::from_micros(0),
            updated_at: Ts::from_micros(0),
        }
    }

    #[test]
    fn of_two_schedules_the_stricter_rules() {
        use DrugSchedule::{C2, C3, C4, C5, Unscheduled};
        for (one, other, strictest) in [(C2, C3, C2), (C5, C4, C4), (Unscheduled, C5, C5), (C3, C3, C3)] {
            assert_eq!(one.strictest(other), strictest);
            assert_eq!(other.strictest(one), strictest);
        }
    }
}
