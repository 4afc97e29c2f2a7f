//! The formulary's file: read whole, with the file, line and reason of everything in it that cannot be.

use std::{fmt, ops::Range, sync::Arc};

use nimbus_core::{
    access::Environment,
    formulary::{Drug, DrugSpecies, Formulary, Package, Unit},
    identifiers::Ndc,
    prescription::DrugSchedule,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The list that is inside the binary.
const SHIPPED: &str = include_str!("../../../../formulary/drugs.toml");
const SHIPPED_NAME: &str = "formulary/drugs.toml";

/// The most entries of a file.
const MAX_DRUGS: usize = 20_000;

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// Counted from one.
    pub line: usize,
    pub reason: String,
}

/// Everything that is wrong in a file, by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the formulary is not valid:")?;
        self.0.iter().try_for_each(|p| write!(f, "\n{}:{}: {}", p.file, p.line, p.reason))
    }
}

impl std::error::Error for Problems {}

/// The list that is inside the binary, with the test drugs where they are known.
pub fn shipped(environment: Environment) -> Arc<Formulary> {
    // A test reads it, so that a program whose own list is not valid is never built.
    parse(SHIPPED_NAME, SHIPPED, environment).expect("the shipped formulary is valid")
}

/// The formulary of a text; `file` is what problems call it.
///
/// # Errors
/// Everything that is wrong in it.
pub fn parse(file: &str, text: &str, environment: Environment) -> Result<Arc<Formulary>, Problems> {
    let mut reader = Reader { problems: Vec::new() };
    let rows = reader.rows(text);
    let (starts, drugs): (Vec<usize>, Vec<Drug>) = rows
        .into_iter()
        .filter(|row| environment == Environment::Sandbox || !row.sandbox)
        .map(|row| (row.start, row.drug))
        .unzip();
    let formulary = Formulary::new(drugs);
    if let Err(impossible) = &formulary {
        let found = impossible.iter().map(|problem| (starts[problem.entry], problem.reason.clone()));
        reader.problems.extend(found);
    }
    match formulary {
        Ok(formulary) if reader.problems.is_empty() => Ok(Arc::new(formulary)),
        _ => {
            let mut problems: Vec<Problem> = reader
                .problems
                .into_iter()
                .map(|(at, reason)| Problem { file: file.to_owned(), line: line_of(text, at), reason })
                .collect();
            problems.sort_by_key(|problem| problem.line);
            Err(Problems(problems))
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

struct FileRow {
    /// Where it begins in the file.
    start: usize,
    drug: Drug,
    sandbox: bool,
}

/// Reads values and gathers what is wrong with them, by place.
struct Reader {
    problems: Vec<(usize, String)>,
}

impl Reader {
    fn wrong(&mut self, span: &Range<usize>, reason: impl Into<String>) {
        self.problems.push((span.start, reason.into()));
    }

    fn rows(&mut self, text: &str) -> Vec<FileRow> {
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                self.wrong(&span, error.message().to_owned());
                return Vec::new();
            }
        };
        let mut rows = Vec::new();
        for (key, value) in document.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("drug", DeValue::Array(drugs)) if drugs.len() <= MAX_DRUGS => {
                    rows.extend(drugs.iter().filter_map(|drug| self.row(drug)));
                }
                ("drug", DeValue::Array(_)) => {
                    self.wrong(&key.span(), format!("there are more than {MAX_DRUGS} drugs"));
                }
                ("drug", _) => self.wrong(&key.span(), "drugs are written as [[drug]]"),
                _ => self.wrong(&key.span(), "is not known here: a formulary is a list of [[drug]]"),
            }
        }
        if rows.is_empty() && self.problems.is_empty() {
            self.wrong(&(0..0), "there is no [[drug]] in it");
        }
        rows
    }

    /// One row; `None` if something that every row needs is missing or cannot be read.
    fn row(&mut self, value: &Spanned<DeValue<'_>>) -> Option<FileRow> {
        const KNOWN: [&str; 13] = [
            "id",
            "name",
            "aliases",
            "form",
            "strength",
            "unit",
            "packages",
            "schedule",
            "refrigerated",
            "compounded",
            "ndc",
            "species",
            "sandbox",
        ];
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(&value.span(), "a drug is written as [[drug]]");
            return None;
        };
        for (key, _) in table {
            if !KNOWN.contains(&key.get_ref().as_ref()) {
                self.wrong(
                    &key.span(),
                    format!("a drug has no field of this name, but {}", KNOWN.join(", ")),
                );
            }
        }
        let before = self.problems.len();
        let start = value.span();
        let (id, name) = (self.required(table, &start, "id"), self.required(table, &start, "name"));
        let (form, strength) =
            (self.required(table, &start, "form"), self.required(table, &start, "strength"));
        let unit = self.unit(table, &start, form.as_deref());
        let packages = self.packages(table);
        let aliases = self.texts(table, "aliases");
        let schedule = self.word(table, "schedule", DrugSchedule::parse, "C-II, C-III, C-IV or C-V");
        let species = self.word(table, "species", DrugSpecies::parse, "human or veterinary");
        let ndcs = self.ndcs(table);
        let drug = Drug {
            id: id?,
            name: name?,
            aliases: aliases.into_iter().map(|(text, _)| text).collect(),
            form: form?,
            strength: strength?,
            unit: unit?,
            packages,
            schedule: schedule.unwrap_or(DrugSchedule::Unscheduled),
            refrigerated: self.flag(table, "refrigerated"),
            compounded: self.flag(table, "compounded"),
            ndcs,
            species: species.unwrap_or(DrugSpecies::Human),
        };
        let sandbox = self.flag(table, "sandbox");
        (self.problems.len() == before).then_some(FileRow { start: start.start, drug, sandbox })
    }

    fn required(&mut self, table: &DeTable<'_>, start: &Range<usize>, name: &str) -> Option<String> {
        if table.get(name).is_none() {
            self.wrong(start, format!("{name} is missing"));
        }
        self.text(table, name).map(|(text, _)| text)
    }

    fn text(&mut self, table: &DeTable<'_>, name: &str) -> Option<(String, Range<usize>)> {
        let value = table.get(name)?;
        match value.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => Some((text.to_owned(), value.span())),
            _ => {
                self.wrong(&value.span(), format!("{name} is a text that is not empty"));
                None
            }
        }
    }

    fn word<T>(
        &mut self,
        table: &DeTable<'_>,
        name: &str,
        parse: fn(&str) -> Option<T>,
        words: &str,
    ) -> Option<T> {
        let (text, span) = self.text(table, name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.wrong(&span, format!("{name} is {words}"));
        }
        parsed
    }

    /// What the drug is counted in: as the row says, else as its form does.
    fn unit(&mut self, table: &DeTable<'_>, start: &Range<usize>, form: Option<&str>) -> Option<Unit> {
        if table.get("unit").is_some() {
            let units: Vec<&str> = Unit::ALL.iter().map(|unit| unit.as_str()).collect();
            return self.word(table, "unit", Unit::read, &units.join(", "));
        }
        let unit = Unit::of_form(form?);
        if unit.is_none() {
            self.wrong(start, "unit is missing, and the form does not say it");
        }
        unit
    }

    fn packages(&mut self, table: &DeTable<'_>) -> Vec<Package> {
        let mut packages = Vec::new();
        for (text, span) in self.texts(table, "packages") {
            match Package::parse(&text) {
                Some(package) => packages.push(package),
                None => self.wrong(&span, "a package is what it holds and what it is, such as 10 mL vial"),
            }
        }
        packages
    }

    fn texts(&mut self, table: &DeTable<'_>, name: &str) -> Vec<(String, Range<usize>)> {
        let Some(value) = table.get(name) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong(&value.span(), format!("{name} is a list of texts"));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text.to_owned(), item.span())),
                None => self.wrong(&item.span(), format!("{name} is a list of texts")),
            }
        }
        texts
    }

    fn ndcs(&mut self, table: &DeTable<'_>) -> Vec<Ndc> {
        let mut ndcs = Vec::new();
        for (text, span) in self.texts(table, "ndc") {
            match Ndc::parse(&text) {
                Ok(ndc) => ndcs.push(ndc),
                Err(error) => self.wrong(&span, format!("an NDC {error}")),
            }
        }
        ndcs
    }

    fn flag(&mut self, table: &DeTable<'_>, name: &str) -> bool {
        let Some(value) = table.get(name) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong(&value.span(), format!("{name} is true or false"));
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(usize, String)> {
        let problems = parse("drugs.toml", text, Environment::Sandbox).expect_err("impossible");
        problems.0.into_iter().map(|problem| (problem.line, problem.reason)).collect()
    }

    const GOOD: &str = "[[drug]]\nid = \"a\"\nname = \"Alpha\"\nform = \"tablet\"\nstrength = \"5 mg\"\n";

    #[test]
    fn the_shipped_list_is_sound_and_test_drugs_are_of_the_sandbox() {
        let sandbox = shipped(Environment::Sandbox);
        let production = shipped(Environment::Production);
        let only: Vec<&str> = sandbox
            .drugs()
            .filter(|drug| production.get(&drug.id).is_none())
            .map(|drug| drug.name.as_str())
            .collect();
        assert_eq!(only, ["Test C3", "Test Cold", "Test Copy503A"]);
        assert!(production.drugs().count() >= 60);
        for schedule in [DrugSchedule::C2, DrugSchedule::C3, DrugSchedule::C4, DrugSchedule::C5] {
            assert!(production.drugs().any(|drug| drug.schedule == schedule), "{schedule}");
        }
        assert!(production.drugs().any(|drug| drug.species == DrugSpecies::Veterinary));
    }

    #[test]
    fn every_problem_is_told_by_its_line() {
        let text = format!(
            "{GOOD}\n[[drug]]\nid = \"b\"\nname = \"Beta\"\nform = \"tablet\"\nstrength = \"5 mg\"\n\
             schedule = \"C-VI\"\nndc = [\"0002-1506-80\", \"0002150680\"]\nmade_by = \"x\"\ncompounded = \"no\"\n"
        );
        let found = problems(&text);
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [12, 13, 14, 15], "{found:?}");
        assert_eq!(found[0].1, "schedule is C-II, C-III, C-IV or C-V");
        assert!(found[1].1.contains("can mean several drugs"), "{found:?}");
    }

    #[test]
    fn a_unit_that_cannot_be_is_told_by_its_line() {
        let drug = |unit: &str| parse("drugs.toml", &format!("{GOOD}{unit}"), Environment::Sandbox);
        let unit = |unit: &str| drug(unit).unwrap().get("a").unwrap().unit;
        assert_eq!((unit(""), unit("unit = \"tabs\"\n")), (Unit::Tablet, Unit::Tablet));
        for (rows, line, reason) in [
            ("unit = \"spoon\"\n", 6, "unit is mL, g, tablet"),
            ("unit = \"mL\"\n", 1, "the unit is mL, which a drug of this form is not counted in"),
            ("unit = 1\n", 6, "unit is a text that is not empty"),
            ("packages = [\n\"30 tablets\"]\n", 7, "a package is what it holds"),
            ("packages = [\"10 mL vial\"]\n", 1, "a package holds the unit, which is tablet, or is it"),
        ] {
            let found = problems(&format!("{GOOD}{rows}"));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].0 == line && found[0].1.starts_with(reason), "{found:?}");
        }
        let foam = GOOD.replace("tablet", "foam");
        assert_eq!(problems(&foam), [(1, "unit is missing, and the form does not say it".to_owned())]);
        assert_eq!(
            parse("drugs.toml", &format!("{foam}unit = \"g\"\n"), Environment::Sandbox)
                .unwrap()
                .get("a")
                .unwrap()
                .unit,
            Unit::Gram
        );
    }

    #[test]
    fn every_shipped_drug_says_its_unit() {
        let said = SHIPPED.lines().filter(|line| line.starts_with("unit = ")).count();
        assert_eq!(said, shipped(Environment::Sandbox).drugs().count());
    }

    #[test]
    fn a_second_row_of_one_drug_is_refused_at_its_line() {
        let twin = "[[drug]]\nid = \"b\"\nname = \"ALPHA\"\nform = \"Tablets\"\nstrength = \"5mg\"\n";
        let found = problems(&format!("{GOOD}{twin}"));
        assert_eq!(found, [(6, "another entry has this name, strength and form".to_owned())]);
        let found = problems(&format!("{GOOD}{}", GOOD.replace("5 mg", "10 mg")));
        assert_eq!(found, [(6, "another entry has this id".to_owned())]);
    }

    #[test]
    fn what_is_no_formulary_is_refused() {
        assert_eq!(problems(""), [(1, "there is no [[drug]] in it".to_owned())]);
        assert_eq!(problems("[[drug]]\nid = \"a\"\n").len(), 3, "name, form and strength");
        assert_eq!(problems(&format!("{GOOD}[[drug]]\nid = \n"))[0].0, 7);
        assert_eq!(problems("drug = 1\n"), [(1, "drugs are written as [[drug]]".to_owned())]);
        assert_eq!(problems(&format!("version = 1\n{GOOD}"))[0].0, 1);
        let plain = GOOD.replace("Alpha", "Testosterone Undecanoate");
        assert_eq!(problems(&plain), [(1, "testosterone is C-III (21 CFR 1308.13(f))".to_owned())]);
    }
}
