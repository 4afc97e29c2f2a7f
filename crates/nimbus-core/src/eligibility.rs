//! Refill eligibility: one engine for eligibility reads, creation and review, over the rules pack.
//!
//! Every rule is evaluated; the answer names each one that failed, with its citation and, for dates, the day on
//! which it will pass. A question holds all that the rules read, so that a decision can be told again later by its
//! question and its pack.

use crate::{
    order::FillStatus,
    patient::Species,
    prescription::{DrugSchedule, Prescription, PrescriptionStatus},
    quantity::Quantity,
    rules::{RefillCase, RulesPack},
    time::{Date, add_days},
    us::State,
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

words! {
    /// What is asked for.
    pub enum Asking {
        /// The first fill of a prescription, which consumes no refill.
        FirstFill = "first_fill",
        Refill = "refill",
    }
}

impl Asking {
    /// The rules that it has to pass.
    pub const fn rules(self) -> &'static [Rule] {
        const FIRST_FILL: &[Rule] = &[
            Rule::Discontinued,
            Rule::WrongPatient,
            Rule::PatientInactive,
            Rule::PractitionerNotActive,
            Rule::Expired,
        ];
        match self {
            Self::FirstFill => FIRST_FILL,
            Self::Refill => Rule::ALL,
        }
    }
}

words! {
    /// What a rule that failed asks for.
    pub enum Verdict {
        Refuse = "refuse",
        /// A pharmacist may approve it; a surface without review refuses it.
        Review = "review",
    }
}

/// One rule that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    pub verdict: Verdict,
    pub message: String,
    /// The law behind the rule, or the pharmacy's policy, as the pack names it.
    pub citation: String,
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

/// Thresholds that differ from those beneath: a clinic's from the deployment's, the deployment's from the pack's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnThresholds {
    /// 1 to 100; none is as beneath.
    pub percent: Option<u32>,
    /// The same for controlled drugs.
    pub controlled_percent: Option<u32>,
}

impl OwnThresholds {
    /// These where they are given, else those beneath.
    pub fn over(self, beneath: Thresholds) -> Thresholds {
        Thresholds {
            percent: self.percent.unwrap_or(beneath.percent),
            controlled_percent: self.controlled_percent.unwrap_or(beneath.controlled_percent),
        }
    }
}

/// What the rules read of a prescription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnFile {
    pub status: PrescriptionStatus,
    pub schedule: DrugSchedule,
    /// Where the patient was when it was issued, if that is on record.
    pub state: Option<State>,
    pub species: Species,
    /// What one fill dispenses.
    pub quantity: Quantity,
    pub refills_authorized: u32,
    pub refills_used: u32,
    pub do_not_refill: bool,
    pub date_issued: Date,
    pub expires_on: Date,
}

impl OnFile {
    pub const fn refills_remaining(&self) -> u32 {
        self.refills_authorized.saturating_sub(self.refills_used)
    }

    /// Where it stands in the pack's table of refills.
    pub const fn case(&self) -> RefillCase {
        RefillCase { state: self.state, schedule: self.schedule, species: self.species }
    }
}

impl From<&Prescription> for OnFile {
    fn from(prescription: &Prescription) -> Self {
        Self {
            status: prescription.status,
            schedule: prescription.schedule,
            state: prescription.issued_state,
            species: prescription.issued_species,
            quantity: prescription.quantity,
            refills_authorized: prescription.refills_authorized,
            refills_used: prescription.refills_used,
            do_not_refill: prescription.do_not_refill,
            date_issued: prescription.date_issued,
            expires_on: prescription.expires_on,
        }
    }
}

/// What the engine is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub asking: Asking,
    pub prescription: OnFile,
    /// The status of the fill named, where one is.
    pub named_fill: Option<FillStatus>,
    /// All dispensed fills of the prescription, in any order.
    pub fills: Vec<Fill>,
    /// An open refill request, or a fill under way without one.
    pub has_open_refill: bool,
    pub patient_matches: bool,
    pub patient_active: bool,
    pub practitioner_active: bool,
    pub requested: Option<Quantity>,
    pub today: Date,
    /// The clinic's own, the deployment's or the pack's.
    pub thresholds: Thresholds,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eligibility {
    /// In the order of [`Rule::ALL`].
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

/// Asks every rule of what is asked for, by the numbers and citations of a pack.
pub fn evaluate(question: &Question, pack: &RulesPack) -> Eligibility {
    let next = match question.asking {
        Asking::FirstFill => None,
        Asking::Refill => next_eligible(question, pack),
    };
    let asked = Asked { question, pack, next };
    Eligibility {
        findings: question.asking.rules().iter().filter_map(|rule| asked.ask(*rule)).collect(),
        refills_remaining: question.prescription.refills_remaining(),
        next_eligible_date: next,
        expires_on: question.prescription.expires_on,
    }
}

/// The last fill's date, plus the surplus of earlier fills, plus the share of its days that must be used up. What was
/// filled on one day counts as one fill.
fn next_eligible(question: &Question, pack: &RulesPack) -> Option<Date> {
    let days = |fill: &Fill| i64::from(fill.days_supply.unwrap_or(pack.thresholds.assumed_days_supply));
    let mut fills: Vec<(Date, i64)> =
        question.fills.iter().map(|fill| (fill.filled_on, days(fill))).collect();
    fills.sort_unstable();
    let mut covered_until: Option<Date> = None;
    let mut next = None;
    for same_day in fills.chunk_by(|(first, _), (second, _)| first == second) {
        let filled_on = same_day[0].0;
        let days = same_day.iter().map(|(_, days)| days).sum();
        let start = covered_until.map_or(filled_on, |covered| covered.max(filled_on));
        covered_until = Some(add_days(start, days));
        next = Some(add_days(start, wait_days(days, question)));
    }
    next
}

/// `ceil(days supply × threshold)`.
fn wait_days(days_supply: i64, question: &Question) -> i64 {
    let percent = match question.prescription.schedule {
        DrugSchedule::Unscheduled => question.thresholds.percent,
        _ => question.thresholds.controlled_percent,
    };
    (days_supply * i64::from(percent) + 99).div_euclid(100)
}

/// A question on its way through the rules.
struct Asked<'a> {
    question: &'a Question,
    pack: &'a RulesPack,
    next: Option<Date>,
}

