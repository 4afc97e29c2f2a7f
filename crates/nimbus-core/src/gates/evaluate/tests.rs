//! Every gate by table, and all of them over random cases.

use proptest::prelude::*;

use super::*;
use crate::{
    formulary::{DrugSpecies, Unit as Counted},
    ids::{ClinicId, PatientId, PractitionerId, PrescriptionId},
    patient::Gender,
    phi::Phi,
    prescription::{PrescriptionDetail, PrescriptionStatus},
    rules::testing::pack,
    time::{Ts, parse_date},
};
use uuid::Uuid;

fn address(line_1: &str) -> Address {
    Address {
        line_1: line_1.to_owned(),
        line_2: None,
        line_3: None,
        city: "Austin".to_owned(),
        state: "TX".to_owned(),
        postal_code: "78702".to_owned(),
    }
}

fn patient(species: Species) -> Phi<PatientProfile> {
    Phi::new(PatientProfile {
        first_name: "Rex".to_owned(),
        middle_name: None,
        last_name: "Vale".to_owned(),
        gender: Gender::Unknown,
        dob: parse_date("2020-01-01").unwrap(),
        species,
        animal_owner_name: Some("Robin Vale".to_owned()),
        weight: Some("12 kg".to_owned()),
        weight_recorded_date: None,
        height: None,
        contacts: Vec::new(),
        address: address("9 Elm St"),
        medication_allergies: Vec::new(),
        medical_history: None,
        preferred_contact: None,
        notes: None,
    })
}

