//! Reading the rules packs: those inside the binary, or a folder that replaces them.
//!
//! `App::rules` gives the packs of the process, `app.rules().on(cx.today)` the one in force. A pack that cannot be
//! right is refused with every reason, each with its file and line; `docs/rules.md` describes the format.

mod pack;
mod record;
mod table;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use nimbus_core::{
    rules::{Packs, PacksError, RulesPack},
    time::Date,
};

pub use self::record::{Mark, changed, keep, marks};
use self::table::Document;
use crate::{
    App,
    actor::{Call, MANAGERS},
    error::Result as AppResult,
    unit::Cx,
};

/// The packs that are part of the program, by file name.
const SHIPPED: &[(&str, &str)] =
    &[("rules/2026-01-01.toml", include_str!("../../../../rules/2026-01-01.toml"))];

/// Packs in a folder, at most: one for each change of the law, over many years.
const MAX_FILES: usize = 1000;
/// Bytes of a pack, at most.
const MAX_BYTES: u64 = 1 << 20;

/// One thing that is wrong with a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// From 1.
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// Why packs are refused: everything that is wrong with them, by file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rules are not valid:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl std::error::Error for Problems {}

/// A pack as text, with the name that its problems are reported under.
#[derive(Debug, Clone)]
pub struct Source {
    pub file: String,
    pub text: String,
}

/// The packs that are part of the program.
pub fn shipped() -> Packs {
    // A test reads them, so that a program whose own packs are not valid is never built.
    read(&shipped_sources()).expect("the shipped packs are valid")
}

pub fn shipped_sources() -> Vec<Source> {
    let source = |(file, text): &(&str, &str)| Source { file: (*file).to_owned(), text: (*text).to_owned() };
    SHIPPED.iter().map(source).collect()
}

/// Every `*.toml` of a folder, by name.
///
/// # Errors
/// A folder or file that cannot be read, is too large, or not there.
pub fn sources_of(folder: &Path) -> Result<Vec<Source>, Problems> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error.to_string()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error.to_string()))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(unreadable(folder, "it holds no rules pack (*.toml)"));
    }
    if paths.len() > MAX_FILES {
        return Err(unreadable(folder, &format!("it holds more than {MAX_FILES} packs")));
    }
    paths.sort();
    sources(&paths)
}

/// These files, in this order.
///
/// # Errors
/// Every one that cannot be read, is too large or is not text.
pub fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, Problems> {
    collect(paths.iter().map(|path| source(path)))
}

fn source(path: &Path) -> Result<Source, Problems> {
    let length = fs::metadata(path).map_err(|error| unreadable(path, &error.to_string()))?.len();
    if length > MAX_BYTES {
        return Err(unreadable(path, &format!("it is larger than {MAX_BYTES} bytes")));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error.to_string()))?;
    Ok(Source { file: path.display().to_string(), text })
}

fn unreadable(path: &Path, why: &str) -> Problems {
    let reason = format!("cannot be read: {why}");
    Problems(vec![Problem { file: path.display().to_string(), line: 1, reason }])
}

/// Reads packs that are to stand side by side.
///
/// # Errors
/// Everything that is wrong with any of them, or with two of them together.
pub fn read(sources: &[Source]) -> Result<Packs, Problems> {
    let read: Vec<Read> = collect(sources.iter().map(read_one))?;
    let together = Packs::new(read.iter().map(|read| read.pack.clone()).collect());
    together
        .map_err(|errors| Problems(errors.into_iter().map(|error| clash(sources, &read, error)).collect()))
}

/// The pack in force on a day, or today, for staff.
pub fn in_force<'a>(app: &'a App, call: &Call, on: Option<Date>) -> AppResult<&'a RulesPack> {
    call.staff(MANAGERS)?;
    Ok(app.rules().on(on.unwrap_or_else(|| Cx::new(app, call).today)))
}

/// A pack, and the lines that other packs may clash with.
struct Read {
    pack: RulesPack,
    version_line: usize,
    effective_line: usize,
}

fn read_one(source: &Source) -> Result<Read, Problems> {
    let mut document = Document::parse(source)?;
    let pack = pack::read(&mut document);
    let (version_line, effective_line) = (document.line_of("version"), document.line_of("effective_from"));
    let problems = document.finish();
    match pack {
        Some(pack) if problems.0.is_empty() => Ok(Read { pack, version_line, effective_line }),
        _ => Err(problems),
    }
}

fn clash(sources: &[Source], read: &[Read], error: PacksError) -> Problem {
    let (at, line, reason) = match error {
        PacksError::None => return Problem { file: "rules".to_owned(), line: 1, reason: error.to_string() },
        PacksError::SameVersion(first, second) => {
            let reason = format!("the version is also that of {}", sources[first].file);
            (second, read[second].version_line, reason)
        }
        PacksError::SameDay(first, second) => {
            let reason = format!("{} is effective from the same day", sources[first].file);
            (second, read[second].effective_line, reason)
        }
    };
    Problem { file: sources[at].file.clone(), line, reason }
}

/// All that were read, or all problems.
fn collect<T>(results: impl Iterator<Item = Result<T, Problems>>) -> Result<Vec<T>, Problems> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(item) => found.push(item),
            Err(more) => problems.extend(more.0),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Problems(problems)) }
}

#[cfg(test)]
mod tests;
