//! A scan of Rust text that tells code from literals and comments, so that a rule reads only what it is about.

/// A string literal, without its quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// Where it begins, from 1.
    pub(super) line: usize,
    pub(super) text: String,
}

/// Rust text taken apart.
pub(super) struct Scan {
    /// The lines of the text, with comments gone and literals emptied.
    pub(super) code: Vec<String>,
    pub(super) literals: Vec<Literal>,
}

pub(super) fn scan(text: &str) -> Scan {
    let mut scanner = Scanner { rest: text, line: 1, code: String::new(), literals: Vec::new() };
    while scanner.step() {}
    Scan { code: scanner.code.lines().map(str::to_owned).collect(), literals: scanner.literals }
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    literals: Vec<Literal>,
}

impl<'a> Scanner<'a> {
    /// Takes the next token or character; false at the end.
    fn step(&mut self) -> bool {
        let Some(next) = self.rest.chars().next() else { return false };
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.skip(block_comment(self.rest));
        } else if let Some((open, close)) = raw_string(self.rest).filter(|_| !self.inside_name()) {
            let length = self.rest[open..].find(&close).unwrap_or(self.rest.len() - open);
            self.literal(open, length, close.len());
        } else if next == '"' {
            self.literal(1, string_length(&self.rest[1..]), 1);
        } else if let Some(length) = char_literal(self.rest) {
            self.skip(length);
            self.code.push_str("''");
        } else {
            let passed = self.skip(next.len_utf8());
            self.code.push_str(passed.trim_matches('\n'));
        }
        true
    }

    /// Passes over `length` bytes; line ends among them go to the code, so that line numbers hold.
    fn skip(&mut self, length: usize) -> &'a str {
        let (passed, rest) = self.rest.split_at(length);
        self.rest = rest;
        let lines = passed.matches('\n').count();
        self.line += lines;
        self.code.extend(std::iter::repeat_n('\n', lines));
        passed
    }

    /// Whether the last character of code belongs to a name, so that an `r` goes on with it.
    fn inside_name(&self) -> bool {
        self.code.chars().next_back().is_some_and(|last| last.is_alphanumeric() || last == '_')
    }

    /// A string: the bytes that open it, its text, and the bytes that close it, unless the file ends before.
    fn literal(&mut self, open: usize, length: usize, close: usize) {
        let line = self.line;
        self.skip(open);
        self.code.push_str("\"\"");
        let text = self.skip(length).to_owned();
        self.skip(close.min(self.rest.len()));
        self.literals.push(Literal { line, text });
    }
}

/// Bytes up to the quote that ends a string with escapes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The bytes that begin a raw string (`r"`, `r#"`, `br##"`), and what ends it.
fn raw_string(text: &str) -> Option<(usize, String)> {
    let after =
        text.strip_prefix("br").or_else(|| text.strip_prefix("cr")).or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let opened = after[hashes..].starts_with('"');
    opened.then(|| (text.len() - after.len() + hashes + 1, format!("\"{}", "#".repeat(hashes))))
}

/// Bytes of a character literal; `None` for a lifetime.
fn char_literal(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let mut chars = inner.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next()?;
        return inner[2..].find('\'').map(|at| at + 4);
    }
    chars.next().filter(|(_, second)| *second == '\'').map(|(at, _)| at + 2)
}

/// Bytes of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}
