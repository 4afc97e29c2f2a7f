//! In what a drug is counted: its unit, its packages, and what a prescriber's quantity comes to.

use super::{Drug, names::normalise};
use crate::{prescription::unit_of_dose, quantity::Quantity, words};

words! {
    /// What a drug is counted in when it is dispensed.
    pub enum Unit {
        Millilitre = "mL",
        Gram = "g",
        Tablet = "tablet",
        Capsule = "capsule",
        Troche = "troche",
        Patch = "patch",
        Suppository = "suppository",
        Pen = "pen",
        Syringe = "syringe",
        Vial = "vial",
        Ampule = "ampule",
        Tube = "tube",
        Bottle = "bottle",
        Kit = "kit",
        /// A piece that has no name of its own.
        Each = "each",
    }
}

impl Unit {
    /// The unit of a text in any usual writing: `tabs`, `Tablet(s)`, `milliliters`, `cc`, `gm`, `EA`.
    pub fn read(text: &str) -> Option<Self> {
        let words = normalise(&text.to_lowercase().replace("(s)", "").replace("(es)", ""));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Some(match words[..] {
            ["ml" | "mls" | "ccs"] => Self::Millilitre,
            ["g" | "gms"] => Self::Gram,
            ["tablet"] => Self::Tablet,
            ["capsule"] => Self::Capsule,
            ["troche" | "lozenge"] => Self::Troche,
            ["patch" | "patche"] => Self::Patch,
            ["suppository" | "suppositorie"] => Self::Suppository,
            ["pen" | "autoinjector"] | ["pen" | "auto", "injector"] => Self::Pen,
            ["syringe"] | ["prefilled", "syringe"] | ["pre", "filled", "syringe"] => Self::Syringe,
            ["vial"] => Self::Vial,
            ["ampule" | "ampoule" | "ampul" | "amp"] => Self::Ampule,
            ["tube"] => Self::Tube,
            ["bottle" | "btl"] => Self::Bottle,
            ["kit"] => Self::Kit,
            ["each" | "ea"] => Self::Each,
            _ => return None,
        })
    }

    /// The unit that a form leaves no doubt about: a tablet is counted in tablets, a cream in grams.
    pub fn of_form(form: &str) -> Option<Self> {
        let words = normalise(form);
        let named = |some: &[&str]| words.iter().any(|word| some.contains(&word.as_str()));
        let piece = words.iter().find_map(|word| Self::read(word).filter(|unit| !unit.is_measured()));
        if piece.is_some() {
            return piece;
        }
        if named(&["solution", "suspension", "liquid", "syrup", "elixir", "drop", "lotion", "injection"]) {
            return Some(Self::Millilitre);
        }
        named(&["cream", "ointment", "gel", "paste", "powder"]).then_some(Self::Gram)
    }

    /// Whether it is an amount and not a number of pieces.
    pub const fn is_measured(self) -> bool {
        matches!(self, Self::Millilitre | Self::Gram)
    }

    const fn is_package(self) -> bool {
        matches!(
            self,
            Self::Pen | Self::Syringe | Self::Vial | Self::Ampule | Self::Tube | Self::Bottle | Self::Kit
        )
    }

    /// Whether it is a dose in itself, as its form is called.
    const fn is_dose(self) -> bool {
        matches!(self, Self::Tablet | Self::Capsule | Self::Troche | Self::Patch | Self::Suppository)
    }
}

/// A package that every maker of the drug fills with the same: `10 mL vial`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    pub content: Quantity,
    /// What the content is measured in.
    pub measure: Unit,
    pub unit: Unit,
}

impl Package {
    /// Reads an amount, its measure and what holds it.
    pub fn parse(text: &str) -> Option<Self> {
        let words = normalise(text);
        let [content, measure, unit] = &words[..] else { return None };
        let package = Self {
            content: Quantity::parse(content)?,
            measure: Unit::read(measure)?,
            unit: Unit::read(unit)?,
        };
        (package.measure.is_measured() && package.unit.is_package()).then_some(package)
    }
}

/// Why a quantity cannot be counted in the unit of its drug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountDoubt {
    Unknown,
    /// A unit that says nothing certain of this drug.
    NotOfDrug,
    /// Not a whole number of packages, or finer than three places.
    Uneven,
}

impl CountDoubt {
    /// The end of a sentence that repeats nothing of what was sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "the unit of measure is none that it knows",
            Self::NotOfDrug => "the drug is not counted in this unit, and no package of one content is known",
            Self::Uneven => "the quantity does not come out even in the unit that the drug is dispensed in",
        }
    }
}

impl Drug {
    /// How much a prescribed quantity is in the unit that this drug is dispensed in, exactly. Where no unit is said but
    /// that of the dose, as in `10 mg`, it is meant in the drug's own.
    pub fn count(
        &self,
        quantity: Quantity,
        unit_of_measure: Option<&str>,
        dose: &str,
    ) -> Result<Quantity, CountDoubt> {
        match unit_said(unit_of_measure, dose) {
            None => Ok(quantity),
            Some(said) => self.count_in(quantity, Unit::read(said).ok_or(CountDoubt::Unknown)?),
        }
    }

