//! How names, strengths and forms of drugs are compared: as words, whatever their case, accents and punctuation.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Other writings of a word.
const SAME: &[(&str, &str)] = &[
    ("milligram", "mg"),
    ("microgram", "mcg"),
    ("ug", "mcg"),
    ("μg", "mcg"),
    ("gram", "g"),
    ("gm", "g"),
    ("milliliter", "ml"),
    ("millilitre", "ml"),
    ("cc", "ml"),
    ("iu", "unit"),
    ("percent", "%"),
    ("tab", "tablet"),
    ("cap", "capsule"),
    ("inj", "injection"),
    ("injectable", "injection"),
    ("susp", "suspension"),
    ("soln", "solution"),
    ("flavoured", "flavored"),
];

/// The words of a text: numbers (`0.05`), runs of letters (`mg`, `cream`) and `%`, in their order. Case, accents,
/// punctuation and spaces are gone, plain plurals are singular, and common units have one writing each, so that
/// `200mg/ml` and `200 MG / mL` are the same.
pub fn normalise(text: &str) -> Vec<String> {
    let folded: Vec<char> =
        text.nfkd().filter(|&c| !is_combining_mark(c)).flat_map(char::to_lowercase).collect();
    let mut words = Vec::new();
    let mut at = 0;
    while at < folded.len() {
        let rest = &folded[at..];
        let first = rest[0];
        let digit = |i: usize| rest.get(i).is_some_and(char::is_ascii_digit);
        if first.is_ascii_digit() || (first == '.' && digit(1)) {
            let inside = |i: usize| digit(i) || (matches!(rest[i], '.' | ',') && digit(i + 1));
            let length = (0..rest.len()).take_while(|&i| inside(i)).count();
            words.push(number(&rest[..length]));
            at += length;
        } else if first.is_alphabetic() {
            let length = rest.iter().take_while(|c| c.is_alphabetic()).count();
            words.push(word(rest[..length].iter().collect()));
            at += length;
        } else {
            if first == '%' {
                words.push("%".to_owned());
            }
            at += 1;
        }
    }
    words
}

/// A number without thousands separators and without zeros that say nothing.
fn number(digits: &[char]) -> String {
    let text: String = digits.iter().filter(|&&c| c != ',').collect();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

fn word(word: String) -> String {
    let singular = match word.strip_suffix('s') {
        Some(singular) if word.len() > 3 && !word.ends_with("ss") => singular.to_owned(),
        _ => word,
    };
    SAME.iter().find(|(other, _)| *other == singular).map_or(singular, |(_, same)| (*same).to_owned())
}

pub(super) fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

pub(super) fn is_word(word: &str) -> bool {
    word.starts_with(char::is_alphabetic)
}

/// What may stand beside a drug's name.
pub(super) struct Beside<'a> {
    pub(super) strength: &'a [String],
    pub(super) form: &'a [String],
}

impl Beside<'_> {
    /// Whether the asked words are the whole name and beside it nothing but this strength, whole or not at all,
    /// and words of this form.
    pub(super) fn completes(&self, name: &[String], asked: &[String]) -> bool {
        let Some(mut rest) = without(asked, name) else { return false };
        if rest.iter().any(|word| is_number(word)) {
            let Some(left) = without(&rest, self.strength) else { return false };
            rest = left;
        }
        rest.iter().all(|word| self.form.contains(word))
    }
}

/// The words that are left once each of these is taken out once; `None` if one is not there.
fn without(words: &[String], taken: &[String]) -> Option<Vec<String>> {
    let mut rest = words.to_vec();
    for word in taken {
        let at = rest.iter().position(|other| other == word)?;
        rest.remove(at);
    }
    Some(rest)
}

pub(super) fn contains_all(words: &[String], some: &[String]) -> bool {
    without(words, some).is_some()
}

/// Whether both are amounts, in the same units.
pub(super) fn are_same_units(one: &[String], other: &[String]) -> bool {
    let units =
        |words: &[String]| -> Vec<String> { words.iter().filter(|word| !is_number(word)).cloned().collect() };
    let amount = |words: &[String]| words.iter().any(|word| is_number(word));
    amount(one) && amount(other) && units(one) == units(other)
}
