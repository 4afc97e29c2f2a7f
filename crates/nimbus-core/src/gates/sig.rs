//! How much a sig uses in how many days, where it is one of the simple patterns. Everything else is not understood,
//! and nothing is concluded from it.

/// Amounts are thousandths of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) unit: Unit,
    /// The least and the most of one time; nothing at least where it is taken as needed.
    pub(super) least: i64,
    pub(super) most: i64,
    /// So many times in so many days.
    pub(super) times: i64,
    pub(super) days: i64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Tablet,
    Capsule,
    Millilitre,
    Gram,
    Patch,
    Troche,
    Suppository,
    Drop,
    Click,
    International,
}

impl Unit {
    /// The unit of a word, in singular or plural.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let word = word.trim_end_matches('.');
        let singular = word.strip_suffix("(s)").or_else(|| word.strip_suffix('s')).unwrap_or(word);
        Some(match singular {
            "tablet" | "tab" | "tablet(s" => Self::Tablet,
            "capsule" | "cap" => Self::Capsule,
            "ml" | "cc" | "milliliter" | "millilitre" => Self::Millilitre,
            "g" | "gm" | "gram" => Self::Gram,
            "patch" | "patche" => Self::Patch,
            "troche" | "lozenge" => Self::Troche,
            "suppository" | "suppositorie" => Self::Suppository,
            "drop" | "gtt" => Self::Drop,
            "click" => Self::Click,
            "unit" | "iu" => Self::International,
            _ => return None,
        })
    }
}

/// What the words of a sig say, if they say one amount, one unit and one frequency.
pub(super) fn usage(direction: &str) -> Option<Usage> {
    let words = words(direction);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // More than one course, or one that ends before the fill does.
    const UNCLEAR: &[&str] = &[
        "then",
        "taper",
        "increase",
        "decrease",
        "titrate",
        "until",
        "alternate",
        "alternating",
        "directed",
        "for",
        "after",
        "first",
        "max",
        "maximum",
        "loading",
        "plus",
        "and",
    ];
    if words.iter().any(|word| UNCLEAR.contains(word)) {
        return None;
    }
    let (least, most, unit, rest) = amount(&words)?;
    if rest.iter().any(|word| Unit::parse(word).is_some()) {
        return None;
    }
    let (times, days) = frequency(rest)?;
    let as_needed = words.windows(2).any(|pair| pair == ["as", "needed"]) || words.contains(&"prn");
    Some(Usage { unit, least: if as_needed { 0 } else { least }, most, times, days })
}

