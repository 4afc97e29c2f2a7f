//! What a call puts on record in the audit log: the records that it reads or changes, the patients that a list shows,
//! and values that it found altered.

use nimbus_core::ids::{ClinicId, PatientId};
use nimbus_store::{Place, audit::AuditEntry, keyring::PLATFORM};
use uuid::Uuid;

use crate::unit::Cx;

impl Cx {
    /// A row for the audit log.
    pub(crate) fn audit(
        &self,
        clinic_id: Option<ClinicId>,
        action: &'static str,
        subject: &'static str,
        subject_id: Option<Uuid>,
    ) -> AuditEntry {
        if let Some(id) = subject_id {
            self.subject().get_or_insert((subject, id));
        }
        AuditEntry {
            clinic_id,
            at: self.wall,
            by: self.by(),
            action,
            subject: subject.into(),
            subject_id,
            request_id: Some(self.call.request_id.clone()).filter(|id| !id.is_empty()),
            address: self.call.address.clone(),
            reason: None,
        }
    }

    /// Rows for a list, of one clinic or of all: one for each patient that something in it is about, so that who asks
    /// which lists a patient was in finds them; one without a record where it shows nobody.
    pub(crate) fn audit_list(
        &self,
        clinic: Option<ClinicId>,
        action: &'static str,
        subject: &'static str,
        shown: impl Iterator<Item = (ClinicId, PatientId)>,
    ) -> Vec<AuditEntry> {
        let mut shown: Vec<_> = shown.collect();
        shown.sort_unstable();
        shown.dedup();
        if shown.is_empty() {
            return vec![self.audit(clinic, action, subject, None)];
        }
        let of_patient = |(clinic, patient): (ClinicId, PatientId)| {
            self.audit(Some(clinic), action, "patient", Some(patient.0))
        };
        shown.into_iter().map(of_patient).collect()
    }

    /// A row that says that this call met a sealed value that was altered. The log tells of it as well.
    pub(crate) fn audit_unreadable(&self, place: Place) -> AuditEntry {
        tracing::error!(%place, request_id = %self.call.request_id, "a sealed value was altered");
        let clinic = Some(place.clinic).filter(|clinic| *clinic != PLATFORM);
        self.audit(clinic, "record.unreadable", place.table, Some(place.row))
    }
}
