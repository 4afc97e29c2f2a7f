//! The formulary: which drugs the pharmacy dispenses, and what rules need to know of each.

mod names;
mod units;

use std::collections::{HashMap, HashSet};

use crate::{
    identifiers::Ndc,
    prescription::{DrugSchedule, PrescriptionDetail},
    words,
};
use names::Beside;
pub use names::normalise;
pub use units::{CountDoubt, Package, Unit, check_units, unit_said};

/// The longest id of an entry.
pub const MAX_ID: usize = 64;

words! {
    /// Whom a drug is made for.
    pub enum DrugSpecies {
        Human = "human",
        Veterinary = "veterinary",
    }
}

/// One entry: a drug in one form and strength.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drug {
    /// Lower-case letters, digits and hyphens. Prescriptions keep it, so it never changes its meaning.
    pub id: String,
    pub name: String,
    /// Other names it is prescribed by.
    pub aliases: Vec<String>,
    pub form: String,
    pub strength: String,
    /// What it is dispensed in: its stock is counted in this.
    pub unit: Unit,
    /// Packages of one content, in which it may be prescribed and received, too.
    pub packages: Vec<Package>,
    pub schedule: DrugSchedule,
    /// Kept and shipped at 2–8 °C.
    pub refrigerated: bool,
    /// Made by the pharmacy for one patient (21 USC 353a), or for one animal.
    pub compounded: bool,
    /// Of packages on the market; a compounded drug has none.
    pub ndcs: Vec<Ndc>,
    pub species: DrugSpecies,
}

/// What rules read of the drug of a prescription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrugFacts {
    /// The entry, where the drug was recognised.
    pub drug_id: Option<String>,
    pub schedule: DrugSchedule,
    pub refrigerated: bool,
    pub compounded: bool,
}

impl DrugFacts {
    /// Of a drug that is on no list. Whatever is named after testosterone is C-III: its esters and salts are
    /// (21 CFR 1300.01, 1308.13(f)).
    pub fn of_unknown(medication: &str) -> Self {
        let testosterone = normalise(medication).iter().any(|word| word.contains("testosterone"));
        let schedule = if testosterone { DrugSchedule::C3 } else { DrugSchedule::Unscheduled };
        Self { drug_id: None, schedule, refrigerated: false, compounded: false }
    }
}

impl From<&Drug> for DrugFacts {
    fn from(drug: &Drug) -> Self {
        Self {
            drug_id: Some(drug.id.clone()),
            schedule: drug.schedule,
            refrigerated: drug.refrigerated,
            compounded: drug.compounded,
        }
    }
}

/// What one clinic may order, if it may not order the whole formulary, and the drugs of its own.
#[derive(Debug, Clone, Default)]
pub struct ClinicList {
    /// Ids of entries; without any, the clinic may order them all.
    pub listed: HashSet<String>,
    pub own: Vec<Drug>,
}

impl ClinicList {
    pub fn allows(&self, drug: &Drug) -> bool {
        self.listed.is_empty()
            || self.listed.contains(&drug.id)
            || self.own.iter().any(|own| own.id == drug.id)
    }
}

/// What the formulary makes of a prescribed drug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Drug(Drug),
    /// It is in the formulary, but not among what the clinic may order.
    NotListed(Drug),
    /// It may be any of these: the name and dose, or the name and drug code, do not decide.
    Ambiguous(Vec<Drug>),
    Unknown,
}

impl Found {
    /// What is known of it. Of several drugs it could be, the strictest of each.
    pub fn facts(&self, medication: &str) -> DrugFacts {
        match self {
            Self::Drug(drug) | Self::NotListed(drug) => DrugFacts::from(drug),
            Self::Unknown => DrugFacts::of_unknown(medication),
            Self::Ambiguous(drugs) => {
                let unknown = DrugFacts::of_unknown(medication);
                drugs.iter().map(DrugFacts::from).fold(unknown, |facts, drug| DrugFacts {
                    drug_id: None,
                    schedule: facts.schedule.strictest(drug.schedule),
                    refrigerated: facts.refrigerated || drug.refrigerated,
                    compounded: facts.compounded || drug.compounded,
                })
            }
        }
    }

    /// Why it cannot be filled as it is, in a sentence that repeats nothing of what was sent.
    pub const fn doubt(&self) -> Option<&'static str> {
        match self {
            Self::Drug(_) => None,
            Self::NotListed(_) => Some("the drug is not on the clinic's formulary"),
            Self::Ambiguous(_) => {
                Some("more than one drug of the formulary fits: give its strength and form, or its drug code")
            }
            Self::Unknown => Some("the drug is not in the formulary"),
        }
    }
}

