//! `cargo run -p xtask -- tidy`: this repository's own rules, checked over its files.

mod tidy;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

fn main() -> ExitCode {
    if std::env::args().skip(1).ne(["tidy".to_owned()]) {
        eprintln!("usage: cargo run -p xtask -- tidy");
        return ExitCode::from(2);
    }
    match tidy::check(&root()) {
        Err(error) => {
            eprintln!("tidy: {error}");
            ExitCode::FAILURE
        }
        Ok(report) => {
            report.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
            report.failures.iter().for_each(|failure| eprintln!("{failure}"));
            eprintln!("tidy: {} files, {} failures", report.files, report.failures.len());
            if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

/// The folder of the workspace: cargo's word at run time, since a build folder may be shared by several checkouts.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let package = PathBuf::from(package);
    package.parent().map_or_else(|| package.clone(), Path::to_owned)
}

#[test]
fn tidy() {
    let report = tidy::check(&root()).expect("the files are readable");
    assert!(report.files > 0, "no files were found");
    let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
