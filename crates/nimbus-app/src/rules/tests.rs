//! The shipped packs, and what is said of impossible ones.

use nimbus_core::{
    patient::Species,
    prescription::DrugSchedule,
    rules::{LicenseCategory, RefillCase},
    time::parse_date,
    us::State,
};

use super::*;

fn shipped_text() -> String {
    shipped_sources().remove(0).text
}

fn problems_of(files: &[(&str, &str)]) -> Vec<String> {
    let source = |(file, text): &(&str, &str)| Source { file: (*file).to_owned(), text: (*text).to_owned() };
    let sources: Vec<Source> = files.iter().map(source).collect();
    let problems = read(&sources).expect_err("these packs are refused").0;
    problems.iter().map(ToString::to_string).collect()
}

/// The shipped pack with a change, and the one problem that it makes: on a line of the change (of its section's head
/// for what is missing), and why.
fn refused(from: &str, to: &str, reason: &str) {
    let text = shipped_text();
    assert_eq!(text.matches(from).count(), 1, "{from:?} stands once in the shipped pack");
    let before = &text[..text.find(from).unwrap()];
    let before =
        if reason.ends_with("is missing") { &before[..before.rfind("\n[").unwrap() + 1] } else { before };
    let line = before.matches('\n').count() + 1;
    let found = problems_of(&[("pack.toml", &text.replace(from, to))]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(reason), "{found:#?}");
    let at: usize = found[0].split(':').nth(1).unwrap().parse().unwrap();
    let changed = line..=line + to.matches('\n').count();
    assert!(changed.contains(&at), "line {at} is not among {changed:?}: {found:#?}");
}

#[test]
fn the_shipped_pack_says_what_the_law_says() {
    let packs = shipped();
    let pack = packs.on(parse_date("2026-11-21").unwrap());
    assert_eq!(pack.version, "2026-01-01");
    let case = |state, schedule| RefillCase { state, schedule, species: Species::Human };
    let issued = parse_date("2026-01-31").unwrap();
    for (state, schedule, limit, until, citation) in [
        (State::Ca, DrugSchedule::Unscheduled, 99, "2027-01-31", "Policy unscheduled"),
        (State::Tx, DrugSchedule::Unscheduled, 99, "2027-01-31", "22 TAC 291.34"),
        (State::Ak, DrugSchedule::Unscheduled, 99, "2027-01-31", "12 AAC 52.470"),
        (State::Ca, DrugSchedule::C2, 0, "2026-05-01", "21 CFR 1306.12"),
        (State::Ca, DrugSchedule::C3, 5, "2026-07-31", "21 CFR 1306.22"),
        (State::Ca, DrugSchedule::C4, 5, "2026-07-31", "21 CFR 1306.22"),
        (State::Ca, DrugSchedule::C5, 99, "2027-01-31", "21 CFR 1306.22"),
        (State::Tx, DrugSchedule::C3, 5, "2026-07-31", "22 TAC 315.5"),
        (State::Tx, DrugSchedule::C5, 5, "2026-07-31", "22 TAC 315.5"),
    ] {
        let case = case(Some(state), schedule);
        let (found, by) = pack.refills.limit(&case);
        assert_eq!(found, limit, "{state} {schedule}");
        assert!(by.citation.starts_with(citation), "{state} {schedule}: {}", by.citation);
        assert_eq!(pack.refills.expires_on(&case, issued).0.to_string(), until, "{state} {schedule}");
    }
    let gates = &pack.gates;
    assert_eq!((pack.thresholds.percent, pack.thresholds.controlled_percent), (75, 85));
    assert_eq!((pack.thresholds.review_window_days, pack.thresholds.assumed_days_supply), (7, 30));
    assert_eq!((gates.temperature.max_transit_days, gates.compounding.min_reason_length), (2, 10));
    assert_eq!(gates.compounding.beyond_use_days, 35);
    assert_eq!(gates.veterinary.food_producing, [Species::Swine]);
    assert_eq!(gates.license.categories, LicenseCategory::ALL);
    assert!(gates.compounding.refused.iter().any(|word| word == "n/a"));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    refused("percent = 75", "percent = 0", "thresholds.percent must be a whole number from 1 to 100");
    refused("percent = 75", "percent = 75.0", "thresholds.percent must be a whole number");
    refused("lasts_days = 90", "lasts_days = 90\nlasts_hours = 1", "refills.lasts_hours is not a field");
    refused(
        "lasts_days = 90",
        "lasts_days = 90\nlasts_months = 3",
        "refills.lasts_months stands beside lasts_days",
    );
    refused("[\"AK\"]", "[\"XX\"]", "refills.states holds what is none of states");
    refused(
        "[\"C-II\"]\nmax",
        "[\"C-II\", \"C-VI\"]\nmax",
        "refills.schedules holds what is none of schedules",
    );
    refused("[\"swine\"]", "[\"unicorn\"]", "gates.veterinary.food_producing holds what is none of species");
    refused("citation = \"12 AAC 52.470\"\n", "\n", "refills.citation is missing");
    refused("citation = \"12 AAC 52.470\"", "citation = \" \"", "refills.citation must be a text");
    refused("id = \"alaska-unscheduled\"", "id = \"texas-unscheduled\"", "is that of another rule");
    refused("lasts_days = 90\n", "\n", "refills.lasts_months is missing");
    refused("beyond_use_days = 35", "beyond_use_days = 181", "must be a whole number from 1 to 180");
    refused("effective_from = 2026-01-01", "effective_from = 2026-02-30", "");
    refused("effective_from = 2026-01-01", "effective_from = \"2026-01-01\"", "effective_from must be a day");
    refused(
        "allow_po_box = false",
        "allow_po_box = \"no\"",
        "gates.temperature.allow_po_box must be true or false",
    );
    refused("\"n/a\", \"na\"", "\"n/a\", \"n/a\"", "holds the same twice");
    refused("code = \"strength\"", "code = \"allergy\"", "is that of another reason");
}

