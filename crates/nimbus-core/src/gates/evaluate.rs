//! The gates themselves: every one is asked, and each tells what it found.

use super::{
    Field, Gate,
    sig::{Unit, usage},
};
use crate::{
    formulary::Drug,
    order::HoldReason,
    patient::{Address, PatientProfile, Species},
    prescription::{DrugSchedule, Prescription},
    quantity::Quantity,
    rules::{Gates, LicenseCategory, Provision, TemperatureGate},
};

/// How far a fill has come when the gates are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A partner asks for it.
    Intake,
    /// A pharmacist verifies or submits it.
    Work,
    /// A label is made.
    Label,
}

/// How long a parcel is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// In business days, at most.
    pub transit_days: u32,
    /// Whether it spans a weekend. Nobody knows before the day on which the label is made.
    pub spans_weekend: bool,
    /// Whether it spans a holiday, likewise.
    pub spans_holiday: bool,
}

impl Way {
    /// Whether what is refrigerated may travel so.
    pub const fn keeps_cold(self, rule: &TemperatureGate) -> bool {
        self.transit_days <= rule.max_transit_days && !self.rests_too_long(rule)
    }

    const fn rests_too_long(self, rule: &TemperatureGate) -> bool {
        (self.spans_weekend && !rule.allow_weekend) || (self.spans_holiday && !rule.allow_holiday)
    }
}

/// One line, with everything that gates look at.
pub struct Case<'a> {
    pub rules: &'a Gates,
    pub stage: Stage,
    pub prescription: &'a Prescription,
    /// What this fill dispenses.
    pub quantity: Quantity,
    pub days_supply: Option<u32>,
    /// What is known of the drug now, if anything is.
    pub drug: Option<&'a Drug>,
    /// Why the formulary does not know the drug, if so: the end of a sentence.
    pub doubt: Option<&'a str>,
    /// Whether the order or the drug is to be kept cold.
    pub is_cold: bool,
    pub way: Way,
    pub address: &'a Address,
    pub patient: &'a PatientProfile,
    pub has_dea: bool,
    /// What the pharmacy's licences in the destination state are for.
    pub licenses: &'a [LicenseCategory],
    pub has_original: bool,
    /// Gates whose hold of this line was released: what they asked has been decided.
    pub settled: &'a [Gate],
}

/// What to blame where an order is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    Service,
    Address,
    Patient,
    Practitioner,
    Line(Field),
}

/// What one gate found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub gate: Gate,
    pub reason: HoldReason,
    /// A sentence that names nothing of patient and prescription.
    pub message: String,
    pub citation: String,
    pub blame: Blame,
    /// What resolves the hold, where a partner can.
    pub fields: Vec<Field>,
    /// Whether an order with it is not taken at all.
    pub is_refused_at_intake: bool,
}

/// Everything that is in the way of a fill, by gate.
pub fn evaluate(case: &Case<'_>) -> Vec<Finding> {
    // A release lets the work go on. No release makes a parcel fast enough, and only the label names its service.
    let is_asked_anew = |gate: Gate| gate == Gate::Temperature && case.stage == Stage::Label;
    let is_open = |gate: Gate| !case.settled.contains(&gate) || is_asked_anew(gate);
    Gate::ALL.iter().filter(|gate| is_open(**gate)).flat_map(|gate| ask(*gate, case)).collect()
}

fn ask(gate: Gate, case: &Case<'_>) -> Vec<Finding> {
    match gate {
        Gate::Drug => drug(case).into_iter().collect(),
        Gate::Unit => unit(case).into_iter().collect(),
        Gate::Temperature => temperature(case),
        Gate::Compounding => compounding(case).into_iter().collect(),
        Gate::DaysSupply => days_supply(case).into_iter().collect(),
        Gate::Controlled => controlled(case).into_iter().collect(),
        Gate::License => license(case).into_iter().collect(),
        Gate::Veterinary => veterinary(case),
        Gate::Practitioner => practitioner(case).into_iter().collect(),
    }
}

fn finding(gate: Gate, reason: HoldReason, provision: &Provision, blame: Blame, message: String) -> Finding {
    Finding {
        gate,
        reason,
        message,
        citation: provision.citation.clone(),
        blame,
        fields: Vec::new(),
        is_refused_at_intake: false,
    }
}

/// What asks about a drug by what the formulary says of it.
const FORMULARY: &str = "Policy formulary";

