//! `nimbus audit`: the log proved against its chain, signed, and taken elsewhere.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
};

use nimbus_app::audit::{
    self,
    disclosures::{self, Access, To},
    export::{self, Wanted},
    file::{self, Line, Proven, Signed},
    verify::{self, Difference, Report},
};
use nimbus_core::time::Ts;
use serde_json::json;

use crate::{
    Failure, boot,
    cli::{AuditCommand, AuditDisclosuresOptions, AuditExportOptions, AuditVerifyOptions},
    config::Settings,
};

pub(crate) async fn audit(settings: &Settings, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(options) => match &options.file {
            Some(path) => verify_file(path, &options),
            None => verify_store(settings, &options).await,
        },
        AuditCommand::Checkpoint => checkpoint(settings).await,
        AuditCommand::Export(options) => export(settings, &options).await,
        AuditCommand::Disclosures(options) => disclosures(settings, &options).await,
    }
}

/// A checkpoint that was kept elsewhere.
fn kept(options: &AuditVerifyOptions) -> Result<Option<Signed>, Failure> {
    let Some(path) = &options.checkpoint else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let signed = Signed::parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))?;
    Ok(Some(signed))
}

fn verify_file(path: &Path, options: &AuditVerifyOptions) -> Result<(), Failure> {
    let reader: Box<dyn BufRead> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => {
            let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Box::new(BufReader::new(file))
        }
    };
    let kept = kept(options)?;
    let proven = file::check(reader, kept.as_ref())?;
    let Proven { after, until, rows, checkpoint } = &proven;
    if options.json {
        let line = Line::Checkpoint(checkpoint.clone());
        println!(
            "{}",
            json!({ "ok": true, "after": after, "until": until, "rows": rows, "checkpoint": line })
        );
        return Ok(());
    }
    println!("links {} to {until}, with {rows} rows, are what was signed", after + 1);
    println!("checkpoint {} of {}, by the key {}", checkpoint.number, checkpoint.at, checkpoint.public_key);
    if kept.is_none() {
        println!(
            "whether that key is the platform's, a checkpoint tells that was kept elsewhere: --checkpoint"
        );
    }
    Ok(())
}

async fn verify_store(settings: &Settings, options: &AuditVerifyOptions) -> Result<(), Failure> {
    let witness = kept(options)?;
    // The chain must be walked from where it came by what was kept.
    let from = witness.as_ref().map_or(options.from, |kept| options.from.min(kept.sequence.max(1)));
    let db = boot::connect(settings).await?;
    let app = boot::app(settings, db.clone())?;
    let witness = witness.as_ref().and_then(Signed::checkpoint);
    // Before the comparison: what is not linked afterwards was done meanwhile.
    let standing = audit::standing(&app).await;
    let report = verify::verify(&app, from - 1, witness, None).await;
    db.close().await;
    let (report, standing) = (report?, standing?);
    if options.json {
        println!("{}", as_json(&report, standing.unlinked_since));
    } else {
        print!("{}", as_text(&report, standing.unlinked_since));
    }
    match report.count {
        0 => Ok(()),
        count => Err(format!("{count} differences between the audit log and its chain").into()),
    }
}

fn as_text(report: &Report, unlinked_since: Option<Ts>) -> String {
    let mut text = String::new();
    for difference in &report.differences {
        let Difference { wrong, sequence, until, number, audit_id, at } = difference;
        text += &format!("WRONG {wrong} at link {sequence}");
        text += &until.map(|until| format!(" to {until}")).unwrap_or_default();
        text += &number.map(|number| format!(", checkpoint {number}")).unwrap_or_default();
        text += &audit_id.map(|id| format!(", row {id}")).unwrap_or_default();
        text += &at.map(|at| format!(" of {at}")).unwrap_or_default();
        text.push('\n');
    }
    if report.count == 0 {
        text += &format!("links {} to {} are as they were written", report.from + 1, report.to);
        text += &report.hash.map(|hash| format!("; the last is {}", hex::encode(hash))).unwrap_or_default();
        text.push('\n');
    }
    if let Some(since) = unlinked_since {
        text += &format!("rows since {since} are not linked yet\n");
    }
    text
}

fn as_json(report: &Report, unlinked_since: Option<Ts>) -> serde_json::Value {
    let differences = report.differences.iter().map(|difference| {
        let Difference { wrong, sequence, until, number, audit_id, at } = difference;
        json!({
            "wrong": wrong.as_str(),
            "sequence": sequence,
            "until": until,
            "checkpoint": number,
            "audit_id": audit_id.map(|id| id.to_string()),
            "at": at.map(|at| at.to_string()),
        })
    });
    json!({
        "ok": report.count == 0,
        "from": report.from + 1,
        "to": report.to,
        "hash": report.hash.map(hex::encode),
        "differences": differences.collect::<Vec<_>>(),
        "count": report.count,
        "unlinked_since": unlinked_since.map(|at| at.to_string()),
    })
}

async fn checkpoint(settings: &Settings) -> Result<(), Failure> {
    let db = boot::open_store(settings).await?;
    let app = boot::app(settings, db.clone())?;
    let made = match audit::settle(&app).await {
        Ok(()) => audit::last_checkpoint(&app).await,
        Err(error) => Err(error),
    };
    db.close().await;
    match made? {
        Some((checkpoint, key)) => print!("{}", Line::Checkpoint(Signed::of(&checkpoint, &key)).to_text()),
        None => return Err("nothing is on record yet".into()),
    }
    Ok(())
}

