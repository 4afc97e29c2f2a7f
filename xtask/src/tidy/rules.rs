//! Rules about source text: openings, lengths, forbidden words, SQL and migrations.

use std::collections::BTreeSet;

use super::{File, Finding, scan::scan};

/// The most lines of a source file.
const MAX_LINES: usize = 600;
/// From here a file is worth splitting.
const LONG: usize = 450;
/// What people write by hand; data, locks and documents may be longer.
const WRITTEN: &[&str] = &["rs", "sql", "py", "js", "mjs", "ts", "css", "html", "sh"];

/// Words that name one person's machine. Put together here, so that this file does not hold them.
const DENIED: &[&str] = &[concat!("/wor", "k/"), concat!("/far", "m/"), concat!(".libr", "ary")];

/// Forbidden in Rust code, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo!", "unfinished work"),
    ("unimplemented!", "unfinished work"),
    ("dbg!", "a debugging aid"),
    ("#[ignore", "a test that does not run"),
];

/// What a statement begins with, and a word that prose with that beginning lacks.
const STATEMENTS: &[(&str, &str)] = &[
    ("select ", " from "),
    ("insert into ", "("),
    ("update ", " set "),
    ("delete from ", ""),
    ("create table ", "("),
    ("with ", " as ("),
];

/// Keywords that stand in lower case.
const KEYWORDS: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "ALTER",
    "FROM",
    "WHERE",
    "VALUES",
    "RETURNING",
    "INTO",
    "SET",
    "TABLE",
    "INDEX",
];

pub(super) fn length(file: &File<'_>, failures: &mut Vec<Finding>, warnings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if !WRITTEN.contains(&file.extension()) || is_generated(file) || lines <= LONG {
        return;
    }
    if lines > MAX_LINES {
        failures.push(file.finding(lines, "file-length", format!("more than {MAX_LINES} lines")));
    } else {
        warnings.push(file.finding(lines, "file-length", format!("more than {LONG} lines")));
    }
}

/// A generated file says so at its beginning or by its folder.
fn is_generated(file: &File<'_>) -> bool {
    let says_so = |line: &str| line.to_lowercase().contains("generated");
    file.path.contains("/generated/") || file.text.lines().take(5).any(says_so)
}

pub(super) fn denied_words(file: &File<'_>, failures: &mut Vec<Finding>) {
    for (number, line) in numbered(file.text.lines()) {
        for word in DENIED.iter().filter(|word| line.contains(**word)) {
            failures.push(file.finding(number, "denied-word", *word));
        }
    }
}

pub(super) fn rust(file: &File<'_>, failures: &mut Vec<Finding>) {
    if !file.text.starts_with("//!") {
        failures.push(file.finding(1, "opening", "a file begins with a //! line that says what it is about"));
    }
    let scan = scan(file.text);
    for (number, line) in numbered(scan.code.iter().map(String::as_str)) {
        for (word, why) in FORBIDDEN.iter().filter(|(word, _)| holds_word(line, word)) {
            failures.push(file.finding(number, "forbidden", format!("{word} is {why}")));
        }
        let attribute = line.trim_start();
        if (attribute.starts_with("#[") || attribute.starts_with("#![")) && holds_word(attribute, "allow(") {
            failures.push(file.finding(number, "no-allow", "mend what the lint found"));
        }
        if file.krate() == Some("nimbus-core") && (holds_word(line, "async") || line.contains(".await")) {
            failures.push(file.finding(number, "pure-core", "the rules are not async"));
        }
    }
    for literal in &scan.literals {
        match file.krate() {
            Some("nimbus-store") => upper_case_keywords(file, literal.line, &literal.text, failures),
            Some(_) if is_statement(&literal.text) => {
                failures.push(file.finding(
                    literal.line,
                    "sql-outside-store",
                    "SQL text belongs in nimbus-store",
                ));
            }
            _ => {}
        }
    }
}

fn is_statement(literal: &str) -> bool {
    let text = literal.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    STATEMENTS.iter().any(|(begin, has)| text.starts_with(begin) && text.contains(has))
}

pub(super) fn sql(file: &File<'_>, failures: &mut Vec<Finding>) {
    for (number, line) in numbered(file.text.lines()) {
        let statement = line.split("--").next().unwrap_or_default();
        upper_case_keywords(file, number, statement, failures);
    }
}

/// `first_line` is the line that `text` begins on.
fn upper_case_keywords(file: &File<'_>, first_line: usize, text: &str, failures: &mut Vec<Finding>) {
    for (offset, line) in text.lines().enumerate() {
        let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        if let Some(word) = words.find(|word| KEYWORDS.contains(word)) {
            failures.push(file.finding(first_line + offset, "sql-lower-case", word));
        }
    }
}

/// Every migration is there for both databases, under one name.
pub(super) fn same_migrations(paths: &[String]) -> Vec<Finding> {
    let names = |folder: &str| -> BTreeSet<&str> {
        paths.iter().filter_map(|path| path.strip_prefix(folder)).collect()
    };
    let folders = ["migrations/sqlite/", "migrations/postgres/"];
    let [sqlite, postgres] = folders.map(names);
    let missing = |name: &&str, other: &str| Finding {
        path: format!("{other}{name}"),
        line: 0,
        rule: "migration-pairs",
        detail: "only the other database has it".to_owned(),
    };
    let no_postgres = sqlite.difference(&postgres).map(|name| missing(name, folders[1]));
    no_postgres.chain(postgres.difference(&sqlite).map(|name| missing(name, folders[0]))).collect()
}

/// Whether `line` holds `word` where no longer name ends.
fn holds_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    // A word that ends in a sign, such as `todo!`, ends there whatever follows.
    let goes_on = |rest: &str| word.ends_with(is_name) && rest.starts_with(is_name);
    line.match_indices(word).any(|(at, _)| {
        let (before, rest) = (&line[..at], &line[at + word.len()..]);
        !(before.ends_with(is_name) || goes_on(rest))
    })
}

fn numbered<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = (usize, &'a str)> {
    lines.enumerate().map(|(index, line)| (index + 1, line))
}