    /// How much a quantity in another unit is in the drug's own.
    pub fn count_in(&self, quantity: Quantity, unit: Unit) -> Result<Quantity, CountDoubt> {
        if unit == self.unit || (unit == Unit::Each && !self.unit.is_measured()) {
            return Ok(quantity);
        }
        let fits = |package: &&Package| {
            [(package.unit, package.measure), (package.measure, package.unit)].contains(&(unit, self.unit))
        };
        let package = self.packages.iter().find(fits).ok_or(CountDoubt::NotOfDrug)?;
        // Both are at most 10^9 thousandths.
        let (amount, content) = (quantity.thousandths(), package.content.thousandths());
        let (product, divisor, step) = match unit == package.unit {
            true => (amount * content, 1000, 1),
            // A package is not opened.
            false => (amount * 1000, content, 1000),
        };
        let own = product / divisor;
        let is_even = product % divisor == 0 && own % step == 0;
        Quantity::from_thousandths(own).filter(|_| is_even).ok_or(CountDoubt::Uneven)
    }
}

/// The unit that a quantity was said in, as it was written. None where none was, or only that of the dose: sixty of
/// `500 mg` are not 60 mg.
pub fn unit_said<'a>(unit_of_measure: Option<&'a str>, dose: &str) -> Option<&'a str> {
    let said = unit_of_measure.filter(|said| !said.trim().is_empty())?;
    (Unit::read(said).is_some() || !is_of_dose(said, dose)).then_some(said)
}

/// Whether a unit is only that of the dose, which a request without one is given.
fn is_of_dose(said: &str, dose: &str) -> bool {
    unit_of_dose(dose).is_some_and(|unit| normalise(&unit) == normalise(said))
}