/// Why a formulary cannot be: which entry (counted from zero), and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    pub entry: usize,
    pub reason: String,
}

#[derive(Debug)]
struct Entry {
    drug: Drug,
    /// The words of its name and of each alias.
    names: Vec<Vec<String>>,
    strength: Vec<String>,
    form: Vec<String>,
}

impl Entry {
    fn new(drug: &Drug) -> Self {
        let names = std::iter::once(&drug.name).chain(&drug.aliases).map(|name| normalise(name)).collect();
        Self { names, strength: normalise(&drug.strength), form: normalise(&drug.form), drug: drug.clone() }
    }

    /// Whether these words name this drug, and say nothing that contradicts it.
    fn is_named_by(&self, asked: &[String]) -> bool {
        let beside = Beside { strength: &self.strength, form: &self.form };
        self.names.iter().any(|name| beside.completes(name, asked))
    }

    /// Whether a word that is a name of this drug is among these.
    fn shares_a_name(&self, asked: &[String]) -> bool {
        self.names.iter().flatten().any(|word| names::is_word(word) && asked.contains(word))
    }
}

/// All entries, ready to be searched.
#[derive(Debug, Default)]
pub struct Formulary {
    entries: Vec<Entry>,
    /// Entries by each word of a name.
    by_word: HashMap<String, Vec<usize>>,
    by_ndc: HashMap<String, usize>,
    by_id: HashMap<String, usize>,
}

/// The text under which two writings of one drug code are the same.
fn ndc_key(ndc: &Ndc) -> String {
    ndc.to_11().unwrap_or_else(|| ndc.to_string())
}

impl Formulary {
    /// # Errors
    /// Every entry that is impossible, or that another one is already.
    pub fn new(drugs: Vec<Drug>) -> Result<Self, Vec<Impossible>> {
        let mut formulary = Self::default();
        let mut problems = Vec::new();
        let mut same = HashSet::new();
        for (index, drug) in drugs.into_iter().enumerate() {
            let mut wrong = |reason: String| problems.push(Impossible { entry: index, reason });
            check(&drug).into_iter().for_each(&mut wrong);
            let entry = Entry::new(&drug);
            if formulary.by_id.insert(drug.id.clone(), index).is_some() {
                wrong("another entry has this id".to_owned());
            }
            for name in &entry.names {
                let mut sorted = name.clone();
                sorted.sort_unstable();
                if !same.insert((sorted, entry.strength.clone(), entry.form.clone())) {
                    wrong("another entry has this name, strength and form".to_owned());
                }
            }
            for ndc in &drug.ndcs {
                if formulary.by_ndc.insert(ndc_key(ndc), index).is_some() {
                    wrong("another entry has this NDC".to_owned());
                }
            }
            for word in entry.names.iter().flatten() {
                let entries = formulary.by_word.entry(word.clone()).or_default();
                if entries.last() != Some(&index) {
                    entries.push(index);
                }
            }
            formulary.entries.push(entry);
        }
        if problems.is_empty() { Ok(formulary) } else { Err(problems) }
    }

    /// Whether an entry is this drug by another id: the same name, strength and form.
    pub fn has_twin(&self, drug: &Drug) -> bool {
        let new = Entry::new(drug);
        let is_named = |entry: &Entry| entry.names.iter().any(|name| new.names.contains(name));
        self.entries
            .iter()
            .any(|entry| is_named(entry) && entry.strength == new.strength && entry.form == new.form)
    }

    /// Every drug, in the order of the list.
    pub fn drugs(&self) -> impl Iterator<Item = &Drug> {
        self.entries.iter().map(|entry| &entry.drug)
    }

    pub fn get(&self, id: &str) -> Option<&Drug> {
        self.by_id.get(id).map(|&index| &self.entries[index].drug)
    }

