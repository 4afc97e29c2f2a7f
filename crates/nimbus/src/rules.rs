//! `nimbus rules`: checks rules packs, shows the one in force, and tells decisions again.

use std::{fmt::Write, path::PathBuf};

use nimbus_app::{
    App,
    actor::Call,
    decisions,
    rules::{self, Problems, Source},
};
use nimbus_core::{
    access::SystemActor,
    decision::{Decision, DecisionSubject, Ruling},
    eligibility::Asking,
    ids::{DecisionId, OrderId, RefillId},
    rules::Packs,
    time::{Ts, parse_date},
};
use nimbus_web::operations_api::rules_view::RulesView;
use uuid::Uuid;

use crate::{Failure, boot, cli::RulesCommand, config::Settings};

pub(crate) async fn rules(settings: &Settings, command: RulesCommand) -> Result<(), Failure> {
    match command {
        RulesCommand::Check { files } => check(settings, &files).await,
        RulesCommand::Show { on } => show(settings, on.as_deref()),
        RulesCommand::Explain { id } => explain(settings, &id).await,
    }
}

/// Reads packs that are to stand side by side, or says everything that is wrong with them; where there is a store, what
/// it has on record of them too.
async fn check(settings: &Settings, files: &[PathBuf]) -> Result<(), Failure> {
    let sources = if files.is_empty() { settings.rules_sources()? } else { rules::sources(files)? };
    let packs = rules::read(&sources)?;
    if settings.has_store() {
        let db = boot::connect(settings).await?;
        let app = boot::app(settings, db.clone())?;
        let compared = as_on_record(&app, &sources).await;
        db.close().await;
        compared?;
    }
    for pack in packs.all() {
        println!("{}: in force from {}: {}", pack.version, pack.effective_from, pack.title);
    }
    Ok(())
}

/// Refuses packs that are on record with other rules.
pub(crate) async fn as_on_record(app: &App, sources: &[Source]) -> Result<(), Failure> {
    let problems = rules::changed(app, rules::marks(sources)?).await?;
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems).into()) }
}

fn show(settings: &Settings, on: Option<&str>) -> Result<(), Failure> {
    let packs = settings.rules()?;
    let today = Ts::from_micros(jiff::Timestamp::now().as_microsecond()).date_in(&settings.pharmacy_zone()?);
    let day = match on {
        Some(text) => parse_date(text).ok_or("a day is written YYYY-MM-DD")?,
        None => today,
    };
    println!("{}", serde_json::to_string_pretty(&RulesView::from(packs.on(day)))?);
    Ok(())
}

async fn explain(settings: &Settings, text: &str) -> Result<(), Failure> {
    let id = parse_id(text).ok_or("that is not the id of a decision, a refill or an order")?;
    let db = boot::connect(settings).await?;
    let app = boot::app(settings, db.clone())?;
    let found = decisions::find(&app, &Call::system(SystemActor::CommandLine), id).await;
    let compared = as_on_record(&app, &settings.rules_sources()?).await;
    db.close().await;
    let found = found?;
    if found.is_empty() {
        return Err("no decision is on record for it: the rules were not asked".into());
    }
    let told = found.iter().map(|decision| told(decision, app.rules())).collect::<Result<Vec<_>, _>>()?;
    // What it came to may be the same, by other words.
    compared?;
    println!("{}", told.join("\n"));
    Ok(())
}

fn parse_id(text: &str) -> Option<Uuid> {
    let decision = text.parse::<DecisionId>().map(Uuid::from);
    let refill = || text.parse::<RefillId>().map(Uuid::from);
    decision.or_else(|_| refill()).or_else(|_| text.parse::<OrderId>().map(Uuid::from)).ok()
}

/// A decision in full, told again by the pack that made it.
fn told(decision: &Decision, packs: &Packs) -> Result<String, Failure> {
    let prefixed = decision.id.prefixed();
    let explanation = decision.explain(packs).map_err(|error| {
        format!("decision {prefixed} by pack {} cannot be told again: {error}", decision.pack_version)
    })?;
    let subject = match decision.subject {
        DecisionSubject::Refill => RefillId(decision.subject_id).prefixed().to_string(),
        DecisionSubject::Order => OrderId(decision.subject_id).prefixed().to_string(),
    };
    let asked = match explanation.asking {
        Asking::FirstFill => "a first fill",
        Asking::Refill => "a refill",
    };
    let (question, pack) = (&decision.question, explanation.pack);
    let mut text = String::new();
    writeln!(text, "Decision {prefixed}, {} of {subject}, {}", decision.kind, decision.decided_at)?;
    writeln!(text, "Pack {}, in force from {}: {}", pack.version, pack.effective_from, pack.title)?;
    writeln!(
        text,
        "Asked: {asked} on {} of a prescription ({}) issued {}, thresholds {}% and {}%",
        question.today,
        question.prescription.schedule,
        question.prescription.date_issued,
        question.thresholds.percent,
        question.thresholds.controlled_percent,
    )?;
    for ruling in &explanation.rulings {
        write_ruling(&mut text, ruling)?;
    }
    write!(text, "The rules of that pack say today what they said then.")?;
    Ok(text)
}

fn write_ruling(text: &mut String, ruling: &Ruling<'_>) -> std::fmt::Result {
    let verdict = ruling.finding.as_ref().map_or("pass", |finding| finding.verdict.as_str());
    writeln!(text, "  {verdict:<7} {:<24} {}", ruling.rule, ruling.provision.sentence)?;
    writeln!(text, "  {:<32} {} ({})", "", ruling.provision.citation, ruling.provision.id)?;
    let Some(finding) = &ruling.finding else { return Ok(()) };
    writeln!(text, "  {:<32} {}", "", finding.message)?;
    match finding.passes_on {
        Some(day) => writeln!(text, "  {:<32} passes on {day}", ""),
        None => Ok(()),
    }
}
