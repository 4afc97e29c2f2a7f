//! `nimbus doctor`: whether a deployment is sound, each check with its answer.

use nimbus_app::{
    audit::{self, BEHIND_SECONDS, Standing},
    clock::wall,
    ledger::{self, Checked, Ledger},
    retention::{Ages, last_run},
};
use nimbus_core::time::Ts;
use nimbus_store::migrate;
use serde_json::json;

use crate::{Failure, boot, config::Settings, rules::as_on_record, transport};

/// One check: its name, and what is wrong, if anything is.
type Check = (&'static str, Result<String, String>);

pub(crate) async fn doctor(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let mut checks: Vec<Check> = Vec::new();
    let safe = settings.refuse_unsafe().map(|()| format!("environment {}", settings.environment));
    checks.push(("settings", safe.map_err(|failure| failure.to_string())));
    checks.push(("tls", served(settings)));
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
            checks.push(("audit", audited(&app).await));
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

/// Whether what the files hold can be served, and for how long.
fn served(settings: &Settings) -> Result<String, String> {
    match transport::certificates(settings) {
        Err(failure) => Err(describe(&failure)),
        Ok(Some(certificates)) => transport::standing(certificates.ends(), wall()),
        Ok(None) if settings.behind_proxy => Ok("a proxy ends it".to_owned()),
        Ok(None) => Ok("off: plain HTTP".to_owned()),
    }
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

/// Rows of the audit log are linked within a second, and it is compared with its chain all the time.
async fn audited(app: &nimbus_app::App) -> Result<String, String> {
    let standing = audit::standing(app).await.map_err(|error| error.to_string())?;
    chained(&standing, wall())
}

fn chained(standing: &Standing, now: Ts) -> Result<String, String> {
    let Standing { linked, unlinked_since, checkpoint, walked_at, differences } = *standing;
    let signed = checkpoint.map_or_else(
        || "none signed yet".to_owned(),
        |(number, at)| format!("checkpoint {number} signed at {at}"),
    );
    let compared = walked_at.map_or_else(
        || "not compared with the log yet".to_owned(),
        |at| format!("last compared with the log at {at}"),
    );
    let told = format!("{linked} rows are linked; {signed}; {compared}");
    if differences > 0 {
        return Err(format!("{differences} differences from the chain: nimbus audit verify; {told}"));
    }
    match unlinked_since {
        Some(since) if since.plus_seconds(BEHIND_SECONDS) < now => {
            Err(format!("rows since {since} are not linked: is a worker running? {told}"))
        }
        _ => Ok(told),
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
    fn rows_that_wait_for_a_worker_and_differences_are_wrong() {
        let at = |second: i64| Ts::from_micros(1_767_225_600_000_000).plus_seconds(second);
        let sound = Standing {
            linked: 7,
            unlinked_since: Some(at(0)),
            checkpoint: Some((2, at(0))),
            walked_at: None,
            differences: 0,
        };
        let told = "7 rows are linked; checkpoint 2 signed at 2026-01-01T00:00:00.000Z; not compared with the log yet";
        assert_eq!(chained(&sound, at(60)).unwrap(), told);
        let waits = chained(&sound, at(61)).unwrap_err();
        assert!(waits.starts_with("rows since 2026-01-01T00:00:00.000Z are not linked"), "{waits}");
        let wrong = chained(&Standing { differences: 3, ..sound }, at(0)).unwrap_err();
        assert!(wrong.starts_with("3 differences from the chain: nimbus audit verify; 7 rows"), "{wrong}");
    }

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
