//! A pack for the tests and the bench of this crate, which reads no TOML.

use super::{
    Among, CodedReason, CompoundingGate, ControlledGate, DaysSupplyGate, EligibilityRules, Gates, Lasts,
    LicenseCategory, LicenseGate, PractitionerGate, Provision, RefillRow, Refills, RulesPack,
    TemperatureGate, ThresholdRule, VeterinaryGate,
};
use crate::{
    patient::Species,
    prescription::DrugSchedule,
    time::{Date, parse_date},
    us::State,
};

fn day(text: &str) -> Date {
    parse_date(text).expect("a day")
}

fn provision(id: &str) -> Provision {
    Provision { id: id.to_owned(), sentence: format!("The rule {id}."), citation: format!("Law {id}") }
}

pub(crate) fn row(
    id: &str,
    states: Among<State>,
    schedules: &[DrugSchedule],
    max_refills: u32,
    lasts: Lasts,
) -> RefillRow {
    RefillRow {
        provision: provision(id),
        states,
        schedules: schedules.to_vec(),
        species: Among::All,
        max_refills,
        lasts,
    }
}

/// The rows of the shipped pack that differ in numbers.
pub fn rows() -> Vec<RefillRow> {
    use DrugSchedule::{C2, C3, C4, C5, Unscheduled};
    let texas = Among::These(vec![State::Tx]);
    vec![
        row("unscheduled", Among::All, &[Unscheduled], 99, Lasts::Months(12)),
        row("c2", Among::All, &[C2], 0, Lasts::Days(90)),
        row("c3-c4", Among::All, &[C3, C4], 5, Lasts::Months(6)),
        row("c5", Among::All, &[C5], 99, Lasts::Months(12)),
        row("texas", texas, &[C3, C4, C5], 5, Lasts::Months(6)),
    ]
}

/// A pack with the shipped numbers.
pub fn pack(version: &str, effective_from: &str) -> RulesPack {
    RulesPack {
        version: version.to_owned(),
        effective_from: day(effective_from),
        title: "A pack of tests".to_owned(),
        disclaimer: "Not law.".to_owned(),
        refills: Refills::new(rows()).expect("the rows make a table"),
        thresholds: ThresholdRule {
            provision: provision("refill-threshold"),
            percent: 75,
            controlled_percent: 85,
            review_window_days: 7,
            assumed_days_supply: 30,
        },
        eligibility: EligibilityRules {
            not_shipped: provision("not-shipped"),
            already_open: provision("already-open"),
            do_not_refill: provision("do-not-refill"),
            discontinued: provision("discontinued"),
            wrong_patient: provision("wrong-patient"),
            patient_inactive: provision("patient-inactive"),
            practitioner_not_active: provision("practitioner-not-active"),
            quantity: provision("quantity"),
        },
        gates: Gates {
            temperature: TemperatureGate {
                provision: provision("cold-chain"),
                max_transit_days: 2,
                allow_po_box: false,
                allow_weekend: false,
                allow_holiday: false,
            },
            compounding: CompoundingGate {
                provision: provision("compounding"),
                min_reason_length: 10,
                reasons: vec![CodedReason { code: "allergy".to_owned(), meaning: "Allergy".to_owned() }],
                refused: vec!["n/a".to_owned()],
                beyond_use_days: 35,
            },
            days_supply: DaysSupplyGate { provision: provision("days-supply"), factor: 2 },
            controlled: ControlledGate {
                provision: provision("controlled"),
                original_for: vec![DrugSchedule::C2, DrugSchedule::C3, DrugSchedule::C4, DrugSchedule::C5],
            },
            license: LicenseGate {
                provision: provision("license"),
                categories: LicenseCategory::ALL.to_vec(),
            },
            veterinary: VeterinaryGate {
                provision: provision("veterinary"),
                require_owner: true,
                require_weight: true,
                food_producing: vec![Species::Swine],
                may_be_food_producing: vec![Species::Equine],
            },
            practitioner: PractitionerGate {
                provision: provision("practitioner"),
                dea_for: vec![DrugSchedule::C2],
            },
        },
    }
}
