//! What a sandbox has ready: its magic values, and of a clinic its time and what the seed made there.

use nimbus_core::{ids::ClinicId, sandbox_magic, time::Ts};
use nimbus_store::{settings, tenants};

pub use sandbox_magic::Fixture;

use super::{Ready, SANDBOX_STAFF, SEED, ready_in};
use crate::{
    App,
    actor::{Actor, Call},
    error::{Error, Result},
};

pub struct Fixtures {
    pub values: Vec<Fixture>,
    /// The caller's clinic, or the one that staff name.
    pub clinic: Option<OfClinic>,
}

/// What is known of one clinic.
pub struct OfClinic {
    pub clinic_id: ClinicId,
    /// Its business time.
    pub now: Ts,
    /// What the seed, or the latest reset, made. Only the seed's own clinic has it on record.
    pub ready: Option<Ready>,
}

/// Everything that a sandbox has ready.
pub async fn fixtures(app: &App, call: &Call, named: Option<ClinicId>) -> Result<Fixtures> {
    let clinic = match &call.actor {
        Actor::Partner(partner) => Some(partner.clinic_id),
        _ => {
            call.staff(SANDBOX_STAFF)?;
            named
        }
    };
    let values = sandbox_magic::fixtures();
    let Some(clinic) = clinic else { return Ok(Fixtures { values, clinic: None }) };
    let of_clinic = app
        .read(call, clinic, |tx, cx, &clinic_id| {
            Box::pin(async move {
                tenants::clinic_get(tx, clinic_id)
                    .await?
                    .ok_or_else(|| Error::field("clinic_id", "Clinic not found"))?;
                let now = cx.of_clinic(tx, clinic_id).await?.now;
                let text = settings::setting_get(tx, SEED).await?;
                let ready = text.and_then(|text| ready_in(&text, clinic_id));
                Ok((OfClinic { clinic_id, now, ready }, Vec::new()))
            })
        })
        .await?;
    Ok(Fixtures { values, clinic: Some(of_clinic) })
}
