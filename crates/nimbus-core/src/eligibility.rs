//! Refill eligibility: one engine for eligibility reads, creation and review.
//!
//! Every rule is evaluated; the answer names each one that failed, with a citation and, for dates, the day on
//! which it will pass.

use crate::{
    order::FillStatus,
    prescription::{DrugSchedule, Prescription, PrescriptionStatus},
    quantity::Quantity,
    time::{Date, add_days},
    words,
};

words! {
    /// The rules, by the codes that partners read.
    pub enum Rule {
        NotShipped = "not_shipped",
        AlreadyOpen = "already_open",
        NoRefillsLeft = "no_refills_left",
        DoNotRefill = "do_not_refill",
        Discontinued = "discontinued",
        WrongPatient = "wrong_patient",
        PatientInactive = "patient_inactive",
        PractitionerNotActive = "practitioner_not_active",
        Expired = "expired",
        TooSoon = "too_soon",
        Quantity = "quantity",
    }
}

/// What a rule that failed asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Refuse,
    /// A pharmacist may approve it; a surface without review refuses it.
    Review,
}

/// One rule that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    pub verdict: Verdict,
    pub message: String,
    pub citation: Option<&'static str>,
    pub passes_on: Option<Date>,
}

/// A past fill of the prescription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    pub filled_on: Date,
    pub days_supply: Option<u32>,
}

/// How much of a fill must be used up before the next one, in hundredths of its days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    pub percent: u32,
    pub controlled_percent: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { percent: 75, controlled_percent: 85 }
    }
}

/// What the engine is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    pub prescription: &'a Prescription,
    /// The status of the fill named, where one is.
    pub named_fill: Option<FillStatus>,
    /// All dispensed fills of the prescription, in any order.
    pub fills: &'a [Fill],
    /// An open refill request, or a fill under way without one.
    pub has_open_refill: bool,
    pub patient_matches: bool,
    pub patient_active: bool,
    pub practitioner_active: bool,
    pub requested: Option<Quantity>,
    pub today: Date,
    pub thresholds: Thresholds,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eligibility {
    pub findings: Vec<Finding>,
    pub refills_remaining: u32,
    /// The first day on which the wait is over, known once something was filled.
    pub next_eligible_date: Option<Date>,
    pub expires_on: Date,
}

impl Eligibility {
    pub fn is_eligible(&self) -> bool {
        self.findings.is_empty()
    }

    /// The first finding: a hard one before a soft one.
    pub fn first(&self) -> Option<&Finding> {
        self.findings.iter().min_by_key(|finding| finding.verdict == Verdict::Review)
    }
}

/// A fill whose days supply nobody gave is taken to last this long.
const ASSUMED_DAYS_SUPPLY: u32 = 30;
/// Within so many days of the end of the wait, an early refill may be reviewed.
const REVIEW_WINDOW_DAYS: i64 = 7;

/// Asks every rule.
pub fn evaluate(question: &Question<'_>) -> Eligibility {
    let prescription = question.prescription;
    let next = next_eligible(question);
    let findings = [
        not_shipped(question),
        already_open(question),
        no_refills_left(prescription),
        do_not_refill(prescription),
        discontinued(prescription),
        wrong_patient(question),
        patient_inactive(question),
        practitioner_not_active(question),
        expired(question),
        too_soon(question, next),
        quantity(question),
    ];
    Eligibility {
        findings: findings.into_iter().flatten().collect(),
        refills_remaining: prescription.refills_remaining(),
        next_eligible_date: next,
        expires_on: prescription.expires_on,
    }
}

/// Asks the rules that hold for the first fill of a prescription, which consumes no refill.
pub fn evaluate_first_fill(question: &Question<'_>) -> Eligibility {
    let findings = [
        discontinued(question.prescription),
        wrong_patient(question),
        patient_inactive(question),
        practitioner_not_active(question),
        expired(question),
    ];
    Eligibility {
        findings: findings.into_iter().flatten().collect(),
        refills_remaining: question.prescription.refills_remaining(),
        next_eligible_date: None,
        expires_on: question.prescription.expires_on,
    }
}

/// The last fill's date, plus the surplus of earlier fills, plus the share of its days that must be used up.
fn next_eligible(question: &Question<'_>) -> Option<Date> {
    let mut fills = question.fills.to_vec();
    fills.sort_by_key(|fill| fill.filled_on);
    let days = |fill: &Fill| i64::from(fill.days_supply.unwrap_or(ASSUMED_DAYS_SUPPLY));
    let mut covered_until: Option<Date> = None;
    let mut next = None;
    for fill in &fills {
        let start = covered_until.map_or(fill.filled_on, |covered| covered.max(fill.filled_on));
        covered_until = Some(add_days(start, days(fill)));
        next = Some(add_days(start, wait_days(days(fill), question)));
    }
    next
}

