//! The engine over thousands of random histories, beside a second implementation.
//!
//! The second one is written from the published sentences alone, as plainly as can be: it walks a calendar of its own
//! day by day and counts what is left in the bottle. It shares no code with the engine or the pack.

use proptest::prelude::*;

use super::*;
use crate::rules::{Packs, testing::pack};

/// Year, month, day.
type Day = (i16, u8, u8);

fn day_of(date: Date) -> Day {
    (date.year(), date.month() as u8, date.day() as u8)
}

fn month_length(year: i16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        _ => 31,
    }
}

fn tomorrow((year, month, day): Day) -> Day {
    if day < month_length(year, month) {
        (year, month, day + 1)
    } else if month < 12 {
        (year, month + 1, 1)
    } else {
        (year + 1, 1, 1)
    }
}

fn days_later(mut day: Day, days: u64) -> Day {
    for _ in 0..days {
        day = tomorrow(day);
    }
    day
}

fn months_later((mut year, mut month, day): Day, months: u8) -> Day {
    for _ in 0..months {
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    (year, month, day.min(month_length(year, month)))
}

/// The last day of a prescription: 1 year; C-III and C-IV 6 months; Texas C-III to C-V 6 months; C-II 90 days.
fn naive_expiry(schedule: &str, is_texas: bool, issued: Day) -> Day {
    match schedule {
        "C-II" => days_later(issued, 90),
        "C-III" | "C-IV" => months_later(issued, 6),
        "C-V" if is_texas => months_later(issued, 6),
        _ => months_later(issued, 12),
    }
}

/// C-II none, C-III and C-IV at most 5, Texas C-III to C-V at most 5, others as authorised.
fn naive_refills(schedule: &str, is_texas: bool, asked: u32) -> u32 {
    match schedule {
        "C-II" => 0,
        "C-III" | "C-IV" => asked.min(5),
        "C-V" if is_texas => asked.min(5),
        _ => asked,
    }
}

/// The day on which the wait is over: at the last fill, what was left in the bottle, and then the least number of days
/// that is the threshold's share of what was put in.
fn naive_next(fills: &[(Day, u64)], percent: u64) -> Option<Day> {
    let first = *fills.iter().map(|(day, _)| day).min()?;
    let last = *fills.iter().map(|(day, _)| day).max()?;
    let (mut today, mut bottle) = (first, 0u64);
    loop {
        let put_in: u64 = fills.iter().filter(|(day, _)| *day == today).map(|(_, days)| days).sum();
        if today == last {
            let mut share = 0;
            while share * 100 < put_in * percent {
                share += 1;
            }
            return Some(days_later(today, bottle + share));
        }
        bottle = (bottle + put_in).saturating_sub(1);
        today = tomorrow(today);
    }
}

/// Everything random about a history. Days are counted from the day of issue.
#[derive(Debug, Clone)]
struct History {
    schedule: DrugSchedule,
    state: State,
    status: PrescriptionStatus,
    issued: Date,
    asked_refills: u32,
    refills_used: u32,
    do_not_refill: bool,
    fills: Vec<(i64, Option<u32>)>,
    named_fill: Option<FillStatus>,
    flags: [bool; 4],
    requested: Option<i64>,
    today: i64,
    percent: u32,
    controlled_percent: u32,
}

/// A prescription's quantity, in thousandths.
const ONE_FILL: i64 = 10_000;

fn histories() -> impl Strategy<Value = History> {
    use proptest::{bool::weighted, collection::vec, option, sample::select};
    let mostly_active = prop_oneof![
        6 => Just(PrescriptionStatus::Active),
        1 => select(PrescriptionStatus::ALL),
    ];
    let state = prop_oneof![Just(State::Tx), select(State::ALL)];
    let prescription = (
        select(DrugSchedule::ALL),
        state,
        mostly_active,
        (2024i16..2029, 1i8..=12, 1i8..=28, 0i64..4),
        0u32..12,
        0u32..4,
        weighted(0.05),
    );
    let fills = vec((0i64..400, option::weighted(0.9, 1u32..=120)), 0..10);
    let named_fill = option::of(prop_oneof![
        4 => select(&[FillStatus::Shipped, FillStatus::Delivered][..]),
        1 => select(FillStatus::ALL),
    ]);
    let flags = [weighted(0.1), weighted(0.1), weighted(0.1), weighted(0.1)];
    let requested = option::of(1i64..80_000);
    let asked = (fills, named_fill, flags, requested, 0i64..500, 1u32..=100, 1u32..=100);
    (prescription, asked).prop_map(|(prescription, asked)| {
        let (schedule, state, status, (year, month, day, more), asked_refills, refills_used, do_not_refill) =
            prescription;
        let (fills, named_fill, flags, requested, today, percent, controlled_percent) = asked;
        // Days 29 to 31 come by adding.
        let issued = add_days(Date::new(year, month, day).unwrap(), more);
        History {
            schedule,
            state,
            status,
            issued,
            asked_refills,
            refills_used,
            do_not_refill,
            fills,
            named_fill,
            flags,
            requested,
            today,
            percent,
            controlled_percent,
        }
    })
}

impl History {
    /// What the engine is asked, the prescription limited by the pack.
    fn question(&self, pack: &RulesPack) -> Question {
        let case = RefillCase { state: Some(self.state), schedule: self.schedule, species: Species::Human };
        let [has_open_refill, other_patient, patient_inactive, practitioner_inactive] = self.flags;
        let fill = |&(offset, days_supply): &(i64, Option<u32>)| Fill {
            filled_on: add_days(self.issued, offset),
            days_supply,
        };
        Question {
            asking: Asking::Refill,
            prescription: OnFile {
                status: self.status,
                schedule: self.schedule,
                state: case.state,
                species: case.species,
                quantity: Quantity::from_thousandths(ONE_FILL).unwrap(),
                refills_authorized: self.asked_refills.min(pack.refills.limit(&case).0),
                refills_used: self.refills_used,
                do_not_refill: self.do_not_refill,
                date_issued: self.issued,
                expires_on: pack.refills.expires_on(&case, self.issued).0,
            },
            named_fill: self.named_fill,
            fills: self.fills.iter().map(fill).collect(),
            has_open_refill,
            patient_matches: !other_patient,
            patient_active: !patient_inactive,
            practitioner_active: !practitioner_inactive,
            requested: self.requested.and_then(Quantity::from_thousandths),
            today: add_days(self.issued, self.today),
            thresholds: Thresholds { percent: self.percent, controlled_percent: self.controlled_percent },
        }
    }

    /// What the second implementation finds: code, verdict, and the day on which it passes.
    fn naive(&self) -> Vec<(&'static str, &'static str, Option<Day>)> {
        let (schedule, is_texas) = (self.schedule.as_str(), self.state.code() == "TX");
        let [has_open_refill, other_patient, patient_inactive, practitioner_inactive] = self.flags;
        let issued = day_of(self.issued);
        let today = days_later(issued, self.today as u64);
        let authorized = naive_refills(schedule, is_texas, self.asked_refills);
        let left = authorized.saturating_sub(self.refills_used);
        let mut found = Vec::new();
        let mut hard = |failed: bool, code| {
            if failed {
                found.push((code, "refuse", None));
            }
        };
        let named = self.named_fill.map(FillStatus::as_str);
        hard(!matches!(named, None | Some("shipped" | "delivered")), "not_shipped");
        hard(has_open_refill, "already_open");
        hard(left == 0, "no_refills_left");
        hard(self.do_not_refill, "do_not_refill");
        hard(matches!(self.status.as_str(), "discontinued" | "on_hold"), "discontinued");
        hard(other_patient, "wrong_patient");
        hard(patient_inactive, "patient_inactive");
        hard(practitioner_inactive, "practitioner_not_active");
        let is_over = today > naive_expiry(schedule, is_texas, issued);
        hard(is_over || self.status.as_str() == "expired", "expired");
        let percent = if schedule == "unscheduled" { self.percent } else { self.controlled_percent };
        let fills: Vec<(Day, u64)> = self
            .fills
            .iter()
            .map(|(offset, days)| (days_later(issued, *offset as u64), u64::from(days.unwrap_or(30))))
            .collect();
        if let Some(next) = naive_next(&fills, u64::from(percent)).filter(|next| today < *next) {
            let verdict = if days_later(today, 7) >= next { "review" } else { "refuse" };
            found.push(("too_soon", verdict, Some(next)));
        }
        if let Some(wanted) = self.requested.filter(|wanted| *wanted > ONE_FILL) {
            let verdict = if wanted > ONE_FILL * i64::from(left) { "refuse" } else { "review" };
            found.push(("quantity", verdict, None));
        }
        found
    }
}

fn found(answer: &Eligibility) -> Vec<(&'static str, &'static str, Option<Day>)> {
    let plain =
        |finding: &Finding| (finding.rule.as_str(), finding.verdict.as_str(), finding.passes_on.map(day_of));
    answer.findings.iter().map(plain).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn a_second_implementation_agrees(history in histories()) {
        let pack = pack("p", "2026-01-01");
        let question = history.question(&pack);
        let answer = evaluate(&question, &pack);
        prop_assert_eq!(found(&answer), history.naive());
        let expiry = naive_expiry(history.schedule.as_str(), history.state == State::Tx, day_of(history.issued));
        prop_assert_eq!(day_of(answer.expires_on), expiry);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Waiting never makes an eligible refill ineligible, except by expiry; and what failed by time alone passes on
    /// the day that was said, and not before.
    #[test]
    fn time_only_helps_until_expiry(history in histories(), later in 0i64..400) {
        let pack = pack("p", "2026-01-01");
        let now = history.question(&pack);
        let rules = |question: &Question| -> Vec<Rule> {
            evaluate(question, &pack).findings.iter().map(|finding| finding.rule).collect()
        };
        let on = |today: Date| rules(&Question { today, ..now.clone() });
        let before = rules(&now);
        for rule in on(add_days(now.today, later)) {
            prop_assert!(rule == Rule::Expired || before.contains(&rule), "{rule} came by waiting");
        }
        for finding in evaluate(&now, &pack).findings {
            if let Some(day) = finding.passes_on {
                prop_assert!(!on(day).contains(&finding.rule));
                prop_assert!(on(add_days(day, -1)).contains(&finding.rule));
            }
        }
    }

    #[test]
    fn no_order_decides(
        history in histories(),
        rules in Just(Rule::ALL.to_vec()).prop_shuffle(),
        seed in any::<u64>(),
    ) {
        let pack = pack("p", "2026-01-01");
        let question = history.question(&pack);
        let answer = evaluate(&question, &pack);
        let asked = Asked { question: &question, pack: &pack, next: answer.next_eligible_date };
        let mut findings: Vec<Finding> = rules.iter().filter_map(|rule| asked.ask(*rule)).collect();
        findings.sort_by_key(|finding| finding.rule);
        prop_assert_eq!(&findings, &answer.findings);
        let mut turned = question.clone();
        let fills = turned.fills.len().max(1);
        turned.fills.reverse();
        turned.fills.rotate_left(seed as usize % fills);
        prop_assert_eq!(evaluate(&turned, &pack), answer);
    }

    /// A decision is the same by its pack whichever packs stand beside it.
    #[test]
    fn later_packs_change_no_earlier_decision(history in histories()) {
        let mut later = pack("later", "2040-01-01");
        later.thresholds.review_window_days = 0;
        later.thresholds.assumed_days_supply = 90;
        let alone = pack("p", "2020-01-01");
        let packs = Packs::new(vec![later, alone.clone()]).unwrap();
        let question = history.question(&alone);
        let then = packs.on(question.today);
        prop_assert_eq!(&then.version, "p");
        prop_assert_eq!(evaluate(&question, then), evaluate(&question, &alone));
    }
}
