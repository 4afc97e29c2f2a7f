//! The webhook engine against its limits: publish to delivered, what it costs, draining a backlog, latency at half of the
//! rate, and dead endpoints beside healthy ones. One table, each line with its limit and whether it is kept.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    Failure,
    client::{self, Outcome, Until},
    database::psql,
    figures::{Latencies, decimals, per_second, whole},
    limits,
    options::{Engine, Options},
    process,
    receiver::Receiver,
    server::Server,
};

const TRIGGER: &str = "/api/sandbox/events/trigger";
const EVENT: &str = "medication:updated";
/// The raw POSTs carry as much as an event.
const RAW_BYTES: usize = 700;
/// A backlog of so many events to so many endpoints each is drained.
const BACKLOG: u64 = 10_000;
const BACKLOG_ENDPOINTS: usize = 20;
/// Endpoints of the isolation run, and how many of them are dead.
const MANY: usize = 100;
const DEAD: usize = 20;
/// Nothing arrived for so long: what is missing is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the receiver counted.
#[derive(Clone, Default)]
struct Arrivals {
    count: Arc<AtomicU64>,
    /// When each event of a number of ours arrived first.
    numbered: Arc<Mutex<HashMap<u64, Instant>>>,
    ids: Arc<Mutex<std::collections::HashSet<HeaderValue>>>,
    keep_ids: bool,
}

impl Arrivals {
    async fn receiver(&self) -> Result<Receiver, Failure> {
        let seen = self.clone();
        Receiver::start(move |headers, body| seen.record(headers, body)).await
    }

