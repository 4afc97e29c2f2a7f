//! The sections of a rules pack.

use std::cell::RefCell;

use nimbus_core::{
    patient::Species,
    prescription::DrugSchedule,
    rules::{
        Among, CodedReason, CompoundingGate, ControlledGate, DaysSupplyGate, EligibilityRules, Gates, Lasts,
        LicenseCategory, LicenseGate, PractitionerGate, Provision, RefillRow, Refills, RefillsError,
        RulesPack, TemperatureGate, ThresholdRule, VeterinaryGate,
    },
    us::State,
};

use super::table::{Document, Table};

const SCHEDULES: &str = "schedules (unscheduled, C-II, C-III, C-IV, C-V)";
const SPECIES: &str = "species (human, canine, feline, equine, avian, mammal - other, reptilian, swine)";
const STATES: &str = "states, each two capital letters";

/// The ids of a pack's provisions, each with its place.
type Ids = RefCell<Vec<String>>;

/// Reads a whole pack. `None` if a problem was found, and sometimes a pack with problems kept beside it.
pub(super) fn read(document: &mut Document<'_>) -> Option<RulesPack> {
    let root = document.root();
    let ids = Ids::default();
    let version = root.text("version", 40);
    let effective_from = root.day("effective_from");
    let title = root.text("title", 200);
    let disclaimer = root.text("disclaimer", 500);
    let thresholds = root.section("thresholds", |section| thresholds(section, &ids));
    let refills = refills(root, &ids);
    let eligibility = root.section("eligibility", |section| eligibility(section, &ids));
    let gates = root.section("gates", |section| gates(section, &ids));
    Some(RulesPack {
        version: version?,
        effective_from: effective_from?,
        title: title?,
        disclaimer: disclaimer?,
        refills: refills?,
        thresholds: thresholds?,
        eligibility: eligibility?,
        gates: gates?,
    })
}

fn provision(section: &mut Table<'_>, ids: &Ids) -> Option<Provision> {
    let id = section.text("id", 60);
    let sentence = section.text("sentence", 500);
    let citation = section.text("citation", 200);
    let id = id?;
    let plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !plain {
        section.problem("id", "must be of lower-case letters, digits and hyphens");
    }
    if ids.borrow().contains(&id) {
        section.problem("id", "is that of another rule in this pack");
    }
    ids.borrow_mut().push(id.clone());
    Some(Provision { id, sentence: sentence?, citation: citation? })
}

fn thresholds(section: &mut Table<'_>, ids: &Ids) -> Option<ThresholdRule> {
    let provision = provision(section, ids);
    let percent = section.number("percent", 1..=100);
    let controlled_percent = section.number("controlled_percent", 1..=100);
    let review_window_days = section.number("review_window_days", 0..=30);
    let assumed_days_supply = section.number("assumed_days_supply", 1..=365);
    Some(ThresholdRule {
        provision: provision?,
        percent: percent?,
        controlled_percent: controlled_percent?,
        review_window_days: review_window_days?,
        assumed_days_supply: assumed_days_supply?,
    })
}

fn refills(root: &mut Table<'_>, ids: &Ids) -> Option<Refills> {
    let read = root.sections("refills", |section| Some((refill_row(section, ids)?, section.offset())))?;
    let (rows, places): (Vec<RefillRow>, Vec<usize>) = read.into_iter().unzip();
    let named: Vec<String> = rows.iter().map(|row| row.provision.id.clone()).collect();
    let errors = match Refills::new(rows) {
        Ok(refills) => return Some(refills),
        Err(errors) => errors,
    };
    for error in errors {
        match error {
            RefillsError::Uncovered(_) => root.problem("refills", &format!("lacks a row: {error}")),
            RefillsError::Overlap(first, second) => {
                let (first, second, at) = (&named[first], &named[second], places[second]);
                let reason = format!("refills {second} overlaps {first}: {error}");
                root.problem_at(at, &reason);
            }
        }
    }
    None
}

fn refill_row(section: &mut Table<'_>, ids: &Ids) -> Option<RefillRow> {
    let provision = provision(section, ids);
    let states = among(section, "states", STATES, capital_state);
    let schedules = section.list("schedules", SCHEDULES, DrugSchedule::parse);
    let species = if section.has("species") {
        among(section, "species", SPECIES, Species::parse)
    } else {
        Some(Among::All)
    };
    let max_refills = section.number("max_refills", 0..=99);
    let lasts = match (section.has("lasts_days"), section.has("lasts_months")) {
        (true, false) => section.number("lasts_days", 1..=730).map(Lasts::Days),
        (false, true) => section.number("lasts_months", 1..=24).map(Lasts::Months),
        (given, _) => {
            section.skip("lasts_days");
            section.skip("lasts_months");
            let reason =
                if given { "stands beside lasts_days" } else { "is missing, and lasts_days as well" };
            section.problem("lasts_months", reason);
            None
        }
    };
    Some(RefillRow {
        provision: provision?,
        states: states?,
        schedules: schedules?,
        species: species?,
        max_refills: max_refills?,
        lasts: lasts?,
    })
}

