//! Drugs are found by name, strength, form and drug code.

use proptest::prelude::*;

use super::*;

pub(super) fn drug(id: &str, name: &str, form: &str, strength: &str) -> Drug {
    Drug {
        id: id.to_owned(),
        name: name.to_owned(),
        aliases: Vec::new(),
        form: form.to_owned(),
        strength: strength.to_owned(),
        unit: Unit::of_form(form).unwrap_or(Unit::Each),
        packages: Vec::new(),
        schedule: DrugSchedule::Unscheduled,
        refrigerated: false,
        compounded: false,
        ndcs: Vec::new(),
        species: DrugSpecies::Human,
    }
}

fn formulary() -> Formulary {
    let ndc = |text| vec![Ndc::parse(text).unwrap()];
    Formulary::new(vec![
        Drug {
            schedule: DrugSchedule::C3,
            ndcs: ndc("0009-0417-01"),
            aliases: vec!["Depo-Testosterone".to_owned()],
            ..drug("cypionate", "Testosterone Cypionate", "injection", "200 mg/mL")
        },
        drug("tretinoin-025", "Tretinoin", "cream", "0.025%"),
        drug("tretinoin-05", "Tretinoin", "cream", "0.05%"),
        drug("finasteride-1", "Finasteride", "tablet", "1 mg"),
        drug("finasteride-5", "Finasteride", "tablet", "5 mg"),
        Drug {
            refrigerated: true,
            compounded: true,
            ..drug("sema", "Semaglutide", "injection", "2.5 mg/mL")
        },
        Drug {
            refrigerated: true,
            ndcs: ndc("0169-4181-13"),
            aliases: vec!["Ozempic".to_owned()],
            ..drug("ozempic", "Ozempic (semaglutide)", "pen", "2 mg/3 mL")
        },
        Drug { schedule: DrugSchedule::C3, ..drug("test-c3", "Test C3", "tablet", "10 mg") },
    ])
    .unwrap()
}

fn asked(medication: &str, dose: &str, ndc: Option<&str>) -> PrescriptionDetail {
    PrescriptionDetail {
        medication: medication.to_owned(),
        dose: dose.to_owned(),
        unit_of_measure: None,
        direction: String::new(),
        ndc: ndc.map(str::to_owned),
        flavor: None,
        notes: None,
        patient_contact_requested: false,
        reason_for_compounding: None,
        reason_for_compounding_additional_context: None,
    }
}

/// The id that is found, or what else is said.
fn found(formulary: &Formulary, asked: &PrescriptionDetail, list: &ClinicList) -> String {
    match formulary.find(asked, list) {
        Found::Drug(drug) => drug.id,
        Found::NotListed(drug) => format!("not listed: {}", drug.id),
        Found::Ambiguous(drugs) => {
            let ids: Vec<String> = drugs.into_iter().map(|drug| drug.id).collect();
            format!("one of {}", ids.join(", "))
        }
        Found::Unknown => "unknown".to_owned(),
    }
}

#[test]
fn names_are_read_in_any_writing() {
    let formulary = formulary();
    for (medication, dose, expected) in [
        ("Testosterone Cypionate", "200mg/ml", "cypionate"),
        ("TESTOSTERONE  cypionate", "200 MG / mL", "cypionate"),
        ("Testostérone-Cypionate 200mg/mL injection", "0.5 mL", "cypionate"),
        ("cypionate, testosterone", "0.5 mL", "cypionate"),
        ("depo testosterone", "1 mL", "cypionate"),
        ("Testosterone Cypionate", "100mg/ml", "one of cypionate"),
        ("Testosterone Cypionate 100 mg/mL", "1 mL", "unknown"),
        ("Testosterone", "200 mg/mL", "unknown"),
        ("Tretinoin 0.05% Cream", "0.05%", "tretinoin-05"),
        ("tretinoin cream .050 %", "pea-sized", "tretinoin-05"),
        ("Tretinoin", "0.025%", "tretinoin-025"),
        ("Tretinoin", "1 application", "one of tretinoin-025, tretinoin-05"),
        ("Tretinoin gel", "0.05%", "unknown"),
        ("Tretinoin 0.1% cream", "0.1%", "unknown"),
        ("Finasteride 5 mg tablets", "10 mg", "finasteride-5"),
        ("Finasteride", "10 mg", "one of finasteride-1, finasteride-5"),
        ("Test C3", "1 tablet", "test-c3"),
        ("Semaglutide", "0.25 mL", "sema"),
        ("", "", "unknown"),
        ("%", "1", "unknown"),
    ] {
        let found = found(&formulary, &asked(medication, dose, None), &ClinicList::default());
        assert_eq!(found, expected, "{medication} {dose}");
    }
}

#[test]
fn a_drug_code_decides_unless_the_name_is_another_drugs() {
    let formulary = formulary();
    for (medication, ndc, expected) in [
        ("Testosterone Cypionate", "0009-0417-01", "cypionate"),
        ("Testosterone Cypionate", "00009-0417-01", "cypionate"),
        ("testosterone cyp", "00009041701", "cypionate"),
        ("Semaglutide", "0169-4181-13", "ozempic"),
        ("Semaglutide", "0169-9999-99", "sema"),
        ("Finasteride 5 mg", "0169-4181-13", "one of finasteride-5, ozempic"),
        ("Nothing known", "0169-4181-13", "one of ozempic"),
    ] {
        let found = found(&formulary, &asked(medication, "1 unit", Some(ndc)), &ClinicList::default());
        assert_eq!(found, expected, "{medication} {ndc}");
    }
}

