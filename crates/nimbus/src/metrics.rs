//! The admin listener: health, and metrics in Prometheus' text format.
//!
//! Labels are of closed sets: no ids, addresses or names of anybody.

use std::{
    fmt::{Display, Write as _},
    sync::Arc,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use nimbus_app::{
    App, audit,
    clock::wall,
    ledger::{self, Checked},
    operations::{self, BUCKETS_MS, Class, Ending, Metrics, Standing, Waiting, Way},
    retention,
    staff::glass,
};
use nimbus_core::time::Ts;
use nimbus_web::{Certificates, Counts, Transport};

/// What is told of.
#[derive(Clone)]
struct Told {
    app: App,
    connections: Arc<Counts>,
    certificates: Option<Arc<Certificates>>,
}

/// The routes of the listener, which tell of the API's connections as well.
pub(crate) fn router(app: App, transport: &Transport) -> Router {
    let (connections, certificates) = (Arc::clone(&transport.counts), transport.certificates.clone());
    let told = Told { app, connections, certificates };
    Router::new().route("/metrics", get(metrics)).route("/health", get(health)).with_state(told)
}

async fn health(State(Told { app, .. }): State<Told>) -> StatusCode {
    match operations::readiness(&app).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn metrics(State(told): State<Told>) -> Result<String, StatusCode> {
    let app = &told.app;
    let unavailable = |_| StatusCode::SERVICE_UNAVAILABLE;
    let checked = ledger::check(app).await.map_err(unavailable)?;
    let waiting = operations::waiting(app).await.map_err(unavailable)?;
    let retention = retention::last_run(app).await.map_err(unavailable)?;
    let chain = audit::standing(app).await.map_err(unavailable)?;
    let broken = glass::active(app).await.map_err(unavailable)?;
    let mut text = Text::default();
    text.ledger(&checked);
    text.chain(&chain, wall());
    text.waiting(&waiting, wall());
    text.dispatcher(app.handover().metrics());
    let name = "nimbus_retention_last_completed_timestamp_seconds";
    text.family(name, "gauge", "When retention last came to its end; 0 if it never did.");
    text.sample(name, &[], retention.map_or(0, |at| at.seconds()));
    text.family("nimbus_event_readers", "gauge", "Requests that wait for events, or stream them.");
    text.sample("nimbus_event_readers", &[], app.news().waiting());
    let name = "nimbus_break_glass_active";
    text.family(name, "gauge", "Accounts that read patient data for a reason and a while.");
    text.sample(name, &[], broken);
    text.transport(&told);
    Ok(text.0)
}

/// Families of samples, written one after the other.
#[derive(Default)]
struct Text(String);

type Labels<'a> = [(&'a str, &'a str)];

fn of_class(class: Class) -> [(&'static str, &'static str); 2] {
    [("shape", class.shape.as_str()), ("ordered", if class.ordered { "true" } else { "false" })]
}

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // A text takes what is written to it.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &Labels<'_>, value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let _ = match labels.as_slice() {
            [] => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{}}} {value}", labels.join(",")),
        };
    }

    /// A sample for each class of endpoint.
    fn by_class<V: Display>(&mut self, name: &str, more: &Labels<'_>, value: impl Fn(Class) -> V) {
        for class in Class::all() {
            self.sample(name, &[&of_class(class), more].concat(), value(class));
        }
    }

    fn ledger(&mut self, checked: &Checked) {
        self.family("nimbus_deliveries", "gauge", "Deliveries by state.");
        for (state, count) in [
            ("pending", checked.total.pending),
            ("delivered", checked.total.delivered),
            ("dead", checked.total.dead),
            ("cancelled", checked.total.cancelled),
        ] {
            self.sample("nimbus_deliveries", &[("state", state)], count);
        }
        let help = "Deliveries that are unaccounted for, or accounted for twice.";
        self.family("nimbus_ledger_difference", "gauge", help);
        self.sample("nimbus_ledger_difference", &[], checked.difference());
    }

    fn chain(&mut self, standing: &audit::Standing, now: Ts) {
        let age = |at: Option<Ts>| at.map_or(0, |at| (now.seconds() - at.seconds()).max(0));
        let name = "nimbus_audit_rows";
        self.family(name, "gauge", "Rows of the audit log that are linked into its chain.");
        self.sample(name, &[], standing.linked);
        let name = "nimbus_audit_unlinked_seconds";
        self.family(name, "gauge", "How long the oldest row that is not linked has waited.");
        self.sample(name, &[], age(standing.unlinked_since));
        let name = "nimbus_audit_differences";
        self.family(name, "gauge", "Differences between the audit log and its chain.");
        self.sample(name, &[], standing.differences);
        let name = "nimbus_audit_compared_timestamp_seconds";
        let help = "When the audit log was last compared with its chain as a whole; 0 if it never was.";
        self.family(name, "gauge", help);
        self.sample(name, &[], standing.walked_at.map_or(0, Ts::seconds));
    }

    fn transport(&mut self, told: &Told) {
        self.family("nimbus_connections", "gauge", "Connections to the API.");
        self.sample("nimbus_connections", &[], told.connections.open());
        let name = "nimbus_connections_refused_total";
        self.family(name, "counter", "Connections to the API that found no place.");
        self.sample(name, &[], told.connections.refused());
        let name = "nimbus_tls_certificate_expires_timestamp_seconds";
        self.family(name, "gauge", "When the certificate that the API serves ends; 0 if it serves none.");
        self.sample(name, &[], told.certificates.as_ref().map_or(0, |served| served.ends().seconds()));
    }

    fn waiting(&mut self, waiting: &[Waiting], now: Ts) {
        let of =
            |class: Class| waiting.iter().find(|it| it.shape == class.shape && it.ordered == class.ordered);
        let name = "nimbus_webhook_backlog";
        self.family(name, "gauge", "Deliveries that wait to be sent, of all processes.");
        self.by_class(name, &[], |class| of(class).map_or(0, |it| it.count));
        let name = "nimbus_webhook_oldest_pending_seconds";
        self.family(name, "gauge", "How long the oldest of them has waited.");
        let waited = |it: &Waiting| (now.seconds() - it.since.seconds()).max(0);
        self.by_class(name, &[], |class| of(class).map_or(0, waited));
    }

    fn dispatcher(&mut self, metrics: &Metrics) {
        let name = "nimbus_webhook_attempts_begun_total";
        self.family(name, "counter", "Attempts begun by this process, by how their deliveries came to it.");
        for way in Way::ALL {
            let word = match way {
                Way::HandedOver => "handed_over",
                Way::Claimed => "claimed",
            };
            self.by_class(name, &[("way", word)], |class| metrics.begun(class, way));
        }
        let name = "nimbus_webhook_attempts_total";
        self.family(name, "counter", "Attempts that ended, by outcome and the class of what failed.");
        for ending in Ending::ALL {
            let (outcome, cause) = match ending {
                Ending::Delivered => ("delivered", "none"),
                Ending::Transient => ("failed", "transient"),
                Ending::Permanent => ("failed", "permanent"),
            };
            let more = [("outcome", outcome), ("cause_class", cause)];
            self.by_class(name, &more, |class| metrics.ended(class, ending));
        }
        self.latency(metrics);
        let name = "nimbus_webhook_in_flight";
        self.family(name, "gauge", "Requests to receivers under way.");
        self.by_class(name, &[], |class| metrics.in_flight(class));
        let name = "nimbus_webhook_lanes";
        self.family(name, "gauge", "Endpoints that this process sends to, by their breaker.");
        for standing in Standing::ALL {
            let more = [("breaker", standing.as_str())];
            self.by_class(name, &more, |class| metrics.lanes_standing(class, standing));
        }
        let (batches, results) = metrics.batches();
        let name = "nimbus_webhook_record_batches_total";
        self.family(name, "counter", "Transactions that recorded results.");
        self.sample(name, &[], batches);
        let name = "nimbus_webhook_recorded_total";
        self.family(name, "counter", "Results in them.");
        self.sample(name, &[], results);
    }

    fn latency(&mut self, metrics: &Metrics) {
        const NAME: &str = "nimbus_webhook_attempt_seconds";
        self.family(NAME, "histogram", "How long attempts took.");
        for class in Class::all() {
            let (cumulative, count, elapsed_ms) = metrics.latency(class);
            let labels = of_class(class);
            for (bound, seen) in BUCKETS_MS.into_iter().zip(cumulative) {
                let bound = seconds(bound);
                self.sample(&format!("{NAME}_bucket"), &[&labels[..], &[("le", &bound)]].concat(), seen);
            }
            self.sample(&format!("{NAME}_bucket"), &[&labels[..], &[("le", "+Inf")]].concat(), count);
            self.sample(&format!("{NAME}_sum"), &labels, seconds(elapsed_ms));
            self.sample(&format!("{NAME}_count"), &labels, count);
        }
    }
}

/// Milliseconds as seconds, without a float between.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_line_with_its_labels() {
        let mut text = Text::default();
        text.family("a", "gauge", "What it is.");
        text.sample("a", &[], 1);
        text.sample("a", &[("x", "y"), ("z", "0")], "2.5");
        assert_eq!(text.0, "# HELP a What it is.\n# TYPE a gauge\na 1\na{x=\"y\",z=\"0\"} 2.5\n");
        assert_eq!(
            (seconds(5), seconds(10_000), seconds(1234)),
            ("0.005".into(), "10.000".into(), "1.234".into())
        );
    }

    #[test]
    fn the_last_bucket_has_all() {
        let mut text = Text::default();
        text.latency(&Metrics::default());
        let buckets = text.0.lines().filter(|line| line.contains("_bucket")).count();
        assert_eq!(buckets, Class::all().count() * (BUCKETS_MS.len() + 1));
        assert!(text.0.contains(
            "nimbus_webhook_attempt_seconds_bucket{shape=\"orders\",ordered=\"true\",le=\"+Inf\"} 0"
        ));
    }
}
