//! What auditors ask of the audit log over the API, each question on record itself.

use std::time::Duration;

use nimbus_store::audit::{self as store, audit_append};
pub use nimbus_store::audit::{Found, Search};

use super::{
    Standing,
    export::{self, Export, Wanted},
    exported, standing,
    verify::{self, Report},
};
use crate::{
    App,
    actor::{AUDITORS, Call},
    error::{Error, Result},
    unit::Cx,
};

/// A request compares for so long: shorter than it may take.
const COMPARE: Duration = Duration::from_secs(5);
/// Links of one export over the API. What is more is exported on the server, or month by month.
const EXPORT_MAX: i64 = 1_000_000;

/// Entries that are linked, newest first.
pub async fn search(app: &App, call: &Call, search: Search) -> Result<Found> {
    call.staff(AUDITORS)?;
    let found = app.read(call, search, |tx, cx, search| {
        Box::pin(async move {
            let found = store::audit_search(tx, search).await?;
            Ok((found, vec![cx.audit(search.clinic_id, "audit.search", "audit", search.subject_id)]))
        })
    });
    found.await
}

/// What a comparison found, and how the chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub report: Report,
    pub standing: Standing,
}

/// Compares the log with its chain after a link, for some seconds.
pub async fn verify(app: &App, call: &Call, after: i64) -> Result<Checked> {
    call.staff(AUDITORS)?;
    let entry = Cx::new(app, call).audit(None, "audit.verify", "audit", None);
    audit_append(app.db(), &[entry]).await?;
    // Before the comparison: what is not linked afterwards was done meanwhile.
    let standing = standing(app).await?;
    let report = verify::verify(app, after, None, Some(COMPARE)).await?;
    Ok(Checked { report, standing })
}

/// Begins an export.
///
/// # Errors
/// `Invalid` if it would be of more than a million links.
pub async fn export(app: &App, call: &Call, wanted: Wanted) -> Result<Export> {
    call.staff(AUDITORS)?;
    exported(app, call, wanted).await?;
    let export = export::begin(app, wanted).await?;
    match export.length() {
        0..=EXPORT_MAX => Ok(export),
        _ => Err(Error::field("from", "must leave at most 1000000 entries, of all clinics, up to until")),
    }
}