/// `ceil(days supply × threshold)`.
fn wait_days(days_supply: i64, question: &Question<'_>) -> i64 {
    let percent = match question.prescription.schedule {
        DrugSchedule::Unscheduled => question.thresholds.percent,
        _ => question.thresholds.controlled_percent,
    };
    (days_supply * i64::from(percent) + 99).div_euclid(100)
}

fn refuse(rule: Rule, message: impl Into<String>) -> Option<Finding> {
    Some(Finding { rule, verdict: Verdict::Refuse, message: message.into(), citation: None, passes_on: None })
}

fn not_shipped(question: &Question<'_>) -> Option<Finding> {
    let status = question.named_fill?;
    if matches!(status, FillStatus::Shipped | FillStatus::Delivered) {
        return None;
    }
    refuse(Rule::NotShipped, "Refills are not possible for pending medication requests")
}

fn already_open(question: &Question<'_>) -> Option<Finding> {
    if !question.has_open_refill {
        return None;
    }
    refuse(Rule::AlreadyOpen, "Refill request already exists")
}

fn no_refills_left(prescription: &Prescription) -> Option<Finding> {
    if prescription.refills_remaining() > 0 {
        return None;
    }
    let citation = match prescription.schedule {
        DrugSchedule::C2 => Some("21 CFR 1306.12"),
        DrugSchedule::C3 | DrugSchedule::C4 => Some("21 CFR 1306.22"),
        _ => None,
    };
    let finding = refuse(Rule::NoRefillsLeft, "The prescription has no refills left");
    finding.map(|finding| Finding { citation, ..finding })
}

fn do_not_refill(prescription: &Prescription) -> Option<Finding> {
    if !prescription.do_not_refill {
        return None;
    }
    refuse(Rule::DoNotRefill, "The prescription is marked do not refill")
}

fn discontinued(prescription: &Prescription) -> Option<Finding> {
    match prescription.status {
        PrescriptionStatus::Discontinued => {
            refuse(Rule::Discontinued, "The prescription has been discontinued")
        }
        PrescriptionStatus::OnHold => {
            refuse(Rule::Discontinued, "The prescription is on hold at the pharmacy")
        }
        _ => None,
    }
}

fn wrong_patient(question: &Question<'_>) -> Option<Finding> {
    if question.patient_matches {
        return None;
    }
    refuse(Rule::WrongPatient, "The prescription is not for this patient")
}

fn patient_inactive(question: &Question<'_>) -> Option<Finding> {
    if question.patient_active {
        return None;
    }
    refuse(Rule::PatientInactive, "The patient is inactive")
}

fn practitioner_not_active(question: &Question<'_>) -> Option<Finding> {
    if question.practitioner_active {
        return None;
    }
    refuse(Rule::PractitionerNotActive, "The practitioner is not active")
}

fn expired(question: &Question<'_>) -> Option<Finding> {
    let prescription = question.prescription;
    if question.today <= prescription.expires_on && prescription.status != PrescriptionStatus::Expired {
        return None;
    }
    let citation = match prescription.schedule {
        DrugSchedule::C2 => Some("21 CFR 1306.12"),
        DrugSchedule::C3 | DrugSchedule::C4 => Some("21 CFR 1306.22"),
        DrugSchedule::C5 => Some("22 TAC 315.5"),
        DrugSchedule::Unscheduled => None,
    };
    let message = format!("The prescription expired after {}", prescription.expires_on);
    refuse(Rule::Expired, message).map(|finding| Finding { citation, ..finding })
}

fn too_soon(question: &Question<'_>, next: Option<Date>) -> Option<Finding> {
    let next = next.filter(|next| question.today < *next)?;
    let in_window = question.today >= add_days(next, -REVIEW_WINDOW_DAYS);
    Some(Finding {
        rule: Rule::TooSoon,
        verdict: if in_window { Verdict::Review } else { Verdict::Refuse },
        message: format!("The last fill is not used up yet; a refill is possible from {next}"),
        citation: None,
        passes_on: Some(next),
    })
}

fn quantity(question: &Question<'_>) -> Option<Finding> {
    let (requested, prescription) = (question.requested?, question.prescription);
    let left = prescription.quantity.thousandths() * i64::from(prescription.refills_remaining());
    let verdict = match requested {
        requested if requested <= prescription.quantity => return None,
        requested if requested.thousandths() <= left => Verdict::Review,
        _ => Verdict::Refuse,
    };
    Some(Finding {
        rule: Rule::Quantity,
        verdict,
        message: "The quantity is over what the prescription authorises for one fill".to_owned(),
        citation: None,
        passes_on: None,
    })
}

#[cfg(test)]
mod tests;