/// What is filled was decided when it was verified.
fn drug(case: &Case<'_>) -> Option<Finding> {
    let doubt = case.doubt.filter(|_| case.stage != Stage::Label)?;
    let message = format!("The pharmacy cannot tell which drug is meant: {doubt}.");
    Some(Finding {
        gate: Gate::Drug,
        reason: HoldReason::Clarification,
        message,
        citation: FORMULARY.to_owned(),
        blame: Blame::Line(Field::Medication),
        fields: vec![Field::Medication, Field::Ndc],
        is_refused_at_intake: false,
    })
}

/// What is filled is taken from stock by this count.
fn unit(case: &Case<'_>) -> Option<Finding> {
    let drug = case.drug.filter(|_| case.stage != Stage::Label)?;
    let detail = case.prescription.detail.expose();
    let doubt = drug.count(case.quantity, detail.unit_of_measure.as_deref(), &detail.dose).err()?;
    let message = format!("The pharmacy cannot tell how much is meant: {}.", doubt.as_str());
    Some(Finding {
        gate: Gate::Unit,
        reason: HoldReason::Clarification,
        message,
        citation: FORMULARY.to_owned(),
        blame: Blame::Line(Field::UnitOfMeasure),
        fields: vec![Field::UnitOfMeasure, Field::Quantity],
        is_refused_at_intake: false,
    })
}

fn temperature(case: &Case<'_>) -> Vec<Finding> {
    let rule = &case.rules.temperature;
    if !case.is_cold {
        return Vec::new();
    }
    let found = |blame, message| Finding {
        is_refused_at_intake: true,
        ..finding(Gate::Temperature, HoldReason::Temperature, &rule.provision, blame, message)
    };
    let mut findings = Vec::new();
    if case.way.transit_days > rule.max_transit_days {
        let (most, takes) = (rule.max_transit_days, case.way.transit_days);
        let message = format!(
            "What is refrigerated is on its way for {most} days at most, and this takes up to {takes}."
        );
        findings.push(found(Blame::Service, message));
    }
    if case.stage == Stage::Label && case.way.rests_too_long(rule) {
        let message = "What is refrigerated is not on its way over a weekend or holiday.";
        findings.push(found(Blame::Service, message.to_owned()));
    }
    if !rule.allow_po_box && is_po_box(case.address) {
        let message = "What is refrigerated is not sent to a post office box.";
        findings.push(found(Blame::Address, message.to_owned()));
    }
    findings
}

/// Whether a line of an address names a post office box: `PO Box 12`, `P.O. Box`, `POB 12`, `Post Office Box 12`.
pub fn is_po_box(address: &Address) -> bool {
    let lines = [Some(&address.line_1), address.line_2.as_ref(), address.line_3.as_ref()];
    lines.into_iter().flatten().any(|line| {
        let plain: String =
            line.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
        let words: Vec<&str> = plain.split_whitespace().collect();
        let begins = |at: usize| match &words[at..] {
            ["po", "box", ..] | ["p", "o", "box", ..] | ["post", "office", "box", ..] => true,
            [word, ..] if word.starts_with("pobox") => true,
            ["pob", number, ..] => number.bytes().all(|byte| byte.is_ascii_digit()),
            _ => false,
        };
        (0..words.len()).any(begins)
    })
}

fn compounding(case: &Case<'_>) -> Option<Finding> {
    let rule = &case.rules.compounding;
    if !case.prescription.compounded {
        return None;
    }
    let reason =
        case.prescription.detail.expose().reason_for_compounding.as_deref().unwrap_or_default().trim();
    let folded = reason.to_lowercase();
    let folded = folded.trim_matches(|c: char| !c.is_alphanumeric());
    let is_coded = rule.reasons.iter().any(|coded| coded.code == folded);
    let is_refused =
        rule.refused.iter().any(|word| word.as_str() == folded || word.as_str() == reason.to_lowercase());
    let is_long = reason.chars().count() >= usize::try_from(rule.min_reason_length).unwrap_or(usize::MAX);
    if is_coded || (is_long && !is_refused) {
        return None;
    }
    let message = format!(
        "A compounded drug needs a coded reason, or one of {} characters or more that says why this patient needs it.",
        rule.min_reason_length
    );
    let blame = Blame::Line(Field::ReasonForCompounding);
    let found = finding(Gate::Compounding, HoldReason::Clarification, &rule.provision, blame, message);
    Some(Finding { fields: vec![Field::ReasonForCompounding], is_refused_at_intake: true, ..found })
}

