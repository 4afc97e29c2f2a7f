//! A TOML document read field by field: every problem is kept with its line, and what nobody asked for is one.

use std::{cell::RefCell, collections::BTreeSet, ops::Range, rc::Rc};

use nimbus_core::time::{Date, parse_date};
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{Problem, Problems, Source};

type Span = Range<usize>;

/// Where problems are gathered.
#[derive(Clone)]
struct Log<'s> {
    source: &'s Source,
    problems: Rc<RefCell<Vec<Problem>>>,
}

impl Log<'_> {
    fn line(&self, at: usize) -> usize {
        let before = self.source.text.as_bytes().iter().take(at);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    fn add(&self, at: usize, reason: String) {
        let problem = Problem { file: self.source.file.clone(), line: self.line(at), reason };
        self.problems.borrow_mut().push(problem);
    }
}

/// A whole file.
pub(super) struct Document<'s> {
    root: Table<'s>,
}

impl<'s> Document<'s> {
    /// Parses the text.
    ///
    /// # Errors
    /// Everything that makes it no TOML.
    pub(super) fn parse(source: &'s Source) -> Result<Self, Problems> {
        let log = Log { source, problems: Rc::default() };
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        for error in &errors {
            log.add(error.span().map_or(0, |span| span.start), error.message().to_owned());
        }
        if !errors.is_empty() {
            return Err(Problems(log.problems.take()));
        }
        let root =
            Table { log, path: String::new(), at: 0, table: table.into_inner(), asked: BTreeSet::new() };
        Ok(Self { root })
    }

    pub(super) fn root(&mut self) -> &mut Table<'s> {
        &mut self.root
    }

    /// The line of a field of the file's own table; the first if it is not there.
    pub(super) fn line_of(&self, name: &str) -> usize {
        self.root.log.line(self.root.span_of(name).map_or(0, |span| span.start))
    }

    /// Every problem found, by line.
    pub(super) fn finish(mut self) -> Problems {
        self.root.refuse_unknown();
        let mut problems = self.root.log.problems.take();
        problems.sort_by_key(|problem| problem.line);
        Problems(problems)
    }
}

/// A table of the file. A reading that fails has kept its problem and answers `None`.
pub(super) struct Table<'s> {
    log: Log<'s>,
    /// Its name in messages, such as `gates.temperature`; empty for the file's own.
    path: String,
    at: usize,
    table: DeTable<'s>,
    asked: BTreeSet<String>,
}

impl<'s> Table<'s> {
    fn name(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    fn span_of(&self, field: &str) -> Option<Span> {
        self.table.iter().find(|(key, _)| key.get_ref() == field).map(|(key, _)| key.span())
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.span_of(field).is_some()
    }

    /// Keeps a problem with the line of a field, or of the table itself where the field is not there.
    pub(super) fn problem(&self, field: &str, reason: &str) {
        let at = self.span_of(field).map_or(self.at, |span| span.start);
        self.log.add(at, format!("{} {reason}", self.name(field)));
    }

    fn take(&mut self, field: &str, what: &str) -> Option<Spanned<DeValue<'s>>> {
        self.asked.insert(field.to_owned());
        let found = self.table.iter().find(|(key, _)| key.get_ref() == field).map(|(_, value)| value.clone());
        if found.is_none() {
            self.problem(field, &format!("is missing: {what}"));
        }
        found
    }

