//! `nimbus retention run`: what is past its age goes now, or is only counted.

use nimbus_app::{
    clock::wall,
    retention::{self, Ages, Class, Count, Report},
};
use serde_json::json;

use crate::{Failure, boot, config::Settings};

pub(crate) async fn run(settings: &Settings, dry_run: bool, as_json: bool) -> Result<(), Failure> {
    let db = match dry_run {
        true => boot::connect(settings).await?,
        false => boot::open_store(settings).await?,
    };
    let app = boot::app(settings, db.clone())?;
    let report = match dry_run {
        true => retention::preview(&app, wall()).await?,
        false => retention::run_now(&app, wall()).await?,
    };
    db.close().await;
    match as_json {
        true => println!("{}", json(&report, settings.retention, dry_run)),
        false => print!("{}", text(&report, settings.retention, dry_run)),
    }
    Ok(())
}

/// The rows of a class that go, each with its name.
fn rows(class: Class, count: &Count) -> Vec<(&'static str, i64)> {
    match class {
        Class::Bodies => vec![("bodies", count.bodies)],
        Class::Attempts => vec![("attempts", count.attempts)],
        Class::Metadata => {
            vec![("events", count.events), ("deliveries", count.deliveries), ("replays", count.replays)]
        }
    }
}

fn text(report: &Report, ages: Ages, dry_run: bool) -> String {
    let goes = if dry_run { "would go" } else { "let go of" };
    let mut text = String::new();
    for (class, count) in &report.rows {
        let rows: Vec<String> =
            rows(*class, count).iter().map(|(name, number)| format!("{number} {name}")).collect();
        text += &format!("{class} ({} days): {goes}: {}", ages.days(*class), rows.join(", "));
        if dry_run {
            text += &format!("; past the age and needed: {} events", count.kept);
        }
        text.push('\n');
    }
    for partition in &report.partitions {
        text += &format!("partition {partition}: {goes} whole\n");
    }
    text
}

fn json(report: &Report, ages: Ages, dry_run: bool) -> serde_json::Value {
    let classes = report.rows.iter().map(|(class, count)| {
        let mut row = serde_json::Map::new();
        row.insert("class".to_owned(), class.as_str().into());
        row.insert("days".to_owned(), ages.days(*class).into());
        row.extend(rows(*class, count).into_iter().map(|(name, number)| (name.to_owned(), number.into())));
        if dry_run {
            row.insert("needed_events".to_owned(), count.kept.into());
        }
        serde_json::Value::Object(row)
    });
    json!({ "dry_run": dry_run, "classes": classes.collect::<Vec<_>>(), "partitions": report.partitions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_goes_and_what_is_needed() {
        let count = Count { events: 3, deliveries: 4, replays: 5, kept: 1, ..Count::default() };
        let rows = vec![(Class::Bodies, Count { bodies: 2, ..Count::default() }), (Class::Metadata, count)];
        let report = Report { rows, partitions: vec!["attempts_p20260105".to_owned()] };
        assert_eq!(
            text(&report, Ages::default(), true),
            "bodies (30 days): would go: 2 bodies; past the age and needed: 0 events\n\
             metadata (90 days): would go: 3 events, 4 deliveries, 5 replays; past the age and needed: 1 events\n\
             partition attempts_p20260105: would go whole\n"
        );
        let json = json(&report, Ages::default(), false);
        assert_eq!(
            json["classes"][1],
            json!({"class": "metadata", "days": 90, "events": 3, "deliveries": 4, "replays": 5})
        );
        assert_eq!(json["partitions"][0], "attempts_p20260105");
    }
}
