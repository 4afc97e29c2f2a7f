//! The documents about security name tests as their proof: each must be there.

use std::{io, path::Path};

use super::{File, Finding};

/// Where tests are named, as a module and a function: `it::transport::tls::files_are_looked_at_again_and_again`.
const DOCUMENTS: &str = "docs/security/";

/// A finding for each test that a document names and nobody has written.
pub(super) fn proofs(root: &Path, paths: &[String]) -> io::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in paths.iter().filter(|path| path.starts_with(DOCUMENTS) && path.ends_with(".md")) {
        let text = std::fs::read_to_string(root.join(path))?;
        let file = File { path, text: &text };
        for (line, test) in named(&text) {
            let source = |found: &str| std::fs::read_to_string(root.join(found));
            if !is_written(test, paths, source)? {
                findings.push(file.finding(line, "proofs", format!("there is no test {test}")));
            }
        }
    }
    Ok(findings)
}

/// What stands in code marks and reads as a module and a function, with its line.
fn named(text: &str) -> Vec<(usize, &str)> {
    let lines = text.lines().enumerate();
    let marked =
        lines.flat_map(|(index, line)| line.split('`').skip(1).step_by(2).map(move |it| (index + 1, it)));
    marked.filter(|(_, it)| is_test_name(it)).collect()
}

fn is_test_name(text: &str) -> bool {
    let is_word = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
    };
    text.contains("::") && text.split("::").all(is_word)
}

/// Whether a file of that module has a function of that name.
fn is_written(test: &str, paths: &[String], source: impl Fn(&str) -> io::Result<String>) -> io::Result<bool> {
    let Some((module, function)) = test.rsplit_once("::") else { return Ok(false) };
    let definition = format!("fn {function}(");
    for path in paths.iter().filter(|path| path.ends_with(".rs")) {
        let own = format!("::{}", module_of(path));
        if own.ends_with(&format!("::{module}")) && source(path)?.contains(&definition) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A file as a module: `crates/nimbus-core/src/network.rs` is `crates::nimbus_core::network`.
fn module_of(path: &str) -> String {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/main");
    path.replace("/src/", "/").replace('-', "_").replace('/', "::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_other_words_in_code_marks() {
        let text = "| a | `it::keys::one_thing` and `nimbus doctor` |\n`Phi<T>` `core::Phi` `x` `nimbus_core::network::b2`";
        assert_eq!(named(text), [(1, "it::keys::one_thing"), (2, "nimbus_core::network::b2")]);
    }

    #[test]
    fn a_test_is_where_its_module_is() {
        let paths: Vec<String> =
            ["crates/nimbus/tests/it/keys.rs", "crates/nimbus-core/src/network.rs", "fuzz/tests/replay.rs"]
                .map(str::to_owned)
                .into();
        let source = |path: &str| Ok(format!("// {path}\n    fn works(engine) {{\n"));
        for (test, expected) in [
            ("it::keys::works", true),
            ("keys::works", true),
            ("nimbus_core::network::works", true),
            ("it::keys::fails", false),
            ("it::network::works", false),
            ("eys::works", false),
        ] {
            assert_eq!(is_written(test, &paths, source).unwrap(), expected, "{test}");
        }
    }
}