    fn read<T>(&mut self, field: &str, what: &str, read: impl Fn(&DeValue<'s>) -> Option<T>) -> Option<T> {
        let value = self.take(field, what)?;
        let found = read(value.get_ref());
        if found.is_none() {
            self.problem(field, &format!("must be {what}"));
        }
        found
    }

    /// A text of 1 to `max` characters on one line, without spaces around it.
    pub(super) fn text(&mut self, field: &str, max: usize) -> Option<String> {
        self.read(field, &format!("a text of 1 to {max} characters on one line"), |value| text(value, max))
    }

    /// A whole number within a range.
    pub(super) fn number(&mut self, field: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(field, &what, |value| {
            let integer = value.as_integer()?;
            let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            range.contains(&number).then_some(number)
        })
    }

    pub(super) fn boolean(&mut self, field: &str) -> Option<bool> {
        self.read(field, "true or false", DeValue::as_bool)
    }

    pub(super) fn day(&mut self, field: &str) -> Option<Date> {
        self.read(field, "a day, written YYYY-MM-DD without quotes", |value| {
            let written = value.as_datetime()?;
            if written.time.is_some() || written.offset.is_some() {
                return None;
            }
            parse_date(&written.to_string())
        })
    }

    /// A list of texts in lower case, each once.
    pub(super) fn phrases(&mut self, field: &str) -> Option<Vec<String>> {
        self.list(field, "texts in lower case", |text| (text == text.to_lowercase()).then(|| text.to_owned()))
    }

    /// A list of words of a closed set, each once.
    pub(super) fn list<T: PartialEq>(
        &mut self,
        field: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.take(field, &format!("a list of {what}"))?;
        let Some(items) = value.get_ref().as_array().filter(|items| !items.is_empty()) else {
            self.problem(field, &format!("must be a list of {what}, of one or more"));
            return None;
        };
        let (mut found, mut whole) = (Vec::new(), true);
        for item in items.iter() {
            let reason = match text(item.get_ref(), 100).and_then(|text| parse(&text)) {
                None => format!("holds what is none of {what}"),
                Some(parsed) if found.contains(&parsed) => "holds the same twice".to_owned(),
                Some(parsed) => {
                    found.push(parsed);
                    continue;
                }
            };
            self.log.add(item.span().start, format!("{} {reason}", self.name(field)));
            whole = false;
        }
        whole.then_some(found)
    }

    /// The text of a field that may be a list instead.
    pub(super) fn is_text(&self, field: &str, text: &str) -> bool {
        let found = self.table.iter().find(|(key, _)| key.get_ref() == field);
        found.is_some_and(|(_, value)| value.get_ref().as_str() == Some(text))
    }

    /// Marks a field as read.
    pub(super) fn skip(&mut self, field: &str) {
        self.asked.insert(field.to_owned());
    }

    /// A table inside this one, read by `read`.
    pub(super) fn section<T>(&mut self, field: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let value = self.take(field, &format!("the section [{}]", self.name(field)))?;
        let at = self.span_of(field).map_or(value.span().start, |span| span.start);
        match value.into_inner() {
            DeValue::Table(table) => self.inside(self.name(field), at, table, read),
            _ => {
                self.problem(field, &format!("must be a section: [{}]", self.name(field)));
                None
            }
        }
    }

    /// The tables of a list inside this one, one or more, each read by `read`. All are read before one that failed
    /// makes the list fail.
    pub(super) fn sections<T>(
        &mut self,
        field: &str,
        read: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.take(field, &format!("one or more sections [[{}]]", self.name(field)))?;
        let DeValue::Array(items) = value.into_inner() else {
            self.problem(field, &format!("must be sections: [[{}]]", self.name(field)));
            return None;
        };
        let items: DeArray<'s> = items;
        if items.is_empty() {
            self.problem(field, "must not be empty");
        }
        let mut found = Vec::new();
        for item in items {
            let at = item.span().start;
            found.push(match item.into_inner() {
                DeValue::Table(table) => self.inside(self.name(field), at, table, &read),
                _ => {
                    self.log.add(at, format!("{} must hold sections alone", self.name(field)));
                    None
                }
            });
        }
        found.into_iter().collect::<Option<Vec<T>>>().filter(|found| !found.is_empty())
    }

    fn inside<T>(
        &self,
        path: String,
        at: usize,
        table: DeTable<'s>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let mut inside = Self { log: self.log.clone(), path, at, table, asked: BTreeSet::new() };
        let found = read(&mut inside);
        inside.refuse_unknown();
        found
    }

    fn refuse_unknown(&mut self) {
        for (key, _) in self.table.iter().filter(|(key, _)| !self.asked.contains(key.get_ref().as_ref())) {
            self.log.add(key.span().start, format!("{} is not a field of a pack", self.name(key.get_ref())));
        }
    }

    /// The line of this table.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Keeps a problem at a place in the file.
    pub(super) fn problem_at(&self, at: usize, reason: &str) {
        self.log.add(at, reason.to_owned());
    }
}

fn text(value: &DeValue<'_>, max: usize) -> Option<String> {
    let text = value.as_str()?;
    let fits = (1..=max).contains(&text.chars().count());
    (fits && text.trim() == text && !text.chars().any(char::is_control)).then(|| text.to_owned())
}
