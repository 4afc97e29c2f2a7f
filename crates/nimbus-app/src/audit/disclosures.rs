//! A patient's accounting of disclosures: who had to do with their records, when, from where and why (45 CFR 164.528).

use nimbus_store::audit::{self as store, AuditRow};
pub use nimbus_store::audit::{Access, Accesses, AccessesWanted as Wanted};

use crate::{
    App,
    actor::{AUDITORS, Call},
    error::{Error, Result},
};

/// The covered period where none is given: six years before the request (45 CFR 164.528(a)(1)).
pub const YEARS: i64 = 6;

/// Who got to know, or did, something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Somebody else than the pharmacy: a partner by its key, or whoever held a signed link.
    Outside,
    /// The pharmacy's own staff.
    Staff,
    /// A part of the platform.
    Platform,
}

impl To {
    pub const ALL: &[Self] = &[Self::Outside, Self::Staff, Self::Platform];

    /// As reports have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outside => "disclosure",
            Self::Staff => "staff",
            Self::Platform => "platform",
        }
    }

    /// Whose access an entry is.
    pub fn of(row: &AuditRow) -> Self {
        match (row.actor_kind.as_str(), row.actor.as_str()) {
            ("key", _) | ("system", "signed_link") => Self::Outside,
            ("system", _) => Self::Platform,
            _ => Self::Staff,
        }
    }
}

/// The accesses to a patient's records, newest first, for auditors. The question is on record itself.
///
/// # Errors
/// `NotFound` if no clinic has the patient.
pub async fn list(app: &App, call: &Call, wanted: Wanted) -> Result<Accesses> {
    call.staff(AUDITORS)?;
    page(app, call, wanted).await
}

/// [`list`] for whoever may run commands on the server.
pub async fn page(app: &App, call: &Call, wanted: Wanted) -> Result<Accesses> {
    app.read(call, wanted, |tx, cx, wanted| {
        Box::pin(async move {
            let patient = wanted.patient;
            let clinic = store::patient_clinic(tx, patient).await?.ok_or(Error::NotFound("Patient"))?;
            let from = wanted.from.unwrap_or(cx.wall.plus_days(-YEARS * 366));
            let wanted = Wanted { from: Some(from), ..*wanted };
            let found = store::accesses(tx, clinic, &wanted).await?;
            let audit = cx.audit(Some(clinic), "patient.disclosures", "patient", Some(patient.0));
            Ok((found, vec![audit]))
        })
    })
    .await
}