fn prescription() -> Prescription {
    Prescription {
        id: PrescriptionId(Uuid::nil()),
        clinic_id: ClinicId(Uuid::nil()),
        patient_id: PatientId(Uuid::nil()),
        practitioner_id: PractitionerId(Uuid::nil()),
        status: PrescriptionStatus::Active,
        detail: Phi::new(PrescriptionDetail {
            medication: "Lisinopril".to_owned(),
            dose: "10mg".to_owned(),
            unit_of_measure: Some("tablet".to_owned()),
            direction: "Take one tablet by mouth daily".to_owned(),
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
        quantity: Quantity::parse("30").unwrap(),
        days_supply: Some(30),
        refills_authorized: 0,
        refills_used: 0,
        do_not_refill: false,
        date_issued: parse_date("2026-01-01").unwrap(),
        expires_on: parse_date("2027-01-01").unwrap(),
        issued_state: None,
        issued_species: Species::Human,
        rx_number: None,
        version: 1,
        created_at: Ts::from_micros(0),
        updated_at: Ts::from_micros(0),
    }
}

fn tablet() -> Drug {
    Drug {
        id: "lisinopril-10".to_owned(),
        name: "Lisinopril".to_owned(),
        aliases: Vec::new(),
        form: "tablet".to_owned(),
        strength: "10 mg".to_owned(),
        unit: Counted::Tablet,
        packages: Vec::new(),
        schedule: DrugSchedule::Unscheduled,
        refrigerated: false,
        compounded: false,
        ndcs: Vec::new(),
        species: DrugSpecies::Human,
    }
}

/// A case that is owned, so that tests change what they are about.
#[derive(Debug)]
struct Sample {
    prescription: Prescription,
    patient: Phi<PatientProfile>,
    address: Phi<Address>,
    stage: Stage,
    drug: Option<Drug>,
    doubt: Option<&'static str>,
    way: Way,
    has_dea: bool,
    licenses: Vec<LicenseCategory>,
    has_original: bool,
    settled: Vec<Gate>,
}

/// One that no gate stops.
fn sample() -> Sample {
    Sample {
        prescription: prescription(),
        patient: patient(Species::Human),
        address: Phi::new(address("9 Elm St")),
        stage: Stage::Work,
        drug: Some(tablet()),
        doubt: None,
        way: Way { transit_days: 5, spans_weekend: false, spans_holiday: false },
        has_dea: true,
        licenses: LicenseCategory::ALL.to_vec(),
        has_original: false,
        settled: Vec::new(),
    }
}

fn found(sample: &Sample) -> Vec<Finding> {
    let pack = pack("1", "2026-01-01");
    evaluate(&Case {
        rules: &pack.gates,
        stage: sample.stage,
        prescription: &sample.prescription,
        quantity: sample.prescription.quantity,
        days_supply: sample.prescription.days_supply,
        drug: sample.drug.as_ref(),
        doubt: sample.doubt,
        is_cold: sample.prescription.refrigerated,
        way: sample.way,
        address: sample.address.expose(),
        patient: sample.patient.expose(),
        has_dea: sample.has_dea,
        licenses: &sample.licenses,
        has_original: sample.has_original,
        settled: &sample.settled,
    })
}

/// Which gates find something, with the reason of their holds.
#[track_caller]
fn check(change: impl FnOnce(&mut Sample), expect: &[(Gate, HoldReason)]) {
    let mut sample = sample();
    change(&mut sample);
    let all = found(&sample);
    let told: Vec<_> = all.iter().map(|finding| (finding.gate, finding.reason)).collect();
    assert_eq!(told, expect);
    assert!(all.iter().all(|finding| !finding.citation.is_empty() && finding.message.ends_with('.')));
}

const COLD: (Gate, HoldReason) = (Gate::Temperature, HoldReason::Temperature);
const COMPOUND: (Gate, HoldReason) = (Gate::Compounding, HoldReason::Clarification);
const DAYS: (Gate, HoldReason) = (Gate::DaysSupply, HoldReason::Clarification);
const ANIMAL: (Gate, HoldReason) = (Gate::Veterinary, HoldReason::Clarification);
const ORIGINAL: (Gate, HoldReason) = (Gate::Controlled, HoldReason::AwaitingValidPrescription);
const LICENSE: (Gate, HoldReason) = (Gate::License, HoldReason::License);
const DEA: (Gate, HoldReason) = (Gate::Practitioner, HoldReason::PrescriberOutreach);

#[test]
fn an_ordinary_line_passes_every_gate() {
    check(|_| {}, &[]);
}

#[test]
fn a_quantity_is_in_a_unit_of_its_drug() {
    let said = |unit: Option<&str>, change: fn(&mut Sample)| {
        let unit = unit.map(str::to_owned);
        move |it: &mut Sample| {
            it.prescription.detail.expose_mut().unit_of_measure = unit;
            change(it);
        }
    };
    const UNIT: (Gate, HoldReason) = (Gate::Unit, HoldReason::Clarification);
    for unit in [None, Some("tabs"), Some("EA")] {
        check(said(unit, |_| {}), &[]);
    }
    for unit in ["vial", "mL", "bunch"] {
        check(said(Some(unit), |_| {}), &[UNIT]);
        check(said(Some(unit), |it| it.stage = Stage::Intake), &[UNIT]);
        check(said(Some(unit), |it| it.stage = Stage::Label), &[]);
        check(said(Some(unit), |it| it.settled = vec![Gate::Unit]), &[]);
        check(said(Some(unit), |it| it.drug = None), &[]);
    }
    check(said(None, |it| it.drug.as_mut().unwrap().unit = Counted::Millilitre), &[]);
}

#[test]
fn what_is_cold_travels_two_days_and_over_no_weekend() {
    check(|it| it.prescription.refrigerated = true, &[COLD]);
    let cold = |days, spans_rest, stage| {
        move |it: &mut Sample| {
            it.prescription.refrigerated = true;
            (it.way, it.stage) =
                (Way { transit_days: days, spans_weekend: spans_rest, spans_holiday: false }, stage);
        }
    };
    check(cold(2, false, Stage::Label), &[]);
    check(cold(2, true, Stage::Label), &[COLD]);
    check(cold(2, true, Stage::Work), &[]);
    check(cold(3, true, Stage::Label), &[COLD, COLD]);
}

#[test]
fn the_pack_says_how_long_and_over_what_rest_the_cold_travels() {
    let mut rule = pack("1", "2026-01-01").gates.temperature;
    let way = |transit_days, spans_weekend, spans_holiday| Way { transit_days, spans_weekend, spans_holiday };
    let kept = |rule: &TemperatureGate| {
        [way(2, false, false), way(2, true, false), way(2, false, true), way(3, false, false)]
            .map(|way| way.keeps_cold(rule))
    };
    assert_eq!(kept(&rule), [true, false, false, false]);
    rule.allow_weekend = true;
    assert_eq!(kept(&rule), [true, true, false, false]);
    rule.allow_holiday = true;
    rule.max_transit_days = 3;
    assert_eq!(kept(&rule), [true, true, true, true]);
}

#[test]
fn a_released_hold_lets_the_work_go_on_but_sends_nothing_by_a_slow_service() {
    let released = |stage| {
        move |it: &mut Sample| {
            it.prescription.refrigerated = true;
            (it.stage, it.settled) = (stage, vec![Gate::Temperature]);
        }
    };
    check(released(Stage::Work), &[]);
    check(released(Stage::Label), &[COLD]);
}

#[test]
fn a_post_office_box_is_known_by_its_words() {
    for (line, is_box) in [
        ("PO Box 12", true),
        ("P.O. Box 12", true),
        ("p o box 12", true),
        ("Post Office Box 12", true),
        ("POB 12", true),
        ("POBox 12", true),
        ("12 Pobox Lane", true),
        ("12 Boxwood Dr", false),
        ("9 Elm St, PO", false),
        ("POB Tower 3", false),
        ("", false),
    ] {
        assert_eq!(is_po_box(&address(line)), is_box, "{line}");
    }
    let second = Address { line_2: Some("P. O. Box 9".to_owned()), ..address("9 Elm St") };
    assert!(is_po_box(&second));
    check(
        |it| {
            it.prescription.refrigerated = true;
            it.way.transit_days = 1;
            it.address = Phi::new(address("PO Box 1"));
        },
        &[COLD],
    );
    check(|it| it.address = Phi::new(address("PO Box 1")), &[]);
}

#[test]
fn a_compounded_drug_needs_its_reason() {
    let with = |reason: Option<&str>| {
        let reason = reason.map(str::to_owned);
        move |it: &mut Sample| {
            it.prescription.compounded = true;
            it.prescription.detail.expose_mut().reason_for_compounding = reason;
        }
    };
    for refused in [None, Some("N/A"), Some("n/a."), Some("  n/a  "), Some("allergic"), Some("")] {
        check(with(refused), &[COMPOUND]);
    }
    for reason in ["allergy", "Allergy", "Cannot swallow the tablets that are sold"] {
        check(with(Some(reason)), &[]);
    }
}

#[test]
fn figures_that_contradict_the_sig_twofold_are_asked_about() {
    let with = |direction: &str, quantity: &str, days: Option<u32>| {
        let (direction, quantity) = (direction.to_owned(), Quantity::parse(quantity).unwrap());
        move |it: &mut Sample| {
            it.prescription.detail.expose_mut().direction = direction;
            (it.prescription.quantity, it.prescription.days_supply) = (quantity, days);
        }
    };
    check(with("Take 1 tablet daily", "60", Some(30)), &[]);
    check(with("Take 1 tablet daily", "60.001", Some(30)), &[DAYS]);
    check(with("Take 1 tablet daily", "15", Some(30)), &[]);
    check(with("Take 1 tablet daily", "14.999", Some(30)), &[DAYS]);
    check(with("Take 1 tablet twice daily", "1", Some(30)), &[DAYS]);
    check(with("Take 1 tablet daily", "1", None), &[]);
    check(with("Take 1-2 tablets daily", "120", Some(30)), &[]);
    check(with("Take 1-2 tablets daily as needed", "3", Some(30)), &[]);
    check(with("Take 1 tablet daily as needed", "61", Some(30)), &[DAYS]);
    check(with("Inject 0.5 mL weekly", "1", Some(300)), &[]);
    check(with("Use as directed", "1", Some(300)), &[]);
}

#[test]
fn a_controlled_drug_waits_for_its_original_and_needs_a_dea_number() {
    check(|it| it.prescription.schedule = DrugSchedule::C3, &[ORIGINAL]);
    check(
        |it| {
            it.prescription.schedule = DrugSchedule::C3;
            it.has_original = true;
        },
        &[],
    );
    // The pack of the tests asks for the number for C-II alone.
    check(
        |it| {
            it.prescription.schedule = DrugSchedule::C2;
            it.has_dea = false;
        },
        &[ORIGINAL, DEA],
    );
    check(|it| it.has_dea = false, &[]);
}

#[test]
fn a_licence_is_needed_for_all_that_the_line_is() {
    use LicenseCategory::{Compounding, Controlled, Retail, Veterinary};
    check(|it| it.licenses.clear(), &[LICENSE]);
    check(|it| it.licenses = vec![Retail], &[]);
    let lacking = |lacks: LicenseCategory| {
        move |it: &mut Sample| {
            it.patient = patient(Species::Canine);
            it.prescription.compounded = true;
            it.prescription.detail.expose_mut().reason_for_compounding = Some("allergy".to_owned());
            it.prescription.schedule = DrugSchedule::C4;
            it.has_original = true;
            it.licenses.retain(|category| *category != lacks);
        }
    };
    for lacks in [Retail, Compounding, Controlled, Veterinary] {
        check(lacking(lacks), &[LICENSE]);
    }
}

#[test]
fn an_animal_is_described_and_is_not_food() {
    let of = |species, compounded| {
        move |it: &mut Sample| {
            it.patient = patient(species);
            it.prescription.compounded = compounded;
            it.prescription.detail.expose_mut().reason_for_compounding = Some("allergy".to_owned());
        }
    };
    check(of(Species::Canine, true), &[]);
    check(of(Species::Swine, false), &[]);
    check(of(Species::Swine, true), &[ANIMAL]);
    check(of(Species::Equine, true), &[ANIMAL]);
    check(
        |it| {
            it.patient = patient(Species::Feline);
            it.patient.expose_mut().animal_owner_name = Some(" ".to_owned());
            it.patient.expose_mut().weight = None;
        },
        &[ANIMAL, ANIMAL],
    );
}

#[test]
fn what_a_partner_can_answer_is_named() {
    let fields = |change: fn(&mut Sample)| {
        let mut sample = sample();
        change(&mut sample);
        found(&sample).into_iter().flat_map(|finding| finding.fields).collect::<Vec<Field>>()
    };
    assert_eq!(fields(|it| it.prescription.compounded = true), [Field::ReasonForCompounding]);
    assert_eq!(fields(|it| it.doubt = Some("it is not known")), [Field::Medication, Field::Ndc]);
    let unit: fn(&mut Sample) =
        |it| it.prescription.detail.expose_mut().unit_of_measure = Some("bunch".to_owned());
    assert_eq!(fields(unit), [Field::UnitOfMeasure, Field::Quantity]);
    assert_eq!(
        fields(|it| it.prescription.days_supply = Some(365)),
        [Field::DaysSupply, Field::Quantity, Field::Direction]
    );
    let without_number = |it: &mut Sample| {
        it.prescription.schedule = DrugSchedule::C2;
        (it.has_original, it.has_dea) = (true, false);
    };
    assert_eq!(fields(without_number), [Field::DeaNumber]);
    assert!(fields(|it| it.licenses.clear()).is_empty());
}

fn any_sample() -> impl Strategy<Value = Sample> {
    let drug = (any::<bool>(), any::<bool>(), 0usize..5, 1i64..1_000_000, proptest::option::of(1u32..366));
    let way = (0u32..10, any::<bool>(), 0usize..3);
    let facts = (any::<bool>(), any::<bool>(), 0usize..8, 0u8..16);
    (drug, way, facts).prop_map(|(drug, way, facts)| {
        let mut it = sample();
        (it.prescription.refrigerated, it.prescription.compounded) = (drug.0, drug.1);
        it.prescription.schedule = DrugSchedule::ALL[drug.2];
        it.prescription.quantity = Quantity::from_thousandths(drug.3).unwrap();
        it.prescription.days_supply = drug.4;
        it.way = Way { transit_days: way.0, spans_weekend: way.1, spans_holiday: way.1 };
        it.stage = [Stage::Intake, Stage::Work, Stage::Label][way.2];
        (it.has_dea, it.has_original) = (facts.0, facts.1);
        it.patient = patient(Species::ALL[facts.2]);
        let has =
            |(place, category): (usize, &LicenseCategory)| (facts.3 & (1 << place) != 0).then_some(*category);
        it.licenses = LicenseCategory::ALL.iter().enumerate().filter_map(has).collect();
        it
    })
}

proptest! {
    /// Every gate answers by itself: what one finds does not depend on the others. A settled one is silent, but for
    /// the cold at the label.
    #[test]
    fn gates_are_independent(mut sample in any_sample()) {
        let all = found(&sample);
        let stage = sample.stage;
        let is_asked_anew = |it: &Finding| it.gate == Gate::Temperature && stage == Stage::Label;
        for gate in Gate::ALL {
            sample.settled = Gate::ALL.iter().copied().filter(|other| other != gate).collect();
            let own: Vec<Finding> =
                all.iter().filter(|it| it.gate == *gate || is_asked_anew(it)).cloned().collect();
            prop_assert_eq!(found(&sample), own);
        }
        sample.settled = Gate::ALL.to_vec();
        let left: Vec<Finding> = all.iter().filter(|it| is_asked_anew(it)).cloned().collect();
        prop_assert_eq!(found(&sample), left);
    }

    /// More licences, an original, a number and a faster way never stop what passed before.
    #[test]
    fn having_more_stops_nothing(sample in any_sample()) {
        let before = found(&sample).len();
        let mut better = sample;
        better.licenses = LicenseCategory::ALL.to_vec();
        (better.has_dea, better.has_original) = (true, true);
        better.way = Way { transit_days: 1, spans_weekend: false, spans_holiday: false };
        prop_assert!(found(&better).len() <= before);
    }

    /// A sig of so much a day is contradicted exactly when need and quantity differ more than twofold.
    #[test]
    fn days_supply_is_compared_exactly(amount in 1i64..9, times in 1usize..5, quantity in 1i64..2_000_000, days in 1u32..366) {
        let often = ["once daily", "twice daily", "three times daily", "four times daily"][times - 1];
        let mut it = sample();
        it.prescription.detail.expose_mut().direction = format!("Take {amount} tablets {often}");
        it.prescription.quantity = Quantity::from_thousandths(quantity).unwrap();
        it.prescription.days_supply = Some(days);
        let need = amount * 1000 * times as i64 * i64::from(days);
        let contradicts = need > 2 * quantity || quantity > 2 * need;
        prop_assert_eq!(!found(&it).is_empty(), contradicts);
    }
}