impl Asked<'_> {
    fn ask(&self, rule: Rule) -> Option<Finding> {
        let (question, prescription) = (self.question, &self.question.prescription);
        match rule {
            Rule::NotShipped => self.refuse_if(rule, self.is_not_shipped(), || {
                "Refills are not possible for pending medication requests".to_owned()
            }),
            Rule::AlreadyOpen => {
                self.refuse_if(rule, question.has_open_refill, || "Refill request already exists".to_owned())
            }
            Rule::NoRefillsLeft => self.refuse_if(rule, prescription.refills_remaining() == 0, || {
                "The prescription has no refills left".to_owned()
            }),
            Rule::DoNotRefill => self.refuse_if(rule, prescription.do_not_refill, || {
                "The prescription is marked do not refill".to_owned()
            }),
            Rule::Discontinued => {
                let why = not_in_force(prescription.status);
                self.refuse_if(rule, why.is_some(), || why.unwrap_or_default().to_owned())
            }
            Rule::WrongPatient => self.refuse_if(rule, !question.patient_matches, || {
                "The prescription is not for this patient".to_owned()
            }),
            Rule::PatientInactive => {
                self.refuse_if(rule, !question.patient_active, || "The patient is inactive".to_owned())
            }
            Rule::PractitionerNotActive => self.refuse_if(rule, !question.practitioner_active, || {
                "The practitioner is not active".to_owned()
            }),
            Rule::Expired => self.refuse_if(rule, self.is_expired(), || {
                format!("The prescription expired after {}", prescription.expires_on)
            }),
            Rule::TooSoon => self.too_soon(),
            Rule::Quantity => self.quantity(),
        }
    }

    fn finding(&self, rule: Rule, verdict: Verdict, message: String, passes_on: Option<Date>) -> Finding {
        let prescription = &self.question.prescription;
        let provision = self.pack.provision(rule, &prescription.case(), prescription.date_issued);
        Finding { rule, verdict, message, citation: provision.citation.clone(), passes_on }
    }

    fn refuse_if(&self, rule: Rule, failed: bool, message: impl FnOnce() -> String) -> Option<Finding> {
        failed.then(|| self.finding(rule, Verdict::Refuse, message(), None))
    }

    fn is_not_shipped(&self) -> bool {
        self.question
            .named_fill
            .is_some_and(|status| !matches!(status, FillStatus::Shipped | FillStatus::Delivered))
    }

    fn is_expired(&self) -> bool {
        let prescription = &self.question.prescription;
        self.question.today > prescription.expires_on || prescription.status == PrescriptionStatus::Expired
    }

    fn too_soon(&self) -> Option<Finding> {
        let today = self.question.today;
        let next = self.next.filter(|next| today < *next)?;
        let window = i64::from(self.pack.thresholds.review_window_days);
        let verdict = if today >= add_days(next, -window) { Verdict::Review } else { Verdict::Refuse };
        let message = format!("The last fill is not used up yet; a refill is possible from {next}");
        Some(self.finding(Rule::TooSoon, verdict, message, Some(next)))
    }

    fn quantity(&self) -> Option<Finding> {
        let (requested, prescription) = (self.question.requested?, &self.question.prescription);
        let left = prescription.quantity.thousandths() * i64::from(prescription.refills_remaining());
        let verdict = match requested {
            requested if requested <= prescription.quantity => return None,
            requested if requested.thousandths() <= left => Verdict::Review,
            _ => Verdict::Refuse,
        };
        let message = "The quantity is over what the prescription authorises for one fill".to_owned();
        Some(self.finding(Rule::Quantity, verdict, message, None))
    }
}

/// Why a prescription of this status is not filled, expiry aside.
const fn not_in_force(status: PrescriptionStatus) -> Option<&'static str> {
    match status {
        PrescriptionStatus::Discontinued => Some("The prescription has been discontinued"),
        PrescriptionStatus::OnHold => Some("The prescription is on hold at the pharmacy"),
        PrescriptionStatus::Active | PrescriptionStatus::Completed | PrescriptionStatus::Expired => None,
    }
}

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
