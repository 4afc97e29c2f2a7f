//! The eligibility engine, rule by rule and over random histories.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    ids::{ClinicId, PatientId, PractitionerId, PrescriptionId},
    phi::Phi,
    prescription::PrescriptionDetail,
    time::{Ts, parse_date},
};

fn day(text: &str) -> Date {
    parse_date(text).unwrap()
}

fn prescription() -> Prescription {
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
        quantity: Quantity::parse("10").unwrap(),
        days_supply: Some(30),
        refills_authorized: 3,
        refills_used: 0,
        do_not_refill: false,
        date_issued: day("2026-01-01"),
        expires_on: day("2027-01-01"),
        rx_number: None,
        version: 1,
        created_at: Ts::from_micros(0),
        updated_at: Ts::from_micros(0),
    }
}

fn fill(filled_on: &str, days_supply: u32) -> Fill {
    Fill { filled_on: day(filled_on), days_supply: Some(days_supply) }
}

fn ask(
    prescription: &Prescription,
    fills: &[Fill],
    today: &str,
    change: impl Fn(&mut Question<'_>),
) -> Eligibility {
    let mut question = Question {
        prescription,
        named_fill: Some(FillStatus::Delivered),
        fills,
        has_open_refill: false,
        patient_matches: true,
        patient_active: true,
        practitioner_active: true,
        requested: None,
        today: day(today),
        thresholds: Thresholds::default(),
    };
    change(&mut question);
    evaluate(&question)
}

fn codes(answer: &Eligibility) -> Vec<&'static str> {
    answer.findings.iter().map(|finding| finding.rule.as_str()).collect()
}

#[test]
fn a_used_up_fill_is_eligible() {
    let answer = ask(&prescription(), &[fill("2026-01-05", 30)], "2026-03-01", |_| {});
    assert!(answer.is_eligible(), "{:?}", codes(&answer));
    assert_eq!(answer.refills_remaining, 3);
}

#[test]
fn the_wait_is_the_threshold_rounded_up() {
    let fills = [fill("2026-01-05", 30)];
    // 75% of 30 days is 22.5, so the 23rd day after the fill.
    let day_before = ask(&prescription(), &fills, "2026-01-27", |_| {});
    assert_eq!(codes(&day_before), ["too_soon"]);
    assert_eq!(day_before.next_eligible_date, Some(day("2026-01-28")));
    assert_eq!(day_before.findings[0].passes_on, Some(day("2026-01-28")));
    assert!(ask(&prescription(), &fills, "2026-01-28", |_| {}).is_eligible());
}

#[test]
fn controlled_drugs_wait_longer() {
    let controlled = Prescription { schedule: DrugSchedule::C3, ..prescription() };
    let answer = ask(&controlled, &[fill("2026-01-05", 30)], "2026-01-28", |_| {});
    // 85% of 30 days is 25.5.
    assert_eq!(answer.next_eligible_date, Some(day("2026-01-31")));
}

#[test]
fn a_surplus_of_earlier_fills_is_carried() {
    let early = [fill("2026-01-01", 30), fill("2026-01-25", 30)];
    let answer = ask(&prescription(), &early, "2026-02-01", |_| {});
    // Six days were left of the first fill on 25 January: the second begins on the 31st.
    assert_eq!(answer.next_eligible_date, Some(day("2026-02-23")));
}

#[test]
fn only_the_last_week_of_the_wait_is_for_review() {
    let fills = [fill("2026-01-05", 30)];
    let verdict = |today| ask(&prescription(), &fills, today, |_| {}).findings[0].verdict;
    assert_eq!(verdict("2026-01-20"), Verdict::Refuse);
    assert_eq!(verdict("2026-01-21"), Verdict::Review);
}

#[test]
fn every_rule_that_fails_is_named() {
    let bad = Prescription {
        status: PrescriptionStatus::Discontinued,
        refills_used: 3,
        do_not_refill: true,
        ..prescription()
    };
    let answer = ask(&bad, &[fill("2026-12-30", 30)], "2027-01-02", |question| {
        question.named_fill = Some(FillStatus::Filled);
        question.has_open_refill = true;
        question.patient_matches = false;
        question.patient_active = false;
        question.practitioner_active = false;
        question.requested = Quantity::parse("11");
    });
    let all: Vec<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(codes(&answer), all);
}

#[test]
fn more_than_one_fill_is_for_review_and_more_than_the_rest_refused() {
    let verdict = |quantity| {
        let answer = ask(&prescription(), &[], "2026-03-01", |question| {
            question.requested = Quantity::parse(quantity)
        });
        answer.findings.first().map(|finding| finding.verdict)
    };
    assert_eq!(verdict("10"), None);
    assert_eq!(verdict("30"), Some(Verdict::Review));
    assert_eq!(verdict("30.001"), Some(Verdict::Refuse));
}

proptest! {
    /// Waiting never makes an eligible refill ineligible, except by expiry.
    #[test]
    fn time_only_helps_until_expiry(
        offsets in prop::collection::vec((0i64..200, 1u32..120), 0..6), today in 0i64..300, later in 0i64..100,
    ) {
        let issued = day("2026-01-01");
        let fills: Vec<Fill> = offsets
            .iter()
            .map(|&(offset, supply)| Fill { filled_on: add_days(issued, offset), days_supply: Some(supply) })
            .collect();
        let prescription = prescription();
        let at = |offset| ask(&prescription, &fills, &add_days(issued, offset).to_string(), |_| {});
        if at(today).is_eligible() {
            let answer = at(today + later);
            prop_assert!(codes(&answer).iter().all(|code| *code == "expired"), "{:?}", codes(&answer));
        }
    }
}

fn first_fill<'a>(prescription: &'a Prescription, today: &str) -> Question<'a> {
    Question {
        prescription,
        named_fill: Some(FillStatus::Profiled),
        fills: &[],
        has_open_refill: true,
        patient_matches: true,
        patient_active: true,
        practitioner_active: true,
        requested: None,
        today: day(today),
        thresholds: Thresholds::default(),
    }
}

#[test]
fn a_first_fill_asks_no_rule_about_refills() {
    let on_file = Prescription { refills_authorized: 0, do_not_refill: true, ..prescription() };
    assert!(evaluate_first_fill(&first_fill(&on_file, "2026-02-01")).is_eligible());
    let expired = evaluate_first_fill(&first_fill(&on_file, "2027-01-02"));
    assert_eq!(expired.first().map(|finding| finding.rule), Some(Rule::Expired));
    let held = Prescription { status: PrescriptionStatus::OnHold, ..on_file };
    let strange = Question {
        patient_matches: false,
        patient_active: false,
        practitioner_active: false,
        ..first_fill(&held, "2026-02-01")
    };
    let rules: Vec<Rule> = evaluate_first_fill(&strange).findings.iter().map(|it| it.rule).collect();
    let all = [Rule::Discontinued, Rule::WrongPatient, Rule::PatientInactive, Rule::PractitionerNotActive];
    assert_eq!(rules, all);
}