fn capital_state(text: &str) -> Option<State> {
    State::parse(text).ok().filter(|state| state.code() == text)
}

/// The text `all`, or a list.
fn among<T: PartialEq>(
    section: &mut Table<'_>,
    field: &str,
    what: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<Among<T>> {
    if section.is_text(field, "all") {
        section.skip(field);
        return Some(Among::All);
    }
    section.list(field, &format!("{what}, or the text \"all\""), parse).map(Among::These)
}

fn eligibility(section: &mut Table<'_>, ids: &Ids) -> Option<EligibilityRules> {
    let mut of = |code: &str| section.section(code, |section| provision(section, ids));
    let rules = [
        of("not_shipped"),
        of("already_open"),
        of("do_not_refill"),
        of("discontinued"),
        of("wrong_patient"),
        of("patient_inactive"),
        of("practitioner_not_active"),
        of("quantity"),
    ];
    let [
        not_shipped,
        already_open,
        do_not_refill,
        discontinued,
        wrong_patient,
        patient_inactive,
        practitioner_not_active,
        quantity,
    ] = rules;
    Some(EligibilityRules {
        not_shipped: not_shipped?,
        already_open: already_open?,
        do_not_refill: do_not_refill?,
        discontinued: discontinued?,
        wrong_patient: wrong_patient?,
        patient_inactive: patient_inactive?,
        practitioner_not_active: practitioner_not_active?,
        quantity: quantity?,
    })
}

fn gates(section: &mut Table<'_>, ids: &Ids) -> Option<Gates> {
    let temperature = section.section("temperature", |section| temperature(section, ids));
    let compounding = section.section("compounding", |section| compounding(section, ids));
    let days_supply = section.section("days_supply", |section| {
        let (provision, factor) = (provision(section, ids), section.number("factor", 1..=100));
        Some(DaysSupplyGate { provision: provision?, factor: factor? })
    });
    let controlled = section.section("controlled", |section| {
        let provision = provision(section, ids);
        let original_for = section.list("original_for", SCHEDULES, DrugSchedule::parse);
        Some(ControlledGate { provision: provision?, original_for: original_for? })
    });
    let license = section.section("license", |section| {
        let provision = provision(section, ids);
        let known = "categories (retail, compounding, controlled, veterinary)";
        let categories = section.list("categories", known, LicenseCategory::parse);
        Some(LicenseGate { provision: provision?, categories: categories? })
    });
    let veterinary = section.section("veterinary", |section| veterinary(section, ids));
    let practitioner = section.section("practitioner", |section| {
        let provision = provision(section, ids);
        let dea_for = section.list("dea_for", SCHEDULES, DrugSchedule::parse);
        Some(PractitionerGate { provision: provision?, dea_for: dea_for? })
    });
    Some(Gates {
        temperature: temperature?,
        compounding: compounding?,
        days_supply: days_supply?,
        controlled: controlled?,
        license: license?,
        veterinary: veterinary?,
        practitioner: practitioner?,
    })
}

fn temperature(section: &mut Table<'_>, ids: &Ids) -> Option<TemperatureGate> {
    let provision = provision(section, ids);
    let max_transit_days = section.number("max_transit_days", 1..=10);
    let allow_po_box = section.boolean("allow_po_box");
    let allow_weekend = section.boolean("allow_weekend");
    let allow_holiday = section.boolean("allow_holiday");
    Some(TemperatureGate {
        provision: provision?,
        max_transit_days: max_transit_days?,
        allow_po_box: allow_po_box?,
        allow_weekend: allow_weekend?,
        allow_holiday: allow_holiday?,
    })
}

fn compounding(section: &mut Table<'_>, ids: &Ids) -> Option<CompoundingGate> {
    let provision = provision(section, ids);
    let min_reason_length = section.number("min_reason_length", 1..=200);
    let refused = section.phrases("refused");
    let beyond_use_days = section.number("beyond_use_days", 1..=180);
    let codes = Ids::default();
    let reasons = section.sections("reasons", |section| {
        let (code, meaning) = (section.text("code", 40), section.text("meaning", 200));
        let code = code?;
        if codes.borrow().contains(&code) {
            section.problem("code", "is that of another reason");
        }
        codes.borrow_mut().push(code.clone());
        Some(CodedReason { code, meaning: meaning? })
    });
    Some(CompoundingGate {
        provision: provision?,
        min_reason_length: min_reason_length?,
        reasons: reasons?,
        refused: refused?,
        beyond_use_days: beyond_use_days?,
    })
}

fn veterinary(section: &mut Table<'_>, ids: &Ids) -> Option<VeterinaryGate> {
    let provision = provision(section, ids);
    let require_owner = section.boolean("require_owner");
    let require_weight = section.boolean("require_weight");
    let food_producing = section.list("food_producing", SPECIES, Species::parse);
    let may_be_food_producing = section.list("may_be_food_producing", SPECIES, Species::parse);
    Some(VeterinaryGate {
        provision: provision?,
        require_owner: require_owner?,
        require_weight: require_weight?,
        food_producing: food_producing?,
        may_be_food_producing: may_be_food_producing?,
    })
}