    /// The drug that a prescriber means. A known drug code decides, unless the name is another drug's; else the
    /// name does, in any order and writing, with the strength and form in it or in the dose.
    pub fn find(&self, asked: &PrescriptionDetail, list: &ClinicList) -> Found {
        let own: Vec<Entry> = list.own.iter().map(Entry::new).collect();
        let name = normalise(&asked.medication);
        let by_code = asked.ndc.as_deref().and_then(|ndc| self.by_code(ndc, &own));
        if let Some(entry) = by_code {
            return match entry.shares_a_name(&name) {
                true => one(entry, list),
                false => self.contradicted(entry, &name, &own),
            };
        }
        let named = self.named(&name, &own);
        let (allowed, others): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|entry| list.allows(&entry.drug));
        let dose = normalise(&asked.dose);
        // What the clinic may not order is told as such only where nothing that it may order has the name.
        let fitting = if allowed.is_empty() { others } else { allowed };
        let of_strength = of_strength(&fitting, &dose, &name);
        match (&of_strength[..], fitting.is_empty()) {
            (_, true) => Found::Unknown,
            ([entry], _) => one(entry, list),
            // The dose names a strength that there is none of.
            ([], _) => several(&fitting),
            _ => several(&of_strength),
        }
    }

    fn by_code<'a>(&'a self, ndc: &str, own: &'a [Entry]) -> Option<&'a Entry> {
        let key = ndc_key(&Ndc::parse(ndc).ok()?);
        let of_clinic = own.iter().find(|entry| entry.drug.ndcs.iter().any(|ndc| ndc_key(ndc) == key));
        of_clinic.or_else(|| self.by_ndc.get(&key).map(|&index| &self.entries[index]))
    }

    /// A code says one drug, a name says another, or nothing known.
    fn contradicted(&self, coded: &Entry, name: &[String], own: &[Entry]) -> Found {
        let mut drugs = self.named(name, own);
        drugs.push(coded);
        several(&drugs)
    }

    fn named<'a>(&'a self, name: &[String], own: &'a [Entry]) -> Vec<&'a Entry> {
        let mut indices: Vec<usize> =
            name.iter().filter_map(|word| self.by_word.get(word)).flatten().copied().collect();
        indices.sort_unstable();
        indices.dedup();
        let listed = indices.into_iter().map(|index| &self.entries[index]);
        listed.chain(own).filter(|entry| entry.is_named_by(name)).collect()
    }
}

/// Of several drugs, those of the strength that the dose names. A dose in other units than a drug's strength
/// (`0.5 mL`, `1 tablet`) says nothing about it; one in the same units and of another number is against it, unless
/// the strength stands beside the name already.
fn of_strength<'a>(fitting: &[&'a Entry], dose: &[String], name: &[String]) -> Vec<&'a Entry> {
    let exact: Vec<&Entry> = fitting.iter().copied().filter(|entry| entry.strength == dose).collect();
    if !exact.is_empty() {
        return exact;
    }
    let against = |entry: &Entry| {
        names::are_same_units(&entry.strength, dose) && !names::contains_all(name, &entry.strength)
    };
    fitting.iter().copied().filter(|entry| !against(entry)).collect()
}

fn several(entries: &[&Entry]) -> Found {
    Found::Ambiguous(entries.iter().map(|entry| entry.drug.clone()).collect())
}

fn one(entry: &Entry, list: &ClinicList) -> Found {
    let drug = entry.drug.clone();
    if list.allows(&drug) { Found::Drug(drug) } else { Found::NotListed(drug) }
}

/// What is impossible about one drug.
pub fn check(drug: &Drug) -> Vec<String> {
    let mut wrong = Vec::new();
    let id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if drug.id.is_empty() || drug.id.len() > MAX_ID || !drug.id.chars().all(id) {
        wrong.push(format!("an id is 1 to {MAX_ID} lower-case letters, digits and hyphens"));
    }
    for (name, text) in [("name", &drug.name), ("form", &drug.form)] {
        if !normalise(text).iter().any(|word| names::is_word(word)) {
            wrong.push(format!("the {name} has no word in it"));
        }
    }
    if !normalise(&drug.strength).iter().any(|word| names::is_number(word)) {
        wrong.push("the strength has no number in it".to_owned());
    }
    if drug.aliases.iter().any(|alias| !normalise(alias).iter().any(|word| names::is_word(word))) {
        wrong.push("an alias has no word in it".to_owned());
    }
    if drug.compounded && !drug.ndcs.is_empty() {
        wrong.push("a compounded drug has no NDC".to_owned());
    }
    let least = std::iter::once(&drug.name).chain(&drug.aliases).map(|name| DrugFacts::of_unknown(name));
    if least.into_iter().any(|facts| facts.schedule.strictest(drug.schedule) != drug.schedule) {
        wrong.push("testosterone is C-III (21 CFR 1308.13(f))".to_owned());
    }
    wrong.extend(check_units(drug));
    wrong
}

#[cfg(test)]
mod tests;