#[test]
fn a_clinic_orders_what_it_lists_and_its_own() {
    let formulary = formulary();
    let own = drug("own-serum", "House Serum", "cream", "2%");
    let some = ClinicList { listed: ["tretinoin-05".to_owned()].into(), own: vec![own.clone()] };
    let only_own = ClinicList { listed: HashSet::new(), own: vec![own] };
    for (medication, dose, listed, unlisted) in [
        ("Tretinoin", "pea-sized", "tretinoin-05", "one of tretinoin-025, tretinoin-05"),
        ("Tretinoin 0.025% cream", "", "not listed: tretinoin-025", "tretinoin-025"),
        ("House serum 2%", "", "own-serum", "own-serum"),
        ("Other serum 2%", "", "unknown", "unknown"),
        ("Depo-Testosterone", "1 mL", "not listed: cypionate", "cypionate"),
    ] {
        let asked = asked(medication, dose, None);
        assert_eq!(found(&formulary, &asked, &some), listed, "{medication}");
        assert_eq!(found(&formulary, &asked, &only_own), unlisted, "{medication}");
    }
    let coded = asked("Testosterone Cypionate", "1 mL", Some("0009-0417-01"));
    assert_eq!(found(&formulary, &coded, &some), "not listed: cypionate");
}

#[test]
fn of_drugs_in_doubt_the_strictest_facts_hold() {
    let formulary = formulary();
    let facts = |asked: &PrescriptionDetail| {
        let found = formulary.find(asked, &ClinicList::default());
        (found.facts(&asked.medication), found.doubt().is_some())
    };
    let none = ClinicList::default();
    assert!(matches!(formulary.find(&asked("Lotion", "1", None), &none), Found::Unknown));
    let (plain, doubt) = facts(&asked("Lotion", "1", None));
    assert_eq!((plain.schedule, plain.drug_id, doubt), (DrugSchedule::Unscheduled, None, true));
    let (unknown, doubt) = facts(&asked("Testosterone Undecanoate", "200 mg", None));
    assert_eq!((unknown.schedule, unknown.drug_id, doubt), (DrugSchedule::C3, None, true));
    let (either, doubt) = facts(&asked("Finasteride 5 mg", "", Some("0009-0417-01")));
    assert_eq!((either.schedule, either.drug_id, doubt), (DrugSchedule::C3, None, true));
    let (known, doubt) = facts(&asked("Semaglutide", "2.5 mg/ml", None));
    assert_eq!((known.refrigerated, known.compounded, doubt), (true, true, false));
}

#[test]
fn impossible_entries_are_refused() {
    let wrong = |drug: Drug| check(&drug);
    assert!(wrong(drug("a-1", "Alpha", "tablet", "5 mg")).is_empty());
    assert_eq!(wrong(drug("A 1", "Alpha", "tablet", "5 mg")).len(), 1);
    assert_eq!(wrong(drug("a", "12", "-", "strong")).len(), 3);
    let coded = Drug { compounded: true, ..formulary().get("ozempic").unwrap().clone() };
    assert_eq!(wrong(coded), ["a compounded drug has no NDC"]);
    let alias = Drug { aliases: vec!["Testosterone".to_owned()], ..drug("a", "Alpha", "gel", "1%") };
    assert_eq!(wrong(alias).len(), 1);
    let same = vec![drug("a", "Alpha", "tablet", "5 mg"), drug("b", "ALPHA", "Tablets", "5mg")];
    let problems = Formulary::new(same).unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.entry).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_twin_is_the_same_name_strength_and_form() {
    let formulary = formulary();
    assert!(formulary.has_twin(&drug("own", "TRETINOIN", "Cream", "0.050 %")));
    assert!(!formulary.has_twin(&drug("own", "Tretinoin", "gel", "0.05%")));
    assert!(!formulary.has_twin(&drug("own", "Tretinoin", "cream", "0.1%")));
}

proptest! {
    #[test]
    fn normalising_again_changes_nothing(text in any::<String>()) {
        let words = normalise(&text);
        prop_assert_eq!(normalise(&words.join(" ")), words);
    }

    #[test]
    fn no_request_panics(medication in any::<String>(), dose in any::<String>(), ndc in "[0-9-]{0,14}") {
        let _ = formulary().find(&asked(&medication, &dose, Some(&ndc)), &ClinicList::default());
    }

    #[test]
    fn case_spaces_and_punctuation_do_not_matter(
        gap in prop::sample::select(vec![" ", "  ", " - ", ", ", "\t"]), upper in any::<bool>(),
    ) {
        let text = ["Finasteride", "5", "mg", "tablet"].join(gap);
        let text = if upper { text.to_uppercase() } else { text };
        prop_assert_eq!(found(&formulary(), &asked(&text, "", None), &ClinicList::default()), "finasteride-5");
    }
}