/// Held only if even the most generous reading of the sig contradicts the figures.
fn days_supply(case: &Case<'_>) -> Option<Finding> {
    let rule = &case.rules.days_supply;
    let detail = case.prescription.detail.expose();
    let usage = usage(&detail.direction)?;
    let unit = detail.unit_of_measure.as_deref().and_then(|word| Unit::parse(&word.trim().to_lowercase()))?;
    let days = i128::from(case.days_supply?);
    if unit != usage.unit || case.stage == Stage::Label {
        return None;
    }
    let used = |amount: i64| i128::from(amount) * i128::from(usage.times) * days;
    let have = i128::from(case.quantity.thousandths()) * i128::from(usage.days);
    let factor = i128::from(rule.factor);
    if used(usage.least) <= have * factor && have <= used(usage.most) * factor {
        return None;
    }
    let message = format!(
        "Quantity, directions and days supply contradict each other by more than a factor of {factor}."
    );
    let blame = Blame::Line(Field::DaysSupply);
    let found = finding(Gate::DaysSupply, HoldReason::Clarification, &rule.provision, blame, message);
    Some(Finding { fields: vec![Field::DaysSupply, Field::Quantity, Field::Direction], ..found })
}

fn controlled(case: &Case<'_>) -> Option<Finding> {
    let rule = &case.rules.controlled;
    if case.has_original || !rule.original_for.contains(&case.prescription.schedule) {
        return None;
    }
    let message = "A request by API is no valid prescription of a controlled drug: the line waits for its electronic \
                   or written original.";
    let (reason, blame) = (HoldReason::AwaitingValidPrescription, Blame::Line(Field::Medication));
    Some(finding(Gate::Controlled, reason, &rule.provision, blame, message.to_owned()))
}

fn license(case: &Case<'_>) -> Option<Finding> {
    let rule = &case.rules.license;
    let is_needed = |category: LicenseCategory| match category {
        LicenseCategory::Retail => true,
        LicenseCategory::Compounding => case.prescription.compounded,
        LicenseCategory::Controlled => case.prescription.schedule != DrugSchedule::Unscheduled,
        LicenseCategory::Veterinary => case.patient.species != Species::Human,
    };
    let lacks = |category: &&LicenseCategory| is_needed(**category) && !case.licenses.contains(category);
    let lacking: Vec<&str> = rule.categories.iter().filter(lacks).map(|it| it.as_str()).collect();
    if lacking.is_empty() {
        return None;
    }
    let message = format!(
        "The pharmacy has no licence in the destination state that holds today: {}.",
        lacking.join(", ")
    );
    Some(finding(Gate::License, HoldReason::License, &rule.provision, Blame::Address, message))
}

fn veterinary(case: &Case<'_>) -> Vec<Finding> {
    let rule = &case.rules.veterinary;
    let species = case.patient.species;
    if species == Species::Human {
        return Vec::new();
    }
    let found = |message: &str, fields: Vec<Field>| Finding {
        fields,
        ..finding(
            Gate::Veterinary,
            HoldReason::Clarification,
            &rule.provision,
            Blame::Patient,
            message.to_owned(),
        )
    };
    let refused = |finding: Finding| Finding { is_refused_at_intake: true, ..finding };
    let lacks = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    let mut findings = Vec::new();
    if rule.require_owner && lacks(&case.patient.animal_owner_name) {
        findings.push(refused(found("An animal needs its owner's name.", vec![Field::AnimalOwnerName])));
    }
    if rule.require_weight && lacks(&case.patient.weight) {
        findings.push(refused(found("An animal needs its weight.", vec![Field::Weight])));
    }
    if case.prescription.compounded && rule.food_producing.contains(&species) {
        let message = "Nothing compounded is sent for an animal of a food-producing species.";
        findings.push(refused(found(message, Vec::new())));
    }
    if case.prescription.compounded && rule.may_be_food_producing.contains(&species) {
        let message = "Animals of this species may be food: say in a note that this one never will be.";
        findings.push(found(message, vec![Field::Note]));
    }
    findings
}

fn practitioner(case: &Case<'_>) -> Option<Finding> {
    let rule = &case.rules.practitioner;
    if case.has_dea || !rule.dea_for.contains(&case.prescription.schedule) {
        return None;
    }
    let message = "The practitioner has no DEA number, which a controlled drug needs.";
    let (reason, blame) = (HoldReason::PrescriberOutreach, Blame::Practitioner);
    let found = finding(Gate::Practitioner, reason, &rule.provision, blame, message.to_owned());
    Some(Finding { fields: vec![Field::DeaNumber], ..found })
}

#[cfg(test)]
mod tests;
