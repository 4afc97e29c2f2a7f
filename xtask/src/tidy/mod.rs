//! Tidy: reads every file of the repository once and asks each rule about it.

mod files;
mod manifest;
mod rules;
mod scan;
mod security;
#[cfg(test)]
mod tests;

use std::{fmt, io, path::Path};

/// Breaches that are meant: path, rule and reason. The list only shrinks: an entry that nothing needs is a failure.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("crates/nimbus/Cargo.toml", "reserved-dependency", "a development dependency of the privacy test"),
    (
        "crates/nimbus/tests/it/privacy.rs",
        "sql-outside-store",
        "flushes PostgreSQL, then reads its files for patient data",
    ),
];

/// One breach of one rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// From 1; 0 where the matter is the whole file.
    line: usize,
    rule: &'static str,
    detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) files: usize,
    pub(crate) failures: Vec<Finding>,
    pub(crate) warnings: Vec<Finding>,
}

/// One text file: its path below the root, with `/`, and its text.
struct File<'a> {
    path: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// The crate under `crates/` that it belongs to.
    fn krate(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split_once('/').map(|(name, _)| name)
    }

    fn finding(&self, line: usize, rule: &'static str, detail: impl Into<String>) -> Finding {
        Finding { path: self.path.to_owned(), line, rule, detail: detail.into() }
    }
}

/// Checks the repository at `root`. A file that is not UTF-8 is counted and not read.
pub(crate) fn check(root: &Path) -> io::Result<Report> {
    let paths = files::list(root)?;
    let mut report = Report { files: paths.len(), ..Report::default() };
    for path in &paths {
        let text = match std::fs::read_to_string(root.join(path)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
            Err(error) => return Err(io::Error::new(error.kind(), format!("{path}: {error}"))),
        };
        check_file(&File { path, text: &text }, &mut report);
    }
    report.failures.extend(rules::same_migrations(&paths));
    report.failures.extend(security::proofs(root, &paths)?);
    except(EXCEPTIONS, &mut report.failures);
    report.failures.sort();
    Ok(report)
}

/// Takes out the breaches that are meant, and puts in the exceptions that are not needed.
fn except(exceptions: &[(&str, &'static str, &str)], failures: &mut Vec<Finding>) {
    for &(path, rule, reason) in exceptions {
        let before = failures.len();
        failures.retain(|failure| (failure.path.as_str(), failure.rule) != (path, rule));
        if failures.len() == before {
            let detail = format!("{rule} ({reason}) is kept to: remove the exception");
            failures.push(Finding { path: path.to_owned(), line: 0, rule: "exceptions", detail });
        }
    }
}

fn check_file(file: &File<'_>, report: &mut Report) {
    let failures = &mut report.failures;
    rules::length(file, failures, &mut report.warnings);
    rules::denied_words(file, failures);
    match (file.extension(), file.name()) {
        (_, "Cargo.toml") => manifest::check(file, failures),
        (_, "Cargo.lock" | "package-lock.json") => manifest::check_lock(file, failures),
        ("rs", _) => rules::rust(file, failures),
        ("sql", _) => rules::sql(file, failures),
        _ => {}
    }
}
