//! A decision on record: what was asked, by which pack it was answered, and what came out.

use thiserror::Error;
use uuid::Uuid;

use crate::{
    eligibility::{Asking, Eligibility, Finding, Question, Rule, Verdict, evaluate},
    ids::{ClinicId, DecisionId},
    rules::{Packs, Provision, RulesPack},
    time::{Date, Ts},
    words,
};

words! {
    /// At which moment it was decided.
    pub enum DecisionKind {
        RefillCreated = "refill_created",
        RefillReviewed = "refill_reviewed",
        OrderCreated = "order_created",
    }
}

words! {
    /// What it was decided about.
    pub enum DecisionSubject {
        Refill = "refill",
        Order = "order",
    }
}

/// One rule that failed, as far as it is kept. Sentence and citation are the pack's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub rule: Rule,
    pub verdict: Verdict,
    pub passes_on: Option<Date>,
}

impl From<&Finding> for Outcome {
    fn from(finding: &Finding) -> Self {
        Self { rule: finding.rule, verdict: finding.verdict, passes_on: finding.passes_on }
    }
}

/// A decision that let a refill or an order come into being, or to review. What was refused made nothing, and is not
/// kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub id: DecisionId,
    pub clinic_id: ClinicId,
    pub kind: DecisionKind,
    pub subject: DecisionSubject,
    pub subject_id: Uuid,
    pub pack_version: String,
    pub question: Question,
    /// Every rule that failed, in the order of the rules.
    pub outcomes: Vec<Outcome>,
    /// In business time.
    pub decided_at: Ts,
}

impl Decision {
    /// What every rule that was asked says, evaluated again by the pack of the time.
    ///
    /// # Errors
    /// A pack that is not there any more, or one that does not say again what was kept.
    pub fn explain<'a>(&self, packs: &'a Packs) -> Result<Explanation<'a>, ExplainError> {
        let pack = packs.version(&self.pack_version).ok_or(ExplainError::NoPack)?;
        let answer = evaluate(&self.question, pack);
        let again: Vec<Outcome> = answer.findings.iter().map(Outcome::from).collect();
        if again != self.outcomes {
            let differs = |rule: &&Rule| {
                let of = |outcomes: &[Outcome]| outcomes.iter().find(|it| it.rule == **rule).copied();
                of(&again) != of(&self.outcomes)
            };
            return Err(ExplainError::Differs(Rule::ALL.iter().filter(differs).copied().collect()));
        }
        Ok(Explanation::new(&self.question, pack, answer))
    }
}

/// What every rule said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    pub pack: &'a RulesPack,
    pub asking: Asking,
    pub answer: Eligibility,
    pub rulings: Vec<Ruling<'a>>,
}

/// One rule: what it says, and what it found. It passed if it found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling<'a> {
    pub rule: Rule,
    pub provision: &'a Provision,
    pub finding: Option<Finding>,
}

impl<'a> Explanation<'a> {
    fn new(question: &Question, pack: &'a RulesPack, answer: Eligibility) -> Self {
        let (case, issued) = (question.prescription.case(), question.prescription.date_issued);
        let ruling = |rule: &Rule| Ruling {
            rule: *rule,
            provision: pack.provision(*rule, &case, issued),
            finding: answer.findings.iter().find(|finding| finding.rule == *rule).cloned(),
        };
        let rulings = question.asking.rules().iter().map(ruling).collect();
        Self { pack, asking: question.asking, answer, rulings }
    }
}

/// Why a decision cannot be told again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExplainError {
    #[error("the pack that decided is not among those at hand")]
    NoPack,
    /// The rules that say something else today.
    #[error("the rules no longer say what was decided: {}", list(.0))]
    Differs(Vec<Rule>),
}

fn list(rules: &[Rule]) -> String {
    rules.iter().map(|rule| rule.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        eligibility::{Fill, OnFile, Thresholds},
        patient::Species,
        prescription::{DrugSchedule, PrescriptionStatus},
        quantity::Quantity,
        rules::testing::pack,
        time::parse_date,
    };

    fn day(text: &str) -> Date {
        parse_date(text).unwrap()
    }

    /// A refill two days too early.
    fn decision(packs: &Packs) -> Decision {
        let question = Question {
            asking: Asking::Refill,
            prescription: OnFile {
                status: PrescriptionStatus::Active,
                schedule: DrugSchedule::Unscheduled,
                state: None,
                species: Species::Human,
                quantity: Quantity::parse("1").unwrap(),
                refills_authorized: 1,
                refills_used: 0,
                do_not_refill: false,
                date_issued: day("2026-01-01"),
                expires_on: day("2027-01-01"),
            },
            named_fill: None,
            fills: vec![Fill { filled_on: day("2026-01-05"), days_supply: None }],
            has_open_refill: false,
            patient_matches: true,
            patient_active: true,
            practitioner_active: true,
            requested: None,
            today: day("2026-01-26"),
            thresholds: Thresholds { percent: 75, controlled_percent: 85 },
        };
        let answer = evaluate(&question, packs.on(question.today));
        Decision {
            id: DecisionId(Uuid::nil()),
            clinic_id: ClinicId(Uuid::nil()),
            kind: DecisionKind::RefillCreated,
            subject: DecisionSubject::Refill,
            subject_id: Uuid::nil(),
            pack_version: packs.on(question.today).version.clone(),
            outcomes: answer.findings.iter().map(Outcome::from).collect(),
            question,
            decided_at: Ts::from_micros(0),
        }
    }

    #[test]
    fn a_decision_is_told_again_under_later_packs() {
        let then = Packs::new(vec![pack("a", "2026-01-01")]).unwrap();
        let made = decision(&then);
        let mut later = pack("b", "2026-01-10");
        later.thresholds.review_window_days = 0;
        let now = Packs::new(vec![pack("a", "2026-01-01"), later]).unwrap();
        let told = made.explain(&now).unwrap();
        assert_eq!(told.pack.version, "a");
        assert_eq!(told.rulings.len(), Rule::ALL.len());
        let failed: Vec<&Ruling<'_>> =
            told.rulings.iter().filter(|ruling| ruling.finding.is_some()).collect();
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].rule, failed[0].provision.id.as_str()), (Rule::TooSoon, "refill-threshold"));
        assert_eq!(failed[0].finding.as_ref().map(|it| it.verdict), Some(Verdict::Review));
    }

    #[test]
    fn a_pack_that_says_something_else_is_found_out() {
        let made = decision(&Packs::new(vec![pack("a", "2026-01-01")]).unwrap());
        let mut edited = pack("a", "2026-01-01");
        edited.thresholds.assumed_days_supply = 31;
        let edited = Packs::new(vec![edited]).unwrap();
        assert_eq!(made.explain(&edited), Err(ExplainError::Differs(vec![Rule::TooSoon])));
        let gone = Packs::new(vec![pack("b", "2026-01-01")]).unwrap();
        assert_eq!(made.explain(&gone), Err(ExplainError::NoPack));
    }
}
