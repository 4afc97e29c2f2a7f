//! `nimbus doctor`: whether a deployment is sound, each check with its answer.

use nimbus_app::{
    clock::wall,
    ledger::{self, Checked, Ledger},
    retention::{Ages, last_run},
};
use nimbus_store::migrate;
use serde_json::json;

use crate::{Failure, boot, config::Settings, rules::as_on_record};

/// One check: its name, and what is wrong, if anything is.
type Check = (&'static str, Result<String, String>);

pub(crate) async fn doctor(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let mut checks: Vec<Check> = Vec::new();
    let safe = settings.refuse_unsafe().map(|()| format!("environment {}", settings.environment));
    checks.push(("settings", safe.map_err(|failure| failure.to_string())));
    match boot::connect(settings).await {
        Err(failure) => checks.push(("database", Err(describe(&failure)))),
        Ok(db) => {
            checks.push(("database", Ok(format!("{:?} answers; the master key fits", db.engine()))));
            let pending = migrate::pending(&db).await;
            checks.push((
                "migrations",
                match pending {
                    Ok(0) => Ok("current".to_owned()),
                    Ok(count) => Err(format!("{count} to run: nimbus migrate")),
                    Err(error) => Err(error.to_string()),
                },
            ));
            let app = boot::app(settings, db.clone())?;
            checks.push(("deliveries", deliveries(&app).await));
            checks.push(("retention", retention(&app).await));
            let compared = as_on_record(&app, &settings.rules_sources()?).await;
            let compared = compared.map(|()| "as on record".to_owned());
            checks.push(("rules", compared.map_err(|failure| failure.to_string())));
            db.close().await;
        }
    }
    let sound = checks.iter().all(|(_, answer)| answer.is_ok());
    if as_json {
        let checks: Vec<_> = checks
            .iter()
            .map(|(name, answer)| {
                let text = answer.as_ref().unwrap_or_else(|wrong| wrong);
                json!({ "check": name, "ok": answer.is_ok(), "message": text })
            })
            .collect();
        println!("{}", json!({ "ok": sound, "checks": checks }));
    } else {
        for (name, answer) in &checks {
            match answer {
                Ok(text) => println!("ok    {name}: {text}"),
                Err(wrong) => println!("WRONG {name}: {wrong}"),
            }
        }
    }
    if sound { Ok(()) } else { Err("something is wrong".into()) }
}

/// Workers look every hour for what is past its age. A day without one is wrong, but on a store that is new.
async fn retention(app: &nimbus_app::App) -> Result<String, String> {
    let last = last_run(app).await.map_err(|error| error.to_string())?;
    let Ages { body_days, attempt_days, metadata_days } = app.config().retention;
    let ages = format!(
        "bodies, attempts and metadata are kept {body_days}, {attempt_days} and {metadata_days} days"
    );
    match last {
        None => Ok(format!("{ages}; no worker has looked yet")),
        Some(at) if at >= wall().plus_days(-1) => Ok(format!("{ages}; last looked after at {at}")),
        Some(at) => Err(format!("{ages}; nobody has looked after it since {at}: is a worker running?")),
    }
}

/// Every accepted delivery is delivered, pending, dead or cancelled, for each endpoint and in all.
async fn deliveries(app: &nimbus_app::App) -> Result<String, String> {
    accounted(&ledger::check(app).await.map_err(|error| error.to_string())?)
}

fn accounted(checked: &Checked) -> Result<String, String> {
    if checked.is_balanced() {
        return Ok(counts(&checked.total));
    }
    let wrong = checked.mismatches.iter().map(|(endpoint, ledger)| {
        let which = endpoint.map_or_else(|| "no endpoint".to_owned(), |id| format!("endpoint {id}"));
        format!("{which}: a difference of {}, {}", ledger.difference(), counts(ledger))
    });
    let wrong: Vec<String> = wrong.collect();
    Err(format!("the ledger does not balance: {}; in all {}", wrong.join("; "), counts(&checked.total)))
}

fn counts(ledger: &Ledger) -> String {
    format!(
        "{} accepted = {} delivered + {} pending + {} dead + {} cancelled",
        ledger.accepted, ledger.delivered, ledger.pending, ledger.dead, ledger.cancelled
    )
}

fn describe(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut source = failure.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use nimbus_core::ids::EndpointId;

    use super::*;

    #[test]
    fn a_ledger_that_does_not_balance_names_the_endpoint_and_the_difference() {
        let endpoint: EndpointId = "01890000-0000-7000-8000-000000000001".parse().unwrap();
        let lost = Ledger { accepted: 3, delivered: 1, pending: 1, ..Ledger::default() };
        let doubled = Ledger { accepted: 1, delivered: 1, dead: 1, ..Ledger::default() };
        let total = Ledger { accepted: 4, delivered: 2, pending: 1, dead: 1, cancelled: 0 };
        let mut checked = Checked { total, mismatches: vec![(Some(endpoint), lost), (None, doubled)] };
        assert_eq!(
            accounted(&checked).unwrap_err(),
            "the ledger does not balance: endpoint 01890000-0000-7000-8000-000000000001: a difference of 1, 3 accepted \
             = 1 delivered + 1 pending + 0 dead + 0 cancelled; no endpoint: a difference of -1, 1 accepted = 1 \
             delivered + 0 pending + 1 dead + 0 cancelled; in all 4 accepted = 2 delivered + 1 pending + 1 dead + 0 \
             cancelled"
        );
        checked.mismatches.clear();
        let counts = "4 accepted = 2 delivered + 1 pending + 1 dead + 0 cancelled";
        assert_eq!(accounted(&checked).unwrap(), counts);
    }
}
