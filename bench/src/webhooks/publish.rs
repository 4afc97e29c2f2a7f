//! One durable event a request, sent to one endpoint.

use serde_json::json;

use super::{
    TRIGGER,
    arrivals::{Arrivals, paced},
    event, register,
};
use crate::{
    Failure,
    client::{self, Outcome, Until},
    database::psql,
    figures::{Latencies, per_second},
    options::{Engine, Options},
    process,
    server::Server,
};

/// Processor time of the server and, on PostgreSQL, of the database.
fn cpu_us(options: &Options, server: &Server) -> Result<u64, Failure> {
    let database = match options.engine {
        Engine::Sqlite => 0,
        Engine::Postgres(_) => process::cpu_us_named("postgres")?,
    };
    Ok(process::cpu_us(server.pid()?)? + database)
}

pub(super) struct Published {
    pub(super) outcome: Outcome,
    pub(super) published_per_second: f64,
    pub(super) delivered_per_second: f64,
    pub(super) cpu_per_thousand: f64,
    pub(super) statements: Option<f64>,
    pub(super) lost: u64,
}

/// One durable event a request, until all have arrived at one endpoint.
pub(super) async fn publish(options: &Options, server: &Server) -> Result<Published, Failure> {
    eprintln!("  publishing for {} s", options.duration.as_secs());
    let arrivals = Arrivals::default();
    let receiver = arrivals.receiver().await?;
    let endpoint = register(server, receiver.address, "one").await?;
    let load = server.post_as_staff(TRIGGER, &event(server, json!({}))?)?;
    // So that connections are open and statements prepared.
    client::run(load.clone(), options.connections, Until::Count(2000), |_, _| {}).await?;
    arrivals.wait(2000).await;
    let (before, cpu) = (arrivals.count(), cpu_us(options, server)?);
    let counted = statements_begin(server);
    let outcome = client::run(load, options.connections, Until::Elapsed(options.duration), |_, _| {}).await?;
    let last = arrivals.wait(before + outcome.done).await;
    let spent = cpu_us(options, server)? - cpu;
    let delivered = arrivals.count() - before;
    let statements = counted.then(|| statements_of_delivery(server)).transpose()?;
    server.delete(&endpoint).await?;
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

/// From the reply to the arrival, while events come at a steady rate.
pub(super) async fn latency(options: &Options, rate: f64) -> Result<Latencies, Failure> {
    eprintln!("  {} events a second for {} s", rate.round(), options.duration.as_secs());
    let arrivals = Arrivals::with_numbers();
    let receiver = arrivals.receiver().await?;
    let mut server = Server::start(options).await?;
    register(&server, receiver.address, "steady").await?;
    let (_, latencies) = paced(&server, &arrivals, rate, 1, options).await?;
    server.stop().await?;
    Ok(latencies)
}

/// Endpoints that one event goes to.
const FAN_OUT: usize = 50;
/// Events that are published one after the other.
const SINGLE: u64 = 100;

/// Statements that publishing one event to many endpoints takes, where they can be counted.
pub(super) async fn fan_out(options: &Options) -> Result<Option<f64>, Failure> {
    eprintln!("  one event to {FAN_OUT} endpoints");
    let arrivals = Arrivals::default();
    let receiver = arrivals.receiver().await?;
    let mut server = Server::start(options).await?;
    for n in 0..FAN_OUT {
        register(&server, receiver.address, &format!("fan/{n}")).await?;
    }
    let load = server.post_as_staff(TRIGGER, &event(&server, json!({}))?)?;
    client::run(load.clone(), 1, Until::Count(10), |_, _| {}).await?;
    let counted = statements_begin(&server);
    client::run(load, 1, Until::Count(SINGLE), |_, _| {}).await?;
    arrivals.wait((SINGLE + 10) * FAN_OUT as u64).await;
    let statements = match server.database.url() {
        Some(url) if counted => Some(psql(url, PUBLISHING)?.trim().parse::<f64>()? / SINGLE as f64),
        _ => None,
    };
    server.stop().await?;
    Ok(statements)
}

/// Who subscribes, the event's number, the event, its deliveries.
const PUBLISHING: &str = "select coalesce(sum(calls), 0) from pg_stat_statements
    where query like 'select e.id, e.shape, e.event_types%' or query like 'insert into event_sequences%'
        or query like 'insert into events %' or query like 'insert into deliveries %';\n";
