//! Intake: orders over keep-alive connections into an empty store, beside what loopback and disk can do.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    Failure,
    client::{self, Outcome, Until},
    figures::{decimals, per_second, ratio, whole},
    limits,
    options::{Engine, Options},
    privacy, process,
    server::Server,
};

/// Sent before the clock starts: connections, caches, the first pages.
const WARM_UP: Duration = Duration::from_secs(1);
const ROWS_PER_COMMIT: u64 = 100;

pub(crate) async fn measure(options: &Options) -> Result<Value, Failure> {
    eprintln!("intake, {}", options.engine.name());
    let mut server = Server::start(options).await?;
    let warm_up =
        client::run(server.order()?, options.connections, Until::Elapsed(WARM_UP), |_, _| {}).await?;
    eprintln!("  orders for {} s", options.duration.as_secs());
    let until = Until::Elapsed(options.duration);
    let cpu = process::cpu_us(server.pid()?)?;
    let outcome = client::run(server.order()?, options.connections, until, |_, _| {}).await?;
    let cpu_us = (process::cpu_us(server.pid()?)? - cpu) as f64 / outcome.done.max(1) as f64;
    server.stop().await?;
    let rows = server.database.count_rows()? - server.seeded_rows;
    let rows_per_order = rows as f64 / (warm_up.done + outcome.done).max(1) as f64;
    let errors = warm_up.errors + outcome.errors;
    eprintln!("  limits");
    let orders = per_second(outcome.done, outcome.elapsed);
    let (limits, ratios) = beside_limits(options, &server, orders, orders * rows_per_order).await?;
    let mut report = report(&outcome, errors, rows_per_order, limits, ratios);
    if options.engine == Engine::Sqlite {
        let placed = warm_up.done + outcome.done;
        let parts = privacy::measure(server.folder.path(), server.seeded("/clinic_id")?, cpu_us, placed);
        report["privacy"] = parts.await?;
    }
    Ok(report)
}

fn report(outcome: &Outcome, errors: u64, rows_per_order: f64, limits: Value, ratios: Value) -> Value {
    let orders = per_second(outcome.done, outcome.elapsed);
    json!({
        "orders": outcome.done,
        "errors": errors,
        "orders_per_second": whole(orders),
        "latency_ms": outcome.latencies.to_json(),
        "rows_per_order": decimals(rows_per_order, 2),
        "rows_per_second": whole(orders * rows_per_order),
        "limits": limits,
        "ratios": ratios,
    })
}

/// The limits of this machine, and what part of each was reached with so many orders and rows a second.
async fn beside_limits(
    options: &Options,
    server: &Server,
    orders: f64,
    rows: f64,
) -> Result<(Value, Value), Failure> {
    let raw_posts = limits::raw_posts(server.order()?.body, options.connections).await?;
    let folder = server.folder.path();
    let fsyncs = limits::fsyncs(folder)?;
    let mut limits = json!({
        "raw_posts_per_second": whole(raw_posts),
        "fsyncs_per_second": whole(fsyncs),
    });
    let mut ratios = json!({
        "orders_per_raw_post": ratio(orders, raw_posts),
        "orders_per_fsync": ratio(orders, fsyncs),
    });
    match (&options.engine, server.database.url()) {
        (Engine::Postgres(_), Some(url)) => {
            beside_pgbench(url, folder, options.connections, orders, &mut limits, &mut ratios);
        }
        _ => beside_sqlite(folder, (orders, rows), &mut limits, &mut ratios)?,
    }
    Ok((limits, ratios))
}

fn beside_sqlite(
    folder: &Path,
    (orders, rows): (f64, f64),
    limits: &mut Value,
    ratios: &mut Value,
) -> Result<(), Failure> {
    let single = limits::sqlite_commits(folder, 1)?;
    let batched = limits::sqlite_commits(folder, ROWS_PER_COMMIT)? * ROWS_PER_COMMIT as f64;
    limits["one_row_commits_per_second"] = whole(single);
    limits["rows_per_second_100_per_commit"] = whole(batched);
    ratios["orders_per_one_row_commit"] = ratio(orders, single);
    ratios["rows_per_row_100_per_commit"] = ratio(rows, batched);
    Ok(())
}

fn beside_pgbench(
    url: &str,
    folder: &Path,
    connections: usize,
    orders: f64,
    limits: &mut Value,
    ratios: &mut Value,
) {
    match limits::pgbench(url, folder, connections) {
        Ok(commits) => {
            limits["pgbench_one_row_commits_per_second"] = whole(commits);
            ratios["orders_per_pgbench_commit"] = ratio(orders, commits);
        }
        Err(reason) => limits["pgbench_left_out"] = json!(reason),
    }
}
