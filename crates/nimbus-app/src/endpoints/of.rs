//! Which endpoint a call is about, and whether its caller may: one of the key's clinic, or any of a clinic for staff.

use nimbus_core::{
    access::Scope,
    ids::{ClinicId, EndpointId},
};
use nimbus_store::{
    Tx,
    audit::AuditEntry,
    endpoints::{self as store, Endpoint, Shape},
};

use super::NOT_FOUND;
use crate::{
    actor::{CLINIC_SENDERS, Call},
    error::Result,
    unit::Cx,
};

/// An endpoint as one surface knows it: each sees only those of its own shape.
#[derive(Debug, Clone, Copy)]
pub struct Which {
    pub shape: Shape,
    pub id: EndpointId,
}

/// The endpoint of the clinic that is meant.
pub(crate) async fn find(tx: &mut Tx, clinic: ClinicId, which: Which) -> Result<Endpoint> {
    let found = store::endpoint_get(tx, clinic, which.id).await?;
    found.filter(|found| found.shape == which.shape).ok_or(NOT_FOUND)
}

/// The endpoint that is meant.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// One of the key's clinic, as the partner's API knows it.
    Own(Which),
    /// Any of a clinic, for staff.
    Clinic(ClinicId, EndpointId),
}

impl Of {
    /// Refuses who may not.
    pub(crate) fn allow(self, call: &Call, scope: Scope) -> Result<()> {
        match self {
            Self::Own(_) => call.partner(scope).map(drop),
            Self::Clinic(clinic, _) => call.staff_of(CLINIC_SENDERS, clinic),
        }
    }

    pub(crate) async fn find(self, tx: &mut Tx, call: &Call, scope: Scope) -> Result<Endpoint> {
        self.allow(call, scope)?;
        match self {
            Self::Own(which) => find(tx, call.partner(scope)?.clinic_id, which).await,
            Self::Clinic(clinic, id) => store::endpoint_get(tx, clinic, id).await?.ok_or(NOT_FOUND),
        }
    }

    /// What is put on record of a look at an endpoint as it is set up: its owner's own is none.
    pub(crate) fn looked(self, cx: &Cx) -> Vec<AuditEntry> {
        match self {
            Self::Own(_) => Vec::new(),
            Self::Clinic(clinic, id) => vec![cx.audit(Some(clinic), "webhook.read", "webhook", Some(id.0))],
        }
    }
}
