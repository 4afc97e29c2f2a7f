//! `nimbus webhook verify`: why the signature of a request does not match, for whoever receives it.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use nimbus_webhooks::signing::debug::{Question, Verdict, explain, pasted_headers};
use serde_json::json;

use crate::{Failure, cli::VerifyOptions};

/// More than any delivery and its headers have.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// Where a secret is, if no file is named: on a command line others could read it.
const SECRET: &str = "NIMBUS_SIGNING_SECRET";

pub(crate) fn verify(options: &VerifyOptions) -> Result<(), Failure> {
    let is_input = |path: &Path| path == Path::new("-");
    let paths = [Some(&options.headers), Some(&options.body), options.keys.as_ref()];
    if paths.into_iter().flatten().filter(|path| is_input(path)).count() > 1 {
        return Err("only one of headers, body and keys can be the standard input".into());
    }
    let headers = pasted_headers(&text(&options.headers)?);
    let body = read(&options.body)?;
    let keys = match &options.keys {
        Some(path) => text(path)?.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect(),
        None => std::env::var(SECRET).into_iter().collect::<Vec<_>>(),
    };
    let verdict = explain(&Question {
        headers: &headers,
        body: &body,
        keys: &keys,
        now_seconds: options.at.unwrap_or_else(|| jiff::Timestamp::now().as_second()),
        tolerance_seconds: i64::from(options.tolerance),
    });
    if options.json {
        print_json(&verdict)?
    } else {
        print_text(&verdict)
    }
    if verdict.is_genuine() { Ok(()) } else { Err("the request does not verify".into()) }
}

fn print_json(verdict: &Verdict) -> Result<(), Failure> {
    let faults: Vec<_> = verdict
        .faults
        .iter()
        .map(|fault| json!({ "fault": fault.as_str(), "advice": fault.advice() }))
        .collect();
    let shown = json!({ "genuine": verdict.is_genuine(), "steps": verdict.steps, "faults": faults });
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(())
}

fn print_text(verdict: &Verdict) {
    verdict.steps.iter().for_each(|step| println!("{step}"));
    for fault in &verdict.faults {
        println!("{fault}: {}", fault.advice());
    }
    if verdict.is_genuine() {
        println!("The request is genuine.");
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?).map_err(|_| format!("{} is not text", path.display()).into())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => io::stdin().take(MAX_FILE).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes)),
    };
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(bytes)
}
