//! `nimbus doctor`: whether a deployment is sound, each check with its answer.

use nimbus_app::operations;
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
            checks.push(("deliveries", ledger(&app).await));
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

/// Every accepted delivery is delivered, pending, dead or cancelled, for each endpoint and in all.
async fn ledger(app: &nimbus_app::App) -> Result<String, String> {
    let ledger = operations::ledger(app).await.map_err(|error| error.to_string())?;
    let counts = format!(
        "{} accepted = {} delivered + {} pending + {} dead + {} cancelled",
        ledger.accepted, ledger.delivered, ledger.pending, ledger.dead, ledger.cancelled
    );
    if ledger.is_balanced() { Ok(counts) } else { Err(format!("the ledger does not balance: {counts}")) }
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
