//! `nimbus-bench`: measures the release binary over real sockets with real fsync, beside the limits of the same
//! machine in the same minute. One JSON object on standard output, progress on standard error.

mod api;
mod bare;
mod client;
mod database;
mod delivery;
mod figures;
mod intake;
mod limits;
mod lists;
mod options;
mod privacy;
mod process;
mod receiver;
mod server;
mod webhooks;

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::options::{Options, Scenario};

/// The server's own allocator, for the bare server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Anything that ends a run, as a sentence.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((bare::COMMAND, rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return match bare::serve(rest).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => fail(&failure.to_string()),
        };
    }
    let options = match Options::parse(arguments.into_iter()) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("nimbus-bench: {message}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    // An interrupt drops the run, and with it the server, its folder and its database.
    let ended = tokio::select! {
        ended = run(&options) => ended,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    match ended {
        Ok(report) => {
            println!("{report:#}");
            match complaint(&report) {
                None => ExitCode::SUCCESS,
                Some(complaint) => fail(&complaint),
            }
        }
        Err(failure) => fail(&failure.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("nimbus-bench: {message}");
    ExitCode::FAILURE
}

async fn run(options: &Options) -> Result<Value, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut report = Map::new();
    report.insert("machine".to_owned(), json!({ "cores": cores }));
    report.insert("engine".to_owned(), json!(options.engine.name()));
    report.insert("connections".to_owned(), json!(options.connections));
    report.insert("seconds".to_owned(), json!(options.duration.as_secs()));
    if options.scenario == Scenario::Lists {
        report.insert("lists".to_owned(), lists::measure(options).await?);
        return Ok(Value::Object(report));
    }
    if options.scenario == Scenario::Webhooks {
        report.insert("webhooks".to_owned(), webhooks::measure(options).await?);
        return Ok(Value::Object(report));
    }
    if options.runs(Scenario::Intake) {
        report.insert("intake".to_owned(), intake::measure(options).await?);
    }
    if options.runs(Scenario::Delivery) {
        report.insert("delivery".to_owned(), delivery::measure(options).await?);
    }
    if options.runs(Scenario::Api) {
        report.insert("api".to_owned(), api::measure(options).await?);
    }
    Ok(Value::Object(report))
}

/// What makes the figures worthless: refused requests, or a lost delivery.
fn complaint(report: &Value) -> Option<String> {
    let count = |path: &str| report.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    [
        "/intake/errors",
        "/delivery/errors",
        "/delivery/lost",
        "/api/errors",
        "/webhooks/lost",
        "/webhooks/errors",
    ]
    .into_iter()
    .find(|path| count(path) > 0)
    .map(|path| format!("{path} is {}", count(path)))
}
