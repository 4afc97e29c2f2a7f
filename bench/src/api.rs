//! The orders APIs: reading an order by its id beside a bare handler on the same stack, placing one, and what the
//! checks before a use case cost.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use serde_json::{Value, json};

use crate::{
    Failure,
    bare::Bare,
    client::{self, Load, Outcome, Until},
    figures::{Latencies, decimals, median, per_second, ratio, whole},
    options::Options,
    process::cpu_us,
    server::Server,
};

/// Sent before the clock starts: connections, caches, the first pages.
const WARM_UP: Duration = Duration::from_secs(1);
/// What is compared takes turns of this length, so that whatever else the machine does falls on all alike.
const TURN: Duration = Duration::from_secs(1);
/// Orders that are read, one after the other.
const ORDERS: u64 = 500;

pub(crate) async fn measure(options: &Options) -> Result<Value, Failure> {
    eprintln!("api, {}", options.engine.name());
    let mut server = Server::start(options).await?;
    let ids = place(options, &server).await?;
    let mut report = json!({});
    let mut errors = 0;
    for (name, path) in [("order", "/orders/"), ("partner_order", "/api/external/medication-order/")] {
        let read = Subject::new(server.get(path, &ids)?, server.pid()?);
        let body = read.load.once().await?.len();
        let bare = Bare::start(options, body).await?;
        let pid = bare.process.id().ok_or("the bare server has ended by itself")?;
        let beside = |path| {
            Subject::new(Load::get(bare.address, bare.key.clone(), Arc::new([Uri::from_static(path)])), pid)
        };
        let mut subjects = [beside(nimbus_web::measure::BARE), beside(nimbus_web::measure::GUARDED), read];
        eprintln!("  {name}: reads of {body} bytes, in turns of {} s", TURN.as_secs());
        take_turns(options, &mut subjects).await?;
        errors += subjects.iter().map(|subject| subject.errors).sum::<u64>();
        report[name] = told(body, &subjects);
    }
    let [plain, keyed] = &mut place_in_turns(options, &server).await?;
    errors += plain.errors + keyed.errors;
    report["place"] = placed(plain, keyed);
    report["errors"] = json!(errors);
    server.stop().await?;
    Ok(report)
}

/// One kind of request, and what its turns measured.
struct Subject {
    load: Load,
    /// The process that answers.
    pid: u32,
    done: u64,
    errors: u64,
    latencies: Latencies,
    /// Requests per second, and microseconds of the process's time for each, turn by turn.
    rates: Vec<f64>,
    cpu_us: Vec<f64>,
}

impl Subject {
    fn new(load: Load, pid: u32) -> Self {
        Self {
            load,
            pid,
            done: 0,
            errors: 0,
            latencies: Latencies::new(),
            rates: Vec::new(),
            cpu_us: Vec::new(),
        }
    }

    async fn turn(&mut self, connections: usize) -> Result<(), Failure> {
        let before = cpu_us(self.pid)?;
        let outcome = client::run(self.load.clone(), connections, Until::Elapsed(TURN), |_, _| {}).await?;
        let spent = cpu_us(self.pid)? - before;
        let Outcome { done, errors, latencies, .. } = &outcome;
        self.done += done;
        self.errors += errors;
        self.latencies.add(latencies);
        self.rates.push(per_second(*done, outcome.elapsed));
        self.cpu_us.push(spent as f64 / (*done).max(1) as f64);
        Ok(())
    }

    fn to_json(&self) -> Value {
        json!({
            "requests": self.done,
            "per_second": whole(median(&self.rates)),
            "server_cpu_us": decimals(median(&self.cpu_us), 1),
            "latency_ms": self.latencies.to_json(),
        })
    }
}

/// Warms each up, then lets them take turns until each has had the time of a scenario.
async fn take_turns<const N: usize>(options: &Options, subjects: &mut [Subject; N]) -> Result<(), Failure> {
    for subject in subjects.iter() {
        client::run(subject.load.clone(), options.connections, Until::Elapsed(WARM_UP), |_, _| {}).await?;
    }
    for _ in 0..options.duration.as_secs().div_ceil(TURN.as_secs()) {
        for subject in subjects.iter_mut() {
            subject.turn(options.connections).await?;
        }
    }
    Ok(())
}

/// The median of one series divided by another, turn by turn.
fn per(part: &[f64], whole: &[f64]) -> Value {
    let ratios: Vec<f64> = part.iter().zip(whole).map(|(part, whole)| part / whole.max(1e-9)).collect();
    decimals(median(&ratios), 3)
}

fn told(body: usize, [bare, guarded, read]: &[Subject; 3]) -> Value {
    let checks: Vec<f64> =
        guarded.cpu_us.iter().zip(&bare.cpu_us).map(|(with, without)| with - without).collect();
    json!({
        "body_bytes": body,
        "bare": bare.to_json(),
        "guarded": guarded.to_json(),
        "read": read.to_json(),
        "ratios": {
            "reads_per_bare": per(&read.rates, &bare.rates),
            "checks_cpu_per_read_cpu": per(&checks, &read.cpu_us),
        },
    })
}

/// Places orders without and with an idempotency key.
async fn place_in_turns(options: &Options, server: &Server) -> Result<[Subject; 2], Failure> {
    eprintln!("  orders, without and with an idempotency key, in turns of {} s", TURN.as_secs());
    let keyed = Load { idempotent: true, ..server.order()? };
    let mut subjects = [Subject::new(server.order()?, server.pid()?), Subject::new(keyed, server.pid()?)];
    take_turns(options, &mut subjects).await?;
    Ok(subjects)
}

fn placed(plain: &Subject, keyed: &Subject) -> Value {
    json!({
        "without_idempotency_key": plain.to_json(),
        "with_idempotency_key": keyed.to_json(),
        "ratios": {
            "p99_per_p50": ratio(plain.latencies.ms(0.99), plain.latencies.ms(0.5)),
            "p99_per_p50_with_idempotency_key": ratio(keyed.latencies.ms(0.99), keyed.latencies.ms(0.5)),
            "rate_with_key_per_without": per(&keyed.rates, &plain.rates),
        },
    })
}

/// Places the orders that are read; their ids.
async fn place(options: &Options, server: &Server) -> Result<Vec<String>, Failure> {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ids);
    let keep = move |_, body: &Bytes| {
        let id = serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|reply| reply.pointer("/data/medication_order_id")?.as_str().map(str::to_owned));
        seen.lock().unwrap_or_else(PoisonError::into_inner).extend(id);
    };
    client::run(server.order()?, options.connections, Until::Count(ORDERS), keep).await?;
    let ids = std::mem::take(&mut *ids.lock().unwrap_or_else(PoisonError::into_inner));
    if ids.len() as u64 == ORDERS { Ok(ids) } else { Err("not every order to be read was placed".into()) }
}