fn time(text: &Option<String>) -> Result<Option<Ts>, Failure> {
    let Some(text) = text else { return Ok(None) };
    Ok(Some(Ts::parse(text).ok_or("a time is RFC 3339, such as 2026-01-31T00:00:00Z")?))
}

async fn disclosures(settings: &Settings, options: &AuditDisclosuresOptions) -> Result<(), Failure> {
    let wanted = disclosures::Wanted {
        patient: options.patient.parse().map_err(|_| "a patient is named by its id")?,
        from: time(&options.since)?,
        until: time(&options.until)?,
        before: None,
        limit: 100,
    };
    let db = boot::open_store(settings).await?;
    let app = boot::app(settings, db.clone())?;
    let written = write_accesses(&app, wanted, options).await;
    db.close().await;
    written
}

/// Newest first, page by page.
async fn write_accesses(
    app: &nimbus_app::App,
    mut wanted: disclosures::Wanted,
    options: &AuditDisclosuresOptions,
) -> Result<(), Failure> {
    audit::settle(app).await?;
    let call = nimbus_app::Call::system(nimbus_core::access::SystemActor::CommandLine);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    loop {
        let found = disclosures::page(app, &call, wanted).await?;
        let shown = |access: &&Access| !options.outside || To::of(&access.row) == To::Outside;
        for access in found.items.iter().filter(shown) {
            let line = if options.json { json_of(access).to_string() } else { text_of(access) };
            writeln!(out, "{line}")?;
        }
        wanted.before = found.before;
        if wanted.before.is_none() {
            return Ok(out.flush()?);
        }
    }
}

fn json_of(access: &Access) -> serde_json::Value {
    let row = &access.row;
    json!({
        "sequence": access.sequence, "at": row.at.to_string(), "to": To::of(row).as_str(),
        "actor_kind": row.actor_kind, "actor": row.actor, "name": access.name,
        "organisation": access.organisation, "action": row.action, "subject": row.subject,
        "subject_id": row.subject_id, "request_id": row.request_id, "address": row.address,
        "purpose": row.reason,
    })
}

fn text_of(access: &Access) -> String {
    let row = &access.row;
    let name = access.name.as_deref().unwrap_or(&row.actor);
    let who = match &access.organisation {
        Some(organisation) => format!("{organisation} ({name})"),
        None => name.to_owned(),
    };
    let record = row.subject_id.map_or_else(String::new, |id| format!(" {id}"));
    let from = row.address.as_ref().map_or_else(String::new, |address| format!(" from {address}"));
    let why = row.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let to = To::of(row).as_str();
    format!("{}  {to:10}  {who}  {}  {}{record}{from}{why}", row.at, row.action, row.subject)
}

async fn export(settings: &Settings, options: &AuditExportOptions) -> Result<(), Failure> {
    let clinic = options.clinic.as_deref().map(str::parse).transpose();
    let wanted = Wanted {
        since: time(&options.since)?,
        until: time(&options.until)?,
        clinic: clinic.map_err(|_| "a clinic is named by its id")?,
    };
    let db = boot::open_store(settings).await?;
    let app = boot::app(settings, db.clone())?;
    let written = write_all(&app, wanted).await;
    db.close().await;
    written
}

async fn write_all(app: &nimbus_app::App, wanted: Wanted) -> Result<(), Failure> {
    audit::exported(app, &nimbus_app::Call::system(nimbus_core::access::SystemActor::CommandLine), wanted)
        .await?;
    audit::settle(app).await?;
    let mut export = export::begin(app, wanted).await?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    loop {
        let lines = export.next(app).await?;
        if lines.is_empty() {
            return Ok(out.flush()?);
        }
        for line in lines {
            out.write_all(line.to_text().as_bytes())?;
        }
    }
}

#[cfg(test)]
mod tests {
    use nimbus_app::audit::verify::Wrong;

    use super::*;

    #[test]
    fn a_report_says_what_is_wrong_and_where() {
        let at = Ts::from_micros(1_767_225_600_000_000);
        let row: nimbus_core::ids::AuditId = "01890000-0000-7000-8000-000000000001".parse().unwrap();
        let place = Difference {
            wrong: Wrong::RowChanged,
            sequence: 5,
            until: None,
            number: None,
            audit_id: Some(row),
            at: Some(at),
        };
        let gone = Difference {
            wrong: Wrong::LinkMissing,
            sequence: 7,
            until: Some(9),
            number: None,
            audit_id: None,
            at: None,
        };
        let mut report = Report {
            from: 0,
            to: 9,
            length: 9,
            hash: Some([0xab; 32]),
            differences: vec![place, gone],
            count: 2,
            has_ended: true,
        };
        assert_eq!(
            as_text(&report, None),
            "WRONG row_changed at link 5, row 01890000-0000-7000-8000-000000000001 of 2026-01-01T00:00:00.000Z\n\
             WRONG link_missing at link 7 to 9\n"
        );
        assert_eq!(as_json(&report, Some(at))["differences"][1]["until"], 9);
        (report.differences, report.count) = (Vec::new(), 0);
        let text = as_text(&report, Some(at));
        assert!(text.starts_with("links 1 to 9 are as they were written; the last is abab"), "{text}");
        assert!(text.ends_with("rows since 2026-01-01T00:00:00.000Z are not linked yet\n"), "{text}");
    }
}