#[test]
fn rows_that_overlap_are_named_at_the_second() {
    let text = shipped_text();
    let second = text[..text.find("id = \"alaska-unscheduled\"").unwrap()].matches('\n').count();
    let reason = "refills alaska-unscheduled overlaps texas-unscheduled: two rows name the same state, schedule and species";
    let found = problems_of(&[("pack.toml", &text.replace("[\"AK\"]", "[\"TX\"]"))]);
    assert_eq!(found, [format!("pack.toml:{second}: {reason}")]);
}

#[test]
fn a_missing_section_or_schedule_is_named() {
    let text = shipped_text();
    let start = text.find("[gates.license]").unwrap();
    let end = start + text[start..].find("[gates.veterinary]").unwrap();
    let without = format!("{}{}", &text[..start], &text[end..]);
    let found = problems_of(&[("pack.toml", &without)]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("gates.license is missing: the section [gates.license]"), "{found:#?}");
    let uncovered = text.replace("schedules = [\"C-II\"]\nmax", "schedules = [\"C-III\"]\nmax");
    let found = problems_of(&[("pack.toml", &uncovered)]);
    assert!(found.iter().any(|it| it.contains("names the schedule C-II")), "{found:#?}");
    assert!(found.iter().any(|it| it.contains("federal-c3-c4 overlaps federal-c2")), "{found:#?}");
}

#[test]
fn every_problem_of_every_file_is_reported() {
    let text = shipped_text();
    let bad = text.replace("percent = 75", "percent = 750").replace("factor = 2", "factor = -2");
    let found = problems_of(&[("a.toml", &bad), ("b.toml", "version = "), ("c.toml", &text)]);
    let of = |file: &str| found.iter().filter(|line| line.starts_with(file)).count();
    assert_eq!((of("a.toml:"), of("b.toml:1:"), of("c.toml")), (2, 1, 0), "{found:#?}");
}

#[test]
fn packs_of_one_version_or_day_clash() {
    let text = shipped_text();
    let same_version = text.replace("effective_from = 2026-01-01", "effective_from = 2027-01-01");
    let same_day = text.replace("version = \"2026-01-01\"", "version = \"2026-01-01.2\"");
    let found = problems_of(&[("a.toml", &text), ("b.toml", &same_version), ("c.toml", &same_day)]);
    assert_eq!(
        found,
        ["b.toml:3: the version is also that of a.toml", "c.toml:4: a.toml is effective from the same day",]
    );
}

#[test]
fn a_folder_replaces_the_shipped_packs() {
    let folder = tempfile::tempdir().unwrap();
    assert!(sources_of(folder.path()).unwrap_err().to_string().contains("no rules pack"));
    fs::write(folder.path().join("notes.txt"), "not a pack").unwrap();
    fs::write(folder.path().join("own.toml"), shipped_text().replace("\"2026-01-01\"", "\"own\"")).unwrap();
    let packs = read(&sources_of(folder.path()).unwrap()).unwrap();
    assert_eq!(packs.all().len(), 1);
    assert_eq!(packs.on(parse_date("2030-01-01").unwrap()).version, "own");
    assert!(sources_of(&folder.path().join("missing")).is_err());
}

#[test]
fn no_text_panics() {
    let text = shipped_text();
    // Cut anywhere, a pack is refused and never more.
    for end in (0..text.len()).step_by(97) {
        let source = Source { file: "cut.toml".to_owned(), text: text[..end].to_owned() };
        assert!(read(&[source]).is_err(), "cut at {end}");
    }
}
