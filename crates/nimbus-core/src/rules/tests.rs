//! The choice of a pack and of the strictest row.

use proptest::prelude::*;

use super::{
    testing::{pack, row, rows},
    *,
};
use crate::{
    patient::Species,
    prescription::DrugSchedule,
    time::{add_days, parse_date},
    us::State,
};

fn day(text: &str) -> Date {
    parse_date(text).unwrap()
}

fn case(state: Option<State>, schedule: DrugSchedule) -> RefillCase {
    RefillCase { state, schedule, species: Species::Human }
}

#[test]
fn the_strictest_row_wins_for_limit_and_expiry_apart() {
    let issued = day("2026-01-31");
    let check = |state: Option<State>, schedule, limit: (u32, &str), expiry: (&str, &str)| {
        let refills = Refills::new(rows()).unwrap();
        let (refills_limit, by) = refills.limit(&case(state, schedule));
        assert_eq!((refills_limit, by.id.as_str()), limit, "{state:?} {schedule}");
        let (until, by) = refills.expires_on(&case(state, schedule), issued);
        assert_eq!((until.to_string().as_str(), by.id.as_str()), expiry, "{state:?} {schedule}");
    };
    use DrugSchedule::{C2, C3, C5, Unscheduled};
    check(Some(State::Tx), Unscheduled, (99, "unscheduled"), ("2027-01-31", "unscheduled"));
    check(Some(State::Ny), C2, (0, "c2"), ("2026-05-01", "c2"));
    check(Some(State::Ny), C3, (5, "c3-c4"), ("2026-07-31", "c3-c4"));
    check(Some(State::Tx), C3, (5, "texas"), ("2026-07-31", "texas"));
    check(Some(State::Ny), C5, (99, "c5"), ("2027-01-31", "c5"));
    check(Some(State::Tx), C5, (5, "texas"), ("2026-07-31", "texas"));
    check(None, C5, (99, "c5"), ("2027-01-31", "c5"));
}

#[test]
fn limit_and_expiry_may_come_from_two_rows() {
    let mut rows = rows();
    let swine = Among::These(vec![Species::Swine]);
    let short = row("swine", Among::All, &[DrugSchedule::C3], 9, Lasts::Days(30));
    rows.push(RefillRow { species: swine, ..short });
    let refills = Refills::new(rows).unwrap();
    let swine = RefillCase { species: Species::Swine, ..case(None, DrugSchedule::C3) };
    assert_eq!(refills.limit(&swine).1.id, "c3-c4");
    assert_eq!(refills.expires_on(&swine, day("2026-01-01")).1.id, "swine");
    assert_eq!(refills.expires_on(&case(None, DrugSchedule::C3), day("2026-01-01")).1.id, "c3-c4");
}

#[test]
fn a_table_names_every_schedule_and_no_cell_twice() {
    let mut some = rows();
    some.remove(1);
    let again = Among::These(vec![State::Ny, State::Tx]);
    some.push(row("again", again, &[DrugSchedule::C5], 1, Lasts::Days(1)));
    let errors = Refills::new(some).unwrap_err();
    assert_eq!(errors, [RefillsError::Uncovered(DrugSchedule::C2), RefillsError::Overlap(3, 4)]);
}

#[test]
fn packs_that_clash_are_refused_in_pairs() {
    assert_eq!(Packs::new(Vec::new()), Err(vec![PacksError::None]));
    let clashing = vec![pack("a", "2026-01-01"), pack("b", "2026-01-01"), pack("a", "2027-01-01")];
    assert_eq!(Packs::new(clashing), Err(vec![PacksError::SameDay(0, 1), PacksError::SameVersion(0, 2)]));
}

#[test]
fn a_pack_is_found_by_version_when_it_is_over() {
    let packs = Packs::new(vec![pack("b", "2027-01-01"), pack("a", "2026-01-01")]).unwrap();
    assert_eq!(packs.on(day("2027-06-01")).version, "b");
    assert_eq!(packs.version("a").map(|pack| pack.effective_from), Some(day("2026-01-01")));
    assert_eq!(packs.version("c"), None);
}

proptest! {
    /// The pack of a day is the last that began on it or before, else the first of all, in whatever order they came.
    #[test]
    fn the_pack_is_chosen_by_date(
        firsts in proptest::collection::btree_set(0i64..2000, 1..8),
        asked in -100i64..2200,
        turn in 0usize..8,
    ) {
        let start = day("2024-01-01");
        let mut made: Vec<RulesPack> = firsts.iter().map(|first| {
            let from = add_days(start, *first).to_string();
            pack(&from, &from)
        }).collect();
        let places = made.len();
        made.rotate_left(turn % places);
        let packs = Packs::new(made).unwrap();
        let expected = firsts.iter().filter(|first| **first <= asked).max().or(firsts.iter().min()).unwrap();
        let expected = add_days(start, *expected);
        prop_assert_eq!(packs.on(add_days(start, asked)).effective_from, expected);
    }

    /// A row more never makes a limit or an expiry laxer, and the order of rows decides nothing.
    #[test]
    fn more_law_is_never_laxer(
        state in proptest::sample::select(State::ALL),
        schedule in proptest::sample::select(DrugSchedule::ALL),
        max_refills in 0u32..=99,
        days in 1u32..400,
        turn in 0usize..6,
    ) {
        let case = case(Some(state), schedule);
        let issued = day("2026-02-28");
        let before = Refills::new(rows()).unwrap();
        let mut more = rows();
        let these = Among::These(vec![state]);
        more.retain(|row| row.states == Among::All);
        more.push(row("more", these, &[schedule], max_refills, Lasts::Days(days)));
        let general = Refills::new(more[..4].to_vec()).unwrap();
        more.rotate_left(turn % 5);
        let after = Refills::new(more).unwrap();
        prop_assert_eq!(after.limit(&case).0, general.limit(&case).0.min(max_refills));
        let until = add_days(issued, i64::from(days));
        prop_assert_eq!(after.expires_on(&case, issued).0, general.expires_on(&case, issued).0.min(until));
        prop_assert!(before.limit(&case).0 <= general.limit(&case).0);
    }
}
