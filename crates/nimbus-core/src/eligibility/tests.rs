//! The eligibility engine, rule by rule.

use super::*;
use crate::{
    rules::{RulesPack, testing::pack},
    time::parse_date,
};

fn day(text: &str) -> Date {
    parse_date(text).unwrap()
}

fn shipped() -> RulesPack {
    pack("2026-01-01", "2026-01-01")
}

fn prescription() -> OnFile {
    OnFile {
        status: PrescriptionStatus::Active,
        schedule: DrugSchedule::Unscheduled,
        state: None,
        species: Species::Human,
        quantity: Quantity::parse("10").unwrap(),
        refills_authorized: 3,
        refills_used: 0,
        do_not_refill: false,
        date_issued: day("2026-01-01"),
        expires_on: day("2027-01-01"),
    }
}

fn fill(filled_on: &str, days_supply: u32) -> Fill {
    Fill { filled_on: day(filled_on), days_supply: Some(days_supply) }
}

fn question(prescription: &OnFile, fills: &[Fill], today: &str) -> Question {
    Question {
        asking: Asking::Refill,
        prescription: prescription.clone(),
        named_fill: Some(FillStatus::Delivered),
        fills: fills.to_vec(),
        has_open_refill: false,
        patient_matches: true,
        patient_active: true,
        practitioner_active: true,
        requested: None,
        today: day(today),
        thresholds: shipped().thresholds.values(),
    }
}

fn ask(prescription: &OnFile, fills: &[Fill], today: &str, change: impl Fn(&mut Question)) -> Eligibility {
    let mut question = question(prescription, fills, today);
    change(&mut question);
    evaluate(&question, &shipped())
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
    let controlled = OnFile { schedule: DrugSchedule::C3, ..prescription() };
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
    let bad = OnFile {
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

#[test]
fn what_was_filled_on_one_day_is_one_fill() {
    let both = [fill("2026-01-05", 10), fill("2026-01-05", 20)];
    let next = |fills: &[Fill]| ask(&prescription(), fills, "2026-03-01", |_| {}).next_eligible_date;
    assert_eq!(next(&both), next(&[fill("2026-01-05", 30)]));
}

#[test]
fn the_law_or_policy_behind_each_rule_is_cited() {
    let citation = |prescription: &OnFile, today: &str| {
        let answer = ask(prescription, &[], today, |_| {});
        answer.findings.into_iter().map(|finding| finding.citation).collect::<Vec<_>>()
    };
    let texan = OnFile {
        schedule: DrugSchedule::C5,
        state: Some(State::Tx),
        refills_authorized: 0,
        ..prescription()
    };
    assert_eq!(citation(&texan, "2028-01-01"), ["Law texas", "Law texas"]);
    assert_eq!(citation(&OnFile { state: None, ..texan }, "2028-01-01"), ["Law c5", "Law c5"]);
    assert_eq!(
        citation(&OnFile { do_not_refill: true, ..prescription() }, "2026-02-01"),
        ["Law do-not-refill"]
    );
}

#[test]
fn thresholds_of_the_question_stand_before_those_of_the_pack() {
    let fills = [fill("2026-01-05", 30)];
    let answer = ask(&prescription(), &fills, "2026-01-28", |question| question.thresholds.percent = 90);
    assert_eq!(answer.findings[0].passes_on, Some(day("2026-02-01")));
}

#[test]
fn a_first_fill_asks_no_rule_about_refills() {
    let first = |prescription: &OnFile, today: &str, is_strange: bool| {
        let answer = ask(prescription, &[], today, |question| {
            question.asking = Asking::FirstFill;
            question.named_fill = Some(FillStatus::Profiled);
            question.has_open_refill = true;
            question.patient_matches = !is_strange;
            question.patient_active = !is_strange;
            question.practitioner_active = !is_strange;
        });
        answer.findings.into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    let on_file = OnFile { refills_authorized: 0, do_not_refill: true, ..prescription() };
    assert_eq!(first(&on_file, "2026-02-01", false), []);
    assert_eq!(first(&on_file, "2027-01-02", false), [Rule::Expired]);
    let held = OnFile { status: PrescriptionStatus::OnHold, ..on_file };
    assert_eq!(first(&held, "2027-01-02", true), Asking::FirstFill.rules());
}
