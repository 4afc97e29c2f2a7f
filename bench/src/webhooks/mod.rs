//! The webhook engine against its limits: one table, each line with its limit and whether it is kept.

mod arrivals;
mod drain;
mod isolation;
mod past;
mod publish;

use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use self::{drain::Drained, isolation::Healthy, publish::Published};
use crate::{
    Failure,
    figures::{decimals, whole},
    limits,
    options::{Engine, Options},
    server::Server,
};

const TRIGGER: &str = "/api/sandbox/events/trigger";
const EVENT: &str = "medication:updated";
/// The raw POSTs carry as much as an event.
const RAW_BYTES: usize = 700;

pub(crate) async fn measure(options: &Options) -> Result<Value, Failure> {
    eprintln!("webhooks, {}", options.engine.name());
    let raw = limits::raw_posts(Bytes::from(vec![b'x'; RAW_BYTES]), options.connections).await?;
    let mut table = Table { is_sqlite: options.engine == Engine::Sqlite, ..Table::default() };
    table.figure("raw_posts_per_second", whole(raw));

    let mut server = Server::start(options).await?;
    let published = publish::publish(options, &server).await?;
    server.stop().await?;
    table.published(&published, raw);

    let mut server = Server::start(options).await?;
    let drained = drain::drain(&server).await?;
    server.stop().await?;
    table.drained(&drained, raw);

    let latencies = publish::latency(options, published.delivered_per_second / 2.0).await?;
    table.line("accepted to arrival at half rate, p50 ms", latencies.ms(0.5), at_most(3.0));
    table.line("accepted to arrival at half rate, p99 ms", latencies.ms(0.99), at_most(12.0));
    table.figure("half_rate_ms", latencies.to_json());

    let without = isolation::isolation(options, true).await?;
    let beside = isolation::isolation(options, false).await?;
    table.beside_dead(&beside, &without);

    if let Some(statements) = publish::fan_out(options).await? {
        table.line("statements to publish to 50 endpoints", statements, at_most(3.0));
    }
    if options.past > 0 {
        let flat = past::flat(options, &published, &drained).await?;
        table.line("publish to delivered beside the past", flat.published, at_least(0.9));
        table.line("drain beside the past", flat.drained, at_least(0.9));
        table.figure("past_deliveries", json!(options.past));
        table.lost += flat.lost;
    }
    Ok(table.into_json())
}

/// What was measured.
#[derive(Default)]
struct Table {
    is_sqlite: bool,
    lines: Vec<Value>,
    figures: Map<String, Value>,
    lost: u64,
}

impl Table {
    fn line(&mut self, name: &str, value: f64, limit: Limit) {
        let line = line(name, value, limit);
        eprintln!("  {}", text(&line));
        self.lines.push(line);
    }

    fn figure(&mut self, name: &str, value: Value) {
        self.figures.insert(name.to_owned(), value);
    }

    fn published(&mut self, published: &Published, raw: f64) {
        let least = if self.is_sqlite { 0.18 } else { 0.07 };
        let rate = published.delivered_per_second;
        self.line("publish to delivered, per raw POST", rate / raw, at_least(least));
        let most = if self.is_sqlite { 0.15 } else { 0.40 };
        self.line("CPU-seconds per 1,000 delivered", published.cpu_per_thousand, at_most(most));
        if let Some(statements) = published.statements {
            self.line("delivery-side statements per delivered event", statements, at_most(0.2));
        }
        self.figure("published_per_second", whole(published.published_per_second));
        self.figure("delivered_per_second", whole(rate));
        self.figure("publish_ms", published.outcome.latencies.to_json());
        self.figure("errors", json!(published.outcome.errors));
        self.lost += published.lost;
    }

    fn drained(&mut self, drained: &Drained, raw: f64) {
        let least = if self.is_sqlite { 0.30 } else { 0.20 };
        self.line("drain, per raw POST", drained.per_second / raw, at_least(least));
        self.line("peak memory while draining, MiB", drained.peak_mib, at_most(150.0));
        self.figure("drained_per_second", whole(drained.per_second));
        self.lost += drained.lost;
    }

    fn beside_dead(&mut self, beside: &Healthy, without: &Healthy) {
        self.line("throughput beside dead endpoints", beside.rate / without.rate, at_least(0.9));
        let p99 = beside.latencies.ms(0.99) / without.latencies.ms(0.99).max(0.001);
        self.line("p99 beside dead endpoints", p99, at_most(1.5));
        self.figure("beside_answering_ms", without.latencies.to_json());
        self.figure("beside_dead_ms", beside.latencies.to_json());
        self.lost += beside.lost + without.lost;
    }

    fn into_json(mut self) -> Value {
        self.figure("lines", json!(self.lines));
        self.figure("lost", json!(self.lost));
        Value::Object(self.figures)
    }
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

/// Registers an endpoint; its path.
async fn register(server: &Server, address: SocketAddr, path: &str) -> Result<String, Failure> {
    let body = json!({
        "clinic_id": server.seeded("/clinic_id")?,
        "webhook_url": format!("http://{address}/{path}"),
        "event_types": [EVENT],
    });
    let reply: Value = serde_json::from_slice(&server.post("/api/external/webhook", &body)?.once().await?)?;
    let id = reply.pointer("/data/webhook_id").and_then(Value::as_str);
    Ok(format!("/api/external/webhook/{}", id.ok_or("the reply names no webhook")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whether_its_limit_is_kept() {
        assert_eq!(line("a", 0.2, at_least(0.18))["pass"], true);
        assert_eq!(line("a", 0.2, at_most(0.15))["pass"], false);
        assert!(text(&line("a", 0.2, at_most(0.15))).ends_with("FALLS SHORT"));
    }
}
