//! A rules pack as it is shown.

use nimbus_core::{
    eligibility::Rule,
    patient::Species,
    prescription::DrugSchedule,
    rules::{Among, CodedReason, Gates, Lasts, LicenseCategory, Provision, RefillRow, RulesPack},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{wire::Day, words};

/// The rules in force from a day on. Not legal advice: see `disclaimer`.
#[derive(Serialize, ToSchema)]
pub struct RulesView {
    /// What decisions on record name it by.
    #[schema(example = "2026-01-01")]
    pub version: String,
    pub effective_from: Day,
    #[schema(example = "Federal law and the policy of a mail-order pharmacy")]
    pub title: String,
    #[schema(example = "Not legal advice.")]
    pub disclaimer: String,
    pub thresholds: ThresholdRuleView,
    /// Of all rows that cover a prescription the strictest wins.
    pub refills: Vec<RefillRowView>,
    /// The rules of eligibility that have no numbers.
    pub eligibility: Vec<EligibilityRuleView>,
    pub gates: GatesView,
}

#[derive(Serialize, ToSchema)]
pub struct RuleView {
    #[schema(example = "federal-c3-c4")]
    pub id: String,
    #[schema(
        example = "A prescription for a schedule III or IV drug is refilled at most five times, within six months of its issue."
    )]
    pub sentence: String,
    /// The regulation behind the rule, or the pharmacy's policy.
    #[schema(example = "21 CFR 1306.22")]
    pub citation: String,
}

#[derive(Serialize, ToSchema)]
pub struct ThresholdRuleView {
    pub rule: RuleView,
    pub percent: u32,
    pub controlled_percent: u32,
    pub review_window_days: u32,
    pub assumed_days_supply: u32,
}