/// Lower-case words; what stands in brackets repeats another word's meaning and is left out.
fn words(direction: &str) -> Vec<String> {
    let mut depth = 0u32;
    let mut text = String::with_capacity(direction.len());
    for c in direction.to_lowercase().replace("(s)", "s").chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ',' | ';' | ':' if depth == 0 => text.push(' '),
            c if depth == 0 => text.push(c),
            _ => {}
        }
    }
    // A number and its unit are often written as one: 0.5ml.
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let word = word.trim_end_matches('.');
        let digits =
            word.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '/' | '-')).unwrap_or(word.len());
        match word.split_at(digits) {
            ("", word) | (word, "") => words.push(word.to_owned()),
            (number, unit) if Unit::parse(unit).is_some() => {
                words.extend([number.to_owned(), unit.to_owned()]);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// The first amount that a unit follows, and the words behind it.
fn amount<'w>(words: &'w [&'w str]) -> Option<(i64, i64, Unit, &'w [&'w str])> {
    for start in 0..words.len() {
        let Some(first) = number(words[start]) else { continue };
        let mut next = start + 1;
        let (least, mut most) = first;
        if words.get(next) == Some(&"to")
            && let Some((_, upper)) = words.get(next + 1).and_then(|word| number(word))
        {
            most = upper;
            next += 2;
        }
        if words.get(next) == Some(&"of") || words.get(next) == Some(&"a") {
            next += 1;
        }
        let unit = words.get(next).and_then(|word| Unit::parse(word))?;
        return (least <= most && least > 0).then_some((least, most, unit, &words[next + 1..]));
    }
    None
}

/// An amount or a range of amounts, in thousandths: `1`, `0.5`, `1/2`, `1-2`, `one`, `half`.
fn number(word: &str) -> Option<(i64, i64)> {
    if let Some((low, high)) = word.split_once('-') {
        return match word {
            "one-half" => Some((500, 500)),
            _ => Some((plain(low)?, plain(high)?)),
        };
    }
    plain(word).map(|amount| (amount, amount))
}

fn plain(word: &str) -> Option<i64> {
    const WORDS: &[(&str, i64)] = &[
        ("half", 500),
        ("a", 1000),
        ("one", 1000),
        ("two", 2000),
        ("three", 3000),
        ("four", 4000),
        ("five", 5000),
        ("six", 6000),
    ];
    if let Some((_, amount)) = WORDS.iter().find(|(name, _)| *name == word) {
        return Some(*amount);
    }
    if let Some((over, under)) = word.split_once('/') {
        let (over, under): (i64, i64) = (small(over)?, small(under)?);
        return (under > 0).then(|| over * 1000 / under);
    }
    crate::quantity::Quantity::parse(word).map(crate::quantity::Quantity::thousandths)
}

/// A whole number below a thousand.
fn small(text: &str) -> Option<i64> {
    let digits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A whole number in digits or as a word.
fn count(word: &str) -> Option<i64> {
    let amount = plain(word).filter(|_| word != "a" && word != "half")?;
    (amount % 1000 == 0 && amount > 0).then_some(amount / 1000)
}

/// The one frequency among the words: so many times in so many days.
fn frequency(words: &[&str]) -> Option<(i64, i64)> {
    let mut found: Option<(i64, i64)> = None;
    let mut at = 0;
    while at < words.len() {
        let Some((times, days, taken)) = one_frequency(&words[at..]) else {
            at += 1;
            continue;
        };
        // `daily at bedtime` says the same twice; `twice daily at bedtime` does not contradict itself either.
        let time_of_day = days == 1 && times == 1 && found.is_some_and(|(_, days)| days == 1);
        match found {
            Some(same) if same == (times, days) || time_of_day => {}
            Some((1, 1)) if days == 1 => found = Some((times, days)),
            Some(_) => return None,
            None => found = Some((times, days)),
        }
        at += taken;
    }
    found
}

/// A frequency that begins here: times, days, and of how many words it is.
fn one_frequency(words: &[&str]) -> Option<(i64, i64, usize)> {
    let period = |word: &str| match word {
        "daily" | "day" => Some(1),
        "weekly" | "week" => Some(7),
        "monthly" | "month" => Some(30),
        _ => None,
    };
    let often = |word: &str| match word {
        "once" => Some(1),
        "twice" => Some(2),
        _ => None,
    };
    match words {
        ["every", "other", "day", ..] => Some((1, 2, 3)),
        ["every", "other", "week", ..] => Some((1, 14, 3)),
        ["every" | "each", "day" | "morning" | "evening" | "night" | "bedtime", ..] => Some((1, 1, 2)),
        ["every" | "each", "week", ..] => Some((1, 7, 2)),
        ["every" | "each", "month", ..] => Some((1, 30, 2)),
        ["every", n, "hours" | "hour" | "hrs" | "h", ..] => {
            let hours = count(n).filter(|hours| 24 % hours == 0)?;
            Some((24 / hours, 1, 3))
        }
        ["every", n, "days", ..] => Some((1, count(n)?, 3)),
        ["every", n, "weeks", ..] => Some((1, count(n)? * 7, 3)),
        [n, "times" | "time", "a" | "per" | "each" | "every", unit, ..] => {
            Some((count(n)?, period(unit)?, 4))
        }
        [n, "times" | "time", unit, ..] => Some((count(n)?, period(unit)?, 3)),
        [n, "a" | "per" | "each" | "every", unit, ..] if often(n).is_some() => {
            Some((often(n)?, period(unit)?, 3))
        }
        [n, unit, ..] if often(n).is_some() && period(unit).is_some() => Some((often(n)?, period(unit)?, 2)),
        ["at", "bedtime" | "night", ..] => Some((1, 1, 2)),
        ["in", "the", "morning" | "evening", ..] => Some((1, 1, 3)),
        ["daily" | "nightly" | "qd" | "q.d" | "qhs" | "qam" | "qpm", ..] => Some((1, 1, 1)),
        ["bid" | "b.i.d", ..] => Some((2, 1, 1)),
        ["tid" | "t.i.d", ..] => Some((3, 1, 1)),
        ["qid" | "q.i.d", ..] => Some((4, 1, 1)),
        ["qod" | "q.o.d", ..] => Some((1, 2, 1)),
        ["weekly" | "qwk" | "qweek", ..] => Some((1, 7, 1)),
        ["monthly", ..] => Some((1, 30, 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(direction: &str, expect: Option<(Unit, i64, i64, i64, i64)>) {
        let found = usage(direction).map(|it| (it.unit, it.least, it.most, it.times, it.days));
        assert_eq!(found, expect, "{direction}");
    }

    #[test]
    fn simple_sigs_are_understood() {
        use Unit::{Capsule, Gram, Millilitre, Patch, Tablet};
        check("Take one tablet by mouth daily", Some((Tablet, 1000, 1000, 1, 1)));
        check("Take 1 tablet twice daily", Some((Tablet, 1000, 1000, 2, 1)));
        check("TAKE 1-2 TABS BY MOUTH EVERY 6 HOURS AS NEEDED", Some((Tablet, 0, 2000, 4, 1)));
        check("Take 1 to 2 capsules by mouth three times a day", Some((Capsule, 1000, 2000, 3, 1)));
        check("Take 1/2 tablet at bedtime", Some((Tablet, 500, 500, 1, 1)));
        check("Take 1 capsule (10 mg) by mouth once daily at bedtime", Some((Capsule, 1000, 1000, 1, 1)));
        check("Take 1 tablet by mouth BID", Some((Tablet, 1000, 1000, 2, 1)));
        check("Inject 0.5ml (100mg) intramuscularly twice weekly", Some((Millilitre, 500, 500, 2, 7)));
        check("Inject 0.25 mL subcutaneously once weekly", Some((Millilitre, 250, 250, 1, 7)));
        check("Inject 1 mL every 2 weeks", Some((Millilitre, 1000, 1000, 1, 14)));
        check("Give 2 mL by mouth every 12 hours.", Some((Millilitre, 2000, 2000, 2, 1)));
        check("Apply 1 patch every 3 days", Some((Patch, 1000, 1000, 1, 3)));
        check("Apply 0.5 grams to the face nightly", Some((Gram, 500, 500, 1, 1)));
        check("Take one tablet every other day", Some((Tablet, 1000, 1000, 1, 2)));
        check("Take 1 tablet(s) daily", Some((Tablet, 1000, 1000, 1, 1)));
    }

    #[test]
    fn nothing_is_concluded_from_others() {
        for direction in [
            "",
            "Apply a thin layer to the affected area twice daily",
            "Use as directed",
            "Take 1 tablet daily for 7 days",
            "Take 2 tablets daily then 1 tablet daily",
            "Take 1 tablet in the morning and 2 tablets at night",
            "Increase by 1 tablet weekly",
            "Take 10 mg daily",
            "Take 1 tablet",
            "Take 1 tablet daily, 2 times weekly",
            "Inject 50 mg every 7 hours",
            "Take 0 tablets daily",
            "Take 2-1 tablets daily",
        ] {
            check(direction, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,80}") {
            if let Some(found) = usage(&text) {
                proptest::prop_assert!(found.least <= found.most && found.times > 0 && found.days > 0);
            }
        }
    }
}
