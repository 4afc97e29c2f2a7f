//! One decision on eligibility in process: a prescription with ten fills, every rule asked. The limit is 20 µs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use nimbus_core::{
    eligibility::{Asking, Fill, OnFile, Question, evaluate},
    order::FillStatus,
    patient::Species,
    prescription::{DrugSchedule, PrescriptionStatus},
    quantity::Quantity,
    rules::{Packs, RulesPack, testing::pack},
    time::{Date, add_days, parse_date},
    us::State,
};

fn day(text: &str) -> Date {
    parse_date(text).expect("a day")
}

/// Ten fills of thirty days, each two days early, and a question so many days after the last.
fn question(pack: &RulesPack, days_after: i64) -> Question {
    let first = day("2026-01-05");
    let fills: Vec<Fill> = (0..10)
        .map(|number| Fill { filled_on: add_days(first, number * 28), days_supply: Some(30) })
        .collect();
    Question {
        asking: Asking::Refill,
        prescription: OnFile {
            status: PrescriptionStatus::Active,
            schedule: DrugSchedule::Unscheduled,
            state: Some(State::Tx),
            species: Species::Human,
            quantity: Quantity::parse("30").expect("a quantity"),
            refills_authorized: 11,
            refills_used: 9,
            do_not_refill: false,
            date_issued: day("2026-01-01"),
            expires_on: day("2027-01-01"),
        },
        named_fill: Some(FillStatus::Delivered),
        today: add_days(first, 9 * 28 + days_after),
        fills,
        has_open_refill: false,
        patient_matches: true,
        patient_active: true,
        practitioner_active: true,
        requested: Quantity::parse("30"),
        thresholds: pack.thresholds.values(),
    }
}

fn decisions(criterion: &mut Criterion) {
    let packs = Packs::new(vec![pack("2026-01-01", "2026-01-01"), pack("2027-01-01", "2027-01-01")]);
    let packs = packs.expect("two packs");
    let decide = |question: &Question| evaluate(question, packs.on(question.today));
    let eligible = question(packs.on(day("2026-01-01")), 60);
    assert!(decide(&eligible).is_eligible());
    let early = question(packs.on(day("2026-01-01")), 1);
    assert_eq!(decide(&early).findings.len(), 1);
    let worst = Question {
        has_open_refill: true,
        patient_matches: false,
        patient_active: false,
        practitioner_active: false,
        prescription: OnFile { do_not_refill: true, refills_used: 11, ..early.prescription.clone() },
        ..early.clone()
    };
    assert!(decide(&worst).findings.len() > 5);
    let cases = [("eligible", &eligible), ("too soon", &early), ("nearly every rule fails", &worst)];
    for (name, question) in cases {
        criterion.bench_function(name, |bencher| bencher.iter(|| decide(black_box(question))));
    }
}

criterion_group!(benches, decisions);
criterion_main!(benches);