/// What is impossible about how a drug is counted.
pub fn check_units(drug: &Drug) -> Vec<String> {
    let mut wrong = Vec::new();
    let as_dose = |unit: &Unit| unit.is_dose();
    if Unit::of_form(&drug.form).filter(as_dose) != Some(drug.unit).filter(as_dose) {
        wrong.push(format!("the unit is {}, which a drug of this form is not counted in", drug.unit));
    }
    let mut others = Vec::new();
    for package in &drug.packages {
        let other = match drug.unit {
            unit if unit == package.measure => package.unit,
            unit if unit == package.unit => package.measure,
            unit => {
                wrong.push(format!("a package holds the unit, which is {unit}, or is it"));
                continue;
            }
        };
        if others.contains(&other) {
            wrong.push(format!("the content of {other} is said twice"));
        }
        others.push(other);
    }
    wrong
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::drug, *};

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    fn counted(unit: Unit, packages: &[&str]) -> Drug {
        let packages = packages.iter().map(|text| Package::parse(text).unwrap()).collect();
        Drug { unit, packages, ..drug("a", "Alpha", "injection", "5 mg/mL") }
    }

    #[test]
    fn the_unit_of_a_dose_is_not_that_of_a_quantity() {
        for (unit, dose, said) in [
            (None, "500mg", None),
            (Some(" "), "500mg", None),
            (Some("mg"), "500mg", None),
            (Some("MG"), "200mg/ml", None),
            (Some("tablets"), "500mg", Some("tablets")),
            (Some("ml"), "5 ml", Some("ml")),
            (Some("sachets"), "500mg", Some("sachets")),
        ] {
            assert_eq!(unit_said(unit, dose), said, "{unit:?} of {dose}");
        }
    }

    #[test]
    fn units_are_read_in_their_usual_writings() {
        for (unit, writings) in [
            (Unit::Millilitre, &["mL", "ML", "mls", "ml.", "cc", "milliliter", "Millilitres"][..]),
            (Unit::Gram, &["g", "GM", "gms", "gram", "Grams"]),
            (Unit::Tablet, &["tab", "tabs", "Tablet", "TABLETS", "tablet(s)", "tab(s)"]),
            (Unit::Capsule, &["cap", "caps", "capsule(s)"]),
            (Unit::Patch, &["patch", "patches", "patch(es)"]),
            (Unit::Suppository, &["suppository", "suppositories"]),
            (Unit::Troche, &["troches", "lozenge"]),
            (Unit::Pen, &["pen", "pens", "pen injector", "auto-injector", "autoinjectors"]),
            (Unit::Syringe, &["syringes", "pre-filled syringe", "prefilled syringe"]),
            (Unit::Vial, &["vial", "Vials"]),
            (Unit::Ampule, &["ampoules", "amp"]),
            (Unit::Each, &["each", "EA", "ea."]),
        ] {
            for writing in writings {
                assert_eq!(Unit::read(writing), Some(unit), "{writing}");
            }
            assert_eq!(Unit::read(unit.as_str()), Some(unit));
        }
        for other in ["", "mg", "%", "units", "IU", "10 mL vial", "mL vial", "box", "month", "s"] {
            assert_eq!(Unit::read(other), None, "{other}");
        }
    }

    #[test]
    fn a_form_says_its_unit_where_it_can() {
        for (form, unit) in [
            ("orally disintegrating tablet", Some(Unit::Tablet)),
            ("Capsules", Some(Unit::Capsule)),
            ("vaginal cream", Some(Unit::Gram)),
            ("oral suspension", Some(Unit::Millilitre)),
            ("pen", Some(Unit::Pen)),
            ("foam", None),
        ] {
            assert_eq!(Unit::of_form(form), unit, "{form}");
        }
    }

    #[test]
    fn a_quantity_is_converted_exactly_or_not_at_all() {
        let bulk = counted(Unit::Millilitre, &["10 mL vial", "0.5 mL syringe"]);
        let pens = counted(Unit::Pen, &["3 mL pen"]);
        let tablets = counted(Unit::Tablet, &[]);
        for (drug, amount, unit, expect) in [
            (&bulk, "2.5", "mL", Ok("2.5")),
            (&bulk, "2", "vials", Ok("20")),
            (&bulk, "0.5", "vial", Ok("5")),
            (&bulk, "3", "syringes", Ok("1.5")),
            (&bulk, "0.001", "syringe", Err(CountDoubt::Uneven)),
            (&bulk, "1000000", "vial", Err(CountDoubt::Uneven)),
            (&bulk, "1", "pen", Err(CountDoubt::NotOfDrug)),
            (&bulk, "1", "each", Err(CountDoubt::NotOfDrug)),
            (&bulk, "1", "box", Err(CountDoubt::Unknown)),
            (&pens, "6", "mL", Ok("2")),
            (&pens, "4.5", "mL", Err(CountDoubt::Uneven)),
            (&pens, "1", "mL", Err(CountDoubt::Uneven)),
            (&pens, "2", "each", Ok("2")),
            (&tablets, "30", "EA", Ok("30")),
            (&tablets, "30", "capsules", Err(CountDoubt::NotOfDrug)),
            (&tablets, "30", "mcg", Err(CountDoubt::Unknown)),
        ] {
            let found = drug.count(quantity(amount), Some(unit), "5 mg");
            assert_eq!(found, expect.map(quantity), "{amount} {unit}");
        }
    }

    #[test]
    fn the_unit_of_a_dose_says_nothing_of_the_quantity() {
        let bulk = counted(Unit::Millilitre, &["10 mL vial"]);
        let tablets = counted(Unit::Tablet, &[]);
        for unsaid in [None, Some(" "), Some("mg"), Some("Milligrams")] {
            assert_eq!(tablets.count(quantity("30"), unsaid, "10 mg"), Ok(quantity("30")));
            assert_eq!(bulk.count(quantity("1"), unsaid, "200mg/ml"), Ok(quantity("1")));
        }
        assert_eq!(bulk.count(quantity("4"), Some("ml"), "0.5 mL"), Ok(quantity("4")));
    }

    #[test]
    fn what_cannot_be_is_told() {
        let wrong = |drug: &Drug| check_units(drug);
        assert!(wrong(&counted(Unit::Millilitre, &["10 mL vial", "3 mL pen"])).is_empty());
        assert!(wrong(&counted(Unit::Pen, &["3 mL pen"])).is_empty());
        assert_eq!(wrong(&counted(Unit::Millilitre, &["10 mL vial", "1 mL vial"])).len(), 1);
        assert_eq!(wrong(&counted(Unit::Gram, &["10 mL vial"])).len(), 1);
        assert_eq!(wrong(&counted(Unit::Tablet, &[])).len(), 1, "an injection");
        assert_eq!(wrong(&Drug { unit: Unit::Gram, ..drug("a", "Alpha", "tablet", "5 mg") }).len(), 1);
        for text in ["vial", "10 vial", "10 mL", "0 mL vial", "10 mg vial", "10 mL tablet", "3 pens of mL"] {
            assert_eq!(Package::parse(text), None, "{text}");
        }
    }

    proptest! {
        /// Packages that come out even are the same number again when what they hold is counted.
        #[test]
        fn there_and_back_is_the_same(packages in 1i64..1000, content in 1i64..100_000) {
            let amount = Quantity::from_thousandths(packages * 1000).unwrap();
            let content = Quantity::from_thousandths(content).unwrap();
            let package = Package { content, measure: Unit::Millilitre, unit: Unit::Vial };
            let of = |unit| Drug { packages: vec![package], ..counted(unit, &[]) };
            let measured = of(Unit::Millilitre).count_in(amount, Unit::Vial).unwrap();
            prop_assert_eq!(measured.thousandths(), packages * content.thousandths());
            prop_assert_eq!(of(Unit::Vial).count_in(measured, Unit::Millilitre), Ok(amount));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,60}") {
            Unit::read(&text);
            Package::parse(&text);
        }
    }
}