#[derive(Serialize, ToSchema)]
pub struct RefillRowView {
    pub rule: RuleView,
    /// `null`: every state.
    #[schema(example = json!(["TX"]))]
    pub states: Option<Vec<&'static str>>,
    #[schema(value_type = Vec<words::Schedule>)]
    pub schedules: Vec<&'static str>,
    /// `null`: every species.
    #[schema(value_type = Option<Vec<words::Species>>)]
    pub species: Option<Vec<&'static str>>,
    pub max_refills: u32,
    /// How long from its issue a prescription may be filled; in months if `null`.
    pub lasts_days: Option<u32>,
    pub lasts_months: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub struct EligibilityRuleView {
    #[schema(value_type = words::RefillRule)]
    pub code: &'static str,
    pub rule: RuleView,
}

#[derive(Serialize, ToSchema)]
pub struct GatesView {
    pub temperature: TemperatureView,
    pub compounding: CompoundingView,
    pub days_supply: DaysSupplyView,
    pub controlled: ControlledView,
    pub license: LicenseView,
    pub veterinary: VeterinaryView,
    pub practitioner: PractitionerGateView,
}

#[derive(Serialize, ToSchema)]
pub struct TemperatureView {
    pub rule: RuleView,
    pub max_transit_days: u32,
    pub allow_po_box: bool,
    pub allow_weekend: bool,
    pub allow_holiday: bool,
}

#[derive(Serialize, ToSchema)]
pub struct CompoundingView {
    pub rule: RuleView,
    pub min_reason_length: u32,
    pub reasons: Vec<CodedReasonView>,
    /// Words that are no reason.
    #[schema(example = json!(["n/a"]))]
    pub refused: Vec<String>,
    /// Days from its fill for which a compounded drug may be used whose lot says no date.
    #[schema(example = 35)]
    pub beyond_use_days: u32,
}

#[derive(Serialize, ToSchema)]
pub struct CodedReasonView {
    #[schema(example = "allergy")]
    pub code: String,
    #[schema(example = "Allergy or intolerance to an ingredient of the marketed drug")]
    pub meaning: String,
}

#[derive(Serialize, ToSchema)]
pub struct DaysSupplyView {
    pub rule: RuleView,
    pub factor: u32,
}

#[derive(Serialize, ToSchema)]
pub struct ControlledView {
    pub rule: RuleView,
    /// The schedules that need a lawful original.
    #[schema(value_type = Vec<words::Schedule>)]
    pub original_for: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
pub struct LicenseView {
    pub rule: RuleView,
    #[schema(value_type = Vec<words::LicenseCategory>)]
    pub categories: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
pub struct VeterinaryView {
    pub rule: RuleView,
    pub require_owner: bool,
    pub require_weight: bool,
    #[schema(value_type = Vec<words::Species>)]
    pub food_producing: Vec<&'static str>,
    /// Species some of whose animals are food.
    #[schema(value_type = Vec<words::Species>)]
    pub may_be_food_producing: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
pub struct PractitionerGateView {
    pub rule: RuleView,
    /// The schedules whose prescriber needs a DEA number.
    #[schema(value_type = Vec<words::Schedule>)]
    pub dea_for: Vec<&'static str>,
}

impl From<&Provision> for RuleView {
    fn from(provision: &Provision) -> Self {
        let Provision { id, sentence, citation } = provision.clone();
        Self { id, sentence, citation }
    }
}

fn schedules(schedules: &[DrugSchedule]) -> Vec<&'static str> {
    schedules.iter().map(|schedule| schedule.as_str()).collect()
}

fn species(species: &[Species]) -> Vec<&'static str> {
    species.iter().map(|species| species.as_str()).collect()
}

fn some<T>(among: &Among<T>, word: impl Fn(&T) -> &'static str) -> Option<Vec<&'static str>> {
    match among {
        Among::All => None,
        Among::These(these) => Some(these.iter().map(word).collect()),
    }
}

impl From<&RefillRow> for RefillRowView {
    fn from(row: &RefillRow) -> Self {
        let (lasts_days, lasts_months) = match row.lasts {
            Lasts::Days(days) => (Some(days), None),
            Lasts::Months(months) => (None, Some(months)),
        };
        Self {
            rule: RuleView::from(&row.provision),
            states: some(&row.states, |state| state.code()),
            schedules: schedules(&row.schedules),
            species: some(&row.species, |species| species.as_str()),
            max_refills: row.max_refills,
            lasts_days,
            lasts_months,
        }
    }
}

impl From<&RulesPack> for RulesView {
    fn from(pack: &RulesPack) -> Self {
        let thresholds = &pack.thresholds;
        let rule = |(code, provision): (Rule, &Provision)| EligibilityRuleView {
            code: code.as_str(),
            rule: RuleView::from(provision),
        };
        Self {
            version: pack.version.clone(),
            effective_from: Day(pack.effective_from),
            title: pack.title.clone(),
            disclaimer: pack.disclaimer.clone(),
            thresholds: ThresholdRuleView {
                rule: RuleView::from(&thresholds.provision),
                percent: thresholds.percent,
                controlled_percent: thresholds.controlled_percent,
                review_window_days: thresholds.review_window_days,
                assumed_days_supply: thresholds.assumed_days_supply,
            },
            refills: pack.refills.rows().iter().map(RefillRowView::from).collect(),
            eligibility: pack.eligibility.all().into_iter().map(rule).collect(),
            gates: GatesView::from(&pack.gates),
        }
    }
}

impl From<&Gates> for GatesView {
    fn from(gates: &Gates) -> Self {
        let (temperature, compounding) = (&gates.temperature, &gates.compounding);
        let reason = |reason: &CodedReason| CodedReasonView {
            code: reason.code.clone(),
            meaning: reason.meaning.clone(),
        };
        Self {
            temperature: TemperatureView {
                rule: RuleView::from(&temperature.provision),
                max_transit_days: temperature.max_transit_days,
                allow_po_box: temperature.allow_po_box,
                allow_weekend: temperature.allow_weekend,
                allow_holiday: temperature.allow_holiday,
            },
            compounding: CompoundingView {
                rule: RuleView::from(&compounding.provision),
                min_reason_length: compounding.min_reason_length,
                reasons: compounding.reasons.iter().map(reason).collect(),
                refused: compounding.refused.clone(),
                beyond_use_days: compounding.beyond_use_days,
            },
            days_supply: DaysSupplyView {
                rule: RuleView::from(&gates.days_supply.provision),
                factor: gates.days_supply.factor,
            },
            controlled: ControlledView {
                rule: RuleView::from(&gates.controlled.provision),
                original_for: schedules(&gates.controlled.original_for),
            },
            license: LicenseView {
                rule: RuleView::from(&gates.license.provision),
                categories: gates.license.categories.iter().copied().map(LicenseCategory::as_str).collect(),
            },
            veterinary: VeterinaryView {
                rule: RuleView::from(&gates.veterinary.provision),
                require_owner: gates.veterinary.require_owner,
                require_weight: gates.veterinary.require_weight,
                food_producing: species(&gates.veterinary.food_producing),
                may_be_food_producing: species(&gates.veterinary.may_be_food_producing),
            },
            practitioner: PractitionerGateView {
                rule: RuleView::from(&gates.practitioner.provision),
                dea_for: schedules(&gates.practitioner.dea_for),
            },
        }
    }
}