    fn record(&self, headers: &HeaderMap, body: &Bytes) {
        let now = Instant::now();
        if self.keep_ids
            && let Some(id) = headers.get("webhook-id")
            && !lock(&self.ids).insert(id.clone())
        {
            return;
        }
        if let Some(number) = number_of(body) {
            lock(&self.numbered).entry(number).or_insert(now);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until so many came, or nothing comes any more; when the last one came, about.
    async fn wait(&self, expected: u64) -> Instant {
        let (mut before, mut changed) = (self.count(), Instant::now());
        while self.count() < expected && changed.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let now = self.count();
            if now > before {
                (before, changed) = (now, Instant::now());
            }
        }
        Instant::now()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number that an event of the latency run carries.
fn number_of(body: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"bench_number\":";
    let at = body.windows(NAME.len()).rposition(|window| window == NAME)?;
    let digits = &body[at + NAME.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

pub(crate) async fn measure(options: &Options) -> Result<Value, Failure> {
    eprintln!("webhooks, {}", options.engine.name());
    let raw = limits::raw_posts(Bytes::from(vec![b'x'; RAW_BYTES]), options.connections).await?;
    let is_sqlite = options.engine == Engine::Sqlite;
    let mut lines = Vec::new();
    let publish = publish(options).await?;
    let rate = publish.delivered_per_second;
    lines.push(line(
        "publish to delivered, per raw POST",
        rate / raw,
        at_least(if is_sqlite { 0.18 } else { 0.07 }),
    ));
    lines.push(line(
        "CPU-seconds per 1,000 delivered",
        publish.cpu_per_thousand,
        at_most(if is_sqlite { 0.15 } else { 0.40 }),
    ));
    if let Some(statements) = publish.statements {
        lines.push(line("delivery-side statements per delivered event", statements, at_most(0.2)));
    }
    let drained = drain(options).await?;
    lines.push(line(
        "drain, per raw POST",
        drained.per_second / raw,
        at_least(if is_sqlite { 0.30 } else { 0.20 }),
    ));
    lines.push(line("peak memory while draining, MiB", drained.peak_mib, at_most(150.0)));
    let latencies = latency(options, rate / 2.0).await?;
    lines.push(line("accepted to arrival at half rate, p50 ms", latencies.ms(0.5), at_most(3.0)));
    lines.push(line("accepted to arrival at half rate, p99 ms", latencies.ms(0.99), at_most(12.0)));
    let healthy = isolation(options, 0).await?;
    let beside = isolation(options, DEAD).await?;
    lines.push(line("healthy throughput beside dead ones", beside.rate / healthy.rate, at_least(0.9)));
    let p99 = beside.latencies.ms(0.99) / healthy.latencies.ms(0.99).max(0.001);
    lines.push(line("healthy p99 beside dead ones", p99, at_most(1.5)));
    for line in &lines {
        eprintln!("  {}", text(line));
    }
    Ok(json!({
        "lines": lines,
        "raw_posts_per_second": whole(raw),
        "published_per_second": whole(publish.published_per_second),
        "delivered_per_second": whole(rate),
        "publish_ms": publish.outcome.latencies.to_json(),
        "errors": publish.outcome.errors,
        "lost": publish.lost + drained.lost,
        "drained_per_second": whole(drained.per_second),
        "half_rate_ms": latencies.to_json(),
    }))
}

#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

fn at_least(limit: f64) -> Limit {
    Limit::AtLeast(limit)
}

fn at_most(limit: f64) -> Limit {
    Limit::AtMost(limit)
}

fn line(name: &str, value: f64, limit: Limit) -> Value {
    let (kept, asked) = match limit {
        Limit::AtLeast(least) => (value >= least, format!(">= {least}")),
        Limit::AtMost(most) => (value <= most, format!("<= {most}")),
    };
    json!({ "line": name, "measured": decimals(value, 3), "asked": asked, "pass": kept })
}

fn text(line: &Value) -> String {
    let verdict = if line["pass"] == true { "pass" } else { "FALLS SHORT" };
    format!(
        "{:<48} {:>10} {:>10}  {verdict}",
        line["line"].as_str().unwrap_or(""),
        line["measured"],
        line["asked"].as_str().unwrap_or("")
    )
}

fn event(server: &Server, more: Value) -> Result<Value, Failure> {
    let mut body = json!({ "clinic_id": server.seeded("/clinic_id")?, "event_type": EVENT });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    Ok(body)
}

/// Registers an endpoint; its id.
async fn register(server: &Server, address: std::net::SocketAddr, path: &str) -> Result<String, Failure> {
    let body = json!({
        "clinic_id": server.seeded("/clinic_id")?,
        "webhook_url": format!("http://{address}/{path}"),
        "event_types": [EVENT],
    });
    let reply: Value = serde_json::from_slice(&server.post("/api/external/webhook", &body)?.once().await?)?;
    let id = reply.pointer("/data/webhook_id").and_then(Value::as_str);
    Ok(id.ok_or("the reply names no webhook")?.to_owned())
}

/// Processor time of the server and, on PostgreSQL, of the database.
fn cpu_us(options: &Options, server: &Server) -> Result<u64, Failure> {
    let database = match options.engine {
        Engine::Sqlite => 0,
        Engine::Postgres(_) => process::cpu_us_named("postgres")?,
    };
    Ok(process::cpu_us(server.pid()?)? + database)
}

struct Published {
    outcome: Outcome,
    published_per_second: f64,
    delivered_per_second: f64,
    cpu_per_thousand: f64,
    statements: Option<f64>,
    lost: u64,
}

/// One durable event a request, until all have arrived at one endpoint.
async fn publish(options: &Options) -> Result<Published, Failure> {
    eprintln!("  publishing for {} s", options.duration.as_secs());
    let arrivals = Arrivals::default();
    let receiver = arrivals.receiver().await?;
    let mut server = Server::start(options).await?;
    register(&server, receiver.address, "one").await?;
    let load = server.post_as_staff(TRIGGER, &event(&server, json!({}))?)?;
    // So that connections are open and statements prepared.
    client::run(load.clone(), options.connections, Until::Count(2000), |_, _| {}).await?;
    arrivals.wait(2000).await;
    let (before, cpu) = (arrivals.count(), cpu_us(options, &server)?);
    let counted = statements_begin(&server);
    let outcome = client::run(load, options.connections, Until::Elapsed(options.duration), |_, _| {}).await?;
    let last = arrivals.wait(before + outcome.done).await;
    let spent = cpu_us(options, &server)? - cpu;
    let delivered = arrivals.count() - before;
    let statements = counted.then(|| statements_of_delivery(&server)).transpose()?;
    server.stop().await?;
    let thousands = delivered as f64 / 1000.0;
    Ok(Published {
        published_per_second: per_second(outcome.done, outcome.elapsed),
        delivered_per_second: per_second(delivered, last.saturating_duration_since(outcome.started)),
        cpu_per_thousand: spent as f64 / 1e6 / thousands.max(0.001),
        statements: statements.map(|statements| statements / delivered.max(1) as f64),
        lost: outcome.done.saturating_sub(delivered),
        outcome,
    })
}

/// Begins to count statements, where the server of PostgreSQL has loaded what counts them.
fn statements_begin(server: &Server) -> bool {
    let Some(url) = server.database.url() else { return false };
    let script = "create extension if not exists pg_stat_statements; select pg_stat_statements_reset();\n";
    psql(url, script).is_ok()
}

/// Statements that only sending needs: looking, claiming, reading endpoints, recording. Each that writes has a begin
/// and a commit.
fn statements_of_delivery(server: &Server) -> Result<f64, Failure> {
    let url = server.database.url().ok_or("only PostgreSQL counts statements")?;
    let script = "select coalesce(sum(case when query like 'with ended as%' or query like 'with first as%'
            then 3 * calls else calls end), 0)
        from pg_stat_statements
        where query like 'with ended as%' or query like 'with first as%' or query like 'with recursive lane%'
            or query like 'with next as%' or query like 'update deliveries%'
            or query like '%from webhook_endpoints where id = %'\n;";
    Ok(psql(url, script)?.trim().parse()?)
}

struct Drained {
    per_second: f64,
    peak_mib: f64,
    lost: u64,
}

/// A backlog that gathered while the endpoints were paused.
async fn drain(options: &Options) -> Result<Drained, Failure> {
    eprintln!("  draining {} deliveries", BACKLOG * BACKLOG_ENDPOINTS as u64);
    let arrivals = Arrivals::default();
    let receiver = arrivals.receiver().await?;
    let mut server = Server::start(options).await?;
    let mut paths = Vec::new();
    for n in 0..BACKLOG_ENDPOINTS {
        let id = register(&server, receiver.address, &format!("drain/{n}")).await?;
        paths.push(format!("/api/external/webhook/{id}"));
    }
    for path in &paths {
        server.patch(path, &json!({ "status": "paused" })).await?;
    }
    for _ in 0..BACKLOG / 1000 {
        let body = event(&server, json!({ "count": 1000 }))?;
        server.post_as_staff(TRIGGER, &body)?.once().await?;
    }
    let expected = BACKLOG * BACKLOG_ENDPOINTS as u64;
    let started = Instant::now();
    for path in &paths {
        server.patch(path, &json!({ "status": "active" })).await?;
    }
    let last = arrivals.wait(expected).await;
    let peak = process::peak_kib(server.pid()?)?;
    server.stop().await?;
    Ok(Drained {
        per_second: per_second(arrivals.count(), last.saturating_duration_since(started)),
        peak_mib: peak as f64 / 1024.0,
        lost: expected.saturating_sub(arrivals.count()),
    })
}

/// From the reply to the arrival, while events come at a steady rate.
async fn latency(options: &Options, rate: f64) -> Result<Latencies, Failure> {
    eprintln!("  {} events a second for {} s", rate.round(), options.duration.as_secs());
    let arrivals = Arrivals::default();
    let receiver = arrivals.receiver().await?;
    let mut server = Server::start(options).await?;
    register(&server, receiver.address, "steady").await?;
    let mut latencies = paced(&server, &arrivals, rate, options).await?;
    server.stop().await?;
    if latencies.is_empty() {
        latencies.record(PATIENCE);
    }
    Ok(latencies)
}

/// Sends numbered events at a rate over as many connections, and matches their replies with their arrivals.
async fn paced(
    server: &Server,
    arrivals: &Arrivals,
    rate: f64,
    options: &Options,
) -> Result<Latencies, Failure> {
    let every = Duration::from_secs_f64(options.connections as f64 / rate.max(1.0));
    let stop_at = Instant::now() + options.duration;
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..options.connections {
        let load = server.post_as_staff(TRIGGER, &json!({}))?;
        let (clinic, next) = (server.seeded("/clinic_id")?.to_owned(), Arc::clone(&next));
        let offset = every.mul_f64(n as f64 / options.connections as f64);
        tasks.spawn(async move {
            let (mut replies, mut connection) = (Vec::new(), None);
            let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + offset, every);
            while Instant::now() < stop_at {
                ticks.tick().await;
                let number = next.fetch_add(1, Ordering::Relaxed);
                let padding = "x".repeat(400);
                let body = json!({ "clinic_id": clinic, "event_type": EVENT,
                    "payload": { "padding": padding, "bench_number": number } });
                let load = load.with_body(Bytes::from(body.to_string()));
                if client::send_once(&load, &mut connection).await.is_ok() {
                    replies.push((number, Instant::now()));
                }
            }
            replies
        });
    }
    let mut replies = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        replies.extend(joined?);
    }
    arrivals.wait(replies.len() as u64).await;
    let (seen, mut latencies) = (lock(&arrivals.numbered), Latencies::new());
    for (number, replied) in replies {
        let arrived = seen.get(&number).copied();
        latencies.record(arrived.map_or(PATIENCE, |arrived| arrived.saturating_duration_since(replied)));
    }
    Ok(latencies)
}

struct Healthy {
    rate: f64,
    latencies: Latencies,
}

/// Many endpoints, of which some never answer; how the others fare.
async fn isolation(options: &Options, dead: usize) -> Result<Healthy, Failure> {
    eprintln!("  {MANY} endpoints, {dead} of them dead");
    let arrivals = Arrivals::default();
    let receiver = arrivals.receiver().await?;
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let mut server = Server::start(options).await?;
    for n in 0..MANY - DEAD {
        register(&server, receiver.address, &format!("healthy/{n}")).await?;
    }
    for n in 0..dead {
        register(&server, silent.local_addr()?, &format!("dead/{n}")).await?;
    }
    let started = Instant::now();
    let slow = Options { connections: 4, ..options.clone() };
    // Each event goes to all of them.
    let latencies = paced(&server, &arrivals, 20.0, &slow).await?;
    let events = lock(&arrivals.numbered).len() as u64;
    let expected = events * (MANY - DEAD) as u64;
    let last = arrivals.wait(expected).await;
    let rate = per_second(arrivals.count(), last.saturating_duration_since(started));
    server.stop().await?;
    Ok(Healthy { rate, latencies })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_bodies() {
        assert_eq!(
            number_of(br#"{"event_data":{"padding":"x","bench_number":42},"triggered":true}"#),
            Some(42)
        );
        assert_eq!(number_of(b"{}"), None);
    }

    #[test]
    fn a_line_says_whether_its_limit_is_kept() {
        assert_eq!(line("a", 0.2, at_least(0.18))["pass"], true);
        assert_eq!(line("a", 0.2, at_most(0.15))["pass"], false);
        assert!(text(&line("a", 0.2, at_most(0.15))).ends_with("FALLS SHORT"));
    }
}
